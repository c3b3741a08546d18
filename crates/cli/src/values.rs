//! Values on the command line: arguments as typed by a user, results as printed.

use std::fmt;

use upshift::{Val, ValType};
use wast::core::V128Const;
use wast::parser::{self, Parse, ParseBuffer};

use crate::floats::{f32_bits, f64_bits};

/// What is wrong with an argument; `Display` says what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParseValueError(&'static str);

impl fmt::Display for ParseValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The value that `text` stands for. Numbers are written as in the text format; what Rust writes for
/// floats is understood too.
pub(crate) fn parse(text: &str, ty: ValType) -> Result<Val, ParseValueError> {
    let text = text.trim();
    let (value, wanted) = match ty {
        ValType::I32 => (
            parse_wat(text).map(Val::I32),
            "wanted an integer from -2147483648 to 4294967295, such as 40, -7 or 0xff",
        ),
        ValType::I64 => (
            parse_wat(text).map(Val::I64),
            "wanted an integer from -9223372036854775808 to 18446744073709551615, such as 40, -7 or 0xff",
        ),
        ValType::F32 => (f32_bits(text).map(Val::F32), WANTED_FLOAT),
        ValType::F64 => (f64_bits(text).map(Val::F64), WANTED_FLOAT),
        ValType::V128 => (
            parse_lanes(text)
                .or_else(|| parse_u128(text))
                .map(|value| Val::V128(value.into())),
            "wanted a shape and its lanes, such as 'i32x4 1 2 3 4', or an integer of 128 bits",
        ),
        ValType::FuncRef => (
            (text == "null").then_some(Val::FuncRef(None)),
            "of functions, only `null` can be given on the command line",
        ),
        ValType::ExternRef => (
            (text == "null").then_some(Val::ExternRef(None)),
            "of values of the host, only `null` can be given on the command line",
        ),
    };
    value.ok_or(ParseValueError(wanted))
}

const WANTED_FLOAT: &str = "wanted a number, such as 0.5, -1e-3, 0x1.8p4, inf or nan";

/// Reads `text` as the text format of WebAssembly has it.
pub(crate) fn parse_wat<T: for<'a> Parse<'a>>(text: &str) -> Option<T> {
    // Parentheses and comments are no values.
    if text.contains(['(', ';']) {
        return None;
    }
    let buffer = ParseBuffer::new(text).ok()?;
    parser::parse(&buffer).ok()
}

/// Lanes of floats are read as floats are, all others as the text format has them.
fn parse_lanes(text: &str) -> Option<u128> {
    let (shape, lanes) = text.split_once(char::is_whitespace)?;
    let lanes = lanes.split_whitespace();
    let bytes: Vec<u8> = match shape {
        "f32x4" => {
            let lanes: Option<Vec<_>> = lanes.map(f32_bits).collect();
            lanes?.into_iter().flat_map(u32::to_le_bytes).collect()
        }
        "f64x2" => {
            let lanes: Option<Vec<_>> = lanes.map(f64_bits).collect();
            lanes?.into_iter().flat_map(u64::to_le_bytes).collect()
        }
        _ => parse_wat::<V128Const>(text)?.to_le_bytes().into(),
    };
    bytes.try_into().ok().map(u128::from_le_bytes)
}

fn parse_u128(text: &str) -> Option<u128> {
    let digits = text.replace('_', "");
    match digits.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    }
}

/// A result as text that [`parse`] would read again, references excepted: integers signed, floats with as few
/// digits as tell them apart.
pub(crate) fn format(value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => {
            let value = f32::from_bits(*bits);
            let payload = (bits & 0x7f_ffff).into();
            if value.is_nan() {
                nan(value.is_sign_negative(), payload, 1 << 22)
            } else {
                format!("{value:?}")
            }
        }
        Val::F64(bits) => {
            let value = f64::from_bits(*bits);
            let payload = bits & 0xf_ffff_ffff_ffff;
            if value.is_nan() {
                nan(value.is_sign_negative(), payload, 1 << 51)
            } else {
                format!("{value:?}")
            }
        }
        Val::V128(value) => format!("{:#034x}", u128::from(*value)),
        Val::FuncRef(None) | Val::ExternRef(None) => "null".to_owned(),
        Val::FuncRef(Some(_)) => "funcref".to_owned(),
        Val::ExternRef(Some(_)) => "externref".to_owned(),
    }
}

/// As the text format writes it: the payload only where it is not the canonical one.
fn nan(negative: bool, payload: u64, canonical: u64) -> String {
    let sign = if negative { "-" } else { "" };
    if payload == canonical {
        format!("{sign}nan")
    } else {
        format!("{sign}nan:{payload:#x}")
    }
}

