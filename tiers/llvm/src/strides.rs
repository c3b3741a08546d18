//! Counts through linear memory in 64 bits. Addresses are sums of 32 bits that may wrap around, so that to LLVM one that
//! advances by 8 a round is no line through memory: it can't be a pointer that advances, its end is not known before the
//! loop, and where lanes of a vector come from far apart each is computed for itself.
//!
//! But an address that advances by less than [`HEADROOM`] does not get past the end of 4 GiB without being out of bounds
//! first. If a loop is known to run so often that it would, it is known before the loop that it traps; and a
//! trap may come early (docs/semantics.md). So one comparison before the loop makes all its addresses numbers of 64 bits.
//!
//! In a loop that ends when `%next = add i32 %i, 4` equals `%end`,
//!
//! ```text
//! %wide = zext i32 %i to i64
//! ```
//!
//! becomes
//!
//! ```text
//! %behind = add nuw nsw i64 %wide.start, (mul nuw i64 %rounds, 4)
//! %past = icmp ugt i64 %behind, 4294967295
//! br i1 (or i1 %misses, %past), label %trap, label %loop
//! ; in the loop
//! %offset = phi i64 [ 0, %entry ], [ %offset.next, %loop ]
//! %address = add nuw nsw i64 %wide.start, %offset         ; for %wide
//! %offset.next = add nuw nsw i64 %offset, 4
//! ```
//!
//! Condition: an address advances by `0 < s <= 2^20` a round. If `start + rounds * s < 2^32`, none of them wraps around.
//! Otherwise one of them is in the last `s` bytes below 2^32, for steps of `s` do not jump over so many, and all memories
//! end before these. With `rounds = (end - start - 4) / 4 + 1`, or without the `- 4` where the counter is compared before
//! the addition, this is known where the counter's step is a power of two that divides `end - start`, for then it meets the
//! end. Otherwise one of the addresses has to go along with the counter: where the end is missed, it goes on until it is
//! out of bounds, which is asked before the loop as well. Nothing in the loop may be volatile or have an effect but stores,
//! which a trap may come before. Inputs with what becomes of them: `tests/passes/strides`.

use std::collections::HashMap;

use inkwell::IntPredicate;
use inkwell::basic_block::BasicBlock;
use inkwell::builder::Builder;
use inkwell::context::Context;
use inkwell::module::Module as LlvmModule;
use inkwell::values::{InstructionOpcode, InstructionValue, IntValue, PhiValue, PointerValue};
use upshift_module::low_u32;
use upshift_runtime::MEMORY_HEADROOM as HEADROOM;

use crate::addresses::{instruction_of, int_of, place_of};
use crate::dominators::successors;
use crate::emitter::Built;
use crate::linear::Linear;
use crate::loops::{Counter, Ending, computes, is_pure, repeats};

/// Widens the addresses of all loops of one block that count their rounds. To be called on code whose locals were
/// lifted and whose expressions were brought into LLVM's usual form.
pub(crate) fn widen(module: &LlvmModule<'_>, context: &Context) {
    for function in module.get_functions() {
        for block in function.get_basic_blocks() {
            if let Some(counted) = Counted::of(block) {
                counted.widen(context);
            }
        }
    }
}

/// How often a loop runs.
struct Rounds<'ctx> {
    /// In 64 bits.
    rounds: IntValue<'ctx>,
    /// Whether it does not end before an address is out of bounds.
    bad: IntValue<'ctx>,
}

/// A loop of one block that runs until a counter meets a bound.
struct Counted<'ctx> {
    block: BasicBlock<'ctx>,
    /// Goes nowhere but into the loop.
    before: BasicBlock<'ctx>,
    counters: Vec<Counter<'ctx>>,
    ending: Ending<'ctx>,
}

/// An address that advances.
struct Line<'ctx> {
    /// The base, and the index added to it.
    place: InstructionValue<'ctx>,
    /// The address in 64 bits.
    wide: InstructionValue<'ctx>,
    address: Linear<'ctx>,
    /// The sum that a round adds to it, more than 0 and at most [`HEADROOM`].
    step: u64,
}

impl<'ctx> Counted<'ctx> {
    fn of(block: BasicBlock<'ctx>) -> Option<Self> {
        let last = block.get_terminator()?;
        if !repeats(&block) || last.get_num_operands() != 3 {
            return None;
        }
        let mut counters = Vec::new();
        let mut before = None;
        for instruction in block.get_instructions() {
            if let Ok(phi) = PhiValue::try_from(instruction) {
                let outside = (0..2)
                    .filter_map(|way| Some(phi.get_incoming(way)?.1))
                    .find(|&from| from != block)?;
                before = Some(outside).filter(|_| phi.count_incoming() == 2);
                counters.extend(Counter::of(phi, block));
                continue;
            }
            match instruction.get_opcode() {
                InstructionOpcode::Load | InstructionOpcode::Store => {
                    if instruction.get_volatile().ok()? {
                        return None;
                    }
                }
                InstructionOpcode::Call if !is_pure(instruction) => return None,
                opcode if computes(opcode) => {}
                InstructionOpcode::Br => {}
                _ => return None,
            }
        }
        let before = before.filter(|&before| successors(before).len() == 1)?;
        let ending = Ending::of(block, &counters)?;
        let found = Self {
            block,
            before,
            counters,
            ending,
        };
        found.is_outside(found.ending.bound).then_some(found)
    }

