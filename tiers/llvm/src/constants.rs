//! Constants, and types of floats: which bits the lanes of a constant have, NaNs among them, and which constant the processor
//! would have made of arithmetic where LLVM made one.
//!
//! What [`folded`] makes of constants, as `tests/passes/quieting/release` shows:
//!
//! ```text
//! 0x7FF8000000000000   ->   0xFFF8000000000000      LLVM's NaN, which is positive; the processor's is negative
//! 0x7FF0000000000001   ->   0x7FF8000000000001      a signalling NaN, which the processor quiets
//! 1.0                  ->   1.0
//! ```
//!
//! Condition: arithmetic made the constant. Its results are the processor's default NaN (`0xFFF8000000000000`) where no
//! operand is a NaN, and a quieted operand otherwise.

use upshift_module::to_usize;

use inkwell::llvm_sys::LLVMOpcode;
use inkwell::llvm_sys::core::{
    LLVMConstBitCast, LLVMGetAggregateElement, LLVMGetConstOpcode, LLVMGetOperand,
    LLVMIsAConstantExpr, LLVMIsConstant,
};
use inkwell::types::{AsTypeRef, BasicTypeEnum, FloatType, VectorType};
use inkwell::values::{AnyValue, AsValueRef, BasicValueEnum, IntValue};

/// Whether a value is a constant for LLVM's builder, which folds operators of constants only. [`words`] can't read all of them:
/// some stay expressions until passes know the order of bytes.
pub(crate) fn is_constant(value: BasicValueEnum<'_>) -> bool {
    // SAFETY: the value is alive.
    unsafe { LLVMIsConstant(value.as_value_ref()) != 0 }
}

/// For each lane of a constant, its bits if they are those of a NaN; nothing for a value without such a lane. Lanes are floats, or
/// integers as wide as floats.
pub(crate) fn nans(value: BasicValueEnum<'_>) -> Option<Vec<Option<u64>>> {
    let words = words(value)?;
    let (lane, _) = lanes_of(value.get_type());
    let single = |bits: u32| f32::from_bits(bits).is_nan().then_some(u64::from(bits));
    let double = |bits: u64| f64::from_bits(bits).is_nan().then_some(bits);
    let lanes: Vec<_> = match bits_of(lane)? {
        32 => words.into_iter().map(single).collect(),
        64 => doubles(&words).map(double).collect(),
        _ => return None,
    };
    lanes.iter().any(Option::is_some).then_some(lanes)
}

/// Whether a value is the NaN that LLVM makes where arithmetic on constants has a NaN for its result. The processor's has the
/// other sign.
pub(crate) fn is_default_nan(value: BasicValueEnum<'_>) -> bool {
    any_lane(value, |lane| {
        lane.is_nan() && lane.to_bits() == f64::NAN.to_bits()
    })
}

