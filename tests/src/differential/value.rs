//! Values as both engines understand them: floats as bits, functions by the name under which they are exported,
//! host references by a number.

use std::fmt;

use upshift::ValType;

use super::Random;

/// A WebAssembly value of no particular engine. Equal means the same bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// `i32`
    I32(u32),
    /// `i64`
    I64(u64),
    /// `f32`, as bits.
    F32(u32),
    /// `f64`, as bits.
    F64(u64),
    /// `v128`
    V128(u128),
    /// `funcref`: null, or the name of an export.
    Func(Option<String>),
    /// `externref`: null, or the number in it.
    Extern(Option<u32>),
}

impl Value {
    /// Zero, or null.
    #[must_use]
    pub fn zero(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Self::I32(0),
            ValType::I64 => Self::I64(0),
            ValType::F32 => Self::F32(0),
            ValType::F64 => Self::F64(0),
            ValType::V128 => Self::V128(0),
            ValType::FuncRef => Self::Func(None),
            ValType::ExternRef => Self::Extern(None),
        }
    }

    /// A value that programs are likely to treat in a particular way, or any. Functions are of these names.
    pub fn random(ty: ValType, random: &mut Random, functions: &[String]) -> Self {
        match ty {
            ValType::I32 => Self::I32(integer(random) as u32),
            ValType::I64 => Self::I64(integer(random)),
            ValType::F32 => Self::F32(float32(random)),
            ValType::F64 => Self::F64(float64(random)),
            ValType::V128 => Self::V128(vector(random)),
            ValType::FuncRef if functions.is_empty() || random.once_in(2) => Self::Func(None),
            ValType::FuncRef => Self::Func(Some(functions[random.below(functions.len())].clone())),
            ValType::ExternRef if random.once_in(2) => Self::Extern(None),
            ValType::ExternRef => Self::Extern(Some(random.next_u64() as u32)),
        }
    }

    /// A number that tells values apart.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        match self {
            Self::I32(bits) | Self::F32(bits) => (*bits).into(),
            Self::I64(bits) | Self::F64(bits) => *bits,
            Self::V128(bits) => (bits ^ (bits >> 64)) as u64,
            // Host functions see whether it is null, and no more than that: names are the comparison's.
            Self::Func(function) => function.is_some().into(),
            Self::Extern(number) => number.map_or(0, |number| u64::from(number) + 1),
        }
    }
}

/// Small, at a border of some width, an address that most memories have, or anything.
fn integer(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => 0,
        1 => random.below(16) as u64,
        2 => (random.below(16) as u64).wrapping_neg(),
        3 | 4 => random.below(1 << 14) as u64,
        5 => {
            let border = 1_u64 << random.choose(&[7, 8, 15, 16, 31, 32, 63]);
            border.wrapping_sub(random.below(2) as u64)
        }
        _ => random.next_u64(),
    }
}

fn float64(random: &mut Random) -> u64 {
    const SPECIAL: [f64; 12] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        f64::MIN_POSITIVE,
        f64::MAX,
        2_147_483_648.0,
        -9_223_372_036_854_775_808.0,
    ];
    match random.below(4) {
        0 => random.choose(&SPECIAL).to_bits(),
        1 => (random.below(2_000_000) as f64 / 1000.0 - 1000.0).to_bits(),
        2 => (random.next_u64() as i64 as f64).to_bits(),
        _ => random.next_u64(),
    }
}

fn float32(random: &mut Random) -> u32 {
    match random.below(4) {
        0..=2 => (f64::from_bits(float64(random)) as f32).to_bits(),
        _ => random.next_u64() as u32,
    }
}

fn vector(random: &mut Random) -> u128 {
    let wide = |low: u64, high: u64| u128::from(high) << 64 | u128::from(low);
    match random.below(4) {
        0 => wide(integer(random), integer(random)),
        1 => wide(float64(random), float64(random)),
        2 => {
            let mut lanes = || u64::from(float32(random)) << 32 | u64::from(float32(random));
            wide(lanes(), lanes())
        }
        _ => wide(random.next_u64(), random.next_u64()),
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32(bits) => write!(f, "i32:{bits:#x}"),
            Self::I64(bits) => write!(f, "i64:{bits:#x}"),
            Self::F32(bits) => write!(f, "f32:{bits:#010x} ({})", f32::from_bits(*bits)),
            Self::F64(bits) => write!(f, "f64:{bits:#018x} ({})", f64::from_bits(*bits)),
            Self::V128(bits) => write!(f, "v128:{bits:#034x}"),
            Self::Func(None) => f.write_str("funcref:null"),
            Self::Func(Some(name)) => write!(f, "funcref:{name:?}"),
            Self::Extern(None) => f.write_str("externref:null"),
            Self::Extern(Some(number)) => write!(f, "externref:{number}"),
        }
    }
}
