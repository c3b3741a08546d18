//! Hearing what tiering does: which functions were queued, compiled and moved up, and where everything stands at the end.
//! Run it from the root of the repository. Its argument is the number of steps that the guest computes: with few, it may be
//! through before better code is.

use std::sync::{Arc, Mutex};

use upshift::{Config, Engine, Instance, Module, Store, TierEvent, TierEventKind, TieringProfile};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps = std::env::args()
        .nth(1)
        .as_deref()
        .unwrap_or("5000000")
        .parse()?;

    // Thresholds of one's own; what is left out keeps its default. See docs/tuning.md.
    let profile = TieringProfile::from_toml("[tier-up]\nthreshold-in-calls = 1000")?;

    // The callback runs on workers, and on threads that run guests: it should be quick.
    let events = Arc::new(Mutex::new(Vec::<TierEvent>::new()));
    let log = Arc::clone(&events);
    let mut config = Config::new();
    config
        .profile(profile)
        .on_tier_event(move |event| log.lock().unwrap().push(event.clone()));

    let engine = Engine::new(&config)?;
    let module = Module::from_file(&engine, "benches/kernels/nbody.wasm")?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let nbody = instance.get_typed_func::<i32, f64>(&mut store, "nbody")?;
    println!("{}", nbody.call(&mut store, steps)?);

    for event in events.lock().unwrap().iter() {
        match &event.kind {
            TierEventKind::Compiled {
                tier, time, bytes, ..
            } => println!(
                "function {} compiled by {tier} in {time:.1?}: {bytes} bytes",
                event.function
            ),
            _ => println!("{event}"),
        }
    }
    let stats = module.tier_stats();
    println!(
        "{} functions in the baseline, {} in LLVM",
        stats.functions.baseline, stats.functions.optimizing
    );
    Ok(())
}
