//! The host side of an instance: its context, the module it was made from, and which of its segments are
//! dropped. How one comes to be is in `instantiate`; the context's layout is in `vmcontext`.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, OnceCell};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use upshift_module::{
    ConstExpr, ConstOp, DataIndex, DefinedFuncIndex, DefinedGlobalIndex, ElemIndex, ElementItems,
    Entity, EntityRef, ExternType, FuncIndex, GlobalIndex, MemoryIndex, Module, PrimaryMap,
    TableIndex, low_u32, low_u64, to_u64, to_usize,
};

use crate::call_counts::CallCounts;
use crate::image::Images;
use crate::{
    CallCell, CalledFunction, CodeSlot, Global, GlobalLocation, Memory, ModuleCode, Stop, Table,
    TierHooks, TrapCode, TypeLeases, TypeRegistry, VMContext, VMFuncRef, VMGlobal, VMMemory,
    VMOffsets, VMStore, VMTable, VMTypeId, arch,
};

/// State that all instances of a module share.
pub struct ModuleRuntime {
    /// The module.
    pub module: Arc<Module>,
    /// The layout of its contexts.
    pub offsets: VMOffsets,
    /// Its code and slots.
    pub code: Arc<ModuleCode>,
    /// Engine-wide type ids, by the module's type index.
    pub type_ids: TypeLeases,
    /// The tiering above.
    pub hooks: Arc<dyn TierHooks>,
    /// The first contents of its memories.
    pub(crate) images: Images,
    /// The calls of its functions, if its contexts have room to count them.
    calls: CallCounts,
}

impl ModuleRuntime {
    /// Puts together the state that instances of `module` share. `offsets` are those of its code, past or future;
    /// its types get their ids from `types`, for as long as this lives.
    #[must_use]
    pub fn new(
        module: Arc<Module>,
        offsets: VMOffsets,
        code: Arc<ModuleCode>,
        types: &TypeRegistry,
        hooks: Arc<dyn TierHooks>,
    ) -> Self {
        let type_ids = types.lease_all(&module);
        Self {
            module,
            offsets,
            code,
            type_ids,
            hooks,
            images: Images::default(),
            calls: CallCounts::default(),
        }
    }

    /// How often each defined function was called so far in code that counts, summed over all instances that there
    /// are and were. `None` when calls are not counted.
    #[must_use]
    pub fn call_counts(&self) -> Option<PrimaryMap<DefinedFuncIndex, u64>> {
        self.offsets.call_counts()?;
        Some(self.calls.sums(&self.offsets))
    }

    /// The engine-wide type id of function `index`.
    ///
    /// # Panics
    /// When there is no such function.
    #[must_use]
    pub fn type_id_of(&self, index: FuncIndex) -> VMTypeId {
        self.type_ids[self.module.functions[index]]
    }
}

/// Something of a store that can be imported and exported. Valid for as long as the store lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternPtr {
    /// A function.
    Func(NonNull<VMFuncRef>),
    /// A table.
    Table(NonNull<Table>),
    /// A memory.
    Memory(NonNull<Memory>),
    /// A global.
    Global(NonNull<Global>),
}

impl ExternPtr {
    /// Its type; for tables and memories with the current size as the minimum.
    ///
    /// # Panics
    /// When `types` is not the registry of the store's engine.
    ///
    /// # Safety
    /// The store that it belongs to is alive, and this thread has it.
    #[must_use]
    pub unsafe fn ty(self, types: &TypeRegistry) -> ExternType {
        // SAFETY: objects live as long as their store.
        unsafe {
            match self {
                Self::Func(func) => {
                    let ty = types
                        .get(func.as_ref().type_id)
                        .expect("an id of this engine");
                    ExternType::Func((*ty).clone())
                }
                Self::Table(table) => ExternType::Table(table.as_ref().current_type()),
                Self::Memory(memory) => ExternType::Memory(memory.as_ref().current_type()),
                Self::Global(global) => ExternType::Global(global.as_ref().ty()),
            }
        }
    }
}

