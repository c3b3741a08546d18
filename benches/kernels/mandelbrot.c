// The Mandelbrot set in double precision: a short loop of multiplications and additions that needs what it computed the
// last time round, and ends when nobody can tell before.
//
// Rows of an image, one after the other; each image is a little to the right of the one before. Points within the main heart
// and the largest disc are known to belong to the set.
#include "kernel.h"

#define COLUMNS 64
#define ROWS 48
#define MOST_STEPS 200
#define STEP 0.04 // from one point to the next
#define IMAGES 500
#define STEPS_BETWEEN_IMAGES 0.01
#define CENTRE_RE (-0.7436)
#define CENTRE_IM 0.1318

// Whether it is in the heart of points that settle at one place, or in the disc of those that swing between two.
static inline i32 settles_soon(f64 re, f64 im) {
    f64 from_quarter = re - 0.25;
    f64 square = from_quarter * from_quarter + im * im;
    f64 from_disc = re + 1.0;
    return square * (square + from_quarter) <= 0.25 * im * im || from_disc * from_disc + im * im <= 0.0625;
}

// After how many steps a point is further than 2 from the origin; all there may be, if it is not.
static inline i32 steps_to_escape(f64 re, f64 im) {
    if (settles_soon(re, im)) {
        return MOST_STEPS;
    }
    f64 x = 0, y = 0, x_square = 0, y_square = 0;
    i32 steps = 0;
    while (steps < MOST_STEPS && x_square + y_square <= 4.0) {
        y = 2.0 * x * y + im;
        x = x_square - y_square + re;
        x_square = x * x;
        y_square = y * y;
        steps++;
    }
    return steps;
}

// A checksum of one row, which also counts the points that don't escape.
NOINLINE static u64 draw_row(i32 image, i32 row, u64 sum, i32 *inside) {
    f64 first_re = CENTRE_RE + (image * STEPS_BETWEEN_IMAGES - COLUMNS / 2) * STEP;
    f64 im = CENTRE_IM + (row - ROWS / 2) * STEP;
    u64 total = 0;
    for (i32 column = 0; column < COLUMNS; column++) {
        i32 steps = steps_to_escape(first_re + column * STEP, im);
        *inside += steps == MOST_STEPS;
        total = total * 31 + (u64)steps;
    }
    return mix(sum, total);
}

// So many rows, through image after image; back to the first one after the last.
static u64 draw(i32 rows, i32 *inside) {
    u64 sum = 0;
    for (i32 i = 0; i < rows; i++) {
        sum = draw_row(i / ROWS % IMAGES, i % ROWS, sum, inside);
    }
    return sum;
}

// How many points of so many rows don't escape.
EXPORT(mandelbrot) i32 mandelbrot(i32 rows) {
    i32 inside = 0;
    draw(rows, &inside);
    return inside;
}

// So many rows.
EXPORT(run) i64 run(i32 n) {
    i32 inside = 0;
    u64 sum = draw(n, &inside);
    return (i64)mix(sum, (u64)inside);
}
