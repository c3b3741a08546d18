// The Snappy block format: compresses generated text, decompresses it again and compares. Unaligned loads, a hash table,
// unpredictable branches and short copies.
//
// The text comes in blocks of 64 KiB, each compressed on its own: the length as a varint, then literals and copies whose
// tag byte says in its two lowest bits which it is. An offset then always fits in two bytes.
#include "kernel.h"

#define BLOCK_SIZE 65536u
// How far past its end a buffer may be read or written, for copies in units of eight bytes and words of the text.
#define SLACK 64u
// A literal of n bytes takes at most n + 3, those of up to 60 bytes n + 1; and a copy, of which there is one for each
// literal but the last, saves at least a byte.
#define MAX_COMPRESSED_SIZE (BLOCK_SIZE + BLOCK_SIZE / 6 + 32)

#define HASH_BITS 14
#define MIN_MATCH 4u
#define MAX_COPY 64u

enum { LITERAL = 0, COPY_11_BIT_OFFSET = 1, COPY_16_BIT_OFFSET = 2, COPY_32_BIT_OFFSET = 3 };

static u8 text[BLOCK_SIZE + SLACK];
static u8 compressed[MAX_COMPRESSED_SIZE + SLACK];
static u8 decompressed[BLOCK_SIZE + SLACK];
static u16 last_seen[1 << HASH_BITS];

// ---- Text

typedef struct {
    u8 length;
    u8 letters[9]; // eight at most, and the end of the string literal
} Word;

#define WORD(string) {sizeof(string) - 1, string}
#define WORDS 64

// Early words are drawn more often than late ones.
static const Word VOCABULARY[WORDS] = {
    WORD("the"),     WORD("of"),       WORD("and"),     WORD("to"),      WORD("a"),       WORD("in"),
    WORD("that"),    WORD("is"),       WORD("it"),      WORD("was"),     WORD("for"),     WORD("on"),
    WORD("as"),      WORD("with"),     WORD("by"),      WORD("not"),     WORD("from"),    WORD("or"),
    WORD("an"),      WORD("are"),      WORD("which"),   WORD("this"),    WORD("one"),     WORD("all"),
    WORD("water"),   WORD("river"),    WORD("morning"), WORD("station"), WORD("letter"),  WORD("under"),
    WORD("between"), WORD("market"),   WORD("paper"),   WORD("engine"),  WORD("winter"),  WORD("silver"),
    WORD("number"),  WORD("travel"),   WORD("stone"),   WORD("machine"), WORD("garden"),  WORD("yellow"),
    WORD("harbour"), WORD("question"), WORD("almost"),  WORD("carried"), WORD("evening"), WORD("slowly"),
    WORD("village"), WORD("thunder"),  WORD("copper"),  WORD("promise"), WORD("quiet"),   WORD("window"),
    WORD("mountain"), WORD("history"), WORD("kitchen"), WORD("bridge"),  WORD("journey"), WORD("lantern"),
    WORD("orchard"), WORD("pencil"),   WORD("velvet"),  WORD("zenith"),
};

// Fills the first `length` bytes of `text` with words, and now and then a number or the end of a sentence.
static void write_text(u64 *random, u32 length) {
    u32 at = 0;
    while (at < length) {
        u64 bits = next_random(random);
        for (int i = 0; i < 3; i++, bits >>= 20) {
            const Word *word = &VOCABULARY[((bits & 63) * ((bits >> 6) & 63)) >> 6];
            store_u64(&text[at], load_u64(word->letters));
            at += word->length;
            text[at++] = ' ';
        }
        if ((bits & 7) == 0) {
            text[at - 1] = '.';
            text[at++] = (bits & 8) ? ' ' : '\n';
        } else if ((bits & 7) == 1) {
            text[at++] = (u8)('0' + ((bits >> 3) & 7));
            text[at++] = ' ';
        }
    }
}

// ---- Compression

static inline u32 hash_of(u32 four_bytes) {
    return (four_bytes * 0x9e3779b1u) >> (32 - HASH_BITS);
}

