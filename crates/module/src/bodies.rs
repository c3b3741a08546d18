//! Validation of function bodies, a pass of its own after everything else has been read and validated: of
//! all of them on all processors, or of each when somebody wants to compile it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use wasmparser::{
    BinaryReader, FuncToValidate, FuncValidatorAllocations, FunctionBody, OperatorsReader,
    ValidatorResources, WasmFeatures,
};

use crate::diagnose::{self, classify};
use crate::error::Place;
use crate::operators::{Ended, validate_operators};
use crate::{
    DefinedFuncIndex, EntityRef, FuncIndex, Module, ModuleError, PrimaryMap, Stop, threads, to_u64,
};

/// Bytes of bodies that are worth a thread of their own: it takes some 50 us to start one, in which about
/// so much is validated.
const BYTES_PER_THREAD: usize = 64 << 10;
/// Bytes that a thread takes at a time.
const BYTES_AT_A_TIME: usize = 16 << 10;

/// The facts about a module that validation of its bodies needs, in any order, on any thread.
pub(crate) struct BodyRules {
    resources: ValidatorResources,
    features: WasmFeatures,
}

impl BodyRules {
    /// The rules that hold for all bodies, from `wasmparser`'s validator of one.
    pub fn new(of: FuncToValidate<ValidatorResources>) -> Self {
        Self {
            resources: of.resources,
            features: of.features,
        }
    }

    /// Validates the body of a defined function.
    fn validate(
        &self,
        bytes: &[u8],
        module: &Module,
        defined: DefinedFuncIndex,
        allocations: &mut FuncValidatorAllocations,
        stop: Stop<'_>,
    ) -> Result<(), Ended> {
        let index = module.function_index(defined);
        let validation = FuncToValidate {
            resources: self.resources.clone(),
            index: index.as_u32(),
            ty: module.functions[index].as_u32(),
            features: self.features,
        };
        let mut validator = validation.into_validator(std::mem::take(allocations));
        let body = self.body(bytes, module, defined);
        validate_operators(&mut validator, &body, stop)?;
        *allocations = validator.into_allocations();
        Ok(())
    }

    /// The body of a defined function.
    fn body<'a>(
        &self,
        bytes: &'a [u8],
        module: &Module,
        defined: DefinedFuncIndex,
    ) -> FunctionBody<'a> {
        let range = module.bodies[defined].range.clone();
        let start = to_u64(range.start);
        FunctionBody::new(BinaryReader::new_features(
            &bytes[range],
            start,
            self.features,
        ))
    }

    /// The error of a body, for people; `name` finds the function's name.
    #[cold]
    fn tell<'n>(
        &self,
        bad: &BadBody,
        bytes: &[u8],
        module: &Module,
        name: impl FnOnce(FuncIndex) -> Option<&'n str>,
    ) -> ModuleError {
        let decoded = Some(decode(&self.body(bytes, module, bad.defined)));
        let function = module.function_index(bad.defined);
        classify(&bad.error, decoded, Place::function(function)).with_function_name(name(function))
    }

    /// Validates all bodies, on as many processors as are worth it.
    ///
    /// # Errors
    /// The error of the first bad one, whatever the threads came to first. `name` finds a
    /// function's name.
    pub fn validate_all<'n>(
        &self,
        bytes: &[u8],
        module: &Module,
        name: impl FnOnce(FuncIndex) -> Option<&'n str>,
    ) -> Result<(), ModuleError> {
        self.find_bad(bytes, module)
            .map_err(|bad| self.tell(&bad, bytes, module, name))
    }

    fn find_bad(&self, bytes: &[u8], module: &Module) -> Result<(), BadBody> {
        let size = module.total_code_size();
        let threads =
            (size / BYTES_PER_THREAD).min(thread::available_parallelism().map_or(1, usize::from));
        let all = module.bodies.len();
        if threads < 2 {
            return self.validate_some(bytes, module, 0..all, &AtomicUsize::new(all));
        }
        let next = AtomicUsize::new(0);
        // Bodies from here on are of no interest: one before them is bad.
        let end = AtomicUsize::new(all);
        let per_turn = (all * BYTES_AT_A_TIME / size).max(1);
        let work = || {
            loop {
                let start = next.fetch_add(per_turn, Ordering::Relaxed);
                if start >= end.load(Ordering::Relaxed) {
                    return None;
                }
                let turn = start..all.min(start + per_turn);
                if let Err(bad) = self.validate_some(bytes, module, turn, &end) {
                    end.fetch_min(bad.defined.index(), Ordering::Relaxed);
                    return Some(bad);
                }
            }
        };
        let bad = threads::on_several(threads - 1, None, work);
        let first = bad.into_iter().flatten().min_by_key(|bad| bad.defined);
        first.map_or(Ok(()), Err)
    }

    /// Validates some bodies one after the other, as long as they come before `end`.
    fn validate_some(
        &self,
        bytes: &[u8],
        module: &Module,
        some: std::ops::Range<usize>,
        end: &AtomicUsize,
    ) -> Result<(), BadBody> {
        let mut allocations = FuncValidatorAllocations::default();
        for defined in some {
            if defined >= end.load(Ordering::Relaxed) {
                break;
            }
            let stop = Stop::NEVER;
            let defined = DefinedFuncIndex::new(defined);
            match self.validate(bytes, module, defined, &mut allocations, stop) {
                Ok(()) => {}
                Err(Ended::Invalid(error)) => return Err(BadBody { defined, error }),
                Err(Ended::Stopped) => unreachable!("nobody ends the host's validation"),
            }
        }
        Ok(())
    }
}

