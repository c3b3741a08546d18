//! The bits of NaNs, operator by operator: the same in every tier, also where operands are constants. The specification
//! leaves them open (clause 4.3.3); the rule here is that of the processor's own instructions.

use std::fmt::Write as _;

use upshift::{Config, Engine, Instance, Module, Store, Val};
use upshift_tests::modes::MODES;

/// A float's format.
#[derive(Clone, Copy)]
struct Format {
    name: &'static str,
    integer: &'static str,
    lanes: &'static str,
    bits: u32,
    fraction_bits: u32,
}

const F32: Format = Format {
    name: "f32",
    integer: "i32",
    lanes: "f32x4",
    bits: 32,
    fraction_bits: 23,
};

const F64: Format = Format {
    name: "f64",
    integer: "i64",
    lanes: "f64x2",
    bits: 64,
    fraction_bits: 52,
};

impl Format {
    fn sign(self) -> u64 {
        1 << (self.bits - 1)
    }

    fn infinity(self) -> u64 {
        (self.sign() - 1) & !((1 << self.fraction_bits) - 1)
    }

    fn quiet_bit(self) -> u64 {
        1 << (self.fraction_bits - 1)
    }

    fn is_nan(self, bits: u64) -> bool {
        bits & !self.sign() > self.infinity()
    }

    /// What the processor makes where no operand is a NaN.
    fn created(self) -> u64 {
        self.sign() | self.infinity() | self.quiet_bit()
    }

    /// NaNs, quiet and signalling, of both signs, and numbers that make some.
    fn operands(self) -> Vec<u64> {
        let signalling = self.infinity() | 0x123;
        let quiet = self.infinity() | self.quiet_bit() | 0x2000;
        let one = self.infinity() >> 1 & self.infinity();
        vec![
            signalling,
            signalling | self.sign(),
            quiet,
            quiet | self.sign(),
            self.infinity() | self.quiet_bit(),
            self.created(),
            self.infinity(),
            self.infinity() | self.sign(),
            0,
            self.sign(),
            one,
            one | self.sign(),
        ]
    }

    fn literal(self, bits: u64) -> String {
        let Self { name, integer, .. } = self;
        format!("({name}.reinterpret_{integer} ({integer}.const {bits}))")
    }

    /// As WebAssembly's text has it.
    fn constant(self, bits: u64) -> String {
        let sign = if bits & self.sign() == 0 { "" } else { "-" };
        let fraction = bits & ((1 << self.fraction_bits) - 1);
        let number = if self.is_nan(bits) {
            format!("nan:0x{fraction:x}")
        } else if bits & !self.sign() == self.infinity() {
            "inf".to_owned()
        } else if bits & !self.sign() == 0 {
            "0".to_owned()
        } else {
            "1".to_owned()
        };
        format!("({}.const {sign}{number})", self.name)
    }
}

const BINARY: [&str; 7] = ["add", "sub", "mul", "div", "min", "max", "copysign"];
const UNARY: [&str; 7] = ["neg", "abs", "sqrt", "ceil", "floor", "trunc", "nearest"];
const LANES: [&str; 8] = ["add", "sub", "mul", "div", "min", "max", "pmin", "pmax"];

/// What an operator may give, if it is a NaN: one answer, except for sums and products of two NaNs.
fn binary(format: Format, operator: &str, a: u64, b: u64) -> Vec<u64> {
    let number = |bits: u64| match format.bits {
        32 => f64::from(f32::from_bits(u32::try_from(bits).unwrap())),
        _ => f64::from_bits(bits),
    };
    let (x, y) = (number(a), number(b));
    let sign = format.sign();
    match operator {
        "copysign" => vec![a & !sign | b & sign],
        "pmin" => vec![if y < x { b } else { a }],
        "pmax" => vec![if x < y { b } else { a }],
        _ => {
            let quiet = |bits: u64| bits | format.quiet_bit();
            match (format.is_nan(a), format.is_nan(b)) {
                (true, true) if matches!(operator, "add" | "mul") => vec![quiet(a), quiet(b)],
                (true, _) => vec![quiet(a)],
                (_, true) => vec![quiet(b)],
                _ => {
                    let created = match operator {
                        "add" => (x + y).is_nan(),
                        "sub" => (x - y).is_nan(),
                        "mul" => (x * y).is_nan(),
                        "div" => (x / y).is_nan(),
                        _ => false,
                    };
                    if created {
                        vec![format.created()]
                    } else {
                        vec![]
                    }
                }
            }
        }
    }
}

