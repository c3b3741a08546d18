//! The tier: what Cranelift is told about this machine, once for all modules.

use std::sync::Arc;

use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable, Flags};
use upshift_translate::{ModuleCompiler, ModuleUnit, Tier};

use crate::compile::BaselineCompiler;
use crate::emitter::EmitOptions;

/// The tier's name, as shown to users.
pub(crate) const NAME: &str = "baseline";

/// The baseline tier.
///
/// ```
/// use upshift_cranelift::BaselineTier;
/// use upshift_translate::Tier;
///
/// let tier = BaselineTier::new()?;
/// assert_eq!(tier.name(), "baseline");
/// # Ok::<(), upshift_cranelift::UnsupportedHost>(())
/// ```
#[derive(Clone)]
pub struct BaselineTier {
    isa: OwnedTargetIsa,
    poll_first_rounds: bool,
}

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

impl BaselineTier {
    /// The tier for the processor that this process runs on.
    ///
    /// # Errors
    /// When the processor lacks what generated code needs.
    pub fn new() -> Result<Self, UnsupportedHost> {
        require_features()?;
        let flags = flags().map_err(|error| UnsupportedHost::Cranelift(error.to_string()))?;
        let builder = cranelift_native::builder()
            .map_err(|message| UnsupportedHost::Cranelift(message.to_owned()))?;
        let isa = builder
            .finish(flags)
            .map_err(|error| UnsupportedHost::Cranelift(error.to_string()))?;
        Ok(Self {
            isa,
            poll_first_rounds: false,
        })
    }

    /// Has the first round of each loop, too, ask whether there is a better place to go on. As a rule it
    /// does not, because a loop may end with it; tests that move at every loop header want it.
    #[must_use]
    pub fn poll_first_rounds(mut self, enable: bool) -> Self {
        self.poll_first_rounds = enable;
        self
    }

    /// A compiler for the functions of one module, with what only this tier offers.
    #[must_use]
    pub fn compiler(&self, unit: Arc<ModuleUnit>) -> BaselineCompiler {
        let options = EmitOptions {
            call_conv: CallConv::triple_default(self.isa.triple()),
            poll_first_rounds: self.poll_first_rounds,
        };
        BaselineCompiler::new(Arc::clone(&self.isa), options, unit)
    }
}

impl Tier for BaselineTier {
    fn name(&self) -> &'static str {
        NAME
    }

    fn module_compiler(&self, unit: Arc<ModuleUnit>) -> Box<dyn ModuleCompiler> {
        Box::new(self.compiler(unit))
    }
}

fn flags() -> Result<Flags, settings::SetError> {
    let mut flags = settings::builder();
    flags.set("opt_level", "none")?;
    flags.set("regalloc_algorithm", "single_pass")?;
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
    // What this would guard against is kept apart by processes, not by instructions.
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
