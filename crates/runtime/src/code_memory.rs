//! Code memory: one reserved range per process, made of memory files that are mapped twice, writable at one address and
//! executable at another, so that nothing is ever both and publishing changes no permission.
//!
//! ```text
//! +--------------------+ 0
//! | thunk: jmp lazy    | an absolute jump to the common part of the lazy stubs
//! +--------------------+ STUBS_START
//! | lazy stub 0        | mov eax, 0 ; jmp thunk      16 bytes each
//! | lazy stub 1        | ...
//! +--------------------+ STUBS_END
//! | chunks of modules  | page-granular, first fit
//! +--------------------+ CodeRange::size
//! ```
//!
//! Addresses are backed when something is put there, a **segment** at a time: a memory file whose descriptor is closed as
//! soon as it is mapped. Freed memory is emptied, and backed still.
//!
//! **Forks.** A child executes the pages that its parent had, at the same addresses: both map the same files. So neither
//! changes them any more. A segment that existed at a fork gets no new code, in the parent as in the child; freeing
//! a chunk of it takes away the own mapping of these pages, whose memory goes with the file, when no process maps any of
//! that. A fork copies nothing, then, and needs no memory. Children do not inherit the writable mappings; they reserve
//! addresses for their own when they have something to write.
//!
//! Where a memory file can't be had, or its executable mapping is denied, a chunk is anonymous memory, whose fresh pages
//! are written once and then made executable. A fork makes those private by itself.

mod mapping;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use mapping::{
    MemoryFile, give_addresses_back, is_emptied, keep_from_children, map_anonymous,
    reserve_addresses, vacate,
};
use state::{Free, RangeState, WritableView};

use upshift_module::{DefinedFuncIndex, EntityRef, to_u64};

use crate::address_space::available_address_space;
use crate::code_account::{CodeLimitError, CodeMemoryError, CodePurpose, CodeScope};
use crate::sync::Mutex;
use crate::{arch, fork};

/// Addresses reserved for code: branches within it and loads of constants reach with 32 bits.
const RANGE_SIZE: usize = 1 << 30;
/// The least that is reserved where address space is scarce.
const LEAST_RANGE_SIZE: usize = 64 << 20;
/// Which part of the address space that a limit leaves to the process the two mappings take at most.
const SHARE: u64 = 4;
/// Validation allows a million functions.
const STUBS_END: usize = STUBS_START + (1 << 20) * arch::LAZY_STUB_SIZE;
const STUBS_START: usize = 4096;
/// Stubs are written this many at a time: whole pages.
const STUB_BATCH: usize = 4096;
/// The least that is backed at once: small chunks share it.
const SEGMENT: usize = 256 << 10;

static RANGE: AtomicPtr<CodeRange> = AtomicPtr::new(ptr::null_mut());
static CREATION: Mutex<()> = Mutex::new(());
/// Whether code is kept in anonymous memory.
static ANONYMOUS: AtomicBool = AtomicBool::new(false);

/// The code memory of a process. Never unmapped.
pub(crate) struct CodeRange {
    executable: usize,
    /// Bytes of addresses.
    size: usize,
    page_size: usize,
    state: Mutex<RangeState>,
}

/// Pages of a range, given back on drop.
pub(crate) struct CodeChunk {
    range: &'static CodeRange,
    offset: usize,
    len: usize,
    memory: ChunkMemory,
}

/// The memory behind pages of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkMemory {
    /// A memory file, written to at this address by the process of this generation, mapped after so many forks.
    File {
        writable: usize,
        generation: u32,
        epoch: u32,
    },
    /// Anonymous memory, written before it is executable.
    Anonymous,
}

/// Addresses of lazy stubs.
pub(crate) struct LazyStubs {
    first: usize,
}

impl LazyStubs {
    pub(crate) fn address(&self, function: DefinedFuncIndex) -> *mut u8 {
        let address = self.first + function.index() * arch::LAZY_STUB_SIZE;
        ptr::with_exposed_provenance_mut(address)
    }
}

/// Keeps code in anonymous memory instead of memory files, from the first module of the process on: tools that
/// take names from outside look for them only there. Has no effect on a process that has code already.
pub fn keep_code_anonymous() {
    if RANGE.load(Ordering::Relaxed).is_null() {
        ANONYMOUS.store(true, Ordering::Relaxed);
    }
}

/// Whether `pc` is in generated code or in a lazy stub. Async-signal-safe.
pub(crate) fn contains(pc: usize) -> bool {
    // SAFETY: a range is leaked before its pointer is stored, and never changes its addresses.
    let range = unsafe { RANGE.load(Ordering::Acquire).as_ref() };
    range.is_some_and(|range| pc.wrapping_sub(range.executable) < range.size)
}

