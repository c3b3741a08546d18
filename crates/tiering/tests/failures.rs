//! Compiles of the optimizing tier that are impossible, break, or are under way when the
//! module or the engine is dropped.

mod support;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use support::{
    FakeTier, at_loop, engine, function, index, listener, module, threshold, until, words,
};
use upshift_module::FuncIndex;
use upshift_runtime::{CodeLimits, TierHooks};
use upshift_tiering::{
    FunctionTier, ModuleTiering, TierEvent, TierEventKind, TierMode, TieringOptions,
};
use upshift_translate::{
    CodeForm, CompileError, CompileRequest, CostMeasure, Excess, Stop, report_fatal,
};

const MODULE: &str = "(module (func) (func (loop)) (func (loop (loop))) (func))";

fn synchronous() -> TieringOptions {
    TieringOptions {
        synchronous: true,
        ..threshold(1)
    }
}

fn refuse(request: CompileRequest) -> Result<(), CompileError> {
    Err(CompileError::Codegen {
        tier: "optimizing",
        function: FuncIndex::from_u32(request.function.as_u32()),
        message: "not today".to_owned(),
    })
}

fn no_memory(request: CompileRequest) -> Result<(), CompileError> {
    Err(CompileError::CodeMemory {
        function: FuncIndex::from_u32(request.function.as_u32()),
        source: io::Error::from(io::ErrorKind::OutOfMemory).into(),
    })
}

/// The way of a code generator's library to meet an error from which it does not return.
fn die() -> ! {
    report_fatal("out of registers".to_owned());
    loop {
        thread::park();
    }
}

#[test]
fn what_cannot_be_compiled_stays_and_is_not_tried_again() {
    for behaviour in [
        refuse as fn(CompileRequest) -> _,
        |request| {
            Err(CompileError::TooLarge {
                tier: "optimizing",
                function: FuncIndex::from_u32(request.function.as_u32()),
                excess: Excess {
                    measure: CostMeasure::PassedValues,
                    amount: 2,
                    limit: 1,
                },
            })
        },
        |_| panic!("an index out of bounds"),
    ] {
        let (sink, heard) = listener();
        let options = TieringOptions {
            on_event: Some(sink),
            ..synchronous()
        };
        let optimizing = FakeTier::new("optimizing", behaviour);
        let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
        let module = module(&engine, MODULE);
        let code = module
            .lazy_compile(index(0), Stop::NEVER)
            .expect("compiles");
        for _ in 0..100 {
            assert_eq!(module.budget_at_entry(index(0), &mut -1000), None);
        }
        assert_eq!(
            module
                .lazy_compile(index(0), Stop::NEVER)
                .expect("compiled"),
            code
        );
        assert_eq!(optimizing.total(), 1);
        assert_eq!(words(&heard.lock()), ["queued 0", "failed 0"]);
        let stats = module.function_stats().next().expect("there");
        assert_eq!(
            (stats.tier, stats.optimizing.failed),
            (FunctionTier::Baseline, 1)
        );
    }
}

#[test]
fn a_loop_that_cannot_be_entered_stays_and_the_function_is_tried() {
    let optimizing = FakeTier::new("optimizing", |request| match request {
        CompileRequest {
            function: asked, ..
        } if asked == index(1) && request != function(1) => refuse(request),
        _ => Ok(()),
    });
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), synchronous());
    let module = module(&engine, MODULE);
    module
        .lazy_compile(index(1), Stop::NEVER)
        .expect("compiles");
    for _ in 0..100 {
        assert_eq!(module.budget_at_loop(index(1), index(0), &mut -1000), None);
    }
    until("the function", || module.stats().functions.optimizing == 1);
    assert_eq!(optimizing.count(at_loop(1, 0)), 1);
}

