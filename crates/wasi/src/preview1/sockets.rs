//! Sockets by number, and connections to listening ones. Transfers are in `socket`.

use crate::bindings::preview1::types::{Errno, Fd, Fdflags, Rights};
use crate::context::WasiCtx;
use crate::error::Result;
use crate::host::HostFile;
use crate::table::{Descriptor, Kind};

impl WasiCtx {
    /// The socket of a number, if the guest has these rights to it, and whether it must not wait.
    pub(super) fn socket(&self, fd: Fd, rights: Rights) -> Result<(&HostFile, bool)> {
        let descriptor = self.table.get(fd)?;
        let Kind::Host(file) = &descriptor.kind else {
            return Err(Errno::Notsock.into());
        };
        file.check_socket()?;
        descriptor.need(rights)?;
        Ok((file, descriptor.flags.contains(Fdflags::NONBLOCK)))
    }

    /// `sock_accept`.
    pub(super) fn accept(&mut self, fd: Fd, flags: Fdflags) -> Result<Fd> {
        self.table.check_room()?;
        let fd_limit = self.host_fd_limit();
        let (file, nonblock) = self.socket(fd, Rights::SOCK_ACCEPT)?;
        if !Fdflags::NONBLOCK.contains(flags) {
            return Err(Errno::Inval.into());
        }
        let connection = file.accept(nonblock, fd_limit, self.stop())?;
        let accepted = Descriptor {
            kind: Kind::Host(connection),
            rights: self.table.get(fd)?.inheriting,
            inheriting: Rights::empty(),
            flags,
            read_only: false,
        };
        Ok(self.table.insert(accepted)?.into())
    }
}
