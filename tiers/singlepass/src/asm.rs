//! An assembler for the x86-64 instructions that this tier uses: bytes of one instruction after the other, and jumps
//! whose targets are filled in later.
//!
//! Operands and encodings are named as in Intel's Software Developer's Manual, volume 2: `reg` is the register of the
//! ModRM byte's `reg` field, `rm` the operand of its `r/m` field.

pub mod digit;
pub mod index;
pub mod op;
#[cfg(test)]
mod tests;

use upshift_module::{low_u8, low_u32, to_u32, to_usize};

use index::Index;

/// A general-purpose register, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpr(pub u8);

/// A vector register, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xmm(pub u8);

#[allow(missing_docs, reason = "registers have names")]
impl Gpr {
    pub const RAX: Self = Self(0);
    pub const RCX: Self = Self(1);
    pub const RDX: Self = Self(2);
    pub const RBX: Self = Self(3);
    pub const RSP: Self = Self(4);
    pub const RBP: Self = Self(5);
    pub const RSI: Self = Self(6);
    pub const RDI: Self = Self(7);
    pub const R8: Self = Self(8);
    pub const R9: Self = Self(9);
    pub const R10: Self = Self(10);
    pub const R11: Self = Self(11);
    pub const R14: Self = Self(14);
}

/// An operand in memory: `base + index * 2^scale + displacement`.
#[derive(Clone, Copy, Debug)]
pub struct Mem {
    base: Gpr,
    index: Option<(Gpr, u8)>,
    displacement: i32,
}

impl Mem {
    /// `base + displacement`.
    pub const fn new(base: Gpr, displacement: i32) -> Self {
        Self {
            base,
            index: None,
            displacement,
        }
    }

    /// With `index * 2^scale` added.
    pub const fn index(mut self, index: Index, scale: u8) -> Self {
        self.index = Some((index.register(), scale));
        self
    }

    /// `a + b`, to be computed and not to be accessed.
    pub const fn sum(a: Gpr, b: Gpr) -> Self {
        Self {
            base: a,
            index: Some((b, 0)),
            displacement: 0,
        }
    }
}

/// The operand of the `r/m` field.
#[derive(Clone, Copy, Debug)]
pub enum Rm {
    /// A register of either kind.
    Reg(u8),
    /// Memory.
    Mem(Mem),
    /// A constant behind the code.
    Constant(Constant),
}

/// A vector behind the code, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant(u32);

impl From<Gpr> for Rm {
    fn from(register: Gpr) -> Self {
        Self::Reg(register.0)
    }
}

impl From<Xmm> for Rm {
    fn from(register: Xmm) -> Self {
        Self::Reg(register.0)
    }
}

impl From<Mem> for Rm {
    fn from(place: Mem) -> Self {
        Self::Mem(place)
    }
}

impl From<Constant> for Rm {
    fn from(constant: Constant) -> Self {
        Self::Constant(constant)
    }
}

/// How wide an integer operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 32 bits; the upper half of the result's register becomes zero.
    W32,
    /// 64 bits.
    W64,
}

/// A condition of the flags, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub u8);

#[allow(missing_docs, reason = "named as in the manual")]
impl Flag {
    pub const B: Self = Self(2);
    pub const AE: Self = Self(3);
    pub const E: Self = Self(4);
    pub const NE: Self = Self(5);
    pub const BE: Self = Self(6);
    pub const A: Self = Self(7);
    pub const S: Self = Self(8);
    pub const P: Self = Self(10);
    pub const NP: Self = Self(11);
    pub const L: Self = Self(12);
    pub const GE: Self = Self(13);
    pub const LE: Self = Self(14);
    pub const G: Self = Self(15);

