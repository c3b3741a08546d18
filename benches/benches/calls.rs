//! What crossing between host and guest costs once everything is compiled: instances, calls in, calls out, and
//! calls through a table. The modules are those of the comparison with other engines.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use upshift::{Engine, Linker, Module, Store, TypedFunc};
use upshift_bench_protocol::{HOST_FUNCTION, HOST_MODULE, host_function};

/// Calls made by one iteration of the loops in wasm.
const CALLS: i32 = 10_000;

/// A store with an instance of the module, and one of its exports.
fn export(text: &str, name: &str) -> (Store<()>, TypedFunc<i32, i32>) {
    let engine = Engine::default();
    let module = Module::new(&engine, text).unwrap();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap(HOST_MODULE, HOST_FUNCTION, host_function)
        .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let function = instance
        .get_typed_func::<i32, i32>(&mut store, name)
        .unwrap();
    (store, function)
}

fn instantiate(criterion: &mut Criterion) {
    let engine = Engine::default();
    let module = Module::new(&engine, include_str!("../modules/instantiate.wat")).unwrap();
    let linker = Linker::new(&engine);
    criterion.bench_function("instantiate-and-drop", |bencher| {
        bencher.iter(|| {
            let mut store = Store::new(&engine, ());
            linker.instantiate(&mut store, &module).unwrap();
            store
        });
    });
}

fn typed_call(criterion: &mut Criterion) {
    let (mut store, add_one) = export(include_str!("../modules/typed_call.wat"), "add_one");
    criterion.bench_function("typed-call", |bencher| {
        bencher.iter(|| add_one.call(&mut store, black_box(1)).unwrap());
    });
}

/// A loop in wasm that makes as many calls as its argument says.
fn wasm_loop(criterion: &mut Criterion, name: &str, text: &str) {
    let (mut store, run) = export(text, "loop");
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::from(CALLS.unsigned_abs())));
    group.bench_function("loop", |bencher| {
        bencher.iter(|| run.call(&mut store, black_box(CALLS)).unwrap());
    });
    group.finish();
}

fn host_call(criterion: &mut Criterion) {
    wasm_loop(
        criterion,
        "host-call",
        include_str!("../modules/host_call.wat"),
    );
}

fn call_indirect(criterion: &mut Criterion) {
    wasm_loop(
        criterion,
        "call-indirect",
        include_str!("../modules/call_indirect.wat"),
    );
}

criterion_group!(benches, instantiate, typed_call, host_call, call_indirect);
criterion_main!(benches);
