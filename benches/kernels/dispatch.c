// Small functions that are called through tables: methods of objects of seven kinds, and operations that are looked up by
// number. What is called does less than the call itself.
//
// A network of units passes a signal on. Which method a call reaches depends on the unit: some calls see one kind only, some
// two or three, and those in the large ring all of them, in an order that repeats after the whole ring.
#include "kernel.h"

typedef struct Unit Unit;

// What a kind of unit can do.
typedef struct {
    i32 (*pass)(Unit *, i32);
    i32 (*level)(const Unit *);
    void (*reset)(Unit *, i32);
} Methods;

struct Unit {
    const Methods *methods;
    i32 state;
    i32 setting;
};

// ---- The kinds

static i32 level_is_state(const Unit *unit) {
    return unit->state;
}

static i32 level_is_setting(const Unit *unit) {
    return unit->setting;
}

static i32 level_is_both(const Unit *unit) {
    return unit->state ^ unit->setting;
}

static void reset_to_zero(Unit *unit, i32 setting) {
    unit->state = 0;
    unit->setting = setting;
}

static void reset_to_setting(Unit *unit, i32 setting) {
    unit->state = setting;
    unit->setting = setting;
}

// Signals wrap around.
static i32 pass_amplified(Unit *unit, i32 signal) {
    return (i32)((u32)signal * ((u32)unit->setting | 1));
}

static i32 pass_limited(Unit *unit, i32 signal) {
    i32 limit = (unit->setting & 0xff) << 16;
    return signal > limit ? limit : signal < -limit ? -limit : signal;
}

static i32 pass_delayed(Unit *unit, i32 signal) {
    i32 before = unit->state;
    unit->state = signal;
    return before;
}

static i32 pass_counted(Unit *unit, i32 signal) {
    unit->state = (i32)((u32)unit->state + 1);
    return signal;
}

static i32 pass_smoothed(Unit *unit, i32 signal) {
    unit->state += (signal >> 2) - (unit->state >> 2);
    return unit->state;
}

static i32 pass_scrambled(Unit *unit, i32 signal) {
    return signal ^ unit->setting;
}

static i32 pass_alternating(Unit *unit, i32 signal) {
    unit->state = ~unit->state;
    return unit->state < 0 ? ~signal : signal;
}

#define KINDS 7
static const Methods KIND[KINDS] = {
    {pass_amplified, level_is_setting, reset_to_zero}, {pass_limited, level_is_setting, reset_to_zero},
    {pass_delayed, level_is_state, reset_to_setting},  {pass_counted, level_is_state, reset_to_zero},
    {pass_smoothed, level_is_state, reset_to_setting}, {pass_scrambled, level_is_both, reset_to_zero},
    {pass_alternating, level_is_both, reset_to_zero},
};

// ---- Operations by number

typedef u32 (*Operation)(u32, u32);

static u32 add(u32 a, u32 b) { return a + b; }
static u32 subtract(u32 a, u32 b) { return a - b; }
static u32 multiply(u32 a, u32 b) { return a * b; }
static u32 exclusive_or(u32 a, u32 b) { return a ^ b; }
static u32 rotate(u32 a, u32 b) { return a << (b & 31) | a >> (-b & 31); }
static u32 lesser(u32 a, u32 b) { return a < b ? a : b; }
static u32 mean(u32 a, u32 b) { return (a & b) + ((a ^ b) >> 1); }
static u32 first(u32 a, u32 b) { return (void)b, a; }

#define OPERATIONS 8
static const Operation OPERATION[OPERATIONS] = {add, subtract, multiply, exclusive_or, rotate, lesser, mean, first};

// ---- The network

#define RING 48
#define SMOOTHERS 16

static Unit ring[RING];
static Unit smoothers[SMOOTHERS]; // all of one kind
static Unit pairs[SMOOTHERS];     // of two kinds

static void put(Unit *unit, u32 kind, u64 *random) {
    unit->methods = &KIND[kind];
    unit->methods->reset(unit, (i32)next_random(random));
}

static void build(void) {
    u64 random = 0xf4933d7e0d95748fu;
    for (u32 i = 0; i < RING; i++) {
        put(&ring[i], next_random_below(&random, KINDS), &random);
    }
    for (u32 i = 0; i < SMOOTHERS; i++) {
        put(&smoothers[i], 4, &random);
        put(&pairs[i], 5 + (i & 1), &random);
    }
}

NOINLINE static i32 pass_through(Unit *units, u32 count, i32 signal) {
    for (u32 i = 0; i < count; i++) {
        signal = units[i].methods->pass(&units[i], signal);
    }
    return signal;
}

NOINLINE static i32 total_level(const Unit *units, u32 count) {
    u32 total = 0;
    for (u32 i = 0; i < count; i++) {
        total += (u32)units[i].methods->level(&units[i]);
    }
    return (i32)total;
}

// Applies the operations that the bits of a number name, three bits each.
NOINLINE static u32 operate(u64 names, u32 value) {
    for (u32 i = 0; i < 16; i++, names >>= 3) {
        value = OPERATION[names % OPERATIONS](value, i * 0x9e3779b9u);
    }
    return value;
}

static u64 work(i32 rounds) {
    u64 random = 0x728eb658718bcd58u;
    u64 sum = 0;
    build();
    for (i32 round = 0; round < rounds; round++) {
        u64 bits = next_random(&random);
        i32 signal = pass_through(ring, RING, (i32)bits);
        signal = pass_through(smoothers, SMOOTHERS, signal);
        signal = pass_through(pairs, SMOOTHERS, signal);
        signal ^= total_level(ring, RING);
        // Names that repeat for a while, as those of a real program do.
        sum = mix(sum, operate(0x53977a1c2b64u * (u64)(round / 64 + 1), (u32)signal));
    }
    return sum;
}

// The sum of all levels after so many rounds.
EXPORT(dispatch) i32 dispatch(i32 rounds) {
    work(rounds);
    return total_level(ring, RING) ^ total_level(smoothers, SMOOTHERS) ^ total_level(pairs, SMOOTHERS);
}

// So many rounds.
EXPORT(run) i64 run(i32 n) {
    return (i64)work(n);
}
