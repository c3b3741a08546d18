//! Counted work: the amount taken from a budget, the cold path of one used up at a function's entry, and
//! which rounds of a loop ask.

use std::sync::atomic::Ordering;

use upshift_translate::{CodeForm, CodegenSettings, ModuleCompiler};

use super::lab::{CHECKED, GUARDED, Lab, compiler, f64, index, request};
use super::loops::SUM;
use crate::CraneliftTier;

#[test]
fn work_is_counted_at_entries_and_headers() {
    let mut lab = Lab::new(SUM);
    *lab.hooks.grant.lock().unwrap() = 100;
    assert_eq!(lab.one("sum", &[1000]), 500_500);
    // Budgets begin at zero, so that the first call is noticed.
    assert_eq!(lab.hooks.entries.load(Ordering::Relaxed), 1);
    assert!(*lab.hooks.last_budget.lock().unwrap() < 0);
    // A round of ten operators or so takes that much of a budget of a hundred.
    let loops = lab.hooks.loops.load(Ordering::Relaxed);
    assert!((50..200).contains(&loops), "{loops}");
}

#[test]
fn no_work_is_counted_when_nobody_wants_it() {
    let mut lab = Lab::with(SUM, CHECKED, Vec::new());
    assert_eq!(lab.one("sum", &[1000]), 500_500);
    assert_eq!(lab.hooks.entries.load(Ordering::Relaxed), 0);
    assert_eq!(lab.hooks.loops.load(Ordering::Relaxed), 0);
}

#[test]
fn an_entry_takes_its_own_work_and_the_first_round_of_its_loops() {
    let taken = |text: &str| {
        let mut lab = Lab::new(text);
        lab.run("f", &[1]).unwrap();
        -*lab.hooks.last_budget.lock().unwrap()
    };
    let straight = taken(r#"(module (func (export "f") (param i32) (drop (local.get 0))))"#);
    let one = taken(
        r#"(module (func (export "f") (param i32)
          (drop (local.get 0)) (loop (drop (local.get 0)) (drop (local.get 0)))))"#,
    );
    let two = taken(
        r#"(module (func (export "f") (param i32)
          (drop (local.get 0)) (loop (loop (drop (local.get 0))) (drop (local.get 0)))))"#,
    );
    // The walk's count for a loop itself is its own business.
    assert_eq!(straight, 2);
    assert!((6..8).contains(&one), "{one}");
    assert!((6..10).contains(&two), "{two}");
}

#[test]
fn a_loop_that_ends_with_its_first_round_does_not_ask() {
    let loops = |tier: &CraneliftTier, rounds: i32| {
        let mut lab = Lab::on(tier, SUM, GUARDED, Vec::new());
        *lab.hooks.grant.lock().unwrap() = 0;
        let n = u128::from(rounds.cast_unsigned());
        assert_eq!(lab.one("sum", &[n - 1]), n * (n - 1) / 2);
        lab.hooks.loops.load(Ordering::Relaxed)
    };
    let tier = CraneliftTier::baseline().unwrap();
    assert_eq!((loops(&tier, 1), loops(&tier, 7)), (0, 6));
    let tier = tier.poll_first_rounds(true);
    assert_eq!((loops(&tier, 1), loops(&tier, 7)), (1, 7));
}

/// Takes an argument in each register that can have one, and some on the stack.
const CROWDED: &str = r#"(module
  (func (export "f")
    (param i32 i64 i32 i64 i32 i64 i64 f64 v128 f32 f64 v128 f64 f64 v128 f64) (result i64)
    (i64.add (i64.extend_i32_u (local.get 0)) (local.get 1))
    (i64.add (i64.extend_i32_u (local.get 2))) (i64.add (local.get 3))
    (i64.add (i64.extend_i32_u (local.get 4))) (i64.add (local.get 5)) (i64.add (local.get 6))
    (i64.add (i64.trunc_f64_s (local.get 7))) (i64.add (i64x2.extract_lane 1 (local.get 8)))
    (i64.add (i64.trunc_f32_s (local.get 9))) (i64.add (i64.trunc_f64_s (local.get 10)))
    (i64.add (i64x2.extract_lane 1 (local.get 11))) (i64.add (i64.trunc_f64_s (local.get 12)))
    (i64.add (i64.trunc_f64_s (local.get 13))) (i64.add (i64x2.extract_lane 1 (local.get 14)))
    (i64.add (i64.trunc_f64_s (local.get 15))))
  (func
    (param i32 i64 i32 i64 i32 i64 i64 f64 v128 f32 f64 v128 f64 f64 v128 f64) (result i64)
    (i64.sub (local.get 6) (i64.trunc_f64_s (local.get 15)))))"#;

