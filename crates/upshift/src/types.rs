//! The types of objects that cross a module's border: functions, tables, memories, globals, and imports and
//! exports, which are those with names. Thin faces over `upshift_module`'s plain data.

use std::fmt;

use upshift_module as raw;
pub use upshift_module::ValType;

use crate::{Error, Result};

/// The type of a function: parameters and results.
///
/// ```
/// use upshift::{FuncType, ValType};
///
/// let ty = FuncType::new([ValType::I32, ValType::F64], [ValType::I64]);
/// assert_eq!(ty.params().len(), 2);
/// assert_eq!(ty.param(1), Some(ValType::F64));
/// assert!(ty.results().eq([ValType::I64]));
/// assert_eq!(ty.to_string(), "(i32, f64) -> (i64)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FuncType(pub(crate) raw::FuncType);

impl FuncType {
    /// A function type of these parameters and results. A function of more than 1000 of either can't be called.
    pub fn new(
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Self {
        Self(raw::FuncType::new(params, results))
    }

    /// The parameter types, in order; the iterator knows its length.
    pub fn params(&self) -> impl ExactSizeIterator<Item = ValType> + DoubleEndedIterator + '_ {
        self.0.params().iter().copied()
    }

    /// The result types, in order; the iterator knows its length.
    pub fn results(&self) -> impl ExactSizeIterator<Item = ValType> + DoubleEndedIterator + '_ {
        self.0.results().iter().copied()
    }

    /// The type of parameter number `index`.
    #[must_use]
    pub fn param(&self, index: usize) -> Option<ValType> {
        self.0.params().get(index).copied()
    }

    /// The type of result number `index`.
    #[must_use]
    pub fn result(&self, index: usize) -> Option<ValType> {
        self.0.results().get(index).copied()
    }
}

/// The most parameters, and the most results, that a function of a module may have: the limit that the JavaScript API
/// specification allows implementations to set.
const MOST_VALUES: usize = 1000;

/// # Errors
/// When a function of the host has more parameters or results than a module's may have.
pub(crate) fn check_size(ty: &raw::FuncType) -> Result<()> {
    for (what, count) in [
        ("parameters", ty.params().len()),
        ("results", ty.results().len()),
    ] {
        if count > MOST_VALUES {
            return Err(Error::invalid_type(format!(
                "the function type has {count} {what}; pass what is more than {MOST_VALUES} through a memory"
            )));
        }
    }
    Ok(())
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The type of a table's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefType {
    /// Functions, or null.
    Func,
    /// Values of the host, or null.
    Extern,
}

impl RefType {
    /// `funcref` of the text format.
    pub const FUNCREF: Self = Self::Func;
    /// `externref` of the text format.
    pub const EXTERNREF: Self = Self::Extern;

    /// `None` for a type that is not a reference.
    pub(crate) fn from_val_type(ty: ValType) -> Option<Self> {
        match ty {
            ValType::FuncRef => Some(Self::Func),
            ValType::ExternRef => Some(Self::Extern),
            _ => None,
        }
    }
}

impl From<RefType> for ValType {
    fn from(ty: RefType) -> Self {
        match ty {
            RefType::Func => Self::FuncRef,
            RefType::Extern => Self::ExternRef,
        }
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ValType::from(*self).fmt(f)
    }
}

/// The type of a table: its elements' type and its limits, in elements.
///
/// ```
/// use upshift::{RefType, TableType};
///
/// let ty = TableType::new(RefType::FUNCREF, 10, Some(20));
/// assert_eq!((ty.minimum(), ty.maximum()), (10, Some(20)));
/// assert_eq!(ty.to_string(), "(table 10 20 funcref)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableType(pub(crate) raw::TableType);

impl TableType {
    /// A table that starts with `minimum` elements and never has more than `maximum`.
    #[must_use]
    pub fn new(element: RefType, minimum: u32, maximum: Option<u32>) -> Self {
        Self(raw::TableType {
            element: element.into(),
            minimum,
            maximum,
        })
    }

    /// Its elements' type.
    #[must_use]
    pub fn element(&self) -> RefType {
        RefType::from_val_type(self.0.element).expect("validation: tables hold references")
    }

    /// Elements at the start.
    #[must_use]
    pub fn minimum(&self) -> u64 {
        self.0.minimum.into()
    }

    /// The most elements it can have, if the type bounds it.
    #[must_use]
    pub fn maximum(&self) -> Option<u64> {
        self.0.maximum.map(u64::from)
    }
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The type of a linear memory: its limits, in pages of 64 KiB.
///
/// ```
/// use upshift::MemoryType;
///
/// let ty = MemoryType::new(1, Some(16));
/// assert_eq!((ty.minimum(), ty.maximum()), (1, Some(16)));
/// assert_eq!(ty.to_string(), "(memory 1 16)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryType(pub(crate) raw::MemoryType);

impl MemoryType {
    /// A memory that starts with `minimum` pages and never has more than `maximum`.
    #[must_use]
    pub fn new(minimum: u32, maximum: Option<u32>) -> Self {
        Self(raw::MemoryType {
            minimum: minimum.into(),
            maximum: maximum.map(u64::from),
        })
    }

    /// Pages at the start.
    #[must_use]
    pub fn minimum(&self) -> u64 {
        self.0.minimum
    }

    /// The most pages it can have, if the type bounds it.
    #[must_use]
    pub fn maximum(&self) -> Option<u64> {
        self.0.maximum
    }

