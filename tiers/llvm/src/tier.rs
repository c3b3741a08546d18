//! The tier: LLVM's settings for this machine and for the effort, once for all modules.

use std::sync::{Arc, OnceLock};

use upshift_runtime::fork::Section;
use upshift_translate::{ModuleCompiler, ModuleUnit, OptimizerOptions, Tier};

use crate::compile::LlvmCompiler;
use crate::target::{self, Processor};
use crate::{constructors, fatal, limits};

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

/// State that all compilers of a tier share.
pub(crate) struct Settings {
    pub options: OptimizerOptions,
    /// Known when something is compiled first: asking LLVM takes a good part of the time that a small program runs.
    processors: OnceLock<Processors>,
}

struct Processors {
    /// The processor for units without operators on vectors.
    scalar: Processor,
    /// The processor for units with some.
    vector: Processor,
}

impl Settings {
    /// The processor for units with or without operators on vectors. Sets LLVM up when it is asked first.
    pub fn processor(&self, uses_vectors: bool) -> &Processor {
        if let Some(processors) = self.processors.get() {
            return processors.of(uses_vectors);
        }
        // Work done once for the process is done, or not begun, in the child of a fork.
        let _section = Section::enter();
        let processors = self.processors.get_or_init(|| {
            constructors::run();
            limits::set();
            fatal::install_handler();
            target::triple();
            let options = &self.options;
            // Without vectors of 512 bits, AVX-512 pays where the program has vectors itself.
            let wide = options.vector_bits >= 512;
            Processors {
                scalar: Processor::named(&options.cpu, wide),
                vector: Processor::named(&options.cpu, true),
            }
        });
        processors.of(uses_vectors)
    }
}

impl Processors {
    fn of(&self, uses_vectors: bool) -> &Processor {
        if uses_vectors {
            &self.vector
        } else {
            &self.scalar
        }
    }
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
    /// When LLVM makes no code for the processor that the options name.
    pub fn new(options: OptimizerOptions) -> Result<Self, UnsupportedHost> {
        let settings = Settings {
            options,
            processors: OnceLock::new(),
        };
        // LLVM always knows the processor that it runs on.
        if settings.options.cpu != Processor::NATIVE {
            target::machine(settings.processor(false)).map_err(UnsupportedHost::Target)?;
        }
        Ok(Self {
            settings: Arc::new(settings),
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
