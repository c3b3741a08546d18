//! When functions are compiled by the baseline, how often and on which thread.

mod support;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use support::{
    FakeTier, Hold, at_loop, engine, function, in_child, index, listener, module, slot, until,
};
use upshift_module::FuncIndex;
use upshift_runtime::{NoCode, TierHooks};
use upshift_tiering::{
    FunctionTier, ModuleTiering, TierEvent, TierEventKind, TierMode, TieringOptions,
};
use upshift_translate::{CompileError, CompileRequest, Stop};

const MODULE: &str = "(module (func) (func) (func (loop)) (func))";

fn fixture(
    options: TieringOptions,
    behaviour: impl Fn(CompileRequest) + Send + Sync + 'static,
) -> (Arc<ModuleTiering>, FakeTier) {
    let tier = FakeTier::new("baseline", move |request| {
        behaviour(request);
        Ok(())
    });
    (module(&engine(&tier, None, options), MODULE), tier)
}

fn lazily() -> TieringOptions {
    TieringOptions::default()
}

#[test]
fn threads_that_race_compile_once() {
    let (module, tier) = fixture(lazily(), |_| thread::sleep(Duration::from_millis(20)));
    let start = Barrier::new(8);
    let codes: Vec<usize> = thread::scope(|scope| {
        let call = || {
            start.wait();
            module
                .lazy_compile(index(1), Stop::NEVER)
                .expect("compiles") as usize
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(call)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    assert!(codes.iter().all(|code| *code == codes[0]));
    assert_eq!(tier.order(), [function(1)]);
    assert_eq!(module.stats().compiled_functions, 1);
}

#[test]
fn a_function_does_not_wait_for_another_ones_compile() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let (module, _) = fixture(lazily(), move |request| {
        if request.function == index(0) {
            wait.lock()
                .recv_timeout(Duration::from_secs(60))
                .expect("function 1 was compiled");
        }
    });
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            module
                .lazy_compile(index(0), Stop::NEVER)
                .map(|code| code as usize)
        });
        // Were there one lock for both, this would wait for the compile that it is to release.
        module
            .lazy_compile(index(1), Stop::NEVER)
            .expect("compiles");
        release.send(()).expect("the compile waits");
        slow.join().expect("no panic").expect("compiles");
    });
}

/// A baseline whose first compile goes on until it is stopped.
fn stopped_at_first(options: TieringOptions) -> (Arc<ModuleTiering>, FakeTier, Hold) {
    let begun = Hold::new();
    let compiles = AtomicUsize::new(0);
    let hold = begun.clone();
    let tier = FakeTier::that_may_stop("baseline", move |request, stop| {
        if compiles.fetch_add(1, Ordering::Relaxed) > 0 {
            return Ok(());
        }
        hold.pass();
        until("stopped", || stop.is_requested());
        Err(CompileError::Stopped {
            tier: "baseline",
            function: FuncIndex::from_u32(request.function.as_u32()),
        })
    });
    begun.release();
    (module(&engine(&tier, None, options), MODULE), tier, begun)
}

#[test]
fn who_waits_for_a_compile_that_is_stopped_takes_it_over() {
    let (sink, heard) = listener();
    let options = TieringOptions {
        on_event: Some(sink),
        ..lazily()
    };
    let (module, tier, begun) = stopped_at_first(options);
    let (flag, of_second) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            module
                .lazy_compile(index(0), Stop::when_set(&flag))
                .map(|_| ())
        });
        begun.wait_for(1);
        let second = scope.spawn(|| {
            let stop = Stop::when_set(&of_second);
            module
                .lazy_compile(index(0), stop)
                .map(|code| code as usize)
        });
        // It is to wait by then; that it may not yet is no error.
        thread::sleep(Duration::from_millis(10));
        assert!(!second.is_finished());
        flag.store(1, Ordering::Relaxed);
        let ended = first.join().expect("no panic");
        assert!(matches!(ended, Err(NoCode::Stopped)), "{ended:?}");
        let code = second.join().expect("no panic").expect("compiles");
        assert_eq!(slot(&module, 0), code);
    });
    assert_eq!(tier.count(function(0)), 2);
    assert_eq!(module.stats().baseline.failed, 0);
    let heard = heard.lock();
    let failed = |event: &&TierEvent| matches!(event.kind, TierEventKind::Failed { .. });
    assert_eq!(heard.iter().find(failed), None);
}