fn crowd() -> Vec<u128> {
    let mut bit = 0;
    let mut next = || {
        bit += 1;
        1_u64 << (bit - 1)
    };
    "iiiiiiifvsfvffvf"
        .chars()
        .map(|kind| match (kind, next()) {
            ('f', value) => f64(value as f64),
            ('s', value) => u128::from((value as f32).to_bits()),
            ('v', value) => u128::from(value) << 64,
            (_, value) => u128::from(value),
        })
        .collect()
}

#[test]
fn a_call_whose_budget_is_used_up_keeps_its_arguments() {
    let mut lab = Lab::new(CROWDED);
    *lab.hooks.grant.lock().unwrap() = 0;
    for calls in 1..=3 {
        assert_eq!(lab.one("f", &crowd()), 0xFFFF);
        assert_eq!(lab.hooks.entries.load(Ordering::Relaxed), calls);
    }
}

#[test]
fn a_call_whose_budget_is_used_up_goes_to_better_code() {
    let mut lab = Lab::new(CROWDED);
    *lab.hooks.better.lock().unwrap() = Some(index(1));
    assert_eq!(
        lab.one("f", &crowd()),
        i64_bits((1 << 6) - (1 << 15)),
        "the other function has run"
    );
    // The code that runs in its place has a budget of its own.
    assert_eq!(lab.hooks.entries.load(Ordering::Relaxed), 2);
}

#[test]
fn calls_are_counted_with_and_without_their_work_and_keep_their_arguments() {
    for settings in [GUARDED, CHECKED] {
        let counting = CodegenSettings {
            count_calls: true,
            ..settings
        };
        let mut lab = Lab::with(CROWDED, counting, Vec::new());
        *lab.hooks.grant.lock().unwrap() = 0;
        for _ in 0..2 {
            assert_eq!(lab.one("f", &crowd()), 0xFFFF);
        }
        assert_eq!(lab.call_counts(), Some(vec![2, 0]));
        if settings.count_work {
            // A call that goes to better code is one of that.
            *lab.hooks.better.lock().unwrap() = Some(index(1));
            assert_eq!(lab.one("f", &crowd()), i64_bits((1 << 6) - (1 << 15)));
            assert_eq!(lab.call_counts(), Some(vec![2, 1]));
        }
    }
    assert_eq!(Lab::new(CROWDED).call_counts(), None);
}

#[test]
fn code_that_does_not_count_calls_has_nothing_of_it() {
    let emit = |count_calls| {
        let settings = CodegenSettings {
            count_calls,
            ..GUARDED
        };
        let (compiler, _, _) = compiler(CROWDED, settings);
        let code = compiler.compile(request(0)).unwrap().code;
        let text = compiler.emit(request(0), CodeForm::Assembly).unwrap();
        (code.len, text.contains("incq"))
    };
    let (plain, counting) = (emit(false), emit(true));
    assert_eq!((plain.1, counting.1), (false, true));
    assert_eq!(counting.0 - plain.0, 16);
}

fn i64_bits(value: i64) -> u128 {
    u128::from(value.cast_unsigned())
}

#[test]
fn what_is_around_the_body_belongs_to_the_first_operator() {
    let text =
        r#"(module (func (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0))))"#;
    let (compiler, module, _) = compiler(text, GUARDED);
    let code = compiler.compile(request(0)).unwrap().code;
    let operator_at = |offset: usize| {
        let offset = code.module_offset_at(code.address + offset).unwrap();
        module.bytes[offset.as_u32() as usize]
    };
    // i32.const
    assert_eq!((operator_at(0), operator_at(code.len - 1)), (0x41, 0x41));
    assert_eq!(code.address % 16, 0);
}

#[test]
fn the_check_is_shown_with_the_code() {
    let text = "(module (func))";
    let (counted, _, _) = compiler(text, GUARDED);
    let counted = counted.emit(request(0), CodeForm::Assembly).unwrap();
    let (check, body) = counted.split_once("body:").unwrap();
    assert!(check.contains("js") && !body.contains("subl"), "{counted}");
    let (plain, _, _) = compiler(text, CHECKED);
    let plain = plain.emit(request(0), CodeForm::Assembly).unwrap();
    assert!(!plain.contains("js"), "{plain}");
}
