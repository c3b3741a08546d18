// A hash table from u64 to u64 with open addressing: a multiplication for each key, a walk of unforeseeable length from
// there, and a load that depends on it.
//
// Linear probing in a table of fixed size. Removal moves later entries back instead of leaving marks, so that the table is
// always as if what it lacks had never been in it.
#include "kernel.h"

#define SLOT_BITS 12
#define SLOTS (1u << SLOT_BITS)
#define MOST_ENTRIES (SLOTS / 4 * 3)

typedef struct {
    u64 key; // 0 stands for an empty slot
    u64 value;
} Slot;

static Slot slots[SLOTS];
static u32 entries;

static void clear(void) {
    for (u32 i = 0; i < SLOTS; i++) {
        slots[i] = (Slot){0, 0};
    }
    entries = 0;
}

static inline u32 home_of(u64 key) {
    key ^= key >> 32;
    return (u32)((key * 0xd6e8feb86659fd93u) >> (64 - SLOT_BITS));
}

// Where a key is, or the empty slot where it would go.
static inline u32 find(u64 key) {
    u32 at = home_of(key);
    while (slots[at].key != key && slots[at].key != 0) {
        at = (at + 1) % SLOTS;
    }
    return at;
}

// Adds to the value of a key; a key that is new begins at zero, and is turned away when the table is full.
NOINLINE static void add(u64 key, u64 amount) {
    u32 at = find(key);
    if (slots[at].key == 0) {
        if (entries == MOST_ENTRIES) {
            return;
        }
        entries++;
        slots[at].key = key;
        slots[at].value = 0;
    }
    slots[at].value += amount;
}

// The value of a key, or 0.
NOINLINE static u64 look_up(u64 key) {
    u32 at = find(key);
    return slots[at].key == 0 ? 0 : slots[at].value;
}

// Whether there was such a key.
NOINLINE static i32 remove_key(u64 key) {
    u32 gap = find(key);
    if (slots[gap].key == 0) {
        return 0;
    }
    entries--;
    u32 at = gap;
    for (;;) {
        at = (at + 1) % SLOTS;
        if (slots[at].key == 0) {
            slots[gap].key = 0;
            return 1;
        }
        // It may fill the gap unless its home lies between the two.
        u32 from_home = (at - home_of(slots[at].key)) % SLOTS;
        if (from_home >= (at - gap) % SLOTS) {
            slots[gap] = slots[at];
            gap = at;
        }
    }
}

// Keys that come in a few dense runs, as those of real programs do. Twice as many as there are slots.
static inline u64 key_of(u64 bits) {
    return 1 + (bits & 1023) + (bits >> 10 & 7) * 0x100000001u;
}

// So many hundreds of operations on a table that is full at first: half of them look up, three in eight add, one in eight
// removes.
static u64 operate(i64 hundreds, u64 sum) {
    u64 random = 0x2ffd72dbd01adfb7u;
    clear();
    while (entries < MOST_ENTRIES) {
        add(key_of(next_random(&random)), 1);
    }
    for (i64 i = 0; i < hundreds * 100; i++) {
        u64 bits = next_random(&random);
        u64 key = key_of(bits >> 3);
        u32 what = bits & 7;
        if (what < 4) {
            sum = mix(sum, look_up(key));
        } else if (what < 7) {
            add(key, bits >> 40);
        } else {
            sum += (u64)remove_key(key);
        }
    }
    return sum;
}

// How many keys are in the table after so many hundreds of operations, or -1 if one can't be found.
EXPORT(hashmap) i32 hashmap(i32 hundreds) {
    operate(hundreds, 0);
    for (u32 i = 0; i < SLOTS; i++) {
        if (slots[i].key != 0 && find(slots[i].key) != i) {
            return -1;
        }
    }
    return (i32)entries;
}

// So many hundreds of operations.
EXPORT(run) i64 run(i32 n) {
    u64 sum = operate(n, 0);
    return (i64)mix(sum, entries);
}
