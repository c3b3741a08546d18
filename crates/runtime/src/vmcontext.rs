//! The layout of the memory that generated code reads and writes directly. Offsets are computed here and nowhere
//! else; both tiers ask [`VMOffsets`]. These structures are filled in `instance` and `store`.
//!
//! ```text
//! VMContext, one block per instance, zeroed at first, 16-byte aligned:
//! +--------------------------+ 0
//! | header (struct VMContext)|
//! +--------------------------+ memories         *mut VMMemory       x memories
//! +--------------------------+ tables           *mut VMTable        x tables
//! +--------------------------+ imported_globals *mut VMGlobal       x imported globals
//! +--------------------------+ globals          VMGlobal (16 bytes) x defined globals
//! +--------------------------+ funcrefs         VMFuncRef (24 bytes) x functions, imports first
//! +--------------------------+ budgets          i32                 x defined functions
//! +--------------------------+ call cells       *mut VMFuncRef      x call cells
//! +--------------------------+ call counts      u64                 x defined functions, or none
//! +--------------------------+ size
//! ```
//!
//! The entry of a defined function among the funcrefs is all zero until somebody takes a reference to
//! it; those of imported functions are filled at instantiation, and calls of imports go through them.

use std::mem::offset_of;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};

use upshift_module::{
    DefinedFuncIndex, EntityRef, FuncIndex, GlobalIndex, MemoryIndex, Module, TableIndex, to_usize,
};

use crate::{CallCell, VMBuiltins, VMTypeId};

/// Where the code of a defined function is entered; one per defined function and module.
///
/// A fresh slot holds the address of a lazy stub. Publishing better code is one release store into it.
pub type CodeSlot = AtomicPtr<u8>;

/// The fixed first part of an instance's context. Everything behind it is found by [`VMOffsets`].
#[repr(C, align(16))]
pub struct VMContext {
    /// The store that the instance belongs to. First, as in [`VMHostContext`].
    pub store: *mut VMStore,
    /// The module's code slots, one per defined function.
    pub slots: *const CodeSlot,
    /// Entry points into the runtime.
    pub builtins: *const VMBuiltins,
    /// Engine-wide type ids, by the module's type index.
    pub type_ids: *const VMTypeId,
    /// Base address of memory 0; never changes. Null without a memory.
    pub memory0_base: *mut u8,
    /// The host side of this instance (`runtime::Instance`).
    pub instance: *mut u8,
}

/// The first parameter of a host function in place of a [`VMContext`].
#[repr(C, align(16))]
pub struct VMHostContext {
    /// The store that the function belongs to. First, as in [`VMContext`].
    pub store: *mut VMStore,
    /// The host side of this function (`runtime::HostFunc`).
    pub func: *mut u8,
}

/// State of a store that generated code, entry stubs and signal handlers share.
#[repr(C)]
pub struct VMStore {
    /// The lowest stack address that generated code may use now. Each entry sets it. While a frame is in an entry
    /// at a loop, it is lower by the entry's frame.
    pub stack_limit: usize,
    /// Return address into generated code of the last exit from it.
    pub exit_pc: usize,
    /// Frame pointer of the generated code that made the last exit.
    pub exit_fp: usize,
    /// Context of the instance that last called an import, or, through a reference, a function not its own.
    /// Written before each such call, so that a host function knows its caller.
    pub caller: *mut VMContext,
    /// The innermost activation of this store, null when none runs.
    pub entry: *mut EntryRecord,
    /// Not zero when an interruption was asked for and has not been delivered. Owned by the store's
    /// `InterruptState`, which interrupt handles share.
    pub interrupt: *const AtomicU32,
    /// `stack_limit` before the runtime lowered it for the entry at a loop that it has just told the code to
    /// move into. The code that moves puts it back when the entry has returned.
    pub limit_before_move: usize,
}

