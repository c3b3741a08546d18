//! How hot functions and loops get from one tier to the other.

mod support;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use support::{
    FakeTier, Hold, at_loop, engine, function, in_child, index, listener, module, slot, threshold,
    until, words,
};
use upshift_runtime::TierHooks;
use upshift_tiering::{
    FunctionTier, ModuleTiering, TierEventKind, TierMode, Tiering, TieringError, TieringOptions,
    Tiers,
};
use upshift_translate::Stop;

/// Function 0 has no loop, function 1 one, function 2 three inside each other.
const MODULE: &str = r#"(module
    (func $plain (export "plain"))
    (func (loop))
    (func (loop (loop (loop)))))"#;

fn fixture(options: TieringOptions) -> (Tiering, std::sync::Arc<ModuleTiering>, FakeTier) {
    let optimizing = FakeTier::optimizing();
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, MODULE);
    for function in 0..3 {
        module
            .lazy_compile(index(function), Stop::NEVER)
            .expect("compiles");
    }
    (engine, module, optimizing)
}

/// Runs out of budget at a function's entry until it has done this much work.
fn call_until(module: &ModuleTiering, function: u32, work: u64) {
    let done = || {
        module
            .function_stats()
            .nth(function as usize)
            .expect("there")
            .work
    };
    while done() < work {
        module.budget_at_entry(index(function), &mut 0);
    }
}

fn synchronous(options: TieringOptions) -> TieringOptions {
    TieringOptions {
        synchronous: true,
        ..options
    }
}

#[test]
fn a_function_is_compiled_at_its_threshold_and_not_before() {
    let (_engine, module, optimizing) = fixture(synchronous(threshold(100_000)));
    let before = slot(&module, 0);
    call_until(&module, 0, 100_000);
    assert_eq!(optimizing.total(), 0);
    assert_eq!(slot(&module, 0), before);
    // All of the threshold is used up now.
    let better = module
        .budget_at_entry(index(0), &mut -1)
        .expect("better code");
    assert_eq!(optimizing.order(), [function(0)]);
    assert_eq!(slot(&module, 0), better as usize);
    assert_ne!(better as usize, before);
    assert_eq!(module.budget_at_entry(index(0), &mut -1), Some(better));
    assert_eq!(
        module
            .lazy_compile(index(0), Stop::NEVER)
            .expect("compiled"),
        better
    );
    assert_eq!(optimizing.total(), 1);
}

#[test]
fn the_guest_does_not_wait() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let optimizing = FakeTier::new("optimizing", move |_| {
        let released = wait.lock().recv_timeout(Duration::from_secs(60));
        released.expect("the guest went on");
        Ok(())
    });
    let options = threshold(1);
    let soon = options.profile.baseline.grant_while_compiling_in_operators;
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, MODULE);
    module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    let mut budget = -1;
    for _ in 0..3 {
        assert_eq!(module.budget_at_entry(index(0), &mut budget), None);
        assert_eq!(budget, soon.cast_signed() - 1);
        budget = -1;
    }
    assert_eq!(module.stats().pending, 1);
    release.send(()).expect("the compile waits");
    until("better code", || {
        module.budget_at_entry(index(0), &mut -1).is_some()
    });
    assert_eq!(module.stats().pending, 0);
    assert_ne!(optimizing.threads(function(0)), [thread::current().id()]);
}

