// Compiled by clang in WebAssembly: an expression 4096 levels deep, through which clang recurses.
#define TIMES_4(what) what what what what
#define TIMES_64(what) TIMES_4(TIMES_4(TIMES_4(what)))
#define TIMES_4096(what) TIMES_64(TIMES_64(what))

int sum(int value) {
    return value TIMES_4096(+ value);
}
