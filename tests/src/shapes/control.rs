//! Shapes of control: nesting, labels, tables, loops, joins.

use wasm_encoder::{InstructionSink, ValType};

use super::encoder::{EMPTY, I32, WIDE, at, number, one, one_with_wide_block};

pub(super) fn blocks_in_a_row(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.block(EMPTY).local_get(0).i32_const(1).i32_add();
            code.local_set(0).end();
        }
        code.local_get(0);
    })
}

pub(super) fn table_to_one_label(size: u32) -> Vec<u8> {
    one(&[], |code| {
        code.block(EMPTY).local_get(0);
        code.br_table(vec![0; size as usize], 0).end().local_get(0);
    })
}

pub(super) fn table_to_one_wide_label(size: u32) -> Vec<u8> {
    one_with_wide_block(WIDE, &[], |code, wide| {
        code.block(wide);
        for value in 0..WIDE {
            code.i32_const(value as i32);
        }
        code.local_get(0).br_table(vec![0; size as usize], 0).end();
        for _ in 1..WIDE {
            code.i32_add();
        }
    })
}

/// Tables each of whose entries goes to one of thirty labels with values.
pub(super) fn table_to_wide_labels(size: u32) -> Vec<u8> {
    const DEPTH: u32 = 30;
    const VALUES: usize = 20;
    one_with_wide_block(VALUES, &[], |code, wide| {
        for _ in 0..size {
            for _ in 0..DEPTH {
                code.block(wide);
            }
            for _ in 0..VALUES {
                code.local_get(0);
            }
            code.local_get(0);
            let labels: Vec<u32> = (0..300).map(|entry| (entry * 7) % DEPTH).collect();
            code.br_table(labels, 0);
            for _ in 0..DEPTH {
                code.end();
            }
            for _ in 1..VALUES {
                code.i32_xor();
            }
            code.local_set(0);
        }
        code.local_get(0);
    })
}

pub(super) fn switch(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..=size {
            code.block(EMPTY);
        }
        let labels: Vec<u32> = (0..size).collect();
        code.local_get(0).br_table(labels, size);
        for case in 0..size {
            code.end().local_get(0).i32_const(number(case)).i32_add();
            code.local_set(0);
        }
        code.end().local_get(0);
    })
}

/// A loop over a switch, each case of which chooses the next, with forty locals alive.
pub(super) fn state_machine(size: u32) -> Vec<u8> {
    const LOCALS: u32 = 40;
    one(&[(1 + LOCALS, ValType::I32)], |code| {
        code.block(EMPTY).loop_(EMPTY);
        for _ in 0..=size {
            code.block(EMPTY);
        }
        let labels: Vec<u32> = (0..size).collect();
        code.local_get(1).br_table(labels, size);
        for state in 0..size {
            code.end().local_get(2 + state % LOCALS);
            code.i32_const(number(state)).i32_add();
            code.local_set(2 + state * 3 % LOCALS);
            code.i32_const(number((state * 7 + 1) % size)).local_set(1);
            code.local_get(0).i32_const(1).i32_sub().local_tee(0);
            code.br_if(size - state).br(size - state + 1);
        }
        code.end().end().end().local_get(0);
        for local in 0..LOCALS {
            code.local_get(2 + local).i32_add();
        }
    })
}

pub(super) fn nested_blocks(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.block(EMPTY);
        }
        code.local_get(0).br_if(size - 1);
        for _ in 0..size {
            code.end();
        }
        code.local_get(0);
    })
}

pub(super) fn nested_blocks_with_tables(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.block(EMPTY);
        }
        for _ in 0..size {
            code.block(EMPTY).local_get(0).br_table(vec![0], 0).end();
        }
        for _ in 0..size {
            code.end();
        }
        code.local_get(0);
    })
}

pub(super) fn nested_loops(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.loop_(EMPTY);
        }
        for _ in 0..size {
            code.i32_const(0).br_if(0).end();
        }
        code.local_get(0);
    })
}

/// As many loops as locals, all of which are alive in all of them.
pub(super) fn nested_loops_with_locals(size: u32) -> Vec<u8> {
    one(&[(size, ValType::I32)], |code| {
        for _ in 0..size {
            code.loop_(EMPTY);
        }
        for local in 1..=size {
            code.local_get(local).local_get(0).i32_add();
            code.local_set(local);
        }
        for _ in 0..size {
            // Not again: the local is at least 1 by now.
            code.local_get(1).i32_eqz().br_if(0).end();
        }
        code.i32_const(0);
        for local in 1..=size {
            code.local_get(local).i32_xor();
        }
    })
}

pub(super) fn nested_ifs(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.local_get(0).if_(I32);
        }
        code.i32_const(1);
        for _ in 0..size {
            code.else_().i32_const(2).end();
        }
    })
}

pub(super) fn loops_in_a_row(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.loop_(EMPTY).local_get(0).i32_const(3).i32_mul();
            code.local_tee(0).i32_eqz().br_if(0).end();
        }
        code.local_get(0);
    })
}