#[test]
fn a_hot_loop_is_entered_and_the_function_follows_if_it_stays_hot() {
    let (sink, heard) = listener();
    let mut options = threshold(10_000);
    let smallest = options.profile.baseline.smallest_grant_in_operators;
    options.on_event = Some(sink);
    let (_engine, module, optimizing) = fixture(options);
    until("an entry", || {
        module
            .budget_at_loop(index(1), index(0), &mut -10)
            .is_some()
    });
    // Calls get to the loop with little left, and move up there.
    for _ in 0..3 {
        let mut budget = 0;
        assert_eq!(module.budget_at_entry(index(1), &mut budget), None);
        assert_eq!(budget, smallest.cast_signed());
        let mut budget = -10;
        assert!(
            module
                .budget_at_loop(index(1), index(0), &mut budget)
                .is_some()
        );
        assert_eq!(budget, smallest.cast_signed() - 10);
    }
    assert_eq!(module.stats().pending, 0);
    assert_eq!(optimizing.order(), [at_loop(1, 0)]);
    until("the function", || {
        module.budget_at_entry(index(1), &mut 0);
        module.stats().functions.optimizing == 1
    });
    assert_eq!(optimizing.order(), [at_loop(1, 0), function(1)]);
    until("the last event", || heard.lock().len() >= 6 + 7);
    let mut words = words(&heard.lock());
    // Events of the guest and of the workers come in any order.
    words.sort();
    let expected = [
        "compiled 1",
        "compiled 1.0",
        "entered 1.0",
        "published 1",
        "published 1.0",
        "queued 1",
        "queued 1.0",
    ];
    assert_eq!(words, expected);
}

#[test]
fn on_the_way_to_a_loop_that_can_be_entered_grants_are_small() {
    let (_engine, module, _) = fixture(threshold(1_000_000_000));
    until("an entry", || {
        module
            .budget_at_loop(index(2), index(1), &mut -10_000_000)
            .is_some()
    });
    let smallest = TieringOptions::default()
        .profile
        .baseline
        .smallest_grant_in_operators;
    let mut budget = 0;
    module.budget_at_entry(index(2), &mut budget);
    assert_eq!(budget, smallest.cast_signed());
    let mut budget = 0;
    assert_eq!(module.budget_at_loop(index(2), index(0), &mut budget), None);
    assert_eq!(budget, smallest.cast_signed());
}

#[test]
fn what_a_frame_does_before_it_moves_up_does_not_have_its_function_compiled() {
    let (_engine, module, optimizing) = fixture(threshold(10_000));
    until("the entry's code", || {
        if module.stats().pending == 0 && optimizing.total() == 0 {
            module.budget_at_loop(index(2), index(1), &mut -10);
        }
        module.stats().osr_entries == 1
    });
    let was_entered = optimizing.order();
    // The frame is in an inner loop for long, and comes by at last.
    assert_eq!(
        module.budget_at_loop(index(2), index(2), &mut -1_000_000),
        None
    );
    assert!(
        module
            .budget_at_loop(index(2), index(1), &mut -10)
            .is_some()
    );
    assert_eq!(optimizing.order(), was_entered);
    assert_eq!(module.stats().pending, 0);
}

#[test]
fn a_function_whose_loop_can_be_entered_moves_back_in_the_queue() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let optimizing = FakeTier::new("optimizing", move |request| {
        if request == at_loop(1, 0) {
            wait.lock()
                .recv_timeout(Duration::from_secs(60))
                .expect("released");
        }
        Ok(())
    });
    let mut options = threshold(1);
    options.profile.workers.count = Some(1);
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, MODULE);
    for function in 0..3 {
        module
            .lazy_compile(index(function), Stop::NEVER)
            .expect("compiles");
    }
    until("the worker is busy", || {
        module.budget_at_loop(index(1), index(0), &mut -10);
        optimizing.total() == 1
    });
    // Hot as it is called, until its loop's code is there.
    module.budget_at_entry(index(1), &mut -1_000_000);
    module.budget_at_entry(index(0), &mut -1000);
    release.send(()).expect("the worker waits");
    until("all", || module.stats().functions.optimizing == 2);
    assert_eq!(
        optimizing.order(),
        [at_loop(1, 0), function(0), function(1)]
    );
}

#[test]
fn of_nested_loops_the_outermost_that_comes_by_is_entered() {
    let (_engine, module, optimizing) = fixture(threshold(1));
    // Loop 2 three times for each time round loop 1, and loop 0 never.
    let mut rounds = [2, 2, 2, 1].into_iter().cycle();
    let mut entered = None;
    until("an entry", || {
        let number = rounds.next().expect("endless");
        entered = module
            .budget_at_loop(index(2), index(number), &mut -10)
            .map(|_| number);
        entered.is_some()
    });
    assert_eq!(entered, Some(1));
    assert_eq!(optimizing.order()[0], at_loop(2, 1));
    assert_eq!(optimizing.count(at_loop(2, 2)), 0);
}

