//! Threads that compile likely callees in the baseline, while the guest's own thread is busy with something
//! else, and their backlog. Choice and publication of these compiles are in `module::ahead`.
//!
//! The backlog is a stack: a program calls the callees of its newest function before it returns to those that older ones
//! have left to call. No thread waits for an entry of it. A first call that comes before an entry's turn compiles by
//! itself, and the entry is nothing to do then.
//!
//! These are not the threads of `pool`: a compile here takes a twentieth of a millisecond and is needed at once,
//! one there takes a thousand times as long and can wait. In the child of a fork, too, they are started as at first.

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use upshift_module::{DefinedFuncIndex, threads};
use upshift_runtime::fork;
use upshift_runtime::sync::{Condvar, Mutex, MutexGuard};

use crate::module::COMPILE_THREAD_STACK;
use crate::{BaselineProfile, ModuleTiering};

/// Entries of the backlog, at most. Beyond, the oldest is forgotten: it was left behind long ago.
const MOST_WAITING: usize = 4096;
/// Compiles of so long are looked at to tell whether a thread gets to run.
const LATELY: Duration = Duration::from_millis(40);
/// The shortest time that tells anything: several of a scheduler's ticks.
const LEAST_TO_TELL: Duration = Duration::from_millis(10);
/// How long nothing is taken when a thread did not, at first and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The threads and their backlog.
pub(crate) struct Ahead {
    state: Mutex<State>,
    /// Something was added, or it was closed.
    wake: Condvar,
    /// How many threads there are at most. With none, nothing is compiled ahead.
    threads: usize,
    /// Whether they leave it to first calls while no processor idles.
    gives_way: bool,
    /// Conditional branches between a called function and its callees compiled ahead, at most.
    max_branches: u32,
    /// Functions that are compiled at their first calls before anything is compiled ahead.
    after_functions: usize,
    /// How many have been.
    first_calls: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// The next is at the back.
    waiting: VecDeque<Task>,
    /// Threads that run, or are being started.
    live: usize,
    /// Threads that wait.
    idle: usize,
    /// Threads are to end.
    closed: bool,
    /// Until when nothing is taken.
    paused_until: Option<Instant>,
    /// The process whose threads these are; 0 before the first.
    generation: u32,
}

/// Whether a thread gets to run. No processor idles where it does not; the guest then waits for compiles that stand
/// still with a function's lock held, and would have been faster alone.
#[derive(Default)]
struct Pace {
    /// How long compiles took lately.
    elapsed: Duration,
    /// How much of that the thread was running.
    running: Duration,
}

impl Pace {
    /// Notes a compile, which took so long and ran for so much of that.
    fn is_held_up(&mut self, elapsed: Duration, running: Duration) -> bool {
        if self.elapsed > LATELY {
            self.elapsed /= 2;
            self.running /= 2;
        }
        self.elapsed += elapsed;
        self.running += running;
        self.elapsed > LEAST_TO_TELL && self.elapsed > self.running * 7 / 4
    }
}

/// The current thread's time on a processor.
fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time is a live variable, and the clock is one that every thread has.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A function that is about to be called.
pub(crate) struct Task {
    /// Whose it is. Gone when the module is dropped: there is nothing to do then.
    pub module: Weak<ModuleTiering>,
    /// The module's number in the engine.
    pub module_id: u64,
    /// The function.
    pub function: DefinedFuncIndex,
    /// Conditional branches that may stand before its callees that are compiled ahead in turn.
    pub branches_left: u32,
}

