// An interpreter of bytecode: one big switch in a loop, that is one indirect jump for each instruction, with hardly
// anything to do between two of them.
//
// The machine has 16 registers of 32 bits, 4 KiB of memory and a stack. An instruction is four bytes: what to do and three
// operands, a, b and c, of which a usually names the register for the result; in a jump, c says where to. The program is
// written with labels, which are resolved when it is loaded.
#include "kernel.h"

#define REGISTERS 16
#define MEMORY_SIZE 4096u
#define STACK_SIZE 64u
#define LONGEST_PROGRAM 256

typedef struct {
    u8 operation, a, b, c;
} Instruction;

enum {
    HALT,
    // Constants and moves. K stands for b and c together, a signed number of 16 bits.
    MOVE, SET_K, SET_HIGH_K, ADD_K,
    // a = b op c
    ADD, SUB, MUL, MUL_HIGH, DIV, REM, AND, OR, XOR, AND_NOT, SHIFT_LEFT, SHIFT_RIGHT, SHIFT_SIGNED, ROTATE, LEAST, MOST,
    EQUAL, LESS, BELOW,
    // a = b op the number c
    ADD_C, SUB_C, MUL_C, DIV_C, REM_C, AND_C, XOR_C, SHIFT_LEFT_C, SHIFT_RIGHT_C, SHIFT_SIGNED_C, ROTATE_C, EQUAL_C, BELOW_C,
    // a = op b
    NEGATE, NOT, ABSOLUTE, LEADING_ZEROS, TRAILING_ZEROS, ONES, SWAP_BYTES, EXTEND_8, EXTEND_16, IS_ZERO,
    // a = b, or c if a is zero; a = a + b * c
    CHOOSE, MUL_ADD,
    // Memory at b + c; indexed, at the number b plus c times the size.
    LOAD_8, LOAD_S8, LOAD_16, LOAD_32, STORE_8, STORE_16, STORE_32, LOAD_8_INDEXED, LOAD_32_INDEXED, STORE_8_INDEXED,
    STORE_32_INDEXED,
    // Control. COUNT_DOWN takes one from a and jumps unless that made it zero.
    JUMP, JUMP_IF, JUMP_UNLESS, JUMP_EQUAL, JUMP_NOT_EQUAL, JUMP_LESS, JUMP_NOT_LESS, JUMP_BELOW, JUMP_NOT_BELOW, COUNT_DOWN,
    CALL, RETURN, PUSH, POP, FOLD,
    // Not an instruction: stands before the one that is meant by label a.
    LABEL,
};

#define K(number) (u8)(number), (u8)((u32)(number) >> 8)

enum {
    SIEVE, CLEAR_FLAG, NEXT_CANDIDATE, NEXT_MULTIPLE, COMPOSITE, SORT, FILL_WORD, NEXT_WORD, MOVE_DOWN, IN_PLACE,
    FOLD_WORDS, FIB, FIB_RECURSE, EUCLID, NEXT_PAIR, DIVIDE_AGAIN, COPRIME, COLLATZ, NEXT_START, STEP, EVEN, JOIN, ARRIVED,
    BITS, NEXT_BITS, TEXT, NEXT_LETTER, IS_LETTER, NEXT_BYTE,
    LABELS,
};

