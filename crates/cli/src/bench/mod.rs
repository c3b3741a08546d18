//! `upshift bench`: kernels, or a function of the user's, in several tiers and profiles beside each other. Which
//! programs and profiles is here, measuring is in `measure`, results are shown by `report`.

mod measure;
mod report;
mod workload;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use upshift::TieringProfile;
use upshift_module::to_u64;

use crate::error::{CliError, Result};
use crate::limits::TimeLimit;
use crate::machine::Machine;
use crate::options::TierChoice;
use crate::tuning::Tuning;

use measure::{Limits, Measured, measure};
use report::Row;
use workload::Workload;

/// Options of `upshift bench`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    /// Kernels that come with Upshift, by name [default: nbody fib rho snappy], or a module and the arguments of
    /// its function.
    #[arg(value_name = "KERNEL... | FILE ARGS", allow_negative_numbers = true)]
    pub programs: Vec<String>,

    /// The exported function of FILE to call.
    #[arg(long, value_name = "NAME")]
    pub invoke: Option<String>,

    /// How much work a call of a kernel is: milliseconds that it takes as native code on a server of 2023.
    #[arg(long, value_name = "MS", value_delimiter = ',', default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub size: Vec<u32>,

    /// The tiers to compare [default: auto, baseline and llvm, or with --profiles what these say].
    #[arg(long, value_name = "TIER", value_enum, value_delimiter = ',')]
    pub tiers: Vec<TierChoice>,

    /// The tiering profiles to compare, by name or file [default: balanced].
    #[arg(long, value_name = "NAME|FILE", value_delimiter = ',')]
    pub profiles: Vec<String>,

    /// Set a key of all profiles.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// How often everything is measured, in turns, each time by an engine of its own.
    #[arg(long, value_name = "COUNT", default_value_t = 6,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,

    /// How long a program has to run without being compiled again for its calls to count as steady.
    #[arg(long, value_name = "DURATION", default_value = "200ms")]
    pub steady: TimeLimit,

    /// Write all of it as JSON; `-` is the standard output, in place of the table.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Draw it.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,

    /// Show which kernels there are, and run nothing.
    #[arg(long)]
    pub list: bool,
}

const EXAMPLES: &str = "\
What is measured, each as the median over the rounds:
  first result   from the bytes of the module to the result of the first call
  compile        time spent compiling, by all threads: the baseline's and LLVM's
  warm-up        from the first call to the last move to better code that was seen
  steady         a call after that

Examples:
  upshift bench
  upshift bench nbody rho --size 1,10,100
  upshift bench --profiles balanced,latency,throughput
  upshift bench sha256 --tiers auto,llvm --set inlining.max-operators=0
  upshift bench fib.wasm --invoke fib 30 --json - > fib.json
  upshift bench --list";

/// One of the ways to run a program that are compared.
struct Contender {
    name: String,
    profile: TieringProfile,
}

pub(crate) fn bench(options: &Bench, stdout: &mut dyn Write) -> Result<()> {
    if options.list {
        return workload::list(stdout).map_err(CliError::Output);
    }
    let contenders = contenders(options)?;
    let workloads = workload::chosen(options)?;
    let rows = measure_all(options, &workloads, &contenders)?;

    let machine = Machine::this();
    let as_json = || report::json(&rows, &machine, options);
    match &options.json {
        Some(file) if file.as_os_str() == "-" => writeln!(stdout, "{}", as_json())?,
        Some(file) => {
            write_file(file, &as_json())?;
            report::table(&rows, &machine, stdout)?;
        }
        None => report::table(&rows, &machine, stdout)?,
    }
    if let Some(file) = &options.svg {
        write_file(file, &report::picture(&rows, &machine)?)?;
    }
    Ok(())
}

fn contenders(options: &Bench) -> Result<Vec<Contender>> {
    let profiles = match options.profiles.as_slice() {
        [] => vec!["balanced".to_owned()],
        given => given.to_vec(),
    };
    let tiers = match options.tiers.as_slice() {
        [] if !options.profiles.is_empty() => vec![None],
        [] if cfg!(feature = "llvm") => [TierChoice::Auto, TierChoice::Baseline, TierChoice::Llvm]
            .map(Some)
            .to_vec(),
        [] => vec![Some(TierChoice::Baseline)],
        given => given.iter().copied().map(Some).collect(),
    };
    let mut contenders = Vec::new();
    for name in &profiles {
        let tuning = Tuning {
            profile: Some(name.clone()),
            set: options.set.clone(),
            ..Tuning::default()
        };
        for tier in &tiers {
            let mut profile = tuning.profile()?;
            let mut label = Vec::new();
            if !options.profiles.is_empty() {
                label.push(name.clone());
            }
            if let Some(tier) = tier {
                profile.mode = tier.mode();
                label.push(tier.name().to_owned());
            }
            let name = label.join(" ");
            tuning.check_pipelines(&profile)?;
            contenders.push(Contender { name, profile });
        }
    }
    Ok(contenders)
}

/// Everything in turns: a disturbance of a round disturbs all of them.
fn measure_all(
    options: &Bench,
    workloads: &[Workload],
    contenders: &[Contender],
) -> Result<Vec<Row>> {
    let limits = Limits {
        steady: options.steady.duration,
    };
    let mut rows: Vec<Row> = Vec::new();
    for workload in workloads {
        for contender in contenders {
            rows.push(Row {
                program: workload.name.clone(),
                size_in_ms: workload.size_in_ms,
                known_result: workload.expected.is_some(),
                contender: contender.name.clone(),
                rounds: Vec::new(),
            });
        }
    }
    let progress = ProgressBar::new(u64::from(options.rounds) * to_u64(rows.len()));
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} (left: {eta})");
    if let Ok(style) = style {
        progress.set_style(style);
    }
    // The first engine of a process sets LLVM up, and the first result of a workload is the measure of the others.
    let mut results: Vec<Option<String>> = workloads.iter().map(|it| it.expected.clone()).collect();
    for round in 0..options.rounds {
        for (index, row) in rows.iter_mut().enumerate() {
            let (workload, contender) = (index / contenders.len(), index % contenders.len());
            let (expected, workload) = (&mut results[workload], &workloads[workload]);
            let contender = &contenders[contender];
            progress.set_message(format!("{} {}", workload.name, contender.name));
            if round == 0 {
                measure::set_up(&contender.profile)?;
            }
            let (measured, result) = measure(workload, &contender.profile, &limits)?;
            match expected {
                Some(expected) if *expected != result => {
                    progress.finish_and_clear();
                    return Err(CliError::WrongResult {
                        program: workload.name.clone(),
                        contender: contender.name.clone(),
                        result,
                        expected: expected.clone(),
                    });
                }
                Some(_) => {}
                None => *expected = Some(result),
            }
            row.rounds.push(measured);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    Ok(rows)
}

fn write_file(file: &std::path::Path, text: &str) -> Result<()> {
    std::fs::write(file, text).map_err(|error| CliError::Write {
        file: file.to_owned(),
        error,
    })
}
