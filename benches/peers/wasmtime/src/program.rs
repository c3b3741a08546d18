//! WASI programs on wasmtime and on wasmi, each with the WASI of its own packages and no cache of compiled code.

use std::process::exit;

use anyhow::{Context, Error, Result};
use upshift_bench_protocol::Program;
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit};

use crate::wasmtime_engine;

/// Runs the program as wasmtime's own command does, and ends with its status.
pub fn run_on_wasmtime(program: &Program) -> Result<()> {
    use wasmtime::{Linker, Module, Store};

    let engine = wasmtime_engine::engine(&program.engine, None)?;
    let module = Module::from_file(&engine, &program.file)?;
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi| wasi)?;
    let mut wasi = wasmtime_wasi::WasiCtxBuilder::new();
    wasi.inherit_stdio()
        // As wasmtime's own command does: nothing else runs on this thread.
        .allow_blocking_current_thread(true)
        .args(&program.arguments)
        .envs(&program.environment);
    for (host, guest) in &program.directories {
        wasi.preopened_dir(host, guest, FsPerms::ReadWrite)
            .map_err(Error::from)
            .with_context(|| opening(host))?;
    }
    let mut store = Store::new(&engine, wasi.build_p1());
    let instance = linker.instantiate(&mut store, &module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    match start.call(&mut store, ()) {
        Ok(()) => Ok(()),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(status)) => exit(*status),
            None => Err(error.into()),
        },
    }
}

/// Runs the program as wasmi comes, which translates a function at its first call, and ends with its status.
pub fn run_on_wasmi(program: &Program) -> Result<()> {
    use wasmi::{Engine, Linker, Module, Store};
    use wasmi_wasi::{Dir, WasiCtx, WasiCtxBuilder, ambient_authority};

    let engine = Engine::default();
    let wasm = std::fs::read(&program.file)
        .with_context(|| format!("reading the module {}", program.file.display()))?;
    let module = Module::new(&engine, &wasm)?;
    let mut linker: Linker<WasiCtx> = Linker::new(&engine);
    wasmi_wasi::add_to_linker(&mut linker, |wasi| wasi)?;
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stdio()
        .args(&program.arguments)?
        .envs(&program.environment)?;
    for (host, guest) in &program.directories {
        let folder =
            Dir::open_ambient_dir(host, ambient_authority()).with_context(|| opening(host))?;
        wasi.preopened_dir(folder, guest)?;
    }
    let mut store = Store::new(&engine, wasi.build());
    let instance = linker.instantiate_and_start(&mut store, &module)?;
    let start = instance.get_typed_func::<(), ()>(&store, "_start")?;
    match start.call(&mut store, ()) {
        Ok(()) => Ok(()),
        Err(error) => match error.i32_exit_status() {
            Some(status) => exit(status),
            None => Err(error.into()),
        },
    }
}

fn opening(folder: &str) -> String {
    format!("opening the folder {folder}")
}
