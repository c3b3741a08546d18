//! A tier that makes no real code, and modules that are tiered with it.

#![allow(dead_code, reason = "no test file needs all of it")]

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use upshift_module::{EntityRef, Features, Module};
use upshift_runtime::sync::Mutex;
use upshift_runtime::{CodePurpose, InstalledCode};
use upshift_tiering::{
    EntryPoint as ToldEntryPoint, EventSink, ModuleTiering, TierEvent, TierEventKind, Tiering,
    TieringOptions, TieringProfile, Tiers,
};
use upshift_translate::{
    BodySummary, CodeForm, CodegenSettings, CompileError, CompileRequest, Compiled, DirectCall,
    EntryPoint, MemoryStyle, ModuleCompiler, ModuleUnit, Stop, Tier,
};

/// A compile's steps before it returns.
pub type Behaviour =
    Arc<dyn Fn(CompileRequest, Stop<'_>) -> Result<(), CompileError> + Send + Sync>;

/// A tier whose code is a single `ret`. It notes the thread of each compile.
#[derive(Clone)]
pub struct FakeTier {
    name: &'static str,
    behaviour: Behaviour,
    compiled: Arc<Mutex<HashMap<CompileRequest, Vec<ThreadId>>>>,
    order: Arc<Mutex<Vec<CompileRequest>>>,
    /// The branches that it tells for each direct call.
    pub branches_before: u32,
    /// Bytes of its code.
    pub code_bytes: usize,
    purpose: CodePurpose,
}

impl FakeTier {
    pub fn new(
        name: &'static str,
        behaviour: impl Fn(CompileRequest) -> Result<(), CompileError> + Send + Sync + 'static,
    ) -> Self {
        Self::that_may_stop(name, move |request, _| behaviour(request))
    }

    /// One whose behaviour is given the compile's `Stop`.
    pub fn that_may_stop(
        name: &'static str,
        behaviour: impl Fn(CompileRequest, Stop<'_>) -> Result<(), CompileError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            behaviour: Arc::new(behaviour),
            compiled: Arc::default(),
            order: Arc::default(),
            branches_before: 0,
            code_bytes: 1,
            purpose: match name {
                "baseline" => CodePurpose::Running,
                _ => CodePurpose::Better,
            },
        }
    }

    pub fn baseline() -> Self {
        Self::new("baseline", |_| Ok(()))
    }

    pub fn optimizing() -> Self {
        Self::new("optimizing", |_| Ok(()))
    }

    /// How often this was compiled.
    pub fn count(&self, request: CompileRequest) -> usize {
        self.threads(request).len()
    }

    /// How often anything was compiled.
    pub fn total(&self) -> usize {
        self.order.lock().len()
    }

    /// The compiles in their order.
    pub fn order(&self) -> Vec<CompileRequest> {
        self.order.lock().clone()
    }

    /// Which threads compiled this.
    pub fn threads(&self, request: CompileRequest) -> Vec<ThreadId> {
        let compiled = self.compiled.lock();
        compiled.get(&request).cloned().unwrap_or_default()
    }
}

struct FakeCompiler {
    tier: FakeTier,
    unit: Arc<ModuleUnit>,
}

impl Tier for FakeTier {
    fn name(&self) -> &'static str {
        self.name
    }

    fn module_compiler(&self, unit: Arc<ModuleUnit>) -> Box<dyn ModuleCompiler> {
        Box::new(FakeCompiler {
            tier: self.clone(),
            unit,
        })
    }
}

impl ModuleCompiler for FakeCompiler {
    fn compile(&self, request: CompileRequest) -> Result<Compiled, CompileError> {
        self.compile_until(request, Stop::NEVER, &mut |_| ())
    }

    fn compile_until(
        &self,
        request: CompileRequest,
        stop: Stop<'_>,
        tell: &mut dyn FnMut(&[DirectCall]),
    ) -> Result<Compiled, CompileError> {
        let module = &self.unit.module;
        let body = BodySummary::new(module, request.function).expect("a body");
        let defined = |&callee| module.defined_function(callee);
        let calls: Vec<_> = (body.calls.iter().filter_map(defined))
            .map(|function| DirectCall {
                function,
                branches_before: self.tier.branches_before,
            })
            .collect();
        // Before others hear of it, and compile its callees.
        self.tier.order.lock().push(request);
        let mut compiled = self.tier.compiled.lock();
        compiled
            .entry(request)
            .or_default()
            .push(thread::current().id());
        drop(compiled);
        tell(&calls);
        (self.tier.behaviour)(request, stop)?;
        let code_memory = |source| CompileError::CodeMemory {
            function: module.function_index(request.function),
            source,
        };
        let allocation = self
            .unit
            .code
            .allocate(self.tier.code_bytes, 16, self.tier.purpose);
        let allocation = allocation.map_err(code_memory)?;
        // SAFETY: the allocation is ours.
        unsafe { allocation.writable.write(0xc3) };
        let loop_entry = match request.entry {
            EntryPoint::Function => None,
            EntryPoint::Loop(number) => Some(number),
        };
        let code = InstalledCode {
            address: allocation.executable as usize,
            len: 1,
            function: module.function_index(request.function),
            loop_entry,
            entry_stack: 0,
            tier: self.tier.name,
            traps: Box::default(),
            offsets: Box::default(),
            inlined: None,
        };
        let code = self.unit.code.install(code).map_err(code_memory)?;
        Ok(Compiled {
            code,
            bytes: 1,
            inlined: Vec::new(),
        })
    }

