// Filters on a grey image, a byte for each pixel: narrow arithmetic that a compiler can do on many pixels at once, if it
// sees that nothing overflows.
//
// Each round blurs the image with the weights 1 4 6 4 1, first along rows and then along columns, and mixes the result with
// the image it came from, so that edges become sharper, within the range of a byte. A few bright and dark pixels are thrown
// in each time, so that there is always something to do.
#include "kernel.h"

#define WIDTH 160
#define HEIGHT 120
#define PIXELS (WIDTH * HEIGHT)
#define SPECKLES 24

static u8 image[PIXELS];
static u8 halfway[PIXELS];
static u8 blurred[PIXELS];

// A slope with a chequered pattern.
static void paint(void) {
    for (i32 y = 0; y < HEIGHT; y++) {
        for (i32 x = 0; x < WIDTH; x++) {
            image[y * WIDTH + x] = (u8)(x + y / 2 + ((x / 10 + y / 10) % 2) * 30);
        }
    }
}

static inline u8 weigh(u32 a, u32 b, u32 c, u32 d, u32 e) {
    return (u8)((a + 4 * b + 6 * c + 4 * d + e + 8) >> 4);
}

// The pixel in that column, or the nearest one if the row ends before.
static inline u8 in_row(const u8 *row, i32 x) {
    return row[x < 0 ? 0 : x >= WIDTH ? WIDTH - 1 : x];
}

NOINLINE static void blur_rows(u8 *to, const u8 *from) {
    for (i32 y = 0; y < HEIGHT; y++) {
        const u8 *in = &from[y * WIDTH];
        u8 *out = &to[y * WIDTH];
        for (i32 x = 2; x < WIDTH - 2; x++) {
            out[x] = weigh(in[x - 2], in[x - 1], in[x], in[x + 1], in[x + 2]);
        }
        for (i32 i = 0; i < 4; i++) {
            i32 x = i < 2 ? i : WIDTH - 4 + i;
            out[x] = weigh(in_row(in, x - 2), in_row(in, x - 1), in[x], in_row(in, x + 1), in_row(in, x + 2));
        }
    }
}

static inline const u8 *row_of(const u8 *pixels, i32 y) {
    return &pixels[(y < 0 ? 0 : y >= HEIGHT ? HEIGHT - 1 : y) * WIDTH];
}

NOINLINE static void blur_columns(u8 *to, const u8 *from) {
    for (i32 y = 0; y < HEIGHT; y++) {
        const u8 *above2 = row_of(from, y - 2), *above = row_of(from, y - 1);
        const u8 *in = row_of(from, y);
        const u8 *below = row_of(from, y + 1), *below2 = row_of(from, y + 2);
        u8 *out = &to[y * WIDTH];
        for (i32 x = 0; x < WIDTH; x++) {
            out[x] = weigh(above2[x], above[x], in[x], below[x], below2[x]);
        }
    }
}

// Moves each pixel away from its blurred self by a quarter of the distance, and the whole a little towards grey.
NOINLINE static void sharpen(u8 *pixels, const u8 *soft) {
    for (i32 i = 0; i < PIXELS; i++) {
        i32 value = soft[i] + (pixels[i] - soft[i]) * 5 / 4;
        value += (128 - value) >> 5;
        pixels[i] = (u8)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

// So many rounds of filters; the checksum is of a few pixels on the way.
static u64 filter(i32 rounds) {
    u64 random = 0x801f2e2858efc166u;
    u64 sum = 0;
    paint();
    for (i32 round = 0; round < rounds; round++) {
        for (i32 i = 0; i < SPECKLES; i++) {
            image[next_random_below(&random, PIXELS)] = i & 1 ? 255 : 0;
        }
        blur_rows(halfway, image);
        blur_columns(blurred, halfway);
        sharpen(image, blurred);
        sum = mix(sum, load_u64(&image[next_random_below(&random, PIXELS - 8)]));
    }
    return sum;
}

// The sum of all pixels after so many rounds.
EXPORT(blur) i32 blur(i32 rounds) {
    filter(rounds);
    i32 total = 0;
    for (i32 i = 0; i < PIXELS; i++) {
        total += image[i];
    }
    return total;
}

// So many rounds.
EXPORT(run) i64 run(i32 n) {
    u64 sum = filter(n);
    for (i32 i = 0; i < PIXELS; i += 8) {
        sum = mix(sum, load_u64(&image[i]));
    }
    return (i64)sum;
}
