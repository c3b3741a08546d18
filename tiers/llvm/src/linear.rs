//! Sums of multiples of values, as integers that wrap around.

use std::ops::Sub;

use inkwell::llvm_sys::core::LLVMGetIsDisjoint;
use inkwell::values::{AsValueRef, InstructionOpcode, InstructionValue, IntValue};

use crate::addresses::int_of;

/// How deep expressions are taken apart.
const DEPTH: u32 = 12;

/// `constant + sum of factor * value`, modulo a power of two.
#[derive(Clone, Debug)]
pub(crate) struct Linear<'ctx> {
    bits: u32,
    /// Each value once, no factor zero.
    terms: Vec<(IntValue<'ctx>, u64)>,
    constant: u64,
}

impl<'ctx> Linear<'ctx> {
    /// A value, taken apart as far as additions and multiplications by constants go.
    pub fn of(value: IntValue<'ctx>) -> Self {
        let mut sum = Self {
            bits: value.get_type().get_bit_width(),
            terms: Vec::new(),
            constant: 0,
        };
        sum.add(value, 1, DEPTH);
        sum
    }

    fn add(&mut self, value: IntValue<'ctx>, factor: u64, depth: u32) {
        if let Some(constant) = value.get_zero_extended_constant() {
            self.add_constant(constant.wrapping_mul(factor));
            return;
        }
        if let Some(depth) = depth.checked_sub(1)
            && let Some(instruction) = value.as_instruction()
            && self.add_parts(instruction, factor, depth).is_some()
        {
            return;
        }
        self.add_term(value, factor);
    }

    fn add_parts(
        &mut self,
        instruction: InstructionValue<'ctx>,
        factor: u64,
        depth: u32,
    ) -> Option<()> {
        let operand = |index| int_of(instruction, index);
        let constant = |index| operand(index)?.get_zero_extended_constant();
        let is_sum = match instruction.get_opcode() {
            InstructionOpcode::Add | InstructionOpcode::Sub => true,
            // SAFETY: an `or` that is alive.
            InstructionOpcode::Or => unsafe { LLVMGetIsDisjoint(instruction.as_value_ref()) != 0 },
            _ => false,
        };
        if is_sum {
            let (a, b) = (operand(0)?, operand(1)?);
            let of_b = match instruction.get_opcode() {
                InstructionOpcode::Sub => factor.wrapping_neg(),
                _ => factor,
            };
            self.add(a, factor, depth);
            self.add(b, of_b, depth);
            return Some(());
        }
        let by = match instruction.get_opcode() {
            InstructionOpcode::Shl => {
                1 << constant(1).filter(|&by| by < u64::from(self.bits.min(64)))?
            }
            InstructionOpcode::Mul => constant(1)?,
            _ => return None,
        };
        self.add(operand(0)?, factor.wrapping_mul(by), depth);
        Some(())
    }

    fn add_term(&mut self, value: IntValue<'ctx>, factor: u64) {
        let place = self.terms.iter().position(|(of, _)| *of == value);
        let place = place.unwrap_or_else(|| {
            self.terms.push((value, 0));
            self.terms.len() - 1
        });
        let sum = &mut self.terms[place].1;
        *sum = truncated(sum.wrapping_add(factor), self.bits);
        if *sum == 0 {
            self.terms.swap_remove(place);
        }
    }

    pub fn add_constant(&mut self, constant: u64) {
        self.constant = truncated(self.constant.wrapping_add(constant), self.bits);
    }

    /// The values and their factors.
    pub fn terms(&self) -> &[(IntValue<'ctx>, u64)] {
        &self.terms
    }

    /// The constant added to them.
    pub fn constant_part(&self) -> u64 {
        self.constant
    }

    /// Its value, if it is known.
    pub fn constant(&self) -> Option<u64> {
        self.terms.is_empty().then_some(self.constant)
    }

    /// How many of its lowest bits are zero, at least.
    pub fn trailing_zeros(&self) -> u32 {
        let terms = self
            .terms
            .iter()
            .map(|&(value, factor)| trailing_zeros(value) + factor.trailing_zeros());
        terms.fold(self.constant.trailing_zeros(), u32::min)
    }
}

impl Sub for Linear<'_> {
    type Output = Self;

    fn sub(mut self, other: Self) -> Self {
        self.constant = truncated(self.constant.wrapping_sub(other.constant), self.bits);
        for (value, factor) in other.terms {
            self.add_term(value, factor.wrapping_neg());
        }
        self
    }
}

/// The lowest bits of a number.
pub(crate) fn truncated(number: u64, bits: u32) -> u64 {
    if bits < 64 {
        number & ((1 << bits) - 1)
    } else {
        number
    }
}

/// How many of a value's lowest bits its mask clears.
fn trailing_zeros(value: IntValue<'_>) -> u32 {
    let mask = || {
        let and = value.as_instruction()?;
        let mask = int_of(and, 1)?.get_zero_extended_constant()?;
        (and.get_opcode() == InstructionOpcode::And).then_some(mask.trailing_zeros())
    };
    mask().unwrap_or(0)
}
