//! Whether an object given for an import fits its type (specification 2.0, clause 4.5.1).

use upshift_module::{ExternType, MemoryType, TableType};

use crate::memory::has_headroom;

/// Whether `actual` may be given where `wanted` is imported.
///
/// For tables and memories the minimum of `actual` is their current size: an object that has grown since it was
/// created satisfies a larger minimum.
///
/// A memory that has something of the last MiB below 4 GiB is given only where as much is imported: code that imports less
/// may rely on that MiB ([`has_headroom`]). The specification would allow it.
#[must_use]
pub fn matches(actual: &ExternType, wanted: &ExternType) -> bool {
    match (actual, wanted) {
        (ExternType::Func(actual), ExternType::Func(wanted)) => actual == wanted,
        (ExternType::Table(actual), ExternType::Table(wanted)) => table_matches(*actual, *wanted),
        (ExternType::Memory(actual), ExternType::Memory(wanted)) => {
            memory_matches(*actual, *wanted)
        }
        (ExternType::Global(actual), ExternType::Global(wanted)) => actual == wanted,
        _ => false,
    }
}

pub(crate) fn table_matches(actual: TableType, wanted: TableType) -> bool {
    actual.element == wanted.element
        && limits_match(
            (actual.minimum.into(), actual.maximum.map(u64::from)),
            (wanted.minimum.into(), wanted.maximum.map(u64::from)),
        )
}

pub(crate) fn memory_matches(actual: MemoryType, wanted: MemoryType) -> bool {
    limits_match(
        (actual.minimum, actual.maximum),
        (wanted.minimum, wanted.maximum),
    ) && (has_headroom(&actual) || !has_headroom(&wanted))
}

/// Clause 4.5.1.1: at least the wanted minimum, and no larger maximum than the wanted one.
fn limits_match(actual: (u64, Option<u64>), wanted: (u64, Option<u64>)) -> bool {
    actual.0 >= wanted.0
        && match (actual.1, wanted.1) {
            (_, None) => true,
            (Some(actual), Some(wanted)) => actual <= wanted,
            (None, Some(_)) => false,
        }
}

#[cfg(test)]
mod tests {
    use upshift_module::{FuncType, GlobalType, ValType};

    use super::*;

    fn memory(minimum: u64, maximum: Option<u64>) -> ExternType {
        ExternType::Memory(MemoryType { minimum, maximum })
    }

    fn table(element: ValType, minimum: u32, maximum: Option<u32>) -> ExternType {
        ExternType::Table(TableType {
            element,
            minimum,
            maximum,
        })
    }

    fn global(content: ValType, mutable: bool) -> ExternType {
        ExternType::Global(GlobalType { content, mutable })
    }

    #[test]
    fn limits_are_compared() {
        assert!(matches(&memory(2, Some(3)), &memory(1, Some(3))));
        assert!(matches(&memory(2, Some(3)), &memory(2, None)));
        assert!(matches(&memory(2, None), &memory(2, None)));
        assert!(!matches(&memory(1, Some(3)), &memory(2, Some(3))));
        assert!(!matches(&memory(2, Some(4)), &memory(2, Some(3))));
        assert!(!matches(&memory(2, None), &memory(2, Some(3))));
    }

    #[test]
    fn a_memory_without_headroom_is_no_memory_with_it() {
        assert!(matches(&memory(65521, None), &memory(65521, None)));
        assert!(matches(&memory(65536, None), &memory(65521, None)));
        assert!(!matches(&memory(65521, None), &memory(65520, None)));
        assert!(!matches(&memory(65536, Some(65536)), &memory(1, None)));
        assert!(matches(&memory(65520, None), &memory(1, None)));
    }

    #[test]
    fn element_types_must_be_equal() {
        use ValType::{ExternRef, FuncRef};
        assert!(matches(
            &table(FuncRef, 10, Some(20)),
            &table(FuncRef, 5, Some(30))
        ));
        assert!(!matches(
            &table(ExternRef, 10, Some(20)),
            &table(FuncRef, 5, Some(30))
        ));
        assert!(!matches(
            &table(FuncRef, 4, Some(20)),
            &table(FuncRef, 5, Some(30))
        ));
    }

    #[test]
    fn globals_and_functions_must_be_equal() {
        assert!(matches(
            &global(ValType::I32, true),
            &global(ValType::I32, true)
        ));
        assert!(!matches(
            &global(ValType::I32, true),
            &global(ValType::I32, false)
        ));
        assert!(!matches(
            &global(ValType::I32, false),
            &global(ValType::I32, true)
        ));
        assert!(!matches(
            &global(ValType::I32, false),
            &global(ValType::I64, false)
        ));
        let func = |params: &[ValType]| ExternType::Func(FuncType::new(params.to_vec(), []));
        assert!(matches(&func(&[ValType::I32]), &func(&[ValType::I32])));
        assert!(!matches(&func(&[ValType::I32]), &func(&[])));
        assert!(!matches(&func(&[]), &memory(0, None)));
    }
}
