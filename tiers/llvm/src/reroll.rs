//! Rolls loops up again that the compiler which made the module had unrolled. Copies of a body that touch neighbours look
//! to LLVM's vectorizer like one body that goes in strides, for which it shuffles lanes or gives up; of the body itself
//! it makes vectors, and unrolls it as this machine likes it.
//!
//! A loop of one block whose counters advance by `k * s` a round is `k` copies of a round that advances by `s`, if each
//! store of the block is the one as far into the first copy with counters that are `s`, `2 * s`, ...
//! further ([`Copies`]), and if the loop ends after a multiple of `k` such rounds only. Then the stores of all
//! copies but the first go, and the counters advance by `s`.
//!
//! ```text
//! store i32 %v, ptr %at.0                 ; base + zext i
//! store i32 %v, ptr %at.4                 ; base + zext (i + 4)
//! %next = add i32 %i, 8
//! %done = icmp eq i32 %next, 400
//! ```
//!
//! becomes
//!
//! ```text
//! store i32 %v, ptr %at.0
//! %next = add i32 %i, 4
//! %done = icmp eq i32 %next, 400
//! ```
//!
//! Condition: with `k` copies and steps `k * s`, round `r` of the old loop is rounds `k * r` to `k * r + k - 1` of the new
//! one, each store and each load of copy `c` being the first copy's with counters `c * s` further and as many stores behind
//! it. The new loop ends in none of those but the last: it ends when `n * s = bound - start` modulo 2^32, and `n` is a
//! multiple of `k`. For `k` a power of two this is so where `bound - start` has as many zeros at its end as `k * s`; for
//! others where the distance is a constant that `k * s` divides. Offsets of accesses take the place of sums where they
//! differ by at most 2^20: where `i + 4` wraps around, `i >= 2^32 - 2^20`, and the first copy has trapped. Inputs with what
//! becomes of them: `tests/passes/reroll`.

mod copies;

use inkwell::basic_block::BasicBlock;
use inkwell::context::Context;
use inkwell::llvm_sys::core::LLVMSetNNeg;
use inkwell::module::Module as LlvmModule;
use inkwell::values::{
    AsValueRef, BasicValue, BasicValueEnum, InstructionOpcode, InstructionValue, IntValue, PhiValue,
};

use crate::emitter::Built;
use crate::linear::{self, Linear};
use crate::loops::{Counter, Ending, computes, is_pure, repeats, users};
use copies::Copies;

/// Rolls up the loops of all functions, and tells whether there was one. To be called on code whose locals were lifted
/// and whose expressions were brought into LLVM's usual form. Leaves instructions that nobody uses.
pub(crate) fn roll_up(module: &LlvmModule<'_>, context: &Context) -> bool {
    let mut any = false;
    for function in module.get_functions() {
        for block in function.get_basic_block_iter() {
            if let Some(found) = Loop::of(block)
                && let Some(factor) = found.factor()
            {
                found.roll_up(context, factor);
                any = true;
            }
        }
    }
    any
}

/// A loop of one block, all of whose numbers that live from one round to the next are counters.
struct Loop<'ctx> {
    block: BasicBlock<'ctx>,
    counters: Vec<Counter<'ctx>>,
    stores: Vec<InstructionValue<'ctx>>,
    /// Compares the counter `ending`, on this side, with something from outside.
    comparison: InstructionValue<'ctx>,
    side: u32,
    ending: usize,
    /// Compares it as it was before this round's addition.
    late: bool,
    bound: IntValue<'ctx>,
}

impl<'ctx> Loop<'ctx> {
    fn of(block: BasicBlock<'ctx>) -> Option<Self> {
        let last = block.get_terminator()?;
        if !repeats(&block) || last.get_num_operands() != 3 {
            return None;
        }
        let mut counters = Vec::new();
        let mut stores = Vec::new();
        for instruction in block.get_instructions() {
            if let Ok(phi) = PhiValue::try_from(instruction) {
                counters.push(Counter::of(phi, block)?);
                continue;
            }
            match instruction.get_opcode() {
                InstructionOpcode::Store if !instruction.get_volatile().ok()? => {
                    stores.push(instruction);
                }
                InstructionOpcode::Load if instruction.get_volatile().ok()? => return None,
                InstructionOpcode::Call if !is_pure(instruction) => return None,
                opcode if computes(opcode) => {}
                InstructionOpcode::Br => {}
                _ => return None,
            }
        }
        if stores.len() < 2 {
            return None;
        }
        let Ending {
            comparison,
            counter: ending,
            side,
            late,
            bound,
        } = Ending::of(block, &counters)?;
        let found = Self {
            block,
            counters,
            stores,
            comparison,
            side,
            ending,
            late,
            bound,
        };
        let stays = Linear::of(bound)
            .terms()
            .iter()
            .all(|&(value, _)| found.is_outside(value.into()));
        (stays && !found.is_used_outside()).then_some(found)
    }

