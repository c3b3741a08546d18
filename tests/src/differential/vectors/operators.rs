//! The operators of vectors by the shape of their results, with the shapes that their operands are meant to have. To
//! WebAssembly all of them are `v128`.

use wasm_encoder::Instruction;

/// How a vector is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

/// An operator that takes one or two vectors and gives one.
pub(super) struct Operator {
    pub(super) instruction: Instruction<'static>,
    pub(super) operands: Shape,
    pub(super) is_binary: bool,
}

const fn unary(instruction: Instruction<'static>, operands: Shape) -> Operator {
    Operator {
        instruction,
        operands,
        is_binary: false,
    }
}

const fn binary(instruction: Instruction<'static>, operands: Shape) -> Operator {
    Operator {
        instruction,
        operands,
        is_binary: true,
    }
}

use Instruction as I;
use Shape::{F32, F64, I8, I16, I32, I64};

impl Shape {
    /// All of them.
    pub(super) const ALL: [Self; 6] = [I8, I16, I32, I64, F32, F64];

    /// The operators that give this shape.
    pub(super) fn operators(self) -> &'static [Operator] {
        match self {
            I8 => OF_I8,
            I16 => OF_I16,
            I32 => OF_I32,
            I64 => OF_I64,
            F32 => OF_F32,
            F64 => OF_F64,
        }
    }

    /// Shifts of this shape, by a number on the stack.
    pub(super) fn shifts(self) -> &'static [Instruction<'static>] {
        match self {
            I8 => &[I::I8x16Shl, I::I8x16ShrS, I::I8x16ShrU],
            I16 => &[I::I16x8Shl, I::I16x8ShrS, I::I16x8ShrU],
            I32 => &[I::I32x4Shl, I::I32x4ShrS, I::I32x4ShrU],
            I64 => &[I::I64x2Shl, I::I64x2ShrS, I::I64x2ShrU],
            F32 | F64 => &[],
        }
    }

    /// What makes a number of 32 bits of a vector of this shape.
    pub(super) fn tests(self) -> &'static [Instruction<'static>] {
        match self {
            I8 => &[I::I8x16Bitmask, I::I8x16AllTrue, I::V128AnyTrue],
            I16 => &[I::I16x8Bitmask, I::I16x8AllTrue, I::V128AnyTrue],
            I32 | F32 => &[I::I32x4Bitmask, I::I32x4AllTrue, I::V128AnyTrue],
            I64 | F64 => &[I::I64x2Bitmask, I::I64x2AllTrue, I::V128AnyTrue],
        }
    }

    /// The shape of masks that comparisons of this one give.
    pub(super) fn mask(self) -> Self {
        match self {
            F32 => I32,
            F64 => I64,
            whole => whole,
        }
    }
}

const OF_I8: &[Operator] = &[
    unary(I::I8x16Abs, I8),
    unary(I::I8x16Neg, I8),
    unary(I::I8x16Popcnt, I8),
    binary(I::I8x16Add, I8),
    binary(I::I8x16Sub, I8),
    binary(I::I8x16AddSatS, I8),
    binary(I::I8x16AddSatU, I8),
    binary(I::I8x16SubSatS, I8),
    binary(I::I8x16SubSatU, I8),
    binary(I::I8x16AvgrU, I8),
    binary(I::I8x16MinS, I8),
    binary(I::I8x16MinU, I8),
    binary(I::I8x16MaxS, I8),
    binary(I::I8x16MaxU, I8),
    binary(I::I8x16Eq, I8),
    binary(I::I8x16Ne, I8),
    binary(I::I8x16LtS, I8),
    binary(I::I8x16GtS, I8),
    binary(I::I8x16LeS, I8),
    binary(I::I8x16GeS, I8),
    binary(I::I8x16LtU, I8),
    binary(I::I8x16GtU, I8),
    binary(I::I8x16LeU, I8),
    binary(I::I8x16GeU, I8),
    binary(I::I8x16NarrowI16x8S, I16),
    binary(I::I8x16NarrowI16x8U, I16),
    binary(I::I8x16Swizzle, I8),
];

const OF_I16: &[Operator] = &[
    unary(I::I16x8Abs, I16),
    unary(I::I16x8Neg, I16),
    binary(I::I16x8Add, I16),
    binary(I::I16x8Sub, I16),
    binary(I::I16x8Mul, I16),
    binary(I::I16x8AddSatS, I16),
    binary(I::I16x8AddSatU, I16),
    binary(I::I16x8SubSatS, I16),
    binary(I::I16x8SubSatU, I16),
    binary(I::I16x8AvgrU, I16),
    binary(I::I16x8MinS, I16),
    binary(I::I16x8MinU, I16),
    binary(I::I16x8MaxS, I16),
    binary(I::I16x8MaxU, I16),
    binary(I::I16x8Q15MulrSatS, I16),
    binary(I::I16x8Eq, I16),
    binary(I::I16x8Ne, I16),
    binary(I::I16x8LtS, I16),
    binary(I::I16x8GtS, I16),
    binary(I::I16x8LeS, I16),
    binary(I::I16x8GeS, I16),
    binary(I::I16x8LtU, I16),
    binary(I::I16x8GtU, I16),
    binary(I::I16x8LeU, I16),
    binary(I::I16x8GeU, I16),
    binary(I::I16x8NarrowI32x4S, I32),
    binary(I::I16x8NarrowI32x4U, I32),
    unary(I::I16x8ExtendLowI8x16S, I8),
    binary(I::I16x8ExtMulLowI8x16S, I8),
    unary(I::I16x8ExtendLowI8x16U, I8),
    binary(I::I16x8ExtMulLowI8x16U, I8),
    unary(I::I16x8ExtendHighI8x16S, I8),
    binary(I::I16x8ExtMulHighI8x16S, I8),
    unary(I::I16x8ExtendHighI8x16U, I8),
    binary(I::I16x8ExtMulHighI8x16U, I8),
    unary(I::I16x8ExtAddPairwiseI8x16S, I8),
    unary(I::I16x8ExtAddPairwiseI8x16U, I8),
];

