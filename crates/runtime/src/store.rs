//! A store: the owner of everything that guests use. All of it is boxed, stays at its address and is freed
//! when the store is dropped. How code is entered and left is in `activation`.

use std::any::Any;
use std::num::NonZeroU64;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use upshift_module::{GlobalType, MemoryType, TableType};

use crate::activation::{ActivationState, DEFAULT_MAX_WASM_STACK};
use crate::arch::VectorUse;
use crate::externref::{ExternHandle, ExternRefs};
use crate::host_func::{HostCallback, HostFunc};
use crate::interrupt::InterruptState;
use crate::limits::{Account, GrowError, LimitError, Resource, ResourceLimits};
use crate::{
    Global, Instance, Memory, MemoryError, MemoryPlan, Stop, Table, TableError, TypeLease,
    TypeRegistry, VMFuncRef, VMStore,
};

/// Tells stores of a process apart. Never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(NonZeroU64);

impl StoreId {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Self(NonZeroU64::new(id).expect("2^64 stores are out of reach"))
    }

    /// As a number.
    #[must_use]
    pub fn get(self) -> NonZeroU64 {
        self.0
    }
}

/// How a store is set up.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Its bounds.
    pub limits: ResourceLimits,
    /// How address space is set aside for its memories. Must fit the code of its modules.
    pub memory_plan: MemoryPlan,
    /// The most stack that generated code may use below its host caller, in bytes.
    pub max_wasm_stack: usize,
    /// The space of a stack for host functions, in bytes; `None` for
    /// [`DEFAULT_HOST_STACK`](crate::DEFAULT_HOST_STACK), or half of a smaller stack.
    pub host_stack: Option<usize>,
    /// Shared with interrupt handles.
    pub interrupt: Arc<InterruptState>,
}

impl StoreConfig {
    /// No limits, guarded memories, the default stack.
    #[must_use]
    pub fn new(interrupt: Arc<InterruptState>) -> Self {
        Self {
            limits: ResourceLimits::default(),
            memory_plan: MemoryPlan::GUARDED,
            max_wasm_stack: DEFAULT_MAX_WASM_STACK,
            host_stack: None,
            interrupt,
        }
    }
}

/// Boxed things at stable addresses, freed together. Held as pointers, since others hold pointers to
/// them while the list moves.
struct Owned<T> {
    items: Vec<NonNull<T>>,
}

impl<T> Owned<T> {
    const fn new() -> Self {
        Self { items: Vec::new() }
    }

    fn push(&mut self, item: Box<T>) -> NonNull<T> {
        // SAFETY: a box is not null.
        let item = unsafe { NonNull::new_unchecked(Box::into_raw(item)) };
        self.items.push(item);
        item
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        for item in self.items.drain(..) {
            // SAFETY: it came from a box and has not been freed; users are gone with the store.
            drop(unsafe { Box::from_raw(item.as_ptr()) });
        }
    }
}

/// The part of a store that does not depend on the user's data.
///
/// Instances and host functions point at it: once it has one of these, it must not move.
#[repr(C)]
pub struct StoreCore {
    /// The part that generated code sees. First, so that a pointer to it is a pointer to the store.
    pub vm: VMStore,
    /// Which store this is.
    pub id: StoreId,
    pub(crate) activation: ActivationState,
    pub(crate) account: Account,
    types: Arc<TypeRegistry>,
    memory_plan: MemoryPlan,
    memories: Owned<Memory>,
    tables: Owned<Table>,
    globals: Owned<Global>,
    instances: Owned<Instance>,
    host_funcs: Owned<HostFunc>,
    externrefs: ExternRefs,
}

// SAFETY: everything it points at, it owns, or is `Send + Sync` (code, types, tiering, host functions,
// host values). `vm` points into this store and, only while a call runs, at that thread's stack; a call
// borrows the store for its whole duration, so the store does not move to another thread meanwhile.
unsafe impl Send for StoreCore {}

