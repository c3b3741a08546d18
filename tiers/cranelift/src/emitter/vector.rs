//! Vector operators. A vector has the Cranelift type that its maker gave it; each operator asks for the
//! one it needs ([`ClifEmitter::as_type`]), which costs no instruction.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{
    F32, F32X4, F64, F64X2, I8, I8X16, I16, I16X8, I32, I32X4, I64, I64X2,
};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use upshift_translate::{
    FloatBinary, FloatCompare, FloatType, FloatUnary, Half, IntCompare, LaneBinary, LaneCombine,
    LaneConvert, LaneShift, LaneUnary, Shape, VecBitwise, VecTest,
};

use super::scalar::{float_condition, int_condition};
use super::state::ClifEmitter;

pub(super) fn vector_type(shape: Shape) -> Type {
    match shape {
        Shape::I8x16 => I8X16,
        Shape::I16x8 => I16X8,
        Shape::I32x4 => I32X4,
        Shape::I64x2 => I64X2,
        Shape::F32x4 => F32X4,
        Shape::F64x2 => F64X2,
    }
}

pub(super) fn lane_type(shape: Shape) -> Type {
    match shape {
        Shape::I8x16 => I8,
        Shape::I16x8 => I16,
        Shape::I32x4 => I32,
        Shape::I64x2 => I64,
        Shape::F32x4 => F32,
        Shape::F64x2 => F64,
    }
}

fn float_vector(ty: FloatType) -> Type {
    match ty {
        FloatType::F32 => F32X4,
        FloatType::F64 => F64X2,
    }
}

/// The shape with lanes of half the width.
fn narrower(shape: Shape) -> Type {
    match shape {
        Shape::I64x2 => I32X4,
        Shape::I32x4 => I16X8,
        _ => I8X16,
    }
}

/// The shape with lanes of twice the width.
fn wider(shape: Shape) -> Type {
    match shape {
        Shape::I8x16 => I16X8,
        Shape::I16x8 => I32X4,
        _ => I64X2,
    }
}

