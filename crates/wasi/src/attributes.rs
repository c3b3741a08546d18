//! Attributes of files, and times to be set, between the system and WASI.

use std::os::fd::AsFd;
use std::time::{Duration, UNIX_EPOCH};

use cap_fs_ext::SystemTimeSpec;
use cap_std::time::SystemTime;
use rustix::fs;

use crate::bindings::preview1::types::{Errno, Filestat, Filetype, Fstflags, Timestamp};
use crate::error::Result;
use crate::host::filetype_of_mode;

/// The system's attributes of an open file.
pub(crate) fn filestat(fd: impl AsFd, filetype: Option<Filetype>) -> Result<Filestat> {
    let stat = fs::fstat(fd)?;
    Ok(Filestat {
        dev: stat.st_dev,
        ino: stat.st_ino,
        filetype: filetype.unwrap_or_else(|| filetype_of_mode(stat.st_mode)),
        nlink: stat.st_nlink,
        size: stat.st_size.cast_unsigned(),
        atim: timestamp(stat.st_atime, stat.st_atime_nsec.cast_signed()),
        mtim: timestamp(stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
        ctim: timestamp(stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
    })
}

/// The new values of times: nothing, now, or a time.
pub(crate) fn wanted_times(
    atim: Timestamp,
    mtim: Timestamp,
    flags: Fstflags,
) -> Result<(Option<SystemTimeSpec>, Option<SystemTimeSpec>)> {
    let wanted = |time, absolute, now| match (flags.contains(absolute), flags.contains(now)) {
        (true, true) => Err(Errno::Inval),
        (true, false) => {
            let time = UNIX_EPOCH + Duration::from_nanos(time);
            let time = SystemTime::from_std(time);
            Ok(Some(SystemTimeSpec::Absolute(time)))
        }
        (false, true) => Ok(Some(SystemTimeSpec::SymbolicNow)),
        (false, false) => Ok(None),
    };
    Ok((
        wanted(atim, Fstflags::ATIM, Fstflags::ATIM_NOW)?,
        wanted(mtim, Fstflags::MTIM, Fstflags::MTIM_NOW)?,
    ))
}

/// The same for the system.
pub(crate) fn host_times(
    atim: Timestamp,
    mtim: Timestamp,
    flags: Fstflags,
) -> Result<fs::Timestamps> {
    // The same flags are wrong.
    wanted_times(atim, mtim, flags)?;
    let time = |time: u64, absolute, now| {
        if flags.contains(absolute) {
            fs::Timespec {
                tv_sec: (time / 1_000_000_000).cast_signed(),
                tv_nsec: (time % 1_000_000_000).cast_signed(),
            }
        } else {
            let tv_nsec = if flags.contains(now) {
                fs::UTIME_NOW
            } else {
                fs::UTIME_OMIT
            };
            fs::Timespec { tv_sec: 0, tv_nsec }
        }
    };
    Ok(fs::Timestamps {
        last_access: time(atim, Fstflags::ATIM, Fstflags::ATIM_NOW),
        last_modification: time(mtim, Fstflags::MTIM, Fstflags::MTIM_NOW),
    })
}

/// A time of the system in nanoseconds since 1970; outside of WASI's range, the nearest in it.
pub(crate) fn timestamp(seconds: i64, nanos: i64) -> u64 {
    u64::try_from(seconds).map_or(0, |seconds| {
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(nanos.cast_unsigned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_of_the_system_is_one_of_wasi() {
        assert_eq!(timestamp(0, 0), 0);
        assert_eq!(timestamp(1, 5), 1_000_000_005);
        // Before 1970, and after 2554.
        for seconds in [-1, -2, i64::MIN / 2, i64::MIN + 1, i64::MIN] {
            assert_eq!(timestamp(seconds, 999_999_999), 0);
        }
        for seconds in [1 << 35, i64::MAX / 2, i64::MAX] {
            assert_eq!(timestamp(seconds, 999_999_999), u64::MAX);
        }
    }

    #[test]
    fn every_time_of_wasi_is_one_of_the_system() {
        let flags = Fstflags::ATIM | Fstflags::MTIM;
        for time in [0, 1, 999_999_999, 1_000_000_000, u64::MAX - 1, u64::MAX] {
            let host = host_times(time, time, flags);
            let host = host.unwrap_or_else(|error| panic!("{time}: {error:?}"));
            let fs::Timespec { tv_sec, tv_nsec } = host.last_modification;
            assert_eq!(timestamp(tv_sec, tv_nsec), time);
            assert!((0..1_000_000_000).contains(&tv_nsec));
            assert!(wanted_times(time, time, flags).is_ok());
        }
    }
}
