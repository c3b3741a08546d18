//! What went wrong in other engines of this field, by their published advisories, does not here. Each test names the kind; the
//! table is in docs/security.md.

mod code;
mod objects;
mod types;

use upshift::{Config, Engine, Error, Instance, Module, Store};
use upshift_tests::modes::MODES;

/// An engine for every mode, with and without guard pages.
fn engines() -> impl Iterator<Item = (&'static str, Engine)> {
    MODES.iter().flat_map(|mode| {
        [false, true].map(|checked| {
            let mut config = Config::new();
            (mode.set)(&mut config);
            if checked {
                config.bounds_checks(true);
            }
            (mode.name, Engine::new(&config).unwrap())
        })
    })
}

/// Runs `run` of a module in every mode, some calls in a row.
fn in_every_mode(text: &str, check: impl Fn(&str, Result<i64, Error>)) {
    for (mode, engine) in engines() {
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance
            .get_typed_func::<(), i64>(&mut store, "run")
            .unwrap();
        for _ in 0..3 {
            check(mode, run.call(&mut store, ()));
        }
    }
}