    /// Bytes of a page: 65 536.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        raw::WASM_PAGE_SIZE
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a global can be assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutability {
    /// It keeps its first value.
    Const,
    /// It can be assigned.
    Var,
}

/// The type of a global: of its value, and whether it can be assigned.
///
/// ```
/// use upshift::{GlobalType, Mutability, ValType};
///
/// let ty = GlobalType::new(ValType::I64, Mutability::Var);
/// assert_eq!((ty.content(), ty.mutability()), (ValType::I64, Mutability::Var));
/// assert_eq!(ty.to_string(), "(global (mut i64))");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlobalType(pub(crate) raw::GlobalType);

impl GlobalType {
    /// A global of values of this type.
    #[must_use]
    pub fn new(content: ValType, mutability: Mutability) -> Self {
        Self(raw::GlobalType {
            content,
            mutable: mutability == Mutability::Var,
        })
    }

    /// The type of its value.
    #[must_use]
    pub fn content(&self) -> ValType {
        self.0.content
    }

    /// Whether it can be assigned.
    #[must_use]
    pub fn mutability(&self) -> Mutability {
        if self.0.mutable {
            Mutability::Var
        } else {
            Mutability::Const
        }
    }
}

impl fmt::Display for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The type of anything that can be imported or exported.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A global.
    Global(GlobalType),
    /// A table.
    Table(TableType),
    /// A linear memory.
    Memory(MemoryType),
}

macro_rules! accessors {
    ($($variant:ident($ty:ty) $get:ident $unwrap:ident $what:literal;)*) => {
        $(impl ExternType {
            #[doc = concat!("The type of a ", $what, ", if it is one.")]
            #[must_use]
            pub fn $get(&self) -> Option<&$ty> {
                match self {
                    Self::$variant(ty) => Some(ty),
                    _ => None,
                }
            }

            #[doc = concat!("The type of a ", $what, ".")]
            ///
            /// # Panics
            /// When it is the type of something else.
            #[must_use]
            #[track_caller]
            pub fn $unwrap(&self) -> &$ty {
                self.$get().expect(concat!("expected the type of a ", $what))
            }
        }

        impl From<$ty> for ExternType {
            fn from(ty: $ty) -> Self {
                Self::$variant(ty)
            }
        })*
    };
}

accessors! {
    Func(FuncType) func unwrap_func "function";
    Global(GlobalType) global unwrap_global "global";
    Table(TableType) table unwrap_table "table";
    Memory(MemoryType) memory unwrap_memory "memory";
}

impl ExternType {
    pub(crate) fn from_raw(ty: raw::ExternType) -> Self {
        match ty {
            raw::ExternType::Func(ty) => Self::Func(FuncType(ty)),
            raw::ExternType::Table(ty) => Self::Table(TableType(ty)),
            raw::ExternType::Memory(ty) => Self::Memory(MemoryType(ty)),
            raw::ExternType::Global(ty) => Self::Global(GlobalType(ty)),
        }
    }

    fn to_raw(&self) -> raw::ExternType {
        match self {
            Self::Func(ty) => raw::ExternType::Func(ty.0.clone()),
            Self::Table(ty) => raw::ExternType::Table(ty.0),
            Self::Memory(ty) => raw::ExternType::Memory(ty.0),
            Self::Global(ty) => raw::ExternType::Global(ty.0),
        }
    }

    /// Whether something of this type may be given where `wanted` is imported (specification 2.0, clause
    /// 4.5.1).
    #[must_use]
    pub fn matches(&self, wanted: &Self) -> bool {
        upshift_runtime::matches(&self.to_raw(), &wanted.to_raw())
    }
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Func(ty) => write!(f, "function {ty}"),
            Self::Table(ty) => ty.fmt(f),
            Self::Memory(ty) => ty.fmt(f),
            Self::Global(ty) => ty.fmt(f),
        }
    }
}

/// An import that a module wants from its embedder: two names and a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportType<'module> {
    module: &'module str,
    name: &'module str,
    ty: ExternType,
}

impl<'module> ImportType<'module> {
    pub(crate) fn new(module: &'module str, name: &'module str, ty: ExternType) -> Self {
        Self { module, name, ty }
    }

    /// The first of the two names.
    #[must_use]
    pub fn module(&self) -> &'module str {
        self.module
    }

    /// The second of the two names.
    #[must_use]
    pub fn name(&self) -> &'module str {
        self.name
    }

    /// The type wanted.
    #[must_use]
    pub fn ty(&self) -> ExternType {
        self.ty.clone()
    }
}

/// An export that a module gives to its embedder: a name and a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportType<'module> {
    name: &'module str,
    ty: ExternType,
}

impl<'module> ExportType<'module> {
    pub(crate) fn new(name: &'module str, ty: ExternType) -> Self {
        Self { name, ty }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'module str {
        self.name
    }

    /// The type given.
    #[must_use]
    pub fn ty(&self) -> ExternType {
        self.ty.clone()
    }
}

/// Checks types that the host made up itself; a module's have been validated.
pub(crate) fn check_memory_type(ty: &MemoryType) -> Result<()> {
    check_limits(&ty.0, ty.0.minimum, ty.0.maximum, raw::WASM_MAX_PAGES)
}

pub(crate) fn check_table_type(ty: &TableType) -> Result<()> {
    check_limits(
        &ty.0,
        ty.0.minimum.into(),
        ty.0.maximum.map(u64::from),
        u32::MAX.into(),
    )
}

fn check_limits(
    ty: &dyn fmt::Display,
    minimum: u64,
    maximum: Option<u64>,
    most: u64,
) -> Result<()> {
    let why = if minimum > most || maximum.is_some_and(|maximum| maximum > most) {
        format!("the limit of the specification is {most}")
    } else if maximum.is_some_and(|maximum| maximum < minimum) {
        "its maximum is less than its minimum".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid_type(format!("{ty} is not a type: {why}")))
}
