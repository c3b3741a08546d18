//! `cargo xtask compare time-to-solution`: whole processes, from their start to the result of one call, for amounts of
//! work from a millisecond to a minute of native time.
//!
//! Here are its command line, the order of the runs, and what is kept of them: every run is written down at once, so
//! that a comparison that was stopped goes on where it was. What is told about the runs is in `solution/told.rs`, how
//! it looks in `pictures.rs`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use upshift_kernels::Kernel;

use super::engines::{self, Engine, Programs, Solved};
use super::pictures;
use super::plan::{KernelCalls, run_for};
use crate::failure::Failure;
use crate::words::{Words, positive};
use crate::{files, process, setup};

mod told;

/// The kernels that everybody knows, measured at every size; of the others two sizes tell enough.
const CLASSICAL: [&str; 4] = ["nbody", "fib", "rho", "snappy"];
const CLASSICAL_MILLISECONDS: [u32; 5] = [1, 10, 100, 1_000, 10_000];
const OTHER_MILLISECONDS: [u32; 2] = [10, 1_000];
/// What `--long` adds to the classical kernels.
const LONG_MILLISECONDS: u32 = 60_000;

/// From this much work on two rounds are enough, and one: what disturbs a run is short against it.
const TWO_ROUNDS_MILLISECONDS: u32 = 1_000;
const ONE_ROUND_MILLISECONDS: u32 = 10_000;
/// An engine that takes so many times as long as native code for this much work, or more, is not asked for larger ones.
const GIVEN_UP_RATIO: u32 = 10;
const GIVEN_UP_FROM_MILLISECONDS: u32 = 100;
/// How much longer than that a run may take for its start, before it is ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// The engine that ratios refer to.
const NATIVE: &str = "native";

/// The options, as given.
#[derive(Debug)]
struct Options {
    engines: Vec<&'static Engine>,
    kernels: Vec<String>,
    milliseconds: Option<Vec<u32>>,
    rounds: usize,
    is_long: bool,
    restart: bool,
    build: bool,
    json: Option<PathBuf>,
    svg: Option<PathBuf>,
}

/// What is measured: an engine on a kernel with an amount of work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Case {
    kernel: String,
    work_milliseconds: u32,
    engine: String,
}

/// One line of the file: a run and how it ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Run {
    #[serde(flatten)]
    case: Case,
    round: usize,
    /// None if it was ended because it took too long.
    nanoseconds: Option<f64>,
    result: Option<String>,
}

/// The first line of the file: what all its runs have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    processor: String,
    /// The commit that was measured.
    commit: String,
}

/// The runs so far, and the file that they are kept in.
#[derive(Debug)]
struct Runs {
    header: Header,
    file: File,
    by_case: BTreeMap<Case, BTreeMap<usize, Run>>,
}

/// Runs the command with the arguments that follow its name.
///
/// # Errors
/// If an argument is wrong, a build fails, the file of the runs cannot be used, or engines computed different results.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let options = Options::parse(arguments)?;
    let kernels = options.kernels()?;
    let programs = Programs::new();
    if options.build {
        setup::provide_for("compare")?;
        programs.build(&options.engines, &kernels.iter().collect::<Vec<_>>())?;
    }
    let path = process::target().join("compare/time-to-solution.jsonl");
    let mut runs = Runs::open(&path, options.restart)?;
    let mut failures = Vec::new();
    for round in 0..options.rounds {
        for kernel in &kernels {
            for work in options.sizes(kernel) {
                if round >= most_rounds(kernel, work) {
                    continue;
                }
                measure(
                    &options,
                    &programs,
                    kernel,
                    work,
                    round,
                    &mut runs,
                    &mut failures,
                )?;
            }
        }
    }
    let told = told::Told::new(&options, &kernels, &runs);
    told.print();
    for failure in &failures {
        println!("{failure}");
    }
    if let Some(to) = &options.json {
        told.write_json(to)?;
    }
    if let Some(to) = &options.svg {
        pictures::write(to, &told.picture())?;
    }
    Ok(())
}

