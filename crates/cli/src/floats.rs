//! Floats on the command line, as bits: those of the text format, and those of Rust. Other values are in `values`.

use rustc_apfloat::ieee::{Double, Single};
use rustc_apfloat::{Float as _, Round};
use wast::lexer::{Float, Lexer, TokenKind};
use wast::token::{F32, F64};

use crate::values::parse_wat;

/// The nearest `f32`; infinity for a number that is too large.
pub(crate) fn f32_bits(text: &str) -> Option<u32> {
    match Number::read(text) {
        Some(Number::Decimal(number)) => number.parse().ok().map(f32::to_bits),
        Some(Number::Hexadecimal(number)) => {
            let nearest = Single::from_str_r(&number, Round::NearestTiesToEven)
                .ok()?
                .value;
            u32::try_from(nearest.to_bits()).ok()
        }
        None => {
            let named = parse_wat(text).map(|value: F32| value.bits);
            named.or_else(|| text.parse().ok().map(f32::to_bits))
        }
    }
}

/// The nearest `f64`; infinity for a number that is too large.
pub(crate) fn f64_bits(text: &str) -> Option<u64> {
    match Number::read(text) {
        Some(Number::Decimal(number)) => number.parse().ok().map(f64::to_bits),
        Some(Number::Hexadecimal(number)) => {
            let nearest = Double::from_str_r(&number, Round::NearestTiesToEven)
                .ok()?
                .value;
            u64::try_from(nearest.to_bits()).ok()
        }
        None => {
            let named = parse_wat(text).map(|value: F64| value.bits);
            named.or_else(|| text.parse().ok().map(f64::to_bits))
        }
    }
}

/// A number of the text format without underscores, as the functions that round it read it.
enum Number {
    Decimal(String),
    Hexadecimal(String),
}

impl Number {
    /// None for a value with a name, such as `inf`, and for one that the text format does not know.
    fn read(text: &str) -> Option<Self> {
        let mut end = 0;
        let token = Lexer::new(text).parse(&mut end).ok()??;
        if end != text.len() {
            return None;
        }
        let integer;
        let (hex, integral, fractional, exponent) = match token.kind {
            TokenKind::Float(kind) => match token.float(text, kind) {
                Float::Val {
                    hex,
                    integral,
                    fractional,
                    exponent,
                } => (hex, integral, fractional, exponent),
                Float::Inf { .. } | Float::Nan { .. } => return None,
            },
            TokenKind::Integer(kind) => {
                integer = token.integer(text, kind);
                let (digits, base) = integer.val();
                (base == 16, digits.into(), None, None)
            }
            _ => return None,
        };
        let (sign, integral) = match integral.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", &*integral),
        };
        let fractional = fractional.as_deref().unwrap_or_default();
        let exponent = exponent.as_deref().unwrap_or("0");
        Some(if hex {
            Self::Hexadecimal(format!("{sign}0x{integral}.{fractional}p{exponent}"))
        } else {
            Self::Decimal(format!("{sign}{integral}.{fractional}e{exponent}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_infinite_or_zero() {
        for (text, value) in [
            ("0x1p+5000", f64::INFINITY),
            ("-0x1p5000", f64::NEG_INFINITY),
            ("+0x1.8P+5000", f64::INFINITY),
            ("0x1p99999999999999999999", f64::INFINITY),
            ("-0x1p+2147483647", f64::NEG_INFINITY),
            ("0x1p1024", f64::INFINITY),
            ("1e999", f64::INFINITY),
            ("-1_0e9_99", f64::NEG_INFINITY),
            ("0x1p-5000", 0.0),
            ("-0x1p-5000", -0.0),
            ("0x1p-99999999999999999999", 0.0),
            ("-0x1p-2147483648", -0.0),
            ("0x0p+5000", 0.0),
            ("-0x0.0p99999999999999999999", -0.0),
            ("1e-999", 0.0),
        ] {
            assert_eq!(f64_bits(text), Some(value.to_bits()), "{text}");
            // Rounded to the nearest, as is wanted.
            let narrow = (value as f32).to_bits();
            assert_eq!(f32_bits(text), Some(narrow), "{text}");
        }
        // 310 digits, and as many behind the point.
        let long = format!("0x{}", "f".repeat(310));
        assert_eq!(f64_bits(&long), Some(f64::INFINITY.to_bits()));
        let long = format!("-0x0.{}1", "0".repeat(310));
        assert_eq!(f64_bits(&long), Some((-0.0_f64).to_bits()));
        assert_eq!(
            f32_bits("0x1p128"),
            Some(f32::INFINITY.to_bits()),
            "only an f64 has it"
        );
    }

    #[test]
    fn hexadecimal_floats_are_rounded_to_the_nearest_and_ties_to_even() {
        for (text, bits) in [
            ("0x1.fffffffffffff7p1023", f64::MAX.to_bits()),
            ("0x1.fffffffffffff8p1023", f64::INFINITY.to_bits()),
            ("0x1.fffffffffffffp1023", f64::MAX.to_bits()),
            ("0x1.00000000000008p0", 1.0_f64.to_bits()),
            ("0x1.00000000000018p0", 1.0_f64.to_bits() + 2),
            // However far behind the half something comes.
            ("0x1.000000000000081p0", 1.0_f64.to_bits() + 1),
            ("0x1.0000000000000801p0", 1.0_f64.to_bits() + 1),
            ("0x1.000000000000080001p0", 1.0_f64.to_bits() + 1),
            (
                "0x10.00000000000080000000000000000000000000001",
                16.0_f64.to_bits() + 1,
            ),
            ("0x20000000000001", 9_007_199_254_740_992_f64.to_bits()),
            ("0x20000000000003", 9_007_199_254_740_996_f64.to_bits()),
            // Numbers that are not normal.
            ("0x1p-1074", 1),
            ("0x1p-1075", 0),
            ("0x1.00000000000001p-1075", 1),
            ("0x1.8p-1074", 2),
            ("0x0.0000000000001p-1022", 1),
            ("0x0.fffffffffffff8p-1022", f64::MIN_POSITIVE.to_bits()),
            ("0x1_0.8_0p-0_1", 8.25_f64.to_bits()),
            ("0x.8p0", f64::NAN.to_bits()),
        ] {
            let wanted = (!text.contains("x.")).then_some(bits);
            assert_eq!(f64_bits(text), wanted, "{text}");
        }
        for (text, bits) in [
            ("0x1.fffffep127", f32::MAX.to_bits()),
            ("0x1.fffffefffp127", f32::MAX.to_bits()),
            ("0x1.ffffffp127", f32::INFINITY.to_bits()),
            ("0x1.000001p0", 1.0_f32.to_bits()),
            ("0x1.0000010001p0", 1.0_f32.to_bits() + 1),
            ("0x1.00000100000000001p0", 1.0_f32.to_bits() + 1),
            ("0x1p-149", 1),
            ("-0x1p-150", 1 << 31),
            ("0x1.000002p-150", 1),
        ] {
            assert_eq!(f32_bits(text), Some(bits), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "0x",
            "0xp1",
            "0x1p",
            "0x1p+",
            "0x1q1",
            "0x1.8.1",
            "0x1_",
            "1 2",
            "(1)",
            "1;;",
            "--1",
            "0x1p1.5",
            "nan:0x0",
            "nan:0x10000000000000",
            "0x1e+",
            "$1",
            "\"1\"",
        ] {
            assert_eq!(f64_bits(text), None, "{text}");
        }
    }
}