    fn is_outside(&self, value: IntValue<'ctx>) -> bool {
        value
            .as_instruction()
            .is_none_or(|it| it.get_parent() != Some(self.block))
    }

    fn counter(&self, value: IntValue<'ctx>) -> Option<&Counter<'ctx>> {
        self.counters.iter().find(|it| it.value() == value)
    }

    /// The addresses that advance, each once.
    fn lines(&self, context: &Context) -> Vec<Line<'ctx>> {
        let invariant = context.get_kind_id("invariant.load");
        let line = |access: InstructionValue<'ctx>| {
            if !matches!(
                access.get_opcode(),
                InstructionOpcode::Load | InstructionOpcode::Store
            ) {
                return None;
            }
            let place = place_of(access, invariant)?;
            if instruction_of(place, 0)?.get_parent() == Some(self.block) {
                return None;
            }
            let wide = int_of(place, 1)?.as_instruction()?;
            let is_extension = wide.get_opcode() == InstructionOpcode::ZExt;
            if !is_extension || wide.get_parent() != Some(self.block) {
                return None;
            }
            let index = int_of(wide, 0)?;
            if index.get_type().get_bit_width() != 32 {
                return None;
            }
            let address = Linear::of(index);
            let mut step = 0_i32;
            for &(value, factor) in address.terms() {
                match self.counter(value) {
                    Some(counter) => {
                        let of_one = low_u32(factor)
                            .cast_signed()
                            .wrapping_mul(low_u32(counter.step.cast_unsigned()).cast_signed());
                        step = step.wrapping_add(of_one);
                    }
                    None if self.is_outside(value) => {}
                    None => return None,
                }
            }
            let step = u64::try_from(step).ok()?;
            (step != 0 && step <= HEADROOM).then_some(Line {
                place,
                wide,
                address,
                step,
            })
        };
        let mut lines: Vec<Line<'ctx>> = Vec::new();
        for line in self.block.get_instructions().filter_map(line) {
            if lines.iter().all(|known| known.wide != line.wide) {
                lines.push(line);
            }
        }
        lines
    }

    fn widen(&self, context: &Context) {
        let lines = self.lines(context);
        let Some(first) = lines.first() else {
            return;
        };
        let Some(last) = self.before.get_terminator() else {
            return;
        };
        let context = self.ending.bound.get_type().get_context();
        let builder = context.create_builder();
        builder.position_before(&last);
        let Some(Rounds { rounds, mut bad }) = self.rounds(&builder, &lines) else {
            return;
        };
        let long = context.i64_type();
        let add = |a: IntValue<'ctx>, b: IntValue<'ctx>| {
            let sum = builder.build_int_nuw_add(a, b, "").built();
            if let Some(sum) = sum.as_instruction() {
                let _ = sum.set_no_signed_wrap_flag(true);
            }
            sum
        };
        let mut starts = Vec::with_capacity(lines.len());
        let mut ends = long.const_zero();
        for line in &lines {
            let start = self.start(&builder, &line.address);
            let start = builder.build_int_z_extend(start, long, "").built();
            let step = long.const_int(line.step, false);
            let length = builder.build_int_nuw_mul(rounds, step, "").built();
            let end = add(start, length);
            ends = builder.build_or(ends, end, "").built();
            starts.push(start);
        }
        let most = long.const_int(u64::from(u32::MAX), false);
        let wraps = builder.build_int_compare(IntPredicate::UGT, ends, most, "");
        bad = builder.build_or(bad, wraps.built(), "").built();
        if bad.get_zero_extended_constant() != Some(0) {
            self.trap_if(&builder, bad, first);
        }

        let mut offsets: HashMap<u64, IntValue<'ctx>> = HashMap::new();
        for (line, start) in lines.iter().zip(starts) {
            let offset = *offsets.entry(line.step).or_insert_with(|| {
                if let Some(first) = self.block.get_first_instruction() {
                    builder.position_before(&first);
                }
                let phi = builder.build_phi(long, "").built();
                let offset = phi.as_basic_value().into_int_value();
                if let Some(last) = self.block.get_terminator() {
                    builder.position_before(&last);
                }
                let next = add(offset, long.const_int(line.step, false));
                phi.add_incoming(&[(&long.const_zero(), self.before), (&next, self.block)]);
                offset
            });
            builder.position_before(&line.wide);
            let address = add(start, offset);
            if let Some(address) = address.as_instruction() {
                line.wide.replace_all_uses_with(&address);
            }
        }
    }

    /// How often the loop runs. None if that is not known.
    fn rounds(&self, builder: &Builder<'ctx>, lines: &[Line<'ctx>]) -> Option<Rounds<'ctx>> {
        let ending = &self.counters[self.ending.counter];
        let ty = ending.value().get_type();
        if ty.get_bit_width() != 32 {
            return None;
        }
        let context = ty.get_context();
        let (from, to) = if ending.step > 0 {
            (ending.start, self.ending.bound)
        } else {
            (self.ending.bound, ending.start)
        };
        let step = u32::try_from(ending.step.unsigned_abs()).ok()?;
        let of_step = |value: u32| ty.const_int(u64::from(value), false);
        let distance = Linear::of(to) - Linear::of(from);
        // In numbers that wrap around at a power of two.
        let meets = step.is_power_of_two() && distance.trailing_zeros() >= step.trailing_zeros();
        // It may miss the bound, and then goes on until one of its addresses is out of bounds, if it is one.
        let goes_along = |line: &Line<'ctx>| {
            let mut terms = line.address.terms().iter();
            let is_ending =
                |&(value, factor): &(IntValue<'ctx>, u64)| value == ending.value() && factor == 1;
            let counters = terms.clone().filter(|term| self.counter(term.0).is_some());
            ending.step > 0 && counters.count() == 1 && terms.any(is_ending)
        };
        if !meets && !lines.iter().any(goes_along) {
            return None;
        }
        let distance_now = builder.build_int_sub(to, from, "").built();
        let mut bad = context.bool_type().const_zero();
        if !meets {
            let rest = builder.build_int_unsigned_rem(distance_now, of_step(step), "");
            let misses = builder.build_int_compare(IntPredicate::NE, rest.built(), of_step(0), "");
            bad = misses.built();
            if !self.ending.late {
                // All the way around.
                let none =
                    builder.build_int_compare(IntPredicate::EQ, distance_now, of_step(0), "");
                bad = builder.build_or(bad, none.built(), "").built();
            }
        }
        // Compared after the addition, it is compared with a bound that is a step nearer; and no distance is 2^32.
        let nearer = if self.ending.late {
            distance_now
        } else {
            let nearer = builder.build_int_sub(distance_now, of_step(step), "");
            nearer.built()
        };
        let more = builder
            .build_int_unsigned_div(nearer, of_step(step), "")
            .built();
        let long = context.i64_type();
        let more = builder.build_int_z_extend(more, long, "").built();
        let rounds = builder.build_int_nuw_add(more, long.const_int(1, false), "");
        Some(Rounds {
            rounds: rounds.built(),
            bad,
        })
    }

    /// An address in the first round.
    fn start(&self, builder: &Builder<'ctx>, address: &Linear<'ctx>) -> IntValue<'ctx> {
        let ty = address.terms()[0].0.get_type();
        let mut sum = ty.const_int(address.constant_part(), false);
        for &(value, factor) in address.terms() {
            let value = self.counter(value).map_or(value, |counter| counter.start);
            let value = if factor == 1 {
                value
            } else {
                let factor = ty.const_int(factor, false);
                builder.build_int_mul(value, factor, "").built()
            };
            sum = builder.build_int_add(sum, value, "").built();
        }
        sum
    }

    /// Traps before the loop, by a store that is out of every memory's bounds.
    fn trap_if(&self, builder: &Builder<'ctx>, condition: IntValue<'ctx>, line: &Line<'ctx>) {
        let Some(Ok(base)) = instruction_of(line.place, 0).map(PointerValue::try_from) else {
            return;
        };
        let Some(last) = self.before.get_terminator() else {
            return;
        };
        let context = condition.get_type().get_context();
        let trap = context.insert_basic_block_after(self.before, "");
        builder.position_before(&last);
        builder
            .build_conditional_branch(condition, trap, self.block)
            .built();
        last.erase_from_basic_block();
        builder.position_at_end(trap);
        let far = context.i64_type().const_int(u64::from(u32::MAX), false);
        // SAFETY: one index for a pointer to bytes.
        let far = unsafe { builder.build_gep(context.i8_type(), base, &[far], "") }.built();
        // LLVM takes it for granted that a volatile load returns, so that a branch to one with nothing behind it can't
        // happen; of a volatile store it does not ("Volatile Memory Accesses" in LLVM's language reference).
        let store = builder.build_store(far, context.i8_type().const_zero());
        let store = store.built();
        let _ = store.set_volatile(true);
        store.set_debug_location(line.place.get_debug_location());
        builder.build_unreachable().built();
    }
}
