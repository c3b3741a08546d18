//! Watches a worker: a crash, a failure or an act that does not end is told with what all threads were at.

use std::fmt::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use super::journal::Journal;
use super::worker::PATIENCE;

/// How often to look at the worker.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StressError {
    /// The worker can't be started or listened to.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A crash, a failed check, or growth.
    #[error("the worker ended with {how}; its threads were at:\n{threads}")]
    Failed {
        /// A status or signal.
        how: String,
        /// A line each.
        threads: String,
    },
    /// An act does not end.
    #[error("an act has not ended for {seconds} seconds; the threads are at:\n{threads}")]
    Hangs {
        /// For how long at least.
        seconds: u64,
        /// A line each.
        threads: String,
    },
}

fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StressError {
    let what = what.into();
    move |source| StressError::System { what, source }
}

/// Starts a worker that writes to this journal, and waits for its end.
///
/// # Errors
/// What it found, or when the system does not play along.
pub fn watch(
    worker: &mut Command,
    journal: &Path,
    patience: Option<Duration>,
) -> Result<(), StressError> {
    let patience = patience.unwrap_or(PATIENCE + PATIENCE / 2);
    match std::fs::remove_file(journal) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(system("cannot remove the last journal")(error));
        }
        _ => {}
    }
    let name = journal.display();
    let journal = Journal::open(journal).map_err(system(format!("cannot make {name}")))?;
    // A group of its own: children of its forks end with it.
    let mut process = worker
        .process_group(0)
        .spawn()
        .map_err(system("cannot start a worker"))?;
    loop {
        let status = process.try_wait();
        if let Some(status) = status.map_err(system("cannot wait for a worker"))? {
            if status.success() {
                return Ok(());
            }
            let threads = report(&journal);
            end(&mut process);
            return Err(StressError::Failed {
                how: told(status),
                threads,
            });
        }
        if hangs(&journal, patience) {
            let threads = report(&journal);
            end(&mut process);
            return Err(StressError::Hangs {
                seconds: patience.as_secs(),
                threads,
            });
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Ends what is left of a worker and of its children.
fn end(process: &mut Child) {
    if let Ok(group) = libc::pid_t::try_from(process.id()) {
        // SAFETY: no preconditions. The group is the worker's.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
    // It is gone already, or is now.
    let _ = process.wait();
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => format!("{status}"),
    }
}

fn hangs(journal: &Journal, patience: Duration) -> bool {
    let mut acts = journal.acts().into_iter();
    acts.any(|entry| {
        let time = entry.for_milliseconds.map(Duration::from_millis);
        time.is_some_and(|time| time > patience)
    })
}

/// What all threads are at, a line each.
fn report(journal: &Journal) -> String {
    let mut text = String::new();
    for entry in journal.entries() {
        let Some(time) = entry.for_milliseconds else {
            continue;
        };
        let _ = writeln!(text, "  {time:6} ms: {}", entry.line);
    }
    text
}
