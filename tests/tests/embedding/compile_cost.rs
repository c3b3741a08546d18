//! What hostile modules cost to compile: results that are right in every tier, code that grows with the body and not with what
//! the body stands for, and refusals that say what there is too much of.

use std::sync::{Arc, Mutex};

use upshift::{
    BaselineCompiler, CodeForm, Config, Engine, EntryPoint, FunctionTier, Instance, Module, Store,
    TierEventKind, TierMode, TieringProfile,
};
use upshift_tests::shapes::{SHAPES, Shape};

/// A shape's function called with 1.
fn call(config: &Config, module: &[u8]) -> upshift::Result<i32> {
    let engine = Engine::new(config)?;
    let module = Module::new(&engine, module)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f")?;
    f.call(&mut store, 1)
}

fn baseline(compiler: BaselineCompiler) -> Config {
    let mut profile = TieringProfile::default();
    profile.baseline.compiler = compiler;
    let mut config = Config::new();
    config.profile(profile).tier(TierMode::Baseline);
    config
}

/// Bytes of the code that the baseline makes of a shape's function.
fn bytes_in_baseline(compiler: BaselineCompiler, module: &[u8]) -> usize {
    let compiled = Arc::new(Mutex::new(0));
    let mut config = baseline(compiler);
    let sink = Arc::clone(&compiled);
    config.on_tier_event(move |event| {
        if let TierEventKind::Compiled { bytes, .. } = event.kind
            && event.function == 0
        {
            *sink.lock().unwrap() = bytes;
        }
    });
    call(&config, module).unwrap();
    let bytes = *compiled.lock().unwrap();
    assert_ne!(bytes, 0);
    bytes
}

fn shape(name: &str, size: u32) -> Vec<u8> {
    Shape::named(name).unwrap().module(size)
}

#[test]
fn shapes_compute_the_same_in_every_tier() {
    for shape in SHAPES {
        let module = shape.module(if shape.name == "tree-of-ifs" { 6 } else { 24 });
        let single_pass = call(&baseline(BaselineCompiler::SinglePass), &module).unwrap();
        let mut others = vec![baseline(BaselineCompiler::Cranelift)];
        if cfg!(feature = "llvm") {
            let mut llvm = Config::new();
            llvm.tier(TierMode::Optimizing);
            others.push(llvm);
        }
        for config in others {
            let result = call(&config, &module).unwrap();
            assert_eq!(result, single_pass, "{}", shape.name);
        }
    }
}

#[test]
fn the_baselines_code_grows_with_the_body() {
    // A frame of its locals or operands costs nothing extra, nor do labels and calls of a thousand values.
    const BYTES_PER_BYTE: usize = 40;
    const CONSTANT: usize = 32 << 10;
    for shape in SHAPES {
        // Every second value of these is a vector, and each goes for itself; that is bounded by what calls may pass.
        if ["tree-of-ifs", "wide-mixed-calls"].contains(&shape.name) {
            continue;
        }
        let module = shape.module(shape.size / 10);
        let bytes = bytes_in_baseline(BaselineCompiler::SinglePass, &module);
        assert!(
            bytes <= BYTES_PER_BYTE * module.len() + CONSTANT,
            "{}: {bytes} bytes of code for {} bytes",
            shape.name,
            module.len()
        );
    }
}

#[test]
fn an_entry_of_a_branch_table_costs_the_same_however_many_values_its_label_has() {
    let bytes = |name, size| bytes_in_baseline(BaselineCompiler::SinglePass, &shape(name, size));
    // Below 16 384 entries, a table's size takes as many bytes of WebAssembly.
    let of_thousand = |name| bytes(name, 3000) - bytes(name, 2000);
    assert_eq!(of_thousand("table-to-one-label"), 4000);
    assert_eq!(of_thousand("table-to-one-wide-label"), 4000);
}

#[test]
fn cranelift_moves_a_wide_labels_values_once() {
    let bytes = |size| {
        let module = shape("table-to-one-wide-label", size);
        bytes_in_baseline(BaselineCompiler::Cranelift, &module)
    };
    // Some bytes for each entry, not a thousand moves.
    assert!(bytes(300) - bytes(200) <= 100 * 40);
}

