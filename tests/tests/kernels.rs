//! The kernels give what `kernels.toml` says in every tier, at sizes that take a millisecond or so.

use std::sync::mpsc;

use upshift::{Config, Engine, Instance, Module, Store, TierEventKind, TierMode, Val};
#[cfg(feature = "llvm")]
use upshift::{TierStats, TieringProfile};
use upshift_kernels::{Check, Kernel, Number, RUN};

/// The calls that are small: all but the last one of the kernel's own function, which is made to be measured.
fn small_checks(kernel: &Kernel) -> impl Iterator<Item = &Check> {
    let last = kernel.checks.len() - 1;
    kernel.checks.iter().enumerate().filter_map(move |(i, it)| {
        let small = if it.call == RUN {
            it.with <= kernel.n_for_1_ms
        } else {
            i < last
        };
        small.then_some(it)
    })
}

/// Runs every kernel on an engine of its own, and hands its module on.
fn run_all(configure: impl Fn(&mut Config), each: impl Fn(&Kernel, &Module)) {
    for kernel in upshift_kernels::all().unwrap() {
        let (sender, events) = mpsc::channel();
        let mut config = Config::new();
        configure(&mut config);
        config.on_tier_event(move |event| {
            // Background threads may be at it when all is over.
            let _ = sender.send(event.clone());
        });
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, kernel.wasm().unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        for check in small_checks(&kernel) {
            let given = call(&mut store, &instance, check);
            assert_eq!(given, check.gives, "{}: {check:?}", kernel.name);
        }
        for event in events.try_iter() {
            let failed = matches!(event.kind, TierEventKind::Failed { .. });
            assert!(!failed, "{}: {event}", kernel.name);
        }
        each(&kernel, &module);
    }
}

fn call(store: &mut Store<()>, instance: &Instance, check: &Check) -> Number {
    let function = instance.get_func(&mut *store, &check.call).unwrap();
    let mut results = [Val::I32(0)];
    function
        .call(store, &[Val::I32(check.with)], &mut results)
        .unwrap();
    match results[0] {
        Val::I32(value) => Number::Integer(value.into()),
        Val::I64(value) => Number::Integer(value),
        Val::F64(bits) => Number::Float(f64::from_bits(bits)),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn in_the_baseline() {
    run_all(
        |config| {
            config.tier(TierMode::Baseline);
        },
        |kernel, module| {
            let stats = module.tier_stats();
            assert_eq!(stats.optimizing.compiled, 0, "{}", kernel.name);
        },
    );
}

#[cfg(feature = "llvm")]
#[test]
fn compiled_ahead_by_llvm() {
    run_all(
        |config| {
            config.tier(TierMode::Optimizing);
        },
        all_optimized,
    );
}

#[cfg(feature = "llvm")]
#[test]
fn compiled_ahead_by_llvm_with_precise_traps() {
    run_all(
        |config| {
            config.tier(TierMode::Optimizing).precise_traps(true);
        },
        all_optimized,
    );
}

#[cfg(feature = "llvm")]
fn all_optimized(kernel: &Kernel, module: &Module) {
    let TierStats { functions, .. } = module.tier_stats();
    let others = functions.baseline + functions.not_compiled;
    assert_eq!(others, 0, "{}", kernel.name);
}

/// Functions and loops move up in the midst of all this, whenever their code is ready.
#[cfg(feature = "llvm")]
#[test]
fn while_they_move_up() {
    run_all(
        |config| {
            let mut profile = TieringProfile::default();
            profile.tier_up.threshold_in_operators = Some(5_000);
            config.tier(TierMode::Auto).profile(profile);
        },
        |_, _| {},
    );
}

/// The same, where the program waits: every function that is hot moves at a certain operator.
#[cfg(feature = "llvm")]
#[test]
fn while_they_move_up_and_wait() {
    run_all(
        |config| {
            let mut profile = TieringProfile::default();
            profile.tier_up.threshold_in_operators = Some(5_000);
            config.tier(TierMode::Auto).synchronous_tiering(true);
            config.profile(profile);
        },
        |kernel, module| {
            let stats = module.tier_stats();
            assert!(stats.optimizing.compiled > 0, "{}", kernel.name);
        },
    );
}

/// Every loop that is reached is entered in the middle.
#[cfg(feature = "llvm")]
#[test]
fn entered_at_every_loop() {
    run_all(
        |config| {
            config.tier(TierMode::Auto);
            config.synchronous_tiering(true).force_osr(true);
        },
        |kernel, module| {
            let stats = module.tier_stats();
            assert!(stats.osr_entered > 0, "{}", kernel.name);
        },
    );
}
