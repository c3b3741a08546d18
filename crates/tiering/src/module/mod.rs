//! The tiering of one module: its functions' state, and compilation by the baseline, at first calls and
//! ahead of them. When functions move up is in `heat`, how they get there in `publish`.

mod ahead;
mod calls;
mod emit;
mod function;
mod heat;
mod loops;
mod publish;
mod request;
mod totals;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use upshift_module::{
    DefinedFuncIndex, EntityRef, FuncIndex, LoopIndex, PrimaryMap, threads, to_u64,
};
use upshift_runtime::sync::Mutex;
use upshift_runtime::{CallCell, CalledFunction, NoCode, TierHooks, remaining_stack};
use upshift_translate::{
    CompileError, CompileRequest, Compiled, DirectCall, EntryPoint, ModuleCompiler, ModuleUnit,
    Stop, Tier,
};

use crate::event::{Loudness, TierEvent, TierEventKind, is_heard, tell};
use crate::job::{Latch, Ticket, panic_message};
use crate::pool::processors;
use crate::progress::Stage;
use crate::rung::{PerRung, Rung};
use crate::{EngineState, TierMode};
use function::{Detail, FunctionState};

/// A code generator may need this much stack. With less, another thread compiles and the caller waits.
const COMPILE_STACK: usize = 512 << 10;
/// Modules are compiled ahead in at least so many parts, if these don't become too small: there is work for
/// several threads then.
const PARTS: usize = 8;
/// As how many operators a function counts that has none.
const FUNCTION_OPERATORS: usize = 16;
/// Operators of functions that are compiled together. Below, the fixed part of a compile takes more time than
/// the code; above, one thread may be at the last part for long.
const SMALLEST_PART: usize = 500;
const LARGEST_PART: usize = 5_000;
/// The stack of that other thread.
pub(crate) const COMPILE_THREAD_STACK: usize = 16 << 20;

/// How the functions of one module are compiled, and the state of each.
pub struct ModuleTiering {
    /// The module as tiers need it.
    unit: Arc<ModuleUnit>,
    /// The first tier's compiler.
    baseline: Arc<dyn ModuleCompiler>,
    /// The first tier's name.
    baseline_name: &'static str,
    /// The tiers that hot functions move to.
    better: PerRung<Option<Better>>,
    /// One per defined function.
    functions: Arc<PrimaryMap<DefinedFuncIndex, FunctionState>>,
    /// The state that all modules of the engine share.
    engine: Arc<EngineState>,
    /// The module's number in the engine.
    id: u64,
    /// Itself, for compiles that outlive it.
    this: Weak<Self>,
}

/// A tier above the baseline.
struct Better {
    compiler: Arc<dyn ModuleCompiler>,
    name: &'static str,
}

impl ModuleTiering {
    pub(crate) fn new(
        id: u64,
        unit: Arc<ModuleUnit>,
        baseline: &dyn Tier,
        engine: Arc<EngineState>,
    ) -> Arc<Self> {
        let functions = unit.module.bodies.values();
        let functions = functions.map(|_| FunctionState::default());
        let functions = Arc::new(functions.collect());
        let better = |tier: &Option<Arc<dyn Tier>>| {
            tier.as_ref().map(|tier| Better {
                compiler: Arc::from(tier.module_compiler(Arc::clone(&unit))),
                name: tier.name(),
            })
        };
        let better = PerRung {
            middle: better(&engine.better.middle),
            optimizing: better(&engine.better.optimizing),
        };
        Arc::new_cyclic(|this| Self {
            baseline: Arc::from(baseline.module_compiler(Arc::clone(&unit))),
            baseline_name: baseline.name(),
            better,
            functions,
            engine,
            id,
            this: Weak::clone(this),
            unit,
        })
    }

    /// The module as tiers need it.
    #[must_use]
    pub fn unit(&self) -> &Arc<ModuleUnit> {
        &self.unit
    }

