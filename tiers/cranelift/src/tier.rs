//! The tiers: Cranelift's settings for this machine, once for all modules.

use std::fmt;
use std::sync::Arc;

use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable, Flags};
use upshift_translate::{CostLimits, ModuleCompiler, ModuleUnit, Tier};

use crate::compile::CraneliftCompiler;
use crate::emitter::{EmitOptions, Locals};

/// One of the two tiers that Cranelift makes code for.
///
/// ```
/// use upshift_cranelift::CraneliftTier;
/// use upshift_translate::Tier;
///
/// assert_eq!(CraneliftTier::baseline()?.name(), "baseline");
/// assert_eq!(CraneliftTier::middle()?.name(), "middle");
/// # Ok::<(), upshift_cranelift::UnsupportedHost>(())
/// ```
#[derive(Clone)]
pub struct CraneliftTier {
    name: &'static str,
    isa: OwnedTargetIsa,
    locals: Locals,
    poll_first_rounds: bool,
    limits: CostLimits,
}

/// The bounds of the baseline: functions that are compiled in some ten milliseconds, stored or moved in some tens. The guest waits for
/// it, and Cranelift's passes can't be stopped.
const BASELINE_LIMITS: CostLimits = CostLimits {
    operators: 8_000,
    passed_values: 200_000,
    call_values: 200_000,
    loop_values: 200_000,
    ..CostLimits::NONE
};

/// The bounds of the middle tier when nothing else is said.
const MIDDLE_LIMITS: CostLimits = CostLimits {
    operators: 8_000,
    passed_values: 50_000,
    call_values: 50_000,
    loop_values: 10_000,
    joined_locals: 50_000,
    ..CostLimits::NONE
};

/// Why this machine cannot run the baseline's code.
#[derive(Debug, thiserror::Error)]
pub enum UnsupportedHost {
    /// The processor is too old.
    #[error(
        "this processor lacks {0}, which compiled WebAssembly needs: x86-64-v2 (any from 2009 on) is \
         required; in a virtual machine, choose the host's processor model"
    )]
    MissingFeature(&'static str),
    /// Cranelift has no code generator for this machine.
    #[error("no code generator for this machine: {0}")]
    Cranelift(String),
}

impl CraneliftTier {
    /// The tier of every function's first code, for the processor that this process runs on.
    ///
    /// # Errors
    /// When the processor lacks an instruction that generated code needs.
    pub fn baseline() -> Result<Self, UnsupportedHost> {
        Ok(Self {
            name: "baseline",
            isa: host("none", "single_pass")?,
            locals: Locals::InCells,
            poll_first_rounds: false,
            limits: BASELINE_LIMITS,
        })
    }

    /// The tier of hot functions, for the time until an optimizing tier is done: its code takes some
    /// milliseconds to make, and counts work and polls as the baseline's does, so that frames can leave it.
    ///
    /// # Errors
    /// As [`baseline`](Self::baseline).
    pub fn middle() -> Result<Self, UnsupportedHost> {
        Ok(Self {
            name: "middle",
            isa: host("speed", "backtracking")?,
            locals: Locals::AsValues,
            poll_first_rounds: false,
            limits: MIDDLE_LIMITS,
        })
    }

    /// Has the first round of each loop, too, ask whether there is a better place to go on. As a rule it
    /// does not, because a loop may end with it; tests that move at every loop header want it.
    #[must_use]
    pub fn poll_first_rounds(mut self, enable: bool) -> Self {
        self.poll_first_rounds = enable;
        self
    }

    /// Has it refuse functions beyond these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: CostLimits) -> Self {
        self.limits = limits;
        self
    }

    /// A compiler for the functions of one module, with the methods that only these tiers offer.
    #[must_use]
    pub fn compiler(&self, unit: Arc<ModuleUnit>) -> CraneliftCompiler {
        let options = EmitOptions {
            call_conv: CallConv::triple_default(self.isa.triple()),
            poll_first_rounds: self.poll_first_rounds,
            locals: self.locals,
            limits: self.limits,
        };
        CraneliftCompiler::new(self.name, Arc::clone(&self.isa), options, unit)
    }
}

impl Tier for CraneliftTier {
    fn name(&self) -> &'static str {
        self.name
    }

    fn module_compiler(&self, unit: Arc<ModuleUnit>) -> Box<dyn ModuleCompiler> {
        Box::new(self.compiler(unit))
    }
}

/// Cranelift for the processor that this process runs on.
fn host(opt_level: &str, regalloc_algorithm: &str) -> Result<OwnedTargetIsa, UnsupportedHost> {
    require_features()?;
    let refuse = |error: &dyn fmt::Display| UnsupportedHost::Cranelift(error.to_string());
    let flags = flags(opt_level, regalloc_algorithm).map_err(|error| refuse(&error))?;
    let builder = cranelift_native::builder().map_err(|message| refuse(&message))?;
    builder.finish(flags).map_err(|error| refuse(&error))
}

fn flags(opt_level: &str, regalloc_algorithm: &str) -> Result<Flags, settings::SetError> {
    let mut flags = settings::builder();
    flags.set("opt_level", opt_level)?;
    flags.set("regalloc_algorithm", regalloc_algorithm)?;
    flags.set(
        "enable_verifier",
        if cfg!(debug_assertions) {
            "true"
        } else {
            "false"
        },
    )?;
    // Backtraces walk frame pointers; nothing unwinds.
    flags.set("preserve_frame_pointers", "true")?;
    flags.set("unwind_info", "false")?;
    // No symbols are referenced, so there is nothing to be independent of.
    flags.set("is_pic", "false")?;
    // The check against the stack limit leaves a reserve; a frame larger than that is probed.
    flags.set("enable_probestack", "true")?;
    flags.set("probestack_strategy", "inline")?;
    // Secrets that this would guard are kept apart by processes, not by instructions.
    flags.set("enable_heap_access_spectre_mitigation", "false")?;
    flags.set("enable_table_access_spectre_mitigation", "false")?;
    Ok(Flags::new(flags))
}

/// Without these, Cranelift would call library functions for rounding and vector operators.
#[cfg(target_arch = "x86_64")]
fn require_features() -> Result<(), UnsupportedHost> {
    macro_rules! require {
        ($($feature:tt)*) => {
            $(if !std::is_x86_feature_detected!($feature) {
                return Err(UnsupportedHost::MissingFeature($feature));
            })*
        };
    }
    require!("sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "cmpxchg16b");
    Ok(())
}
