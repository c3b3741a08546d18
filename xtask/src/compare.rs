//! `cargo xtask compare`: measures upshift and other engines on the same modules in one run.
//!
//! Here are the command line and the order of things: build, run in rounds, report. What is run is in `compare/plan.rs`,
//! how an engine's binary is built and called in `compare/engines.rs`, the rounds in `compare/rounds.rs`, and how the
//! samples become tables in `compare/table.rs` and `compare/ratios.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use upshift_bench_protocol::Report;

use self::engines::{Engine, Programs};
use self::plan::{Measurement, Plan, Wishes};
use self::ratios::Ratios;
use self::rounds::Outcome;
use self::table::Row;
use crate::failure::Failure;
use crate::words::{Words, positive};
use crate::{files, setup};

mod engines;
pub mod peers;
mod pictures;
mod plan;
mod ratios;
mod rounds;
mod solution;
pub mod table;

pub const DETAILS: &str = "\
Builds the engines, runs every measurement in rounds in which each engine has its turn, and prints for each the median
over the rounds, the lowest and the highest, and the ratio to the reference: the median of the ratios within a round,
so that what slows down the machine for a while slows down both sides of a ratio.

Measurements (all but tier-total, if none is named):
  kernels        calls of `run` of every kernel of benches/kernels in the steady state; or name single kernels. First it
                 is called until the time of --warm-up-ms has passed, and until nothing waits for a better tier, but at most
                 ten times as long; then ten times, of which the fastest counts: a slower one was disturbed by other
                 programs. The tables give ratios to native code, and to the better of both native builds
  compile        compiling the large module whole, on one thread
  first-result   bytes to first result of the large module, of which one function in a thousand is called
  instantiate    a store and an instance of a small module that is compiled already
  typed-call     a typed call into wasm
  host-call      a call out of wasm to a closure
  call-indirect  a call through a table
  whole-process  n-body, 5 000 000 steps in one call: `upshift run` with each tier, from its start to its end
  tier-total     bytes to result of one call of every kernel, for several amounts of work, on upshift: what is compiled,
                 and when, counts. The tables give ratios to the better of baseline and LLVM alone

Options:
  --quick             three rounds, short kernels, a smaller module: a look, not a result
  --engines A,B       only these engines; `--list-engines` prints them all
  --reference A       the engine the ratios refer to
  --kernels A,B       of kernels and tier-total only these
  --rounds N          rounds (7)
  --functions N       functions in the large module (10000; some 3000 make a megabyte)
  --kernel-ms N       kernels run for about so many milliseconds of native time (10)
  --warm-up-ms N      how long kernels run before calls count (300)
  --work-ms A,B       how much work of native time tier-total is about (1,10,100,1000)
  --details           prints the times of each engine on each kernel too, not only the tables of ratios
  --json FILE         writes the raw samples of every round, and the tables, to FILE
  --svg FILE          draws the ratios of the kernels
  --no-build          takes the binaries as they are

Time to solution (`cargo xtask compare time-to-solution`): total time of a process, from its start to the result of one
call, for n-body, fibonacci, Pollard rho and Snappy at 1, 10, 100 ms, 1 s and 10 s of native time, and for the other
kernels at 10 ms and 1 s; of 1 s two rounds for the four and one for the others, and one of more. All of it takes some 33
minutes. An engine that takes ten times as long as native code is given up for larger sizes. Every run is written to
target/compare/time-to-solution.jsonl at once; a comparison that was stopped goes on where it was. Prints tables in
Markdown, and where `upshift-auto` is not within 10 % of the best WebAssembly runtime.
  --engines A,B --kernels A,B --rounds N (3) --no-build    as above
  --work-ms A,B       these sizes instead, for all kernels
  --long              60 s too, for the four
  --restart           throws away what was measured before
  --json FILE         all runs, medians and ratios
  --svg FILE          the picture: time over native time, against the size of the work";

/// The measurement that has a command line of its own.
const TIME_TO_SOLUTION: &str = "time-to-solution";

/// The options, as given.
#[derive(Debug)]
struct Options {
    engines: Vec<&'static Engine>,
    reference: Option<&'static Engine>,
    rounds: usize,
    wishes: Wishes,
    details: bool,
    json: Option<PathBuf>,
    svg: Option<PathBuf>,
    build: bool,
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
    if let Some((first, rest)) = arguments.split_first()
        && first == TIME_TO_SOLUTION
    {
        return solution::run(rest);
    }
    let options = Options::parse(arguments)?;
    let plan = Plan::new(&options.wishes)?;
    let programs = Programs::new();
    if options.build {
        setup::provide_for("compare")?;
        programs.build(&options.engines, &plan.kernels())?;
    }
    if plan.needs_large_module() {
        programs.write_large_module(&plan.large_module, options.wishes.functions)?;
    }