/// One run of every engine that still takes part, unless it was made before.
fn measure(
    options: &Options,
    programs: &Programs,
    kernel: &Kernel,
    work_milliseconds: u32,
    round: usize,
    runs: &mut Runs,
    failures: &mut Vec<String>,
) -> Result<(), Failure> {
    let (n, expected) = run_for(kernel, work_milliseconds)?;
    let calls = KernelCalls::once(kernel, n, work_milliseconds);
    let limit = Duration::from_millis(u64::from(GIVEN_UP_RATIO * work_milliseconds)) + PATIENCE;
    for turn in 0..options.engines.len() {
        // Each round begins with another engine, so that none is always the first after something else.
        let engine = options.engines[(turn + round) % options.engines.len()];
        let case = Case {
            kernel: kernel.name.clone(),
            work_milliseconds,
            engine: engine.name.to_owned(),
        };
        if runs.has(&case, round) || runs.is_given_up(&case) {
            continue;
        }
        eprintln!(
            "round {} of {}: {} for {work_milliseconds} ms on {}",
            round + 1,
            options.rounds,
            kernel.name,
            engine.name
        );
        let (nanoseconds, result) = match programs.solve(engine, &calls, limit) {
            Ok(Solved::InTime { time, result }) => (Some(time.as_nanos() as f64), Some(result)),
            Ok(Solved::TooLate) => (None, None),
            Err(failure) => {
                let what = format!("{} on {}: {failure}", engine.name, kernel.name);
                if !failures.contains(&what) {
                    failures.push(what);
                }
                continue;
            }
        };
        if let (Some(expected), Some(result)) = (&expected, &result)
            && expected != result
        {
            return Err(Failure::Check(format!(
                "{}: {} computed {result}, the known result is {expected}",
                kernel.name, engine.name
            )));
        }
        runs.add(Run {
            case,
            round,
            nanoseconds,
            result,
        })?;
    }
    runs.check_results(&kernel.name, work_milliseconds)
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, Failure> {
        let mut options = Options {
            engines: engines::ENGINES
                .iter()
                .filter(|engine| engine.is_a_runtime_as_it_comes())
                .collect(),
            kernels: Vec::new(),
            milliseconds: None,
            rounds: 3,
            is_long: false,
            restart: false,
            build: true,
            json: None,
            svg: None,
        };
        let mut words = Words::new("compare", arguments);
        while let Some(word) = words.take() {
            match word {
                "--engines" => options.engines = words.list(engines::find)?,
                "--kernels" => options.kernels = words.list(|name| Ok(name.to_owned()))?,
                "--work-ms" => options.milliseconds = Some(words.list(positive)?),
                "--rounds" => options.rounds = words.positive()?,
                "--long" => options.is_long = true,
                "--restart" => options.restart = true,
                "--no-build" => options.build = false,
                "--json" => options.json = Some(words.path()?),
                "--svg" => options.svg = Some(words.path()?),
                other => {
                    return Err(Failure::Usage(format!(
                        "`{other}` does not go with time-to-solution; see `cargo xtask help compare`"
                    )));
                }
            }
        }
        if options.engines.iter().all(|engine| engine.name != NATIVE) {
            options.engines.push(engines::find(NATIVE)?);
        }
        Ok(options)
    }

    /// The kernels that are measured, the classical ones first.
    fn kernels(&self) -> Result<Vec<Kernel>, Failure> {
        let mut kernels = upshift_kernels::all()?;
        let is_known = |name: &String| kernels.iter().any(|kernel| kernel.name == *name);
        if let Some(name) = self.kernels.iter().find(|name| !is_known(name)) {
            return Err(Failure::Usage(format!(
                "`{name}` is no kernel in benches/kernels/kernels.toml"
            )));
        }
        if !self.kernels.is_empty() {
            kernels.retain(|kernel| self.kernels.contains(&kernel.name));
        }
        kernels.sort_by_key(|kernel| !is_classical(&kernel.name));
        Ok(kernels)
    }

    /// How much work a kernel is measured with, in milliseconds of native time.
    fn sizes(&self, kernel: &Kernel) -> Vec<u32> {
        if let Some(milliseconds) = &self.milliseconds {
            return milliseconds.clone();
        }
        let is_classical = is_classical(&kernel.name);
        let usual = if is_classical {
            &CLASSICAL_MILLISECONDS[..]
        } else {
            &OTHER_MILLISECONDS
        };
        let long = (self.is_long && is_classical).then_some(LONG_MILLISECONDS);
        usual.iter().copied().chain(long).collect()
    }
}

