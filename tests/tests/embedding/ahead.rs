//! Functions that the baseline compiles before they are called, with the real baseline: nothing but time may tell.

use std::thread;
use std::time::{Duration, Instant};

use upshift::{AheadTotals, Config, Engine, ErrorKind, Instance, Module, Store, TierMode};

fn engine(keys: &[(&str, &str)]) -> Engine {
    let mut profile = upshift::TieringProfile::default();
    let from_the_first_call = [("ahead-threads", "1"), ("ahead-after-functions", "0")];
    for (key, value) in from_the_first_call.iter().chain(keys) {
        profile.set(&format!("baseline.{key}"), value).unwrap();
    }
    let mut config = Config::new();
    config.profile(profile).tier(TierMode::Baseline);
    Engine::new(config.lazy_validation(true)).unwrap()
}

/// Waits until so many functions were compiled ahead, and a little for what must not be.
fn until_compiled(module: &Module, count: usize) -> AheadTotals {
    let start = Instant::now();
    while module.tier_stats().ahead.compiled < count {
        assert!(start.elapsed() < Duration::from_secs(60), "in vain");
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(20));
    module.tier_stats().ahead
}

const CALLERS: &str = r#"(module
  (func $bad (result i32) i64.const 1)
  (func $near (result i32) (i32.const 5))
  (func $far (result i32) (i32.const 6))
  (func $leaf (result i32) (i32.const 7))
  (func $beyond (result i32) (call $leaf))
  (func (export "caller") (param i32) (result i32)
    (block (br_if 0 (i32.ne (local.get 0) (i32.const 1))) (return (call $bad)))
    (block (br_if 0 (i32.ne (local.get 0) (i32.const 2))) (return (call $near)))
    (if (i32.eq (local.get 0) (i32.const 3)) (then (return (call $far))))
    (block (block (br_table 0 1 (i32.sub (local.get 0) (i32.const 4)))) (return (call $beyond)))
    (i32.const 0)))"#;

fn call(store: &mut Store<()>, instance: &Instance, n: i32) -> Result<i32, upshift::Error> {
    let caller = instance.get_typed_func::<i32, i32>(&mut *store, "caller");
    caller.unwrap().call(store, n)
}

#[test]
fn what_comes_after_few_branches_is_compiled_before_its_call() {
    for (max, compiled, called) in [(3, 2, 1), (4, 4, 3), (2, 1, 1), (100, 4, 3)] {
        let engine = engine(&[("ahead-max-branches", &max.to_string())]);
        let module = Module::new(&engine, CALLERS).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        assert_eq!(call(&mut store, &instance, 0).unwrap(), 0);
        let ahead = until_compiled(&module, compiled);
        assert_eq!((ahead.compiled, ahead.called), (compiled, 0), "{max}");
        assert_eq!(call(&mut store, &instance, 2).unwrap(), 5);
        assert_eq!(call(&mut store, &instance, 4).unwrap(), 7);
        let ahead = module.tier_stats().ahead;
        // Where only the call of `$beyond` shows that `$leaf` is near, either thread may come to it first.
        let both_may = usize::from(max < 4);
        assert!(
            (called..=called + both_may).contains(&ahead.called),
            "{max}: {ahead:?}"
        );
        assert!(ahead.compile_time <= module.tier_stats().baseline.compile_time);
    }
}

#[test]
fn without_a_thread_for_it_nothing_is() {
    let engine = engine(&[("ahead-threads", "0")]);
    let module = Module::new(&engine, CALLERS).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    assert_eq!(call(&mut store, &instance, 2).unwrap(), 5);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(module.tier_stats().compiled_functions, 2);
    assert_eq!(module.tier_stats().ahead, AheadTotals::default());
}

#[test]
fn what_is_invalid_and_found_so_ahead_is_the_error_of_its_call() {
    let engine = engine(&[]);
    let module = Module::new(&engine, CALLERS).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    for round in 0..3 {
        assert_eq!(call(&mut store, &instance, 0).unwrap(), 0);
        // Behind it in the queue, so it has had its turn.
        until_compiled(&module, 4);
        assert_eq!(call(&mut store, &instance, 3).unwrap(), 6);
        let stats = module.tier_stats();
        assert_eq!(stats.baseline.failed, round);
        let error = call(&mut store, &instance, 1).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Module(_)), "{error}");
    }
}

/// Each function calls the next two of so many, and adds what it gets.
fn tree(functions: usize) -> String {
    let body = |i: usize| {
        let callee = |callee: usize| match callee {
            callee if callee < functions => {
                format!(
                    "(if (local.get 0) (then (local.set 1 (i32.add (local.get 1) (call {callee} (i32.sub (local.get 0) (i32.const 1)))))))"
                )
            }
            _ => String::new(),
        };
        let (left, right) = (callee(2 * i + 1), callee(2 * i + 2));
        format!(
            "(func (param i32) (result i32) (local i32) (local.set 1 (i32.const {i})) {left} {right} (local.get 1))"
        )
    };
    let bodies: String = (0..functions).map(body).collect();
    format!("(module {bodies} (export \"caller\" (func 0)))")
}

#[test]
fn threads_that_start_a_large_program_at_once_agree_on_its_results() {
    const FUNCTIONS: usize = 1000;
    let text = tree(FUNCTIONS);
    let expected: i32 = (0..FUNCTIONS as i32).sum();
    for threads in ["1", "3"] {
        let engine = engine(&[("ahead-threads", threads)]);
        let module = Module::new(&engine, &text).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut store = Store::new(&engine, ());
                    let instance = Instance::new(&mut store, &module, &[]).unwrap();
                    assert_eq!(call(&mut store, &instance, 100).unwrap(), expected);
                });
            }
        });
        let stats = module.tier_stats();
        // Twice nothing, and in vain nothing either: all of them are called.
        assert_eq!(
            (stats.compiled_functions, stats.baseline.compiled),
            (FUNCTIONS, FUNCTIONS)
        );
        assert_eq!(stats.ahead.compiled, stats.ahead.called);
    }
}

#[test]
fn modules_and_engines_go_while_functions_of_theirs_are_compiled() {
    let text = tree(300);
    for round in 0..40 {
        let engine = engine(&[]);
        let module = Module::new(&engine, &text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let expected = (0..63).sum::<i32>();
        assert_eq!(call(&mut store, &instance, 5).unwrap(), expected);
        // In every order.
        match round % 3 {
            0 => drop((engine, module, store)),
            1 => drop((store, module, engine)),
            _ => drop((module, engine, store)),
        }
    }
}
