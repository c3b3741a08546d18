//! Puts modules of shapes together: types, functions, a memory, a table, and `f`, which is exported.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, ExportKind, ExportSection,
    Function, FunctionSection, InstructionSink, MemArg, MemArgTarget, MemorySection, MemoryType,
    Module, RefType, TableSection, TableType, TypeSection, ValType,
};

/// Values of a wide label: as many as validators allow.
pub(super) const WIDE: usize = 1000;

/// The type of `f`, in all modules.
pub(super) const TYPE_OF_F: u32 = 0;

/// A module under construction; `f` is the first function.
pub(super) struct Build {
    types: TypeSection,
    functions: FunctionSection,
    code: CodeSection,
    pub memory_pages: u64,
    pub table: Option<u64>,
}

impl Build {
    pub fn new() -> Self {
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32], [ValType::I32]);
        Self {
            types,
            functions: FunctionSection::new(),
            code: CodeSection::new(),
            memory_pages: 1,
            table: None,
        }
    }

    /// A type, and its index.
    pub fn ty(&mut self, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let index = self.types.len();
        self.types.ty().function(params, results);
        index
    }

    pub fn function(
        &mut self,
        ty: u32,
        locals: &[(u32, ValType)],
        emit: impl FnOnce(&mut InstructionSink<'_>),
    ) {
        let mut function = Function::new(locals.iter().copied());
        let mut sink = function.instructions();
        emit(&mut sink);
        sink.end();
        self.add(ty, &function);
    }

    pub fn add(&mut self, ty: u32, function: &Function) {
        self.functions.function(ty);
        self.code.function(function);
    }

    pub fn finish(self) -> Vec<u8> {
        let mut module = Module::new();
        module.section(&self.types).section(&self.functions);
        if let Some(elements) = self.table {
            let mut tables = TableSection::new();
            tables.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: elements,
                maximum: None,
                shared: false,
            });
            module.section(&tables);
        }
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: self.memory_pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut exports = ExportSection::new();
        exports.export("f", ExportKind::Func, 0);
        module.section(&memories).section(&exports);
        if self.table.is_some() {
            let mut elements = ElementSection::new();
            let functions = Elements::Functions([1].as_slice().into());
            elements.active(None, &ConstExpr::i32_const(0), functions);
            module.section(&elements);
        }
        module.section(&self.code);
        module.finish()
    }
}

/// A module of `f` alone.
pub(super) fn one(
    locals: &[(u32, ValType)],
    emit: impl FnOnce(&mut InstructionSink<'_>),
) -> Vec<u8> {
    let mut build = Build::new();
    build.function(TYPE_OF_F, locals, emit);
    build.finish()
}

/// The same, and a block type of so many results.
pub(super) fn one_with_wide_block(
    results: usize,
    locals: &[(u32, ValType)],
    emit: impl FnOnce(&mut InstructionSink<'_>, BlockType),
) -> Vec<u8> {
    let mut build = Build::new();
    let ty = build.ty(Vec::new(), vec![ValType::I32; results]);
    build.function(TYPE_OF_F, locals, |code| {
        emit(code, BlockType::FunctionType(ty))
    });
    build.finish()
}

pub(super) const EMPTY: BlockType = BlockType::Empty;
pub(super) const I32: BlockType = BlockType::Result(ValType::I32);

pub(super) fn number(value: u32) -> i32 {
    value.cast_signed()
}

pub(super) fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}
