//! Code memory: one reserved range per process, mapped twice from one memory file, writable at one
//! address and executable at another, so that nothing is ever both and publishing changes no permission.
//!
//! ```text
//! +--------------------+ 0
//! | thunk: jmp lazy    | an absolute jump to the common part of the lazy stubs
//! +--------------------+ STUBS_START
//! | lazy stub 0        | mov eax, 0 ; jmp thunk      16 bytes each
//! | lazy stub 1        | ...
//! +--------------------+ STUBS_END
//! | chunks of modules  | page-granular, first fit; freed pages are punched out of the file
//! +--------------------+ CodeRange::size
//! ```
//!
//! Where executable mappings of a memory file are denied, the range is anonymous memory, and fresh pages
//! are written once and then made executable. A forked child must not write to the pages that it shares
//! with its parent, so it gets a range of its own.

use std::collections::BTreeMap;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use parking_lot::Mutex;

use crate::address_space::available_address_space;
use crate::arch;

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
/// One range per process and generation of forks.
const MAX_RANGES: usize = 64;

static RANGES: [AtomicPtr<CodeRange>; MAX_RANGES] =
    [const { AtomicPtr::new(ptr::null_mut()) }; MAX_RANGES];
static CREATION: Mutex<()> = Mutex::new(());
/// Whether ranges reserved from now on are anonymous memory.
static ANONYMOUS: AtomicBool = AtomicBool::new(false);

/// The code memory of a process. Never unmapped.
pub(crate) struct CodeRange {
    /// The process that may write to it.
    pid: i32,
    /// The memory file, unless pages are written once.
    file: Option<i32>,
    writable: usize,
    executable: usize,
    /// Bytes of each mapping.
    size: usize,
    page_size: usize,
    state: Mutex<RangeState>,
}

struct RangeState {
    /// Free pages: offset and length, neighbours merged.
    free: BTreeMap<usize, usize>,
    /// Lazy stubs written so far.
    stubs: usize,
}

/// Pages of a range, given back on drop.
pub(crate) struct CodeChunk {
    range: &'static CodeRange,
    offset: usize,
    len: usize,
}

/// Addresses of lazy stubs.
pub(crate) struct LazyStubs {
    first: usize,
}

impl LazyStubs {
    pub(crate) fn address(&self, function: usize) -> *mut u8 {
        (self.first + function * arch::LAZY_STUB_SIZE) as *mut u8
    }
}

/// Keeps code in anonymous memory instead of a memory file, from the first module of the process on: tools that
/// take names from outside look for them only there. Has no effect on a process that has code already.
pub fn keep_code_anonymous() {
    ANONYMOUS.store(true, Ordering::Relaxed);
}

/// Whether `pc` is in generated code or in a lazy stub. Async-signal-safe.
pub(crate) fn contains(pc: usize) -> bool {
    ranges().any(|range| pc.wrapping_sub(range.executable) < range.size)
}

fn ranges() -> impl Iterator<Item = &'static CodeRange> {
    RANGES.iter().map_while(|range| {
        // SAFETY: a range is leaked before its pointer is stored, and never changes its addresses.
        unsafe { range.load(Ordering::Acquire).as_ref() }
    })
}

