//! How an engine tiers: options that are fixed when it is made. Tunables are in the profile.

use std::fmt;

use serde::{Deserialize, Serialize};

use upshift_runtime::CodeLimits;

use crate::{Chaos, EventSink, ProfileError, TieringProfile};

/// Which tiers functions run in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TierMode {
    /// In the baseline first; hot functions move to the middle tier and to the optimizing tier while they
    /// run, as far as there are such. Without any the same as `Baseline`.
    #[default]
    Auto,
    /// In the baseline only.
    Baseline,
    /// In the optimizing tier, everything compiled ahead of the first call. Functions that that tier can't compile
    /// run in the baseline. In a profile: `llvm`.
    #[serde(rename = "llvm")]
    Optimizing,
}

/// The compiler of the baseline's code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaselineCompiler {
    /// A compiler that goes over a function once, and Cranelift for functions that it does not know: vectors, memories with
    /// bounds checks.
    #[default]
    SinglePass,
    /// Cranelift.
    Cranelift,
}

/// How an engine tiers.
#[derive(Clone, Default)]
pub struct TieringOptions {
    /// Which tiers functions run in, and the numbers.
    pub profile: TieringProfile,
    /// For tests: a request for better code waits until it is there, and work counts to the operator.
    pub synchronous: bool,
    /// For tests: every loop header that is reached asks for an entry there, in [`TierMode::Auto`] of the
    /// next tier, in [`TierMode::Baseline`] of the baseline itself. Functions are then not compiled by
    /// the optimizing tier, so that every loop stays in reach: those of the baseline move to the middle tier, and
    /// those of the middle tier to the optimizing tier.
    pub force_osr: bool,
    /// For tests: decides as on a machine with so many processors. `None` asks the system.
    pub processors: Option<usize>,
    /// For tests: lets compiles go wrong.
    pub chaos: Option<Chaos>,
    /// How much code memory modules may take.
    pub code_limits: CodeLimits,
    /// The listener to events.
    pub on_event: Option<EventSink>,
}

impl fmt::Debug for TieringOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieringOptions")
            .field("profile", &self.profile)
            .field("synchronous", &self.synchronous)
            .field("force_osr", &self.force_osr)
            .field("processors", &self.processors)
            .field("chaos", &self.chaos)
            .field("code_limits", &self.code_limits)
            .finish_non_exhaustive()
    }
}

/// Why an engine can't tier as told.
#[derive(Debug, thiserror::Error)]
pub enum TieringError {
    /// [`TierMode::Optimizing`] without an optimizing tier.
    #[error("everything is to run in the optimizing tier, but there is none")]
    NoOptimizingTier,
    /// A number of the profile is out of its range.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}
