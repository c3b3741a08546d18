//! The smallest useful embedding: load a module, instantiate it, call a function with Rust values.
//! Run it from the root of the repository. The README shows this program.

use upshift::{Engine, Instance, Module, Store};

fn main() -> upshift::Result<()> {
    let engine = Engine::default();
    let module = Module::from_file(&engine, "benches/kernels/nbody.wasm")?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let nbody = instance.get_typed_func::<i32, f64>(&mut store, "nbody")?;
    println!("{}", nbody.call(&mut store, 5_000_000)?);
    Ok(())
}