impl ClifEmitter<'_> {
    fn pair_as(&mut self, ty: Type, a: Value, b: Value) -> (Value, Value) {
        (self.as_type(ty, a), self.as_type(ty, b))
    }

    /// A scalar as WebAssembly has it, as a lane.
    fn as_lane(&mut self, shape: Shape, scalar: Value) -> Value {
        match shape {
            Shape::I8x16 | Shape::I16x8 => self.cursor.ins().ireduce(lane_type(shape), scalar),
            _ => scalar,
        }
    }

    pub(super) fn splat_lanes(&mut self, shape: Shape, a: Value) -> Value {
        let lane = self.as_lane(shape, a);
        self.cursor.ins().splat(vector_type(shape), lane)
    }

    pub(super) fn extract(&mut self, shape: Shape, lane: u8, signed: bool, a: Value) -> Value {
        let a = self.as_type(vector_type(shape), a);
        let value = self.cursor.ins().extractlane(a, lane);
        match (shape, signed) {
            (Shape::I8x16 | Shape::I16x8, true) => self.cursor.ins().sextend(I32, value),
            (Shape::I8x16 | Shape::I16x8, false) => self.cursor.ins().uextend(I32, value),
            _ => value,
        }
    }

    pub(super) fn replace(&mut self, shape: Shape, lane: u8, a: Value, b: Value) -> Value {
        let a = self.as_type(vector_type(shape), a);
        let b = self.as_lane(shape, b);
        self.cursor.ins().insertlane(a, b, lane)
    }

    pub(super) fn shuffle_bytes(&mut self, lanes: [u8; 16], a: Value, b: Value) -> Value {
        let (a, b) = self.pair_as(I8X16, a, b);
        let mask = self
            .cursor
            .func
            .dfg
            .immediates
            .push(lanes.as_slice().into());
        self.cursor.ins().shuffle(a, b, mask)
    }

    pub(super) fn swizzle_bytes(&mut self, a: Value, b: Value) -> Value {
        let (a, b) = self.pair_as(I8X16, a, b);
        self.cursor.ins().swizzle(a, b)
    }

    pub(super) fn bitwise_not(&mut self, a: Value) -> Value {
        self.cursor.ins().bnot(a)
    }

    pub(super) fn bitwise(&mut self, op: VecBitwise, a: Value, b: Value) -> Value {
        let b = self.as_type(self.type_of(a), b);
        match op {
            VecBitwise::And => self.cursor.ins().band(a, b),
            VecBitwise::Or => self.cursor.ins().bor(a, b),
            VecBitwise::Xor => self.cursor.ins().bxor(a, b),
            VecBitwise::AndNot => {
                let not = self.cursor.ins().bnot(b);
                self.cursor.ins().band(a, not)
            }
        }
    }

    pub(super) fn bitselect_bits(&mut self, a: Value, b: Value, mask: Value) -> Value {
        // Cranelift blends whole bytes where the mask is a comparison's result: any type will do.
        let ty = self.type_of(mask);
        let (a, b) = self.pair_as(ty, a, b);
        self.cursor.ins().bitselect(mask, a, b)
    }

    pub(super) fn test(&mut self, op: VecTest, a: Value) -> Value {
        match op {
            VecTest::AnyTrue => {
                let a = self.canonical(a);
                let any = self.cursor.ins().vany_true(a);
                self.bool_to_i32(any)
            }
            VecTest::AllTrue(shape) => {
                let a = self.as_type(vector_type(shape), a);
                let all = self.cursor.ins().vall_true(a);
                self.bool_to_i32(all)
            }
            VecTest::Bitmask(shape) => {
                let a = self.as_type(vector_type(shape), a);
                self.cursor.ins().vhigh_bits(I32, a)
            }
        }
    }

    pub(super) fn unary_lanes(&mut self, shape: Shape, op: LaneUnary, a: Value) -> Value {
        let a = self.as_type(vector_type(shape), a);
        match op {
            LaneUnary::Abs => self.cursor.ins().iabs(a),
            LaneUnary::Neg => self.cursor.ins().ineg(a),
            LaneUnary::Popcnt => self.cursor.ins().popcnt(a),
        }
    }

    pub(super) fn binary_lanes(
        &mut self,
        shape: Shape,
        op: LaneBinary,
        a: Value,
        b: Value,
    ) -> Value {
        let (a, b) = self.pair_as(vector_type(shape), a, b);
        let ins = self.cursor.ins();
        match op {
            LaneBinary::Add => ins.iadd(a, b),
            LaneBinary::Sub => ins.isub(a, b),
            LaneBinary::Mul => ins.imul(a, b),
            LaneBinary::AddSatS => ins.sadd_sat(a, b),
            LaneBinary::AddSatU => ins.uadd_sat(a, b),
            LaneBinary::SubSatS => ins.ssub_sat(a, b),
            LaneBinary::SubSatU => ins.usub_sat(a, b),
            LaneBinary::MinS => ins.smin(a, b),
            LaneBinary::MinU => ins.umin(a, b),
            LaneBinary::MaxS => ins.smax(a, b),
            LaneBinary::MaxU => ins.umax(a, b),
            LaneBinary::AvgrU => ins.avg_round(a, b),
            LaneBinary::Q15MulrSatS => ins.sqmul_round_sat(a, b),
        }
    }

    pub(super) fn shift_lanes(
        &mut self,
        shape: Shape,
        op: LaneShift,
        a: Value,
        amount: Value,
    ) -> Value {
        let a = self.as_type(vector_type(shape), a);
        let ins = self.cursor.ins();
        match op {
            LaneShift::Shl => ins.ishl(a, amount),
            LaneShift::ShrS => ins.sshr(a, amount),
            LaneShift::ShrU => ins.ushr(a, amount),
        }
    }

    pub(super) fn compare_lanes(
        &mut self,
        shape: Shape,
        op: IntCompare,
        a: Value,
        b: Value,
    ) -> Value {
        let (a, b) = self.pair_as(vector_type(shape), a, b);
        self.cursor.ins().icmp(int_condition(op), a, b)
    }

    pub(super) fn unary_float_lanes(&mut self, ty: FloatType, op: FloatUnary, a: Value) -> Value {
        let a = self.as_type(float_vector(ty), a);
        self.unary_float(op, a)
    }

    pub(super) fn binary_float_lanes(
        &mut self,
        ty: FloatType,
        op: FloatBinary,
        a: Value,
        b: Value,
    ) -> Value {
        let ty = float_vector(ty);
        let (a, b) = self.pair_as(ty, a, b);
        let less = match op {
            FloatBinary::PMin => self.cursor.ins().fcmp(FloatCC::LessThan, b, a),
            FloatBinary::PMax => self.cursor.ins().fcmp(FloatCC::LessThan, a, b),
            FloatBinary::Min | FloatBinary::Max => {
                // Cranelift makes its NaNs of both operands; a difference is the first that is one, as of scalars.
                let extreme = self.binary_float(op, a, b);
                let nan = self.cursor.ins().fsub(a, b);
                let unordered = self.cursor.ins().fcmp(FloatCC::Unordered, a, b);
                let mask = self.as_type(ty, unordered);
                return self.cursor.ins().bitselect(mask, nan, extreme);
            }
            _ => return self.binary_float(op, a, b),
        };
        let mask = self.as_type(ty, less);
        self.cursor.ins().bitselect(mask, b, a)
    }

    pub(super) fn compare_float_lanes(
        &mut self,
        ty: FloatType,
        op: FloatCompare,
        a: Value,
        b: Value,
    ) -> Value {
        let (a, b) = self.pair_as(float_vector(ty), a, b);
        self.cursor.ins().fcmp(float_condition(op), a, b)
    }

    /// Half of the lanes of `a`, each extended to twice its width.
    fn widen(&mut self, half: Half, signed: bool, a: Value) -> Value {
        let ins = self.cursor.ins();
        match (half, signed) {
            (Half::Low, true) => ins.swiden_low(a),
            (Half::Low, false) => ins.uwiden_low(a),
            (Half::High, true) => ins.swiden_high(a),
            (Half::High, false) => ins.uwiden_high(a),
        }
    }

    pub(super) fn convert_lanes(&mut self, op: LaneConvert, a: Value) -> Value {
        match op {
            LaneConvert::Extend { to, half, signed } => {
                let a = self.as_type(narrower(to), a);
                self.widen(half, signed, a)
            }
            LaneConvert::ExtAddPairwise { to, signed } => {
                let a = self.as_type(narrower(to), a);
                let low = self.widen(Half::Low, signed, a);
                let high = self.widen(Half::High, signed, a);
                self.cursor.ins().iadd_pairwise(low, high)
            }
            LaneConvert::TruncSatF32x4 { signed } => {
                let a = self.as_type(F32X4, a);
                let ins = self.cursor.ins();
                if signed {
                    ins.fcvt_to_sint_sat(I32X4, a)
                } else {
                    ins.fcvt_to_uint_sat(I32X4, a)
                }
            }
            LaneConvert::TruncSatF64x2Zero { signed } => {
                // The machine's rules are for exactly this form.
                let a = self.as_type(F64X2, a);
                let zero = self.vector_constant(I64X2, 0);
                if signed {
                    let wide = self.cursor.ins().fcvt_to_sint_sat(I64X2, a);
                    self.cursor.ins().snarrow(wide, zero)
                } else {
                    let wide = self.cursor.ins().fcvt_to_uint_sat(I64X2, a);
                    self.cursor.ins().uunarrow(wide, zero)
                }
            }
            LaneConvert::ConvertI32x4ToF32x4 { signed } => {
                let a = self.as_type(I32X4, a);
                let ins = self.cursor.ins();
                if signed {
                    ins.fcvt_from_sint(F32X4, a)
                } else {
                    ins.fcvt_from_uint(F32X4, a)
                }
            }
            LaneConvert::ConvertLowI32x4ToF64x2 { signed } => {
                let a = self.as_type(I32X4, a);
                let wide = self.widen(Half::Low, signed, a);
                let ins = self.cursor.ins();
                if signed {
                    ins.fcvt_from_sint(F64X2, wide)
                } else {
                    ins.fcvt_from_uint(F64X2, wide)
                }
            }
            LaneConvert::DemoteF64x2Zero => {
                let a = self.as_type(F64X2, a);
                self.cursor.ins().fvdemote(a)
            }
            LaneConvert::PromoteLowF32x4 => {
                let a = self.as_type(F32X4, a);
                self.cursor.ins().fvpromote_low(a)
            }
        }
    }

    pub(super) fn combine_lanes(&mut self, op: LaneCombine, a: Value, b: Value) -> Value {
        match op {
            LaneCombine::Narrow { to, signed } => {
                let (a, b) = self.pair_as(wider(to), a, b);
                let ins = self.cursor.ins();
                if signed {
                    ins.snarrow(a, b)
                } else {
                    ins.unarrow(a, b)
                }
            }
            LaneCombine::ExtMul { to, half, signed } => {
                let (a, b) = self.pair_as(narrower(to), a, b);
                let a = self.widen(half, signed, a);
                let b = self.widen(half, signed, b);
                self.cursor.ins().imul(a, b)
            }
            LaneCombine::DotI16x8 => {
                let (a, b) = self.pair_as(I16X8, a, b);
                let mut products = |half| {
                    let a = self.widen(half, true, a);
                    let b = self.widen(half, true, b);
                    self.cursor.ins().imul(a, b)
                };
                let (low, high) = (products(Half::Low), products(Half::High));
                self.cursor.ins().iadd_pairwise(low, high)
            }
        }
    }
}
