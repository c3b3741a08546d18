//! Scalar operators and conversions between scalars.

use cranelift_codegen::ir::condcodes::{CondCode, FloatCC, IntCC};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::types::{F32, F64, I8, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value};
use upshift_module::ValType;
use upshift_translate::{
    Convert, FloatBinary, FloatCompare, FloatType, FloatUnary, IntBinary, IntCompare, IntDivision,
    IntType, IntUnary,
};

use super::state::ClifEmitter;

pub(super) fn int_type(ty: IntType) -> Type {
    match ty {
        IntType::I32 => I32,
        IntType::I64 => I64,
    }
}

pub(super) fn float_type(ty: FloatType) -> Type {
    match ty {
        FloatType::F32 => F32,
        FloatType::F64 => F64,
    }
}

pub(super) fn int_condition(op: IntCompare) -> IntCC {
    match op {
        IntCompare::Eq => IntCC::Equal,
        IntCompare::Ne => IntCC::NotEqual,
        IntCompare::LtS => IntCC::SignedLessThan,
        IntCompare::LtU => IntCC::UnsignedLessThan,
        IntCompare::GtS => IntCC::SignedGreaterThan,
        IntCompare::GtU => IntCC::UnsignedGreaterThan,
        IntCompare::LeS => IntCC::SignedLessThanOrEqual,
        IntCompare::LeU => IntCC::UnsignedLessThanOrEqual,
        IntCompare::GeS => IntCC::SignedGreaterThanOrEqual,
        IntCompare::GeU => IntCC::UnsignedGreaterThanOrEqual,
    }
}

pub(super) fn float_condition(op: FloatCompare) -> FloatCC {
    match op {
        FloatCompare::Eq => FloatCC::Equal,
        FloatCompare::Ne => FloatCC::NotEqual,
        FloatCompare::Lt => FloatCC::LessThan,
        FloatCompare::Gt => FloatCC::GreaterThan,
        FloatCompare::Le => FloatCC::LessThanOrEqual,
        FloatCompare::Ge => FloatCC::GreaterThanOrEqual,
    }
}

