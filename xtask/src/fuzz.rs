//! `cargo xtask fuzz`: the differential comparison at full length. CI runs the same comparison on few seeds.

use crate::failure::Failure;
use crate::{process, races, setup};

pub const DETAILS: &str = "\
Builds with optimization and runs tests/'s program `differential`, with ARGS: it generates modules, runs them on
Upshift and on another engine, and compares results, traps, globals and memories. `cargo xtask fuzz -- --help` lists
its options.
With --chaos [SECONDS]: threads that run hot functions while their compiles come late, get lost or fail, and while
modules go away; for ten minutes if SECONDS are not given.
With --files [SECONDS]: guests that go through paths while the host renames and links, on the file system of this
folder, on tmpfs and on overlayfs; for ten minutes on each if SECONDS are not given.
With --host [SECONDS] [--seed N]: an embedder that does all at once what embedders may do (threads, coroutines, forks,
interruptions, signals, nested calls, small stacks, late libraries); for half an hour if SECONDS are not given.
`--host --help` lists its options.";

const CHAOS_SECONDS: u32 = 600;

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    setup::provide_for("fuzz")?;
    if let Some((first, rest)) = arguments.split_first()
        && first == "--chaos"
    {
        return run_chaos(rest);
    }
    if let Some((first, rest)) = arguments.split_first()
        && first == "--files"
    {
        return races::run(rest);
    }
    if let Some((first, rest)) = arguments.split_first()
        && first == "--host"
    {
        return process::run_optimized("upshift-tests", "host-stress", rest);
    }
    let arguments = match arguments.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => arguments,
    };
    process::run_optimized("upshift-tests", "differential", arguments)
}

fn run_chaos(arguments: &[String]) -> Result<(), Failure> {
    let seconds = match arguments {
        [] => CHAOS_SECONDS,
        [seconds] => seconds
            .parse()
            .map_err(|_| Failure::Usage(format!("`{seconds}` is not a number of whole seconds")))?,
        _ => {
            return Err(Failure::Usage(
                "`--chaos` takes nothing but a number of seconds".to_owned(),
            ));
        }
    };
    process::run(
        process::cargo()
            .args(["test", "--release", "--package", "upshift-tests"])
            .args(["--test", "chaos", "--", "--nocapture"])
            .env("UPSHIFT_CHAOS_SECONDS", seconds.to_string()),
    )
}
