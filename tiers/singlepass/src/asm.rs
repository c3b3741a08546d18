//! An assembler for the x86-64 instructions that this tier uses: bytes of one instruction after the other, and jumps
//! whose targets are filled in later.
//!
//! Operands and encodings are named as in Intel's Software Developer's Manual, volume 2: `reg` is the register of the
//! ModRM byte's `reg` field, `rm` the operand of its `r/m` field.

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
    pub const fn index(mut self, index: Gpr, scale: u8) -> Self {
        self.index = Some((index, scale));
        self
    }
}

/// What the `r/m` field stands for.
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

/// Opcodes of the form `reg = reg op r/m`, or as said.
#[allow(missing_docs, reason = "named as in the manual")]
pub mod op {
    pub const ADD: u32 = 0x03;
    pub const OR: u32 = 0x0b;
    pub const AND: u32 = 0x23;
    pub const SUB: u32 = 0x2b;
    pub const XOR: u32 = 0x33;
    pub const CMP: u32 = 0x3b;
    pub const MOV: u32 = 0x8b;
    /// `r/m = reg`.
    pub const STORE: u32 = 0x89;
    /// `r/m = reg`, 8 bits.
    pub const STORE8: u32 = 0x88;
    pub const TEST: u32 = 0x85;
    pub const LEA: u32 = 0x8d;
    pub const MOVSXD: u32 = 0x63;
    pub const IMUL: u32 = 0x0faf;
    pub const MOVZX8: u32 = 0x0fb6;
    pub const MOVZX16: u32 = 0x0fb7;
    pub const MOVSX8: u32 = 0x0fbe;
    pub const MOVSX16: u32 = 0x0fbf;
    pub const BSF: u32 = 0x0fbc;
    pub const BSR: u32 = 0x0fbd;
    /// With the prefix `f3`.
    pub const POPCNT: u32 = 0x0fb8;
    /// Plus the condition.
    pub const CMOV: u32 = 0x0f40;
    /// Plus the condition.
    pub const SET: u32 = 0x0f90;
    /// `f2` or `f3`: scalars; `66` or none: the whole register.
    pub const MOVF: u32 = 0x0f10;
    /// `r/m = reg`.
    pub const STOREF: u32 = 0x0f11;
    pub const MOVAPS: u32 = 0x0f28;
    pub const UCOMIS: u32 = 0x0f2e;
    pub const SQRT: u32 = 0x0f51;
    pub const ANDP: u32 = 0x0f54;
    pub const ANDNP: u32 = 0x0f55;
    pub const ORP: u32 = 0x0f56;
    pub const XORP: u32 = 0x0f57;
    pub const ADDF: u32 = 0x0f58;
    pub const MULF: u32 = 0x0f59;
    /// `f3`: single to double; `f2`: double to single.
    pub const CVTF: u32 = 0x0f5a;
    pub const SUBF: u32 = 0x0f5c;
    pub const MINF: u32 = 0x0f5d;
    pub const DIVF: u32 = 0x0f5e;
    pub const MAXF: u32 = 0x0f5f;
    /// Integer to float.
    pub const CVTSI2F: u32 = 0x0f2a;
    /// Float to integer, truncated.
    pub const CVTTF2SI: u32 = 0x0f2c;
    /// With `66`: general-purpose to vector register.
    pub const MOVD: u32 = 0x0f6e;
    /// With `66`: `r/m = reg`, vector to general-purpose register.
    pub const STORED: u32 = 0x0f7e;
    /// With `66` and an immediate.
    pub const ROUNDSS: u32 = 0x0f_3a0a;
    /// With `66` and an immediate.
    pub const ROUNDSD: u32 = 0x0f_3a0b;

    // Vectors: with `66`, if nothing else is said.

