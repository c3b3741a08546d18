// Explicit vectors of 128 bits, of bytes, 32-bit integers and single-precision numbers: what someone wrote who did not want
// to wait for the vectorizer.
//
// Three parts take turns: a stream cipher whose state is four rows of four words (additions, rotations, shuffles), layers of
// an image that are laid over each other (saturation, comparisons, widening), and points that are turned and bounce off the
// walls of a box (multiplications, selection by masks). Vectors are those of the compiler, so that the same source makes
// WebAssembly's and the host's.
#include "kernel.h"

typedef u8 u8x16 __attribute__((vector_size(16)));
typedef u8 u8x8 __attribute__((vector_size(8)));
typedef u16 u16x8 __attribute__((vector_size(16)));
typedef u32 u32x4 __attribute__((vector_size(16)));
typedef i32 i32x4 __attribute__((vector_size(16)));
typedef u64 u64x2 __attribute__((vector_size(16)));
typedef f32 f32x4 __attribute__((vector_size(16)));

// ---- The cipher

#define STREAM_BLOCKS 16

static u32x4 stream[STREAM_BLOCKS * 4];

static inline u32x4 rotate(u32x4 value, u32 by) {
    return value << by | value >> (32 - by);
}

static inline void quarter_round(u32x4 *a, u32x4 *b, u32x4 *c, u32x4 *d) {
    *a += *b, *d = rotate(*d ^ *a, 16);
    *c += *d, *b = rotate(*b ^ *c, 12);
    *a += *b, *d = rotate(*d ^ *a, 8);
    *c += *d, *b = rotate(*b ^ *c, 7);
}

// ChaCha20: columns and diagonals in turn, ten times each.
NOINLINE static void fill_stream(u32x4 key0, u32x4 key1, u32x4 counter) {
    const u32x4 constant = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    for (u32 block = 0; block < STREAM_BLOCKS; block++) {
        u32x4 a = constant, b = key0, c = key1, d = counter;
        for (int i = 0; i < 10; i++) {
            quarter_round(&a, &b, &c, &d);
            b = __builtin_shufflevector(b, b, 1, 2, 3, 0);
            c = __builtin_shufflevector(c, c, 2, 3, 0, 1);
            d = __builtin_shufflevector(d, d, 3, 0, 1, 2);
            quarter_round(&a, &b, &c, &d);
            b = __builtin_shufflevector(b, b, 3, 0, 1, 2);
            c = __builtin_shufflevector(c, c, 2, 3, 0, 1);
            d = __builtin_shufflevector(d, d, 1, 2, 3, 0);
        }
        stream[block * 4] = a + constant;
        stream[block * 4 + 1] = b + key0;
        stream[block * 4 + 2] = c + key1;
        stream[block * 4 + 3] = d + counter;
        counter += (u32x4){1, 0, 0, 0};
    }
}

// ---- The image

#define IMAGE_VECTORS 128

static u8x16 image[IMAGE_VECTORS];

