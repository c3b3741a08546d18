//! Linear memories: reserved address space of which a growing part is accessible. A memory never moves.
//! Where the address space comes from is in `mmap`; the bounds of guest accesses are generated code's.

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

use upshift_module::{MemoryType, WASM_MAX_PAGES, WASM_PAGE_SIZE, to_u64, u64_to_usize};

use crate::limits::{Account, GrowError, LimitError, Resource};
use crate::pool::PooledReservation;
use crate::slices::{self, in_slices, in_slices_backwards};
use crate::{Stop, TrapCode, VMMemory};

/// Bytes below 4 GiB that no memory with headroom ([`has_headroom`]) reaches: an address that was accessed, plus as
/// much as this, does not wrap around.
pub const MEMORY_HEADROOM: u64 = 1 << 20;

/// Address space that a guest access to a 32-bit memory cannot leave: the index and the static offset
/// reach 2^33 - 2, generated code may have added the headroom to an index, and no access is wider than the rest.
pub const GUARDED_RESERVATION: u64 = (8 << 30) + MEMORY_HEADROOM + (64 << 10);

/// The most pages of a memory with headroom.
pub(crate) const PAGES_BELOW_HEADROOM: u64 = WASM_MAX_PAGES - MEMORY_HEADROOM / WASM_PAGE_SIZE;

/// Whether the last [`MEMORY_HEADROOM`] bytes below 4 GiB stay inaccessible in memories of this type: in all but memories that
/// have some of them from the start. A memory without headroom is never given for an import of a type with headroom
/// ([`matches`](crate::matches)), so code knows the headroom from its module's types.
#[must_use]
pub const fn has_headroom(ty: &MemoryType) -> bool {
    ty.minimum <= PAGES_BELOW_HEADROOM
}

/// The most pages of a memory of this type, whatever its maximum says.
const fn most_pages(ty: &MemoryType) -> u64 {
    if has_headroom(ty) {
        PAGES_BELOW_HEADROOM
    } else {
        WASM_MAX_PAGES
    }
}

/// How address space is set aside for memories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Bytes of address space for each memory. It cannot grow beyond.
    pub reservation: u64,
    /// Whether generated code relies on inaccessible addresses instead of comparing each address. The
    /// reservation is then at least [`GUARDED_RESERVATION`].
    pub guarded: bool,
}

impl MemoryPlan {
    /// No checks in generated code; 8 GiB of address space for each memory.
    pub const GUARDED: Self = Self {
        reservation: GUARDED_RESERVATION,
        guarded: true,
    };

    /// Checks in generated code; `reservation` bytes of address space for each memory, or the size of its
    /// maximum, if that is less.
    #[must_use]
    pub const fn checked(reservation: u64) -> Self {
        Self {
            reservation,
            guarded: false,
        }
    }
}

impl Default for MemoryPlan {
    fn default() -> Self {
        Self::GUARDED
    }
}

/// Why a memory could not be created.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The store's limits do not allow it.
    #[error("cannot create a memory of {pages} pages: {source}")]
    Limit {
        /// Pages wanted.
        pages: u64,
        /// Which limit.
        source: LimitError,
    },
    /// The address space cannot be had.
    #[error(
        "cannot reserve {bytes} bytes of address space for a memory: {source}; raise the process's limit \
         on address space (`ulimit -v`), or configure a smaller memory reservation, with which generated \
         code checks each access"
    )]
    Reserve {
        /// Bytes wanted.
        bytes: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The configured reservation is too small for it.
    #[error(
        "a memory of {pages} pages does not fit into the {reservation} bytes of address space configured \
         for each memory; configure a larger memory reservation"
    )]
    Reservation {
        /// Pages wanted.
        pages: u64,
        /// Bytes configured.
        reservation: u64,
    },
    /// More than a 32-bit memory can have.
    #[error("a memory of {pages} pages is too large; it can have {WASM_MAX_PAGES}, which is 4 GiB")]
    TooLarge {
        /// Pages wanted.
        pages: u64,
    },
    /// The system has no memory for it.
    #[error("the system has no memory for the first {pages} pages of a memory: {source}")]
    System {
        /// Pages wanted.
        pages: u64,
        /// The system's error.
        source: io::Error,
    },
}

/// A linear memory of a store. One thread uses it at a time, its store's.
#[repr(C)]
pub struct Memory {
    vm: VMMemory,
    ty: MemoryType,
    reservation: PooledReservation,
    /// Bytes that can become accessible at most.
    capacity: u64,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("base", &self.reservation.base())
            .field("pages", &self.pages())
            .field("ty", &self.ty)
            .finish_non_exhaustive()
    }
}

