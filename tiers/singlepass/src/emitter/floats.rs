//! Floating-point operators, and conversions between scalars.

use upshift_module::{ValType, low_u32};
use upshift_runtime::TrapCode;
use upshift_translate::{Convert, FloatBinary, FloatCompare, FloatType, FloatUnary, IntType};

use super::state::{
    Comparison, FLOAT_SCRATCH, FastEmitter, FloatCondition, Place, SCRATCH, Slot, packed, scalar,
    width,
};
use crate::asm::{Flag, Gpr, Width, Xmm, digit, op};

/// Rounding modes of `roundss`, without the exception for inexact results.
pub(super) const NEAREST: u8 = 8;
pub(super) const DOWN: u8 = 9;
pub(super) const UP: u8 = 10;
pub(super) const TOWARDS_ZERO: u8 = 11;

/// The bits of a number in a type.
fn bits(ty: FloatType, value: f64) -> u64 {
    match ty {
        // Only powers of two and their neighbours are asked for.
        // Rounded to the nearest.
        FloatType::F32 => u64::from((value as f32).to_bits()),
        FloatType::F64 => value.to_bits(),
    }
}

pub(super) fn sign_bit(ty: FloatType) -> u64 {
    match ty {
        FloatType::F32 => 1 << 31,
        FloatType::F64 => 1 << 63,
    }
}

/// The range of a float whose whole part is an integer of a type.
struct Range {
    /// The least such float, or the greatest that is too little.
    low: f64,
    /// Whether `low` itself is one.
    low_is_in: bool,
    /// The least float that is too much.
    high: f64,
    /// The integers at the ends.
    least: u64,
    most: u64,
}

impl Range {
    fn new(from: FloatType, to: IntType, signed: bool) -> Self {
        const TWO_31: f64 = 2_147_483_648.0;
        const TWO_63: f64 = 9_223_372_036_854_775_808.0;
        match (to, signed) {
            (IntType::I32, true) => {
                // binary32 has nothing between the least integer and the greatest float that is too little.
                let is_wide = from == FloatType::F64;
                Self {
                    low: if is_wide { -TWO_31 - 1.0 } else { -TWO_31 },
                    low_is_in: !is_wide,
                    high: TWO_31,
                    least: u64::from(i32::MIN.cast_unsigned()),
                    most: i32::MAX.cast_unsigned().into(),
                }
            }
            (IntType::I32, false) => Self {
                low: -1.0,
                low_is_in: false,
                high: 2.0 * TWO_31,
                least: 0,
                most: u64::from(u32::MAX),
            },
            (IntType::I64, true) => Self {
                low: -TWO_63,
                low_is_in: true,
                high: TWO_63,
                least: i64::MIN.cast_unsigned(),
                most: i64::MAX.cast_unsigned(),
            },
            (IntType::I64, false) => Self {
                low: -1.0,
                low_is_in: false,
                high: 2.0 * TWO_63,
                least: 0,
                most: u64::MAX,
            },
        }
    }

    /// The flag of a float that is too little.
    fn too_little(&self) -> Flag {
        if self.low_is_in { Flag::B } else { Flag::BE }
    }
}

