//! Who compiles what, when: lazy compilation at the first call, compilation of everything ahead of it,
//! budgets, and publication. Knows tiers through [`Tier`] only.

mod module;
mod options;
mod stats;

pub use module::ModuleTiering;
pub use options::TieringOptions;
pub use stats::TierStats;

use std::io;
use std::sync::Arc;

use upshift_module::Module;
use upshift_runtime::{ModuleCode, VMOffsets};
use upshift_translate::{CodegenSettings, ModuleUnit, Tier};

/// The tiers of an engine and the rules by which functions move through them.
pub struct Tiering {
    /// What every function starts in.
    baseline: Arc<dyn Tier>,
    /// The rules.
    options: TieringOptions,
}

impl Tiering {
    /// Tiering from a first tier and the rules.
    #[must_use]
    pub fn new(baseline: Arc<dyn Tier>, options: TieringOptions) -> Self {
        Self { baseline, options }
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
        let unit = Arc::new(ModuleUnit {
            offsets: VMOffsets::new(&module),
            code: ModuleCode::new(Arc::clone(&module))?,
            module,
            settings,
        });
        let baseline = self.baseline.module_compiler(Arc::clone(&unit));
        Ok(Arc::new(ModuleTiering::new(unit, baseline, self.options)))
    }
}
