// Pollard's rho method on numbers of up to 127 bits: wide multiplication, carries, and a data-dependent walk.
//
// Brent's variant: the walk y -> y^2 + c is compared with a place that is moved up at the end of each lap, laps double,
// and the differences of a batch are multiplied together so that one greatest common divisor does for all of them.
// Products are reduced as Montgomery showed, so that no step divides. WebAssembly has no 64x64 -> 128 multiplication: each
// becomes a call into the compiler's runtime library.
#include "kernel.h"

typedef unsigned __int128 u128;

#define U128(high, low) (((u128)(high) << 64) | (low))

// Semiprimes, the smaller factor a little longer from one to the next. All are below 2^127, so that a sum of two
// residues fits.
#define SEMIPRIMES 8
static const u128 SEMIPRIME[SEMIPRIMES] = {
    U128(0x2c705476393e6f4c, 0xa8cb1d7ba98bcb73), // 3903511 * 15132346790296788476604304571653
    U128(0x2ab5d6eded213c4f, 0x5e0f281767093a01), // 15365261 * 3694811356636186947075493793861
    U128(0x39a47f20b6ed423b, 0xe34177b3877f8bcf), // 32999647 * 2321846379219568036374855428881
    U128(0x2a068d5f4cdf55d2, 0xb9d2c9fa3b3655e1), // 58612513 * 953066062435133703632985350849
    U128(0x15f570d5f665cce3, 0x54a919087bdbd821), // 91325029 * 319607773938455273914745963789
    U128(0x1b1dd8528f3d17f9, 0x20677f5c3ef313d5), // 185120521 * 194706237006561620413598678381
    U128(0x2aa39d84a9b597cf, 0x8621ddce55d3ca7b), // 417409907 * 135782869810647230036150629081
    U128(0x185c13d934bd916c, 0x56cb62dfc942f373), // 668389471 * 48444158966171557631965111661
};

#define STEPS_PER_BATCH 128
#define NO_LIMIT INT64_MAX

typedef struct {
    u128 high, low;
} Product;

static inline Product multiply(u128 a, u128 b) {
    u64 a0 = (u64)a, a1 = (u64)(a >> 64);
    u64 b0 = (u64)b, b1 = (u64)(b >> 64);
    u128 p00 = (u128)a0 * b0;
    u128 p01 = (u128)a0 * b1;
    u128 p10 = (u128)a1 * b0;
    u128 p11 = (u128)a1 * b1;
    u128 middle = (p00 >> 64) + (u64)p01 + (u64)p10;
    return (Product){
        .high = p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64),
        .low = (middle << 64) | (u64)p00,
    };
}

// Arithmetic modulo an odd number below 2^127. A residue r stands for the number r / 2^128.
typedef struct {
    u128 modulus;
    u128 minus_inverse; // -1 / modulus, modulo 2^128
} Field;

static Field field_of(u128 modulus) {
    u128 inverse = modulus; // right in the three lowest bits; each round doubles how many are right
    for (int bits = 3; bits < 128; bits *= 2) {
        inverse *= 2 - modulus * inverse;
    }
    return (Field){.modulus = modulus, .minus_inverse = -inverse};
}

static inline u128 field_multiply(const Field *field, u128 a, u128 b) {
    Product product = multiply(a, b);
    u128 multiple = product.low * field->minus_inverse;
    // Adding this multiple of the modulus clears the low half, and carries out of it unless it was zero already.
    u128 sum = product.high + multiply(multiple, field->modulus).high + (product.low != 0);
    return sum >= field->modulus ? sum - field->modulus : sum;
}

static inline u128 field_add(const Field *field, u128 a, u128 b) {
    u128 sum = a + b;
    return sum >= field->modulus ? sum - field->modulus : sum;
}

static inline u128 difference(u128 a, u128 b) {
    return a > b ? a - b : b - a;
}

static inline int trailing_zeros(u128 value) {
    u64 low = (u64)value;
    return low != 0 ? __builtin_ctzll(low) : 64 + __builtin_ctzll((u64)(value >> 64));
}

// The greatest common divisor of any number and an odd one.
static u128 gcd_with_odd(u128 a, u128 odd) {
    while (a != 0) {
        a >>= trailing_zeros(a);
        if (a < odd) {
            u128 larger = odd;
            odd = a;
            a = larger;
        }
        a -= odd;
    }
    return odd;
}

// Walks modulo the field's number, from a place and by an increment of the caller's choice, until it finds a divisor
// other than 1 or has taken `*steps` steps. Takes off `*steps` what it used, and returns the divisor, or 0.
static u128 walk(const Field *field, u128 *place, u128 increment, i64 *steps) {
    u128 here = *place;
    u128 divisor = 0;
    for (i64 lap = 1; divisor == 0; lap *= 2) {
        u128 mark = here;
        for (i64 ahead = lap; ahead > 0 && divisor == 0;) {
            i64 batch = ahead < STEPS_PER_BATCH ? ahead : STEPS_PER_BATCH;
            batch = batch < *steps ? batch : *steps;
            if (batch == 0) {
                *place = here;
                return 0;
            }
            u128 before = here;
            u128 product = 1;
            for (i64 i = 0; i < batch; i++) {
                here = field_add(field, field_multiply(field, here, here), increment);
                product = field_multiply(field, product, difference(mark, here));
            }
            ahead -= batch;
            *steps -= batch;
            u128 common = gcd_with_odd(product, field->modulus);
            if (common == field->modulus) {
                // Both factors showed up in one batch: take its steps again, one by one.
                here = before;
                do {
                    here = field_add(field, field_multiply(field, here, here), increment);
                    common = gcd_with_odd(difference(mark, here), field->modulus);
                } while (common == 1);
            }
            divisor = common == 1 ? 0 : common;
        }
    }
    *place = here;
    return divisor;
}

// The smaller factor of a semiprime, or 0 if the steps did not suffice; the last place goes to `*place`.
static u64 factor(u128 semiprime, u128 *place, i64 *steps) {
    Field field = field_of(semiprime);
    for (u128 increment = 1; *steps > 0; increment++) {
        *place = 2;
        u128 divisor = walk(&field, place, increment, steps);
        // A walk that closes modulo both factors at once finds nothing: another increment, another walk.
        if (divisor != 0 && divisor != semiprime) {
            u128 other = semiprime / divisor;
            return (u64)(divisor < other ? divisor : other);
        }
    }
    return 0;
}

// The smaller factor of one of the eight semiprimes.
EXPORT(rho) i64 rho(i32 which) {
    u128 place;
    i64 steps = NO_LIMIT;
    return (i64)factor(SEMIPRIME[(u32)which % SEMIPRIMES], &place, &steps);
}

// Takes so many hundreds of steps, through one semiprime after the other, over and over.
EXPORT(run) i64 run(i32 n) {
    u64 sum = 0;
    i64 steps = (i64)n * 100;
    for (int i = 0; steps > 0; i = (i + 1) % SEMIPRIMES) {
        u128 place;
        sum = mix(sum, factor(SEMIPRIME[i], &place, &steps));
        sum = mix(sum, (u64)place);
        sum = mix(sum, (u64)(place >> 64));
    }
    return (i64)sum;
}
