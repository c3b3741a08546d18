//! The types of WebAssembly as plain data: values, functions, tables, memories and globals.
//! Nothing here knows how a value is represented at run time.

use std::fmt;

use crate::to_usize;

/// Bytes of one page of a linear memory.
pub const WASM_PAGE_SIZE: u64 = 65536;
/// The most pages a 32-bit memory can have (4 GiB).
pub const WASM_MAX_PAGES: u64 = 65536;

/// A value type (specification 2.0, clause 2.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// 128-bit vector.
    V128,
    /// Nullable reference to a function.
    FuncRef,
    /// Nullable reference to a host value.
    ExternRef,
}

impl ValType {
    /// Bytes that a value takes in a frame cell: 16 for a vector, 8 for all others.
    #[must_use]
    pub const fn cell_size(self) -> u32 {
        match self {
            Self::V128 => 16,
            _ => 8,
        }
    }

    /// Whether this is a reference type.
    #[must_use]
    pub const fn is_reference(self) -> bool {
        matches!(self, Self::FuncRef | Self::ExternRef)
    }

    /// The type's name in the text format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::V128 => "v128",
            Self::FuncRef => "funcref",
            Self::ExternRef => "externref",
        }
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A function type: parameters and results (clause 2.3.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FuncType {
    /// Parameters first, results after: one allocation.
    types: Box<[ValType]>,
    /// How many of `types` are parameters.
    params: u32,
}

impl FuncType {
    /// A function type from its parameters and results.
    pub fn new(
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Self {
        let mut types: Vec<ValType> = params.into_iter().collect();
        let params = u32::try_from(types.len()).expect("fewer than 2^32 parameters");
        types.extend(results);
        Self {
            types: types.into(),
            params,
        }
    }

    /// The parameter types, in order.
    #[must_use]
    pub fn params(&self) -> &[ValType] {
        &self.types[..to_usize(self.params)]
    }

    /// The result types, in order.
    #[must_use]
    pub fn results(&self) -> &[ValType] {
        &self.types[to_usize(self.params)..]
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, types: &[ValType]| {
            f.write_str("(")?;
            for (i, ty) in types.iter().enumerate() {
                write!(f, "{}{ty}", if i == 0 { "" } else { ", " })?;
            }
            f.write_str(")")
        };
        list(f, self.params())?;
        f.write_str(" -> ")?;
        list(f, self.results())
    }
}

/// The type of a table: element type and size limits, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableType {
    /// The type of its elements: `FuncRef` or `ExternRef`.
    pub element: ValType,
    /// Elements at the start.
    pub minimum: u32,
    /// The most elements it may grow to, if bounded.
    pub maximum: Option<u32>,
}

/// The type of a 32-bit linear memory: size limits, in pages of 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryType {
    /// Pages at the start.
    pub minimum: u64,
    /// The most pages it may grow to, if bounded.
    pub maximum: Option<u64>,
}

/// The type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlobalType {
    /// The type of its value.
    pub content: ValType,
    /// Whether it can be assigned.
    pub mutable: bool,
}

fn fmt_limits(f: &mut fmt::Formatter<'_>, minimum: u64, maximum: Option<u64>) -> fmt::Result {
    write!(f, "{minimum}")?;
    match maximum {
        Some(maximum) => write!(f, " {maximum}"),
        None => Ok(()),
    }
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(table ")?;
        fmt_limits(f, self.minimum.into(), self.maximum.map(u64::from))?;
        write!(f, " {})", self.element)
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(memory ")?;
        fmt_limits(f, self.minimum, self.maximum)?;
        f.write_str(")")
    }
}

impl fmt::Display for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mutable {
            write!(f, "(global (mut {}))", self.content)
        } else {
            write!(f, "(global {})", self.content)
        }
    }
}

/// The type of anything that can be imported or exported (clause 2.3.10).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Func(ty) => write!(f, "function {ty}"),
            Self::Table(ty) => write!(f, "{ty}"),
            Self::Memory(ty) => write!(f, "{ty}"),
            Self::Global(ty) => write!(f, "{ty}"),
        }
    }
}
