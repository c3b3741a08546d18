//! The world of a guest: arguments, environment, descriptors, clocks and random bytes.

use std::fmt;

use upshift::InterruptHandle;

use crate::WasiCtxBuilder;
use crate::bindings::preview1::types::Errno;
use crate::clock::Clock;
use crate::error::Result;
use crate::host::Stop;
use crate::random::Random;
use crate::table::Table;

/// A guest's view of the world; made by a [`WasiCtxBuilder`]. It is part of a store's data.
pub struct WasiCtx {
    pub(crate) args: Strings,
    pub(crate) envs: Strings,
    pub(crate) table: Table,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    /// Of the store that runs the guest; set before a function that may wait.
    pub(crate) interrupt: Option<InterruptHandle>,
    /// The system's descriptors from this one on are left to the rest of the process.
    pub(crate) host_fd_limit: Option<i32>,
}

impl WasiCtx {
    /// A builder of contexts that can do nothing: no arguments, no files, no input, output to nowhere.
    #[must_use]
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::new()
    }

    /// Tells waits whether the guest is to be stopped.
    pub(crate) fn stop(&self) -> Stop<'_> {
        Stop(self.interrupt.as_ref())
    }
}

impl fmt::Debug for WasiCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiCtx").finish_non_exhaustive()
    }
}

/// Strings as guests get them: each ends with a zero byte, one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

impl Strings {
    /// Adds the concatenation of these parts; as in C, it ends at a zero byte.
    pub(crate) fn push(&mut self, parts: &[&[u8]]) {
        // More than the guest can address never arrives there: `sizes` refuses.
        self.starts
            .push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        let bytes = parts.iter().copied().flatten().copied();
        self.bytes.extend(bytes.take_while(|byte| *byte != 0));
        self.bytes.push(0);
    }

    /// How many there are, and how many bytes they take.
    pub(crate) fn sizes(&self) -> Result<(u32, u32)> {
        let (count, bytes) = (self.starts.len(), self.bytes.len());
        match (u32::try_from(count), u32::try_from(bytes)) {
            (Ok(count), Ok(bytes)) => Ok((count, bytes)),
            _ => Err(Errno::Overflow.into()),
        }
    }

    /// All of them, and where in them each starts.
    pub(crate) fn parts(&self) -> (&[u8], &[u32]) {
        (&self.bytes, &self.starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_zero_bytes() {
        let mut strings = Strings::default();
        strings.push(&[b"A", b"=", b"b\0c"]);
        strings.push(&[b""]);
        assert_eq!(strings.parts(), (&b"A=b\0\0"[..], &[0, 4][..]));
        assert_eq!(strings.sizes().ok(), Some((2, 5)));
    }
}