    /// Whether a value is the same in all rounds because it is made elsewhere.
    fn is_outside(&self, value: BasicValueEnum<'ctx>) -> bool {
        value
            .as_instruction_value()
            .is_none_or(|instruction| instruction.get_parent() != Some(self.block))
    }

    /// Whether anything but the counters' last values is used behind the loop, or the end's comparison elsewhere in it.
    fn is_used_outside(&self) -> bool {
        self.block.get_instructions().any(|instruction| {
            let is_next = self
                .counters
                .iter()
                .any(|counter| counter.next == instruction);
            let is_comparison = instruction == self.comparison;
            users(instruction).any(|user| {
                let outside = user.get_parent() != Some(self.block);
                outside && !is_next || is_comparison && !user.is_terminator()
            })
        })
    }

    /// How many copies of a round the block is, if it is more than one.
    fn factor(&self) -> Option<usize> {
        (2..=self.stores.len()).rev().find(|&factor| {
            self.stores.len().is_multiple_of(factor)
                && self.counters.iter().all(|counter| {
                    i64::try_from(factor).is_ok_and(|factor| counter.step % factor == 0)
                })
                && self.ends_at_multiple(factor)
                && Copies::new(self, factor).are_copies()
        })
    }

    /// Whether a loop that advances by a part of the step meets the bound after a multiple of `factor` rounds.
    fn ends_at_multiple(&self, factor: usize) -> bool {
        let ending = &self.counters[self.ending];
        let mut distance = Linear::of(self.bound) - Linear::of(ending.start);
        if self.late {
            distance.add_constant(ending.step.cast_unsigned());
        }
        if factor.is_power_of_two() {
            // In numbers that wrap around at a power of two, a multiple of the step's power of two is met, by
            // the parts first after a multiple of theirs.
            return distance.trailing_zeros() >= ending.step.trailing_zeros();
        }
        let Some(distance) = distance.constant() else {
            return false;
        };
        let bits = ending.start.get_type().get_bit_width();
        let distance = if ending.step < 0 {
            linear::truncated(distance.wrapping_neg(), bits)
        } else {
            linear::truncated(distance, bits)
        };
        distance != 0 && distance.is_multiple_of(ending.step.unsigned_abs())
    }

    fn roll_up(&self, context: &Context, factor: usize) {
        for store in &self.stores[self.stores.len() / factor..] {
            store.erase_from_basic_block();
        }
        let builder = context.create_builder();
        builder.position_before(&self.comparison);
        for (place, counter) in self.counters.iter().enumerate() {
            let ty = counter.value().get_type();
            let step = counter.step / i64::try_from(factor).unwrap_or(1);
            let step = ty.const_int(step.cast_unsigned(), true);
            let next = builder.build_int_add(counter.value(), step, "").built();
            let phi = counter.phi.as_instruction();
            phi.set_operand(1 - counter.outside, next);
            if place == self.ending {
                self.comparison.set_operand(self.side, next);
                if self.late {
                    let whole = ty.const_int(counter.step.cast_unsigned(), true);
                    let bound = builder.build_int_add(self.bound, whole, "").built();
                    self.comparison.set_operand(1 - self.side, bound);
                }
            }
            let outside: Vec<_> = users(counter.next)
                .filter(|user| user.get_parent() != Some(self.block))
                .collect();
            for user in outside {
                for index in 0..user.get_num_operands() {
                    let operand = user.get_operand(index).and_then(|operand| operand.value());
                    let is_next = operand.is_some_and(|operand| {
                        operand.as_value_ref() == counter.next.as_value_ref()
                    });
                    if is_next {
                        user.set_operand(index, next);
                    }
                }
            }
        }
        self.forget_flags(context);
    }

    /// Facts of every `k`th round need not hold of all.
    fn forget_flags(&self, context: &Context) {
        let builder = context.create_builder();
        let instructions: Vec<_> = self.block.get_instructions().collect();
        for instruction in instructions {
            // Each fails where there is no such flag.
            let _ = instruction.set_no_unsigned_wrap_flag(false);
            let _ = instruction.set_no_signed_wrap_flag(false);
            let _ = instruction.set_exact_flag(false);
            let _ = instruction.set_same_sign_flag(false);
            if matches!(
                instruction.get_opcode(),
                InstructionOpcode::ZExt | InstructionOpcode::UIToFP
            ) {
                // SAFETY: an instruction that is alive, of a kind that has the flag.
                unsafe { LLVMSetNNeg(instruction.as_value_ref(), 0) };
            }
            if instruction.get_disjoint_flag() != Ok(true) {
                continue;
            }
            let operand = |index| match instruction.get_operand(index)?.value()? {
                BasicValueEnum::IntValue(value) => Some(value),
                _ => None,
            };
            if let (Some(a), Some(b)) = (operand(0), operand(1)) {
                builder.position_before(&instruction);
                let sum = builder.build_int_add(a, b, "").built();
                if let Some(sum) = sum.as_instruction() {
                    instruction.replace_all_uses_with(&sum);
                }
            }
        }
    }
}