impl FastEmitter<'_> {
    pub(super) fn unary_float(&mut self, ty: FloatType, op: FloatUnary, a: Slot) -> Slot {
        let result = match op {
            FloatUnary::Abs | FloatUnary::Neg => {
                let result = self.own_xmm(a);
                let (opcode, mask) = if op == FloatUnary::Abs {
                    (op::ANDP, sign_bit(ty) - 1)
                } else {
                    (op::XORP, sign_bit(ty))
                };
                self.float_constant(mask, FLOAT_SCRATCH);
                self.s.asm.float(0, opcode, result, FLOAT_SCRATCH);
                result
            }
            FloatUnary::Sqrt => {
                let x = self.xmm(a);
                let result = self.free_xmm();
                self.s.asm.float(scalar(ty), op::SQRT, result, x);
                result
            }
            FloatUnary::Ceil => self.round(ty, a, UP),
            FloatUnary::Floor => self.round(ty, a, DOWN),
            FloatUnary::Trunc => self.round(ty, a, TOWARDS_ZERO),
            FloatUnary::Nearest => self.round(ty, a, NEAREST),
        };
        self.replace(a, ty.into(), Place::Xmm(result))
    }

    fn round(&mut self, ty: FloatType, a: Slot, mode: u8) -> Xmm {
        let x = self.xmm(a);
        let result = self.free_xmm();
        let opcode = match ty {
            FloatType::F32 => op::ROUNDSS,
            FloatType::F64 => op::ROUNDSD,
        };
        self.s.asm.round(opcode, result, x, mode);
        result
    }

    pub(super) fn binary_float(
        &mut self,
        ty: FloatType,
        op: FloatBinary,
        a: Slot,
        b: Slot,
    ) -> Slot {
        let opcode = match op {
            FloatBinary::Add => op::ADDF,
            FloatBinary::Sub => op::SUBF,
            FloatBinary::Mul => op::MULF,
            FloatBinary::Div => op::DIVF,
            FloatBinary::Min => return self.extreme(ty, op::MINF, op::ORP, a, b),
            FloatBinary::Max => return self.extreme(ty, op::MAXF, op::ANDP, a, b),
            FloatBinary::Copysign => return self.copy_sign(ty, a, b),
            // Of lanes only.
            FloatBinary::PMin | FloatBinary::PMax => return self.give_up(),
        };
        let result = self.own_xmm(a);
        let y = self.xmm(b);
        self.s.asm.float(scalar(ty), opcode, result, y);
        self.replace(a.min(b), ty.into(), Place::Xmm(result))
    }

    /// `min` or `max`: of equal operands, which may be zeros of both signs, `of_equal` makes the result.
    fn extreme(&mut self, ty: FloatType, opcode: u32, of_equal: u32, a: Slot, b: Slot) -> Slot {
        let result = self.own_xmm(a);
        let y = self.xmm(b);
        let asm = &mut self.s.asm;
        asm.float(packed(ty), op::UCOMIS, result, y);
        let differ = asm.skip_if(Flag::NE);
        let unordered = asm.skip_if(Flag::P);
        asm.float(0, of_equal, result, y);
        let done = asm.skip();
        asm.end_skip(unordered);
        asm.float(scalar(ty), op::ADDF, result, y);
        let also_done = asm.skip();
        asm.end_skip(differ);
        asm.float(scalar(ty), opcode, result, y);
        asm.end_skip(done);
        asm.end_skip(also_done);
        self.replace(a.min(b), ty.into(), Place::Xmm(result))
    }

    fn copy_sign(&mut self, ty: FloatType, a: Slot, b: Slot) -> Slot {
        let x = self.xmm(a);
        let sign = self.own_xmm(b);
        self.float_constant(sign_bit(ty), FLOAT_SCRATCH);
        let asm = &mut self.s.asm;
        asm.float(0, op::ANDP, sign, FLOAT_SCRATCH);
        asm.float(0, op::ANDNP, FLOAT_SCRATCH, x);
        asm.float(0, op::ORP, sign, FLOAT_SCRATCH);
        self.replace(a.min(b), ty.into(), Place::Xmm(sign))
    }

    pub(super) fn compare_float(
        &mut self,
        ty: FloatType,
        op: FloatCompare,
        a: Slot,
        b: Slot,
    ) -> Slot {
        let lowest = a.min(b);
        let (x, y) = (self.xmm(a), self.xmm(b));
        // Unordered operands set the carry flag, so "less" is asked for with the operands exchanged.
        let (condition, a, b) = match op {
            FloatCompare::Eq => (FloatCondition::Equal, x, y),
            FloatCompare::Ne => (FloatCondition::NotEqual, x, y),
            FloatCompare::Gt => (FloatCondition::One(Flag::A), x, y),
            FloatCompare::Ge => (FloatCondition::One(Flag::AE), x, y),
            FloatCompare::Lt => (FloatCondition::One(Flag::A), y, x),
            FloatCompare::Le => (FloatCondition::One(Flag::AE), y, x),
        };
        let comparison = Comparison::Float {
            ty,
            condition,
            a,
            b,
        };
        self.replace(lowest, ValType::I32, Place::Comparison(comparison))
    }

    /// Leaves `result` as it is if a condition holds, and makes it `other` if not.
    pub(super) fn choose_float(&mut self, condition: FloatCondition, result: Xmm, other: Xmm) {
        let asm = &mut self.s.asm;
        match condition {
            FloatCondition::One(flag) => {
                let kept = asm.skip_if(flag);
                asm.movaps(result, other);
                asm.end_skip(kept);
            }
            FloatCondition::Equal => {
                let differ = asm.skip_if(Flag::NE);
                let kept = asm.skip_if(Flag::NP);
                asm.end_skip(differ);
                asm.movaps(result, other);
                asm.end_skip(kept);
            }
            FloatCondition::NotEqual => {
                let kept = asm.skip_if(Flag::NE);
                let also_kept = asm.skip_if(Flag::P);
                asm.movaps(result, other);
                asm.end_skip(kept);
                asm.end_skip(also_kept);
            }
        }
    }

    // Conversions.

    pub(super) fn convert_scalar(&mut self, op: Convert, a: Slot) -> Slot {
        let (ty, place) = match op {
            Convert::Wrap => {
                let x = self.gpr(a);
                let result = self.free_gpr();
                self.s.asm.mov(Width::W32, result, x);
                (ValType::I32, Place::Gpr(result))
            }
            Convert::Extend { signed: false } => match self.constant(a) {
                Some(bits) => (ValType::I64, Place::Constant(u64::from(low_u32(bits)))),
                // All that makes an `i32` in a register clears the upper half.
                None => (ValType::I64, Place::Gpr(self.gpr(a))),
            },
            Convert::Extend { signed: true } => {
                let x = self.gpr(a);
                let result = self.free_gpr();
                self.s.asm.int(Width::W64, op::MOVSXD, result, x);
                (ValType::I64, Place::Gpr(result))
            }
            Convert::Trunc { from, to, signed } => self.truncate(from, to, signed, a),
            Convert::TruncSat { from, to, signed } => self.truncate_saturating(from, to, signed, a),
            Convert::FromInt { from, to, signed } => {
                let result = self.float_of_int(from, to, signed, a);
                (to.into(), Place::Xmm(result))
            }
            Convert::Demote => {
                let x = self.xmm(a);
                let result = self.free_xmm();
                self.s.asm.float(0xf2, op::CVTF, result, x);
                (ValType::F32, Place::Xmm(result))
            }
            Convert::Promote => {
                let x = self.xmm(a);
                let result = self.free_xmm();
                self.s.asm.float(0xf3, op::CVTF, result, x);
                (ValType::F64, Place::Xmm(result))
            }
            Convert::FloatToBits(ty) => {
                let (ty, width) = match ty {
                    FloatType::F32 => (ValType::I32, Width::W32),
                    FloatType::F64 => (ValType::I64, Width::W64),
                };
                let x = self.xmm(a);
                let result = self.free_gpr();
                self.s.asm.mixed(0x66, width, op::STORED, x.0, result);
                (ty, Place::Gpr(result))
            }
            Convert::BitsToFloat(ty) => {
                let width = match ty {
                    FloatType::F32 => Width::W32,
                    FloatType::F64 => Width::W64,
                };
                let x = self.gpr(a);
                let result = self.free_xmm();
                self.s.asm.mixed(0x66, width, op::MOVD, result.0, x);
                (ty.into(), Place::Xmm(result))
            }
        };
        self.replace(a, ty, place)
    }

    fn float_of_int(&mut self, from: IntType, to: FloatType, signed: bool, a: Slot) -> Xmm {
        let x = self.gpr(a);
        let result = self.free_xmm();
        // The instruction keeps the rest of its destination, and would wait for it.
        self.s.asm.float(0, op::XORP, result, result);
        let prefix = scalar(to);
        let wide = |asm: &mut crate::asm::Assembler, from: Gpr| {
            asm.mixed(prefix, Width::W64, op::CVTSI2F, result.0, from);
        };
        match (from, signed) {
            (IntType::I32, true) => {
                let asm = &mut self.s.asm;
                asm.mixed(prefix, Width::W32, op::CVTSI2F, result.0, x);
            }
            (IntType::I64, true) | (IntType::I32, false) => wide(&mut self.s.asm, x),
            (IntType::I64, false) => {
                let half = self.free_gpr();
                let asm = &mut self.s.asm;
                asm.int(Width::W64, op::TEST, x, x);
                let large = asm.skip_if(Flag::S);
                wide(asm, x);
                let done = asm.skip();
                asm.end_skip(large);
                // Half of it, rounded to odd so that it is not rounded twice, and doubled.
                asm.mov(Width::W64, half, x);
                asm.shift_imm(Width::W64, digit::SHR, half, 1);
                asm.mov(Width::W32, SCRATCH, x);
                asm.int_imm(Width::W32, digit::AND, SCRATCH, 1);
                asm.int(Width::W64, op::OR, half, SCRATCH);
                wide(asm, half);
                asm.float(prefix, op::ADDF, result, result);
                asm.end_skip(done);
            }
        }
        result
    }

    /// Compares with a constant.
    fn compare_with(&mut self, ty: FloatType, x: Xmm, value: f64) {
        self.float_constant(bits(ty, value), FLOAT_SCRATCH);
        self.s.asm.float(packed(ty), op::UCOMIS, x, FLOAT_SCRATCH);
    }

    fn truncate(
        &mut self,
        from: FloatType,
        to: IntType,
        signed: bool,
        a: Slot,
    ) -> (ValType, Place) {
        let range = Range::new(from, to, signed);
        let x = self.xmm(a);
        self.s.asm.float(packed(from), op::UCOMIS, x, x);
        self.trap_if(Flag::P, TrapCode::InvalidConversionToInteger);
        self.compare_with(from, x, range.low);
        self.trap_if(range.too_little(), TrapCode::IntegerOverflow);
        self.compare_with(from, x, range.high);
        self.trap_if(Flag::AE, TrapCode::IntegerOverflow);
        let result = self.free_gpr();
        self.truncate_in_range(from, to, signed, x, result);
        (to.into(), Place::Gpr(result))
    }

    fn truncate_saturating(
        &mut self,
        from: FloatType,
        to: IntType,
        signed: bool,
        a: Slot,
    ) -> (ValType, Place) {
        let range = Range::new(from, to, signed);
        let x = self.xmm(a);
        let result = self.free_gpr();
        self.s.asm.mov_imm(result, 0);
        self.s.asm.float(packed(from), op::UCOMIS, x, x);
        let nan = self.s.asm.jump_if(Flag::P);
        self.s.asm.mov_imm(result, range.least);
        self.compare_with(from, x, range.low);
        let too_little = self.s.asm.jump_if(range.too_little());
        self.s.asm.mov_imm(result, range.most);
        self.compare_with(from, x, range.high);
        let too_much = self.s.asm.jump_if(Flag::AE);
        self.truncate_in_range(from, to, signed, x, result);
        for jump in [nan, too_little, too_much] {
            self.s.asm.link_here(jump);
        }
        (to.into(), Place::Gpr(result))
    }

    /// Truncates a float that is in range.
    fn truncate_in_range(
        &mut self,
        from: FloatType,
        to: IntType,
        signed: bool,
        x: Xmm,
        result: Gpr,
    ) {
        const TWO_63: f64 = 9_223_372_036_854_775_808.0;
        let prefix = scalar(from);
        if to == IntType::I32 || signed {
            // An unsigned 32-bit integer is a positive 64-bit one.
            let width = if signed { width(to) } else { Width::W64 };
            let asm = &mut self.s.asm;
            asm.mixed(prefix, width, op::CVTTF2SI, result.0, x);
            return;
        }
        self.compare_with(from, x, TWO_63);
        let asm = &mut self.s.asm;
        let large = asm.skip_if(Flag::AE);
        asm.mixed(prefix, Width::W64, op::CVTTF2SI, result.0, x);
        let done = asm.skip();
        asm.end_skip(large);
        // FLOAT_SCRATCH becomes x - 2^63: -(2^63 - x).
        asm.float(prefix, op::SUBF, FLOAT_SCRATCH, x);
        asm.mixed(prefix, Width::W64, op::CVTTF2SI, result.0, FLOAT_SCRATCH);
        asm.mov_imm(SCRATCH, 1 << 63);
        asm.int(Width::W64, op::SUB, SCRATCH, result);
        asm.mov(Width::W64, result, SCRATCH);
        asm.end_skip(done);
    }
}
