//! `cargo xtask fuzz`: generated modules on Upshift and on wasmi, compared.

use std::error::Error;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use upshift_tests::differential::campaign::{self, Campaign};
use upshift_tests::differential::{
    Comparison, Counts, Difference, Event, Generator, MODES, Mode, Turns, with_large_stack,
};

/// Generates WebAssembly modules, runs each on wasmi and on Upshift in all of its modes, and compares results, traps,
/// globals, memories and tables.
///
/// Goes on where it was stopped: the state, and modules on which engines differ, are in target/differential. Ends with
/// status 1 at the first difference, crash, or module that does not end.
#[derive(Parser)]
#[command(name = "cargo xtask fuzz --")]
struct Arguments {
    /// How many seeds to run in all, those of earlier runs included.
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    count: u64,
    /// Run one seed only, print every step, and write its module as .wasm.
    #[arg(long, value_name = "N", conflicts_with_all = ["count", "restart", "jobs"])]
    seed: Option<u64>,
    /// Run a module of yours instead, in the binary or text format; `--seed` chooses the arguments of its functions.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["count", "restart", "jobs"])]
    file: Option<PathBuf>,
    /// Only these modes, with commas between; what was run in others is not forgotten.
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = parse_mode)]
    modes: Vec<Mode>,
    /// Modules of loops over arrays, as compilers write them, instead of any; they are counted on their own.
    #[arg(long, group = "generator")]
    loops: bool,
    /// Modules of loops over integers of 8, 16 and 32 bits: products, shifts, clamping, averages, narrowing stores. Each
    /// runs in `llvm` and one more mode, drawn by the seed, unless `--modes` says which; they are counted on their own.
    #[arg(long, group = "generator")]
    narrow: bool,
    /// The same with loops over vectors.
    #[arg(long, group = "generator")]
    vectors: bool,
    /// The same with arithmetic over floats; each function asks whether the NaNs that it makes are quiet, and traps if not.
    #[arg(long, group = "generator")]
    quiet: bool,
    /// The last three by turns.
    #[arg(long, group = "generator")]
    numbers: bool,
    /// Processes at a time; by default as many as there are processors.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Begin with the first seed, whatever was run before.
    #[arg(long)]
    restart: bool,
    /// Modes take turns.
    #[arg(long, hide = true)]
    take_turns: bool,
    /// What one of the processes runs.
    #[arg(long, hide = true, value_parser = parse_range)]
    worker: Option<Range<u64>>,
}

impl Arguments {
    fn generator(&self) -> Generator {
        let chosen = [
            (self.loops, Generator::Loops),
            (self.narrow, Generator::Narrow),
            (self.vectors, Generator::Vectors),
            (self.quiet, Generator::Quiet),
            (self.numbers, Generator::Numbers),
        ];
        let chosen = chosen.into_iter().find(|(is_chosen, _)| *is_chosen);
        chosen.map_or(Generator::Any, |(_, generator)| generator)
    }
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let parse = || {
        let (start, end) = text.split_once("..")?;
        Some(start.parse().ok()?..end.parse().ok()?)
    };
    parse().ok_or_else(|| format!("`{text}` is not a range like 0..100"))
}

fn parse_mode(name: &str) -> Result<Mode, String> {
    let found = MODES.iter().find(|mode| mode.name == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = MODES.iter().map(|mode| mode.name).collect();
        format!("there is no mode `{name}`, only {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    let folder = campaign::default_folder();
    let generator = arguments.generator();
    let folder = folder.join(generator.name());
    let folder = match &*arguments.modes {
        [] => folder,
        some => {
            let names: Vec<&str> = some.iter().map(|mode| mode.name).collect();
            folder.join(names.join("-"))
        }
    };
    if arguments.modes.is_empty() {
        arguments.take_turns = generator.is_quick();
        arguments.modes = MODES.to_vec();
    }
    let turns = if arguments.take_turns {
        Turns::Drawn
    } else {
        Turns::All
    };
    let modes = &arguments.modes;
    let done = if let Some(seeds) = arguments.worker.clone() {
        with_large_stack(|| campaign::run_worker(generator, seeds, modes, turns))
            .unwrap_or_else(|error| Err(error.into()))
    } else if let Some(path) = &arguments.file {
        let seed = arguments.seed.unwrap_or(0);
        with_large_stack(|| show_file(path, seed, modes)).unwrap_or_else(|error| Err(error.into()))
    } else if let Some(seed) = arguments.seed {
        with_large_stack(|| show(generator, seed, modes, &folder))
            .unwrap_or_else(|error| Err(error.into()))
    } else {
        run(&arguments, generator, turns, folder)
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all seeds agreed.
fn run(
    arguments: &Arguments,
    generator: Generator,
    turns: Turns,
    folder: PathBuf,
) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let campaign = Campaign {
        count: arguments.count,
        generator,
        modes: arguments.modes.clone(),
        turns,
        jobs: arguments.jobs.unwrap_or_else(processors),
        restart: arguments.restart,
        folder,
        program: std::env::current_exe()?,
    };
    let (counts, time) = campaign.run()?;
    print!("{counts}");
    let modes: Vec<&str> = arguments.modes.iter().map(|mode| mode.name).collect();
    println!(
        "no difference between wasmi and the modes {}; {:.0} seconds",
        modes.join(", "),
        time.as_secs_f64()
    );
    counts.check()?;
    Ok(true)
}

/// Runs one seed and prints everything. Whether all engines agreed.
fn show(
    generator: Generator,
    seed: u64,
    modes: &[Mode],
    folder: &Path,
) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let comparison = Comparison::new(modes, Turns::All)?;
    let mut written = Ok(());
    let result = comparison.seed(generator, seed, &mut |event| {
        if let Event::Generated(module) = event {
            let path = campaign::write_module(folder, seed, &module.wasm);
            written = path.map(|path| println!("the module is {}", path.display()));
        }
        print_event(&event);
    });
    written?;
    Ok(print_result(result))
}

/// Runs a module from a file and prints everything. Whether all engines agreed.
fn show_file(path: &Path, seed: u64, modes: &[Mode]) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let wasm = wat::parse_file(path)?;
    let comparison = Comparison::new(modes, Turns::All)?;
    let result = comparison.module(seed, &wasm, &mut |event| print_event(&event));
    Ok(print_result(result))
}

fn print_event(event: &Event<'_>) {
    match event {
        Event::Generated(module) => {
            println!("{} bytes of wasm: {}", module.wasm.len(), module.about)
        }
        Event::Again(difference) => {
            println!("{difference}\nonce more, written down in another way for wasmi:");
        }
        Event::Agreed(place, outcomes) => println!("{place}\n  {}", outcomes[0]),
    }
}

fn print_result(result: Result<Counts, Box<Difference>>) -> bool {
    match &result {
        Ok(counts) => print!("{counts}"),
        Err(difference) => println!("{difference}"),
    }
    result.is_ok()
}
