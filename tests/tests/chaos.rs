//! Threads that run the same hot functions while their compiles come late, get lost or fail, and while modules and
//! engines go away in the midst of it. Whatever happens, results are right and nothing hangs.
//!
//! By default an amount of work that takes some seconds; with UPSHIFT_CHAOS_SECONDS in the environment, new seeds
//! for so long (`cargo xtask fuzz --chaos`).
#![cfg(feature = "llvm")]

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use upshift::{Config, Engine, Instance, Module, Store, TierStats, TieringProfile, TypedFunc};
use upshift_kernels::{Kernel, Number, RUN};
use upshift_tests::differential::Random;

const THREADS: u64 = 8;
/// Seeds of a run that is not told for how long.
const SEEDS: u64 = 12;
/// Calls by each thread in modules that are shared.
const CALLS: usize = 1000;

/// Functions of every kind of heat: a loop with calls that can be inlined, loops in each other over memory, naive
/// recursion, calls through a table.
const SMALL: &str = r#"(module
  (memory 1)
  (table funcref (elem $mix $other))
  (type $step (func (param i32) (result i32)))
  (func $mix (type $step)
    (i32.xor (i32.mul (local.get 0) (i32.const 0x9e3779b1))
             (i32.shr_u (local.get 0) (i32.const 15))))
  (func $other (type $step)
    (i32.add (i32.rotl (local.get 0) (i32.const 7)) (i32.const 12345)))
  (func (export "sum") (param $n i32) (result i32) (local $sum i32)
    (if (local.get $n) (then
      (loop $next
        (local.set $sum (call $mix (i32.add (local.get $sum) (local.get $n))))
        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
    (local.get $sum))
  (func (export "nested") (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (if (local.get $n) (then
      (loop $outer
        (local.set $i (i32.const 256))
        (loop $inner
          (local.set $i (i32.sub (local.get $i) (i32.const 4)))
          (i32.store (local.get $i) (i32.add (i32.mul (local.get $n) (local.get $i))
                                             (i32.load (local.get $i))))
          (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $i))))
          (br_if $inner (local.get $i)))
        (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 256))
    (local.get $sum))
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                     (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "indirect") (param $n i32) (result i32) (local $value i32)
    (if (local.get $n) (then
      (loop $next
        (local.set $value (call_indirect (type $step) (i32.xor (local.get $value) (local.get $n))
                                         (i32.and (local.get $n) (i32.const 1))))
        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
    (local.get $value)))"#;

fn mix(x: u32) -> u32 {
    x.wrapping_mul(0x9e37_79b1) ^ (x >> 15)
}

fn other(x: u32) -> u32 {
    x.rotate_left(7).wrapping_add(12345)
}

fn sum(n: u32) -> u32 {
    (1..=n)
        .rev()
        .fold(0, |sum: u32, n| mix(sum.wrapping_add(n)))
}

fn nested(n: u32) -> u32 {
    let mut memory = [0_u32; 64];
    let mut sum = 0_u32;
    for n in (1..=n).rev() {
        for (i, cell) in memory.iter_mut().enumerate() {
            *cell = n.wrapping_mul(4 * i as u32).wrapping_add(*cell);
            sum = sum.wrapping_add(*cell);
        }
    }
    sum
}

fn fib(n: u32) -> u32 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

fn indirect(n: u32) -> u32 {
    (1..=n).rev().fold(0, |value, n| {
        let step = if n & 1 == 0 { mix } else { other };
        step(value ^ n)
    })
}

/// An export, what it computes, and its arguments: below the first now and then below the second.
type Function = (&'static str, fn(u32) -> u32, usize, usize);

const FUNCTIONS: [Function; 4] = [
    ("sum", sum, 300, 100_000),
    ("nested", nested, 10, 1_000),
    ("fib", fib, 8, 18),
    ("indirect", indirect, 300, 100_000),
];

fn engine(seed: u64) -> Engine {
    let mut profile = TieringProfile::default();
    profile.tier_up.threshold_in_operators = Some(2_000);
    profile.tier_up.loop_probe_in_polls = 8;
    profile.baseline.smallest_grant_in_operators = 64;
    profile.baseline.grant_while_compiling_in_operators = 1_000;
    profile.workers.count = Some(2);
    // Eight threads would leave them little.
    profile.workers.nice = 0;
    if seed.is_multiple_of(2) {
        profile.optimizer.pipeline = "default<O1>".to_owned();
    }
    let mut config = Config::new();
    config.profile(profile).tiering_chaos(seed);
    Engine::new(&config).unwrap()
}

/// What one thread has: a store, the small functions, and a kernel.
struct Runner<'a> {
    store: Store<()>,
    functions: Vec<TypedFunc<i32, i32>>,
    run: TypedFunc<i32, i64>,
    kernel: &'a Kernel,
    random: Random,
}

impl<'a> Runner<'a> {
    fn new(small: &Module, large: &Module, kernel: &'a Kernel, seed: u64) -> Self {
        let mut store = Store::new(small.engine(), ());
        let instance = Instance::new(&mut store, small, &[]).unwrap();
        let functions = FUNCTIONS.map(|(name, ..)| instance.get_typed_func(&mut store, name));
        let instance = Instance::new(&mut store, large, &[]).unwrap();
        let run = instance.get_typed_func(&mut store, RUN).unwrap();
        Self {
            functions: functions.into_iter().map(Result::unwrap).collect(),
            run,
            store,
            kernel,
            random: Random::new(seed),
        }
    }

    fn call_one(&mut self) {
        let random = &mut self.random;
        if random.once_in(20) {
            let kernel = self.kernel;
            for check in &kernel.checks {
                if check.call == RUN && check.with < kernel.n_for_1_ms {
                    let given = self.run.call(&mut self.store, check.with).unwrap();
                    let given = Number::Integer(given);
                    assert_eq!(given, check.gives, "{}: {check:?}", kernel.name);
                }
            }
            return;
        }
        let i = random.below(FUNCTIONS.len());
        let (name, expected, below, seldom_below) = FUNCTIONS[i];
        let below = if random.once_in(50) {
            seldom_below
        } else {
            below
        };
        let n = random.below(below) as u32;
        let argument = n.cast_signed();
        let given = self.functions[i].call(&mut self.store, argument).unwrap();
        assert_eq!(given.cast_unsigned(), expected(n), "{name}({n})");
    }
}

/// Eight threads share modules. Returns how many functions moved up, and how often frames did in loops.
fn shared_modules(seed: u64, kernel: &Kernel) -> u64 {
    let engine = engine(seed);
    let small = Module::new(&engine, SMALL).unwrap();
    let large = Module::new(&engine, kernel.wasm().unwrap()).unwrap();
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (small, large, start) = (&small, &large, &start);
            scope.spawn(move || {
                let mut runner = Runner::new(small, large, kernel, seed * THREADS + number);
                start.wait();
                for _ in 0..CALLS {
                    runner.call_one();
                }
            });
        }
    });
    let stats = [small, large].map(|module| module.tier_stats());
    let moved = |stats: &TierStats| stats.functions.optimizing as u64 + stats.osr_entered;
    stats.iter().map(moved).sum()
}

/// Eight threads have modules of their own that go away soon, and the engine's last handle with one of them.
fn modules_that_go_away(seed: u64, kernel: &Kernel) {
    let engine = engine(seed);
    let wasm = kernel.wasm().unwrap();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (engine, wasm) = (engine.clone(), &wasm);
            scope.spawn(move || {
                let seed = seed * THREADS + number;
                let mut random = Random::new(seed);
                for round in 0..3 {
                    let small = Module::new(&engine, SMALL).unwrap();
                    let large = Module::new(&engine, wasm).unwrap();
                    let mut runner = Runner::new(&small, &large, kernel, seed + round);
                    if random.once_in(2) {
                        // The store keeps them alive.
                        drop((small, large));
                    }
                    for _ in 0..random.below(40) {
                        runner.call_one();
                    }
                }
            });
        }
        drop(engine);
    });
}

#[test]
fn results_are_right_whatever_happens_to_compiles() {
    let kernels = upshift_kernels::all().unwrap();
    let seconds = std::env::var("UPSHIFT_CHAOS_SECONDS").ok();
    let time = seconds.map(|seconds| Duration::from_secs(seconds.parse().expect("whole seconds")));
    let start = Instant::now();
    let mut moved = 0;
    for seed in 0.. {
        let ends = time.map_or(seed >= SEEDS, |time| start.elapsed() >= time);
        if ends {
            println!("{seed} seeds; {moved} functions moved up, or frames in loops");
            break;
        }
        let kernel = &kernels[seed as usize % kernels.len()];
        moved += shared_modules(seed, kernel);
        modules_that_go_away(seed, kernel);
    }
    assert!(moved > 0);
}
