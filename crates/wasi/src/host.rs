//! Files, pipes, terminals and sockets of the system: transfers that wait only as long as nobody wants the
//! guest to stop.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::{Errno as Host, ReadWriteFlags, preadv2, pwritev2, readv, writev};
use smallvec::SmallVec;
use upshift::InterruptHandle;

use crate::bindings::preview1::types::{Errno, Fdflags, Filetype};
use crate::error::Result;
use crate::transfer::{read_file, write_file};

/// How long a wait lasts before it looks again whether the guest is to be stopped. The signal of an
/// interruption ends a wait at once; this is for one that comes just before the wait.
const SLICE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// The offset that means a file's own position.
const AT_POSITION: u64 = u64::MAX;

/// Something of the system that has a descriptor.
#[derive(Debug)]
pub(crate) struct HostFile {
    fd: HostFd,
    filetype: Filetype,
    is_terminal: bool,
    /// Transfers may have to wait: it is no regular file.
    waits: bool,
    /// The system can be asked to transfer available bytes without waiting.
    knows_nowait: bool,
}

/// A descriptor of ours, or one of the process's standard streams.
#[derive(Debug)]
enum HostFd {
    Owned(OwnedFd),
    Standard(BorrowedFd<'static>),
}

impl AsFd for HostFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.fd {
            HostFd::Owned(fd) => fd.as_fd(),
            HostFd::Standard(fd) => *fd,
        }
    }
}

impl HostFile {
    /// Takes over a descriptor.
    pub(crate) fn owned(fd: OwnedFd) -> Result<Self> {
        let (filetype, is_terminal) = kind_of(fd.as_fd())?;
        Ok(Self::new(HostFd::Owned(fd), filetype, is_terminal))
    }

    /// Takes over a descriptor of which the type is known, and that it is no terminal.
    pub(crate) fn of_type(fd: OwnedFd, filetype: Filetype) -> Self {
        Self::new(HostFd::Owned(fd), filetype, false)
    }

    /// One of the process's standard streams.
    pub(crate) fn standard(fd: BorrowedFd<'static>) -> Result<Self> {
        let (filetype, is_terminal) = kind_of(fd)?;
        Ok(Self::new(HostFd::Standard(fd), filetype, is_terminal))
    }

    /// A socket.
    ///
    /// # Errors
    /// `notsock` when it is none.
    pub(crate) fn socket(fd: OwnedFd) -> Result<Self, Host> {
        let filetype = match rustix::net::sockopt::socket_type(&fd)? {
            rustix::net::SocketType::DGRAM => Filetype::SocketDgram,
            _ => Filetype::SocketStream,
        };
        Ok(Self::of_type(fd, filetype))
    }

    fn new(fd: HostFd, filetype: Filetype, is_terminal: bool) -> Self {
        let waits = !matches!(filetype, Filetype::RegularFile | Filetype::BlockDevice);
        Self {
            fd,
            filetype,
            is_terminal,
            waits,
            knows_nowait: waits,
        }
    }