/// An instance of a module. Lives as long as its store, at a stable address.
pub struct Instance {
    /// The block that generated code works with; owned.
    vmctx: NonNull<VMContext>,
    runtime: Arc<ModuleRuntime>,
    imported_globals: Box<[NonNull<Global>]>,
    /// Handles to defined globals, made when somebody asks for one.
    defined_globals: OnceCell<PrimaryMap<DefinedGlobalIndex, OnceCell<Box<Global>>>>,
    /// Whether each element segment has been dropped.
    dropped_elements: PrimaryMap<ElemIndex, Cell<bool>>,
    /// Whether each data segment has been dropped.
    dropped_data: PrimaryMap<DataIndex, Cell<bool>>,
}

fn context_layout(offsets: &VMOffsets) -> Layout {
    Layout::from_size_align(to_usize(offsets.size()), align_of::<VMContext>())
        .expect("a context is far smaller than the address space")
}

/// A flag for each entry of an index space.
fn flags<I: EntityRef>(count: usize) -> PrimaryMap<I, Cell<bool>> {
    vec![Cell::new(false); count].into()
}

impl Instance {
    /// An instance whose context is zero but for its header: imports, memories, tables and globals are
    /// still to be set. `None` when the system has no memory for the context.
    pub(crate) fn allocate(runtime: &Arc<ModuleRuntime>, store: *mut VMStore) -> Option<Box<Self>> {
        // SAFETY: the layout is not empty, the header is part of it.
        let vmctx = unsafe { alloc_zeroed(context_layout(&runtime.offsets)) }.cast::<VMContext>();
        let vmctx = NonNull::new(vmctx)?;
        let instance = Box::new(Self {
            vmctx,
            runtime: Arc::clone(runtime),
            imported_globals: Box::default(),
            defined_globals: OnceCell::new(),
            dropped_elements: flags(runtime.module.elements.len()),
            dropped_data: flags(runtime.module.data.len()),
        });
        // SAFETY: the block is ours and large enough; all of the header is valid as zeroes.
        unsafe {
            let header = vmctx.as_ptr();
            (*header).store = store;
            (*header).slots = runtime.code.slots().as_values_slice().as_ptr();
            (*header).builtins = &raw const arch::BUILTINS;
            (*header).type_ids = runtime.type_ids.as_values_slice().as_ptr();
            (*header).instance = (&raw const *instance).cast_mut().cast();
        }
        if let Some(counts) = instance.call_counts() {
            // SAFETY: they are in the context, and are removed before it goes.
            unsafe { runtime.calls.add(counts) };
        }
        Some(instance)
    }

    /// Where calls are counted, if they are.
    fn call_counts(&self) -> Option<*mut u64> {
        Some(self.at(self.runtime.offsets.call_counts()?))
    }

    /// The instance of a context.
    ///
    /// # Safety
    /// `vmctx` is the context of an instance that is alive.
    #[must_use]
    pub unsafe fn from_vmctx(vmctx: *mut VMContext) -> NonNull<Self> {
        // SAFETY: as the caller says; the field is never null.
        unsafe { NonNull::new_unchecked((*vmctx).instance.cast()) }
    }

    /// Its context.
    #[must_use]
    pub fn vmctx(&self) -> NonNull<VMContext> {
        self.vmctx
    }

    /// The state that it shares with other instances of its module.
    #[must_use]
    pub fn module(&self) -> &Arc<ModuleRuntime> {
        &self.runtime
    }

    /// A place in the context, which must hold a `T`.
    fn at<T>(&self, offset: i32) -> *mut T {
        let offset = usize::try_from(offset).expect("offsets are behind the start");
        // SAFETY: offsets are within the block.
        unsafe { self.vmctx.as_ptr().byte_add(offset).cast() }
    }

    /// Makes the context refer to this memory.
    pub(crate) fn set_memory(&mut self, index: MemoryIndex, memory: NonNull<Memory>) {
        assert!(self.runtime.module.memories.is_valid(index));
        // SAFETY: the place is in the context. A `VMMemory` is the first field of a `Memory`.
        unsafe {
            self.at::<*mut VMMemory>(self.runtime.offsets.memory(index))
                .write(memory.as_ptr().cast());
            if index == MemoryIndex::FIRST {
                (*self.vmctx.as_ptr()).memory0_base = memory.as_ref().data().as_ptr().cast();
            }
        }
    }

