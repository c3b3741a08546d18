//! What a tier makes of a function, as text for people.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;

use upshift_translate::{CodeForm, CompileError, CompileRequest, with_fatal_handler};

use super::ModuleTiering;
use crate::FunctionTier;
use crate::job::panic_message;
use crate::pool::WORKER_STACK;

impl ModuleTiering {
    /// What a tier makes of a function (imports not counted), as text. Installs nothing.
    ///
    /// The tier that `tier` says is asked if there is one; otherwise the baseline.
    ///
    /// # Errors
    /// When the code generator refuses the function, or breaks.
    pub fn emit(
        &self,
        tier: FunctionTier,
        request: CompileRequest,
        form: CodeForm,
    ) -> Result<String, CompileError> {
        let better = match tier {
            FunctionTier::Optimizing => self.better.optimizing.as_ref(),
            FunctionTier::Middle => self.better.middle.as_ref(),
            FunctionTier::Baseline | FunctionTier::NotCompiled => None,
        };
        let (compiler, tier) = match better {
            Some(better) => (&better.compiler, better.name),
            None => (&self.baseline, self.baseline_name),
        };
        let function = self.index(request.function);
        let broken = move |message| CompileError::Codegen {
            tier,
            function,
            message,
        };
        // On a thread of its own, which a code generator may take for itself.
        let (result, wait) = mpsc::channel();
        let compiler = Arc::clone(compiler);
        let emit = move || {
            let on_fatal = {
                let result = result.clone();
                move |message| drop(result.send(Err(broken(message))))
            };
            let emitted = with_fatal_handler(on_fatal, || {
                catch_unwind(AssertUnwindSafe(|| compiler.emit(request, form)))
            });
            let emitted = emitted.unwrap_or_else(|panic| Err(broken(panic_message(&*panic))));
            drop(result.send(emitted));
        };
        let started = thread::Builder::new().stack_size(WORKER_STACK).spawn(emit);
        started.map_err(|error| broken(error.to_string()))?;
        wait.recv()
            .unwrap_or_else(|_| Err(broken("its thread ended".to_owned())))
    }
}
