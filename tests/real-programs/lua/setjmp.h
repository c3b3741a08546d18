/* In place of the header that this libc does not have: Lua only names the type, because luaconf.h is told to end the
 * program where it would jump (see config.h). */
typedef int jmp_buf[1];
