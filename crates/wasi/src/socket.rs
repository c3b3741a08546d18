//! Sockets: operations beyond reading and writing.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno as Host;
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, SocketFlags,
    accept_with, recvmsg, sendmsg,
};

use crate::bindings::preview1::types::{Errno, Filetype, Riflags, Roflags};
use crate::error::Result;
use crate::host::{HostFile, Stop};

/// How often a peek that wants more looks again, in nanoseconds.
const PEEK_AGAIN: u64 = 1_000_000;

impl HostFile {
    /// # Errors
    /// `notsock` when it is none.
    pub(crate) fn check_socket(&self) -> Result<()> {
        match self.filetype() {
            Filetype::SocketStream | Filetype::SocketDgram => Ok(()),
            _ => Err(Errno::Notsock.into()),
        }
    }

    /// Takes a connection. Descriptors of the system from `fd_limit` on are given back.
    pub(crate) fn accept(&self, nonblock: bool, fd_limit: i32, stop: Stop<'_>) -> Result<Self> {
        loop {
            match accept_with(self, SocketFlags::CLOEXEC) {
                Ok(fd) if fd.as_raw_fd() >= fd_limit => return Err(Errno::Mfile.into()),
                Ok(fd) => return Ok(Self::socket(fd)?),
                Err(Host::AGAIN) if !nonblock => self.await_ready(PollFlags::IN, false, stop)?,
                Err(Host::INTR | Host::CONNABORTED) => stop.check()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Receives a message, or the available bytes of a stream.
    pub(crate) fn receive(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        flags: Riflags,
        nonblock: bool,
        stop: Stop<'_>,
    ) -> Result<(usize, Roflags)> {
        let peeks = flags.contains(Riflags::RECV_PEEK);
        let is_stream = self.filetype() == Filetype::SocketStream;
        let wants_all = flags.contains(Riflags::RECV_WAITALL) && is_stream && !nonblock;
        let mut host_flags = RecvFlags::DONTWAIT;
        host_flags.set(RecvFlags::PEEK, peeks);
        let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let (mut rest, mut received) = (buffers, 0);
        loop {
            let message = match recvmsg(self, rest, &mut RecvAncillaryBuffer::default(), host_flags)
            {
                Ok(message) => message,
                Err(Host::AGAIN) if !nonblock && received == 0 => {
                    self.await_ready(PollFlags::IN, false, stop)?;
                    continue;
                }
                Err(Host::AGAIN) if !nonblock => match self.await_ready(PollFlags::IN, false, stop)
                {
                    Ok(()) => continue,
                    // Bytes that have been taken must not be lost.
                    Err(_) => return Ok((received, Roflags::empty())),
                },
                Err(Host::INTR) => {
                    stop.check()?;
                    continue;
                }
                Err(_) if received > 0 => return Ok((received, Roflags::empty())),
                Err(error) => return Err(error.into()),
            };
            let truncated = message.flags.contains(ReturnFlags::TRUNC);
            let mut flags = Roflags::empty();
            flags.set(Roflags::RECV_DATA_TRUNCATED, truncated);
            if peeks {
                if !wants_all || message.bytes == total || self.is_at_end(stop)? {
                    return Ok((message.bytes, flags));
                }
                continue;
            }
            received += message.bytes;
            if !wants_all || message.bytes == 0 || received == total {
                return Ok((received, flags));
            }
            IoSliceMut::advance_slices(&mut rest, message.bytes);
        }
    }

    /// Whether nothing more will come. Waits a little.
    fn is_at_end(&self, stop: Stop<'_>) -> Result<bool> {
        let mut fds = [PollFd::new(self, PollFlags::RDHUP)];
        stop.poll(&mut fds, Some(PEEK_AGAIN))?;
        Ok(!fds[0].revents().is_empty())
    }

    /// Sends a message, or, unless `nonblock`, all bytes for a stream.
    pub(crate) fn send(
        &self,
        buffers: &[IoSlice<'_>],
        nonblock: bool,
        stop: Stop<'_>,
    ) -> Result<usize> {
        let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let mut rest: smallvec::SmallVec<[IoSlice<'_>; 8]> = buffers.iter().copied().collect();
        let (mut rest, mut sent) = (&mut rest[..], 0);
        loop {
            let result = sendmsg(
                self,
                rest,
                &mut SendAncillaryBuffer::default(),
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            );
            match result {
                Ok(count) => {
                    sent += count;
                    if nonblock || sent >= total || count == 0 {
                        return Ok(sent);
                    }
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(Host::AGAIN) if !nonblock => {
                    match self.await_ready(PollFlags::OUT, false, stop) {
                        Err(_) if sent > 0 => return Ok(sent),
                        ready => ready?,
                    }
                }
                Err(Host::INTR) => stop.check()?,
                Err(_) if sent > 0 => return Ok(sent),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
