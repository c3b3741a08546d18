//! What moving to the optimizing tier changes for an embedder: nothing but the speed, and what it is told.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use upshift::{
    Caller, Config, Engine, EntryPoint, FunctionTier, Instance, Linker, Module, Ref, Store,
    TierEvent, TierEventKind, TierMode, TieringProfile, TrapCode,
};

use crate::recursion::recurse;

/// An engine, and what its tiering tells.
fn listening(config: &mut Config) -> (Engine, Receiver<TierEvent>) {
    let (sender, events) = mpsc::channel();
    config.on_tier_event(move |event| {
        // Nobody may be left to hear what a background thread is through with.
        let _ = sender.send(event.clone());
    });
    (Engine::new(config).unwrap(), events)
}

/// An instance whose functions are all in the optimizing tier.
fn optimized(config: &mut Config, text: &str) -> (Store<()>, Instance, Module) {
    let (engine, events) = listening(config.tier(TierMode::Optimizing));
    let module = Module::new(&engine, text).unwrap();
    for event in events.try_iter() {
        let failed = matches!(event.kind, TierEventKind::Failed { .. });
        assert!(!failed, "{event}");
    }
    for stats in module.function_stats() {
        assert_eq!(stats.tier, FunctionTier::Optimizing, "{stats:?}");
    }
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    (store, instance, module)
}

#[test]
fn a_function_that_is_called_once_moves_up_in_its_loop() {
    // The guest asks after every 2^16 rounds whether it has been seen to move.
    let text = r#"(module
      (import "host" "moved" (func $moved (result i32)))
      (func (export "main") (result i64) (local $i i64) (local $sum i64)
        (loop $rounds
          (local.set $i (i64.add (local.get $i) (i64.const 1)))
          (local.set $sum (i64.xor (local.get $i)
            (i64.mul (local.get $sum) (i64.const 0x5851f42d4c957f2d))))
          (br_if $rounds (i64.ne (i64.const 0) (i64.and (local.get $i) (i64.const 0xffff))))
          (br_if $rounds (i32.eqz (call $moved))))
        (local.get $sum)))"#;
    let moved = Arc::new(Mutex::new(None));
    let sink = Arc::clone(&moved);
    let mut config = Config::new();
    config.on_tier_event(move |event| {
        if let TierEventKind::OsrEntered { loop_number, .. } = event.kind {
            *sink.lock().unwrap_or_else(PoisonError::into_inner) = Some(loop_number);
        }
    });
    let engine = Engine::new(&config).unwrap();
    let mut linker = Linker::new(&engine);
    let seen = Arc::clone(&moved);
    linker
        .func_wrap("host", "moved", move |mut caller: Caller<'_, u64>| {
            *caller.data_mut() += 1 << 16;
            i32::from(seen.lock().unwrap().is_some())
        })
        .unwrap();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let main = instance
        .get_typed_func::<(), i64>(&mut store, "main")
        .unwrap();
    let sum = main.call(&mut store, ()).unwrap();
    assert_eq!(*moved.lock().unwrap(), Some(0));
    let expected =
        (1..=*store.data()).fold(0_u64, |sum, i| i ^ sum.wrapping_mul(0x5851_f42d_4c95_7f2d));
    assert_eq!(sum.cast_unsigned(), expected);
    let stats = module.tier_stats();
    assert!(stats.osr_entries >= 1 && stats.osr_entered >= 1);
}

