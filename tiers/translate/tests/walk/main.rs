//! The promises to tiers: the calls that the walk makes to an emitter, recorded as a graph of blocks.

mod check;
mod control;
mod operators;
mod osr;
mod recorder;
mod suite;

use recorder::Recording;
use upshift_module::{EntityRef, Features, Module};
use upshift_translate::{EntryPoint, Mode, TranslateError, translate};

/// A module from text.
fn parse(text: &str) -> Module {
    Module::parse(text.as_bytes(), &Features::all()).expect("the test's module is valid")
}

/// An index into whatever index space is asked about.
fn index<I: EntityRef>(number: usize) -> I {
    I::new(number)
}

/// The walk's calls for a function, checked.
fn record(module: &Module, defined: usize, mode: Mode<'_>) -> Result<Recording, TranslateError> {
    let mut recorder = recorder::Recorder::new(module, defined);
    translate(module, index(defined), &mut recorder, mode)?;
    let recording = recorder.finish();
    check::check(&recording);
    Ok(recording)
}

/// The recording of the first function of a module, entered at its start, as text.
fn function(text: &str) -> String {
    let recording = record(&parse(text), 0, EntryPoint::Function.into()).expect("it is valid");
    check::check_reducible(&recording);
    recording.to_string()
}

/// Compares lines without regard to indentation.
#[track_caller]
fn assert_lines(actual: &str, expected: &str) {
    let trim = |text: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    };
    let (actual, expected) = (trim(actual), trim(expected));
    assert!(
        actual == expected,
        "emitted:\n{actual}\n\nexpected:\n{expected}"
    );
}
