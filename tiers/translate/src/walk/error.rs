//! Why a body could not be translated. A body that has just been validated may be found invalid, and one may be too much
//! for a tier. All other problems mean that validator and walk disagree: a defect, but one that must not take the process down.

use std::fmt;

use upshift_module::{FuncIndex, LoopIndex, ModuleError};

use crate::Excess;

/// A function could not be translated: which, where and why.
///
/// One pointer wide, because every step of the walk returns it.
#[derive(Clone, PartialEq, Eq)]
pub struct TranslateError(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    function: FuncIndex,
    offset: u64,
    problem: TranslateProblem,
}

/// The problem of a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TranslateProblem {
    /// It is not valid, which was found out now.
    #[error(transparent)]
    Invalid(ModuleError),
    /// The bytes are no operators.
    #[error("malformed code: {0}")]
    Malformed(String),
    /// An operator, or an immediate of one, that no tier knows.
    #[error("operator not supported: {0}")]
    Unsupported(String),
    /// An operator takes more operands than there are.
    #[error("operand missing")]
    OperandMissing,
    /// A block ends with more operands than its type says.
    #[error("operands left over at the end of a block")]
    OperandsLeftOver,
    /// `end` and `else` do not match the blocks.
    #[error("blocks are not balanced")]
    Unbalanced,
    /// An index into one of the module's or function's index spaces is out of range.
    #[error("{space} index {index} is out of range")]
    UnknownIndex {
        /// Which index space.
        space: &'static str,
        /// The index.
        index: u32,
    },
    /// It costs more than the tier takes on, which says nothing against it.
    #[error(transparent)]
    TooLarge(Excess),
    /// The compile was to end, which says nothing about the body.
    #[error("the compile was stopped")]
    Stopped,
    /// An entry was asked for at a loop that is not there or cannot be reached.
    #[error("loop {0} does not exist or is unreachable")]
    NoSuchLoop(LoopIndex),
}

impl TranslateError {
    #[cold]
    pub(crate) fn new(function: FuncIndex, offset: u64, problem: TranslateProblem) -> Self {
        Self(Box::new(Inner {
            function,
            offset,
            problem,
        }))
    }

    #[cold]
    pub(crate) fn malformed(function: FuncIndex, error: &wasmparser::Error) -> Self {
        let problem = TranslateProblem::Malformed(error.message().to_owned());
        Self::new(function, error.offset(), problem)
    }

    /// The function.
    #[must_use]
    pub fn function(&self) -> FuncIndex {
        self.0.function
    }

    /// The byte offset in the module of the operator at which translation stopped.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// The validator's error, if the body is invalid.
    #[must_use]
    pub fn invalid(&self) -> Option<&ModuleError> {
        match &self.0.problem {
            TranslateProblem::Invalid(error) => Some(error),
            _ => None,
        }
    }

    /// The problem there.
    #[must_use]
    pub fn problem(&self) -> &TranslateProblem {
        &self.0.problem
    }
}

impl fmt::Display for TranslateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            function,
            offset,
            problem,
        } = &*self.0;
        match problem {
            TranslateProblem::Invalid(error) => return error.fmt(f),
            TranslateProblem::TooLarge(excess) => {
                return write!(f, "function {function} is too large: {excess}");
            }
            TranslateProblem::Stopped => return write!(f, "function {function}: {problem}"),
            _ => {}
        }
        write!(
            f,
            "cannot translate function {function} at offset {offset:#x} of the module: {problem}; \
             the module had passed validation, so this is a defect worth a report"
        )
    }
}

impl fmt::Debug for TranslateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for TranslateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_pointer_wide() {
        assert_eq!(size_of::<Result<(), TranslateError>>(), size_of::<usize>());
    }

    #[test]
    fn the_message_says_where() {
        let error = TranslateError::new(
            FuncIndex::from_u32(3),
            0x2a,
            TranslateProblem::OperandMissing,
        );
        let message = error.to_string();
        assert!(message.contains("function 3 at offset 0x2a"), "{message}");
        assert!(message.contains("operand missing"), "{message}");
    }
}
