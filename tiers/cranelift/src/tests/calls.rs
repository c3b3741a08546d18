//! Calls: through slots, of imports, through tables, with many parameters and results, without end.

use upshift_runtime::TrapCode;

use super::lab::{GUARDED, Host, Lab, f64};

#[test]
fn a_function_calls_itself_through_its_slot() {
    let mut lab = Lab::new(
        r#"(module (func $fib (export "fib") (param i32) (result i32)
          (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add
              (call $fib (i32.sub (local.get 0) (i32.const 1)))
              (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#,
    );
    assert_eq!(lab.one("fib", &[20]), 6765);
}

#[test]
fn results_come_back_through_cells() {
    let mut lab = Lab::new(
        r#"(module
          (func $three (param i32 f64 v128) (result v128 i32 f64) (local.get 2) (local.get 0) (local.get 1))
          (func $swap (param i32 i32) (result i32 i32) (local.get 1) (local.get 0))
          (func (export "three") (param i32 f64 v128) (result v128 i32 f64)
            (call $three (local.get 0) (local.get 1) (local.get 2)))
          (func (export "nested") (param i32 i32) (result i32)
            (call $swap (local.get 0) (local.get 1))
            (call $swap (i32.const 1) (i32.const 2))
            drop i32.add i32.sub))"#,
    );
    let vector = 0x1234_5678_9ABC_DEF0_0FED_CBA9_8765_4321;
    assert_eq!(
        lab.run("three", &[7, f64(2.5), vector]),
        Ok(vec![vector, 7, f64(2.5)])
    );
    // 20 - (10 + 2).
    assert_eq!(lab.one("nested", &[10, 20]), 8);
}

#[test]
fn parameters_beyond_the_registers_arrive() {
    let mut lab = Lab::new(
        r#"(module
          (func $weigh (param i32 i32 i32 i32 i32 i32 i32 i64 v128 f64) (result i64)
            (i64.add (i64.extend_i32_u (i32.add (local.get 5) (i32.mul (i32.const 10) (local.get 6))))
              (i64.add (i64.mul (i64.const 100) (local.get 7))
                (i64.add (i64x2.extract_lane 1 (local.get 8)) (i64.trunc_f64_s (local.get 9))))))
          (func (export "weigh") (param i32 i32 i32 i32 i32 i32 i32 i64 v128 f64) (result i64)
            (call $weigh (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
              (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9))))"#,
    );
    let args = [0, 0, 0, 0, 0, 1, 2, 3, 4000 << 64, f64(50000.0)];
    assert_eq!(lab.one("weigh", &args), 54321);
}

#[test]
fn imports_are_called_with_their_own_context() {
    let double: Host = Box::new(|call| call.set_gpr(call.gpr(1) * 2));
    let half: Host = Box::new(|call| {
        call.set_xmm_low((f64::from_bits(call.xmm_low(0)) / 2.0).to_bits());
    });
    let mut lab = Lab::with(
        r#"(module
          (import "host" "double" (func $double (param i32) (result i32)))
          (import "host" "half" (func $half (param f64) (result f64)))
          (func (export "both") (param i32 f64) (result f64)
            (f64.add (call $half (local.get 1)) (f64.convert_i32_u (call $double (local.get 0))))))"#,
        GUARDED,
        vec![double, half],
    );
    assert_eq!(lab.one("both", &[21, f64(1.0)]), f64(42.5));
}

#[test]
fn calls_through_tables_make_three_checks() {
    let host: Host = Box::new(|call| call.set_gpr(1000 + call.gpr(1)));
    let mut lab = Lab::with(
        r#"(module
          (type $unary (func (param i32) (result i32)))
          (import "host" "f" (func $host (type $unary)))
          (table 5 funcref)
          (elem (i32.const 0) $add $nullary $host)
          (func $add (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
          (func $nullary (result i32) (i32.const 9))
          (func (export "through") (param i32 i32) (result i32)
            (call_indirect (type $unary) (local.get 1) (local.get 0))))"#,
        GUARDED,
        vec![host],
    );
    assert_eq!(lab.one("through", &[0, 5]), 6);
    assert_eq!(lab.one("through", &[2, 5]), 1005);
    assert_eq!(
        lab.run("through", &[1, 5]),
        Err(TrapCode::IndirectCallTypeMismatch)
    );
    assert_eq!(
        lab.run("through", &[3, 5]),
        Err(TrapCode::UninitializedElement)
    );
    assert_eq!(lab.run("through", &[5, 5]), Err(TrapCode::UndefinedElement));
}

#[test]
fn endless_recursion_is_a_trap() {
    let mut lab = Lab::new(
        r#"(module
          (func $forever (export "forever") (param i32) (result i32)
            (i32.add (i32.const 1) (call $forever (local.get 0))))
          (func $large (export "large") (param i32) (result i32) (local v128 v128 v128 v128 v128 v128)
            (i32.add (i32.const 1) (call $large (local.get 0))))
          (func (export "fine") (result i32) (i32.const 3)))"#,
    );
    assert_eq!(lab.run("forever", &[0]), Err(TrapCode::StackOverflow));
    assert_eq!(lab.run("large", &[0]), Err(TrapCode::StackOverflow));
    assert_eq!(lab.one("fine", &[]), 3);
}

#[test]
fn references_to_functions_are_values() {
    let mut lab = Lab::new(
        r#"(module
          (table 1 funcref)
          (elem declare func $seven)
          (type $nullary (func (result i32)))
          (func $seven (result i32) (i32.const 7))
          (func (export "run") (result i32)
            (table.set (i32.const 0) (ref.func $seven))
            (call_indirect (type $nullary) (i32.const 0))))"#,
    );
    assert_eq!(lab.one("run", &[]), 7);
}
