//! `--timeout`: a thread that stops the program when its time is up. One that runs is interrupted and ends like a
//! trap, with a backtrace. One that sits in a call into the system which nothing wakes up (a read from a pipe that
//! nobody writes to) can't be; after a moment the process ends without it.

use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use upshift::InterruptHandle;

use crate::Status;
use crate::error::{CliError, Result};
use crate::limits::TimeLimit;

/// How long an interrupted program has to come back.
const GRACE: Duration = Duration::from_millis(100);

/// The time at which a program is stopped. Dropping it calls that off.
pub(crate) struct Deadline(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    phase: Phase,
    /// Stops the program, once there is one.
    handle: Option<InterruptHandle>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There is time left.
    Running,
    /// The time is up, and the program was told.
    Expired,
    /// The program has ended.
    Ended,
}

impl Deadline {
    /// So long from now.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(limit: &TimeLimit) -> Result<Self> {
        let state = State {
            phase: Phase::Running,
            handle: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let (watching, limit) = (Arc::clone(&shared), limit.clone());
        thread::Builder::new()
            .name("deadline".to_owned())
            .spawn(move || watching.watch(&limit))
            .map_err(|error| CliError::Thread {
                purpose: "that watches --timeout".to_owned(),
                error,
            })?;
        Ok(Self(shared))
    }

    /// Takes the handle that stops the program, which begins now.
    pub(crate) fn stops_with(&self, handle: InterruptHandle) {
        let mut state = self.0.state.lock();
        if state.phase == Phase::Expired {
            handle.interrupt();
        }
        state.handle = Some(handle);
    }

    /// The program has ended. Returns whether its time was up before.
    pub(crate) fn end(&self) -> bool {
        let phase = std::mem::replace(&mut self.0.state.lock().phase, Phase::Ended);
        self.0.changed.notify_all();
        phase == Phase::Expired
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    /// Waits for as long as the phase stays, at most for this time.
    fn wait(&self, state: &mut MutexGuard<'_, State>, time: Duration, phase: Phase) {
        let unchanged = |state: &mut State| state.phase == phase;
        self.changed.wait_while_for(state, unchanged, time);
    }

    fn watch(&self, limit: &TimeLimit) {
        let mut state = self.state.lock();
        self.wait(&mut state, limit.duration, Phase::Running);
        if state.phase == Phase::Ended {
            return;
        }
        state.phase = Phase::Expired;
        if let Some(handle) = &state.handle {
            handle.interrupt();
        }
        self.wait(&mut state, GRACE, Phase::Expired);
        if state.phase == Phase::Ended {
            return;
        }
        let message = CliError::TimeLimit {
            limit: limit.to_string(),
            program: None,
        };
        tell(&format!("error: {message}\n"));
        // SAFETY: the work of other threads does not outlive the process. While this thread has the state, the
        // program's can't go on to print how it ended.
        unsafe { libc::_exit(Status::Trapped.code().into()) }
    }
}

/// Writes to the standard error, if that takes it at once. Its lock may be held by a thread that waits for good.
fn tell(message: &str) {
    let mut poll = libc::pollfd {
        fd: libc::STDERR_FILENO,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: it is given one descriptor to look at.
    let ready = unsafe { libc::poll(&mut poll, 1, 0) };
    if ready == 1 {
        // SAFETY: the descriptor stays open, for it is not dropped here and nothing of ours closes it.
        let stderr = unsafe { std::fs::File::from_raw_fd(libc::STDERR_FILENO) };
        // There is nobody left to tell that this failed.
        let _ = ManuallyDrop::new(stderr).write_all(message.as_bytes());
    }
}