/// Eight functions behind a table that the host can change. Fifteen of sixteen calls are of the first.
const THROUGH_A_TABLE: &str = r#"(module
  (type $op (func (param i32) (result i32)))
  (table (export "ops") 8 funcref)
  (elem (i32.const 0) $op0 $op1 $op2 $op3 $op4 $op5 $op6 $op7)
  (func $op0 (export "op0") (param i32) (result i32) (i32.add (local.get 0) (i32.const 3)))
  (func $op1 (export "op1") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func $op2 (param i32) (result i32) (i32.sub (local.get 0) (i32.const 5)))
  (func $op3 (param i32) (result i32) (i32.xor (local.get 0) (i32.const 9)))
  (func $op4 (param i32) (result i32) (i32.rotl (local.get 0) (i32.const 1)))
  (func $op5 (param i32) (result i32) (i32.or (local.get 0) (i32.const 1)))
  (func $op6 (param i32) (result i32) (i32.shr_u (local.get 0) (i32.const 1)))
  (func $op7 (param i32) (result i32) (i32.const 77))
  (func (export "main") (param $n i32) (result i32) (local $sum i32) (local $i i32)
    (loop $rounds
      (local.set $sum
        (call_indirect (type $op) (local.get $sum)
          (select (i32.const 0) (i32.and (i32.shr_u (local.get $i) (i32.const 4)) (i32.const 7))
            (i32.and (local.get $i) (i32.const 15)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $rounds (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $sum)))"#;

/// What it computes, where the table's first element is that function.
fn through_a_table(n: u32, first: fn(u32) -> u32) -> u32 {
    (0..n).fold(0, |sum: u32, i| match (i % 16, i / 16 % 8) {
        (1.., _) | (0, 0) => first(sum),
        (_, 1) => sum.wrapping_mul(3),
        (_, 2) => sum.wrapping_sub(5),
        (_, 3) => sum ^ 9,
        (_, 4) => sum.rotate_left(1),
        (_, 5) => sum | 1,
        (_, 6) => sum >> 1,
        (_, _) => 77,
    })
}

#[test]
fn likely_targets_of_calls_are_called_directly_as_long_as_they_are_right() {
    let mut profile = TieringProfile::default();
    profile.tier_up.threshold_in_operators = Some(200_000);
    let (engine, events) = listening(Config::new().synchronous_tiering(true).profile(profile));
    let module = Module::new(&engine, THROUGH_A_TABLE).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let main = instance
        .get_typed_func::<u32, u32>(&mut store, "main")
        .unwrap();
    let plus = |sum: u32| sum.wrapping_add(3);
    for n in 0..500 {
        let n = n * 7 % 1000 + 1;
        assert_eq!(main.call(&mut store, n).unwrap(), through_a_table(n, plus));
    }
    let inlined = events.try_iter().find_map(|event| match event.kind {
        TierEventKind::Compiled {
            tier: "llvm",
            inlined,
            ..
        } if event.function == 8 => Some(inlined),
        _ => None,
    });
    assert_eq!(inlined, Some(vec![0]), "the others are rare");
    // Another function in its place; the same function of another instance; none at all.
    let table = instance.get_table(&mut store, "ops").unwrap();
    let times = instance.get_func(&mut store, "op1").unwrap();
    table.set(&mut store, 0, times.into()).unwrap();
    let product = |sum: u32| sum.wrapping_mul(3);
    assert_eq!(
        main.call(&mut store, 999).unwrap(),
        through_a_table(999, product)
    );
    let other = Instance::new(&mut store, &module, &[]).unwrap();
    let plus_elsewhere = other.get_func(&mut store, "op0").unwrap();
    table.set(&mut store, 0, plus_elsewhere.into()).unwrap();
    assert_eq!(
        main.call(&mut store, 999).unwrap(),
        through_a_table(999, plus)
    );
    table.set(&mut store, 0, Ref::Func(None)).unwrap();
    let error = main.call(&mut store, 999).unwrap_err();
    let trap = error.as_trap().expect("a trap");
    assert_eq!(trap.code(), TrapCode::UninitializedElement);
}

#[test]
fn nothing_is_assumed_of_calls_where_that_is_switched_off() {
    let mut profile = TieringProfile::default();
    profile.tier_up.threshold_in_operators = Some(200_000);
    profile.speculation.max_call_targets = 0;
    let (engine, events) = listening(Config::new().synchronous_tiering(true).profile(profile));
    let module = Module::new(&engine, THROUGH_A_TABLE).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let main = instance
        .get_typed_func::<u32, u32>(&mut store, "main")
        .unwrap();
    for _ in 0..500 {
        main.call(&mut store, 1000).unwrap();
    }
    let compiled = events
        .try_iter()
        .filter(|event| event.function == 8)
        .filter_map(|event| match event.kind {
            TierEventKind::Compiled {
                tier: "llvm",
                inlined,
                ..
            } => Some(inlined),
            _ => None,
        });
    assert!(compiled.flatten().next().is_none());
}

/// Events of one function and entry, as words.
fn words(events: &[TierEvent], function: u32, entry: EntryPoint) -> Vec<&'static str> {
    let of_function = events.iter().filter(|event| event.function == function);
    let word = |event: &TierEvent| match event.kind {
        TierEventKind::Queued { entry: of, .. } => (of == entry).then_some("queued"),
        TierEventKind::Compiled { entry: of, .. } => (of == entry).then_some("compiled"),
        TierEventKind::Published { entry: of, .. } => (of == entry).then_some("published"),
        TierEventKind::OsrEntered { loop_number, .. } => {
            (EntryPoint::Loop(loop_number) == entry).then_some("entered")
        }
        _ => Some("something else"),
    };
    of_function.filter_map(word).collect()
}

#[test]
fn events_arrive_in_order() {
    let mut profile = TieringProfile::default();
    profile.tier_up.threshold_in_operators = Some(10_000);
    let (engine, events) = listening(Config::new().synchronous_tiering(true).profile(profile));
    let module = Module::new(
        &engine,
        r#"(module
          (func (export "count") (param i32) (result i32)
            (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get 0))
          (func (export "idle")))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let count = instance
        .get_typed_func::<i32, i32>(&mut store, "count")
        .unwrap();
    // The function itself follows its loop when calls do another threshold's work in the baseline, which compiled it
    // before.
    for _ in 0..100 {
        assert_eq!(count.call(&mut store, 1_000_000).unwrap(), 0);
    }
    let mut told = Vec::new();
    let moved = ["queued", "compiled", "published"];
    while !words(&told, 0, EntryPoint::Function).ends_with(&moved) {
        told.push(events.recv_timeout(Duration::from_secs(60)).unwrap());
    }
    // The guest goes on in its loop while a worker compiles the function, so these are two orders, not one.
    for entry in [EntryPoint::Function, EntryPoint::Loop(0)] {
        let of_entry = told.iter().filter(|event| {
            let event = std::slice::from_ref(*event);
            !words(event, 0, entry).is_empty()
        });
        assert!(of_entry.is_sorted_by_key(|event| event.at), "{told:?}");
    }
    assert!(told.iter().all(|event| event.module == 1));
    assert!(told.iter().all(|event| event.function == 0), "{told:?}");
    assert!(
        told.iter()
            .all(|event| event.name.as_deref() == Some("count"))
    );
    assert_eq!(
        words(&told, 0, EntryPoint::Loop(0)),
        ["queued", "compiled", "published", "entered"],
        "{told:#?}"
    );
}

#[test]
fn a_backtrace_through_inlined_code_names_all_frames() {
    let text = r#"(module $shop
      (memory 1)
      (func $leaf (param i32) (result i32)
        nop (i32.div_u (i32.const 100) (local.get 0)))
      (func $middle (param i32) (result i32)
        (i32.add (i32.const 1) (call $leaf (local.get 0))))
      (func $run (export "run") (param i32) (result i32)
        (i32.store (i32.const 0) (i32.const 7))
        (i32.mul (call $middle (i32.const 5)) (call $middle (local.get 0)))))"#;
    let (engine, events) = listening(Config::new().tier(TierMode::Optimizing));
    let module = Module::new(&engine, text).unwrap();
    let mut inlined = events.try_iter().filter_map(|event| match event.kind {
        TierEventKind::Compiled { inlined, .. } if event.function == 2 => Some(inlined),
        _ => None,
    });
    assert_eq!(inlined.next().map(|it| it.len()), Some(2));
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance
        .get_typed_func::<i32, i32>(&mut store, "run")
        .unwrap();
    assert_eq!(run.call(&mut store, 50).unwrap(), 21 * 3);
    let error = run.call(&mut store, 0).unwrap_err();
    let trap = error.as_trap().unwrap();
    assert_eq!(trap.code(), TrapCode::IntegerDivideByZero);
    let frames = trap.backtrace().frames();
    let names: Vec<_> = frames
        .iter()
        .map(|frame| frame.func_name().unwrap())
        .collect();
    assert_eq!(names, ["leaf", "middle", "run"]);
    let offsets: Vec<_> = frames
        .iter()
        .map(|frame| frame.module_offset().unwrap())
        .collect();
    let operators: Vec<_> = offsets.iter().map(|&at| module.binary()[at]).collect();
    assert_eq!(operators, [0x6e, 0x10, 0x10], "i32.div_u, call, call");
    // Of the two calls it is the second, whose operand is not a constant.
    assert_eq!(module.binary()[offsets[2] - 2..][..2], [0x20, 0x00]);
}

#[test]
fn tight_loops_are_interrupted() {
    for body in [
        "(loop $forever (br $forever))",
        "(loop $forever (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
           (br $forever))",
    ] {
        let text = format!(
            r#"(module (memory 1) (func $spin (export "spin") {body})
                 (func (export "one") (result i32) (i32.const 1)))"#
        );
        let (mut store, instance, _) = optimized(&mut Config::new(), &text);
        let spin = instance
            .get_typed_func::<(), ()>(&mut store, "spin")
            .unwrap();
        let one = instance
            .get_typed_func::<(), i32>(&mut store, "one")
            .unwrap();
        for wait in [0, 1, 20] {
            let handle = store.interrupt_handle();
            let timer = thread::spawn(move || {
                thread::sleep(Duration::from_millis(wait));
                handle.interrupt();
            });
            let error = spin.call(&mut store, ()).unwrap_err();
            timer.join().unwrap();
            assert_eq!(error.as_trap().unwrap().code(), TrapCode::Interrupted);
            assert_eq!(one.call(&mut store, ()).unwrap(), 1);
        }
    }
}

