//! `cargo xtask shapes`: what hostile modules cost in each tier. The modules are made in `tests/src/shapes.rs`; here each is
//! compiled and called once in a process of its own, whose time and memory are measured.

mod search;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;
use crate::real_programs::child::{self, Finished};
use crate::real_programs::programs::Input;
use crate::{files, process};
use search::Search;

pub const DETAILS: &str = "\
Writes valid modules that stress one thing each (nesting, tables, wide labels, locals, one long block), and prints a table of
the processor time, the peak memory and the result of a process that compiles and calls each of them, tier by tier. NAME is
a shape, as the table names them; all without any.

Options:
  --mode A,B        only these: single-pass, cranelift, middle, llvm, auto. `middle` compiles and prints the code, without
                    running it
  --timeout-s N     how long one process may take (60)
  --search MINUTES  random hostile modules and large ones of wasm-smith instead, until the time is up: tables of those that
                    cost most in seconds, in seconds for their size, in memory for their size. Ends with status 1 if one
                    is not done in time, or ends a process
  --seed N          with --search: the first module (0); `write-shapes FOLDER --random N 1` writes it
  --no-build        takes the programs as they are";

/// A way to have a module compiled.
#[derive(Clone, Copy)]
struct Mode {
    name: &'static str,
    /// The arguments of `upshift run`, of which `{}` is the module.
    arguments: &'static [&'static str],
    /// Whether what it prints is the function's result.
    calls: bool,
}

const INVOKE: [&str; 3] = ["--invoke", "f", "1"];

const MODES: &[Mode] = &[
    Mode {
        name: "single-pass",
        arguments: &["--tier", "baseline"],
        calls: true,
    },
    Mode {
        name: "cranelift",
        arguments: &["--tier", "baseline", "--set", "baseline.compiler=cranelift"],
        calls: true,
    },
    Mode {
        name: "middle",
        arguments: &["--emit", "asm", "f", "--emit-tier", "middle"],
        calls: false,
    },
    Mode {
        name: "llvm",
        arguments: &["--tier", "llvm"],
        calls: true,
    },
    Mode {
        name: "auto",
        arguments: &[],
        calls: true,
    },
];

struct Options {
    modes: Vec<Mode>,
    limit: Duration,
    build: bool,
    names: Vec<String>,
    /// How long random modules are tried, if they are.
    search: Option<Duration>,
    /// The first random module.
    seed: u64,
}

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let options = parse(arguments)?;
    if options.build {
        build()?;
    }
    let programs = process::target().join("release");
    if let Some(time) = options.search {
        let (first, limit) = (options.seed, options.limit);
        return Search { first, time, limit }.run(&programs);
    }
    let folder = process::target().join("shapes");
    files::make_folder(&folder)?;
    let mut write = Command::new(programs.join("write-shapes"));
    process::run(write.arg(&folder).args(&options.names))?;
    let modules = modules(&folder, &options.names)?;
    print_head(&options.modes);
    for module in modules {
        print_row(&programs.join("upshift"), &module, &options)?;
    }
    Ok(())
}

fn build() -> Result<(), Failure> {
    let mut build = process::cargo();
    build.args(["build", "--release"]);
    for (package, bin) in [
        ("upshift-cli", "upshift"),
        ("upshift-tests", "write-shapes"),
    ] {
        build.args(["--package", package, "--bin", bin]);
    }
    process::run(&mut build)
}

fn parse(arguments: &[String]) -> Result<Options, Failure> {
    let mut options = Options {
        modes: MODES.to_vec(),
        limit: Duration::from_secs(60),
        build: true,
        names: Vec::new(),
        search: None,
        seed: 0,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let missing = || Failure::Usage(format!("`{argument}` wants a value"));
            arguments.next().ok_or_else(missing)
        };
        match argument.as_str() {
            "--mode" => options.modes = modes(value()?)?,
            "--timeout-s" => options.limit = Duration::from_secs(number(value()?)?),
            "--search" => {
                options.search = Some(Duration::from_secs(number(value()?)?.saturating_mul(60)));
            }
            "--seed" => options.seed = number(value()?)?,
            "--no-build" => options.build = false,
            name if name.starts_with('-') => {
                return Err(Failure::Usage(format!("there is no option `{name}`")));
            }
            name => options.names.push(name.to_owned()),
        }
    }
    Ok(options)
}

