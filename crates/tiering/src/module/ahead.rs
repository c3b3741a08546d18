//! Compiling functions in the baseline before they are called: which are worth it, and how that goes together
//! with first calls.
//!
//! A function that is called makes its direct callees likely: the callees with few conditional branches before
//! them. When one of them is compiled ahead, its own callees may be too, as long as the branches on the whole
//! way are few enough. Once it is called in fact, which its first look at its budget shows, its own callees get
//! the whole number of branches.
//!
//! **Publication** is that of a first call: compiled with the function's own lock held, then one release store
//! into the slot. A first call that finds the lock taken waits for that very compile, which is on its way; one
//! that finds it free takes it, and a thread that comes to compile ahead goes away without waiting. The lock is held for
//! that one function's compile only and nothing else is waited for meanwhile, so there is no circle in which
//! threads could wait. Both look for code again behind the lock: nothing is compiled twice.
//!
//! A function that can't be compiled is left as if nobody had tried. Its first call, if there is one, fails
//! with the error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use upshift_module::DefinedFuncIndex;
use upshift_translate::{CompileRequest, DirectCall, EntryPoint, Stop};

use super::ModuleTiering;
use super::function::AheadStage;
use crate::ahead::Task;
use crate::event::Loudness;

impl ModuleTiering {
    /// Has the likely ones of a function's calls compiled, after so many branches at most.
    pub(super) fn expect_calls(&self, calls: &[DirectCall], max_branches: u32) {
        let likely = calls.iter().filter_map(|call| {
            let branches_left = max_branches.checked_sub(call.branches_before)?;
            let state = self.functions.get(call.function)?;
            let open = state.newest_code().is_none() && state.ahead.get() == AheadStage::Untried;
            open.then(|| Task {
                module: self.this.clone(),
                module_id: self.id,
                function: call.function,
                branches_left,
            })
        });
        self.engine.ahead.add(likely);
    }

    /// A function is called for the first time. If it was compiled ahead, its own callees are likely now.
    pub(super) fn expect_calls_of(&self, function: DefinedFuncIndex) {
        let state = &self.functions[function];
        if state.ahead.get() != AheadStage::Compiled {
            return;
        }
        let calls = std::mem::take(&mut *state.detail().calls.lock());
        self.expect_calls(&calls, self.engine.ahead.max_branches());
    }
}

impl Task {
    /// Compiles the function, unless it has been or is being compiled.
    pub fn run(self) {
        let Some(module) = self.module.upgrade() else {
            return;
        };
        // Compiling must not keep the module alive: its owner may drop it meanwhile. These keep the parts that the
        // compile needs.
        let functions = Arc::clone(&module.functions);
        let baseline = Arc::clone(&module.baseline);
        drop(module);
        let state = &functions[self.function];
        let Some(compiling) = state.compiling.try_lock() else {
            return;
        };
        if state.newest_code().is_some() || !state.ahead.try_once() {
            return;
        }
        let request = CompileRequest {
            function: self.function,
            entry: EntryPoint::Function,
        };
        let start = Instant::now();
        let mut own_calls = Box::default();
        let compiled = catch_unwind(AssertUnwindSafe(|| {
            baseline.compile_until(request, Stop::NEVER, &mut |calls| {
                own_calls = calls.into();
                if let Some(module) = self.module.upgrade() {
                    module.expect_calls(calls, self.branches_left);
                }
            })
        }));
        let Ok(Ok(compiled)) = compiled else {
            return;
        };
        let time = start.elapsed();
        let Some(module) = self.module.upgrade() else {
            return;
        };
        let detail = state.detail();
        let bytes = Some(compiled.bytes);
        detail.totals.lock().baseline.add(bytes, time);
        if module.unit.settings.count_work {
            *detail.calls.lock() = own_calls;
        }
        state.ahead.set_compiled();
        module.unit.code.publish(&compiled.code);
        state.publish(compiled.code.address);
        drop(compiling);
        module.tell_compiled(Loudness::Common, true, request, compiled, time);
    }
}
