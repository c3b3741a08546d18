//! `upshift tune`: searches for the profile under which a program of the user's takes the least time. Candidates
//! are in `search`, how they compete in `race`, the meaning of a difference in `compare`; `child` runs the
//! program, `report` tells the findings.

mod child;
mod compare;
mod race;
mod report;
mod search;
#[cfg(test)]
mod tests;
mod trial;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::error::{CliError, Result};
use crate::limits::TimeLimit;
use crate::machine::Machine;
use crate::tuning::Tuning;
use crate::wasi::Given;

use child::Program;
use report::About;
use search::search;
use trial::Trial;

/// Options of `upshift tune`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Tune {
    /// The module, as binary (.wasm) or text (.wat).
    pub file: PathBuf,

    /// Arguments of the program. All that follows the first one belongs to the program.
    #[arg(
        value_name = "ARGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub args: Vec<OsString>,

    /// The exported function to call, instead of `_start`.
    #[arg(long, value_name = "NAME")]
    pub invoke: Option<String>,

    /// How long the search may take: a hundred times as long as the program, or more.
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    pub budget: TimeLimit,

    /// Write the profile to this file, instead of the standard output.
    #[arg(long, short, value_name = "FILE.toml")]
    pub output: Option<PathBuf>,

    /// Draw total time over threshold.
    #[arg(long, value_name = "FILE.svg")]
    pub svg: Option<PathBuf>,

    /// The profile to begin with, by name or file [default: balanced].
    #[arg(long, value_name = "NAME|FILE")]
    pub profile: Option<String>,

    /// Set a key of the profile to begin with.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// What the program reads from its standard input [default: nothing].
    #[arg(long, value_name = "FILE")]
    pub stdin: Option<PathBuf>,

    /// Any other option of `upshift run` for every run, such as --run=--max-memory=1GiB.
    #[arg(long = "run", value_name = "OPTION", allow_hyphen_values = true)]
    pub run: Vec<OsString>,

    /// What the program is given.
    #[command(flatten)]
    pub given: Given,
}

const EXAMPLES: &str = "\
Searched for, one after the other: built-in profiles, the threshold at which functions move to LLVM, LLVM's passes,
inlining, and worker threads. Every run is a process of its own, as `upshift run` makes it; a run takes as long as
its user waits for it. A candidate that looks better has to win once more, in fresh runs, before it is taken. Ctrl-C
ends the search and keeps what was found.

The program should take from some tens of milliseconds to a few seconds, do the same each time, and not change files
that it reads.

Examples:
  upshift tune nbody.wasm --invoke nbody 5000000
  upshift tune --budget 5m -o tuned.toml --svg tuned.svg --dir . program.wasm input.txt
  upshift run --profile tuned.toml --dir . program.wasm input.txt";

pub(crate) fn tune(options: &Tune, stdout: &mut dyn Write) -> Result<()> {
    let tuning = Tuning {
        profile: Some(
            options
                .profile
                .clone()
                .unwrap_or_else(|| "balanced".to_owned()),
        ),
        set: options.set.clone(),
        ..Tuning::default()
    };
    let base = tuning.profile()?;
    tuning.check_pipelines(&base)?;
    // Not after minutes of search.
    for file in [&options.output, &options.svg].into_iter().flatten() {
        let opened = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(file);
        opened.map_err(|error| cannot_write(file, error))?;
    }

    let stopped = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&stopped);
    ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed))
        .map_err(|error| CliError::Output(std::io::Error::other(error)))?;
    let budget = options.budget.duration;
    let progress = ProgressBar::new(budget.as_secs());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {elapsed} of {len} s: {msg}") {
        progress.set_style(style);
    }
    let mut program = Program::new(
        arguments(options),
        options.stdin.clone(),
        stopped,
        progress.clone(),
    )?;
    program.check_stdin()?;
    let machine = Machine::this();
    let found = search(&mut program, &base, budget, machine.processors);
    progress.finish_and_clear();
    let found = found.map_err(|failure| CliError::NothingToTune {
        file: options.file.clone(),
        failure: failure.to_string(),
    })?;

    let about = About {
        command: command_line(options),
        base: base_name(options),
        runs: program.runs,
        seconds: program.elapsed().as_secs_f64(),
        machine,
    };
    report::table(&found, &about, stdout)?;
    let text = report::profile(&found, &about);
    match &options.output {
        Some(file) => {
            std::fs::write(file, text).map_err(|error| cannot_write(file, error))?;
            writeln!(stdout, "The profile is in {}.", file.display())?;
        }
        None => write!(stdout, "\n{text}")?,
    }
    if let Some(file) = &options.svg {
        match report::picture(&found, &about)? {
            Some(picture) => {
                std::fs::write(file, picture).map_err(|error| cannot_write(file, error))?;
                writeln!(stdout, "The picture is in {}.", file.display())?;
            }
            None => writeln!(
                stdout,
                "There was no time for thresholds, so there is no picture."
            )?,
        }
    }
    Ok(())
}

fn cannot_write(file: &Path, error: std::io::Error) -> CliError {
    CliError::Write {
        file: file.to_owned(),
        error,
    }
}

/// The arguments of `upshift run` behind the profile.
fn arguments(options: &Tune) -> Vec<OsString> {
    let mut arguments = options.run.clone();
    arguments.extend(options.given.arguments());
    if let Some(name) = &options.invoke {
        arguments.push("--invoke".into());
        arguments.push(name.into());
    }
    arguments.push(options.file.clone().into());
    arguments.extend(options.args.iter().cloned());
    arguments
}

fn base_name(options: &Tune) -> String {
    let name = options.profile.as_deref().unwrap_or("balanced");
    let set: String = options
        .set
        .iter()
        .map(|it| format!(" --set {it}"))
        .collect();
    format!("{name}{set}")
}

/// For people: how to do it again.
fn command_line(options: &Tune) -> String {
    let arguments = arguments(options);
    let arguments: Vec<_> = arguments.iter().map(|it| it.to_string_lossy()).collect();
    format!(
        "upshift tune --budget {} {}",
        options.budget,
        arguments.join(" ")
    )
}
