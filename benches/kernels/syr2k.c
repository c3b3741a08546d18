// Symmetric updates of rank k and 2k of a matrix's lower triangle, C := C/2 + a multiple of A A^T, and of A B^T + B A^T: the
// innermost loop writes a row, and reads columns of others at a stride of a whole row.
#include "kernel.h"

#define SIZE 80

typedef f64 Row[SIZE];

static Row a[SIZE], b[SIZE], c[SIZE];

static void fill(Row *matrix, u64 *random) {
    for (i32 i = 0; i < SIZE; i++) {
        for (i32 j = 0; j < SIZE; j++) {
            matrix[i][j] = next_random_f64(random) - 0.5;
        }
    }
}

NOINLINE static void update_by_one(Row *to, const Row *from) {
    for (i32 i = 0; i < SIZE; i++) {
        for (i32 j = 0; j <= i; j++) {
            to[i][j] *= 0.5;
        }
        for (i32 k = 0; k < SIZE; k++) {
            for (i32 j = 0; j <= i; j++) {
                to[i][j] += 0.25 * from[i][k] * from[j][k];
            }
        }
    }
}

NOINLINE static void update_by_two(Row *to, const Row *x, const Row *y) {
    for (i32 i = 0; i < SIZE; i++) {
        for (i32 j = 0; j <= i; j++) {
            to[i][j] *= 0.5;
        }
        for (i32 k = 0; k < SIZE; k++) {
            for (i32 j = 0; j <= i; j++) {
                to[i][j] += x[j][k] * 0.25 * y[i][k] + y[j][k] * 0.25 * x[i][k];
            }
        }
    }
}

// So many updates of each kind, with the matrices in turns, of which a number changes each time; returns a sum of the
// triangle.
static f64 update(i32 updates) {
    u64 random = 0x9d2c5680b5026f5au;
    fill(a, &random);
    fill(b, &random);
    fill(c, &random);
    for (i32 round = 0; round < updates; round++) {
        Row *x = round % 2 == 0 ? a : b;
        Row *y = round % 2 == 0 ? b : a;
        update_by_one(c, x);
        update_by_two(c, x, y);
        x[round % SIZE][round % 7] = next_random_f64(&random) - 0.5;
    }
    f64 total = 0;
    for (i32 i = 0; i < SIZE; i++) {
        for (i32 j = 0; j <= i; j++) {
            total += c[i][j];
        }
    }
    return total;
}

// The sum of the triangle after so many updates of each kind.
EXPORT(syr2k) f64 syr2k(i32 updates) {
    return update(updates < 0 ? 0 : updates);
}

EXPORT(run) i64 run(i32 n) {
    return (i64)mix(0, (u64)f64_bits(update(n)));
}
