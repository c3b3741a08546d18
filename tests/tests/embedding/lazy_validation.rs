//! Functions validated when they are compiled: what is invalid is the error of the call that needs it, in
//! every tier.

use upshift::{Config, Engine, ErrorKind, Instance, Module, Store, TierMode};

const TEXT: &str = r#"(module
  (func $bad (export "bad") (result i32) i64.const 1)
  (func (export "good") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "caller") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $bad)) (else (i32.const 7)))))"#;

fn engine(change: impl FnOnce(&mut Config)) -> Engine {
    let mut config = Config::new();
    config.lazy_validation(true);
    change(&mut config);
    Engine::new(&config).unwrap()
}

fn check(engine: &Engine) {
    let module = Module::new(engine, TEXT).unwrap();
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let good = instance.get_typed_func::<i32, i32>(&mut store, "good");
    let caller = instance.get_typed_func::<i32, i32>(&mut store, "caller");
    let bad = instance.get_typed_func::<(), i32>(&mut store, "bad");
    let (good, caller, bad) = (good.unwrap(), caller.unwrap(), bad.unwrap());
    for round in 0..3 {
        assert_eq!(good.call(&mut store, round).unwrap(), round + 1);
        assert_eq!(caller.call(&mut store, 0).unwrap(), 7);
        let error = bad.call(&mut store, ()).unwrap_err();
        let ErrorKind::Module(invalid) = error.kind() else {
            panic!("{error}");
        };
        let whole = Module::validate(engine, TEXT).unwrap_err();
        assert!(whole.to_string().starts_with(&invalid.to_string()));
        assert_eq!(invalid.function_name(), Some("bad"));
        let error = caller.call(&mut store, 1).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Module(_)), "{error}");
        assert!(error.wasm_backtrace().is_some(), "{error}");
    }
}

#[test]
fn an_invalid_function_is_the_error_of_the_call_that_needs_it() {
    check(&engine(|config| {
        config.tier(TierMode::Baseline);
    }));
    check(&engine(|config| {
        let profile = "[tier-up]\nthreshold-in-calls = 1";
        let profile = upshift::TieringProfile::from_toml(profile).unwrap();
        config.profile(profile).synchronous_tiering(true);
    }));
}

#[cfg(feature = "llvm")]
#[test]
fn llvm_ahead_of_time_leaves_an_invalid_function_to_its_call() {
    check(&engine(|config| {
        config.tier(TierMode::Optimizing);
    }));
}

#[test]
fn compiling_everything_finds_an_invalid_function() {
    let error = Module::new(&engine(|config| _ = config.eager(true)), TEXT).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Module(_)), "{error}");
    let lazy = engine(|_| ());
    let error = Module::new(&lazy, TEXT).unwrap().compile_all().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Module(_)), "{error}");
}

#[test]
fn every_way_to_make_a_module_is_lazy() {
    let lazy = engine(|_| ());
    let binary = Module::new(&lazy, TEXT).unwrap().binary().to_vec();
    Module::from_binary(&lazy, &binary).unwrap();
    Module::from_binary(&lazy, TEXT.as_bytes()).unwrap_err();
    Module::from_binary(&Engine::default(), &binary).unwrap_err();
    Module::from_vec(&lazy, binary).unwrap();
}

#[test]
fn validation_is_whole_unless_asked_otherwise() {
    let error = Module::new(&Engine::default(), TEXT).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Module(_)), "{error}");
    // What is not a body is validated at once.
    let export = r#"(module (export "f" (func 0)))"#;
    Module::new(&engine(|_| ()), export).unwrap_err();
}
