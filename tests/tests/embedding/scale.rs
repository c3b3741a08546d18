//! Many threads, many instances, many stores.

use std::sync::Barrier;
use std::thread;

use upshift::{Config, Engine, Instance, Linker, Module, Store, TierMode};

use crate::in_own_process;

const WORK: &str = r#"(module
  (import "host" "add" (func $add (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (table 2 funcref) (elem (i32.const 0) $double $add)
  (global $calls (mut i32) (i32.const 0))
  (func $double (param i32 i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "run") (param i32) (result i32) (local i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (loop
      (local.set 1 (call_indirect (param i32 i32) (result i32)
        (local.get 1) (local.get 0) (i32.and (local.get 0) (i32.const 1))))
      (i32.store (i32.const 0) (local.get 1))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.add (i32.load (i32.const 0)) (global.get $calls))))"#;

/// What `run` computes, the number of calls left out.
fn model(n: i32) -> i32 {
    (1..=n).rev().fold(0_i32, |sum, i| {
        if i & 1 == 1 {
            sum.wrapping_add(i)
        } else {
            sum.wrapping_mul(2)
        }
    })
}

fn linker(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    linker
        .func_wrap("host", "add", |a: i32, b: i32| a.wrapping_add(b))
        .unwrap();
    linker
}

fn run_once(linker: &Linker<()>, module: &Module, n: i32) {
    let mut store = Store::new(module.engine(), ());
    let instance = linker.instantiate(&mut store, module).unwrap();
    let run = instance
        .get_typed_func::<i32, i32>(&mut store, "run")
        .unwrap();
    assert_eq!(run.call(&mut store, n).unwrap(), model(n).wrapping_add(1));
    assert_eq!(run.call(&mut store, n).unwrap(), model(n).wrapping_add(2));
}

#[test]
fn eight_threads_share_a_module() {
    for _ in 0..20 {
        let engine = Engine::default();
        let linker = linker(&engine);
        let module = Module::new(&engine, WORK).unwrap();
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for i in 0..8 {
                let (linker, module, barrier) = (&linker, &module, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for n in 1..20 {
                        run_once(linker, module, n * 10 + i);
                    }
                });
            }
        });
        // Racing first calls compiled each function once.
        assert_eq!(module.tier_stats().compiled_functions, 2);
    }
}

#[test]
fn a_store_moves_between_threads() {
    let engine = Engine::default();
    let module = Module::new(&engine, WORK).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker(&engine).instantiate(&mut store, &module).unwrap();
    let run = instance
        .get_typed_func::<i32, i32>(&mut store, "run")
        .unwrap();
    for call in 1..=4 {
        let expected = model(9) + call;
        store = thread::spawn(move || {
            assert_eq!(run.call(&mut store, 9).unwrap(), expected);
            store
        })
        .join()
        .unwrap();
    }
}

#[test]
fn a_thousand_instances_live_at_once() {
    let engine = Engine::default();
    let linker = linker(&engine);
    let module = Module::new(&engine, WORK).unwrap();
    // Half of them in one store, half in a store each.
    let mut shared = Store::new(&engine, ());
    let in_shared: Vec<Instance> = (0..500)
        .map(|_| linker.instantiate(&mut shared, &module).unwrap())
        .collect();
    let mut alone: Vec<(Store<()>, Instance)> = (0..500)
        .map(|_| {
            let mut store = Store::new(&engine, ());
            let instance = linker.instantiate(&mut store, &module).unwrap();
            (store, instance)
        })
        .collect();
    for (i, instance) in in_shared.iter().enumerate() {
        let memory = instance.get_memory(&mut shared, "memory").unwrap();
        memory
            .write(&mut shared, 100, &(i as u32).to_le_bytes())
            .unwrap();
        let run = instance
            .get_typed_func::<i32, i32>(&mut shared, "run")
            .unwrap();
        assert_eq!(run.call(&mut shared, 7).unwrap(), model(7) + 1);
    }
    for (store, instance) in &mut alone {
        let run = instance
            .get_typed_func::<i32, i32>(&mut *store, "run")
            .unwrap();
        assert_eq!(run.call(&mut *store, 7).unwrap(), model(7) + 1);
    }
    for (i, instance) in in_shared.iter().enumerate() {
        let memory = instance.get_memory(&mut shared, "memory").unwrap();
        assert_eq!(memory.data(&shared)[100..104], (i as u32).to_le_bytes());
    }
}

/// Kilobytes in memory, and the number of mappings, of this process.
fn footprint() -> (usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let resident = resident.trim().trim_end_matches(" kB").parse().unwrap();
    let mappings = std::fs::read_to_string("/proc/self/maps")
        .unwrap()
        .lines()
        .count();
    (resident, mappings)
}

#[test]
fn ten_thousand_instances_leave_nothing_behind() {
    if !in_own_process("scale::ten_thousand_instances_leave_nothing_behind") {
        return;
    }
    // What LLVM keeps for its next compile is not theirs.
    let engine = Engine::new(Config::new().tier(TierMode::Baseline)).unwrap();
    let linker = linker(&engine);
    let module = Module::new(&engine, WORK).unwrap();
    let round = |count| {
        for _ in 0..count {
            run_once(&linker, &module, 5);
        }
        footprint()
    };
    let (before_kib, before_maps) = round(500);
    let (after_kib, after_maps) = round(10_000);
    assert!(
        after_maps <= before_maps + 4,
        "{before_maps} mappings became {after_maps}"
    );
    assert!(
        after_kib <= before_kib + 1024,
        "{before_kib} KiB became {after_kib}"
    );
}

#[test]
fn modules_that_are_dropped_give_their_code_back() {
    if !in_own_process("scale::modules_that_are_dropped_give_their_code_back") {
        return;
    }
    let engine = Engine::default();
    let linker = linker(&engine);
    let round = |count| {
        for _ in 0..count {
            let module = Module::new(&engine, WORK).unwrap();
            run_once(&linker, &module, 5);
        }
        footprint()
    };
    let (before_kib, before_maps) = round(200);
    let (after_kib, after_maps) = round(2_000);
    assert!(
        after_maps <= before_maps + 4,
        "{before_maps} mappings became {after_maps}"
    );
    assert!(
        after_kib <= before_kib + 2048,
        "{before_kib} KiB became {after_kib}"
    );
}
