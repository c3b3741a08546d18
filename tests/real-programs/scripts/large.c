// Compiled by clang in WebAssembly: a table of a quarter of a million entries, for its memory.
#define TIMES_4(...) __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__
#define TIMES_64(...) TIMES_4(TIMES_4(TIMES_4(__VA_ARGS__)))
#define TIMES_4096(...) TIMES_64(TIMES_64(__VA_ARGS__))

static const unsigned table[] = {TIMES_64(TIMES_4096(1,))};

unsigned last(void) {
    return sizeof table / sizeof *table + table[sizeof table / sizeof *table - 1];
}
