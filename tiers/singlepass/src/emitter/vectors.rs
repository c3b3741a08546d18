//! Vectors as a whole: constants, lanes that come and go, shuffles, bits, tests, and memory. Operators lane by lane
//! are in `lanes`.

use upshift_module::ValType;
use upshift_runtime::TrapCode;
use upshift_translate::{LoadOp, MemoryAccess, Shape, VecBitwise, VecTest};

use super::state::{Comparison, FLOAT_SCRATCH, FastEmitter, Place, SCRATCH, Slot};
use crate::asm::{Flag, Gpr, Mem, Rm, Width, Xmm, op};

/// Added with saturation, it sets the highest bit of every index of 16 or more, and no other's.
const OUTSIDE_OF_16: u8 = 0x70;
/// An index that `pshufb` makes zero of.
const NO_LANE: u8 = 0x80;

/// log2 of the bytes of a lane.
pub(super) fn lane_size(shape: Shape) -> u32 {
    shape.lane_bits().trailing_zeros() - 3
}

/// A vector of equal lanes.
pub(super) fn splat(shape: Shape, lane: u64) -> u128 {
    let bits = shape.lane_bits();
    let lane = u128::from(lane) & ((1 << bits) - 1);
    (0..shape.lanes()).fold(0, |all, i| all | lane << (i * bits))
}

/// The lanes of 32 bits that a shuffle takes, if it takes no smaller ones.
fn words_of(lanes: [u8; 16]) -> Option<[u8; 4]> {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(lanes.as_chunks::<4>().0) {
        let first = bytes[0];
        let is_whole = first % 4 == 0 && (first..).zip(bytes).all(|(i, &byte)| i == byte);
        if !is_whole {
            return None;
        }
        *word = first / 4;
    }
    Some(words)
}

/// The immediate of `pshufd` and `shufps`.
fn word_order(words: [u8; 4]) -> u8 {
    (0..)
        .zip(words)
        .fold(0, |all, (i, word)| all | (word & 3) << (2 * i))
}

/// The instruction that takes the first lanes of one vector and of another in turns, or the last ones, if a shuffle
/// does that.
fn interleaving(lanes: [u8; 16]) -> Option<u32> {
    for log in 0..4 {
        let size = 1 << log;
        for (start, opcode) in [(0, op::PUNPCKL), (8, op::PUNPCKH)] {
            let fits = (0..16u8).zip(lanes).all(|(i, lane)| {
                let (number, byte) = (i / size, i % size);
                let other = if number % 2 == 1 { 16 } else { 0 };
                lane == start + number / 2 * size + byte + other
            });
            if fits {
                return Some(match (log, start) {
                    (3, 0) => op::PUNPCKLQDQ,
                    (3, _) => op::PUNPCKHQDQ,
                    _ => opcode + log,
                });
            }
        }
    }
    None
}

/// The immediate of `pblendw`, if a shuffle moves nothing to another place.
fn blending(lanes: [u8; 16]) -> Option<u8> {
    let in_place = (0..16u8).zip(lanes).all(|(i, lane)| lane % 16 == i);
    let words = lanes.as_chunks::<2>().0;
    let whole = words.iter().all(|[low, high]| (low ^ high) < 16);
    let mask = || {
        (0..)
            .zip(words)
            .fold(0, |all, (i, [low, _])| all | (low >> 4) << i)
    };
    (in_place && whole).then(mask)
}

/// The same shuffle with its operands exchanged.
fn exchanged(lanes: [u8; 16]) -> [u8; 16] {
    lanes.map(|lane| lane ^ 16)
}