/// How many rounds are worth making for so much work.
fn most_rounds(kernel: &Kernel, work_milliseconds: u32) -> usize {
    match work_milliseconds {
        ONE_ROUND_MILLISECONDS.. => 1,
        TWO_ROUNDS_MILLISECONDS.. if is_classical(&kernel.name) => 2,
        TWO_ROUNDS_MILLISECONDS.. => 1,
        _ => usize::MAX,
    }
}

fn is_classical(kernel: &str) -> bool {
    CLASSICAL.contains(&kernel)
}

impl Runs {
    /// Opens the file of the runs, and reads those that are in it.
    fn open(path: &Path, restart: bool) -> Result<Runs, Failure> {
        let header = Header {
            processor: super::processor(),
            commit: process::commit(),
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(files::failed("creating the folder of", path))?;
        }
        let known = match fs::read_to_string(path) {
            Ok(text) if !restart => text,
            _ => String::new(),
        };
        let (of, runs) = parse(&known);
        if of.as_ref().is_some_and(|of| *of != header) {
            return Err(Failure::Usage(format!(
                "{} has runs of another commit or machine; `--restart` throws them away",
                path.display()
            )));
        }
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(of.is_some())
            .truncate(of.is_none())
            .open(path)
            .map_err(files::failed("opening", path))?;
        let mut all = Runs {
            header,
            file,
            by_case: BTreeMap::new(),
        };
        if of.is_none() {
            let header = all.header.clone();
            all.write(&header)?;
        }
        for run in runs {
            all.keep(run);
        }
        Ok(all)
    }

    fn keep(&mut self, run: Run) {
        let of_case = self.by_case.entry(run.case.clone()).or_default();
        of_case.insert(run.round, run);
    }

    fn add(&mut self, run: Run) -> Result<(), Failure> {
        self.write(&run)?;
        self.keep(run);
        Ok(())
    }

    /// Writes a line, whole or not at all as far as the system goes along.
    fn write(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(line)
            .map_err(|error| Failure::Check(format!("a run does not fit into JSON: {error}")))?;
        self.file
            .write_all(format!("{text}\n").as_bytes())
            .map_err(|error| Failure::Check(format!("writing down a run: {error}")))
    }

    fn has(&self, case: &Case, round: usize) -> bool {
        self.by_case
            .get(case)
            .is_some_and(|runs| runs.contains_key(&round))
    }

    /// Whether the engine took too long for this much work, or less.
    fn is_given_up(&self, case: &Case) -> bool {
        self.by_case.values().flat_map(BTreeMap::values).any(|run| {
            let work = run.case.work_milliseconds;
            let allowed = f64::from(GIVEN_UP_RATIO * work) * 1e6;
            run.case.engine == case.engine
                && run.case.kernel == case.kernel
                && match run.nanoseconds {
                    None => work <= case.work_milliseconds,
                    Some(time) => {
                        work < case.work_milliseconds
                            && work >= GIVEN_UP_FROM_MILLISECONDS
                            && time > allowed
                    }
                }
        })
    }

    /// The times of a case, by round; none that was given up.
    fn times(&self, kernel: &str, work_milliseconds: u32, engine: &str) -> BTreeMap<usize, f64> {
        let case = Case {
            kernel: kernel.to_owned(),
            work_milliseconds,
            engine: engine.to_owned(),
        };
        let runs = self.by_case.get(&case).into_iter().flatten();
        runs.filter_map(|(round, run)| Some((*round, run.nanoseconds?)))
            .collect()
    }