#[test]
fn recursion_without_end_is_a_trap() {
    recurse(&Engine::new(Config::new().tier(TierMode::Optimizing)).unwrap());
}

#[test]
fn precise_traps_leave_exactly_what_came_before() {
    let text = r#"(module
      (memory (export "memory") 1)
      (global $written (export "written") (mut i32) (i32.const 0))
      (func (export "between") (param $address i32)
        (i32.store (i32.const 0) (i32.const 1))
        (i32.store (local.get $address) (i32.const 3))
        (i32.store (i32.const 0) (i32.const 2)))
      (func (export "fill") (param $address i32)
        (loop $bytes
          (i32.store8 (local.get $address) (i32.const 0xaa))
          (global.set $written (i32.add (global.get $written) (i32.const 1)))
          (local.set $address (i32.add (local.get $address) (i32.const 1)))
          (br $bytes)))
      (func (export "unused") (param $address i32)
        (i32.store (i32.const 4) (i32.const 1))
        (local.set $address (i32.load (local.get $address)))
        (i32.store (i32.const 4) (i32.const 2))))"#;
    let (mut store, instance, _) = optimized(Config::new().precise_traps(true), text);
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    let written = instance.get_global(&mut store, "written").unwrap();
    let mut call = |name, argument| {
        let f = instance
            .get_typed_func::<i32, ()>(&mut store, name)
            .unwrap();
        let error = f.call(&mut store, argument).unwrap_err();
        let code = error.as_trap().unwrap().code();
        assert_eq!(code, TrapCode::MemoryOutOfBounds, "{name}");
        let filled = memory.data(&store).iter().filter(|&&byte| byte == 0xaa);
        let state = (memory.data(&store)[0], memory.data(&store)[4]);
        let written = written.get(&store).unwrap().unwrap_i32();
        (state, filled.count(), written)
    };
    assert_eq!(call("between", 65533), ((1, 0), 0, 0));
    assert_eq!(call("unused", -1), ((1, 1), 0, 0));
    assert_eq!(call("fill", 65536 - 1000), ((1, 1), 1000, 1000));
}

