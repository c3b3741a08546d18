//! Operators that work lane by lane on vectors of one shape. Those that change the shape are in `lane_conversions`.

use upshift_module::{low_u8, low_u32, to_usize};
use upshift_translate::{
    FloatBinary, FloatCompare, FloatType, FloatUnary, IntCompare, LaneBinary, LaneShift, LaneUnary,
    Shape,
};

use super::floats::{DOWN, NEAREST, TOWARDS_ZERO, UP, sign_bit};
use super::state::{FLOAT_SCRATCH, FastEmitter, SCRATCH, Slot, packed};
use super::vectors::{lane_size, splat};
use crate::asm::{Width, Xmm, digit, op};

/// The instruction that compares lanes for equality.
pub(super) fn equal(shape: Shape) -> u32 {
    match lane_size(shape) {
        3 => op::PCMPEQQ,
        size => op::PCMPEQ + size,
    }
}

fn greater(shape: Shape) -> u32 {
    match lane_size(shape) {
        3 => op::PCMPGTQ,
        size => op::PCMPGT + size,
    }
}

/// The instruction for an operator, where there is one.
fn instruction(op: LaneBinary, shape: Shape) -> Option<u32> {
    use LaneBinary as B;
    // By lanes of 8, 16, 32 and 64 bits.
    let all = match op {
        B::Add => [op::PADDB, op::PADDW, op::PADDD, op::PADDQ],
        B::Sub => [op::PSUB, op::PSUB + 1, op::PSUB + 2, op::PSUB + 3],
        B::Mul => [0, op::PMULLW, op::PMULLD, 0],
        B::AddSatS => [0x0fec, 0x0fed, 0, 0],
        B::AddSatU => [op::PADDUSB, 0x0fdd, 0, 0],
        B::SubSatS => [0x0fe8, 0x0fe9, 0, 0],
        B::SubSatU => [0x0fd8, 0x0fd9, 0, 0],
        B::MinS => [0x0f_3838, 0x0fea, 0x0f_3839, 0],
        B::MinU => [0x0fda, 0x0f_383a, 0x0f_383b, 0],
        B::MaxS => [0x0f_383c, 0x0fee, op::PMAXSD, 0],
        B::MaxU => [0x0fde, 0x0f_383e, 0x0f_383f, 0],
        B::AvgrU => [0x0fe0, 0x0fe3, 0, 0],
        B::Q15MulrSatS => [0, op::PMULHRSW, 0, 0],
    };
    let opcode = all[to_usize(lane_size(shape))];
    (opcode != 0).then_some(opcode)
}

