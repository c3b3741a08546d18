//! What tiering did so far for a module.

use std::time::Duration;

/// Sums over a module's functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierStats {
    /// Functions compiled by the baseline.
    pub compiled_functions: usize,
    /// OSR entries compiled.
    pub osr_entries: usize,
    /// Bytes of machine code, of both.
    pub code_bytes: usize,
    /// Time that compiling took, summed over threads.
    pub compile_time: Duration,
    /// Work that instances were granted in the baseline, in operators.
    pub work: u64,
}
