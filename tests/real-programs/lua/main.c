/* Runs the Lua script that the first argument names; the others are its arguments, in the table `arg`.
 * Nothing is called under pcall, so that an error gets to the function that reports it: see config.h. */

#include <stdio.h>
#include <stdlib.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

static int report(lua_State *lua) {
    const char *message = lua_tostring(lua, -1);
    fprintf(stderr, "lua: %s\n", message == NULL ? "(error object is no string)" : message);
    exit(1);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: lua SCRIPT [ARGS...]\n");
        return 2;
    }
    lua_State *lua = luaL_newstate();
    if (lua == NULL) {
        fprintf(stderr, "lua: out of memory\n");
        return 1;
    }
    lua_atpanic(lua, report);
    luaL_openlibs(lua);
    lua_createtable(lua, argc - 2, 1);
    for (int i = 1; i < argc; i++) {
        lua_pushstring(lua, argv[i]);
        lua_rawseti(lua, -2, i - 1);
    }
    lua_setglobal(lua, "arg");
    if (luaL_loadfile(lua, argv[1]) != LUA_OK)
        report(lua);
    for (int i = 2; i < argc; i++)
        lua_pushstring(lua, argv[i]);
    lua_call(lua, argc - 2, 0);
    lua_close(lua);
    return 0;
}