    /// The module's number in the engine, as in [`TierEvent::module`].
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Compiles all functions and publishes them: by the optimizing tier in [`TierMode::Optimizing`], else by
    /// the baseline, on as many threads as there are processors.
    ///
    /// Functions that the optimizing tier can't compile are left to the baseline, at their first calls, and are no error.
    ///
    /// # Errors
    /// The first error of the baseline; functions compiled by then stay compiled.
    pub fn compile_all(&self) -> Result<(), CompileError> {
        if self.engine.mode == TierMode::Optimizing {
            self.optimize_all();
            return Ok(());
        }
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        let work = || {
            while failed.lock().is_none() {
                let function = next.fetch_add(1, Ordering::Relaxed);
                if function >= self.functions.len() {
                    return;
                }
                let function = DefinedFuncIndex::new(function);
                if let Err(error) = self.ensure_compiled(function, Stop::NEVER, None) {
                    failed.lock().get_or_insert(error);
                }
            }
        };
        let others = processors().min(self.functions.len()).saturating_sub(1);
        threads::on_several(others, Some(COMPILE_THREAD_STACK), work);
        failed.into_inner().map_or(Ok(()), Err)
    }

    /// Has the background threads compile everything, the largest first, and waits.
    ///
    /// Neighbours are compiled together: compilers of source code leave functions near their callees.
    fn optimize_all(&self) {
        let latch = Arc::new(Latch::default());
        let sizes: Vec<usize> = (self.functions.keys())
            .map(|function| self.size_in_operators(function) + FUNCTION_OPERATORS)
            .collect();
        let most = if self.engine.options.chaos.is_some() {
            // Mishaps happen to single compiles.
            0
        } else {
            let part = sizes.iter().sum::<usize>() / PARTS;
            part.clamp(SMALLEST_PART, LARGEST_PART)
        };
        let mut next = 0;
        while next < sizes.len() {
            let first = next;
            let mut size = sizes[first];
            next += 1;
            while next < sizes.len() && size + sizes[next] <= most {
                size += sizes[next];
                next += 1;
            }
            let functions: Vec<_> = (first..next).map(DefinedFuncIndex::new).collect();
            self.request_together(&functions, to_u64(size), Ticket::of(&latch));
        }
        latch.wait();
    }

    /// The code of a function that has none: the baseline's, compiled and published now. Callees behind
    /// so many branches at most are compiled meanwhile, elsewhere.
    ///
    /// When `stop` ends it, the function is as it was. Other waiters go on waiting: the next to get the function's
    /// lock compiles it anew.
    fn ensure_compiled(
        &self,
        function: DefinedFuncIndex,
        stop: Stop<'_>,
        expected: Option<u32>,
    ) -> Result<*const u8, CompileError> {
        let state = &self.functions[function];
        if let Some(code) = state.newest_code() {
            return Ok(code);
        }
        let request = CompileRequest {
            function,
            entry: EntryPoint::Function,
        };
        let Some(compiling) = state.compiling.lock_until(stop) else {
            return Err(self.stopped(function));
        };
        if let Some(code) = state.newest_code() {
            return Ok(code);
        }
        let (compiled, time) = self.compile_here(request, stop, expected)?;
        self.unit.code.publish(&compiled.code);
        state.publish(compiled.code.address);
        drop(compiling);
        let address = ptr::with_exposed_provenance(compiled.code.address);
        self.tell_compiled(Loudness::Common, false, request, compiled, time);
        Ok(address)
    }

    /// Has the baseline compile something, on this thread if its stack is deep enough.
    fn compile_here(
        &self,
        request: CompileRequest,
        stop: Stop<'_>,
        expected: Option<u32>,
    ) -> Result<(Compiled, Duration), CompileError> {
        let start = Instant::now();
        let compile = || {
            let mut tell = |calls: &[DirectCall]| {
                if let Some(max_branches) = expected {
                    self.expect_calls(calls, max_branches);
                }
            };
            let compile = || self.baseline.compile_until(request, stop, &mut tell);
            catch_unwind(AssertUnwindSafe(compile))
                .unwrap_or_else(|panic| Err(self.refused(request, panic_message(&*panic))))
        };
        let result = if remaining_stack() >= COMPILE_STACK {
            compile()
        } else {
            threads::on_another(COMPILE_THREAD_STACK, compile)
                .unwrap_or_else(|error| Err(self.refused(request, error.to_string())))
        };
        let time = start.elapsed();
        if let Err(CompileError::Stopped { .. }) = result {
            // As if it had not been asked for.
            return Ok((result?, time));
        }
        let detail = self.detail(request.function);
        let bytes = result.as_ref().ok().map(|compiled| compiled.bytes);
        detail.totals.lock().baseline.add(bytes, time);
        if let Err(error) = &result {
            self.tell(request.function, || TierEventKind::Failed {
                tier: self.baseline_name,
                entry: request.entry.into(),
                error: error.to_string(),
                retry: true,
            });
        }
        Ok((result?, time))
    }

