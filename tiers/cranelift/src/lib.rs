//! The two tiers that Cranelift makes code for. The baseline: code for any function in well under a
//! millisecond, without optimization and by the single-pass register allocator. The middle tier: hot functions,
//! optimized, by the backtracking allocator, in some milliseconds.
//!
//! [`CraneliftTier`] implements the tiering's [`Tier`](upshift_translate::Tier). The walk over a body is
//! `upshift_translate`'s; this crate turns its operators into Cranelift's instructions (`emitter`), runs
//! Cranelift (`compile`) and places the code by `cranelift-jit` (`place`). Calls are counted outside of Cranelift's code (`arch`),
//! loops inside (`emitter`). For the emitter the tiers differ in one thing, where locals are between blocks.

mod arch;
mod compile;
mod emitter;
mod place;
#[cfg(test)]
mod tests;
mod tier;

pub use compile::CraneliftCompiler;
pub use tier::{CraneliftTier, UnsupportedHost};
