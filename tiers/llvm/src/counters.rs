//! Has counters that begin below zero begin at zero. clang counts bytes from `-n` up to zero and puts the rest into
//! the address. LLVM widens such a counter to 64 bits, where it begins at `2^32 - n` and reaches zero only by a
//! mask, and then knows no longer how often the loop runs.
//!
//! ```text
//! %i = phi i32 [ -400, %entry ], [ %next, %loop ]
//! %next = add i32 %i, 4
//! ```
//!
//! becomes
//!
//! ```text
//! %z = phi i32 [ 0, %entry ], [ %z.next, %loop ]
//! %i = add i32 %z, -400
//! %z.next = add i32 %z, 4
//! %next = add i32 %z.next, -400
//! ```
//!
//! Condition: none is needed for it to be right, as `i = z + start` holds modulo 2^32 in each round: in the first one `z =
//! 0`, and both grow by the same step. It pays where the start is a negative constant and the step a positive one. Inputs
//! with what becomes of them: `tests/passes/counters`.

use inkwell::context::Context;
use inkwell::module::Module as LlvmModule;
use inkwell::types::BasicTypeEnum;
use inkwell::values::{
    AsValueRef, BasicValueEnum, InstructionOpcode, InstructionValue, IntValue, PhiValue,
};

use crate::emitter::Built;

/// Rewrites all such counters. To be called on code whose locals were lifted and whose expressions were brought into
/// LLVM's usual form.
pub(crate) fn start_at_zero(module: &LlvmModule<'_>, context: &Context) {
    for function in module.get_functions() {
        for block in function.get_basic_block_iter() {
            let phis: Vec<_> = block
                .get_instructions()
                .map_while(|instruction| PhiValue::try_from(instruction).ok())
                .collect();
            for phi in phis {
                if let Some(counter) = find(phi) {
                    rewrite(context, &counter);
                }
            }
        }
    }
}

/// A 32-bit number that begins at a negative constant, to which each round adds a constant.
struct Counter<'ctx> {
    phi: PhiValue<'ctx>,
    /// Which of the two ways into the loop it comes from outside on.
    outside: u32,
    start: IntValue<'ctx>,
    next: InstructionValue<'ctx>,
    step: IntValue<'ctx>,
}

fn find(phi: PhiValue<'_>) -> Option<Counter<'_>> {
    let BasicTypeEnum::IntType(ty) = phi.as_basic_value().get_type() else {
        return None;
    };
    if ty.get_bit_width() != 32 || phi.count_incoming() != 2 {
        return None;
    }
    let value = |index| match phi.get_incoming(index)?.0 {
        BasicValueEnum::IntValue(value) => Some(value),
        _ => None,
    };
    (0..2).find_map(|outside| {
        let start = value(outside)?;
        if start.get_sign_extended_constant()? >= 0 {
            return None;
        }
        let next = value(1 - outside)?.as_instruction()?;
        let operand = |index| match next.get_operand(index)?.value()? {
            BasicValueEnum::IntValue(value) => Some(value),
            _ => None,
        };
        let step = operand(1)?;
        let adds = next.get_opcode() == InstructionOpcode::Add
            && operand(0)?.as_value_ref() == phi.as_value_ref()
            && step.get_sign_extended_constant()? > 0;
        adds.then_some(Counter {
            phi,
            outside,
            start,
            next,
            step,
        })
    })
}

fn rewrite<'ctx>(context: &'ctx Context, counter: &Counter<'ctx>) {
    let phi = counter.phi.as_instruction();
    let block = phi.get_parent();
    let first = block.and_then(|block| {
        block
            .get_instructions()
            .find(|instruction| instruction.get_opcode() != InstructionOpcode::Phi)
    });
    let incoming = |index| counter.phi.get_incoming(index).map(|(_, block)| block);
    let (Some(first), Some(outside), Some(inside)) = (
        first,
        incoming(counter.outside),
        incoming(1 - counter.outside),
    ) else {
        return;
    };
    let builder = context.create_builder();
    let ty = context.i32_type();
    builder.position_before(&phi);
    let from_zero = builder.build_phi(ty, "").built();
    builder.position_before(&first);
    let current = from_zero.as_basic_value().into_int_value();
    let old = builder.build_int_add(current, counter.start, "").built();
    builder.position_before(&counter.next);
    let next = builder.build_int_add(current, counter.step, "").built();
    let old_next = builder.build_int_add(next, counter.start, "").built();
    from_zero.add_incoming(&[(&ty.const_zero(), outside), (&next, inside)]);
    for (of, by) in [(phi, old), (counter.next, old_next)] {
        if let Some(by) = by.as_instruction() {
            of.replace_all_uses_with(&by);
        }
    }
    // Each is used by the other only, by now.
    phi.erase_from_basic_block();
    counter.next.erase_from_basic_block();
}
