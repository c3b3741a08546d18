//! The values of scripts: arguments of calls, and patterns that results have to match.

use upshift::{ExternRef, Store, Val};
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

use super::Reason;

/// The value of an `externref` of a script: its number.
struct ScriptRef(u32);

/// The value of an argument.
pub(super) fn argument(store: &mut Store<()>, argument: &WastArg) -> Result<Val, Reason> {
    let WastArg::Core(argument) = argument else {
        return Err(unsupported("a component's value"));
    };
    Ok(match argument {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::V128(value) => Val::V128(u128::from_le_bytes(value.to_le_bytes()).into()),
        WastArgCore::RefNull(HeapType::Abstract {
            ty: AbstractHeapType::Func,
            ..
        }) => Val::FuncRef(None),
        WastArgCore::RefNull(HeapType::Abstract {
            ty: AbstractHeapType::Extern,
            ..
        }) => Val::ExternRef(None),
        WastArgCore::RefExtern(number) => {
            Val::ExternRef(Some(ExternRef::new(store, ScriptRef(*number))?))
        }
        other => return Err(unsupported(format!("{other:?}"))),
    })
}

/// Whether `given` is among the values that `expected` allows.
pub(super) fn matches(store: &Store<()>, expected: &WastRet, given: &Val) -> Result<bool, Reason> {
    let WastRet::Core(expected) = expected else {
        return Err(unsupported("a component's value"));
    };
    matches_core(store, expected, given)
}

fn matches_core(store: &Store<()>, expected: &WastRetCore, given: &Val) -> Result<bool, Reason> {
    Ok(match (expected, given) {
        (WastRetCore::I32(expected), Val::I32(given)) => expected == given,
        (WastRetCore::I64(expected), Val::I64(given)) => expected == given,
        (WastRetCore::F32(expected), Val::F32(given)) => matches_f32(expected, *given),
        (WastRetCore::F64(expected), Val::F64(given)) => matches_f64(expected, *given),
        (WastRetCore::V128(expected), Val::V128(given)) => {
            matches_v128(expected, u128::from(*given).to_le_bytes())
        }
        (WastRetCore::RefNull(None), Val::FuncRef(None) | Val::ExternRef(None)) => true,
        (WastRetCore::RefNull(Some(HeapType::Abstract { ty, .. })), given) => matches!(
            (ty, given),
            (AbstractHeapType::Func, Val::FuncRef(None))
                | (AbstractHeapType::Extern, Val::ExternRef(None))
        ),
        (WastRetCore::RefExtern(None), Val::ExternRef(Some(_))) => true,
        (WastRetCore::RefExtern(Some(number)), Val::ExternRef(Some(given))) => given
            .data(store)?
            .and_then(|data| data.downcast_ref::<ScriptRef>())
            .is_some_and(|data| data.0 == *number),
        // Scripts can't name the function that is expected.
        (WastRetCore::RefFunc(None), Val::FuncRef(Some(_))) => true,
        (WastRetCore::Either(alternatives), given) => {
            for alternative in alternatives {
                if matches_core(store, alternative, given)? {
                    return Ok(true);
                }
            }
            false
        }
        _ => false,
    })
}

/// The sign does not matter in NaN patterns (specification 2.0, clause 4.3.3, "NaN Propagation").
fn matches_f32(expected: &NanPattern<F32>, given: u32) -> bool {
    const CANONICAL: u32 = 0x7fc0_0000;
    match expected {
        NanPattern::CanonicalNan => given & 0x7fff_ffff == CANONICAL,
        NanPattern::ArithmeticNan => given & CANONICAL == CANONICAL,
        NanPattern::Value(expected) => expected.bits == given,
    }
}

fn matches_f64(expected: &NanPattern<F64>, given: u64) -> bool {
    const CANONICAL: u64 = 0x7ff8_0000_0000_0000;
    match expected {
        NanPattern::CanonicalNan => given & 0x7fff_ffff_ffff_ffff == CANONICAL,
        NanPattern::ArithmeticNan => given & CANONICAL == CANONICAL,
        NanPattern::Value(expected) => expected.bits == given,
    }
}

fn matches_v128(expected: &V128Pattern, given: [u8; 16]) -> bool {
    match expected {
        V128Pattern::I8x16(lanes) => lanes.map(|lane| lane.cast_unsigned()) == given,
        V128Pattern::I16x8(lanes) => lanes
            .iter()
            .copied()
            .eq(chunks(&given).map(i16::from_le_bytes)),
        V128Pattern::I32x4(lanes) => lanes
            .iter()
            .copied()
            .eq(chunks(&given).map(i32::from_le_bytes)),
        V128Pattern::I64x2(lanes) => lanes
            .iter()
            .copied()
            .eq(chunks(&given).map(i64::from_le_bytes)),
        V128Pattern::F32x4(lanes) => lanes
            .iter()
            .zip(chunks(&given))
            .all(|(l, g)| matches_f32(l, u32::from_le_bytes(g))),
        V128Pattern::F64x2(lanes) => lanes
            .iter()
            .zip(chunks(&given))
            .all(|(l, g)| matches_f64(l, u64::from_le_bytes(g))),
    }
}

fn chunks<const N: usize>(bytes: &[u8; 16]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}

/// A pattern as text, for the message of a failure.
pub(super) fn show_pattern(pattern: &WastRet) -> String {
    match pattern {
        WastRet::Core(pattern) => show_core_pattern(pattern),
        other => format!("{other:?}"),
    }
}

fn show_core_pattern(pattern: &WastRetCore) -> String {
    match pattern {
        WastRetCore::I32(value) => format!("i32:{value}"),
        WastRetCore::I64(value) => format!("i64:{value}"),
        WastRetCore::F32(value) => show_nan_pattern("f32", value, |v| show_f32(v.bits)),
        WastRetCore::F64(value) => show_nan_pattern("f64", value, |v| show_f64(v.bits)),
        WastRetCore::Either(alternatives) => {
            let texts: Vec<_> = alternatives.iter().map(show_core_pattern).collect();
            texts.join(" or ")
        }
        other => format!("{other:?}"),
    }
}

fn show_nan_pattern<T>(ty: &str, pattern: &NanPattern<T>, show: fn(&T) -> String) -> String {
    match pattern {
        NanPattern::CanonicalNan => format!("{ty}:nan:canonical"),
        NanPattern::ArithmeticNan => format!("{ty}:nan:arithmetic"),
        NanPattern::Value(value) => show(value),
    }
}

/// A value as text, for the message of a failure.
pub(super) fn show(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("i32:{value}"),
        Val::I64(value) => format!("i64:{value}"),
        Val::F32(bits) => show_f32(*bits),
        Val::F64(bits) => show_f64(*bits),
        Val::V128(value) => format!("v128:{:#034x}", u128::from(*value)),
        Val::FuncRef(None) => "ref.null func".to_owned(),
        Val::FuncRef(Some(_)) => "ref.func".to_owned(),
        Val::ExternRef(None) => "ref.null extern".to_owned(),
        Val::ExternRef(Some(_)) => "ref.extern".to_owned(),
    }
}

// Bits as well: two NaNs look the same otherwise.
fn show_f32(bits: u32) -> String {
    format!("f32:{:?}={bits:#010x}", f32::from_bits(bits))
}

fn show_f64(bits: u64) -> String {
    format!("f64:{:?}={bits:#018x}", f64::from_bits(bits))
}

pub(super) fn unsupported(what: impl Into<String>) -> Reason {
    Reason::Unsupported { what: what.into() }
}
