//! A validated module as plain data, indexed as the specification indexes it: imports first, definitions
//! after. How the bytes become this is in `parse`; the meaning of a function's body is the tiers' business.

use std::ops::Range;
use std::sync::Arc;

use crate::bodies::UncheckedBodies;
use crate::{
    DataIndex, DefinedFuncIndex, DefinedGlobalIndex, ElemIndex, ExternType, Features, FuncIndex,
    FuncType, GlobalIndex, GlobalType, MemoryIndex, MemoryType, Names, PrimaryMap, Section,
    TableIndex, TableType, TypeIndex, ValType, to_usize,
};

/// A module that has been validated: every byte of it, or all but the bodies of functions, which
/// [`Module::validate_body`] then validates one by one.
///
/// Each index space has a type of its own, and counts imports first (specification 2.0, clause 2.5.1).
#[derive(Debug)]
pub struct Module {
    /// The binary that it was read from; ranges below are into it.
    pub bytes: Arc<Vec<u8>>,
    /// The features that were allowed when it was validated.
    pub features: Features,
    /// Function types.
    pub types: PrimaryMap<TypeIndex, FuncType>,
    /// Imports, in the module's order.
    pub imports: Vec<Import>,
    /// The type index of each function.
    pub functions: PrimaryMap<FuncIndex, TypeIndex>,
    /// The type of each table.
    pub tables: PrimaryMap<TableIndex, TableType>,
    /// The type of each memory.
    pub memories: PrimaryMap<MemoryIndex, MemoryType>,
    /// The type of each global.
    pub globals: PrimaryMap<GlobalIndex, GlobalType>,
    /// How many functions, tables, memories and globals are imported.
    pub imported: ImportCounts,
    /// The initial value of each *defined* global.
    pub global_inits: PrimaryMap<DefinedGlobalIndex, ConstExpr>,
    /// Exports, in the module's order.
    pub exports: Vec<Export>,
    /// The function to call at instantiation, if any.
    pub start: Option<FuncIndex>,
    /// Element segments.
    pub elements: PrimaryMap<ElemIndex, ElementSegment>,
    /// Data segments.
    pub data: PrimaryMap<DataIndex, DataSegment>,
    /// The body of each *defined* function.
    pub bodies: PrimaryMap<DefinedFuncIndex, FunctionBody>,
    /// Names from the name section.
    pub names: Names,
    /// Custom sections, in order.
    pub custom_sections: Vec<CustomSection>,
    /// All sections, in order.
    pub sections: Vec<Section>,
    /// Exports sorted by name, as indices into `exports`.
    pub(crate) exports_by_name: Vec<u32>,
    /// The bodies, if they were not validated when the module was read.
    pub(crate) unchecked_bodies: Option<UncheckedBodies>,
}

/// How much of a module is validated when it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Validation {
    /// All of it.
    #[default]
    Whole,
    /// All but the bodies of functions. A reader of one has to ask [`Module::validate_body`] before.
    BodiesWhenCompiled,
}

/// How many of each kind a module imports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Imported functions.
    pub functions: u32,
    /// Imported tables.
    pub tables: u32,
    /// Imported memories.
    pub memories: u32,
    /// Imported globals.
    pub globals: u32,
}

/// One import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The module name, the first of the two.
    pub module: Box<str>,
    /// The field name, the second of the two.
    pub name: Box<str>,
    /// Which entity of this module it becomes.
    pub entity: Entity,
}

/// One export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The name.
    pub name: Box<str>,
    /// The exported object.
    pub entity: Entity,
}

/// An index into one of the four index spaces that can be imported and exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entity {
    /// A function.
    Func(FuncIndex),
    /// A table.
    Table(TableIndex),
    /// A memory.
    Memory(MemoryIndex),
    /// A global.
    Global(GlobalIndex),
}

/// The body of a defined function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionBody {
    /// Where the body (locals and code, without its size) is in the binary.
    pub range: Range<usize>,
}

/// One operator of a constant expression, a machine for a stack of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstOp {
    /// Push an `i32`.
    I32(i32),
    /// Push an `i64`.
    I64(i64),
    /// Push an `f32`, as bits.
    F32(u32),
    /// Push an `f64`, as bits.
    F64(u64),
    /// Push a `v128`.
    V128(u128),
    /// Push the null reference of a type.
    RefNull(ValType),
    /// Push a reference to a function.
    RefFunc(FuncIndex),
    /// Push the value of a global.
    GlobalGet(GlobalIndex),
    /// Pop two `i32`, push the sum.
    I32Add,
    /// Pop two `i32`, push the difference.
    I32Sub,
    /// Pop two `i32`, push the product.
    I32Mul,
    /// Pop two `i64`, push the sum.
    I64Add,
    /// Pop two `i64`, push the difference.
    I64Sub,
    /// Pop two `i64`, push the product.
    I64Mul,
}

/// A constant expression (clause 3.3.10, with the extended-const proposal).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstExpr {
    /// The operators, without the final `end`. Almost always one.
    pub ops: Box<[ConstOp]>,
}

