//! What each thread of a worker is at, in memory that the supervisor sees: lines for people, and since when.

use std::fmt::{self, Write};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads of a worker that act. Each has a place here.
pub(super) const THREADS: usize = 8;
/// Places: of threads, of a child of each, and of the worker.
const SLOTS: usize = 2 * THREADS + 1;
/// The worker's.
pub(super) const WORKER: usize = 2 * THREADS;
/// Bytes of a line.
const LINE: usize = 480;

/// A thread's place.
#[repr(C, align(64))]
struct Slot {
    /// Milliseconds of the system's clock when it began; 0 while nothing is under way.
    since: AtomicU64,
    /// Bytes of the line.
    length: AtomicUsize,
    line: [std::cell::UnsafeCell<u8>; LINE],
}

/// The journal, shared between processes.
pub(super) struct Journal(NonNull<[Slot; SLOTS]>);

// SAFETY: the slots are atomics and bytes; each line has one writer, and readers take it as bytes of any kind.
unsafe impl Send for Journal {}
// SAFETY: as above.
unsafe impl Sync for Journal {}

/// What a thread is at.
pub(super) struct Entry {
    /// Milliseconds since it began, if it is not done.
    pub(super) for_milliseconds: Option<u64>,
    /// In words.
    pub(super) line: String,
}

impl Journal {
    /// The journal in a file, which is made if there is none.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let size = size_of::<[Slot; SLOTS]>();
        file.set_len(size as u64)?;
        // SAFETY: a new mapping, which stays for good, of a file that is as large.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self(memory))
    }

    fn slot(&self, index: usize) -> &Slot {
        // SAFETY: zeroed or written memory is a valid slot, and the mapping stays.
        unsafe { &self.0.as_ref()[index % SLOTS] }
    }

    /// Writes down what a thread begins with.
    pub(super) fn begin(&self, index: usize, what: fmt::Arguments<'_>) {
        self.write(index, 0, what);
        self.slot(index).since.store(now(), Ordering::Release);
    }

    /// Adds a detail to what the thread is at.
    pub(super) fn add(&self, index: usize, what: fmt::Arguments<'_>) {
        let length = self.slot(index).length.load(Ordering::Relaxed);
        self.write(index, length, what);
    }

    /// The thread is through with it.
    pub(super) fn end(&self, index: usize) {
        self.slot(index).since.store(0, Ordering::Release);
    }

    fn write(&self, index: usize, at: usize, what: fmt::Arguments<'_>) {
        let slot = self.slot(index);
        let mut writer = Writer { slot, at };
        // A line that is too long is cut.
        let _ = writer.write_fmt(what);
        slot.length.store(writer.at, Ordering::Release);
    }

    /// What threads are at that act.
    pub(super) fn acts(&self) -> Vec<Entry> {
        let mut entries = self.entries();
        entries.truncate(THREADS);
        entries
    }

    /// What all threads and children are at, and the worker.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let now = now();
        let entry = |index| {
            let slot = self.slot(index);
            let since = slot.since.load(Ordering::Acquire);
            let length = slot.length.load(Ordering::Acquire).min(LINE);
            let bytes: Vec<u8> = slot.line[..length]
                .iter()
                // SAFETY: a byte of the mapping, of any value.
                .map(|byte| unsafe { byte.get().read_volatile() })
                .collect();
            Entry {
                for_milliseconds: (since != 0).then(|| now.saturating_sub(since)),
                line: String::from_utf8_lossy(&bytes).into_owned(),
            }
        };
        (0..SLOTS).map(entry).collect()
    }
}

struct Writer<'a> {
    slot: &'a Slot,
    at: usize,
}

impl Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let place = self.slot.line.get(self.at).ok_or(fmt::Error)?;
            // SAFETY: the line's only writer.
            unsafe { place.get().write_volatile(byte) };
            self.at += 1;
        }
        Ok(())
    }
}

/// Milliseconds of a clock that all processes share; never 0.
fn now() -> u64 {
    // SAFETY: the result is a live local.
    let time = unsafe {
        let mut time = std::mem::zeroed::<libc::timespec>();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time);
        time
    };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let milliseconds = u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0);
    (seconds * 1000 + milliseconds).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_mapping_of_the_journal_reads_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let written = Journal::open(&path).unwrap();
        written.begin(3, format_args!("act {}", 7));
        written.add(3, format_args!(", forks"));
        written.begin(4, format_args!("{}", "x".repeat(2 * LINE)));
        written.end(4);
        let entries = Journal::open(&path).unwrap().entries();
        assert_eq!(entries[3].line, "act 7, forks");
        assert!(entries[3].for_milliseconds.is_some());
        assert_eq!(entries[4].line.len(), LINE);
        assert!(entries[4].for_milliseconds.is_none());
        assert!(entries[5].line.is_empty());
    }
}
