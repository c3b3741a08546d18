//! Conversions between shapes, and operators whose result has another shape than their operands.

use inkwell::FloatPredicate;
use inkwell::types::IntType;
use inkwell::values::{BasicValueEnum, VectorValue};
use upshift_translate::{FloatType, Half, LaneCombine, LaneConvert, Shape};

use super::LlvmEmitter;
use super::build::Built;
use crate::constants::is_constant;

/// 2 to the power of 31.
const TWO_31: f64 = 2_147_483_648.0;
/// 2 to the power of 52: from here on a double has no fraction.
const TWO_52: f64 = 4_503_599_627_370_496.0;

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    fn lanes_of(&self, shape: Shape, a: BasicValueEnum<'ctx>) -> VectorValue<'ctx> {
        self.lanes_as(a, self.vector_type(shape))
    }

    fn int_lane_of(&self, shape: Shape) -> IntType<'ctx> {
        self.lane_type(shape).into_int_type()
    }

    /// Half of the lanes.
    fn half_of(&self, half: Half, a: VectorValue<'ctx>) -> VectorValue<'ctx> {
        let lanes = a.get_type().get_size();
        let lanes = match half {
            Half::Low => 0..lanes / 2,
            Half::High => lanes / 2..lanes,
        };
        self.pick(a, a.get_type().get_poison(), lanes)
    }

    /// Half of the lanes, each extended to those of `to`.
    fn widen(
        &self,
        to: Shape,
        half: Half,
        signed: bool,
        a: BasicValueEnum<'ctx>,
    ) -> VectorValue<'ctx> {
        let a = self.half_of(half, self.lanes_of(narrower(to), a));
        self.resized(a, self.int_lane_of(to), signed)
    }

    /// A vector of which only the low 64 bits were computed, with zeros above.
    fn with_zeros(&self, low: VectorValue<'ctx>) -> BasicValueEnum<'ctx> {
        let lanes = low.get_type().get_size();
        self.pick(low, low.get_type().const_zero(), 0..2 * lanes)
            .into()
    }

    pub(super) fn convert_lanes(
        &mut self,
        op: LaneConvert,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let types = self.types;
        match op {
            LaneConvert::Extend { to, half, signed } => self.widen(to, half, signed, a).into(),
            LaneConvert::ExtAddPairwise { to, signed } => self.add_neighbours(to, signed, a),
            LaneConvert::TruncSatF32x4 { signed: true } => self.f32x4_to_signed(a),
            LaneConvert::TruncSatF32x4 { signed: false } => self.f32x4_to_unsigned(a),
            LaneConvert::TruncSatF64x2Zero { signed: true } => self.f64x2_to_signed(a),
            LaneConvert::TruncSatF64x2Zero { signed: false } => self.f64x2_to_unsigned(a),
            LaneConvert::ConvertI32x4ToF32x4 { signed } => {
                let a = self.lanes_of(Shape::I32x4, a);
                let ty = types.f32.vec_type(4);
                if signed {
                    builder.build_signed_int_to_float(a, ty, "")
                } else {
                    builder.build_unsigned_int_to_float(a, ty, "")
                }
                .built()
                .into()
            }
            LaneConvert::ConvertLowI32x4ToF64x2 { signed } => {
                let low = self.half_of(Half::Low, self.lanes_of(Shape::I32x4, a));
                let ty = types.f64.vec_type(2);
                if signed {
                    builder.build_signed_int_to_float(low, ty, "")
                } else {
                    builder.build_unsigned_int_to_float(low, ty, "")
                }
                .built()
                .into()
            }
            LaneConvert::DemoteF64x2Zero => {
                let a = if is_constant(a) { self.hidden(a) } else { a };
                let a = self.lanes_of(Shape::F64x2, a);
                let ty = types.f32.vec_type(2);
                let low = builder.build_float_trunc(a, ty, "").built();
                // Of a promoted vector nothing else would be left, also when that, or a rounding in
                // between, comes to light only after a local is lifted or a function inlined. LLVM can't
                // canonicalize half a vector.
                self.canonicalize(self.with_zeros(low))
            }
            LaneConvert::PromoteLowF32x4 => {
                let low = self.half_of(Half::Low, self.lanes_of(Shape::F32x4, a));
                let ty = types.f64.vec_type(2);
                builder.build_float_ext(low, ty, "").built().into()
            }
        }
    }

    /// Sums of neighbouring lanes of half the width of `to`.
    fn add_neighbours(
        &self,
        to: Shape,
        signed: bool,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        if to == Shape::I32x4 && signed {
            // One instruction, the product with ones.
            let a = self.lanes_of(Shape::I16x8, a);
            return self.dot(a, self.int_lanes(a.get_type(), 1));
        }
        // Seen as lanes of `to`, each has one of the neighbours in its upper half and one in its lower.
        let builder = self.builder;
        let pairs = self.lanes_of(to, a);
        let half = to.lane_bits() / 2;
        let bits = self.int_lanes(pairs.get_type(), i64::from(half));
        let even = if signed {
            let upper = builder.build_left_shift(pairs, bits, "").built();
            builder.build_right_shift(upper, bits, true, "").built()
        } else {
            let low = self.int_lanes(pairs.get_type(), (1 << half) - 1);
            builder.build_and(pairs, low, "").built()
        };
        let odd = builder.build_right_shift(pairs, bits, signed, "").built();
        builder.build_int_add(even, odd, "").built().into()
    }

    // Saturating truncation. For vectors, LLVM's own intrinsics go lane by lane. Its plain conversions are
    // undefined for numbers that don't fit, so here all operands fit or are not chosen afterwards.

    /// NaN becomes 0.
    fn without_nan(&self, ty: FloatType, a: VectorValue<'ctx>) -> VectorValue<'ctx> {
        self.choose((FloatPredicate::ORD, a, a), a, self.float_lanes(ty, 0.0))
    }

    /// Not less than the bound. NaN becomes the bound.
    fn at_least(&self, ty: FloatType, bound: f64, a: VectorValue<'ctx>) -> VectorValue<'ctx> {
        let bound = self.float_lanes(ty, bound);
        self.choose((FloatPredicate::OGT, a, bound), a, bound)
    }

    /// Not more than the bound. NaN becomes the bound.
    fn at_most(&self, ty: FloatType, bound: f64, a: VectorValue<'ctx>) -> VectorValue<'ctx> {
        let bound = self.float_lanes(ty, bound);
        self.choose((FloatPredicate::OLT, a, bound), a, bound)
    }

    fn f32x4_to_signed(&self, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        let a = self.lanes_of(Shape::F32x4, a);
        let ty = self.types.i32.vec_type(4);
        let fits_below = self.at_least(FloatType::F32, -TWO_31, a);
        let integers = self
            .builder
            .build_float_to_signed_int(fits_below, ty, "")
            .built();
        let too_high = (
            FloatPredicate::OGE,
            a,
            self.float_lanes(FloatType::F32, TWO_31),
        );
        let highest = self.int_lanes(ty, i64::from(i32::MAX));
        let integers = self.choose(too_high, highest, integers);
        let is_nan = (FloatPredicate::UNO, a, a);
        self.choose(is_nan, ty.const_zero(), integers).into()
    }

    fn f32x4_to_unsigned(&self, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        let a = self.lanes_of(Shape::F32x4, a);
        let ty = self.types.i32.vec_type(4);
        let fits_below = self.at_least(FloatType::F32, 0.0, a);
        let integers = self
            .builder
            .build_float_to_unsigned_int(fits_below, ty, "")
            .built();
        let limit = self.float_lanes(FloatType::F32, 2.0 * TWO_31);
        let too_high = (FloatPredicate::OGE, a, limit);
        let highest = self.int_lanes(ty, -1);
        self.choose(too_high, highest, integers).into()
    }

    fn f64x2_to_signed(&self, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        let number = self.without_nan(FloatType::F64, self.lanes_of(Shape::F64x2, a));
        let fits_below = self.at_least(FloatType::F64, -TWO_31, number);
        let fits = self.at_most(FloatType::F64, TWO_31 - 1.0, fits_below);
        let ty = self.types.i32.vec_type(2);
        let integers = self.builder.build_float_to_signed_int(fits, ty, "").built();
        self.with_zeros(integers)
    }

    fn f64x2_to_unsigned(&self, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        let a = self.lanes_of(Shape::F64x2, a);
        let fits_below = self.at_least(FloatType::F64, 0.0, a);
        let fits = self.at_most(FloatType::F64, 2.0 * TWO_31 - 1.0, fits_below);
        // The machine's conversion is signed. A double of 2 to the power of 52 plus an integer has that
        // integer in its low bits.
        let integers = self
            .intrinsic1("llvm.trunc", fits.into())
            .into_vector_value();
        let shifted = self
            .builder
            .build_float_add(integers, self.float_lanes(FloatType::F64, TWO_52), "")
            .built();
        let words = self.lanes_of(Shape::I32x4, shifted.into());
        self.with_zeros(self.pick(words, words.get_type().get_poison(), [0, 2]))
    }

    pub(super) fn combine_lanes(
        &mut self,
        op: LaneCombine,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        match op {
            LaneCombine::Narrow { to, signed } => self.narrow(to, signed, a, b),
            LaneCombine::ExtMul { to, half, signed } => {
                let a = self.widen(to, half, signed, a);
                let b = self.widen(to, half, signed, b);
                self.builder.build_int_mul(a, b, "").built().into()
            }
            LaneCombine::DotI16x8 => {
                let a = self.lanes_of(Shape::I16x8, a);
                let b = self.lanes_of(Shape::I16x8, b);
                self.dot(a, b)
            }
        }
    }

    /// The lanes of both, which are signed, saturated to those of `to`.
    fn narrow(
        &self,
        to: Shape,
        signed: bool,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let a = self.lanes_of(wider(to), a);
        let b = self.lanes_of(wider(to), b);
        let both = self.pick(a, b, 0..to.lanes());
        let bits = to.lane_bits();
        let (lowest, highest) = if signed {
            (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        } else {
            (0, (1 << bits) - 1)
        };
        let lowest = self.int_lanes(both.get_type(), lowest);
        let highest = self.int_lanes(both.get_type(), highest);
        let clamped = self.intrinsic2("llvm.smax", both.into(), lowest.into());
        let clamped = self.intrinsic2("llvm.smin", clamped, highest.into());
        self.resized(clamped.into_vector_value(), self.int_lane_of(to), signed)
            .into()
    }

    /// Products of signed 16-bit lanes, neighbours added.
    fn dot(&self, a: VectorValue<'ctx>, b: VectorValue<'ctx>) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let a = self.resized(a, self.types.i32, true);
        let b = self.resized(b, self.types.i32, true);
        let products = builder.build_int_nsw_mul(a, b, "").built();
        let poison = products.get_type().get_poison();
        let even = self.pick(products, poison, [0, 2, 4, 6]);
        let odd = self.pick(products, poison, [1, 3, 5, 7]);
        builder.build_int_add(even, odd, "").built().into()
    }
}

/// The shape with lanes of half the width.
fn narrower(shape: Shape) -> Shape {
    match shape {
        Shape::I64x2 => Shape::I32x4,
        Shape::I32x4 => Shape::I16x8,
        _ => Shape::I8x16,
    }
}

/// The shape with lanes of twice the width.
fn wider(shape: Shape) -> Shape {
    match shape {
        Shape::I8x16 => Shape::I16x8,
        Shape::I16x8 => Shape::I32x4,
        _ => Shape::I64x2,
    }
}
