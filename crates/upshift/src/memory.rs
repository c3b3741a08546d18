//! Linear memories as objects of a store.

use std::ptr::NonNull;

use upshift_module::to_u64;
use upshift_runtime::{Memory as RawMemory, StoreId};

use crate::error::ErrorKind;
use crate::store::{assert_store, check_store};
use crate::types::check_memory_type;
use crate::{AsContext, AsContextMut, Error, MemoryType, Result, StoreContext, StoreContextMut};

/// A linear memory.
///
/// [`read`](Self::read) and [`write`](Self::write) copy and check bounds; [`data`](Self::data) and
/// [`data_mut`](Self::data_mut) give slices that borrow the store, so that no guest runs meanwhile.
///
/// ```
/// use upshift::{Engine, ErrorKind, Memory, MemoryType, Store};
///
/// # fn main() -> upshift::Result<()> {
/// let mut store = Store::new(&Engine::default(), 0_usize);
/// let memory = Memory::new(&mut store, MemoryType::new(1, Some(2)))?;
/// assert_eq!((memory.size(&store), memory.data_size(&store)), (1, 65536));
///
/// memory.write(&mut store, 100, b"hello")?;
/// let mut word = [0; 4];
/// memory.read(&store, 101, &mut word)?;
/// assert_eq!(&word, b"ello");
///
/// memory.data_mut(&mut store)[100] = b'j';
/// assert_eq!(&memory.data(&store)[100..105], b"jello");
///
/// let error = memory.write(&mut store, 65534, b"too far").unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::OutOfBounds { start: 65534, length: 7, .. }));
///
/// assert_eq!(memory.grow(&mut store, 1)?, 1);
/// assert!(memory.grow(&mut store, 1).is_err());
///
/// // The bytes and the embedder's data at once.
/// let (bytes, count) = memory.data_and_store_mut(&mut store);
/// *count = bytes.iter().filter(|byte| **byte != 0).count();
/// assert_eq!(*store.data(), 5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    store: StoreId,
    raw: NonNull<RawMemory>,
}

// SAFETY: only used together with its store, which is with one thread at a time.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// A memory of zeroes.
    ///
    /// # Errors
    /// When the type makes no sense, a limit of the store is reached, or the system has no memory.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Self> {
        check_memory_type(&ty)?;
        let store = store.as_context_mut();
        let core = &mut store.0.opaque.core;
        let raw = core.new_memory(ty.0).map_err(Error::memory)?;
        Ok(Self {
            store: core.id,
            raw,
        })
    }

    /// Its type, with the size now as the minimum.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        MemoryType(self.get(&store).current_type())
    }

    /// Its size in pages of 64 KiB.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.get(&store).pages()
    }

    /// Its size in bytes.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn data_size(&self, store: impl AsContext) -> usize {
        self.get(&store).byte_len()
    }

    /// Bytes of a page: 65 536.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        upshift_module::WASM_PAGE_SIZE
    }

    /// Makes it larger by some pages of zeroes. Returns the number of pages before. It does not move.
    ///
    /// # Errors
    /// When its type, a limit of the store or the system does not allow it, or it belongs to another
    /// store.
    pub fn grow(&self, mut store: impl AsContextMut, pages: u64) -> Result<u64> {
        let store = store.as_context_mut();
        let core = &mut store.0.opaque.core;
        self.check(core.id)?;
        // SAFETY: it lives as long as its store, which is this one.
        core.grow_memory(unsafe { self.raw.as_ref() }, pages)
            .map_err(Error::grow)
    }

    /// Copies from the memory.
    ///
    /// # Errors
    /// When the range is not inside of the memory (nothing has been copied then), or it belongs to
    /// another store.
    pub fn read(&self, store: impl AsContext, offset: usize, buffer: &mut [u8]) -> Result<()> {
        let memory = self.try_get(&store)?;
        memory
            .read(to_u64(offset), buffer)
            .map_err(|_| out_of_bounds("a read", memory, offset, buffer.len()))
    }

    /// Copies into the memory.
    ///
    /// # Errors
    /// When the range is not inside of the memory (nothing has been copied then), or it belongs to
    /// another store.
    pub fn write(&self, mut store: impl AsContextMut, offset: usize, buffer: &[u8]) -> Result<()> {
        let store = store.as_context_mut();
        let memory = self.try_get(&store)?;
        memory
            .write(to_u64(offset), buffer)
            .map_err(|_| out_of_bounds("a write", memory, offset, buffer.len()))
    }

    /// All bytes.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn data<'a, T: 'static>(&self, store: impl Into<StoreContext<'a, T>>) -> &'a [u8] {
        let store = store.into();
        // SAFETY: the bytes stay where they are for as long as the store lives, and nobody writes to
        // them while it is borrowed.
        unsafe { self.get(&store).data().as_ref() }
    }

    /// All bytes, to be changed.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn data_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> &'a mut [u8] {
        self.data_and_store_mut(store).0
    }

    /// All bytes and the embedder's data, both to be changed.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn data_and_store_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> (&'a mut [u8], &'a mut T) {
        let store = store.into();
        // SAFETY: as in `data`; nobody else reads or writes them while the store is borrowed. They are
        // not in the struct that the data is in.
        let bytes = unsafe { self.get(&store).data().as_mut() };
        (bytes, &mut store.0.data)
    }

    /// Where its bytes begin. They stay there for as long as the store lives.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn data_ptr(&self, store: impl AsContext) -> *mut u8 {
        self.get(&store).data().cast().as_ptr()
    }

    #[inline]
    pub(crate) fn check(&self, store: StoreId) -> Result<()> {
        check_store("memory", self.store, store)
    }

    #[track_caller]
    fn get<'a>(&self, store: &'a impl AsContext) -> &'a RawMemory {
        assert_store("memory", self.store, store.as_context().0.opaque.core.id);
        // SAFETY: it lives as long as its store, which is this one.
        unsafe { self.raw.as_ref() }
    }

    fn try_get<'a>(&self, store: &'a impl AsContext) -> Result<&'a RawMemory> {
        self.check(store.as_context().0.opaque.core.id)?;
        // SAFETY: as in `get`.
        Ok(unsafe { self.raw.as_ref() })
    }

    pub(crate) fn raw(&self) -> NonNull<RawMemory> {
        self.raw
    }

    /// # Safety
    /// It belongs to this store.
    pub(crate) unsafe fn from_raw(raw: NonNull<RawMemory>, store: StoreId) -> Self {
        Self { store, raw }
    }
}

#[cold]
fn out_of_bounds(what: &'static str, memory: &RawMemory, offset: usize, length: usize) -> Error {
    Error::from_kind(ErrorKind::OutOfBounds {
        what,
        object: "memory",
        unit: "bytes",
        start: to_u64(offset),
        length: to_u64(length),
        size: to_u64(memory.byte_len()),
    })
}