    #[cold]
    fn refused(&self, request: CompileRequest, message: String) -> CompileError {
        CompileError::Codegen {
            tier: self.baseline_name,
            function: self.index(request.function),
            message,
        }
    }

    #[cold]
    fn stopped(&self, function: DefinedFuncIndex) -> CompileError {
        CompileError::Stopped {
            tier: self.baseline_name,
            function: self.index(function),
        }
    }

    /// A defined function's index.
    fn index(&self, function: DefinedFuncIndex) -> FuncIndex {
        self.unit.module.function_index(function)
    }

    /// About how many operators a function has: on average they take two bytes.
    fn size_in_operators(&self, function: DefinedFuncIndex) -> usize {
        self.unit.module.body_bytes(function).len() / 2
    }

    fn detail(&self, function: DefinedFuncIndex) -> &Detail {
        self.functions[function].detail()
    }

    /// Tells an event of a function, if there are listeners. Not to be called with a lock held.
    fn tell(&self, function: DefinedFuncIndex, kind: impl FnOnce() -> TierEventKind) {
        self.tell_as(Loudness::Notable, function, kind);
    }

    fn tell_as(
        &self,
        loudness: Loudness,
        function: DefinedFuncIndex,
        kind: impl FnOnce() -> TierEventKind,
    ) {
        let sink = self.engine.options.on_event.as_ref();
        if !is_heard(sink, loudness) {
            return;
        }
        let function = self.index(function);
        let name = self.unit.module.function_name(function).map(str::to_owned);
        let event = TierEvent {
            at: self.engine.start.elapsed(),
            module: self.id,
            function: function.as_u32(),
            name,
            kind: kind(),
        };
        tell(sink, loudness, &event);
    }

    /// Tells that a tier compiled something and that it is published.
    fn tell_compiled(
        &self,
        loudness: Loudness,
        ahead: bool,
        request: CompileRequest,
        compiled: Compiled,
        time: Duration,
    ) {
        let (function, entry) = (request.function, request.entry.into());
        let tier = compiled.code.tier;
        self.tell_as(loudness, function, || TierEventKind::Compiled {
            tier,
            entry,
            ahead,
            time,
            bytes: compiled.bytes,
            inlined: compiled.inlined.iter().map(|it| it.as_u32()).collect(),
        });
        self.tell_as(loudness, function, || TierEventKind::Published {
            tier,
            entry,
        });
    }
}

impl Drop for ModuleTiering {
    fn drop(&mut self) {
        for rung in Rung::ALL {
            self.engine.pool[rung].forget(self.id);
        }
        self.engine.ahead.forget(self.id);
    }
}

impl TierHooks for ModuleTiering {
    fn lazy_compile(
        &self,
        function: DefinedFuncIndex,
        stop: Stop<'_>,
    ) -> Result<*const u8, NoCode> {
        if let Some(code) = self.announced_call(function, stop) {
            return Ok(code);
        }
        let expected = self.engine.ahead.first_call();
        self.ensure_compiled(function, stop, expected)
            .map_err(|error| match error {
                CompileError::Stopped { .. } => NoCode::Stopped,
                error => NoCode::failed(error),
            })
    }

    fn sample_calls(
        &self,
        function: DefinedFuncIndex,
        take: &mut dyn FnMut(CallCell) -> Option<CalledFunction>,
    ) {
        self.unit.calls.sample(function, take);
    }

    fn budget_at_entry(&self, function: DefinedFuncIndex, budget: &mut i32) -> Option<*const u8> {
        self.work_at_entry(function, budget);
        let state = &self.functions[function];
        // The middle tier's entry looks at the budget once more, and there may be none.
        (state.better.optimizing.stage() == Stage::Ready)
            .then(|| state.newest_code())
            .flatten()
    }

    fn budget_at_loop(
        &self,
        function: DefinedFuncIndex,
        loop_number: LoopIndex,
        budget: &mut i32,
    ) -> Option<*const u8> {
        self.work_at_loop(None, function, loop_number, budget)
    }

    fn budget_at_middle_loop(
        &self,
        function: DefinedFuncIndex,
        loop_number: LoopIndex,
        budget: &mut i32,
    ) -> Option<*const u8> {
        self.work_at_loop(Some(Rung::Middle), function, loop_number, budget)
    }
}
