//! One measurement: a fresh engine, a module, and calls until nothing moves any more.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use upshift::{
    Config, Engine, FunctionTier, Instance, Module, Store, TierEvent, TierEventKind,
    TieringProfile, Val,
};

use super::workload::Workload;
use crate::error::{CliError, Result};
use crate::statistics::Estimate;
use crate::timeline::FIRST_TIER;
use crate::values;

/// When to stop.
pub(super) struct Limits {
    /// How long nothing may have moved.
    pub steady: Duration,
}

/// Calls that are made in the steady state at least.
const STEADY_CALLS: usize = 3;
/// The longest wait for queued compiles.
const PATIENCE: Duration = Duration::from_secs(60);

/// The outcome.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// From the module's bytes to the result of the first call.
    pub first_result: Duration,
    /// Spent compiling by the baseline.
    pub baseline_compile: Duration,
    /// Spent compiling by LLVM, on all threads.
    pub llvm_compile: Duration,
    /// From the first call to the last move to better code.
    pub warm_up: Duration,
    /// The median of the calls after it.
    pub steady: Duration,
    /// How many functions of the module were in LLVM's code in the end.
    pub llvm_functions: usize,
}

/// Does the work that the first engine of a process has to do once.
pub(super) fn set_up(profile: &TieringProfile) -> Result<()> {
    let engine = Engine::new(Config::new().profile(profile.clone())).map_err(CliError::Engine)?;
    let module = Module::new(&engine, "(module (func))").map_err(CliError::Engine)?;
    module.compile_all().map_err(CliError::Engine)
}

/// Measures once. Returns the first call's results as well, as text.
pub(super) fn measure(
    workload: &Workload,
    profile: &TieringProfile,
    limits: &Limits,
) -> Result<(Measured, String)> {
    let moved = Arc::new(Mutex::new(None));
    let mut config = Config::new();
    config.profile(profile.clone());
    config.fit_address_space(workload.memories);
    let heard = Arc::clone(&moved);
    config.on_tier_event(move |event| {
        if is_move(event) {
            *heard.lock() = Some(Instant::now());
        }
    });
    let last_move = || *moved.lock();
    let engine = Engine::new(&config).map_err(CliError::Engine)?;

    let start = Instant::now();
    let module = Module::new(&engine, &workload.bytes).map_err(CliError::Engine)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).map_err(CliError::Program)?;
    let function = instance.get_func(&mut store, &workload.function);
    let Some(function) = function else {
        unreachable!("`workload` found this function in the module");
    };
    let mut results = vec![Val::I32(0); function.ty(&store).results().len()];
    let mut call = || {
        let begun = Instant::now();
        function
            .call(&mut store, &workload.arguments, &mut results)
            .map_err(CliError::Program)?;
        Ok::<_, CliError>((begun, begun.elapsed(), text(&results)))
    };

    let (first_call, _, result) = call()?;
    let first_result = start.elapsed();
    let mut steady = Vec::new();
    // Since when nothing has moved.
    let mut quiet = first_call;
    loop {
        let (begun, time, again) = call()?;
        if workload.repeatable && again != result {
            return Err(CliError::WrongResult {
                program: workload.name.clone(),
                contender: "a later call".to_owned(),
                result: again,
                expected: result,
            });
        }
        if let Some(moved) = last_move()
            && moved > quiet
        {
            quiet = moved;
        }
        let pending = module.tier_stats().pending > 0 && quiet.elapsed() < PATIENCE;
        if begun < quiet || pending {
            // Not of the last code.
            steady.clear();
            continue;
        }
        steady.push(time.as_secs_f64());
        if steady.len() >= STEADY_CALLS && quiet.elapsed() > limits.steady {
            break;
        }
    }
    // Compiles still under way would disturb the next measurement.
    let end = Instant::now();
    while module.tier_stats().pending > 0 && end.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
    let stats = module.tier_stats();
    let llvm = |stats: &upshift::FunctionStats| stats.tier == FunctionTier::Optimizing;
    let measured = Measured {
        first_result,
        baseline_compile: stats.baseline.compile_time,
        llvm_compile: stats.optimizing.compile_time,
        warm_up: quiet.saturating_duration_since(first_call),
        steady: Estimate::of(steady)
            .map_or(Duration::ZERO, |it| Duration::from_secs_f64(it.median)),
        llvm_functions: module.function_stats().filter(llvm).count(),
    };
    Ok((measured, result))
}

/// Whether code of a better tier is there now, or was entered.
fn is_move(event: &TierEvent) -> bool {
    match &event.kind {
        TierEventKind::Published { tier, .. } => *tier != FIRST_TIER,
        TierEventKind::OsrEntered { .. } => true,
        _ => false,
    }
}

fn text(results: &[Val]) -> String {
    let results: Vec<_> = results.iter().map(values::format).collect();
    results.join(" ")
}
