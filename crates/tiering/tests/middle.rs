//! The middle tier: hot functions go there first, and on to the optimizing tier as if it were the baseline.

mod support;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use parking_lot::Mutex;
use support::{FakeTier, at_loop, function, index, module, slot, threshold, until};
use upshift_runtime::TierHooks;
use upshift_tiering::{FunctionTier, ModuleTiering, TierMode, Tiering, TieringOptions, Tiers};
use upshift_translate::Stop;

/// Function 0 has no loop, function 1 two, one in the other.
const MODULE: &str = "(module (func) (func (loop (loop))))";

struct Fixture {
    module: Arc<ModuleTiering>,
    middle: FakeTier,
    optimizing: FakeTier,
    // Last: its threads work for the rest.
    engine: Tiering,
}

fn options(middle: u64, optimizing: u64) -> TieringOptions {
    let mut options = threshold(optimizing);
    options.profile.middle.threshold_in_operators = Some(middle);
    options.profile.tier_up.loop_probe_in_polls = 0;
    options
}

fn synchronous(options: TieringOptions) -> TieringOptions {
    TieringOptions {
        synchronous: true,
        ..options
    }
}

fn fixture_of(middle: FakeTier, optimizing: Option<FakeTier>, options: TieringOptions) -> Fixture {
    let tiers = Tiers {
        baseline: Arc::new(FakeTier::baseline()),
        middle: Some(Arc::new(middle.clone())),
        optimizing: optimizing.clone().map(|tier| Arc::new(tier) as _),
    };
    let engine = Tiering::new(tiers, options).expect("good options");
    let module = module(&engine, MODULE);
    for function in 0..2 {
        module
            .lazy_compile(index(function), Stop::NEVER)
            .expect("compiles");
    }
    Fixture {
        module,
        middle,
        optimizing: optimizing.unwrap_or_else(FakeTier::optimizing),
        engine,
    }
}

fn fixture(options: TieringOptions) -> Fixture {
    let middle = FakeTier::new("middle", |_| Ok(()));
    fixture_of(middle, Some(FakeTier::optimizing()), options)
}

fn tier(module: &ModuleTiering, function: usize) -> FunctionTier {
    module.function_stats().nth(function).expect("there").tier
}

#[test]
fn a_function_goes_to_the_middle_tier_and_then_to_the_optimizing_tier() {
    let at = fixture(synchronous(options(10_000, 100_000)));
    let baseline = slot(&at.module, 0);
    while at.middle.total() == 0 {
        assert_eq!(at.module.budget_at_entry(index(0), &mut -1), None);
        assert!(at.optimizing.total() == 0);
    }
    let middle = slot(&at.module, 0);
    assert_ne!(middle, baseline);
    assert_eq!(tier(&at.module, 0), FunctionTier::Middle);
    let better = loop {
        if let Some(better) = at.module.budget_at_entry(index(0), &mut -1) {
            break better;
        }
    };
    assert_eq!(slot(&at.module, 0), better as usize);
    assert_eq!(tier(&at.module, 0), FunctionTier::Optimizing);
    assert_eq!(at.middle.order(), [function(0)]);
    assert_eq!(at.optimizing.order(), [function(0)]);
    let stats = at.module.stats();
    assert_eq!((stats.middle.compiled, stats.optimizing.compiled), (1, 1));
    assert_eq!((stats.functions.middle, stats.functions.optimizing), (0, 1));
    assert!(stats.work >= 100_000);
}

#[test]
fn a_frame_moves_to_the_middle_tier_and_from_there_to_the_optimizing_tier_only() {
    let at = fixture(synchronous(options(10_000, 100_000)));
    let entry = loop {
        if let Some(entry) = at.module.budget_at_loop(index(1), index(1), &mut -1) {
            break entry;
        }
    };
    assert_eq!(at.middle.order(), [at_loop(1, 1)]);
    assert_eq!(at.optimizing.total(), 0);
    // Another frame goes there at once; one that is there stays until there is something better.
    assert_eq!(
        at.module.budget_at_loop(index(1), index(1), &mut -1),
        Some(entry)
    );
    let better = loop {
        if let Some(better) = at.module.budget_at_middle_loop(index(1), index(1), &mut -1) {
            break better;
        }
        assert_eq!(at.optimizing.total(), 0);
    };
    assert_ne!(better, entry);
    assert_eq!(at.optimizing.order(), [at_loop(1, 1)]);
    // Which is where frames of the baseline go then.
    assert_eq!(
        at.module.budget_at_loop(index(1), index(1), &mut -1),
        Some(better)
    );
    assert_eq!(at.module.stats().osr_entries, 2);
}