impl Ahead {
    /// As the profile says, on a machine with so many processors that nobody else has a use for. No thread is started
    /// yet.
    pub fn new(profile: &BaselineProfile, spare_processors: usize) -> Arc<Self> {
        // Without any, they would take the guest's time, or that of LLVM's compiles.
        let default = u32::from(spare_processors > 0);
        let threads = profile.ahead_threads.unwrap_or(default);
        Arc::new(Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            threads: usize::try_from(threads).unwrap_or(usize::MAX),
            // Threads that were asked for do not give way.
            gives_way: profile.ahead_threads.is_none(),
            max_branches: profile.ahead_max_branches,
            after_functions: usize::try_from(profile.ahead_after_functions).unwrap_or(usize::MAX),
            first_calls: AtomicUsize::new(0),
        })
    }

    /// Notes a first call that compiles. Says how many branches may stand before callees compiled ahead for it,
    /// or `None` when there are none.
    pub fn first_call(&self) -> Option<u32> {
        let before = self.first_calls.fetch_add(1, Ordering::Relaxed);
        (self.threads > 0 && before >= self.after_functions).then_some(self.max_branches)
    }

    /// The same for the first call of a function that was compiled ahead.
    pub fn max_branches(&self) -> u32 {
        self.max_branches
    }

    /// The state that threads share, as it is in this process.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        let generation = fork::generation();
        if state.generation != generation {
            *state = State {
                closed: state.closed,
                generation,
                ..State::default()
            };
        }
        state
    }

    /// Adds likely callees, in that order; starts a thread if all are busy and there may be more.
    pub fn add(self: &Arc<Self>, tasks: impl DoubleEndedIterator<Item = Task>) {
        let mut state = self.lock();
        let is_over = |until| Instant::now() >= until;
        if state.closed || !state.paused_until.is_none_or(is_over) {
            return;
        }
        let before = state.waiting.len();
        state.waiting.extend(tasks.rev());
        let added = state.waiting.len() - before;
        if added == 0 {
            return;
        }
        let surplus = state.waiting.len().saturating_sub(MOST_WAITING);
        let forgotten: Vec<_> = state.waiting.drain(..surplus).collect();
        let (wake, start) = (state.idle > 0, state.idle == 0 && state.live < self.threads);
        state.live += usize::from(start);
        drop(state);
        drop(forgotten);
        if wake && added == 1 {
            self.wake.notify_one();
        } else if wake {
            self.wake.notify_all();
        }
        if start {
            self.start_thread();
        }
    }

    /// Throws away the backlog of a module that is gone.
    pub fn forget(&self, module: u64) {
        self.lock().waiting.retain(|task| task.module_id != module);
    }

    /// Has all threads end when they have finished their compiles. Does not wait for them.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let lost = mem::take(&mut state.waiting);
        drop(state);
        self.wake.notify_all();
        drop(lost);
    }

    /// Starts a thread that `live` counts already. Without it, first calls compile as ever.
    fn start_thread(self: &Arc<Self>) {
        let ahead = Arc::clone(self);
        let work = move || ahead.work();
        let started = threads::spawn(c"upshift-ahead", COMPILE_THREAD_STACK, work);
        if started.is_err() {
            self.lock().live -= 1;
        }
    }

    /// The loop of a thread.
    fn work(&self) {
        let mut pace = Pace::default();
        let mut pause = SHORTEST_PAUSE;
        let generation = fork::generation();
        while let Some(task) = self.next() {
            let start = (Instant::now(), processor_time());
            // Code generators' panics are caught where they are called; this is so that no other can cost a
            // thread that is counted on.
            let _ = catch_unwind(AssertUnwindSafe(|| task.run()));
            if generation != fork::generation() {
                // A listener to events has forked: here, this is no thread that compiles ahead.
                return;
            }
            let (elapsed, running) = (start.0.elapsed(), processor_time().saturating_sub(start.1));
            if self.gives_way && pace.is_held_up(elapsed, running) {
                self.pause(pause);
                pace = Pace::default();
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Throws away the backlog, and takes nothing for a while.
    fn pause(&self, time: Duration) {
        let mut state = self.lock();
        state.paused_until = Instant::now().checked_add(time);
        let lost = mem::take(&mut state.waiting);
        drop(state);
        drop(lost);
    }

    /// The newest task, once there is one. `None` when the thread is to end.
    fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        while !state.closed {
            if let Some(task) = state.waiting.pop_back() {
                return Some(task);
            }
            state.idle += 1;
            self.wake.wait(&mut state);
            state.idle -= 1;
        }
        state.live -= 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// After how many compiles of so many microseconds, of which so many were running, a thread is held up.
    fn held_up_after(elapsed: u64, running: u64) -> Option<usize> {
        let mut pace = Pace::default();
        let (elapsed, running) = (
            Duration::from_micros(elapsed),
            Duration::from_micros(running),
        );
        (1..10_000).find(|_| pace.is_held_up(elapsed, running))
    }

    #[test]
    fn a_thread_that_does_not_get_to_run_is_noticed_soon() {
        assert_eq!(held_up_after(300, 290), None);
        assert_eq!(held_up_after(300, 180), None);
        assert_eq!(held_up_after(600, 300), Some(17));
        assert_eq!(held_up_after(20_000, 300), Some(1));
        // A single hold-up among many.
        let mut pace = Pace::default();
        let compile = Duration::from_micros(300);
        assert!((0..1000).all(|_| !pace.is_held_up(compile, compile)));
        assert!(!pace.is_held_up(compile * 30, compile));
        // A hold-up of long ago does not count.
        let slow = (0..200).position(|_| pace.is_held_up(compile * 3, compile));
        assert!(slow.is_some_and(|compiles| compiles < 60), "{slow:?}");
    }

    #[test]
    fn the_clock_counts_what_this_thread_does() {
        let before = processor_time();
        thread::sleep(Duration::from_millis(50));
        let slept = processor_time() - before;
        assert!(slept < Duration::from_millis(40), "{slept:?}");
        while processor_time() == before {
            std::hint::spin_loop();
        }
    }
}
