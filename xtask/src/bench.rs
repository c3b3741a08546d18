//! `cargo xtask bench`: the criterion benches.

use crate::failure::Failure;
use crate::{process, setup};

pub const DETAILS: &str = "\
Runs `cargo bench` on the package of the benches, with ARGS: the kernels on each tier, from hot to LLVM, one module on
several threads (`tiers`), compile throughput and first results (`compile`), calls and instances (`calls`). Useful ones:
  --bench NAME                       one file of benches only
  -- WORD                            only the benches whose name contains WORD
  -- --save-baseline before          keep the results under a name
  -- --baseline before               compare with them
Close what else is running, and look at the spread before you believe a difference.";

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    setup::provide_for("bench")?;
    process::run(
        process::cargo()
            .args(["bench", "--package", "upshift-benches"])
            .args(arguments),
    )
}
