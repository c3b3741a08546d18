//! The embedding API as its users see it, from modules to traps. One binary, one file a subject.

mod calls;
mod configuration;
mod host_functions;
mod interruption;
mod limits;
mod linking;
mod misuse;
mod modules;
mod objects;
mod recursion;
mod scale;
mod traps;

use upshift::{Engine, Instance, Module, Store};

/// A store without data, and in it an instance of a module without imports.
fn instance(text: &str) -> (Store<()>, Instance) {
    let engine = Engine::default();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    (store, instance)
}
