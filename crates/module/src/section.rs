//! The sections of a binary: their names and where they are.

use std::ops::Range;

/// One section of a module's binary, as [`Module::sections`](crate::Module::sections) lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The kind of contents, named as in clause 5.5.2 of the specification: `custom`, `type`, `import`, `function`,
    /// `table`, `memory`, `global`, `export`, `start`, `element`, `data count`, `code` or `data`.
    pub name: &'static str,
    /// Where its contents (without id and size) are in the binary.
    pub range: Range<usize>,
}

/// The name of the section with this id.
pub(crate) fn section_name(id: u8) -> Option<&'static str> {
    Some(match id {
        0 => "custom",
        1 => "type",
        2 => "import",
        3 => "function",
        4 => "table",
        5 => "memory",
        6 => "global",
        7 => "export",
        8 => "start",
        9 => "element",
        10 => "code",
        11 => "data",
        12 => "data count",
        13 => "tag",
        _ => return None,
    })
}