#[cfg(test)]
mod tests {
    use upshift_module::low_u64;

    use super::*;

    fn bits(text: &str, ty: ValType) -> Option<u128> {
        Some(match parse(text, ty).ok()? {
            Val::I32(value) => value.cast_unsigned().into(),
            Val::I64(value) => value.cast_unsigned().into(),
            Val::F32(value) => value.into(),
            Val::F64(value) => value.into(),
            Val::V128(value) => value.into(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn integers_may_be_signed_or_unsigned() {
        for (text, value) in [
            ("0", 0),
            ("-1", u32::MAX),
            ("4294967295", u32::MAX),
            ("-2147483648", 1 << 31),
            ("0xFFFFFFFF", u32::MAX),
            ("-0x80000000", 1 << 31),
            ("1_000", 1000),
            ("+7", 7),
        ] {
            assert_eq!(bits(text, ValType::I32), Some(value.into()), "{text}");
        }
        for text in [
            "",
            "4294967296",
            "-2147483649",
            "1.5",
            "x",
            "1 2",
            "1;;2",
            "0x",
            "(;;)1",
        ] {
            assert_eq!(bits(text, ValType::I32), None, "{text}");
        }
        assert_eq!(
            bits("18446744073709551615", ValType::I64),
            Some(u64::MAX.into())
        );
        assert_eq!(bits("18446744073709551616", ValType::I64), None);
    }

    #[test]
    fn floats_may_be_written_as_in_wat_or_in_rust() {
        let f64 = |text| bits(text, ValType::F64).map(low_u64);
        for (text, value) in [
            ("1", 1.0),
            ("-0", -0.0),
            ("0.5", 0.5),
            (".5", 0.5),
            ("1e-3", 1e-3),
            ("0x1.8p4", 24.0),
            ("0x1p+5000", f64::INFINITY),
            ("1e+5000", f64::INFINITY),
            ("inf", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(f64(text), Some(f64::to_bits(value)), "{text}");
        }
        assert_eq!(f64("nan"), Some(0x7ff8_0000_0000_0000));
        assert_eq!(f64("-nan:0x1"), Some(0xfff0_0000_0000_0001));
        assert_eq!(f64("one"), None);
        assert_eq!(bits("nan:0x200000", ValType::F32), Some(0x7fa0_0000));
        assert_eq!(
            bits("16777217", ValType::F32),
            Some(16_777_216_f32.to_bits().into())
        );
    }

    #[test]
    fn vectors_are_integers_or_lanes() {
        let v128 = |text| bits(text, ValType::V128);
        assert_eq!(v128("0x10"), Some(16));
        assert_eq!(
            v128("340282366920938463463374607431768211455"),
            Some(u128::MAX)
        );
        assert_eq!(
            v128("i32x4 1 2 3 4"),
            Some(0x00000004_00000003_00000002_00000001)
        );
        assert_eq!(v128("f64x2 nan 0"), Some(0x7ff8_0000_0000_0000));
        assert_eq!(
            v128("f32x4  0x1p+5000 -0x1p5000 -0x1p-200 1e99"),
            Some(0x7f800000_80000000_ff800000_7f800000)
        );
        assert_eq!(v128("f64x2 nan 0 0"), None);
        assert_eq!(v128("f64x2 nan"), None);
        assert_eq!(v128("i32x4 1 2 3"), None);
        assert_eq!(v128("-1"), None);
    }

    #[test]
    fn references_can_only_be_null() {
        assert!(matches!(
            parse("null", ValType::FuncRef),
            Ok(Val::FuncRef(None))
        ));
        assert!(matches!(
            parse("null", ValType::ExternRef),
            Ok(Val::ExternRef(None))
        ));
        assert!(parse("0", ValType::ExternRef).is_err());
    }

    #[test]
    fn results_are_short_and_read_back_as_the_same_bits() {
        for (value, text) in [
            (Val::I32(-1), "-1"),
            (Val::F32(0.1_f32.to_bits()), "0.1"),
            (Val::F64(0.1_f64.to_bits()), "0.1"),
            (Val::F64(1e300_f64.to_bits()), "1e300"),
            (Val::F64(f64::INFINITY.to_bits()), "inf"),
            (Val::F64(0xfff8_0000_0000_0000), "-nan"),
            (Val::F32(0x7f80_0001), "nan:0x1"),
            (
                Val::V128(0x1234_u128.into()),
                "0x00000000000000000000000000001234",
            ),
        ] {
            assert_eq!(format(&value), text);
            let again = parse(text, value.ty()).unwrap();
            assert_eq!(format(&again), text);
        }
    }
}