    pub(crate) fn filetype(&self) -> Filetype {
        self.filetype
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether it is one of the process's standard streams, which others use too.
    pub(crate) fn is_standard(&self) -> bool {
        matches!(self.fd, HostFd::Standard(_))
    }

    /// Whether it can be neither always read nor always written at once.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// The flags that it was opened with.
    pub(crate) fn flags(&self) -> Result<Fdflags> {
        let host = fcntl_getfl(self)?;
        let mut flags = Fdflags::empty();
        flags.set(Fdflags::APPEND, host.contains(OFlags::APPEND));
        flags.set(Fdflags::DSYNC, host.contains(OFlags::DSYNC));
        flags.set(Fdflags::NONBLOCK, host.contains(OFlags::NONBLOCK));
        flags.set(Fdflags::SYNC, host.contains(OFlags::SYNC));
        Ok(flags)
    }

    /// Reads at its position. Waits for something to come unless `nonblock`.
    pub(crate) fn read(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
        nonblock: bool,
        stop: Stop<'_>,
    ) -> Result<usize> {
        if !self.waits {
            return read_file(self, buffers, None, stop);
        }
        loop {
            let result = if self.knows_nowait {
                preadv2(&*self, buffers, AT_POSITION, ReadWriteFlags::NOWAIT)
            } else {
                self.await_ready(PollFlags::IN, nonblock, stop)?;
                readv(&*self, buffers)
            };
            if let Some(count) = self.settle(result, PollFlags::IN, nonblock, stop)? {
                return Ok(count);
            }
        }
    }

    /// Writes at its position. Waits until everything is written unless `nonblock`.
    pub(crate) fn write(
        &mut self,
        buffers: &[IoSlice<'_>],
        nonblock: bool,
        stop: Stop<'_>,
    ) -> Result<usize> {
        if !self.waits {
            return write_file(self, buffers, None, stop);
        }
        let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let written = self.write_some(buffers, nonblock, stop)?;
        if written == total || nonblock {
            return Ok(written);
        }
        // A pipe took a part: the rest goes after it, as one write does it.
        let mut rest: SmallVec<[IoSlice<'_>; 8]> = buffers.iter().copied().collect();
        let (mut rest, mut done) = (&mut rest[..], written);
        IoSlice::advance_slices(&mut rest, written);
        while done < total {
            match self.write_some(rest, false, stop) {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    done += count;
                    IoSlice::advance_slices(&mut rest, count);
                }
            }
        }
        Ok(done)
    }

    fn write_some(
        &mut self,
        buffers: &[IoSlice<'_>],
        nonblock: bool,
        stop: Stop<'_>,
    ) -> Result<usize> {
        loop {
            let result = if self.knows_nowait {
                pwritev2(&*self, buffers, AT_POSITION, ReadWriteFlags::NOWAIT)
            } else {
                self.await_ready(PollFlags::OUT, nonblock, stop)?;
                writev(&*self, buffers)
            };
            if let Some(count) = self.settle(result, PollFlags::OUT, nonblock, stop)? {
                return Ok(count);
            }
        }
    }

    /// The outcome of a transfer: done, failed, or (`None`) to be tried again.
    fn settle(
        &mut self,
        result: Result<usize, Host>,
        wanted: PollFlags,
        nonblock: bool,
        stop: Stop<'_>,
    ) -> Result<Option<usize>> {
        match result {
            Ok(count) => Ok(Some(count)),
            Err(Host::OPNOTSUPP | Host::NOSYS | Host::INVAL) if self.knows_nowait => {
                self.knows_nowait = false;
                Ok(None)
            }
            Err(Host::AGAIN) if !nonblock => {
                self.await_ready(wanted, false, stop)?;
                Ok(None)
            }
            Err(Host::INTR) => stop.check().map(|()| None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until a transfer does not have to.
    pub(crate) fn await_ready(
        &self,
        wanted: PollFlags,
        nonblock: bool,
        stop: Stop<'_>,
    ) -> Result<()> {
        let mut fds = [PollFd::new(self, wanted)];
        loop {
            stop.check()?;
            let timeout = if nonblock {
                &Timespec::default()
            } else {
                &SLICE
            };
            match poll(&mut fds, Some(timeout)) {
                Ok(0) if nonblock => return Err(Errno::Again.into()),
                Ok(0) | Err(Host::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Tells whether the guest is to be stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop<'a>(pub(crate) Option<&'a InterruptHandle>);

impl Stop<'_> {
    /// # Errors
    /// `intr` when it is. The guest does not see it: it ends when the call returns.
    pub(crate) fn check(self) -> Result<()> {
        match self.0 {
            Some(handle) if handle.is_requested() => Err(Errno::Intr.into()),
            _ => Ok(()),
        }
    }

    /// Waits until one of these is ready, or `nanos` have passed, if there is such a limit.
    pub(crate) fn poll(self, fds: &mut [PollFd<'_>], nanos: Option<u64>) -> Result<()> {
        let start = std::time::Instant::now();
        loop {
            self.check()?;
            let left =
                nanos.map(|nanos| u128::from(nanos).saturating_sub(start.elapsed().as_nanos()));
            let slice = u128::from(SLICE.tv_nsec.cast_unsigned());
            let last = left.is_some_and(|left| left <= slice);
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: left.map_or(slice, |left| left.min(slice)) as _,
            };
            match poll(fds, Some(&timeout)) {
                Ok(0) if !last => {}
                Ok(_) => return Ok(()),
                Err(Host::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The kind of a descriptor of the system, and whether it is a terminal.
fn kind_of(fd: BorrowedFd<'_>) -> Result<(Filetype, bool)> {
    let filetype = match filetype_of_mode(fstat(fd)?.st_mode) {
        Filetype::SocketStream => socket_type(fd),
        other => other,
    };
    let is_terminal = filetype == Filetype::CharacterDevice && rustix::termios::isatty(fd);
    Ok((filetype, is_terminal))
}

fn socket_type(fd: BorrowedFd<'_>) -> Filetype {
    match rustix::net::sockopt::socket_type(fd) {
        Ok(rustix::net::SocketType::DGRAM) => Filetype::SocketDgram,
        _ => Filetype::SocketStream,
    }
}

/// The type that a file's mode tells; of sockets, the more usual one.
pub(crate) fn filetype_of_mode(mode: u32) -> Filetype {
    filetype_of(FileType::from_raw_mode(mode))
}

/// The system's type as WASI's.
pub(crate) fn filetype_of(host: FileType) -> Filetype {
    match host {
        FileType::RegularFile => Filetype::RegularFile,
        FileType::Directory => Filetype::Directory,
        FileType::Symlink => Filetype::SymbolicLink,
        FileType::CharacterDevice => Filetype::CharacterDevice,
        FileType::BlockDevice => Filetype::BlockDevice,
        FileType::Socket => Filetype::SocketStream,
        FileType::Fifo | FileType::Unknown => Filetype::Unknown,
    }
}
