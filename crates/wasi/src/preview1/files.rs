//! Operations on open files and directories: their position, flags, rights and attributes.

use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, FallocateFlags, SeekFrom};

use crate::attributes::{filestat, host_times};
use crate::bindings::preview1::types::{
    Advice, Errno, Fd, Fdflags, Filedelta, Filesize, Filestat, Filetype, Fstflags, Rights,
    Timestamp, Whence,
};
use crate::context::WasiCtx;
use crate::error::Result;
use crate::host::HostFile;
use crate::table::Kind;

impl WasiCtx {
    /// The file of a number, if it has a position and the guest these rights to it. Of a directory, the error is the
    /// one that is given.
    pub(super) fn positioned(
        &self,
        fd: Fd,
        of_directory: Errno,
        rights: Rights,
    ) -> Result<&HostFile> {
        let descriptor = self.table.get(fd)?;
        match &descriptor.kind {
            Kind::Directory(_) => Err(of_directory.into()),
            Kind::Stream(_) => Err(Errno::Spipe.into()),
            Kind::Host(file) => {
                descriptor.need_position(rights)?;
                Ok(file)
            }
        }
    }

    /// `fd_advise`.
    pub(super) fn advise(
        &self,
        fd: Fd,
        offset: Filesize,
        len: Filesize,
        advice: Advice,
    ) -> Result<()> {
        let file = self.positioned(fd, Errno::Badf, Rights::FD_ADVISE)?;
        let advice = match advice {
            Advice::Normal => fs::Advice::Normal,
            Advice::Sequential => fs::Advice::Sequential,
            Advice::Random => fs::Advice::Random,
            Advice::Willneed => fs::Advice::WillNeed,
            Advice::Dontneed => fs::Advice::DontNeed,
            Advice::Noreuse => fs::Advice::NoReuse,
        };
        Ok(fs::fadvise(file, offset, NonZeroU64::new(len), advice)?)
    }

    /// `fd_allocate`.
    pub(super) fn allocate(&self, fd: Fd, offset: Filesize, len: Filesize) -> Result<()> {
        let file = self.positioned(fd, Errno::Badf, Rights::FD_ALLOCATE)?;
        Ok(fs::fallocate(file, FallocateFlags::empty(), offset, len)?)
    }

    /// `fd_seek`: moves the position, and says where it is.
    pub(super) fn seek(&self, fd: Fd, offset: Filedelta, whence: Whence) -> Result<Filesize> {
        let to = match whence {
            Whence::Set => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?),
            Whence::Cur => SeekFrom::Current(offset),
            Whence::End => SeekFrom::End(offset),
        };
        let rights = self.table.get(fd)?.rights;
        let needed = match to {
            // The right to seek includes the right to tell.
            SeekFrom::Current(0) if !rights.contains(Rights::FD_SEEK) => Rights::FD_TELL,
            _ => Rights::FD_SEEK,
        };
        let file = self.positioned(fd, Errno::Badf, needed)?;
        Ok(fs::seek(file, to)?)
    }

    /// `fd_sync` and `fd_datasync`.
    pub(super) fn sync(
        &self,
        fd: Fd,
        right: Rights,
        sync: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<()>,
    ) -> Result<()> {
        let descriptor = self.table.get(fd)?;
        descriptor.need(right)?;
        match &descriptor.kind {
            Kind::Host(file) => Ok(sync(file.as_fd())?),
            Kind::Directory(directory) => Ok(sync(directory.dir().as_fd())?),
            Kind::Stream(_) => Err(Errno::Inval.into()),
        }
    }

    /// `fd_fdstat_set_flags`.
    pub(super) fn set_flags(&mut self, fd: Fd, flags: Fdflags) -> Result<()> {
        let descriptor = self.table.get_mut(fd)?;
        descriptor.need(Rights::FD_FDSTAT_SET_FLAGS)?;
        let changed = descriptor.flags.symmetric_difference(flags);
        if !(Fdflags::APPEND | Fdflags::NONBLOCK).contains(changed) {
            // The system can't change these of an open file.
            return Err(Errno::Notsup.into());
        }
        if changed.contains(Fdflags::APPEND) {
            let Kind::Host(file) = &descriptor.kind else {
                return Err(Errno::Inval.into());
            };
            // The process's own streams are not only the guest's.
            if file.is_standard() {
                return Err(Errno::Notsup.into());
            }
            let mut host = fs::fcntl_getfl(file)?;
            host.set(fs::OFlags::APPEND, flags.contains(Fdflags::APPEND));
            fs::fcntl_setfl(file, host)?;
        }
        descriptor.flags = flags;
        Ok(())
    }

    /// `fd_fdstat_set_rights`: they can be dropped, and never be had again.
    pub(super) fn set_rights(&mut self, fd: Fd, base: Rights, inheriting: Rights) -> Result<()> {
        let descriptor = self.table.get_mut(fd)?;
        descriptor.need(base)?;
        if !descriptor.inheriting.contains(inheriting) {
            return Err(Errno::Notcapable.into());
        }
        descriptor.rights = base;
        descriptor.inheriting = inheriting;
        Ok(())
    }

    /// `fd_filestat_get`.
    pub(super) fn stat(&self, fd: Fd) -> Result<Filestat> {
        let descriptor = self.table.get(fd)?;
        descriptor.need(Rights::FD_FILESTAT_GET)?;
        match &descriptor.kind {
            Kind::Host(file) => filestat(file, Some(file.filetype())),
            Kind::Directory(directory) => filestat(directory.dir(), None),
            Kind::Stream(_) => Ok(Filestat {
                dev: 0,
                ino: 0,
                filetype: Filetype::Unknown,
                nlink: 1,
                size: 0,
                atim: 0,
                mtim: 0,
                ctim: 0,
            }),
        }
    }

    /// `fd_filestat_set_size`.
    pub(super) fn set_size(&self, fd: Fd, size: Filesize) -> Result<()> {
        let descriptor = self.table.get(fd)?;
        match &descriptor.kind {
            Kind::Directory(_) => Err(Errno::Badf.into()),
            Kind::Stream(_) => Err(Errno::Inval.into()),
            Kind::Host(file) => {
                descriptor.need(Rights::FD_FILESTAT_SET_SIZE)?;
                Ok(fs::ftruncate(file, size)?)
            }
        }
    }

    /// `fd_filestat_set_times`.
    pub(super) fn set_times(
        &self,
        fd: Fd,
        atim: Timestamp,
        mtim: Timestamp,
        flags: Fstflags,
    ) -> Result<()> {
        let descriptor = self.table.get(fd)?;
        descriptor.need(Rights::FD_FILESTAT_SET_TIMES)?;
        let times = host_times(atim, mtim, flags)?;
        if descriptor.read_only {
            return Err(Errno::Rofs.into());
        }
        match &descriptor.kind {
            Kind::Host(file) if file.is_standard() => Err(Errno::Perm.into()),
            Kind::Host(file) => Ok(fs::futimens(file, &times)?),
            Kind::Directory(directory) => Ok(fs::futimens(directory.dir(), &times)?),
            Kind::Stream(_) => Err(Errno::Inval.into()),
        }
    }
}
