//! Tiering's compiles so far for a module, in sums and function by function.

use std::time::Duration;

/// Sums over a module's functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierStats {
    /// Functions compiled by the baseline.
    pub compiled_functions: usize,
    /// Entries at loops compiled, by any tier.
    pub osr_entries: usize,
    /// How often frames moved into one of those.
    pub osr_entered: u64,
    /// Bytes of machine code, of all tiers.
    pub code_bytes: usize,
    /// Time that compiling took, summed over threads and tiers.
    pub compile_time: Duration,
    /// Work that instances were granted before the optimizing tier, in operators.
    pub work: u64,
    /// Calls that ran before the optimizing tier; `None` unless the engine counts them.
    pub calls: Option<u64>,
    /// How many functions calls find in which tier now.
    pub functions: FunctionsByTier,
    /// Compiles of the baseline.
    pub baseline: TierTotals,
    /// Compiles of the middle tier.
    pub middle: TierTotals,
    /// Compiles of the optimizing tier.
    pub optimizing: TierTotals,
    /// Compiles of the baseline before a first call asked for them.
    pub ahead: AheadTotals,
    /// Compiles by the tiers above the baseline that are queued or running.
    pub pending: usize,
}

/// How many functions calls find in which tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionsByTier {
    /// Not called yet.
    pub not_compiled: usize,
    /// In the baseline.
    pub baseline: usize,
    /// In the middle tier.
    pub middle: usize,
    /// In the optimizing tier.
    pub optimizing: usize,
}

/// Functions that the baseline compiled before they were called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AheadTotals {
    /// How many.
    pub compiled: usize,
    /// How many of them were called since. Zero when work is not counted, for then nobody knows.
    pub called: usize,
    /// Time that their compiles took, on threads other than the guest's; a part of the baseline's.
    pub compile_time: Duration,
}

/// A tier's compiles for a module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierTotals {
    /// Functions and entries at loops compiled.
    pub compiled: usize,
    /// Compiles that failed.
    pub failed: usize,
    /// Time that all of them took, summed over threads.
    pub compile_time: Duration,
    /// Bytes of code and constants that came of it.
    pub code_bytes: usize,
}

/// Where a function's calls go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FunctionTier {
    /// It is compiled at its first call.
    #[default]
    NotCompiled,
    /// To the baseline's code.
    Baseline,
    /// To the middle tier's code.
    Middle,
    /// To the optimizing tier's code.
    Optimizing,
}

/// Tiering's compiles so far for a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionStats {
    /// Its index, imports first.
    pub function: u32,
    /// Where its calls go.
    pub tier: FunctionTier,
    /// Work that instances were granted before the optimizing tier, in operators.
    pub work: u64,
    /// Calls that ran before the optimizing tier; `None` unless the engine counts them.
    pub calls: Option<u64>,
    /// If the baseline compiled it before it was called: whether it was called since, as far as work is counted.
    pub compiled_ahead: Option<bool>,
    /// Compiles of the baseline.
    pub baseline: TierTotals,
    /// Compiles of the middle tier.
    pub middle: TierTotals,
    /// Compiles of the optimizing tier.
    pub optimizing: TierTotals,
    /// Entries at its loops that frames can move into now.
    pub osr_entries: usize,
    /// How often frames moved.
    pub osr_entered: u64,
}

/// Samples of a `call_indirect` while its function was in the baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSiteStats {
    /// The function that calls: its index, imports first.
    pub function: u32,
    /// Where the operator is in the module, in bytes.
    pub offset: u32,
    /// How often the call was looked at.
    pub samples: u32,
    /// Functions of the same instance that it reached, by index, and how often; the most frequent first, and no
    /// more than sixteen.
    pub targets: Vec<(u32, u32)>,
}
