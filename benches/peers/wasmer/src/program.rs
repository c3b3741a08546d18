//! WASI programs on wasmer, with the WASI of its own packages and no cache of compiled code. The standard streams are this
//! process's; of the host's files it sees the folders that the command line names, and nothing else.

use std::process::exit;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use upshift_bench_protocol::{Peer, Program, Settings};
use wasmer::{Module, Store};
use wasmer_wasix::runtime::PluggableRuntime;
use wasmer_wasix::runtime::task_manager::tokio::TokioTaskManager;
use wasmer_wasix::virtual_fs::{MountFileSystem, TmpFileSystem, host_fs};
use wasmer_wasix::{WasiEnv, WasiError};

use crate::WasmerEngine;

/// Runs the program, and ends with its status.
pub fn run(program: &Program) -> Result<()> {
    let engine = WasmerEngine::open(&program.engine, Settings::default())?.engine;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let handle = threads.handle();
    // Files and streams look for the threads that serve them in the thread that they are made on.
    let _entered = handle.enter();
    let module = Module::from_file(&engine, &program.file)?;

    let files = MountFileSystem::new();
    files.mount("/", Arc::new(TmpFileSystem::new()))?;
    let (name, arguments) = program
        .arguments
        .split_first()
        .context("a program has a name")?;
    let mut wasi = WasiEnv::builder(name)
        .args(arguments)
        .envs(program.environment.iter().cloned());
    for (host, guest) in &program.directories {
        let folder = host_fs::FileSystem::new(handle.clone(), host)
            .with_context(|| format!("opening the folder {host}"))?;
        files.mount(guest, Arc::new(folder))?;
        wasi.add_map_dir(guest, guest)?;
    }
    let mut runtime = PluggableRuntime::new(Arc::new(TokioTaskManager::new(handle.clone())));
    runtime.set_engine(engine.clone());
    wasi.set_runtime(Arc::new(runtime));
    wasi.set_mount_fs(files);

    let mut store = Store::new(engine);
    let (instance, environment) = wasi.instantiate(module, &mut store)?;
    let start = instance
        .exports
        .get_typed_function::<(), ()>(&store, "_start")?;
    let status = match start.call(&mut store) {
        Ok(()) => 0.into(),
        Err(error) => match error.downcast::<WasiError>() {
            Ok(WasiError::Exit(status)) => status,
            Ok(other) => bail!(other),
            Err(trap) => bail!(trap),
        },
    };
    // Writes what is still on its way to the standard streams.
    environment.on_exit(&mut store, Some(status));
    exit(status.raw())
}
