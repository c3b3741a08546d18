//! The end of a process during compiles: one that the optimizing tier has begun is finished, because its
//! thread may be using objects that are destroyed next. Compiles of other tiers are not waited for.

mod support;

use std::env;
use std::process::{self, Command};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use support::{FakeTier, Hold, engine, in_child, index, module, threshold, until};
use upshift_runtime::TierHooks;
use upshift_tiering::{Tiering, Tiers};
use upshift_translate::Stop;

/// Set in the process that ends.
const ENDING: &str = "UPSHIFT_TEST_ENDS_WHILE_COMPILING";
const FINISHED: &str = "the compile has finished";

#[test]
fn the_end_of_the_process_waits_for_a_compile() {
    if env::var_os(ENDING).is_some() {
        end_while_compiling(Duration::from_millis(300));
    }
    assert_eq!(
        finished_at_the_end_of("the_end_of_the_process_waits_for_a_compile"),
        1
    );
}

#[test]
fn the_end_of_the_process_waits_for_seconds_at_most() {
    if env::var_os(ENDING).is_some() {
        end_while_compiling(Duration::from_secs(3600));
    }
    // With the harness's own time and a busy machine's, far below the minutes that a compile without bounds once took.
    let start = Instant::now();
    let finished = finished_at_the_end_of("the_end_of_the_process_waits_for_seconds_at_most");
    assert_eq!(finished, 0);
    assert!(start.elapsed() < Duration::from_secs(120));
}

#[test]
fn the_end_of_the_process_does_not_wait_for_the_middle_tier() {
    if env::var_os(ENDING).is_some() {
        end_while_the_middle_tier_compiles();
    }
    assert_eq!(
        finished_at_the_end_of("the_end_of_the_process_does_not_wait_for_the_middle_tier"),
        0
    );
}

/// How many compiles a process finishes that runs this test and ends.
fn finished_at_the_end_of(test: &str) -> usize {
    let output = Command::new(env::current_exe().expect("this program"))
        .args([test, "--exact", "--nocapture"])
        .env(ENDING, "1")
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{text}");
    text.matches(FINISHED).count()
}

fn end_while_the_middle_tier_compiles() -> ! {
    let middle = FakeTier::new("middle", |_| {
        thread::sleep(Duration::from_secs(3600));
        eprintln!("{FINISHED}");
        Ok(())
    });
    let mut options = threshold(u64::MAX / 2);
    options.profile.middle.threshold_in_operators = Some(1);
    let tiers = Tiers {
        baseline: Arc::new(FakeTier::baseline()),
        middle: Some(Arc::new(middle.clone())),
        optimizing: Some(Arc::new(FakeTier::optimizing())),
    };
    let engine = Tiering::new(tiers, options).expect("valid options");
    let module = module(&engine, "(module (func))");
    module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    module.budget_at_entry(index(0), &mut -1);
    until("a compile has begun", || middle.total() == 1);
    process::exit(7)
}

/// Ends while a compile takes so long.
fn end_while_compiling(takes: Duration) -> ! {
    let optimizing = FakeTier::new("optimizing", move |_| {
        thread::sleep(takes);
        eprintln!("{FINISHED}");
        Ok(())
    });
    let mut options = threshold(1);
    options.profile.workers.count = Some(1);
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, "(module (func) (func))");
    for function in 0..2 {
        module
            .lazy_compile(index(function), Stop::NEVER)
            .expect("compiles");
        module.budget_at_entry(index(function), &mut -1);
    }
    until("a compile has begun", || optimizing.total() == 1);
    // Function 1 still waits, and is not begun.
    process::exit(7)
}

#[test]
fn the_end_of_a_child_waits_for_its_own_compiles_only() {
    let hold = Hold::new();
    let held = hold.clone();
    let optimizing = FakeTier::new("optimizing", move |_| {
        held.pass();
        Ok(())
    });
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), threshold(1));
    let module = module(&engine, "(module (func) (func))");
    for function in 0..2 {
        module
            .lazy_compile(index(function), Stop::NEVER)
            .expect("compiles");
    }
    module.budget_at_entry(index(0), &mut -1);
    hold.wait_for(1);
    let is_right = in_child(|| {
        module.budget_at_entry(index(1), &mut -1);
        // SAFETY: the functions called at the end are the runtime's, and the harness's, which does nothing.
        unsafe { libc::exit(0) }
    });
    hold.release();
    assert!(is_right);
}
