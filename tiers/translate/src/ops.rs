//! WebAssembly's numeric and memory operators, grouped by operation and type. A tier matches on a
//! group where the specification has dozens of operators of one shape.

use upshift_module::MemoryIndex;

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntType {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

/// A floating-point type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatType {
    /// binary32.
    F32,
    /// binary64.
    F64,
}

/// How a v128 is divided into lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Sixteen 8-bit integers.
    I8x16,
    /// Eight 16-bit integers.
    I16x8,
    /// Four 32-bit integers.
    I32x4,
    /// Two 64-bit integers.
    I64x2,
    /// Four binary32.
    F32x4,
    /// Two binary64.
    F64x2,
}

/// Integer operators with one operand, of the operand's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntUnary {
    /// Count leading zeros.
    Clz,
    /// Count trailing zeros.
    Ctz,
    /// Count ones.
    Popcnt,
    /// Sign-extend the low 8 bits.
    Extend8S,
    /// Sign-extend the low 16 bits.
    Extend16S,
    /// Sign-extend the low 32 bits (`i64` only).
    Extend32S,
}

/// Integer operators with two operands that cannot trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum IntBinary {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
    Shl,
    ShrS,
    ShrU,
    Rotl,
    Rotr,
}

/// Division and remainder: they trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum IntDivision {
    DivS,
    DivU,
    RemS,
    RemU,
}

/// Integer comparisons, of scalars and of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum IntCompare {
    Eq,
    Ne,
    LtS,
    LtU,
    GtS,
    GtU,
    LeS,
    LeU,
    GeS,
    GeU,
}

/// Floating-point comparisons, of scalars and of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum FloatCompare {
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
}

/// Floating-point operators with one operand, of scalars and of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum FloatUnary {
    Abs,
    Neg,
    Ceil,
    Floor,
    Trunc,
    Nearest,
    Sqrt,
}

/// Floating-point operators with two operands, of scalars and of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum FloatBinary {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    /// Scalars only.
    Copysign,
    /// Lanes only: `b < a ? b : a`.
    PMin,
    /// Lanes only: `a < b ? b : a`.
    PMax,
}

/// Conversions between scalar types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convert {
    /// `i32.wrap_i64`.
    Wrap,
    /// `i64.extend_i32_s` and `_u`.
    Extend {
        /// Whether the operand is signed.
        signed: bool,
    },
    /// `iNN.trunc_fMM_s|u`: traps on NaN and on overflow.
    Trunc {
        /// Operand type.
        from: FloatType,
        /// Result type.
        to: IntType,
        /// Whether the result is signed.
        signed: bool,
    },
    /// `iNN.trunc_sat_fMM_s|u`.
    TruncSat {
        /// Operand type.
        from: FloatType,
        /// Result type.
        to: IntType,
        /// Whether the result is signed.
        signed: bool,
    },
    /// `fNN.convert_iMM_s|u`.
    FromInt {
        /// Operand type.
        from: IntType,
        /// Result type.
        to: FloatType,
        /// Whether the operand is signed.
        signed: bool,
    },
    /// `f32.demote_f64`.
    Demote,
    /// `f64.promote_f32`.
    Promote,
    /// `iNN.reinterpret_fNN`.
    FloatToBits(FloatType),
    /// `fNN.reinterpret_iNN`.
    BitsToFloat(FloatType),
}

/// Operators on whole vectors of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum VecBitwise {
    And,
    AndNot,
    Or,
    Xor,
}

/// Integer lane operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum LaneUnary {
    Abs,
    Neg,
    /// `i8x16` only.
    Popcnt,
}

/// Integer lane operators with two operands of one shape, and a result of the same shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum LaneBinary {
    Add,
    Sub,
    Mul,
    AddSatS,
    AddSatU,
    SubSatS,
    SubSatU,
    MinS,
    MinU,
    MaxS,
    MaxU,
    AvgrU,
    /// `i16x8.q15mulr_sat_s`.
    Q15MulrSatS,
}

/// Lane shifts by a scalar `i32`, taken modulo the lane width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum LaneShift {
    Shl,
    ShrS,
    ShrU,
}

/// Which half of a vector's lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The lanes of low index.
    Low,
    /// The lanes of high index.
    High,
}