// Copies forward in units of eight bytes, and so up to seven bytes more than asked for.
static inline void copy_in_eights(u8 *to, const u8 *from, u32 length) {
    for (u32 done = 0; done < length; done += 8) {
        store_u64(to + done, load_u64(from + done));
    }
}

static u8 *put_literal(u8 *out, const u8 *from, u32 length) {
    u32 field = length - 1;
    if (field < 60) {
        *out++ = (u8)(LITERAL | field << 2);
    } else if (field < 256) {
        *out++ = LITERAL | 60 << 2;
        *out++ = (u8)field;
    } else {
        *out++ = LITERAL | 61 << 2;
        *out++ = (u8)field;
        *out++ = (u8)(field >> 8);
    }
    copy_in_eights(out, from, length);
    return out + length;
}

static u8 *put_copy_of_up_to_64(u8 *out, u32 offset, u32 length) {
    if (length >= 4 && length < 12 && offset < 2048) {
        *out++ = (u8)(COPY_11_BIT_OFFSET | (length - 4) << 2 | offset >> 8 << 5);
        *out++ = (u8)offset;
    } else {
        *out++ = (u8)(COPY_16_BIT_OFFSET | (length - 1) << 2);
        *out++ = (u8)offset;
        *out++ = (u8)(offset >> 8);
    }
    return out;
}

static u8 *put_copy(u8 *out, u32 offset, u32 length) {
    while (length > MAX_COPY) {
        out = put_copy_of_up_to_64(out, offset, MAX_COPY);
        length -= MAX_COPY;
    }
    return put_copy_of_up_to_64(out, offset, length);
}

// How many bytes from `a` and from `b` on are equal, `b` not going beyond `end`.
static inline u32 match_length(const u8 *a, const u8 *b, const u8 *end) {
    const u8 *start = b;
    while (end - b >= 8) {
        u64 difference = load_u64(a) ^ load_u64(b);
        if (difference != 0) {
            return (u32)(b - start) + (u32)(__builtin_ctzll(difference) >> 3);
        }
        a += 8;
        b += 8;
    }
    while (b < end && *a == *b) {
        a++;
        b++;
    }
    return (u32)(b - start);
}

// Compresses the first `length` bytes of `text`; returns the size of the result.
static u32 compress(u32 length) {
    u8 *out = compressed;
    u32 rest = length;
    for (; rest >= 128; rest >>= 7) {
        *out++ = (u8)(rest | 128);
    }
    *out++ = (u8)rest;

    __builtin_memset(last_seen, 0, sizeof last_seen);
    const u8 *end = text + length;
    u32 unwritten = 0; // where the literal that is still to be written begins
    u32 at = 1;        // no match can be found at 0, and 0 stands for no place in the table
    u32 misses = 0;
    while (at + MIN_MATCH <= length) {
        u32 four_bytes = load_u32(&text[at]);
        u32 hash = hash_of(four_bytes);
        u32 candidate = last_seen[hash];
        last_seen[hash] = (u16)at;
        if (load_u32(&text[candidate]) != four_bytes) {
            // The longer nothing matches, the larger the strides: incompressible data costs little.
            at += 1 + (misses++ >> 5);
            continue;
        }
        if (unwritten < at) {
            out = put_literal(out, &text[unwritten], at - unwritten);
        }
        u32 matching = MIN_MATCH + match_length(&text[candidate + MIN_MATCH], &text[at + MIN_MATCH], end);
        out = put_copy(out, at - candidate, matching);
        at += matching;
        unwritten = at;
        misses = 0;
        if (at + MIN_MATCH <= length) {
            last_seen[hash_of(load_u32(&text[at - 1]))] = (u16)(at - 1);
        }
    }
    if (unwritten < length) {
        out = put_literal(out, &text[unwritten], length - unwritten);
    }
    return (u32)(out - compressed);
}

// ---- Decompression

