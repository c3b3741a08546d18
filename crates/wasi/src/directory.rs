//! Directories: the work of path functions in them. Resolving a path, and not leaving the directory, is
//! cap-std's work.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, SystemTimeSpec};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{
    AtFlags, Mode, OFlags, RawDir, SeekFrom, fcntl_getfl, fcntl_setfl, fstat, openat, seek, statat,
};
use rustix::io::Errno as Host;

use crate::Access;
use crate::attributes::filestat;
use crate::bindings::preview1::types::{Errno, Fdflags, Filestat, Filetype, Oflags};
use crate::cookies::Cookies;
use crate::error::Result;
use crate::host::{HostFile, Stop, filetype_of, filetype_of_mode};

/// A directory that a guest has open.
#[derive(Debug)]
pub(crate) struct Directory {
    dir: Dir,
    /// Nothing below it may be changed.
    read_only: bool,
    /// The guest's name for a directory that its embedder gave it.
    preopen: Option<Box<str>>,
    /// Of the entries that the guest has read.
    cookies: Cookies,
}

/// How to open a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenHow {
    pub(crate) follow: bool,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) oflags: Oflags,
    pub(crate) fdflags: Fdflags,
}

/// The end of a path.
pub(crate) enum Opened {
    Directory(Directory),
    File(HostFile),
}

impl Directory {
    /// One that an embedder gives a guest.
    pub(crate) fn preopened(dir: Dir, name: String, access: Access) -> Self {
        Self {
            dir,
            read_only: access == Access::ReadOnly,
            preopen: Some(name.into()),
            cookies: Cookies::new(),
        }
    }

    /// The guest's name for it, if its embedder gave it.
    pub(crate) fn preopen(&self) -> Option<&str> {
        self.preopen.as_deref()
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The directory itself.
    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    fn check_writable(&self) -> Result<()> {
        if self.read_only {
            return Err(Errno::Rofs.into());
        }
        Ok(())
    }

    /// Opens the end of a path. Descriptors of the system from `fd_limit` on are given back.
    pub(crate) fn open(&self, path: &str, how: OpenHow, fd_limit: i32) -> Result<Opened> {
        let creates = how.oflags.contains(Oflags::CREAT);
        if self.read_only && (how.write || how.oflags.contains(Oflags::TRUNC)) {
            return Err(Errno::Rofs.into());
        }
        let file = if !creates || how.write {
            self.open_host(path, how, creates)
                .map_err(|error| self.reason(path, error))?
        } else {
            // Creating without a wish to write: the library wants to write to a new file, which must
            // not keep an existing one from being opened.
            self.open_or_create(path, how)?
        };
        if file.as_raw_fd() >= fd_limit {
            return Err(Errno::Mfile.into());
        }
        let stat = fstat(&file)?;
        match filetype_of_mode(stat.st_mode) {
            Filetype::Directory => Ok(Opened::Directory(Self {
                dir: Dir::from_std_file(readable(file)?),
                read_only: self.read_only,
                preopen: None,
                cookies: Cookies::new(),
            })),
            filetype @ Filetype::RegularFile => {
                Ok(Opened::File(HostFile::of_type(file.into(), filetype)))
            }
            _ => {
                // Opening must not wait; later operations may.
                if !how.fdflags.contains(Fdflags::NONBLOCK) {
                    let flags = fcntl_getfl(&file)?;
                    fcntl_setfl(&file, flags.difference(OFlags::NONBLOCK))?;
                }
                Ok(Opened::File(HostFile::owned(OwnedFd::from(file))?))
            }
        }
    }

    /// Why a path can't be opened. A path that ends with a slash is not created, wherever it leads; that it leads out comes
    /// first.
    #[cold]
    fn reason(&self, path: &str, error: io::Error) -> io::Error {
        if error.kind() != io::ErrorKind::IsADirectory || !path.ends_with('/') {
            return error;
        }
        match self.at(path, true) {
            Err(other) if other.kind() == io::ErrorKind::PermissionDenied => other,
            _ => error,
        }
    }

    fn open_or_create(&self, path: &str, how: OpenHow) -> Result<File> {
        let exclusive = how.oflags.contains(Oflags::EXCL);
        loop {
            match self.open_host(path, how, false) {
                Ok(_) if exclusive => return Err(Errno::Exist.into()),
                Err(error) if is_not_found(&error) => {}
                result => return Ok(result?),
            }
            self.check_writable()?;
            let create = OpenHow {
                write: true,
                oflags: how.oflags | Oflags::EXCL,
                ..how
            };
            match self.open_host(path, create, true) {
                // Somebody was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !exclusive => {
                    // A link that leads nowhere exists and is not found, for ever.
                    if self.filetype(path)? == Filetype::SymbolicLink {
                        return Ok(self.open_host(path, OpenHow { write: true, ..how }, true)?);
                    }
                }
                result => return Ok(result?),
            }
        }
    }