impl ClifEmitter<'_> {
    pub(super) fn select_value(
        &mut self,
        ty: ValType,
        condition: Value,
        a: Value,
        b: Value,
    ) -> Value {
        let (a, b) = match ty {
            ValType::V128 => (self.canonical(a), self.canonical(b)),
            _ => (a, b),
        };
        self.cursor.ins().select(condition, a, b)
    }

    pub(super) fn is_zero(&mut self, ty: Type, a: Value) -> Value {
        // The opposite of a comparison is a comparison, unless NaNs compare.
        if let Some(comparison) = self.comparison_behind(a)
            && let Some(opposite) = self.opposite(comparison)
        {
            return self.bool_to_i32(opposite);
        }
        let zero = self.iconst(ty, 0);
        let result = self.cursor.ins().icmp(IntCC::Equal, a, zero);
        self.bool_to_i32(result)
    }

    fn opposite(&mut self, comparison: Value) -> Option<Value> {
        let dfg = &self.cursor.func.dfg;
        let inst = dfg.value_def(comparison).inst()?;
        if dfg.insts[inst].opcode() != Opcode::Icmp {
            return None;
        }
        let condition = dfg.insts[inst].cond_code()?;
        let &[a, b] = dfg.inst_args(inst) else {
            return None;
        };
        Some(self.cursor.ins().icmp(condition.complement(), a, b))
    }

    pub(super) fn unary_int(&mut self, ty: IntType, op: IntUnary, a: Value) -> Value {
        let ty = int_type(ty);
        let ins = self.cursor.ins();
        let narrow = match op {
            IntUnary::Clz => return ins.clz(a),
            IntUnary::Ctz => return ins.ctz(a),
            IntUnary::Popcnt => return ins.popcnt(a),
            IntUnary::Extend8S => I8,
            IntUnary::Extend16S => I16,
            IntUnary::Extend32S => I32,
        };
        let low = ins.ireduce(narrow, a);
        self.cursor.ins().sextend(ty, low)
    }

    pub(super) fn binary_int(&mut self, op: IntBinary, a: Value, b: Value) -> Value {
        let ins = self.cursor.ins();
        match op {
            IntBinary::Add => ins.iadd(a, b),
            IntBinary::Sub => ins.isub(a, b),
            IntBinary::Mul => ins.imul(a, b),
            IntBinary::And => ins.band(a, b),
            IntBinary::Or => ins.bor(a, b),
            IntBinary::Xor => ins.bxor(a, b),
            IntBinary::Shl => ins.ishl(a, b),
            IntBinary::ShrS => ins.sshr(a, b),
            IntBinary::ShrU => ins.ushr(a, b),
            IntBinary::Rotl => ins.rotl(a, b),
            IntBinary::Rotr => ins.rotr(a, b),
        }
    }

    pub(super) fn divide(&mut self, op: IntDivision, a: Value, b: Value) -> Value {
        // Cranelift's instructions trap exactly as WebAssembly's do.
        let ins = self.cursor.ins();
        match op {
            IntDivision::DivS => ins.sdiv(a, b),
            IntDivision::DivU => ins.udiv(a, b),
            IntDivision::RemS => ins.srem(a, b),
            IntDivision::RemU => ins.urem(a, b),
        }
    }

    pub(super) fn compare_int(&mut self, op: IntCompare, a: Value, b: Value) -> Value {
        let result = self.cursor.ins().icmp(int_condition(op), a, b);
        self.bool_to_i32(result)
    }

    pub(super) fn compare_float(&mut self, op: FloatCompare, a: Value, b: Value) -> Value {
        let result = self.cursor.ins().fcmp(float_condition(op), a, b);
        self.bool_to_i32(result)
    }

    /// For scalars and for vectors of the right type.
    pub(super) fn unary_float(&mut self, op: FloatUnary, a: Value) -> Value {
        // The mid-end makes the product of two negated numbers that of the numbers, whose NaNs have other signs.
        let sign = (op == FloatUnary::Neg).then(|| self.sign_bits(self.type_of(a)));
        let ins = self.cursor.ins();
        if let Some(sign) = sign {
            return ins.bxor(a, sign);
        }
        match op {
            FloatUnary::Abs => ins.fabs(a),
            FloatUnary::Neg => ins.fneg(a),
            FloatUnary::Ceil => ins.ceil(a),
            FloatUnary::Floor => ins.floor(a),
            FloatUnary::Trunc => ins.trunc(a),
            FloatUnary::Nearest => ins.nearest(a),
            FloatUnary::Sqrt => ins.sqrt(a),
        }
    }

    /// The signs of a number or of lanes.
    fn sign_bits(&mut self, ty: Type) -> Value {
        const F32_SIGN: u32 = 1 << 31;
        const F64_SIGN: u64 = 1 << 63;
        match ty {
            F32 => self.cursor.ins().f32const(Ieee32::with_bits(F32_SIGN)),
            F64 => self.cursor.ins().f64const(Ieee64::with_bits(F64_SIGN)),
            _ => {
                let lane = u128::from(F64_SIGN);
                let bits = match ty.lane_type() {
                    F32 => (1 | 1 << 32) * u128::from(F32_SIGN) * (1 | 1 << 64),
                    _ => lane | lane << 64,
                };
                self.vector_constant(ty, bits)
            }
        }
    }

    pub(super) fn binary_float(&mut self, op: FloatBinary, a: Value, b: Value) -> Value {
        let ins = self.cursor.ins();
        match op {
            FloatBinary::Add => ins.fadd(a, b),
            FloatBinary::Sub => ins.fsub(a, b),
            FloatBinary::Mul => ins.fmul(a, b),
            FloatBinary::Div => ins.fdiv(a, b),
            // Of two NaNs, Cranelift gives the second.
            FloatBinary::Min => ins.fmin(b, a),
            FloatBinary::Max => ins.fmax(b, a),
            FloatBinary::Copysign => ins.fcopysign(a, b),
            FloatBinary::PMin => {
                let less = ins.fcmp(FloatCC::LessThan, b, a);
                self.cursor.ins().select(less, b, a)
            }
            FloatBinary::PMax => {
                let less = ins.fcmp(FloatCC::LessThan, a, b);
                self.cursor.ins().select(less, b, a)
            }
        }
    }

    pub(super) fn convert_scalar(&mut self, op: Convert, a: Value) -> Value {
        let ins = self.cursor.ins();
        match op {
            Convert::Wrap => ins.ireduce(I32, a),
            Convert::Extend { signed: true } => ins.sextend(I64, a),
            Convert::Extend { signed: false } => ins.uextend(I64, a),
            Convert::Trunc {
                to, signed: true, ..
            } => ins.fcvt_to_sint(int_type(to), a),
            Convert::Trunc {
                to, signed: false, ..
            } => ins.fcvt_to_uint(int_type(to), a),
            Convert::TruncSat {
                to, signed: true, ..
            } => ins.fcvt_to_sint_sat(int_type(to), a),
            Convert::TruncSat {
                to, signed: false, ..
            } => ins.fcvt_to_uint_sat(int_type(to), a),
            Convert::FromInt {
                to, signed: true, ..
            } => ins.fcvt_from_sint(float_type(to), a),
            Convert::FromInt {
                to, signed: false, ..
            } => ins.fcvt_from_uint(float_type(to), a),
            Convert::Demote => ins.fdemote(F32, a),
            Convert::Promote => ins.fpromote(F64, a),
            Convert::FloatToBits(FloatType::F32) => self.as_type(I32, a),
            Convert::FloatToBits(FloatType::F64) => self.as_type(I64, a),
            Convert::BitsToFloat(ty) => self.as_type(float_type(ty), a),
        }
    }
}
