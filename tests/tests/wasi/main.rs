//! WASI, seen by guests: the programs in `tests/wasi`, each in every tier and every way between them, in a
//! fresh folder.
//!
//! The programs assert what the specification of preview 1 and POSIX say, and print what did not hold. The host looks
//! afterwards that nothing outside of what it gave away was touched.

mod child;
mod chorus;
mod escapes;
mod guest;
mod limits;
mod programs;
mod without_openat2;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use upshift_tests::modes::{MODES, Mode};

fn main() -> ExitCode {
    if let Some(code) = child::run() {
        return code;
    }
    let mut trials = Vec::new();
    for &mode in MODES.iter().filter(|mode| matters(mode)) {
        trials.extend(programs::trials(mode));
        trials.extend(escapes::trials(mode));
        trials.extend(limits::trials(mode));
    }
    trials.push(Trial::test(
        "every_program_is_run",
        programs::every_program_is_run,
    ));
    trials.extend(chorus::trials());
    trials.extend(without_openat2::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// How code checks addresses and where it traps is nothing that WASI depends on.
fn matters(mode: &Mode) -> bool {
    !mode.name.contains("checked") && !mode.name.contains("precise")
}

/// A test of a program in a mode.
fn trial(
    mode: Mode,
    name: &str,
    test: impl FnOnce(Mode) -> guest::Tested + Send + 'static,
) -> Trial {
    Trial::test(format!("{}::{name}", mode.name), move || test(mode))
}