#[test]
fn what_is_too_much_for_cranelift_is_for_the_single_pass() {
    // Values that polls store, and operators.
    let too_much = [
        ("loops-above-operands", 200, true),
        ("blocks-in-a-row", 2_000, true),
    ];
    let enough = [("blocks-in-a-row", 500, false)];
    for (name, size, is_too_much) in too_much.into_iter().chain(enough) {
        let module = shape(name, size);
        let [fast, other] = [BaselineCompiler::SinglePass, BaselineCompiler::Cranelift]
            .map(|compiler| bytes_in_baseline(compiler, &module));
        assert_eq!(fast == other, is_too_much, "{name}");
    }
    // Who only wants to see what Cranelift would make of it is shown that.
    let engine = Engine::new(&baseline(BaselineCompiler::Cranelift)).unwrap();
    let module = Module::new(&engine, shape("blocks-in-a-row", 2_000)).unwrap();
    let (tier, entry) = (FunctionTier::Baseline, EntryPoint::Function);
    let text = module.emit(0, tier, entry, CodeForm::Intermediate);
    assert!(text.unwrap().contains("iadd"));
}

#[test]
fn the_baseline_refuses_calls_of_millions_of_values_in_a_few_bytes() {
    let config = baseline(BaselineCompiler::SinglePass);
    assert!(call(&config, &shape("wide-calls", 400)).is_ok());
    let error = call(&config, &shape("wide-calls", 1000)).unwrap_err();
    let message = format!("{error:#}");
    assert!(
        message.contains("parameters and results of calls are more than the limit of"),
        "{message}"
    );
}

/// Why a tier above the baseline refuses a shape's function.
fn refusal(
    tier: FunctionTier,
    entry: EntryPoint,
    profile: TieringProfile,
    module: &[u8],
) -> String {
    let mut config = Config::new();
    config.profile(profile);
    let module = Module::new(&Engine::new(&config).unwrap(), module).unwrap();
    let emitted = module.emit(0, tier, entry, CodeForm::Assembly);
    format!("{:#}", emitted.unwrap_err())
}

#[test]
fn the_middle_tier_says_what_there_is_too_much_of() {
    let refused = |change: fn(&mut TieringProfile), name: &str, measure: &str| {
        let mut profile = TieringProfile::default();
        change(&mut profile);
        let (tier, entry) = (FunctionTier::Middle, EntryPoint::Function);
        let message = refusal(tier, entry, profile, &shape(name, 40));
        assert!(message.contains(measure), "{name}: {message}");
        assert!(
            message.contains("the middle tier leaves function 0"),
            "{message}"
        );
    };
    refused(
        |profile| profile.middle.max_joined_locals = 1500,
        "nested-loops-with-locals",
        "locals alive at joins are more than the limit of 1500",
    );
    refused(
        |profile| profile.middle.max_loop_values = 1500,
        "nested-loops-with-locals",
        "values kept at loops are more than the limit of 1500",
    );
    refused(
        |_| (),
        "loops-above-operands",
        "values kept at loops are more than the limit of 10000",
    );
    refused(
        |profile| profile.middle.max_passed_values = 999,
        "table-to-one-wide-label",
        "values passed by branches are more than the limit of 999",
    );
}

/// A change of the profile, and a shape of which it is too much, that has 10 of something.
#[cfg(feature = "llvm")]
type Limit = (fn(&mut TieringProfile), &'static str, u32, &'static str);

#[cfg(feature = "llvm")]
const LIMITS: [Limit; 4] = [
    (
        |profile| profile.optimizer.max_branches = 9,
        "branches-on-loads",
        10,
        "10 conditional branches",
    ),
    (
        |profile| profile.optimizer.max_loops = 9,
        "loops-in-a-row",
        10,
        "10 loops",
    ),
    (
        |profile| profile.optimizer.max_loop_levels = 9,
        "nested-loops",
        4,
        "10 loops, each counted with those around it,",
    ),
    (
        |profile| profile.optimizer.max_block_accesses = 9,
        "scattered-loads",
        10,
        "10 loads and stores in one block",
    ),
];

