// Text in UTF-8: counting characters, splitting into words, comparing, searching and changing case, a byte at a time.
//
// Strings are slices, a place and a length. Each round works on one page of generated text in which some letters take two,
// three or four bytes: loops that end after a few steps, with a branch on nearly every byte.
#include "kernel.h"

#define PAGE_SIZE 2048
#define MOST_WORDS 1024

typedef struct {
    const u8 *at;
    i32 length;
} Slice;

static u8 page[PAGE_SIZE + 64];
static Slice words[MOST_WORDS];

// ---- Text

// Letters of more than one byte, by their lengths.
static const u8 LONG_LETTER[4][5] = {"\xc3\xa9", "\xc3\x9f", "\xe2\x82\xac", "\xf0\x9f\x90\xa2"};
static const u8 LONG_LETTER_LENGTH[4] = {2, 2, 3, 4};

// Writes words of few different letters, so that some come again; returns the text.
static Slice write_page(u64 *random) {
    i32 at = 0;
    while (at < PAGE_SIZE - 48) {
        u64 bits = next_random(random);
        i32 letters = 1 + (i32)(bits & 3) + (i32)(bits >> 2 & 3);
        bits >>= 4;
        for (i32 i = 0; i < letters; i++, bits >>= 5) {
            u32 letter = bits & 31;
            if (letter >= 28) {
                for (i32 j = 0; j < LONG_LETTER_LENGTH[letter - 28]; j++) {
                    page[at++] = LONG_LETTER[letter - 28][j];
                }
            } else {
                page[at++] = (u8)((i == 0 && (bits >> 5 & 3) == 0 ? 'A' : 'a') + letter % 14);
            }
        }
        if ((bits & 7) == 0) {
            page[at++] = ',';
        }
        page[at++] = (bits & 63) == 8 ? '\n' : ' ';
    }
    return (Slice){page, at};
}

// ---- What is done to it

// The number of characters, or -1 if it is not well-formed UTF-8.
NOINLINE static i32 count_characters(Slice text) {
    i32 count = 0;
    for (i32 i = 0; i < text.length; count++) {
        u32 first = text.at[i++];
        if (first < 0x80) {
            continue;
        }
        i32 more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || text.length - i < more) {
            return -1;
        }
        // Neither longer than needed, nor a surrogate, nor beyond the last character.
        u32 second = text.at[i];
        u32 lowest = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        u32 highest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (second < lowest || second > highest) {
            return -1;
        }
        for (i32 j = 1; j < more; j++) {
            if ((text.at[i + j] & 0xc0) != 0x80) {
                return -1;
            }
        }
        i += more;
    }
    return count;
}

static inline i32 is_separator(u8 byte) {
    return byte == ' ' || byte == '\n' || byte == ',' || byte == '.';
}

// Fills `words`; returns how many there are.
NOINLINE static i32 split(Slice text) {
    i32 count = 0;
    for (i32 i = 0; i < text.length && count < MOST_WORDS;) {
        while (i < text.length && is_separator(text.at[i])) {
            i++;
        }
        i32 start = i;
        while (i < text.length && !is_separator(text.at[i])) {
            i++;
        }
        if (i > start) {
            words[count++] = (Slice){&text.at[start], i - start};
        }
    }
    return count;
}

static inline u8 lower(u8 byte) {
    return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

// Negative, zero or positive, as the first string is before, equal to or after the second one, capitals being as small
// letters.
NOINLINE static i32 compare(Slice a, Slice b) {
    i32 shorter = a.length < b.length ? a.length : b.length;
    for (i32 i = 0; i < shorter; i++) {
        i32 difference = (i32)lower(a.at[i]) - (i32)lower(b.at[i]);
        if (difference != 0) {
            return difference;
        }
    }
    return a.length - b.length;
}

// How often a string that is not empty occurs in a text, by Horspool's method: compare backwards, then shift by what the
// last byte allows.
NOINLINE static i32 count_occurrences(Slice text, Slice wanted) {
    u8 shift[256];
    i32 longest = wanted.length < 255 ? wanted.length : 255;
    for (i32 i = 0; i < 256; i++) {
        shift[i] = (u8)longest;
    }
    for (i32 i = wanted.length - longest; i < wanted.length - 1; i++) {
        shift[wanted.at[i]] = (u8)(wanted.length - 1 - i);
    }
    i32 count = 0;
    for (i32 i = 0; i + wanted.length <= text.length;) {
        const u8 *here = &text.at[i];
        i32 j = wanted.length - 1;
        while (j >= 0 && here[j] == wanted.at[j]) {
            j--;
        }
        count += j < 0;
        i += shift[here[wanted.length - 1]];
    }
    return count;
}

// Makes the first byte of each word a capital, if it is a small letter, and the others small.
NOINLINE static void capitalize(i32 count) {
    for (i32 i = 0; i < count; i++) {
        u8 *word = &page[words[i].at - page];
        for (i32 j = 0; j < words[i].length; j++) {
            word[j] = lower(word[j]);
        }
        word[0] -= word[0] >= 'a' && word[0] <= 'z' ? 32 : 0;
    }
}

// ---- The two exports

static u64 read_page(u64 *random, u64 sum) {
    Slice text = write_page(random);
    sum = mix(sum, (u64)count_characters(text));
    i32 count = split(text);
    i32 ascending = 0;
    Slice last = words[0];
    for (i32 i = 1; i < count; i++) {
        ascending += compare(words[i - 1], words[i]) < 0;
        last = compare(last, words[i]) < 0 ? words[i] : last;
    }
    sum = mix(sum, (u64)count << 32 | (u64)ascending);
    sum = mix(sum, (u64)(last.at - page));
    for (i32 i = 0; i < 4; i++) {
        sum = mix(sum, (u64)count_occurrences(text, words[(u32)(sum >> 40) % (u32)count]));
    }
    capitalize(count);
    return mix(sum, load_u64(&page[(sum >> 40) % PAGE_SIZE]));
}

// The number of characters in so many pages of text.
EXPORT(strings) i32 strings(i32 pages) {
    u64 random = 0x636920d871574e69u;
    i32 total = 0;
    for (i32 i = 0; i < pages; i++) {
        total += count_characters(write_page(&random));
    }
    return total;
}

// Reads so many pages of text.
EXPORT(run) i64 run(i32 n) {
    u64 random = 0xa458fea3f4933d7eu;
    u64 sum = 0;
    for (i32 i = 0; i < n; i++) {
        sum = read_page(&random, sum);
    }
    return (i64)sum;
}
