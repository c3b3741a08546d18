// The naive recursive Fibonacci function: hardly anything but calls.
#include "kernel.h"

EXPORT(fib) i32 fib(i32 n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

// Each round needs the result of the one before it, so that no compiler can compute one and multiply: fib(14) is odd and
// asks for fib(15), which is even and asks for fib(14).
EXPORT(run) i64 run(i32 n) {
    u64 sum = 0;
    i32 last = 0;
    for (i32 round = 0; round < n; round++) {
        last = fib(14 + (last & 1));
        sum = mix(sum, (u64)last);
    }
    return (i64)sum;
}
