//! Functions that are hot in a loop and called again and again: calls are seen, and have the function compiled.

mod support;

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use support::{FakeTier, at_loop, function, index, listener, module, slot, threshold, until};
use upshift_runtime::TierHooks;
use upshift_tiering::{
    EntryPoint, FunctionTier, ModuleTiering, TierEventKind, Tiering, TieringOptions, Tiers,
};
use upshift_translate::{CompileRequest, Stop};

const THRESHOLD: u64 = 1_000_000;
/// Work of a frame in its loop between two looks.
const STEP: i32 = 1_000;

struct Fixture {
    module: Arc<ModuleTiering>,
    baseline: FakeTier,
    optimizing: FakeTier,
    // Last: its threads work for the rest.
    _engine: Tiering,
}

/// A function with a loop. Compiles are there at once, or come from a thread.
fn fixture(options: TieringOptions) -> Fixture {
    fixture_of(FakeTier::optimizing(), "(module (func (loop)))", options)
}

fn fixture_of(optimizing: FakeTier, text: &str, options: TieringOptions) -> Fixture {
    let baseline = FakeTier::baseline();
    let tiers = Tiers {
        baseline: Arc::new(baseline.clone()),
        middle: Some(Arc::new(FakeTier::new("middle", |_| Ok(())))),
        optimizing: Some(Arc::new(optimizing.clone())),
    };
    let engine = Tiering::new(tiers, options).expect("good options");
    let module = module(&engine, text);
    module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    Fixture {
        module,
        baseline,
        optimizing,
        _engine: engine,
    }
}

fn options() -> TieringOptions {
    let mut options = threshold(THRESHOLD);
    options.profile.middle.threshold_in_operators = Some(1 << 40);
    options.profile.tier_up.loop_probe_in_polls = 0;
    // On a machine with one processor, all compiles have to be worth their price.
    options.processors = Some(2);
    options
}

fn synchronous() -> TieringOptions {
    TieringOptions {
        synchronous: true,
        ..options()
    }
}

impl Fixture {
    fn work(&self) -> u64 {
        self.module.stats().work
    }

    /// Goes on in the loop until so much work is done, or something was compiled.
    fn loop_until(&self, work: u64) {
        while self.work() < work && self.optimizing.total() == 0 {
            self.module.budget_at_loop(index(0), index(0), &mut -STEP);
        }
    }
}

#[test]
fn what_is_called_on_the_way_to_its_threshold_is_compiled_as_a_function() {
    let at = fixture(synchronous());
    let code = slot(&at.module, 0);
    at.loop_until(THRESHOLD / 8);
    assert_eq!(slot(&at.module, 0), code);
    at.loop_until(THRESHOLD * 5 / 8);
    assert_ne!(slot(&at.module, 0), code, "a call is waited for");
    let called = at
        .module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("has code");
    assert_eq!(called as usize, code);
    assert_eq!(slot(&at.module, 0), code, "the next call goes there alone");
    at.loop_until(u64::MAX);
    assert_eq!(at.optimizing.order(), [function(0)]);
    assert_eq!(at.baseline.total(), 1);
    // And stays where it is.
    assert_eq!(at.module.stats().functions.optimizing, 1);
    let better = slot(&at.module, 0);
    at.module.budget_at_loop(index(0), index(0), &mut -STEP);
    assert_eq!(slot(&at.module, 0), better);
}

#[test]
fn what_stays_in_its_loop_gets_an_entry_there() {
    let at = fixture(synchronous());
    at.loop_until(u64::MAX);
    assert_eq!(at.optimizing.order(), [at_loop(0, 0)]);
}

#[test]
fn a_call_long_ago_says_nothing_of_the_frame_that_is_in_the_loop() {
    let at = fixture(synchronous());
    at.loop_until(THRESHOLD * 3 / 8);
    at.module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("has code");
    at.loop_until(u64::MAX);
    assert_eq!(at.optimizing.order(), [at_loop(0, 0)]);
}

#[test]
fn where_the_frame_would_stay_in_the_baseline_no_call_is_waited_for() {
    let mut options = synchronous();
    options.profile.middle.max_function_operators = 0;
    let at = fixture(options);
    let code = slot(&at.module, 0);
    at.loop_until(THRESHOLD * 5 / 8);
    assert_eq!(slot(&at.module, 0), code);
}

#[test]
fn better_code_ends_the_wait_for_a_call() {
    let mut options = synchronous();
    options.profile.middle.threshold_in_operators = Some(THRESHOLD / 2);
    let at = fixture(options);
    let code = slot(&at.module, 0);
    at.loop_until(THRESHOLD * 3 / 8);
    assert_ne!(slot(&at.module, 0), code);
    while at.work() < THRESHOLD * 5 / 8 {
        at.module.budget_at_entry(index(0), &mut -STEP);
    }
    let tier = || at.module.function_stats().next().expect("there").tier;
    assert_eq!(tier(), FunctionTier::Middle);
    let middle = slot(&at.module, 0);
    assert_ne!(middle, code);
    // A function that came by its stub just before is not led back to it.
    assert_eq!(
        at.module.lazy_compile(index(0), Stop::NEVER).expect("code") as usize,
        middle
    );
    assert_eq!(slot(&at.module, 0), middle);
}

#[test]
fn of_many_that_call_at_once_each_gets_code() {
    let at = fixture(synchronous());
    at.loop_until(THRESHOLD * 5 / 8);
    let codes: Vec<usize> = thread::scope(|scope| {
        let call = || {
            at.module
                .lazy_compile(index(0), Stop::NEVER)
                .expect("has code") as usize
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("returns"))
            .collect()
    });
    assert_eq!(codes, [slot(&at.module, 0); 4]);
    assert_eq!(at.baseline.total(), 1);
}

