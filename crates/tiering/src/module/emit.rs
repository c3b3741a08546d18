//! A tier's code for a function, as text for people.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

use upshift_module::threads;
use upshift_translate::{CodeForm, CompileError, CompileRequest, with_fatal_handler};

use super::ModuleTiering;
use crate::FunctionTier;
use crate::job::panic_message;
use crate::pool::WORKER_STACK;
use crate::rung::Rung;

impl ModuleTiering {
    /// A tier's code for a function (imports not counted), as text. Installs nothing.
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
        let rung = match tier {
            FunctionTier::Optimizing => Some(Rung::Optimizing),
            FunctionTier::Middle => Some(Rung::Middle),
            FunctionTier::Baseline | FunctionTier::NotCompiled => None,
        };
        let better = rung.and_then(|rung| Some((self.better[rung].as_ref()?, rung)));
        let (compiler, tier, pool) = match better {
            Some((better, rung)) => {
                let pool = Arc::clone(&self.engine.pool[rung]);
                (&better.compiler, better.name, Some(pool))
            }
            None => (&self.baseline, self.baseline_name, None),
        };
        let function = self.index(request.function);
        let broken = move |message| CompileError::Codegen {
            tier,
            function,
            message,
        };
        if pool.as_ref().is_some_and(|pool| pool.is_off()) {
            let message = "it is off, after too many fatal errors in this engine";
            return Err(broken(message.to_owned()));
        }
        // On a thread of its own, which a code generator may take for itself.
        let (result, wait) = mpsc::channel();
        let compiler = Arc::clone(compiler);
        let emit = move || {
            let on_fatal = {
                let result = result.clone();
                move |message| {
                    if let Some(pool) = pool {
                        pool.lose_thread();
                    }
                    drop(result.send(Err(broken(message))));
                }
            };
            let emitted = with_fatal_handler(on_fatal, || {
                catch_unwind(AssertUnwindSafe(|| compiler.emit(request, form)))
            });
            let emitted = emitted.unwrap_or_else(|panic| Err(broken(panic_message(&*panic))));
            drop(result.send(emitted));
        };
        let started = threads::spawn(c"upshift-emit", WORKER_STACK, emit);
        started.map_err(|error| broken(error.to_string()))?;
        wait.recv()
            .unwrap_or_else(|_| Err(broken("its thread ended".to_owned())))
    }
}
