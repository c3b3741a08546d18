//! The targets of the builtins' entry stubs: each computes through a safe function and leaves by a trap if
//! that fails. Entered with the parameters that `builtins` lists; the builtins that have to do with
//! tiering and traps are in `activation`.
//!
//! # Safety
//! All of these are called by the builtins' stubs only: the context is that of a live instance whose code
//! runs on this thread, and validation has checked the indices.

use upshift_module::{DataIndex, ElemIndex, FuncIndex, MemoryIndex, TableIndex, low_u8};

use crate::activation::{raise_interrupt, raise_trap};
use crate::{GrowError, Instance, Memory, Stop, StoreCore, Table, TrapCode, VMContext};

/// The result, or the way out.
///
/// # Safety
/// As for all libcalls; the caller has nothing to drop.
#[inline]
unsafe fn or_trap(vmctx: *mut VMContext, result: Result<(), TrapCode>) {
    // SAFETY: as the caller says.
    unsafe {
        match result {
            Ok(()) => {}
            Err(TrapCode::Interrupted) => raise_interrupt((*vmctx).store),
            Err(code) => raise_trap((*vmctx).store, code),
        }
    }
}

/// Whom long operations of this instance ask.
///
/// # Safety
/// As for all libcalls.
unsafe fn stop<'a>(vmctx: *mut VMContext) -> Stop<'a> {
    // SAFETY: `VMStore` is the first field of `StoreCore`, which is longer alive than the call.
    let interrupt = unsafe { (*(*vmctx).store.cast::<StoreCore>()).interrupt_state() };
    interrupt.stop()
}

/// # Safety
/// As for all libcalls.
unsafe fn instance<'a>(vmctx: *mut VMContext) -> &'a Instance {
    // SAFETY: the instance lives as long as its store, which is longer than the call.
    unsafe { Instance::from_vmctx(vmctx).as_ref() }
}

/// # Safety
/// As for all libcalls.
unsafe fn memory<'a>(vmctx: *mut VMContext, index: MemoryIndex) -> &'a Memory {
    // SAFETY: memories live as long as their store.
    unsafe { instance(vmctx).memory(index).as_ref() }
}

/// # Safety
/// As for all libcalls.
unsafe fn table<'a>(vmctx: *mut VMContext, index: TableIndex) -> &'a Table {
    // SAFETY: tables live as long as their store.
    unsafe { instance(vmctx).table(index).as_ref() }
}

/// `memory.grow`.
pub(crate) unsafe extern "C" fn memory_grow(
    vmctx: *mut VMContext,
    index: MemoryIndex,
    pages: u32,
) -> u32 {
    // SAFETY: see the module. `VMStore` is the first field of `StoreCore`, and nobody else uses the
    // account during the call.
    let grown = unsafe {
        let store = (*vmctx).store.cast::<StoreCore>();
        memory(vmctx, index).grow(pages.into(), &mut (*store).account)
    };
    grown
        .ok()
        .and_then(|pages| u32::try_from(pages).ok())
        .unwrap_or(u32::MAX)
}

/// `memory.copy`.
pub(crate) unsafe extern "C" fn memory_copy(
    vmctx: *mut VMContext,
    to_memory: MemoryIndex,
    from_memory: MemoryIndex,
    to: u32,
    from: u32,
    len: u32,
) {
    // SAFETY: see the module.
    unsafe {
        let (to_memory, from_memory) = (memory(vmctx, to_memory), memory(vmctx, from_memory));
        or_trap(
            vmctx,
            to_memory.copy(to.into(), from_memory, from.into(), len.into(), stop(vmctx)),
        );
    }
}

/// `memory.fill`.
pub(crate) unsafe extern "C" fn memory_fill(
    vmctx: *mut VMContext,
    index: MemoryIndex,
    to: u32,
    value: u32,
    len: u32,
) {
    // SAFETY: see the module.
    unsafe {
        or_trap(
            vmctx,
            memory(vmctx, index).fill(to.into(), low_u8(value), len.into(), stop(vmctx)),
        )
    }
}

/// `memory.init`.
pub(crate) unsafe extern "C" fn memory_init(
    vmctx: *mut VMContext,
    index: MemoryIndex,
    segment: DataIndex,
    to: u32,
    from: u32,
    len: u32,
) {
    // SAFETY: see the module.
    unsafe {
        or_trap(
            vmctx,
            instance(vmctx).init_memory(index, segment, to, from, len, stop(vmctx)),
        )
    }
}

/// `data.drop`.
pub(crate) unsafe extern "C" fn data_drop(vmctx: *mut VMContext, segment: DataIndex) {
    // SAFETY: see the module.
    unsafe { instance(vmctx) }.drop_data_segment(segment);
}

/// `table.grow`.
pub(crate) unsafe extern "C" fn table_grow(
    vmctx: *mut VMContext,
    index: TableIndex,
    elements: u32,
    value: u64,
) -> u32 {
    // SAFETY: see the module and `memory_grow`; validation has checked the type of the value.
    let grown = unsafe {
        let (store, stop) = ((*vmctx).store.cast::<StoreCore>(), stop(vmctx));
        table(vmctx, index).grow(elements, value, &mut (*store).account, stop)
    };
    match grown {
        Ok(size) => size,
        Err(error) => {
            let interrupted = matches!(error, GrowError::Interrupted { .. });
            drop(error);
            if interrupted {
                // SAFETY: see the module; nothing is left to drop.
                unsafe { raise_interrupt((*vmctx).store) }
            }
            u32::MAX
        }
    }
}

/// `table.fill`.
pub(crate) unsafe extern "C" fn table_fill(
    vmctx: *mut VMContext,
    index: TableIndex,
    to: u32,
    value: u64,
    len: u32,
) {
    // SAFETY: see the module; validation has checked the type of the value.
    unsafe {
        or_trap(
            vmctx,
            table(vmctx, index).fill(to.into(), value, len.into(), stop(vmctx)),
        )
    }
}

/// `table.copy`.
pub(crate) unsafe extern "C" fn table_copy(
    vmctx: *mut VMContext,
    to_table: TableIndex,
    from_table: TableIndex,
    to: u32,
    from: u32,
    len: u32,
) {
    // SAFETY: see the module; validation has checked that the tables' types are equal.
    unsafe {
        let (to_table, from_table) = (table(vmctx, to_table), table(vmctx, from_table));
        or_trap(
            vmctx,
            to_table.copy(to.into(), from_table, from.into(), len.into(), stop(vmctx)),
        );
    }
}

/// `table.init`.
pub(crate) unsafe extern "C" fn table_init(
    vmctx: *mut VMContext,
    index: TableIndex,
    segment: ElemIndex,
    to: u32,
    from: u32,
    len: u32,
) {
    // SAFETY: see the module.
    unsafe {
        or_trap(
            vmctx,
            instance(vmctx).init_table(index, segment, to, from, len, stop(vmctx)),
        )
    }
}

/// `elem.drop`.
pub(crate) unsafe extern "C" fn elem_drop(vmctx: *mut VMContext, segment: ElemIndex) {
    // SAFETY: see the module.
    unsafe { instance(vmctx) }.drop_element_segment(segment);
}

/// `ref.func`.
pub(crate) unsafe extern "C" fn ref_func(vmctx: *mut VMContext, function: FuncIndex) -> u64 {
    // SAFETY: see the module.
    unsafe { instance(vmctx) }.reference(function)
}

#[cfg(test)]
mod tests;
