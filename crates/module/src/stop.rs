//! Whom long work asks whether to go on.

use std::sync::atomic::{AtomicU32, Ordering};

/// A flag that ends long work when it is set. Code that does such work looks at it every few milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Stop<'a>(Option<&'a AtomicU32>);

impl<'a> Stop<'a> {
    /// The host's own work: nobody ends it.
    pub const NEVER: Self = Self(None);

    /// Work is to end when the flag is not zero.
    #[must_use]
    pub const fn when_set(flag: &'a AtomicU32) -> Self {
        Self(Some(flag))
    }

    /// Whether nobody can end it.
    #[must_use]
    pub fn is_never(self) -> bool {
        self.0.is_none()
    }

    /// Whether to end now.
    #[inline]
    #[must_use]
    pub fn is_requested(self) -> bool {
        self.0.is_some_and(|flag| flag.load(Ordering::Relaxed) != 0)
    }
}
