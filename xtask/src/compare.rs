//! `cargo xtask compare`: measures upshift and other engines on the same modules in one run.
//!
//! Here are the command line and the order of things: build, run in rounds, report. What is run is in `compare/plan.rs`,
//! how an engine's binary is built and called in `compare/engines.rs`, how the samples become a table in `compare/table.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use upshift_bench_protocol::Report;

use self::engines::{Engine, Programs};
use self::plan::{Measurement, Plan};
use self::table::Row;
use crate::failure::Failure;

mod engines;
mod plan;
mod table;

pub const DETAILS: &str = "\
Builds the engines, runs every measurement in rounds in which each engine has its turn, and prints for each the median
over the rounds, the lowest and the highest, and the ratio to the reference: the median of the ratios within a round,
so that what slows down the machine for a while slows down both sides of a ratio.

Measurements (all, if none is named):
  kernels        calls of `run` of every kernel of benches/kernels, and the time to compile it; or name single kernels
  compile        compiling the large module whole, on one thread
  first-result   bytes to first result of the large module, of which one function in a thousand is called
  instantiate    a store and an instance of a small module that is compiled already
  typed-call     a typed call into wasm
  host-call      a call out of wasm to a closure
  call-indirect  a call through a table

Options:
  --quick             three rounds, short kernels, a smaller module: a look, not a result
  --engines A,B       only these engines; `--list-engines` prints them all
  --reference A       the engine the ratios refer to
  --rounds N          rounds (7)
  --functions N       functions in the large module (10000; some 3000 make a megabyte)
  --kernel-ms N       kernels run for about so many milliseconds of native time (10)
  --json FILE         writes the raw samples of every round, and the table, to FILE
  --no-build          takes the binaries as they are";

/// The options, as given.
#[derive(Debug)]
struct Options {
    engines: Vec<&'static Engine>,
    reference: Option<&'static Engine>,
    rounds: usize,
    functions: u32,
    kernel_milliseconds: u32,
    quick: bool,
    json: Option<PathBuf>,
    build: bool,
    measurements: Vec<String>,
}

/// Runs the command with the arguments that follow `compare`.
///
/// # Errors
/// If an argument is wrong, a build fails, no engine could be measured, or engines computed different results.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if arguments
        .iter()
        .any(|argument| argument == "--list-engines")
    {
        for engine in engines::ENGINES {
            println!("{:36} {}", engine.name, engine.about);
        }
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    let programs = Programs::new();
    if options.build {
        programs.build(&options.engines)?;
    }
    let plan = Plan::new(
        &options.measurements,
        options.kernel_milliseconds,
        options.functions,
        options.quick,
    )?;
    if plan.needs_large_module() {
        programs.write_large_module(&plan.large_module, options.functions)?;
    }

    let outcome = run_rounds(&options, &plan, &programs)?;
    let mut rows = Vec::new();
    for measurement in &plan.measurements {
        rows.extend(outcome.rows(measurement, &options));
    }
    table::print(&rows, options.rounds);
    for (engine, measurement, error) in &outcome.failures {
        println!("{engine} failed on {measurement}: {error}");
    }
    if let Some(path) = &options.json {
        write_json(path, &options, &rows, &outcome)?;
    }
    if rows.is_empty() {
        return Err(Failure::Check("nothing could be measured".to_owned()));
    }
    outcome.check_results(&plan)
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, Failure> {
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let mut options = Options {
            engines: engines::ENGINES.iter().collect(),
            reference: None,
            rounds: if quick { 3 } else { 7 },
            functions: if quick { 3_000 } else { 10_000 },
            kernel_milliseconds: if quick { 1 } else { 10 },
            quick,
            json: None,
            build: true,
            measurements: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| Failure::Usage(format!("`{argument}` wants a value")))
            };
            match argument.as_str() {
                "--quick" => {}
                "--no-build" => options.build = false,
                "--engines" => {
                    options.engines = value()?
                        .split(',')
                        .map(engines::find)
                        .collect::<Result<_, _>>()?;
                }
                "--reference" => options.reference = Some(engines::find(value()?)?),
                "--rounds" => options.rounds = positive(value()?)?,
                "--functions" => options.functions = positive(value()?)?,
                "--kernel-ms" => options.kernel_milliseconds = positive(value()?)?,
                "--json" => options.json = Some(PathBuf::from(value()?)),
                option if option.starts_with('-') => {
                    return Err(Failure::Usage(format!(
                        "no option `{option}`; see `cargo xtask help compare`"
                    )));
                }
                measurement => options.measurements.push(measurement.to_owned()),
            }
        }
        if let Some(reference) = options.reference
            && !options
                .engines
                .iter()
                .any(|engine| engine.name == reference.name)
        {
            options.engines.push(reference);
        }
        Ok(options)
    }

    /// The engine the ratios of a measurement refer to: the one asked for, the one that is usual, or the first.
    fn reference(&self, measurement: &Measurement) -> &'static Engine {
        let usual = || {
            self.engines
                .iter()
                .find(|engine| engine.name == measurement.reference)
                .copied()
        };
        self.reference.or_else(usual).unwrap_or(self.engines[0])
    }
}