#[test]
fn who_is_stopped_while_waiting_leaves_the_compile_alone() {
    let (module, tier, begun) = stopped_at_first(lazily());
    let (flag, of_waiter) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            module
                .lazy_compile(index(0), Stop::when_set(&flag))
                .map(|_| ())
        });
        begun.wait_for(1);
        of_waiter.store(1, Ordering::Relaxed);
        let ended = module.lazy_compile(index(0), Stop::when_set(&of_waiter));
        assert!(matches!(ended, Err(NoCode::Stopped)), "{ended:?}");
        assert!(!first.is_finished());
        flag.store(1, Ordering::Relaxed);
        let ended = first.join().expect("no panic");
        assert!(matches!(ended, Err(NoCode::Stopped)), "{ended:?}");
    });
    assert_eq!(tier.count(function(0)), 1);
    module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    assert_eq!(tier.count(function(0)), 2);
}

#[test]
fn a_compile_on_another_thread_stops_with_its_caller() {
    let (module, tier, _begun) = stopped_at_first(lazily());
    let flag = Arc::new(AtomicU32::new(1));
    let caller = {
        let (module, flag) = (Arc::clone(&module), Arc::clone(&flag));
        thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || {
                module
                    .lazy_compile(index(0), Stop::when_set(&flag))
                    .map(|_| ())
            })
            .expect("a thread")
    };
    let ended = caller.join().expect("no panic");
    assert!(matches!(ended, Err(NoCode::Stopped)), "{ended:?}");
    assert_eq!(tier.count(function(0)), 1);
    module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
}

#[test]
fn a_first_call_publishes_into_the_slot() {
    let (module, _) = fixture(lazily(), |_| ());
    let (before, stub) = (slot(&module, 2), slot(&module, 3));
    let code = module
        .lazy_compile(index(2), Stop::NEVER)
        .expect("compiles") as usize;
    assert_ne!(before, code);
    assert_eq!((slot(&module, 2), slot(&module, 3)), (code, stub));
}

#[test]
fn everything_is_compiled_ahead_once() {
    let (module, tier) = fixture(lazily(), |_| ());
    module
        .lazy_compile(index(3), Stop::NEVER)
        .expect("compiles");
    module.compile_all().expect("compiles");
    module.compile_all().expect("nothing left to do");
    assert_eq!(tier.total(), 4);
    assert!((0..4).all(|i| tier.count(function(i)) == 1));
}

#[test]
fn with_little_stack_left_another_thread_compiles() {
    let (module, tier) = fixture(lazily(), |_| ());
    let caller = thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(move || {
            module
                .lazy_compile(index(0), Stop::NEVER)
                .expect("compiles");
            thread::current().id()
        })
        .expect("a thread")
        .join()
        .expect("no panic");
    let threads = tier.threads(function(0));
    assert!(threads.len() == 1 && threads[0] != caller);
}

#[test]
fn a_panic_of_the_code_generator_is_an_error_and_the_next_call_tries_again() {
    let (module, tier) = fixture(lazily(), |_| panic!("an index out of bounds"));
    for _ in 0..2 {
        let error = module
            .lazy_compile(index(2), Stop::NEVER)
            .expect_err("panics")
            .to_string();
        assert!(
            error.contains("function 2") && error.contains("an index out of bounds"),
            "{error}"
        );
    }
    assert_eq!(tier.count(function(2)), 2);
    assert_eq!(module.stats().baseline.failed, 2);
}

