//! Arithmetic quiets signalling NaNs in every tier, whatever LLVM finds out about the other operand, and what is no
//! arithmetic keeps them as they are.

use upshift::{Config, Engine, Instance, Module, Store};
use upshift_tests::modes::MODES;

/// A signalling NaN with a payload.
const SIGNALLING: u32 = 0xffa0_0123;
const QUIET: u32 = SIGNALLING | 1 << 22;
const SIGNALLING64: u64 = 0x7ff4_0000_0000_0321;

/// What `run` gives in every mode for the bits of a signalling NaN in memory at 0 (four of them) and 16 (two of 64 bits).
fn runs(module: &str, expected: u64) {
    let singles = SIGNALLING.to_le_bytes().repeat(4);
    let doubles = SIGNALLING64.to_le_bytes().repeat(2);
    let bytes: String = singles
        .iter()
        .chain(&doubles)
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let text = format!("(module (memory 1) (data (i32.const 0) \"{bytes}\") {module})");
    for mode in MODES {
        let mut config = Config::new();
        let engine = Engine::new((mode.set)(&mut config)).unwrap();
        let module = Module::new(&engine, &text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance
            .get_typed_func::<(), i64>(&mut store, "run")
            .unwrap();
        // Some modes move up from call to call.
        for _ in 0..3 {
            let result = run.call(&mut store, ()).unwrap().cast_unsigned();
            assert_eq!(
                result, expected,
                "{} {result:#x} {expected:#x} {text}",
                mode.name
            );
        }
    }
}

/// A function `run` that gives the bits of an f32.
fn single(body: &str) -> String {
    format!(
        "(func (export \"run\") (result i64) (local $c f32) (local $x f32) (local $i i32)
            (local.set $x (f32.load (i32.const 0)))
            (i64.extend_i32_u (i32.reinterpret_f32 {body})))"
    )
}

/// Operations that leave the number `$x` as it is, with the other operand in place of `$c`, and that operand.
const NEUTRAL: [(&str, &str); 8] = [
    ("(f32.add (local.get $x) $c)", "(f32.const -0)"),
    ("(f32.add $c (local.get $x))", "(f32.const -0)"),
    ("(f32.add (local.get $x) $c)", "(f32.const 0)"),
    ("(f32.sub (local.get $x) $c)", "(f32.const 0)"),
    ("(f32.sub (local.get $x) $c)", "(f32.const -0)"),
    ("(f32.mul (local.get $x) $c)", "(f32.const 1)"),
    ("(f32.mul $c (local.get $x))", "(f32.const 1)"),
    ("(f32.div (local.get $x) $c)", "(f32.const 1)"),
];

#[test]
fn an_operand_that_turns_out_to_be_neutral_quiets() {
    for (operation, constant) in NEUTRAL {
        let with = |operand: &str| operation.replace("$c", operand);
        let quiets = |module: String| runs(&module, QUIET.into());
        quiets(single(&with(constant)));
        // A local, a block's result, what was stored.
        let local = format!(
            "(block (result f32) (local.set $c {constant}) {})",
            with("(local.get $c)")
        );
        quiets(single(&local));
        quiets(single(&with(&format!("(block (result f32) {constant})"))));
        let stored = format!(
            "(block (result f32) (f32.store (i32.const 64) {constant}) {})",
            with("(f32.load (i32.const 64))")
        );
        quiets(single(&stored));
        // A result of arithmetic on constants, and a converted integer.
        let product = format!("(f32.div (f32.mul {constant} (f32.const 8)) (f32.const 8))");
        quiets(single(&with(&product)));
        // A function that is inlined, as an operand and around the operation.
        let callee = format!("(func $f (result f32) {constant})");
        quiets(callee + &single(&with("(call $f)")));
        let callee = format!(
            "(func $f (param $x f32) (param $c f32) (result f32) {})",
            with("(local.get $c)")
        );
        quiets(callee + &single(&format!("(call $f (local.get $x) {constant})")));
        // A comparison that says so; of zeros it leaves the sign open.
        let bound = format!(
            "(block (result f32) (local.set $c {constant})
                (if (result f32) (f32.eq (local.get $c) {constant})
                    (then {}) (else (f32.const 7))))",
            with("(local.get $c)")
        );
        quiets(single(&bound));
        // The first round of a loop.
        let round = format!(
            "(block (result f32) (local.set $c {constant})
                (loop
                    (local.set $c {})
                    (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const $n))))
                (local.get $c))",
            with("(local.get $c)")
        );
        for rounds in ["1", "2", "5"] {
            quiets(single(&round.replace("$n", rounds)));
        }
    }
}

