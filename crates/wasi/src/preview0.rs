//! `wasi_unstable`: the functions with another layout there. Everything is done by the functions of preview 1.

use wiggle::{GuestErrorType, GuestMemory, GuestPtr};

use crate::bindings::preview0::types::{
    Clockid, Errno, Event, Fd, Filedelta, Filesize, Filestat, Filetype, Lookupflags, Size,
    Subclockflags, Subscription, SubscriptionU, UserErrorConversion, Whence,
};
use crate::bindings::preview0::wasi_unstable::WasiUnstable;
use crate::bindings::preview1::types as preview1;
use crate::bindings::preview1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use crate::buffers::check_range;
use crate::context::WasiCtx;
use crate::error::{Error, Result};
use crate::poll::{self, What, Wish};

impl GuestErrorType for Errno {
    fn success() -> Self {
        Self::Success
    }
}

impl UserErrorConversion for WasiCtx {
    fn errno_from_error(&mut self, error: Error) -> wiggle::error::Result<Errno> {
        let errno = preview1::UserErrorConversion::errno_from_error(self, error)?;
        // The numbers are the same.
        Ok(Errno::try_from(u16::from(errno)).unwrap_or(Errno::Io))
    }
}

impl WasiUnstable for WasiCtx {
    fn fd_filestat_get(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<Filestat> {
        let fd = u32::from(fd).into();
        WasiSnapshotPreview1::fd_filestat_get(self, memory, fd).and_then(narrow)
    }

    fn fd_seek(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        offset: Filedelta,
        whence: Whence,
    ) -> Result<Filesize> {
        let fd = u32::from(fd).into();
        let whence = match whence {
            Whence::Set => preview1::Whence::Set,
            Whence::Cur => preview1::Whence::Cur,
            Whence::End => preview1::Whence::End,
        };
        WasiSnapshotPreview1::fd_seek(self, memory, fd, offset, whence)
    }

    fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        flags: Lookupflags,
        path: GuestPtr<str>,
    ) -> Result<Filestat> {
        let fd = u32::from(fd).into();
        let flags = preview1::Lookupflags::try_from(u32::from(flags))?;
        WasiSnapshotPreview1::path_filestat_get(self, memory, fd, flags, path).and_then(narrow)
    }

    fn poll_oneoff(
        &mut self,
        memory: &mut GuestMemory<'_>,
        subscriptions: GuestPtr<Subscription>,
        events: GuestPtr<Event>,
        count: Size,
    ) -> Result<Size> {
        check_range(memory, subscriptions, count)?;
        // Events are the same.
        poll::run(self, memory, events.cast(), count, |memory, i| {
            Ok(Wish::from(memory.read(subscriptions.add(i)?)?))
        })
    }
}

/// There is less room for the number of links here.
fn narrow(stat: preview1::Filestat) -> Result<Filestat> {
    Ok(Filestat {
        dev: stat.dev,
        ino: stat.ino,
        filetype: Filetype::try_from(u8::from(stat.filetype))?,
        nlink: u32::try_from(stat.nlink).unwrap_or(u32::MAX),
        size: stat.size,
        atim: stat.atim,
        mtim: stat.mtim,
        ctim: stat.ctim,
    })
}

impl From<Subscription> for Wish {
    fn from(subscription: Subscription) -> Self {
        Self {
            userdata: subscription.userdata,
            what: match subscription.u {
                SubscriptionU::Clock(clock) => What::Clock {
                    id: match clock.id {
                        Clockid::Realtime => preview1::Clockid::Realtime,
                        Clockid::Monotonic => preview1::Clockid::Monotonic,
                        Clockid::ProcessCputimeId => preview1::Clockid::ProcessCputimeId,
                        Clockid::ThreadCputimeId => preview1::Clockid::ThreadCputimeId,
                    },
                    timeout: clock.timeout,
                    is_absolute: clock
                        .flags
                        .contains(Subclockflags::SUBSCRIPTION_CLOCK_ABSTIME),
                },
                SubscriptionU::FdRead(file) => What::Read(u32::from(file.file_descriptor).into()),
                SubscriptionU::FdWrite(file) => What::Write(u32::from(file.file_descriptor).into()),
            },
        }
    }
}