fn positive<N: std::str::FromStr + Default + PartialEq>(text: &str) -> Result<N, Failure> {
    match text.parse::<N>() {
        Ok(number) if number != N::default() => Ok(number),
        _ => Err(Failure::Usage(format!("`{text}` is not a positive number"))),
    }
}

/// The reports of all rounds.
#[derive(Debug, Default)]
struct Outcome {
    /// By measurement and engine, one report for each round.
    reports: BTreeMap<(String, String), Vec<Report>>,
    /// Engine, measurement, and why it is not in the table.
    failures: Vec<(String, String, String)>,
}

fn run_rounds(options: &Options, plan: &Plan, programs: &Programs) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    for round in 0..options.rounds {
        for measurement in &plan.measurements {
            for turn in 0..options.engines.len() {
                // Each round begins with another engine, so that none is always the first after something else.
                let engine = options.engines[(turn + round) % options.engines.len()];
                if outcome.has_failed(engine, measurement) {
                    continue;
                }
                eprintln!(
                    "round {} of {}: {} on {}",
                    round + 1,
                    options.rounds,
                    measurement.name,
                    engine.name
                );
                match programs.measure(engine, &measurement.arguments) {
                    Ok(report) => {
                        let key = (measurement.name.clone(), engine.name.to_owned());
                        outcome.reports.entry(key).or_default().push(report);
                    }
                    Err(failure) => outcome.failures.push((
                        engine.name.to_owned(),
                        measurement.name.clone(),
                        failure.to_string(),
                    )),
                }
            }
        }
    }
    Ok(outcome)
}

impl Outcome {
    fn has_failed(&self, engine: &Engine, measurement: &Measurement) -> bool {
        self.failures
            .iter()
            .any(|(failed, on, _)| failed == engine.name && *on == measurement.name)
    }

    fn reports<'a>(&'a self, measurement: &Measurement, engine: &Engine) -> Option<&'a [Report]> {
        if self.has_failed(engine, measurement) {
            return None;
        }
        self.reports
            .get(&(measurement.name.clone(), engine.name.to_owned()))
            .map(Vec::as_slice)
    }

    /// The rows of one measurement: one for each engine and each thing that is measured.
    fn rows(&self, measurement: &Measurement, options: &Options) -> Vec<Row> {
        let reference = options.reference(measurement);
        let mut rows = Vec::new();
        for quantity in &measurement.quantities {
            let of_reference = self
                .reports(measurement, reference)
                .map(|reports| quantity.per_round(reports));
            for engine in &options.engines {
                let Some(reports) = self.reports(measurement, engine) else {
                    continue;
                };
                rows.push(Row::new(
                    measurement,
                    quantity,
                    engine,
                    reports,
                    of_reference.as_deref(),
                    reference,
                ));
            }
        }
        rows
    }

    /// All engines must have computed what is expected; else their times mean nothing.
    fn check_results(&self, plan: &Plan) -> Result<(), Failure> {
        for measurement in &plan.measurements {
            let mut expected = measurement
                .expected
                .clone()
                .map(|result| ("the known result", result));
            for ((name, engine), reports) in &self.reports {
                for result in reports.iter().filter_map(|report| report.result.as_ref()) {
                    if name != &measurement.name {
                        continue;
                    }
                    match &expected {
                        None => expected = Some((engine.as_str(), result.clone())),
                        Some((_, known)) if known == result => {}
                        Some((whose, known)) => {
                            return Err(Failure::Check(format!(
                                "{name}: {engine} computed {result}, {whose}: {known}"
                            )));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// What goes into the JSON file.
#[derive(Serialize)]
struct Results<'a> {
    processor: String,
    rounds: usize,
    functions_of_large_module: u32,
    kernel_milliseconds: u32,
    table: &'a [Row],
    reports: Vec<&'a Report>,
    failures: &'a [(String, String, String)],
}

fn write_json(
    path: &Path,
    options: &Options,
    rows: &[Row],
    outcome: &Outcome,
) -> Result<(), Failure> {
    let results = Results {
        processor: processor(),
        rounds: options.rounds,
        functions_of_large_module: options.functions,
        kernel_milliseconds: options.kernel_milliseconds,
        table: rows,
        reports: outcome.reports.values().flatten().collect(),
        failures: &outcome.failures,
    };
    let text = serde_json::to_string_pretty(&results)
        .map_err(|error| Failure::Check(format!("the results don't fit into JSON: {error}")))?;
    fs::write(path, text).map_err(|source| Failure::File {
        action: "writing",
        path: path.to_owned(),
        source,
    })
}

/// The processor's name as Linux gives it.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}
