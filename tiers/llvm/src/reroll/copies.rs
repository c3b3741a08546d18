//! Whether a block is several copies of a round, one behind the other.

use std::collections::{HashMap, HashSet};

use inkwell::values::{
    BasicValue, BasicValueEnum, InstructionOpcode, InstructionValue, IntValue, PhiValue,
};
use upshift_runtime::MEMORY_HEADROOM as HEADROOM;

use super::Loop;
use crate::linear::{self, Linear};
use crate::loops::computes;

/// How much of expressions is compared before it is given up.
const MOST_COMPARISONS: usize = 4000;

/// A comparison of the copies in a loop's block with the first of them.
pub(super) struct Copies<'a, 'ctx> {
    of: &'a Loop<'ctx>,
    factor: usize,
    /// How many stores come before an instruction.
    stores_before: HashMap<InstructionValue<'ctx>, usize>,
    /// Pairs: the second is in its copy, whose number follows, the counterpart of the first in the first copy.
    known: HashSet<(BasicValueEnum<'ctx>, BasicValueEnum<'ctx>, usize)>,
    comparisons: usize,
}

impl<'a, 'ctx> Copies<'a, 'ctx> {
    pub fn new(of: &'a Loop<'ctx>, factor: usize) -> Self {
        let mut stores = 0;
        let mut stores_before = HashMap::new();
        for instruction in of.block.get_instructions() {
            stores_before.insert(instruction, stores);
            stores += usize::from(instruction.get_opcode() == InstructionOpcode::Store);
        }
        Self {
            of,
            factor,
            stores_before,
            known: HashSet::new(),
            comparisons: 0,
        }
    }

    /// Whether the block is as many copies.
    pub fn are_copies(&mut self) -> bool {
        let of = self.of;
        let (first, others) = of.stores.split_at(self.stores_each());
        let others = others.chunks(self.stores_each());
        (1..).zip(others).all(|(copy, stores)| {
            first
                .iter()
                .zip(stores)
                .all(|(&one, &other)| self.correspond(one, other, copy))
        })
    }

    fn stores_each(&self) -> usize {
        self.of.stores.len() / self.factor
    }

    /// Whether `other` is `one` with counters that are `copy` parts of their steps further.
    fn are_alike(
        &mut self,
        one: BasicValueEnum<'ctx>,
        other: BasicValueEnum<'ctx>,
        copy: usize,
    ) -> bool {
        if one.get_type() != other.get_type() {
            return false;
        }
        if self.of.is_outside(one) {
            return one == other;
        }
        if self.known.contains(&(one, other, copy)) {
            return true;
        }
        self.comparisons += 1;
        if self.comparisons > MOST_COMPARISONS {
            return false;
        }
        let alike = match (one, other) {
            (BasicValueEnum::IntValue(a), BasicValueEnum::IntValue(b))
                if self.advance(a, copy).is_some_and(|expected| {
                    (Linear::of(b) - Linear::of(a)).constant() == Some(expected)
                }) =>
            {
                true
            }
            _ => match (one.as_instruction_value(), other.as_instruction_value()) {
                (Some(a), Some(b)) => self.correspond(a, b, copy),
                _ => false,
            },
        };
        if alike {
            self.known.insert((one, other, copy));
        }
        alike
    }

    /// The growth of a sum of counters and of constants of the loop from the first copy to another.
    fn advance(&self, value: IntValue<'ctx>, copy: usize) -> Option<u64> {
        let mut growth = 0u64;
        for &(of, factor) in Linear::of(value).terms() {
            let counter = self.of.counters.iter().find(|it| it.value() == of);
            if let Some(counter) = counter {
                let part = counter.step / i64::try_from(self.factor).ok()?;
                let steps = part.wrapping_mul(i64::try_from(copy).ok()?).cast_unsigned();
                growth = growth.wrapping_add(steps.wrapping_mul(factor));
            } else if !self.of.is_outside(of.into()) {
                return None;
            }
        }
        Some(linear::truncated(growth, value.get_type().get_bit_width()))
    }

