//! The middle tier: the same results and the same work as in the baseline, by code that keeps locals and the
//! budget in registers.

use std::sync::atomic::Ordering;

use upshift_runtime::TrapCode;
use upshift_translate::{CodeForm, CompileRequest, EntryPoint, ModuleCompiler};

use super::lab::{GUARDED, Lab, compiler_of, f64, index, request};
use super::loops::{NESTED, SUM, nested_result};
use crate::CraneliftTier;

fn both() -> [CraneliftTier; 2] {
    [CraneliftTier::baseline(), CraneliftTier::middle()].map(Result::unwrap)
}

/// Loops in a function that calls itself, with results that depend on every round and call.
const RECURSIVE: &str = r#"(module
  (func $f (export "f") (param $n i32) (param $x f64) (result f64) (local $i i32)
    (loop $next
      (local.set $x (f64.add (f64.mul (local.get $x) (f64.const 0.5)) (f64.convert_i32_u (local.get $i))))
      (if (i32.and (local.get $n) (i32.eq (local.get $i) (i32.const 2)))
        (then (local.set $x (call $f (i32.sub (local.get $n) (i32.const 1)) (local.get $x)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 9))))
    (if (local.get $n)
      (then (local.set $x (call $f (i32.sub (local.get $n) (i32.const 1)) (local.get $x)))))
    (local.get $x)))"#;

#[test]
fn a_budget_in_a_register_is_the_budget_that_calls_see() {
    for grant in [0, 7, 100, 10_000] {
        let [baseline, middle] = both().map(|tier| {
            let mut lab = Lab::on(&tier, RECURSIVE, GUARDED, Vec::new());
            *lab.hooks.grant.lock().unwrap() = grant;
            let result = lab.one("f", &[6, f64(1.0)]);
            let [entries, loops] =
                [&lab.hooks.entries, &lab.hooks.loops].map(|n| n.load(Ordering::Relaxed));
            (result, entries, loops)
        });
        assert_eq!(baseline, middle, "{grant}");
        assert!(baseline.1 > 0, "{grant}");
        assert!(baseline.2 > 5 || grant > 100, "{grant}");
    }
}

#[test]
fn a_poll_changes_no_register() {
    let mut lab = Lab::on(
        &CraneliftTier::middle().unwrap(),
        NESTED,
        GUARDED,
        Vec::new(),
    );
    *lab.hooks.grant.lock().unwrap() = 0;
    assert_eq!(lab.run("nested", &[9, 0]), Ok(nested_result(9)));
    assert!(lab.hooks.loops.load(Ordering::Relaxed) >= 81);
}

#[test]
fn frames_move_from_the_baseline_and_from_the_middle_tier_again() {
    for tier in both() {
        // A round takes less than that, so that each entry gets further.
        for grant in [200, 500] {
            let mut lab = Lab::on(&tier, NESTED, GUARDED, Vec::new());
            *lab.hooks.grant.lock().unwrap() = grant;
            // The entries are the middle tier's, in which frames poll on.
            lab.hooks.entries_of(&CraneliftTier::middle().unwrap());
            *lab.hooks.move_loops.lock().unwrap() = true;
            assert_eq!(lab.run("nested", &[9, 0]), Ok(nested_result(9)));
            assert!(lab.hooks.loops.load(Ordering::Relaxed) >= 1);
        }
        let mut lab = Lab::on(&tier, SUM, GUARDED, Vec::new());
        *lab.hooks.grant.lock().unwrap() = 900;
        lab.hooks.entries_of(&CraneliftTier::middle().unwrap());
        *lab.hooks.move_loops.lock().unwrap() = true;
        assert_eq!(lab.one("sum", &[1000]), 500_500);
        assert!(lab.hooks.loops.load(Ordering::Relaxed) > 3);
    }
}

#[test]
fn locals_that_are_dead_at_a_header_are_not_stored_for_it() {
    let text = r#"(module (func (param i32) (result i32) (local $dead i32) (local $live i32)
        (loop
          (local.set $dead (i32.mul (local.get $live) (i32.const 77)))
          (local.set $live (i32.add (local.get $live) (local.get $dead)))
          (br_if 0 (i32.lt_u (local.get $live) (local.get 0))))
        (local.get $live)))"#;
    let (compiler, _, _) = compiler_of(&CraneliftTier::middle().unwrap(), text, GUARDED);
    let clif = compiler.emit(request(0), CodeForm::Intermediate).unwrap();
    let (_, behind) = clif.split_once("cold:").expect("a cold path");
    let cold: String = behind
        .lines()
        .take_while(|line| !line.contains("call_"))
        .collect();
    // The two that are alive, and the budget.
    assert_eq!(cold.matches("store").count(), 3, "{clif}");
}

#[test]
fn errors_name_the_tier() {
    let (compiler, _, _) = compiler_of(&CraneliftTier::middle().unwrap(), SUM, GUARDED);
    let request = CompileRequest {
        function: index(0),
        entry: EntryPoint::Loop(index(1)),
    };
    let error = compiler.compile(request).unwrap_err();
    assert!(error.to_string().contains("middle"), "{error}");
}

#[test]
fn a_division_that_nobody_looks_at_traps() {
    let text = r#"(module (memory 1) (func (export "f") (param i32) (result i32)
        (loop (drop (i32.div_u (i32.const 1) (local.get 0)))
          (drop (i32.load (i32.const 0)))
          (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br 0)) (i32.const 0)))"#;
    let mut lab = Lab::on(&CraneliftTier::middle().unwrap(), text, GUARDED, Vec::new());
    assert_eq!(lab.run("f", &[100]), Err(TrapCode::IntegerDivideByZero));
}
