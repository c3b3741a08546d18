//! Threads that run hot functions of a module whose compiles go wrong in all ways at once. The real tiers go
//! through the same elsewhere; here it is that nothing hangs, and no function is lost.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use support::{FakeTier, engine, index, listener, module, slot, threshold, until};
use upshift_runtime::TierHooks;
use upshift_tiering::{
    Chaos, EntryPoint, FunctionTier, ModuleTiering, TierEventKind, TieringOptions,
};
use upshift_translate::Stop;

const FUNCTIONS: u32 = 12;
const THREADS: usize = 8;

fn text() -> String {
    let function = "(func (loop (loop (loop)) (loop)))";
    format!("(module {})", function.repeat(FUNCTIONS as usize))
}

fn options(seed: u64) -> TieringOptions {
    let mut options = threshold(10_000);
    options.profile.workers.count = Some(3);
    options.profile.tier_up.loop_probe_in_polls = 8;
    options.profile.baseline.grant_while_compiling_in_operators = 5_000;
    options.chaos = Some(Chaos {
        longest_delay: Duration::from_millis(2),
        ..Chaos::new(seed)
    });
    options
}

/// The behaviour of generated code, without the code: calls, counts, loops. The addresses that it is given must be
/// of code that there is.
fn run_some(module: &ModuleTiering, seed: &mut u64) {
    let mut random = |below: u64| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) % below
    };
    let function = random(u64::from(FUNCTIONS)) as u32;
    let first = module
        .lazy_compile(index(function), Stop::NEVER)
        .expect("compiles");
    let mut given = vec![first];
    let mut budget = 0;
    for _ in 0..random(40) {
        budget -= random(3_000) as i32;
        if budget >= 0 {
            continue;
        }
        if random(4) == 0 {
            given.extend(module.budget_at_entry(index(function), &mut budget));
        } else if let Some(entry) =
            module.budget_at_loop(index(function), index(random(4) as u32), &mut budget)
        {
            given.push(entry);
            break;
        }
        assert!(budget >= 0, "a refill that is not enough");
    }
    given.push(slot(module, function) as *const u8);
    for address in given {
        let code = module.unit().code.find(address as usize);
        assert_eq!(code.expect("code").function, index(function));
    }
}

#[test]
fn no_function_is_lost_and_nothing_hangs() {
    for seed in 0..6 {
        let optimizing = FakeTier::optimizing();
        let (sink, heard) = listener();
        let mut options = options(seed);
        options.on_event = Some(sink);
        let engine = engine(&FakeTier::baseline(), Some(&optimizing), options);
        let module = module(&engine, &text());
        let has_failed = |function| {
            let heard = heard.lock();
            heard.iter().any(|event| {
                let entry = EntryPoint::Function;
                event.function == function
                    && matches!(event.kind, TierEventKind::Failed { entry: of, .. } if of == entry)
            })
        };
        let stop = AtomicBool::new(false);
        let start = Barrier::new(THREADS);
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (module, stop, start) = (&module, &stop, &start);
                scope.spawn(move || {
                    let mut seed = seed * 100 + number as u64;
                    start.wait();
                    while !stop.load(Ordering::Relaxed) {
                        run_some(module, &mut seed);
                    }
                });
            }
            // Compiles that were lost were asked for again: in the end all are there, or have failed.
            until("every function's end", || {
                module.function_stats().all(|stats| {
                    stats.tier == FunctionTier::Optimizing || has_failed(stats.function)
                })
            });
            stop.store(true, Ordering::Relaxed);
        });
        until("an end of all compiles", || module.stats().pending == 0);
        let stats = module.stats();
        assert!(stats.functions.optimizing > 0 && stats.functions.not_compiled == 0);
        assert!(stats.osr_entered > 0);
        assert!(stats.optimizing.compiled <= optimizing.total());
    }
}

#[test]
fn modules_and_engines_that_come_and_go_leave_nothing_behind() {
    let mut left = Vec::new();
    for seed in 10..30 {
        let optimizing = FakeTier::optimizing();
        let engine = engine(&FakeTier::baseline(), Some(&optimizing), options(seed));
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let module = module(&engine, &text());
                left.push((Arc::downgrade(&module), Arc::downgrade(&module.unit().code)));
                thread::spawn(move || {
                    let mut seed = seed * 100 + number as u64;
                    for _ in 0..300 {
                        run_some(&module, &mut seed);
                    }
                })
            })
            .collect();
        if seed % 2 == 0 {
            // The other engines go after their modules.
            thread::sleep(Duration::from_millis(seed));
            drop(engine);
        }
        for thread in threads {
            thread.join().expect("no panic");
        }
    }
    until("everything is freed", || {
        left.iter()
            .all(|(tiering, code)| tiering.upgrade().is_none() && code.upgrade().is_none())
    });
}
