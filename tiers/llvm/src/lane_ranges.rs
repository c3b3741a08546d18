//! Which numbers an integer, or a lane of a vector of integers, can be: an interval, found by looking at how the value is
//! made. LLVM's own analyses are not part of its C interface.

use inkwell::llvm_sys::core::{LLVMGetAggregateElement, LLVMIsPoison};
use inkwell::types::BasicTypeEnum;
use inkwell::values::{
    AsValueRef, BasicValue, BasicValueEnum, InstructionOpcode, InstructionValue, IntValue,
    VectorValue,
};

/// How many instructions are looked at for one range.
const MOST_INSTRUCTIONS: u32 = 64;

/// The numbers from `least` to `greatest`, where lanes are read as signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub least: i128,
    pub greatest: i128,
}

impl Range {
    /// All numbers that so many bits stand for, 64 at most.
    fn signed(bits: u32) -> Self {
        let half = 1_i128 << (bits - 1);
        Self {
            least: -half,
            greatest: half - 1,
        }
    }

    /// All numbers that so many bits stand for without a sign.
    fn unsigned(bits: u32) -> Self {
        Self {
            least: 0,
            greatest: (1_i128 << bits) - 1,
        }
    }

    pub fn is_within(self, least: i128, greatest: i128) -> bool {
        least <= self.least && self.greatest <= greatest
    }

    /// Whether a lane of so many bits is all of these numbers, read as signed.
    pub fn fits_signed(self, bits: u32) -> bool {
        let all = Self::signed(bits);
        self.is_within(all.least, all.greatest)
    }

    /// Whether a lane of so many bits is all of these numbers, read as unsigned.
    pub fn fits_unsigned(self, bits: u32) -> bool {
        let all = Self::unsigned(bits);
        self.is_within(all.least, all.greatest)
    }

    fn of_either(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
        }
    }

    /// The results of a function that takes its extremes where both of its operands do.
    fn corners(self, other: Self, function: impl Fn(i128, i128) -> i128) -> Self {
        let results = [
            function(self.least, other.least),
            function(self.least, other.greatest),
            function(self.greatest, other.least),
            function(self.greatest, other.greatest),
        ];
        let one = |value| Self {
            least: value,
            greatest: value,
        };
        let [first, rest @ ..] = results.map(one);
        rest.into_iter().fold(first, Self::of_either)
    }

    /// The products with numbers of another range. Those of 64 bits fit.
    pub fn times(self, other: Self) -> Self {
        self.corners(other, |a, b| a * b)
    }
}

/// How wide an integer, or each integer of a vector, is.
pub(crate) fn lane_bits(ty: BasicTypeEnum<'_>) -> Option<u32> {
    let lane = match ty {
        BasicTypeEnum::VectorType(ty) => ty.get_element_type(),
        scalar => scalar,
    };
    match lane {
        BasicTypeEnum::IntType(ty) => Some(ty.get_bit_width()),
        _ => None,
    }
}

/// The numbers that lanes of up to 64 bits can be, poison left aside.
pub(crate) fn range_of(value: BasicValueEnum<'_>) -> Option<Range> {
    range(value, &mut { MOST_INSTRUCTIONS })
}

fn range(value: BasicValueEnum<'_>, left: &mut u32) -> Option<Range> {
    let bits = lane_bits(value.get_type()).filter(|&bits| bits <= 64)?;
    let all = Range::signed(bits);
    let found = match constants(value) {
        // Poison may be taken for any number.
        Some(lanes) => lanes
            .into_iter()
            .map(|lane| {
                let number = i128::from(lane.unwrap_or(0));
                Range {
                    least: number,
                    greatest: number,
                }
            })
            .reduce(Range::of_either),
        None => instruction_of(value).and_then(|instruction| {
            *left = left.checked_sub(1)?;
            result(instruction, left)
        }),
    };
    Some(found.filter(|found| found.fits_signed(bits)).unwrap_or(all))
}

/// The range of an operator's result.
fn result(instruction: InstructionValue<'_>, left: &mut u32) -> Option<Range> {
    let value = |index| instruction.get_operand(index)?.value();
    let mut operand = |index| range(value(index)?, left);
    let range = match instruction.get_opcode() {
        // A number that does not fit into the result is found by the caller.
        InstructionOpcode::SExt | InstructionOpcode::Trunc => operand(0)?,
        InstructionOpcode::ZExt => {
            let bits = lane_bits(value(0)?.get_type())?;
            let signed = operand(0)?;
            if signed.least >= 0 {
                signed
            } else {
                Range::unsigned(bits)
            }
        }
        InstructionOpcode::And => {
            let masks = [operand(0)?, operand(1)?];
            let masks = masks.into_iter().filter(|mask| mask.least >= 0);
            Range {
                least: 0,
                greatest: masks.map(|mask| mask.greatest).min()?,
            }
        }
        opcode @ (InstructionOpcode::LShr | InstructionOpcode::AShr) => {
            let amounts = operand(1)?;
            let bits = lane_bits(value(0)?.get_type())?;
            if !amounts.is_within(0, i128::from(bits) - 1) {
                return None;
            }
            let mut shifted = operand(0)?;
            if opcode == InstructionOpcode::LShr && shifted.least < 0 {
                shifted = Range::unsigned(bits);
            }
            shifted.corners(amounts, |number, amount| number >> amount)
        }
        InstructionOpcode::Add => operand(0)?.corners(operand(1)?, |a, b| a + b),
        InstructionOpcode::Sub => operand(0)?.corners(operand(1)?, |a, b| a - b),
        InstructionOpcode::Mul => operand(0)?.times(operand(1)?),
        InstructionOpcode::Select => operand(1)?.of_either(operand(2)?),
        InstructionOpcode::ShuffleVector | InstructionOpcode::InsertElement => {
            operand(0)?.of_either(operand(1)?)
        }
        _ => return None,
    };
    Some(range)
}

pub(crate) fn instruction_of(value: BasicValueEnum<'_>) -> Option<InstructionValue<'_>> {
    value.as_instruction_value()
}

/// The lanes of a constant of up to 64 bits a lane, each a number or poison.
pub(crate) fn constants(value: BasicValueEnum<'_>) -> Option<Vec<Option<i64>>> {
    lane_bits(value.get_type()).filter(|&bits| bits <= 64)?;
    match value {
        BasicValueEnum::IntValue(value) => Some(vec![constant(value)?]),
        BasicValueEnum::VectorValue(value) if value.is_const() => {
            let count = value.get_type().get_size();
            (0..count)
                .map(|index| constant(lane(value, index)?))
                .collect()
        }
        _ => None,
    }
}

/// A number or poison; undefined ones may differ from use to use, and are not known.
fn constant(value: IntValue<'_>) -> Option<Option<i64>> {
    // SAFETY: the value is alive.
    if unsafe { LLVMIsPoison(value.as_value_ref()) } != 0 {
        return Some(None);
    }
    value.get_sign_extended_constant().map(Some)
}

fn lane(vector: VectorValue<'_>, index: u32) -> Option<IntValue<'_>> {
    // SAFETY: a constant of a vector's type is an aggregate, and lanes that are not known are null.
    let lane = unsafe { LLVMGetAggregateElement(vector.as_value_ref(), index) };
    // SAFETY: `constants` looks at lanes that are integers only.
    (!lane.is_null()).then(|| unsafe { IntValue::new(lane) })
}
