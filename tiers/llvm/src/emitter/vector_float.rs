//! Floating-point lanes.

use inkwell::FloatPredicate;
use inkwell::types::VectorType;
use inkwell::values::{BasicValueEnum, VectorValue};
use upshift_module::to_usize;
use upshift_translate::{FloatBinary, FloatCompare, FloatType, FloatUnary, Shape};

use super::LlvmEmitter;
use super::build::Built;
use super::scalar::float_predicate;

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    /// All lanes of one number.
    pub(super) fn float_lanes(&self, ty: FloatType, value: f64) -> VectorValue<'ctx> {
        let shape = float_shape(ty);
        let lane = self.float_type(ty).const_float(value);
        VectorType::const_vector(&vec![lane; to_usize(shape.lanes())])
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
        let (a, b) = self.one_hidden(a, b);
        let builder = self.builder;
        let vector = self.vector_type(float_shape(ty));
        let (x, y) = (self.lanes_as(a, vector), self.lanes_as(b, vector));
        let value = match op {
            FloatBinary::Add => builder.build_float_add(x, y, "").built(),
            FloatBinary::Sub => builder.build_float_sub(x, y, "").built(),
            FloatBinary::Mul => builder.build_float_mul(x, y, "").built(),
            FloatBinary::Div => builder.build_float_div(x, y, "").built(),
            FloatBinary::Min | FloatBinary::Max => return self.extreme(op, x, y),
            // One of the operands, bit by bit.
            FloatBinary::PMin => return self.choose((FloatPredicate::OLT, y, x), y, x).into(),
            FloatBinary::PMax => return self.choose((FloatPredicate::OLT, x, y), y, x).into(),
            FloatBinary::Copysign => unreachable!("the walk asks for it on scalars only"),
        };
        value.into()
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
