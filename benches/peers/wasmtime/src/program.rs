//! `peer-wasmtime ENGINE program ...`: runs a WASI program from its file to its exit, as a command line tool would, with
//! no cache of compiled code. Whoever starts it measures the process.

use std::env;
use std::path::PathBuf;
use std::process::exit;

use anyhow::{Context, Result, bail};
use wasmtime::{Linker, Module, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use crate::wasmtime_engine;

/// The word behind the engine that says that the rest is for [`main`].
pub const COMMAND: &str = "program";

/// What the command line says.
struct Program {
    engine: String,
    file: PathBuf,
    directories: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Program {
    /// `ENGINE program FILE [--dir HOST::GUEST]... [--env KEY=VALUE]... [-- ARGS...]`
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Program> {
        let engine = words.next().context("the engine is missing")?;
        let file = words.nth(1).context("the file is missing")?;
        let mut program = Program {
            engine,
            arguments: vec![file.clone()],
            file: PathBuf::from(file),
            directories: Vec::new(),
            environment: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut pair = |separator| -> Result<(String, String)> {
                let value = words
                    .next()
                    .with_context(|| format!("{word} wants a value"))?;
                let (left, right) = value
                    .split_once(separator)
                    .with_context(|| format!("no `{separator}` in the value of {word}"))?;
                Ok((left.to_owned(), right.to_owned()))
            };
            match word.as_str() {
                "--dir" => program.directories.push(pair("::")?),
                "--env" => program.environment.push(pair("=")?),
                "--" => program.arguments.extend(words.by_ref()),
                _ => bail!("`{word}` is unknown; the program's own arguments come after `--`"),
            }
        }
        Ok(program)
    }
}

/// Runs the program that the command line describes, and ends with its status.
pub fn main() -> Result<()> {
    let program = Program::parse(env::args().skip(1))?;
    let engine = wasmtime_engine::engine(&program.engine, None)?;
    let module = Module::from_file(&engine, &program.file)?;
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi| wasi)?;
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stdio()
        // As wasmtime's own command does: nothing else runs on this thread.
        .allow_blocking_current_thread(true)
        .args(&program.arguments)
        .envs(&program.environment);
    for (host, guest) in &program.directories {
        wasi.preopened_dir(host, guest, FsPerms::ReadWrite)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("opening the folder {host}"))?;
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
