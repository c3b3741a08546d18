//! Compiled code of a module and its tables: functions, traps, offsets.
//! Where the bytes live is in `code_memory`; the choice of code to publish is in the tiering crate.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Weak};

use upshift_module::{DefinedFuncIndex, FuncIndex, LoopIndex, Module, ModuleOffset, PrimaryMap};

use crate::code_account::{CodeAccount, CodeMemoryError, CodePurpose};
use crate::code_memory::{CodeChunk, CodeRange, LazyStubs};
use crate::sync::{Mutex, RwLock};
use crate::{CodeSlot, TrapCode};

/// Code of one function, or of one OSR entry of it, in code memory.
#[derive(Debug)]
pub struct InstalledCode {
    /// Executable address of the first instruction.
    pub address: usize,
    /// Bytes of code.
    pub len: usize,
    /// The function.
    pub function: FuncIndex,
    /// The loop that this code is entered at, if it is an OSR entry.
    pub loop_entry: Option<LoopIndex>,
    /// Bytes of stack that an OSR entry takes, without its callees; else 0.
    pub entry_stack: usize,
    /// The name of the tier that made it.
    pub tier: &'static str,
    /// The instructions that may trap, in their order.
    pub traps: Box<[TrapSite]>,
    /// Which instructions belong to which operator, in their order.
    pub offsets: Box<[CodeOffset]>,
    /// In code that has other functions inlined, the answers about those; takes the place of `offsets`.
    pub inlined: Option<Arc<dyn InlinedFrames>>,
}

/// An instruction that may trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// Where it is, in bytes from the start of its code.
    pub code: u32,
    /// The trap.
    pub trap: TrapCode,
}

/// From where on instructions belong to an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeOffset {
    /// Where the first is, in bytes from the start of its code.
    pub code: u32,
    /// Where the operator is.
    pub module: ModuleOffset,
}

/// Where instructions of code with inlined functions come from.
pub trait InlinedFrames: fmt::Debug + Send + Sync {
    /// The places in the module of the operator that the instruction at `pc` belongs to and of the
    /// calls, all inlined, that led to it: innermost first. Empty where nothing is known.
    fn module_offsets_at(&self, pc: usize) -> Vec<ModuleOffset>;
}

impl InstalledCode {
    /// The trap of the instruction at `pc`, if it may trap.
    #[must_use]
    pub fn trap_at(&self, pc: usize) -> Option<TrapCode> {
        let offset = u32::try_from(pc.checked_sub(self.address)?).ok()?;
        let found = self
            .traps
            .binary_search_by_key(&offset, |site| site.code)
            .ok()?;
        Some(self.traps[found].trap)
    }

    /// The place in the module of the operator that the instruction at `pc` belongs to.
    #[must_use]
    pub fn module_offset_at(&self, pc: usize) -> Option<ModuleOffset> {
        let offset = u32::try_from(pc.checked_sub(self.address)?).ok()?;
        let after = self.offsets.partition_point(|of| of.code <= offset);
        Some(self.offsets[after.checked_sub(1)?].module)
    }
}

/// Bytes set aside in code memory: written at one address, executed at the other.
#[derive(Clone, Copy, Debug)]
pub struct CodeAllocation {
    /// Where to write.
    pub writable: *mut u8,
    /// Where the same bytes are executed.
    pub executable: *const u8,
    /// How many bytes.
    pub size: usize,
}

/// All code of one module, and its slots. Unmapped when the last module, store and worker let go of it.
pub struct ModuleCode {
    /// The module.
    module: Arc<Module>,
    /// One entry point per defined function.
    slots: PrimaryMap<DefinedFuncIndex, CodeSlot>,
    /// Their first contents.
    stubs: LazyStubs,
    /// Memory that code is put into.
    arena: Mutex<Arena>,
    /// The account that it counts for.
    account: Arc<CodeAccount>,
    /// Code by its first address.
    installed: RwLock<BTreeMap<usize, Arc<InstalledCode>>>,
    /// Itself, for the registry.
    this: Weak<ModuleCode>,
}

#[derive(Default)]
struct Arena {
    /// The last one is being filled.
    chunks: Vec<CodeChunk>,
    /// Bytes of all of them.
    mapped: usize,
    /// Bytes used of the last one.
    used: usize,
}

