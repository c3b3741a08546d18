//! The thread that takes small functions while all workers are at something for long.

mod support;

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use parking_lot::Mutex;
use support::{FakeTier, engine, function, index, module, threshold, until};
use upshift_runtime::TierHooks;
use upshift_tiering::{ModuleTiering, Tiering, TieringOptions};
use upshift_translate::Stop;

/// Operators of a function that is expected to take longer than the relief thread is for.
const LARGE: usize = 100;

/// Options with one worker and relief after a millisecond, in which 33 operators are expected to be compiled.
fn options() -> TieringOptions {
    let mut options = threshold(1);
    options.profile.workers.count = Some(1);
    options.profile.workers.relief_after_in_milliseconds = 1;
    options.profile.tier_up.compile_base_in_microseconds = 0;
    options.profile.tier_up.compile_per_operator_in_nanoseconds = 30_000;
    options
}

/// Functions 0 and 1 are large, 2 to 5 small. Compiles of `held` wait for as many words to the sender.
fn fixture(
    options: TieringOptions,
    held: &'static [u32],
) -> (Tiering, Arc<ModuleTiering>, FakeTier, Sender<()>) {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let optimizing = FakeTier::new("optimizing", move |request| {
        if held.contains(&request.function.as_u32()) {
            let released = wait.lock().recv_timeout(Duration::from_secs(60));
            released.expect("released");
        }
        Ok(())
    });
    let large = format!("(func {})", "nop ".repeat(2 * LARGE));
    let text = format!("(module {large} {large} {})", "(func)".repeat(4));
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, &text);
    (engine, module, optimizing, release)
}

fn ask(module: &ModuleTiering, function: u32) {
    module
        .lazy_compile(index(function), Stop::NEVER)
        .expect("compiles");
    module.budget_at_entry(index(function), &mut -1000);
}

#[test]
fn what_is_small_does_not_wait_for_what_is_large() {
    let (_engine, module, optimizing, release) = fixture(options(), &[0]);
    ask(&module, 0);
    until("the worker is busy", || optimizing.total() == 1);
    for function in 1..6 {
        ask(&module, function);
    }
    until("all that is small", || {
        module.stats().functions.optimizing == 4
    });
    assert_eq!(
        optimizing.count(function(1)),
        0,
        "large: left to the worker"
    );
    let relief = optimizing.threads(function(2));
    for small in 3..6 {
        assert_eq!(optimizing.threads(function(small)), relief, "one thread");
    }
    release.send(()).expect("the worker waits");
    until("what is large", || module.stats().functions.optimizing == 6);
    let worker = optimizing.threads(function(0));
    assert_eq!(optimizing.threads(function(1)), worker);
    assert_ne!(relief, worker);
    assert_eq!(module.stats().pending, 0);
}

#[test]
fn it_helps_again_the_next_time() {
    let (_engine, module, optimizing, release) = fixture(options(), &[0, 1]);
    ask(&module, 0);
    until("the worker is busy", || optimizing.total() == 1);
    ask(&module, 2);
    until("the first", || module.stats().functions.optimizing == 1);
    release.send(()).expect("the worker waits");
    until("the worker idles", || module.stats().pending == 0);
    ask(&module, 1);
    until("the worker is busy", || optimizing.total() == 3);
    ask(&module, 3);
    until("the second", || module.stats().functions.optimizing == 3);
    assert_eq!(
        optimizing.threads(function(2)),
        optimizing.threads(function(3))
    );
    release.send(()).expect("the worker waits");
    until("all", || module.stats().functions.optimizing == 4);
}

#[test]
fn an_engine_that_is_dropped_does_not_wait_for_it() {
    let (engine, module, optimizing, release) = fixture(options(), &[0, 2]);
    ask(&module, 0);
    until("the worker is busy", || optimizing.total() == 1);
    for function in 2..6 {
        ask(&module, function);
    }
    until("both are busy", || optimizing.total() == 2);
    drop(engine);
    for _ in 0..2 {
        release.send(()).expect("somebody waits");
    }
    until("what was begun", || {
        module.stats().functions.optimizing == 2
    });
    assert_eq!(optimizing.total(), 2);
}
