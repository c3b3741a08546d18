// An interpreter whose instructions are carried out by functions that are looked up in an array: one call through a table
// for each instruction, with hardly anything to do in it. The table of functions is exported, so nothing says that it
// never changes.
//
// The machine has eight registers. The program is one loop inside another, so some instructions are much more frequent
// than others.
#include "kernel.h"

typedef struct {
    u32 next, rounds;
    u32 registers[8];
    u64 checksum;
} Machine;

typedef struct {
    u8 operation, a, b, c;
} Instruction;

#define A machine->registers[instruction.a]
#define B machine->registers[instruction.b]
#define C machine->registers[instruction.c]

#define OPERATION(name) static void name(Machine *machine, Instruction instruction)

OPERATION(set) { A = instruction.c; }
OPERATION(add) { A = B + C; }
OPERATION(subtract) { A = B - C; }
OPERATION(multiply_by) { A = B * instruction.c; }
OPERATION(exclusive_or) { A = B ^ C; }
OPERATION(either) { A = B | C; }
OPERATION(shift_by) { A = B >> (instruction.c & 31); }
OPERATION(fold) { machine->checksum = mix(machine->checksum, A); }

OPERATION(count_down) {
    if (--A) machine->next = instruction.c;
}

OPERATION(again) {
    (void)instruction;
    machine->next = 0;
    machine->rounds--;
}

enum { SET, ADD, SUBTRACT, MULTIPLY_BY, EXCLUSIVE_OR, EITHER, SHIFT_BY, FOLD, COUNT_DOWN, AGAIN };

static void (*const OPERATIONS[])(Machine *, Instruction) = {
    set, add, subtract, multiply_by, exclusive_or, either, shift_by, fold, count_down, again,
};

static const Instruction PROGRAM[] = {
    {SET, 1, 0, 1}, {SET, 2, 0, 3}, {SET, 3, 0, 200},
    // 3:
    {ADD, 1, 1, 2}, {MULTIPLY_BY, 2, 1, 7}, {ADD, 4, 4, 1}, {EXCLUSIVE_OR, 4, 4, 2}, {ADD, 2, 2, 4}, {SHIFT_BY, 2, 2, 3},
    {COUNT_DOWN, 3, 0, 3}, {FOLD, 1, 0, 0}, {SET, 3, 0, 50},
    // 12:
    {SUBTRACT, 1, 1, 2}, {EITHER, 2, 2, 1}, {ADD, 5, 1, 2}, {COUNT_DOWN, 3, 0, 12}, {FOLD, 5, 0, 0}, {AGAIN, 0, 0, 0},
};

static u64 interpret(i32 rounds) {
    Machine machine = {0};
    machine.rounds = (u32)rounds;
    while (machine.rounds) {
        Instruction instruction = PROGRAM[machine.next++];
        OPERATIONS[instruction.operation](&machine, instruction);
    }
    return machine.checksum;
}

EXPORT(run) i64 run(i32 n) {
    return (i64)interpret(n);
}

EXPORT(threaded) i32 threaded(i32 rounds) {
    return (i32)interpret(rounds);
}
