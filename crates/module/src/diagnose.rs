//! Makes our errors of `wasmparser`'s, which name a place but not a kind. All of this is off the fast path.

use wasmparser::{FromReader, SectionLimited, WasmFeatures};

use crate::error::Place;
use crate::features::SWITCHES;
use crate::read::Reader;
use crate::{Features, ModuleError, ModuleErrorKind, Validation};

/// Parts of the messages by which `wasmparser` rejects modules beyond one of its limits.
const LIMIT_MESSAGES: [&str; 7] = [
    "exceeds limit",
    "exceeds the limit",
    "implementation limit",
    "too many",
    "string size out of bounds",
    "size is out of bounds",
    "number of elements is out of bounds",
];

/// A mistake of the format by the specification (clause 5.5.16), which `wasmparser` finds only when
/// it validates.
const MALFORMED_MESSAGE: &str = "data count section required";

/// Proposals that a message can name and that have no switch.
const UNIMPLEMENTED: [(WasmFeatures, &str); 15] = [
    (WasmFeatures::COMPONENT_MODEL, "the component model"),
    (WasmFeatures::MEMORY64, "64-bit memories"),
    (WasmFeatures::THREADS, "threads"),
    (
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        "shared-everything threads",
    ),
    (WasmFeatures::TAIL_CALL, "tail calls"),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy exceptions"),
    (
        WasmFeatures::FUNCTION_REFERENCES,
        "typed function references",
    ),
    (WasmFeatures::GC, "garbage collection"),
    (WasmFeatures::RELAXED_SIMD, "relaxed SIMD"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::COMPACT_IMPORTS, "compact imports"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, "custom descriptors"),
];

/// The error of reading (`decoded` is `None`) or of validating something that, when merely decoded, gives
/// `decoded`: the same error tells that the bytes are malformed, any other that they are invalid.
#[cold]
pub(crate) fn classify(
    error: &wasmparser::Error,
    decoded: Option<Result<(), wasmparser::Error>>,
    place: Place,
) -> ModuleError {
    let message = error.message();
    let kind = if let Some(missing) = error.missing_wasm_feature() {
        unsupported(missing)
    } else if LIMIT_MESSAGES.iter().any(|limit| message.contains(limit)) {
        ModuleErrorKind::TooLarge
    } else {
        match decoded {
            None => ModuleErrorKind::Malformed,
            Some(_) if message == MALFORMED_MESSAGE => ModuleErrorKind::Malformed,
            Some(Err(decoding)) if decoding.offset() == error.offset() => {
                ModuleErrorKind::Malformed
            }
            Some(_) => ModuleErrorKind::Invalid,
        }
    };
    ModuleError::new(kind, message, usize::try_from(error.offset()).ok(), place)
}

fn unsupported(missing: WasmFeatures) -> ModuleErrorKind {
    if let Some(switch) = SWITCHES.iter().find(|switch| switch.flag.contains(missing)) {
        return ModuleErrorKind::Unsupported {
            proposal: switch.name,
            switch: Some(switch.name),
        };
    }
    let proposal = UNIMPLEMENTED
        .iter()
        .find(|(flag, _)| flag.intersects(missing))
        .map_or("a later proposal", |(_, name)| name);
    ModuleErrorKind::Unsupported {
        proposal,
        switch: None,
    }
}

/// Decodes a section without validating it.
///
/// # Errors
/// The first place that is not in the binary format.
pub(crate) fn decode<'a, T: FromReader<'a>>(
    section: &SectionLimited<'a, T>,
) -> Result<(), wasmparser::Error> {
    section
        .clone()
        .into_iter()
        .try_for_each(|item| item.map(drop))
}

/// Finds out whether one switch would have avoided `error`, and says so if it would.
///
/// `wasmparser` names the missing proposal for most operators and types, but calls a second memory just
/// invalid. If the module is valid with everything on, reading it with one switch after the other tells.
#[cold]
pub(crate) fn suggest_switch(bytes: &[u8], features: &Features, error: ModuleError) -> ModuleError {
    let unexplained = matches!(
        error.kind(),
        ModuleErrorKind::Malformed | ModuleErrorKind::Invalid
    );
    if !unexplained
        || *features == Features::all()
        || Reader::new(bytes, &Features::all())
            .read(Validation::Whole)
            .is_err()
    {
        return error;
    }
    let switch = features.switched_off().find(|switch| {
        match Reader::new(bytes, &features.with(switch)).read(Validation::Whole) {
            Ok(_) => true,
            Err(other) => other.offset() != error.offset(),
        }
    });
    match switch {
        Some(switch) => error.lacking(switch.name),
        None => error,
    }
}
