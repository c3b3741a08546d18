//! Which instructions compute with floats so that a NaN among their results is never a signalling one, and has bits that
//! the specification leaves open (clause 4.3.3). `neg`, `abs`, `copysign`, `pmin` and `pmax` are not among them: what they
//! do to bits is defined.

use wasm_encoder::Instruction;

/// The floats that an instruction results in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floats {
    F32,
    F64,
    F32x4,
    F64x2,
}

/// What an instruction of arithmetic results in.
pub(crate) fn result(instruction: &Instruction<'_>) -> Option<Floats> {
    use Instruction as I;
    Some(match instruction {
        I::F32Add | I::F32Sub | I::F32Mul | I::F32Div | I::F32Sqrt => Floats::F32,
        I::F32Min | I::F32Max => Floats::F32,
        I::F32Ceil | I::F32Floor | I::F32Trunc | I::F32Nearest => Floats::F32,
        I::F64Add | I::F64Sub | I::F64Mul | I::F64Div | I::F64Sqrt => Floats::F64,
        I::F64Min | I::F64Max => Floats::F64,
        I::F64Ceil | I::F64Floor | I::F64Trunc | I::F64Nearest => Floats::F64,
        I::F32x4Add | I::F32x4Sub | I::F32x4Mul | I::F32x4Div | I::F32x4Sqrt => Floats::F32x4,
        I::F32x4Min | I::F32x4Max => Floats::F32x4,
        I::F32x4Ceil | I::F32x4Floor | I::F32x4Trunc | I::F32x4Nearest => Floats::F32x4,
        I::F64x2Add | I::F64x2Sub | I::F64x2Mul | I::F64x2Div | I::F64x2Sqrt => Floats::F64x2,
        I::F64x2Min | I::F64x2Max => Floats::F64x2,
        I::F64x2Ceil | I::F64x2Floor | I::F64x2Trunc | I::F64x2Nearest => Floats::F64x2,
        other => return conversion(other),
    })
}

/// What an instruction that converts floats to floats results in.
pub(crate) fn conversion(instruction: &Instruction<'_>) -> Option<Floats> {
    Some(match instruction {
        Instruction::F32DemoteF64 => Floats::F32,
        Instruction::F64PromoteF32 => Floats::F64,
        Instruction::F32x4DemoteF64x2Zero => Floats::F32x4,
        Instruction::F64x2PromoteLowF32x4 => Floats::F64x2,
        _ => return None,
    })
}
