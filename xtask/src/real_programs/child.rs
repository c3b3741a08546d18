//! One run of one process: its input, what it wrote, its exit, and what it cost in time and memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::programs::{Input, scripts};
use crate::failure::Failure;
use crate::{files, process};

/// What a process did.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    /// What it wrote to the standard output and to the standard error.
    pub output: Vec<u8>,
    pub errors: Vec<u8>,
    pub cost: Cost,
    /// Whether it was killed because it took too long.
    pub timed_out: bool,
}

/// What a process cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// From before its start until after its end.
    pub wall: Duration,
    /// Of all its threads, in user mode and in the kernel.
    pub processor: Duration,
    /// The largest resident memory, in bytes.
    pub peak_memory: u64,
    /// The resident memory when its first line was out, where that was to be looked at; in bytes.
    pub memory: Option<u64>,
}

/// Runs a command to its end, or until its time is up. Looks at its memory at the first line of its output if it lingers
/// then.
///
/// # Errors
/// If it can't be started or waited for.
pub fn run(
    command: &mut Command,
    input: &Input,
    lingers: bool,
    limit: Duration,
) -> Result<Finished, Failure> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(match input {
        Input::Nothing => Stdio::null(),
        Input::Text(_) => Stdio::piped(),
        Input::Script(name) => {
            let path = scripts().join(name);
            let file = File::open(&path).map_err(files::failed("reading", &path))?;
            Stdio::from(file)
        }
    });
    let start = Instant::now();
    let child = command.spawn().map_err(|source| Failure::Start {
        command: process::describe(command),
        source,
        remedy: "Without `--no-build` it is built first".to_owned(),
    })?;
    follow(child, input, lingers, start, limit).map_err(|source| Failure::Start {
        command: process::describe(command),
        source,
        remedy: "The process was started, but could not be followed to its end".to_owned(),
    })
}

fn follow(
    mut child: Child,
    input: &Input,
    lingers: bool,
    start: Instant,
    limit: Duration,
) -> io::Result<Finished> {
    let id = child.id();
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (stdin, Some(stdout), Some(stderr)) = pipes else {
        return Err(io::Error::other("it has no pipes"));
    };
    let (ended, end) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let output = scope.spawn(move || read_output(stdout, stdin, input, lingers.then_some(id)));
        let errors = scope.spawn(move || {
            let mut text = Vec::new();
            BufReader::new(stderr).read_to_end(&mut text).map(|_| text)
        });
        // The process is not reaped before the watch has ended, so that its number can't be another's.
        let watch = scope.spawn(move || match end.recv_timeout(limit) {
            Err(RecvTimeoutError::Timeout) => child.kill().is_ok(),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => false,
        });
        let waited = wait_without_reaping(id);
        let wall = start.elapsed();
        drop(ended);
        let joined = |_| io::Error::other("a thread that follows it panicked");
        let timed_out = watch.join().map_err(joined)?;
        waited?;
        let (status, processor, peak_memory) = reap(id)?;
        let (output, memory) = output.join().map_err(joined)??;
        Ok(Finished {
            status,
            output,
            errors: errors.join().map_err(joined)??,
            cost: Cost {
                wall,
                processor,
                peak_memory,
                memory,
            },
            timed_out,
        })
    })
}

/// Feeds the input, and reads the output to its end; looks at the memory of the process that lingers after its first line.
fn read_output(
    stdout: impl Read,
    stdin: Option<impl Write>,
    input: &Input,
    lingering: Option<u32>,
) -> io::Result<(Vec<u8>, Option<u64>)> {
    let (mut stdout, mut output, mut memory) = (BufReader::new(stdout), Vec::new(), None);
    if let (Some(mut stdin), Input::Text(text)) = (stdin, input) {
        // Who does not read it all may have its reasons: the output tells.
        let _ = stdin.write_all(text.as_bytes());
    }
    if let Some(id) = lingering {
        stdout.read_until(b'\n', &mut output)?;
        memory = resident(id);
    }
    stdout.read_to_end(&mut output)?;
    Ok((output, memory))
}

/// The resident memory of a process in bytes, if it is still there.
fn resident(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn wait_without_reaping(id: u32) -> io::Result<()> {
    loop {
        // SAFETY: all-zero bytes are a valid `siginfo_t`, which is plain data.
        let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOWAIT;
        // SAFETY: the pointer is to a `siginfo_t` that lives through the call.
        if unsafe { libc::waitid(libc::P_PID, id, &raw mut information, flags) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The status, processor time and largest resident memory of a process that has ended.
fn reap(id: u32) -> io::Result<(ExitStatus, Duration, u64)> {
    let mut status = 0;
    // SAFETY: all-zero bytes are a valid `rusage`, which is plain data.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let id = libc::pid_t::try_from(id).map_err(io::Error::other)?;
    // SAFETY: both pointers are to values of the right types that live through the call.
    if unsafe { libc::wait4(id, &raw mut status, 0, &raw mut usage) } != id {
        return Err(io::Error::last_os_error());
    }
    let duration = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    Ok((
        ExitStatus::from_raw(status),
        duration(usage.ru_utime) + duration(usage.ru_stime),
        usage.ru_maxrss.unsigned_abs() * 1024,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn input_output_and_status_are_those_of_the_process() {
        let script = "read line; echo \"got $line\"; echo oops >&2; exit 7";
        let finished = run(&mut shell(script), &Input::Text("a line\n"), false, LONG).unwrap();
        assert_eq!(finished.status.code(), Some(7));
        assert_eq!(finished.output, b"got a line\n");
        assert_eq!(finished.errors, b"oops\n");
        assert!(!finished.timed_out);
    }

    #[test]
    fn what_takes_too_long_is_killed() {
        let start = Instant::now();
        let finished = run(
            &mut shell("exec sleep 50"),
            &Input::Nothing,
            false,
            Duration::from_millis(20),
        );
        assert!(finished.unwrap().timed_out);
        assert!(start.elapsed() < Duration::from_secs(40));
    }

    #[test]
    fn the_memory_of_what_lingers_is_looked_at() {
        let script = &mut shell("echo ready; sleep 0.1");
        let finished = run(script, &Input::Nothing, true, LONG).unwrap();
        assert_eq!(finished.output, b"ready\n");
        assert!(finished.cost.memory.unwrap() > 0);
        assert!(finished.cost.peak_memory > 0);
    }

    #[test]
    fn processor_time_is_counted() {
        let script = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
        let finished = run(&mut shell(script), &Input::Nothing, false, LONG).unwrap();
        assert!(finished.cost.processor > Duration::from_millis(5));
    }
}