#[test]
fn a_function_that_found_no_memory_is_tried_again_when_it_is_twice_as_hot() {
    let (sink, heard) = listener();
    let mut options = synchronous();
    options.on_event = Some(sink);
    options.profile.tier_up.retries = 2;
    let optimizing = FakeTier::new("optimizing", no_memory);
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, MODULE);
    module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    let mut tried_at = Vec::new();
    for _ in 0..20_000 {
        let before = optimizing.total();
        module.budget_at_entry(index(0), &mut -1000);
        if optimizing.total() > before {
            tried_at.push(module.stats().work);
        }
    }
    assert_eq!(tried_at.len(), 3);
    assert!(
        tried_at[1] > 2000 && tried_at[2] >= tried_at[1] * 3 / 2,
        "{tried_at:?}"
    );
    let expected = [
        "queued 0",
        "failed 0, retry",
        "queued 0",
        "failed 0, retry",
        "queued 0",
        "failed 0",
    ];
    assert_eq!(words(&heard.lock()), expected);
}

#[test]
fn after_a_fatal_error_another_thread_goes_on() {
    let dead = Arc::new(AtomicUsize::new(0));
    let optimizing = {
        let dead = Arc::clone(&dead);
        FakeTier::new("optimizing", move |request| {
            if request.function == index(0) {
                dead.fetch_add(1, Ordering::Relaxed);
                die();
            }
            Ok(())
        })
    };
    let (sink, heard) = listener();
    let mut options = synchronous();
    options.on_event = Some(sink);
    options.profile.workers.count = Some(1);
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, MODULE);
    module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    // The guest waits here, and must not wait for ever.
    assert_eq!(module.budget_at_entry(index(0), &mut -1), None);
    assert_eq!(dead.load(Ordering::Relaxed), 1);
    assert!(module.budget_at_entry(index(3), &mut -1).is_some());
    assert_eq!(module.budget_at_entry(index(0), &mut -1), None);
    assert_eq!(dead.load(Ordering::Relaxed), 1);
    let heard = heard.lock();
    let failed = heard.iter().find_map(|event| match &event.kind {
        TierEventKind::Failed { error, retry, .. } => Some((error.clone(), *retry)),
        _ => None,
    });
    let (error, retry) = failed.expect("told");
    assert!(error.contains("out of registers") && !retry, "{error}");
}

#[test]
fn a_tier_is_off_after_eight_fatal_errors_and_says_so_once() {
    let optimizing = FakeTier::new("optimizing", |request| match request.function.as_u32() {
        0 => Ok(()),
        _ => die(),
    });
    let (sink, heard) = listener();
    let mut options = synchronous();
    options.on_event = Some(sink);
    options.profile.workers.count = Some(1);
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let text = format!("(module {})", "(func)".repeat(40));
    let [one, other] = [(); 2].map(|()| module(&engine, &text));
    let call = |module: &ModuleTiering, function| {
        module
            .lazy_compile(function, Stop::NEVER)
            .expect("compiles");
        module.budget_at_entry(function, &mut -1)
    };
    assert!(call(&one, index(0)).is_some());
    for function in 1..8 {
        assert_eq!(call(&one, index(function)), None);
    }
    // Seven so far. A text costs a thread, too.
    let emitted = other.emit(
        FunctionTier::Optimizing,
        function(1),
        CodeForm::Intermediate,
    );
    assert!(
        emitted
            .unwrap_err()
            .to_string()
            .contains("out of registers")
    );
    let is_told = || {
        let heard = heard.lock();
        let off = |event: &&TierEvent| matches!(event.kind, TierEventKind::TierOff { .. });
        heard.iter().filter(off).count()
    };
    for function in 10..20 {
        assert_eq!(call(&other, index(function)), None);
        assert_eq!(call(&one, index(function)), None);
    }
    assert_eq!(optimizing.total(), 8, "nothing was asked for since");
    assert_eq!(is_told(), 1);
    let emitted = other.emit(
        FunctionTier::Optimizing,
        function(0),
        CodeForm::Intermediate,
    );
    assert!(emitted.unwrap_err().to_string().contains("it is off"));
    // No request follows, and the compiled code is used.
    assert_eq!(other.budget_at_entry(index(10), &mut -1_000_000_000), None);
    assert_eq!(optimizing.total(), 8);
    assert_eq!(one.stats().functions.optimizing, 1);
    assert_eq!(one.stats().pending + other.stats().pending, 0);
}