#[test]
fn a_frame_left_behind_by_its_function_has_to_be_worth_a_compile() {
    let mut options = synchronous();
    options.profile.tier_up.threshold_in_operators = None;
    // A million operators for the function, and ten for a frame that is likely to return soon.
    options.profile.tier_up.compile_base_in_microseconds = 10_000;
    options.profile.tier_up.baseline_operators_per_microsecond = 1_000;
    options.profile.tier_up.eagerness = 0.1;
    let at = fixture(options);
    while at.optimizing.total() == 0 {
        at.module.budget_at_entry(index(0), &mut -STEP);
    }
    let published_at = at.work();
    assert!((1_000_000..2_000_000).contains(&published_at));
    while at.optimizing.total() == 1 {
        at.module.budget_at_loop(index(0), index(0), &mut -STEP);
    }
    assert_eq!(at.optimizing.order(), [function(0), at_loop(0, 0)]);
    assert!(at.work() - published_at >= 9_000_000);
}

#[test]
fn a_loop_further_out_is_waited_for_as_long_as_a_compile_is_worth() {
    let mut options = threshold(1);
    // A tenth of which is as long as 48 000 polls.
    options.profile.tier_up.compile_base_in_microseconds = 30_000;
    options.profile.tier_up.eagerness = 0.1;
    options.profile.tier_up.loop_probe_in_polls = 1;
    options.profile.middle.enabled = false;
    let optimizing = FakeTier::optimizing();
    let engine = support::engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, "(module (func (loop (loop))))");
    module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    module.budget_at_loop(index(0), index(1), &mut -10);
    until("the outer loop's entry", || {
        module
            .budget_at_loop(index(0), index(0), &mut -10)
            .is_some()
    });
    for _ in 0..48_000 {
        assert_eq!(module.budget_at_loop(index(0), index(1), &mut -10), None);
    }
    assert_eq!(optimizing.order(), [at_loop(0, 0)]);
    until("the inner loop's entry", || {
        module
            .budget_at_loop(index(0), index(1), &mut -10)
            .is_some()
    });
    assert_eq!(optimizing.order()[1], at_loop(0, 1));
}

/// The first compiles for two loops, one after the other, with a call while the first one's entry is made or not.
fn compiled_for_two_loops(is_called: bool) -> Vec<CompileRequest> {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let optimizing = FakeTier::new("optimizing", move |request| {
        if request == at_loop(0, 0) {
            let released = wait.lock().recv_timeout(Duration::from_secs(60));
            released.expect("the guest went on");
        }
        Ok(())
    });
    let at = fixture_of(optimizing, "(module (func (loop) (loop)))", options());
    let code = slot(&at.module, 0);
    let much = -2 * i32::try_from(THRESHOLD).expect("small");
    at.module
        .budget_at_loop(index(0), index(0), &mut much.clone());
    until("the worker is busy", || at.optimizing.total() == 1);
    at.module.budget_at_loop(index(0), index(0), &mut 0);
    assert_ne!(slot(&at.module, 0), code, "a call is waited for");
    if is_called {
        at.module
            .lazy_compile(index(0), Stop::NEVER)
            .expect("has code");
    }
    release.send(()).expect("the compile waits");
    until("the entry", || {
        at.module
            .budget_at_loop(index(0), index(0), &mut 0)
            .is_some()
    });
    until("what follows", || {
        at.module
            .budget_at_loop(index(0), index(1), &mut much.clone());
        // More may have followed already.
        at.optimizing.total() >= 2
    });
    let mut order = at.optimizing.order();
    order.truncate(2);
    order
}

#[test]
fn the_function_follows_an_entry_if_calls_do_not_take_as_long_as_a_compile() {
    assert_eq!(compiled_for_two_loops(true), [at_loop(0, 0), function(0)]);
    assert_eq!(
        compiled_for_two_loops(false),
        [at_loop(0, 0), at_loop(0, 1)]
    );
}

#[test]
fn an_entry_that_serves_calls_for_long_is_followed_by_the_function() {
    let (sink, heard) = listener();
    let at = fixture(TieringOptions {
        on_event: Some(sink),
        ..options()
    });
    let mut budget = -2 * i32::try_from(THRESHOLD).expect("small");
    until("an entry", || {
        let entry = at.module.budget_at_loop(index(0), index(0), &mut budget);
        budget = 0;
        entry.is_some()
    });
    let was_entered = at.work();
    // Much longer than that entry took to compile.
    thread::sleep(Duration::from_millis(100));
    for _ in 1..3 {
        assert!(
            at.module
                .budget_at_loop(index(0), index(0), &mut 0)
                .is_some()
        );
    }
    assert_eq!(at.module.stats().pending, 0);
    assert_eq!(at.optimizing.order(), [at_loop(0, 0)]);
    until("the function", || {
        at.module.budget_at_loop(index(0), index(0), &mut 0);
        at.module.stats().functions.optimizing == 1
    });
    assert_eq!(at.optimizing.order(), [at_loop(0, 0), function(0)]);
    let asked_at = heard.lock().iter().find_map(|event| match event.kind {
        TierEventKind::Queued {
            entry: EntryPoint::Function,
            work,
            ..
        } => Some(work),
        _ => None,
    });
    let on_the_way = asked_at.expect("queued") - was_entered;
    assert!(on_the_way < THRESHOLD, "not for the work on the way");
}
