//! Compiles in the baseline ahead of calls: choice, thread, number; and waits for them.

mod support;

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use support::{FakeTier, Hold, engine, function, in_child, index, listener, module, slot, until};
use upshift_runtime::TierHooks;
use upshift_tiering::{ModuleTiering, TierEventKind, TierMode, Tiering, TieringOptions};
use upshift_translate::{CompileError, CompileRequest, Stop};

/// 0 calls 1 and 2, 1 calls 3, 3 calls 4; nobody calls 5.
const MODULE: &str = "(module
    (func (call 1) (call 2))
    (func (call 3))
    (func)
    (func (call 4))
    (func)
    (func))";

/// From the first call on, on as many threads.
fn threads(count: u32) -> TieringOptions {
    let mut options = TieringOptions::default();
    options.profile.baseline.ahead_threads = Some(count);
    options.profile.baseline.ahead_after_functions = 0;
    options
}

fn fixture(
    options: TieringOptions,
    behaviour: impl Fn(CompileRequest) -> Result<(), CompileError> + Send + Sync + 'static,
) -> (Tiering, Arc<ModuleTiering>, FakeTier) {
    let tier = FakeTier::new("baseline", behaviour);
    let engine = engine(&tier, None, options);
    let module = module(&engine, MODULE);
    (engine, module, tier)
}

/// Compiles and notes the work of a first call, as generated code would.
fn call(module: &ModuleTiering, function: u32) -> usize {
    let code = module
        .lazy_compile(index(function), Stop::NEVER)
        .expect("compiles") as usize;
    module.budget_at_entry(index(function), &mut -1);
    code
}

fn compiled(tier: &FakeTier) -> Vec<u32> {
    let mut functions: Vec<_> = tier
        .order()
        .iter()
        .map(|request| request.function.as_u32())
        .collect();
    functions.sort_unstable();
    functions
}

#[test]
fn what_a_called_function_calls_is_compiled_elsewhere_and_published() {
    let (_engine, module, tier) = fixture(threads(1), |_| Ok(()));
    let stub = slot(&module, 4);
    call(&module, 0);
    until("all that 0 leads to", || tier.total() == 5);
    until("it is published", || slot(&module, 4) != stub);
    assert_eq!(compiled(&tier), [0, 1, 2, 3, 4]);
    assert_eq!(tier.threads(function(0)), [thread::current().id()]);
    for callee in 1..5 {
        let threads = tier.threads(function(callee));
        assert!(threads.len() == 1 && threads[0] != thread::current().id());
        assert_eq!(slot(&module, callee), call(&module, callee));
    }
    assert_eq!(tier.total(), 5);
}

#[test]
fn what_is_next_is_compiled_first() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let (_engine, module, tier) = fixture(threads(1), move |request| {
        if request.function == index(0) {
            wait.lock().recv().expect("released");
        }
        Ok(())
    });
    thread::scope(|scope| {
        scope.spawn(|| call(&module, 0));
        // While the first call's compile goes on.
        until("its callees", || tier.total() == 5);
        release.send(()).expect("the compile waits");
    });
    let order: Vec<_> = tier
        .order()
        .iter()
        .map(|request| request.function.as_u32())
        .collect();
    assert_eq!(order, [0, 1, 3, 4, 2]);
}

#[test]
fn a_first_call_waits_for_the_compile_that_is_under_way() {
    let (begun, begin) = mpsc::channel();
    let (release, wait) = mpsc::channel::<()>();
    let (begun, wait) = (Mutex::new(begun), Mutex::new(wait));
    let (_engine, module, tier) = fixture(threads(1), move |request| {
        if request.function == index(1) {
            begun.lock().send(()).expect("the test waits");
            wait.lock().recv().expect("released");
        }
        Ok(())
    });
    call(&module, 0);
    begin.recv().expect("1 is compiled ahead");
    thread::scope(|scope| {
        let first_call = scope.spawn(|| call(&module, 1));
        // An entry that waits its turn is compiled by the first call.
        call(&module, 2);
        assert_eq!(tier.threads(function(2)), [thread::current().id()]);
        thread::sleep(Duration::from_millis(20));
        assert!(!first_call.is_finished());
        release.send(()).expect("the compile waits");
        assert_eq!(first_call.join().expect("no panic"), slot(&module, 1));
    });
    assert_eq!(tier.count(function(1)), 1);
    until("the rest", || tier.total() == 5);
    assert_eq!(compiled(&tier), [0, 1, 2, 3, 4]);
}

