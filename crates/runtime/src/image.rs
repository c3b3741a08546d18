//! The first contents of a module's memories: its data segments, laid out once in a memory file, of which every
//! instance maps a copy-on-write view instead of a copy of its own. How it is mapped is in `mmap`.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use upshift_module::{
    ConstOp, DataIndex, DataSegment, EntityRef, MemoryIndex, Module, PrimaryMap, SegmentMode,
    WASM_PAGE_SIZE, to_u64, to_usize,
};

use crate::Memory;
use crate::sync::OnceLock;

/// Bytes of segments from which on a view costs less than a copy: mapping, and unmapping later, are two
/// system calls and a page fault for each page that is used.
const SMALLEST_IMAGE: usize = 64 << 10;

/// The images of one module's memories. Made for the second instance: many programs need only one, and one
/// is sooner there by copying.
#[derive(Default)]
pub(crate) struct Images {
    instantiated: AtomicBool,
    made: OnceLock<Layout>,
}

/// The facts about a module's data segments.
#[derive(Default)]
pub(crate) struct Layout {
    /// How many segments, from the first one on, are known to fit.
    known: usize,
    images: PrimaryMap<MemoryIndex, Option<Image>>,
}

/// The first contents of one memory.
pub(crate) struct Image {
    file: OwnedFd,
    /// Where in the memory the file's contents belong: whole pages of the system's.
    range: Range<usize>,
}

impl Images {
    /// The images, for an instance that is being made; none for the first.
    pub fn get(&self, module: &Module) -> Option<&Layout> {
        if module.data.is_empty()
            || !self.instantiated.load(Ordering::Relaxed)
                && !self.instantiated.swap(true, Ordering::Relaxed)
        {
            return None;
        }
        Some(self.made.get_or_init(|| Layout::new(module)))
    }
}

impl Layout {
    fn new(module: &Module) -> Self {
        let known = known_segments(module);
        if known == 0 {
            return Self::default();
        }
        // Where there is no memory for an image, each instance has its copy.
        let images = (module.memories.keys())
            .map(|memory| Image::new(module, known, memory).ok().flatten())
            .collect();
        Self { known, images }
    }

    /// The image that a data segment is part of.
    pub fn image_with(&self, segment: DataIndex, memory: MemoryIndex) -> Option<&Image> {
        if segment.index() >= self.known {
            return None;
        }
        self.images.get(memory)?.as_ref()
    }
}

/// How many data segments, from the first one on, are known to fit their memories, independently of an
/// instance's imports. A segment that does not fit ends an instantiation, so nothing is known behind it.
fn known_segments(module: &Module) -> usize {
    let fits = |segment: &DataSegment| {
        let SegmentMode::Active { index, offset } = &segment.mode else {
            return true;
        };
        let [ConstOp::I32(offset)] = *offset.ops else {
            return false;
        };
        let end = u64::from(offset.cast_unsigned()) + to_u64(segment.range.len());
        let minimum = module.memories[*index].minimum;
        module.defines_memory(*index) && end <= minimum.saturating_mul(WASM_PAGE_SIZE)
    };
    module
        .data
        .values()
        .take_while(|segment| fits(segment))
        .count()
}

/// The segments for one memory among the known ones: where each begins, and its bytes.
fn segments_of(
    module: &Module,
    known: usize,
    memory: MemoryIndex,
) -> impl Iterator<Item = (usize, &[u8])> {
    module.data.values().take(known).filter_map(move |segment| {
        let SegmentMode::Active { index, offset } = &segment.mode else {
            return None;
        };
        let [ConstOp::I32(offset)] = *offset.ops else {
            return None;
        };
        let bytes = module.data_bytes(segment);
        (*index == memory && !bytes.is_empty()).then(|| (to_usize(offset.cast_unsigned()), bytes))
    })
}

impl Image {
    /// The image of a memory, if it is worth one.
    fn new(module: &Module, known: usize, memory: MemoryIndex) -> io::Result<Option<Self>> {
        let segments = || segments_of(module, known, memory);
        if segments().map(|(_, bytes)| bytes.len()).sum::<usize>() < SMALLEST_IMAGE {
            return Ok(None);
        }
        let start = segments().map(|(at, _)| at).min().unwrap_or(0);
        let end = segments().map(|(at, bytes)| at + bytes.len()).max();
        let page = page_size()?;
        let range = start - start % page..end.unwrap_or(0).next_multiple_of(page);
        if !WASM_PAGE_SIZE.is_multiple_of(to_u64(page)) {
            return Ok(None);
        }
        let file = memory_file(range.len())?;
        let mut view = View::new(&file, range.len())?;
        for (at, bytes) in segments() {
            view.bytes()[at - range.start..][..bytes.len()].copy_from_slice(bytes);
        }
        drop(view);
        seal(&file)?;
        Ok(Some(Self { file, range }))
    }

    /// Has a memory that nobody has written to yet hold this.
    ///
    /// # Errors
    /// When the system does not map it. The memory is as it was.
    pub fn map_into(&self, memory: &Memory) -> io::Result<()> {
        memory.map_image(self.file.as_raw_fd(), self.range.clone())
    }
}

fn page_size() -> io::Result<usize> {
    // SAFETY: no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    match usize::try_from(size) {
        Ok(size @ 1..) => Ok(size),
        _ => Err(io::Error::last_os_error()),
    }
}

fn memory_file(len: usize) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string; the result is checked.
    let file = unsafe { libc::memfd_create(c"upshift-data".as_ptr(), flags) };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours.
    let file = unsafe { OwnedFd::from_raw_fd(file) };
    let len = libc::off_t::try_from(len).map_err(io::Error::other)?;
    // SAFETY: an open descriptor.
    if unsafe { libc::ftruncate(file.as_raw_fd(), len) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

/// Has nobody change the file from now on, by any way: all instances depend on it.
fn seal(file: &OwnedFd) -> io::Result<()> {
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;
    // SAFETY: an open descriptor.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A file's contents, writable.
struct View {
    start: ptr::NonNull<u8>,
    len: usize,
}

impl View {
    fn new(file: &OwnedFd, len: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the system's choice touches no existing one.
        let start = unsafe {
            let (at, flags) = (ptr::null_mut(), libc::MAP_SHARED);
            libc::mmap(at, len, protection, flags, file.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = ptr::NonNull::new(start.cast());
        let start = start.ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(Self { start, len })
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is this long, and only this value has it. The file is as long, and its
        // descriptor is not known to anybody else.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own. Nothing can be done about a failure.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
