//! Registers that hold an `i32` and anything above it: from callers, from host functions, from the runtime. The single pass,
//! which adds whole registers to addresses, is compiled and called here, too.

use upshift_runtime::{HostCall, TrapCode};
use upshift_singlepass::FastTier;
use upshift_translate::{CodegenSettings, Tier};

use super::lab::{CHECKED, GUARDED, Host, Lab};
use crate::CraneliftTier;

/// Bits that a caller may leave above an `i32`.
const RUBBISH: u128 = 0xdead_beef_0000_0000;

const USES: &str = r#"(module
  (import "host" "number" (func $number (result i32)))
  (import "host" "pair" (func $pair (result i32 i32)))
  (memory 1 3)
  (memory $other 1)
  (table 8 funcref)
  (elem (i32.const 5) func $number)
  (type $returns (func (result i32)))
  (data (i32.const 16) "\2a")
  (data (memory $other) (i32.const 16) "\2b")
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "load_other") (param i32) (result i32) (i32.load8_u $other (local.get 0)))
  (func (export "load_far") (param i32) (result i32) (i32.load8_u offset=0xfffffff0 (local.get 0)))
  (func (export "load_stack") (param i64 i64 i64 i64 i64 i64 i32) (result i32)
    (i32.load8_u (local.get 6)))
  (func (export "store") (param i32) (result i32)
    (i32.store8 (local.get 0) (i32.const 42)) (i32.load8_u (i32.const 16)))
  (func (export "lane") (param i32) (result i32)
    (i8x16.extract_lane_u 0 (v128.load8_splat (local.get 0))))
  (func (export "table") (param i32) (result i32) (ref.is_null (table.get (local.get 0))))
  (func (export "call") (param i32) (result i32) (call_indirect (type $returns) (local.get 0)))
  (func (export "switch") (param i32) (result i32)
    (block (block (block (br_table 0 1 2 (local.get 0)))
      (return (i32.const 1))) (return (i32.const 2))) (i32.const 3))
  (func (export "extend") (param i32) (result i64) (i64.extend_i32_u (local.get 0)))
  (func (export "of_host") (result i32) (i32.load8_u (call $number)))
  (func (export "of_hosts") (result i32) (local i32)
    (call $pair) (local.set 0) (i32.load8_u) (i32.add (i32.load8_u (local.get 0))))
  (func (export "of_grow") (param i32) (result i32)
    (i32.load8_u offset=15 (memory.grow (local.get 0))))
  (func (export "of_failed_grow") (param i32) (result i32)
    (i32.load8_u (memory.grow (local.get 0))))
  (func (export "of_table_grow") (param i32) (result i32)
    (i32.load8_u offset=8 (table.grow (ref.null func) (local.get 0))))
  (func (export "of_size") (result i32) (i32.load8_u offset=15 (memory.size)))
  (func (export "of_wrap") (param i64) (result i32) (i32.load8_u (i32.wrap_i64 (local.get 0))))
  (func (export "fill") (param i32 i32) (result i32)
    (memory.fill (local.get 0) (i32.const 42) (local.get 1)) (i32.load8_u (i32.const 16))))"#;

/// Results of a host function: an `i32` and anything above it.
fn hosts() -> Vec<Host> {
    let number = |call: &mut HostCall<'_>| call.set_gpr((RUBBISH | 16) as u64);
    let pair = |call: &mut HostCall<'_>| {
        let cells = std::ptr::with_exposed_provenance_mut::<u128>(call.gpr(1) as usize);
        // SAFETY: a function with two results is given two cells for them.
        unsafe {
            cells.write(RUBBISH | 16);
            cells.add(1).write(RUBBISH | 16);
        }
    };
    vec![Box::new(number), Box::new(pair)]
}

fn tiers() -> [Box<dyn Tier>; 3] {
    [
        Box::new(FastTier::new(CraneliftTier::baseline().unwrap())),
        Box::new(CraneliftTier::baseline().unwrap()),
        Box::new(CraneliftTier::middle().unwrap()),
    ]
}

#[test]
fn what_lies_above_an_i32_is_no_part_of_an_index() {
    for settings in [GUARDED, CHECKED] {
        let settings = CodegenSettings {
            check_indices: true,
            ..settings
        };
        for tier in tiers() {
            let mut lab = Lab::on(&*tier, USES, settings, hosts());
            let index = RUBBISH | 16;
            for name in ["load", "store", "lane", "of_wrap"] {
                assert_eq!(lab.one(name, &[index]), 42, "{name}");
            }
            assert_eq!(lab.one("load_other", &[index]), 43);
            assert_eq!(lab.one("load_stack", &[0, 0, 0, 0, 0, 0, index]), 42);
            let outside = Err(TrapCode::MemoryOutOfBounds);
            assert_eq!(lab.run("load_far", &[RUBBISH | 32]), outside);
            assert_eq!(lab.one("table", &[RUBBISH | 5]), 0);
            assert_eq!(lab.one("table", &[RUBBISH | 6]), 1);
            assert_eq!(lab.one("call", &[RUBBISH | 5]), 16);
            assert_eq!(lab.one("switch", &[RUBBISH | 1]), 2);
            assert_eq!(lab.one("switch", &[RUBBISH | 7]), 3);
            assert_eq!(lab.one("extend", &[index]), 16);
            assert_eq!(lab.one("of_host", &[]), 42);
            assert_eq!(lab.one("of_hosts", &[]), 84);
            assert_eq!(lab.one("of_size", &[]), 42);
            assert_eq!(lab.one("of_grow", &[RUBBISH | 1]), 42);
            assert_eq!(lab.run("of_failed_grow", &[RUBBISH | 9]), outside);
            assert_eq!(lab.one("of_table_grow", &[RUBBISH | 1]), 42);
            assert_eq!(lab.one("fill", &[RUBBISH | 16, RUBBISH | 1]), 42);
        }
    }
}
