//! Trap codes and how each is worded. How a trap leaves generated code is in `activation` and `signals`.

use std::fmt;

/// Why generated code was stopped. The wording is that of the specification's test suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum TrapCode {
    /// The guest used up its stack.
    StackOverflow = 1,
    /// An access outside of a linear memory.
    MemoryOutOfBounds = 2,
    /// An access outside of a table.
    TableOutOfBounds = 3,
    /// `call_indirect` with an index outside of the table.
    UndefinedElement = 4,
    /// `call_indirect` of a null reference.
    UninitializedElement = 5,
    /// `call_indirect` of a function of another type.
    IndirectCallTypeMismatch = 6,
    /// `INT_MIN / -1`, or a conversion whose result does not fit.
    IntegerOverflow = 7,
    /// Division or remainder by zero.
    IntegerDivideByZero = 8,
    /// Conversion of a NaN to an integer.
    InvalidConversionToInteger = 9,
    /// `unreachable`.
    Unreachable = 10,
    /// Stopped through an interrupt handle.
    Interrupted = 11,
}

impl TrapCode {
    /// All codes.
    pub const ALL: &[TrapCode] = &[
        Self::StackOverflow,
        Self::MemoryOutOfBounds,
        Self::TableOutOfBounds,
        Self::UndefinedElement,
        Self::UninitializedElement,
        Self::IndirectCallTypeMismatch,
        Self::IntegerOverflow,
        Self::IntegerDivideByZero,
        Self::InvalidConversionToInteger,
        Self::Unreachable,
        Self::Interrupted,
    ];

    /// The code's number, which generated code has.
    #[must_use]
    pub const fn number(self) -> u8 {
        // Every variant states its number.
        self as u8
    }

    /// The code with this number.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|&code| code.number() == number)
    }

    /// One phrase, as the specification's tests word it.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::StackOverflow => "call stack exhausted",
            Self::MemoryOutOfBounds => "out of bounds memory access",
            Self::TableOutOfBounds => "out of bounds table access",
            Self::UndefinedElement => "undefined element",
            Self::UninitializedElement => "uninitialized element",
            Self::IndirectCallTypeMismatch => "indirect call type mismatch",
            Self::IntegerOverflow => "integer overflow",
            Self::IntegerDivideByZero => "integer divide by zero",
            Self::InvalidConversionToInteger => "invalid conversion to integer",
            Self::Unreachable => "unreachable",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for TrapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}
