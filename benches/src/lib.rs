//! Shared by the criterion benches and the measuring binaries: the generator of large modules.

mod body;
mod large_module;
mod random;

pub use large_module::{CALLED_EVERY, large_module};