impl CodeRange {
    /// The process's range, reserved on first use. Children have that of their parent.
    pub(crate) fn current() -> io::Result<&'static Self> {
        let find = || {
            // SAFETY: as in `contains`.
            unsafe { RANGE.load(Ordering::Acquire).as_ref() }
        };
        if let Some(range) = find() {
            return Ok(range);
        }
        fork::prepare();
        let _creating = CREATION.lock();
        if let Some(range) = find() {
            return Ok(range);
        }
        let range = Box::leak(Box::new(Self::reserve()?));
        RANGE.store(range, Ordering::Release);
        Ok(range)
    }

    /// As much as a limit on address space leaves room for, beside memories and stacks.
    fn reserve() -> io::Result<Self> {
        let mut size = RANGE_SIZE;
        if let Some(available) = available_address_space() {
            while 2 * to_u64(size) > available / SHARE && size > LEAST_RANGE_SIZE {
                size /= 2;
            }
        }
        loop {
            match Self::reserve_sized(size) {
                Err(_) if size > LEAST_RANGE_SIZE => size /= 2,
                result => return result,
            }
        }
    }

    fn reserve_sized(size: usize) -> io::Result<Self> {
        // SAFETY: no preconditions.
        let page_size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page_size = usize::try_from(page_size).map_err(io::Error::other)?;
        let start = STUBS_END.next_multiple_of(page_size);
        let all = Free {
            len: size - start,
            backed: false,
        };
        let anonymous = ANONYMOUS.load(Ordering::Relaxed);
        let writable = if anonymous {
            None
        } else {
            Some(WritableView::reserve(size)?)
        };
        let executable = reserve_addresses(size).inspect_err(|_| {
            if let Some(view) = writable {
                give_addresses_back(view.base, size);
            }
        })?;
        Ok(Self {
            executable,
            size,
            page_size,
            state: Mutex::new(RangeState {
                free: BTreeMap::from([(start, all)]),
                stubs: 0,
                epoch: fork::epoch(),
                writable,
                anonymous,
            }),
        })
    }

    /// Stubs for functions `0..count`, the same for all modules.
    pub(crate) fn lazy_stubs(&'static self, count: usize) -> io::Result<LazyStubs> {
        let mut state = self.state.lock();
        if state.stubs < count {
            let (first, end) = (state.stubs, count.next_multiple_of(STUB_BATCH));
            let offset = |function| STUBS_START + function * arch::LAZY_STUB_SIZE;
            if offset(end) > STUBS_END {
                return Err(io::Error::other(
                    "a module with more than a million functions",
                ));
            }
            // The thunk's page goes with the first stubs; no two batches share a page.
            let start = if first == 0 { 0 } else { offset(first) };
            let len = offset(end) - start;
            state.notice_forks();
            let memory = match self.back(&mut state, start, len)? {
                Some(memory) => memory,
                None => {
                    self.open(start, len)?;
                    ChunkMemory::Anonymous
                }
            };
            let writable = self.writable(memory, start);
            // SAFETY: the range reserves these bytes for stubs, they are writable now, and the lock
            // makes this thread their only writer.
            unsafe {
                if first == 0 {
                    arch::write_lazy_thunk(ptr::with_exposed_provenance_mut(writable));
                }
                for function in first..end {
                    let at = writable + (offset(function) - start);
                    arch::write_lazy_stub(
                        ptr::with_exposed_provenance_mut(at),
                        DefinedFuncIndex::new(function),
                        offset(function),
                    );
                }
            }
            if memory == ChunkMemory::Anonymous {
                self.close(start, len)?;
            }
            rest(memory, len);
            state.stubs = end;
        }
        Ok(LazyStubs {
            first: self.executable + STUBS_START,
        })
    }

    /// Bytes of pages for so many bytes of code.
    pub(crate) fn chunk_len(&self, size: usize) -> usize {
        size.next_multiple_of(self.page_size)
    }

    /// Pages for at least `size` bytes of code.
    pub(crate) fn allocate(&'static self, size: usize) -> Result<CodeChunk, CodeMemoryError> {
        let len = self.chunk_len(size);
        let mut state = self.state.lock();
        state.notice_forks();
        let found = state.find(len).or_else(|| {
            // Pages of both kinds next to one another.
            state.take_as_unbacked();
            state.find(len)
        });
        let (offset, found) = found.ok_or_else(|| {
            let free: usize = state.free.values().map(|free| free.len).sum();
            CodeLimitError {
                scope: CodeScope::Process,
                limit: self.size,
                used: self.size - free,
                requested: len,
                purpose: CodePurpose::Running,
            }
        })?;
        state.free.remove(&offset);
        let placed = self.place(&mut state, offset, len, found);
        let (memory, backed) = match placed {
            Ok(placed) => placed,
            Err(error) => {
                state.give(offset, found.len, found.backed);
                return Err(error.into());
            }
        };
        state.give(offset + len, backed - len, true);
        state.give(offset + backed, found.len - backed, false);
        drop(state);
        Ok(CodeChunk {
            range: self,
            offset,
            len,
            memory,
        })
    }

    /// Has there be memory behind the first pages of those that were found: `len` bytes at least. Says which, and of how
    /// many bytes that holds.
    fn place(
        &self,
        state: &mut RangeState,
        offset: usize,
        len: usize,
        found: Free,
    ) -> io::Result<(ChunkMemory, usize)> {
        if let Some(memory) = state.file_at(offset).filter(|_| found.backed) {
            return Ok((memory, found.len));
        }
        let segment = len.next_multiple_of(SEGMENT).min(found.len);
        if let Some(memory) = self.back(state, offset, segment)? {
            return Ok((memory, segment));
        }
        self.open(offset, len)?;
        Ok((ChunkMemory::Anonymous, len))
    }

    /// Maps a new memory file at unbacked pages. `None` where that is not to be had, and nothing has changed.
    fn back(
        &self,
        state: &mut RangeState,
        offset: usize,
        len: usize,
    ) -> io::Result<Option<ChunkMemory>> {
        if state.anonymous {
            return Ok(None);
        }
        let base = state.writable_base(self.size)?;
        let Some(file) = MemoryFile::new(len) else {
            return Ok(None);
        };
        let (writable, executable) = (base + offset, self.executable + offset);
        let write = libc::PROT_READ | libc::PROT_WRITE;
        file.map(writable, write)?;
        let execute = libc::PROT_READ | libc::PROT_EXEC;
        let mapped = keep_from_children(writable, len).and_then(|()| file.map(executable, execute));
        if let Err(error) = mapped {
            vacate(writable, len)?;
            if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM)) {
                // The system's rules, which do not change.
                state.anonymous = true;
                return Ok(None);
            }
            return Err(error);
        }
        Ok(state.file_at(offset))
    }

    /// Where pages at an offset are written to.
    fn writable(&self, memory: ChunkMemory, offset: usize) -> usize {
        match memory {
            ChunkMemory::File { writable, .. } => writable,
            ChunkMemory::Anonymous => self.executable + offset,
        }
    }

    /// Has unbacked pages be anonymous memory: writable, and not executable.
    fn open(&self, offset: usize, len: usize) -> io::Result<()> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        map_anonymous(self.executable + offset, len, protection)
    }

    /// Makes whole pages of anonymous memory executable, and not writable.
    fn close(&self, offset: usize, len: usize) -> io::Result<()> {
        let len = len.next_multiple_of(self.page_size);
        let address = ptr::with_exposed_provenance_mut(self.executable + offset);
        let protection = libc::PROT_READ | libc::PROT_EXEC;
        // SAFETY: the pages are inside of the range, which is ours alone.
        match unsafe { libc::mprotect(address, len, protection) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Takes back a chunk in which nothing runs.
    fn free(&self, chunk: &CodeChunk) {
        let mut state = self.state.lock();
        state.notice_forks();
        let (offset, len) = (chunk.offset, chunk.len);
        let backed = match chunk.memory {
            ChunkMemory::File {
                writable, epoch, ..
            } => epoch == state.epoch && is_emptied(writable, len),
            ChunkMemory::Anonymous => false,
        };
        if !backed {
            if let ChunkMemory::File {
                writable,
                generation,
                ..
            } = chunk.memory
                && generation == fork::generation()
            {
                // Should it fail, the pages stay a little longer.
                let _ = vacate(writable, len);
            }
            if vacate(self.executable + offset, len).is_err() {
                // Without these addresses, then.
                return;
            }
        }
        state.give(offset, len, backed);
    }
}

/// Drops pages from the writable mapping until something is written to them: a page that is mapped at two addresses counts
/// twice as resident.
fn rest(memory: ChunkMemory, len: usize) {
    if let ChunkMemory::File {
        writable,
        generation,
        ..
    } = memory
        && generation == fork::generation()
    {
        // SAFETY: the pages are inside of the range and belong to a memory file, which keeps its bytes, be they written by
        // another thread at this moment. A failure costs nothing.
        unsafe {
            libc::madvise(
                ptr::with_exposed_provenance_mut(writable),
                len,
                libc::MADV_DONTNEED,
            )
        };
    }
}

impl CodeChunk {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether more may be put into it: no relative has the same pages.
    pub(crate) fn is_own(&self) -> bool {
        match self.memory {
            ChunkMemory::File { epoch, .. } => epoch == fork::epoch(),
            ChunkMemory::Anonymous => true,
        }
    }

    /// Whether pages are written once, then made executable.
    pub(crate) fn writes_once(&self) -> bool {
        self.memory == ChunkMemory::Anonymous
    }

    pub(crate) fn page_size(&self) -> usize {
        self.range.page_size
    }

    pub(crate) fn writable(&self) -> usize {
        self.range.writable(self.memory, self.offset)
    }

    pub(crate) fn executable(&self) -> usize {
        self.range.executable + self.offset
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.executable()) < self.len
    }

    /// Makes `len` bytes at executable `address` executable, if they are not.
    pub(crate) fn seal(&self, address: usize, len: usize) -> io::Result<()> {
        if !self.writes_once() {
            return Ok(());
        }
        let offset = address - self.range.executable;
        let start = offset & !(self.range.page_size - 1);
        self.range.close(start, offset + len - start)
    }

    /// Says that little will be written to it from now on.
    pub(crate) fn rest(&self) {
        rest(self.memory, self.len);
    }
}

impl Drop for CodeChunk {
    fn drop(&mut self) {
        self.range.free(self);
    }
}

#[cfg(test)]
mod tests;