/// Lane conversions with one operand. `to` is the shape of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneConvert {
    /// `extend_low|high`: half of the lanes of half the width of `to`.
    Extend {
        /// Result shape.
        to: Shape,
        /// Which lanes.
        half: Half,
        /// Whether lanes are signed.
        signed: bool,
    },
    /// `extadd_pairwise`: sums of neighbouring lanes of half the width of `to`.
    ExtAddPairwise {
        /// Result shape.
        to: Shape,
        /// Whether lanes are signed.
        signed: bool,
    },
    /// `i32x4.trunc_sat_f32x4_s|u`.
    TruncSatF32x4 {
        /// Whether the result is signed.
        signed: bool,
    },
    /// `i32x4.trunc_sat_f64x2_s|u_zero`.
    TruncSatF64x2Zero {
        /// Whether the result is signed.
        signed: bool,
    },
    /// `f32x4.convert_i32x4_s|u`.
    ConvertI32x4ToF32x4 {
        /// Whether the operand is signed.
        signed: bool,
    },
    /// `f64x2.convert_low_i32x4_s|u`.
    ConvertLowI32x4ToF64x2 {
        /// Whether the operand is signed.
        signed: bool,
    },
    /// `f32x4.demote_f64x2_zero`.
    DemoteF64x2Zero,
    /// `f64x2.promote_low_f32x4`.
    PromoteLowF32x4,
}

/// Lane operators with two operands whose result has another shape. `to` is the shape of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneCombine {
    /// `narrow`: both operands' lanes, saturated to half the width.
    Narrow {
        /// Result shape.
        to: Shape,
        /// Whether results saturate as signed (operands always are).
        signed: bool,
    },
    /// `extmul_low|high`.
    ExtMul {
        /// Result shape.
        to: Shape,
        /// Which lanes.
        half: Half,
        /// Whether lanes are signed.
        signed: bool,
    },
    /// `i32x4.dot_i16x8_s`.
    DotI16x8,
}

/// Reductions of a vector to an `i32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VecTest {
    /// `v128.any_true`.
    AnyTrue,
    /// `all_true` of a shape.
    AllTrue(Shape),
    /// `bitmask` of a shape.
    Bitmask(Shape),
}

/// A load of a scalar or a whole vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadOp {
    /// `iNN.load`.
    Int(IntType),
    /// `iNN.loadBB_s|u`.
    IntNarrow {
        /// Result type.
        to: IntType,
        /// Bits read: 8, 16 or 32.
        bits: u8,
        /// Whether they are sign-extended.
        signed: bool,
    },
    /// `fNN.load`.
    Float(FloatType),
    /// `v128.load`.
    V128,
    /// `v128.loadBBxN_s|u`: 64 bits read, each lane extended to twice its width.
    Extend {
        /// Result shape.
        to: Shape,
        /// Whether lanes are signed.
        signed: bool,
    },
    /// `v128.loadBB_splat`: the shape says the width.
    Splat(Shape),
    /// `v128.load32_zero` and `load64_zero`.
    Zero {
        /// Bits read: 32 or 64.
        bits: u8,
    },
}

/// Bytes that so many bits take.
const fn bytes_of(bits: u8) -> u32 {
    // `From` is not `const`. Nothing is lost.
    bits as u32 / 8
}

impl LoadOp {
    /// How many bytes are read.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Int(IntType::I32) | Self::Float(FloatType::F32) => 4,
            Self::Int(IntType::I64) | Self::Float(FloatType::F64) | Self::Extend { .. } => 8,
            Self::IntNarrow { bits, .. } | Self::Zero { bits } => bytes_of(bits),
            Self::V128 => 16,
            Self::Splat(shape) => shape.lane_bits() / 8,
        }
    }
}

/// A store of a scalar or a whole vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOp {
    /// `iNN.store`.
    Int(IntType),
    /// `iNN.storeBB`.
    IntNarrow {
        /// Operand type.
        from: IntType,
        /// Bits written: 8, 16 or 32.
        bits: u8,
    },
    /// `fNN.store`.
    Float(FloatType),
    /// `v128.store`.
    V128,
}

impl StoreOp {
    /// How many bytes are written.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Int(IntType::I32) | Self::Float(FloatType::F32) => 4,
            Self::Int(IntType::I64) | Self::Float(FloatType::F64) => 8,
            Self::IntNarrow { bits, .. } => bytes_of(bits),
            Self::V128 => 16,
        }
    }
}

impl Shape {
    /// Bits of one lane.
    #[must_use]
    pub const fn lane_bits(self) -> u32 {
        128 / self.lanes()
    }

    /// How many lanes.
    #[must_use]
    pub const fn lanes(self) -> u32 {
        match self {
            Self::I8x16 => 16,
            Self::I16x8 => 8,
            Self::I32x4 | Self::F32x4 => 4,
            Self::I64x2 | Self::F64x2 => 2,
        }
    }
}

/// The immediate of an access to linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryAccess {
    /// Which memory.
    pub memory: MemoryIndex,
    /// Added to the address, without wrapping.
    pub offset: u32,
}
