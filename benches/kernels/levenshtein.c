// Levenshtein's distance between strings: a table that is filled row by row, each cell being the least of three neighbours
// plus something.
//
// Only one row is kept. Every cell needs the one to its left, so that the loop can't be cut into independent pieces, and
// which of the three is the least is anyone's guess.
#include "kernel.h"

#define LONGEST 1024
#define USUAL_LENGTH 96

static u8 first[LONGEST];
static u8 second[LONGEST];
static i32 row[LONGEST + 1];

static inline i32 lesser(i32 a, i32 b) {
    return a < b ? a : b;
}

// How many letters must be inserted, removed or replaced to make one string from the other.
NOINLINE static i32 distance(const u8 *a, i32 a_length, const u8 *b, i32 b_length) {
    for (i32 j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (i32 i = 0; i < a_length; i++) {
        i32 diagonal = row[0];
        i32 left = i + 1;
        row[0] = left;
        for (i32 j = 0; j < b_length; j++) {
            i32 above = row[j + 1];
            i32 replaced = diagonal + (a[i] != b[j]);
            left = lesser(replaced, lesser(above, left) + 1);
            row[j + 1] = left;
            diagonal = above;
        }
    }
    return row[b_length];
}

// Writes random letters of an alphabet of eight.
static void write_random(u8 *to, i32 length, u64 *random) {
    for (i32 i = 0; i < length; i++) {
        to[i] = (u8)('a' + (next_random(random) >> 61));
    }
}

// Copies letters, of which about one in eight is left out, doubled or replaced, until there is no more or the copy is full;
// returns the length of the copy.
static i32 write_similar(u8 *to, i32 most, const u8 *from, i32 length, u64 *random) {
    i32 at = 0;
    for (i32 i = 0; i < length && at < most; i++) {
        u64 bits = next_random(random) >> 58;
        if (bits >= 8) {
            to[at++] = from[i];
        } else if (bits >= 5) {
            to[at++] = (u8)('a' + bits);
        } else if (bits >= 3) {
            to[at++] = from[i];
            if (at < most) {
                to[at++] = from[i];
            }
        }
    }
    return at;
}

// The distance between a random string of so many letters, at most 1024, and a similar one.
EXPORT(levenshtein) i32 levenshtein(i32 letters) {
    i32 length = letters < 0 ? 0 : letters > LONGEST ? LONGEST : letters;
    u64 random = 0xb3ee1411636fbc2au;
    write_random(first, length, &random);
    i32 other = write_similar(second, LONGEST, first, length, &random);
    return distance(first, length, second, other);
}

// The distances of so many pairs of some 96 letters, similar ones and others in turn.
EXPORT(run) i64 run(i32 n) {
    u64 random = 0x2ba9c55d741831f6u;
    u64 sum = 0;
    for (i32 i = 0; i < n; i++) {
        i32 length = USUAL_LENGTH;
        write_random(first, USUAL_LENGTH, &random);
        if (i & 1) {
            length = write_similar(second, LONGEST, first, USUAL_LENGTH, &random);
        } else {
            write_random(second, USUAL_LENGTH, &random);
        }
        sum = mix(sum, (u64)distance(first, USUAL_LENGTH, second, length));
    }
    return (i64)sum;
}
