// The host's side of a kernel: calls one of its two functions and prints the result and the time of each call.
//
// Compiled once per kernel with -DKERNEL=name -DKERNEL_RESULT=type, as kernels.toml gives them.
#define _POSIX_C_SOURCE 200809L
#include "kernel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUOTE(text) #text
#define NAME_OF(macro) QUOTE(macro)

extern i64 run(i32 n);
extern KERNEL_RESULT KERNEL(i32 what);

static i64 now_in_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (i64)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void print_i32(i32 value) {
    printf("%" PRId32, value);
}

static void print_i64(i64 value) {
    printf("%" PRId64, value);
}

static void print_f64(f64 value) {
    printf("%.17g", value);
}

#define PRINT(value) _Generic((value), i32: print_i32, i64: print_i64, f64: print_f64)(value)

// Calls, then prints "result nanoseconds" on one line.
#define TIME_CALL(type, call)                     \
    do {                                          \
        i64 start = now_in_ns();                  \
        type result = (call);                     \
        i64 elapsed = now_in_ns() - start;        \
        PRINT(result);                            \
        printf(" %" PRId64 "\n", elapsed);        \
    } while (0)

int main(int argc, char **argv) {
    const char *own_name = NAME_OF(KERNEL);
    int is_run = argc > 1 && strcmp(argv[1], "run") == 0;
    int is_own = argc > 1 && strcmp(argv[1], own_name) == 0;
    char *end = NULL;
    long argument = argc > 2 ? strtol(argv[2], &end, 10) : 0;
    long repeats = argc > 3 ? strtol(argv[3], NULL, 10) : 1;
    if (argc < 3 || argc > 4 || !(is_run || is_own) || *argv[2] == 0 || *end != 0 || argument < INT32_MIN ||
        argument > INT32_MAX || repeats < 1) {
        fprintf(stderr,
                "usage: %s run|%s N [REPEATS]\n"
                "Calls the function with N and prints, for each call, its result and its time in nanoseconds.\n",
                argv[0], own_name);
        return 1;
    }
    for (long i = 0; i < repeats; i++) {
        if (is_run) {
            TIME_CALL(i64, run((i32)argument));
        } else {
            TIME_CALL(KERNEL_RESULT, KERNEL((i32)argument));
        }
    }
    return 0;
}