#[test]
fn threads_that_race_with_it_compile_nothing_twice() {
    let chain: String = (1..200).map(|i| format!("(func (call {i}))")).collect();
    let text = format!("(module {chain} (func))");
    for round in 0..20 {
        let tier = FakeTier::baseline();
        let engine = engine(&tier, None, threads(1 + round % 3));
        let module = module(&engine, &text);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..200).for_each(|function| _ = call(&module, function)));
            }
        });
        let all: Vec<_> = (0..200).collect();
        assert_eq!(compiled(&tier), all);
        let stats = module.stats();
        assert_eq!(
            (stats.compiled_functions, stats.baseline.compiled),
            (200, 200)
        );
        assert_eq!(stats.ahead.compiled, stats.ahead.called);
    }
}

#[test]
fn it_begins_after_so_many_first_calls_and_not_when_it_is_off() {
    let mut late = threads(1);
    late.profile.baseline.ahead_after_functions = 2;
    let synchronous = TieringOptions {
        synchronous: true,
        ..threads(1)
    };
    for (options, expected) in [
        (late, vec![0, 1, 2, 3, 4, 5]),
        (threads(0), vec![0, 2, 3, 5]),
        (synchronous, vec![0, 2, 3, 5]),
    ] {
        let (_engine, module, tier) = fixture(options, |_| Ok(()));
        call(&module, 5);
        call(&module, 2);
        // Long enough for a compile that must not happen.
        thread::sleep(Duration::from_millis(20));
        assert_eq!(compiled(&tier), [2, 5]);
        call(&module, 0);
        if expected.len() == 6 {
            until("the callees", || tier.total() == 6);
        } else {
            call(&module, 3);
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(compiled(&tier), expected);
    }
}

#[test]
fn branches_add_up_until_the_function_is_called() {
    let mut options = threads(1);
    options.profile.baseline.ahead_max_branches = 5;
    let mut tier = FakeTier::baseline();
    tier.branches_before = 2;
    let engine = engine(&tier, None, options);
    let chain: String = (1..8).map(|i| format!("(func (call {i}))")).collect();
    let module = module(&engine, &format!("(module {chain} (func))"));
    call(&module, 0);
    until("two levels", || module.stats().ahead.compiled == 2);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(compiled(&tier), [0, 1, 2]);
    // The call counts anew.
    call(&module, 2);
    until("two more", || module.stats().ahead.compiled == 4);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(compiled(&tier), [0, 1, 2, 3, 4]);
    assert_eq!(module.stats().ahead.called, 1);
}

#[test]
fn what_fails_ahead_is_told_when_it_is_called() {
    let (sink, heard) = listener();
    let options = TieringOptions {
        on_event: Some(sink),
        ..threads(1)
    };
    let (_engine, module, tier) = fixture(options, |request| match request.function.as_u32() {
        1 => Err(CompileError::Codegen {
            tier: "baseline",
            function: index(1),
            message: "no".to_owned(),
        }),
        3 => panic!("an index out of bounds"),
        _ => Ok(()),
    });
    call(&module, 0);
    until("1, 2, 3 and 4", || tier.total() == 5);
    until("2 and 4", || module.stats().ahead.compiled == 2);
    let is_failure =
        |event: &upshift_tiering::TierEvent| matches!(event.kind, TierEventKind::Failed { .. });
    assert!(!heard.lock().iter().any(is_failure));
    assert_eq!(module.stats().baseline.failed, 0);
    for broken in [1, 3] {
        module
            .lazy_compile(index(broken), Stop::NEVER)
            .expect_err("as ever");
        assert_eq!(tier.count(function(broken)), 2);
    }
    assert_eq!(
        heard
            .lock()
            .iter()
            .filter(|event| is_failure(event))
            .count(),
        2
    );
    // Nobody tries ahead again.
    call(&module, 0);
    assert_eq!(tier.total(), 7);
}

#[test]
fn events_tell_what_was_compiled_ahead() {
    let (sink, heard) = listener();
    let options = TieringOptions {
        on_event: Some(sink),
        ..threads(1)
    };
    let (_engine, module, _) = fixture(options, |_| Ok(()));
    call(&module, 0);
    let ahead = || {
        let heard = heard.lock();
        let compiled = heard.iter().filter_map(|event| match event.kind {
            TierEventKind::Compiled { ahead, .. } => Some((event.function, ahead)),
            _ => None,
        });
        let mut compiled: Vec<_> = compiled.collect();
        compiled.sort_unstable();
        compiled
    };
    until("five events", || ahead().len() == 5);
    let expected = [(0, false), (1, true), (2, true), (3, true), (4, true)];
    assert_eq!(ahead(), expected);
}

#[test]
fn a_module_that_goes_away_meanwhile_takes_what_waits_with_it() {
    let (begun, begin) = mpsc::channel();
    let (release, wait) = mpsc::channel::<()>();
    let (begun, wait) = (Mutex::new(begun), Mutex::new(wait));
    let (engine, module, tier) = fixture(threads(1), move |request| {
        if request.function == index(1) {
            begun.lock().send(()).expect("the test waits");
            wait.lock().recv().expect("released");
        }
        Ok(())
    });
    call(&module, 0);
    begin.recv().expect("1 is compiled ahead");
    let watched = Arc::downgrade(&module);
    drop(module);
    assert!(
        watched.upgrade().is_none(),
        "a compile keeps no module alive"
    );
    release.send(()).expect("the compile waits");
    // The thread is there for the next module.
    let next = support::module(&engine, "(module (func (call 2)) (func) (func))");
    call(&next, 0);
    until("the next module's", || next.stats().ahead.compiled == 1);
    // The other 2, and 3, went with their module.
    assert_eq!(compiled(&tier), [0, 0, 1, 2]);
}

#[test]
fn without_the_engine_functions_are_compiled_at_their_first_calls() {
    let (engine, module, tier) = fixture(threads(2), |_| Ok(()));
    drop(engine);
    for function in 0..6 {
        call(&module, function);
        assert_eq!(tier.total(), function as usize + 1);
    }
}

#[test]
fn in_the_optimizing_mode_nothing_is_left_to_do_ahead() {
    let (baseline, optimizing) = (FakeTier::baseline(), FakeTier::optimizing());
    let mut options = threads(1);
    options.profile.mode = TierMode::Optimizing;
    let engine = engine(&baseline, Some(&optimizing), options);
    let module = module(&engine, MODULE);
    call(&module, 0);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(compiled(&baseline), [0]);
}

#[test]
fn a_child_waits_for_no_thread_that_it_does_not_have() {
    let hold = Hold::new();
    let held = hold.clone();
    let (_engine, module, tier) = fixture(threads(1), move |request| {
        if request.function == index(1) {
            held.pass();
        }
        Ok(())
    });
    call(&module, 0);
    hold.wait_for(1);
    // The thread is at 1, and 2 waits.
    let is_right = in_child(|| {
        let first = module.lazy_compile(index(1), Stop::NEVER).is_ok();
        // Callees of 1 are compiled ahead, by a thread of the child's.
        until("3 and 4", || compiled(&tier).ends_with(&[3, 4]));
        first && module.lazy_compile(index(2), Stop::NEVER).is_ok()
    });
    hold.release();
    assert!(is_right);
    until("1", || module.stats().ahead.compiled == 4);
}
