//! The tiering of one module: each function's state and lock, its heat, its OSR entries.

use std::collections::HashMap;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{ptr, thread};

use parking_lot::Mutex;
use upshift_runtime::{InstalledCode, TierHooks, remaining_stack};
use upshift_translate::{CompileError, CompileRequest, EntryPoint, ModuleCompiler, ModuleUnit};

use crate::{TierStats, TieringOptions};

/// A code generator may need this much stack. With less, another thread compiles and the caller waits.
const COMPILE_STACK: usize = 512 << 10;
/// The stack of that other thread.
const COMPILE_THREAD_STACK: usize = 16 << 20;

/// OSR entries by function and loop; `None` for a loop that could not be compiled.
type OsrEntries = HashMap<(u32, u32), Option<Arc<InstalledCode>>>;

/// How the functions of one module are compiled, and what is known about each.
pub struct ModuleTiering {
    /// What tiers need to know of the module.
    unit: Arc<ModuleUnit>,
    /// The first tier's compiler.
    baseline: Box<dyn ModuleCompiler>,
    /// One per defined function.
    functions: Box<[FunctionState]>,
    /// OSR entries that were asked for.
    osr_entries: Mutex<OsrEntries>,
    /// The rules.
    options: TieringOptions,
    /// Functions compiled.
    compiled: AtomicUsize,
    /// Nanoseconds spent compiling.
    compile_nanos: AtomicU64,
}

#[derive(Default)]
struct FunctionState {
    /// Held while the function is compiled, so that threads that race compile once.
    compiling: Mutex<()>,
    /// The baseline's code; null before.
    code: AtomicPtr<u8>,
    /// Operators granted in the baseline, over all instances.
    work: AtomicU64,
}

impl ModuleTiering {
    pub(crate) fn new(
        unit: Arc<ModuleUnit>,
        baseline: Box<dyn ModuleCompiler>,
        options: TieringOptions,
    ) -> Self {
        let functions = unit
            .module
            .bodies
            .iter()
            .map(|_| FunctionState::default())
            .collect();
        Self {
            unit,
            baseline,
            functions,
            osr_entries: Mutex::default(),
            options,
            compiled: AtomicUsize::new(0),
            compile_nanos: AtomicU64::new(0),
        }
    }

    /// What tiers need to know of the module.
    #[must_use]
    pub fn unit(&self) -> &Arc<ModuleUnit> {
        &self.unit
    }

    /// Compiles all functions on as many threads as there are cores, and publishes them.
    ///
    /// # Errors
    /// The first error met; functions compiled by then stay compiled.
    pub fn compile_all(&self) -> Result<(), CompileError> {
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        let work = || {
            while failed.lock().is_none() {
                let function = next.fetch_add(1, Ordering::Relaxed);
                if function >= self.functions.len() {
                    return;
                }
                if let Err(error) = self.ensure_compiled(function as u32) {
                    failed.lock().get_or_insert(error);
                }
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..threads.min(self.functions.len()) {
                let builder = thread::Builder::new().stack_size(COMPILE_THREAD_STACK);
                if builder.spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
        });
        // Whatever threads could not be had for.
        work();
        failed.into_inner().map_or(Ok(()), Err)
    }

    /// Sums of what was done so far.
    #[must_use]
    pub fn stats(&self) -> TierStats {
        let all = self.unit.code.all();
        TierStats {
            compiled_functions: self.compiled.load(Ordering::Relaxed),
            osr_entries: all.iter().filter(|code| code.loop_entry.is_some()).count(),
            code_bytes: all.iter().map(|code| code.len).sum(),
            compile_time: Duration::from_nanos(self.compile_nanos.load(Ordering::Relaxed)),
            work: self
                .functions
                .iter()
                .map(|f| f.work.load(Ordering::Relaxed))
                .sum(),
        }
    }

    /// The baseline's code of a function, compiled and published now if it was not.
    fn ensure_compiled(&self, function: u32) -> Result<*const u8, CompileError> {
        let state = &self.functions[function as usize];
        let done = || {
            let code = state.code.load(Ordering::Acquire);
            (!code.is_null()).then_some(code.cast_const())
        };
        if let Some(code) = done() {
            return Ok(code);
        }
        let _compiling = state.compiling.lock();
        if let Some(code) = done() {
            return Ok(code);
        }
        let code = self.compile(CompileRequest {
            function,
            entry: EntryPoint::Function,
        })?;
        self.unit.code.publish(&code);
        state.code.store(code.address as *mut u8, Ordering::Release);
        self.compiled.fetch_add(1, Ordering::Relaxed);
        Ok(ptr::with_exposed_provenance(code.address))
    }

    fn compile(&self, request: CompileRequest) -> Result<Arc<InstalledCode>, CompileError> {
        let start = Instant::now();
        let compile = || {
            catch_unwind(AssertUnwindSafe(|| {
                self.baseline.compile(request).map(|compiled| compiled.code)
            }))
            .unwrap_or_else(|panic| Err(self.panicked(request, &*panic)))
        };
        let result = if remaining_stack() >= COMPILE_STACK {
            compile()
        } else {
            thread::scope(|scope| {
                let builder = thread::Builder::new().stack_size(COMPILE_THREAD_STACK);
                match builder.spawn_scoped(scope, compile) {
                    Ok(thread) => thread
                        .join()
                        .unwrap_or_else(|panic| Err(self.panicked(request, &*panic))),
                    Err(error) => Err(self.refused(request, error.to_string())),
                }
            })
        };
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.compile_nanos.fetch_add(nanos, Ordering::Relaxed);
        result
    }

    #[cold]
    fn panicked(
        &self,
        request: CompileRequest,
        panic: &(dyn std::any::Any + Send),
    ) -> CompileError {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        self.refused(request, format!("the code generator panicked: {text}"))
    }

    fn refused(&self, request: CompileRequest, message: String) -> CompileError {
        let function = self.unit.module.imported.functions + request.function;
        CompileError::Codegen {
            tier: "baseline",
            function,
            message,
        }
    }

    fn refill(&self, function: u32, budget: &mut i32) {
        // What the last stretch of code took beyond its grant is paid back from this one.
        let grant = self
            .options
            .grant_in_operators
            .max(budget.saturating_neg().saturating_add(1));
        let work = u64::from(grant.unsigned_abs());
        self.functions[function as usize]
            .work
            .fetch_add(work, Ordering::Relaxed);
        *budget = budget.saturating_add(grant);
    }

    /// The OSR entry for a loop, compiled now if it was not.
    fn osr_entry(&self, function: u32, loop_number: u32) -> Option<*const u8> {
        let mut entries = self.osr_entries.lock();
        let entry = entries.entry((function, loop_number)).or_insert_with(|| {
            let entry = EntryPoint::Loop(loop_number);
            self.compile(CompileRequest { function, entry }).ok()
        });
        entry
            .as_ref()
            .map(|code| ptr::with_exposed_provenance(code.address))
    }
}

impl TierHooks for ModuleTiering {
    fn lazy_compile(&self, function: u32) -> Result<*const u8, Box<dyn Error + Send + Sync>> {
        Ok(self.ensure_compiled(function)?)
    }

    fn budget_at_entry(&self, function: u32, budget: &mut i32) -> Option<*const u8> {
        self.refill(function, budget);
        None
    }

    fn budget_at_loop(
        &self,
        function: u32,
        loop_number: u32,
        budget: &mut i32,
    ) -> Option<*const u8> {
        self.refill(function, budget);
        if self.options.force_osr {
            self.osr_entry(function, loop_number)
        } else {
            None
        }
    }
}
