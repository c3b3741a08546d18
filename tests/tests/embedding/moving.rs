//! Frames that move up in the middle of a loop at the end of the stack: what fits in the baseline's frames fits.

use std::sync::Arc;
use std::thread;

use upshift::{
    Config, Engine, Instance, Module, Result, Store, TierMode, TieringProfile, TrapCode,
};

/// Functions `run` that go `n` calls deep, with a loop in each frame or in one.
const RECURSIONS: [&str; 5] = [
    // In the deepest frame.
    "(module (func $run (export \"run\") (param $n i32) (result i64) (local $i i32) (local $sum i64)
        (if (local.get $n)
          (then (return (i64.add (call $run (i32.sub (local.get $n) (i32.const 1))) (i64.const 3)))))
        (loop $hot
          (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 7))
            (i64.extend_i32_u (local.get $i))))
          (br_if $hot (i32.lt_u
            (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))
        (local.get $sum)))",
    // In every frame, before the call.
    "(module (func $run (export \"run\") (param $n i32) (result i64) (local $i i32) (local $sum i64)
        (loop $hot
          (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 7))
            (i64.extend_i32_u (local.get $i))))
          (br_if $hot (i32.lt_u
            (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
        (if (result i64) (local.get $n)
          (then (i64.add (local.get $sum) (call $run (i32.sub (local.get $n) (i32.const 1)))))
          (else (local.get $sum)))))",
    // Around the call in every frame.
    "(module (func $run (export \"run\") (param $n i32) (result i64) (local $i i32) (local $sum i64)
        (loop $hot
          (if (i32.and (i32.eq (local.get $i) (i32.const 1)) (i32.ne (local.get $n) (i32.const 0)))
            (then (local.set $sum (i64.add (local.get $sum)
              (call $run (i32.sub (local.get $n) (i32.const 1)))))))
          (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i))))
          (br_if $hot (i32.lt_u
            (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
        (local.get $sum)))",
    // Around a call of what goes deep without a loop, through a table that anybody may change.
    "(module (table (export \"t\") 1 funcref) (elem (i32.const 0) $deep) (type $down (func (param i32) (result i64)))
        (func $deep (type $down)
          (if (result i64) (local.get 0)
            (then (i64.add (i64.const 1)
              (call_indirect (type $down) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))
            (else (i64.const 0))))
        (func $run (export \"run\") (param $n i32) (result i64) (local $i i32) (local $sum i64)
          (loop $hot
            (local.set $sum (i64.add (local.get $sum)
              (call_indirect (type $down) (local.get $n) (i32.const 0))))
            (br_if $hot (i32.lt_u
              (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
          (local.get $sum)))",
    // With several results, and values of all sizes in two loops.
    "(module (memory 1)
        (func $pair (param $n i32) (param $v v128) (result i64 v128) (local $i i32) (local $sum i64)
          (loop $outer
            (local.set $i (i32.const 0))
            (loop $hot
              (local.set $v (i32x4.add (local.get $v) (i32x4.splat (local.get $i))))
              (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i))))
              (br_if $hot (i32.lt_u
                (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
            (br_if $outer (i64.lt_u (local.get $sum) (i64.const 9))))
          (if (local.get $n) (then
            (call $pair (i32.sub (local.get $n) (i32.const 1)) (local.get $v))
            (local.set $v)
            (local.set $sum (i64.add (local.get $sum)))))
          (local.get $sum) (local.get $v))
        (func $run (export \"run\") (param $n i32) (result i64)
          (call $pair (local.get $n) (v128.const i32x4 1 2 3 4))
          (i64.add (i64x2.extract_lane 1))))",
];

/// The same with so many values alive around the call that an entry has a large frame.
fn with_many_values() -> String {
    let values = 0..48;
    let locals: String = values
        .clone()
        .map(|value| format!("(local $v{value} i64)"))
        .collect();
    let steps: String = values
        .clone()
        .map(|value| {
            format!(
                "(local.set $v{value} (i64.add (i64.mul (local.get $v{value}) (i64.const 3))
                    (i64.xor (local.get $v{}) (i64.extend_i32_u (local.get $i)))))",
                (value + 1) % 48
            )
        })
        .collect();
    let sums: String = values
        .map(|value| format!("(local.set $sum (i64.add (local.get $sum) (local.get $v{value})))"))
        .collect();
    format!(
        "(module (func $run (export \"run\") (param $n i32) (result i64) (local $i i32) (local $sum i64)
            {locals}
            (loop $hot
              {steps}
              (if (i32.and (i32.eq (local.get $i) (i32.const 1)) (i32.ne (local.get $n) (i32.const 0)))
                (then (local.set $sum (i64.add (local.get $sum)
                  (call $run (i32.sub (local.get $n) (i32.const 1)))))))
              (br_if $hot (i32.lt_u
                (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
            {sums}
            (local.get $sum)))"
    )
}

/// Calls stay in the baseline, and every loop moves: to the middle tier and on, to LLVM at once, or to the baseline itself.
fn ways_to_move() -> Vec<(&'static str, Config)> {
    let moving = |middle: bool| {
        let mut profile = TieringProfile::default();
        if middle {
            profile.middle.threshold_in_operators = Some(1 << 40);
        } else {
            profile.middle.enabled = false;
        }
        let mut config = Config::new();
        config
            .tier(TierMode::Auto)
            .synchronous_tiering(true)
            .profile(profile);
        config
    };
    let mut ways = vec![("baseline", baseline()), ("middle", moving(true))];
    if cfg!(feature = "llvm") {
        ways.push(("llvm", moving(false)));
    }
    for (_, config) in &mut ways {
        config.force_osr(true);
    }
    ways
}

fn baseline() -> Config {
    let mut config = Config::new();
    config.tier(TierMode::Baseline);
    config
}

/// Runs a guest to a depth, and says what it returned, if it did.
type RunTo<'a> = &'a mut dyn FnMut(i32) -> Option<i64>;

/// Calls `run` with each of some depths.
fn run(config: &Config, text: &str, depths: &mut dyn FnMut(RunTo<'_>)) {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance
        .get_typed_func::<i32, i64>(&mut store, "run")
        .unwrap();
    depths(&mut |depth| {
        let result: Result<i64> = run.call(&mut store, depth);
        result
            .inspect_err(|error| {
                assert_eq!(error.as_trap().unwrap().code(), TrapCode::StackOverflow);
            })
            .ok()
    });
}

/// The deepest call that there is stack for, and its result.
fn deepest(config: &Config, text: &str) -> (i32, i64) {
    let mut found = None;
    run(config, text, &mut |call| {
        let (mut fits, mut overflows) = (0, 1 << 20);
        while overflows - fits > 1 {
            let depth = i32::midpoint(fits, overflows);
            if call(depth).is_some() {
                fits = depth;
            } else {
                overflows = depth;
            }
        }
        found = Some((fits, call(fits).unwrap()));
    });
    found.unwrap()
}

/// Compares on a thread of its own: an address on the stack is the same on each of them.
fn moves_where_it_fits(stack: usize, max_wasm_stack: usize) {
    let many_values = with_many_values();
    let all = RECURSIONS.map(str::to_owned).into_iter();
    for text in all.chain([many_values]).map(Arc::<str>::from) {
        let on_thread = |work: Box<dyn FnOnce() -> (i32, Option<i64>) + Send>| {
            let thread = thread::Builder::new().stack_size(stack).spawn(work);
            thread.unwrap().join().unwrap()
        };
        let same = Arc::clone(&text);
        let (depth, expected) = on_thread(Box::new(move || {
            let (depth, result) = deepest(baseline().max_wasm_stack(max_wasm_stack), &same);
            (depth, Some(result))
        }));
        assert!(depth > 50, "{depth}");
        for (name, mut config) in ways_to_move() {
            config.max_wasm_stack(max_wasm_stack);
            let same = Arc::clone(&text);
            let (_, found) = on_thread(Box::new(move || {
                let mut found = None;
                // Compiled and warm, too.
                run(&config, &same, &mut |call| {
                    found = call(depth).and_then(|_| call(depth))
                });
                (depth, found)
            }));
            assert_eq!(found, expected, "{name}, {depth} calls of {text}");
        }
    }
}

#[test]
fn what_fits_in_the_baselines_frames_fits_within_the_configured_stack() {
    moves_where_it_fits(8 << 20, 100_000);
}

#[test]
fn what_fits_in_the_baselines_frames_fits_within_a_threads_stack() {
    moves_where_it_fits(256 << 10, 1 << 30);
}

#[test]
fn the_limit_of_the_stack_is_the_same_after_moves() {
    for (name, mut config) in ways_to_move() {
        config.max_wasm_stack(100_000);
        let text = RECURSIONS[2];
        run(&config, text, &mut |call| {
            let first = (0..)
                .map(|exponent| 1 << exponent)
                .find(|&depth| call(depth).is_none());
            // Also after a trap, which leaves all of them at once.
            for _ in 0..100 {
                assert!(call(50).is_some());
                assert!(call(first.unwrap()).is_none(), "{name}");
            }
        });
    }
}
