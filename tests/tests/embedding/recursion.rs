//! Stacks that run out: a trap, on any thread, whatever recurses. The process's main thread, on which no
//! test of this binary runs, is in `main_thread`.

use std::thread;

use upshift::{
    Caller, Config, Engine, Extern, Func, Instance, Linker, Module, Result, Store, TrapCode,
};

const RECURSE: &str = r#"(module
  (import "host" "call_back" (func $call_back))
  (func $plain (export "plain") (call $plain))
  (func $wide (export "wide") (local i64 i64 i64 i64 i64 i64 i64 i64 v128 v128 v128 v128)
    (call $wide))
  (func $mutual (export "mutual") (call $other))
  (func $other (call_indirect (i32.const 0)))
  (table 1 funcref) (elem (i32.const 0) $mutual)
  (func (export "host") (call $call_back))
  (func (export "fine") (result i32) (i32.const 5)))"#;

/// Every kind of recursion overflows, and the store can be used afterwards.
pub(crate) fn recurse(engine: &Engine) {
    let mut linker = Linker::new(engine);
    linker
        .func_wrap(
            "host",
            "call_back",
            |mut caller: Caller<'_, u32>| -> Result<()> {
                *caller.data_mut() += 1;
                let Some(Extern::Func(host)) = caller.get_export("host") else {
                    unreachable!()
                };
                host.typed::<(), ()>(&caller)?.call(&mut caller, ())
            },
        )
        .unwrap();
    let module = Module::new(engine, RECURSE).unwrap();
    let mut store = Store::new(engine, 0);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    for _ in 0..2 {
        for name in ["plain", "wide", "mutual", "host"] {
            let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            let error = func.call(&mut store, ()).unwrap_err();
            let trap = error.as_trap().unwrap_or_else(|| panic!("{name}: {error}"));
            assert_eq!(trap.code(), TrapCode::StackOverflow, "{name}");
            let backtrace = trap.backtrace();
            assert!(
                backtrace.frames().len() + backtrace.omitted() > 10,
                "{name}"
            );
        }
        let fine = instance
            .get_typed_func::<(), i32>(&mut store, "fine")
            .unwrap();
        assert_eq!(fine.call(&mut store, ()).unwrap(), 5);
    }
    assert!(*store.data() > 10);
}

#[test]
fn on_a_thread_of_the_test_harness() {
    recurse(&Engine::default());
}

#[test]
fn on_a_thread_with_256_kib() {
    let engine = Engine::default();
    let thread = thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(move || recurse(&engine));
    thread.unwrap().join().unwrap();
}

#[test]
fn with_more_wasm_stack_than_the_thread_has_and_with_little() {
    for (limit, stack) in [(1 << 30, 1 << 20), (64 << 10, 8 << 20)] {
        let engine = Engine::new(Config::new().max_wasm_stack(limit)).unwrap();
        let thread = thread::Builder::new()
            .stack_size(stack)
            .spawn(move || recurse(&engine));
        thread.unwrap().join().unwrap();
    }
}

#[test]
fn the_limit_is_on_webassembly_below_its_host_caller() {
    // A function that takes about 100 bytes of stack a call, called to a depth of 64 KiB / 100 and more.
    let text = r#"(module (func $down (export "down") (param i32)
      (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))))))"#;
    let depth = |max_wasm_stack| {
        let engine = Engine::new(Config::new().max_wasm_stack(max_wasm_stack)).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let down = instance
            .get_typed_func::<i32, ()>(&mut store, "down")
            .unwrap();
        (0..)
            .map(|exponent| 1 << exponent)
            .find(|&n| down.call(&mut store, n).is_err())
            .unwrap()
    };
    let (small, large) = (depth(64 << 10), depth(1 << 20));
    assert!(small >= 64 && large > 4 * small, "{small} {large}");
}

#[test]
fn host_functions_on_a_small_stack_still_work() {
    let engine = Engine::default();
    let thread = thread::Builder::new().stack_size(256 << 10).spawn(move || {
        let mut store = Store::new(&engine, ());
        // Compiling would need more than there is; it happens elsewhere.
        let module = Module::new(
            &engine,
            r#"(module (import "" "" (func $f (param i32) (result i32)))
                 (func (export "run") (result i32) (call $f (i32.const 20))))"#,
        )
        .unwrap();
        let double = Func::wrap(&mut store, |x: i32| 2 * x);
        let instance = Instance::new(&mut store, &module, &[double.into()]).unwrap();
        instance
            .get_typed_func::<(), i32>(&mut store, "run")
            .unwrap()
            .call(&mut store, ())
            .unwrap()
    });
    assert_eq!(thread.unwrap().join().unwrap(), 40);
}
