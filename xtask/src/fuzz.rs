//! `cargo xtask fuzz`: the differential comparison at full length. CI runs the same comparison on few seeds.

use crate::failure::Failure;
use crate::{process, setup};

pub const DETAILS: &str = "\
Builds with optimization and runs tests/'s program `differential`, with ARGS: it generates modules, runs them on
Upshift and on another engine, and compares results, traps, globals and memories. `cargo xtask fuzz -- --help` lists
its options.";

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    setup::provide_for("fuzz")?;
    let arguments = match arguments.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => arguments,
    };
    process::run(
        process::cargo()
            .args([
                "run",
                "--release",
                "--package",
                "upshift-tests",
                "--bin",
                "differential",
                "--",
            ])
            .args(arguments),
    )
}