    fn open_host(&self, path: &str, how: OpenHow, creates: bool) -> io::Result<File> {
        if creates && path.ends_with('/') {
            // As the system says. The library's walk would ask it for a directory, which gives other errors.
            return Err(Host::ISDIR.into());
        }
        let has = |flag| how.oflags.contains(flag);
        let truncates = has(Oflags::TRUNC);
        let mut options = OpenOptions::new();
        options
            .read(how.read || !how.write)
            .write(how.write || truncates)
            .truncate(truncates)
            .create(creates)
            .create_new(creates && has(Oflags::EXCL))
            .follow(if how.follow {
                FollowSymlinks::Yes
            } else {
                FollowSymlinks::No
            });
        // A pipe without another end must not keep us, and a terminal not become ours.
        let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        flags.set(OFlags::DIRECTORY, has(Oflags::DIRECTORY));
        flags.set(OFlags::APPEND, how.fdflags.contains(Fdflags::APPEND));
        flags.set(OFlags::DSYNC, how.fdflags.contains(Fdflags::DSYNC));
        if how.fdflags.intersects(Fdflags::SYNC | Fdflags::RSYNC) {
            flags |= OFlags::SYNC;
        }
        options.custom_flags(flags.bits().cast_signed());
        let file = match self.dir.open_with(path, &options) {
            // The library's walk takes a link for no directory, unless a slash says that where it leads is meant.
            Err(error)
                if error.kind() == io::ErrorKind::NotADirectory
                    && has(Oflags::DIRECTORY)
                    && how.follow
                    && !creates
                    && !path.ends_with('/') =>
            {
                self.dir.open_with(format!("{path}/"), &options)?
            }
            result => result?,
        };
        Ok(file.into_std())
    }

    pub(crate) fn create_directory(&self, path: &str) -> Result<()> {
        self.check_writable()?;
        Ok(self.dir.create_dir(path)?)
    }

    pub(crate) fn remove_directory(&self, path: &str) -> Result<()> {
        self.check_writable()?;
        // The library takes a slash at the end for one with a dot behind it, which can't be removed.
        let stripped = path.trim_end_matches('/');
        let path = if stripped.is_empty() { path } else { stripped };
        Ok(self.dir.remove_dir(path)?)
    }

    pub(crate) fn unlink_file(&self, path: &str) -> Result<()> {
        self.check_writable()?;
        Ok(self.dir.remove_file_or_symlink(path)?)
    }

    /// The attributes of the end of a path, or of the link that it is.
    pub(crate) fn filestat(&self, path: &str, follow: bool) -> Result<Filestat> {
        filestat(self.at(path, follow || asks_for_directory(path))?, None)
    }

    /// The end of a path, or the link that it is, open for questions about it alone. The library's own answers
    /// do not know all times that files have.
    fn at(&self, path: &str, follow: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .follow(if follow {
                FollowSymlinks::Yes
            } else {
                FollowSymlinks::No
            })
            .custom_flags(OFlags::PATH.bits().cast_signed());
        Ok(self.dir.open_with(path, &options)?.into_std())
    }

    /// The type of a path's file, which may be a link.
    fn filetype(&self, path: &str) -> io::Result<Filetype> {
        let stat = fstat(self.at(path, asks_for_directory(path))?)?;
        Ok(filetype_of_mode(stat.st_mode))
    }

    pub(crate) fn set_times(
        &self,
        path: &str,
        follow: bool,
        atime: Option<SystemTimeSpec>,
        mtime: Option<SystemTimeSpec>,
    ) -> Result<()> {
        self.check_writable()?;
        if follow || asks_for_directory(path) {
            DirExt::set_times(&self.dir, path, atime, mtime)?;
        } else {
            self.dir.set_symlink_times(path, atime, mtime)?;
        }
        Ok(())
    }