/// Code chunks of all live modules by their first executable address.
static REGISTRY: RwLock<BTreeMap<usize, (usize, Weak<ModuleCode>)>> = RwLock::new(BTreeMap::new());

const FIRST_CHUNK: usize = 16 << 10;
const LARGEST_CHUNK: usize = 1 << 20;

impl ModuleCode {
    /// Slots for `module`, each at its lazy stub, and no bounds on its code. Compiles nothing.
    ///
    /// # Errors
    /// When the system has no code memory for us.
    pub fn new(module: Arc<Module>) -> io::Result<Arc<Self>> {
        Self::within(module, Arc::default())
    }

    /// The same for a module of an engine whose account its code counts for.
    ///
    /// # Errors
    /// When the system has no code memory for us.
    pub fn within(module: Arc<Module>, account: Arc<CodeAccount>) -> io::Result<Arc<Self>> {
        let range = CodeRange::current()?;
        let stubs = range.lazy_stubs(module.bodies.len())?;
        let slots = (module.bodies.keys())
            .map(|function| AtomicPtr::new(stubs.address(function)))
            .collect();
        Ok(Arc::new_cyclic(|this| Self {
            module,
            slots,
            stubs,
            arena: Mutex::default(),
            account,
            installed: RwLock::default(),
            this: this.clone(),
        }))
    }

    /// The module whose code this is.
    #[must_use]
    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// The slots, one per defined function.
    #[must_use]
    pub fn slots(&self) -> &PrimaryMap<DefinedFuncIndex, CodeSlot> {
        &self.slots
    }

    /// Sets memory aside for code of `size` bytes, aligned to `align`, a power of two of at most a page.
    ///
    /// # Errors
    /// When a bound is reached, or the system has no memory.
    pub fn allocate(
        &self,
        size: usize,
        align: usize,
        purpose: CodePurpose,
    ) -> Result<CodeAllocation, CodeMemoryError> {
        let mut arena = self.arena.lock();
        let used = arena.used;
        let place_in = |chunk: &CodeChunk| {
            // Where pages are made executable after one write, nothing else may share them.
            let align = if chunk.writes_once() {
                chunk.page_size()
            } else {
                align.max(16)
            };
            let start = used.next_multiple_of(align);
            (chunk.is_own() && start + size <= chunk.len()).then_some(start)
        };
        let place = arena.chunks.last().and_then(place_in);
        let start = if let Some(start) = place {
            start
        } else {
            let chunk = self.new_chunk(&arena, size, purpose)?;
            if let Some(full) = arena.chunks.last() {
                full.rest();
            }
            let first = chunk.executable();
            REGISTRY
                .write()
                .insert(first, (first + chunk.len(), self.this.clone()));
            arena.mapped += chunk.len();
            arena.chunks.push(chunk);
            0
        };
        arena.used = start + size;
        let chunk = arena
            .chunks
            .last()
            .expect("one was pushed if there was none");
        Ok(CodeAllocation {
            writable: ptr::with_exposed_provenance_mut(chunk.writable() + start),
            executable: ptr::with_exposed_provenance(chunk.executable() + start),
            size,
        })
    }

    /// Memory for `size` bytes of code, and where the bounds allow it for later code.
    fn new_chunk(
        &self,
        arena: &Arena,
        size: usize,
        purpose: CodePurpose,
    ) -> Result<CodeChunk, CodeMemoryError> {
        let range = CodeRange::current()?;
        let least = range.chunk_len(size);
        let wanted = FIRST_CHUNK << arena.chunks.len().min(16);
        let wanted = least.max(range.chunk_len(wanted.min(LARGEST_CHUNK)));
        let charge = |len| {
            self.account
                .charge(len, arena.mapped, purpose)
                .map(|()| len)
        };
        let len = charge(wanted).or_else(|_| charge(least))?;
        range
            .allocate(len)
            .inspect_err(|_| self.account.give_back(len))
    }