#[test]
fn a_way_there_and_back_quiets() {
    let there_and_back = "(f32.demote_f64 (f64.promote_f32 (local.get $x)))";
    runs(&single(there_and_back), QUIET.into());
    let callee = "(func $f (param f32) (result f64) (f64.promote_f32 (local.get 0)))";
    let called = single("(f32.demote_f64 (call $f (local.get $x)))");
    runs(&format!("{callee} {called}"), QUIET.into());
    let between = "(f32.demote_f64 (f64.mul (f64.promote_f32 (local.get $x)) (f64.const 1)))";
    runs(&single(between), QUIET.into());
}

#[test]
fn results_of_results_are_quiet() {
    let constants = "(local.set $c (f32.const -0))";
    let chain =
        "(f32.sub (f32.mul (f32.add (local.get $x) (local.get $c)) (f32.const 1)) (f32.const 0))";
    runs(
        &single(&format!("(block (result f32) {constants} {chain})")),
        QUIET.into(),
    );
    // The sign is looked at, and the bits behind it.
    let negated = format!("(f32.abs (f32.neg (block (result f32) {constants} {chain})))");
    runs(&single(&negated), (QUIET & !(1 << 31)).into());
    let chosen = format!(
        "(block (result f32) {constants}
            (select {chain} (f32.const 3) (i32.load (i32.const 0))))"
    );
    runs(&single(&chosen), QUIET.into());
}

#[test]
fn lanes_quiet() {
    let vector = |constant: &str, operation: &str, lane: &str| {
        format!(
            "(func (export \"run\") (result i64) (local $c v128)
                (local.set $c (v128.const {constant}))
                ({lane} 1 ({operation} (v128.load (i32.const 0)) (local.get $c))))"
        )
    };
    let both = u64::from(QUIET) << 32 | u64::from(QUIET);
    for (constant, operation) in [
        ("f32x4 -0 -0 -0 -0", "f32x4.add"),
        ("f32x4 0 0 0 0", "f32x4.sub"),
        ("f32x4 1 1 1 1", "f32x4.mul"),
        ("f32x4 1 2 1 1", "f32x4.div"),
    ] {
        runs(&vector(constant, operation, "i64x2.extract_lane"), both);
    }
    let doubles = "(func (export \"run\") (result i64) (local $c v128)
        (local.set $c (v128.const f64x2 1 1))
        (i64x2.extract_lane 1 (f64x2.mul (v128.load (i32.const 16)) (local.get $c))))";
    runs(doubles, SIGNALLING64 | 1 << 51);
}

#[test]
fn what_is_copied_stays_signalling() {
    let same = u64::from(SIGNALLING);
    for body in [
        "(local.get $x)",
        "(f32.reinterpret_i32 (i32.reinterpret_f32 (local.get $x)))",
        "(f32.neg (f32.neg (local.get $x)))",
        "(f32.copysign (local.get $x) (f32.const -1))",
        "(select (local.get $x) (f32.add (local.get $x) (f32.const 1)) (i32.load (i32.const 0)))",
        "(if (result f32) (i32.load (i32.const 0))
            (then (local.get $x)) (else (f32.mul (local.get $x) (f32.const 3))))",
        // A loop that is left before its first sum.
        "(block (result f32)
            (block (loop
                (br_if 1 (i32.eq (local.get $i) (i32.load (i32.const 64))))
                (local.set $x (f32.add (local.get $x) (f32.const 1)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br 0)))
            (local.get $x))",
    ] {
        runs(&single(body), same);
    }
}

#[test]
fn what_is_copied_beside_sums_stays_signalling() {
    for kept in 0..4 {
        let store = |lane: u32| {
            let at = 4 * lane;
            let sum = format!(
                "(f32.add (f32.load offset={at} (i32.const 0)) (f32.load offset={at} (i32.const 128)))"
            );
            let copy = format!("(f32.load offset={at} (i32.const 0))");
            let value = if lane == kept { copy } else { sum };
            format!("(local.set $l{lane} {value})")
        };
        let lanes: String = (0..4).map(store).collect();
        let put: String = (0..4)
            .map(|lane| {
                format!(
                    "(f32.store offset={} (i32.const 256) (local.get $l{lane}))",
                    4 * lane
                )
            })
            .collect();
        let module = format!(
            "(func (export \"run\") (result i64)
                (local $l0 f32) (local $l1 f32) (local $l2 f32) (local $l3 f32)
                {lanes} {put} (i64.load32_u offset={} (i32.const 256)))",
            4 * kept
        );
        runs(&module, SIGNALLING.into());
    }
}

