//! What compilers made of a module.

use std::thread;
use std::time::Duration;

use upshift::{Linker, Module, Store, TrapCode};

use super::{engines, in_every_mode};

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

/// Functions that call each other for ages, without a loop, in the ways that there are.
const CALLS: &str = r#"(module
    (import "host" "back" (func $back (param i32)))
    (type $count (func (param i32)))
    (global $calls (mut i64) (i64.const 0))
    (table 2 2 funcref)
    (elem (i32.const 0) $through_the_table $through_the_host)
    (func $counts (global.set $calls (i64.add (global.get $calls) (i64.const 1))))
    (func $directly (export "directly") (type $count)
        (call $counts)
        (if (local.get 0) (then
            (call $directly (i32.sub (local.get 0) (i32.const 1)))
            (call $directly (i32.sub (local.get 0) (i32.const 1))))))
    (func $through_the_table (export "through_the_table") (type $count)
        (call $counts)
        (if (local.get 0) (then
            (call_indirect (type $count) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))
            (call_indirect (type $count) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))
    (func $through_the_host (export "through_the_host") (type $count)
        (call $counts)
        (if (local.get 0) (then
            (call $back (i32.sub (local.get 0) (i32.const 1)))
            (call $back (i32.sub (local.get 0) (i32.const 1)))))))"#;

#[test]
fn what_does_nothing_but_call_is_stopped() {
    for (mode, engine) in engines() {
        let module = Module::new(&engine, CALLS).unwrap();
        let mut linker = Linker::<()>::new(&engine);
        let back = |mut caller: upshift::Caller<'_, ()>, depth: i32| -> upshift::Result<()> {
            let it = caller.get_export("through_the_host");
            let it = it.and_then(|it| it.into_func()).expect("is exported");
            it.typed::<i32, ()>(&caller)?.call(&mut caller, depth)
        };
        linker.func_wrap("host", "back", back).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        for name in ["directly", "through_the_table", "through_the_host"] {
            let run = instance.get_typed_func::<i32, ()>(&mut store, name);
            let run = run.unwrap();
            // Compiled, and hot where that matters.
            run.call(&mut store, 4).unwrap();
            let handle = store.interrupt_handle();
            let timer = thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                handle.interrupt();
            });
            let error = run.call(&mut store, 60).unwrap_err();
            timer.join().unwrap();
            let code = error.as_trap().map(upshift::Trap::code);
            assert_eq!(code, Some(TrapCode::Interrupted), "{mode}: {name}: {error}");
        }
    }
}
