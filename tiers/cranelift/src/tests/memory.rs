//! Memories, globals and tables.

use upshift_runtime::TrapCode;
use upshift_translate::CodegenSettings;

use super::lab::{CHECKED, GUARDED, Lab, i32};

const ACCESSES: &str = r#"(module
  (memory 1 2)
  (data (i32.const 0) "\ff\fe\fd\fc\fb\fa\f9\f8")
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "load8_s") (param i32) (result i32) (i32.load8_s offset=1 (local.get 0)))
  (func (export "load32_u") (param i32) (result i64) (i64.load32_u (local.get 0)))
  (func (export "far") (param i32) (result i32) (i32.load8_u offset=4294967295 (local.get 0)))
  (func (export "middling") (param i32) (result i32) (i32.load8_u offset=2147483648 (local.get 0)))
  (func (export "fixed") (result i64) (i64.load offset=1 (i32.const 4)))
  (func (export "fixed_far") (result i64) (i64.load offset=0 (i32.const -8)))
  (func (export "store16") (param i32 i64) (i64.store16 (local.get 0) (local.get 1)))
  (func (export "dropped") (param i32) (drop (f64.load (local.get 0))))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "size") (result i32) (memory.size)))"#;

fn accesses(settings: CodegenSettings) {
    let outside = Err(TrapCode::MemoryOutOfBounds);
    let mut lab = Lab::with(ACCESSES, settings, Vec::new());
    assert_eq!(lab.one("load", &[1]), 0xFBFC_FDFE);
    assert_eq!(lab.one("load8_s", &[0]), i32(-2));
    assert_eq!(lab.one("load32_u", &[3]), 0xF9FA_FBFC);
    assert_eq!(lab.one("fixed", &[]), 0xF8_F9FA);
    assert_eq!(lab.run("fixed_far", &[]), outside);
    assert_eq!(lab.one("load", &[65532]), 0);
    assert_eq!(lab.run("load", &[65533]), outside);
    assert_eq!(lab.run("load", &[i32(-4)]), outside);
    assert_eq!(lab.run("far", &[1]), outside);
    assert_eq!(lab.run("far", &[i32(-1)]), outside);
    assert_eq!(lab.run("middling", &[0]), outside);
    assert_eq!(lab.run("dropped", &[65529]), outside);
    assert_eq!(lab.run("store16", &[65535, 1]), outside);
    assert_eq!(lab.run("store16", &[65534, 0x1_ABCD]), Ok(vec![]));
    assert_eq!(lab.one("load", &[65532]), 0xABCD_0000);
    assert_eq!(lab.one("size", &[]), 1);
    assert_eq!(lab.one("grow", &[1]), 1);
    assert_eq!(lab.one("size", &[]), 2);
    assert_eq!(lab.one("load", &[65534]), 0xABCD);
    assert_eq!(lab.one("grow", &[1]), i32(-1));
}

#[test]
fn guarded_accesses_trap_exactly_outside() {
    accesses(GUARDED);
}

#[test]
fn checked_accesses_trap_exactly_outside() {
    accesses(CHECKED);
}

#[test]
fn several_memories_are_kept_apart() {
    for settings in [GUARDED, CHECKED] {
        let mut lab = Lab::with(
            r#"(module
              (memory 1) (memory 1)
              (data (memory 1) (i32.const 16) "\07")
              (func (export "sum") (param i32) (result i32)
                (if (local.get 0) (then (i32.store8 1 (i32.const 20) (i32.const 5))))
                (i32.add
                  (i32.mul (i32.const 100) (i32.load8_u 1 (local.get 0)))
                  (i32.load8_u 0 (local.get 0)))))"#,
            settings,
            Vec::new(),
        );
        assert_eq!(lab.one("sum", &[16]), 700);
        assert_eq!(lab.one("sum", &[20]), 500);
    }
}

#[test]
fn globals_keep_their_values() {
    let mut lab = Lab::new(
        r#"(module
          (global $i (mut i32) (i32.const 3)) (global $f (mut f64) (f64.const 0.5))
          (global $v (mut v128) (v128.const i64x2 1 2))
          (func (export "bump") (result i32)
            (global.set $i (i32.add (global.get $i) (i32.const 1)))
            (global.set $f (f64.mul (global.get $f) (f64.const 2)))
            (global.set $v (i64x2.add (global.get $v) (global.get $v)))
            (global.get $i))
          (func (export "rest") (result f64 v128) (global.get $f) (global.get $v)))"#,
    );
    assert_eq!(lab.one("bump", &[]), 4);
    assert_eq!(lab.one("bump", &[]), 5);
    assert_eq!(
        lab.run("rest", &[]),
        Ok(vec![2.0_f64.to_bits().into(), 4 | 8 << 64])
    );
}

#[test]
fn tables_check_their_bounds() {
    let mut lab = Lab::new(
        r#"(module
          (table $t 3 externref)
          (func (export "set") (param i32 externref) (table.set $t (local.get 0) (local.get 1)))
          (func (export "get") (param i32) (result externref) (table.get $t (local.get 0)))
          (func (export "null") (param i32) (result i32) (ref.is_null (table.get $t (local.get 0))))
          (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null extern) (local.get 0)))
          (func (export "size") (result i32) (table.size $t)))"#,
    );
    assert_eq!(lab.run("set", &[2, 77]), Ok(vec![]));
    assert_eq!(lab.one("get", &[2]), 77);
    assert_eq!(lab.one("null", &[2]), 0);
    assert_eq!(lab.one("null", &[0]), 1);
    assert_eq!(lab.run("get", &[3]), Err(TrapCode::TableOutOfBounds));
    assert_eq!(
        lab.run("set", &[i32(-1), 0]),
        Err(TrapCode::TableOutOfBounds)
    );
    assert_eq!(lab.one("grow", &[2]), 3);
    assert_eq!(lab.one("size", &[]), 5);
    assert_eq!(lab.one("null", &[4]), 1);
    assert_eq!(lab.one("get", &[2]), 77);
}
