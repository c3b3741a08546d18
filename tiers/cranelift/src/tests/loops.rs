//! Control flow, and moving out of a running loop.

use std::sync::atomic::Ordering;

use upshift_runtime::TrapCode;
use upshift_translate::{CompileRequest, EntryPoint, ModuleCompiler};

use super::lab::{GUARDED, Lab, compiler, f64, i32, index, request};

pub(super) const SUM: &str = r#"(module
  (func (export "sum") (param $n i32) (result i64) (local $i i32) (local $sum i64)
    (loop $next
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i))))
      (br_if $next (i32.le_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $sum)))"#;

/// Operands below a loop, parameters of a loop, a vector local, two levels.
pub(super) const NESTED: &str = r#"(module
  (func (export "nested") (param $n i32) (param $v v128) (result i64 v128) (local $i i32) (local $j i32)
    (i64.const 1000)
    (i32x4.splat (i32.const 1))
    (local.get $v)
    (i64.const 0)
    (loop $outer (param i64) (result i64)
      (local.set $j (i32.const 0))
      (loop $inner (param i64) (result i64)
        (i64.add (i64.extend_i32_u (i32.mul (local.get $i) (local.get $j))))
        (local.set $v (i32x4.add (local.get $v) (i32x4.splat (i32.const 1))))
        (br_if $inner (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
      (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.set $i (i32.wrap_i64))
    i32x4.add
    (local.set $v (i32x4.add (local.get $v)))
    (i64.add (i64.extend_i32_u (local.get $i)))
    (local.get $v)))"#;

pub(super) fn nested_result(n: u128) -> Vec<u128> {
    let triangle = n * (n - 1) / 2;
    let lane = n * n + 1;
    let lanes = lane | lane << 32 | lane << 64 | lane << 96;
    vec![1000 + triangle * triangle, lanes]
}

#[test]
fn a_loop_goes_on_when_there_is_nothing_better() {
    let mut lab = Lab::new(NESTED);
    *lab.hooks.grant.lock().unwrap() = 0;
    assert_eq!(lab.run("nested", &[5, 0]), Ok(nested_result(5)));
    assert!(lab.hooks.loops.load(Ordering::Relaxed) >= 25);
}

#[test]
fn a_running_loop_moves_into_its_entry() {
    for grant in [0, 30, 100, 500] {
        let mut lab = Lab::new(NESTED);
        *lab.hooks.grant.lock().unwrap() = grant;
        *lab.hooks.move_loops.lock().unwrap() = true;
        assert_eq!(lab.run("nested", &[9, 0]), Ok(nested_result(9)));
        assert!(lab.hooks.loops.load(Ordering::Relaxed) >= 1);
        let mut lab = Lab::new(SUM);
        *lab.hooks.grant.lock().unwrap() = grant;
        *lab.hooks.move_loops.lock().unwrap() = true;
        assert_eq!(lab.one("sum", &[1000]), 500_500);
        assert_eq!(lab.hooks.loops.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn a_loop_that_traps_after_moving_traps() {
    let mut lab = Lab::new(
        r#"(module (func (export "f") (param i32) (result f64)
          (loop $l
            (drop (i32.div_u (i32.const 1) (local.get 0)))
            (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
            (br $l))
          (unreachable)))"#,
    );
    *lab.hooks.grant.lock().unwrap() = 40;
    *lab.hooks.move_loops.lock().unwrap() = true;
    assert_eq!(lab.run("f", &[100]), Err(TrapCode::IntegerDivideByZero));
    assert_eq!(lab.hooks.loops.load(Ordering::Relaxed), 1);
}

#[test]
fn floats_are_returned_after_moving() {
    let mut lab = Lab::new(
        r#"(module (func (export "f") (param f64 i32) (result f64)
          (loop $l
            (local.set 0 (f64.mul (local.get 0) (f64.const 2)))
            (br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
          (local.get 0)))"#,
    );
    *lab.hooks.grant.lock().unwrap() = 20;
    *lab.hooks.move_loops.lock().unwrap() = true;
    assert_eq!(lab.one("f", &[f64(1.5), 10]), f64(1536.0));
    assert_eq!(lab.hooks.loops.load(Ordering::Relaxed), 1);
}

#[test]
fn branch_tables_go_where_they_say() {
    let mut lab = Lab::new(
        r#"(module
          (func (export "pick") (param i32) (result i32)
            (block $a (result i32) (block $b (result i32) (block $c (result i32)
              (br_table $a $b $c $a (i32.const 5) (local.get 0)))
              (i32.add (i32.const 100)))
              (i32.add (i32.const 10))))
          (func (export "only_default") (param i32) (result i32)
            (block $a (br_table $a (local.get 0))) (i32.const 3)))"#,
    );
    assert_eq!(lab.one("pick", &[0]), 5);
    assert_eq!(lab.one("pick", &[1]), 15);
    assert_eq!(lab.one("pick", &[2]), 115);
    assert_eq!(lab.one("pick", &[3]), 5);
    assert_eq!(lab.one("pick", &[i32(-1)]), 5);
    assert_eq!(lab.one("only_default", &[9]), 3);
}

#[test]
fn unreachable_code_is_accepted() {
    let mut lab = Lab::new(
        r#"(module
          (func (export "a") (result i32) (return (i32.const 1)) (i32.add) (drop) (br 0 (i32.const 2)))
          (func (export "b") (param i32) (result i32)
            (if (local.get 0) (then (unreachable)) (else (return (i32.const 4))))
            (i32.const 5)))"#,
    );
    assert_eq!(lab.one("a", &[]), 1);
    assert_eq!(lab.one("b", &[0]), 4);
    assert_eq!(lab.run("b", &[1]), Err(TrapCode::Unreachable));
}

#[test]
fn an_entry_at_a_loop_that_is_not_there_is_an_error() {
    let (compiler, _, _) = compiler(SUM, GUARDED);
    let entry = CompileRequest {
        function: index(0),
        entry: EntryPoint::Loop(index(1)),
    };
    let error = compiler.compile(entry).unwrap_err();
    assert!(error.to_string().contains("baseline"), "{error}");
    let missing = request(7);
    assert!(compiler.compile(missing).is_err());
}