#[test]
fn what_comes_late_from_the_middle_tier_replaces_nothing_better() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let middle = FakeTier::new("middle", move |_| {
        let released = wait.lock().recv_timeout(Duration::from_secs(60));
        released.expect("the other tier was done");
        Ok(())
    });
    let at = fixture_of(middle, Some(FakeTier::optimizing()), options(1, 100_000));
    until("the middle tier", || {
        at.module.budget_at_entry(index(0), &mut 0);
        at.middle.total() == 1
    });
    until("the optimizing tier", || {
        at.module.budget_at_entry(index(0), &mut -1);
        tier(&at.module, 0) == FunctionTier::Optimizing
    });
    let best = slot(&at.module, 0);
    release.send(()).expect("the compile waits");
    until("its end", || at.module.stats().middle.compiled == 1);
    until("no work", || at.module.stats().pending == 0);
    assert_eq!(slot(&at.module, 0), best);
    assert_eq!(
        at.module.budget_at_entry(index(0), &mut -1),
        Some(best as *const u8)
    );
    assert_eq!(tier(&at.module, 0), FunctionTier::Optimizing);
}

#[test]
fn what_the_middle_tier_cannot_compile_goes_on_as_without_it() {
    let middle = FakeTier::new("middle", |_| panic!("not this one"));
    let optimizing = FakeTier::optimizing();
    let at = fixture_of(
        middle,
        Some(optimizing),
        synchronous(options(1_000, 100_000)),
    );
    let baseline = slot(&at.module, 0);
    while at.optimizing.total() == 0 {
        if at.module.budget_at_entry(index(0), &mut -1).is_none() {
            assert_eq!(slot(&at.module, 0), baseline);
        }
    }
    assert_eq!(tier(&at.module, 0), FunctionTier::Optimizing);
    assert_eq!(at.module.stats().middle.failed, 1);
    while at.optimizing.total() == 1 {
        at.module.budget_at_loop(index(1), index(0), &mut -1);
    }
    assert_eq!(at.optimizing.order()[1], at_loop(1, 0));
}

#[test]
fn without_an_optimizing_tier_the_middle_tier_is_what_everything_moves_to() {
    let middle = FakeTier::new("middle", |_| Ok(()));
    let at = fixture_of(middle, None, synchronous(options(1_000, 1_000)));
    assert_eq!(at.engine.mode(), TierMode::Auto);
    let largest = at
        .engine
        .options()
        .profile
        .baseline
        .largest_grant_in_operators;
    while tier(&at.module, 0) == FunctionTier::Baseline {
        assert_eq!(at.module.budget_at_entry(index(0), &mut -1), None);
    }
    assert_eq!(tier(&at.module, 0), FunctionTier::Middle);
    let mut budget = 0;
    assert_eq!(
        at.module
            .budget_at_middle_loop(index(1), index(0), &mut budget),
        None
    );
    assert_eq!(budget, largest.cast_signed());
}

#[test]
fn the_middle_tier_can_be_left_out() {
    let mut without = synchronous(options(1, 50_000));
    without.profile.middle.enabled = false;
    let at = fixture(without);
    while at.optimizing.total() == 0 {
        at.module.budget_at_entry(index(0), &mut -1);
    }
    let mut small = synchronous(options(1, 50_000));
    small.profile.middle.max_function_operators = 0;
    let other = fixture(small);
    while other.optimizing.total() == 0 {
        other.module.budget_at_entry(index(1), &mut -1);
    }
    assert_eq!((at.middle.total(), other.middle.total()), (0, 0));
    let middle = FakeTier::new("middle", |_| Ok(()));
    let mut nothing = options(1, 1);
    nothing.profile.middle.enabled = false;
    let alone = fixture_of(middle, None, nothing);
    assert_eq!(alone.engine.mode(), TierMode::Baseline);
}
