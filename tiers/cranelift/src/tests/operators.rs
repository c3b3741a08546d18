//! Scalar operators: traps, combined conditions, conversions at their borders.

use upshift_runtime::TrapCode;

use super::lab::{Lab, f64, i32};

#[test]
fn division_traps_and_wraps_as_specified() {
    let mut lab = Lab::new(
        r#"(module
          (func (export "div_s") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
          (func (export "rem_s") (param i32 i32) (result i32) (i32.rem_s (local.get 0) (local.get 1)))
          (func (export "div_u") (param i64 i64) (result i64) (i64.div_u (local.get 0) (local.get 1)))
          (func (export "rem_u") (param i64 i64) (result i64) (i64.rem_u (local.get 0) (local.get 1))))"#,
    );
    assert_eq!(lab.one("div_s", &[i32(-7), i32(2)]), i32(-3));
    assert_eq!(
        lab.run("div_s", &[i32(1), 0]),
        Err(TrapCode::IntegerDivideByZero)
    );
    assert_eq!(
        lab.run("div_s", &[i32(i32::MIN), i32(-1)]),
        Err(TrapCode::IntegerOverflow)
    );
    assert_eq!(lab.one("rem_s", &[i32(i32::MIN), i32(-1)]), 0);
    assert_eq!(
        lab.run("rem_s", &[i32(1), 0]),
        Err(TrapCode::IntegerDivideByZero)
    );
    assert_eq!(
        lab.one("div_u", &[u64::MAX.into(), 10]),
        (u64::MAX / 10).into()
    );
    assert_eq!(
        lab.run("div_u", &[1, 0]),
        Err(TrapCode::IntegerDivideByZero)
    );
    assert_eq!(
        lab.run("rem_u", &[1, 0]),
        Err(TrapCode::IntegerDivideByZero)
    );
}

#[test]
fn truncation_tells_nan_from_overflow() {
    let mut lab = Lab::new(
        r#"(module
          (func (export "s") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
          (func (export "u") (param f64) (result i64) (i64.trunc_f64_u (local.get 0)))
          (func (export "sat") (param f64) (result i32) (i32.trunc_sat_f64_s (local.get 0))))"#,
    );
    assert_eq!(lab.one("s", &[f64(-2_147_483_648.9)]), i32(i32::MIN));
    assert_eq!(
        lab.run("s", &[f64(2_147_483_648.0)]),
        Err(TrapCode::IntegerOverflow)
    );
    assert_eq!(
        lab.run("s", &[f64(f64::NAN)]),
        Err(TrapCode::InvalidConversionToInteger)
    );
    assert_eq!(lab.one("u", &[f64(-0.9)]), 0);
    assert_eq!(lab.run("u", &[f64(-1.0)]), Err(TrapCode::IntegerOverflow));
    assert_eq!(lab.one("sat", &[f64(1e10)]), i32(i32::MAX));
    assert_eq!(lab.one("sat", &[f64(f64::NAN)]), 0);
}

#[test]
fn negated_comparisons_are_right_for_nan() {
    // A negated integer comparison becomes its opposite; one of floats must not.
    let mut lab = Lab::new(
        r#"(module
          (func (export "int") (param i32 i32) (result i32) (i32.eqz (i32.lt_u (local.get 0) (local.get 1))))
          (func (export "float") (param f64 f64) (result i32) (i32.eqz (f64.lt (local.get 0) (local.get 1))))
          (func (export "branch") (param i32 i32) (result i32)
            (if (result i32) (i32.eqz (i32.eqz (i32.gt_s (local.get 0) (local.get 1))))
              (then (i32.const 10)) (else (i32.const 20))))
          (func (export "select") (param i64 i32) (result i64)
            (select (i64.const 1) (local.get 0) (i32.ne (local.get 1) (i32.const 5)))))"#,
    );
    assert_eq!(lab.one("int", &[1, 2]), 0);
    assert_eq!(lab.one("int", &[i32(-1), 2]), 1);
    assert_eq!(lab.one("float", &[f64(f64::NAN), f64(1.0)]), 1);
    assert_eq!(lab.one("float", &[f64(0.0), f64(1.0)]), 0);
    assert_eq!(lab.one("branch", &[2, 1]), 10);
    assert_eq!(lab.one("branch", &[1, 2]), 20);
    assert_eq!(lab.one("select", &[7, 5]), 7);
    assert_eq!(lab.one("select", &[7, 6]), 1);
}

#[test]
fn float_operators_round_and_order_as_specified() {
    let mut lab = Lab::new(
        r#"(module
          (func (export "nearest") (param f64) (result f64) (f64.nearest (local.get 0)))
          (func (export "min") (param f64 f64) (result f64) (f64.min (local.get 0) (local.get 1)))
          (func (export "copysign") (param f64 f64) (result f64) (f64.copysign (local.get 0) (local.get 1)))
          (func (export "bits") (param f64) (result i64) (i64.reinterpret_f64 (local.get 0)))
          (func (export "promote") (param f32) (result f64) (f64.promote_f32 (local.get 0)))
          (func (export "from_u64") (param i64) (result f64) (f64.convert_i64_u (local.get 0))))"#,
    );
    assert_eq!(lab.one("nearest", &[f64(2.5)]), f64(2.0));
    assert_eq!(lab.one("nearest", &[f64(-0.4)]), f64(-0.0));
    assert_eq!(lab.one("min", &[f64(0.0), f64(-0.0)]), f64(-0.0));
    assert!(f64::from_bits(lab.one("min", &[f64(1.0), f64(f64::NAN)]) as u64).is_nan());
    assert_eq!(lab.one("copysign", &[f64(3.0), f64(-0.0)]), f64(-3.0));
    assert_eq!(lab.one("bits", &[f64(1.0)]), 1.0_f64.to_bits().into());
    assert_eq!(
        lab.one("promote", &[0.1_f32.to_bits().into()]),
        f64(0.1_f32.into())
    );
    assert_eq!(
        lab.one("from_u64", &[u64::MAX.into()]),
        f64(18_446_744_073_709_551_615.0)
    );
}

#[test]
fn locals_begin_as_zero_whatever_their_number_and_alignment() {
    // Cells of 8 and 16 bytes, beginning at an offset that 16 does not divide.
    let mut lab = Lab::new(
        r#"(module
          (func $dirty (export "dirty") (result i64) (local i64 i64 i64 i64 i64 i64 i64 i64)
            (local.set 0 (i64.const -1)) (local.set 1 (i64.const -1)) (local.set 2 (i64.const -1))
            (local.set 3 (i64.const -1)) (local.set 4 (i64.const -1)) (local.set 5 (i64.const -1))
            (local.set 6 (i64.const -1)) (local.set 7 (i64.const -1))
            (i64.add (local.get 0) (local.get 7)))
          (func (export "zero") (param i64) (result i64) (local i32 f64 v128 i64)
            (local.get 0)
            (i64.extend_i32_u (local.get 1))
            (i64.reinterpret_f64 (local.get 2))
            (i64x2.extract_lane 0 (local.get 3))
            (i64x2.extract_lane 1 (local.get 3))
            (local.get 4)
            i64.or i64.or i64.or i64.or i64.or))"#,
    );
    lab.one("dirty", &[]);
    assert_eq!(lab.one("zero", &[42]), 42);
}
