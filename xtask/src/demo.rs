//! `cargo xtask demo`: builds and runs the demo, which is a program that embeds Upshift like any other.

use crate::failure::Failure;
use crate::{process, setup};

pub const DETAILS: &str = "\
Builds Upshift with optimization and runs examples/'s program `demo`, with ARGS: the kernels n-body and Fibonacci run on
the baseline, on LLVM, and automatically. Their compile times, run times and results are printed, and for the last
mode the moment at which each function moved up. The first build takes a few minutes.";

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    setup::provide_for("demo")?;
    process::run_optimized("upshift-examples", "demo", arguments)
}
