//! The functions of `wasi_snapshot_preview1`, in the order of their definition: the rights that each needs,
//! and the code that does the work. Longer functions are in `files`, `open` and `sockets`.

use std::os::unix::ffi::OsStrExt;

use rustix::fs;
use wiggle::{GuestMemory, GuestPtr};

use crate::Exit;
use crate::attributes::wanted_times;
use crate::bindings::preview1::types::{
    Advice, Ciovec, CiovecArray, Clockid, Dircookie, Errno, Event, Exitcode, Fd, Fdflags, Fdstat,
    Filedelta, Filesize, Filestat, Fstflags, IovecArray, Lookupflags, Oflags, Prestat, PrestatDir,
    Riflags, Rights, Roflags, Sdflags, Siflags, Signal, Size, Subscription, Timestamp, Whence,
};
use crate::bindings::preview1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use crate::buffers::{bytes_at_mut, check_range, path_at, put_strings, sources, targets};
use crate::context::WasiCtx;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::host::Stop;
use crate::poll::{self, Wish};
use crate::table::Kind;
use crate::transfer::{read_file, write_file};

mod files;
mod open;
mod sockets;

use open::OpenWish;

impl WasiCtx {
    /// The directory of a number, if the guest has these rights to it.
    fn directory(&self, fd: Fd, rights: Rights) -> Result<&Directory> {
        let descriptor = self.table.get(fd)?;
        let Kind::Directory(directory) = &descriptor.kind else {
            return Err(Errno::Notdir.into());
        };
        descriptor.need(rights)?;
        Ok(directory)
    }
}

fn follows(flags: Lookupflags) -> bool {
    flags.contains(Lookupflags::SYMLINK_FOLLOW)
}

/// A number of bytes that was limited to the type's range.
fn size(count: usize) -> Result<Size> {
    Size::try_from(count).map_err(|_| Errno::Overflow.into())
}