fn unary(format: Format, operator: &str, a: u64) -> Vec<u64> {
    let sign = format.sign();
    match operator {
        "neg" => vec![a ^ sign],
        "abs" => vec![a & !sign],
        _ if format.is_nan(a) => vec![a | format.quiet_bit()],
        // Of what is less than zero.
        "sqrt" if a & sign != 0 && a != sign => vec![format.created()],
        _ => vec![],
    }
}

/// A call, and what it may give; nothing if it is a number, which is other tests' business.
struct Case {
    name: String,
    operands: Vec<u64>,
    allowed: Vec<u64>,
}

fn check(text: &str, format: Format, cases: &[Case]) {
    for mode in MODES {
        let mut config = Config::new();
        let engine = Engine::new((mode.set)(&mut config)).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        for case in cases {
            if case.allowed.is_empty() {
                continue;
            }
            let function = instance.get_func(&mut store, &case.name).unwrap();
            let value = |bits: u64| match format.bits {
                32 => Val::I32(u32::try_from(bits).unwrap().cast_signed()),
                _ => Val::I64(bits.cast_signed()),
            };
            let operands: Vec<_> = case.operands.iter().copied().map(value).collect();
            let mut results = [value(0)];
            function.call(&mut store, &operands, &mut results).unwrap();
            let result = match results[0] {
                Val::I32(bits) => u64::from(bits.cast_unsigned()),
                Val::I64(bits) => bits.cast_unsigned(),
                ref other => panic!("{other:?}"),
            };
            assert!(
                case.allowed.contains(&result),
                "{}: {} of {:x?} is {result:x}, not {:x?}",
                mode.name,
                case.name,
                case.operands,
                case.allowed
            );
        }
    }
}

/// A function of operands' bits to a result's bits.
fn function(format: Format, name: &str, arity: usize, body: &str) -> String {
    let Format {
        name: float,
        integer,
        ..
    } = format;
    let mut body = body.to_owned();
    for index in 0..arity {
        let operand = format!("({float}.reinterpret_{integer} (local.get {index}))");
        body = body.replace(&format!("${index}"), &operand);
    }
    let params = format!("(param {integer})").repeat(arity);
    format!(
        "(func (export \"{name}\") {params} (result {integer}) ({integer}.reinterpret_{float} {body}))\n"
    )
}

#[test]
fn operators_on_what_only_the_run_knows() {
    for format in [F32, F64] {
        let (name, lanes) = (format.name, format.lanes);
        let mut text = "(module ".to_owned();
        let mut cases = Vec::new();
        for operator in BINARY {
            text += &function(format, operator, 2, &format!("({name}.{operator} $0 $1)"));
        }
        for operator in LANES {
            let splat = |index: usize| format!("({lanes}.splat ${index})");
            let body = format!(
                "({lanes}.extract_lane 1 ({lanes}.{operator} {} {}))",
                splat(0),
                splat(1)
            );
            text += &function(format, &format!("lanes {operator}"), 2, &body);
        }
        for operator in UNARY {
            text += &function(format, operator, 1, &format!("({name}.{operator} $0)"));
            let body = format!("({lanes}.extract_lane 1 ({lanes}.{operator} ({lanes}.splat $0)))");
            text += &function(format, &format!("lanes {operator}"), 1, &body);
        }
        for a in format.operands() {
            for operator in UNARY {
                for name in [operator.to_owned(), format!("lanes {operator}")] {
                    let allowed = unary(format, operator, a);
                    cases.push(Case {
                        name,
                        operands: vec![a],
                        allowed,
                    });
                }
            }
            for b in format.operands() {
                let scalars = BINARY.map(|operator| (operator, operator.to_owned()));
                let lanes = LANES.map(|operator| (operator, format!("lanes {operator}")));
                for (operator, name) in scalars.into_iter().chain(lanes) {
                    let allowed = binary(format, operator, a, b);
                    cases.push(Case {
                        name,
                        operands: vec![a, b],
                        allowed,
                    });
                }
            }
        }
        check(&(text + ")"), format, &cases);
    }
}

