//! Clocks: the system's, or ones that depend on nothing but how often they are read.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

use crate::bindings::preview1::types::{Clockid, Errno, Timestamp};
use crate::error::Result;

/// Where a guest's time comes from.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// The system.
    System,
    /// Nothing outside: all clocks move by the same amount at each reading, and by the whole time of a
    /// sleep, which so takes none.
    Deterministic {
        /// Of the wall clock, in nanoseconds since 1970.
        start: u64,
        /// The time passed, in nanoseconds.
        passed: u64,
        /// The time that each reading adds, in nanoseconds.
        step: u64,
    },
}

impl Clock {
    /// A clock that starts at this time since 1970 and moves by `step` at each reading.
    pub(crate) fn deterministic(start: Duration, step: Duration) -> Self {
        Self::Deterministic {
            start: saturating_nanos(start),
            passed: 0,
            step: saturating_nanos(step),
        }
    }

    /// The time now, in nanoseconds.
    pub(crate) fn now(&mut self, id: Clockid) -> Result<Timestamp> {
        match self {
            Self::System => nanos(clock_gettime(host_clock(id))),
            Self::Deterministic {
                start,
                passed,
                step,
            } => {
                *passed = passed.saturating_add(*step);
                Ok(match id {
                    Clockid::Realtime => start.saturating_add(*passed),
                    _ => *passed,
                })
            }
        }
    }

    /// The smallest difference between two times, in nanoseconds.
    pub(crate) fn resolution(&self, id: Clockid) -> Result<Timestamp> {
        match self {
            Self::System => nanos(clock_getres(host_clock(id))),
            Self::Deterministic { step, .. } => Ok((*step).max(1)),
        }
    }

    /// Lets time pass at once, if this clock is not the system's. Says whether it did.
    pub(crate) fn skip(&mut self, nanos: u64) -> bool {
        match self {
            Self::System => false,
            Self::Deterministic { passed, .. } => {
                *passed = passed.saturating_add(nanos);
                true
            }
        }
    }
}

fn host_clock(id: Clockid) -> ClockId {
    match id {
        Clockid::Realtime => ClockId::Realtime,
        Clockid::Monotonic => ClockId::Monotonic,
        Clockid::ProcessCputimeId => ClockId::ProcessCPUTime,
        Clockid::ThreadCputimeId => ClockId::ThreadCPUTime,
    }
}

fn nanos(time: Timespec) -> Result<Timestamp> {
    u64::try_from(time.tv_sec)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1_000_000_000))
        .and_then(|nanos| nanos.checked_add(time.tv_nsec.cast_unsigned()))
        .ok_or_else(|| Errno::Overflow.into())
}

fn saturating_nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deterministic_clock_depends_on_its_readings_alone() {
        let read = || {
            let mut clock = Clock::deterministic(Duration::from_secs(10), Duration::from_nanos(7));
            assert!(clock.skip(100));
            [
                clock.now(Clockid::Realtime).ok(),
                clock.now(Clockid::Monotonic).ok(),
            ]
        };
        assert_eq!(read(), [Some(10_000_000_107), Some(114)]);
        assert_eq!(read(), read());
    }

    #[test]
    fn the_systems_monotonic_clock_does_not_go_back() {
        let mut clock = Clock::System;
        let first = clock.now(Clockid::Monotonic).ok();
        assert!(first.is_some() && clock.now(Clockid::Monotonic).ok() >= first);
        assert!(!clock.skip(1));
    }
}