impl WasiSnapshotPreview1 for WasiCtx {
    fn args_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        argv: GuestPtr<GuestPtr<u8>>,
        argv_buf: GuestPtr<u8>,
    ) -> Result<()> {
        put_strings(memory, &self.args, argv, argv_buf)
    }

    fn args_sizes_get(&mut self, _: &mut GuestMemory<'_>) -> Result<(Size, Size)> {
        self.args.sizes()
    }

    fn environ_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        environ: GuestPtr<GuestPtr<u8>>,
        environ_buf: GuestPtr<u8>,
    ) -> Result<()> {
        put_strings(memory, &self.envs, environ, environ_buf)
    }

    fn environ_sizes_get(&mut self, _: &mut GuestMemory<'_>) -> Result<(Size, Size)> {
        self.envs.sizes()
    }

    fn clock_res_get(&mut self, _: &mut GuestMemory<'_>, id: Clockid) -> Result<Timestamp> {
        self.clock.resolution(id)
    }

    fn clock_time_get(
        &mut self,
        _: &mut GuestMemory<'_>,
        id: Clockid,
        _precision: Timestamp,
    ) -> Result<Timestamp> {
        self.clock.now(id)
    }

    fn fd_advise(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: Fd,
        offset: Filesize,
        len: Filesize,
        advice: Advice,
    ) -> Result<()> {
        self.advise(fd, offset, len, advice)
    }

    fn fd_allocate(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: Fd,
        offset: Filesize,
        len: Filesize,
    ) -> Result<()> {
        self.allocate(fd, offset, len)
    }

    fn fd_close(&mut self, _: &mut GuestMemory<'_>, fd: Fd) -> Result<()> {
        self.table.remove(fd).map(drop)
    }

    fn fd_datasync(&mut self, _: &mut GuestMemory<'_>, fd: Fd) -> Result<()> {
        self.sync(fd, Rights::FD_DATASYNC, |fd| fs::fdatasync(fd))
    }

    fn fd_fdstat_get(&mut self, _: &mut GuestMemory<'_>, fd: Fd) -> Result<Fdstat> {
        let descriptor = self.table.get(fd)?;
        Ok(Fdstat {
            fs_filetype: descriptor.filetype(),
            fs_flags: descriptor.flags,
            fs_rights_base: descriptor.rights,
            fs_rights_inheriting: descriptor.inheriting,
        })
    }

    fn fd_fdstat_set_flags(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: Fd,
        flags: Fdflags,
    ) -> Result<()> {
        self.set_flags(fd, flags)
    }

    fn fd_fdstat_set_rights(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: Fd,
        base: Rights,
        inheriting: Rights,
    ) -> Result<()> {
        self.set_rights(fd, base, inheriting)
    }

    fn fd_filestat_get(&mut self, _: &mut GuestMemory<'_>, fd: Fd) -> Result<Filestat> {
        self.stat(fd)
    }

    fn fd_filestat_set_size(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: Fd,
        size: Filesize,
    ) -> Result<()> {
        self.set_size(fd, size)
    }

    fn fd_filestat_set_times(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: Fd,
        atim: Timestamp,
        mtim: Timestamp,
        flags: Fstflags,
    ) -> Result<()> {
        self.set_times(fd, atim, mtim, flags)
    }

    fn fd_pread(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        iovs: IovecArray,
        offset: Filesize,
    ) -> Result<Size> {
        let file = self.positioned(fd, Errno::Isdir, Rights::FD_READ | Rights::FD_SEEK)?;
        let mut buffers = targets(memory, iovs)?;
        size(read_file(file, &mut buffers, Some(offset), self.stop())?)
    }

    fn fd_prestat_get(&mut self, _: &mut GuestMemory<'_>, fd: Fd) -> Result<Prestat> {
        let Kind::Directory(directory) = &self.table.get(fd)?.kind else {
            return Err(Errno::Badf.into());
        };
        let name = directory.preopen().ok_or(Errno::Badf)?;
        let pr_name_len = size(name.len())?;
        Ok(Prestat::Dir(PrestatDir { pr_name_len }))
    }

    fn fd_prestat_dir_name(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<u8>,
        path_len: Size,
    ) -> Result<()> {
        let Kind::Directory(directory) = &self.table.get(fd)?.kind else {
            return Err(Errno::Badf.into());
        };
        let name = directory.preopen().ok_or(Errno::Badf)?.as_bytes();
        let length = size(name.len())?;
        if length > path_len {
            return Err(Errno::Nametoolong.into());
        }
        bytes_at_mut(memory, path.offset(), length)?.copy_from_slice(name);
        Ok(())
    }

    fn fd_pwrite(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        iovs: CiovecArray,
        offset: Filesize,
    ) -> Result<Size> {
        let file = self.positioned(fd, Errno::Badf, Rights::FD_WRITE | Rights::FD_SEEK)?;
        let buffers = sources(memory, iovs)?;
        size(write_file(file, &buffers, Some(offset), self.stop())?)
    }

    fn fd_read(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, iovs: IovecArray) -> Result<Size> {
        let descriptor = self.table.get_mut(fd)?;
        if let Kind::Directory(_) = descriptor.kind {
            return Err(Errno::Isdir.into());
        }
        descriptor.need(Rights::FD_READ)?;
        let mut buffers = targets(memory, iovs)?;
        let nonblock = descriptor.flags.contains(Fdflags::NONBLOCK);
        size(match &mut descriptor.kind {
            Kind::Host(file) => file.read(&mut buffers, nonblock, Stop(self.interrupt.as_ref()))?,
            Kind::Stream(stream) => stream.read(&mut buffers)?,
            Kind::Directory(_) => 0,
        })
    }

    fn fd_readdir(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buf: GuestPtr<u8>,
        buf_len: Size,
        cookie: Dircookie,
    ) -> Result<Size> {
        let descriptor = self.table.get_mut(fd)?;
        let Kind::Directory(directory) = &mut descriptor.kind else {
            return Err(Errno::Notdir.into());
        };
        if !descriptor.rights.contains(Rights::FD_READDIR) {
            return Err(Errno::Notcapable.into());
        }
        let buffer = bytes_at_mut(memory, buf.offset(), buf_len)?;
        let stop = Stop(self.interrupt.as_ref());
        size(directory.read_entries(cookie, buffer, stop)?)
    }

    fn fd_renumber(&mut self, _: &mut GuestMemory<'_>, fd: Fd, to: Fd) -> Result<()> {
        self.table.renumber(fd, to)
    }

    fn fd_seek(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: Fd,
        offset: Filedelta,
        whence: Whence,
    ) -> Result<Filesize> {
        self.seek(fd, offset, whence)
    }

    fn fd_sync(&mut self, _: &mut GuestMemory<'_>, fd: Fd) -> Result<()> {
        self.sync(fd, Rights::FD_SYNC, |fd| fs::fsync(fd))
    }

    fn fd_tell(&mut self, _: &mut GuestMemory<'_>, fd: Fd) -> Result<Filesize> {
        self.seek(fd, 0, Whence::Cur)
    }

    fn fd_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        iovs: GuestPtr<[Ciovec]>,
    ) -> Result<Size> {
        let descriptor = self.table.get_mut(fd)?;
        if let Kind::Directory(_) = descriptor.kind {
            return Err(Errno::Badf.into());
        }
        descriptor.need(Rights::FD_WRITE)?;
        let buffers = sources(memory, iovs)?;
        let nonblock = descriptor.flags.contains(Fdflags::NONBLOCK);
        size(match &mut descriptor.kind {
            Kind::Host(file) => file.write(&buffers, nonblock, Stop(self.interrupt.as_ref()))?,
            Kind::Stream(stream) => stream.write(&buffers)?,
            Kind::Directory(_) => 0,
        })
    }

    fn path_create_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        let directory = self.directory(fd, Rights::PATH_CREATE_DIRECTORY)?;
        directory.create_directory(path_at(memory, path)?)
    }

    fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        flags: Lookupflags,
        path: GuestPtr<str>,
    ) -> Result<Filestat> {
        let directory = self.directory(fd, Rights::PATH_FILESTAT_GET)?;
        directory.filestat(path_at(memory, path)?, follows(flags))
    }

    fn path_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        flags: Lookupflags,
        path: GuestPtr<str>,
        atim: Timestamp,
        mtim: Timestamp,
        fst_flags: Fstflags,
    ) -> Result<()> {
        let directory = self.directory(fd, Rights::PATH_FILESTAT_SET_TIMES)?;
        let (atime, mtime) = wanted_times(atim, mtim, fst_flags)?;
        directory.set_times(path_at(memory, path)?, follows(flags), atime, mtime)
    }

    fn path_link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: Fd,
        old_flags: Lookupflags,
        old_path: GuestPtr<str>,
        new_fd: Fd,
        new_path: GuestPtr<str>,
    ) -> Result<()> {
        let from = self.directory(old_fd, Rights::PATH_LINK_SOURCE)?;
        let to = self.directory(new_fd, Rights::PATH_LINK_TARGET)?;
        let (old, new) = (path_at(memory, old_path)?, path_at(memory, new_path)?);
        from.link(old, follows(old_flags), to, new)
    }

    fn path_open(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        dirflags: Lookupflags,
        path: GuestPtr<str>,
        oflags: Oflags,
        base: Rights,
        inheriting: Rights,
        fdflags: Fdflags,
    ) -> Result<Fd> {
        let wish = OpenWish {
            follow: follows(dirflags),
            oflags,
            fdflags,
            base,
            inheriting,
        };
        self.open(memory, fd, path, wish)
    }

    fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
        buf: GuestPtr<u8>,
        buf_len: Size,
    ) -> Result<Size> {
        let directory = self.directory(fd, Rights::PATH_READLINK)?;
        let contents = directory.read_link(path_at(memory, path)?)?;
        let contents = contents.as_os_str().as_bytes();
        // On a 64-bit platform nothing is lost.
        let count = contents.len().min(buf_len as usize);
        let buffer = bytes_at_mut(memory, buf.offset(), size(count)?)?;
        buffer.copy_from_slice(&contents[..count]);
        size(count)
    }

    fn path_remove_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        let directory = self.directory(fd, Rights::PATH_REMOVE_DIRECTORY)?;
        directory.remove_directory(path_at(memory, path)?)
    }

    fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        old_path: GuestPtr<str>,
        new_fd: Fd,
        new_path: GuestPtr<str>,
    ) -> Result<()> {
        let from = self.directory(fd, Rights::PATH_RENAME_SOURCE)?;
        let to = self.directory(new_fd, Rights::PATH_RENAME_TARGET)?;
        from.rename(path_at(memory, old_path)?, to, path_at(memory, new_path)?)
    }

    fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_path: GuestPtr<str>,
        fd: Fd,
        new_path: GuestPtr<str>,
    ) -> Result<()> {
        let directory = self.directory(fd, Rights::PATH_SYMLINK)?;
        directory.symlink(path_at(memory, old_path)?, path_at(memory, new_path)?)
    }

    fn path_unlink_file(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
    ) -> Result<()> {
        let directory = self.directory(fd, Rights::PATH_UNLINK_FILE)?;
        directory.unlink_file(path_at(memory, path)?)
    }

    fn poll_oneoff(
        &mut self,
        memory: &mut GuestMemory<'_>,
        subscriptions: GuestPtr<Subscription>,
        events: GuestPtr<Event>,
        count: Size,
    ) -> Result<Size> {
        check_range(memory, subscriptions, count)?;
        poll::run(self, memory, events, count, |memory, i| {
            Ok(Wish::from(memory.read(subscriptions.add(i)?)?))
        })
    }

    fn proc_exit(&mut self, _: &mut GuestMemory<'_>, status: Exitcode) -> wiggle::error::Error {
        wiggle::error::Error::new(Exit::new(status))
    }

    fn proc_raise(&mut self, _: &mut GuestMemory<'_>, signal: Signal) -> Result<()> {
        match signal {
            Signal::None
            | Signal::Chld
            | Signal::Cont
            | Signal::Pipe
            | Signal::Urg
            | Signal::Winch => Ok(()),
            // A guest can't be made to go on again.
            Signal::Stop | Signal::Tstp | Signal::Ttin | Signal::Ttou => Err(Errno::Notsup.into()),
            deadly => Err(Error::Exit(Exit::new(128 + u32::from(u8::from(deadly))))),
        }
    }

    fn sched_yield(&mut self, _: &mut GuestMemory<'_>) -> Result<()> {
        std::thread::yield_now();
        Ok(())
    }

    fn random_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        buf: GuestPtr<u8>,
        buf_len: Size,
    ) -> Result<()> {
        let stop = Stop(self.interrupt.as_ref());
        self.random
            .fill(bytes_at_mut(memory, buf.offset(), buf_len)?, stop)
    }

    fn sock_accept(&mut self, _: &mut GuestMemory<'_>, fd: Fd, flags: Fdflags) -> Result<Fd> {
        self.accept(fd, flags)
    }

    fn sock_recv(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        data: IovecArray,
        flags: Riflags,
    ) -> Result<(Size, Roflags)> {
        let (file, nonblock) = self.socket(fd, Rights::FD_READ)?;
        let (count, flags) =
            file.receive(&mut targets(memory, data)?, flags, nonblock, self.stop())?;
        Ok((size(count)?, flags))
    }

    fn sock_send(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        data: CiovecArray,
        flags: Siflags,
    ) -> Result<Size> {
        let (file, nonblock) = self.socket(fd, Rights::FD_WRITE)?;
        if flags != 0 {
            return Err(Errno::Inval.into());
        }
        size(file.send(&sources(memory, data)?, nonblock, self.stop())?)
    }

    fn sock_shutdown(&mut self, _: &mut GuestMemory<'_>, fd: Fd, how: Sdflags) -> Result<()> {
        let (file, _) = self.socket(fd, Rights::SOCK_SHUTDOWN)?;
        let how = match (how.contains(Sdflags::RD), how.contains(Sdflags::WR)) {
            (true, true) => rustix::net::Shutdown::Both,
            (true, false) => rustix::net::Shutdown::Read,
            (false, true) => rustix::net::Shutdown::Write,
            (false, false) => return Err(Errno::Inval.into()),
        };
        Ok(rustix::net::shutdown(file, how)?)
    }
}
