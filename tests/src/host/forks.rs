//! Forks, what children do, and waiting for them. Threads of a child are not the standard library's, whose lock may be held in it
//! for good.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use upshift::{AsContextMut, Instance, Trap, TrapCode};
use upshift_module::threads;

use super::guest::{self, COMPUTATIONS};
use super::itinerary::TRAPS;
use super::modules;
use super::visit::{Guest, Host};
use super::worker::{PATIENCE, Place, Way};

/// This process is a child of a worker.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Whether this process is a child of a worker.
pub(super) fn is_child() -> bool {
    IS_CHILD.load(Ordering::Relaxed)
}

/// A child that somebody has to wait for.
#[derive(Debug)]
pub(super) struct ChildProcess {
    pid: libc::pid_t,
    /// Where the child writes down what it does.
    place: Place,
}

/// Forks. `None` in the child, which the system ends if it takes for ever.
pub(super) fn fork(place: Place) -> Option<ChildProcess> {
    place.world.counts.forks.add(1);
    let thread = place.slot;
    let place = place.of_child();
    let journal = &place.world.journal;
    journal.begin(place.slot, format_args!("a child of thread {thread}"));
    // SAFETY: no preconditions. The child runs what this library and the engine have for children, and ends by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid > 0 {
        return Some(ChildProcess { pid, place });
    }
    IS_CHILD.store(true, Ordering::Relaxed);
    None
}

/// Ends a child that has found nothing wrong.
pub(super) fn succeed() -> ! {
    // SAFETY: no preconditions.
    unsafe { libc::_exit(0) }
}

impl ChildProcess {
    /// It is not this process's to wait for.
    pub(super) fn forget(self) {
        std::mem::forget(self);
    }

    fn wait(&self) {
        let start = Instant::now();
        let mut status = -1;
        loop {
            // SAFETY: the status is a live local.
            match unsafe { libc::waitpid(self.pid, &raw mut status, libc::WNOHANG) } {
                0 if start.elapsed() < PATIENCE => thread::sleep(Duration::from_micros(200)),
                0 => {
                    let pid = self.pid;
                    panic!("a child (process {pid}) does not end");
                }
                ended => {
                    assert_eq!(ended, self.pid, "{}", std::io::Error::last_os_error());
                    break;
                }
            }
        }
        assert!(
            status == 0,
            "a child ended with {}",
            if libc::WIFSIGNALED(status) {
                format!("signal {}", libc::WTERMSIG(status))
            } else {
                format!("status {}", libc::WEXITSTATUS(status))
            }
        );
        self.place.world.journal.end(self.place.slot);
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.wait();
    }
}

/// What a child does with a store of its parent's, in the midst of a call that has not left the thread which forked.
pub(super) fn with_the_parents(
    place: Place,
    mut context: impl AsContextMut<Data = Host>,
    instance: Instance,
) {
    // Whoever asks now is in the parent.
    if let Some(requests) = &context.as_context_mut().data().requests {
        requests.clear();
    }
    note(place, "calls the parent's instance");
    calls(&mut context, instance);
}

/// What a child does with its parent's engine and module, in a store of its own.
pub(super) fn ends_there(place: Place, way: &'static Way) -> ! {
    note(place, "makes an instance");
    let mut fresh = Guest::new(place, way);
    calls(&mut fresh.store, fresh.instance);
    note(place, "makes modules");
    modules::made_and_dropped(way, 3);
    note(place, "is interrupted");
    interrupted(&mut fresh);
    note(place, "moves up");
    for _ in 0..200 {
        let given = fresh.call("sum", 1000).expect("it does not trap");
        assert_eq!(given, (COMPUTATIONS[0].gives)(1000));
    }
    calls(&mut fresh.store, fresh.instance);
    succeed()
}

fn note(place: Place, what: &str) {
    place
        .world
        .journal
        .add(place.slot, format_args!(", {what}"));
}

/// Values and traps.
fn calls(mut context: impl AsContextMut, instance: Instance) {
    for computation in COMPUTATIONS {
        let given = guest::call(&mut context, instance, computation.name, 15);
        let given = given.unwrap_or_else(|error| panic!("{}: {error}", computation.name));
        assert_eq!(given, (computation.gives)(15), "{}", computation.name);
    }
    for (name, code) in TRAPS {
        let error = guest::call(&mut context, instance, name, 15).expect_err("it traps");
        assert_eq!(error.as_trap().map(Trap::code), Some(code), "{error}");
    }
}

fn interrupted(guest: &mut Guest) {
    let handle = guest.store.interrupt_handle();
    let timer = move || {
        thread::sleep(Duration::from_millis(2));
        handle.interrupt();
    };
    threads::spawn(c"timer", 1 << 20, timer).expect("a thread");
    let error = guest.call("spin", 0).expect_err("it is interrupted");
    let code = error.as_trap().map(Trap::code);
    assert_eq!(code, Some(TrapCode::Interrupted), "{error}");
}
