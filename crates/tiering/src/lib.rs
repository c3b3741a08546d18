//! Choice, time and thread of compiles: lazy compilation at the first call, compilation of everything ahead of it,
//! budgets, and the move of hot functions to an optimizing tier while they run. Knows tiers through
//! [`Tier`] only.
//!
//! A function starts in the baseline, whose code counts its work and asks [`ModuleTiering`] when its budget is
//! used up (`module::heat`). Hot ones are queued; the engine's background threads (`pool`) take the hottest,
//! compile it (`job`), and publish the result (`progress` says why that is safe, `module::publish` does it).
//! A frame that stays in a loop moves at its header (`module::loops`). The numbers behind all of this are in
//! [`TieringProfile`], and nothing of it has an effect on a program's results.
//!
//! The order of publication is checked with a model of all interleavings:
//! `RUSTFLAGS="--cfg loom" cargo test -p upshift-tiering --release --lib loom`.

mod ahead;
mod chaos;
mod event;
mod exit;
mod job;
mod module;
mod options;
mod policy;
mod pool;
mod profile;
mod progress;
mod rung;
mod stats;

pub use chaos::Chaos;
pub use event::{EntryPoint, EventSink, QueueReason, TierEvent, TierEventKind};
pub use module::ModuleTiering;
pub use options::{BaselineCompiler, TierMode, TieringError, TieringOptions};
pub use profile::{
    BaselineProfile, BuiltInProfile, InliningProfile, MiddleProfile, OptimizerProfile,
    ProfileError, SpeculationProfile, TierUpProfile, TieringProfile, WorkersProfile,
};
pub use stats::{
    AheadTotals, CallSiteStats, FunctionStats, FunctionTier, FunctionsByTier, TierStats, TierTotals,
};

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use upshift_module::Module;
use upshift_runtime::{CodeAccount, ModuleCode, VMOffsets};
use upshift_translate::{CallProfile, CodegenSettings, ModuleUnit, Tier};

use ahead::Ahead;
use policy::Policy;
use pool::{AtExit, Pool};
use rung::{PerRung, Rung};

/// The tiers that there are.
pub struct Tiers {
    /// The tier that every function starts in.
    pub baseline: Arc<dyn Tier>,
    /// The tier that hot functions move to soon. Its code counts work like the baseline's.
    pub middle: Option<Arc<dyn Tier>>,
    /// The tier that hot functions move to in the end.
    pub optimizing: Option<Arc<dyn Tier>>,
}

/// The tiers of an engine and the rules by which functions move through them.
///
/// Dropping it ends the background threads, as soon as they have finished their compiles, and waits for
/// none of them. Its modules go on running in the code that they have.
pub struct Tiering {
    /// The tier that every function starts in.
    baseline: Arc<dyn Tier>,
    /// The state that modules share.
    engine: Arc<EngineState>,
    /// How many modules there were.
    modules: AtomicU64,
    /// The account of their code.
    code: Arc<CodeAccount>,
}

/// The state that the modules of an engine share.
struct EngineState {
    /// The tiers that hot functions move to. There is one in all modes but [`TierMode::Baseline`].
    better: PerRung<Option<Arc<dyn Tier>>>,
    /// In which tiers functions run, an optimizing tier being there if it says so.
    mode: TierMode,
    options: TieringOptions,
    policy: Policy,
    /// The background threads of each tier above the baseline. The middle tier has one of its own: a compile of a
    /// millisecond need not wait for one of a hundred.
    pool: PerRung<Arc<Pool>>,
    /// The threads that compile likely callees in the baseline.
    ahead: Arc<Ahead>,
    /// When the engine was made.
    start: Instant,
}

impl Tiering {
    /// Tiering from tiers and the rules.
    ///
    /// # Errors
    /// When everything is to run in an optimizing tier and there is none, or a number of the profile is out
    /// of its range.
    pub fn new(tiers: Tiers, mut options: TieringOptions) -> Result<Self, TieringError> {
        options.profile.validate()?;
        let Tiers {
            baseline,
            middle,
            optimizing,
        } = tiers;
        let middle = middle.filter(|_| options.profile.middle.enabled);
        let mode = match (options.profile.mode, &optimizing) {
            (TierMode::Optimizing, None) => return Err(TieringError::NoOptimizingTier),
            (TierMode::Auto, None) if middle.is_none() => TierMode::Baseline,
            (mode, _) => mode,
        };
        // With everything compiled ahead there is no frame that could move.
        options.force_osr &= mode != TierMode::Optimizing;
        let processors = options.processors.unwrap_or_else(pool::processors);
        let policy = Policy::new(&options.profile, processors);
        let mut baseline_profile = options.profile.baseline.clone();
        if options.synchronous || mode == TierMode::Optimizing {
            // Compiles are to be the same each time; or, all of it ahead already.
            baseline_profile.ahead_threads = Some(0);
        }
        // The program has one, and LLVM's workers another.
        let spare = processors.saturating_sub(1 + usize::from(mode == TierMode::Auto));
        // A caller that waits for everything has all processors at work already.
        let relief_after = policy
            .relief_after()
            .filter(|_| mode != TierMode::Optimizing);
        let nice = options.profile.workers.nice;
        let engine = EngineState {
            ahead: Ahead::new(&baseline_profile, spare),
            better: PerRung {
                middle: middle.filter(|_| mode == TierMode::Auto),
                optimizing: optimizing.filter(|_| mode != TierMode::Baseline),
            },
            mode,
            pool: PerRung {
                middle: Pool::new(1, None, nice, AtExit::IsCutOff),
                optimizing: Pool::new(policy.workers(), relief_after, nice, AtExit::Finishes),
            },
            policy,
            options,
            start: Instant::now(),
        };
        Ok(Self {
            baseline,
            code: CodeAccount::new(engine.options.code_limits),
            engine: Arc::new(engine),
            modules: AtomicU64::new(0),
        })
    }

    /// Which tiers functions run in: [`TierMode::Auto`] without a tier to move to has become
    /// [`TierMode::Baseline`].
    #[must_use]
    pub fn mode(&self) -> TierMode {
        self.engine.mode
    }

    /// Bytes of code memory that its modules hold.
    #[must_use]
    pub fn code_memory(&self) -> usize {
        self.code.used()
    }

    /// The options that it was made with.
    #[must_use]
    pub fn options(&self) -> &TieringOptions {
        &self.engine.options
    }

    /// The tiering of one module: slots at their lazy stubs, nothing compiled.
    ///
    /// # Errors
    /// When there is no code memory.
    pub fn module(
        &self,
        module: Arc<Module>,
        settings: CodegenSettings,
    ) -> io::Result<Arc<ModuleTiering>> {
        let mut offsets = VMOffsets::new(&module);
        if settings.count_calls {
            offsets = offsets.with_call_counts();
        }
        let call_cells = if settings.record_calls {
            offsets.call_cell_count()
        } else {
            0
        };
        let unit = Arc::new(ModuleUnit {
            calls: CallProfile::new(call_cells, offsets.defined_functions()),
            offsets,
            code: ModuleCode::within(Arc::clone(&module), Arc::clone(&self.code))?,
            module,
            settings,
        });
        let id = self.modules.fetch_add(1, Ordering::Relaxed) + 1;
        let engine = Arc::clone(&self.engine);
        Ok(ModuleTiering::new(id, unit, &*self.baseline, engine))
    }
}

impl Drop for Tiering {
    fn drop(&mut self) {
        for rung in Rung::ALL {
            self.engine.pool[rung].close();
        }
        self.engine.ahead.close();
    }
}