/// One activation: a call from the host into generated code. Lives in the host caller's frame.
#[repr(C)]
pub struct EntryRecord {
    /// Stack pointer to go back to when leaving by a trap.
    pub saved_sp: usize,
    /// Frame pointer of the entry stub: where walks of this activation end.
    pub fp: usize,
    /// The store.
    pub store: *mut VMStore,
    /// The lowest address of the stack that it runs on.
    pub stack_end: usize,
    /// The lowest address that its code may ever use: the space below is the host's.
    pub host_limit: usize,
    /// The kernel's id of the thread that ran its code last.
    pub thread: i32,
    /// The activation of the same store that was innermost before.
    pub previous_in_store: *mut EntryRecord,
    /// `exit_pc` of the store at this entry: where the enclosing activation was left.
    pub previous_exit_pc: usize,
    /// `exit_fp` of the store at this entry.
    pub previous_exit_fp: usize,
}

#[derive(Debug)]
/// A linear memory's record. `length` is written by the runtime only.
#[repr(C)]
pub struct VMMemory {
    /// Base address; never changes.
    pub base: *mut u8,
    /// Current length in bytes, a multiple of the page size.
    pub length: AtomicUsize,
}

/// A table's record.
#[repr(C)]
pub struct VMTable {
    /// The elements, 8 bytes each: funcref pointers or externref handles, null is 0. Moves on growth.
    pub base: *mut u64,
    /// Current length in elements.
    pub length: usize,
    /// Elements before this one are as the active segments of the module that defines the table left them. 0 when
    /// nothing is known. It only ever falls: code that writes an element lowers it first.
    pub unchanged: usize,
}

/// A global's value, in the low bytes.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct VMGlobal {
    /// Little-endian value, zero-extended.
    pub bits: u128,
}

/// A function as a value: a reference is a pointer to one of these. Immutable once filled.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct VMFuncRef {
    /// Where its code's address is read from.
    pub slot: *const CodeSlot,
    /// First argument of the call: a `VMContext` or a `VMHostContext`. Null in an entry not filled yet.
    pub vmctx: *mut VMContext,
    /// Engine-wide id of its type.
    pub type_id: VMTypeId,
}

/// Offsets of the fixed fields, as the immediate operands that code generators want.
pub mod offsets {
    use super::*;

    /// The offset of a field of a fixed structure.
    pub(crate) const fn immediate(offset: usize) -> i32 {
        assert!(offset < 1 << 12, "such structures are small");
        // Checked in the line before; no `TryFrom` is `const`.
        offset as i32
    }

    /// `VMContext::store` and `VMHostContext::store`.
    pub const VMCONTEXT_STORE: i32 = immediate(offset_of!(VMContext, store));
    /// `VMContext::slots`.
    pub const VMCONTEXT_SLOTS: i32 = immediate(offset_of!(VMContext, slots));
    /// `VMContext::builtins`.
    pub const VMCONTEXT_BUILTINS: i32 = immediate(offset_of!(VMContext, builtins));
    /// `VMContext::type_ids`.
    pub const VMCONTEXT_TYPE_IDS: i32 = immediate(offset_of!(VMContext, type_ids));
    /// `VMContext::memory0_base`.
    pub const VMCONTEXT_MEMORY0_BASE: i32 = immediate(offset_of!(VMContext, memory0_base));
    /// `VMStore::exit_pc`.
    pub const VMSTORE_EXIT_PC: i32 = immediate(offset_of!(VMStore, exit_pc));
    /// `VMStore::exit_fp`.
    pub const VMSTORE_EXIT_FP: i32 = immediate(offset_of!(VMStore, exit_fp));
    /// `VMStore::interrupt`.
    pub const VMSTORE_INTERRUPT: i32 = immediate(offset_of!(VMStore, interrupt));
    /// `VMStore::stack_limit`.
    pub const VMSTORE_STACK_LIMIT: i32 = immediate(offset_of!(VMStore, stack_limit));
    /// `VMStore::limit_before_move`.
    pub const VMSTORE_LIMIT_BEFORE_MOVE: i32 = immediate(offset_of!(VMStore, limit_before_move));
    /// `VMStore::caller`.
    pub const VMSTORE_CALLER: i32 = immediate(offset_of!(VMStore, caller));
    /// `VMMemory::base`.
    pub const VMMEMORY_BASE: i32 = immediate(offset_of!(VMMemory, base));
    /// `VMMemory::length`.
    pub const VMMEMORY_LENGTH: i32 = immediate(offset_of!(VMMemory, length));
    /// `VMTable::base`.
    pub const VMTABLE_BASE: i32 = immediate(offset_of!(VMTable, base));
    /// `VMTable::length`.
    pub const VMTABLE_LENGTH: i32 = immediate(offset_of!(VMTable, length));
    /// `VMTable::unchanged`.
    pub const VMTABLE_UNCHANGED: i32 = immediate(offset_of!(VMTable, unchanged));
    /// `VMFuncRef::slot`.
    pub const VMFUNCREF_SLOT: i32 = immediate(offset_of!(VMFuncRef, slot));
    /// `VMFuncRef::vmctx`.
    pub const VMFUNCREF_VMCTX: i32 = immediate(offset_of!(VMFuncRef, vmctx));
    /// `VMFuncRef::type_id`.
    pub const VMFUNCREF_TYPE_ID: i32 = immediate(offset_of!(VMFuncRef, type_id));
}