/// A body that is not valid.
struct BadBody {
    /// The function.
    defined: DefinedFuncIndex,
    /// The error.
    error: wasmparser::Error,
}

/// Why a body is not known to be valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is not valid.
    Invalid(ModuleError),
    /// Validation was ended. Nothing was found out.
    Stopped,
}

/// Bodies that are validated when somebody wants to compile them.
pub(crate) struct UncheckedBodies {
    rules: BodyRules,
    /// Whether each is known to be valid.
    valid: PrimaryMap<DefinedFuncIndex, AtomicBool>,
}

impl UncheckedBodies {
    pub fn new(rules: BodyRules, module: &Module) -> Self {
        Self {
            rules,
            valid: module
                .bodies
                .values()
                .map(|_| AtomicBool::new(false))
                .collect(),
        }
    }
}

impl fmt::Debug for UncheckedBodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UncheckedBodies").finish_non_exhaustive()
    }
}

impl Module {
    /// Makes sure that the body of a defined function is valid. Nothing is to be done if the whole module was
    /// validated when it was read, or there is no such function.
    ///
    /// # Errors
    /// When it is not: the error that reading the module would have given, had all functions before been
    /// valid.
    pub fn validate_body(&self, defined: DefinedFuncIndex) -> Result<(), ModuleError> {
        match self.validate_body_until(defined, Stop::NEVER) {
            Ok(()) => Ok(()),
            Err(BodyError::Invalid(error)) => Err(error),
            Err(BodyError::Stopped) => unreachable!("nobody ends it"),
        }
    }

    /// [`validate_body`](Self::validate_body), which ends early when it is told to.
    ///
    /// # Errors
    /// When the body is not valid, or validation was ended before that was known.
    pub fn validate_body_until(
        &self,
        defined: DefinedFuncIndex,
        stop: Stop<'_>,
    ) -> Result<(), BodyError> {
        let Some(bodies) = &self.unchecked_bodies else {
            return Ok(());
        };
        let Some(valid) = bodies.valid.get(defined) else {
            return Ok(());
        };
        // Relaxed: the mark stands for nothing but a property of bytes that never change.
        if valid.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut allocations = FuncValidatorAllocations::default();
        let rules = &bodies.rules;
        match rules.validate(&self.bytes, self, defined, &mut allocations, stop) {
            Ok(()) => {
                valid.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(Ended::Stopped) => Err(BodyError::Stopped),
            Err(Ended::Invalid(error)) => Err(BodyError::Invalid(
                self.tell_bad_body(rules, &BadBody { defined, error }),
            )),
        }
    }

    #[cold]
    fn tell_bad_body(&self, rules: &BodyRules, bad: &BadBody) -> ModuleError {
        let name = |function| {
            self.names
                .function(function)
                .or_else(|| self.exported_function_name(function))
        };
        let error = rules.tell(bad, &self.bytes, self, name);
        diagnose::suggest_switch(&self.bytes, &self.features, error)
    }
}

/// Decodes a body without validating it.
///
/// # Errors
/// The first place that is not in the binary format.
fn decode(body: &FunctionBody<'_>) -> Result<(), wasmparser::Error> {
    let mut locals = body.get_locals_reader()?;
    for _ in 0..locals.get_count() {
        locals.read()?;
    }
    let mut operators = OperatorsReader::new(locals.get_binary_reader());
    while !operators.eof() {
        operators.read()?;
    }
    operators.finish()
}