    /// Gives the end of a path a second name.
    pub(crate) fn link(&self, old: &str, follow: bool, to: &Self, new: &str) -> Result<()> {
        to.check_writable()?;
        if self.read_only {
            // By its second name it could be changed. Two mounts don't allow it either.
            return Err(Errno::Xdev.into());
        }
        let resolved;
        let old = if follow {
            resolved = self.dir.canonicalize(old)?;
            resolved.as_path()
        } else {
            Path::new(old)
        };
        Ok(self.dir.hard_link(old, &to.dir, new)?)
    }

    pub(crate) fn rename(&self, old: &str, to: &Self, new: &str) -> Result<()> {
        self.check_writable()?;
        to.check_writable()?;
        // The library drops slashes at the end of the new path.
        if new.ends_with('/') && self.filetype(old)? != Filetype::Directory {
            return match to.filetype(new) {
                // A path that leads out is refused as one.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error.into()),
                _ => Err(Errno::Notdir.into()),
            };
        }
        Ok(self.dir.rename(old, &to.dir, new)?)
    }

    pub(crate) fn symlink(&self, contents: &str, path: &str) -> Result<()> {
        self.check_writable()?;
        Ok(DirExt::symlink(&self.dir, contents, path)?)
    }

    pub(crate) fn read_link(&self, path: &str) -> Result<std::path::PathBuf> {
        Ok(self.dir.read_link_contents(path)?)
    }

    /// Writes the entries from a cookie on as a guest reads them; the last may be cut. Returns how many
    /// bytes that are; less than there is room for means that this was the end.
    pub(crate) fn read_entries(
        &mut self,
        cookie: u64,
        mut out: &mut [u8],
        stop: Stop<'_>,
    ) -> Result<usize> {
        let room = out.len();
        let start = self.cookies.start(cookie);
        let mut read = start.cookie;
        let mut reached = read >= cookie;
        seek(&self.dir, SeekFrom::Start(start.position))?;
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut entries = RawDir::new(&self.dir, &mut buffer);
        while !out.is_empty() {
            if entries.is_buffer_empty() {
                stop.check()?;
            }
            let Some(entry) = entries.next() else { break };
            let entry = match entry {
                Err(Host::INTR) => continue,
                entry => entry?,
            };
            // The way to the cookie is counted, if its position is not known. Behind it numbers may be smaller.
            let is_wanted = reached;
            read = self.cookies.after(read, entry.next_entry_cookie());
            reached |= read >= cookie;
            if !is_wanted {
                continue;
            }
            let name = entry.file_name();
            // Where `..` leads is nothing that a guest can go to from a preopened directory.
            let inode = match name.to_bytes() {
                b".." => fstat(&self.dir)?.st_ino,
                _ => entry.ino(),
            };
            let filetype = match filetype_of(entry.file_type()) {
                Filetype::Unknown => statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(Filetype::Unknown, |stat| filetype_of_mode(stat.st_mode)),
                known => known,
            };
            let name = name.to_bytes();
            let mut header = [0; 24];
            header[..8].copy_from_slice(&read.to_le_bytes());
            header[8..16].copy_from_slice(&inode.to_le_bytes());
            // Names are no longer than a few hundred bytes.
            header[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
            header[20] = filetype.into();
            for bytes in [&header[..], name] {
                let (taken, rest) = out.split_at_mut(bytes.len().min(out.len()));
                taken.copy_from_slice(&bytes[..taken.len()]);
                out = rest;
            }
        }
        Ok(room - out.len())
    }
}

/// Whether a path means the directory behind a link even where links are not followed.
fn asks_for_directory(path: &str) -> bool {
    path.ends_with('/') || path.ends_with("/.")
}

/// A directory, open so that its entries can be read. The library's walk opens a path with a slash at its end for its name
/// alone.
fn readable(directory: File) -> io::Result<File> {
    if !fcntl_getfl(&directory)?.contains(OFlags::PATH) {
        return Ok(directory);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(&directory, ".", flags, Mode::empty())?.into())
}

fn is_not_found(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests;
