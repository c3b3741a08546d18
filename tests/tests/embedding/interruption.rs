//! Guests stopped from outside.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use upshift::{Caller, Engine, Error, Instance, Linker, Module, Store, TrapCode};

use crate::instance;

fn assert_interrupted(error: &Error) {
    let trap = error.as_trap().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(trap.code(), TrapCode::Interrupted);
}

const SPIN: &str = r#"(module
  (memory 1)
  (func $spin (export "spin") (loop $forever
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (br $forever)))
  (func (export "one") (result i32) (i32.const 1)))"#;

#[test]
fn an_endless_loop_is_stopped_and_the_store_goes_on() {
    let (mut store, instance) = instance(SPIN);
    let spin = instance
        .get_typed_func::<(), ()>(&mut store, "spin")
        .unwrap();
    let one = instance
        .get_typed_func::<(), i32>(&mut store, "one")
        .unwrap();
    for wait in [0, 1, 5, 20] {
        let handle = store.interrupt_handle();
        let timer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(wait));
            handle.interrupt();
        });
        let error = spin.call(&mut store, ()).unwrap_err();
        assert_interrupted(&error);
        timer.join().unwrap();
        assert_eq!(one.call(&mut store, ()).unwrap(), 1);
    }
    // Where it was is known, unless it had not begun.
    let handle = store.interrupt_handle();
    let timer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        handle.interrupt();
    });
    let error = spin.call(&mut store, ()).unwrap_err();
    timer.join().unwrap();
    let frames = error.as_trap().unwrap().backtrace().frames();
    assert_eq!(frames[0].func_name().as_deref(), Some("spin"));
}

#[test]
fn a_request_while_nothing_runs_stops_the_next_call_once() {
    let (mut store, instance) = instance(SPIN);
    let one = instance
        .get_typed_func::<(), i32>(&mut store, "one")
        .unwrap();
    assert_eq!(one.call(&mut store, ()).unwrap(), 1);
    let handle = store.interrupt_handle();
    handle.interrupt();
    assert_interrupted(&one.call(&mut store, ()).unwrap_err());
    assert_eq!(one.call(&mut store, ()).unwrap(), 1);
    handle.interrupt();
    assert!(handle.clear());
    assert!(!handle.clear());
    assert_eq!(one.call(&mut store, ()).unwrap(), 1);
}

#[test]
fn only_the_guest_of_that_store_is_stopped() {
    let engine = Engine::default();
    let module = Module::new(&engine, SPIN).unwrap();
    let (sender, receiver) = mpsc::channel();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (engine, module, sender) = (engine.clone(), module.clone(), sender.clone());
            thread::spawn(move || {
                let mut store = Store::new(&engine, ());
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let spin = instance
                    .get_typed_func::<(), ()>(&mut store, "spin")
                    .unwrap();
                sender.send(store.interrupt_handle()).unwrap();
                assert_interrupted(&spin.call(&mut store, ()).unwrap_err());
            })
        })
        .collect();
    let handles: Vec<_> = receiver.iter().take(2).collect();
    thread::sleep(Duration::from_millis(20));
    handles[0].interrupt();
    let first_done = || threads.iter().filter(|thread| thread.is_finished()).count();
    let start = Instant::now();
    while first_done() < 1 && start.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(20));
    assert_eq!(first_done(), 1);
    handles[1].interrupt();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_host_function_is_not_cut_short() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("", "ask", |mut caller: Caller<'_, Vec<&'static str>>| {
            caller.data_mut().push("begin");
            // The request comes while the host runs.
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(60) {
                std::hint::spin_loop();
            }
            caller.data_mut().push("end");
        })
        .unwrap();
    let module = Module::new(
        &engine,
        r#"(module (import "" "ask" (func $ask)) (func (export "run") (loop (call $ask) (br 0))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance
        .get_typed_func::<(), ()>(&mut store, "run")
        .unwrap();
    let handle = store.interrupt_handle();
    let timer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        handle.interrupt();
    });
    assert_interrupted(&run.call(&mut store, ()).unwrap_err());
    timer.join().unwrap();
    assert_eq!(*store.data(), ["begin", "end"]);
}

#[test]
fn a_guest_below_a_host_function_is_stopped_and_the_host_decides() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    let inner = Module::new(&engine, SPIN).unwrap();
    linker
        .func_wrap(
            "",
            "inner",
            move |mut caller: Caller<'_, ()>| -> upshift::Result<i32> {
                let instance = Instance::new(&mut caller, &inner, &[])?;
                let spin = instance.get_typed_func::<(), ()>(&caller, "spin")?;
                assert_interrupted(&spin.call(&mut caller, ()).unwrap_err());
                Ok(5)
            },
        )
        .unwrap();
    let module = Module::new(
        &engine,
        r#"(module (import "" "inner" (func $inner (result i32)))
             (func (export "run") (result i32) (call $inner)))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance
        .get_typed_func::<(), i32>(&mut store, "run")
        .unwrap();
    let handle = store.interrupt_handle();
    let timer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        handle.interrupt();
    });
    assert_eq!(run.call(&mut store, ()).unwrap(), 5);
    timer.join().unwrap();
}