/// Where the variable parts of a module's `VMContext` are. All in bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VMOffsets {
    imported_globals_count: u32,
    memories: u32,
    tables: u32,
    imported_globals: u32,
    globals: u32,
    funcrefs: u32,
    budgets: u32,
    call_cells: u32,
    call_cell_count: u32,
    defined_functions: u32,
    call_counts: Option<u32>,
    size: u32,
}

const POINTER: u32 = 8;
/// Bytes of a call count.
const COUNT: u32 = 8;
/// Bytes of a [`VMGlobal`].
const GLOBAL: u32 = 16;
/// Bytes of a [`VMFuncRef`].
const FUNCREF: u32 = 24;
const _: () = assert!(
    size_of::<VMGlobal>() == to_usize(GLOBAL) && size_of::<VMFuncRef>() == to_usize(FUNCREF)
);

impl VMOffsets {
    /// The layout for `module`.
    ///
    /// Validation limits every count to a million, so no offset comes near 2^31.
    #[must_use]
    pub fn new(module: &Module) -> Self {
        let count = |n: usize| u32::try_from(n).expect("validation bounds every index space");
        let mut at = count(size_of::<VMContext>());
        let mut part = |size: u32, align: u32, n: u32| {
            let start = at.next_multiple_of(align);
            at = start + size * n;
            start
        };
        let functions = count(module.functions.len());
        let defined_globals = count(module.global_inits.len());
        let memories = part(POINTER, POINTER, count(module.memories.len()));
        let tables = part(POINTER, POINTER, count(module.tables.len()));
        let imported_globals = part(POINTER, POINTER, module.imported.globals);
        let globals = part(GLOBAL, 16, defined_globals);
        let funcrefs = part(FUNCREF, POINTER, functions);
        let defined_functions = count(module.bodies.len());
        let budgets = part(4, 4, defined_functions);
        let call_cell_count = call_cells_of(module);
        let call_cells = part(POINTER, POINTER, call_cell_count);
        let size = at.next_multiple_of(16);
        Self {
            imported_globals_count: module.imported.globals,
            memories,
            tables,
            imported_globals,
            globals,
            funcrefs,
            budgets,
            call_cells,
            call_cell_count,
            defined_functions,
            call_counts: None,
            size,
        }
    }

    /// The same with room to count the calls of each defined function.
    #[must_use]
    pub fn with_call_counts(mut self) -> Self {
        // The size is a multiple of 16.
        self.call_counts = Some(self.size);
        self.size = (self.size + COUNT * self.defined_functions).next_multiple_of(16);
        self
    }