fn number(text: &str) -> Result<u64, Failure> {
    let parsed = text.parse();
    parsed.map_err(|_| Failure::Usage(format!("`{text}` is no number")))
}

fn modes(names: &str) -> Result<Vec<Mode>, Failure> {
    let find = |name: &str| {
        let found = MODES.iter().find(|mode| mode.name == name);
        found
            .copied()
            .ok_or_else(|| Failure::Usage(format!("there is no mode `{name}`")))
    };
    names.split(',').map(find).collect()
}

/// The modules that were asked for, or all that there are.
fn modules(folder: &Path, names: &[String]) -> Result<Vec<PathBuf>, Failure> {
    if !names.is_empty() {
        let file = |name: &String| folder.join(name).with_extension("wasm");
        return Ok(names.iter().map(file).collect());
    }
    let failed = files::failed("reading", folder);
    let mut modules = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(&failed)? {
        modules.push(entry.map_err(&failed)?.path());
    }
    modules.retain(|path| path.extension().is_some_and(|end| end == "wasm"));
    modules.sort();
    Ok(modules)
}

fn print_head(modes: &[Mode]) {
    let names: String = modes
        .iter()
        .map(|mode| format!(" {} |", mode.name))
        .collect();
    println!("| shape | KB |{names} results |");
    println!("|---|--:|{}---|", "--:|".repeat(modes.len()));
}

/// Seconds and megabytes in each mode, and what the function returned.
fn print_row(upshift: &Path, module: &Path, options: &Options) -> Result<(), Failure> {
    let bytes = files::read(module)?.len();
    let name = module.file_stem().unwrap_or_default().to_string_lossy();
    let (mut row, mut results) = (String::new(), Vec::new());
    for mode in &options.modes {
        // Text of a function is made whatever its length, code is not.
        if mode.name == "middle" && module.with_extension("large").exists() {
            row += " refused |";
            continue;
        }
        let mut command = Command::new(upshift);
        command.arg("run").arg(module).args(mode.arguments);
        if mode.calls {
            command.args(INVOKE);
        }
        let finished = child::run(&mut command, &Input::Nothing, false, options.limit)?;
        row += &cell(&finished);
        if mode.calls {
            results.push(result(&finished));
        }
    }
    results.dedup();
    let kilobytes = bytes as f64 / 1e3;
    println!("| {name} | {kilobytes:.1} |{row} {} |", results.join(", "));
    Ok(())
}

fn cell(finished: &Finished) -> String {
    let seconds = finished.cost.processor.as_secs_f64();
    let megabytes = finished.cost.peak_memory as f64 / 1e6;
    let over = if finished.timed_out { "> " } else { "" };
    format!(" {over}{seconds:.2} s, {megabytes:.0} MB |")
}

/// The last line of what it wrote.
fn result(finished: &Finished) -> String {
    if finished.timed_out {
        return "timeout".to_owned();
    }
    let wrote = if finished.status.success() {
        &finished.output
    } else {
        &finished.errors
    };
    let text = String::from_utf8_lossy(wrote);
    text.lines().last().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_among_names() {
        let words = ["--mode", "llvm,auto", "switch", "--no-build"].map(str::to_owned);
        let options = parse(&words).unwrap_or_else(|failure| panic!("{failure}"));
        let modes: Vec<_> = options.modes.iter().map(|mode| mode.name).collect();
        assert_eq!(modes, ["llvm", "auto"]);
        assert_eq!(
            (options.build, options.names),
            (false, vec!["switch".to_owned()])
        );
        let words = ["--search", "2", "--seed", "9"].map(str::to_owned);
        let options = parse(&words).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(options.search, Some(Duration::from_secs(120)));
        assert_eq!(options.seed, 9);
        for wrong in [vec!["--mode", "fast"], vec!["--timeout-s"], vec!["--slow"]] {
            let wrong: Vec<_> = wrong.into_iter().map(str::to_owned).collect();
            assert!(matches!(parse(&wrong), Err(Failure::Usage(_))));
        }
    }
}