// Decompresses `size` bytes; returns the length of the result, or -1 if they are not a valid block.
static i32 decompress(u32 size) {
    const u8 *in = compressed;
    const u8 *end = compressed + size;
    u32 length = 0;
    for (int shift = 0;; shift += 7) {
        if (in == end || shift > 28) {
            return -1;
        }
        length |= (u32)(*in & 127) << shift;
        if (*in++ < 128) {
            break;
        }
    }
    if (length > BLOCK_SIZE) {
        return -1;
    }

    u32 at = 0;
    while (in < end) {
        u32 tag = *in++;
        u32 kind = tag & 3;
        u32 count = (tag >> 2) + 1;
        if (kind == LITERAL) {
            if (count > 60) {
                u32 extra = count - 60;
                if ((u32)(end - in) < extra) {
                    return -1;
                }
                u32 field = 0;
                for (u32 i = 0; i < extra; i++) {
                    field |= (u32)in[i] << (8 * i);
                }
                in += extra;
                count = field + 1;
            }
            if (count == 0 || count > (u32)(end - in) || count > length - at) {
                return -1;
            }
            copy_in_eights(&decompressed[at], in, count);
            in += count;
            at += count;
            continue;
        }
        u32 offset;
        u32 offset_bytes = kind == COPY_32_BIT_OFFSET ? 4 : kind;
        if ((u32)(end - in) < offset_bytes) {
            return -1;
        }
        if (kind == COPY_11_BIT_OFFSET) {
            count = ((tag >> 2) & 7) + 4;
            offset = tag >> 5 << 8 | in[0];
        } else {
            offset = in[0] | (u32)in[1] << 8;
            if (kind == COPY_32_BIT_OFFSET) {
                offset |= (u32)in[2] << 16 | (u32)in[3] << 24;
            }
        }
        in += offset_bytes;
        if (offset == 0 || offset > at || count > length - at) {
            return -1;
        }
        u8 *to = &decompressed[at];
        if (offset >= 8) {
            copy_in_eights(to, to - offset, count);
        } else {
            // The copy reads what it writes.
            for (u32 i = 0; i < count; i++) {
                to[i] = to[(i32)i - (i32)offset];
            }
        }
        at += count;
    }
    return at == length ? (i32)length : -1;
}

static int is_same_text(u32 length) {
    u32 at = 0;
    for (; at + 8 <= length; at += 8) {
        if (load_u64(&text[at]) != load_u64(&decompressed[at])) {
            return 0;
        }
    }
    for (; at < length; at++) {
        if (text[at] != decompressed[at]) {
            return 0;
        }
    }
    return 1;
}

// ---- The two exports

// Takes so many bytes of text through compression and back. Adds up the sizes, folds the compressed bytes into a
// checksum, and returns whether all came back as it was.
static int round_trip(i64 bytes, i64 *compressed_bytes, u64 *sum) {
    u64 random = 0x243f6a8885a308d3u;
    while (bytes > 0) {
        u32 length = bytes < BLOCK_SIZE ? (u32)bytes : BLOCK_SIZE;
        write_text(&random, length);
        u32 size = compress(length);
        if (decompress(size) != (i32)length || !is_same_text(length)) {
            return 0;
        }
        store_u64(&compressed[size], 0);
        for (u32 at = 0; at < size; at += 8) {
            *sum = mix(*sum, load_u64(&compressed[at]));
        }
        *compressed_bytes += size;
        bytes -= length;
    }
    return 1;
}

// The size to which so many bytes of text were compressed, or -1 if decompression did not give them back.
EXPORT(snappy) i32 snappy(i32 bytes) {
    i64 compressed_bytes = 0;
    u64 sum = 0;
    return round_trip(bytes, &compressed_bytes, &sum) ? (i32)compressed_bytes : -1;
}

// Takes so many KiB there and back; -1 if they did not come back as they were.
EXPORT(run) i64 run(i32 n) {
    i64 compressed_bytes = 0;
    u64 sum = 0;
    return round_trip((i64)n * 1024, &compressed_bytes, &sum) ? (i64)mix(sum, (u64)compressed_bytes) : -1;
}
