//! The `upshift` command as a library: its options, its subcommands, and the runner of spec
//! scripts ([`wast`]), which tests use as well.
//!
//! ```
//! use clap::Parser;
//! use upshift_cli::{Cli, Status, execute};
//!
//! let cli = Cli::try_parse_from(["upshift", "run", "no-such-file.wasm"]).unwrap();
//! let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
//! assert_eq!(execute(&cli, &mut stdout, &mut stderr), Status::Failed);
//! assert!(String::from_utf8(stderr).unwrap().starts_with("error: cannot read no-such-file.wasm"));
//! ```

mod bench;
mod completions;
mod deadline;
mod emit;
mod error;
mod exports;
mod floats;
mod inspect;
mod limits;
mod machine;
mod manual;
mod options;
mod perf;
mod phases;
mod picture;
mod profile;
mod program;
mod report;
mod run;
mod scripts;
mod stack;
mod statistics;
mod summary;
mod timeline;
mod tune;
mod tuning;
mod values;
mod wasi;
pub mod wast;

use std::io::{self, Write};

use upshift_module::PrintableLines;

pub use bench::Bench;
pub use completions::Completions;
pub use error::{CliError, Result};
pub use limits::{Limits, SizeLimit, TimeLimit};
pub use manual::Manual;
pub use options::{
    Cli, Command, Inspect, ModuleOptions, Proposals, Run, Scripts, TierChoice, Watching,
};
pub use perf::Perf;
pub use profile::{Check, Profile, ProfileCommand, Show};
pub use timeline::TierLog;
pub use tune::Tune;
pub use tuning::Tuning;
pub use wasi::Given;

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All went well.
    Success,
    /// A mistake of the user, a module that can't be run, or an assertion that does not hold.
    Failed,
    /// The program trapped, or was stopped at a limit.
    Trapped,
    /// The program ended with this status of its own.
    Exited(u8),
}

impl Status {
    /// The exit status of the process. A trap has the one that shells show for `SIGABRT`.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Trapped => 134,
            Self::Exited(status) => status,
        }
    }
}

/// Carries the command line out. Results go to `stdout`; errors are told on `stderr`.
///
/// Output that nobody reads any more (a closed pipe) ends the command early, without a message.
pub fn execute(cli: &Cli, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Status {
    let done = match &cli.command {
        Command::Run(options) => run::run(options, stdout, stderr),
        Command::Inspect(options) => inspect::inspect(options, stdout).map(|()| Status::Success),
        Command::Bench(options) => bench::bench(options, stdout).map(|()| Status::Success),
        Command::Tune(options) => tune::tune(options, stdout).map(|()| Status::Success),
        Command::Profile(options) => profile::profile(options, stdout, stderr),
        Command::Wast(options) => scripts::run(options, stdout),
        Command::Completions(options) => {
            completions::completions(options, stdout).map(|()| Status::Success)
        }
        Command::Man(options) => manual::manual(options, stdout).map(|()| Status::Success),
    };
    let done = done.and_then(|status| {
        stdout.flush()?;
        Ok(status)
    });
    match done {
        Ok(status) => status,
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Status::Success
        }
        Err(error) => {
            // There is nowhere left to tell that stderr is closed.
            // Quoted texts may hold anything.
            let text = error.to_string();
            let _ =
                writeln!(stderr, "error: {}", PrintableLines(&text)).and_then(|()| stderr.flush());
            error.status()
        }
    }
}