#[test]
fn narrow_vectors_of_minima_compile() {
    let stores = |ty: &str, op: &str, bytes: usize| {
        let store = |i: usize| {
            let at = i * bytes;
            format!(
                "({ty}.store offset={at} (i32.const 0) ({op}
                   ({ty}.load offset={} (i32.const 0)) ({ty}.load offset={} (i32.const 0))))",
                64 + at,
                128 + at
            )
        };
        (0..2).map(store).collect::<String>()
    };
    let body = stores("f32", "f32.min", 4);
    let doubles = stores("f64", "f64.max", 8);
    let text = format!(
        r#"(module (memory (export "memory") 1)
             (data (i32.const 64) "\00\00\80\3f\00\00\00\c0")
             (data (i32.const 128) "\00\00\00\40\00\00\80\bf")
             (func (export "singles") {body})
             (func (export "doubles") {doubles}))"#
    );
    let (mut store, instance, _) = optimized(&mut Config::new(), &text);
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    let mut call = |name| {
        let f = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
        f.call(&mut store, ()).unwrap();
        memory.data(&store)[..16].to_vec()
    };
    let minima = [1.0_f32, -2.0].map(f32::to_le_bytes).concat();
    assert_eq!(call("singles")[..8], minima);
    let one = 1.0_f32.to_bits();
    let bits = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    let maximum = f64::from_bits(bits(one, (-2.0_f32).to_bits())).max(f64::from_bits(bits(
        2.0_f32.to_bits(),
        (-1.0_f32).to_bits(),
    )));
    assert_eq!(call("doubles")[..8], maximum.to_le_bytes());
}