#[test]
fn operators_on_constants() {
    for format in [F32, F64] {
        let Format {
            name,
            integer,
            lanes,
            ..
        } = format;
        let mut text = "(module ".to_owned();
        let mut cases = Vec::new();
        for operator in BINARY.into_iter().chain(["pmin", "pmax"]) {
            // One function an operator, which picks one of its pairs of operands.
            let mut body = String::new();
            for (i, a) in format.operands().into_iter().enumerate() {
                for (j, b) in format.operands().into_iter().enumerate() {
                    // As literals, or as integers of the same bits.
                    let (x, y) = if (i + j) % 2 == 0 {
                        (format.constant(a), format.constant(b))
                    } else {
                        (format.literal(a), format.literal(b))
                    };
                    let result =
                        if operator.starts_with('p') || LANES.contains(&operator) && i % 2 == 1 {
                            let splat = |number: &str| format!("({lanes}.splat {number})");
                            let (x, y) = (splat(&x), splat(&y));
                            format!("({lanes}.extract_lane 0 ({lanes}.{operator} {x} {y}))")
                        } else {
                            format!("({name}.{operator} {x} {y})")
                        };
                    let number = i * 100 + j;
                    write!(
                        body,
                        "(if ({integer}.eq (local.get 0) ({integer}.const {number}))
                            (then (return ({integer}.reinterpret_{name} {result}))))"
                    )
                    .unwrap();
                    cases.push(Case {
                        name: operator.to_owned(),
                        operands: vec![u64::try_from(number).unwrap()],
                        allowed: binary(format, operator, a, b),
                    });
                }
            }
            write!(
                text,
                "(func (export \"{operator}\") (param {integer}) (result {integer})
                    {body} ({integer}.const 0))"
            )
            .unwrap();
        }
        check(&(text + ")"), format, &cases);
    }
}

#[test]
fn operators_on_one_constant() {
    for format in [F32, F64] {
        let name = format.name;
        let mut text = "(module ".to_owned();
        let mut cases = Vec::new();
        for operator in ["add", "sub", "mul", "div", "min", "max"] {
            for (i, constant) in format.operands().into_iter().enumerate() {
                let literal = format.constant(constant);
                let first = format!("{operator} {i} x");
                let second = format!("{operator} x {i}");
                text += &function(
                    format,
                    &first,
                    1,
                    &format!("({name}.{operator} {literal} $0)"),
                );
                text += &function(
                    format,
                    &second,
                    1,
                    &format!("({name}.{operator} $0 {literal})"),
                );
                for operand in format.operands().into_iter().step_by(3) {
                    let operands = vec![operand];
                    cases.push(Case {
                        name: first.clone(),
                        operands: operands.clone(),
                        allowed: binary(format, operator, constant, operand),
                    });
                    cases.push(Case {
                        name: second.clone(),
                        operands,
                        allowed: binary(format, operator, operand, constant),
                    });
                }
            }
        }
        check(&(text + ")"), format, &cases);
    }
}

#[test]
fn signs_stay_where_they_are_changed() {
    for format in [F32, F64] {
        let name = format.name;
        let [nan, number] = [
            format.infinity() | format.quiet_bit() | 5,
            format.infinity() >> 1 & format.infinity(),
        ];
        let negative = nan | format.sign();
        let one = format!("({name}.const 1)");
        let all = [
            (
                "subtract a negated",
                format!("({name}.sub {one} ({name}.neg $0))"),
                negative,
            ),
            (
                "add a negated",
                format!("({name}.add {one} ({name}.neg $0))"),
                negative,
            ),
            (
                "negate a product",
                format!("({name}.neg ({name}.mul $0 $1))"),
                negative,
            ),
            (
                "negate a quotient",
                format!("({name}.neg ({name}.div $0 $1))"),
                negative,
            ),
            (
                "multiply a negated",
                format!("({name}.mul ({name}.neg $0) $1)"),
                negative,
            ),
            (
                "multiply negated",
                format!("({name}.mul ({name}.neg $0) ({name}.neg $1))"),
                negative,
            ),
            (
                "square of a size",
                format!("({name}.mul ({name}.abs ({name}.neg $0)) ({name}.abs $0))"),
                nan,
            ),
            (
                "times minus one",
                format!("({name}.mul $0 ({name}.const -1))"),
                nan,
            ),
            (
                "over minus one",
                format!("({name}.div $0 ({name}.const -1))"),
                nan,
            ),
            (
                "from minus zero",
                format!("({name}.sub ({name}.const -0) $0)"),
                nan,
            ),
        ];
        let text: String = all
            .iter()
            .map(|(name, body, _)| function(format, name, 2, body))
            .collect();
        let case = |(name, _, expected): &(&str, String, u64)| Case {
            name: (*name).to_owned(),
            operands: vec![nan, number],
            allowed: vec![*expected],
        };
        check(
            &format!("(module {text})"),
            format,
            &all.iter().map(case).collect::<Vec<_>>(),
        );
    }
}

