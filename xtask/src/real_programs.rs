//! `cargo xtask real-programs`: programs that were not written for Upshift, in every mode of it.
//!
//! Here are the command line and the order of things. What is run is in `real_programs/programs.rs`, where it comes from
//! in `real_programs/build.rs`, what runs it in `real_programs/engines.rs`, how a process is followed in
//! `real_programs/child.rs`, and what is measured in rounds in `real_programs/compare.rs`.

use std::time::Duration;

use self::child::Finished;
use self::engines::{Engine, Profile};
use self::programs::{Built, Program, Run};
use crate::failure::Failure;
use crate::files;
use crate::words::Words;

mod build;
pub mod child;
mod compare;
mod engines;
pub mod programs;

pub const DETAILS: &str = "\
Fetches and builds real programs for WASI, runs each in every mode of Upshift, and compares what it prints with what
native code or V8 printed. With --compare it measures instead: Upshift beside others, in rounds, in whole processes
without any cache of compiled code.

PROGRAM is a program (hello, sqlite, lua, python, yosys, clang) or one run of it, such as python.start. `--list` prints them
all. Without any, all are run; and then the last three by LLVM alone, which takes minutes to hours, only if --engines names
it. python.long, 20 seconds of pure Python, is run with --compare or by its name only; clang.deep, for which other engines'
stacks are too small, is not run with --compare.

Options:
  --engines A,B     only these: modes of Upshift, or others
  --list            prints programs, runs and engines
  --compare         measures; without --engines, Upshift, wasmtime, wasmi and node
                    (wasmer-llvm by name only: building it takes a quarter of an hour)
  --rounds N        rounds of --compare (5)
  --reference A     the engine that the ratios of --compare refer to (wasmtime-cranelift)
  --timeout-s N     how long one run may take (600)
  --dev             with Upshift as the tests build it, not optimized
  --no-build        takes the engines as they are";

/// The options, as given.
struct Options {
    engines: Vec<&'static Engine>,
    /// Whether nobody named engines.
    engines_are_usual: bool,
    compare: bool,
    rounds: usize,
    reference: &'static Engine,
    limit: Duration,
    profile: Profile,
    build: bool,
    chosen: Vec<Chosen>,
}

/// A program, and which of its runs.
struct Chosen {
    program: &'static Program,
    runs: Vec<&'static Run>,
}

/// Runs the command with the arguments that follow `real-programs`.
///
/// # Errors
/// If an argument is wrong, a build fails, or a program did something else than it should.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if arguments.iter().any(|argument| argument == "--list") {
        list();
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    let modules: Vec<Built> = options
        .chosen
        .iter()
        .map(|chosen| chosen.program.built())
        .collect::<Result<_, _>>()?;
    if options.build {
        engines::build(&options.engines, options.profile)?;
    }
    if options.compare {
        compare::run(&options, &modules)
    } else {
        check(&options, &modules)
    }
}

/// What has to hold before a change lands: SQLite, in the modes that start soon, and a line printed in those that compile
/// everything by LLVM first, which takes minutes for SQLite; by the same build as the tests.
///
/// # Errors
/// If fetching or building fails, or a program does something else than it should.
pub fn run_for_tests() -> Result<(), Failure> {
    let soon = "upshift-baseline,upshift-auto,upshift-auto-soon";
    let hello = run(&["--dev", "hello"].map(str::to_owned));
    let sqlite = run(&["--dev", "--engines", soon, "sqlite"].map(str::to_owned));
    hello.and(sqlite)
}

fn list() {
    println!("programs and their runs:");
    for program in programs::PROGRAMS {
        let runs: Vec<&str> = program.runs.iter().map(|run| run.name).collect();
        println!(
            "  {:22} {}: {}",
            program.name,
            program.about,
            runs.join(", ")
        );
    }
    println!("engines:");
    for engine in engines::ENGINES {
        println!("  {:22} {}", engine.name, engine.about);
    }
}