#[test]
fn what_follows_a_constant_that_traps_compiles() {
    // The conversion is never reached, and folds to what is no number.
    let text = r#"(module (func (export "add") (param f64) (result f64)
      (f64.add (local.get 0)
        (f64.convert_i32_s (i32.trunc_f64_s (f64.const 1e300))))))"#;
    let (mut store, instance, _) = optimized(&mut Config::new(), text);
    let add = instance
        .get_typed_func::<f64, f64>(&mut store, "add")
        .unwrap();
    let error = add.call(&mut store, 1.0).unwrap_err();
    assert_eq!(error.as_trap().unwrap().code(), TrapCode::IntegerOverflow);
}

#[test]
fn a_load_that_is_only_chosen_sometimes_traps_always() {
    // The load is in the program's way, whatever the condition; the memory has no byte of it.
    let text = r#"(module (memory 0)
      (func (export "choose") (param i32 f64) (result i32)
        (i32.mul (i32.load16_s (local.get 0))
          (i8x16.all_true (f64x2.ceil (f64x2.splat (local.get 1)))))))"#;
    let (mut store, instance, _) = optimized(Config::new().precise_traps(true), text);
    let choose = instance
        .get_typed_func::<(i32, f64), i32>(&mut store, "choose")
        .unwrap();
    let error = choose.call(&mut store, (0, 0.0)).unwrap_err();
    assert_eq!(error.as_trap().unwrap().code(), TrapCode::MemoryOutOfBounds);
}

#[test]
fn ways_of_a_branch_table_may_be_alike_and_carry_vectors() {
    let text = r#"(module (func (export "pick") (param i32) (result i32)
      (i32x4.extract_lane 1
        (block $out (result v128)
          (br_table $out $out $out
            (i32x4.add (i32x4.splat (local.get 0)) (v128.const i32x4 1 2 3 4))
            (local.get 0))))))"#;
    let (mut store, instance, _) = optimized(&mut Config::new(), text);
    let pick = instance
        .get_typed_func::<i32, i32>(&mut store, "pick")
        .unwrap();
    assert_eq!(pick.call(&mut store, 7).unwrap(), 9);
}
