//! Reservations for memories, of which a few stay with the process when they are given back: taking one
//! of those costs one system call instead of three and finds its page tables built.

use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;

use upshift_module::to_u64;

use crate::GUARDED_RESERVATION;
use crate::mmap::Reservation;
use crate::sync::Mutex;

/// Reservations kept at most: half a terabyte of address space, no memory but page tables.
const MOST_KEPT: usize = 64;
/// A reservation that has grown larger is not kept, for the sake of its page tables (a 512th of it).
const LARGEST_KEPT: usize = 64 << 20;

/// Reservations of the usual size, their accessible parts zero.
///
/// A thread that finds it locked does without it: a new reservation costs less than waiting for a thread that does not get to
/// run.
static KEPT: Mutex<Vec<Reservation>> = Mutex::new(Vec::new());

/// A reservation that may have been used before. Its accessible part is zero at first.
#[derive(Debug)]
pub(crate) struct PooledReservation {
    inner: ManuallyDrop<Reservation>,
}

impl PooledReservation {
    /// Reserves `len` bytes, which must not be 0.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let kept = if is_usual(len) {
            KEPT.try_lock().and_then(|mut kept| kept.pop())
        } else {
            None
        };
        let inner = match kept {
            Some(reservation) => reservation,
            None => Reservation::new(len).or_else(|_| {
                // Where address space is scarce, kept reservations are in the way.
                drop(KEPT.try_lock().map(|mut kept| std::mem::take(&mut *kept)));
                Reservation::new(len)
            })?,
        };
        Ok(Self {
            inner: ManuallyDrop::new(inner),
        })
    }
}

fn is_usual(len: usize) -> bool {
    to_u64(len) == GUARDED_RESERVATION
}

impl Deref for PooledReservation {
    type Target = Reservation;

    fn deref(&self) -> &Reservation {
        &self.inner
    }
}

impl Drop for PooledReservation {
    fn drop(&mut self) {
        // SAFETY: taken once, here, and `self` is not used any more.
        let mut inner = unsafe { ManuallyDrop::take(&mut self.inner) };
        if is_usual(inner.len())
            && inner.accessible() <= LARGEST_KEPT
            && KEPT.try_lock().is_some_and(|kept| kept.len() < MOST_KEPT)
            && inner.discard().is_ok()
            && let Some(mut kept) = KEPT.try_lock()
        {
            kept.push(inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use upshift_module::u64_to_usize;

    use super::*;

    #[test]
    fn what_was_used_before_is_zero_again() {
        for round in 0..100_u8 {
            let reservation = PooledReservation::new(u64_to_usize(GUARDED_RESERVATION)).unwrap();
            let len = 65536 * (1 + usize::from(round % 3));
            reservation.set_accessible(len).unwrap();
            let base = reservation.base().as_ptr();
            for at in [0, 5000, len - 1] {
                // SAFETY: these bytes have just been made accessible.
                unsafe {
                    assert_eq!(base.add(at).read(), 0);
                    base.add(at).write(round + 1);
                }
            }
        }
    }

    #[test]
    fn few_are_kept() {
        let many: Vec<_> = (0..2 * MOST_KEPT)
            .map(|_| PooledReservation::new(u64_to_usize(GUARDED_RESERVATION)).unwrap())
            .collect();
        drop(many);
        // Two threads may find room for one each.
        assert!(KEPT.lock().len() <= MOST_KEPT + 8);
    }
}