#[test]
fn a_choice_between_a_root_and_a_nan_has_the_bits_of_what_it_chose() {
    let canonical = 0x7fc0_0000;
    runs(
        &single(
            "(block (result f32) (local.set $c (f32.sqrt (local.get $x)))
                (select (local.get $c) (f32.const nan) (f32.eq (local.get $c) (local.get $c))))",
        ),
        canonical,
    );
    // Behind operations on signs and on bits, and negated itself.
    let chosen = |nan: &str, root: &str| {
        format!(
            "(block (result f32) (local.set $c (f32.sqrt (local.get $x)))
                (select {root} {nan} (f32.eq (local.get $c) (local.get $c))))"
        )
    };
    let negative = canonical | 1 << 31;
    let reinterpreted = "(i32.reinterpret_f32 (local.get $c))";
    for (nan, root, expected) in [
        ("(f32.const -nan)", "(f32.neg (local.get $c))", negative),
        ("(f32.const nan)", "(f32.abs (local.get $c))", canonical),
        (
            "(f32.const -nan)",
            "(f32.neg (f32.abs (local.get $c)))",
            negative,
        ),
        (
            "(f32.const nan)",
            "(f32.copysign (local.get $c) (f32.load (i32.const 24)))",
            canonical,
        ),
    ] {
        runs(&single(&chosen(nan, root)), expected);
        let negated = format!("(f32.neg {})", chosen(nan, root));
        runs(&single(&negated), expected ^ 1 << 31);
    }
    for (nan, bits) in [("0x7fc00000", 0), ("0xffc00000", 1_i32 << 31)] {
        let root = format!("(i32.xor {reinterpreted} (i32.const {bits}))");
        let choice = chosen(&format!("(i32.const {nan})"), &root);
        let choice = choice.replacen("(result f32)", "(result i32)", 1);
        let choice = format!("(f32.reinterpret_i32 {choice})");
        runs(
            &single(&choice),
            u64::from_str_radix(&nan[2..], 16).unwrap(),
        );
    }
    // The sign is of no interest, which only the code generator sees: a constant sets it.
    let canonical_lanes = |value: &str| {
        format!(
            "(v128.bitselect (local.tee $c {value}) (v128.const f32x4 nan nan nan nan)
                (f32x4.eq (local.get $c) (local.get $c)))"
        )
    };
    let constant = canonical_lanes("(f32x4.nearest (v128.const f32x4 -2 -22 -2 -3))");
    let root = canonical_lanes("(f32x4.sqrt (v128.load (i32.const 0)))");
    let lanes = format!(
        "(func (export \"run\") (result i64) (local $c v128)
            (v128.store (i32.const 64)
                (v128.or (v128.or {constant} (v128.load (i32.const 128))) (f32x4.neg {root})))
            (i64.load32_u (i32.const 72)))"
    );
    runs(&lanes, negative);
    let lanes = "(func (export \"run\") (result i64) (local $c v128)
        (local.set $c (f32x4.sqrt (v128.load (i32.const 0))))
        (v128.store (i32.const 64) (f32x4.pmax
            (v128.bitselect (local.get $c) (v128.const f32x4 nan nan nan nan)
                (f32x4.eq (local.get $c) (local.get $c)))
            (f32x4.convert_i32x4_s (v128.load (i32.const 128)))))
        (i64.load32_u (i32.const 68)))";
    runs(lanes, canonical);
}