/// Loops in a row that each have a branch inside, and end when a number that all of them count has a remainder of its own.
pub(super) fn loops_with_remainders(size: u32) -> Vec<u8> {
    one(&[(1, ValType::I32)], |code| {
        for _ in 0..size {
            code.loop_(EMPTY).local_get(0).i32_const(2).i32_and();
            code.if_(EMPTY).end();
            code.local_get(1).i32_const(1).i32_add().local_tee(1);
            code.i32_const(5).i32_rem_s().br_if(0).end();
        }
        code.local_get(1);
    })
}

/// Loops each in the other, whose headers store what was masked there.
pub(super) fn nested_loops_with_stores(size: u32) -> Vec<u8> {
    one(&[(size, ValType::I32)], |code| {
        for level in 0..size {
            code.loop_(EMPTY).local_get(1 + level).i32_const(0xfff);
            code.i32_and().local_get(0);
            code.i32_store(at(4 * u64::from(level)));
        }
        for level in (0..size).rev() {
            code.local_get(1 + level).i32_const(1).i32_add();
            // Not again: there is one round of each.
            code.local_tee(1 + level).i32_eqz().br_if(0).end();
        }
        code.local_get(size);
    })
}

/// Loops below which there are nine thousand operands.
pub(super) fn loops_above_operands(size: u32) -> Vec<u8> {
    const OPERANDS: u32 = 9_000;
    one(&[], |code| {
        for _ in 0..OPERANDS {
            code.local_get(0);
        }
        for _ in 0..size {
            code.loop_(EMPTY).i32_const(0).br_if(0).end();
        }
        for _ in 1..OPERANDS {
            code.i32_add();
        }
    })
}

/// A loop with many joins, below which there are two thousand operands, and which runs long enough to be entered anew.
pub(super) fn joins_above_operands(size: u32) -> Vec<u8> {
    const OPERANDS: u32 = 2_000;
    one(&[(2, ValType::I32)], |code| {
        for _ in 0..OPERANDS {
            code.local_get(0);
        }
        code.loop_(EMPTY);
        for _ in 0..size {
            code.local_get(1).if_(EMPTY).local_get(1).i32_const(1);
            code.i32_add().local_set(1).end();
        }
        code.local_get(2).i32_const(1).i32_add().local_tee(2);
        code.i32_const(10_000).i32_lt_s().br_if(0).end();
        for _ in 1..OPERANDS {
            code.i32_add();
        }
    })
}

/// A loop of as many joins as locals that change there.
pub(super) fn joins_with_locals(size: u32) -> Vec<u8> {
    one(&[(size, ValType::I32)], |code| {
        code.loop_(EMPTY);
        for join in 0..size {
            code.local_get(0).i32_const(number(join % 31)).i32_shl();
            code.if_(EMPTY).local_get(1 + join);
            code.i32_const(number(join)).i32_add();
            code.local_set(1 + join * 7 % size).end();
        }
        code.local_get(0).i32_const(1).i32_sub().local_tee(0);
        code.br_if(0).end().local_get(0);
        for local in 1..=size {
            code.local_get(local).i32_add();
        }
    })
}

/// As many levels of `if` with two arms.
pub(super) fn tree_of_ifs(size: u32) -> Vec<u8> {
    fn level(code: &mut InstructionSink<'_>, left: u32) {
        if left == 0 {
            code.local_get(0);
            return;
        }
        code.local_get(0).i32_const(number(left)).i32_shr_u();
        code.i32_const(1).i32_and().if_(I32);
        level(code, left - 1);
        code.else_();
        level(code, left - 1);
        code.end();
    }
    one(&[], |code| level(code, size))
}

pub(super) fn branches_to_one_label(size: u32) -> Vec<u8> {
    one(&[], |code| {
        code.block(EMPTY);
        for branch in 0..size {
            code.local_get(0).i32_const(number(branch + 1000));
            code.i32_eq().br_if(0);
        }
        code.end().local_get(0);
    })
}

/// Branches that each compare another number in memory.
pub(super) fn branches_on_loads(size: u32) -> Vec<u8> {
    one(&[], |code| {
        code.block(EMPTY);
        for branch in 0..size {
            code.local_get(0);
            code.i32_load(at(4 * u64::from(branch % 16_000)));
            code.i32_const(number(branch + 1000)).i32_eq().br_if(0);
        }
        code.end().local_get(0);
    })
}

/// Branches that each pass a thousand values on top of one that is dropped.
pub(super) fn branches_to_one_wide_label(size: u32) -> Vec<u8> {
    one_with_wide_block(WIDE, &[], |code, wide| {
        code.block(wide);
        for _ in 0..=WIDE {
            code.local_get(0);
        }
        for _ in 0..size {
            code.i32_const(0).br_if(0);
        }
        code.br(0).end();
        for _ in 1..WIDE {
            code.i32_add();
        }
    })
}
