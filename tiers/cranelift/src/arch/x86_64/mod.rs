//! x86-64.

mod entry;

pub(crate) use entry::*;