    /// # Errors
    /// If engines computed different results.
    fn check_results(&self, kernel: &str, work_milliseconds: u32) -> Result<(), Failure> {
        let of_case =
            |case: &Case| case.kernel == kernel && case.work_milliseconds == work_milliseconds;
        let runs = self.by_case.iter().filter(|(case, _)| of_case(case));
        let mut results = runs.flat_map(|(case, runs)| {
            let results = runs.values().filter_map(|run| run.result.as_ref());
            results.map(|result| (&case.engine, result))
        });
        let Some((first, result)) = results.next() else {
            return Ok(());
        };
        match results.find(|(_, other)| *other != result) {
            None => Ok(()),
            Some((engine, other)) => Err(Failure::Check(format!(
                "{kernel} for {work_milliseconds} ms: {engine} computed {other}, {first}: {result}"
            ))),
        }
    }
}

/// What a file of runs says. A line that was cut off when the comparison was stopped is none.
fn parse(text: &str) -> (Option<Header>, Vec<Run>) {
    let mut lines = text.lines();
    let header = lines
        .next()
        .and_then(|line| serde_json::from_str(line).ok());
    let runs = lines.filter_map(|line| serde_json::from_str(line).ok());
    (header, runs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(engine: &str, work_milliseconds: u32, milliseconds: Option<f64>) -> Run {
        Run {
            case: Case {
                kernel: "fib".to_owned(),
                work_milliseconds,
                engine: engine.to_owned(),
            },
            round: 0,
            nanoseconds: milliseconds.map(|time| time * 1e6),
            result: milliseconds.map(|_| "1".to_owned()),
        }
    }

    fn runs(path: &Path, all: &[Run]) -> Runs {
        let mut runs = Runs::open(path, true).unwrap();
        for run in all {
            runs.add(run.clone()).unwrap();
        }
        runs
    }

    /// A file of its own for each test.
    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("upshift-{}-{name}.jsonl", std::process::id()))
    }

    #[test]
    fn runs_are_found_again_and_a_line_that_was_cut_off_is_not() {
        let path = file("again");
        drop(runs(
            &path,
            &[run("native", 1, Some(1.5)), run("wasmi", 1, None)],
        ));
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"kernel\":\"fi");
        fs::write(&path, text).unwrap();
        let again = Runs::open(&path, false).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(again.has(&run("native", 1, None).case, 0));
        assert!(!again.has(&run("native", 1, None).case, 1));
        assert_eq!(
            again.times("fib", 1, "native"),
            BTreeMap::from([(0, 1.5e6)])
        );
        assert_eq!(again.times("fib", 1, "wasmi"), BTreeMap::new());
    }

    #[test]
    fn slow_engines_are_given_up_for_larger_work_and_starting_slowly_is_no_reason() {
        let path = file("slow");
        let runs = runs(
            &path,
            &[
                run("llvm", 10, Some(300.0)),
                run("wasmi", 100, Some(1001.0)),
                run("stuck", 1, None),
            ],
        );
        fs::remove_file(&path).unwrap();
        let is_given_up = |engine, work| runs.is_given_up(&run(engine, work, None).case);
        assert!(!is_given_up("llvm", 100));
        assert!(!is_given_up("wasmi", 100) && is_given_up("wasmi", 1000));
        assert!(is_given_up("stuck", 1) && is_given_up("stuck", 10));
        assert!(!is_given_up("native", 1000));
    }

    #[test]
    fn engines_that_disagree_are_found() {
        let path = file("disagree");
        let mut other = run("wasmi", 1, Some(1.0));
        other.result = Some("2".to_owned());
        let runs = runs(&path, &[run("native", 1, Some(1.0)), other]);
        fs::remove_file(&path).unwrap();
        let error = runs.check_results("fib", 1).unwrap_err().to_string();
        assert!(error.contains("wasmi computed 2, native: 1"), "{error}");
        assert!(runs.check_results("fib", 10).is_ok());
    }
}
