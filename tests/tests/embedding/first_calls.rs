//! First calls of huge functions: validation and compiles on the guest's own thread end when the guest is interrupted, and
//! leave nothing behind.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use upshift::{
    BaselineCompiler, Caller, Config, Engine, Error, ErrorKind, FunctionTier, Linker, Module,
    Store, TierMode, TieringProfile, TrapCode, TypedFunc,
};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    TypeSection, ValType,
};

/// Additions in the huge function: four megabytes.
const ADDITIONS: i32 = 600_000;

/// How often something is tried that depends on who is faster: a compile of most of a second, or a thread that wakes up.
const ATTEMPTS: usize = 20;

/// A module whose `run` tells the host that it begins and calls a huge function, which adds up. At its end there may be a
/// value of the wrong type.
fn huge(is_valid: bool) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut imports = ImportSection::new();
    imports.import("host", "begins", EntityType::Function(0));
    let mut functions = FunctionSection::new();
    functions.function(1).function(1);
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 1);
    let mut run = Function::new([]);
    run.instructions().call(0).local_get(0).call(2).end();
    let mut huge = Function::new([]);
    let mut sink = huge.instructions();
    for _ in 0..ADDITIONS {
        sink.local_get(0).i32_const(1).i32_add().local_set(0);
    }
    if is_valid {
        sink.local_get(0).end();
    } else {
        sink.i64_const(0).end();
    }
    let mut code = CodeSection::new();
    code.function(&run).function(&huge);
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&imports).section(&functions);
    module.section(&exports).section(&code);
    module.finish()
}

/// A guest that is about to call the huge function.
struct Guest {
    store: Store<Sender<()>>,
    run: TypedFunc<i32, i32>,
}

impl Guest {
    /// A guest, and who hears that it begins.
    fn of(module: &Module) -> (Self, Receiver<()>) {
        let (sender, begins) = mpsc::channel();
        let mut linker = Linker::new(module.engine());
        let tell = |caller: Caller<'_, Sender<()>>| {
            // That nobody listens is no error.
            let _ = caller.data().send(());
        };
        linker.func_wrap("host", "begins", tell).unwrap();
        let mut store = Store::new(module.engine(), sender);
        let instance = linker.instantiate(&mut store, module).unwrap();
        let run = instance.get_typed_func(&mut store, "run").unwrap();
        (Self { store, run }, begins)
    }

    fn call(&mut self) -> upshift::Result<i32> {
        self.run.call(&mut self.store, 3)
    }
}

/// Calls the huge function, and interrupts that shortly after it has begun.
fn call_interrupted(module: &Module) -> Error {
    let (mut guest, begins) = Guest::of(module);
    let handle = guest.store.interrupt_handle();
    let timer = thread::spawn(move || {
        begins.recv().unwrap();
        thread::sleep(Duration::from_millis(3));
        handle.interrupt();
    });
    let error = guest.call().unwrap_err();
    timer.join().unwrap();
    error
}

fn is_interrupted(error: &Error) -> bool {
    let code = error.as_trap().map(upshift::Trap::code);
    code == Some(TrapCode::Interrupted)
}

fn tier_of_huge(module: &Module) -> FunctionTier {
    module.function_stats().nth(1).unwrap().tier
}

/// The ways to compile at a first call.
fn configs() -> Vec<Config> {
    let mut cranelift = TieringProfile::default();
    cranelift.baseline.compiler = BaselineCompiler::Cranelift;
    let mut configs: Vec<Config> = (0..4).map(|_| Config::new()).collect();
    configs[0].tier(TierMode::Baseline);
    configs[1].tier(TierMode::Baseline).profile(cranelift);
    configs[2].tier(TierMode::Baseline).bounds_checks(true);
    configs[3].lazy_validation(true);
    configs
}