#[cfg(feature = "llvm")]
#[test]
fn units_that_cost_much_go_through_fewer_passes_and_compute_the_same() {
    let mut profile = TieringProfile::default();
    profile.optimizer.costly_branches = 0;
    profile.optimizer.costly_loops = 0;
    profile.optimizer.costly_block_accesses = 0;
    let code = |profile: &TieringProfile, module: &[u8]| {
        let mut config = Config::new();
        config.profile(profile.clone());
        let module = Module::new(&Engine::new(&config).unwrap(), module).unwrap();
        let (tier, entry) = (FunctionTier::Optimizing, EntryPoint::Function);
        module.emit(0, tier, entry, CodeForm::Intermediate).unwrap()
    };
    // What a loop begins with hides what was before; the first begins with a parameter.
    let loops = shape("loops-in-a-row", 10);
    assert_eq!(code(&profile, &loops).matches("freeze").count(), 9);
    assert!(!code(&TieringProfile::default(), &loops).contains("freeze"));

    let mut config = Config::new();
    config.profile(profile).tier(TierMode::Optimizing);
    for shape in SHAPES {
        let module = shape.module(if shape.name == "tree-of-ifs" { 6 } else { 24 });
        let single_pass = call(&baseline(BaselineCompiler::SinglePass), &module).unwrap();
        let result = call(&config, &module).unwrap();
        assert_eq!(result, single_pass, "{}", shape.name);
    }
}

#[cfg(feature = "llvm")]
#[test]
fn llvm_says_what_there_is_too_much_of() {
    let refused = |change: fn(&mut TieringProfile), entry, name: &str, size, measure: &str| {
        let mut profile = TieringProfile::default();
        change(&mut profile);
        let message = refusal(FunctionTier::Optimizing, entry, profile, &shape(name, size));
        assert!(message.contains(measure), "{name}: {message}");
        assert!(
            message.contains("the llvm tier leaves function 0"),
            "{message}"
        );
    };
    refused(
        |profile| profile.optimizer.max_block_operators = 399,
        EntryPoint::Function,
        "one-block",
        400,
        "operators in one block are more than the limit of 399",
    );
    refused(
        |profile| profile.optimizer.max_joined_locals = 1500,
        EntryPoint::Function,
        "nested-loops-with-locals",
        40,
        "locals alive at joins are more than the limit of 1500",
    );
    refused(
        |_| (),
        EntryPoint::Function,
        "switch",
        1001,
        "pairs of labels of one branch table are more than the limit of 1000000",
    );
    refused(
        |_| (),
        EntryPoint::Function,
        "wide-calls",
        3,
        "pairs of values of one call are more than the limit of 10000000",
    );
    for (change, name, size, measure) in LIMITS {
        let message = format!("{measure} are more than the limit of 9");
        refused(change, EntryPoint::Function, name, size, &message);
    }
    // All operands are parameters of each join in an entry at a loop.
    refused(
        |_| (),
        EntryPoint::Loop(0),
        "joins-above-operands",
        200,
        "values passed by branches are more than the limit of",
    );
}

#[cfg(feature = "llvm")]
#[test]
fn stores_of_many_results_are_not_compared_with_one_another() {
    let ordered = |results: usize| {
        let types = "i64 ".repeat(results);
        let values = "(i64.const 7) ".repeat(results);
        let text = format!("(module (func (export \"f\") (result {types}) {values}))");
        let module = Module::new(&Engine::default(), text).unwrap();
        let (tier, entry) = (FunctionTier::Optimizing, EntryPoint::Function);
        let text = module.emit(0, tier, entry, CodeForm::Intermediate).unwrap();
        text.matches("store volatile").count()
    };
    assert_eq!(ordered(64), 0);
    assert_eq!(ordered(65), 65);
}
