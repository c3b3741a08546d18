//! Loops of one block: the kind that our own passes change.

use inkwell::IntPredicate;
use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::basic_block::BasicBlock;
use inkwell::values::{
    AsValueRef, BasicValue, BasicValueEnum, CallSiteValue, InstructionOpcode, InstructionValue,
    IntValue, PhiValue,
};

use crate::addresses::int_of;
use crate::dominators::successors;

/// Whether a block is a loop.
pub(crate) fn repeats(block: &BasicBlock<'_>) -> bool {
    let Some(last) = block.get_terminator() else {
        return false;
    };
    let mut operands = (0..last.get_num_operands()).filter_map(|index| last.get_operand(index));
    operands.any(|operand| operand.block() == Some(*block))
}

/// A number to which each round adds a constant.
pub(crate) struct Counter<'ctx> {
    pub phi: PhiValue<'ctx>,
    /// Which of the two ways into the loop comes from outside.
    pub outside: u32,
    pub start: IntValue<'ctx>,
    pub next: InstructionValue<'ctx>,
    /// The constant that a round adds.
    pub step: i64,
}

impl<'ctx> Counter<'ctx> {
    pub fn of(phi: PhiValue<'ctx>, block: BasicBlock<'ctx>) -> Option<Self> {
        if phi.count_incoming() != 2 {
            return None;
        }
        let inside =
            (0..2).find(|&way| phi.get_incoming(way).is_some_and(|(_, of)| of == block))?;
        let value = |way| match phi.get_incoming(way)?.0 {
            BasicValueEnum::IntValue(value) => Some(value),
            _ => None,
        };
        let outside = 1 - inside;
        let next = value(inside)?.as_instruction()?;
        let adds = next.get_opcode() == InstructionOpcode::Add
            && next.get_parent() == Some(block)
            && int_of(next, 0)?.as_value_ref() == phi.as_value_ref();
        let step = int_of(next, 1)?.get_sign_extended_constant()?;
        (adds && step != 0).then_some(Self {
            phi,
            outside,
            start: value(outside)?,
            next,
            step,
        })
    }

    pub fn value(&self) -> IntValue<'ctx> {
        self.phi.as_basic_value().into_int_value()
    }
}

/// How a loop of one block ends: when a counter and something else are equal.
pub(crate) struct Ending<'ctx> {
    pub comparison: InstructionValue<'ctx>,
    /// The counter's place among those of the loop, and which operand of the comparison it is.
    pub counter: usize,
    pub side: u32,
    /// It is compared as it was before this round's addition.
    pub late: bool,
    /// The value it is compared with.
    pub bound: IntValue<'ctx>,
}

impl<'ctx> Ending<'ctx> {
    pub fn of(block: BasicBlock<'ctx>, counters: &[Counter<'ctx>]) -> Option<Self> {
        let last = block.get_terminator()?;
        let comparison = last.get_operand(0)?.value()?.as_instruction_value()?;
        // One that goes on for as long as they are equal ends otherwise.
        let ends_when_equal = match *successors(block) {
            [if_true, if_false] if if_true != if_false => {
                let goes_on = if if_true == block {
                    IntPredicate::NE
                } else {
                    IntPredicate::EQ
                };
                comparison.get_icmp_predicate()? == goes_on
            }
            _ => false,
        };
        let sides = [int_of(comparison, 0)?, int_of(comparison, 1)?];
        let found = |(counter, of): (usize, &Counter<'ctx>)| {
            (0..).zip(sides).find_map(|(side, compared)| {
                let compared = compared.as_instruction()?;
                let late = compared == of.phi.as_instruction();
                (late || compared == of.next).then_some(Self {
                    comparison,
                    counter,
                    side,
                    late,
                    bound: sides[if side == 0 { 1 } else { 0 }],
                })
            })
        };
        let ending = counters.iter().enumerate().find_map(found)?;
        ends_when_equal.then_some(ending)
    }
}

/// Whether instructions of this kind only compute from their operands, loads and calls included.
pub(crate) fn computes(opcode: InstructionOpcode) -> bool {
    use InstructionOpcode as Op;
    matches!(
        opcode,
        Op::Load
            | Op::GetElementPtr
            | Op::ICmp
            | Op::FCmp
            | Op::Select
            | Op::Call
            | Op::Add
            | Op::Sub
            | Op::Mul
            | Op::And
            | Op::Or
            | Op::Xor
            | Op::Shl
            | Op::LShr
            | Op::AShr
            | Op::FAdd
            | Op::FSub
            | Op::FMul
            | Op::FDiv
            | Op::FNeg
            | Op::ZExt
            | Op::SExt
            | Op::Trunc
            | Op::FPTrunc
            | Op::FPExt
            | Op::UIToFP
            | Op::SIToFP
            | Op::BitCast
    )
}

/// Whether a call is one of an intrinsic that only computes.
pub(crate) fn is_pure(call: InstructionValue<'_>) -> bool {
    let Ok(site) = CallSiteValue::try_from(call) else {
        return false;
    };
    let Some(callee) = site.get_called_fn_value() else {
        return false;
    };
    let memory = Attribute::get_named_enum_kind_id("memory");
    let attribute = callee.get_enum_attribute(AttributeLoc::Function, memory);
    let touches_none = attribute.is_some_and(|attribute| attribute.get_enum_value() == 0);
    touches_none && callee.get_name().to_bytes().starts_with(b"llvm.")
}

/// The users of a value, once for each use.
pub(crate) fn users(
    instruction: InstructionValue<'_>,
) -> impl Iterator<Item = InstructionValue<'_>> {
    let uses = std::iter::successors(instruction.get_first_use(), |used| used.get_next_use());
    // SAFETY: only instructions use an instruction's value, and they are alive.
    uses.map(|used| unsafe { InstructionValue::new(used.get_user().as_value_ref()) })
}
