//! Why bytes are not a module that this engine runs: the mistake and its place.

use std::fmt;

use crate::{FuncIndex, Printable, PrintableLines};

/// The kind of a [`ModuleError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleErrorKind {
    /// The bytes are not in the binary format (specification 2.0, clause 5).
    Malformed,
    /// The binary can be read but breaks a rule of validation (clause 3).
    Invalid,
    /// The text can't be translated to the binary format (clause 6). The message names line and column
    /// and shows the place.
    Text,
    /// The module uses a proposal that is switched off or that the engine does not implement.
    Unsupported {
        /// The proposal's name.
        proposal: &'static str,
        /// The field of [`Features`](crate::Features) that allows it, or `None` if there is none.
        switch: Option<&'static str>,
    },
    /// Something in the module exceeds a limit of this engine.
    TooLarge,
}

/// The error of reading and validating a module.
///
/// ```
/// use upshift_module::{Features, Module, ModuleErrorKind};
///
/// let text = br#"(module (func (export "f") (result i32) i64.const 1))"#;
/// let error = Module::parse(text, &Features::default()).unwrap_err();
/// assert_eq!(error.kind(), ModuleErrorKind::Invalid);
/// assert_eq!(error.section(), Some("code"));
/// assert_eq!(error.function(), Some(0));
/// assert_eq!(error.function_name(), Some("f"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ModuleError(Box<Details>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    kind: ModuleErrorKind,
    message: Box<str>,
    offset: Option<usize>,
    place: Place,
}

/// Which part of the binary was being read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The section's name.
    pub section: Option<&'static str>,
    /// The function's index, imports included.
    pub function: Option<FuncIndex>,
    /// The function's name, if the module gives it one.
    pub function_name: Option<Box<str>>,
}

impl Place {
    pub(crate) fn section(name: &'static str) -> Self {
        Self {
            section: Some(name),
            ..Self::default()
        }
    }

    pub(crate) fn function(index: FuncIndex) -> Self {
        Self {
            function: Some(index),
            ..Self::section("code")
        }
    }
}

impl ModuleError {
    #[cold]
    pub(crate) fn new(
        kind: ModuleErrorKind,
        message: impl Into<Box<str>>,
        offset: Option<usize>,
        place: Place,
    ) -> Self {
        Self(Box::new(Details {
            kind,
            message: message.into(),
            offset,
            place,
        }))
    }

    #[cold]
    pub(crate) fn text(message: impl Into<Box<str>>) -> Self {
        Self::new(ModuleErrorKind::Text, message, None, Place::default())
    }

    /// The same error, told as the lack of a proposal.
    #[cold]
    pub(crate) fn lacking(mut self, switch: &'static str) -> Self {
        self.0.kind = ModuleErrorKind::Unsupported {
            proposal: switch,
            switch: Some(switch),
        };
        self
    }

    /// The same error, with the function's name.
    #[cold]
    pub(crate) fn with_function_name(mut self, name: Option<&str>) -> Self {
        self.0.place.function_name = name.map(Into::into);
        self
    }

    /// The kind of mistake.
    #[must_use]
    pub fn kind(&self) -> ModuleErrorKind {
        self.0.kind
    }

    /// Where in the binary, in bytes from its start. `None` for an error in the text format.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        self.0.offset
    }

    /// The section, named as in clause 5.5.2 of the specification, if it is known.
    #[must_use]
    pub fn section(&self) -> Option<&str> {
        self.0.place.section
    }

    /// The index of the function whose body is at fault, imports included.
    #[must_use]
    pub fn function(&self) -> Option<u32> {
        self.0.place.function.map(FuncIndex::as_u32)
    }

    /// The name that the name section, or else an export, gives that function.
    #[must_use]
    pub fn function_name(&self) -> Option<&str> {
        self.0.place.function_name.as_deref()
    }

    /// The mistake, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ModuleErrorKind::Malformed => "malformed module",
            ModuleErrorKind::Invalid => "invalid module",
            ModuleErrorKind::Text => "malformed module text",
            ModuleErrorKind::Unsupported { .. } => "unsupported module",
            ModuleErrorKind::TooLarge => "module too large",
        })?;
        match self.kind {
            // With lines of the text.
            ModuleErrorKind::Text => write!(f, ": {}", PrintableLines(&self.message))?,
            _ => write!(f, ": {}", Printable(&self.message))?,
        }
        match self.kind {
            ModuleErrorKind::Unsupported {
                switch: Some(switch),
                ..
            } => {
                write!(f, "; to accept it, switch on the feature `{switch}`")?;
            }
            ModuleErrorKind::Unsupported {
                proposal,
                switch: None,
            } => {
                write!(
                    f,
                    "; it needs {proposal}, which this engine does not implement"
                )?;
            }
            _ => {}
        }
        let Some(offset) = self.offset else {
            return Ok(());
        };
        f.write_str(" (")?;
        if let Some(function) = self.place.function {
            write!(f, "function {function}")?;
            if let Some(name) = &self.place.function_name {
                write!(f, " `{}`", Printable(name))?;
            }
            f.write_str(", ")?;
        }
        if let Some(section) = self.place.section {
            write!(f, "{section} section, ")?;
        }
        write!(f, "byte offset {offset:#x} = {offset})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_one_pointer_wide() {
        assert_eq!(size_of::<ModuleError>(), size_of::<usize>());
        assert_eq!(size_of::<Result<(), ModuleError>>(), size_of::<usize>());
    }

    #[test]
    fn the_message_names_every_part_of_the_place() {
        let place = Place {
            function_name: Some("f".into()),
            ..Place::function(FuncIndex::from_u32(3))
        };
        let error = ModuleError::new(ModuleErrorKind::Invalid, "no", Some(26), place);
        assert_eq!(
            error.to_string(),
            "invalid module: no (function 3 `f`, code section, byte offset 0x1a = 26)"
        );
        assert_eq!(error.message(), "no");
        assert_eq!(error.offset(), Some(26));
    }

    #[test]
    fn an_unsupported_proposal_says_what_to_do() {
        let error = ModuleError::new(
            ModuleErrorKind::Invalid,
            "multiple memories",
            Some(8),
            Place::section("memory"),
        );
        assert_eq!(
            error.lacking("multi_memory").to_string(),
            "unsupported module: multiple memories; to accept it, switch on the feature \
             `multi_memory` (memory section, byte offset 0x8 = 8)"
        );
    }
}