/// Runs everything once, and says how it went.
fn check(options: &Options, modules: &[Built]) -> Result<(), Failure> {
    println!(
        "{:<16} {:<22} {:>9} {:>9} {:>9}  result",
        "run", "engine", "wall", "processor", "memory"
    );
    let (mut count, mut wrong) = (0, Vec::new());
    for (chosen, module) in options.chosen.iter().zip(modules) {
        for run in &chosen.runs {
            for engine in &options.engines {
                if options.engines_are_usual && !engines::is_usual(engine, chosen.program) {
                    continue;
                }
                count += 1;
                let finished = once(options, chosen.program, run, engine, module)?;
                let verdict = judge(chosen.program, run, &finished)?;
                println!(
                    "{:<16} {:<22} {:>7.2} s {:>7.2} s {:>6.0} MB  {}",
                    format!("{}.{}", chosen.program.name, run.name),
                    engine.name,
                    finished.cost.wall.as_secs_f64(),
                    finished.cost.processor.as_secs_f64(),
                    finished.cost.peak_memory as f64 / 1e6,
                    verdict.as_deref().unwrap_or("as expected"),
                );
                if verdict.is_some() {
                    wrong.push(format!(
                        "{}.{} on {}",
                        chosen.program.name, run.name, engine.name
                    ));
                }
            }
        }
    }
    if wrong.is_empty() {
        println!("all {count} runs were as expected");
        return Ok(());
    }
    Err(Failure::Check(format!(
        "{} of {count} runs were not as expected: {}",
        wrong.len(),
        wrong.join(", ")
    )))
}

/// Runs a program once, with an empty folder for its data.
fn once(
    options: &Options,
    program: &Program,
    run: &Run,
    engine: &Engine,
    module: &Built,
) -> Result<Finished, Failure> {
    let data = build::folder()?.join(format!("data-{}", std::process::id()));
    if data.exists() {
        std::fs::remove_dir_all(&data).map_err(files::failed("emptying", &data))?;
    }
    std::fs::create_dir(&data).map_err(files::failed("creating", &data))?;
    let mut command = engine.command(module, run, &data, options.profile);
    let finished = child::run(&mut command, &run.input, run.lingers, options.limit)?;
    std::fs::remove_dir_all(&data).map_err(files::failed("removing", &data))?;
    if finished.timed_out {
        return Err(Failure::Check(format!(
            "{}.{} on {} took longer than {} s, which --timeout-s sets",
            program.name,
            run.name,
            engine.name,
            options.limit.as_secs()
        )));
    }
    Ok(finished)
}

/// What is wrong with a run, if something is.
fn judge(program: &Program, run: &Run, finished: &Finished) -> Result<Option<String>, Failure> {
    let (output, errors) = (
        String::from_utf8_lossy(&finished.output),
        String::from_utf8_lossy(&finished.errors),
    );
    if finished.status.code() != Some(run.status) {
        return Ok(Some(format!(
            "WRONG: {} instead of status {}; its last words:\n{}",
            finished.status,
            run.status,
            last_lines(&errors)
        )));
    }
    let expected = program.expected(run)?;
    if let Some(difference) = difference(&String::from_utf8_lossy(&expected), &output) {
        return Ok(Some(format!("WRONG output, {difference}")));
    }
    Ok(difference(run.errors, &errors)
        .map(|difference| format!("WRONG on the standard error, {difference}")))
}

/// The first line that differs.
fn difference(expected: &str, actual: &str) -> Option<String> {
    if expected == actual {
        return None;
    }
    let (mut wanted, mut had) = (expected.lines(), actual.lines());
    for line in 1.. {
        match (wanted.next(), had.next()) {
            (None, None) => break,
            (wanted, had) if wanted == had => {}
            (wanted, had) => {
                let text = |line: Option<&str>| {
                    line.map_or("the end".to_owned(), |line| format!("`{line}`"))
                };
                return Some(format!(
                    "line {line}: {} instead of {}",
                    text(had),
                    text(wanted)
                ));
            }
        }
    }
    Some("the ends of lines differ".to_owned())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, Failure> {
        let mut options = Options {
            engines: Vec::new(),
            engines_are_usual: false,
            compare: false,
            rounds: 5,
            reference: engines::find("wasmtime-cranelift")?,
            limit: Duration::from_secs(600),
            profile: Profile::Release,
            build: true,
            chosen: Vec::new(),
        };
        let mut names = Vec::new();
        let mut words = Words::new("real-programs", arguments);
        while let Some(word) = words.take() {
            match word {
                "--engines" => options.engines = words.list(engines::find)?,
                "--compare" => options.compare = true,
                "--rounds" => options.rounds = words.positive()?,
                "--reference" => options.reference = engines::find(words.value()?)?,
                "--timeout-s" => options.limit = Duration::from_secs(words.positive()?),
                "--dev" => options.profile = Profile::Dev,
                "--no-build" => options.build = false,
                option if option.starts_with('-') => return Err(words.unknown()),
                name => names.push(name),
            }
        }
        if names.is_empty() {
            names = programs::PROGRAMS
                .iter()
                .map(|program| program.name)
                .collect();
        }
        // Only now, since `--compare` may stand behind the names.
        let chosen = names
            .iter()
            .map(|name| Chosen::parse(name, options.compare));
        options.chosen = chosen.collect::<Result<_, _>>()?;
        if options.engines.is_empty() {
            options.engines_are_usual = true;
            options.engines = if options.compare {
                let names = engines::COMPARED.iter();
                names
                    .map(|name| engines::find(name))
                    .collect::<Result<_, _>>()?
            } else {
                engines::ENGINES
                    .iter()
                    .filter(|engine| engine.is_ours())
                    .collect()
            };
        }
        Ok(options)
    }
}