const OF_I32: &[Operator] = &[
    unary(I::I32x4Abs, I32),
    unary(I::I32x4Neg, I32),
    binary(I::I32x4Add, I32),
    binary(I::I32x4Sub, I32),
    binary(I::I32x4Mul, I32),
    binary(I::I32x4MinS, I32),
    binary(I::I32x4MinU, I32),
    binary(I::I32x4MaxS, I32),
    binary(I::I32x4MaxU, I32),
    binary(I::I32x4Eq, I32),
    binary(I::I32x4Ne, I32),
    binary(I::I32x4LtS, I32),
    binary(I::I32x4GtS, I32),
    binary(I::I32x4LeS, I32),
    binary(I::I32x4GeS, I32),
    binary(I::I32x4LtU, I32),
    binary(I::I32x4GtU, I32),
    binary(I::I32x4LeU, I32),
    binary(I::I32x4GeU, I32),
    binary(I::F32x4Eq, F32),
    binary(I::F32x4Ne, F32),
    binary(I::F32x4Lt, F32),
    binary(I::F32x4Gt, F32),
    binary(I::F32x4Le, F32),
    binary(I::F32x4Ge, F32),
    unary(I::I32x4ExtendLowI16x8S, I16),
    binary(I::I32x4ExtMulLowI16x8S, I16),
    unary(I::I32x4ExtendLowI16x8U, I16),
    binary(I::I32x4ExtMulLowI16x8U, I16),
    unary(I::I32x4ExtendHighI16x8S, I16),
    binary(I::I32x4ExtMulHighI16x8S, I16),
    unary(I::I32x4ExtendHighI16x8U, I16),
    binary(I::I32x4ExtMulHighI16x8U, I16),
    unary(I::I32x4ExtAddPairwiseI16x8S, I16),
    unary(I::I32x4ExtAddPairwiseI16x8U, I16),
    binary(I::I32x4DotI16x8S, I16),
    unary(I::I32x4TruncSatF32x4S, F32),
    unary(I::I32x4TruncSatF64x2SZero, F64),
    unary(I::I32x4TruncSatF32x4U, F32),
    unary(I::I32x4TruncSatF64x2UZero, F64),
];

const OF_I64: &[Operator] = &[
    unary(I::I64x2Abs, I64),
    unary(I::I64x2Neg, I64),
    binary(I::I64x2Add, I64),
    binary(I::I64x2Sub, I64),
    binary(I::I64x2Mul, I64),
    binary(I::I64x2Eq, I64),
    binary(I::I64x2Ne, I64),
    binary(I::I64x2LtS, I64),
    binary(I::I64x2GtS, I64),
    binary(I::I64x2LeS, I64),
    binary(I::I64x2GeS, I64),
    binary(I::F64x2Eq, F64),
    binary(I::F64x2Ne, F64),
    binary(I::F64x2Lt, F64),
    binary(I::F64x2Gt, F64),
    binary(I::F64x2Le, F64),
    binary(I::F64x2Ge, F64),
    unary(I::I64x2ExtendLowI32x4S, I32),
    binary(I::I64x2ExtMulLowI32x4S, I32),
    unary(I::I64x2ExtendLowI32x4U, I32),
    binary(I::I64x2ExtMulLowI32x4U, I32),
    unary(I::I64x2ExtendHighI32x4S, I32),
    binary(I::I64x2ExtMulHighI32x4S, I32),
    unary(I::I64x2ExtendHighI32x4U, I32),
    binary(I::I64x2ExtMulHighI32x4U, I32),
];

const OF_F32: &[Operator] = &[
    unary(I::F32x4Ceil, F32),
    unary(I::F32x4Floor, F32),
    unary(I::F32x4Trunc, F32),
    unary(I::F32x4Nearest, F32),
    unary(I::F32x4Abs, F32),
    unary(I::F32x4Neg, F32),
    unary(I::F32x4Sqrt, F32),
    binary(I::F32x4Add, F32),
    binary(I::F32x4Sub, F32),
    binary(I::F32x4Mul, F32),
    binary(I::F32x4Div, F32),
    binary(I::F32x4Min, F32),
    binary(I::F32x4Max, F32),
    binary(I::F32x4PMin, F32),
    binary(I::F32x4PMax, F32),
    unary(I::F32x4ConvertI32x4S, I32),
    unary(I::F32x4ConvertI32x4U, I32),
    unary(I::F32x4DemoteF64x2Zero, F64),
];

const OF_F64: &[Operator] = &[
    unary(I::F64x2Ceil, F64),
    unary(I::F64x2Floor, F64),
    unary(I::F64x2Trunc, F64),
    unary(I::F64x2Nearest, F64),
    unary(I::F64x2Abs, F64),
    unary(I::F64x2Neg, F64),
    unary(I::F64x2Sqrt, F64),
    binary(I::F64x2Add, F64),
    binary(I::F64x2Sub, F64),
    binary(I::F64x2Mul, F64),
    binary(I::F64x2Div, F64),
    binary(I::F64x2Min, F64),
    binary(I::F64x2Max, F64),
    binary(I::F64x2PMin, F64),
    binary(I::F64x2PMax, F64),
    unary(I::F64x2ConvertLowI32x4S, I32),
    unary(I::F64x2ConvertLowI32x4U, I32),
    unary(I::F64x2PromoteLowF32x4, F32),
];