impl CodeRange {
    /// The range that this process may write to, reserved on first use.
    pub(crate) fn current() -> io::Result<&'static Self> {
        // SAFETY: no preconditions.
        let pid = unsafe { libc::getpid() };
        let find = || ranges().find(|range| range.pid == pid);
        if let Some(range) = find() {
            return Ok(range);
        }
        let _creating = CREATION.lock();
        if let Some(range) = find() {
            return Ok(range);
        }
        let free = RANGES
            .iter()
            .find(|range| range.load(Ordering::Relaxed).is_null())
            .ok_or_else(|| io::Error::other("code memory cannot be had after 64 nested forks"))?;
        let range = Box::leak(Box::new(Self::reserve(pid)?));
        free.store(range, Ordering::Release);
        Ok(range)
    }

    /// As much as a limit on address space leaves room for, beside memories and stacks.
    fn reserve(pid: i32) -> io::Result<Self> {
        let mut size = RANGE_SIZE;
        if let Some(available) = available_address_space() {
            while 2 * size as u64 > available / SHARE && size > LEAST_RANGE_SIZE {
                size /= 2;
            }
        }
        loop {
            match Self::reserve_sized(pid, size) {
                Err(_) if size > LEAST_RANGE_SIZE => size /= 2,
                result => return result,
            }
        }
    }

    fn reserve_sized(pid: i32, size: usize) -> io::Result<Self> {
        // SAFETY: no preconditions.
        let page_size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let free = BTreeMap::from([(
            STUBS_END.next_multiple_of(page_size),
            size - STUBS_END.next_multiple_of(page_size),
        )]);
        let state = Mutex::new(RangeState { free, stubs: 0 });
        if !ANONYMOUS.load(Ordering::Relaxed)
            && let Ok((file, writable, executable)) = map_twice(size)
        {
            return Ok(Self {
                pid,
                file: Some(file),
                writable,
                executable,
                size,
                page_size,
                state,
            });
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let address = map(size, libc::PROT_NONE, flags, -1)?;
        Ok(Self {
            pid,
            file: None,
            writable: address,
            executable: address,
            size,
            page_size,
            state,
        })
    }

    /// Whether pages are written once, then made executable.
    pub(crate) fn writes_once(&self) -> bool {
        self.file.is_none()
    }

    pub(crate) fn page_size(&self) -> usize {
        self.page_size
    }

    /// Stubs for functions `0..count`, the same for all modules.
    pub(crate) fn lazy_stubs(&self, count: usize) -> io::Result<LazyStubs> {
        let mut state = self.state.lock();
        let written = state.stubs;
        while state.stubs < count {
            let first = state.stubs;
            let batch = STUBS_START + first * arch::LAZY_STUB_SIZE;
            let size = STUB_BATCH * arch::LAZY_STUB_SIZE;
            if batch + size > STUBS_END {
                return Err(io::Error::other(
                    "a module with more than a million functions",
                ));
            }
            // The thunk's page goes with the first batch; no batch shares a page with another.
            let start = if first == 0 { 0 } else { batch };
            self.open(start, batch + size - start)?;
            // SAFETY: the range reserves these bytes for stubs, they are writable now, and the lock
            // makes this thread their only writer.
            unsafe {
                if first == 0 {
                    arch::write_lazy_thunk(self.writable as *mut u8);
                }
                for i in first..first + STUB_BATCH {
                    let offset = STUBS_START + i * arch::LAZY_STUB_SIZE;
                    arch::write_lazy_stub((self.writable + offset) as *mut u8, i as u32, offset);
                }
            }
            self.close(start, batch + size - start)?;
            state.stubs = first + STUB_BATCH;
        }
        if state.stubs > written {
            let start = STUBS_START + written * arch::LAZY_STUB_SIZE;
            self.rest(start, (state.stubs - written) * arch::LAZY_STUB_SIZE);
        }
        Ok(LazyStubs {
            first: self.executable + STUBS_START,
        })
    }

    /// Pages for at least `size` bytes of code.
    pub(crate) fn allocate(&'static self, size: usize) -> io::Result<CodeChunk> {
        let len = size.next_multiple_of(self.page_size);
        let mut state = self.state.lock();
        let (offset, available) = state
            .free
            .iter()
            .find(|&(_, &available)| available >= len)
            .map(|(&offset, &available)| (offset, available))
            .ok_or_else(|| {
                let of = self.size >> 20;
                io::Error::new(
                    io::ErrorKind::OutOfMemory,
                    format!(
                        "the process's {of} MiB of code memory are used up: drop modules that are not needed"
                    ),
                )
            })?;
        state.free.remove(&offset);
        if available > len {
            state.free.insert(offset + len, available - len);
        }
        drop(state);
        self.open(offset, len)?;
        Ok(CodeChunk {
            range: self,
            offset,
            len,
        })
    }

    /// Makes `len` bytes at executable `address` executable, if they are not.
    pub(crate) fn seal(address: usize, len: usize) -> io::Result<()> {
        let range = ranges()
            .find(|range| address.wrapping_sub(range.executable) < range.size)
            .ok_or_else(|| io::Error::other("not an address of code memory"))?;
        let offset = address - range.executable;
        let start = offset & !(range.page_size - 1);
        range.close(start, offset + len - start)
    }

    /// Write-once mode: makes whole pages writable (and not executable).
    fn open(&self, offset: usize, len: usize) -> io::Result<()> {
        self.protect(offset, len, libc::PROT_READ | libc::PROT_WRITE)
    }

    /// Write-once mode: makes whole pages executable (and not writable).
    fn close(&self, offset: usize, len: usize) -> io::Result<()> {
        self.protect(offset, len, libc::PROT_READ | libc::PROT_EXEC)
    }

    fn protect(&self, offset: usize, len: usize, protection: i32) -> io::Result<()> {
        if !self.writes_once() {
            return Ok(());
        }
        let len = len.next_multiple_of(self.page_size);
        // SAFETY: the pages are inside of the range, which is ours alone.
        let status = unsafe {
            libc::mprotect(
                (self.executable + offset) as *mut libc::c_void,
                len,
                protection,
            )
        };
        if status == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Drops pages from the writable mapping until something is written to them: what is mapped at two addresses counts
    /// twice as resident.
    fn rest(&self, offset: usize, len: usize) {
        if self.writes_once() {
            // The only mapping.
            return;
        }
        let address = (self.writable + offset) as *mut libc::c_void;
        // SAFETY: the pages are inside of the range and belong to a memory file, which keeps what was written, be it by
        // another thread at this moment. A failure costs nothing.
        unsafe { libc::madvise(address, len, libc::MADV_DONTNEED) };
    }

    fn free(&self, mut offset: usize, mut len: usize) {
        // SAFETY: no preconditions.
        if self.pid != unsafe { libc::getpid() } {
            // A forked child leaves its parent's pages alone.
            return;
        }
        // SAFETY: the pages are inside of the range, and the chunk's owner says that nothing runs in
        // them. A failure costs memory, nothing else.
        unsafe {
            match self.file {
                Some(file) => {
                    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                    libc::fallocate(file, mode, offset as i64, len as i64);
                }
                None => {
                    let address = (self.executable + offset) as *mut libc::c_void;
                    libc::mprotect(address, len, libc::PROT_NONE);
                    libc::madvise(address, len, libc::MADV_DONTNEED);
                }
            }
        }
        let mut state = self.state.lock();
        if let Some((&before, &size)) = state.free.range(..offset).next_back()
            && before + size == offset
        {
            state.free.remove(&before);
            (offset, len) = (before, size + len);
        }
        if let Some(size) = state.free.remove(&(offset + len)) {
            len += size;
        }
        state.free.insert(offset, len);
    }
}

fn map(size: usize, protection: i32, flags: i32, file: i32) -> io::Result<usize> {
    // SAFETY: a fresh mapping at an address of the system's choice touches nobody's memory.
    let address = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, file, 0) };
    if address == libc::MAP_FAILED {
        Err(io::Error::last_os_error())
    } else {
        Ok(address as usize)
    }
}

