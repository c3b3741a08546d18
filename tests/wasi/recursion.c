// Calls itself without end.

#include "test.h"

static volatile uint64_t end = 0;

// Neither a loop nor free of effects, and nothing of it is on the stack in linear memory.
__attribute__((noinline)) static uint64_t deeper(uint64_t depth) {
    return depth == end ? 0 : deeper(depth + 1) * 3 + depth;
}

int main(int argc, char **argv) {
    (void)argv;
    put(1, "falling\n");
    put_number(1, deeper((uint64_t)argc));
    return finish();
}