#[test]
fn what_waits_for_a_tier_that_is_switched_off_is_let_go() {
    let optimizing = FakeTier::new("optimizing", |_| die());
    let mut options = TieringOptions::default();
    options.profile.mode = TierMode::Optimizing;
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let many = format!("(module {})", "(func)".repeat(1000));
    let module = module(&engine, &many);
    module.compile_all().expect("no error");
    assert!(optimizing.total() < 100, "{}", optimizing.total());
    module
        .lazy_compile(index(999), Stop::NEVER)
        .expect("compiles");
}

#[test]
fn better_code_that_finds_no_room_leaves_the_function_where_it_is() {
    let (sink, heard) = listener();
    let mut options = synchronous();
    options.on_event = Some(sink);
    options.code_limits = CodeLimits {
        engine: None,
        module: Some(64 << 10),
    };
    let mut optimizing = FakeTier::optimizing();
    optimizing.code_bytes = 40 << 10;
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, MODULE);
    let code = module
        .lazy_compile(index(0), Stop::NEVER)
        .expect("compiles");
    assert_eq!(module.budget_at_entry(index(0), &mut -1), None);
    assert_eq!(
        module
            .lazy_compile(index(0), Stop::NEVER)
            .expect("compiled"),
        code
    );
    let failed = heard.lock().iter().find_map(|event| match &event.kind {
        TierEventKind::Failed { error, retry, .. } => Some((error.clone(), *retry)),
        _ => None,
    });
    let (error, retry) = failed.expect("told");
    assert!(
        error.contains("Config::max_module_code_memory") && retry,
        "{error}"
    );
    // Code that the program needs to go on has the other half.
    module
        .lazy_compile(index(3), Stop::NEVER)
        .expect("compiles");
    assert!(engine.code_memory() > 0);
    drop(module);
    // The thread that failed lets go of the module a moment after its caller goes on.
    until("all code is given back", || engine.code_memory() == 0);
}

#[test]
fn what_cannot_be_compiled_ahead_is_left_to_the_baseline() {
    let optimizing = FakeTier::new("optimizing", |request| match request.function.as_u32() {
        0 => refuse(request),
        1 => die(),
        2 => panic!("an index out of bounds"),
        _ => Ok(()),
    });
    let baseline = FakeTier::baseline();
    let mut options = TieringOptions::default();
    options.profile.mode = TierMode::Optimizing;
    let engine = engine(&baseline, Some(&optimizing), options);
    let module = module(&engine, MODULE);
    module.compile_all().expect("no error");
    // Together, until the second one brings that to an end; then each on its own.
    let compiled: Vec<u32> = optimizing
        .order()
        .iter()
        .map(|it| it.function.as_u32())
        .collect();
    assert_eq!(compiled[..2], [0, 1]);
    let mut singly = compiled[2..].to_vec();
    singly.sort_unstable();
    assert_eq!(singly, [0, 1, 2, 3]);
    assert_eq!(baseline.total(), 0);
    for function in 0..4 {
        module
            .lazy_compile(index(function), Stop::NEVER)
            .expect("compiles");
    }
    assert_eq!(baseline.total(), 3);
    // Nothing is asked for again, at entries or in loops.
    assert_eq!(module.budget_at_entry(index(0), &mut -1_000_000_000), None);
    assert_eq!(
        module.budget_at_loop(index(2), index(1), &mut -1_000_000_000),
        None
    );
    assert_eq!(optimizing.total(), compiled.len());
}

#[test]
fn a_panic_of_the_listener_hurts_nobody() {
    let options = TieringOptions {
        on_event: Some(Arc::new(|_| panic!("not my day"))),
        ..synchronous()
    };
    let optimizing = FakeTier::optimizing();
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, MODULE);
    for function in [0, 3] {
        module
            .lazy_compile(index(function), Stop::NEVER)
            .expect("compiles");
        assert!(module.budget_at_entry(index(function), &mut -1).is_some());
    }
}