#[test]
fn a_compile_is_interrupted_and_the_next_call_compiles_anew() {
    let bytes = huge(true);
    for config in configs() {
        let engine = Engine::new(&config).unwrap();
        let is_cut_short = || {
            let module = Module::new(&engine, &bytes).unwrap();
            let error = call_interrupted(&module);
            assert!(is_interrupted(&error), "{error}");
            let frames = error.as_trap().unwrap().backtrace().frames();
            assert_eq!(frames[0].func_index(), 1);
            (tier_of_huge(&module) == FunctionTier::NotCompiled).then_some(module)
        };
        let module = (0..ATTEMPTS).find_map(|_| is_cut_short());
        let module = module.expect("a compile that was cut short");
        assert_eq!(module.tier_stats().baseline.failed, 0);
        let (mut guest, _begins) = Guest::of(&module);
        assert_eq!(guest.call().unwrap(), 3 + ADDITIONS);
        assert_eq!(tier_of_huge(&module), FunctionTier::Baseline);
    }
}

#[test]
fn validation_is_interrupted_before_it_finds_what_is_wrong() {
    let bytes = huge(false);
    let engine = Engine::new(Config::new().lazy_validation(true)).unwrap();
    let module = Module::new(&engine, &bytes).unwrap();
    let is_cut_short = || is_interrupted(&call_interrupted(&module));
    assert!((0..ATTEMPTS).any(|_| is_cut_short()));
    let error = Guest::of(&module).0.call().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Module(_)), "{error}");
}

#[test]
fn a_compile_for_a_thread_with_little_stack_is_interrupted() {
    let bytes = huge(true);
    let engine = Engine::new(Config::new().tier(TierMode::Baseline)).unwrap();
    let is_cut_short = || {
        let module = Module::new(&engine, &bytes).unwrap();
        let caller = {
            let module = module.clone();
            let little = thread::Builder::new().stack_size(256 << 10);
            little.spawn(move || call_interrupted(&module)).unwrap()
        };
        let error = caller.join().unwrap();
        assert!(is_interrupted(&error), "{error}");
        tier_of_huge(&module) == FunctionTier::NotCompiled
    };
    assert!((0..ATTEMPTS).any(|_| is_cut_short()));
}

/// Two guests call the huge function, one after the other; one of them is interrupted. Says whether that was before anybody
/// had compiled it; the other has its result then.
fn one_of_two_is_interrupted(module: &Module, interrupt_first: bool) -> bool {
    let (mut first, first_begins) = Guest::of(module);
    let (mut second, second_begins) = Guest::of(module);
    let interrupted = if interrupt_first { &first } else { &second };
    let handle = interrupted.store.interrupt_handle();
    let check = |guest: &mut Guest, is_interrupted_one: bool| {
        let result = guest.call();
        let tier = tier_of_huge(module);
        if is_interrupted_one {
            let error = result.unwrap_err();
            assert!(is_interrupted(&error), "{error}");
        } else {
            assert_eq!(result.unwrap(), 3 + ADDITIONS);
        }
        tier
    };
    thread::scope(|scope| {
        let first = scope.spawn(move || check(&mut first, interrupt_first));
        first_begins.recv().unwrap();
        thread::sleep(Duration::from_millis(2));
        let second = scope.spawn(move || check(&mut second, !interrupt_first));
        second_begins.recv().unwrap();
        thread::sleep(Duration::from_millis(2));
        handle.interrupt();
        let (first, second) = (first.join().unwrap(), second.join().unwrap());
        let of_interrupted = if interrupt_first { first } else { second };
        of_interrupted == FunctionTier::NotCompiled
    })
}

#[test]
fn who_waits_for_the_same_function_is_stopped_by_its_own_interruption_only() {
    let bytes = huge(true);
    let engine = Engine::new(Config::new().tier(TierMode::Baseline)).unwrap();
    for interrupt_first in [true, false] {
        let is_cut_short = || {
            let module = Module::new(&engine, &bytes).unwrap();
            let is_early = one_of_two_is_interrupted(&module, interrupt_first);
            assert_eq!(tier_of_huge(&module), FunctionTier::Baseline);
            is_early
        };
        assert!((0..ATTEMPTS).any(|_| is_cut_short()));
    }
}
