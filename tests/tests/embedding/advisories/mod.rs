//! What went wrong in other engines of this field, by their published advisories, does not here. Each test names the kind; the
//! table is in docs/security.md.

use upshift::{Config, Engine, Error, Instance, Linker, Module, Store, TrapCode};
use upshift_tests::modes::MODES;

/// Runs `run` of a module in every mode, with and without guard pages, some calls in a row.
fn in_every_mode(text: &str, check: impl Fn(&str, Result<i64, Error>)) {
    for mode in MODES {
        for checked in [false, true] {
            let mut config = Config::new();
            (mode.set)(&mut config);
            if checked {
                config.bounds_checks(true);
            }
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, text).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance
                .get_typed_func::<(), i64>(&mut store, "run")
                .unwrap();
            for _ in 0..3 {
                check(mode.name, run.call(&mut store, ()));
            }
        }
    }
}

#[test]
fn operands_in_the_last_bytes_of_memory_are_read_no_further_than_they_go() {
    // An operator on whole registers may not take such an operand from memory by itself.
    let last = 65536;
    for (bytes, expression) in [
        (
            8,
            "(i64.reinterpret_f64 (f64.copysign (f64.load (local.get $at)) (f64.const -1)))",
        ),
        (
            8,
            "(i64.reinterpret_f64 (f64.copysign (f64.const 1) (f64.load (local.get $at))))",
        ),
        (
            4,
            "(i64.extend_i32_u (i32.reinterpret_f32 (f32.copysign (f32.const 1) (f32.load (local.get $at)))))",
        ),
        (
            8,
            "(i64.reinterpret_f64 (f64.abs (f64.load (local.get $at))))",
        ),
        (
            4,
            "(i64.extend_i32_u (i32.reinterpret_f32 (f32.neg (f32.load (local.get $at)))))",
        ),
        (
            8,
            "(i64.reinterpret_f64 (f64.max (f64.const 1) (f64.load (local.get $at))))",
        ),
        (
            8,
            "(i64x2.extract_lane 1 (f64x2.splat (f64.load (local.get $at))))",
        ),
        (
            4,
            "(i64x2.extract_lane 1 (f32x4.splat (f32.load (local.get $at))))",
        ),
        (
            1,
            "(i64x2.extract_lane 1 (i8x16.splat (i32.load8_u (local.get $at))))",
        ),
        (
            2,
            "(i64x2.extract_lane 1 (i16x8.splat (i32.load16_u (local.get $at))))",
        ),
        (
            8,
            "(i64x2.extract_lane 1 (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $at))))",
        ),
        (
            8,
            "(i64x2.extract_lane 1 (i16x8.extend_low_i8x16_s (v128.load64_zero (local.get $at))))",
        ),
        (
            4,
            "(i64x2.extract_lane 0 (v128.load32_zero (local.get $at)))",
        ),
        (
            8,
            "(i64x2.extract_lane 1 (f64x2.replace_lane 1 (v128.const i64x2 0 0) (f64.load (local.get $at))))",
        ),
    ] {
        let text = format!(
            "(module (memory 1) (func (export \"run\") (result i64) (local $at i32)
                (local.set $at (i32.const {}))
                {expression}))",
            last - bytes
        );
        let expected = std::cell::Cell::new(None);
        in_every_mode(&text, |mode, result| {
            let result = result.unwrap_or_else(|error| panic!("{mode}: {expression}: {error}"));
            let first = expected.get().unwrap_or(result);
            assert_eq!(result, first, "{mode}: {expression}");
            expected.set(Some(first));
        });
    }
}

#[test]
fn what_growing_gives_is_an_address_of_32_bits() {
    for grown in [
        "(table.grow $t (ref.null func) (i32.const 100))",
        "(memory.grow (i32.const 100))",
    ] {
        // Minus one, as a number and as an address.
        let number = format!(
            "(module (memory 1 2) (table $t 1 2 funcref)
                (func (export \"run\") (result i64) (i64.extend_i32_u {grown})))"
        );
        in_every_mode(&number, |mode, result| {
            assert_eq!(result.unwrap(), i64::from(u32::MAX), "{mode}: {grown}");
        });
        let address = format!(
            "(module (memory 1 2) (table $t 1 2 funcref)
                (func (export \"run\") (result i64) (i64.load {grown})))"
        );
        in_every_mode(&address, |mode, result| {
            let error = result.unwrap_err();
            let code = error.as_trap().map(upshift::Trap::code);
            assert_eq!(code, Some(TrapCode::MemoryOutOfBounds), "{mode}: {grown}");
        });
    }
}

#[test]
fn filling_a_table_checks_what_it_fills() {
    let text = "(module (table $t 10 funcref) (elem declare func $f) (func $f)
        (func (export \"run\") (result i64)
            (table.fill $t (i32.const 2) (ref.func $f) (i32.const 8))
            (table.fill $t (i32.const 10) (ref.null func) (i32.const 0))
            (i64.extend_i32_u (ref.is_null (table.get $t (i32.const 9))))))";
    in_every_mode(text, |mode, result| {
        assert_eq!(result.unwrap(), 0, "{mode}")
    });
    let text = "(module (table $t 10 funcref) (func (export \"run\") (result i64)
        (table.fill $t (i32.const 9) (ref.null func) (i32.const -1)) (i64.const 0)))";
    in_every_mode(text, |mode, result| {
        let error = result.unwrap_err();
        let code = error.as_trap().map(upshift::Trap::code);
        assert_eq!(code, Some(TrapCode::TableOutOfBounds), "{mode}");
    });
}

#[test]
fn a_table_that_no_machine_holds_is_an_error_or_a_table() {
    let engine = Engine::default();
    let module = Module::new(&engine, "(module (table 4294967295 funcref))").unwrap();
    let mut store = Store::new(&engine, ());
    store.limits(upshift::ResourceLimits {
        total_bytes: Some(1 << 30),
        ..Default::default()
    });
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert!(error.to_string().contains("total_bytes"), "{error}");
}

#[test]
fn a_linker_that_was_cloned_outlives_the_one_it_came_from() {
    let engine = Engine::default();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("host", "seven", || 7_i64).unwrap();
    let clone = linker.clone();
    drop(linker);
    let module = Module::new(
        &engine,
        r#"(module (import "host" "seven" (func $seven (result i64)))
            (func (export "run") (result i64) (call $seven)))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = clone.instantiate(&mut store, &module).unwrap();
    drop(clone);
    let run = instance
        .get_typed_func::<(), i64>(&mut store, "run")
        .unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 7);
}