#[test]
fn a_module_that_is_dropped_takes_what_waits_with_it() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let optimizing = FakeTier::new("optimizing", move |request| {
        if request.function == index(0) {
            wait.lock()
                .recv_timeout(Duration::from_secs(60))
                .expect("the module was dropped");
        }
        Ok(())
    });
    let mut options = threshold(1);
    options.profile.workers.count = Some(1);
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let dropped = module(&engine, MODULE);
    for function in [0, 3] {
        dropped
            .lazy_compile(index(function), Stop::NEVER)
            .expect("compiles");
        dropped.budget_at_entry(index(function), &mut -1);
    }
    until("the worker is busy", || optimizing.total() == 1);
    let (tiering, code) = (
        Arc::downgrade(&dropped),
        Arc::downgrade(&dropped.unit().code),
    );
    let start = Instant::now();
    drop(dropped);
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "waited for a compile"
    );
    assert!(tiering.upgrade().is_none());
    assert!(code.upgrade().is_some(), "the worker still writes into it");
    release.send(()).expect("the worker waits");
    until("the code is freed", || code.upgrade().is_none());
    assert_eq!(optimizing.order(), [function(0)]);
    // The thread is still good for others.
    let other = module(&engine, MODULE);
    other.lazy_compile(index(3), Stop::NEVER).expect("compiles");
    other.budget_at_entry(index(3), &mut -1);
    until("another module's compile", || {
        other.stats().functions.optimizing == 1
    });
}

#[test]
fn an_engine_that_is_dropped_waits_for_nobody_and_its_modules_go_on() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let ended = Arc::new(AtomicBool::new(false));
    let optimizing = {
        let ended = Arc::clone(&ended);
        FakeTier::new("optimizing", move |_| {
            wait.lock()
                .recv_timeout(Duration::from_secs(60))
                .expect("the engine was dropped");
            ended.store(true, Ordering::Relaxed);
            Ok(())
        })
    };
    let mut options = threshold(1);
    options.profile.workers.count = Some(1);
    let smallest = options.profile.baseline.smallest_grant_in_operators;
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let module = module(&engine, MODULE);
    for function in [0, 3] {
        module
            .lazy_compile(index(function), Stop::NEVER)
            .expect("compiles");
        module.budget_at_entry(index(function), &mut -1);
    }
    until("the worker is busy", || optimizing.total() == 1);
    drop(engine);
    assert!(!ended.load(Ordering::Relaxed));
    assert_eq!(
        module.stats().pending,
        1,
        "what nobody took is as if not asked for"
    );
    let mut budget = 0;
    assert_eq!(module.budget_at_entry(index(3), &mut budget), None);
    assert!(budget >= smallest.cast_signed(), "{budget}");
    release.send(()).expect("the worker waits");
    until("what was begun is published", || {
        module.stats().functions.optimizing == 1
    });
    assert_eq!(optimizing.total(), 1);
}

#[test]
fn whoever_waits_for_everything_is_let_go_when_the_engine_is_dropped() {
    let (started, begun) = mpsc::channel::<()>();
    let optimizing = FakeTier::new("optimizing", move |_| {
        let _ = started.send(());
        thread::sleep(Duration::from_millis(5));
        Ok(())
    });
    let mut options = TieringOptions::default();
    options.profile.mode = TierMode::Optimizing;
    let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
    let many = format!("(module {})", "(func)".repeat(1000));
    let module = module(&engine, &many);
    let waiting = {
        let module = Arc::clone(&module);
        thread::spawn(move || module.compile_all())
    };
    begun.recv_timeout(Duration::from_secs(60)).expect("begun");
    drop(engine);
    waiting.join().expect("no panic").expect("no error");
    assert!(optimizing.total() < 1000);
}

#[test]
fn text_of_a_tier_that_breaks_is_an_error() {
    let optimizing = FakeTier::new("optimizing", |request| match request.function.as_u32() {
        0 => Ok(()),
        1 => die(),
        _ => panic!("an index out of bounds"),
    });
    let engine = engine(
        &FakeTier::baseline(),
        Some(&optimizing),
        TieringOptions::default(),
    );
    let module = module(&engine, MODULE);
    let emit = |tier, number| module.emit(tier, function(number), CodeForm::Intermediate);
    let text = emit(FunctionTier::Optimizing, 0).expect("text");
    assert!(text.starts_with("optimizing"));
    let text = emit(FunctionTier::Baseline, 1).expect("text");
    assert!(text.starts_with("baseline"));
    for (number, expected) in [(1, "out of registers"), (2, "an index out of bounds")] {
        let error = emit(FunctionTier::Optimizing, number).expect_err("broken");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