    pub const PSHUFB: u32 = 0x0f_3800;
    /// With an immediate; `f2`: `pshuflw`.
    pub const PSHUFD: u32 = 0x0f70;
    /// Without a prefix, with an immediate.
    pub const SHUFPS: u32 = 0x0fc6;
    pub const PALIGNR: u32 = 0x0f_3a0f;
    pub const PBLENDW: u32 = 0x0f_3a0e;
    /// `f2`.
    pub const MOVDDUP: u32 = 0x0f12;
    /// Without a prefix: the low half of a register into the high one.
    pub const MOVLHPS: u32 = 0x0f16;
    pub const INSERTPS: u32 = 0x0f_3a21;
    pub const PINSRB: u32 = 0x0f_3a20;
    pub const PINSRW: u32 = 0x0fc4;
    pub const PINSRD: u32 = 0x0f_3a22;
    /// To `r/m`, like the next ones.
    pub const PEXTRB: u32 = 0x0f_3a14;
    pub const PEXTRW: u32 = 0x0f_3a15;
    pub const PEXTRD: u32 = 0x0f_3a16;
    pub const PAND: u32 = 0x0fdb;
    pub const PANDN: u32 = 0x0fdf;
    pub const POR: u32 = 0x0feb;
    pub const PXOR: u32 = 0x0fef;
    pub const PTEST: u32 = 0x0f_3817;
    pub const PMOVMSKB: u32 = 0x0fd7;
    /// Without a prefix or with `66`.
    pub const MOVMSKP: u32 = 0x0f50;
    /// Plus log2 of a lane's bytes, except for 64 bits.
    pub const PCMPEQ: u32 = 0x0f74;
    pub const PCMPEQQ: u32 = 0x0f_3829;
    /// Plus log2 of a lane's bytes, except for 64 bits.
    pub const PCMPGT: u32 = 0x0f64;
    pub const PCMPGTQ: u32 = 0x0f_3837;
    /// Without a prefix or with `66`, with an immediate.
    pub const CMPP: u32 = 0x0fc2;
    /// Plus log2 of a lane's bytes, up to 32 bits.
    pub const PABS: u32 = 0x0f_381c;
    pub const PADDB: u32 = 0x0ffc;
    pub const PADDW: u32 = 0x0ffd;
    pub const PADDD: u32 = 0x0ffe;
    pub const PADDQ: u32 = 0x0fd4;
    /// Plus log2 of a lane's bytes.
    pub const PSUB: u32 = 0x0ff8;
    pub const PADDUSB: u32 = 0x0fdc;
    pub const PMULLW: u32 = 0x0fd5;
    pub const PMULHW: u32 = 0x0fe5;
    pub const PMULHUW: u32 = 0x0fe4;
    pub const PMULLD: u32 = 0x0f_3840;
    pub const PMULDQ: u32 = 0x0f_3828;
    pub const PMULUDQ: u32 = 0x0ff4;
    pub const PMULHRSW: u32 = 0x0f_380b;
    pub const PMADDWD: u32 = 0x0ff5;
    pub const PMADDUBSW: u32 = 0x0f_3804;
    pub const PMAXSD: u32 = 0x0f_383d;
    pub const PACKSSWB: u32 = 0x0f63;
    pub const PACKUSWB: u32 = 0x0f67;
    pub const PACKSSDW: u32 = 0x0f6b;
    pub const PACKUSDW: u32 = 0x0f_382b;
    /// Plus log2 of a lane's bytes, except for 64 bits.
    pub const PUNPCKL: u32 = 0x0f60;
    pub const PUNPCKLQDQ: u32 = 0x0f6c;
    /// Plus log2 of a lane's bytes, except for 64 bits.
    pub const PUNPCKH: u32 = 0x0f68;
    pub const PUNPCKHQDQ: u32 = 0x0f6d;
    /// From bytes to words; `+ 3` from words to 32 bits, `+ 5` from there to 64.
    pub const PMOVSXBW: u32 = 0x0f_3820;
    /// The same.
    pub const PMOVZXBW: u32 = 0x0f_3830;
    /// By a count in a register, plus log2 of a lane's bytes.
    pub const PSLL: u32 = 0x0ff0;
    /// The same.
    pub const PSRL: u32 = 0x0fd0;
    /// The same, up to 32 bits.
    pub const PSRA: u32 = 0x0fe0;
    /// By an immediate, plus log2 of a lane's bytes, and a digit.
    pub const PSHIFT: u32 = 0x0f70;
    /// With an immediate; plus 1: of doubles.
    pub const ROUNDP: u32 = 0x0f_3a08;
    /// Without a prefix: 32-bit integers to singles; `f3`: `CVTTPS2DQ`.
    pub const CVTDQ2PS: u32 = 0x0f5b;
    /// `f3`: 32-bit integers to doubles; `66`: doubles to 32-bit integers, truncated.
    pub const CVTDQ2PD: u32 = 0x0fe6;
}

