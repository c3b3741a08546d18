// What every kernel shares: type names, the export macro, unaligned access, a random generator and a checksum.
//
// A kernel is one C file that needs no imports and no libc. It defines two functions, each from i32 to one result:
//
//   EXPORT(run)   i64 run(i32 n)      does work linear in n, returns a checksum of what it computed
//   EXPORT(name)  T name(i32 what)    the kernel under its own name, T being i32, i64 or f64
//
// Both start from the same state on every call. The same file is compiled for wasm32 and, linked with native.c, for the
// host. `cargo xtask kernels` builds it; kernels.toml describes it.
#ifndef KERNEL_H
#define KERNEL_H

#include <stdint.h>

typedef int32_t i32;
typedef int64_t i64;
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef float f32;
typedef double f64;

#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name)))
#else
#define EXPORT(name)
#endif

// For what is to stay a call, or to be compiled without knowledge of its arguments.
#define NOINLINE __attribute__((noinline))

// A variable that wasm32 keeps in a WebAssembly global instead of in memory; natively one like any other. It has no
// address and no initial value, and is u32 or u64. Where its value is widened, narrowed, shifted or masked, it must be
// taken by READ: clang 22 would do it while loading, which it can't from a global, and emit a load from memory instead.
// Nor should two branches end in the same change of different globals: clang makes that one store to a place that depends,
// and then gives up.
#ifdef __wasm__
#define GLOBAL static __attribute__((address_space(1)))
#define READ(global) _Generic((global), u32: opaque_u32, u64: opaque_u64)(global)

// The same value, of which the compiler does not know where it comes from. No instruction.
static inline u32 opaque_u32(u32 value) {
    __asm__("" : "+r"(value));
    return value;
}

static inline u64 opaque_u64(u64 value) {
    __asm__("" : "+r"(value));
    return value;
}
#else
#define GLOBAL static
#define READ(global) (global)
#endif

// The constant sizes make these one load or store each, whatever the alignment.
static inline u32 load_u32(const u8 *at) {
    u32 value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
}

static inline u64 load_u64(const u8 *at) {
    u64 value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
}

static inline void store_u32(u8 *at, u32 value) {
    __builtin_memcpy(at, &value, sizeof value);
}

static inline void store_u64(u8 *at, u64 value) {
    __builtin_memcpy(at, &value, sizeof value);
}

// The bits of a number, so that a checksum misses no rounding.
static inline i64 f64_bits(f64 value) {
    i64 bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

// Folds a value into a checksum; the order of the values matters.
static inline u64 mix(u64 sum, u64 value) {
    sum = (sum ^ value) * 0x9e3779b97f4a7c15u;
    return sum ^ (sum >> 29);
}

// A xorshift generator: the same numbers everywhere, from any seed but 0.
static inline u64 next_random(u64 *state) {
    u64 x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

// The next random number below a limit.
static inline u32 next_random_below(u64 *state, u32 limit) {
    return (u32)(((next_random(state) >> 32) * limit) >> 32);
}

// The next random number from -1 to 1.
static inline f64 next_random_f64(u64 *state) {
    return (f64)((i64)next_random(state) >> 11) * 0x1p-52;
}

#endif