impl Chosen {
    /// `PROGRAM` or `PROGRAM.RUN`; whether it is to be compared on, which says which runs are meant if the name says none.
    fn parse(name: &str, compare: bool) -> Result<Chosen, Failure> {
        let (program, run) = match name.split_once('.') {
            Some((program, run)) => (program, Some(run)),
            None => (name, None),
        };
        let program = programs::find(program)?;
        let wanted = |known: &&Run| match run {
            Some(run) => run == known.name,
            None if compare => !known.is_deep,
            None => !known.is_long,
        };
        let runs: Vec<&Run> = program.runs.iter().filter(wanted).collect();
        if runs.is_empty() {
            let names: Vec<&str> = program.runs.iter().map(|run| run.name).collect();
            return Err(Failure::Usage(format!(
                "{} has no run `{name}`; it has: {}",
                program.name,
                names.join(", ")
            )));
        }
        Ok(Chosen { program, runs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, Failure> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn programs_and_single_runs_can_be_chosen() {
        let options = parse("lua python.start").unwrap();
        assert_eq!(options.chosen.len(), 2);
        assert!(options.chosen[0].runs.len() > 1);
        assert_eq!(options.chosen[1].runs.len(), 1);
        assert_eq!(parse("").unwrap().chosen.len(), programs::PROGRAMS.len());
    }

    #[test]
    fn what_takes_long_is_for_comparisons_or_by_name() {
        let runs_long = |text: &str| {
            let chosen = parse(text).unwrap().chosen;
            chosen
                .iter()
                .flat_map(|chosen| &chosen.runs)
                .any(|run| run.is_long)
        };
        assert!(!runs_long(""));
        assert!(!runs_long("python lua"));
        assert!(runs_long("python.long"));
        assert!(runs_long("python --compare"));
        assert!(runs_long("--compare"));
    }

    #[test]
    fn what_others_have_no_stack_for_is_compared_on_by_name_only() {
        let runs_deep = |text: &str| {
            let chosen = parse(text).unwrap().chosen;
            chosen
                .iter()
                .flat_map(|chosen| &chosen.runs)
                .any(|run| run.is_deep)
        };
        assert!(runs_deep("clang"));
        assert!(!runs_deep("clang --compare"));
        assert!(runs_deep("clang.deep --compare"));
    }

    #[test]
    fn what_does_not_exist_is_a_user_error_that_lists_what_does() {
        for (text, known) in [
            ("python.begin", "start"),
            ("pearl", "python"),
            ("--engines v9", "upshift-auto"),
            ("--fast", "help"),
            ("--rounds 0", "positive"),
        ] {
            let Err(failure) = parse(text) else {
                panic!("{text} was taken")
            };
            assert!(failure.to_string().contains(known), "{failure}");
        }
    }

    #[test]
    fn by_default_the_modes_of_upshift_are_checked_and_others_are_compared_with() {
        assert!(
            parse("")
                .unwrap()
                .engines
                .iter()
                .all(|engine| engine.is_ours())
        );
        let compared = parse("--compare").unwrap().engines;
        assert!(compared.iter().any(|engine| !engine.is_ours()));
    }

    #[test]
    fn the_first_line_that_differs_is_shown() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        let text = difference("a\nb\n", "a\nc\n").unwrap();
        assert!(text.contains("line 2: `c` instead of `b`"), "{text}");
        let text = difference("a\nb\n", "a\n").unwrap();
        assert!(text.contains("the end instead of `b`"), "{text}");
        assert!(difference("a\n", "a").is_some());
    }
}
