//! Reads and writes of regular files, which the system does not interrupt: in one call where they are short, else in
//! parts, between which the guest can be stopped.

use std::io::{IoSlice, IoSliceMut};

use rustix::io::{Errno as Host, pread, preadv, pwrite, pwritev, read, readv, write, writev};

use crate::error::Result;
use crate::host::{HostFile, Stop};

/// Bytes of a part: some milliseconds where the system has them in memory.
const PART: usize = 8 << 20;

/// Reads at an offset, or at the file's position. Returns how many bytes.
pub(crate) fn read_file(
    file: &HostFile,
    buffers: &mut [IoSliceMut<'_>],
    offset: Option<u64>,
    stop: Stop<'_>,
) -> Result<usize> {
    if buffers.iter().map(|buffer| buffer.len()).sum::<usize>() <= PART {
        let count = match offset {
            None => readv(file, buffers),
            Some(offset) => preadv(file, buffers, offset),
        };
        return Ok(count?);
    }
    let parts = buffers.iter_mut().flat_map(|it| it.chunks_mut(PART));
    in_parts(parts, stop, |part, done| match offset {
        None => read(file, part),
        Some(offset) => pread(file, part, offset.saturating_add(done)),
    })
}

/// Writes at an offset, or at the file's position. Returns how many bytes.
pub(crate) fn write_file(
    file: &HostFile,
    buffers: &[IoSlice<'_>],
    offset: Option<u64>,
    stop: Stop<'_>,
) -> Result<usize> {
    if buffers.iter().map(|buffer| buffer.len()).sum::<usize>() <= PART {
        let count = match offset {
            None => writev(file, buffers),
            Some(offset) => pwritev(file, buffers, offset),
        };
        return Ok(count?);
    }
    let parts = buffers.iter().flat_map(|it| it.chunks(PART));
    in_parts(parts, stop, |part, done| match offset {
        None => write(file, part),
        Some(offset) => pwrite(file, part, offset.saturating_add(done)),
    })
}

/// Transfers one part after the other, as long as each is transferred whole. `transfer` is told how many bytes came
/// before. An error counts only where nothing did; a guest that is stopped learns of neither.
fn in_parts<P: AsRef<[u8]>>(
    parts: impl Iterator<Item = P>,
    stop: Stop<'_>,
    mut transfer: impl FnMut(P, u64) -> Result<usize, Host>,
) -> Result<usize> {
    let mut done = 0;
    for part in parts {
        stop.check()?;
        let wanted = part.as_ref().len();
        // On a 64-bit platform nothing is lost.
        match transfer(part, done as u64) {
            Ok(count) => {
                done += count;
                if count < wanted {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::bindings::preview1::types::Filetype;

    fn file() -> HostFile {
        let fd = OwnedFd::from(tempfile::tempfile().unwrap());
        HostFile::of_type(fd, Filetype::RegularFile)
    }

    #[test]
    fn what_takes_several_parts_is_transferred_in_order() {
        let file = file();
        let bytes: Vec<u8> = (0..PART as u32 * 2 + 5).map(|i| (i % 253) as u8).collect();
        let (first, second) = bytes.split_at(PART + 9);
        let sources = [IoSlice::new(first), IoSlice::new(second)];
        let stop = Stop(None);
        assert!(write_file(&file, &sources, None, stop).is_ok_and(|it| it == bytes.len()));
        assert!(write_file(&file, &sources, Some(3), stop).is_ok_and(|it| it == bytes.len()));
        let mut copy = vec![0; bytes.len() + 1];
        let (begin, rest) = copy.split_at_mut(7);
        let mut targets = [IoSliceMut::new(begin), IoSliceMut::new(rest)];
        // The file ends within the last part.
        let count = read_file(&file, &mut targets, Some(3), stop);
        assert!(count.is_ok_and(|it| it == bytes.len()));
        assert!(copy[..bytes.len()] == bytes);
    }
}
