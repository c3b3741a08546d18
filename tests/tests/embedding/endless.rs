//! Loops that only an access out of bounds ends: they end, in every tier, and those that nothing ends can be interrupted.

use std::time::Duration;

use upshift::{Config, Engine, Instance, Module, Store, TierMode, TieringProfile, TrapCode};

use crate::configs;

/// In every tier, and moving up in every loop.
fn ways() -> Vec<Config> {
    let mut ways = configs();
    for middle in [None, Some(1)] {
        let mut profile = TieringProfile::default();
        profile.middle.threshold_in_operators = middle;
        if middle.is_none() {
            profile.middle.max_function_operators = 0;
        }
        let mut config = Config::new();
        config
            .tier(TierMode::Auto)
            .synchronous_tiering(true)
            .force_osr(true)
            .profile(profile);
        ways.push(config);
    }
    let mut checked = Config::new();
    if cfg!(feature = "llvm") {
        checked.tier(TierMode::Optimizing);
    }
    checked.bounds_checks(true);
    ways.push(checked);
    ways
}

/// A function `run` with two parameters and some locals, in a module with helpers.
fn module(body: &str) -> String {
    format!(
        "(module (memory 1) (global $g (mut i32) (i32.const 0))
            (func $get (param i32) (result i32) (i32.load (local.get 0)))
            (func $put (param i32 i32) (i32.store (local.get 0) (local.get 1)))
            (func $unused (param i32) (local i32)
                (local.set 1 (i32.load (local.get 0))))
            (func $round (param i32 i32) (result i32) (local i32)
                (local.set 2 (i32.load (local.get 0)))
                (i32.add (local.get 0) (i32.const 4)))
            (func $self (param i32) (result i32) (local i32)
                (local.set 1 (i32.load (local.get 0)))
                (call $self (i32.add (local.get 0) (i32.const 64))))
            (func $tail (param i32) (result i32)
                (if (result i32) (i32.and (local.get 0) (i32.const 8))
                    (then (call $tail (i32.add (local.get 0) (i32.const 8))))
                    (else (i32.load (local.get 0)))))
            (func $late (param i32) (result i32) (local i32)
                (local.set 1 (i32.load (local.get 0)))
                (if (result i32) (i32.and (local.get 0) (i32.const 8))
                    (then (call $late (i32.add (local.get 0) (i32.const 8))))
                    (else (local.get 1))))
            (func (export \"run\") (param $p i32) (param $n i32) (result i32)
                (local $i i32) (local $x i32) (local $sum i32) (local $j i32) (local $f f64)
                {body}
                (local.get $x)))"
    )
}

/// How `run` ends, at the latest when it is interrupted.
fn ending(config: &Config, body: &str, arguments: (i32, i32)) -> Option<TrapCode> {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, module(body)).unwrap_or_else(|error| panic!("{error:?}"));
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance
        .get_typed_func::<(i32, i32), i32>(&mut store, "run")
        .unwrap();
    let handle = store.interrupt_handle();
    let (ended, wait) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if wait
            .recv_timeout(Duration::from_secs(60))
            .is_err_and(|it| it == std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            handle.interrupt();
        }
    });
    let result = run.call(&mut store, arguments);
    drop(ended);
    watch.join().unwrap();
    result.err().map(|error| error.as_trap().unwrap().code())
}