#[test]
fn an_inner_loop_that_keeps_running_gets_its_own_entry() {
    let mut options = threshold(1);
    // A compile that costs nothing is not worth waiting for longer than the probe.
    options.profile.tier_up.compile_base_in_microseconds = 0;
    let probe = options.profile.tier_up.loop_probe_in_polls;
    let (_engine, module, optimizing) = fixture(options);
    for _ in 0..probe / 2 {
        module.budget_at_loop(index(2), index(2), &mut -10);
        module.budget_at_loop(index(2), index(0), &mut -10);
    }
    until("the outer loop's entry", || {
        module
            .budget_at_loop(index(2), index(0), &mut -10)
            .is_some()
    });
    assert_eq!(optimizing.count(at_loop(2, 0)), 1);
    // From here on, the outer loop's header does not come by any more.
    let mut budget = -10;
    assert_eq!(module.budget_at_loop(index(2), index(2), &mut budget), None);
    assert_eq!(budget, 0, "towards the outer loop in single steps");
    until("the inner loop's entry", || {
        module
            .budget_at_loop(index(2), index(2), &mut -10)
            .is_some()
    });
    assert_eq!(optimizing.count(at_loop(2, 2)), 1);
}

#[test]
fn a_function_that_is_called_again_soon_is_compiled_and_not_its_loop() {
    let (_engine, module, optimizing) = fixture(threshold(1));
    assert_eq!(module.budget_at_loop(index(1), index(0), &mut -10), None);
    module.budget_at_entry(index(1), &mut -10);
    for _ in 0..10 {
        module.budget_at_loop(index(1), index(0), &mut -10);
    }
    until("the function", || module.stats().functions.optimizing == 1);
    assert_eq!(optimizing.order(), [function(1)]);
}

#[test]
fn a_frame_left_in_the_old_code_moves_when_it_keeps_running() {
    let (_engine, module, optimizing) = fixture(synchronous(threshold(50_000_000)));
    call_until(&module, 1, 50_000_000);
    module
        .budget_at_entry(index(1), &mut -1)
        .expect("better code");
    let published_at = module.stats().work;
    assert_eq!(module.budget_at_loop(index(1), index(0), &mut -10), None);
    let mut polls = 0;
    while module
        .budget_at_loop(index(1), index(0), &mut -10)
        .is_none()
    {
        polls += 1;
        assert!(polls < 10_000, "never moved");
    }
    assert!(module.stats().work - published_at >= 50_000_000 - 10);
    assert_eq!(optimizing.order(), [function(1), at_loop(1, 0)]);
}

#[test]
fn synchronous_compiles_are_there_at_once_and_at_the_loop_that_asks() {
    let (_engine, module, optimizing) = fixture(synchronous(threshold(1)));
    assert!(module.budget_at_loop(index(2), index(2), &mut -3).is_some());
    assert_eq!(optimizing.order()[0], at_loop(2, 2));
    assert!(module.budget_at_entry(index(0), &mut -3).is_some());
}

#[test]
fn forced_entries_are_the_optimizing_tiers_and_functions_stay() {
    let options = TieringOptions {
        force_osr: true,
        ..synchronous(threshold(1))
    };
    let (_engine, module, optimizing) = fixture(options);
    for number in [2, 0, 1, 2] {
        let mut budget = -7;
        assert!(
            module
                .budget_at_loop(index(2), index(number), &mut budget)
                .is_some()
        );
        assert_eq!(budget, 0);
    }
    assert_eq!(module.budget_at_entry(index(2), &mut -7), None);
    let entries = [at_loop(2, 2), at_loop(2, 0), at_loop(2, 1)];
    assert_eq!(optimizing.order(), entries);
    let stats = module.function_stats().nth(2).expect("there");
    assert_eq!((stats.osr_entries, stats.osr_entered), (3, 4));
    assert_eq!(stats.tier, FunctionTier::Baseline);
}

