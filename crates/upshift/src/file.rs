//! Reading files that are large modules, in less time than a plain read takes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use upshift_module::{threads, u64_to_usize};
use upshift_runtime::sync::Mutex;

/// Files of such sizes are read in parts. No module is larger.
const LARGE: std::ops::RangeInclusive<u64> = (8 << 20)..=(4 << 30);
/// Bytes that a thread reads at a time: it takes some 50 us to start one, in which a tenth of this is read.
const PART: usize = 4 << 20;
/// More do not read faster.
const MOST_THREADS: usize = 4;
/// The size and alignment of the pages that are asked for.
const HUGE_PAGE: usize = 2 << 20;

/// The content of a file. That of a large one is read on several processors into huge pages, where the system has
/// them: most of the time goes to faults on fresh pages otherwise.
///
/// # Errors
/// As for [`std::fs::read`].
#[doc(hidden)]
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    if about.is_file() && LARGE.contains(&about.len()) {
        match read_in_parts(&file, u64_to_usize(about.len())) {
            // It has become shorter meanwhile.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            read => return read,
        }
    }
    fs::read(path)
}

/// The first `size` bytes of a file.
fn read_in_parts(file: &File, size: usize) -> io::Result<Vec<u8>> {
    // Without so much memory this is an error, where the next allocation would end the process.
    Vec::<u8>::new().try_reserve_exact(size)?;
    // Zeroed memory of such a size is fresh from the system: no page of it is there yet.
    let mut bytes = vec![0; size];
    ask_for_huge_pages(&mut bytes);
    let parts = (0_u64..).step_by(PART).zip(bytes.chunks_mut(PART));
    let parts = Mutex::new(parts);
    let work = || {
        loop {
            let next = parts.lock().next();
            match next {
                Some((start, part)) => file.read_exact_at(part, start)?,
                None => return io::Result::Ok(()),
            }
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let others = processors.min(MOST_THREADS) - 1;
    let read = threads::on_several(others, None, work);
    read.into_iter().collect::<io::Result<()>>()?;
    Ok(bytes)
}

/// Has the whole huge pages within these bytes be such. Where the system has none, they are pages as ever.
fn ask_for_huge_pages(bytes: &mut [u8]) {
    let start = bytes.as_ptr().align_offset(HUGE_PAGE);
    let len = bytes.len().saturating_sub(start) / HUGE_PAGE * HUGE_PAGE;
    if len == 0 {
        return;
    }
    let pages = &mut bytes[start..start + len];
    // SAFETY: the pages are borrowed here alone, and the advice changes nothing of their contents.
    unsafe { libc::madvise(pages.as_mut_ptr().cast(), len, libc::MADV_HUGEPAGE) };
}

#[cfg(test)]
mod tests {
    use upshift_module::{low_u8, to_u32};

    use super::*;

    #[test]
    fn a_large_file_is_read_as_it_is() {
        let path = std::env::temp_dir().join(format!("upshift-file-{}", std::process::id()));
        for size in [0, 1, PART - 1, 8 << 20, (9 << 20) + 1, 5 * PART] {
            let written: Vec<u8> = (0..to_u32(size))
                .map(|at| low_u8(at.wrapping_mul(0x9e37_79b9) >> 24))
                .collect();
            fs::write(&path, &written).unwrap();
            assert!(read_file(&path).unwrap() == written, "{size}");
        }
        // As it would be if it were cut while it is read.
        let file = File::open(&path).unwrap();
        let error = read_in_parts(&file, 6 * PART).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        fs::remove_file(&path).unwrap();
        assert_eq!(
            read_file(&path).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