#[test]
fn literals_whose_lanes_were_replaced_are_quieted() {
    // Until LLVM's passes know the order of bytes, such a vector is an expression, and folded like a literal.
    let own = "(f64.reinterpret_i64 (i64.const 0x7ff4000000000321))";
    let replaced = format!("(f64x2.replace_lane 1 (v128.const i64x2 7 8) {own})");
    let zero = "(v128.const i64x2 0 0)";
    let one = "(v128.const f64x2 1 1)";
    for (operator, other) in [
        ("max", zero),
        ("min", zero),
        ("sub", zero),
        ("add", zero),
        ("mul", one),
        ("div", one),
        ("add", "(v128.const f64x2 -0 -0)"),
    ] {
        for operands in [
            format!("{replaced} {other}"),
            format!("(local.tee $v {replaced}) (block (result v128) {other})"),
        ] {
            let module = format!(
                "(func (export \"run\") (result i64) (local $v v128)
                    (v128.store (i32.const 64) (f64x2.{operator} {operands}))
                    (i64.load (i32.const 72)))"
            );
            runs(&module, SIGNALLING64 | 1 << 51);
        }
    }
    let demoted = format!("(f32x4.demote_f64x2_zero {replaced})");
    let module = format!(
        "(func (export \"run\") (result i64)
            (v128.store (i32.const 64) {demoted}) (i64.load32_u (i32.const 68)))"
    );
    runs(&module, 0x7fe0_0000);
}

#[test]
fn negated_neighbours_are_compiled() {
    // LLVM makes a vector of two lanes of them.
    let body = "(f32.div (f32.neg (f32.trunc (local.get $x)))
        (f32.neg (f32.min (f32.const 72.75) (f32.const nan:0x600123))))";
    runs(&single(body), u64::from(QUIET ^ 1 << 31));
}

#[test]
fn lanes_that_a_mask_leaves_as_they_are_quiet() {
    // With masks, the difference with a lane that was chosen to be zero is the other operand.
    for choice in [
        "(f32x4.pmin (v128.load (i32.const 64)) (local.get $zero))",
        "(f32x4.pmax (local.get $zero) (v128.load (i32.const 64)))",
        "(v128.bitselect (local.get $zero) (v128.load (i32.const 64))
            (f32x4.eq (v128.load (i32.const 64)) (v128.load (i32.const 80))))",
        "(v128.and (v128.load (i32.const 64))
            (f32x4.ne (v128.load (i32.const 64)) (v128.load (i32.const 80))))",
        "(v128.andnot (v128.load (i32.const 64))
            (f32x4.eq (v128.load (i32.const 64)) (v128.load (i32.const 80))))",
    ] {
        let module = format!(
            "(func (export \"run\") (result i64) (local $zero v128)
                (v128.store (i32.const 96) (f32x4.sub (v128.load (i32.const 0)) {choice}))
                (i64.load32_u (i32.const 100)))"
        );
        runs(&module, QUIET.into());
    }
    let chosen = "(func (export \"run\") (result i64) (local $zero v128)
        (v128.store (i32.const 64) (v128.const f32x4 3 3 3 3))
        (v128.store (i32.const 96) (f32x4.sub (v128.load (i32.const 0))
            (f32x4.pmin (v128.load (i32.const 64)) (local.get $zero))))
        (i64.load32_u (i32.const 100)))";
    runs(chosen, QUIET.into());
}

#[test]
fn literal_lanes_change_no_sign_and_come_second() {
    let lanes = |number: &str| format!("(v128.const f32x4 {number} {number} {number} {number})");
    let own = lanes("nan:0x200001");
    for (operation, literal, is_first, expected) in [
        ("mul", lanes("-1"), false, QUIET),
        ("mul", lanes("-1"), true, QUIET),
        ("div", lanes("-1"), false, QUIET),
        ("sub", lanes("-0"), true, QUIET),
        ("min", lanes("-0"), true, QUIET),
        ("max", lanes("-0"), true, QUIET),
        ("sub", own.clone(), false, QUIET),
        ("div", own.clone(), false, QUIET),
        ("min", own.clone(), false, QUIET),
        ("max", own.clone(), false, QUIET),
        ("sub", own.clone(), true, 0x7fe0_0001),
        ("div", own, true, 0x7fe0_0001),
        ("sub", lanes("nan"), true, 0x7fc0_0000),
        ("max", lanes("nan"), true, 0x7fc0_0000),
        ("div", lanes("nan"), false, QUIET),
    ] {
        let value = "(v128.load (i32.const 0))";
        let (first, second) = if is_first {
            (literal.as_str(), value)
        } else {
            (value, literal.as_str())
        };
        let module = format!(
            "(func (export \"run\") (result i64) (i64.extend_i32_u
                (i32x4.extract_lane 1 (f32x4.{operation} {first} {second}))))"
        );
        runs(&module, expected.into());
    }
}