#[test]
fn what_arithmetic_on_constants_creates_has_one_sign() {
    for format in [F32, F64] {
        let Format { name, integer, .. } = format;
        let inf = format!("({name}.const inf)");
        let zero = format!("({name}.const 0)");
        let all = [
            ("sub", &inf, &inf),
            ("mul", &inf, &zero),
            ("div", &zero, &zero),
        ];
        let mut text = "(module ".to_owned();
        let mut cases = Vec::new();
        for (operator, a, b) in all {
            let of_locals = format!(
                "(func (export \"locals {operator}\") (result {integer}) (local $a {name}) (local $b {name})
                    (local.set $a {a}) (local.set $b {b})
                    ({integer}.reinterpret_{name} ({name}.{operator} (local.get $a) (local.get $b))))"
            );
            let inlined = format!(
                "(func ${operator} (param {name} {name}) (result {name})
                    ({name}.{operator} (local.get 0) (local.get 1)))
                (func (export \"inlined {operator}\") (result {integer})
                    ({integer}.reinterpret_{name} (call ${operator} {a} {b})))"
            );
            text += &of_locals;
            text += &inlined;
            for name in [format!("locals {operator}"), format!("inlined {operator}")] {
                cases.push(Case {
                    name,
                    operands: vec![],
                    allowed: vec![format.created()],
                });
            }
        }
        check(&(text + ")"), format, &cases);
    }
}

#[test]
fn conversions_keep_the_upper_bits_of_a_payload() {
    let text = "(module
        (func (export \"demote\") (param i64) (result i32)
            (i32.reinterpret_f32 (f32.demote_f64 (f64.reinterpret_i64 (local.get 0)))))
        (func (export \"demote lanes\") (param i64) (result i32)
            (i32x4.extract_lane 1 (f32x4.demote_f64x2_zero (i64x2.splat (local.get 0)))))
        (func (export \"demote a constant\") (param i64) (result i32)
            (i32.reinterpret_f32 (f32.demote_f64 (f64.const -nan:0x4000020000001))))
        (func (export \"saturate\") (param i64) (result i32)
            (i32.trunc_sat_f64_s (f64.reinterpret_i64 (local.get 0)))))";
    let signalling = 0xfff4_0000_2000_0001_u64;
    let case = |name: &str, allowed: u64| Case {
        name: name.to_owned(),
        operands: vec![signalling],
        allowed: vec![allowed],
    };
    let demoted = 0xffe0_0001;
    let cases = [
        case("demote", demoted),
        case("demote lanes", demoted),
        case("demote a constant", demoted),
        case("saturate", 0),
    ];
    check(text, F64, &cases);
    let text = "(module
        (func (export \"promote\") (param i32) (result i64)
            (i64.reinterpret_f64 (f64.promote_f32 (f32.reinterpret_i32 (local.get 0)))))
        (func (export \"promote lanes\") (param i32) (result i64)
            (i64x2.extract_lane 1 (f64x2.promote_low_f32x4 (i32x4.splat (local.get 0)))))
        (func (export \"promote a constant\") (param i32) (result i64)
            (i64.reinterpret_f64 (f64.promote_f32 (f32.const -nan:0x200001)))))";
    let promoted = |name: &str| Case {
        name: name.to_owned(),
        operands: vec![0xffa0_0001],
        allowed: vec![0xfffc_0000_2000_0000],
    };
    let cases = ["promote", "promote lanes", "promote a constant"].map(promoted);
    check(text, F32, &cases);
}

#[test]
fn the_greater_of_two_nans_stays_the_same_while_a_function_moves_up() {
    let text = "(module
        (func $max (param i32 i32) (result i32)
            (i32.reinterpret_f32 (f32.max
                (f32.reinterpret_i32 (local.get 0)) (f32.reinterpret_i32 (local.get 1)))))
        (func (export \"changes\") (param $n i32) (result i32) (local $first i32) (local $changes i32)
            (local.set $first (call $max (i32.const 0x7fa00001) (i32.const 0xffc00002)))
            (loop
                (local.set $changes (i32.add (local.get $changes) (i32.ne (local.get $first)
                    (call $max (i32.const 0x7fa00001) (i32.const 0xffc00002)))))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $changes)))";
    let case = Case {
        name: "changes".to_owned(),
        operands: vec![100],
        allowed: vec![0],
    };
    check(text, F32, &[case]);
}
