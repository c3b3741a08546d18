//! How functions of WASI fail: with an error number that the guest sees, or by ending the guest. The
//! system's errors are translated here.

use std::convert::Infallible;
use std::io;

use rustix::io::Errno as Host;
use wiggle::GuestError;

use crate::Exit;
use crate::bindings::preview1::types::{Errno, UserErrorConversion};
use crate::context::WasiCtx;

/// The result of a function of WASI.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a function of WASI did not do its work.
#[derive(Debug)]
pub enum Error {
    /// The guest gets this number.
    Errno(Errno),
    /// The guest ends.
    Exit(Exit),
}

impl wiggle::GuestErrorType for Errno {
    fn success() -> Self {
        Self::Success
    }
}

impl UserErrorConversion for WasiCtx {
    fn errno_from_error(&mut self, error: Error) -> wiggle::error::Result<Errno> {
        match error {
            Error::Errno(errno) => Ok(errno),
            Error::Exit(exit) => Err(wiggle::error::Error::new(exit)),
        }
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<GuestError> for Error {
    #[cold]
    fn from(error: GuestError) -> Self {
        Self::Errno(errno_of_argument(&error))
    }
}

/// The problem of an argument.
#[cold]
pub(crate) fn errno_of_argument(error: &GuestError) -> Errno {
    match error {
        GuestError::PtrOverflow | GuestError::PtrOutOfBounds(_) => Errno::Fault,
        // On real machines misaligned pointers are faults, too.
        GuestError::PtrNotAligned(..) => Errno::Inval,
        GuestError::InvalidUtf8(_) => Errno::Ilseq,
        // A number that is none of an enumeration's, such as a clock's.
        GuestError::TryFromIntError(_)
        | GuestError::SliceLengthsDiffer
        | GuestError::InvalidFlagValue(_)
        | GuestError::InvalidEnumValue(_) => Errno::Inval,
        GuestError::InFunc { err, .. } => errno_of_argument(err),
    }
}

impl From<io::Error> for Error {
    #[cold]
    fn from(error: io::Error) -> Self {
        Self::Errno(errno_of_io(&error))
    }
}

/// The number for an error of the standard library: the system's own, where there is one.
#[cold]
pub(crate) fn errno_of_io(error: &io::Error) -> Errno {
    use io::ErrorKind;
    if error.raw_os_error().is_some() {
        return Host::from_io_error(error).map_or(Errno::Io, Host::into_wasi);
    }
    match error.kind() {
        ErrorKind::NotFound => Errno::Noent,
        // So cap-std calls a path that leads out of its directory.
        ErrorKind::PermissionDenied => Errno::Perm,
        ErrorKind::AlreadyExists => Errno::Exist,
        ErrorKind::WouldBlock => Errno::Again,
        ErrorKind::InvalidInput => Errno::Inval,
        ErrorKind::InvalidData => Errno::Ilseq,
        ErrorKind::BrokenPipe => Errno::Pipe,
        ErrorKind::StorageFull => Errno::Nospc,
        ErrorKind::TimedOut => Errno::Timedout,
        ErrorKind::Interrupted => Errno::Intr,
        ErrorKind::OutOfMemory => Errno::Nomem,
        ErrorKind::Unsupported => Errno::Notsup,
        ErrorKind::ConnectionReset => Errno::Connreset,
        ErrorKind::ConnectionAborted => Errno::Connaborted,
        ErrorKind::NotConnected => Errno::Notconn,
        _ => Errno::Io,
    }
}

impl From<Host> for Error {
    #[cold]
    fn from(errno: Host) -> Self {
        Self::Errno(errno.into_wasi())
    }
}

/// The system's numbers as those of WASI.
pub(crate) trait IntoWasi {
    /// The number that a guest gets.
    fn into_wasi(self) -> Errno;
}

macro_rules! numbers {
    ($($host:ident $wasi:ident,)*) => {
        impl IntoWasi for Host {
            #[cold]
            fn into_wasi(self) -> Errno {
                match self {
                    $(Host::$host => Errno::$wasi,)*
                    _ => Errno::Io,
                }
            }
        }
    };
}

numbers! {
    TOOBIG TooBig,
    ACCESS Acces,
    ADDRINUSE Addrinuse,
    ADDRNOTAVAIL Addrnotavail,
    AFNOSUPPORT Afnosupport,
    AGAIN Again,
    ALREADY Already,
    BADF Badf,
    BADMSG Badmsg,
    BUSY Busy,
    CANCELED Canceled,
    CHILD Child,
    CONNABORTED Connaborted,
    CONNREFUSED Connrefused,
    CONNRESET Connreset,
    DEADLK Deadlk,
    DESTADDRREQ Destaddrreq,
    DOM Dom,
    DQUOT Dquot,
    EXIST Exist,
    FAULT Fault,
    FBIG Fbig,
    HOSTUNREACH Hostunreach,
    IDRM Idrm,
    ILSEQ Ilseq,
    INPROGRESS Inprogress,
    INTR Intr,
    INVAL Inval,
    IO Io,
    ISCONN Isconn,
    ISDIR Isdir,
    LOOP Loop,
    MFILE Mfile,
    MLINK Mlink,
    MSGSIZE Msgsize,
    MULTIHOP Multihop,
    NAMETOOLONG Nametoolong,
    NETDOWN Netdown,
    NETRESET Netreset,
    NETUNREACH Netunreach,
    NFILE Nfile,
    NOBUFS Nobufs,
    NODEV Nodev,
    NOENT Noent,
    NOEXEC Noexec,
    NOLCK Nolck,
    NOLINK Nolink,
    NOMEM Nomem,
    NOMSG Nomsg,
    NOPROTOOPT Noprotoopt,
    NOSPC Nospc,
    NOSYS Nosys,
    NOTCONN Notconn,
    NOTDIR Notdir,
    NOTEMPTY Notempty,
    NOTRECOVERABLE Notrecoverable,
    NOTSOCK Notsock,
    NOTSUP Notsup,
    NOTTY Notty,
    NXIO Nxio,
    OVERFLOW Overflow,
    OWNERDEAD Ownerdead,
    PERM Perm,
    PIPE Pipe,
    PROTO Proto,
    PROTONOSUPPORT Protonosupport,
    PROTOTYPE Prototype,
    RANGE Range,
    ROFS Rofs,
    SPIPE Spipe,
    SRCH Srch,
    STALE Stale,
    TIMEDOUT Timedout,
    TXTBSY Txtbsy,
    XDEV Xdev,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_numbers_keep_their_meaning() {
        let errno = |number| errno_of_io(&io::Error::from_raw_os_error(number));
        assert_eq!(errno(Host::NOSPC.raw_os_error()), Errno::Nospc);
        assert_eq!(errno(Host::MFILE.raw_os_error()), Errno::Mfile);
        assert_eq!(errno(Host::PIPE.raw_os_error()), Errno::Pipe);
        assert_eq!(errno(123_456), Errno::Io);
        assert_eq!(
            errno_of_io(&io::ErrorKind::PermissionDenied.into()),
            Errno::Perm
        );
    }

    #[test]
    fn a_bad_argument_is_found_below_the_functions_name() {
        let error = GuestError::InFunc {
            modulename: "m",
            funcname: "f",
            location: "l",
            err: Box::new(GuestError::PtrOverflow),
        };
        assert_eq!(errno_of_argument(&error), Errno::Fault);
    }
}