    /// Makes the context refer to this table.
    pub(crate) fn set_table(&mut self, index: TableIndex, table: NonNull<Table>) {
        assert!(self.runtime.module.tables.is_valid(index));
        // SAFETY: the place is in the context. A `VMTable` is the first field of a `Table`.
        unsafe {
            self.at::<*mut VMTable>(self.runtime.offsets.table(index))
                .write(table.as_ptr().cast());
        }
    }

    /// Makes the context refer to the imported globals, all of them.
    pub(crate) fn set_imported_globals(&mut self, globals: Box<[NonNull<Global>]>) {
        for (index, global) in self.runtime.module.globals.keys().zip(&globals) {
            let GlobalLocation::Pointer(offset) = self.runtime.offsets.global(index) else {
                unreachable!("more globals than the module imports");
            };
            // SAFETY: the place is in the context, and the global lives as long as the store.
            unsafe {
                self.at::<*mut VMGlobal>(offset)
                    .write(global.as_ref().location())
            };
        }
        self.imported_globals = globals;
    }

    /// Fills the record of an imported function.
    pub(crate) fn set_imported_function(&mut self, index: FuncIndex, func: NonNull<VMFuncRef>) {
        assert_eq!(self.runtime.module.defined_function(index), None);
        // SAFETY: the place is in the context, and the function lives as long as the store.
        unsafe {
            self.at::<VMFuncRef>(self.runtime.offsets.funcref(index))
                .write(*func.as_ref())
        };
    }

    /// Memory `index`.
    ///
    /// # Panics
    /// When there is no such memory.
    #[must_use]
    pub fn memory(&self, index: MemoryIndex) -> NonNull<Memory> {
        assert!(
            self.runtime.module.memories.is_valid(index),
            "no memory {index}"
        );
        // SAFETY: set at instantiation to a `Memory`, whose first field is a `VMMemory`.
        unsafe {
            NonNull::new_unchecked(
                self.at::<*mut Memory>(self.runtime.offsets.memory(index))
                    .read(),
            )
        }
    }

    /// Table `index`.
    ///
    /// # Panics
    /// When there is no such table.
    #[must_use]
    pub fn table(&self, index: TableIndex) -> NonNull<Table> {
        assert!(
            self.runtime.module.tables.is_valid(index),
            "no table {index}"
        );
        // SAFETY: set at instantiation to a `Table`, whose first field is a `VMTable`.
        unsafe {
            NonNull::new_unchecked(
                self.at::<*mut Table>(self.runtime.offsets.table(index))
                    .read(),
            )
        }
    }

    /// Global `index`.
    ///
    /// # Panics
    /// When there is no such global.
    #[must_use]
    pub fn global(&self, index: GlobalIndex) -> NonNull<Global> {
        let module = &self.runtime.module;
        let Some(defined) = module.defined_global(index) else {
            return self.imported_globals[index.index()];
        };
        let ty = module.globals[index];
        let handles = self.defined_globals.get_or_init(|| {
            let globals = module.global_inits.values();
            globals.map(|_| OnceCell::new()).collect()
        });
        let handle = handles[defined].get_or_init(|| {
            let location = NonNull::new(self.global_location(index)).expect("not null");
            // SAFETY: the handle is dropped with this instance.
            Box::new(unsafe { Global::in_context(ty, location) })
        });
        NonNull::from(&**handle)
    }

    /// Where the value of global `index`, which must exist, is.
    pub(crate) fn global_location(&self, index: GlobalIndex) -> *mut VMGlobal {
        match self.runtime.offsets.global(index) {
            GlobalLocation::Inline(offset) => self.at(offset),
            // SAFETY: set at instantiation.
            GlobalLocation::Pointer(offset) => unsafe { self.at::<*mut VMGlobal>(offset).read() },
        }
    }

