//! `cargo xtask fuzz --host`: an embedder that does all at once what embedders may do.

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use upshift_tests::host::worker::{self, Until, Work};
use upshift_tests::host::{Provoke, supervisor};

/// Runs threads, coroutines, nested calls, forks, interruptions, blocked and stray signals, small stacks, late libraries
/// and modules that go away, all at once and in every mode, and compares results.
///
/// Ends with status 1 at the first crash, wrong result, lost interruption, act that does not end, or growth, and says
/// what all threads were at.
#[derive(Parser)]
#[command(name = "cargo xtask fuzz --host")]
struct Arguments {
    /// For how long.
    #[arg(value_name = "SECONDS", default_value_t = 1800)]
    seconds: u64,
    /// The seed of the first round. Which thread comes first is not the seed's.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// So many rounds instead, however long they take.
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// Acts of each thread in a round.
    #[arg(long, value_name = "N", default_value_t = 60)]
    acts: u64,
    /// A process in which something is wrong waits for a debugger.
    #[arg(long)]
    stay: bool,
    /// Something goes wrong on purpose.
    #[arg(long, hide = true, value_parser = parse_provoke)]
    provoke: Option<Provoke>,
    /// Seconds after which an act hangs.
    #[arg(long, hide = true)]
    patience: Option<u64>,
    /// Where a worker writes down what it is at: this is one.
    #[arg(long, hide = true)]
    worker: Option<PathBuf>,
}

fn parse_provoke(name: &str) -> Result<Provoke, String> {
    let found = Provoke::ALL.into_iter().find(|(known, _)| *known == name);
    let found = found.map(|(_, provoke)| provoke);
    found.ok_or_else(|| format!("nothing is called `{name}`"))
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let Some(journal) = arguments.worker else {
        return supervise(&arguments);
    };
    let until = match arguments.rounds {
        Some(rounds) => Until::Rounds(rounds),
        None => Until::Time(Duration::from_secs(arguments.seconds)),
    };
    worker::run(&Work {
        seed: arguments.seed,
        until,
        acts: arguments.acts,
        journal,
        stays: arguments.stay,
        provoke: arguments.provoke,
    })
}

/// Runs this program again as a worker.
fn supervise(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let journal = folder.path().join("journal");
    let mut worker = Command::new(std::env::current_exe()?);
    worker.args(std::env::args_os().skip(1));
    worker.arg("--worker").arg(&journal);
    let patience = arguments.patience.map(Duration::from_secs);
    Ok(supervisor::watch(&mut worker, &journal, patience)?)
}
