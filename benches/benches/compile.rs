//! From bytes to code and to a first result: what starting costs. All of it on one processor, so that a number is work
//! and not a number of threads.

use std::hint::black_box;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use upshift::{Config, Engine, Instance, Module, Store};
use upshift_bench_protocol::restrict_to_processors;
use upshift_benches::large_module;

/// About a megabyte.
const FUNCTIONS: u32 = 3_000;

const SEED: u64 = 1;

/// Parsing and validating the large module, and the same with all of its functions compiled.
fn compile_throughput(criterion: &mut Criterion) {
    restrict_to_processors(1).unwrap();
    let wasm = large_module(FUNCTIONS, SEED);
    let mut group = criterion.benchmark_group("compile");
    group
        .throughput(Throughput::Bytes(wasm.len() as u64))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10);

    let lazy = Engine::default();
    group.bench_function("validate-only", |bencher| {
        bencher.iter_with_large_drop(|| Module::new(&lazy, black_box(&wasm)).unwrap());
    });
    let eager = Engine::new(Config::new().eager(true)).unwrap();
    group.bench_function("everything", |bencher| {
        bencher.iter_with_large_drop(|| Module::new(&eager, black_box(&wasm)).unwrap());
    });
    group.finish();
}

/// From the bytes to the result of `main`, which calls one function in a thousand.
fn first_result(criterion: &mut Criterion) {
    restrict_to_processors(1).unwrap();
    let wasm = large_module(FUNCTIONS, SEED);
    let engine = Engine::default();
    criterion.bench_function("first-result", |bencher| {
        bencher.iter_with_large_drop(|| {
            let module = Module::new(&engine, black_box(&wasm)).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let main = instance
                .get_typed_func::<i32, i32>(&mut store, "main")
                .unwrap();
            let result = main.call(&mut store, 12345).unwrap();
            (result, store, module)
        });
    });
}

criterion_group!(benches, compile_throughput, first_result);
criterion_main!(benches);