// Register 15 is the seed, which the subroutines advance; the others are theirs.
static const Instruction PROGRAM[] = {
    {CALL, 0, 0, SIEVE}, {CALL, 0, 0, SORT}, {SET_K, 0, K(9)}, {CALL, 0, 0, FIB}, {FOLD, 0, 0, 0}, {CALL, 0, 0, EUCLID},
    {CALL, 0, 0, COLLATZ}, {CALL, 0, 0, BITS}, {CALL, 0, 0, TEXT}, {HALT, 0, 0, 0},

    // Primes below 256, by striking out multiples.
    {LABEL, SIEVE, 0, 0}, {SET_K, 1, K(256)}, {SET_K, 2, K(0)},
    {LABEL, CLEAR_FLAG, 0, 0}, {SUB_C, 1, 1, 1}, {STORE_8_INDEXED, 2, 0, 1}, {JUMP_IF, 1, 0, CLEAR_FLAG},
    {SET_K, 1, K(2)}, {SET_K, 3, K(1)}, {SET_K, 4, K(256)}, {SET_K, 5, K(0)},
    {LABEL, NEXT_CANDIDATE, 0, 0}, {LOAD_8, 6, 1, 0}, {JUMP_IF, 6, 0, COMPOSITE}, {ADD_C, 5, 5, 1}, {MUL, 7, 1, 1},
    {JUMP_NOT_BELOW, 7, 4, COMPOSITE},
    {LABEL, NEXT_MULTIPLE, 0, 0}, {STORE_8, 3, 7, 0}, {ADD, 7, 7, 1}, {JUMP_BELOW, 7, 4, NEXT_MULTIPLE},
    {LABEL, COMPOSITE, 0, 0}, {ADD_C, 1, 1, 1}, {JUMP_NOT_EQUAL, 1, 4, NEXT_CANDIDATE}, {FOLD, 5, 0, 0}, {RETURN, 0, 0, 0},

    // Insertion sort of 24 random words at 1024.
    {LABEL, SORT, 0, 0}, {SET_K, 1, K(24)}, {SET_K, 8, K(1024)}, {MOVE, 2, 8, 0}, {SET_K, 3, K(0x4e6d)}, {SET_HIGH_K, 3, K(0x41c6)},
    {LABEL, FILL_WORD, 0, 0}, {MUL, 15, 15, 3}, {ADD_K, 15, K(12345)}, {SHIFT_SIGNED_C, 4, 15, 8}, {STORE_32, 4, 2, 0},
    {ADD_C, 2, 2, 4}, {COUNT_DOWN, 1, 0, FILL_WORD}, {SET_K, 1, K(1)}, {SET_K, 9, K(24)},
    {LABEL, NEXT_WORD, 0, 0}, {SHIFT_LEFT_C, 2, 1, 2}, {ADD, 2, 2, 8}, {LOAD_32, 4, 2, 0},
    {LABEL, MOVE_DOWN, 0, 0}, {SUB_C, 3, 2, 4}, {JUMP_BELOW, 3, 8, IN_PLACE}, {LOAD_32, 5, 3, 0},
    {JUMP_NOT_LESS, 4, 5, IN_PLACE}, {STORE_32, 5, 2, 0}, {MOVE, 2, 3, 0}, {JUMP, 0, 0, MOVE_DOWN},
    {LABEL, IN_PLACE, 0, 0}, {STORE_32, 4, 2, 0}, {ADD_C, 1, 1, 1}, {JUMP_LESS, 1, 9, NEXT_WORD}, {SET_K, 1, K(256)},
    {ADD_K, 9, K(256)}, {LABEL, FOLD_WORDS, 0, 0}, {LOAD_32_INDEXED, 4, 0, 1}, {FOLD, 4, 0, 0}, {ADD_C, 1, 1, 1},
    {JUMP_NOT_EQUAL, 1, 9, FOLD_WORDS}, {RETURN, 0, 0, 0},

    // Fibonacci numbers by recursion, argument and result in register 0.
    {LABEL, FIB, 0, 0}, {BELOW_C, 1, 0, 2}, {JUMP_UNLESS, 1, 0, FIB_RECURSE}, {RETURN, 0, 0, 0},
    {LABEL, FIB_RECURSE, 0, 0}, {SUB_C, 0, 0, 1}, {PUSH, 0, 0, 0}, {CALL, 0, 0, FIB}, {POP, 1, 0, 0}, {PUSH, 0, 0, 0},
    {SUB_C, 0, 1, 1}, {CALL, 0, 0, FIB}, {POP, 1, 0, 0}, {ADD, 0, 0, 1}, {RETURN, 0, 0, 0},

    // How many of 20 random pairs have no common divisor.
    {LABEL, EUCLID, 0, 0}, {SET_K, 1, K(20)}, {SET_K, 2, K(0)}, {SET_K, 9, K(25173)},
    {LABEL, NEXT_PAIR, 0, 0}, {MUL, 15, 15, 9}, {ADD_K, 15, K(13849)}, {SHIFT_RIGHT_C, 3, 15, 20}, {AND_C, 4, 15, 255},
    {LABEL, DIVIDE_AGAIN, 0, 0}, {JUMP_UNLESS, 4, 0, COPRIME}, {REM, 5, 3, 4}, {MOVE, 3, 4, 0}, {MOVE, 4, 5, 0},
    {JUMP, 0, 0, DIVIDE_AGAIN},
    {LABEL, COPRIME, 0, 0}, {EQUAL_C, 5, 3, 1}, {ADD, 2, 2, 5}, {COUNT_DOWN, 1, 0, NEXT_PAIR}, {FOLD, 2, 0, 0}, {RETURN, 0, 0, 0},

    // The longest of Collatz's sequences from 1 to 24, and the highest number in any.
    {LABEL, COLLATZ, 0, 0}, {SET_K, 1, K(24)}, {SET_K, 2, K(0)}, {SET_K, 3, K(0)}, {SET_K, 6, K(1)},
    {LABEL, NEXT_START, 0, 0}, {MOVE, 4, 1, 0}, {SET_K, 5, K(0)},
    {LABEL, STEP, 0, 0}, {JUMP_EQUAL, 4, 6, ARRIVED}, {ADD_C, 5, 5, 1}, {AND_C, 7, 4, 1}, {JUMP_UNLESS, 7, 0, EVEN},
    {MUL_C, 4, 4, 3}, {ADD_C, 4, 4, 1}, {JUMP, 0, 0, JOIN},
    {LABEL, EVEN, 0, 0}, {SHIFT_RIGHT_C, 4, 4, 1},
    {LABEL, JOIN, 0, 0}, {MOST, 3, 3, 4}, {JUMP, 0, 0, STEP},
    {LABEL, ARRIVED, 0, 0}, {MOST, 2, 2, 5}, {COUNT_DOWN, 1, 0, NEXT_START}, {FOLD, 2, 0, 0}, {FOLD, 3, 0, 0}, {RETURN, 0, 0, 0},

    // Everything that can be done to bits, 16 times.
    {LABEL, BITS, 0, 0}, {SET_K, 1, K(16)}, {SET_K, 9, K(2000)},
    {LABEL, NEXT_BITS, 0, 0}, {ROTATE_C, 2, 15, 13}, {XOR, 3, 15, 2}, {SHIFT_LEFT, 4, 3, 1}, {SHIFT_RIGHT, 5, 3, 1},
    {SHIFT_SIGNED, 6, 2, 1}, {OR, 7, 4, 5}, {AND_NOT, 7, 7, 6}, {ONES, 8, 7, 0}, {LEADING_ZEROS, 10, 5, 0},
    {TRAILING_ZEROS, 11, 4, 0}, {MUL_ADD, 8, 10, 11}, {SWAP_BYTES, 2, 7, 0}, {EXTEND_8, 3, 2, 0}, {EXTEND_16, 4, 2, 0},
    {SUB, 3, 3, 4}, {NEGATE, 5, 3, 0}, {ABSOLUTE, 6, 3, 0}, {NOT, 10, 7, 0}, {LEAST, 5, 5, 10}, {BELOW, 11, 5, 6},
    {CHOOSE, 11, 5, 6}, {MUL_HIGH, 10, 11, 2}, {ROTATE, 10, 10, 8}, {AND, 4, 10, 2}, {LESS, 5, 4, 10}, {EQUAL, 6, 4, 10},
    {ADD, 5, 5, 6}, {XOR_C, 5, 5, 85}, {STORE_16, 10, 9, 2}, {LOAD_16, 3, 9, 2}, {LOAD_S8, 4, 9, 3}, {DIV_C, 3, 3, 7},
    {REM_C, 6, 10, 100}, {DIV, 6, 3, 6}, {SHIFT_SIGNED_C, 4, 4, 1}, {ADD, 15, 15, 4}, {XOR, 15, 15, 10}, {ADD, 15, 15, 6},
    {ADD, 15, 15, 5}, {FOLD, 15, 0, 0}, {COUNT_DOWN, 1, 0, NEXT_BITS}, {RETURN, 0, 0, 0},

    // Writes 64 bytes at 3000, then turns small letters among them into capitals, the rest into A, and counts the rest.
    {LABEL, TEXT, 0, 0}, {SET_K, 1, K(3063)}, {SET_K, 2, K(0)}, {SET_K, 8, K(2999)}, {SET_K, 9, K(26)}, {MOVE, 3, 15, 0},
    {LABEL, NEXT_LETTER, 0, 0}, {ROTATE_C, 3, 3, 5}, {ADD_C, 3, 3, 77}, {AND_C, 4, 3, 127}, {STORE_8, 4, 1, 0}, {SUB_C, 1, 1, 1},
    {JUMP_NOT_EQUAL, 1, 8, NEXT_LETTER}, {SET_K, 1, K(64)},
    {LABEL, NEXT_BYTE, 0, 0}, {ADD, 5, 8, 1}, {LOAD_8_INDEXED, 4, 0, 5}, {SUB_C, 6, 4, 'a'}, {JUMP_BELOW, 6, 9, IS_LETTER},
    {IS_ZERO, 7, 4, 0}, {ADD_C, 2, 2, 1}, {SUB, 2, 2, 7}, {SET_K, 4, K('a')},
    {LABEL, IS_LETTER, 0, 0}, {SUB_C, 4, 4, 32}, {STORE_8, 4, 5, 0}, {FOLD, 4, 0, 0}, {COUNT_DOWN, 1, 0, NEXT_BYTE},
    {STORE_32_INDEXED, 2, 100, 1}, {FOLD, 2, 0, 0}, {RETURN, 0, 0, 0},
};

