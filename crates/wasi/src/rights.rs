//! Which rights apply to which kind of file. Rights are the guest's own bookkeeping: it can drop them and
//! never gain any.

use crate::bindings::preview1::types::{Filetype, Rights};

/// Rights of any file that has contents.
pub(crate) const FILE: Rights = Rights::FD_DATASYNC
    .union(Rights::FD_READ)
    .union(Rights::FD_SEEK)
    .union(Rights::FD_FDSTAT_SET_FLAGS)
    .union(Rights::FD_SYNC)
    .union(Rights::FD_TELL)
    .union(Rights::FD_WRITE)
    .union(Rights::FD_ADVISE)
    .union(Rights::FD_ALLOCATE)
    .union(Rights::FD_FILESTAT_GET)
    .union(Rights::FD_FILESTAT_SET_SIZE)
    .union(Rights::FD_FILESTAT_SET_TIMES)
    .union(Rights::POLL_FD_READWRITE);

/// Rights of a directory.
pub(crate) const DIRECTORY: Rights = Rights::FD_FDSTAT_SET_FLAGS
    .union(Rights::FD_SYNC)
    .union(Rights::FD_DATASYNC)
    .union(Rights::PATH_CREATE_DIRECTORY)
    .union(Rights::PATH_CREATE_FILE)
    .union(Rights::PATH_LINK_SOURCE)
    .union(Rights::PATH_LINK_TARGET)
    .union(Rights::PATH_OPEN)
    .union(Rights::FD_READDIR)
    .union(Rights::PATH_READLINK)
    .union(Rights::PATH_RENAME_SOURCE)
    .union(Rights::PATH_RENAME_TARGET)
    .union(Rights::PATH_FILESTAT_GET)
    .union(Rights::PATH_FILESTAT_SET_SIZE)
    .union(Rights::PATH_FILESTAT_SET_TIMES)
    .union(Rights::FD_FILESTAT_GET)
    .union(Rights::FD_FILESTAT_SET_TIMES)
    .union(Rights::PATH_SYMLINK)
    .union(Rights::PATH_REMOVE_DIRECTORY)
    .union(Rights::PATH_UNLINK_FILE);

/// Rights of a stream that has no position: a pipe, a terminal.
///
/// The C library takes a character device with neither of the two missing rights for a terminal.
pub(crate) const STREAM: Rights = FILE
    .difference(Rights::FD_SEEK)
    .difference(Rights::FD_TELL)
    .difference(Rights::FD_ADVISE)
    .difference(Rights::FD_ALLOCATE)
    .difference(Rights::FD_FILESTAT_SET_SIZE);

/// Rights of a connection.
pub(crate) const CONNECTION: Rights = STREAM.union(Rights::SOCK_SHUTDOWN);

/// Rights of a socket that waits for connections.
pub(crate) const LISTENER: Rights = Rights::FD_FDSTAT_SET_FLAGS
    .union(Rights::FD_FILESTAT_GET)
    .union(Rights::POLL_FD_READWRITE)
    .union(Rights::FD_READ)
    .union(Rights::SOCK_ACCEPT);

/// Rights of a file of this type.
pub(crate) fn of(filetype: Filetype, is_terminal: bool) -> Rights {
    match filetype {
        Filetype::Directory => DIRECTORY,
        Filetype::RegularFile | Filetype::BlockDevice => FILE,
        Filetype::CharacterDevice if !is_terminal => FILE,
        Filetype::SocketStream | Filetype::SocketDgram => CONNECTION,
        _ => STREAM,
    }
}
