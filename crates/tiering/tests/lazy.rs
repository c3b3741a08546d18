//! When functions are compiled, how often and on which thread, with a tier that makes no real code.

use std::collections::HashMap;
use std::sync::{Arc, Barrier, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use parking_lot::Mutex;
use upshift_module::{Features, Module};
use upshift_runtime::{InstalledCode, TierHooks};
use upshift_tiering::{ModuleTiering, Tiering, TieringOptions};
use upshift_translate::{
    CodeForm, CodegenSettings, CompileError, CompileRequest, Compiled, EntryPoint, MemoryStyle,
    ModuleCompiler, ModuleUnit, Tier,
};

const MODULE: &str = "(module (func) (func) (func (loop)) (func))";

/// What a compile does before it returns.
type Behaviour = Arc<dyn Fn(CompileRequest) + Send + Sync>;

/// A tier whose code is a single `ret`. It notes which thread compiled what.
#[derive(Clone)]
struct FakeTier {
    behaviour: Behaviour,
    compiled: Arc<Mutex<HashMap<CompileRequest, Vec<ThreadId>>>>,
}

struct FakeCompiler {
    tier: FakeTier,
    unit: Arc<ModuleUnit>,
}

impl Tier for FakeTier {
    fn name(&self) -> &'static str {
        "fake"
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
        let mut compiled = self.tier.compiled.lock();
        compiled
            .entry(request)
            .or_default()
            .push(thread::current().id());
        drop(compiled);
        (self.tier.behaviour)(request);
        let code_memory = |source| CompileError::CodeMemory {
            function: request.function,
            source,
        };
        let allocation = self.unit.code.allocate(1, 16).map_err(code_memory)?;
        // SAFETY: the allocation is ours.
        unsafe { allocation.writable.write(0xc3) };
        let loop_entry = match request.entry {
            EntryPoint::Function => None,
            EntryPoint::Loop(number) => Some(number),
        };
        let code = InstalledCode {
            address: allocation.executable as usize,
            len: 1,
            function: request.function,
            loop_entry,
            tier: "fake",
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
        Ok(format!("{request:?}"))
    }
}

fn fixture(
    options: TieringOptions,
    behaviour: impl Fn(CompileRequest) + Send + Sync + 'static,
) -> (Arc<ModuleTiering>, FakeTier) {
    let tier = FakeTier {
        behaviour: Arc::new(behaviour),
        compiled: Arc::default(),
    };
    let module = Module::parse(MODULE.as_bytes(), &Features::default()).expect("valid");
    let settings = CodegenSettings {
        memory: MemoryStyle::Guarded,
        count_work: true,
        precise_traps: false,
    };
    let tiering = Tiering::new(Arc::new(tier.clone()), options);
    (
        tiering
            .module(Arc::new(module), settings)
            .expect("code memory"),
        tier,
    )
}

fn lazily() -> TieringOptions {
    TieringOptions::default()
}

#[test]
fn threads_that_race_compile_once() {
    let (module, tier) = fixture(lazily(), |_| thread::sleep(Duration::from_millis(20)));
    let start = Barrier::new(8);
    let codes: Vec<usize> = thread::scope(|scope| {
        let call = || {
            start.wait();
            module.lazy_compile(1).expect("compiles") as usize
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(call)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    assert!(codes.iter().all(|code| *code == codes[0]));
    let compiled = tier.compiled.lock();
    assert_eq!(compiled.values().map(Vec::len).collect::<Vec<_>>(), [1]);
    assert_eq!(module.stats().compiled_functions, 1);
}

#[test]
fn a_function_does_not_wait_for_another_ones_compile() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let (module, _) = fixture(lazily(), move |request| {
        if request.function == 0 {
            wait.lock()
                .recv_timeout(Duration::from_secs(60))
                .expect("function 1 was compiled");
        }
    });
    thread::scope(|scope| {
        let slow = scope.spawn(|| module.lazy_compile(0).map(|code| code as usize));
        // Were there one lock for both, this would wait for what it is to release.
        module.lazy_compile(1).expect("compiles");
        release.send(()).expect("the compile waits");
        slow.join().expect("no panic").expect("compiles");
    });
}

#[test]
fn a_first_call_publishes_into_the_slot() {
    let (module, _) = fixture(lazily(), |_| ());
    let slots = module.unit().code.slots();
    let slot = |i: usize| slots[i].load(std::sync::atomic::Ordering::Acquire) as usize;
    let (before, stub) = (slot(2), slot(3));
    let code = module.lazy_compile(2).expect("compiles") as usize;
    assert_ne!(before, code);
    assert_eq!((slot(2), slot(3)), (code, stub));
}

#[test]
fn everything_is_compiled_ahead_once() {
    let (module, tier) = fixture(lazily(), |_| ());
    module.lazy_compile(3).expect("compiles");
    module.compile_all().expect("compiles");
    module.compile_all().expect("nothing left to do");
    assert_eq!(
        tier.compiled
            .lock()
            .values()
            .map(Vec::len)
            .collect::<Vec<_>>(),
        [1; 4]
    );
}

#[test]
fn with_little_stack_left_another_thread_compiles() {
    let (module, tier) = fixture(lazily(), |_| ());
    let caller = thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(move || {
            module.lazy_compile(0).expect("compiles");
            thread::current().id()
        })
        .expect("a thread")
        .join()
        .expect("no panic");
    let compiled = tier.compiled.lock();
    assert!(compiled.values().flatten().all(|thread| *thread != caller));
    assert_eq!(compiled.len(), 1);
}

#[test]
fn a_panic_of_the_code_generator_is_an_error_and_the_next_call_tries_again() {
    let (module, tier) = fixture(lazily(), |_| panic!("an index out of bounds"));
    for _ in 0..2 {
        let error = module.lazy_compile(2).expect_err("panics").to_string();
        assert!(
            error.contains("function 2") && error.contains("an index out of bounds"),
            "{error}"
        );
    }
    assert_eq!(
        tier.compiled
            .lock()
            .values()
            .map(Vec::len)
            .collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn a_used_up_budget_is_refilled_by_the_grant_and_what_was_overdrawn_is_paid_back() {
    let options = TieringOptions {
        grant_in_operators: 100,
        force_osr: false,
    };
    let (module, _) = fixture(options, |_| ());
    let mut budget = -30;
    module.budget_at_entry(0, &mut budget);
    assert_eq!(budget, 70);
    budget = -1000;
    assert_eq!(module.budget_at_loop(2, 0, &mut budget), None);
    assert_eq!(budget, 1);
    assert_eq!(module.stats().work, 100 + 1001);
}

#[test]
fn forced_entries_at_loops_are_compiled_once() {
    let options = TieringOptions {
        grant_in_operators: 1,
        force_osr: true,
    };
    let (module, tier) = fixture(options, |_| ());
    let mut budget = -1;
    let first = module.budget_at_loop(2, 0, &mut budget).expect("an entry");
    let second = module.budget_at_loop(2, 0, &mut budget).expect("an entry");
    assert_eq!(first, second);
    assert_eq!(tier.compiled.lock().len(), 1);
    assert_eq!(module.stats().osr_entries, 1);
}
