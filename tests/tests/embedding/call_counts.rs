//! Calls counted in the baseline: exact, whoever calls, over all instances and threads, and only when asked for.

use std::sync::Barrier;
use std::thread;

use upshift::{Config, Engine, Func, Instance, Module, Ref, Store, TierMode, TrapCode};

/// An engine that counts calls and stays in the baseline.
fn counting() -> Engine {
    Engine::new(Config::new().tier(TierMode::Baseline).count_calls(true)).unwrap()
}

/// The calls of each function that the module defines, while others may be calling.
fn calls_now(module: &Module) -> Vec<u64> {
    let calls: Option<Vec<u64>> = module.function_stats().map(|stats| stats.calls).collect();
    calls.unwrap()
}

/// The calls of each function that the module defines, which nobody is calling.
fn calls(module: &Module) -> Vec<u64> {
    let calls = calls_now(module);
    assert_eq!(module.tier_stats().calls, Some(calls.iter().sum()));
    calls
}

const FIB: &str = r#"(module
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add
        (call $fib (i32.sub (local.get 0) (i32.const 1)))
        (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "idle")))"#;

/// Calls that computing the `n`th Fibonacci number takes.
fn fib_calls(n: u64) -> u64 {
    match n {
        0 | 1 => 1,
        _ => 1 + fib_calls(n - 1) + fib_calls(n - 2),
    }
}

fn fib(store: &mut Store<()>, module: &Module, n: i32) {
    let instance = Instance::new(&mut *store, module, &[]).unwrap();
    let fib = instance
        .get_typed_func::<i32, i32>(&mut *store, "fib")
        .unwrap();
    fib.call(store, n).unwrap();
}

#[test]
fn a_recursive_function_counts_each_of_its_calls() {
    let module = Module::new(&counting(), FIB).unwrap();
    assert_eq!(calls(&module), [0, 0]);
    let mut store = Store::new(module.engine(), ());
    fib(&mut store, &module, 20);
    assert_eq!(calls(&module), [fib_calls(20), 0]);
}

#[test]
fn instances_of_all_threads_count_together_and_those_that_are_gone_still_do() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 5;
    let module = Module::new(&counting(), FIB).unwrap();
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..ROUNDS {
                    let mut store = Store::new(module.engine(), ());
                    fib(&mut store, &module, 15);
                    fib(&mut store, &module, 15);
                    // What others are counting meanwhile can be asked for at any time.
                    assert!(calls_now(&module)[0] >= 2 * fib_calls(15));
                }
            });
        }
    });
    assert_eq!(
        calls(&module),
        [THREADS * ROUNDS * 2 * fib_calls(15), 0],
        "all stores are gone"
    );
}

#[test]
fn calls_count_from_wherever_they_come() {
    let engine = counting();
    let module = Module::new(
        &engine,
        r#"(module
          (import "host" "call" (func $host (param funcref)))
          (type $op (func))
          (table (export "table") 3 funcref)
          (elem (i32.const 0) $leaf $leaf)
          (func $leaf (export "leaf"))
          (func (export "through_table") (param $n i32)
            (loop $again
              (call_indirect (type $op) (i32.and (local.get $n) (i32.const 1)))
              (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
          (func (export "through_host") (call $host (ref.func $leaf)))
          (func (export "dies") (call $leaf) unreachable)
          (func $start (call $leaf))
          (start $start))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let host = Func::wrap(
        &mut store,
        |mut caller: upshift::Caller<'_, ()>, func: Option<Func>| {
            let func = func.unwrap().typed::<(), ()>(&caller)?;
            func.call(&mut caller, ())?;
            func.call(&mut caller, ())
        },
    );
    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
    assert_eq!(calls(&module), [1, 0, 0, 0, 1]);
    let run = |store: &mut Store<()>, name: &str| {
        let f = instance
            .get_typed_func::<(), ()>(&mut *store, name)
            .unwrap();
        f.call(store, ())
    };
    run(&mut store, "leaf").unwrap();
    assert_eq!(calls(&module), [2, 0, 0, 0, 1]);
    let through_table = instance
        .get_typed_func::<i32, ()>(&mut store, "through_table")
        .unwrap();
    through_table.call(&mut store, 1000).unwrap();
    assert_eq!(calls(&module), [1002, 1, 0, 0, 1]);
    run(&mut store, "through_host").unwrap();
    assert_eq!(calls(&module), [1004, 1, 1, 0, 1]);
    let error = run(&mut store, "dies").unwrap_err();
    assert_eq!(error.as_trap().unwrap().code(), TrapCode::Unreachable);
    assert_eq!(calls(&module), [1005, 1, 1, 1, 1]);

    // A function of one module in the table of another, of another instance too, counts as its own module's.
    let other = Module::new(&engine, FIB).unwrap();
    let others = Instance::new(&mut store, &other, &[]).unwrap();
    let idle = others.get_func(&mut store, "idle").unwrap();
    let table = instance.get_table(&mut store, "table").unwrap();
    for index in [0, 1] {
        table.set(&mut store, index, Ref::Func(Some(idle))).unwrap();
    }
    through_table.call(&mut store, 10).unwrap();
    assert_eq!(calls(&module), [1005, 2, 1, 1, 1]);
    assert_eq!(calls(&other), [0, 10]);
}

#[test]
fn calls_are_counted_where_work_is_not() {
    let mut config = Config::new();
    config.tier(TierMode::Baseline).count_calls(true);
    let engine = Engine::new(config.count_work(false)).unwrap();
    let module = Module::new(&engine, FIB).unwrap();
    fib(&mut Store::new(&engine, ()), &module, 10);
    assert_eq!(calls(&module), [fib_calls(10), 0]);
    assert_eq!(module.tier_stats().work, 0);
}

#[test]
fn nothing_is_counted_unless_asked_for() {
    let engine = Engine::default();
    let module = Module::new(&engine, FIB).unwrap();
    fib(&mut Store::new(&engine, ()), &module, 10);
    assert_eq!(module.tier_stats().calls, None);
    assert!(module.function_stats().all(|stats| stats.calls.is_none()));
}

#[test]
#[cfg(feature = "llvm")]
fn the_number_stands_still_when_a_function_has_moved_up() {
    use upshift::{FunctionTier, TieringProfile};
    let mut profile = TieringProfile::default();
    profile.tier_up.threshold_in_operators = Some(1000);
    let mut config = Config::new();
    config.profile(profile).synchronous_tiering(true);
    let engine = Engine::new(config.count_calls(true)).unwrap();
    let module = Module::new(&engine, FIB).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let idle = instance
        .get_typed_func::<(), ()>(&mut store, "idle")
        .unwrap();
    let tier = || module.function_stats().nth(1).unwrap().tier;
    let mut in_baseline = 0;
    while tier() != FunctionTier::Optimizing {
        idle.call(&mut store, ()).unwrap();
        in_baseline += 1;
        assert!(in_baseline < 100_000, "it does not move up");
    }
    // The last of them found better code and went there.
    assert_eq!(calls(&module), [0, in_baseline - 1]);
    for _ in 0..1000 {
        idle.call(&mut store, ()).unwrap();
    }
    assert_eq!(calls(&module), [0, in_baseline - 1]);
}
