//! Scalar operators and conversions between scalars.
//!
//! NaNs in LLVM's passes are the business of `quieting`.

use inkwell::types::BasicTypeEnum;
use inkwell::values::{BasicValueEnum, FloatMathValue, FloatValue, IntValue};
use inkwell::{FloatPredicate, IntPredicate};
use upshift_runtime::TrapCode;
use upshift_translate::{
    Convert, FloatBinary, FloatCompare, FloatType, FloatUnary, IntBinary, IntCompare, IntDivision,
    IntType, IntUnary,
};

use super::LlvmEmitter;
use super::build::Built;
use super::call::UnlikelyBranch;
use crate::constants::{is_constant, is_default_nan};
use crate::quieting::hide;

pub(super) fn int_predicate(op: IntCompare) -> IntPredicate {
    match op {
        IntCompare::Eq => IntPredicate::EQ,
        IntCompare::Ne => IntPredicate::NE,
        IntCompare::LtS => IntPredicate::SLT,
        IntCompare::LtU => IntPredicate::ULT,
        IntCompare::GtS => IntPredicate::SGT,
        IntCompare::GtU => IntPredicate::UGT,
        IntCompare::LeS => IntPredicate::SLE,
        IntCompare::LeU => IntPredicate::ULE,
        IntCompare::GeS => IntPredicate::SGE,
        IntCompare::GeU => IntPredicate::UGE,
    }
}

