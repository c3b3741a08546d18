//! What `cargo xtask demo` runs: n-body and Fibonacci in each mode, how long each takes to compile and to run, whether
//! the result is right, and for the automatic mode when each function moved up.

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use upshift::{Config, Engine, EntryPoint, Instance, Module, Store, TierEventKind, TierMode, Val};
use upshift_kernels::{Check, Kernel, Number, ResultType};

/// The kernels that are shown. `cargo xtask compare` runs all.
const SHOWN: [&str; 2] = ["nbody", "fib"];

/// The modes that are compared: what they are called, and whether the build has them.
const MODES: [(&str, TierMode, bool); 3] = [
    ("baseline", TierMode::Baseline, true),
    ("llvm", TierMode::Optimizing, cfg!(feature = "llvm")),
    ("auto", TierMode::Auto, true),
];

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: a kernel returned something else than kernels.toml says");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all results are as expected.
fn run() -> Result<bool, Box<dyn Error>> {
    println!(
        "baseline: every function is compiled, in one pass over it, when it is called first.\n\
         llvm:     everything is compiled by LLVM before the start.\n\
         auto:     as baseline, and what turns out hot moves to the middle tier and to LLVM while it runs.\n"
    );
    let mut all_right = true;
    for kernel in upshift_kernels::all()? {
        if !SHOWN.contains(&kernel.name.as_str()) {
            continue;
        }
        let own = kernel.checks.iter().filter(|c| c.call == kernel.name);
        let Some(check) = own.max_by_key(|check| check.with) else {
            continue;
        };
        println!("{}({}): {}", check.call, check.with, kernel.description);
        println!(
            "  {:<10}{:>14}{:>14}{:>14}{:>24}  right?",
            "mode", "compile", "run", "in all", "result"
        );
        let mut moves = Vec::new();
        for (name, mode, _) in MODES.iter().filter(|(.., is_built)| *is_built) {
            let shown = show(&kernel, check, *mode)?;
            let right = shown.result == check.gives;
            all_right &= right;
            println!(
                "  {name:<10}{:>14}{:>14}{:>14}{:>24}  {}",
                milliseconds(shown.compile_time),
                milliseconds(shown.run_time),
                milliseconds(shown.whole_time),
                shown.result.to_string(),
                if right { "yes" } else { "NO" },
            );
            if !right {
                println!("  NO: it should be {}", check.gives);
            }
            moves = shown.moves;
        }
        for line in moves {
            println!("  auto: {line}");
        }
        println!();
    }
    Ok(all_right)
}

/// One kernel in one mode.
struct Shown {
    result: Number,
    /// Spent on compiling, summed over threads.
    compile_time: Duration,
    /// From the call to its return; first calls compile in it, and so do background threads.
    run_time: Duration,
    /// From the bytes of the module to the result.
    whole_time: Duration,
    /// What moved up when, for people.
    moves: Vec<String>,
}

fn show(kernel: &Kernel, check: &Check, mode: TierMode) -> Result<Shown, Box<dyn Error>> {
    let moves = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&moves);
    let mut config = Config::new();
    config.tier(mode).on_tier_event(move |event| {
        let function = event.name.clone().unwrap_or_default();
        let what = match &event.kind {
            TierEventKind::OsrEntered { tier, loop_number } => {
                format!("{function} moves to the {tier} tier in the middle of loop {loop_number}")
            }
            TierEventKind::Published {
                tier,
                entry: EntryPoint::Function,
            } if *tier != "baseline" => format!("calls of {function} go to the {tier} tier's code"),
            _ => return,
        };
        if let Ok(mut moves) = heard.lock() {
            moves.push((event.at, what));
        }
    });
    let engine = Engine::new(&config)?;
    let wasm = kernel.wasm()?;

    let start = Instant::now();
    let module = Module::new(&engine, &wasm)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let function = instance
        .get_func(&mut store, &check.call)
        .ok_or_else(|| format!("{} has no function `{}`", kernel.name, check.call))?;
    let mut results = [Val::I32(0)];
    let call = Instant::now();
    function.call(&mut store, &[Val::I32(check.with)], &mut results)?;
    let (run_time, whole_time) = (call.elapsed(), start.elapsed());

    let moves = std::mem::take(&mut *moves.lock().map_err(|_| "a listener panicked")?);
    let line = |(at, what)| format!("after {:>10}, {what}", milliseconds(at));
    Ok(Shown {
        result: number(kernel, check, results[0])?,
        compile_time: module.tier_stats().compile_time,
        run_time,
        whole_time,
        moves: moves.into_iter().map(line).collect(),
    })
}

/// A result in the form that kernels.toml has results in.
fn number(kernel: &Kernel, check: &Check, result: Val) -> Result<Number, Box<dyn Error>> {
    match (kernel.result_of(&check.call), result) {
        (Some(ResultType::I32), Val::I32(value)) => Ok(Number::Integer(value.into())),
        (Some(ResultType::I64), Val::I64(value)) => Ok(Number::Integer(value)),
        (Some(ResultType::F64), Val::F64(bits)) => Ok(Number::Float(f64::from_bits(bits))),
        (_, other) => {
            let (name, ty) = (&check.call, other.ty());
            Err(format!("`{name}` returned {ty}, which kernels.toml does not say").into())
        }
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}
