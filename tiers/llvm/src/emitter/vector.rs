//! Vector operators on bits and on integer lanes. A vector has the LLVM type that its maker gave it; each
//! operator asks for the one it needs ([`LlvmEmitter::lanes_as`]), which costs no instruction. Lane 0 is the
//! one at the lowest address. Floating-point lanes are in `vector_float`, conversions in `vector_convert`.
//!
//! Emitted are the shapes that LLVM's instruction selection knows: nearly all become one
//! instruction. Two operators have no such shape; they are at the end of this file.

use inkwell::IntPredicate;
use inkwell::types::{BasicTypeEnum, VectorType};
use inkwell::values::{BasicValueEnum, IntValue, VectorValue};
use upshift_module::to_usize;
use upshift_translate::{IntCompare, LaneBinary, LaneShift, LaneUnary, Shape, VecBitwise, VecTest};

use super::LlvmEmitter;
use super::build::Built;
use super::scalar::int_predicate;

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    // Types.

    /// The type of a vector of such lanes.
    pub(super) fn vector_type(&self, shape: Shape) -> VectorType<'ctx> {
        match shape {
            Shape::F32x4 => self.types.f32.vec_type(4),
            Shape::F64x2 => self.types.f64.vec_type(2),
            _ => self.int_lane(shape).vec_type(shape.lanes()),
        }
    }

    /// The type of one lane.
    pub(super) fn lane_type(&self, shape: Shape) -> BasicTypeEnum<'ctx> {
        self.vector_type(shape).get_element_type()
    }

    /// The type of the bits of one lane.
    fn int_lane(&self, shape: Shape) -> inkwell::types::IntType<'ctx> {
        match shape {
            Shape::I8x16 => self.types.i8,
            Shape::I16x8 => self.types.i16,
            Shape::I32x4 | Shape::F32x4 => self.types.i32,
            Shape::I64x2 | Shape::F64x2 => self.types.i64,
        }
    }

    fn pair_as(
        &self,
        ty: VectorType<'ctx>,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> (VectorValue<'ctx>, VectorValue<'ctx>) {
        (self.lanes_as(a, ty), self.lanes_as(b, ty))
    }

    /// A vector as integers, of its own lanes if it has such. A comparison's result stays recognizable as a
    /// mask of whole lanes that way, and a bitwise operator on it as a blend.
    fn as_integers(&self, a: BasicValueEnum<'ctx>) -> VectorValue<'ctx> {
        let vector = a.into_vector_value();
        match vector.get_type().get_element_type() {
            BasicTypeEnum::IntType(_) => vector,
            _ => self.lanes_as(a, self.types.v128),
        }
    }

    // Building blocks, also for the other files.

    /// All lanes of one integer.
    pub(super) fn int_lanes(&self, ty: VectorType<'ctx>, value: i64) -> VectorValue<'ctx> {
        let lane = ty
            .get_element_type()
            .into_int_type()
            .const_int(value.cast_unsigned(), true);
        VectorType::const_vector(&vec![lane; to_usize(ty.get_size())])
    }

    /// All lanes of one value.
    fn spread(&self, ty: VectorType<'ctx>, lane: BasicValueEnum<'ctx>) -> VectorValue<'ctx> {
        let builder = self.builder;
        let poison = ty.get_poison();
        let first = builder
            .build_insert_element(poison, lane, self.const_i32(0), "")
            .built();
        let mask = self.types.i32.vec_type(ty.get_size()).const_zero();
        builder
            .build_shuffle_vector(first, poison, mask, "")
            .built()
    }

    /// The lanes of `a`, followed by those of `b`, that are named by their indices.
    pub(super) fn pick(
        &self,
        a: VectorValue<'ctx>,
        b: VectorValue<'ctx>,
        lanes: impl IntoIterator<Item = u32>,
    ) -> VectorValue<'ctx> {
        let lanes: Vec<_> = lanes
            .into_iter()
            .map(|lane| self.types.i32.const_int(u64::from(lane), false))
            .collect();
        let mask = VectorType::const_vector(&lanes);
        self.builder.build_shuffle_vector(a, b, mask, "").built()
    }

    /// As many integers of another width.
    pub(super) fn resized(
        &self,
        a: VectorValue<'ctx>,
        lane: inkwell::types::IntType<'ctx>,
        signed: bool,
    ) -> VectorValue<'ctx> {
        let ty = lane.vec_type(a.get_type().get_size());
        let from = a.get_type().get_element_type().into_int_type();
        if lane.get_bit_width() < from.get_bit_width() {
            self.builder.build_int_truncate(a, ty, "").built()
        } else if signed {
            self.builder.build_int_s_extend(a, ty, "").built()
        } else {
            self.builder.build_int_z_extend(a, ty, "").built()
        }
    }

    /// A comparison's result as WebAssembly has it: lanes of ones or of zeros.
    pub(super) fn as_mask(
        &self,
        shape: Shape,
        conditions: VectorValue<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.resized(conditions, self.int_lane(shape), true).into()
    }

    fn conditions(
        &self,
        predicate: IntPredicate,
        a: VectorValue<'ctx>,
        b: VectorValue<'ctx>,
    ) -> VectorValue<'ctx> {
        self.builder.build_int_compare(predicate, a, b, "").built()
    }

    // Lanes.

    /// A scalar as WebAssembly has it, as a lane.
    fn as_lane(&self, shape: Shape, scalar: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        match shape {
            Shape::I8x16 | Shape::I16x8 => self
                .builder
                .build_int_truncate(scalar.into_int_value(), self.int_lane(shape), "")
                .built()
                .into(),
            _ => scalar,
        }
    }

    pub(super) fn splat_lanes(
        &mut self,
        shape: Shape,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let lane = self.as_lane(shape, a);
        self.spread(self.vector_type(shape), lane).into()
    }

    pub(super) fn extract(
        &mut self,
        shape: Shape,
        lane: u8,
        signed: bool,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let a = self.lanes_as(a, self.vector_type(shape));
        let lane = builder
            .build_extract_element(a, self.const_i32(i32::from(lane)), "")
            .built();
        match (shape, signed) {
            (Shape::I8x16 | Shape::I16x8, true) => builder
                .build_int_s_extend(lane.into_int_value(), self.types.i32, "")
                .built()
                .into(),
            (Shape::I8x16 | Shape::I16x8, false) => builder
                .build_int_z_extend(lane.into_int_value(), self.types.i32, "")
                .built()
                .into(),
            _ => lane,
        }
    }

    pub(super) fn replace(
        &mut self,
        shape: Shape,
        lane: u8,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let a = self.lanes_as(a, self.vector_type(shape));
        let b = self.as_lane(shape, b);
        let lane = self.const_i32(i32::from(lane));
        self.builder
            .build_insert_element(a, b, lane, "")
            .built()
            .into()
    }

    pub(super) fn shuffle_bytes(
        &mut self,
        lanes: [u8; 16],
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let (a, b) = self.pair_as(self.types.v128, a, b);
        self.pick(a, b, lanes.map(u32::from)).into()
    }

    pub(super) fn swizzle_bytes(
        &mut self,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let (a, b) = self.pair_as(self.types.v128, a, b);
        self.bytes_at(a, b)
    }

    // Bits.

    pub(super) fn bitwise_not(&mut self, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        let a = self.as_integers(a);
        self.builder.build_not(a, "").built().into()
    }

    pub(super) fn bitwise(
        &mut self,
        op: VecBitwise,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let a = self.as_integers(a);
        let b = self.lanes_as(b, a.get_type());
        match op {
            VecBitwise::And => builder.build_and(a, b, ""),
            VecBitwise::Or => builder.build_or(a, b, ""),
            VecBitwise::Xor => builder.build_xor(a, b, ""),
            VecBitwise::AndNot => {
                let not = builder.build_not(b, "").built();
                builder.build_and(a, not, "")
            }
        }
        .built()
        .into()
    }

    pub(super) fn bitselect_bits(
        &mut self,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
        mask: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let mask = self.as_integers(mask);
        let (a, b) = self.pair_as(mask.get_type(), a, b);
        let others = builder.build_not(mask, "").built();
        let from_a = builder.build_and(a, mask, "").built();
        let from_b = builder.build_and(b, others, "").built();
        builder.build_or(from_a, from_b, "").built().into()
    }

    pub(super) fn test(&mut self, op: VecTest, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        let shape = match op {
            VecTest::AnyTrue => {
                let bits = self.bits_as(a, self.context.i128_type()).into_int_value();
                let zero = bits.get_type().const_zero();
                let any = self
                    .builder
                    .build_int_compare(IntPredicate::NE, bits, zero, "")
                    .built();
                return self.bool_to_i32(any);
            }
            VecTest::AllTrue(shape) | VecTest::Bitmask(shape) => shape,
        };
        let zero = self.int_lane(shape).vec_type(shape.lanes()).const_zero();
        let a = self.lanes_as(a, zero.get_type());
        if let VecTest::AllTrue(_) = op {
            let conditions = self.conditions(IntPredicate::NE, a, zero);
            let all = self.intrinsic1("llvm.vector.reduce.and", conditions.into());
            return self.bool_to_i32(all.into_int_value());
        }
        let signs = self.conditions(IntPredicate::SLT, a, zero);
        let bits = std::num::NonZeroU32::new(shape.lanes()).expect("a vector has lanes");
        let bits = self
            .context
            .custom_width_int_type(bits)
            .expect("LLVM has integers of as many bits as a vector has lanes");
        let bits = self.bits_as(signs, bits).into_int_value();
        self.bool_to_i32(bits)
    }

    // Integer lanes.

    pub(super) fn unary_lanes(
        &mut self,
        shape: Shape,
        op: LaneUnary,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let a = self.lanes_as(a, self.vector_type(shape));
        match op {
            LaneUnary::Abs => {
                // The least integer stays as it is.
                let least_is_defined = self.types.bool_.const_zero();
                self.intrinsic(
                    "llvm.abs",
                    &[a.get_type().into()],
                    &[a.into(), least_is_defined.into()],
                )
            }
            LaneUnary::Neg => self.builder.build_int_neg(a, "").built().into(),
            LaneUnary::Popcnt => self.intrinsic1("llvm.ctpop", a.into()),
        }
    }

    pub(super) fn binary_lanes(
        &mut self,
        shape: Shape,
        op: LaneBinary,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let (a, b) = self.pair_as(self.vector_type(shape), a, b);
        let intrinsic = match op {
            LaneBinary::Add => return builder.build_int_add(a, b, "").built().into(),
            LaneBinary::Sub => return builder.build_int_sub(a, b, "").built().into(),
            LaneBinary::Mul => return builder.build_int_mul(a, b, "").built().into(),
            LaneBinary::AvgrU => return self.rounded_average(shape, a, b),
            LaneBinary::Q15MulrSatS => return self.q15_product(a, b),
            LaneBinary::AddSatS => "llvm.sadd.sat",
            LaneBinary::AddSatU => "llvm.uadd.sat",
            LaneBinary::SubSatS => "llvm.ssub.sat",
            LaneBinary::SubSatU => "llvm.usub.sat",
            LaneBinary::MinS => "llvm.smin",
            LaneBinary::MinU => "llvm.umin",
            LaneBinary::MaxS => "llvm.smax",
            LaneBinary::MaxU => "llvm.umax",
        };
        self.intrinsic2(intrinsic, a.into(), b.into())
    }

    /// `(a + b + 1) / 2` of unsigned lanes, without overflow.
    fn rounded_average(
        &self,
        shape: Shape,
        a: VectorValue<'ctx>,
        b: VectorValue<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let wide = match shape {
            Shape::I8x16 => self.types.i16,
            _ => self.types.i32,
        };
        let (a, b) = (self.resized(a, wide, false), self.resized(b, wide, false));
        let one = self.int_lanes(a.get_type(), 1);
        let sum = builder.build_int_nuw_add(a, b, "").built();
        let sum = builder.build_int_nuw_add(sum, one, "").built();
        let half = builder.build_right_shift(sum, one, false, "").built();
        self.resized(half, self.int_lane(shape), false).into()
    }

    pub(super) fn shift_lanes(
        &mut self,
        shape: Shape,
        op: LaneShift,
        a: BasicValueEnum<'ctx>,
        amount: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let builder = self.builder;
        let a = self.lanes_as(a, self.vector_type(shape));
        let amount = self.shift_amount(shape, amount.into_int_value());
        let amounts = self.spread(a.get_type(), amount.into());
        match op {
            LaneShift::Shl => builder.build_left_shift(a, amounts, ""),
            LaneShift::ShrS => builder.build_right_shift(a, amounts, true, ""),
            LaneShift::ShrU => builder.build_right_shift(a, amounts, false, ""),
        }
        .built()
        .into()
    }

    /// An amount modulo the lane's width, as a lane. LLVM's shifts are undefined beyond the width.
    fn shift_amount(&self, shape: Shape, amount: IntValue<'ctx>) -> IntValue<'ctx> {
        let last = u64::from(shape.lane_bits() - 1);
        let last = self.types.i32.const_int(last, false);
        let amount = self.builder.build_and(amount, last, "").built();
        let lane = self.int_lane(shape);
        self.builder
            .build_int_cast_sign_flag(amount, lane, false, "")
            .built()
    }

    pub(super) fn compare_lanes(
        &mut self,
        shape: Shape,
        op: IntCompare,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let (a, b) = self.pair_as(self.vector_type(shape), a, b);
        let conditions = self.conditions(int_predicate(op), a, b);
        self.as_mask(shape, conditions)
    }

    // Operators for which LLVM has no generic form that gives good code: x86-64 with SSSE3, which every CPU that we run
    // on has.

    /// The bytes of `a` at the indices `b`, and 0 for an index that is out of range.
    fn bytes_at(&self, a: VectorValue<'ctx>, b: VectorValue<'ctx>) -> BasicValueEnum<'ctx> {
        // The instruction gives 0 where the index has its highest bit set and uses the lowest four bits
        // otherwise. Indices above 15 get that bit by this sum.
        let bias = self.int_lanes(b.get_type(), 0x70);
        let indices = self.intrinsic2("llvm.uadd.sat", b.into(), bias.into());
        let args = [a.into(), indices.into()];
        self.intrinsic("llvm.x86.ssse3.pshuf.b.128", &[], &args)
    }

    /// `(a * b + 0x4000) >> 15`, saturated.
    fn q15_product(&self, a: VectorValue<'ctx>, b: VectorValue<'ctx>) -> BasicValueEnum<'ctx> {
        let args = [a.into(), b.into()];
        let product = self
            .intrinsic("llvm.x86.ssse3.pmul.hr.sw.128", &[], &args)
            .into_vector_value();
        // The instruction doesn't saturate. Only -1 * -1 overflows, and nothing else gives this number.
        let overflow = self.int_lanes(product.get_type(), i64::from(i16::MIN));
        let overflows = self.conditions(IntPredicate::EQ, product, overflow);
        let ones = self.resized(overflows, self.types.i16, true);
        self.builder.build_xor(product, ones, "").built().into()
    }
}