#define LINES (sizeof PROGRAM / sizeof *PROGRAM)
_Static_assert(LINES - LABELS <= LONGEST_PROGRAM, "a place must fit in a byte");

static Instruction loaded[LONGEST_PROGRAM];
static u8 memory[MEMORY_SIZE + 4];
static u32 stack[STACK_SIZE];

static inline i32 is_jump(u8 operation) {
    return operation >= JUMP && operation <= CALL;
}

// Takes the labels out of the program and puts the places they stand for into the jumps.
static void load_program(void) {
    u8 place[LABELS];
    u32 length = 0;
    for (u32 i = 0; i < LINES; i++) {
        if (PROGRAM[i].operation == LABEL) {
            place[PROGRAM[i].a] = (u8)length;
        } else {
            loaded[length++] = PROGRAM[i];
        }
    }
    for (u32 i = 0; i < length; i++) {
        if (is_jump(loaded[i].operation)) {
            loaded[i].c = place[loaded[i].c];
        }
    }
}

// Runs the program with a seed; returns what it folded.
NOINLINE static u64 execute(u32 seed) {
    u32 r[REGISTERS] = {[15] = seed};
    u64 sum = 0;
    u32 top = 0;
    u32 at = 0;
    for (;;) {
        Instruction i = loaded[at++];
        // Whatever a program asks for, registers exist and addresses are in memory.
        u32 *a = &r[i.a % REGISTERS];
        u32 b = r[i.b % REGISTERS];
        u32 c = r[i.c % REGISTERS];
        i32 k = (int16_t)(i.b | i.c << 8);
        u8 *place = &memory[(b + i.c) % MEMORY_SIZE];
        u8 *indexed_8 = &memory[(i.b + c) % MEMORY_SIZE];
        u8 *indexed_32 = &memory[(i.b + 4 * c) % MEMORY_SIZE];
        switch (i.operation) {
        case MOVE: *a = b; break;
        case SET_K: *a = (u32)k; break;
        case SET_HIGH_K: *a = (*a & 0xffff) | (u32)k << 16; break;
        case ADD_K: *a += (u32)k; break;
        case ADD: *a = b + c; break;
        case SUB: *a = b - c; break;
        case MUL: *a = b * c; break;
        case MUL_HIGH: *a = (u32)((u64)b * c >> 32); break;
        case DIV: *a = c == 0 ? 0 : b / c; break;
        case REM: *a = c == 0 ? 0 : b % c; break;
        case AND: *a = b & c; break;
        case OR: *a = b | c; break;
        case XOR: *a = b ^ c; break;
        case AND_NOT: *a = b & ~c; break;
        case SHIFT_LEFT: *a = b << (c & 31); break;
        case SHIFT_RIGHT: *a = b >> (c & 31); break;
        case SHIFT_SIGNED: *a = (u32)((i32)b >> (c & 31)); break;
        case ROTATE: *a = b << (c & 31) | b >> (-c & 31); break;
        case LEAST: *a = (i32)b < (i32)c ? b : c; break;
        case MOST: *a = (i32)b > (i32)c ? b : c; break;
        case EQUAL: *a = b == c; break;
        case LESS: *a = (i32)b < (i32)c; break;
        case BELOW: *a = b < c; break;
        case ADD_C: *a = b + i.c; break;
        case SUB_C: *a = b - i.c; break;
        case MUL_C: *a = b * i.c; break;
        case DIV_C: *a = i.c == 0 ? 0 : b / i.c; break;
        case REM_C: *a = i.c == 0 ? 0 : b % i.c; break;
        case AND_C: *a = b & i.c; break;
        case XOR_C: *a = b ^ i.c; break;
        case SHIFT_LEFT_C: *a = b << (i.c & 31); break;
        case SHIFT_RIGHT_C: *a = b >> (i.c & 31); break;
        case SHIFT_SIGNED_C: *a = (u32)((i32)b >> (i.c & 31)); break;
        case ROTATE_C: *a = b << (i.c & 31) | b >> (-i.c & 31); break;
        case EQUAL_C: *a = b == i.c; break;
        case BELOW_C: *a = b < i.c; break;
        case NEGATE: *a = -b; break;
        case NOT: *a = ~b; break;
        case ABSOLUTE: *a = (i32)b < 0 ? -b : b; break;
        case LEADING_ZEROS: *a = b == 0 ? 32 : (u32)__builtin_clz(b); break;
        case TRAILING_ZEROS: *a = b == 0 ? 32 : (u32)__builtin_ctz(b); break;
        case ONES: *a = (u32)__builtin_popcount(b); break;
        case SWAP_BYTES: *a = __builtin_bswap32(b); break;
        case EXTEND_8: *a = (u32)(i32)(int8_t)b; break;
        case EXTEND_16: *a = (u32)(i32)(int16_t)b; break;
        case IS_ZERO: *a = b == 0; break;
        case CHOOSE: *a = *a != 0 ? b : c; break;
        case MUL_ADD: *a += b * c; break;
        case LOAD_8: *a = *place; break;
        case LOAD_S8: *a = (u32)(i32)(int8_t)*place; break;
        case LOAD_16: *a = place[0] | (u32)place[1] << 8; break;
        case LOAD_32: *a = load_u32(place); break;
        case STORE_8: *place = (u8)*a; break;
        case STORE_16: place[0] = (u8)*a, place[1] = (u8)(*a >> 8); break;
        case STORE_32: store_u32(place, *a); break;
        case LOAD_8_INDEXED: *a = *indexed_8; break;
        case LOAD_32_INDEXED: *a = load_u32(indexed_32); break;
        case STORE_8_INDEXED: *indexed_8 = (u8)*a; break;
        case STORE_32_INDEXED: store_u32(indexed_32, *a); break;
        case JUMP: at = i.c; break;
        case JUMP_IF: at = *a != 0 ? i.c : at; break;
        case JUMP_UNLESS: at = *a == 0 ? i.c : at; break;
        case JUMP_EQUAL: at = *a == b ? i.c : at; break;
        case JUMP_NOT_EQUAL: at = *a != b ? i.c : at; break;
        case JUMP_LESS: at = (i32)*a < (i32)b ? i.c : at; break;
        case JUMP_NOT_LESS: at = (i32)*a >= (i32)b ? i.c : at; break;
        case JUMP_BELOW: at = *a < b ? i.c : at; break;
        case JUMP_NOT_BELOW: at = *a >= b ? i.c : at; break;
        case COUNT_DOWN: at = --*a != 0 ? i.c : at; break;
        case CALL: stack[top++ % STACK_SIZE] = at, at = i.c; break;
        case RETURN: at = stack[--top % STACK_SIZE]; break;
        case PUSH: stack[top++ % STACK_SIZE] = *a; break;
        case POP: *a = stack[--top % STACK_SIZE]; break;
        case FOLD: sum = mix(sum, *a); break;
        default: return mix(sum, r[15]);
        }
    }
}

// What the program folds, run with a seed.
EXPORT(interp) i64 interp(i32 seed) {
    load_program();
    return (i64)execute((u32)seed);
}

// Runs the program so many times, seeded by what it folded before.
EXPORT(run) i64 run(i32 n) {
    u64 sum = 1;
    load_program();
    for (i32 round = 0; round < n; round++) {
        sum = mix(sum, execute((u32)sum));
    }
    return (i64)sum;
}
