//! Opcodes of the form `reg = reg op r/m`, or as said.

#![allow(missing_docs, reason = "named as in the manual")]

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
