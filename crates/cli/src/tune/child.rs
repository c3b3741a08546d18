//! Runs of the program as processes of their own: `upshift run --profile FILE PROGRAM`.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{RecvTimeoutError, bounded};
use indicatif::ProgressBar;
use tempfile::TempDir;
use upshift::TieringProfile;

use super::trial::{Failure, Trial};
use crate::error::{CliError, Result};

/// A program that is run by child processes.
pub(super) struct Program {
    /// This command.
    executable: PathBuf,
    /// The part of its command line behind the profile.
    arguments: Vec<OsString>,
    stdin: Option<PathBuf>,
    /// Where the profile is written to, and the program's output.
    folder: TempDir,
    /// The end of the first run and its output, by a hash. Others are held to it.
    expected: Option<(ExitStatus, u64)>,
    /// Whether two runs under the same profile printed the same.
    prints_the_same: bool,
    begun: Instant,
    stopped: Arc<AtomicBool>,
    progress: ProgressBar,
    pub runs: usize,
    last_profile: Option<TieringProfile>,
}

impl Program {
    /// # Errors
    /// When there is nowhere to write to.
    pub fn new(
        arguments: Vec<OsString>,
        stdin: Option<PathBuf>,
        stopped: Arc<AtomicBool>,
        progress: ProgressBar,
    ) -> Result<Self> {
        Ok(Self {
            executable: std::env::current_exe()?,
            arguments,
            stdin,
            folder: TempDir::new()?,
            expected: None,
            prints_the_same: true,
            begun: Instant::now(),
            stopped,
            progress,
            runs: 0,
            last_profile: None,
        })
    }

    /// # Errors
    /// When the file for the program's input can't be read.
    pub fn check_stdin(&self) -> Result<()> {
        self.input().map(drop)
    }

    fn input(&self) -> Result<Stdio> {
        let Some(file) = &self.stdin else {
            return Ok(Stdio::null());
        };
        let opened = File::open(file).map_err(|error| CliError::Read {
            file: file.clone(),
            error,
        })?;
        Ok(opened.into())
    }

    fn spawn_and_wait(&self, profile: &Path, limit: Duration) -> io::Result<Ended> {
        let mut stdout = tempfile::tempfile_in(self.folder.path())?;
        let mut stderr = tempfile::tempfile_in(self.folder.path())?;
        let mut command = Command::new(&self.executable);
        command
            .args(["run", "--profile"])
            .arg(profile)
            .args(&self.arguments)
            .stdin(self.input().map_err(io::Error::other)?)
            .stdout(stdout.try_clone()?)
            .stderr(stderr.try_clone()?);
        let start = Instant::now();
        let mut child = command.spawn()?;
        let (time, was_killed) = wait(&child, start, limit);
        let status = child.wait()?;
        Ok(Ended {
            time,
            was_killed,
            status,
            printed: hash(&mut stdout)?,
            message: last_words(&mut stderr)?,
        })
    }
}

/// How a process ended.
struct Ended {
    time: Duration,
    was_killed: bool,
    status: ExitStatus,
    printed: u64,
    message: String,
}

/// Waits until it is over, and ends it once the limit is reached. The process stays to be reaped, so that its number
/// is its own all the time.
fn wait(child: &Child, start: Instant, limit: Duration) -> (Duration, bool) {
    let process = child.id();
    let (over, is_over) = bounded::<()>(0);
    thread::scope(|scope| {
        let watchdog = scope.spawn(move || {
            let late = is_over.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if late {
                // SAFETY: sends a signal to a child of ours that nobody has reaped.
                unsafe { libc::kill(process.cast_signed(), libc::SIGKILL) };
            }
            late
        });
        // SAFETY: all zeros is a value of this plain C struct.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        loop {
            let options = libc::WEXITED | libc::WNOWAIT;
            // SAFETY: `info` is writable for the call.
            let waited = unsafe { libc::waitid(libc::P_PID, process, &raw mut info, options) };
            let interrupted = io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
            if waited == 0 || !interrupted {
                break;
            }
        }
        let time = start.elapsed();
        drop(over);
        (time, watchdog.join().unwrap_or(false))
    })
}

fn hash(file: &mut File) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    let mut buffer = [0; 1 << 16];
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.write(&buffer[..count]),
        }
    }
}

/// The end of a program's complaint.
fn last_words(file: &mut File) -> io::Result<String> {
    const BYTES: u64 = 1000;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

impl Trial for Program {
    fn run(
        &mut self,
        profile: &TieringProfile,
        limit: Duration,
    ) -> std::result::Result<f64, Failure> {
        if self.is_stopped() {
            return Err(Failure::Stopped);
        }
        let file = self.folder.path().join("profile.toml");
        let ended = std::fs::write(&file, profile.to_toml())
            .and_then(|()| self.spawn_and_wait(&file, limit))
            .map_err(|error| Failure::Failed(format!("cannot be run: {error}")))?;
        self.runs += 1;
        self.progress.set_position(self.begun.elapsed().as_secs());
        let Ended {
            time,
            was_killed,
            status,
            printed,
            message,
        } = ended;
        // Ctrl-C goes to all processes of a terminal.
        if self.is_stopped() || status.signal() == Some(libc::SIGINT) {
            self.stopped.store(true, Ordering::Relaxed);
            return Err(Failure::Stopped);
        }
        if was_killed {
            return Err(Failure::TooLong(limit));
        }
        let (status_wanted, print_wanted) = *self.expected.get_or_insert((status, printed));
        let failed = status.code().is_none_or(|code| code == 1 || code == 134);
        if failed || status != status_wanted {
            let message = if message.is_empty() {
                message
            } else {
                format!(": {message}")
            };
            return Err(Failure::Failed(format!("{status}{message}")));
        }
        if printed != print_wanted {
            if self.runs == 2 && self.last_profile.as_ref() == Some(profile) {
                // It prints something else each time, such as the time.
                self.prints_the_same = false;
            } else if self.prints_the_same {
                return Err(Failure::Failed("printed something else".to_owned()));
            }
        }
        self.last_profile = Some(profile.clone());
        Ok(time.as_secs_f64())
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn begin(&mut self, subject: &str) {
        self.progress.set_message(subject.to_owned());
    }
}