static inline u8x16 narrow(u16x8 low, u16x8 high) {
    return (u8x16)__builtin_shufflevector((u8x16)low, (u8x16)high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

static inline u16x8 widen_low(u8x16 bytes) {
    return __builtin_convertvector(__builtin_shufflevector(bytes, bytes, 0, 1, 2, 3, 4, 5, 6, 7), u16x8);
}

static inline u16x8 widen_high(u8x16 bytes) {
    return __builtin_convertvector(__builtin_shufflevector(bytes, bytes, 8, 9, 10, 11, 12, 13, 14, 15), u16x8);
}

// Lays the stream over the image: transparent where it is dark, by a weight in 256ths elsewhere, and adds a glow.
NOINLINE static void overlay(u16 weight, u8 threshold, u8 glow) {
    for (u32 i = 0; i < IMAGE_VECTORS; i++) {
        u8x16 below = image[i];
        u8x16 above = (u8x16)stream[i % (STREAM_BLOCKS * 4)];
        u16x8 low = widen_low(below) * (u16)(256 - weight) + widen_low(above) * weight;
        u16x8 high = widen_high(below) * (u16)(256 - weight) + widen_high(above) * weight;
        u8x16 mixed = narrow(low >> 8, high >> 8);
        mixed = __builtin_elementwise_add_sat(mixed, (u8x16){} + glow);
        u8x16 opaque = (u8x16)(above >= threshold);
        image[i] = (mixed & opaque) | (__builtin_elementwise_sub_sat(below, (u8x16){} + 3) & ~opaque);
    }
}

// ---- The points

#define POINT_VECTORS 64

static f32x4 x[POINT_VECTORS], y[POINT_VECTORS], dx[POINT_VECTORS], dy[POINT_VECTORS];

static inline f32x4 choose(i32x4 mask, f32x4 yes, f32x4 no) {
    return (f32x4)(((i32x4)yes & mask) | ((i32x4)no & ~mask));
}

// Points fly on; outside of the box from -1 to 1 they turn around. Returns in how many lanes that happened.
NOINLINE static u32 move_points(f32 time) {
    i32x4 bounces = {0, 0, 0, 0};
    for (u32 i = 0; i < POINT_VECTORS; i++) {
        // A turn by an angle whose sine is 0.28.
        f32x4 vx = dx[i] * 0.96f - dy[i] * 0.28f;
        f32x4 vy = dx[i] * 0.28f + dy[i] * 0.96f;
        // Keeps speeds between 1/2 and 2, so that rounding can't make them drift away.
        f32x4 square = vx * vx + vy * vy;
        f32x4 scale = choose(square > 4.0f, (f32x4){} + 0.5f, choose(square < 0.25f, (f32x4){} + 2.0f, (f32x4){} + 1.0f));
        vx *= scale;
        vy *= scale;
        f32x4 nx = x[i] + vx * time;
        f32x4 ny = y[i] + vy * time;
        i32x4 out_x = (nx > 1.0f) | (nx < -1.0f);
        i32x4 out_y = (ny > 1.0f) | (ny < -1.0f);
        dx[i] = choose(out_x, -vx, vx);
        dy[i] = choose(out_y, -vy, vy);
        x[i] = choose(out_x, x[i], nx);
        y[i] = choose(out_y, y[i], ny);
        bounces -= out_x + out_y;
    }
    return (u32)(bounces[0] + bounces[1] + bounces[2] + bounces[3]);
}

// ---- The two exports

static void reset(void) {
    u64 random = 0x082efa98ec4e6c89u;
    for (u32 i = 0; i < IMAGE_VECTORS; i++) {
        image[i] = (u8x16)(u64x2){next_random(&random), next_random(&random)};
    }
    for (u32 i = 0; i < POINT_VECTORS; i++) {
        for (int lane = 0; lane < 4; lane++) {
            x[i][lane] = (f32)next_random_f64(&random);
            y[i][lane] = (f32)next_random_f64(&random);
            dx[i][lane] = (f32)next_random_f64(&random);
            dy[i][lane] = (f32)next_random_f64(&random) + 1.5f;
        }
    }
}

static u64 work(i32 rounds) {
    u64 sum = 0;
    reset();
    for (i32 round = 0; round < rounds; round++) {
        u32x4 key = {(u32)sum, (u32)(sum >> 32), (u32)round, 7};
        fill_stream(key, ~key, (u32x4){0, 0, 0x09000000, 0x4a000000});
        sum = mix(sum, stream[round % (STREAM_BLOCKS * 4)][0]);
        overlay(64 + (sum & 127), 96, (u8)(sum >> 8 & 31));
        sum = mix(sum, ((u64x2)image[round % IMAGE_VECTORS])[1]);
        for (u32 i = 0; i < 4; i++) {
            sum = mix(sum, move_points(0.03125f * (f32)(i + 1)));
        }
    }
    return sum;
}

// The sum of the image's bytes after so many rounds.
EXPORT(simd) i32 simd(i32 rounds) {
    work(rounds);
    u32 total = 0;
    for (u32 i = 0; i < IMAGE_VECTORS; i++) {
        for (int lane = 0; lane < 16; lane++) {
            total += image[i][lane];
        }
    }
    return (i32)total;
}

// So many rounds.
EXPORT(run) i64 run(i32 n) {
    u64 sum = work(n);
    for (u32 i = 0; i < POINT_VECTORS; i++) {
        sum = mix(sum, ((u64x2)x[i])[0] ^ ((u64x2)y[i])[1]);
    }
    return (i64)sum;
}
