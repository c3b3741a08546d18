// Functions that call themselves, each in its own way: three times within an argument list, through a partner, to great
// depth, and once for each way that is still open.
//
// Takeuchi's function, Hofstadter's pair, Ackermann's function, and queens on a chessboard. What is done between two calls
// is a comparison and an addition or two, apart from the queens.
#include "kernel.h"

// z, unless y < x.
NOINLINE static i32 takeuchi(i32 x, i32 y, i32 z) {
    if (y >= x) {
        return z;
    }
    return takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}

static i32 male(i32 n);

// Hofstadter's two sequences, each of which is defined by the other.
NOINLINE static i32 female(i32 n) {
    return n == 0 ? 1 : n - male(female(n - 1));
}

NOINLINE static i32 male(i32 n) {
    return n == 0 ? 0 : n - female(male(n - 1));
}

NOINLINE static i32 ackermann(i32 m, i32 n) {
    if (m == 0) {
        return n + 1;
    }
    return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

// In how many ways queens can be put on the remaining rows. Bits stand for columns: those that are free of queens, and
// those that the diagonals of earlier rows attack.
NOINLINE static i32 queens(u32 free_columns, u32 falling, u32 rising) {
    if (free_columns == 0) {
        return 1;
    }
    i32 ways = 0;
    for (u32 open = free_columns & ~(falling | rising); open != 0; open &= open - 1) {
        u32 queen = open & -open;
        ways += queens(free_columns ^ queen, (falling | queen) << 1, (rising | queen) >> 1);
    }
    return ways;
}

// One of the functions, by the last digit of a number; the other digits are its argument.
EXPORT(recursion) i32 recursion(i32 what) {
    i32 argument = what / 10;
    switch (what % 10) {
    case 0: return takeuchi(argument, argument * 2 / 3, argument / 3);
    case 1: return female(argument);
    case 2: return ackermann(2, argument);
    case 3: return queens((1u << (argument & 15)) - 1, 0, 0);
    default: return -1;
    }
}

// So many rounds of all of them; what is asked for depends on the answers before.
EXPORT(run) i64 run(i32 n) {
    u64 sum = 0;
    for (i32 round = 0; round < n; round++) {
        i32 more = (i32)(sum >> 63);
        sum = mix(sum, (u64)takeuchi(9 + more, 6, 3));
        more = (i32)(sum >> 63);
        sum = mix(sum, (u64)female(24 + more));
        more = (i32)(sum >> 63);
        sum = mix(sum, (u64)ackermann(2, 12 + more));
        more = (i32)(sum >> 63);
        sum = mix(sum, (u64)queens((32u << more) - 1, 0, 0));
    }
    return (i64)sum;
}