    /// Copies `bytes`, which refer to no symbol, into code memory, aligned to `align`, a power of two of at
    /// most a page. Where they are executed; still to be [installed](Self::install).
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    pub fn place(
        &self,
        bytes: &[u8],
        align: usize,
        purpose: CodePurpose,
    ) -> Result<usize, CodeMemoryError> {
        let allocation = self.allocate(bytes.len(), align, purpose)?;
        // SAFETY: the allocation is new and as large as this; nobody else knows of it yet.
        unsafe {
            allocation
                .writable
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Ok(allocation.executable.addr())
    }

    /// Makes written code executable and findable by its addresses. Does not publish it.
    ///
    /// # Errors
    /// When the system refuses to make it executable.
    pub fn install(&self, code: InstalledCode) -> Result<Arc<InstalledCode>, CodeMemoryError> {
        let arena = self.arena.lock();
        let mut chunks = arena.chunks.iter().rev();
        let chunk = chunks.find(|chunk| chunk.contains(code.address));
        let chunk = chunk.ok_or_else(|| io::Error::other("not an address of the module's code"))?;
        chunk.seal(code.address, code.len)?;
        drop(arena);
        let code = Arc::new(code);
        self.installed
            .write()
            .insert(code.address, Arc::clone(&code));
        Ok(code)
    }

    /// Makes calls of the function go to this code from now on.
    ///
    /// The release store pairs with the data dependency of a caller's load of the slot: a thread that sees the
    /// address sees the bytes, which were written through another mapping of the same pages before.
    /// x86-64 keeps instruction fetch coherent with stores of other cores once a jump has been taken.
    ///
    /// # Panics
    /// When `code` is an OSR entry, or the function is not one of this module's.
    pub fn publish(&self, code: &InstalledCode) {
        assert!(code.loop_entry.is_none(), "an OSR entry is not called");
        let defined = self
            .module
            .defined_function(code.function)
            .expect("a defined function");
        let address = ptr::with_exposed_provenance_mut(code.address);
        self.slots[defined].store(address, Ordering::Release);
    }

    /// Makes the next call of the function ask for its code again, as the first call did: published code stays, but
    /// calls no longer go there. For publishers, under the same lock.
    ///
    /// # Panics
    /// When there is no such function.
    pub fn announce_calls(&self, defined: DefinedFuncIndex) {
        let stub = self.stubs.address(defined);
        // Stubs are older than the module; nothing behind the address is new.
        self.slots[defined].store(stub, Ordering::Release);
    }

    /// The code that `pc` is in.
    #[must_use]
    pub fn find(&self, pc: usize) -> Option<Arc<InstalledCode>> {
        let installed = self.installed.read();
        let (_, code) = installed.range(..=pc).next_back()?;
        (pc < code.address + code.len).then(|| Arc::clone(code))
    }

    /// Bytes of stack that the OSR entry at this address takes.
    #[must_use]
    pub fn entry_stack(&self, address: usize) -> usize {
        let installed = self.installed.read();
        installed.get(&address).map_or(0, |code| code.entry_stack)
    }

    /// The machine code that was installed at this address.
    #[must_use]
    pub fn bytes_at(&self, address: usize) -> Option<Vec<u8>> {
        let len = self.installed.read().get(&address)?.len;
        let code: *const u8 = ptr::with_exposed_provenance(address);
        // SAFETY: installed code is readable and does not change as long as `self` lives.
        Some(unsafe { slice::from_raw_parts(code, len) }.to_vec())
    }

    /// All installed code, in no useful order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<InstalledCode>> {
        self.installed.read().values().cloned().collect()
    }

    /// Bytes of code memory held.
    #[must_use]
    pub fn mapped_bytes(&self) -> usize {
        self.arena.lock().mapped
    }
}

impl Drop for ModuleCode {
    fn drop(&mut self) {
        let arena = self.arena.get_mut();
        let mut registry = REGISTRY.write();
        for chunk in &arena.chunks {
            registry.remove(&chunk.executable());
        }
        drop(registry);
        arena.chunks.clear();
        self.account.give_back(arena.mapped);
    }
}

/// Generated code, and whose it is.
pub struct FoundCode {
    /// The module's code.
    pub module: Arc<ModuleCode>,
    /// The code of one of its functions.
    pub code: Arc<InstalledCode>,
}

/// The code that `pc` is in, if it is generated code.
#[must_use]
pub fn find_code(pc: usize) -> Option<FoundCode> {
    let module = {
        let registry = REGISTRY.read();
        let (_, (end, module)) = registry.range(..=pc).next_back()?;
        (pc < *end).then(|| module.upgrade())??
    };
    let code = module.find(pc)?;
    Some(FoundCode { module, code })
}
