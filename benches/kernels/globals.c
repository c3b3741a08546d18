// An arithmetic coder in the old manner: all of its state is in variables of the file, which are WebAssembly globals in
// wasm32, and small functions read and write them for every bit.
//
// Codes noisy bytes with adaptive probabilities, a binary decision at a time, decodes them and compares. Between two
// accesses of the same global there is often a store to memory, which can't change it: a compiler that knows that keeps
// globals in registers at least within a function.
#include "kernel.h"

#define PAGE_SIZE 512u
#define CONTEXTS 4u
#define PROBABILITY_BITS 11
#define EVEN (1u << (PROBABILITY_BITS - 1))
#define LEAST_RANGE (1u << 24)

static u8 plain[PAGE_SIZE];
static u8 coded[2 * PAGE_SIZE];
static u8 decoded[PAGE_SIZE];
// How likely the next bit is 0, by the byte before, the bits before it in its byte, and the direction.
static u16 probability[2][CONTEXTS][256];

// ---- The state

// Of the encoder: the interval, the last byte that a carry can still change, and how many of 0xff follow it.
GLOBAL u64 low;
GLOBAL u64 width;
GLOBAL u32 held_byte;
GLOBAL u32 held_count;
GLOBAL u32 coded_at;
// Of the decoder.
GLOBAL u64 code;
GLOBAL u64 code_width;
GLOBAL u32 code_at;
// Of the model, once for each direction, and how slowly both adapt.
GLOBAL u32 context;
GLOBAL u32 code_context;
GLOBAL u32 adaptation;
// Of the source.
GLOBAL u64 noise;
GLOBAL u64 drift;
// What was seen so far.
GLOBAL u64 bits;
GLOBAL u64 ones;
GLOBAL u64 carries;
GLOBAL u64 bytes_coded;

// ---- The encoder

NOINLINE static void put_byte(u32 byte) {
    coded[coded_at] = (u8)byte;
    coded_at += 1;
    bytes_coded += 1;
}

// Moves the highest byte of the interval's lower end out, as soon as it is known whether there is a carry.
NOINLINE static void shift_low(void) {
    u64 lower_end = READ(low);
    if (lower_end < 0xff000000u || lower_end >> 32 != 0) {
        u32 carry = (u32)(lower_end >> 32);
        carries += carry;
        u32 byte = READ(held_byte);
        for (; held_count != 0; held_count -= 1) {
            put_byte(byte + carry);
            byte = 0xff;
        }
        held_byte = (u32)(lower_end >> 24) & 0xff;
    }
    held_count += 1;
    low = (lower_end & 0xffffff) << 8;
}

NOINLINE static void encode_bit(u32 node, u32 bit) {
    u16 *zero = &probability[0][context][node];
    u64 bound = (READ(width) >> PROBABILITY_BITS) * *zero;
    bits += 1;
    ones += bit;
    if (bit == 0) {
        width = bound;
        *zero += ((1u << PROBABILITY_BITS) - *zero) >> adaptation;
    } else {
        low += bound;
        width -= bound;
        *zero -= *zero >> adaptation;
    }
    while (width < LEAST_RANGE) {
        width = READ(width) << 8;
        shift_low();
    }
}

static void encode_byte(u32 byte) {
    u32 node = 1;
    for (int i = 7; i >= 0; i--) {
        u32 bit = byte >> i & 1;
        encode_bit(node, bit);
        node = node << 1 | bit;
    }
    context = byte >> 6;
}

// ---- The decoder

static u32 next_coded(void) {
    u32 byte = coded[code_at];
    code_at += 1;
    return byte;
}

NOINLINE static u32 decode_bit(u32 node) {
    u16 *zero = &probability[1][code_context][node];
    u64 bound = (READ(code_width) >> PROBABILITY_BITS) * *zero;
    u32 bit = code >= bound;
    bits += 1;
    ones += bit;
    if (bit == 0) {
        code_width = bound;
        *zero += ((1u << PROBABILITY_BITS) - *zero) >> adaptation;
    } else {
        code -= bound;
        code_width -= bound;
        *zero -= *zero >> adaptation;
    }
    while (code_width < LEAST_RANGE) {
        code_width = READ(code_width) << 8;
        code = READ(code) << 8 | next_coded();
    }
    return bit;
}

static u32 decode_byte(void) {
    u32 node = 1;
    while (node < 256) {
        node = node << 1 | decode_bit(node);
    }
    code_context = node >> 6 & 3;
    return node & 0xff;
}

// ---- The source, and both ways

static u32 next_noisy(void) {
    u64 random = READ(noise);
    next_random(&random);
    noise = random;
    drift += (random & 7) == 0 ? 16 + (random >> 60) : 0;
    return (u32)(READ(drift) + (random >> 20 & random >> 30 & 15)) & 0xff;
}

static void reset(void) {
    for (u32 i = 0; i < sizeof probability / sizeof(u16); i++) {
        (&probability[0][0][0])[i] = EVEN;
    }
    context = 0, code_context = 0;
    noise = 0x7b54a41dc25a59b5u, drift = 0;
    bits = 0, ones = 0, carries = 0, bytes_coded = 0;
}

// Codes and decodes one page; returns whether it came back as it was.
static i32 round_trip(i32 page) {
    adaptation = 4 + (page & 1);
    low = 0, width = 0xffffffffu, held_byte = 0, held_count = 1, coded_at = 0;
    for (u32 i = 0; i < PAGE_SIZE; i++) {
        plain[i] = (u8)next_noisy();
        encode_byte(plain[i]);
    }
    for (int i = 0; i < 5; i++) {
        shift_low();
    }
    code = 0, code_width = 0xffffffffu, code_at = 0;
    for (int i = 0; i < 5; i++) {
        code = READ(code) << 8 | next_coded();
    }
    i32 same = 1;
    for (u32 i = 0; i < PAGE_SIZE; i++) {
        decoded[i] = (u8)decode_byte();
        same &= decoded[i] == plain[i];
    }
    return same;
}

// The number of bytes to which so many pages of 512 bytes were coded, or -1 if one did not come back as it was.
EXPORT(globals) i32 globals(i32 pages) {
    reset();
    for (i32 i = 0; i < pages; i++) {
        if (!round_trip(i)) {
            return -1;
        }
    }
    return (i32)READ(bytes_coded);
}

// So many pages there and back; -1 if one did not come back as it was.
EXPORT(run) i64 run(i32 n) {
    u64 sum = 0;
    reset();
    for (i32 i = 0; i < n; i++) {
        if (!round_trip(i)) {
            return -1;
        }
        sum = mix(mix(sum, bytes_coded), load_u64(&coded[8 * (i % 16)]));
    }
    return (i64)mix(mix(sum, bits), mix(ones, carries));
}