impl FastEmitter<'_> {
    // Integers.

    pub(super) fn unary_lanes(&mut self, shape: Shape, op: LaneUnary, a: Slot) -> Slot {
        let result = match op {
            LaneUnary::Abs if shape == Shape::I64x2 => {
                let result = self.own_xmm(a);
                self.clear(FLOAT_SCRATCH);
                let asm = &mut self.s.asm;
                // All ones where it is negative: turns bits around, and adds one.
                asm.vector(op::PCMPGTQ, FLOAT_SCRATCH, result);
                asm.vector(op::PXOR, result, FLOAT_SCRATCH);
                asm.vector(op::PSUB + 3, result, FLOAT_SCRATCH);
                result
            }
            LaneUnary::Abs => {
                let x = self.vector_rm(a);
                let result = self.free_xmm();
                self.s.asm.vector(op::PABS + lane_size(shape), result, x);
                result
            }
            LaneUnary::Neg => {
                let x = self.vector_rm(a);
                let result = self.free_xmm();
                self.clear(result);
                self.s.asm.vector(op::PSUB + lane_size(shape), result, x);
                result
            }
            LaneUnary::Popcnt => self.count_ones(a),
        };
        self.put(a, result)
    }

    /// Looks the halves of each byte up.
    fn count_ones(&mut self, a: Slot) -> Xmm {
        let high = self.own_xmm(a);
        let (low, result) = (self.free_xmm(), self.free_xmm());
        let half = self.behind(splat(Shape::I8x16, 15));
        let counts: [u8; 16] = std::array::from_fn(|i| low_u8(i.count_ones()));
        let counts = self.s.asm.constant(u128::from_le_bytes(counts));
        let asm = &mut self.s.asm;
        asm.float(0, op::MOVAPS, low, half);
        asm.float(0, op::MOVAPS, result, counts);
        asm.float(0, op::MOVAPS, FLOAT_SCRATCH, counts);
        asm.vector(op::PAND, low, high);
        asm.lane_shift_imm(op::PSHIFT + 1, digit::PSRL, high, 4);
        asm.vector(op::PAND, high, half);
        asm.vector(op::PSHUFB, result, low);
        asm.vector(op::PSHUFB, FLOAT_SCRATCH, high);
        asm.vector(op::PADDB, result, FLOAT_SCRATCH);
        result
    }

    pub(super) fn binary_lanes(&mut self, shape: Shape, op: LaneBinary, a: Slot, b: Slot) -> Slot {
        match (op, instruction(op, shape)) {
            (LaneBinary::Sub | LaneBinary::SubSatS | LaneBinary::SubSatU, Some(opcode)) => {
                self.vector_binary(opcode, a, b)
            }
            (LaneBinary::Q15MulrSatS, Some(opcode)) => {
                let result = self.own_xmm(a);
                let y = self.vector_rm(b);
                let least = self.behind(splat(Shape::I16x8, 0x8000));
                let asm = &mut self.s.asm;
                asm.vector(opcode, result, y);
                // 1.0 does not fit: it comes out as the least number, and all of its bits are wrong.
                asm.float(0, op::MOVAPS, FLOAT_SCRATCH, least);
                asm.vector(op::PCMPEQ + 1, FLOAT_SCRATCH, result);
                asm.vector(op::PXOR, result, FLOAT_SCRATCH);
                self.put(a.min(b), result)
            }
            (_, Some(opcode)) => self.vector_commutative(opcode, a, b),
            (LaneBinary::Mul, None) if shape == Shape::I64x2 => self.multiply_wide(a, b),
            // There are no other operators.
            (_, None) => self.give_up(),
        }
    }

    /// Both products of low and high halves, added and moved up, and the product of the low halves.
    fn multiply_wide(&mut self, a: Slot, b: Slot) -> Slot {
        let result = self.own_xmm(a);
        let y = self.xmm(b);
        let sum = self.free_xmm();
        let asm = &mut self.s.asm;
        let quad = op::PSHIFT + 3;
        asm.movaps(sum, result);
        asm.lane_shift_imm(quad, digit::PSRL, sum, 32);
        asm.vector(op::PMULUDQ, sum, y);
        asm.movaps(FLOAT_SCRATCH, y);
        asm.lane_shift_imm(quad, digit::PSRL, FLOAT_SCRATCH, 32);
        asm.vector(op::PMULUDQ, FLOAT_SCRATCH, result);
        asm.vector(op::PADDQ, sum, FLOAT_SCRATCH);
        asm.lane_shift_imm(quad, digit::PSLL, sum, 32);
        asm.vector(op::PMULUDQ, result, y);
        asm.vector(op::PADDQ, result, sum);
        self.put(a.min(b), result)
    }

    pub(super) fn compare_lanes(&mut self, shape: Shape, op: IntCompare, a: Slot, b: Slot) -> Slot {
        use IntCompare as C;
        let lowest = a.min(b);
        // `a >= b` if `a` is the larger one of both.
        let (opcode, a, b, is_not) = match op {
            C::Eq => return self.vector_commutative(equal(shape), a, b),
            C::GtS => return self.vector_binary(greater(shape), a, b),
            C::LtS => return self.vector_binary(greater(shape), b, a),
            C::Ne => (None, a, b, true),
            C::LeS if shape == Shape::I64x2 => (Some(None), a, b, true),
            C::GeS if shape == Shape::I64x2 => (Some(None), b, a, true),
            C::GeS => (Some(instruction(LaneBinary::MaxS, shape)), b, a, false),
            C::LeS => (Some(instruction(LaneBinary::MaxS, shape)), a, b, false),
            C::GeU => (Some(instruction(LaneBinary::MaxU, shape)), b, a, false),
            C::LeU => (Some(instruction(LaneBinary::MaxU, shape)), a, b, false),
            C::GtU => (Some(instruction(LaneBinary::MaxU, shape)), a, b, true),
            C::LtU => (Some(instruction(LaneBinary::MaxU, shape)), b, a, true),
        };
        let result = self.own_xmm(a);
        let y = self.vector_rm(b);
        let asm = &mut self.s.asm;
        match opcode {
            None => asm.vector(equal(shape), result, y),
            Some(None) => asm.vector(greater(shape), result, y),
            Some(Some(larger)) => {
                asm.vector(larger, result, y);
                asm.vector(equal(shape), result, y);
            }
        }
        if is_not {
            self.flip(result);
        }
        self.put(lowest, result)
    }

    // Shifts.

    pub(super) fn shift_lanes(&mut self, shape: Shape, op: LaneShift, a: Slot, b: Slot) -> Slot {
        let lowest = a.min(b);
        let mask = shape.lane_bits() - 1;
        let result = match self.constant(b) {
            Some(count) => {
                let count = low_u32(count) & mask;
                if count == 0 {
                    let x = self.xmm(a);
                    return self.put(lowest, x);
                }
                let result = self.own_xmm(a);
                self.shift_by_constant(shape, op, result, low_u8(count));
                result
            }
            None => {
                let result = self.own_xmm(a);
                let count = self.gpr(b);
                let more = [self.free_xmm(), self.free_xmm()];
                let asm = &mut self.s.asm;
                asm.mov(Width::W32, SCRATCH, count);
                asm.int_imm(Width::W32, digit::AND, SCRATCH, mask.cast_signed());
                self.shift_by_scratch(shape, op, result, more);
                result
            }
        };
        self.put(lowest, result)
    }

    fn shift_by_constant(&mut self, shape: Shape, op: LaneShift, result: Xmm, count: u8) {
        let digit = match op {
            LaneShift::Shl => digit::PSLL,
            LaneShift::ShrS => digit::PSRA,
            LaneShift::ShrU => digit::PSRL,
        };
        let words = op::PSHIFT + 1;
        match (shape, op) {
            (Shape::I8x16, LaneShift::ShrS) => {
                self.unpack_to_upper_halves(result);
                let asm = &mut self.s.asm;
                asm.lane_shift_imm(words, digit, result, count + 8);
                asm.lane_shift_imm(words, digit, FLOAT_SCRATCH, count + 8);
                asm.vector(op::PACKSSWB, result, FLOAT_SCRATCH);
            }
            (Shape::I8x16, _) => {
                // Bits from a neighbour go.
                let kept = if op == LaneShift::Shl {
                    u8::MAX << count
                } else {
                    u8::MAX >> count
                };
                let kept = self.behind(splat(shape, kept.into()));
                let asm = &mut self.s.asm;
                asm.lane_shift_imm(words, digit, result, count);
                asm.vector(op::PAND, result, kept);
            }
            (Shape::I64x2, LaneShift::ShrS) => {
                let sign = self.behind(splat(shape, 1 << (63 - count)));
                let asm = &mut self.s.asm;
                asm.lane_shift_imm(op::PSHIFT + 3, digit::PSRL, result, count);
                asm.vector(op::PXOR, result, sign);
                asm.vector(op::PSUB + 3, result, sign);
            }
            _ => {
                let opcode = op::PSHIFT + lane_size(shape);
                self.s.asm.lane_shift_imm(opcode, digit, result, count);
            }
        }
    }

    /// Each byte as the upper half of a word: the first ones in `register`, the others in the scratch register.
    fn unpack_to_upper_halves(&mut self, register: Xmm) {
        let asm = &mut self.s.asm;
        asm.movaps(FLOAT_SCRATCH, register);
        asm.vector(op::PUNPCKH, FLOAT_SCRATCH, FLOAT_SCRATCH);
        asm.vector(op::PUNPCKL, register, register);
    }

    /// Shifts by the number in the scratch register, with two more registers.
    fn shift_by_scratch(
        &mut self,
        shape: Shape,
        op: LaneShift,
        result: Xmm,
        [count, ones]: [Xmm; 2],
    ) {
        let opcode = match op {
            LaneShift::Shl => op::PSLL,
            LaneShift::ShrS => op::PSRA,
            LaneShift::ShrU => op::PSRL,
        };
        if shape == Shape::I8x16 {
            self.shift_bytes_by_scratch(op, opcode + 1, result, [count, ones]);
            return;
        }
        let asm = &mut self.s.asm;
        asm.mixed(0x66, Width::W32, op::MOVD, count.0, SCRATCH);
        if shape == Shape::I64x2 && op == LaneShift::ShrS {
            let sign = self.behind(splat(shape, 1 << 63));
            let asm = &mut self.s.asm;
            asm.float(0, op::MOVAPS, FLOAT_SCRATCH, sign);
            asm.vector(op::PSRL + 3, FLOAT_SCRATCH, count);
            asm.vector(op::PSRL + 3, result, count);
            asm.vector(op::PXOR, result, FLOAT_SCRATCH);
            asm.vector(op::PSUB + 3, result, FLOAT_SCRATCH);
        } else {
            asm.vector(opcode + lane_size(shape), result, count);
        }
    }

    fn shift_bytes_by_scratch(
        &mut self,
        op: LaneShift,
        opcode: u32,
        result: Xmm,
        [count, ones]: [Xmm; 2],
    ) {
        if op == LaneShift::ShrS {
            self.unpack_to_upper_halves(result);
            let asm = &mut self.s.asm;
            asm.int_imm(Width::W32, digit::ADD, SCRATCH, 8);
            asm.mixed(0x66, Width::W32, op::MOVD, count.0, SCRATCH);
            asm.vector(opcode, result, count);
            asm.vector(opcode, FLOAT_SCRATCH, count);
            asm.vector(op::PACKSSWB, result, FLOAT_SCRATCH);
            return;
        }
        // As many ones as a byte keeps bits, in each byte.
        let asm = &mut self.s.asm;
        asm.mixed(0x66, Width::W32, op::MOVD, count.0, SCRATCH);
        asm.int_imm(Width::W32, digit::ADD, SCRATCH, 8);
        asm.mixed(0x66, Width::W32, op::MOVD, FLOAT_SCRATCH.0, SCRATCH);
        asm.vector(op::PCMPEQ, ones, ones);
        asm.vector(op::PSRL + 1, ones, FLOAT_SCRATCH);
        asm.vector(op::PACKUSWB, ones, ones);
        if op == LaneShift::Shl {
            asm.vector(op::PAND, result, ones);
            asm.vector(opcode, result, count);
        } else {
            asm.vector(opcode, result, count);
            asm.vector(op::PAND, result, ones);
        }
    }

    // Floats.

    pub(super) fn unary_float_lanes(&mut self, ty: FloatType, op: FloatUnary, a: Slot) -> Slot {
        let mode = match op {
            FloatUnary::Abs | FloatUnary::Neg => {
                let result = self.own_xmm(a);
                let sign = sign_bit(ty);
                let (opcode, lane) = if op == FloatUnary::Abs {
                    (op::ANDP, sign - 1)
                } else {
                    (op::XORP, sign)
                };
                let mask = self.behind(splat(float_shape(ty), lane));
                self.s.asm.float(0, opcode, result, mask);
                return self.put(a, result);
            }
            FloatUnary::Sqrt => {
                let x = self.vector_rm(a);
                let result = self.free_xmm();
                self.s.asm.float(packed(ty), op::SQRT, result, x);
                return self.put(a, result);
            }
            FloatUnary::Ceil => UP,
            FloatUnary::Floor => DOWN,
            FloatUnary::Trunc => TOWARDS_ZERO,
            FloatUnary::Nearest => NEAREST,
        };
        let x = self.vector_rm(a);
        let result = self.free_xmm();
        let opcode = match ty {
            FloatType::F32 => op::ROUNDP,
            FloatType::F64 => op::ROUNDP + 1,
        };
        self.s.asm.vector_imm(opcode, result, x, mode);
        self.put(a, result)
    }

    pub(super) fn binary_float_lanes(
        &mut self,
        ty: FloatType,
        op: FloatBinary,
        a: Slot,
        b: Slot,
    ) -> Slot {
        let (opcode, a, b) = match op {
            FloatBinary::Add => (op::ADDF, a, b),
            FloatBinary::Sub => (op::SUBF, a, b),
            FloatBinary::Mul => (op::MULF, a, b),
            FloatBinary::Div => (op::DIVF, a, b),
            // Of operands that do not compare, and of zeros, the instructions give the second.
            FloatBinary::PMin => (op::MINF, b, a),
            FloatBinary::PMax => (op::MAXF, b, a),
            FloatBinary::Min => return self.extreme_lanes(ty, op::MINF, op::ORP, a, b),
            FloatBinary::Max => return self.extreme_lanes(ty, op::MAXF, op::ANDP, a, b),
            // Of scalars only.
            FloatBinary::Copysign => return self.give_up(),
        };
        let result = self.own_xmm(a);
        let y = self.vector_rm(b);
        self.s.asm.float(packed(ty), opcode, result, y);
        self.put(a.min(b), result)
    }

    /// `min` or `max`. With the operands in either order, the instruction gives the same except for zeros of both signs,
    /// of which `of_equal` makes the right one, and NaNs.
    fn extreme_lanes(
        &mut self,
        ty: FloatType,
        opcode: u32,
        of_equal: u32,
        a: Slot,
        b: Slot,
    ) -> Slot {
        const UNORDERED: u8 = 3;
        let (x, y) = (self.xmm(a), self.xmm(b));
        let (result, other) = (self.free_xmm(), self.free_xmm());
        let prefix = packed(ty);
        let asm = &mut self.s.asm;
        asm.movaps(other, x);
        asm.float(prefix, opcode, other, y);
        asm.movaps(FLOAT_SCRATCH, y);
        asm.float(prefix, opcode, FLOAT_SCRATCH, x);
        asm.float(0, of_equal, other, FLOAT_SCRATCH);
        // A sum is the first operand that is a NaN, quieted.
        let nan = FLOAT_SCRATCH;
        asm.movaps(nan, x);
        asm.float(prefix, op::ADDF, nan, y);
        asm.movaps(result, x);
        asm.float_imm(prefix, op::CMPP, result, y, UNORDERED);
        asm.float(0, op::ANDP, nan, result);
        asm.float(0, op::ANDNP, result, other);
        asm.float(0, op::ORP, result, nan);
        self.put(a.min(b), result)
    }

    pub(super) fn compare_float_lanes(
        &mut self,
        ty: FloatType,
        op: FloatCompare,
        a: Slot,
        b: Slot,
    ) -> Slot {
        let (condition, a, b) = match op {
            FloatCompare::Eq => (0, a, b),
            FloatCompare::Lt => (1, a, b),
            FloatCompare::Le => (2, a, b),
            FloatCompare::Ne => (4, a, b),
            FloatCompare::Gt => (1, b, a),
            FloatCompare::Ge => (2, b, a),
        };
        let result = self.own_xmm(a);
        let y = self.vector_rm(b);
        let asm = &mut self.s.asm;
        asm.float_imm(packed(ty), op::CMPP, result, y, condition);
        self.put(a.min(b), result)
    }
}

/// The shape of vectors of this type.
fn float_shape(ty: FloatType) -> Shape {
    match ty {
        FloatType::F32 => Shape::F32x4,
        FloatType::F64 => Shape::F64x2,
    }
}