    /// Whether two instructions do the same with operands that are alike.
    fn correspond(
        &mut self,
        one: InstructionValue<'ctx>,
        other: InstructionValue<'ctx>,
        copy: usize,
    ) -> bool {
        let opcode = one.get_opcode();
        if opcode != other.get_opcode()
            || other.get_parent() != Some(self.of.block)
            || one.get_num_operands() != other.get_num_operands()
            || one.get_icmp_predicate() != other.get_icmp_predicate()
            || one.get_fcmp_predicate() != other.get_fcmp_predicate()
        {
            return false;
        }
        match opcode {
            InstructionOpcode::Load => {
                // With as many stores behind them as when they run in a round of their own.
                let before = |of| self.stores_before.get(of).copied();
                let (Some(a), Some(b)) = (before(&one), before(&other)) else {
                    return false;
                };
                one.get_alignment() == other.get_alignment()
                    && a <= self.stores_each()
                    && b == a + copy * self.stores_each()
                    && self.same_place(one, other, 0, copy)
            }
            InstructionOpcode::Store => {
                one.get_alignment() == other.get_alignment()
                    && self.same_operands(one, other, [0], copy)
                    && self.same_place(one, other, 1, copy)
            }
            InstructionOpcode::GetElementPtr => {
                one.get_gep_source_element_type() == other.get_gep_source_element_type()
                    && self.same_operands(one, other, 0..one.get_num_operands(), copy)
            }
            _ if computes(opcode) && PhiValue::try_from(one).is_err() => {
                let straight = self.same_operands(one, other, 0..one.get_num_operands(), copy);
                straight
                    || is_commutative(opcode)
                        && [(0, 1), (1, 0)].into_iter().all(|(a, b)| {
                            match (operand(one, a), operand(other, b)) {
                                (Some(a), Some(b)) => self.are_alike(a, b, copy),
                                _ => false,
                            }
                        })
            }
            _ => false,
        }
    }

    fn same_operands(
        &mut self,
        one: InstructionValue<'ctx>,
        other: InstructionValue<'ctx>,
        operands: impl IntoIterator<Item = u32>,
        copy: usize,
    ) -> bool {
        operands
            .into_iter()
            .all(|index| match (operand(one, index), operand(other, index)) {
                (Some(a), Some(b)) => self.are_alike(a, b, copy),
                _ => false,
            })
    }

    /// Whether two accesses go to places that are alike. Where copies differ by the offset in the access, which does
    /// not wrap around as the counter would: by then the first copy has accessed an address so close below 4 GiB that
    /// no memory reaches it.
    fn same_place(
        &mut self,
        one: InstructionValue<'ctx>,
        other: InstructionValue<'ctx>,
        pointer: u32,
        copy: usize,
    ) -> bool {
        let (Some(a), Some(b)) = (operand(one, pointer), operand(other, pointer)) else {
            return false;
        };
        if self.are_alike(a, b, copy) {
            return true;
        }
        let ((place, low), (of_other, high)) = (displaced(a), displaced(b));
        let distance = high.wrapping_sub(low);
        let index = || -> Option<IntValue<'ctx>> {
            let place = place.as_instruction_value()?;
            let extension = operand(place, 1)?.as_instruction_value()?;
            let is_address = place.get_opcode() == InstructionOpcode::GetElementPtr
                && extension.get_opcode() == InstructionOpcode::ZExt;
            match operand(extension, 0)? {
                BasicValueEnum::IntValue(index) if is_address => Some(index),
                _ => None,
            }
        };
        place == of_other
            && distance <= HEADROOM
            && index().and_then(|index| self.advance(index, copy)) == Some(distance)
    }
}

/// A pointer without the constant that was added last, and that constant.
fn displaced(pointer: BasicValueEnum<'_>) -> (BasicValueEnum<'_>, u64) {
    let parts = || {
        let sum = pointer.as_instruction_value()?;
        let BasicValueEnum::IntValue(offset) = operand(sum, 1)? else {
            return None;
        };
        let offset = offset.get_zero_extended_constant()?;
        let is_sum = sum.get_opcode() == InstructionOpcode::GetElementPtr
            && sum.get_num_operands() == 2
            && sum
                .get_gep_source_element_type()
                .is_ok_and(|ty| ty.is_int_type() && ty.into_int_type().get_bit_width() == 8);
        is_sum.then_some((operand(sum, 0)?, offset))
    };
    parts().unwrap_or((pointer, 0))
}

fn operand(instruction: InstructionValue<'_>, index: u32) -> Option<BasicValueEnum<'_>> {
    instruction.get_operand(index)?.value()
}

fn is_commutative(opcode: InstructionOpcode) -> bool {
    use InstructionOpcode as Op;
    matches!(
        opcode,
        Op::Add | Op::Mul | Op::And | Op::Or | Op::Xor | Op::FAdd | Op::FMul
    )
}