/// When and where a segment is copied; `I` is [`TableIndex`] or [`MemoryIndex`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentMode<I> {
    /// Only by `table.init` or `memory.init`.
    Passive,
    /// At instantiation, into this table or memory at this offset.
    Active {
        /// The table's or memory's index.
        index: I,
        /// The offset, an `i32`, read as unsigned.
        offset: ConstExpr,
    },
    /// Never: it only declares that its functions may be referenced.
    Declared,
}

/// An element segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementSegment {
    /// When it is copied.
    pub mode: SegmentMode<TableIndex>,
    /// The type of its elements.
    pub ty: ValType,
    /// The elements.
    pub items: ElementItems,
}

/// The elements of a segment, in the shape the binary gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElementItems {
    /// Function indices.
    Functions(Box<[FuncIndex]>),
    /// Constant expressions.
    Expressions(Box<[ConstExpr]>),
}

impl ElementItems {
    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Functions(items) => items.len(),
            Self::Expressions(items) => items.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A data segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSegment {
    /// When it is copied (never `Declared`).
    pub mode: SegmentMode<MemoryIndex>,
    /// Where its bytes are in the binary.
    pub range: Range<usize>,
}

/// A custom section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomSection {
    /// Its name.
    pub name: Box<str>,
    /// Where its contents (without the name) are in the binary.
    pub range: Range<usize>,
}

impl Module {
    /// The type of function `index`.
    ///
    /// # Panics
    /// When there is no such function.
    #[must_use]
    pub fn func_type(&self, index: FuncIndex) -> &FuncType {
        &self.types[self.functions[index]]
    }

    /// The position of function `index` among the defined functions, or `None` for an imported one.
    #[must_use]
    pub fn defined_function(&self, index: FuncIndex) -> Option<DefinedFuncIndex> {
        let position = index.as_u32().checked_sub(self.imported.functions)?;
        Some(DefinedFuncIndex::from_u32(position))
    }

    /// The index of a defined function.
    #[must_use]
    pub fn function_index(&self, defined: DefinedFuncIndex) -> FuncIndex {
        let imported = self.imported.functions;
        FuncIndex::from_u32(imported.saturating_add(defined.as_u32()))
    }

    /// The position of global `index` among the defined globals, or `None` for an imported one.
    #[must_use]
    pub fn defined_global(&self, index: GlobalIndex) -> Option<DefinedGlobalIndex> {
        let position = index.as_u32().checked_sub(self.imported.globals)?;
        Some(DefinedGlobalIndex::from_u32(position))
    }

    /// The index of a defined global.
    #[must_use]
    pub fn global_index(&self, defined: DefinedGlobalIndex) -> GlobalIndex {
        GlobalIndex::from_u32(self.imported.globals + defined.as_u32())
    }

    /// Whether table `index` is one that the module defines.
    #[must_use]
    pub fn defines_table(&self, index: TableIndex) -> bool {
        index.as_u32() >= self.imported.tables
    }

    /// Whether memory `index` is one that the module defines.
    #[must_use]
    pub fn defines_memory(&self, index: MemoryIndex) -> bool {
        index.as_u32() >= self.imported.memories
    }

    /// The tables that the module defines.
    pub fn defined_tables(&self) -> impl Iterator<Item = (TableIndex, &TableType)> {
        self.tables.iter().skip(to_usize(self.imported.tables))
    }

    /// The memories that the module defines.
    pub fn defined_memories(&self) -> impl Iterator<Item = (MemoryIndex, &MemoryType)> {
        self.memories.iter().skip(to_usize(self.imported.memories))
    }

    /// The type of an entity.
    ///
    /// # Panics
    /// When there is no such entity.
    #[must_use]
    pub fn entity_type(&self, entity: Entity) -> ExternType {
        match entity {
            Entity::Func(i) => ExternType::Func(self.func_type(i).clone()),
            Entity::Table(i) => ExternType::Table(self.tables[i]),
            Entity::Memory(i) => ExternType::Memory(self.memories[i]),
            Entity::Global(i) => ExternType::Global(self.globals[i]),
        }
    }

    /// The export of this name.
    #[must_use]
    pub fn export(&self, name: &str) -> Option<&Export> {
        let position = self
            .exports_by_name
            .binary_search_by(|&i| self.exports[to_usize(i)].name.as_ref().cmp(name))
            .ok()?;
        Some(&self.exports[to_usize(self.exports_by_name[position])])
    }

    /// The code bytes of a defined function.
    ///
    /// # Panics
    /// When there is no such function.
    #[must_use]
    pub fn body_bytes(&self, defined: DefinedFuncIndex) -> &[u8] {
        &self.bytes[self.bodies[defined].range.clone()]
    }

    /// The contents of a data segment.
    #[must_use]
    pub fn data_bytes(&self, segment: &DataSegment) -> &[u8] {
        &self.bytes[segment.range.clone()]
    }
}