/// What an access out of bounds has to end, with arguments.
const ENDED: [(&str, (i32, i32)); 33] = [
    // No way out, and a value that nobody uses, or only the next rounds, which nobody asks.
    (
        "(loop (local.set $x (i32.load (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
    (
        "(loop (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
    (
        "(loop (local.set $f (f64.add (local.get $f) (f64.load (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 8))) (br 0))",
        (0, 0),
    ),
    // The first round.
    (
        "(loop (local.set $x (i32.load offset=65536 (local.get $p))) (br 0))",
        (0, 0),
    ),
    (
        "(loop (local.set $x (i32.load (i32.const 70000))) (br 0))",
        (0, 0),
    ),
    // Stores that would go behind the end, where nothing gets to.
    (
        "(loop (i32.store (local.get $p) (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 1))) (br 0))",
        (65536, 0),
    ),
    (
        "(loop (i32.store (i32.const 70000) (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 1))) (br 0))",
        (0, 0),
    ),
    // A value stored back.
    (
        "(loop (i32.store (local.get $i) (i32.load (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
    (
        "(loop (i32.store (local.get $i) (i32.const 0))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
    (
        "(loop (memory.copy (local.get $i) (local.get $i) (i32.const 16))
        (local.set $i (i32.add (local.get $i) (i32.const 16))) (br 0))",
        (0, 0),
    ),
    // Something else goes on meanwhile.
    (
        "(loop (local.set $x (i32.load (local.get $i))) (i32.store (i32.const 0) (local.get $i))
        (global.set $g (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
    // One arm, while the other goes on.
    (
        "(loop (if (i32.and (local.get $i) (i32.const 8))
            (then (local.set $x (i32.load (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
    (
        "(loop $all (block $a (block $b
          (br_table $a $b (i32.and (local.get $i) (i32.const 1))))
          (local.set $x (i32.load8_u (local.get $i)))
          (local.set $i (i32.add (local.get $i) (i32.const 3))) (br $all))
        (local.set $i (i32.add (local.get $i) (i32.const 5))) (br $all))",
        (0, 0),
    ),
    // Nested.
    (
        "(loop $outer (local.set $j (i32.const 0))
        (loop $inner (local.set $x (i32.load (i32.add (local.get $i) (local.get $j))))
          (br_if $inner (i32.ne
            (local.tee $j (i32.add (local.get $j) (i32.const 4))) (i32.const 40))))
        (local.set $i (i32.add (local.get $i) (i32.const 40))) (br $outer))",
        (0, 0),
    ),
    (
        "(loop $outer (local.set $j (i32.const 0))
        (loop $inner (i32.store (local.get $p) (local.get $j))
          (br_if $inner (i32.ne
            (local.tee $j (i32.add (local.get $j) (i32.const 4))) (i32.const 40))))
        (br $outer))",
        (65536, 0),
    ),
    (
        "(loop $outer (loop $inner
        (local.set $x (i32.load (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 4)))
        (br_if $inner (i32.and (local.get $i) (i32.const 64))) (br $outer)))",
        (0, 0),
    ),
    // Ways out that nobody takes: they depend on nothing that changes, or on what turns out never to be.
    (
        "(block (loop (local.set $x (i32.load (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 4)))
        (br_if 1 (i32.eq (local.get $n) (i32.const 7))) (br 0)))
        (local.set $x (i32.const 0))",
        (0, 0),
    ),
    (
        "(block (loop (i32.store (local.get $p) (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 4)))
        (br_if 1 (i32.eq (local.get $n) (i32.const 7))) (br 0)))",
        (65536, 0),
    ),
    (
        "(loop (local.set $x (i32.load (local.get $i)))
        (br_if 0 (i32.ne
          (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 1))))",
        (0, 0),
    ),
    (
        "(loop (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $i))))
        (br_if 0 (i32.ne
          (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 1))))
        (local.set $x (local.get $sum))",
        (0, 0),
    ),
    (
        "(loop (i32.store (local.get $p) (local.get $i))
        (br_if 0 (i32.ne
          (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 1))))",
        (65536, 0),
    ),
    (
        "(loop (local.set $x (i32.load (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 4)))
        (br_if 0 (i32.or (i32.load8_u (i32.const 0)) (i32.const 1))))",
        (0, 0),
    ),
    // The last value only, until a counter meets what it misses.
    (
        "(loop (local.set $x (i32.load (i32.mul (local.get $i) (local.get $i))))
        (br_if 0 (i32.ne
          (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $n))))",
        (0, 5),
    ),
    (
        "(loop (i32.store (local.get $p) (local.get $i))
        (br_if 0 (i32.ne
          (local.tee $i (i32.add (local.get $i) (i32.const 12))) (local.get $n))))",
        (65536, 7),
    ),
    (
        "(loop $outer (local.set $j (i32.const 0))
        (loop $inner (i32.store offset=8 (local.get $p) (local.get $j))
          (br_if $inner (i32.lt_u
            (local.tee $j (i32.add (local.get $j) (i32.const 4))) (i32.const 40))))
        (br_if $outer (i32.ne
          (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $n))))",
        (65536, 7),
    ),
    // A function that calls itself, and so ends, but by another trap.
    ("(local.set $x (call $self (local.get $p)))", (0, 0)),
    // In functions that are inlined.
    (
        "(loop (local.set $x (call $get (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
    (
        "(loop (call $put (local.get $p) (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (65536, 0),
    ),
    (
        "(loop (call $unused (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
    (
        "(loop (local.set $i (call $round (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
    // In functions that call themselves, with results that nobody looks at.
    (
        "(loop (drop (call $tail (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
    (
        "(loop (local.set $j (i32.and (call $tail (local.get $i)) (i32.const 0)))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br_if 0 (local.get $n)))",
        (0, 1),
    ),
    (
        "(loop (drop (call $late (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
        (0, 0),
    ),
];

#[test]
fn an_access_out_of_bounds_ends_a_loop_without_another_way_out() {
    let mut wrong = Vec::new();
    for config in ways() {
        for (body, arguments) in ENDED {
            let ended = ending(&config, body, arguments);
            if ended != Some(TrapCode::MemoryOutOfBounds) {
                wrong.push(format!("{ended:?}: {body}\n{config:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What ends only when somebody asks for it: all that is accessed is there.
const GO_ON: [&str; 4] = [
    "(loop (br 0))",
    "(loop (local.set $i (i32.add (local.get $i) (i32.const 4))) (br 0))",
    "(loop (local.set $x (i32.load (local.get $p))) (br 0))",
    "(loop (i32.store (local.get $p) (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 1))) (br 0))",
];

#[test]
fn a_loop_that_nothing_ends_can_be_interrupted() {
    for config in ways() {
        for body in GO_ON {
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, module(body)).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance
                .get_typed_func::<(i32, i32), i32>(&mut store, "run")
                .unwrap();
            let handle = store.interrupt_handle();
            let asked = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                handle.interrupt();
            });
            let error = run.call(&mut store, (16, 0)).unwrap_err();
            asked.join().unwrap();
            assert_eq!(
                error.as_trap().unwrap().code(),
                TrapCode::Interrupted,
                "{body}"
            );
        }
    }
}
