//! The embedding API as its users see it, from modules to traps. One binary, one file a subject.

mod addresses;
mod advisories;
mod ahead;
mod bulk;
mod call_counts;
mod calls;
mod code_memory;
mod compile_cost;
mod configuration;
mod endless;
mod first_calls;
mod forks;
mod frames;
mod host_functions;
mod host_stress;
mod interruption;
mod lazy_validation;
mod limits;
mod linking;
mod llvm_reports;
mod misuse;
mod modules;
mod moving;
mod nan_bits;
mod narrow_products;
mod objects;
mod quiet_nans;
mod recursion;
mod scale;
mod signals;
mod single_pass;
mod stacks;
#[cfg(feature = "llvm")]
mod strides;
mod tables;
#[cfg(feature = "llvm")]
mod tiering;
mod traps;
#[cfg(feature = "llvm")]
mod unrolled;
mod whole_memory;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use upshift::{Config, Engine, Instance, Module, Store, TierMode};

/// A store without data, and in it an instance of a module without imports.
fn instance(text: &str) -> (Store<()>, Instance) {
    let engine = Engine::default();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    (store, instance)
}

/// Waits until something holds, but not for ever.
fn until(mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > Duration::from_secs(30) {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// The default first, then LLVM in both of its modes, where there is LLVM.
fn configs() -> Vec<Config> {
    let llvm = |precise_traps| {
        let mut config = Config::new();
        config
            .tier(TierMode::Optimizing)
            .precise_traps(precise_traps);
        config
    };
    let mut configs = vec![Config::new()];
    if cfg!(feature = "llvm") {
        configs.extend([false, true].map(llvm));
    }
    configs
}

/// The baseline, then what [`configs`] has.
fn every_way() -> Vec<Config> {
    let mut baseline = Config::new();
    baseline.tier(TierMode::Baseline);
    let mut configs = configs();
    configs.insert(0, baseline);
    configs
}

/// What LLVM's own passes get of a module's first function.
#[cfg(feature = "llvm")]
fn before_passes(text: &str) -> String {
    use upshift::{CodeForm, EntryPoint, FunctionTier, TieringProfile};
    let mut profile = TieringProfile::default();
    profile.optimizer.pipeline = "verify".to_owned();
    let mut config = Config::new();
    config.tier(TierMode::Optimizing).profile(profile);
    let module = Module::new(&Engine::new(&config).unwrap(), text).unwrap();
    let (tier, entry) = (FunctionTier::Optimizing, EntryPoint::Function);
    module.emit(0, tier, entry, CodeForm::Intermediate).unwrap()
}

const ALONE: &str = "UPSHIFT_TEST_ALONE";

/// Runs a test again in a process of its own, where nothing else allocates. True in that process.
fn in_own_process(name: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    false
}
