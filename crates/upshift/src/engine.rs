//! The engine: state that modules and stores share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use upshift_cranelift::CraneliftTier;
use upshift_runtime::{GUARDED_RESERVATION, InterruptState, MemoryPlan, TypeRegistry};
use upshift_singlepass::FastTier;
use upshift_tiering::{BaselineCompiler, TierMode, Tiering, Tiers};
use upshift_translate::{CodegenSettings, MemoryStyle, Tier};

use crate::config::CHECKED_RESERVATION;
use crate::error::ErrorKind;
use crate::{Config, Error, Result};

/// The maker of modules and stores: the configuration, the compilers and the function types.
///
/// Cloning it is cheap, and a clone is the same engine. A program needs one, for all of its threads:
/// modules and stores work together only when they are of the same engine.
///
/// ```
/// use upshift::{Config, Engine};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::new(Config::new().eager(true))?;
/// let again = engine.clone();
/// assert!(Engine::same(&engine, &again));
/// assert!(!Engine::same(&engine, &Engine::default()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    id: u64,
    config: Config,
    types: Arc<TypeRegistry>,
    tiering: Tiering,
    memory_plan: MemoryPlan,
}

impl Engine {
    /// An engine with these options.
    ///
    /// # Errors
    /// When the processor is too old, or the interrupt signal can't be had.
    pub fn new(config: &Config) -> Result<Self> {
        static LAST_ID: AtomicU64 = AtomicU64::new(0);
        let refuse =
            |error: &dyn std::fmt::Display| Error::from_kind(ErrorKind::Config(error.to_string()));
        // Installs the signal handlers, so that no store can fail to.
        InterruptState::new(config.interrupt_signal).map_err(|error| refuse(&error))?;
        let baseline = CraneliftTier::baseline().map_err(|error| refuse(&error))?;
        let baseline = baseline.poll_first_rounds(config.tiering.force_osr);
        let optimizing = optimizing_tier(config).map_err(|error| refuse(&error))?;
        let options = config.tiering_options();
        let baseline: Arc<dyn Tier> = match options.profile.baseline.compiler {
            BaselineCompiler::SinglePass => Arc::new(FastTier::new(baseline)),
            BaselineCompiler::Cranelift => Arc::new(FastTier::behind(baseline)),
        };
        let middle = CraneliftTier::middle().map_err(|error| refuse(&error))?;
        let middle = middle
            .poll_first_rounds(config.tiering.force_osr)
            .with_limits(config.tiering.profile.middle.limits());
        let tiers = Tiers {
            baseline,
            middle: Some(Arc::new(middle)),
            optimizing,
        };
        let tiering = Tiering::new(tiers, options).map_err(|error| refuse(&error))?;
        Ok(Self(Arc::new(Inner {
            id: LAST_ID.fetch_add(1, Ordering::Relaxed) + 1,
            config: config.clone(),
            types: Arc::new(TypeRegistry::new()),
            tiering,
            memory_plan: memory_plan(config),
        })))
    }

    /// Whether both are the same engine.
    #[must_use]
    pub fn same(a: &Self, b: &Self) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    /// The options that it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Bytes of code memory that its modules hold; see [`Config::max_code_memory`].
    #[must_use]
    pub fn code_memory(&self) -> usize {
        self.tiering().code_memory()
    }

    pub(crate) fn types(&self) -> &Arc<TypeRegistry> {
        &self.0.types
    }

    pub(crate) fn tiering(&self) -> &Tiering {
        &self.0.tiering
    }

    pub(crate) fn memory_plan(&self) -> MemoryPlan {
        self.0.memory_plan
    }

    pub(crate) fn codegen_settings(&self) -> CodegenSettings {
        let memory = if self.0.memory_plan.guarded {
            MemoryStyle::Guarded
        } else {
            MemoryStyle::Checked
        };
        // Forced OSR asks at the same polls that count work.
        let count_work = self.0.config.count_work || self.0.config.tiering.force_osr;
        let tiering = self.tiering();
        let speculation = &tiering.options().profile.speculation;
        // Samples are taken where work is counted.
        let record_calls =
            count_work && tiering.mode() == TierMode::Auto && speculation.max_call_targets > 0;
        CodegenSettings {
            memory,
            count_work,
            count_calls: self.0.config.count_calls,
            record_calls,
            precise_traps: self.0.config.precise_traps,
            check_indices: self.0.config.check_indices,
            check_claims: self.0.config.check_claims,
        }
    }

    /// # Errors
    /// When `object`, which belongs to this engine, is used with another one.
    pub(crate) fn check(&self, object: &'static str, other: &Self) -> Result<()> {
        if Self::same(self, other) {
            return Ok(());
        }
        let (owner, engine) = (self.0.id, other.0.id);
        Err(Error::from_kind(ErrorKind::WrongEngine {
            object,
            owner,
            engine,
        }))
    }
}

/// The tier for hot functions, if it is built in and wanted.
#[cfg(feature = "llvm")]
fn optimizing_tier(
    config: &Config,
) -> std::result::Result<Option<Arc<dyn Tier>>, upshift_llvm::UnsupportedHost> {
    if config.tier_mode() == TierMode::Baseline {
        return Ok(None);
    }
    let options = config.tiering.profile.optimizer_options();
    Ok(Some(Arc::new(upshift_llvm::LlvmTier::new(options)?)))
}

/// The tier for hot functions, if it is built in and wanted.
#[cfg(not(feature = "llvm"))]
fn optimizing_tier(config: &Config) -> std::result::Result<Option<Arc<dyn Tier>>, &'static str> {
    if config.tier_mode() == TierMode::Optimizing {
        return Err("this build has no LLVM tier: build it with the feature `llvm`");
    }
    Ok(None)
}

fn memory_plan(config: &Config) -> MemoryPlan {
    let guarded = !config.bounds_checks
        && config
            .memory_reservation
            .is_none_or(|bytes| bytes >= GUARDED_RESERVATION);
    if guarded {
        let reservation = config.memory_reservation.unwrap_or(GUARDED_RESERVATION);
        MemoryPlan {
            reservation,
            guarded,
        }
    } else {
        MemoryPlan::checked(config.memory_reservation.unwrap_or(CHECKED_RESERVATION))
    }
}

/// An engine with the default options.
///
/// # Panics
/// When this machine can't run compiled WebAssembly at all: [`Engine::new`] returns that as an error.
impl Default for Engine {
    fn default() -> Self {
        Self::new(&Config::default()).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("id", &self.0.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_space_that_is_not_enough_turns_checks_on() {
        let mut config = Config::new();
        assert_eq!(memory_plan(&config), MemoryPlan::GUARDED);
        assert!(!memory_plan(config.memory_reservation(1 << 20)).guarded);
        assert!(memory_plan(config.memory_reservation(1 << 34)).guarded);
        config.bounds_checks(true);
        assert_eq!(memory_plan(&config), MemoryPlan::checked(1 << 34));
        assert_eq!(
            memory_plan(Config::new().bounds_checks(true)),
            MemoryPlan::checked(4 << 30)
        );
    }
}
