//! Mappings that a range of code memory is made of. Each function is given pages that belong to a range, and to nobody else.

use std::io;
use std::ptr;

/// Reserves so many bytes of addresses for a range.
pub(super) fn reserve_addresses(size: usize) -> io::Result<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping at an address of the system's choice touches nobody's memory.
    let address = unsafe { libc::mmap(ptr::null_mut(), size, libc::PROT_NONE, flags, -1, 0) };
    if address == libc::MAP_FAILED {
        Err(io::Error::last_os_error())
    } else {
        Ok(address.expose_provenance())
    }
}

/// Gives back addresses at which nothing has been mapped.
pub(super) fn give_addresses_back(address: usize, size: usize) {
    // SAFETY: reserved for a range that does not come about.
    unsafe { libc::munmap(ptr::with_exposed_provenance_mut(address), size) };
}

/// Has pages of a range be private anonymous memory.
pub(super) fn map_anonymous(address: usize, len: usize, protection: i32) -> io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    map_fixed(address, len, protection, flags, -1)
}

/// Maps a file from its start, or no file, at pages of a range.
fn map_fixed(address: usize, len: usize, protection: i32, flags: i32, file: i32) -> io::Result<()> {
    // SAFETY: the pages are inside of a range that is ours alone, and nobody uses their contents.
    let mapped = unsafe {
        libc::mmap(
            ptr::with_exposed_provenance_mut(address),
            len,
            protection,
            flags | libc::MAP_FIXED,
            file,
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Leaves addresses reserved, with nothing behind them.
pub(super) fn vacate(address: usize, len: usize) -> io::Result<()> {
    map_anonymous(address, len, libc::PROT_NONE)
}

/// Has children find nothing mapped at these pages of ours.
pub(super) fn keep_from_children(address: usize, len: usize) -> io::Result<()> {
    // SAFETY: the pages are inside of a range that is ours alone; a child never uses them.
    match unsafe {
        libc::madvise(
            ptr::with_exposed_provenance_mut(address),
            len,
            libc::MADV_DONTFORK,
        )
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives back the memory behind pages of a file that no other process has, if the system does.
pub(super) fn is_emptied(writable: usize, len: usize) -> bool {
    // SAFETY: the pages are inside of a range that is ours alone, and nothing runs in them.
    unsafe {
        libc::madvise(
            ptr::with_exposed_provenance_mut(writable),
            len,
            libc::MADV_REMOVE,
        ) == 0
    }
}

/// A memory file; mappings of it stay when it is closed.
pub(super) struct MemoryFile {
    descriptor: i32,
    len: usize,
}

impl MemoryFile {
    /// An empty one, if the system has one for us.
    pub(super) fn new(len: usize) -> Option<Self> {
        // SAFETY: the name is a C string; the result is checked.
        let descriptor = unsafe { libc::memfd_create(c"upshift-code".as_ptr(), libc::MFD_CLOEXEC) };
        if descriptor < 0 {
            return None;
        }
        let file = Self { descriptor, len };
        // SAFETY: an open descriptor.
        let sized = unsafe { libc::ftruncate(descriptor, libc::off_t::try_from(len).ok()?) };
        (sized == 0).then_some(file)
    }

    /// Maps all of it at pages of a range.
    pub(super) fn map(&self, address: usize, protection: i32) -> io::Result<()> {
        map_fixed(
            address,
            self.len,
            protection,
            libc::MAP_SHARED,
            self.descriptor,
        )
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours and not used again.
        unsafe { libc::close(self.descriptor) };
    }
}
