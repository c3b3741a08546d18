//! What belongs together, and what grows meanwhile.

use upshift::{Caller, Engine, Instance, Linker, Module, Store};

use super::engines;

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

/// Memory and table of the caller get longer; the table's elements move.
fn grow(mut caller: Caller<'_, ()>) -> upshift::Result<()> {
    let memory = caller.get_export("memory").and_then(|it| it.into_memory());
    let table = caller.get_export("table").and_then(|it| it.into_table());
    memory.expect("is exported").grow(&mut caller, 1)?;
    let table = table.expect("is exported");
    let first = table.get(&caller, 0)?.expect("is in bounds");
    table.grow(&mut caller, 500, first)?;
    Ok(())
}

#[test]
fn what_a_host_function_grows_its_caller_sees_at_once() {
    for (mode, engine) in engines() {
        let text = r#"(module
            (import "host" "grow" (func $grow))
            (type $f (func (result i64)))
            (memory (export "memory") 1)
            (table $t (export "table") 1 funcref)
            (elem (i32.const 0) $seven)
            (func $seven (type $f) (i64.const 7))
            (func (export "run") (result i64)
                (local $i i32) (local $last i32) (local $sum i64)
                (i64.store (i32.const 8) (i64.const 1000))
                (loop $rounds
                    (call $grow)
                    (local.set $last
                        (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)))
                    (i64.store (local.get $last) (i64.load (i32.const 8)))
                    (local.set $sum (i64.add (local.get $sum) (i64.load (local.get $last))))
                    (local.set $sum (i64.add (local.get $sum)
                        (call_indirect (type $f) (i32.sub (table.size $t) (i32.const 1)))))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $rounds (i32.lt_u (local.get $i) (i32.const 20))))
                (local.get $sum)))"#;
        let module = Module::new(&engine, text).unwrap();
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "grow", grow).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), i64>(&mut store, "run")
            .unwrap();
        for _ in 0..3 {
            assert_eq!(run.call(&mut store, ()).unwrap(), 20 * 1007, "{mode}");
        }
    }
}
