//! Reserved address space: a thin safe wrapper over the system's mappings. Knows nothing of WebAssembly.

use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};

/// A range of address space that belongs to us: inaccessible at first, then readable and writable from
/// its start on as far as asked for. Newly accessible bytes are zero. Given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    base: NonNull<u8>,
    len: usize,
    /// Bytes that are readable and writable, from the start on.
    accessible: Cell<usize>,
    /// Accessible bytes that are a private view of a file.
    view: Cell<(usize, usize)>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and this value owns it alone.
unsafe impl Send for Reservation {}

impl Reservation {
    /// Reserves `len` bytes, which must not be 0. Takes address space, no memory.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the system's choice touches no existing one.
        let base = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base =
            NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(Self {
            base,
            len,
            accessible: Cell::new(0),
            view: Cell::default(),
        })
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn accessible(&self) -> usize {
        self.accessible.get()
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.base.addr().get()) < self.len
    }

    /// Makes exactly the first `len` bytes readable and writable. On failure nothing has changed.
    ///
    /// # Panics
    /// When that is more than is reserved.
    pub(crate) fn set_accessible(&self, len: usize) -> io::Result<()> {
        let now = self.accessible.get();
        if now < len {
            self.protect(now..len, libc::PROT_READ | libc::PROT_WRITE)?;
        } else if len < now {
            self.protect(len..now, libc::PROT_NONE)?;
        }
        self.accessible.set(len);
        Ok(())
    }

    /// Has these bytes, which must be accessible, be a private view of a file from its start on: writes
    /// stay here. On failure nothing has changed. There can be one view.
    ///
    /// # Panics
    /// When the bytes are not accessible.
    pub(crate) fn map_view(&self, file: RawFd, bytes: Range<usize>) -> io::Result<()> {
        assert!(bytes.start <= bytes.end && bytes.end <= self.accessible());
        assert_eq!(self.view.get(), (0, 0), "one view");
        self.replace(bytes.clone(), file, 0)?;
        self.view.set((bytes.start, bytes.end));
        Ok(())
    }

    /// Has accessible bytes be a new private mapping.
    fn replace(&self, bytes: Range<usize>, file: RawFd, more_flags: libc::c_int) -> io::Result<()> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE | more_flags;
        // SAFETY: the range is within the mapping that we own, and the caller gives up its contents.
        let mapped = unsafe {
            let start = self.base.as_ptr().add(bytes.start).cast();
            libc::mmap(start, bytes.len(), protection, flags, file, 0)
        };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Makes all accessible bytes zero, by giving their memory back to the system.
    pub(crate) fn discard(&mut self) -> io::Result<()> {
        if self.accessible() == 0 {
            return Ok(());
        }
        let (start, end) = self.view.get();
        if start < end {
            self.replace(start..end, -1, libc::MAP_ANONYMOUS)?;
            self.view.set((0, 0));
        }
        // SAFETY: the range is within the mapping that we own. Private anonymous pages read as zero
        // afterwards.
        let result = unsafe {
            libc::madvise(
                self.base.as_ptr().cast(),
                self.accessible(),
                libc::MADV_DONTNEED,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn protect(&self, bytes: Range<usize>, protection: libc::c_int) -> io::Result<()> {
        assert!(
            bytes.start <= bytes.end && bytes.end <= self.len,
            "outside of the reservation"
        );
        // SAFETY: the range is within the mapping that we own.
        let result = unsafe {
            let start = self.base.as_ptr().add(bytes.start);
            libc::mprotect(start.cast(), bytes.len(), protection)
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: we own the mapping, and nobody uses it any more. Nothing can be done about a failure.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accessible_bytes_are_zero_and_writable() {
        let mut reservation = Reservation::new(1 << 33).unwrap();
        reservation.set_accessible(8192).unwrap();
        reservation.set_accessible(16384).unwrap();
        let base = reservation.base().as_ptr();
        // SAFETY: these bytes have just been made accessible.
        unsafe {
            assert_eq!(base.add(16383).read(), 0);
            base.add(16383).write(7);
            assert_eq!(base.add(16383).read(), 7);
            reservation.discard().unwrap();
            assert_eq!(base.add(16383).read(), 0);
        }
        assert!(reservation.contains(base.addr()));
        assert!(reservation.contains(base.addr() + (1 << 33) - 1));
        assert!(!reservation.contains(base.addr() + (1 << 33)));
        assert!(!reservation.contains(base.addr() - 1));
    }

    #[test]
    fn more_than_the_address_space_is_an_error() {
        Reservation::new(1 << 48).unwrap_err();
    }
}