#[test]
fn a_used_up_budget_is_refilled_by_the_grant_and_what_was_overdrawn_is_paid_back() {
    let mut options = lazily();
    options.profile.baseline.smallest_grant_in_operators = 100;
    options.profile.baseline.largest_grant_in_operators = 100;
    let (module, _) = fixture(options, |_| ());
    let mut budget = -30;
    assert_eq!(module.budget_at_entry(index(0), &mut budget), None);
    assert_eq!(budget, 70);
    budget = -1000;
    assert_eq!(module.budget_at_loop(index(2), index(0), &mut budget), None);
    assert_eq!(budget, 0);
    assert_eq!(module.stats().work, 100 + 1000);
    let by_function: Vec<_> = module.function_stats().map(|stats| stats.work).collect();
    assert_eq!(by_function, [100, 0, 1000, 0]);
}

#[test]
fn forced_entries_at_loops_are_compiled_once() {
    let options = TieringOptions {
        force_osr: true,
        ..lazily()
    };
    let (module, tier) = fixture(options, |_| ());
    let mut budget = -1;
    let first = module
        .budget_at_loop(index(2), index(0), &mut budget)
        .expect("an entry");
    let second = module
        .budget_at_loop(index(2), index(0), &mut budget)
        .expect("an entry");
    assert_eq!((first, budget), (second, 0));
    assert_eq!(tier.order(), [at_loop(2, 0)]);
    assert_eq!(module.stats().osr_entries, 1);
    assert_eq!(module.stats().osr_entered, 2);
}

#[test]
fn a_forced_entry_does_not_wait_for_another_ones_compile() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let tier = FakeTier::new("baseline", move |request| {
        if request == at_loop(0, 0) {
            wait.lock()
                .recv_timeout(Duration::from_secs(60))
                .expect("the other loop was compiled");
        }
        Ok(())
    });
    let options = TieringOptions {
        force_osr: true,
        ..lazily()
    };
    let module = module(
        &engine(&tier, None, options),
        "(module (func (loop)) (func (loop)))",
    );
    thread::scope(|scope| {
        let slow = scope.spawn(|| module.budget_at_loop(index(0), index(0), &mut -1).is_some());
        assert!(module.budget_at_loop(index(1), index(0), &mut -1).is_some());
        release.send(()).expect("the compile waits");
        assert!(slow.join().expect("no panic"));
    });
}

#[test]
fn without_an_optimizing_tier_auto_is_the_baseline() {
    let tier = FakeTier::baseline();
    let tiering = engine(&tier, None, lazily());
    assert_eq!(tiering.mode(), TierMode::Baseline);
    let module = module(&tiering, MODULE);
    module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    for _ in 0..1000 {
        assert_eq!(module.budget_at_entry(index(0), &mut -1), None);
    }
    let stats = module.stats();
    assert_eq!((tier.total(), stats.pending), (1, 0));
    let tiers: Vec<_> = module.function_stats().map(|stats| stats.tier).collect();
    let (lazy, baseline) = (FunctionTier::NotCompiled, FunctionTier::Baseline);
    assert_eq!(tiers, [baseline, lazy, lazy, lazy]);
}

#[test]
fn a_child_compiles_what_another_thread_was_compiling() {
    let hold = Hold::new();
    let held = hold.clone();
    let (module, tier) = fixture(lazily(), move |request| {
        if request.function == index(1) {
            held.pass();
        }
    });
    thread::scope(|scope| {
        // One compiles, the other waits for it.
        for _ in 0..2 {
            scope.spawn(|| module.lazy_compile(index(1), Stop::NEVER).is_ok());
        }
        hold.wait_for(1);
        thread::sleep(Duration::from_millis(20));
        let is_right = in_child(|| {
            let calls =
                [1, 2, 1].map(|function| module.lazy_compile(index(function), Stop::NEVER).is_ok());
            calls == [true; 3] && tier.count(function(1)) == 2
        });
        hold.release();
        assert!(is_right);
    });
    assert_eq!(tier.order(), [function(1)]);
}
