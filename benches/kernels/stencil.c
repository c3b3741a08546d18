// Heat that spreads over a plate, by Jacobi's method: each point becomes the mean of its four neighbours.
//
// Two grids in double precision take turns, so that no sweep reads what it writes; that two pointers never meet is for the
// compiler to find out. Every sixteenth sweep also asks how far the plate still is from equilibrium, and moves the flame
// along the edge.
#include "kernel.h"

#define SIDE 130 // with the edge
#define SWEEPS_PER_FLAME 16

static f64 plates[2][SIDE * SIDE];

// Cold inside and hot along the first row.
static void reset(void) {
    for (i32 plate = 0; plate < 2; plate++) {
        for (i32 i = 0; i < SIDE * SIDE; i++) {
            plates[plate][i] = i < SIDE ? 100.0 : 20.0;
        }
    }
}

// Heats ten points of the last row of both plates, and cools those that were heated before.
static void move_flame(i32 to) {
    for (i32 x = 1; x < SIDE - 1; x++) {
        f64 heat = x >= to && x < to + 10 ? 900.0 : 20.0;
        plates[0][(SIDE - 1) * SIDE + x] = heat;
        plates[1][(SIDE - 1) * SIDE + x] = heat;
    }
}

NOINLINE static void sweep(f64 *to, const f64 *from) {
    for (i32 y = 1; y < SIDE - 1; y++) {
        for (i32 x = 1; x < SIDE - 1; x++) {
            i32 at = y * SIDE + x;
            to[at] = 0.25 * ((from[at - SIDE] + from[at + SIDE]) + (from[at - 1] + from[at + 1]));
        }
    }
}

// The largest difference between the plates.
NOINLINE static f64 largest_change(const f64 *before, const f64 *after) {
    f64 largest = 0;
    for (i32 i = 0; i < SIDE * SIDE; i++) {
        f64 change = __builtin_fabs(after[i] - before[i]);
        largest = change > largest ? change : largest;
    }
    return largest;
}

// Sweeps so many times and folds into a checksum what it sees on the way; returns the plate that was written last.
static const f64 *heat(i32 sweeps, u64 *sum) {
    f64 *current = plates[0];
    f64 *next = plates[1];
    reset();
    for (i32 i = 0; i < sweeps; i++) {
        if (i % SWEEPS_PER_FLAME == 0) {
            move_flame(1 + i / SWEEPS_PER_FLAME * 7 % (SIDE - 12));
        }
        sweep(next, current);
        if (i % SWEEPS_PER_FLAME == SWEEPS_PER_FLAME - 1) {
            *sum = mix(*sum, (u64)f64_bits(largest_change(current, next)));
        }
        f64 *written = next;
        next = current;
        current = written;
    }
    return current;
}

// The mean temperature after so many sweeps.
EXPORT(stencil) f64 stencil(i32 sweeps) {
    u64 sum = 0;
    const f64 *plate = heat(sweeps, &sum);
    f64 total = 0;
    for (i32 i = 0; i < SIDE * SIDE; i++) {
        total += plate[i];
    }
    return total / (SIDE * SIDE);
}

// Sweeps so many times.
EXPORT(run) i64 run(i32 n) {
    u64 sum = 0;
    const f64 *plate = heat(n, &sum);
    for (i32 i = 0; i < SIDE * SIDE; i += SIDE / 2) {
        sum = mix(sum, (u64)f64_bits(plate[i]));
    }
    return (i64)sum;
}
