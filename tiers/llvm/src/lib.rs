//! The optimizing tier: functions of WebAssembly as LLVM IR, through LLVM's passes, linked into code memory.
//!
//! A unit is one LLVM module: the function asked for and the callees worth inlining (`unit`). The emitter
//! fills it, `compile` runs the passes and emits an object in memory, `link` places that.

mod addresses;
#[cfg(test)]
mod calls_tests;
mod canonicalize;
mod chains;
mod compile;
mod constants;
mod constructors;
mod counters;
mod diagnostics;
mod dominators;
mod emitter;
mod endless;
mod fatal;
mod guesses;
mod lane_ranges;
mod limits;
mod linear;
mod link;
mod locations;
mod loops;
mod masked_counters;
mod minimums;
mod mixed_comparisons;
mod nan_selects;
mod narrow_products;
mod nests;
mod objects;
#[cfg(test)]
mod passes_tests;
mod pipeline;
mod quieting;
mod reroll;
mod strides;
mod tables;
mod target;
mod tier;
mod unit;
mod wide_multiply;

pub use compile::LlvmCompiler;
pub use tier::{LlvmTier, UnsupportedHost};