fn map_twice(size: usize) -> io::Result<(i32, usize, usize)> {
    // SAFETY: the name is a C string; the result is checked.
    let file = unsafe { libc::memfd_create(c"upshift-code".as_ptr(), libc::MFD_CLOEXEC) };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    let close_on_error = |error| {
        // SAFETY: the descriptor is ours and not used again.
        unsafe { libc::close(file) };
        error
    };
    // SAFETY: an open descriptor.
    if unsafe { libc::ftruncate(file, size as i64) } != 0 {
        return Err(close_on_error(io::Error::last_os_error()));
    }
    let writable = map(
        size,
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED,
        file,
    )
    .map_err(close_on_error)?;
    let executable = map(
        size,
        libc::PROT_READ | libc::PROT_EXEC,
        libc::MAP_SHARED,
        file,
    )
    .map_err(|e| {
        // SAFETY: mapped above, and not used.
        unsafe { libc::munmap(writable as *mut libc::c_void, size) };
        close_on_error(e)
    })?;
    Ok((file, writable, executable))
}

impl CodeChunk {
    pub(crate) fn range(&self) -> &'static CodeRange {
        self.range
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn writable(&self) -> usize {
        self.range.writable + self.offset
    }

    pub(crate) fn executable(&self) -> usize {
        self.range.executable + self.offset
    }