    /// Bytes of the whole block.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The `*mut VMMemory` of memory `index`.
    #[must_use]
    pub fn memory(&self, index: MemoryIndex) -> i32 {
        signed(self.memories + POINTER * index.as_u32())
    }

    /// The `*mut VMTable` of table `index`.
    #[must_use]
    pub fn table(&self, index: TableIndex) -> i32 {
        signed(self.tables + POINTER * index.as_u32())
    }

    /// Where global `index` is: in the context itself, or behind a pointer in it.
    #[must_use]
    pub fn global(&self, index: GlobalIndex) -> GlobalLocation {
        let index = index.as_u32();
        match index.checked_sub(self.imported_globals_count) {
            Some(defined) => GlobalLocation::Inline(signed(self.globals + GLOBAL * defined)),
            None => GlobalLocation::Pointer(signed(self.imported_globals + POINTER * index)),
        }
    }

    /// The `VMFuncRef` of function `index`.
    #[must_use]
    pub fn funcref(&self, index: FuncIndex) -> i32 {
        signed(self.funcrefs + FUNCREF * index.as_u32())
    }

    /// The `i32` budget of a defined function.
    #[must_use]
    pub fn budget(&self, defined: DefinedFuncIndex) -> i32 {
        signed(self.budgets + 4 * defined.as_u32())
    }

    /// How many functions the module defines.
    #[must_use]
    pub fn defined_functions(&self) -> u32 {
        self.defined_functions
    }

    /// Where the calls of defined functions are counted, a `u64` each; `None` where they are not.
    #[must_use]
    pub fn call_counts(&self) -> Option<i32> {
        self.call_counts.map(signed)
    }

    /// The `u64` that says how often a defined function was called in code that counts; `None` where calls are not
    /// counted.
    #[must_use]
    pub fn call_count(&self, defined: DefinedFuncIndex) -> Option<i32> {
        Some(signed(self.call_counts? + COUNT * defined.as_u32()))
    }

    /// How many call cells there are.
    #[must_use]
    pub fn call_cell_count(&self) -> u32 {
        self.call_cell_count
    }

    /// Call cell `cell`: the reference that a call through a table called last, null if there was none since
    /// somebody looked. It is compared and never followed.
    #[must_use]
    pub fn call_cell(&self, cell: CallCell) -> i32 {
        signed(self.call_cells + POINTER * cell.as_u32())
    }

    /// The function whose `VMFuncRef` is at this distance from the context's start.
    #[must_use]
    pub fn function_of_funcref(&self, distance: usize) -> Option<FuncIndex> {
        let size = size_of::<VMFuncRef>();
        let within = distance.checked_sub(to_usize(self.funcrefs))?;
        let is_one = within.is_multiple_of(size) && distance < to_usize(self.budgets);
        is_one.then(|| FuncIndex::new(within / size))
    }
}

/// A cell for each call through a table is more than enough; modules that have more calls than this do
/// without for the rest.
const MOST_CALL_CELLS: u32 = 1 << 10;
/// Bytes of code per call cell: a call through a table takes five or more, and is rare.
const CODE_PER_CALL_CELL: usize = 8;

/// As many call cells as a module's calls can want.
fn call_cells_of(module: &Module) -> u32 {
    if module.tables.is_empty() {
        return 0;
    }
    let cells = module.total_code_size() / CODE_PER_CALL_CELL;
    u32::try_from(cells).map_or(MOST_CALL_CELLS, |cells| cells.min(MOST_CALL_CELLS))
}

/// Where a global's value is found from the `VMContext`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalLocation {
    /// The `VMGlobal` is at this offset.
    Inline(i32),
    /// A pointer to the `VMGlobal` is at this offset.
    Pointer(i32),
}

fn signed(offset: u32) -> i32 {
    i32::try_from(offset).expect("a context is far smaller than 2 GiB")
}

#[cfg(test)]
mod tests;