    fn emit(&self, request: CompileRequest, _: CodeForm) -> Result<String, CompileError> {
        (self.tier.behaviour)(request, Stop::NEVER)?;
        Ok(format!("{} {request:?}", self.tier.name))
    }
}

/// An index into whatever index space is asked about.
pub fn index<I: EntityRef>(number: u32) -> I {
    I::new(number as usize)
}

/// The code of a defined function.
pub fn function(number: u32) -> CompileRequest {
    CompileRequest {
        function: index(number),
        entry: EntryPoint::Function,
    }
}

/// An entry at a loop.
pub fn at_loop(function: u32, number: u32) -> CompileRequest {
    CompileRequest {
        function: index(function),
        entry: EntryPoint::Loop(index(number)),
    }
}

/// An engine with these tiers.
pub fn engine(
    baseline: &FakeTier,
    optimizing: Option<&FakeTier>,
    options: TieringOptions,
) -> Tiering {
    let optimizing = optimizing.map(|tier| Arc::new(tier.clone()) as Arc<dyn Tier>);
    let tiers = Tiers {
        baseline: Arc::new(baseline.clone()),
        middle: None,
        optimizing,
    };
    Tiering::new(tiers, options).expect("good options")
}

/// A module of an engine.
pub fn module(engine: &Tiering, text: &str) -> Arc<ModuleTiering> {
    let module = Module::parse(text.as_bytes(), &Features::default()).expect("valid");
    let settings = CodegenSettings {
        memory: MemoryStyle::Guarded,
        count_calls: false,
        count_work: true,
        record_calls: true,
        precise_traps: false,
        check_indices: false,
        check_claims: false,
    };
    engine
        .module(Arc::new(module), settings)
        .expect("code memory")
}

/// The defaults, with a threshold, and no thread but the workers.
pub fn threshold(operators: u64) -> TieringOptions {
    let mut profile = TieringProfile::default();
    profile.tier_up.threshold_in_operators = Some(operators);
    profile.workers.relief_after_in_milliseconds = 0;
    TieringOptions {
        profile,
        ..TieringOptions::default()
    }
}

/// The address in a function's slot.
pub fn slot(module: &ModuleTiering, function: u32) -> usize {
    let slots = module.unit().code.slots();
    slots[index(function)].load(Ordering::Acquire) as usize
}

/// Forks. The child does the work, and its status says whether it was right; the system ends it if it takes for ever.
pub fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: no preconditions. The child does the work and ends by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: no preconditions.
        unsafe { libc::alarm(60) };
        let is_right = catch_unwind(AssertUnwindSafe(work)).unwrap_or(false);
        // SAFETY: no preconditions.
        unsafe { libc::_exit(i32::from(!is_right)) };
    }
    let mut status = -1;
    // SAFETY: the child is ours, the status a live variable.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    ended == child && status == 0
}

/// A place at which threads of one process are held, and those of its children are not.
#[derive(Clone)]
pub struct Hold {
    process: u32,
    held: Arc<AtomicUsize>,
    released: Arc<AtomicBool>,
}

impl Hold {
    pub fn new() -> Self {
        Self {
            process: std::process::id(),
            held: Arc::default(),
            released: Arc::default(),
        }
    }

    /// Waits here until it is released.
    pub fn pass(&self) {
        if self.process != std::process::id() {
            return;
        }
        self.held.fetch_add(1, Ordering::SeqCst);
        until("released", || self.released.load(Ordering::SeqCst));
    }

    /// Waits until so many threads came here.
    pub fn wait_for(&self, threads: usize) {
        until("a thread at the hold", || {
            self.held.load(Ordering::SeqCst) >= threads
        });
    }

    pub fn release(&self) {
        self.released.store(true, Ordering::SeqCst);
    }
}

/// Waits until something holds, but not for ever.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A listener, and the events that it has heard.
pub fn listener() -> (EventSink, Arc<Mutex<Vec<TierEvent>>>) {
    let heard: Arc<Mutex<Vec<TierEvent>>> = Arc::default();
    let sink = {
        let heard = Arc::clone(&heard);
        Arc::new(move |event: &TierEvent| heard.lock().push(event.clone()))
    };
    (sink, heard)
}

/// One word for each event of the optimizing tier, in order.
pub fn words(events: &[TierEvent]) -> Vec<String> {
    let word = |event: &TierEvent| {
        let at = |entry: ToldEntryPoint| match entry {
            ToldEntryPoint::Function => event.function.to_string(),
            ToldEntryPoint::Loop(number) => format!("{}.{number}", event.function),
        };
        Some(match &event.kind {
            TierEventKind::Queued { entry, .. } => format!("queued {}", at(*entry)),
            TierEventKind::Compiled { tier, .. } | TierEventKind::Published { tier, .. }
                if *tier == "baseline" =>
            {
                return None;
            }
            TierEventKind::Compiled { entry, .. } => format!("compiled {}", at(*entry)),
            TierEventKind::Published { entry, .. } => format!("published {}", at(*entry)),
            TierEventKind::OsrEntered { loop_number, .. } => {
                format!("entered {}.{loop_number}", event.function)
            }
            TierEventKind::Failed { entry, retry, .. } => {
                format!(
                    "failed {}{}",
                    at(*entry),
                    if *retry { ", retry" } else { "" }
                )
            }
            other => format!("{other:?}"),
        })
    };
    events.iter().filter_map(word).collect()
}
