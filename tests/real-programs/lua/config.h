/* Included before each file of Lua: what WASI does not have.
 * Without setjmp there is nowhere to go from an error, so an error under pcall ends the program, and coroutines, which
 * yield by jumping, can't be had. An error outside pcall is reported as usual: see main.c. */

#define LUAI_THROW(L, c) __builtin_trap()
#define LUAI_TRY(L, c, a) { a }
#define luai_jmpbuf int
