//! The tier: what LLVM is told about this machine and about how hard to try, once for all modules.

use std::sync::Arc;

use upshift_translate::{ModuleCompiler, ModuleUnit, OptimizerOptions, Tier};

use crate::compile::LlvmCompiler;
use crate::fatal;
use crate::target::{self, Processor};

/// The tier's name, as shown to users.
pub(crate) const NAME: &str = "llvm";

/// The optimizing tier.
///
/// ```
/// use upshift_llvm::LlvmTier;
/// use upshift_translate::{OptimizerOptions, Tier};
///
/// let tier = LlvmTier::new(OptimizerOptions::default())?;
/// assert_eq!(tier.name(), "llvm");
/// # Ok::<(), upshift_llvm::UnsupportedHost>(())
/// ```
#[derive(Clone)]
pub struct LlvmTier {
    settings: Arc<Settings>,
}

/// What all compilers of a tier share.
pub(crate) struct Settings {
    pub options: OptimizerOptions,
    /// The processor for units without operators on vectors.
    pub processor: Processor,
    /// The processor for units with some.
    pub vector_processor: Processor,
}

/// Why LLVM makes no code for this machine, or not with these options.
#[derive(Debug, thiserror::Error)]
pub enum UnsupportedHost {
    /// LLVM has no code generator for this process.
    #[error("the LLVM tier makes no code for this machine: {0}")]
    Target(String),
}

impl LlvmTier {
    /// The tier for this machine.
    ///
    /// # Errors
    /// When LLVM makes no code for it.
    pub fn new(options: OptimizerOptions) -> Result<Self, UnsupportedHost> {
        fatal::install_handler();
        target::triple();
        // Without vectors of 512 bits, AVX-512 pays where the program has vectors itself.
        let wide = options.vector_bits >= 512;
        let processor = Processor::named(&options.cpu, wide);
        let vector_processor = Processor::named(&options.cpu, true);
        target::machine(&processor).map_err(UnsupportedHost::Target)?;
        Ok(Self {
            settings: Arc::new(Settings {
                options,
                processor,
                vector_processor,
            }),
        })
    }
}

impl Tier for LlvmTier {
    fn name(&self) -> &'static str {
        NAME
    }

    fn module_compiler(&self, unit: Arc<ModuleUnit>) -> Box<dyn ModuleCompiler> {
        Box::new(LlvmCompiler::new(Arc::clone(&self.settings), unit))
    }
}
