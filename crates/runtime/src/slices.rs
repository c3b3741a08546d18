//! Operations that take as long as the guest likes, cut into slices: bulk operators, growth, active segments. Each
//! looks at the interrupt flag between two slices, so that a request waits for one slice only.

use std::ops::Range;

use upshift_module::Stop;

use crate::TrapCode;

/// Bytes of a memory in a slice: a millisecond or two where the system has to make the pages.
pub(crate) const BYTES: usize = 2 << 20;

/// Elements of a table in a slice. The first use of each function of a segment fills its reference.
pub(crate) const ELEMENTS: usize = 1 << 16;

/// Does `work` on `0..len`, a slice of at most `size` after the other.
///
/// # Errors
/// `Interrupted` between two slices, when that was requested. Finished slices stay.
#[inline]
pub(crate) fn in_slices(
    len: usize,
    size: usize,
    stop: Stop<'_>,
    mut work: impl FnMut(Range<usize>),
) -> Result<(), TrapCode> {
    let mut start = 0_usize;
    loop {
        let end = len.min(start.saturating_add(size));
        work(start..end);
        if end == len {
            return Ok(());
        }
        if stop.is_requested() {
            return Err(TrapCode::Interrupted);
        }
        start = end;
    }
}

/// [`in_slices`] from the end to the start.
#[inline]
pub(crate) fn in_slices_backwards(
    len: usize,
    size: usize,
    stop: Stop<'_>,
    mut work: impl FnMut(Range<usize>),
) -> Result<(), TrapCode> {
    in_slices(len, size, stop, |slice| {
        work(len - slice.end..len - slice.start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InterruptState;

    /// Starts and ends of the slices of four that are worked on.
    fn ranges(len: usize, stop: Stop<'_>) -> (Vec<(usize, usize)>, Result<(), TrapCode>) {
        let mut seen = Vec::new();
        let result = in_slices(len, 4, stop, |slice| seen.push((slice.start, slice.end)));
        (seen, result)
    }

    #[test]
    fn slices_cover_everything_once_in_either_direction() {
        assert_eq!(ranges(0, Stop::NEVER), (vec![(0, 0)], Ok(())));
        assert_eq!(ranges(4, Stop::NEVER), (vec![(0, 4)], Ok(())));
        assert_eq!(
            ranges(9, Stop::NEVER),
            (vec![(0, 4), (4, 8), (8, 9)], Ok(()))
        );
        let mut seen = Vec::new();
        in_slices_backwards(9, 4, Stop::NEVER, |slice| seen.push(slice)).unwrap();
        assert_eq!(seen, [5..9, 1..5, 0..1]);
    }

    #[test]
    fn a_request_ends_all_but_the_first_slice() {
        let interrupt = InterruptState::new(libc::SIGURG).unwrap();
        interrupt.interrupt();
        let stop = interrupt.stop();
        assert_eq!(ranges(9, stop), (vec![(0, 4)], Err(TrapCode::Interrupted)));
        // One slice is done before anybody could notice.
        assert_eq!(ranges(4, stop), (vec![(0, 4)], Ok(())));
    }
}