#[test]
fn the_hottest_function_comes_first_and_rises_while_it_waits() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let optimizing = FakeTier::new("optimizing", move |request| {
        if request == function(0) {
            wait.lock()
                .recv_timeout(Duration::from_secs(60))
                .expect("released");
        }
        Ok(())
    });
    let mut options = threshold(1000);
    options.profile.workers.count = Some(1);
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, "(module (func) (func) (func) (func))");
    let ask =
        |function: u32, overdrawn: i32| module.budget_at_entry(index(function), &mut -overdrawn);
    ask(0, 1000);
    until("the worker is busy", || optimizing.total() == 1);
    ask(1, 2000);
    ask(2, 4000);
    ask(3, 3000);
    // Function 1 goes on running.
    ask(1, 1_000_000);
    release.send(()).expect("the worker waits");
    until("all", || module.stats().functions.optimizing == 4);
    assert_eq!(
        optimizing.order(),
        [function(0), function(1), function(2), function(3)]
    );
}

#[test]
fn everything_ahead_leaves_nothing_to_the_baseline() {
    let mut options = threshold(1);
    options.profile.mode = TierMode::Optimizing;
    let (baseline, optimizing) = (FakeTier::baseline(), FakeTier::optimizing());
    let engine = engine(&baseline, Some(&optimizing), options);
    let module = module(&engine, MODULE);
    module.compile_all().expect("compiles");
    assert_eq!((baseline.total(), optimizing.total()), (0, 3));
    let code = module
        .lazy_compile(index(1), Stop::NEVER)
        .expect("compiled");
    assert_eq!(slot(&module, 1), code as usize);
    assert_eq!(baseline.total(), 0);
    assert_eq!(module.stats().functions.optimizing, 3);
    module.compile_all().expect("nothing left to do");
    assert_eq!(optimizing.total(), 3);
}

fn only_baseline() -> Tiers {
    Tiers {
        baseline: std::sync::Arc::new(FakeTier::baseline()),
        middle: None,
        optimizing: None,
    }
}

#[test]
fn everything_ahead_needs_an_optimizing_tier() {
    let mut options = TieringOptions::default();
    options.profile.mode = TierMode::Optimizing;
    let tiering = Tiering::new(only_baseline(), options);
    assert!(matches!(tiering, Err(TieringError::NoOptimizingTier)));
}

#[test]
fn a_bad_profile_is_refused() {
    let mut options = TieringOptions::default();
    options.profile.workers.count = Some(0);
    let tiering = Tiering::new(only_baseline(), options);
    let message = tiering.err().expect("refused").to_string();
    assert!(message.contains("workers.count"), "{message}");
}

#[test]
fn in_baseline_mode_nothing_moves() {
    let mut options = threshold(1);
    options.profile.mode = TierMode::Baseline;
    let (_engine, module, optimizing) = fixture(options);
    for _ in 0..100 {
        assert_eq!(module.budget_at_entry(index(1), &mut -1000), None);
        assert_eq!(module.budget_at_loop(index(1), index(0), &mut -1000), None);
    }
    assert_eq!((optimizing.total(), module.stats().pending), (0, 0));
}

