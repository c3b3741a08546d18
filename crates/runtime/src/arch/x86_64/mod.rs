//! x86-64 with the System V convention, on Linux.

mod context;
mod frame;
mod lazy;
mod stubs;

pub(crate) use context::*;
pub use frame::*;
pub(crate) use lazy::*;
pub(crate) use stubs::*;
