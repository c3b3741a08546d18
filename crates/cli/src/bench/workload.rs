//! Workloads: a kernel at some size, or a function of a file.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::PathBuf;

use upshift::{Engine, Module, Val};
use upshift_kernels::{Embedded, RUN, embedded};

use super::Bench;
use crate::error::{CliError, Result};
use crate::exports::nearest;
use crate::options::Run;
use crate::{program, run};

/// The kernels that are run when none is named: the best known ones.
const USUAL: [&str; 4] = ["nbody", "fib", "rho", "snappy"];

/// A function with its arguments.
pub(super) struct Workload {
    pub name: String,
    /// For kernels: how long it takes as native code, roughly.
    pub size_in_ms: Option<u32>,
    pub bytes: Cow<'static, [u8]>,
    pub function: String,
    pub arguments: Vec<Val>,
    /// The result as text, where it is known.
    pub expected: Option<String>,
    /// Whether it gives the same result each time it is called.
    pub repeatable: bool,
    /// How many memories the module has.
    pub memories: usize,
}

/// The workloads of the command line.
pub(super) fn chosen(options: &Bench) -> Result<Vec<Workload>> {
    let kernels = embedded();
    let named = |name: &str| kernels.iter().find(|it| it.kernel.name == name);
    let names: Vec<&str> = match options.programs.as_slice() {
        [] => USUAL.to_vec(),
        [first, ..] if options.invoke.is_some() || named(first).is_none() && is_file(first) => {
            return Ok(vec![file(first, options)?]);
        }
        names => names.iter().map(String::as_str).collect(),
    };
    let mut workloads = Vec::new();
    for name in names {
        let embedded = named(name).ok_or_else(|| CliError::UnknownKernel {
            name: name.to_owned(),
            similar: nearest(name, kernels.iter().map(|it| it.kernel.name.as_str()))
                .map(str::to_owned),
        })?;
        for size in &options.size {
            workloads.push(kernel(embedded, *size)?);
        }
    }
    Ok(workloads)
}

fn is_file(name: &str) -> bool {
    name.contains(['/', '.'])
}

fn kernel(embedded: &Embedded, size_in_ms: u32) -> Result<Workload> {
    let kernel = &embedded.kernel;
    let n = i32::try_from(size_in_ms)
        .ok()
        .and_then(|size| kernel.n_for_1_ms.checked_mul(size))
        .ok_or_else(|| CliError::Option {
            option: "--size",
            value: format!("{size_in_ms} for {}", kernel.name),
            allowed: format!("at most {}", i32::MAX / kernel.n_for_1_ms),
        })?;
    Ok(Workload {
        name: kernel.name.clone(),
        size_in_ms: Some(size_in_ms),
        bytes: Cow::Borrowed(embedded.wasm),
        function: RUN.to_owned(),
        arguments: vec![Val::I32(n)],
        expected: kernel.expected(RUN, n).map(|number| number.to_string()),
        repeatable: true,
        memories: 1,
    })
}

fn file(name: &str, options: &Bench) -> Result<Workload> {
    let run = Run::of(
        PathBuf::from(name),
        options.invoke.clone(),
        &options.programs[1..],
    );
    let bytes = run::read(&run.file)?;
    let module = Module::new(&Engine::default(), &bytes).map_err(|error| CliError::Module {
        file: run.file.clone(),
        error,
    })?;
    let (function, ty) = program::function_to_call(&run, &module)?;
    let arguments = program::arguments(function, &ty, &run.args)?;
    program::check_imports(&run, &module)?;
    Ok(Workload {
        name: name.to_owned(),
        size_in_ms: None,
        function: function.to_owned(),
        arguments,
        bytes: Cow::Owned(bytes),
        expected: None,
        repeatable: false,
        memories: module.memories().len(),
    })
}

/// `--list`.
pub(super) fn list(out: &mut dyn Write) -> io::Result<()> {
    for Embedded { kernel, .. } in embedded() {
        writeln!(out, "{:12} {}", kernel.name, kernel.description)?;
    }
    Ok(())
}
