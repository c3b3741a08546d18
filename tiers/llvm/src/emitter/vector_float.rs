//! Floating-point lanes. As with scalars, results that LLVM may leave a signalling NaN in are quieted by
//! `llvm.canonicalize`, a multiplication by one.

use inkwell::FloatPredicate;
use inkwell::types::{BasicTypeEnum, VectorType};
use inkwell::values::{BasicValueEnum, VectorValue};
use upshift_translate::{FloatBinary, FloatCompare, FloatType, FloatUnary, Shape};

use super::LlvmEmitter;
use super::build::Built;
use super::scalar::float_predicate;

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    /// All lanes of one number.
    pub(super) fn float_lanes(&self, ty: FloatType, value: f64) -> VectorValue<'ctx> {
        let shape = float_shape(ty);
        let lane = self.float_type(ty).const_float(value);
        VectorType::const_vector(&vec![lane; shape.lanes() as usize])
    }

    /// Lanes chosen by a comparison: `if x predicate y { then } else { otherwise }`.
    pub(super) fn choose(
        &self,
        (predicate, x, y): (FloatPredicate, VectorValue<'ctx>, VectorValue<'ctx>),
        then: VectorValue<'ctx>,
        otherwise: VectorValue<'ctx>,
    ) -> VectorValue<'ctx> {
        let conditions = self
            .builder
            .build_float_compare(predicate, x, y, "")
            .built();
        self.builder
            .build_select(conditions, then, otherwise, "")
            .built()
            .into_vector_value()
    }

    pub(super) fn unary_float_lanes(
        &mut self,
        ty: FloatType,
        op: FloatUnary,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let a = self.lanes_as(a, self.vector_type(float_shape(ty)));
        self.unary_float(op, a.into())
    }

    pub(super) fn binary_float_lanes(
        &mut self,
        ty: FloatType,
        op: FloatBinary,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let vector = self.vector_type(float_shape(ty));
        let (x, y) = (self.lanes_as(a, vector), self.lanes_as(b, vector));
        let (value, folds) = match op {
            FloatBinary::Add => (
                builder.build_float_add(x, y, "").built(),
                has_lane(ty, a, is_zero) || has_lane(ty, b, is_zero),
            ),
            FloatBinary::Sub => (
                builder.build_float_sub(x, y, "").built(),
                has_lane(ty, a, is_zero) || has_lane(ty, b, is_zero),
            ),
            FloatBinary::Mul => (
                builder.build_float_mul(x, y, "").built(),
                has_lane(ty, a, is_unit) || has_lane(ty, b, is_unit),
            ),
            FloatBinary::Div => (
                builder.build_float_div(x, y, "").built(),
                has_lane(ty, b, is_unit),
            ),
            // On x86, LLVM's own don't quiet.
            FloatBinary::Min => (
                self.intrinsic2("llvm.minimum", x.into(), y.into())
                    .into_vector_value(),
                true,
            ),
            FloatBinary::Max => (
                self.intrinsic2("llvm.maximum", x.into(), y.into())
                    .into_vector_value(),
                true,
            ),
            // One of the operands, bit by bit.
            FloatBinary::PMin => (self.choose((FloatPredicate::OLT, y, x), y, x), false),
            FloatBinary::PMax => (self.choose((FloatPredicate::OLT, x, y), y, x), false),
            FloatBinary::Copysign => unreachable!("the walk asks for it on scalars only"),
        };
        if folds {
            self.canonicalize(value.into())
        } else {
            value.into()
        }
    }

    pub(super) fn compare_float_lanes(
        &mut self,
        ty: FloatType,
        op: FloatCompare,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let shape = float_shape(ty);
        let vector = self.vector_type(shape);
        let (a, b) = (self.lanes_as(a, vector), self.lanes_as(b, vector));
        let conditions = self
            .builder
            .build_float_compare(float_predicate(op), a, b, "")
            .built();
        self.as_mask(shape, conditions)
    }
}

/// The shape of vectors of such numbers.
fn float_shape(ty: FloatType) -> Shape {
    match ty {
        FloatType::F32 => Shape::F32x4,
        FloatType::F64 => Shape::F64x2,
    }
}

/// Added or subtracted, it may change nothing but a signalling NaN.
fn is_zero(lane: f64) -> bool {
    lane == 0.0
}

/// Multiplied with or divided by, it changes nothing but the sign and a signalling NaN.
fn is_unit(lane: f64) -> bool {
    lane.abs() == 1.0
}

/// Whether the operand is a constant in which such a lane is, or one that can't be read.
fn has_lane(ty: FloatType, operand: BasicValueEnum<'_>, is_such: fn(f64) -> bool) -> bool {
    let operand = operand.into_vector_value();
    if !operand.is_const() {
        return false;
    }
    let Some(bits) = constant_bits(operand) else {
        return true;
    };
    match ty {
        FloatType::F32 => (0..4).any(|lane| {
            let bits = (bits >> (32 * lane)) as u32;
            is_such(f64::from(f32::from_bits(bits)))
        }),
        FloatType::F64 => (0..2).any(|lane| is_such(f64::from_bits((bits >> (64 * lane)) as u64))),
    }
}

/// The bits of a constant vector, NaNs apart, which come as some NaN.
fn constant_bits(vector: VectorValue<'_>) -> Option<u128> {
    if vector.is_null() {
        return Some(0);
    }
    if !vector.is_constant_data_vector() {
        return None;
    }
    let ty = vector.get_type();
    let lane_bits = 128 / ty.get_size();
    let mut bits = 0;
    for index in 0..ty.get_size() {
        let lane = vector.get_element_as_constant(index);
        let lane = match ty.get_element_type() {
            BasicTypeEnum::IntType(_) => lane.into_int_value().get_zero_extended_constant()?,
            BasicTypeEnum::FloatType(_) => {
                let (number, _) = lane.into_float_value().get_constant()?;
                if lane_bits == 32 {
                    u64::from((number as f32).to_bits())
                } else {
                    number.to_bits()
                }
            }
            _ => return None,
        };
        bits |= u128::from(lane) << (lane_bits * index);
    }
    Some(bits)
}
