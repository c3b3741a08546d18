// The fast Fourier transform of complex numbers in double precision: butterflies over distances that double from one pass to
// the next, and a permutation by reversed bits.
//
// Each round transforms a signal, damps its high frequencies, and transforms it back. The roots of unity are computed by
// halving angles with square roots, so that no library is needed and all platforms have the same bits.
#include "kernel.h"

#define SIZE_BITS 9
#define SIZE (1 << SIZE_BITS)

typedef struct {
    f64 re, im;
} Complex;

static Complex signal[SIZE];
static Complex root[SIZE / 2]; // exp(-2 pi i k / SIZE)
static f64 damping[SIZE];

static inline Complex times(Complex a, Complex b) {
    return (Complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// Begins with 1 and -i, and fills the gaps by roots that halve the angle.
static void compute_roots(void) {
    root[0] = (Complex){1, 0};
    root[SIZE / 4] = (Complex){0, -1};
    Complex half = {0, -1};
    for (i32 step = SIZE / 8; step > 0; step /= 2) {
        f64 cosine = __builtin_sqrt((1 + half.re) / 2);
        half = (Complex){cosine, half.im / (2 * cosine)};
        for (i32 k = step; k < SIZE / 2; k += 2 * step) {
            root[k] = times(root[k - step], half);
        }
    }
}

static void reset(void) {
    u64 random = 0xec4e6c89082efa98u;
    compute_roots();
    for (i32 i = 0; i < SIZE; i++) {
        signal[i] = (Complex){next_random_f64(&random), next_random_f64(&random)};
        i32 frequency = i < SIZE / 2 ? i : SIZE - i;
        damping[i] = 1.0 / (SIZE + 4 + frequency / 8);
    }
}

// Swaps each number with the one whose index has the same bits in reverse.
NOINLINE static void permute(Complex *values) {
    for (u32 i = 0, reversed = 0; i < SIZE; i++) {
        if (i < reversed) {
            Complex value = values[i];
            values[i] = values[reversed];
            values[reversed] = value;
        }
        // Adds one to the reversed number: the carry runs to the right.
        u32 bit = SIZE >> 1;
        for (; reversed & bit; bit >>= 1) {
            reversed ^= bit;
        }
        reversed |= bit;
    }
}

// Transforms in place, without scaling.
NOINLINE static void transform(Complex *values) {
    permute(values);
    for (i32 half = 1; half < SIZE; half *= 2) {
        i32 stride = SIZE / 2 / half;
        for (i32 start = 0; start < SIZE; start += 2 * half) {
            for (i32 k = 0; k < half; k++) {
                Complex *low = &values[start + k];
                Complex *high = &values[start + k + half];
                Complex turned = times(*high, root[k * stride]);
                *high = (Complex){low->re - turned.re, low->im - turned.im};
                *low = (Complex){low->re + turned.re, low->im + turned.im};
            }
        }
    }
}

// Multiplies by the damping, which also undoes the scale of two transforms, and swaps the parts: transforming what was
// swapped, and swapping again, is the way back.
NOINLINE static void damp(Complex *values) {
    for (i32 i = 0; i < SIZE; i++) {
        values[i] = (Complex){values[i].im * damping[i], values[i].re * damping[i]};
    }
}

NOINLINE static void swap_parts(Complex *values) {
    for (i32 i = 0; i < SIZE; i++) {
        values[i] = (Complex){values[i].im, values[i].re};
    }
}

// So many rounds of two transforms each; a checksum of a number of each spectrum.
static u64 filter(i32 rounds) {
    u64 random = 0x082efa98ec4e6c8bu;
    u64 sum = 0;
    reset();
    for (i32 round = 0; round < rounds; round++) {
        transform(signal);
        sum = mix(sum, (u64)f64_bits(signal[round % SIZE].re));
        damp(signal);
        transform(signal);
        swap_parts(signal);
        // Something new, so that the signal does not fade away.
        for (i32 i = round % 16; i < SIZE; i += 16) {
            signal[i].re += next_random_f64(&random);
        }
    }
    return sum;
}

// The energy of the signal after so many rounds.
EXPORT(fft) f64 fft(i32 rounds) {
    filter(rounds);
    f64 energy = 0;
    for (i32 i = 0; i < SIZE; i++) {
        energy += signal[i].re * signal[i].re + signal[i].im * signal[i].im;
    }
    return energy;
}

// So many rounds.
EXPORT(run) i64 run(i32 n) {
    u64 sum = filter(n);
    for (i32 i = 0; i < SIZE; i += 16) {
        sum = mix(sum, (u64)f64_bits(signal[i].im));
    }
    return (i64)sum;
}