    /// The opposite.
    pub const fn not(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// Where a jump's distance is to be filled in: 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct Jump(u32);

/// Where a short jump's distance is to be filled in: 8 bits.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ShortJump(u32);

/// How many of the last constants are looked at for one that is the same.
const SEARCHED_CONSTANTS: usize = 16;

/// Bytes of code.
#[derive(Default)]
pub struct Assembler {
    code: Vec<u8>,
    skipped_too_much: bool,
    constants: Vec<u128>,
    /// Where distances to constants are to be added.
    uses: Vec<(u32, Constant)>,
}

impl Assembler {
    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.code.clear();
        self.skipped_too_much = false;
        self.constants.clear();
        self.uses.clear();
    }

    /// Whether a short jump was asked to go further than it can. The code is of no use then.
    pub fn skipped_too_much(&self) -> bool {
        self.skipped_too_much
    }

    /// The code.
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// Where the next instruction will be.
    pub fn position(&self) -> u32 {
        // A function's code is far from 4 GiB: bodies are limited to less than 8 MB.
        to_u32(self.code.len())
    }

    /// An instruction with a ModRM byte: mandatory prefix (0: none), width, opcode of up to three bytes.
    #[inline]
    fn encode(&mut self, prefix: u8, width: Width, opcode: u32, reg: u8, rm: Rm, force_rex: bool) {
        let mut bytes = [0u8; 16];
        let mut len = 0;
        let mut put = |byte: u8| {
            bytes[len] = byte;
            len += 1;
        };
        if prefix != 0 {
            put(prefix);
        }
        let (x, b) = match rm {
            Rm::Reg(register) => (0, register >> 3),
            Rm::Mem(place) => (
                place.index.map_or(0, |(index, _)| index.0 >> 3),
                place.base.0 >> 3,
            ),
            Rm::Constant(_) => (0, 0),
        };
        let w = u8::from(width == Width::W64);
        let rex = 0x40 | w << 3 | (reg >> 3) << 2 | x << 1 | b;
        if rex != 0x40 || force_rex {
            put(rex);
        }
        if opcode > 0xffff {
            put(low_u8(opcode >> 16));
        }
        if opcode > 0xff {
            put(low_u8(opcode >> 8));
        }
        put(low_u8(opcode));
        let reg = (reg & 7) << 3;
        match rm {
            Rm::Reg(register) => put(0xc0 | reg | register & 7),
            Rm::Mem(place) => {
                let base = place.base.0 & 7;
                let displacement = place.displacement;
                // rbp and r13 as a base mean something else without a displacement.
                let mode = if displacement == 0 && base != 5 {
                    0
                } else if i8::try_from(displacement).is_ok() {
                    0x40
                } else {
                    0x80
                };
                match place.index {
                    Some((index, scale)) => {
                        put(mode | reg | 4);
                        put(scale << 6 | (index.0 & 7) << 3 | base);
                    }
                    // rsp and r12 as a base want the byte that an index has.
                    None if base == 4 => {
                        put(mode | reg | 4);
                        put(0x24);
                    }
                    None => put(mode | reg | base),
                }
                match mode {
                    0 => {}
                    0x40 => put(low_u8(displacement.cast_unsigned())),
                    _ => displacement.to_le_bytes().into_iter().for_each(put),
                }
            }
            Rm::Constant(constant) => {
                put(reg | 5);
                // From the end of the displacement, which is the instruction's if no immediate follows.
                (-4i32).to_le_bytes().into_iter().for_each(put);
                let position = self.code.len() + len - 4;
                self.uses.push((to_u32(position), constant));
            }
        }
        self.code.extend_from_slice(&bytes[..len]);
    }

    fn imm8(&mut self, value: u8) {
        self.code.push(value);
    }

    fn imm32(&mut self, value: i32) {
        self.code.extend_from_slice(&value.to_le_bytes());
    }

    // Integers.

    /// An instruction of the form `reg op r/m`.
    pub fn int(&mut self, width: Width, opcode: u32, reg: Gpr, rm: impl Into<Rm>) {
        self.encode(0, width, opcode, reg.0, rm.into(), false);
    }

    /// One whose `r/m` is an 8-bit register or place.
    pub fn int8(&mut self, width: Width, opcode: u32, reg: Gpr, rm: impl Into<Rm>) {
        let rm = rm.into();
        // Without the prefix, 4 to 7 would be ah, ch, dh and bh.
        let force = matches!(rm, Rm::Reg(register) if register >= 4);
        self.encode(0, width, opcode, reg.0, rm, force);
    }

    /// `popcnt`.
    pub fn popcnt(&mut self, width: Width, reg: Gpr, rm: Gpr) {
        self.encode(0xf3, width, op::POPCNT, reg.0, rm.into(), false);
    }

    /// Stores the low 8 bits.
    pub fn store8(&mut self, place: Mem, value: Gpr) {
        let force = value.0 >= 4;
        self.encode(0, Width::W32, op::STORE8, value.0, place.into(), force);
    }

    /// Stores the low 16 bits.
    pub fn store16(&mut self, place: Mem, value: Gpr) {
        self.encode(0x66, Width::W32, op::STORE, value.0, place.into(), false);
    }

    /// Stores a register.
    pub fn store(&mut self, width: Width, place: Mem, value: Gpr) {
        self.int(width, op::STORE, value, place);
    }

    /// Loads a register.
    pub fn load(&mut self, width: Width, register: Gpr, place: Mem) {
        self.int(width, op::MOV, register, place);
    }

    /// Copies a register.
    pub fn mov(&mut self, width: Width, to: Gpr, from: Gpr) {
        self.int(width, op::MOV, to, from);
    }

    /// A constant.
    pub fn mov_imm(&mut self, register: Gpr, value: u64) {
        if value == 0 {
            self.int(Width::W32, op::XOR, register, register);
        } else {
            self.mov_imm_keeping_flags(register, value);
        }
    }

    /// A constant, by an instruction that leaves the flags alone.
    pub fn mov_imm_keeping_flags(&mut self, register: Gpr, value: u64) {
        let rex = 0x40 | register.0 >> 3;
        if let Ok(value) = u32::try_from(value) {
            if rex != 0x40 {
                self.code.push(rex);
            }
            self.code.push(0xb8 | register.0 & 7);
            self.code.extend_from_slice(&value.to_le_bytes());
        } else if i32::try_from(value.cast_signed()).is_ok() {
            self.encode(0, Width::W64, 0xc7, 0, register.into(), false);
            self.imm32(low_u32(value).cast_signed());
        } else {
            self.code
                .extend_from_slice(&[rex | 8, 0xb8 | register.0 & 7]);
            self.code.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Stores a constant, sign-extended to 64 bits if that is the width.
    pub fn store_imm(&mut self, width: Width, place: Mem, value: i32) {
        self.encode(0, width, 0xc7, 0, place.into(), false);
        self.imm32(value);
    }

    /// `r/m op= constant`, by the operation's digit.
    pub fn int_imm(&mut self, width: Width, digit: u8, rm: impl Into<Rm>, value: i32) {
        match u8::try_from(value.rem_euclid(256)) {
            Ok(byte) if i32::from(byte.cast_signed()) == value => {
                self.encode(0, width, 0x83, digit, rm.into(), false);
                self.imm8(byte);
            }
            _ => _ = self.int_imm32(width, digit, rm, value),
        }
    }

    /// The same with a constant that can be [changed](Self::set_imm32).
    pub fn int_imm32(&mut self, width: Width, digit: u8, rm: impl Into<Rm>, value: i32) -> u32 {
        self.encode(0, width, 0x81, digit, rm.into(), false);
        self.imm32(value);
        self.position() - 4
    }

    /// Changes a constant.
    pub fn set_imm32(&mut self, position: u32, value: i32) {
        let position = to_usize(position);
        self.code[position..position + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// `reg = r/m * constant`.
    pub fn imul_imm(&mut self, width: Width, reg: Gpr, rm: Gpr, value: i32) {
        self.encode(0, width, 0x69, reg.0, rm.into(), false);
        self.imm32(value);
    }

    /// A shift or rotation by a constant, by the operation's digit.
    pub fn shift_imm(&mut self, width: Width, digit: u8, register: Gpr, count: u8) {
        self.encode(0, width, 0xc1, digit, register.into(), false);
        self.imm8(count);
    }

    /// A shift or rotation by `cl`.
    pub fn shift(&mut self, width: Width, digit: u8, register: Gpr) {
        self.encode(0, width, 0xd3, digit, register.into(), false);
    }

    /// `div` or `idiv` of `rdx:rax`.
    pub fn divide(&mut self, width: Width, digit: u8, divisor: Gpr) {
        self.encode(0, width, 0xf7, digit, divisor.into(), false);
    }

    /// `cdq` or `cqo`: the sign of `rax` into all of `rdx`.
    pub fn sign_of_rax(&mut self, width: Width) {
        if width == Width::W64 {
            self.code.push(0x48);
        }
        self.code.push(0x99);
    }

    /// Sets the low byte of a register to whether a condition holds.
    pub fn set(&mut self, flag: Flag, register: Gpr) {
        self.int8(Width::W32, op::SET + u32::from(flag.0), Gpr(0), register);
    }

    /// A conditional move.
    pub fn cmov(&mut self, width: Width, flag: Flag, to: Gpr, from: Gpr) {
        self.int(width, op::CMOV + u32::from(flag.0), to, from);
    }

    // Floats.

    /// An instruction on vector registers.
    pub fn float(&mut self, prefix: u8, opcode: u32, reg: Xmm, rm: impl Into<Rm>) {
        self.encode(prefix, Width::W32, opcode, reg.0, rm.into(), false);
    }

    /// One with a general-purpose register in the `reg` field (`cvttsd2si`), or in `r/m` (`cvtsi2sd`, `movq`).
    pub fn mixed(&mut self, prefix: u8, width: Width, opcode: u32, reg: u8, rm: impl Into<Rm>) {
        self.encode(prefix, width, opcode, reg, rm.into(), false);
    }

    /// Copies a vector register.
    pub fn movaps(&mut self, to: Xmm, from: Xmm) {
        self.float(0, op::MOVAPS, to, from);
    }

    /// `roundss` or `roundsd`.
    pub fn round(&mut self, opcode: u32, to: Xmm, from: Xmm, mode: u8) {
        self.vector_imm(opcode, to, from, mode);
    }

    // Vectors.

    /// An instruction on vectors with the prefix `66`.
    pub fn vector(&mut self, opcode: u32, reg: Xmm, rm: impl Into<Rm>) {
        self.float(0x66, opcode, reg, rm);
    }

    /// The same with an immediate.
    pub fn vector_imm(&mut self, opcode: u32, reg: Xmm, rm: impl Into<Rm>, immediate: u8) {
        self.float_imm(0x66, opcode, reg, rm, immediate);
    }

    /// An instruction on vector registers, with an immediate.
    pub fn float_imm(
        &mut self,
        prefix: u8,
        opcode: u32,
        reg: Xmm,
        rm: impl Into<Rm>,
        immediate: u8,
    ) {
        let rm = rm.into();
        self.float(prefix, opcode, reg, rm);
        if let Rm::Constant(_) = rm {
            let displacement = self.position() - 4;
            self.set_imm32(displacement, -5);
        }
        self.imm8(immediate);
    }

    /// A lane's way between a vector (`reg`) and a general-purpose register or memory, with the prefix `66`.
    pub fn lane(&mut self, width: Width, opcode: u32, reg: u8, rm: impl Into<Rm>, lane: u8) {
        self.mixed(0x66, width, opcode, reg, rm);
        self.imm8(lane);
    }

    /// A shift of a vector's lanes by a constant, by the opcode and its digit.
    pub fn lane_shift_imm(&mut self, opcode: u32, digit: u8, register: Xmm, count: u8) {
        self.encode(0x66, Width::W32, opcode, digit, register.into(), false);
        self.imm8(count);
    }

    /// A vector behind the code.
    pub fn constant(&mut self, bits: u128) -> Constant {
        let searched = self.constants.len().saturating_sub(SEARCHED_CONSTANTS);
        let found = self.constants[searched..].iter().position(|&c| c == bits);
        let index = found.map_or(self.constants.len(), |index| searched + index);
        if found.is_none() {
            self.constants.push(bits);
        }
        Constant(to_u32(index))
    }

    /// The bits of a constant.
    pub fn bits_of(&self, constant: Constant) -> u128 {
        self.constants[to_usize(constant.0)]
    }

    /// The constant of the instruction that ends here, if it has one. Not once constants are placed.
    pub fn constant_used_before(&self, end: u32) -> Option<u128> {
        // An immediate of one byte may follow.
        let is_its =
            |&&(position, _): &&(u32, Constant)| (4..=5).contains(&end.wrapping_sub(position));
        let (_, constant) = self.uses.iter().rev().find(is_its)?;
        Some(self.bits_of(*constant))
    }

    /// Writes the constants, at an address that they can be read from at once if the code begins at such an address.
    pub fn place_constants(&mut self) {
        if self.uses.is_empty() {
            return;
        }
        self.code.resize(self.code.len().next_multiple_of(16), 0xcc);
        let base = self.position();
        for bits in &self.constants {
            self.code.extend_from_slice(&bits.to_le_bytes());
        }
        for (position, constant) in std::mem::take(&mut self.uses) {
            let target = base + 16 * constant.0;
            let at = to_usize(position);
            let mut before = [0; 4];
            before.copy_from_slice(&self.code[at..at + 4]);
            let distance = target.wrapping_sub(position).cast_signed();
            self.set_imm32(position, i32::from_le_bytes(before) + distance);
        }
    }

    // Control.

    /// `push` of one of the first eight registers.
    pub fn push(&mut self, register: Gpr) {
        self.code.push(0x50 | register.0 & 7);
    }

    /// `leave`, `ret`.
    pub fn leave_and_return(&mut self) {
        self.code.extend_from_slice(&[0xc9, 0xc3]);
    }

    /// `ud2`.
    pub fn undefined(&mut self) {
        self.code.extend_from_slice(&[0x0f, 0x0b]);
    }

    /// `rep movsq`: copies `rcx` times 8 bytes from `[rsi]` to `[rdi]`, upwards.
    pub fn repeat_move(&mut self) {
        self.code.extend_from_slice(&[0xf3, 0x48, 0xa5]);
    }

    /// `rep stosq`: stores `rax` to `[rdi]` and upwards, `rcx` times.
    pub fn repeat_store(&mut self) {
        self.code.extend_from_slice(&[0xf3, 0x48, 0xab]);
    }

    /// Calls the address at a place in memory.
    pub fn call_at(&mut self, place: Mem) {
        self.encode(0, Width::W32, 0xff, 2, place.into(), false);
    }

    /// Calls the address in a register.
    pub fn call(&mut self, register: Gpr) {
        self.encode(0, Width::W32, 0xff, 2, register.into(), false);
    }

    /// Jumps to the address at a place in memory, or in a register.
    pub fn jump_at(&mut self, rm: impl Into<Rm>) {
        self.encode(0, Width::W32, 0xff, 4, rm.into(), false);
    }

    /// The address of something in this code, filled in like a jump's distance.
    pub fn lea_code(&mut self, register: Gpr) -> Jump {
        let rex = 0x48 | (register.0 >> 3) << 2;
        self.code
            .extend_from_slice(&[rex, 0x8d, 0x05 | (register.0 & 7) << 3]);
        self.imm32(0);
        Jump(self.position() - 4)
    }

    /// A jump.
    pub fn jump(&mut self) -> Jump {
        self.code.push(0xe9);
        self.imm32(0);
        Jump(self.position() - 4)
    }

    /// Puts a jump in place of the instruction that ends at `end` and has `len` bytes, five or more.
    pub fn jump_instead(&mut self, end: u32, len: u32) -> Jump {
        let (start, end) = (to_usize(end - len), to_usize(end));
        self.code[start] = 0xe9;
        self.code[start + 5..end].fill(0x90);
        Jump(to_u32(start) + 1)
    }

    /// A conditional jump.
    pub fn jump_if(&mut self, flag: Flag) -> Jump {
        self.code.extend_from_slice(&[0x0f, 0x80 | flag.0]);
        self.imm32(0);
        Jump(self.position() - 4)
    }

    /// Fills in where a jump goes.
    pub fn link(&mut self, jump: Jump, target: u32) {
        let distance = target.wrapping_sub(jump.0 + 4);
        self.set_imm32(jump.0, distance.cast_signed());
    }

    /// Has a jump go to the next instruction.
    pub fn link_here(&mut self, jump: Jump) {
        let target = self.position();
        self.link(jump, target);
    }

    /// A conditional jump over few instructions.
    pub fn skip_if(&mut self, flag: Flag) -> ShortJump {
        self.code.extend_from_slice(&[0x70 | flag.0, 0]);
        ShortJump(self.position() - 1)
    }

    /// A jump over few instructions.
    pub fn skip(&mut self) -> ShortJump {
        self.code.extend_from_slice(&[0xeb, 0]);
        ShortJump(self.position() - 1)
    }

    /// Has a short jump go to the next instruction.
    pub fn end_skip(&mut self, jump: ShortJump) {
        let distance = self.position() - jump.0 - 1;
        self.skipped_too_much |= distance > 127;
        self.code[to_usize(jump.0)] = low_u8(distance);
    }

    /// Space for a 32-bit number that is [filled in](Self::set_imm32) later.
    pub fn number(&mut self) -> u32 {
        self.imm32(0);
        self.position() - 4
    }
}
