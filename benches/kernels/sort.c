// Sorting records by orders that the sorting function does not know: one call through a table for each comparison, and
// branches that nobody can predict.
//
// Quicksort with the median of three, and insertion sort for what is short. Records move by value. Every order is total, so
// that there is one right result.
#include "kernel.h"

typedef struct {
    u8 name[8]; // padded with zeros
    i32 price;
    u32 number; // different for all records
} Record;

// Negative, zero or positive, as the first record belongs before, is, or belongs after the second one.
typedef i32 (*Order)(const Record *, const Record *);

#define LARGEST_COUNT 8192
#define USUAL_COUNT 512
#define SHORT 12

static Record records[LARGEST_COUNT];

static i32 by_number(const Record *a, const Record *b) {
    return a->number < b->number ? -1 : a->number > b->number;
}

static i32 by_price(const Record *a, const Record *b) {
    return a->price != b->price ? (a->price < b->price ? -1 : 1) : by_number(a, b);
}

static i32 by_name(const Record *a, const Record *b) {
    for (i32 i = 0; i < 8; i++) {
        if (a->name[i] != b->name[i]) {
            return (i32)a->name[i] - (i32)b->name[i];
        }
        if (a->name[i] == 0) {
            break;
        }
    }
    return by_number(a, b);
}

// The last digits of the numbers first, and the highest number first.
static i32 by_digits(const Record *a, const Record *b) {
    u32 left = a->number % 100;
    u32 right = b->number % 100;
    return left != right ? (left < right ? -1 : 1) : by_number(b, a);
}

#define ORDERS 4
static const Order ORDER[ORDERS] = {by_number, by_price, by_name, by_digits};

static inline void swap(Record *a, Record *b) {
    Record record = *a;
    *a = *b;
    *b = record;
}

static void sort_short(Record *first, i32 count, Order order) {
    for (i32 i = 1; i < count; i++) {
        Record record = first[i];
        i32 at = i;
        for (; at > 0 && order(&record, &first[at - 1]) < 0; at--) {
            first[at] = first[at - 1];
        }
        first[at] = record;
    }
}

NOINLINE static void sort_records(Record *first, i32 count, Order order) {
    while (count > SHORT) {
        Record *middle = &first[count / 2];
        Record *last = &first[count - 1];
        if (order(middle, first) < 0) {
            swap(middle, first);
        }
        if (order(last, middle) < 0) {
            swap(last, middle);
            if (order(middle, first) < 0) {
                swap(middle, first);
            }
        }
        Record pivot = *middle;
        i32 low = 0;
        i32 high = count - 1;
        while (low <= high) {
            while (order(&first[low], &pivot) < 0) {
                low++;
            }
            while (order(&pivot, &first[high]) < 0) {
                high--;
            }
            if (low <= high) {
                swap(&first[low++], &first[high--]);
            }
        }
        // The shorter part by recursion, so that the stack stays shallow.
        if (high + 1 < count - low) {
            sort_records(first, high + 1, order);
            first += low;
            count -= low;
        } else {
            sort_records(first + low, count - low, order);
            count = high + 1;
        }
    }
    sort_short(first, count, order);
}

static void fill(i32 count, u64 *random) {
    for (i32 i = 0; i < count; i++) {
        u64 bits = next_random(random);
        Record *record = &records[i];
        record->number = (u32)i * 7919;
        record->price = (i32)(bits & 255);
        i32 letters = 3 + (i32)(bits >> 8 & 3);
        for (i32 at = 0; at < 8; at++) {
            bits >>= 4;
            record->name[at] = (u8)(at < letters ? 'a' + (bits & 15) : 0);
        }
    }
}

// Sorts so many records, up to 8192, by each of the orders; returns a number that tells where each ended up, or -1 if any
// two are in the wrong order.
EXPORT(sort) i32 sort(i32 count) {
    count = count < 0 ? 0 : count > LARGEST_COUNT ? LARGEST_COUNT : count;
    u64 random = 0x9216d5d98979fb1bu;
    u64 sum = 0;
    fill(count, &random);
    for (i32 order = 0; order < ORDERS; order++) {
        sort_records(records, count, ORDER[order]);
        for (i32 i = 0; i < count; i++) {
            if (i > 0 && ORDER[order](&records[i - 1], &records[i]) >= 0) {
                return -1;
            }
            sum = mix(sum, records[i].number);
        }
    }
    return (i32)(sum >> 33);
}

// Sorts 512 records so many times, by one order after the other, with new prices each time.
EXPORT(run) i64 run(i32 n) {
    u64 random = 0xd1310ba698dfb5acu;
    u64 sum = 0;
    fill(USUAL_COUNT, &random);
    for (i32 round = 0; round < n; round++) {
        sort_records(records, USUAL_COUNT, ORDER[round % ORDERS]);
        for (i32 i = 0; i < USUAL_COUNT; i += 64) {
            sum = mix(sum, records[i].number);
        }
        for (i32 i = 0; i < USUAL_COUNT; i++) {
            records[i].price = (i32)(next_random(&random) & 255);
        }
    }
    return (i64)sum;
}
