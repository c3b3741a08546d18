// SHA-256: additions, rotations and logic on 32-bit words, in one long chain where each needs the one before.
//
// Messages are hashed whole: big-endian words are cut from bytes, the message is padded, and the eight words of the state
// should stay in registers for 64 rounds.
#include "kernel.h"

#define BLOCK_SIZE 64u
#define MESSAGE_SIZE 1024u
#define LONGEST_MESSAGE 65536u

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
static const u32 ROUND_CONSTANT[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// The same of the square roots of the first eight primes.
static const u32 INITIAL_STATE[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static u8 message[LONGEST_MESSAGE];
static u32 digest[8];

static inline u32 rotate_right(u32 value, int by) {
    return value >> by | value << (32 - by);
}

static inline u32 load_big_endian(const u8 *at) {
    return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3];
}

static inline void store_big_endian(u8 *at, u32 value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (u8)(value >> (24 - 8 * i));
    }
}

// Takes one block of 64 bytes into the state.
NOINLINE static void compress(u32 *state, const u8 *block) {
    u32 w[64];
    for (int i = 0; i < 16; i++) {
        w[i] = load_big_endian(block + 4 * i);
    }
    for (int i = 16; i < 64; i++) {
        u32 small0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3;
        u32 small1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + small0 + w[i - 7] + small1;
    }
    u32 a = state[0], b = state[1], c = state[2], d = state[3];
    u32 e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        u32 large1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        u32 choice = (e & f) ^ (~e & g);
        u32 first = h + large1 + choice + ROUND_CONSTANT[i] + w[i];
        u32 large0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        u32 majority = (a & b) ^ (a & c) ^ (b & c);
        u32 second = large0 + majority;
        h = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + second;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

// Leaves the hash of the first `size` bytes of the message in `digest`.
static void hash(u32 size) {
    for (int i = 0; i < 8; i++) {
        digest[i] = INITIAL_STATE[i];
    }
    u32 done = 0;
    for (; size - done >= BLOCK_SIZE; done += BLOCK_SIZE) {
        compress(digest, &message[done]);
    }
    // What is left, a bit that is 1, zeros, and the length in bits: one block or two.
    u8 last[2 * BLOCK_SIZE] = {0};
    u32 rest = size - done;
    for (u32 i = 0; i < rest; i++) {
        last[i] = message[done + i];
    }
    last[rest] = 0x80;
    u32 blocks = rest + 9 <= BLOCK_SIZE ? 1 : 2;
    store_big_endian(&last[blocks * BLOCK_SIZE - 4], size << 3);
    for (u32 i = 0; i < blocks; i++) {
        compress(digest, &last[i * BLOCK_SIZE]);
    }
}

static void fill(u32 size) {
    for (u32 i = 0; i < size; i++) {
        message[i] = (u8)(i * 7 + (i >> 8));
    }
}

// The first 64 bits of the hash of a message of so many bytes, at most 65536.
EXPORT(sha256) i64 sha256(i32 bytes) {
    u32 size = bytes < 0 ? 0 : (u32)bytes > LONGEST_MESSAGE ? LONGEST_MESSAGE : (u32)bytes;
    fill(size);
    hash(size);
    return (i64)((u64)digest[0] << 32 | digest[1]);
}

// Hashes so many messages of 1 KiB, each of which begins with the hash of the one before.
EXPORT(run) i64 run(i32 n) {
    u64 sum = 0;
    fill(MESSAGE_SIZE);
    for (i32 round = 0; round < n; round++) {
        hash(MESSAGE_SIZE);
        for (int i = 0; i < 8; i++) {
            store_big_endian(&message[4 * i], digest[i]);
        }
        sum = mix(sum, (u64)digest[0] << 32 | digest[7]);
    }
    return (i64)sum;
}
