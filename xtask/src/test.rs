//! `cargo xtask test`: the documentation's examples, which nextest leaves out, then unit and integration tests, through
//! nextest where it is installed.

use crate::failure::Failure;
use crate::{process, real_programs, setup};

pub const DETAILS: &str = "\
Without ARGS: every example in the documentation, every test of the workspace, SQLite in the modes that start soon (see
`cargo xtask help real-programs`), then the specification's suite and the command once more without LLVM.
With ARGS: what they select, for cargo-nextest if it is installed and otherwise for cargo test; no examples.
  cargo xtask test traps                     tests whose name contains `traps`
  cargo xtask test --package upshift-module  one package
  cargo xtask test --doc [ARGS...]           the documentation's examples only
With CI set in the environment, a failed test does not stop the others.";

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    setup::provide_for("test")?;
    let in_ci = std::env::var_os("CI").is_some();
    match arguments.split_first() {
        None => {
            // All parts run in any case: whoever reads the log of a failed run wants to know all of it.
            let examples = run_examples(&[]);
            let tests = run_tests(if in_ci { &["--no-fail-fast"] } else { &[] });
            let real_programs = real_programs::run_for_tests();
            let without_llvm = run_without_llvm();
            if !setup::has("browser") {
                eprintln!(
                    "not run: the test of report pages in a browser. It needs Chromium: \
                     `cargo xtask setup browser`"
                );
            }
            tests.and(examples).and(real_programs).and(without_llvm)
        }
        Some((first, rest)) if first == "--doc" => {
            run_examples(&rest.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Some(_) => run_tests(&arguments.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

fn run_tests(arguments: &[&str]) -> Result<(), Failure> {
    let mut command = process::cargo();
    if process::quiet_output(process::cargo().args(["nextest", "--version"])).is_some() {
        command.args(["nextest", "run"]);
    } else {
        eprintln!(
            "note: `cargo install --locked cargo-nextest` makes this faster and easier to read"
        );
        // Examples have a run of their own.
        command.args(["test", "--lib", "--bins", "--tests"]);
    }
    process::run(command.args(arguments))
}

fn run_examples(arguments: &[&str]) -> Result<(), Failure> {
    process::run(process::cargo().args(["test", "--doc"]).args(arguments))
}

/// What the default features leave out: the engine with the baseline alone.
fn run_without_llvm() -> Result<(), Failure> {
    eprintln!("without LLVM: the specification's suite, and the command");
    let without = ["--no-default-features", "--package"];
    let suite = ["upshift-tests", "--test", "spec"];
    process::run(process::cargo().arg("test").args(without).args(suite))?;
    process::run(
        process::cargo()
            .arg("check")
            .args(without)
            .arg("upshift-cli"),
    )
}
