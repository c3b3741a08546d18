//! The format of `--perf jitdump`: a header, and for each function a record with its name and its code. `perf
//! record` notes that the file is mapped executable, and so `perf inject --jit` finds it.
//!
//! Code stays where it is for as long as its module runs, so all records may have the time at which the file
//! was made: samples that were taken before a record was written get their name, too.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};

use upshift::CodeRegion;
use upshift_module::{to_u32, to_u64, to_usize};

/// "JiTD" as a number.
const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER_SIZE: u32 = 40;
/// x86-64, as ELF names processors.
const MACHINE: u32 = 62;

/// Kinds of records.
const CODE_LOAD: u32 = 0;
const CODE_CLOSE: u32 = 3;
/// Bytes of a record's kind, size and time.
const PREFIX_SIZE: usize = 16;
/// Bytes of a load record in front of the name.
const LOAD_SIZE: usize = PREFIX_SIZE + 40;

/// State that the records of one file share.
pub(super) struct JitDump {
    process: u32,
    /// When the file was made, in nanoseconds of the monotonic clock.
    time: u64,
    /// Functions so far.
    count: u64,
    _marker: Marker,
}

impl JitDump {
    /// Writes the header.
    ///
    /// # Errors
    /// When the file can't be written, or not be mapped executable where it is.
    pub fn begin(file: &File) -> io::Result<Self> {
        use io::Write;
        let process = std::process::id();
        let time = now();
        let mut header = Vec::with_capacity(to_usize(HEADER_SIZE));
        for word in [MAGIC, VERSION, HEADER_SIZE, MACHINE, 0, process] {
            header.extend(word.to_ne_bytes());
        }
        // The time, and no flags.
        for word in [time, 0] {
            header.extend(word.to_ne_bytes());
        }
        (&*file).write_all(&header)?;
        Ok(Self {
            process,
            time,
            count: 0,
            _marker: Marker::new(file)?,
        })
    }

    /// Adds a function's record.
    pub fn load(&mut self, region: &CodeRegion, name: &str, code: &[u8], out: &mut Vec<u8>) {
        let size = LOAD_SIZE + name.len() + 1 + code.len();
        // A function of 4 GiB there is not.
        let Ok(size) = u32::try_from(size) else {
            return;
        };
        self.prefix(CODE_LOAD, size, out);
        // By process and thread. It does not matter which thread.
        out.extend(self.process.to_ne_bytes());
        out.extend(self.process.to_ne_bytes());
        let address = to_u64(region.address);
        for word in [address, address, to_u64(code.len()), self.count] {
            out.extend(word.to_ne_bytes());
        }
        out.extend(name.bytes().map(|byte| if byte == 0 { b'?' } else { byte }));
        out.push(0);
        out.extend_from_slice(code);
        self.count += 1;
    }

    /// Adds the record that ends a file.
    pub fn close(&self, out: &mut Vec<u8>) {
        self.prefix(CODE_CLOSE, to_u32(PREFIX_SIZE), out);
    }

    fn prefix(&self, kind: u32, size: u32, out: &mut Vec<u8>) {
        out.extend(kind.to_ne_bytes());
        out.extend(size.to_ne_bytes());
        out.extend(self.time.to_ne_bytes());
    }
}

/// The file's first page, mapped executable.
struct Marker(NonNull<libc::c_void>);

/// Bytes of it.
const PAGE: usize = 4096;

// SAFETY: nobody accesses the page.
unsafe impl Send for Marker {}

impl Marker {
    fn new(file: &File) -> io::Result<Self> {
        // SAFETY: a new mapping, which nothing else uses.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_EXEC,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(page) {
            Some(page) if page.as_ptr() != libc::MAP_FAILED => Ok(Self(page)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours.
        unsafe { libc::munmap(self.0.as_ptr(), PAGE) };
    }
}

/// The time of the clock that `perf record -k CLOCK_MONOTONIC` uses.
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}
