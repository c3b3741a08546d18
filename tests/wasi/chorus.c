// One of many that run at once: prints a hundred lines that nobody else prints, made of its argument and of work that
// takes a while, and checks in between that its memory is its own.

#include "test.h"

static uint32_t numbers[256];

int main(int argc, char **argv) {
    if (!CHECK(argc == 2)) {
        return finish();
    }
    uint32_t seed = 0;
    for (const char *digit = argv[1]; *digit; digit++) {
        seed = seed * 10 + (uint32_t)(*digit - '0');
    }
    uint32_t state = seed;
    for (int line = 0; line < 100; line++) {
        for (int i = 0; i < 256; i++) {
            state = state * 1664525 + 1013904223;
            numbers[i] = line == 0 ? state ^ seed : numbers[i] + state;
        }
        put(1, argv[1]);
        put(1, ":");
        put_number(1, (uint64_t)line);
        put(1, ":");
        put_number(1, numbers[line]);
        put(1, "\n");
    }
    return finish();
}
