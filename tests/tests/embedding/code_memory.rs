//! Bounds on code memory, of a module and of an engine: who reaches one is told which, and nothing else breaks.

use std::sync::{Arc, Mutex};

use upshift::{
    CodeLimitError, CodeMemoryError, CodeScope, Config, Engine, Error, ErrorKind, FunctionTier,
    Instance, Module, Store, TierEventKind, TierMode, TieringProfile, TypedFunc,
};

/// Additions in a large function, whose code takes more than this many bytes.
const ADDITIONS: usize = 20_000;
/// A bound that a large function's code does not fit into, and some small ones' do.
const SMALL: usize = 64 << 10;
/// A module of small functions and a large one.
fn text() -> String {
    let addition = "(local.set 0 (i32.add (local.get 0) (i32.const 1)))";
    format!(
        r#"(module
             (func (export "small") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
             (func (export "other") (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)))
             (func (export "large") (param i32) (result i32) {} (local.get 0)))"#,
        addition.repeat(ADDITIONS)
    )
}

/// An instance of a module, in a store of its own.
struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn of(module: &Module) -> Self {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        Self { store, instance }
    }

    fn call(&mut self, name: &str) -> upshift::Result<i32> {
        let func: TypedFunc<i32, i32> = self.instance.get_typed_func(&mut self.store, name)?;
        func.call(&mut self.store, 1)
    }
}

fn limit_of(error: &Error) -> CodeLimitError {
    match error.kind() {
        ErrorKind::CodeMemory {
            source: CodeMemoryError::Limit(limit),
            ..
        } => *limit,
        _ => panic!("{error}"),
    }
}

fn baseline() -> Config {
    let mut config = Config::new();
    config.tier(TierMode::Baseline);
    config
}

#[test]
fn a_module_that_reaches_its_bound_leaves_others_theirs() {
    let engine = Engine::new(baseline().max_module_code_memory(SMALL)).unwrap();
    let [one, other] = [(); 2].map(|()| Module::new(&engine, text()).unwrap());
    let mut guest = Guest::of(&one);
    assert_eq!(guest.call("small").unwrap(), 2);
    for _ in 0..2 {
        let error = guest.call("large").unwrap_err();
        let limit = limit_of(&error);
        assert_eq!((limit.scope, limit.limit), (CodeScope::Module, SMALL));
        assert_eq!(limit.used, one.code_memory());
        assert!(limit.used + limit.requested > SMALL);
        let message = error.to_string();
        let parts = [
            "function 2",
            "65536 bytes",
            "raise `Config::max_module_code_memory`",
        ];
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    // What is there goes on, and what fits comes in addition.
    assert_eq!(guest.call("small").unwrap(), 2);
    assert_eq!(guest.call("other").unwrap(), 0);
    assert_eq!(Guest::of(&other).call("small").unwrap(), 2);
    assert_eq!(
        engine.code_memory(),
        one.code_memory() + other.code_memory()
    );
}

#[test]
fn an_engine_that_reaches_its_bound_goes_on_when_a_module_is_dropped() {
    // A bound that one large function's code fits into, and not two.
    let alone = Module::new(&Engine::new(&baseline()).unwrap(), text()).unwrap();
    Guest::of(&alone).call("large").unwrap();
    let middle = alone.code_memory() * 3 / 2;
    let engine = Engine::new(baseline().max_code_memory(middle)).unwrap();
    let [one, other] = [(); 2].map(|()| Module::new(&engine, text()).unwrap());
    let (mut first, mut second) = (Guest::of(&one), Guest::of(&other));
    let large = 1 + i32::try_from(ADDITIONS).unwrap();
    assert_eq!(first.call("large").unwrap(), large);
    let limit = limit_of(&second.call("large").unwrap_err());
    assert_eq!((limit.scope, limit.limit), (CodeScope::Engine, middle));
    assert_eq!(limit.used, engine.code_memory());
    // Code is there as long as a store has an instance.
    drop(one);
    limit_of(&second.call("large").unwrap_err());
    drop(first);
    assert_eq!(second.call("large").unwrap(), large);
    assert!(engine.code_memory() <= middle);
    drop((second, other));
    assert_eq!(engine.code_memory(), 0);
}

#[test]
fn a_module_that_is_compiled_ahead_does_not_come_to_be() {
    let engine = Engine::new(baseline().eager(true).max_code_memory(SMALL)).unwrap();
    let error = Module::new(&engine, text()).unwrap_err();
    assert_eq!(limit_of(&error).scope, CodeScope::Engine);
    assert_eq!(engine.code_memory(), 0);
    Module::new(&engine, "(module (func))").unwrap();
}

#[test]
fn what_would_be_faster_and_finds_no_room_stays_where_it_is() {
    let why = Arc::new(Mutex::new(Vec::new()));
    let mut config = Config::new();
    let mut profile = TieringProfile::default();
    profile.tier_up.threshold_in_operators = Some(1);
    profile.middle.threshold_in_operators = Some(1);
    config.profile(profile).synchronous_tiering(true);
    config.max_code_memory(SMALL).on_tier_event({
        let why = Arc::clone(&why);
        move |event| {
            if let TierEventKind::Failed { tier, error, .. } = &event.kind {
                why.lock().unwrap().push((*tier, error.clone()));
            }
        }
    });
    let engine = Engine::new(&config).unwrap();
    // Nothing of it can be left out, so that better code takes more than the rest of a page.
    let (mut steps, mut expected) = (String::new(), 1_i32);
    for step in 0..2000 {
        let number = 0x1234_5678 ^ (step << 8);
        steps += &format!(
            "(local.set 0 (i32.mul (i32.xor (local.get 0) (i32.const {number})) (i32.const 3)))"
        );
        expected = (expected ^ number).wrapping_mul(3);
    }
    let text =
        format!(r#"(module (func (export "f") (param i32) (result i32) {steps} (local.get 0)))"#);
    let module = Module::new(&engine, text).unwrap();
    let mut guest = Guest::of(&module);
    for _ in 0..5 {
        assert_eq!(guest.call("f").unwrap(), expected);
    }
    let stats = module.function_stats().next().unwrap();
    assert_eq!(stats.tier, FunctionTier::Baseline);
    let why = why.lock().unwrap();
    let is_told = |(tier, error): &(&str, String)| {
        *tier != "baseline" && error.contains("leaves half to code of the first tier")
    };
    assert!(!why.is_empty() && why.iter().all(is_told), "{why:?}");
    assert!(engine.code_memory() <= SMALL);
}