impl StoreCore {
    /// An empty store of the engine whose types these are.
    #[must_use]
    pub fn new(types: Arc<TypeRegistry>, config: StoreConfig) -> Self {
        let StoreConfig {
            limits,
            memory_plan,
            max_wasm_stack,
            host_stack,
            interrupt,
        } = config;
        let flag = interrupt.flag();
        Self {
            vm: VMStore {
                stack_limit: 0,
                exit_pc: 0,
                exit_fp: 0,
                caller: ptr::null_mut(),
                entry: ptr::null_mut(),
                interrupt: flag,
                limit_before_move: 0,
            },
            id: StoreId::next(),
            activation: ActivationState::new(interrupt, max_wasm_stack, host_stack),
            account: Account::new(limits),
            types,
            memory_plan,
            memories: Owned::new(),
            tables: Owned::new(),
            globals: Owned::new(),
            instances: Owned::new(),
            host_funcs: Owned::new(),
            externrefs: ExternRefs::default(),
        }
    }

    /// The types of its engine.
    #[must_use]
    pub fn types(&self) -> &Arc<TypeRegistry> {
        &self.types
    }

    /// Its bounds.
    #[must_use]
    pub fn limits(&self) -> ResourceLimits {
        self.account.limits
    }

    /// Sets its bounds from now on.
    pub fn set_limits(&mut self, limits: ResourceLimits) {
        self.account.limits = limits;
    }

    /// How much of a resource it holds.
    #[must_use]
    pub fn used(&self, resource: Resource) -> u64 {
        self.account.used(resource)
    }

    /// The last thing that its limit of a resource did not allow.
    #[must_use]
    pub fn refused(&self, resource: Resource) -> Option<LimitError> {
        self.account.refused(resource)
    }

    /// The state that interrupt handles share with it.
    #[must_use]
    pub fn interrupt_state(&self) -> &Arc<InterruptState> {
        &self.activation.interrupt
    }

