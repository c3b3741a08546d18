//! Opening a path: which rights that takes, and which the new descriptor has.

use wiggle::{GuestMemory, GuestPtr};

use crate::bindings::preview1::types::{Errno, Fd, Fdflags, Oflags, Rights};
use crate::buffers::path_at;
use crate::context::WasiCtx;
use crate::directory::{OpenHow, Opened};
use crate::error::Result;
use crate::rights;
use crate::table::{Descriptor, Kind};

/// How many of the system's descriptors guests leave to the rest of the process.
const RESERVED_DESCRIPTORS: u64 = 32;

/// How a guest wants something opened.
pub(super) struct OpenWish {
    /// Where a link leads is meant, not the link.
    pub(super) follow: bool,
    pub(super) oflags: Oflags,
    pub(super) fdflags: Fdflags,
    /// The rights of the new descriptor.
    pub(super) base: Rights,
    /// The rights that descriptors opened through the new one may have.
    pub(super) inheriting: Rights,
}

impl WasiCtx {
    /// The system's descriptors from this one on are not for guests.
    pub(super) fn host_fd_limit(&mut self) -> i32 {
        *self.host_fd_limit.get_or_insert_with(|| {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
            limit.map_or(i32::MAX, |limit| {
                i32::try_from(limit.saturating_sub(RESERVED_DESCRIPTORS)).unwrap_or(i32::MAX)
            })
        })
    }

    /// `path_open`.
    pub(super) fn open(
        &mut self,
        memory: &GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
        wish: OpenWish,
    ) -> Result<Fd> {
        let OpenWish {
            follow,
            oflags,
            fdflags,
            base,
            inheriting,
        } = wish;
        let fd_limit = self.host_fd_limit();
        self.table.check_room()?;
        let mut needed = Rights::PATH_OPEN;
        needed.set(Rights::PATH_CREATE_FILE, oflags.contains(Oflags::CREAT));
        needed.set(
            Rights::PATH_FILESTAT_SET_SIZE,
            oflags.contains(Oflags::TRUNC),
        );
        let directory = self.directory(fd, needed)?;
        let parent = self.table.get(fd)?;
        let mut inherited = base | inheriting;
        if fdflags.contains(Fdflags::DSYNC) {
            inherited |= Rights::FD_DATASYNC;
        }
        if fdflags.intersects(Fdflags::RSYNC | Fdflags::SYNC) {
            inherited |= Rights::FD_SYNC;
        }
        if !parent.inheriting.contains(inherited) {
            return Err(Errno::Notcapable.into());
        }
        let how = OpenHow {
            follow,
            read: base.intersects(Rights::FD_READ | Rights::FD_READDIR),
            write: base.contains(Rights::FD_WRITE),
            oflags,
            fdflags,
        };
        let opened = directory.open(path_at(memory, path)?, how, fd_limit)?;
        let read_only = directory.is_read_only();
        let descriptor = match opened {
            Opened::Directory(directory) => Descriptor {
                kind: Kind::Directory(directory),
                rights: base & rights::DIRECTORY,
                inheriting,
                flags: Fdflags::empty(),
                read_only,
            },
            Opened::File(file) => Descriptor {
                rights: base & rights::of(file.filetype(), file.is_terminal()),
                kind: Kind::Host(file),
                inheriting: Rights::empty(),
                flags: fdflags,
                read_only,
            },
        };
        Ok(self.table.insert(descriptor)?.into())
    }
}
