//! That the runner is strict: each kind of assertion fails when its statement does not hold.

use upshift::Config;

use super::{Reason, Report, run};

const MODULE: &str = r#"
(module
  (func (export "one") (result i32) (i32.const 1))
  (func (export "nan") (param i32) (result f32) (f32.reinterpret_i32 (local.get 0)))
  (func (export "lanes") (result v128) (v128.const f32x4 nan -nan nan:0x200000 1))
  (func (export "pair") (result i32 i64) (i32.const 1) (i64.const 2))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $deep (export "deep") (call $deep))
  (func (export "same") (param externref) (result externref) (local.get 0))
  (func (export "null") (result funcref) (ref.null func))
  (func $f (export "function") (result funcref) (ref.func $f))
  (global (export "global") i64 (i64.const 7)))
"#;

fn report(directives: &str) -> Report {
    run(&format!("{MODULE}{directives}"), &Config::new()).unwrap()
}

#[track_caller]
fn holds(assertion: &str) {
    let report = report(assertion);
    assert_eq!(
        (report.passed, report.failed),
        (1, 0),
        "{assertion}: {:?}",
        report.failures
    );
}

#[track_caller]
fn fails(directive: &str) -> Reason {
    let mut report = report(directive);
    assert_eq!((report.passed, report.failed), (0, 1), "{directive}");
    report.failures.remove(0).reason
}

