//! Guest memory: lists of buffers as slices that the system reads from and writes to, without copies and
//! without allocation for the lengths that programs use; paths; strings.

use std::io::{IoSlice, IoSliceMut};

use smallvec::SmallVec;
use wiggle::{GuestMemory, GuestPtr};

use crate::bindings::preview1::types::{CiovecArray, Errno, IovecArray};
use crate::context::Strings;
use crate::error::Result;

/// How many buffers of a list are used. A program sees a shorter transfer when it passes more, which it
/// must expect of any transfer.
const MAX_BUFFERS: u32 = 1024;

/// How many bytes one call transfers at most, as on Linux, so that the sum fits the guest's type.
const MAX_BYTES: usize = 0x7fff_f000;

/// Paths are shorter than this, as on Linux.
const PATH_MAX: u32 = 4096;

/// The bytes to be written.
pub(crate) fn sources<'m>(
    memory: &'m GuestMemory<'_>,
    list: CiovecArray,
) -> Result<SmallVec<[IoSlice<'m>; 8]>> {
    let mut slices = SmallVec::new();
    let mut room = MAX_BYTES;
    for i in 0..list.len().min(MAX_BUFFERS) {
        let item = memory.read(item(list, i)?)?;
        let bytes = bytes_at(memory, item.buf.offset(), item.buf_len)?;
        let bytes = &bytes[..bytes.len().min(room)];
        room -= bytes.len();
        slices.push(IoSlice::new(bytes));
    }
    Ok(slices)
}

/// The buffers to be filled. Buffers from one on that overlaps another are left out: they can't all be
/// filled.
pub(crate) fn targets<'m>(
    memory: &'m mut GuestMemory<'_>,
    list: IovecArray,
) -> Result<SmallVec<[IoSliceMut<'m>; 8]>> {
    // Start, length and place in the list.
    let mut ranges = SmallVec::<[(usize, usize, usize); 8]>::new();
    let mut room = MAX_BYTES;
    for i in 0..list.len().min(MAX_BUFFERS) {
        let item = memory.read(item(list, i)?)?;
        let length = bytes_at(memory, item.buf.offset(), item.buf_len)?.len();
        let length = length.min(room);
        room -= length;
        if length > 0 {
            // On a 64-bit platform nothing is lost.
            ranges.push((item.buf.offset() as usize, length, ranges.len()));
        }
    }
    if let Some(end) = first_overlap(&ranges) {
        ranges.truncate(end);
    }
    let GuestMemory::Unshared(bytes) = memory else {
        return Err(Errno::Notsup.into());
    };
    ranges.sort_unstable();
    let mut slices = SmallVec::<[(usize, IoSliceMut<'m>); 8]>::new();
    let (mut rest, mut passed) = (&mut **bytes, 0);
    for (start, length, place) in ranges {
        let (slice, behind) = rest[start - passed..].split_at_mut(length);
        slices.push((place, IoSliceMut::new(slice)));
        (rest, passed) = (behind, start + length);
    }
    slices.sort_unstable_by_key(|(place, _)| *place);
    Ok(slices.into_iter().map(|(_, slice)| slice).collect())
}

/// The first range, in the list's order, that overlaps one before it.
fn first_overlap(ranges: &[(usize, usize, usize)]) -> Option<usize> {
    let overlap =
        |a: &(usize, usize, usize), b: &(usize, usize, usize)| a.0 < b.0 + b.1 && b.0 < a.0 + a.1;
    (1..ranges.len()).find(|&i| ranges[..i].iter().any(|other| overlap(&ranges[i], other)))
}

/// A stretch of guest memory.
pub(crate) fn bytes_at<'m>(
    memory: &'m GuestMemory<'_>,
    offset: u32,
    length: u32,
) -> Result<&'m [u8]> {
    memory
        .as_slice(GuestPtr::new((offset, length)))?
        .ok_or_else(|| Errno::Notsup.into())
}

/// A stretch of guest memory, to be written.
pub(crate) fn bytes_at_mut<'m>(
    memory: &'m mut GuestMemory<'_>,
    offset: u32,
    length: u32,
) -> Result<&'m mut [u8]> {
    memory
        .as_slice_mut(GuestPtr::new((offset, length)))?
        .ok_or_else(|| Errno::Notsup.into())
}

/// # Errors
/// `fault` when an array is not in guest memory.
pub(crate) fn check_range<T: wiggle::GuestType>(
    memory: &GuestMemory<'_>,
    start: GuestPtr<T>,
    count: u32,
) -> Result<()> {
    let length = count.checked_mul(T::guest_size()).ok_or(Errno::Fault)?;
    bytes_at(memory, start.offset(), length).map(drop)
}

/// Writes strings and pointers to them into the guest's memory.
pub(crate) fn put_strings(
    memory: &mut GuestMemory<'_>,
    strings: &Strings,
    pointers: GuestPtr<GuestPtr<u8>>,
    bytes: GuestPtr<u8>,
) -> Result<()> {
    let (count, length) = strings.sizes()?;
    let (text, starts) = strings.parts();
    check_range(memory, pointers, count)?;
    bytes_at_mut(memory, bytes.offset(), length)?.copy_from_slice(text);
    for (i, start) in (0..).zip(starts) {
        memory.write(pointers.add(i)?, bytes.add(*start)?)?;
    }
    Ok(())
}

/// A path in the guest's memory. Code that looks at its parts takes time and memory for each.
pub(crate) fn path_at<'m>(memory: &'m GuestMemory<'_>, path: GuestPtr<str>) -> Result<&'m str> {
    let (offset, length) = path.offset();
    bytes_at(memory, offset, length)?;
    if length >= PATH_MAX {
        return Err(Errno::Nametoolong.into());
    }
    let path = memory.as_str(path)?.ok_or(Errno::Notsup)?;
    if path.is_empty() {
        return Err(Errno::Noent.into());
    }
    if path.bytes().any(|byte| byte == 0) {
        return Err(Errno::Inval.into());
    }
    Ok(path)
}

fn item<T: wiggle::GuestType>(list: GuestPtr<[T]>, i: u32) -> Result<GuestPtr<T>> {
    Ok(list.as_ptr().add(i)?)
}
