//! Operators on vectors whose result has another shape.

use upshift_translate::{Half, LaneCombine, LaneConvert, Shape};

use super::floats::TOWARDS_ZERO;
use super::state::{FLOAT_SCRATCH, FastEmitter, Slot};
use super::vectors::{lane_size, splat};
use crate::asm::{Xmm, digit, op};

/// `pshufd`'s order that has the upper half of a vector in the lower one.
const UPPER_HALF: u8 = 0xee;
/// Lanes 0, 0, 1, 1, and 2, 2, 3, 3.
const LOW_PAIRS: u8 = 0x50;
const HIGH_PAIRS: u8 = 0xfa;
/// `shufps`' order that has each first lane of two.
const EVEN: u8 = 0x88;

/// The instruction that extends lanes to those of `to`.
pub(super) fn extension(to: Shape, signed: bool) -> u32 {
    let first = if signed { op::PMOVSXBW } else { op::PMOVZXBW };
    match to {
        Shape::I16x8 => first,
        Shape::I32x4 => first + 3,
        _ => first + 5,
    }
}

/// A vector of equal doubles.
fn doubles(value: f64) -> u128 {
    splat(Shape::F64x2, value.to_bits())
}

/// A vector of equal singles.
fn singles(value: f32) -> u128 {
    splat(Shape::F32x4, value.to_bits().into())
}

