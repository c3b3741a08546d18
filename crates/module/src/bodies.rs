//! Validation of function bodies, a pass of its own after everything else has been read and validated.
//!
//! Each body needs only what [`PendingBody`] holds, which can be sent to another thread: bodies can be
//! shared out among threads, or kept until a function's first call.

use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, OperatorsReader, ValidatorResources,
};

/// A body that has been found but not yet validated.
pub(crate) struct PendingBody<'a> {
    /// What validation has to know of the module.
    pub validation: FuncToValidate<ValidatorResources>,
    /// The body.
    pub body: FunctionBody<'a>,
}

/// A body that is not valid.
pub(crate) struct BadBody<'a> {
    /// The function's index, imports included.
    pub function: u32,
    /// What is wrong.
    pub error: wasmparser::Error,
    /// The body.
    pub body: FunctionBody<'a>,
}

/// Validates bodies one after the other.
///
/// # Errors
/// The first bad one.
pub(crate) fn validate(pending: Vec<PendingBody<'_>>) -> Result<(), BadBody<'_>> {
    let mut allocations = FuncValidatorAllocations::default();
    for PendingBody { validation, body } in pending {
        let function = validation.index;
        let mut validator = validation.into_validator(allocations);
        validator.validate(&body).map_err(|error| BadBody {
            function,
            error,
            body,
        })?;
        allocations = validator.into_allocations();
    }
    Ok(())
}

/// Decodes a body without validating it.
///
/// # Errors
/// The first place that is not in the binary format.
pub(crate) fn decode(body: &FunctionBody<'_>) -> Result<(), wasmparser::Error> {
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
