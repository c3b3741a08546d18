// Systems of linear equations with a symmetric positive definite matrix, by Cholesky's method: triangular loops, whose
// trip counts shrink to nothing, with divisions and square roots between them.
//
// The matrix A is factored in place into R^T R, R being upper triangular, which takes the longest. Then come the two
// triangular systems R^T y = b, by columns of R^T, and R x = y, by rows of R: one adds multiples of rows, the other takes
// dot products, whose additions must stay in order.
#include "kernel.h"

#define LARGEST_SIZE 160
#define USUAL_SIZE 64

static f64 original[LARGEST_SIZE * LARGEST_SIZE];
static f64 factor[LARGEST_SIZE * LARGEST_SIZE];
static f64 solution[LARGEST_SIZE];

// A symmetric matrix with a diagonal that outweighs the rest. Only the upper triangle is ever looked at.
static void fill(i32 size, u64 *random) {
    for (i32 i = 0; i < size; i++) {
        original[i * size + i] = size + next_random_f64(random);
        for (i32 j = i + 1; j < size; j++) {
            original[i * size + j] = next_random_f64(random);
        }
    }
}

static void copy_upper_triangle(f64 *to, const f64 *from, i32 size) {
    for (i32 i = 0; i < size; i++) {
        for (i32 j = i; j < size; j++) {
            to[i * size + j] = from[i * size + j];
        }
    }
}

// Replaces the upper triangle of A by R. Each step finishes a row and takes its part out of all rows below.
NOINLINE static void factorize(f64 *a, i32 size) {
    for (i32 k = 0; k < size; k++) {
        const f64 *done = &a[k * size];
        f64 pivot = __builtin_sqrt(a[k * size + k]);
        for (i32 j = k; j < size; j++) {
            a[k * size + j] /= pivot;
        }
        for (i32 i = k + 1; i < size; i++) {
            f64 *row = &a[i * size];
            f64 multiple = done[i];
            for (i32 j = i; j < size; j++) {
                row[j] -= multiple * done[j];
            }
        }
    }
}

// Replaces b by the solution of R^T y = b.
NOINLINE static void solve_forward(const f64 *r, f64 *b, i32 size) {
    for (i32 i = 0; i < size; i++) {
        b[i] /= r[i * size + i];
        for (i32 j = i + 1; j < size; j++) {
            b[j] -= b[i] * r[i * size + j];
        }
    }
}

// Replaces y by the solution of R x = y.
NOINLINE static void solve_backward(const f64 *r, f64 *y, i32 size) {
    for (i32 i = size - 1; i >= 0; i--) {
        f64 rest = y[i];
        for (i32 j = i + 1; j < size; j++) {
            rest -= r[i * size + j] * y[j];
        }
        y[i] = rest / r[i * size + i];
    }
}

// Solves one system; returns the sum of the unknowns.
static f64 solve(i32 size, u64 *random) {
    copy_upper_triangle(factor, original, size);
    factorize(factor, size);
    for (i32 i = 0; i < size; i++) {
        solution[i] = next_random_f64(random);
    }
    solve_forward(factor, solution, size);
    solve_backward(factor, solution, size);
    f64 total = 0;
    for (i32 i = 0; i < size; i++) {
        total += solution[i];
    }
    return total;
}

// The sum of the unknowns of a random system of so many equations, 1 to 160.
EXPORT(cholesky) f64 cholesky(i32 equations) {
    i32 size = equations < 1 ? 1 : equations > LARGEST_SIZE ? LARGEST_SIZE : equations;
    u64 random = 0xc0ac29b7c97c50ddu;
    fill(size, &random);
    return solve(size, &random);
}

// Solves so many systems; from one to the next a number of the diagonal changes.
EXPORT(run) i64 run(i32 n) {
    u64 sum = 0;
    u64 random = 0x3f84d5b5b5470917u;
    fill(USUAL_SIZE, &random);
    for (i32 round = 0; round < n; round++) {
        sum = mix(sum, (u64)f64_bits(solve(USUAL_SIZE, &random)));
        i32 row = round % USUAL_SIZE;
        original[row * USUAL_SIZE + row] = USUAL_SIZE + next_random_f64(&random);
    }
    return (i64)sum;
}
