//! A type for each index space (specification 2.0, clause 2.5.1), so that an index of one can't be taken for an index of
//! another, and maps keyed by them. Which functions are imported and which are defined is told in `module`.

use std::fmt;

use cranelift_entity::entity_impl;
pub use cranelift_entity::{EntityRef, PrimaryMap, SecondaryMap};

/// Types of indices. `Display` is the number alone, as messages have it.
macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(u32);

        entity_impl!($name);

        impl $name {
            /// The index of this number, which somebody unknown gave. None of 2^32 - 1, which is no index.
            #[must_use]
            pub fn of_number(number: u32) -> Option<Self> {
                (number < u32::MAX).then_some(Self(number))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

indices! {
    /// A type of a module.
    TypeIndex;
    /// A function of a module, imports first.
    FuncIndex;
    /// A function that a module defines: its position among those. [`Module::function_index`](crate::Module::function_index)
    /// gives its index, [`Module::defined_function`](crate::Module::defined_function) goes the other way.
    DefinedFuncIndex;
    /// A table of a module, imports first.
    TableIndex;
    /// A memory of a module, imports first.
    MemoryIndex;
    /// A global of a module, imports first.
    GlobalIndex;
    /// A global that a module defines: its position among those.
    DefinedGlobalIndex;
    /// An element segment of a module.
    ElemIndex;
    /// A data segment of a module.
    DataIndex;
    /// A local of a function, parameters first.
    LocalIndex;
    /// A loop of a function, in the order of its `loop` operators.
    LoopIndex;
}

/// Where something is in a module's binary: bytes from its start, of which a binary has less than 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ModuleOffset(u32);

impl ModuleOffset {
    /// So many bytes from the start.
    #[must_use]
    pub const fn new(bytes: u32) -> Self {
        Self(bytes)
    }

    /// Bytes from the start.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

impl MemoryIndex {
    /// The first memory, whose base address has a place of its own.
    pub const FIRST: Self = Self(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_shown_as_its_number() {
        assert_eq!(FuncIndex::from_u32(3).to_string(), "3");
        assert_eq!(format!("{:?}", LoopIndex::from_u32(0)), "LoopIndex(0)");
    }

    #[test]
    fn an_index_takes_the_room_of_its_number() {
        assert_eq!(size_of::<DefinedFuncIndex>(), size_of::<u32>());
    }
}
