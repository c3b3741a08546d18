//! How much address space this process can still have. `ulimit -v` and containers limit it.

use std::fs;

use crate::mmap::Reservation;

/// The rest under the limit of the process, in bytes; `None` if there is no limit that it could be compared with.
#[must_use]
pub fn available_address_space() -> Option<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: it is given a place for its answer.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) };
    if asked != 0 || limit.rlim_cur == libc::RLIM_INFINITY {
        return None;
    }
    // Without `/proc`, used space counts for nothing, and reserving tells.
    Some(limit.rlim_cur.saturating_sub(used().unwrap_or(0)))
}

/// Address space in use, in bytes.
fn used() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().next()?.parse().ok()?;
    // SAFETY: no preconditions.
    let page_size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.checked_mul(u64::try_from(page_size).ok()?)
}

/// Whether so many bytes of address space can be had in one piece now. Takes two system calls.
#[must_use]
pub fn can_reserve(bytes: u64) -> bool {
    usize::try_from(bytes).is_ok_and(|bytes| Reservation::new(bytes.max(1)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_can_be_reserved_and_what_is_not_cannot() {
        assert!(can_reserve(0) && can_reserve(1 << 20));
        assert!(!can_reserve(1 << 48) && !can_reserve(u64::MAX));
        assert!(used().is_some_and(|used| used > 1 << 20));
        if let Some(available) = available_address_space() {
            assert!(!can_reserve(available + (1 << 20)));
        }
    }
}
