//! Options of an engine: each does what it says.

use upshift::{Config, Engine, ErrorKind, Instance, Module, Store, TierMode, TrapCode};

/// A switch, and a module that needs it.
type Proposal = (fn(&mut Config, bool) -> &mut Config, &'static str);

const PROPOSALS: [Proposal; 9] = [
    (
        Config::wasm_mutable_globals,
        r#"(module (global (export "g") (mut i32) (i32.const 0)))"#,
    ),
    (
        Config::wasm_saturating_float_to_int,
        "(module (func (param f32) (result i32) (i32.trunc_sat_f32_s (local.get 0))))",
    ),
    (
        Config::wasm_sign_extension,
        "(module (func (param i32) (result i32) (i32.extend8_s (local.get 0))))",
    ),
    (
        Config::wasm_multi_value,
        "(module (func (result i32 i32) i32.const 1 i32.const 2))",
    ),
    (
        Config::wasm_bulk_memory,
        "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))",
    ),
    (
        Config::wasm_reference_types,
        "(module (func (param externref)))",
    ),
    (Config::wasm_simd, "(module (func (param v128)))"),
    (Config::wasm_multi_memory, "(module (memory 1) (memory 1))"),
    (
        Config::wasm_extended_const,
        "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
    ),
];

#[test]
fn each_proposal_has_a_switch() {
    for (switch, text) in PROPOSALS {
        assert!(Module::validate(&Engine::default(), text).is_ok(), "{text}");
        let mut config = Config::new();
        switch(&mut config, false);
        let engine = Engine::new(&config).unwrap();
        let error = Module::new(&engine, text).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Module(_)), "{error}");
        assert!(Module::validate(&engine, text).is_err(), "{text}");
        // The rest is still on.
        for (_, other) in PROPOSALS.iter().filter(|(_, other)| *other != text) {
            assert!(
                Module::validate(&engine, other).is_ok(),
                "{other} without what {text} needs"
            );
        }
    }
}

#[test]
fn wasm_2_0_is_exactly_that() {
    let engine = Engine::new(Config::new().wasm_2_0()).unwrap();
    for (i, (_, text)) in PROPOSALS.iter().enumerate() {
        assert_eq!(Module::validate(&engine, text).is_ok(), i < 7, "{text}");
    }
    let text = PROPOSALS[7].1;
    let engine = Engine::new(Config::new().wasm_2_0().wasm_multi_memory(true)).unwrap();
    assert!(Module::validate(&engine, text).is_ok());
}

#[test]
fn functions_are_compiled_at_their_first_call_or_all_at_once() {
    let text = r#"(module (func (export "a") (result i32) (i32.const 1)) (func (export "b")))"#;
    let engine = Engine::default();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    assert_eq!(module.tier_stats().compiled_functions, 0);
    let a = instance.get_typed_func::<(), i32>(&mut store, "a").unwrap();
    for _ in 0..3 {
        assert_eq!(a.call(&mut store, ()).unwrap(), 1);
        assert_eq!(module.tier_stats().compiled_functions, 1);
    }
    module.compile_all().unwrap();
    assert_eq!(module.tier_stats().compiled_functions, 2);

    let engine = Engine::new(Config::new().eager(true)).unwrap();
    let module = Module::new(&engine, text).unwrap();
    assert_eq!(module.tier_stats().compiled_functions, 2);
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let a = instance.get_typed_func::<(), i32>(&mut store, "a").unwrap();
    assert_eq!(a.call(&mut store, ()).unwrap(), 1);
}

const ACCESS: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "store") (param i32 i32) (i32.store offset=4 (local.get 0) (local.get 1)))
  (func (export "load") (param i32) (result i32) (i32.load offset=4 (local.get 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;

#[test]
fn memories_work_the_same_without_guards_and_in_little_address_space() {
    let mut small = Config::new();
    small.memory_reservation(3 << 16);
    let mut checked = Config::new();
    checked.bounds_checks(true);
    for (config, most) in [(Config::new(), 65536), (checked, 65536), (small, 3)] {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, ACCESS).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let set = instance
            .get_typed_func::<(u32, i32), ()>(&mut store, "store")
            .unwrap();
        let get = instance
            .get_typed_func::<u32, i32>(&mut store, "load")
            .unwrap();
        let grow = instance
            .get_typed_func::<u32, i32>(&mut store, "grow")
            .unwrap();
        set.call(&mut store, (65528, 7)).unwrap();
        assert_eq!(get.call(&mut store, 65528).unwrap(), 7);
        for outside in [65529, 65536, 1 << 31, u32::MAX] {
            let error = get.call(&mut store, outside).unwrap_err();
            assert_eq!(error.as_trap().unwrap().code(), TrapCode::MemoryOutOfBounds);
        }
        assert_eq!(grow.call(&mut store, 2).unwrap(), 1);
        assert_eq!(get.call(&mut store, 65529).unwrap(), 0);
        set.call(&mut store, (3 * 65536 - 8, 9)).unwrap();
        assert_eq!(get.call(&mut store, 3 * 65536 - 8).unwrap(), 9);
        assert!(get.call(&mut store, 3 * 65536 - 7).is_err());
        assert_eq!(grow.call(&mut store, most - 2).unwrap(), -1);
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        assert_eq!(memory.size(&store), 3);
        assert!(memory.grow(&mut store, (most - 2).into()).is_err());
    }
}

#[test]
fn loops_give_the_same_results_when_left_at_every_header() {
    let text = r#"(module
      (func (export "collatz") (param $n i64) (result i64 i64) (local $steps i64) (local $top i64)
        (loop $next
          (if (i64.gt_u (local.get $n) (local.get $top)) (then (local.set $top (local.get $n))))
          (if (i64.gt_u (local.get $n) (i64.const 1))
            (then
              (local.set $steps (i64.add (local.get $steps) (i64.const 1)))
              (local.set $n (if (result i64) (i64.eqz (i64.and (local.get $n) (i64.const 1)))
                (then (i64.shr_u (local.get $n) (i64.const 1)))
                (else (i64.add (i64.mul (local.get $n) (i64.const 3)) (i64.const 1)))))
              (br $next))))
        (local.get $steps) (local.get $top)))"#;
    let mut plain = Config::new();
    plain.count_work(false);
    let mut forced = Config::new();
    forced.tier(TierMode::Baseline).force_osr(true);
    for (config, moves) in [(Config::new(), false), (plain, false), (forced, true)] {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let collatz = instance
            .get_typed_func::<i64, (i64, i64)>(&mut store, "collatz")
            .unwrap();
        assert_eq!(collatz.call(&mut store, 27).unwrap(), (111, 9232));
        assert_eq!(module.tier_stats().osr_entries > 0, moves);
    }
}

#[test]
fn what_cannot_be_had_is_an_error_of_the_engine() {
    let error = Engine::new(Config::new().interrupt_signal(9)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Config(_)));
    assert!(error.to_string().contains("signal 9"), "{error}");
}
