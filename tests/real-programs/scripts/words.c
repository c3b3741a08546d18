// Compiled by clang in WebAssembly: headers of a C library, loops that the vectorizer looks at, a switch, recursion.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
    struct word *next;
    unsigned count;
    char text[24];
};

static struct word *table[256];

static unsigned hash(const char *text) {
    unsigned hash = 2166136261u;
    for (; *text; text++) {
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    }
    return hash % 256;
}

static struct word *look_up(const char *text) {
    struct word **place = &table[hash(text)];
    while (*place && strcmp((*place)->text, text) != 0) {
        place = &(*place)->next;
    }
    if (!*place) {
        *place = calloc(1, sizeof **place);
        strncpy((*place)->text, text, sizeof (*place)->text - 1);
    }
    return *place;
}

static int by_count(const void *left, const void *right) {
    const struct word *a = *(struct word *const *)left, *b = *(struct word *const *)right;
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : strcmp(a->text, b->text);
}

double dot(const float *left, const float *right, size_t length) {
    double sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum += left[i] * right[i];
    }
    return sum;
}

int main(void) {
    char text[24];
    struct word *words[1024];
    size_t length = 0;
    while (scanf("%23s", text) == 1) {
        struct word *word = look_up(text);
        if (word->count++ == 0 && length < 1024) {
            words[length++] = word;
        }
    }
    qsort(words, length, sizeof *words, by_count);
    for (size_t i = 0; i < length; i++) {
        printf("%8u %s\n", words[i]->count, words[i]->text);
    }
    return 0;
}
