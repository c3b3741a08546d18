// Ends with the status in its first argument: by proc_exit from deep within, or, with a second argument, by returning
// from main.

#include "test.h"

__attribute__((noinline)) static void leave(int depth, __wasi_exitcode_t status) {
    if (depth == 0) {
        __wasi_proc_exit(status);
    }
    leave(depth - 1, status);
    put(1, "never\n");
}

int main(int argc, char **argv) {
    int status = 0;
    for (const char *digit = argc >= 2 ? argv[1] : ""; *digit; digit++) {
        status = status * 10 + (*digit - '0');
    }
    put(1, "leaving\n");
    if (argc == 2) {
        leave(20, (__wasi_exitcode_t)status);
    }
    return status;
}