    /// All instances, in the order in which they were made.
    pub fn instances(&self) -> impl ExactSizeIterator<Item = NonNull<Instance>> + '_ {
        self.instances.items.iter().copied()
    }

    pub(crate) fn own_instance(&mut self, instance: Box<Instance>) -> NonNull<Instance> {
        self.instances.push(instance)
    }

    pub(crate) fn own_memory(&mut self, memory: Memory) -> NonNull<Memory> {
        self.memories.push(Box::new(memory))
    }

    pub(crate) fn own_table(&mut self, table: Table) -> NonNull<Table> {
        self.tables.push(Box::new(table))
    }

    pub(crate) fn make_memory(
        &self,
        account: &mut Account,
        ty: MemoryType,
    ) -> Result<Memory, MemoryError> {
        let pages = ty.minimum;
        let bytes = pages.saturating_mul(upshift_module::WASM_PAGE_SIZE);
        let limit = |source| MemoryError::Limit { pages, source };
        account.charge(Resource::Memories, 1).map_err(limit)?;
        account
            .charge(Resource::MemoryBytes, bytes)
            .map_err(limit)?;
        Memory::new(ty, self.memory_plan)
    }

    pub(crate) fn make_table(
        account: &mut Account,
        ty: TableType,
        initial: u64,
    ) -> Result<Table, TableError> {
        let elements = ty.minimum;
        let limit = |source| TableError::Limit { elements, source };
        account.charge(Resource::Tables, 1).map_err(limit)?;
        account
            .charge(Resource::TableElements, elements.into())
            .map_err(limit)?;
        Table::new(ty, initial)
    }

    /// Creates a memory for the host to use and to give to imports.
    ///
    /// # Errors
    /// When a limit is reached, or address space or memory cannot be had.
    pub fn new_memory(&mut self, ty: MemoryType) -> Result<NonNull<Memory>, MemoryError> {
        let mut account = self.account.clone();
        let memory = self.make_memory(&mut account, ty)?;
        self.account = account;
        Ok(self.own_memory(memory))
    }

    /// Creates a table, all elements `initial`, for the host to use and to give to imports.
    ///
    /// # Errors
    /// When a limit is reached, or memory cannot be had.
    ///
    /// # Safety
    /// `initial` is a reference of the element type and of this store, or null.
    pub unsafe fn new_table(
        &mut self,
        ty: TableType,
        initial: u64,
    ) -> Result<NonNull<Table>, TableError> {
        let mut account = self.account.clone();
        let table = Self::make_table(&mut account, ty, initial)?;
        self.account = account;
        Ok(self.own_table(table))
    }

    /// Creates a global for the host to use and to give to imports.
    ///
    /// # Safety
    /// `bits` are a value of the type, zero-extended; a reference is of this store.
    pub unsafe fn new_global(&mut self, ty: GlobalType, bits: u128) -> NonNull<Global> {
        self.globals.push(Box::new(Global::new(ty, bits)))
    }

    /// Creates a host function of this type.
    ///
    /// # Safety
    /// `ty` is leased from this store's registry, `vectors` is an [`ArgCursor`](crate::ArgCursor)'s answer
    /// for the type, `callback` reads the arguments and sets the results that the type has, and the store
    /// does not move from now on.
    pub unsafe fn new_host_func(
        &mut self,
        ty: TypeLease,
        vectors: VectorUse,
        callback: HostCallback,
    ) -> NonNull<VMFuncRef> {
        let func = HostFunc::new(&raw mut self.vm, ty, vectors, callback);
        let func = self.host_funcs.push(func);
        // SAFETY: the store has just taken it.
        NonNull::from(unsafe { &func.as_ref().funcref })
    }

    /// Keeps a host value for guests to refer to, until the store is dropped.
    ///
    /// Each costs an entry of 16 bytes (twice that at most, after the list has grown) and its box: a
    /// loop that makes a million small ones holds some 46 MB until then.
    pub fn new_externref(&mut self, value: Box<dyn Any + Send + Sync>) -> ExternHandle {
        self.externrefs.insert(value)
    }

    /// The host value with this handle, or `None` if this store has given out no such handle.
    #[must_use]
    pub fn externref(&self, handle: ExternHandle) -> Option<&(dyn Any + Send + Sync)> {
        self.externrefs.get(handle)
    }

    /// How many host values it keeps.
    #[must_use]
    pub fn externref_count(&self) -> usize {
        self.externrefs.len()
    }

    /// Grows a memory of this store by `delta` pages. Returns the size before, in pages.
    ///
    /// # Errors
    /// When the memory's type, a limit or the system does not allow it. Nothing has changed then.
    pub fn grow_memory(&mut self, memory: &Memory, delta: u64) -> Result<u64, GrowError> {
        memory.grow(delta, &mut self.account)
    }

    /// Grows a table of this store by `delta` elements, which become `value`. Returns the size before.
    ///
    /// # Errors
    /// When the table's type, a limit or the system does not allow it. Nothing has changed then.
    ///
    /// # Safety
    /// `value` is a reference of the table's element type and of this store, or null.
    pub unsafe fn grow_table(
        &mut self,
        table: &Table,
        delta: u32,
        value: u64,
    ) -> Result<u32, GrowError> {
        // SAFETY: as the caller says.
        unsafe { table.grow(delta, value, &mut self.account, Stop::NEVER) }
    }

    /// Whether `address` lies in the address space of one of its memories.
    ///
    /// May be called from a signal handler that interrupted this store's generated code: it takes no
    /// lock and allocates nothing, and generated code is not in the middle of changing the list.
    #[must_use]
    pub fn is_guard_address(&self, address: usize) -> bool {
        // SAFETY: the store owns its memories.
        self.memories
            .items
            .iter()
            .any(|memory| unsafe { memory.as_ref() }.reserves(address))
    }
}

#[cfg(test)]
mod tests;
