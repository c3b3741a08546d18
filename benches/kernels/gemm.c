// Products of dense matrices in double precision: multiplications and additions along rows, all accesses in the innermost
// loop to neighbours.
//
// The matrices lie row by row, as in every textbook. One product adds multiples of whole rows, which a compiler can
// vectorize once it knows that the result is none of the factors. The other is made of dot products, whose additions must
// stay in order: four at a time, so that their latencies overlap.
#include "kernel.h"

#define LARGEST_SIZE 128
#define USUAL_SIZE 64

static f64 left[LARGEST_SIZE * LARGEST_SIZE];
static f64 right[LARGEST_SIZE * LARGEST_SIZE];
static f64 product[LARGEST_SIZE * LARGEST_SIZE];

static void fill(f64 *matrix, i32 size, u64 *random) {
    for (i32 i = 0; i < size * size; i++) {
        matrix[i] = next_random_f64(random);
    }
}

// c = a b
NOINLINE static void multiply(f64 *c, const f64 *a, const f64 *b, i32 size) {
    for (i32 i = 0; i < size; i++) {
        f64 *row = &c[i * size];
        for (i32 j = 0; j < size; j++) {
            row[j] = 0;
        }
        for (i32 k = 0; k < size; k++) {
            f64 factor = a[i * size + k];
            for (i32 j = 0; j < size; j++) {
                row[j] += factor * b[k * size + j];
            }
        }
    }
}

// c = a b^T; the size is a multiple of four.
NOINLINE static void multiply_by_transposed(f64 *c, const f64 *a, const f64 *b, i32 size) {
    for (i32 i = 0; i < size; i++) {
        for (i32 j = 0; j < size; j += 4) {
            const f64 *row = &a[i * size];
            const f64 *columns = &b[j * size];
            f64 dot0 = 0, dot1 = 0, dot2 = 0, dot3 = 0;
            for (i32 k = 0; k < size; k++) {
                dot0 += row[k] * columns[k];
                dot1 += row[k] * columns[size + k];
                dot2 += row[k] * columns[2 * size + k];
                dot3 += row[k] * columns[3 * size + k];
            }
            c[i * size + j] = dot0;
            c[i * size + j + 1] = dot1;
            c[i * size + j + 2] = dot2;
            c[i * size + j + 3] = dot3;
        }
    }
}

static f64 trace_of_product(i32 size) {
    f64 trace = 0;
    for (i32 i = 0; i < size; i++) {
        trace += product[i * size + i];
    }
    return trace;
}

// The trace of a b, plus that of a b^T, for random square matrices with so many rows: 4 to 128, rounded down to a multiple
// of four.
EXPORT(gemm) f64 gemm(i32 rows) {
    i32 size = rows < 4 ? 4 : rows > LARGEST_SIZE ? LARGEST_SIZE : rows & ~3;
    u64 random = 0x452821e638d01377u;
    fill(left, size, &random);
    fill(right, size, &random);
    multiply(product, left, right, size);
    f64 trace = trace_of_product(size);
    multiply_by_transposed(product, left, right, size);
    return trace + trace_of_product(size);
}

// Multiplies so many times, each kind in turn; between two multiplications one row of the left matrix changes.
EXPORT(run) i64 run(i32 n) {
    u64 sum = 0;
    u64 random = 0xbe5466cf34e90c6cu;
    fill(left, USUAL_SIZE, &random);
    fill(right, USUAL_SIZE, &random);
    for (i32 round = 0; round < n; round++) {
        if (round & 1) {
            multiply_by_transposed(product, left, right, USUAL_SIZE);
        } else {
            multiply(product, left, right, USUAL_SIZE);
        }
        sum = mix(sum, (u64)f64_bits(trace_of_product(USUAL_SIZE)));
        f64 *row = &left[round % USUAL_SIZE * USUAL_SIZE];
        for (i32 i = 0; i < USUAL_SIZE; i++) {
            row[i] = next_random_f64(&random);
        }
    }
    return (i64)sum;
}
