//! What `cargo xtask demo` runs: n-body and Fibonacci, how long each takes to compile and to run, what it returns, and
//! whether that is right.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use upshift::{Config, Engine, Instance, Module, Store, Val};
use upshift_kernels::{Check, Kernel, Number, ResultType};

/// The kernels that are shown. `cargo xtask compare` runs all.
const SHOWN: [&str; 2] = ["nbody", "fib"];

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
    // Usually a function is compiled when it is called first. Here all are compiled before, so that
    // compiling and running can be told apart.
    let engine = Engine::new(Config::new().eager(true))?;
    println!(
        "Each kernel is compiled by the baseline tier, then called with a small and a large argument.\n"
    );
    println!(
        "{:<8}{:>10}{:>12}  {:<16}{:>12}  {:>22}  right?",
        "kernel", "wasm", "compile", "call", "run", "result"
    );
    let mut all_right = true;
    for kernel in upshift_kernels::all()? {
        if !SHOWN.contains(&kernel.name.as_str()) {
            continue;
        }
        let wasm = kernel.wasm()?;
        let start = Instant::now();
        let module = Module::new(&engine, &wasm)?;
        let compile_time = start.elapsed();

        let mut front = format!(
            "{:<8}{:>8} B{:>12}",
            kernel.name,
            wasm.len(),
            milliseconds(compile_time)
        );
        for check in shown(&kernel) {
            let (result, run_time) = call(&engine, &module, &kernel, check)?;
            let right = result == check.gives;
            all_right &= right;
            let verdict = if right {
                "yes".to_owned()
            } else {
                format!("NO: {} is", check.gives)
            };
            let text = format!("{}({})", check.call, check.with);
            let time = milliseconds(run_time);
            let result = result.to_string();
            println!("{front:<30}  {text:<16}{time:>12}  {result:>22}  {verdict}");
            front.clear();
        }
        println!("{:8}{}\n", "", kernel.description);
    }
    Ok(all_right)
}

/// The smallest and the largest call of the kernel's own function.
fn shown(kernel: &Kernel) -> impl Iterator<Item = &Check> {
    let own = || {
        kernel
            .checks
            .iter()
            .filter(|check| check.call == kernel.name)
    };
    let largest = own().max_by_key(|check| check.with);
    own()
        .min_by_key(|check| check.with)
        .into_iter()
        .chain(largest)
}

/// Calls a kernel's function in an instance of its own; returns what it returned, and after how long.
fn call(
    engine: &Engine,
    module: &Module,
    kernel: &Kernel,
    check: &Check,
) -> Result<(Number, Duration), Box<dyn Error>> {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[])?;
    let function = instance
        .get_func(&mut store, &check.call)
        .ok_or_else(|| format!("{} has no function `{}`", kernel.name, check.call))?;
    let mut results = [Val::I32(0)];
    let start = Instant::now();
    function.call(&mut store, &[Val::I32(check.with)], &mut results)?;
    let run_time = start.elapsed();
    let result = match (kernel.result_of(&check.call), results[0]) {
        (Some(ResultType::I32), Val::I32(value)) => Number::Integer(value.into()),
        (Some(ResultType::I64), Val::I64(value)) => Number::Integer(value),
        (Some(ResultType::F64), Val::F64(bits)) => Number::Float(f64::from_bits(bits)),
        (_, other) => {
            let (name, ty) = (&check.call, other.ty());
            return Err(format!("`{name}` returned {ty}, which kernels.toml does not say").into());
        }
    };
    Ok((result, run_time))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}