    /// Says that little will be written to it from now on.
    pub(crate) fn rest(&self) {
        self.range.rest(self.offset, self.len);
    }
}

impl Drop for CodeChunk {
    fn drop(&mut self) {
        self.range.free(self.offset, self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_at_one_address_is_read_at_the_other() {
        let range = CodeRange::current().expect("code memory");
        let chunk = range.allocate(10_000).expect("three pages");
        assert_eq!(chunk.len(), 3 * range.page_size());
        // SAFETY: the chunk is ours.
        unsafe {
            (chunk.writable() as *mut u8).write_volatile(0xc3);
            CodeRange::seal(chunk.executable(), 1).expect("sealed");
            assert_eq!((chunk.executable() as *const u8).read_volatile(), 0xc3);
        }
    }

    #[test]
    fn what_rests_keeps_its_content_and_can_be_written() {
        let range = CodeRange::current().expect("code memory");
        let chunk = range.allocate(10_000).expect("three pages");
        let at = |address: usize| address as *mut u8;
        // SAFETY: the chunk is ours.
        unsafe {
            at(chunk.writable()).write_volatile(0xc3);
            chunk.rest();
            assert_eq!(at(chunk.executable()).read_volatile(), 0xc3);
            at(chunk.writable() + 1).write_volatile(0x90);
            assert_eq!(at(chunk.writable()).read_volatile(), 0xc3);
            assert_eq!(at(chunk.executable() + 1).read_volatile(), 0x90);
        }
    }

    #[test]
    fn freed_pages_are_empty_and_merge_with_their_neighbours() {
        let range = Box::leak(Box::new(
            CodeRange::reserve(own_pid()).expect("code memory"),
        ));
        let whole = range.state.lock().free.clone();
        let chunks: Vec<_> = (1..6)
            .map(|n| range.allocate(n * 5000).expect("pages"))
            .collect();
        let first = chunks[0].writable() as *mut u8;
        // SAFETY: the chunk is ours, and after its drop the pages are still mapped.
        unsafe {
            first.write_volatile(1);
            drop(chunks);
            assert_eq!(first.read_volatile(), 0);
        }
        assert_eq!(range.state.lock().free, whole);
    }

    #[test]
    fn a_used_up_range_is_an_error_that_says_so() {
        let range = Box::leak(Box::new(
            CodeRange::reserve(own_pid()).expect("code memory"),
        ));
        let error = range.allocate(RANGE_SIZE).err().expect("too much");
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }

    #[test]
    fn lazy_stubs_load_their_number_and_jump_to_the_thunk() {
        let range = CodeRange::current().expect("code memory");
        for function in [0, 1, STUB_BATCH - 1, STUB_BATCH, 10_000] {
            let stubs = range.lazy_stubs(function + 1).expect("stubs");
            let address = stubs.address(function) as usize;
            // SAFETY: a stub was written there.
            let stub = unsafe { (address as *const [u8; arch::LAZY_STUB_SIZE]).read() };
            let number = u32::from_le_bytes(stub[1..5].try_into().expect("four bytes"));
            let distance = i32::from_le_bytes(stub[6..10].try_into().expect("four bytes"));
            assert_eq!((stub[0], number as usize, stub[5]), (0xb8, function, 0xe9));
            assert_eq!(
                address + 10,
                range.executable.wrapping_sub(distance as usize)
            );
        }
        assert!(range.lazy_stubs(2 << 20).is_err());
    }

    #[test]
    fn a_forked_child_gets_a_range_of_its_own() {
        let parent = CodeRange::current().expect("code memory");
        // SAFETY: the child calls nothing that needs another thread, and ends by `_exit`.
        unsafe {
            let child = libc::fork();
            assert!(child >= 0, "{}", io::Error::last_os_error());
            if child == 0 {
                let own = CodeRange::current().is_ok_and(|range| !ptr::eq(range, parent));
                libc::_exit(if own { 0 } else { 1 });
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            assert_eq!(status, 0);
        }
    }

    fn own_pid() -> i32 {
        // SAFETY: no preconditions.
        unsafe { libc::getpid() }
    }
}
