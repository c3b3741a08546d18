//! The kernels on each tier, how long it takes from hot to running LLVM code, and one module on several threads.

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use upshift::{
    Config, Engine, Instance, Module, Store, TierEvent, TierEventKind, TierMode, TypedFunc,
};
use upshift_kernels::{Kernel, RUN};

/// The tiers that this build has.
const TIERS: &[(&str, TierMode)] = &[
    ("baseline", TierMode::Baseline),
    #[cfg(feature = "llvm")]
    ("llvm", TierMode::Optimizing),
];

/// Milliseconds of native work for which the threads of [`scaling`] call a kernel once.
const SCALING_MILLISECONDS: i32 = 10;

/// A kernel's `run` in a store of its own.
struct Run {
    store: Store<()>,
    run: TypedFunc<i32, i64>,
}

impl Run {
    fn new(module: &Module) -> Self {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let run = instance.get_typed_func(&mut store, RUN).unwrap();
        Self { store, run }
    }

    fn call(&mut self, n: i32) -> i64 {
        self.run.call(&mut self.store, black_box(n)).unwrap()
    }
}

fn kernel(name: &str) -> Kernel {
    let mut kernels = upshift_kernels::all().unwrap().into_iter();
    kernels.find(|kernel| kernel.name == name).unwrap()
}

/// About a millisecond of native work a call, everything compiled before.
fn steady(criterion: &mut Criterion) {
    let mut kernels = upshift_kernels::all().unwrap();
    // Those that everybody asks for first.
    kernels.sort_by_key(|kernel| !["nbody", "fib"].contains(&kernel.name.as_str()));
    for kernel in kernels {
        let mut group = criterion.benchmark_group(format!("steady/{}", kernel.name));
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1));
        for &(name, mode) in TIERS {
            let engine = Engine::new(Config::new().tier(mode)).unwrap();
            let module = Module::from_file(&engine, kernel.wasm_path()).unwrap();
            let mut run = Run::new(&module);
            group.bench_function(name, |bencher| {
                bencher.iter(|| run.call(kernel.n_for_1_ms));
            });
        }
        group.finish();
    }
}

/// From the moment a running loop is found hot to the moment its frame is in LLVM's code.
fn tier_up(criterion: &mut Criterion) {
    if !cfg!(feature = "llvm") {
        return;
    }
    let mut group = criterion.benchmark_group("tier-up");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for name in ["nbody", "rho", "mandelbrot"] {
        let kernel = kernel(name);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| latency(&kernel)).sum());
        });
    }
    group.finish();
}

/// Of one run in an engine of its own: long enough that its loop moves.
fn latency(kernel: &Kernel) -> Duration {
    let events = Arc::new(Mutex::new(Vec::<TierEvent>::new()));
    let log = Arc::clone(&events);
    let mut config = Config::new();
    config.on_tier_event(move |event| log.lock().unwrap().push(event.clone()));
    let engine = Engine::new(&config).unwrap();
    let module = Module::from_file(&engine, kernel.wasm_path()).unwrap();
    let mut run = Run::new(&module);
    let moved = || {
        let events = events.lock().unwrap();
        let queued = events
            .iter()
            .find(|event| matches!(event.kind, TierEventKind::Queued { .. }))?;
        let moved = events.iter().find(|event| match event.kind {
            TierEventKind::OsrEntered { tier, .. } | TierEventKind::Published { tier, .. } => {
                tier == "llvm"
            }
            _ => false,
        })?;
        Some(moved.at - queued.at)
    };
    loop {
        run.call(kernel.n_for_1_ms * 100);
        if let Some(latency) = moved() {
            return latency;
        }
    }
}

/// The same module in as many stores as threads, all at work: a multiple of the throughput of one, as far as there are
/// processors.
fn scaling(criterion: &mut Criterion) {
    let kernel = kernel("nbody");
    let mut group = criterion.benchmark_group("threads");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for &(name, mode) in TIERS {
        let engine = Engine::new(Config::new().tier(mode)).unwrap();
        let module = Module::from_file(&engine, kernel.wasm_path()).unwrap();
        for threads in [1, 2, 4] {
            group.throughput(Throughput::Elements(threads));
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter_custom(|times| {
                    let start = Instant::now();
                    thread::scope(|scope| {
                        for _ in 0..threads {
                            scope.spawn(|| {
                                let mut run = Run::new(&module);
                                for _ in 0..times {
                                    run.call(kernel.n_for_1_ms * SCALING_MILLISECONDS);
                                }
                            });
                        }
                    });
                    start.elapsed()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, steady, tier_up, scaling);
criterion_main!(benches);