    /// The value of any function as a reference. Filled when first asked for, the same from then on.
    ///
    /// # Panics
    /// When there is no such function.
    #[must_use]
    pub fn funcref(&self, index: FuncIndex) -> NonNull<VMFuncRef> {
        let runtime = &*self.runtime;
        let type_id = runtime.type_id_of(index);
        let place = self.at::<VMFuncRef>(runtime.offsets.funcref(index));
        // SAFETY: the place is in the context. Generated code reads through references only, and
        // nobody has a reference to an entry that is not filled.
        unsafe {
            if let Some(defined) = runtime.module.defined_function(index)
                && (*place).vmctx.is_null()
            {
                let slot: *const CodeSlot = &raw const runtime.code.slots()[defined];
                place.write(VMFuncRef {
                    slot,
                    vmctx: self.vmctx.as_ptr(),
                    type_id,
                });
            }
            NonNull::new_unchecked(place)
        }
    }

    /// The same as generated code has it.
    pub(crate) fn reference(&self, index: FuncIndex) -> u64 {
        to_u64(self.funcref(index).as_ptr().expose_provenance())
    }

    /// Anything that the module can export.
    ///
    /// # Panics
    /// When there is no such entity.
    #[must_use]
    pub fn export(&self, entity: Entity) -> ExternPtr {
        match entity {
            Entity::Func(index) => ExternPtr::Func(self.funcref(index)),
            Entity::Table(index) => ExternPtr::Table(self.table(index)),
            Entity::Memory(index) => ExternPtr::Memory(self.memory(index)),
            Entity::Global(index) => ExternPtr::Global(self.global(index)),
        }
    }

    /// The budget of a defined function.
    ///
    /// # Panics
    /// When there is no such function.
    #[must_use]
    pub fn budget(&self, defined: DefinedFuncIndex) -> NonNull<i32> {
        assert!(
            self.runtime.module.bodies.is_valid(defined),
            "no defined function {defined}"
        );
        // SAFETY: the place is in the context.
        unsafe { NonNull::new_unchecked(self.at(self.runtime.offsets.budget(defined))) }
    }

    /// Empties a call cell and gives its last callee.
    ///
    /// # Panics
    /// When there is no such cell.
    #[must_use]
    pub fn take_call(&self, cell: CallCell) -> Option<CalledFunction> {
        let offsets = &self.runtime.offsets;
        assert!(cell.as_u32() < offsets.call_cell_count(), "no {cell:?}");
        let place = self.at::<*const VMFuncRef>(offsets.call_cell(cell));
        // SAFETY: the place is in the context, and this thread runs the instance.
        let reference = unsafe { place.replace(ptr::null()) };
        if reference.is_null() {
            return None;
        }
        let distance = reference.addr().checked_sub(self.vmctx.addr().get());
        let function = distance.and_then(|distance| offsets.function_of_funcref(distance));
        Some(function.map_or(CalledFunction::Foreign, CalledFunction::Own))
    }

    /// The value of a constant expression (clause 3.3.10), zero-extended.
    pub(crate) fn evaluate(&self, expression: &ConstExpr) -> u128 {
        if let [op] = *expression.ops {
            return self.evaluate_leaf(op);
        }
        const VALID: &str = "validation checked the operands of constant expressions";
        let mut stack = Vec::new();
        for &op in &expression.ops {
            let value = match op {
                ConstOp::I32Add | ConstOp::I32Sub | ConstOp::I32Mul => {
                    let right = low_u32(low_u64(stack.pop().expect(VALID)));
                    let left = low_u32(low_u64(stack.pop().expect(VALID)));
                    u128::from(match op {
                        ConstOp::I32Add => left.wrapping_add(right),
                        ConstOp::I32Sub => left.wrapping_sub(right),
                        _ => left.wrapping_mul(right),
                    })
                }
                ConstOp::I64Add | ConstOp::I64Sub | ConstOp::I64Mul => {
                    let right = low_u64(stack.pop().expect(VALID));
                    let left = low_u64(stack.pop().expect(VALID));
                    u128::from(match op {
                        ConstOp::I64Add => left.wrapping_add(right),
                        ConstOp::I64Sub => left.wrapping_sub(right),
                        _ => left.wrapping_mul(right),
                    })
                }
                leaf => self.evaluate_leaf(leaf),
            };
            stack.push(value);
        }
        stack.pop().expect(VALID)
    }