/// Digits of opcodes that have one in the `reg` field.
#[allow(missing_docs, reason = "named as in the manual")]
pub mod digit {
    // Of 81 and 83.
    pub const ADD: u8 = 0;
    pub const OR: u8 = 1;
    pub const AND: u8 = 4;
    pub const SUB: u8 = 5;
    pub const XOR: u8 = 6;
    pub const CMP: u8 = 7;
    // Of C1 and D3.
    pub const ROL: u8 = 0;
    pub const ROR: u8 = 1;
    pub const SHL: u8 = 4;
    pub const SHR: u8 = 5;
    pub const SAR: u8 = 7;
    // Of vector shifts.
    pub const PSRL: u8 = 2;
    pub const PSRA: u8 = 4;
    pub const PSLL: u8 = 6;
    // Of F7.
    pub const DIV: u8 = 6;
    pub const IDIV: u8 = 7;
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
        self.code.len() as u32
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
            put((opcode >> 16) as u8);
        }
        if opcode > 0xff {
            put((opcode >> 8) as u8);
        }
        put(opcode as u8);
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
                    0x40 => put(displacement as u8),
                    _ => displacement.to_le_bytes().into_iter().for_each(put),
                }
            }
            Rm::Constant(constant) => {
                put(reg | 5);
                // From the end of the displacement, which is the instruction's if no immediate follows.
                (-4i32).to_le_bytes().into_iter().for_each(put);
                let position = self.code.len() + len - 4;
                self.uses.push((position as u32, constant));
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
            self.imm32(value as i32);
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
        let position = position as usize;
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
        Constant(index as u32)
    }

    /// What a constant is.
    pub fn bits_of(&self, constant: Constant) -> u128 {
        self.constants[constant.0 as usize]
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
            let at = position as usize;
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

    /// Calls what is at an address in memory.
    pub fn call_at(&mut self, place: Mem) {
        self.encode(0, Width::W32, 0xff, 2, place.into(), false);
    }

    /// Calls what is at the address in a register.
    pub fn call(&mut self, register: Gpr) {
        self.encode(0, Width::W32, 0xff, 2, register.into(), false);
    }

    /// Jumps to what is at an address in memory, or to the address in a register.
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
        self.code[jump.0 as usize] = distance as u8;
    }

    /// Space for a 32-bit number that is [filled in](Self::set_imm32) later.
    pub fn number(&mut self) -> u32 {
        self.imm32(0);
        self.position() - 4
    }
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter};

    use super::*;

    /// What a decoder reads in what `emit` wrote, one line for each instruction.
    fn decoded(emit: impl FnOnce(&mut Assembler)) -> String {
        let mut assembler = Assembler::default();
        emit(&mut assembler);
        assert!(!assembler.skipped_too_much());
        let mut lines = Vec::new();
        for instruction in Decoder::with_ip(64, assembler.code(), 0, DecoderOptions::NONE) {
            let mut line = String::new();
            GasFormatter::new().format(&instruction, &mut line);
            lines.push(line);
        }
        lines.join("\n")
    }

    #[test]
    fn every_base_and_displacement_is_written_as_it_is_read() {
        const NAMES: [&str; 16] = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11",
            "r12", "r13", "r14", "r15",
        ];
        for (number, name) in (0..).zip(NAMES) {
            for (displacement, text) in [
                (0, ""),
                (1, "1"),
                (127, "0x7F"),
                (-128, "-0x80"),
                (128, "0x80"),
                (-129, "-0x81"),
                (i32::MAX, "0x7FFFFFFF"),
            ] {
                let place = Mem::new(Gpr(number), displacement);
                let read = decoded(|asm| asm.load(Width::W64, Gpr::R10, place));
                assert_eq!(read, format!("mov {text}(%{name}),%r10"));
                if number == 4 {
                    // rsp is no index.
                    continue;
                }
                let place = Mem::new(Gpr::R14, displacement).index(Gpr(number), 3);
                let read = decoded(|asm| asm.load(Width::W32, Gpr::RAX, place));
                assert!(read.ends_with(&format!("(%r14,%{name},8),%eax")), "{read}");
            }
        }
    }

    #[test]
    fn low_bytes_are_those_of_the_registers_that_were_named() {
        let read = decoded(|asm| {
            asm.set(Flag::E, Gpr::RSI);
            asm.set(Flag::NE, Gpr::RAX);
            asm.set(Flag::P, Gpr::R9);
            asm.int8(Width::W32, op::MOVZX8, Gpr::RAX, Gpr::RDI);
            asm.int8(Width::W64, op::MOVSX8, Gpr::R8, Gpr::RBX);
            asm.store8(Mem::new(Gpr::RAX, 0), Gpr::RSI);
            asm.store8(Mem::new(Gpr::R8, 0), Gpr::RDX);
            asm.store16(Mem::new(Gpr::RAX, 0), Gpr::R9);
        });
        let expected = "sete %sil\nsetne %al\nsetp %r9b\nmovzbl %dil,%eax\nmovsbq %bl,%r8\n\
                        mov %sil,(%rax)\nmov %dl,(%r8)\nmov %r9w,(%rax)";
        assert_eq!(read, expected);
    }

    #[test]
    fn constants_take_the_shortest_form_that_holds_them() {
        let read = decoded(|asm| {
            for value in [0, 1, u64::from(u32::MAX), 1 << 32, u64::MAX, 1 << 63] {
                asm.mov_imm(Gpr::R9, value);
            }
            asm.mov_imm_keeping_flags(Gpr::RAX, 0);
            asm.int_imm(Width::W64, digit::ADD, Gpr::RAX, 127);
            asm.int_imm(Width::W32, digit::CMP, Gpr::R8, -128);
            asm.int_imm(Width::W32, digit::XOR, Gpr::RCX, 128);
            asm.imul_imm(Width::W64, Gpr::RDX, Gpr::R10, -3);
        });
        let expected = "xor %r9d,%r9d\nmov $1,%r9d\nmov $0xFFFFFFFF,%r9d\n\
                        movabs $0x100000000,%r9\nmov $0xFFFFFFFFFFFFFFFF,%r9\nmovabs $0x8000000000000000,%r9\n\
                        mov $0,%eax\nadd $0x7F,%rax\ncmp $0xFFFFFF80,%r8d\nxor $0x80,%ecx\n\
                        imul $0xFFFFFFFFFFFFFFFD,%r10,%rdx";
        assert_eq!(read, expected);
    }

    #[test]
    fn floats_have_their_prefixes_before_rex() {
        let read = decoded(|asm| {
            asm.float(0xf2, op::ADDF, Xmm(9), Xmm(2));
            asm.float(0xf3, op::MOVF, Xmm(1), Mem::new(Gpr::RSP, 8));
            asm.float(0x66, op::UCOMIS, Xmm(0), Xmm(15));
            asm.mixed(0xf2, Width::W64, op::CVTSI2F, 8, Gpr::R11);
            asm.mixed(0xf3, Width::W32, op::CVTTF2SI, Gpr::R10.0, Xmm(3));
            asm.mixed(0x66, Width::W64, op::MOVD, 15, Gpr::R11);
            asm.mixed(0x66, Width::W32, op::STORED, 7, Gpr::R8);
            asm.round(op::ROUNDSD, Xmm(8), Xmm(1), 9);
        });
        let expected = "addsd %xmm2,%xmm9\nmovss 8(%rsp),%xmm1\nucomisd %xmm15,%xmm0\n\
                        cvtsi2sd %r11,%xmm8\ncvttss2si %xmm3,%r10d\nmovq %r11,%xmm15\n\
                        movd %xmm7,%r8d\nroundsd $9,%xmm1,%xmm8";
        assert_eq!(read, expected);
    }

    #[test]
    fn constants_lie_aligned_behind_the_code() {
        let mut asm = Assembler::default();
        let (ones, twos) = (asm.constant(0x11), asm.constant(0x22));
        assert_eq!(asm.constant(0x11), ones);
        asm.vector(op::PADDB, Xmm(9), twos);
        asm.vector_imm(op::PSHUFD, Xmm(1), ones, 0x1b);
        asm.vector(op::PSHUFB, Xmm(1), ones);
        asm.place_constants();
        assert_eq!(asm.code().len(), 32 + 32);
        assert_eq!(asm.code()[32], 0x11);
        let mut decoder = Decoder::with_ip(64, asm.code(), 0, DecoderOptions::NONE);
        for place in [48, 32, 32] {
            assert_eq!(decoder.decode().ip_rel_memory_address(), place);
        }
    }

    #[test]
    fn jumps_go_where_they_are_linked_to() {
        let read = decoded(|asm| {
            let far = asm.jump_if(Flag::L);
            let near = asm.skip_if(Flag::A);
            asm.undefined();
            asm.end_skip(near);
            let back = asm.jump();
            asm.link(back, 6);
            asm.link_here(far);
            asm.leave_and_return();
        });
        let expected = "jl 0x000000000000000F\nja 0x000000000000000A\nud2\n\
                        jmp 6\nleave\nret";
        assert_eq!(read, expected);
    }

    #[test]
    fn a_short_jump_that_is_too_long_is_told() {
        let mut asm = Assembler::default();
        let jump = asm.skip();
        for _ in 0..64 {
            asm.undefined();
        }
        asm.end_skip(jump);
        assert!(asm.skipped_too_much());
        asm.clear();
        assert!(!asm.skipped_too_much());
    }
}