#[test]
fn events_say_which_function_of_which_module() {
    let (sink, heard) = listener();
    let mut options = synchronous(threshold(1));
    options.on_event = Some(sink);
    let optimizing = FakeTier::optimizing();
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let _first = module(&engine, MODULE);
    let second = module(
        &engine,
        r#"(module (import "" "f" (func)) (func $sum (loop)))"#,
    );
    second
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    second.budget_at_entry(index(0), &mut -5);
    let heard = heard.lock();
    assert!(
        heard
            .iter()
            .all(|event| event.module == second.id() && event.function == 1)
    );
    assert!(
        heard
            .iter()
            .all(|event| event.name.as_deref() == Some("sum"))
    );
    assert!(heard.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert_eq!(words(&heard), ["queued 1", "compiled 1", "published 1"]);
    let baseline = heard.iter().filter(|event| {
        matches!(
            event.kind,
            TierEventKind::Compiled {
                tier: "baseline",
                ..
            }
        )
    });
    assert_eq!(baseline.count(), 1);
}

#[test]
fn stats_add_up() {
    let (_engine, module, _) = fixture(synchronous(threshold(1)));
    module.budget_at_entry(index(0), &mut -5);
    module
        .budget_at_loop(index(1), index(0), &mut -5)
        .expect("an entry");
    module
        .budget_at_entry(index(1), &mut -5_000)
        .expect("the function");
    let stats = module.stats();
    assert_eq!(stats.compiled_functions, 3);
    assert_eq!((stats.baseline.compiled, stats.optimizing.compiled), (3, 3));
    assert_eq!((stats.osr_entries, stats.osr_entered), (1, 1));
    assert_eq!(
        (stats.functions.baseline, stats.functions.optimizing),
        (1, 2)
    );
    assert_eq!(stats.code_bytes, 6);
    assert_eq!(stats.baseline.code_bytes + stats.optimizing.code_bytes, 6);
    assert_eq!(
        stats.compile_time,
        stats.baseline.compile_time + stats.optimizing.compile_time
    );
    assert_eq!(
        stats.work,
        module.function_stats().map(|stats| stats.work).sum::<u64>()
    );
}

/// Functions 0 and 1 in the baseline, and an optimizing tier that is held at function 0.
fn held_fixture(options: TieringOptions) -> (Tiering, std::sync::Arc<ModuleTiering>, Hold) {
    let hold = Hold::new();
    let held = hold.clone();
    let optimizing = FakeTier::new("optimizing", move |request| {
        if request.function == index(0) {
            held.pass();
        }
        Ok(())
    });
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, "(module (func) (func))");
    (engine, module, hold)
}

/// Has both functions do work until they are in the optimizing tier.
fn move_up(module: &ModuleTiering) {
    until("both have moved up", || {
        for function in 0..2 {
            module.budget_at_entry(index(function), &mut -1);
        }
        module.stats().functions.optimizing == 2
    });
}

#[test]
fn what_was_queued_or_compiled_at_a_fork_is_compiled_anew_in_the_child() {
    let mut options = threshold(1);
    options.profile.workers.count = Some(1);
    let (_engine, module, hold) = held_fixture(options);
    for function in 0..2 {
        module
            .lazy_compile(index(function), Stop::NEVER)
            .expect("compiles");
        module.budget_at_entry(index(function), &mut -1);
        hold.wait_for(1);
    }
    assert_eq!(module.stats().pending, 2);
    let is_right = in_child(|| {
        let pending = module.stats().pending;
        move_up(&module);
        pending == 0 && in_child(|| module.stats().functions.optimizing == 2)
    });
    hold.release();
    assert!(is_right);
    move_up(&module);
}

#[test]
fn who_waits_in_a_child_waits_for_threads_of_its_own() {
    for everything in [false, true] {
        let mut options = synchronous(threshold(1));
        options.profile.workers.count = Some(1);
        if everything {
            options.profile.mode = TierMode::Optimizing;
        }
        let (_engine, module, hold) = held_fixture(options);
        let wait = || {
            if everything {
                module.compile_all().expect("compiles");
            } else {
                module
                    .lazy_compile(index(0), Stop::NEVER)
                    .expect("compiles");
                module.budget_at_entry(index(0), &mut -1);
            }
            module.stats().functions.optimizing > 0
        };
        thread::scope(|scope| {
            let waiting = scope.spawn(wait);
            hold.wait_for(1);
            let is_right = in_child(wait);
            hold.release();
            assert!(is_right, "everything: {everything}");
            assert!(waiting.join().expect("no panic"));
        });
    }
}

#[test]
fn an_engine_that_a_child_drops_is_its_own() {
    let (engine, module, hold) = held_fixture(threshold(1));
    module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    module.budget_at_entry(index(0), &mut -1);
    hold.wait_for(1);
    let mut ours = Some((engine, module));
    let is_right = in_child(|| {
        ours = None;
        true
    });
    hold.release();
    assert!(is_right);
    let (_engine, module) = ours.expect("the parent's");
    module
        .lazy_compile(index(1), Stop::NEVER)
        .expect("compiles");
    move_up(&module);
}
