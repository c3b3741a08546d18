//! The baseline tier: code for any function in well under a millisecond, by Cranelift without
//! optimization and with its single-pass register allocator.
//!
//! [`BaselineTier`] implements the tiering's [`Tier`](upshift_translate::Tier). The walk over a body is
//! `upshift_translate`'s; what is here turns its operators into Cranelift's instructions (`emitter`), runs
//! Cranelift (`compile`) and puts the bytes where they are executed (`jit`). Calls are counted outside of
//! what Cranelift makes (`arch`), loops inside (`emitter`).

mod arch;
mod compile;
mod emitter;
#[cfg(test)]
mod tests;
mod tier;

pub use compile::BaselineCompiler;
pub use tier::{BaselineTier, UnsupportedHost};