    /// The same of one of type `i32`, read as unsigned.
    pub(crate) fn evaluate_i32(&self, expression: &ConstExpr) -> u32 {
        low_u32(low_u64(self.evaluate(expression)))
    }

    /// The value of an operator without operands.
    fn evaluate_leaf(&self, op: ConstOp) -> u128 {
        match op {
            ConstOp::I32(value) => u128::from(value.cast_unsigned()),
            ConstOp::I64(value) => u128::from(value.cast_unsigned()),
            ConstOp::F32(bits) => u128::from(bits),
            ConstOp::F64(bits) => u128::from(bits),
            ConstOp::V128(bits) => bits,
            ConstOp::RefNull(_) => 0,
            ConstOp::RefFunc(index) => self.reference(index).into(),
            // SAFETY: the location is valid, and one thread uses a store at a time.
            ConstOp::GlobalGet(index) => unsafe { (*self.global_location(index)).bits },
            ConstOp::I32Add
            | ConstOp::I32Sub
            | ConstOp::I32Mul
            | ConstOp::I64Add
            | ConstOp::I64Sub
            | ConstOp::I64Mul => unreachable!("validation lets no operator lack operands"),
        }
    }

    /// `table.init`: copies `len` elements of a segment from `source` on to `start` in the table. A
    /// segment that has been dropped is empty.
    pub(crate) fn init_table(
        &self,
        table: TableIndex,
        segment: ElemIndex,
        start: u32,
        source: u32,
        len: u32,
        stop: Stop<'_>,
    ) -> Result<(), TrapCode> {
        let items = &self.runtime.module.elements[segment].items;
        let dropped = self.dropped_elements[segment].get();
        let available = if dropped { 0 } else { items.len() };
        let range = to_usize(source)..to_usize(source) + to_usize(len);
        if range.end > available {
            return Err(TrapCode::TableOutOfBounds);
        }
        let len = range.len();
        // SAFETY: tables live as long as the store. Validation gave the segment the table's type, and
        // its elements are of this instance. Evaluating them touches no table.
        unsafe {
            let table = self.table(table).as_ref();
            match items {
                ElementItems::Functions(functions) => {
                    let items = functions[range].iter();
                    let items = items.map(|&index| self.reference(index));
                    table.write(start.into(), len, items, stop)
                }
                ElementItems::Expressions(expressions) => {
                    let items = expressions[range].iter();
                    table.write(
                        start.into(),
                        len,
                        items.map(|item| low_u64(self.evaluate(item))),
                        stop,
                    )
                }
            }
        }
    }

    /// `elem.drop`.
    pub(crate) fn drop_element_segment(&self, segment: ElemIndex) {
        self.dropped_elements[segment].set(true);
    }

    /// `memory.init`: copies `len` bytes of a segment from `source` on to `start` in the memory. A
    /// segment that has been dropped is empty.
    pub(crate) fn init_memory(
        &self,
        memory: MemoryIndex,
        segment: DataIndex,
        start: u32,
        source: u32,
        len: u32,
        stop: Stop<'_>,
    ) -> Result<(), TrapCode> {
        let module = &self.runtime.module;
        let bytes = if self.dropped_data[segment].get() {
            &[]
        } else {
            module.data_bytes(&module.data[segment])
        };
        let source = u64::from(source);
        // SAFETY: memories live as long as the store.
        let memory = unsafe { self.memory(memory).as_ref() };
        let range = source..source + u64::from(len);
        memory.init(start.into(), bytes, range, stop)
    }

    /// `data.drop`.
    pub(crate) fn drop_data_segment(&self, segment: DataIndex) {
        self.dropped_data[segment].set(true);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(counts) = self.call_counts() {
            self.runtime.calls.remove(counts, &self.runtime.offsets);
        }
        // SAFETY: the block was allocated with this layout; the store that goes is all that used it.
        unsafe {
            dealloc(
                self.vmctx.as_ptr().cast(),
                context_layout(&self.runtime.offsets),
            )
        };
    }
}