impl Memory {
    /// A zeroed memory of its type's minimum size.
    ///
    /// # Errors
    /// When address space or memory cannot be had.
    pub(crate) fn new(ty: MemoryType, plan: MemoryPlan) -> Result<Self, MemoryError> {
        let pages = ty.minimum;
        if pages > WASM_MAX_PAGES {
            return Err(MemoryError::TooLarge { pages });
        }
        let most = most_pages(&ty);
        let maximum = ty.maximum.unwrap_or(most).clamp(pages, most);
        let (reserve, capacity) = if plan.guarded {
            (
                plan.reservation.max(GUARDED_RESERVATION),
                most * WASM_PAGE_SIZE,
            )
        } else {
            let whole_pages = plan.reservation - plan.reservation % WASM_PAGE_SIZE;
            let capacity = whole_pages.min(maximum * WASM_PAGE_SIZE);
            (capacity.max(WASM_PAGE_SIZE), capacity)
        };
        if pages * WASM_PAGE_SIZE > capacity {
            return Err(MemoryError::Reservation {
                pages,
                reservation: plan.reservation,
            });
        }
        let reserve = usize::try_from(reserve).unwrap_or(usize::MAX);
        let reservation =
            PooledReservation::new(reserve).map_err(|source| MemoryError::Reserve {
                bytes: to_u64(reserve),
                source,
            })?;
        let length = u64_to_usize(pages * WASM_PAGE_SIZE);
        reservation
            .set_accessible(length)
            .map_err(|source| MemoryError::System { pages, source })?;
        let base = reservation.base().as_ptr();
        Ok(Self {
            vm: VMMemory {
                base,
                length: AtomicUsize::new(length),
            },
            ty,
            reservation,
            capacity,
        })
    }

    /// The type that it was created with.
    #[must_use]
    pub fn ty(&self) -> MemoryType {
        self.ty
    }

    /// Its type with the current size as the minimum, which counts for imports.
    #[must_use]
    pub fn current_type(&self) -> MemoryType {
        MemoryType {
            minimum: self.pages(),
            ..self.ty
        }
    }