/// The processor's result where LLVM made a constant of arithmetic.
pub(crate) fn folded(value: BasicValueEnum<'_>) -> Option<BasicValueEnum<'_>> {
    let words = words(value)?;
    let single = |bits: u32| match bits {
        0x7fc0_0000 => 0xffc0_0000,
        bits if f32::from_bits(bits).is_nan() => bits | 1 << 22,
        bits => bits,
    };
    let double = |bits: u64| match bits {
        0x7ff8_0000_0000_0000 => 0xfff8_0000_0000_0000,
        bits if f64::from_bits(bits).is_nan() => bits | 1 << 51,
        bits => bits,
    };
    let lanes: Vec<u64> = if is_single(value) {
        words.into_iter().map(single).map(u64::from).collect()
    } else {
        doubles(&words).map(double).collect()
    };
    let integers = match integers_like(value.get_type())? {
        BasicTypeEnum::IntType(ty) => ty.const_int(*lanes.first()?, false).into(),
        BasicTypeEnum::VectorType(ty) => {
            let lane = ty.get_element_type().into_int_type();
            let lanes: Vec<_> = lanes
                .into_iter()
                .map(|bits| lane.const_int(bits, false))
                .collect();
            VectorType::const_vector(&lanes).into()
        }
        _ => return None,
    };
    Some(constant_as(integers, value.get_type()))
}

/// Whether a value is a constant that has, or may have, such a lane. Bits of a signalling NaN come as those of a quiet one.
pub(crate) fn any_lane(value: BasicValueEnum<'_>, is_such: impl Fn(f64) -> bool) -> bool {
    let Some(words) = words(value) else {
        return is_constant(value);
    };
    if is_single(value) {
        let mut lanes = words.into_iter().map(f32::from_bits);
        lanes.any(|lane| is_such(f64::from(lane)))
    } else {
        doubles(&words).map(f64::from_bits).any(is_such)
    }
}

/// Pairs of words as 64 bits each.
pub(crate) fn doubles(words: &[u32]) -> impl Iterator<Item = u64> {
    let pairs = words.chunks_exact(2);
    pairs.map(|pair| u64::from(pair[1]) << 32 | u64::from(pair[0]))
}

/// The bits of a constant, if it is one, from the lowest 32 on. Poison comes as zeros.
pub(crate) fn words(value: BasicValueEnum<'_>) -> Option<Vec<u32>> {
    if !is_constant(value) {
        return None;
    }
    // The same bytes as lanes of another size stay an expression until LLVM's passes know the order of bytes.
    // SAFETY: the value is alive; a conversion has one operand, which is a constant.
    let converted = unsafe {
        let is_conversion = !LLVMIsAConstantExpr(value.as_value_ref()).is_null()
            && LLVMGetConstOpcode(value.as_value_ref()) == LLVMOpcode::LLVMBitCast;
        is_conversion.then(|| BasicValueEnum::new(LLVMGetOperand(value.as_value_ref(), 0)))
    };
    if let Some(converted) = converted {
        return words(converted);
    }
    let (lane_type, lanes) = lanes_of(value.get_type());
    let bits = bits_of(lane_type)?;
    if !bits.is_multiple_of(8) {
        return None;
    }
    let as_integers = constant_as(value, integers_like(value.get_type())?);
    let lane = |index| {
        let lane = match as_integers {
            BasicValueEnum::IntValue(lane) => lane,
            // SAFETY: a constant vector that is alive has constants for lanes, or is an expression, which has none.
            _ => match unsafe { LLVMGetAggregateElement(as_integers.as_value_ref(), index) } {
                element if element.is_null() => return None,
                // SAFETY: a lane of a vector of integers.
                element => unsafe { IntValue::new(element) },
            },
        };
        if lane.is_undef() || lane.is_poison() {
            return Some(0);
        }
        lane.get_zero_extended_constant()
    };
    let mut bytes = Vec::new();
    for index in 0..lanes {
        bytes.extend_from_slice(lane(index)?.to_le_bytes().get(..to_usize(bits) / 8)?);
    }
    let (words, rest) = bytes.as_chunks();
    let words = words.iter().copied().map(u32::from_le_bytes).collect();
    rest.is_empty().then_some(words)
}

/// The type of a number or of a vector's lanes, and how many these are.
pub(crate) fn lanes_of(ty: BasicTypeEnum<'_>) -> (BasicTypeEnum<'_>, u32) {
    match ty {
        BasicTypeEnum::VectorType(ty) => (ty.get_element_type(), ty.get_size()),
        ty => (ty, 1),
    }
}

/// The type of integers as wide as numbers or lanes of this type.
pub(crate) fn integers_like(ty: BasicTypeEnum<'_>) -> Option<BasicTypeEnum<'_>> {
    let (lane, lanes) = lanes_of(ty);
    let integer = match lane {
        BasicTypeEnum::IntType(lane) => lane,
        BasicTypeEnum::FloatType(lane) => match lane.get_bit_width() {
            32 => lane.get_context().i32_type(),
            64 => lane.get_context().i64_type(),
            _ => return None,
        },
        _ => return None,
    };
    Some(match ty {
        BasicTypeEnum::VectorType(_) => integer.vec_type(lanes).into(),
        _ => integer.into(),
    })
}

/// A constant as one of another type, with lanes of the same size.
pub(crate) fn constant_as<'ctx>(
    value: BasicValueEnum<'ctx>,
    ty: BasicTypeEnum<'ctx>,
) -> BasicValueEnum<'ctx> {
    // SAFETY: a constant that is alive, and a type of its size.
    unsafe { BasicValueEnum::new(LLVMConstBitCast(value.as_value_ref(), ty.as_type_ref())) }
}

/// The size of numbers and of vectors of them.
pub(crate) fn bits_of(ty: BasicTypeEnum<'_>) -> Option<u32> {
    match ty {
        BasicTypeEnum::FloatType(ty) => Some(ty.get_bit_width()),
        BasicTypeEnum::IntType(ty) => Some(ty.get_bit_width()),
        BasicTypeEnum::VectorType(ty) => Some(bits_of(ty.get_element_type())? * ty.get_size()),
        _ => None,
    }
}

/// The type of a float, or of the lanes of a vector of floats.
pub(crate) fn float_type(value: BasicValueEnum<'_>) -> Option<FloatType<'_>> {
    match value.get_type() {
        BasicTypeEnum::FloatType(ty) => Some(ty),
        BasicTypeEnum::VectorType(ty) => match ty.get_element_type() {
            BasicTypeEnum::FloatType(ty) => Some(ty),
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn is_single(value: BasicValueEnum<'_>) -> bool {
    float_type(value).is_some_and(|ty| ty.get_bit_width() == 32)
}