pub(super) fn float_predicate(op: FloatCompare) -> FloatPredicate {
    match op {
        FloatCompare::Eq => FloatPredicate::OEQ,
        FloatCompare::Ne => FloatPredicate::UNE,
        FloatCompare::Lt => FloatPredicate::OLT,
        FloatCompare::Gt => FloatPredicate::OGT,
        FloatCompare::Le => FloatPredicate::OLE,
        FloatCompare::Ge => FloatPredicate::OGE,
    }
}

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    pub(super) fn int_type(&self, ty: IntType) -> inkwell::types::IntType<'ctx> {
        match ty {
            IntType::I32 => self.types.i32,
            IntType::I64 => self.types.i64,
        }
    }

    pub(super) fn float_type(&self, ty: FloatType) -> inkwell::types::FloatType<'ctx> {
        match ty {
            FloatType::F32 => self.types.f32,
            FloatType::F64 => self.types.f64,
        }
    }

    // Integers.

    pub(super) fn is_zero(&mut self, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        let a = a.into_int_value();
        let zero = a.get_type().const_zero();
        let is_zero = self
            .builder
            .build_int_compare(IntPredicate::EQ, a, zero, "")
            .built();
        self.bool_to_i32(is_zero)
    }

    pub(super) fn unary_int(
        &mut self,
        ty: IntType,
        op: IntUnary,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let ty = self.int_type(ty);
        let zero_is_defined = self.types.bool_.const_zero();
        let narrow = match op {
            IntUnary::Clz => {
                return self.intrinsic(
                    "llvm.ctlz",
                    &[ty.into()],
                    &[a.into(), zero_is_defined.into()],
                );
            }
            IntUnary::Ctz => {
                return self.intrinsic(
                    "llvm.cttz",
                    &[ty.into()],
                    &[a.into(), zero_is_defined.into()],
                );
            }
            IntUnary::Popcnt => return self.intrinsic1("llvm.ctpop", a),
            IntUnary::Extend8S => self.types.i8,
            IntUnary::Extend16S => self.types.i16,
            IntUnary::Extend32S => self.types.i32,
        };
        let low = self
            .builder
            .build_int_truncate(a.into_int_value(), narrow, "")
            .built();
        self.builder.build_int_s_extend(low, ty, "").built().into()
    }

    pub(super) fn binary_int(
        &mut self,
        op: IntBinary,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let (x, y) = (a.into_int_value(), b.into_int_value());
        // Shifts are modulo the width; LLVM's are undefined beyond it.
        let amount = || {
            let bits = u64::from(y.get_type().get_bit_width());
            builder
                .build_and(y, y.get_type().const_int(bits - 1, false), "")
                .built()
        };
        let value = match op {
            IntBinary::Add => builder.build_int_add(x, y, ""),
            IntBinary::Sub => builder.build_int_sub(x, y, ""),
            IntBinary::Mul => builder.build_int_mul(x, y, ""),
            IntBinary::And => builder.build_and(x, y, ""),
            IntBinary::Or => builder.build_or(x, y, ""),
            IntBinary::Xor => builder.build_xor(x, y, ""),
            IntBinary::Shl => builder.build_left_shift(x, amount(), ""),
            IntBinary::ShrS => builder.build_right_shift(x, amount(), true, ""),
            IntBinary::ShrU => builder.build_right_shift(x, amount(), false, ""),
            IntBinary::Rotl => {
                let args = [a.into(), a.into(), b.into()];
                return self.intrinsic("llvm.fshl", &[a.get_type()], &args);
            }
            IntBinary::Rotr => {
                let args = [a.into(), a.into(), b.into()];
                return self.intrinsic("llvm.fshr", &[a.get_type()], &args);
            }
        };
        value.built().into()
    }

    pub(super) fn divide(
        &mut self,
        op: IntDivision,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let (a, b) = (a.into_int_value(), b.into_int_value());
        let ty = a.get_type();
        let zero = ty.const_zero();
        let by_zero = builder
            .build_int_compare(IntPredicate::EQ, b, zero, "")
            .built();
        self.trap_if(by_zero, TrapCode::IntegerDivideByZero);
        match op {
            IntDivision::DivU => builder.build_int_unsigned_div(a, b, "").built(),
            IntDivision::RemU => builder.build_int_unsigned_rem(a, b, "").built(),
            IntDivision::DivS => {
                let overflows = self.is_minimum_by_minus_one(a, b);
                self.trap_if(overflows, TrapCode::IntegerOverflow);
                builder.build_int_signed_div(a, b, "").built()
            }
            IntDivision::RemS => {
                // The remainder by -1 is 0, also where the quotient overflows.
                let minus_one = builder
                    .build_int_compare(IntPredicate::EQ, b, ty.const_all_ones(), "")
                    .built();
                let one = ty.const_int(1, false);
                let b = builder
                    .build_select(minus_one, one, b, "")
                    .built()
                    .into_int_value();
                builder.build_int_signed_rem(a, b, "").built()
            }
        }
        .into()
    }

    fn is_minimum_by_minus_one(&self, a: IntValue<'ctx>, b: IntValue<'ctx>) -> IntValue<'ctx> {
        let ty = a.get_type();
        let minimum = ty.const_int(1 << (ty.get_bit_width() - 1), false);
        let builder = self.builder;
        let a = builder
            .build_int_compare(IntPredicate::EQ, a, minimum, "")
            .built();
        let b = builder
            .build_int_compare(IntPredicate::EQ, b, ty.const_all_ones(), "")
            .built();
        builder.build_and(a, b, "").built()
    }

    pub(super) fn compare_int(
        &mut self,
        op: IntCompare,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let (a, b) = (a.into_int_value(), b.into_int_value());
        let result = self
            .builder
            .build_int_compare(int_predicate(op), a, b, "")
            .built();
        self.bool_to_i32(result)
    }

    // Floating point.

    pub(super) fn compare_float(
        &mut self,
        op: FloatCompare,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let (a, b) = (a.into_float_value(), b.into_float_value());
        let result = self
            .builder
            .build_float_compare(float_predicate(op), a, b, "")
            .built();
        self.bool_to_i32(result)
    }

    /// For scalars and for vectors of the right type.
    pub(super) fn unary_float(
        &mut self,
        op: FloatUnary,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let name = match op {
            FloatUnary::Abs => "llvm.fabs",
            FloatUnary::Ceil => "llvm.ceil",
            FloatUnary::Floor => "llvm.floor",
            FloatUnary::Trunc => "llvm.trunc",
            FloatUnary::Nearest => "llvm.roundeven",
            FloatUnary::Sqrt => "llvm.sqrt",
            FloatUnary::Neg => {
                return match a {
                    BasicValueEnum::VectorValue(a) => {
                        self.builder.build_float_neg(a, "").built().into()
                    }
                    a => {
                        let a = a.into_float_value();
                        self.builder.build_float_neg(a, "").built().into()
                    }
                };
            }
        };
        // LLVM folds a rounding of a converted integer, or of a rounded number, away; neither can be
        // a signalling NaN.
        self.intrinsic1(name, a)
    }

    pub(super) fn binary_float(
        &mut self,
        op: FloatBinary,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let (a, b) = self.one_hidden(a, b);
        let builder = self.builder;
        let (x, y) = (a.into_float_value(), b.into_float_value());
        let value = match op {
            FloatBinary::Add => builder.build_float_add(x, y, ""),
            FloatBinary::Sub => builder.build_float_sub(x, y, ""),
            FloatBinary::Mul => builder.build_float_mul(x, y, ""),
            FloatBinary::Div => builder.build_float_div(x, y, ""),
            FloatBinary::Min | FloatBinary::Max => return self.extreme(op, x, y),
            FloatBinary::Copysign => return self.intrinsic2("llvm.copysign", a, b),
            FloatBinary::PMin | FloatBinary::PMax => {
                unreachable!("the walk asks for these on vectors only")
            }
        };
        value.built().into()
    }

    /// Operands of arithmetic, one of which the builder does not take for a constant: its NaNs are not those of the
    /// processor.
    pub(super) fn one_hidden(
        &mut self,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> (BasicValueEnum<'ctx>, BasicValueEnum<'ctx>) {
        if is_constant(a) && is_constant(b) {
            (self.hidden(a), b)
        } else {
            (a, b)
        }
    }

    /// A number, hidden if it is the NaN that LLVM has for results of arithmetic on constants.
    pub(super) fn hidden_if_default(&mut self, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        if is_default_nan(a) { self.hidden(a) } else { a }
    }

    /// A constant of which LLVM does not know that it is one.
    pub(super) fn hidden(&mut self, constant: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        self.in_first_block(|emitter| hide(emitter.llvm_module, emitter.builder, constant))
    }

    /// The minimum or maximum of numbers or lanes. Of equal operands, which may be zeros of both signs, bits make it; of
    /// NaNs a difference, which is the first that is one.
    pub(super) fn extreme<T>(&self, op: FloatBinary, x: T, y: T) -> BasicValueEnum<'ctx>
    where
        T: FloatMathValue<'ctx> + Copy,
    {
        let builder = self.builder;
        let is_min = op == FloatBinary::Min;
        let predicate = if is_min {
            FloatPredicate::OLT
        } else {
            FloatPredicate::OGT
        };
        // As the processor's instructions do: the second operand, if neither comes before the other.
        let either = |x: T, y: T| {
            let before = builder.build_float_compare(predicate, x, y, "").built();
            builder.build_select(before, x, y, "").built()
        };
        let number = self.combined_bits(is_min, either(x, y), either(y, x));
        let nan = builder.build_float_sub(x, y, "").built();
        let unordered = builder
            .build_float_compare(FloatPredicate::UNO, x, y, "")
            .built();
        builder
            .build_select(unordered, nan.as_basic_value_enum(), number, "")
            .built()
    }

    /// The bits of either float or of both, as a float or as lanes.
    fn combined_bits(
        &self,
        either: bool,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let (builder, ty) = (self.builder, a.get_type());
        let bits: BasicTypeEnum<'ctx> = if ty.is_vector_type() {
            self.types.v128.into()
        } else if ty == self.types.f32.into() {
            self.types.i32.into()
        } else {
            self.types.i64.into()
        };
        let combined: BasicValueEnum<'ctx> = match (self.bits_as(a, bits), self.bits_as(b, bits)) {
            (BasicValueEnum::VectorValue(a), BasicValueEnum::VectorValue(b)) => if either {
                builder.build_or(a, b, "")
            } else {
                builder.build_and(a, b, "")
            }
            .built()
            .into(),
            (a, b) => {
                let (a, b) = (a.into_int_value(), b.into_int_value());
                if either {
                    builder.build_or(a, b, "")
                } else {
                    builder.build_and(a, b, "")
                }
                .built()
                .into()
            }
        };
        self.bits_as(combined, ty)
    }

    /// The same number, quieted if it is a signalling NaN. For scalars and vectors.
    pub(super) fn canonicalize(&self, value: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        self.intrinsic1("llvm.canonicalize", value)
    }

    // Conversions.

    pub(super) fn convert_scalar(
        &mut self,
        op: Convert,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let types = self.types;
        match op {
            Convert::Wrap => builder
                .build_int_truncate(a.into_int_value(), types.i32, "")
                .built()
                .into(),
            Convert::Extend { signed: true } => builder
                .build_int_s_extend(a.into_int_value(), types.i64, "")
                .built()
                .into(),
            Convert::Extend { signed: false } => self.zext64(a.into_int_value()).into(),
            Convert::Trunc { from, to, signed } => {
                self.truncate_or_trap(from, to, signed, a.into_float_value())
            }
            Convert::TruncSat { from, to, signed } => {
                let name = if signed {
                    "llvm.fptosi.sat"
                } else {
                    "llvm.fptoui.sat"
                };
                let types = [self.int_type(to).into(), self.float_type(from).into()];
                self.intrinsic(name, &types, &[a.into()])
            }
            Convert::FromInt { to, signed, .. } => {
                let (a, to) = (a.into_int_value(), self.float_type(to));
                if signed {
                    builder.build_signed_int_to_float(a, to, "")
                } else {
                    builder.build_unsigned_int_to_float(a, to, "")
                }
                .built()
                .into()
            }
            Convert::Demote => {
                let value = builder.build_float_trunc(a.into_float_value(), types.f32, "");
                value.built().into()
            }
            Convert::Promote => builder
                .build_float_ext(a.into_float_value(), types.f64, "")
                .built()
                .into(),
            Convert::FloatToBits(FloatType::F32) => self.bits_as(a, types.i32),
            Convert::FloatToBits(FloatType::F64) => self.bits_as(a, types.i64),
            Convert::BitsToFloat(ty) => {
                let value = self.bits_as(a, self.float_type(ty));
                self.hidden_if_default(value)
            }
        }
    }

    fn truncate_or_trap(
        &mut self,
        from: FloatType,
        to: IntType,
        signed: bool,
        a: FloatValue<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let Limits { lowest, highest } = exclusive_limits(from, to, signed);
        let ty = a.get_type();
        let above = builder
            .build_float_compare(FloatPredicate::OGT, a, ty.const_float(lowest), "")
            .built();
        let below = builder
            .build_float_compare(FloatPredicate::OLT, a, ty.const_float(highest), "")
            .built();
        let fits = builder.build_and(above, below, "").built();
        let fails = builder.build_not(fits, "").built();
        let UnlikelyBranch {
            unlikely: trap,
            likely: go_on,
        } = self.unlikely_branch(fails);
        self.builder.position_at_end(trap);
        let is_nan = builder
            .build_float_compare(FloatPredicate::UNO, a, a, "")
            .built();
        self.trap_if(is_nan, TrapCode::InvalidConversionToInteger);
        self.emit_trap(TrapCode::IntegerOverflow);
        self.builder.position_at_end(go_on);
        let to = self.int_type(to);
        if signed {
            builder.build_float_to_signed_int(a, to, "")
        } else {
            builder.build_float_to_unsigned_int(a, to, "")
        }
        .built()
        .into()
    }
}

/// What a conversion's operand lies between.
struct Limits {
    /// The greatest value that is too low.
    lowest: f64,
    /// The least value that is too high.
    highest: f64,
}

/// The limits of a conversion from and to these types.
fn exclusive_limits(from: FloatType, to: IntType, signed: bool) -> Limits {
    const TWO_31: f64 = 2_147_483_648.0;
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    // As a binary32 each power of two stays what it is.
    let (lowest, highest) = match (from, to, signed) {
        (_, IntType::I32, false) => (-1.0, 2.0 * TWO_31),
        (_, IntType::I64, false) => (-1.0, 2.0 * TWO_63),
        // A fraction below the least integer is truncated to it, where the type has such fractions.
        (FloatType::F64, IntType::I32, true) => (-TWO_31 - 1.0, TWO_31),
        (FloatType::F32, IntType::I32, true) => (f64::from((-TWO_31 as f32).next_down()), TWO_31),
        (FloatType::F64, IntType::I64, true) => ((-TWO_63).next_down(), TWO_63),
        (FloatType::F32, IntType::I64, true) => (f64::from((-TWO_63 as f32).next_down()), TWO_63),
    };
    Limits { lowest, highest }
}
