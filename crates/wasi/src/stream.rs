//! Standard streams as an embedder gives them to a guest: the process's own, bytes, anything that reads or
//! writes, or a buffer that keeps written bytes.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// Where a guest's standard input comes from.
pub struct Input(pub(crate) InputKind);

pub(crate) enum InputKind {
    Inherit,
    File(OwnedFd),
    Reader(Box<dyn Read + Send>),
}

impl Input {
    /// Nothing: the first read finds the end. This is the default.
    #[must_use]
    pub fn empty() -> Self {
        Self::reader(io::empty())
    }

    /// The process's own standard input.
    #[must_use]
    pub fn inherit() -> Self {
        Self(InputKind::Inherit)
    }

    /// These bytes.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::reader(io::Cursor::new(bytes.into()))
    }

    /// A file, pipe, terminal or socket of the system.
    #[must_use]
    pub fn file(file: impl Into<OwnedFd>) -> Self {
        Self(InputKind::File(file.into()))
    }

    /// Anything that can be read. A reader that blocks can't be interrupted.
    #[must_use]
    pub fn reader(reader: impl Read + Send + 'static) -> Self {
        Self(InputKind::Reader(Box::new(reader)))
    }
}

impl Default for Input {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<File> for Input {
    fn from(file: File) -> Self {
        Self::file(file)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            InputKind::Inherit => "Input::inherit",
            InputKind::File(_) => "Input::file",
            InputKind::Reader(_) => "Input::reader",
        })
    }
}

/// Where a guest's standard output or error goes.
pub struct Output(pub(crate) OutputKind);

pub(crate) enum OutputKind {
    Inherit,
    File(OwnedFd),
    Writer(Box<dyn Write + Send>),
}

impl Output {
    /// Nowhere. This is the default.
    #[must_use]
    pub fn null() -> Self {
        Self::writer(io::sink())
    }

    /// The process's own standard stream of the same number.
    #[must_use]
    pub fn inherit() -> Self {
        Self(OutputKind::Inherit)
    }

    /// A file, pipe, terminal or socket of the system.
    #[must_use]
    pub fn file(file: impl Into<OwnedFd>) -> Self {
        Self(OutputKind::File(file.into()))
    }

    /// Anything that can be written to. A writer that blocks can't be interrupted.
    #[must_use]
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(OutputKind::Writer(Box::new(writer)))
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::null()
    }
}

impl From<File> for Output {
    fn from(file: File) -> Self {
        Self::file(file)
    }
}

impl From<&Captured> for Output {
    fn from(captured: &Captured) -> Self {
        Self::writer(captured.clone())
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            OutputKind::Inherit => "Output::inherit",
            OutputKind::File(_) => "Output::file",
            OutputKind::Writer(_) => "Output::writer",
        })
    }
}

/// A buffer that keeps guests' writes, up to a limit. Clones are the same buffer; it can be read while
/// a guest runs, and afterwards.
///
/// Past the limit a guest's writes fail as on a full disk.
///
/// ```
/// use upshift_wasi::{Captured, WasiCtx};
///
/// let output = Captured::new(1 << 20);
/// let ctx = WasiCtx::builder().stdout(&output).stderr(&output).build();
/// assert_eq!(output.text(), "");
/// ```
#[derive(Clone, Debug)]
pub struct Captured(Arc<Mutex<Buffer>>);

#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    limit: usize,
}

impl Captured {
    /// An empty buffer that holds up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let bytes = Vec::new();
        Self(Arc::new(Mutex::new(Buffer { bytes, limit })))
    }

    /// The bytes that have been written and not been taken.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// The same as text, with replacement characters for bytes that are none.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// Takes the written bytes out, which makes room for more.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().bytes)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Buffer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut buffer = self.lock();
        let mut written = 0;
        for bytes in buffers {
            let room = buffer.limit.saturating_sub(buffer.bytes.len());
            let taken = &bytes[..bytes.len().min(room)];
            buffer.bytes.extend_from_slice(taken);
            written += taken.len();
            if taken.len() < bytes.len() {
                break;
            }
        }
        if written == 0 && buffers.iter().any(|bytes| !bytes.is_empty()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A guest's end of a stream that has no descriptor in the system.
pub(crate) enum Stream {
    Reader(Box<dyn Read + Send>),
    Writer(Box<dyn Write + Send>),
}

impl Stream {
    pub(crate) fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let Self::Reader(reader) = self else {
            return Err(rustix::io::Errno::BADF.into());
        };
        retry(|| reader.read_vectored(buffers))
    }

    pub(crate) fn write(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let Self::Writer(writer) = self else {
            return Err(rustix::io::Errno::BADF.into());
        };
        let written = retry(|| writer.write_vectored(buffers))?;
        writer.flush()?;
        Ok(written)
    }
}

fn retry(mut transfer: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match transfer() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reader(_) => "Reader",
            Self::Writer(_) => "Writer",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_takes_what_fits_and_then_nothing() {
        let mut captured = Captured::new(5);
        let parts = [IoSlice::new(b"abc"), IoSlice::new(b"def")];
        assert_eq!(captured.write_vectored(&parts).unwrap(), 5);
        assert_eq!(
            captured.write(b"g").unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        assert_eq!(captured.write(b"").unwrap(), 0);
        assert_eq!(captured.take(), b"abcde");
        assert_eq!(captured.clone().write(b"g").unwrap(), 1);
        assert_eq!(captured.bytes(), b"g");
    }

    #[test]
    fn an_interrupted_read_is_tried_again() {
        struct Interrupted(bool);
        impl Read for Interrupted {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, false) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                buffer[0] = 7;
                Ok(1)
            }
        }
        let mut byte = [0];
        let mut stream = Stream::Reader(Box::new(Interrupted(true)));
        assert_eq!(stream.read(&mut [IoSliceMut::new(&mut byte)]).unwrap(), 1);
        assert_eq!(byte, [7]);
    }
}