    let outcome = rounds::run(&options, &plan, &programs)?;
    let mut rows = Vec::new();
    for measurement in &plan.measurements {
        rows.extend(outcome.rows(measurement, &options, &plan));
    }
    let names: Vec<&str> = options.engines.iter().map(|engine| engine.name).collect();
    let tables: Vec<Ratios> = plan
        .groups
        .iter()
        .filter_map(|group| {
            let chosen = options.reference.map(|engine| engine.name);
            let references = chosen
                .as_ref()
                .map_or(group.references, std::slice::from_ref);
            let times = |measurement: &str, engine: &str| outcome.times(&plan, measurement, engine);
            Ratios::new(
                &group.title,
                &group.measurements,
                &names,
                references,
                &times,
            )
        })
        .collect();
    // Without the engine that a table's ratios would be to, there are still the times.
    let is_shown = |row: &&Row| options.details || tables.is_empty() || !row.is_in_group;
    let shown: Vec<&Row> = rows.iter().filter(is_shown).collect();
    table::print(&shown, options.rounds);
    for ratios in &tables {
        ratios.print();
    }
    println!();
    for (engine, measurement, error) in &outcome.failures {
        println!("{engine} failed on {measurement}: {error}");
    }
    if let Some(path) = &options.json {
        write_json(path, &options, &rows, &tables, &outcome)?;
    }
    if let (Some(path), Some(ratios)) = (&options.svg, tables.first()) {
        pictures::write(path, &ratios.picture())?;
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
            engines: engines::ENGINES
                .iter()
                .filter(|engine| engine.is_usual())
                .collect(),
            reference: None,
            rounds: if quick { 3 } else { 7 },
            wishes: Wishes {
                measurements: Vec::new(),
                kernels: Vec::new(),
                kernel_milliseconds: if quick { 1 } else { 10 },
                warm_up_milliseconds: 300,
                work_milliseconds: vec![1, 10, 100, 1000],
                functions: if quick { 3_000 } else { 10_000 },
                quick,
            },
            details: false,
            json: None,
            svg: None,
            build: true,
        };
        let wishes = &mut options.wishes;
        let mut words = Words::new("compare", arguments);
        while let Some(word) = words.take() {
            match word {
                "--quick" => {}
                "--no-build" => options.build = false,
                "--engines" => options.engines = words.list(engines::find)?,
                "--reference" => options.reference = Some(engines::find(words.value()?)?),
                "--rounds" => options.rounds = words.positive()?,
                "--functions" => wishes.functions = words.positive()?,
                "--kernels" => wishes.kernels = words.list(|name| Ok(name.to_owned()))?,
                "--kernel-ms" => wishes.kernel_milliseconds = words.positive()?,
                "--warm-up-ms" => wishes.warm_up_milliseconds = words.positive()?,
                "--work-ms" => wishes.work_milliseconds = words.list(positive)?,
                "--details" => options.details = true,
                "--json" => options.json = Some(words.path()?),
                "--svg" => options.svg = Some(words.path()?),
                option if option.starts_with('-') => return Err(words.unknown()),
                measurement => wishes.measurements.push(measurement.to_owned()),
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
            let part = |name: &&str| self.engines.iter().find(|engine| engine.name == *name);
            measurement.references.iter().find_map(part).copied()
        };
        self.reference.or_else(usual).unwrap_or(self.engines[0])
    }
}

/// What goes into the JSON file.
#[derive(Serialize)]
struct Results<'a> {
    processor: String,
    rounds: usize,
    functions_of_large_module: u32,
    kernel_milliseconds: u32,
    warm_up_milliseconds: u32,
    table: &'a [Row],
    ratios: &'a [Ratios],
    reports: Vec<&'a Report>,
    failures: &'a [(String, String, String)],
}

fn write_json(
    path: &Path,
    options: &Options,
    rows: &[Row],
    ratios: &[Ratios],
    outcome: &Outcome,
) -> Result<(), Failure> {
    let results = Results {
        processor: processor(),
        rounds: options.rounds,
        functions_of_large_module: options.wishes.functions,
        kernel_milliseconds: options.wishes.kernel_milliseconds,
        warm_up_milliseconds: options.wishes.warm_up_milliseconds,
        table: rows,
        ratios,
        reports: outcome.reports.values().flatten().collect(),
        failures: &outcome.failures,
    };
    let text = serde_json::to_string_pretty(&results)
        .map_err(|error| Failure::Check(format!("the results don't fit into JSON: {error}")))?;
    files::write(path, text)
}

/// The processor's name as Linux gives it.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}