impl FastEmitter<'_> {
    /// The result of an operator: a vector in a register.
    pub(super) fn put(&mut self, lowest: Slot, result: Xmm) -> Slot {
        self.replace(lowest, ValType::V128, Place::Xmm(result))
    }

    /// A vector behind the code, as an operand of an instruction.
    pub(super) fn behind(&mut self, bits: u128) -> Rm {
        self.s.asm.constant(bits).into()
    }

    pub(super) fn vector_const(&mut self, bits: u128) -> Slot {
        let constant = self.s.asm.constant(bits);
        self.push(ValType::V128, Place::Vector(constant))
    }

    /// `result = a op b`.
    pub(super) fn vector_binary(&mut self, opcode: u32, a: Slot, b: Slot) -> Slot {
        let result = self.own_xmm(a);
        let y = self.vector_rm(b);
        self.s.asm.vector(opcode, result, y);
        self.put(a.min(b), result)
    }

    /// The same where the operands can be exchanged.
    pub(super) fn vector_commutative(&mut self, opcode: u32, a: Slot, b: Slot) -> Slot {
        if !self.is_own(a) && self.is_own(b) {
            self.vector_binary(opcode, b, a)
        } else {
            self.vector_binary(opcode, a, b)
        }
    }

    /// Turns all bits around.
    pub(super) fn flip(&mut self, register: Xmm) {
        let asm = &mut self.s.asm;
        asm.vector(op::PCMPEQ, FLOAT_SCRATCH, FLOAT_SCRATCH);
        asm.vector(op::PXOR, register, FLOAT_SCRATCH);
    }

    pub(super) fn clear(&mut self, register: Xmm) {
        self.s.asm.float(0, op::XORP, register, register);
    }

    // Lanes.

    pub(super) fn splat_lanes(&mut self, shape: Shape, a: Slot) -> Slot {
        if let Some(bits) = self.constant(a) {
            let constant = self.s.asm.constant(splat(shape, bits));
            return self.replace(a, ValType::V128, Place::Vector(constant));
        }
        let result = match shape {
            Shape::F32x4 | Shape::F64x2 => {
                let x = self.xmm(a);
                let result = self.free_xmm();
                match shape {
                    Shape::F32x4 => self.s.asm.vector_imm(op::PSHUFD, result, x, 0),
                    _ => self.s.asm.float(0xf2, op::MOVDDUP, result, x),
                }
                result
            }
            _ => {
                let x = self.gpr(a);
                let result = self.free_xmm();
                self.splat_gpr(shape, x, result);
                result
            }
        };
        self.put(a, result)
    }

    fn splat_gpr(&mut self, shape: Shape, from: Gpr, result: Xmm) {
        let width = match shape {
            Shape::I64x2 => Width::W64,
            _ => Width::W32,
        };
        let asm = &mut self.s.asm;
        asm.mixed(0x66, width, op::MOVD, result.0, from);
        match shape {
            Shape::I8x16 => {
                self.clear(FLOAT_SCRATCH);
                self.s.asm.vector(op::PSHUFB, result, FLOAT_SCRATCH);
            }
            Shape::I16x8 => {
                asm.float_imm(0xf2, op::PSHUFD, result, result, 0);
                asm.vector_imm(op::PSHUFD, result, result, 0);
            }
            Shape::I64x2 => asm.vector(op::PUNPCKLQDQ, result, result),
            _ => asm.vector_imm(op::PSHUFD, result, result, 0),
        }
    }

    pub(super) fn extract(&mut self, shape: Shape, lane: u8, signed: bool, a: Slot) -> Slot {
        let x = self.xmm(a);
        if let Shape::F32x4 | Shape::F64x2 = shape {
            let (ty, words) = match shape {
                Shape::F32x4 => (ValType::F32, [lane; 4]),
                _ => (ValType::F64, [2, 3, 2, 3]),
            };
            // Of a scalar, only the lowest lane means anything.
            if lane == 0 {
                return self.replace(a, ty, Place::Xmm(x));
            }
            let result = self.free_xmm();
            let order = word_order(words);
            self.s.asm.vector_imm(op::PSHUFD, result, x, order);
            return self.replace(a, ty, Place::Xmm(result));
        }
        let result = self.free_gpr();
        let asm = &mut self.s.asm;
        let (width, opcode, ty) = match shape {
            Shape::I8x16 => (Width::W32, op::PEXTRB, ValType::I32),
            Shape::I16x8 => (Width::W32, op::PEXTRW, ValType::I32),
            Shape::I64x2 => (Width::W64, op::PEXTRD, ValType::I64),
            _ => (Width::W32, op::PEXTRD, ValType::I32),
        };
        if lane == 0 && opcode == op::PEXTRD {
            asm.mixed(0x66, width, op::STORED, x.0, result);
        } else {
            asm.lane(width, opcode, x.0, result, lane);
        }
        match shape {
            Shape::I8x16 if signed => asm.int8(Width::W32, op::MOVSX8, result, result),
            Shape::I16x8 if signed => asm.int(Width::W32, op::MOVSX16, result, result),
            _ => {}
        }
        self.replace(a, ty, Place::Gpr(result))
    }

    pub(super) fn insert(&mut self, shape: Shape, lane: u8, a: Slot, b: Slot) -> Slot {
        let result = self.own_xmm(a);
        match shape {
            Shape::F32x4 => {
                let y = self.xmm(b);
                self.s.asm.vector_imm(op::INSERTPS, result, y, lane << 4);
            }
            Shape::F64x2 => {
                let y = self.xmm(b);
                match lane {
                    0 => self.s.asm.float(0xf2, op::MOVF, result, y),
                    _ => self.s.asm.float(0, op::MOVLHPS, result, y),
                }
            }
            _ => {
                let y = self.gpr(b);
                self.insert_int(shape, lane, result, y);
            }
        }
        self.put(a.min(b), result)
    }

    fn insert_int(&mut self, shape: Shape, lane: u8, result: Xmm, from: impl Into<Rm>) {
        let (width, opcode) = match shape {
            Shape::I8x16 => (Width::W32, op::PINSRB),
            Shape::I16x8 => (Width::W32, op::PINSRW),
            Shape::I64x2 | Shape::F64x2 => (Width::W64, op::PINSRD),
            Shape::I32x4 | Shape::F32x4 => (Width::W32, op::PINSRD),
        };
        self.s.asm.lane(width, opcode, result.0, from, lane);
    }

    // Shuffles.

    pub(super) fn shuffle_bytes(&mut self, lanes: [u8; 16], a: Slot, b: Slot) -> Slot {
        let lowest = a.min(b);
        let is_same =
            matches!(self.place_of(a), Place::Xmm(_)) && self.place_of(a) == self.place_of(b);
        let result = if is_same || lanes.iter().all(|&lane| lane < 16) {
            self.shuffle_one(lanes.map(|lane| lane & 15), a)
        } else if lanes.iter().all(|&lane| lane >= 16) {
            self.shuffle_one(lanes.map(|lane| lane & 15), b)
        } else if let Some(result) = self.shuffle_at_once(lanes, a, b) {
            result
        } else if let Some(result) = self.shuffle_at_once(exchanged(lanes), b, a) {
            result
        } else {
            self.shuffle_two(lanes, a, b)
        };
        self.put(lowest, result)
    }

    /// A shuffle of a single vector.
    fn shuffle_one(&mut self, lanes: [u8; 16], a: Slot) -> Xmm {
        if let Some(words) = words_of(lanes) {
            let x = self.vector_rm(a);
            let result = self.free_xmm();
            let order = word_order(words);
            self.s.asm.vector_imm(op::PSHUFD, result, x, order);
            return result;
        }
        let result = self.own_xmm(a);
        let order = self.behind(u128::from_le_bytes(lanes));
        self.s.asm.vector(op::PSHUFB, result, order);
        result
    }

    /// A shuffle that is a single instruction.
    fn shuffle_at_once(&mut self, lanes: [u8; 16], a: Slot, b: Slot) -> Option<Xmm> {
        if let Some(opcode) = interleaving(lanes) {
            let result = self.own_xmm(a);
            let y = self.vector_rm(b);
            self.s.asm.vector(opcode, result, y);
            return Some(result);
        }
        if let Some(mask) = blending(lanes) {
            let result = self.own_xmm(a);
            let y = self.vector_rm(b);
            self.s.asm.vector_imm(op::PBLENDW, result, y, mask);
            return Some(result);
        }
        if let Some(words @ [0..4, 0..4, 4..8, 4..8]) = words_of(lanes) {
            let result = self.own_xmm(a);
            let y = self.vector_rm(b);
            let order = word_order(words);
            self.s.asm.float_imm(0, op::SHUFPS, result, y, order);
            return Some(result);
        }
        let first = lanes[0];
        if first < 16 && (first..).zip(lanes).all(|(i, lane)| i == lane) {
            let result = self.own_xmm(b);
            let x = self.vector_rm(a);
            self.s.asm.vector_imm(op::PALIGNR, result, x, first);
            return Some(result);
        }
        None
    }

    fn shuffle_two(&mut self, lanes: [u8; 16], a: Slot, b: Slot) -> Xmm {
        let of = |lanes: [u8; 16]| {
            let order = lanes.map(|lane| if lane < 16 { lane } else { NO_LANE });
            u128::from_le_bytes(order)
        };
        let (x, y) = (self.own_xmm(a), self.own_xmm(b));
        let (of_a, of_b) = (self.behind(of(lanes)), self.behind(of(exchanged(lanes))));
        let asm = &mut self.s.asm;
        asm.vector(op::PSHUFB, x, of_a);
        asm.vector(op::PSHUFB, y, of_b);
        asm.vector(op::POR, x, y);
        x
    }

    pub(super) fn swizzle_bytes(&mut self, a: Slot, b: Slot) -> Slot {
        let order = self.own_xmm(b);
        let result = self.own_xmm(a);
        let outside = self.behind(splat(Shape::I8x16, OUTSIDE_OF_16.into()));
        let asm = &mut self.s.asm;
        asm.vector(op::PADDUSB, order, outside);
        asm.vector(op::PSHUFB, result, order);
        self.put(a.min(b), result)
    }

    // Bits.

    pub(super) fn not_vector(&mut self, a: Slot) -> Slot {
        let result = self.own_xmm(a);
        self.flip(result);
        self.put(a, result)
    }

    pub(super) fn bitwise_vector(&mut self, op: VecBitwise, a: Slot, b: Slot) -> Slot {
        match op {
            VecBitwise::And => self.vector_commutative(op::PAND, a, b),
            VecBitwise::Or => self.vector_commutative(op::POR, a, b),
            VecBitwise::Xor => self.vector_commutative(op::PXOR, a, b),
            VecBitwise::AndNot => self.vector_binary(op::PANDN, b, a),
        }
    }

    /// `((a ^ b) & mask) ^ b`.
    pub(super) fn select_bits(&mut self, a: Slot, b: Slot, mask: Slot) -> Slot {
        let result = self.own_xmm(a);
        let (y, mask_bits) = (self.vector_rm(b), self.vector_rm(mask));
        let asm = &mut self.s.asm;
        asm.vector(op::PXOR, result, y);
        asm.vector(op::PAND, result, mask_bits);
        asm.vector(op::PXOR, result, y);
        self.put(a.min(b).min(mask), result)
    }

    pub(super) fn test_vector(&mut self, op: VecTest, a: Slot) -> Slot {
        let x = self.xmm(a);
        let (flag, tested) = match op {
            VecTest::AnyTrue => (Flag::NE, x),
            VecTest::AllTrue(shape) => {
                // A zero becomes all ones.
                let zeros = self.free_xmm();
                self.clear(zeros);
                let opcode = super::lanes::equal(shape);
                self.s.asm.vector(opcode, zeros, x);
                (Flag::E, zeros)
            }
            VecTest::Bitmask(shape) => return self.sign_bits(shape, a, x),
        };
        let comparison = Comparison::Vector { flag, a: tested };
        self.replace(a, ValType::I32, Place::Comparison(comparison))
    }

    fn sign_bits(&mut self, shape: Shape, a: Slot, x: Xmm) -> Slot {
        let result = self.free_gpr();
        let asm = &mut self.s.asm;
        let (prefix, opcode, from) = match shape {
            Shape::I8x16 => (0x66, op::PMOVMSKB, x),
            Shape::I16x8 => {
                self.clear(FLOAT_SCRATCH);
                let asm = &mut self.s.asm;
                // The zeros come first, so that the signs end in the upper half.
                asm.vector(op::PACKSSWB, FLOAT_SCRATCH, x);
                asm.mixed(0x66, Width::W32, op::PMOVMSKB, result.0, FLOAT_SCRATCH);
                asm.shift_imm(Width::W32, crate::asm::digit::SHR, result, 8);
                return self.replace(a, ValType::I32, Place::Gpr(result));
            }
            Shape::I32x4 | Shape::F32x4 => (0, op::MOVMSKP, x),
            Shape::I64x2 | Shape::F64x2 => (0x66, op::MOVMSKP, x),
        };
        asm.mixed(prefix, Width::W32, opcode, result.0, from);
        self.replace(a, ValType::I32, Place::Gpr(result))
    }

    // Memory.

    /// Loads a vector; the first instruction may trap.
    pub(super) fn read_vector(&mut self, op: LoadOp, result: Xmm, from: Mem) {
        let asm = &mut self.s.asm;
        match op {
            LoadOp::Extend { to, signed } => {
                let opcode = super::lane_conversions::extension(to, signed);
                asm.vector(opcode, result, from);
            }
            LoadOp::Splat(Shape::I8x16) => {
                asm.int8(Width::W32, op::MOVZX8, SCRATCH, from);
                self.splat_gpr(Shape::I8x16, SCRATCH, result);
            }
            LoadOp::Splat(Shape::I16x8) => {
                asm.int(Width::W32, op::MOVZX16, SCRATCH, from);
                self.splat_gpr(Shape::I16x8, SCRATCH, result);
            }
            LoadOp::Splat(Shape::I32x4 | Shape::F32x4) => {
                asm.float(0xf3, op::MOVF, result, from);
                asm.vector_imm(op::PSHUFD, result, result, 0);
            }
            LoadOp::Splat(Shape::I64x2 | Shape::F64x2) => {
                asm.float(0xf2, op::MOVDDUP, result, from);
            }
            // Lanes that are not loaded become zero.
            LoadOp::Zero { bits: 32 } => asm.float(0xf3, op::MOVF, result, from),
            LoadOp::Zero { .. } => asm.float(0xf2, op::MOVF, result, from),
            _ => asm.float(0, op::MOVF, result, from),
        }
    }

    pub(super) fn read_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Slot,
        vector: Slot,
    ) -> Slot {
        let result = self.own_xmm(vector);
        let from = self.address(access, shape.lane_bits() / 8, address);
        self.may_trap(TrapCode::MemoryOutOfBounds);
        self.insert_int(shape, lane, result, from);
        self.put(address.min(vector), result)
    }

    pub(super) fn write_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Slot,
        vector: Slot,
    ) {
        let x = self.xmm(vector);
        let to = self.address(access, shape.lane_bits() / 8, address);
        self.may_trap(TrapCode::MemoryOutOfBounds);
        let (width, opcode) = match shape {
            Shape::I8x16 => (Width::W32, op::PEXTRB),
            Shape::I16x8 => (Width::W32, op::PEXTRW),
            Shape::I32x4 | Shape::F32x4 => (Width::W32, op::PEXTRD),
            Shape::I64x2 | Shape::F64x2 => (Width::W64, op::PEXTRD),
        };
        self.s.asm.lane(width, opcode, x.0, to, lane);
    }
}
