//! The command line that all the measuring binaries have in common.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::measure::{self, Samples};
use crate::{Peer, Report, Settings, restrict_to_processors};

/// Measures one engine once and prints the raw samples, in nanoseconds, as one line of JSON.
#[derive(Debug, Parser)]
struct Arguments {
    /// The engine; a wrong name lists those this binary has.
    engine: String,

    /// Threads that may compile, and processors to run on; the engine's default, and all, if absent.
    #[arg(long, global = true)]
    threads: Option<usize>,

    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Debug, Subcommand)]
enum Measurement {
    /// Compile time, instantiate time, and the time of each of R calls of EXPORT(N).
    Kernel {
        file: PathBuf,
        export: String,
        n: i32,
        #[arg(long, default_value_t = 10)]
        repeat: usize,
        /// Calls that come first and don't count go on for so many milliseconds, or ten times as long if the engine is
        /// still compiling.
        #[arg(long, default_value_t = 0)]
        warm_up_ms: u64,
    },
    /// Time to compile the whole module, lazy engines included.
    Compile {
        file: PathBuf,
        #[arg(long, default_value_t = 3)]
        repeat: usize,
    },
    /// Time from the bytes in memory to the result of EXPORT(N): compile, instantiate, call.
    FirstResult {
        file: PathBuf,
        export: String,
        n: i32,
        #[arg(long, default_value_t = 1)]
        repeat: usize,
    },
    /// Time to make a store and an instance of a compiled module, and to drop them.
    Instantiate {
        file: PathBuf,
        #[arg(long, default_value_t = 1000)]
        repeat: usize,
    },
    /// Time of one typed call (i32) -> i32 into the export `add_one`.
    TypedCall {
        file: PathBuf,
        #[arg(long, default_value_t = 20)]
        repeat: usize,
    },
    /// Time of one call out of a wasm loop, the export `loop`, to a host closure (i32) -> i32.
    HostCall {
        file: PathBuf,
        #[arg(long, default_value_t = 20)]
        repeat: usize,
    },
    /// Time of one call_indirect in a wasm loop, the export `loop`.
    CallIndirect {
        file: PathBuf,
        #[arg(long, default_value_t = 20)]
        repeat: usize,
    },
}

/// Parses the command line, measures, prints the report to standard output, and ends the process if all went well.
/// It ends without destructors: with them, it would wait for whatever an engine still compiles in the background.
///
/// # Errors
/// If the engine, the file or the export is not there, or the module fails.
pub fn main<P: Peer>() -> Result<()> {
    let arguments = Arguments::parse();
    if !P::ENGINES.contains(&arguments.engine.as_str()) {
        bail!(
            "no engine `{}` here; there are: {}",
            arguments.engine,
            P::ENGINES.join(", ")
        );
    }
    if let Some(threads) = arguments.threads {
        restrict_to_processors(threads)?;
    }
    let report = run::<P>(&arguments)?;
    let mut output = io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(&report)?)?;
    output.flush()?;
    // SAFETY: ends the process; what was printed is flushed, and nothing else is to be kept.
    unsafe { libc::_exit(0) }
}

fn run<P: Peer>(arguments: &Arguments) -> Result<Report> {
    let settings = Settings {
        threads: arguments.threads,
        eager: false,
    };
    let open = |settings| {
        P::open(&arguments.engine, settings)
            .with_context(|| format!("setting up {}", arguments.engine))
    };
    let (name, file, wasm, samples) = match &arguments.measurement {
        Measurement::Kernel {
            file,
            export,
            n,
            repeat,
            warm_up_ms,
        } => {
            let wasm = read(file)?;
            let warm_up = Duration::from_millis(*warm_up_ms);
            let samples = measure::kernel(&open(settings)?, &wasm, export, *n, *repeat, warm_up)?;
            ("kernel", file, wasm, samples)
        }
        Measurement::Compile { file, repeat } => {
            let wasm = read(file)?;
            let samples = measure::compile(
                &open(Settings {
                    eager: true,
                    ..settings
                })?,
                &wasm,
                *repeat,
            )?;
            ("compile", file, wasm, samples)
        }
        Measurement::FirstResult {
            file,
            export,
            n,
            repeat,
        } => {
            let wasm = read(file)?;
            let samples = measure::first_result(|| open(settings), &wasm, export, *n, *repeat)?;
            ("first-result", file, wasm, samples)
        }
        Measurement::Instantiate { file, repeat } => {
            let wasm = read(file)?;
            let samples = measure::instantiate(&open(settings)?, &wasm, *repeat)?;
            ("instantiate", file, wasm, samples)
        }
        Measurement::TypedCall { file, repeat } => {
            let wasm = read(file)?;
            let samples = measure::typed_call(&open(settings)?, &wasm, *repeat)?;
            ("typed-call", file, wasm, samples)
        }
        Measurement::HostCall { file, repeat } => {
            let wasm = read(file)?;
            let samples = measure::wasm_loop(&open(settings)?, &wasm, *repeat)?;
            ("host-call", file, wasm, samples)
        }
        Measurement::CallIndirect { file, repeat } => {
            let wasm = read(file)?;
            let samples = measure::wasm_loop(&open(settings)?, &wasm, *repeat)?;
            ("call-indirect", file, wasm, samples)
        }
    };
    Ok(report(
        arguments,
        open(settings)?.version(),
        name,
        file,
        &wasm,
        samples,
    ))
}

fn report(
    arguments: &Arguments,
    version: String,
    measurement: &str,
    file: &Path,
    wasm: &[u8],
    samples: Samples,
) -> Report {
    Report {
        engine: arguments.engine.clone(),
        version,
        measurement: measurement.to_owned(),
        file: file.display().to_string(),
        wasm_bytes: wasm.len() as u64,
        samples: samples.series,
        result: samples.result.map(|result| result.to_string()),
    }
}

/// The module as a binary. Text is translated here, so that every engine gets the same bytes and none is charged for it.
fn read(file: &Path) -> Result<Vec<u8>> {
    wat::parse_file(file).with_context(|| format!("reading the module {}", file.display()))
}
