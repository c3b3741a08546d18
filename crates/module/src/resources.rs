//! The parts of its store that an instance of a module takes before any of its code runs.

use crate::{Module, WASM_PAGE_SIZE};

/// Bytes of an element of a table.
pub const TABLE_ELEMENT_BYTES: u64 = 8;

/// The parts of a store that each instance of a module takes at its start, imports not counted: they are there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourcesRequired {
    /// Linear memories.
    pub memories: usize,
    /// Bytes of all of them together.
    pub memory_bytes: u64,
    /// Bytes of all of them together after growth, if each has a maximum.
    pub max_memory_bytes: Option<u64>,
    /// Tables.
    pub tables: usize,
    /// Elements of all of them together.
    pub table_elements: u64,
    /// Elements of all of them together after growth, if each has a maximum.
    pub max_table_elements: Option<u64>,
}

impl ResourcesRequired {
    /// Bytes of memories and tables together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let elements = self.table_elements.saturating_mul(TABLE_ELEMENT_BYTES);
        self.memory_bytes.saturating_add(elements)
    }
}

impl Module {
    /// The parts that each instance takes at its start.
    #[must_use]
    pub fn resources_required(&self) -> ResourcesRequired {
        let memories = || self.defined_memories().map(|(_, memory)| memory);
        let tables = || self.defined_tables().map(|(_, table)| table);
        let bytes = |pages: u64| pages.saturating_mul(WASM_PAGE_SIZE);
        ResourcesRequired {
            memories: memories().count(),
            memory_bytes: sum(memories().map(|it| bytes(it.minimum))),
            max_memory_bytes: sum_if_all(memories().map(|it| it.maximum.map(bytes))),
            tables: tables().count(),
            table_elements: sum(tables().map(|it| it.minimum.into())),
            max_table_elements: sum_if_all(tables().map(|it| it.maximum.map(u64::from))),
        }
    }
}

fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

fn sum_if_all(mut numbers: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    numbers.try_fold(0, |sum: u64, next| Some(sum.saturating_add(next?)))
}