    /// Current length in bytes.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.vm.length.load(Ordering::Relaxed)
    }

    /// Current length in pages of 64 KiB.
    #[must_use]
    pub fn pages(&self) -> u64 {
        to_u64(self.byte_len()) / WASM_PAGE_SIZE
    }

    /// The accessible bytes. The start stays the same for as long as the store lives; the length grows.
    /// Reads and writes through it must be on the thread that has the store.
    #[must_use]
    pub fn data(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.reservation.base(), self.byte_len())
    }

    /// Has bytes of a memory that nobody has written to be a private view of a file from its start on.
    pub(crate) fn map_image(&self, file: RawFd, bytes: Range<usize>) -> io::Result<()> {
        if bytes.end > self.byte_len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.reservation.map_view(file, bytes)
    }

    /// Whether `address` lies in the address space of this memory, accessible or not.
    pub(crate) fn reserves(&self, address: usize) -> bool {
        self.reservation.contains(address)
    }

    /// Grows by `delta` pages. Returns the size before, in pages.
    ///
    /// # Errors
    /// When the type, the store's limits, the reservation or the system does not allow it. Nothing has
    /// changed then.
    pub(crate) fn grow(&self, delta: u64, account: &mut Account) -> Result<u64, GrowError> {
        let current = self.pages();
        let most = most_pages(&self.ty);
        let maximum = self.ty.maximum.unwrap_or(most).min(most);
        let pages = current.saturating_add(delta);
        if pages > maximum {
            return Err(GrowError::Maximum {
                unit: "pages",
                current,
                delta,
                maximum,
            });
        }
        let reserved = self.capacity / WASM_PAGE_SIZE;
        if pages > reserved {
            return Err(GrowError::Reservation {
                current,
                delta,
                reserved,
            });
        }
        let (old, new) = (self.byte_len(), u64_to_usize(pages * WASM_PAGE_SIZE));
        let more = to_u64(new - old);
        account.charge(Resource::MemoryBytes, more)?;
        if let Err(source) = self.reservation.set_accessible(new) {
            account.refund(Resource::MemoryBytes, more);
            return Err(GrowError::System {
                unit: "pages",
                current,
                delta,
                source,
            });
        }
        self.vm.length.store(new, Ordering::Relaxed);
        Ok(current)
    }

    /// Where `len` bytes from `start` on are, if they are all in bounds.
    fn bytes(&self, start: u64, len: u64) -> Result<*mut u8, TrapCode> {
        let end = start.checked_add(len).ok_or(TrapCode::MemoryOutOfBounds)?;
        if end > to_u64(self.byte_len()) {
            return Err(TrapCode::MemoryOutOfBounds);
        }
        // SAFETY: in bounds of the mapping.
        Ok(unsafe { self.reservation.base().as_ptr().add(u64_to_usize(start)) })
    }

    /// Copies from the memory into `to`.
    ///
    /// # Errors
    /// When the source is not all in bounds.
    pub fn read(&self, start: u64, to: &mut [u8]) -> Result<(), TrapCode> {
        let from = self.bytes(start, to_u64(to.len()))?;
        // SAFETY: in bounds on both sides. `ptr::copy` since a caller may have a slice of the memory.
        unsafe { ptr::copy(from, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies `from` into the memory.
    ///
    /// # Errors
    /// When the destination is not all in bounds. Nothing has been written then.
    pub fn write(&self, start: u64, from: &[u8]) -> Result<(), TrapCode> {
        let to = self.bytes(start, to_u64(from.len()))?;
        // SAFETY: as in `read`.
        unsafe { ptr::copy(from.as_ptr(), to, from.len()) };
        Ok(())
    }

    /// `memory.fill`.
    pub(crate) fn fill(
        &self,
        start: u64,
        value: u8,
        len: u64,
        stop: Stop<'_>,
    ) -> Result<(), TrapCode> {
        let to = self.bytes(start, len)?;
        in_slices(u64_to_usize(len), slices::BYTES, stop, |slice| {
            // SAFETY: in bounds.
            unsafe { ptr::write_bytes(to.add(slice.start), value, slice.len()) };
        })
    }

    /// `memory.copy`, also within one memory.
    pub(crate) fn copy(
        &self,
        start: u64,
        from: &Self,
        from_start: u64,
        len: u64,
        stop: Stop<'_>,
    ) -> Result<(), TrapCode> {
        let source = from.bytes(from_start, len)?;
        let to = self.bytes(start, len)?;
        let copy = |slice: Range<usize>| {
            // SAFETY: in bounds on both sides. They may overlap; slices go in the direction in which none is
            // written before it was read.
            unsafe { ptr::copy(source.add(slice.start), to.add(slice.start), slice.len()) };
        };
        if to.cast_const() <= source.cast_const() {
            in_slices(u64_to_usize(len), slices::BYTES, stop, copy)
        } else {
            in_slices_backwards(u64_to_usize(len), slices::BYTES, stop, copy)
        }
    }

    /// `memory.init`: copies `range` of `segment`.
    pub(crate) fn init(
        &self,
        start: u64,
        segment: &[u8],
        range: Range<u64>,
        stop: Stop<'_>,
    ) -> Result<(), TrapCode> {
        let index = |at: u64| usize::try_from(at).map_err(|_| TrapCode::MemoryOutOfBounds);
        let bytes = segment
            .get(index(range.start)?..index(range.end)?)
            .ok_or(TrapCode::MemoryOutOfBounds)?;
        let to = self.bytes(start, to_u64(bytes.len()))?;
        in_slices(bytes.len(), slices::BYTES, stop, |slice| {
            let from = &bytes[slice.clone()];
            // SAFETY: in bounds of the memory, which no segment is a part of.
            unsafe { ptr::copy_nonoverlapping(from.as_ptr(), to.add(slice.start), from.len()) };
        })
    }
}

#[cfg(test)]
mod tests {
    use upshift_module::to_u32;

    use super::*;
    use crate::ResourceLimits;
    use crate::interrupt::InterruptState;

    fn memory(minimum: u64, maximum: Option<u64>, plan: MemoryPlan) -> Memory {
        Memory::new(MemoryType { minimum, maximum }, plan).unwrap()
    }

    #[test]
    fn growth_is_zeroed_and_does_not_move() {
        let memory = memory(1, Some(3), MemoryPlan::GUARDED);
        let mut account = Account::default();
        let base = memory.data().cast::<u8>();
        memory.write(65535, &[9]).unwrap();
        assert_eq!(memory.grow(2, &mut account).unwrap(), 1);
        assert_eq!(memory.data().cast::<u8>(), base);
        let mut bytes = [1; 2];
        memory.read(65535, &mut bytes).unwrap();
        assert_eq!(bytes, [9, 0]);
        assert_eq!(memory.grow(0, &mut account).unwrap(), 3);
        let error = memory.grow(1, &mut account).unwrap_err();
        assert!(
            matches!(
                error,
                GrowError::Maximum {
                    current: 3,
                    maximum: 3,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(account.used(Resource::MemoryBytes), 2 * 65536);
        assert_eq!(
            memory.current_type(),
            MemoryType {
                minimum: 3,
                maximum: Some(3)
            }
        );
    }

    #[test]
    fn growth_ends_a_mebibyte_before_four_gibibytes() {
        let memory = memory(0, None, MemoryPlan::GUARDED);
        let mut account = Account::default();
        assert_eq!(memory.grow(PAGES_BELOW_HEADROOM, &mut account).unwrap(), 0);
        let last = (4 << 30) - MEMORY_HEADROOM - 1;
        memory.write(last, &[1]).unwrap();
        assert_eq!(
            memory.write(last, &[1, 2]),
            Err(TrapCode::MemoryOutOfBounds)
        );
        memory.grow(1, &mut account).unwrap_err();
        memory.grow(u64::MAX, &mut account).unwrap_err();
    }

    #[test]
    fn what_starts_out_larger_may_have_all_four_gibibytes() {
        for plan in [MemoryPlan::GUARDED, MemoryPlan::checked(4 << 30)] {
            let memory = memory(PAGES_BELOW_HEADROOM + 1, None, plan);
            assert!(!has_headroom(&memory.ty()));
            let mut account = Account::default();
            let more = WASM_MAX_PAGES - PAGES_BELOW_HEADROOM - 1;
            memory.grow(more + 1, &mut account).unwrap_err();
            memory.grow(more, &mut account).unwrap();
            assert_eq!((memory.pages(), memory.byte_len()), (65536, 4 << 30));
            let last = (4 << 30) - 1;
            memory.write(last, &[7]).unwrap();
            memory.fill(last, 8, 1, Stop::NEVER).unwrap();
            memory.copy(0, &memory, last, 1, Stop::NEVER).unwrap();
            let mut byte = [0];
            memory.read(0, &mut byte).unwrap();
            assert_eq!(byte, [8]);
            let outside = Err(TrapCode::MemoryOutOfBounds);
            assert_eq!(memory.write(last, &[1, 2]), outside);
            assert_eq!(memory.fill(last + 1, 1, 1, Stop::NEVER), outside);
            assert_eq!(memory.copy(last, &memory, 0, 2, Stop::NEVER), outside);
            assert_eq!(memory.copy(0, &memory, last, 2, Stop::NEVER), outside);
            assert_eq!(memory.init(last, &[1, 2], 0..2, Stop::NEVER), outside);
            memory.init(last + 1, &[], 0..0, Stop::NEVER).unwrap();
            memory.grow(1, &mut account).unwrap_err();
        }
    }

    #[test]
    fn the_reservation_bounds_growth() {
        let mut account = Account::default();
        let small = memory(1, None, MemoryPlan::checked(2 * 65536 + 1));
        assert_eq!(small.grow(1, &mut account).unwrap(), 1);
        let error = small.grow(1, &mut account).unwrap_err();
        assert!(
            matches!(error, GrowError::Reservation { reserved: 2, .. }),
            "{error}"
        );
        let ty = MemoryType {
            minimum: 3,
            maximum: None,
        };
        let error = Memory::new(ty, MemoryPlan::checked(2 * 65536)).unwrap_err();
        assert!(
            matches!(error, MemoryError::Reservation { pages: 3, .. }),
            "{error}"
        );
        let bounded = memory(0, Some(5), MemoryPlan::checked(1 << 32));
        assert_eq!(bounded.reservation.len(), 5 * 65536);
        let empty = memory(0, Some(0), MemoryPlan::checked(0));
        assert_eq!(empty.byte_len(), 0);
    }

    #[test]
    fn a_guarded_reservation_is_never_too_small() {
        let plan = MemoryPlan {
            reservation: 65536,
            guarded: true,
        };
        assert_eq!(
            to_u64(memory(0, Some(1), plan).reservation.len()),
            GUARDED_RESERVATION
        );
    }

    #[test]
    fn what_cannot_be_reserved_names_the_remedy() {
        let ty = MemoryType {
            minimum: 1,
            maximum: None,
        };
        let plan = MemoryPlan {
            reservation: 1 << 48,
            guarded: true,
        };
        let error = Memory::new(ty, plan).unwrap_err();
        assert!(
            error.to_string().contains("smaller memory reservation"),
            "{error}"
        );
    }

    #[test]
    fn the_store_limit_bounds_growth() {
        let memory = memory(0, None, MemoryPlan::GUARDED);
        let limits = ResourceLimits {
            memory_bytes: Some(65536 + 65535),
            ..Default::default()
        };
        let mut account = Account::new(limits);
        assert_eq!(memory.grow(1, &mut account).unwrap(), 0);
        assert!(matches!(
            memory.grow(1, &mut account),
            Err(GrowError::Limit(_))
        ));
        assert_eq!(memory.pages(), 1);
    }

    #[test]
    fn bulk_operations_check_everything_first() {
        const NEVER: Stop<'_> = Stop::NEVER;
        const OUT: Result<(), TrapCode> = Err(TrapCode::MemoryOutOfBounds);
        let memory = memory(1, None, MemoryPlan::GUARDED);
        memory.fill(0, 7, 4, NEVER).unwrap();
        memory.copy(2, &memory, 0, 4, NEVER).unwrap();
        memory.init(6, b"abc", 1..3, NEVER).unwrap();
        let mut bytes = [0; 8];
        memory.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [7, 7, 7, 7, 7, 7, b'b', b'c']);
        memory.fill(65536, 1, 0, NEVER).unwrap();
        memory.copy(65536, &memory, 65536, 0, NEVER).unwrap();
        memory.init(65536, b"abc", 3..3, NEVER).unwrap();
        assert_eq!(memory.fill(65537, 1, 0, NEVER), OUT);
        assert_eq!(memory.fill(65535, 1, 2, NEVER), OUT);
        assert_eq!(memory.fill(1, 1, u64::MAX, NEVER), OUT);
        assert_eq!(memory.copy(65535, &memory, 0, 2, NEVER), OUT);
        assert_eq!(memory.copy(0, &memory, 65535, 2, NEVER), OUT);
        assert_eq!(memory.init(65535, b"abc", 0..2, NEVER), OUT);
        assert_eq!(memory.init(0, b"abc", 0..4, NEVER), OUT);
        assert_eq!(memory.init(0, b"abc", 4..4, NEVER), OUT);
        let mut last = [1];
        memory.read(65535, &mut last).unwrap();
        assert_eq!(last, [0]);
    }

    #[test]
    fn long_operations_end_between_slices_when_asked_to() {
        const END: usize = slices::BYTES + 4096;
        let interrupt = InterruptState::new(libc::SIGURG).unwrap();
        interrupt.interrupt();
        let stop = interrupt.stop();
        let memory = memory(64, None, MemoryPlan::GUARDED);
        let ends = |at: usize| {
            let mut bytes = [0; 2];
            memory.read(to_u64(at) - 1, &mut bytes).unwrap();
            bytes
        };
        let stopped = Err(TrapCode::Interrupted);
        assert_eq!(memory.fill(0, 1, to_u64(END), stop), stopped);
        assert_eq!(ends(slices::BYTES), [1, 0]);
        assert_eq!(memory.init(0, &[2; END], 0..to_u64(END), stop), stopped);
        assert_eq!(ends(slices::BYTES), [2, 0]);
        // Upwards, a copy begins at the end.
        assert_eq!(memory.copy(8192, &memory, 0, to_u64(END), stop), stopped);
        assert_eq!(ends(8192 + 4096), [2, 2]);
        assert_eq!(ends(8192 + END), [0, 0]);
        assert_eq!(memory.copy(0, &memory, 8192, to_u64(END), stop), stopped);
    }

    #[test]
    fn copies_of_many_slices_may_overlap_in_either_direction() {
        let memory = memory(128, None, MemoryPlan::GUARDED);
        let len = 2 * slices::BYTES + 77;
        let bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
        for (from, to) in [
            (0, 100),
            (100, 0),
            (0, 0),
            (0, 3 * to_u64(slices::BYTES) / 2),
        ] {
            memory.write(from, &bytes).unwrap();
            memory
                .copy(to, &memory, from, to_u64(len), Stop::NEVER)
                .unwrap();
            let mut copied = vec![0; len];
            memory.read(to, &mut copied).unwrap();
            assert!(copied == bytes, "from {from} to {to}");
        }
    }

    #[test]
    fn a_thousand_memories_at_once() {
        let memories: Vec<_> = (0..1000)
            .map(|_| memory(1, None, MemoryPlan::GUARDED))
            .collect();
        for (i, memory) in memories.iter().enumerate() {
            memory.write(0, &(to_u32(i)).to_le_bytes()).unwrap();
        }
        for (i, memory) in memories.iter().enumerate() {
            let mut bytes = [0; 4];
            memory.read(0, &mut bytes).unwrap();
            assert_eq!(u32::from_le_bytes(bytes), to_u32(i));
        }
    }
}