#[test]
fn values_are_compared_with_their_types() {
    holds(r#"(assert_return (invoke "one") (i32.const 1))"#);
    holds(r#"(assert_return (invoke "one") (either (i32.const 2) (i32.const 1)))"#);
    holds(r#"(assert_return (invoke "pair") (i32.const 1) (i64.const 2))"#);
    holds(r#"(assert_return (get "global") (i64.const 7))"#);
    for wrong in [
        r#"(invoke "one") (i64.const 1)"#,
        r#"(invoke "one")"#,
        r#"(invoke "one") (i32.const 1) (i32.const 1)"#,
        r#"(invoke "one") (either (i32.const 2) (i64.const 1))"#,
        r#"(invoke "pair") (i32.const 1) (i64.const 3)"#,
        r#"(get "global") (i64.const 8)"#,
    ] {
        let reason = fails(&format!("(assert_return {wrong})"));
        assert!(matches!(reason, Reason::Values { .. }), "{reason}");
    }
}

#[test]
fn nan_patterns_are_told_apart() {
    for (bits, canonical, arithmetic) in [
        ("0x7fc00000", true, true),
        ("0xffc00000", true, true),
        ("0x7fc00001", false, true),
        ("0x7fa00000", false, false),
        ("0x7f800000", false, false),
    ] {
        for (pattern, fits) in [("canonical", canonical), ("arithmetic", arithmetic)] {
            let assertion = format!(
                r#"(assert_return (invoke "nan" (i32.const {bits})) (f32.const nan:{pattern}))"#
            );
            if fits {
                holds(&assertion)
            } else {
                drop(fails(&assertion))
            }
        }
    }
    // Equal as numbers, but not the same value.
    fails(r#"(assert_return (invoke "nan" (i32.const 0x80000000)) (f32.const 0))"#);

    let lanes = |lanes: &str| format!(r#"(assert_return (invoke "lanes") (v128.const {lanes}))"#);
    holds(&lanes("f32x4 nan:canonical nan:canonical nan:0x200000 1"));
    holds(&lanes("f32x4 nan:arithmetic -nan nan:0x200000 1"));
    holds(&lanes("i32x4 0x7fc00000 0xffc00000 0x7fa00000 0x3f800000"));
    fails(&lanes("f32x4 nan:canonical nan:canonical nan:arithmetic 1"));
    fails(&lanes("f32x4 nan:canonical nan:canonical nan:0x200000 2"));
    fails(&lanes("i16x8 0 0x7fc0 0 0xffc0 0 0x7fa0 0x3f80 0"));
}

#[test]
fn references_are_told_apart() {
    holds(r#"(assert_return (invoke "same" (ref.extern 3)) (ref.extern 3))"#);
    holds(r#"(assert_return (invoke "same" (ref.null extern)) (ref.null extern))"#);
    holds(r#"(assert_return (invoke "null") (ref.null func))"#);
    holds(r#"(assert_return (invoke "function") (ref.func))"#);
    fails(r#"(assert_return (invoke "same" (ref.extern 3)) (ref.extern 4))"#);
    fails(r#"(assert_return (invoke "same" (ref.extern 3)) (ref.null extern))"#);
    fails(r#"(assert_return (invoke "same" (ref.null extern)) (ref.extern 3))"#);
    fails(r#"(assert_return (invoke "null") (ref.null extern))"#);
    fails(r#"(assert_return (invoke "null") (ref.func))"#);
    fails(r#"(assert_return (invoke "function") (ref.null func))"#);
}

#[test]
fn a_trap_has_to_be_the_one_that_is_expected() {
    let divide =
        |by, message| format!(r#"(assert_trap (invoke "divide" (i32.const {by})) "{message}")"#);
    holds(&divide(0, "integer divide by zero"));
    assert!(matches!(
        fails(&divide(0, "integer overflow")),
        Reason::OtherError { .. }
    ));
    assert!(matches!(fails(&divide(0, "")), Reason::OtherError { .. }));
    assert!(matches!(
        fails(&divide(1, "integer divide by zero")),
        Reason::NoError { .. }
    ));
    holds(r#"(assert_exhaustion (invoke "deep") "call stack exhausted")"#);
    fails(r#"(assert_exhaustion (invoke "one") "call stack exhausted")"#);
    fails(r#"(assert_exhaustion (invoke "divide" (i32.const 0)) "call stack exhausted")"#);
    // A mistake in the call is no trap.
    fails(r#"(assert_trap (invoke "divide") "integer divide by zero")"#);
    holds(r#"(assert_trap (module (func $f unreachable) (start $f)) "unreachable")"#);
    fails(r#"(assert_trap (module (func $f) (start $f)) "unreachable")"#);
}

#[test]
fn modules_have_to_be_refused() {
    holds(r#"(assert_invalid (module (func (result i32))) "type mismatch")"#);
    fails(r#"(assert_invalid (module (func)) "type mismatch")"#);
    holds(r#"(assert_malformed (module quote "(func") "unexpected token")"#);
    holds(r#"(assert_malformed (module binary "\00asm\02\00\00\00") "unknown binary version")"#);
    fails(r#"(assert_malformed (module quote "(func)") "unexpected token")"#);
    holds(r#"(assert_unlinkable (module (import "spectest" "no" (func))) "unknown import")"#);
    let incompatible = r#"(module (import "spectest" "print" (func (param i32))))"#;
    holds(&format!(
        r#"(assert_unlinkable {incompatible} "incompatible import type")"#
    ));
    fails(&format!(
        r#"(assert_unlinkable {incompatible} "unknown import")"#
    ));
    fails(r#"(assert_unlinkable (module (import "spectest" "print" (func))) "unknown import")"#);
}

#[test]
fn commands_that_cannot_be_carried_out_are_failures() {
    assert!(matches!(fails(r#"(invoke "two")"#), Reason::Unknown { .. }));
    assert!(matches!(
        fails(r#"(invoke $other "one")"#),
        Reason::Unknown { .. }
    ));
    assert!(matches!(
        fails(r#"(register "name" $other)"#),
        Reason::Unknown { .. }
    ));
    assert!(matches!(
        fails(r#"(invoke "divide" (i32.const 0))"#),
        Reason::Unexpected(_)
    ));
    assert!(matches!(
        fails(r#"(module (func (result i32)))"#),
        Reason::Unexpected(_)
    ));
    assert!(matches!(
        fails(r#"(assert_exception (invoke "one"))"#),
        Reason::Unsupported { .. }
    ));
    // Directives after a broken module are not answered by the one before it.
    let report =
        report(r#"(module (func (result i32))) (assert_return (invoke "one") (i32.const 1))"#);
    assert_eq!((report.passed, report.failed), (0, 2));
}

#[test]
fn definitions_are_instantiated_as_often_as_named() {
    let report = run(
        r#"
        (module definition $counter
          (global $count (mut i32) (i32.const 0))
          (func (export "next") (result i32)
            (global.set $count (i32.add (global.get $count) (i32.const 1)))
            (global.get $count)))
        (module instance $a $counter)
        (module instance $b $counter)
        (assert_return (invoke $a "next") (i32.const 1))
        (assert_return (invoke $a "next") (i32.const 2))
        (assert_return (invoke $b "next") (i32.const 1))
        (register "b" $b)
        (module (import "b" "next" (func $next (result i32)))
          (func (export "twice") (result i32) (drop (call $next)) (call $next)))
        (assert_return (invoke "twice") (i32.const 3))
        "#,
        &Config::new(),
    );
    let report = report.unwrap();
    assert_eq!(
        (report.passed, report.failed),
        (4, 0),
        "{:?}",
        report.failures
    );
}