impl FastEmitter<'_> {
    pub(super) fn convert_lanes(&mut self, op: LaneConvert, a: Slot) -> Slot {
        let result = match op {
            LaneConvert::Extend { to, half, signed } => self.extend_lanes(to, half, signed, a),
            LaneConvert::ExtAddPairwise { to, signed } => self.add_pairs(to, signed, a),
            LaneConvert::TruncSatF32x4 { signed: true } => self.truncate_singles(a),
            LaneConvert::TruncSatF32x4 { signed: false } => self.truncate_singles_unsigned(a),
            LaneConvert::TruncSatF64x2Zero { signed: true } => self.truncate_doubles(a),
            LaneConvert::TruncSatF64x2Zero { signed: false } => self.truncate_doubles_unsigned(a),
            LaneConvert::ConvertI32x4ToF32x4 { signed: true } => self.convert(0, op::CVTDQ2PS, a),
            LaneConvert::ConvertI32x4ToF32x4 { signed: false } => self.singles_of_unsigned(a),
            LaneConvert::ConvertLowI32x4ToF64x2 { signed: true } => {
                let x = self.xmm(a);
                let result = self.free_xmm();
                self.s.asm.float(0xf3, op::CVTDQ2PD, result, x);
                result
            }
            LaneConvert::ConvertLowI32x4ToF64x2 { signed: false } => {
                // The upper halves of doubles from 2^52 on, whose lower halves are integers.
                let result = self.own_xmm(a);
                let upper = self.behind(splat(Shape::I32x4, 0x4330_0000));
                let base = self.behind(doubles(2f64.powi(52)));
                let asm = &mut self.s.asm;
                asm.vector(op::PUNPCKL + 2, result, upper);
                asm.vector(op::SUBF, result, base);
                result
            }
            LaneConvert::DemoteF64x2Zero => self.convert(0x66, op::CVTF, a),
            LaneConvert::PromoteLowF32x4 => {
                let x = self.xmm(a);
                let result = self.free_xmm();
                self.s.asm.float(0, op::CVTF, result, x);
                result
            }
        };
        self.put(a, result)
    }

    fn convert(&mut self, prefix: u8, opcode: u32, a: Slot) -> Xmm {
        let x = self.vector_rm(a);
        let result = self.free_xmm();
        self.s.asm.float(prefix, opcode, result, x);
        result
    }

    fn extend_lanes(&mut self, to: Shape, half: Half, signed: bool, a: Slot) -> Xmm {
        let opcode = extension(to, signed);
        match (half, signed) {
            (Half::Low, _) => {
                let x = self.xmm(a);
                let result = self.free_xmm();
                self.s.asm.vector(opcode, result, x);
                result
            }
            (Half::High, true) => {
                let x = self.vector_rm(a);
                let result = self.free_xmm();
                let asm = &mut self.s.asm;
                asm.vector_imm(op::PSHUFD, result, x, UPPER_HALF);
                asm.vector(opcode, result, result);
                result
            }
            (Half::High, false) => {
                let result = self.own_xmm(a);
                self.clear(FLOAT_SCRATCH);
                let from = lane_size(to) - 1;
                let asm = &mut self.s.asm;
                asm.vector(op::PUNPCKH + from, result, FLOAT_SCRATCH);
                result
            }
        }
    }

    /// Sums of neighbours, as sums of products with ones.
    fn add_pairs(&mut self, to: Shape, signed: bool, a: Slot) -> Xmm {
        match (to, signed) {
            (Shape::I16x8, true) => {
                let x = self.vector_rm(a);
                let result = self.free_xmm();
                let ones = self.behind(splat(Shape::I8x16, 1));
                let asm = &mut self.s.asm;
                // Of the operands, the first is unsigned.
                asm.float(0, op::MOVAPS, result, ones);
                asm.vector(op::PMADDUBSW, result, x);
                result
            }
            (Shape::I16x8, false) => {
                let result = self.own_xmm(a);
                let ones = self.behind(splat(Shape::I8x16, 1));
                self.s.asm.vector(op::PMADDUBSW, result, ones);
                result
            }
            (_, signed) => {
                let result = self.own_xmm(a);
                let ones = self.behind(splat(Shape::I16x8, 1));
                if signed {
                    self.s.asm.vector(op::PMADDWD, result, ones);
                    return result;
                }
                // Each is lowered by 2^15 before, and each sum raised by twice that.
                let least = self.behind(splat(Shape::I16x8, 0x8000));
                let twice = self.behind(splat(Shape::I32x4, 0x1_0000));
                let asm = &mut self.s.asm;
                asm.vector(op::PXOR, result, least);
                asm.vector(op::PMADDWD, result, ones);
                asm.vector(op::PADDD, result, twice);
                result
            }
        }
    }

    // Between floats and integers. The instructions give the least integer for a number out of range.

    fn truncate_singles(&mut self, a: Slot) -> Xmm {
        let result = self.own_xmm(a);
        let high = self.behind(singles(2f32.powi(31)));
        let asm = &mut self.s.asm;
        // NaNs become zero.
        asm.movaps(FLOAT_SCRATCH, result);
        asm.float_imm(0, op::CMPP, FLOAT_SCRATCH, FLOAT_SCRATCH, 0);
        asm.float(0, op::ANDP, result, FLOAT_SCRATCH);
        // A number that is too large becomes the least integer, and with all bits turned around the greatest.
        asm.float(0, op::MOVAPS, FLOAT_SCRATCH, high);
        asm.float_imm(0, op::CMPP, FLOAT_SCRATCH, result, 2);
        asm.float(0xf3, op::CVTDQ2PS, result, result);
        asm.vector(op::PXOR, result, FLOAT_SCRATCH);
        result
    }

    /// The sum of two signed integers: of the part below 2^31, or else the least one, and of the part above it.
    fn truncate_singles_unsigned(&mut self, a: Slot) -> Xmm {
        let result = self.own_xmm(a);
        let (above, too_much) = (self.free_xmm(), self.free_xmm());
        let middle = self.behind(singles(2f32.powi(31)));
        self.clear(FLOAT_SCRATCH);
        let asm = &mut self.s.asm;
        // NaNs become zero, too: the second of two operands that do not compare.
        asm.float(0, op::MAXF, result, FLOAT_SCRATCH);
        asm.float(0, op::MOVAPS, too_much, middle);
        asm.movaps(above, result);
        asm.float(0, op::SUBF, above, too_much);
        asm.float_imm(0, op::CMPP, too_much, above, 2);
        asm.float(0xf3, op::CVTDQ2PS, above, above);
        asm.vector(op::PXOR, above, too_much);
        asm.vector(op::PMAXSD, above, FLOAT_SCRATCH);
        asm.float(0xf3, op::CVTDQ2PS, result, result);
        asm.vector(op::PADDD, result, above);
        result
    }

    fn truncate_doubles(&mut self, a: Slot) -> Xmm {
        let result = self.own_xmm(a);
        let most = self.behind(doubles(f64::from(i32::MAX)));
        let asm = &mut self.s.asm;
        // The most, or zero for a NaN, which is the second of two operands that do not compare.
        asm.movaps(FLOAT_SCRATCH, result);
        asm.float_imm(0x66, op::CMPP, FLOAT_SCRATCH, FLOAT_SCRATCH, 0);
        asm.float(0, op::ANDP, FLOAT_SCRATCH, most);
        asm.vector(op::MINF, result, FLOAT_SCRATCH);
        asm.vector(op::CVTDQ2PD, result, result);
        result
    }

    /// As the lower halves of doubles from 2^52 on.
    fn truncate_doubles_unsigned(&mut self, a: Slot) -> Xmm {
        let result = self.own_xmm(a);
        let most = self.behind(doubles(f64::from(u32::MAX)));
        let base = self.behind(doubles(2f64.powi(52)));
        self.clear(FLOAT_SCRATCH);
        let asm = &mut self.s.asm;
        asm.vector(op::MAXF, result, FLOAT_SCRATCH);
        asm.vector(op::MINF, result, most);
        asm.vector_imm(op::ROUNDP + 1, result, result, TOWARDS_ZERO);
        asm.vector(op::ADDF, result, base);
        asm.float_imm(0, op::SHUFPS, result, FLOAT_SCRATCH, EVEN);
        result
    }

    /// Sums of both halves, of which only the sum is rounded.
    fn singles_of_unsigned(&mut self, a: Slot) -> Xmm {
        let result = self.own_xmm(a);
        let lower = self.behind(splat(Shape::I32x4, 0xffff));
        let scale = self.behind(singles(65536.0));
        let asm = &mut self.s.asm;
        asm.movaps(FLOAT_SCRATCH, result);
        asm.lane_shift_imm(op::PSHIFT + 2, digit::PSRL, FLOAT_SCRATCH, 16);
        asm.float(0, op::CVTDQ2PS, FLOAT_SCRATCH, FLOAT_SCRATCH);
        asm.float(0, op::MULF, FLOAT_SCRATCH, scale);
        asm.vector(op::PAND, result, lower);
        asm.float(0, op::CVTDQ2PS, result, result);
        asm.float(0, op::ADDF, result, FLOAT_SCRATCH);
        result
    }

    // Two operands.

    pub(super) fn combine_lanes(&mut self, op: LaneCombine, a: Slot, b: Slot) -> Slot {
        match op {
            LaneCombine::Narrow { to, signed } => {
                let opcode = match (to, signed) {
                    (Shape::I8x16, true) => op::PACKSSWB,
                    (Shape::I8x16, false) => op::PACKUSWB,
                    (_, true) => op::PACKSSDW,
                    (_, false) => op::PACKUSDW,
                };
                self.vector_binary(opcode, a, b)
            }
            LaneCombine::ExtMul { to, half, signed } => self.multiply_long(to, half, signed, a, b),
            LaneCombine::DotI16x8 => self.vector_commutative(op::PMADDWD, a, b),
        }
    }

    fn multiply_long(&mut self, to: Shape, half: Half, signed: bool, a: Slot, b: Slot) -> Slot {
        let lowest = a.min(b);
        let result = match to {
            Shape::I16x8 => {
                let x = self.extend_lanes(to, half, signed, a);
                let y = self.extend_lanes(to, half, signed, b);
                self.s.asm.vector(op::PMULLW, x, y);
                x
            }
            Shape::I32x4 => {
                // Lower and upper halves of the products, put together.
                let result = self.own_xmm(a);
                let y = self.vector_rm(b);
                let upper = if signed { op::PMULHW } else { op::PMULHUW };
                let together = match half {
                    Half::Low => op::PUNPCKL + 1,
                    Half::High => op::PUNPCKH + 1,
                };
                let asm = &mut self.s.asm;
                asm.movaps(FLOAT_SCRATCH, result);
                asm.vector(upper, FLOAT_SCRATCH, y);
                asm.vector(op::PMULLW, result, y);
                asm.vector(together, result, FLOAT_SCRATCH);
                result
            }
            _ => {
                let (x, y) = (self.vector_rm(a), self.vector_rm(b));
                let result = self.free_xmm();
                let order = match half {
                    Half::Low => LOW_PAIRS,
                    Half::High => HIGH_PAIRS,
                };
                let opcode = if signed { op::PMULDQ } else { op::PMULUDQ };
                let asm = &mut self.s.asm;
                asm.vector_imm(op::PSHUFD, result, x, order);
                asm.vector_imm(op::PSHUFD, FLOAT_SCRATCH, y, order);
                asm.vector(opcode, result, FLOAT_SCRATCH);
                result
            }
        };
        self.put(lowest, result)
    }
}
