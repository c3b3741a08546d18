//! The threads that compile in the background, and the queue they take from: the hottest first. The work of a job
//! is in `job`, requests for it in `module`.
//!
//! Beside the workers there may be one **relief thread**. It takes small jobs while every worker has been at
//! its job for long, so that hundreds of small functions need not wait for a huge one. It never takes a
//! large job itself, and once a worker has turned to another job, it waits again.
//!
//! In the child of a fork there is none of these threads, nor of those that queued the requests: the
//! queue is empty when it is first looked at, and threads are started as in a new pool.

use std::cmp;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use upshift_module::threads;
use upshift_runtime::fork;
use upshift_runtime::sync::{Condvar, Mutex, MutexGuard};
use upshift_translate::CompileRequest;

use crate::exit;
use crate::job::Job;

/// The stack of a thread that compiles: code generators recurse.
pub(crate) const WORKER_STACK: usize = 64 << 20;

/// By how much the relief thread's `nice` is above a worker's: a quarter of the processor that they share. The
/// huge function was the hottest when it was taken.
const RELIEF_NICE: i32 = 5;

/// The highest `nice` there is.
const LEAST_PRIORITY: i32 = 19;

/// Fatal errors of a code generator after which it is asked for nothing more. Each has cost a thread, parked for good with its
/// stack and the library's allocations: an engine parks so many, and no more than run when that is reached.
pub(crate) const MOST_FATAL_ERRORS: usize = 8;

/// The identity of a compile, among all modules of an engine.
pub(crate) type Key = (u64, CompileRequest);

/// Background threads and their queue.
pub(crate) struct Pool {
    state: Mutex<State>,
    /// Something was queued, or the pool was closed.
    wake: Condvar,
    /// The same for the relief thread: something was queued that no worker is free for.
    wake_relief: Condvar,
    /// Compiles queued or running. Under the lock too, but read without it.
    pending: AtomicUsize,
    /// The process whose threads these are. Changed under the lock.
    generation: AtomicU32,
    /// Threads are to end. Changed under the lock.
    closed: AtomicBool,
    /// There were too many fatal errors: threads are to end. Changed under the lock.
    off: AtomicBool,
    /// Whether somebody was told so.
    off_is_told: AtomicBool,
    /// How many threads there are at most.
    workers: usize,
    /// How long workers are at their jobs before the relief thread takes others, and how long those may be
    /// expected to take. `None`: there is no relief thread.
    relief_after: Option<Duration>,
    /// The threads' `nice` value.
    nice: i32,
    /// The effect of the end of the process on a job.
    at_exit: AtExit,
}

/// The effect of the end of the process on a running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtExit {
    /// It is waited for: it uses a C++ library, whose objects are destroyed.
    Finishes,
    /// Nothing.
    IsCutOff,
}

#[derive(Default)]
struct State {
    /// The backlog.
    jobs: HashMap<Key, Waiting>,
    /// Its order. A job whose heat changed has a second entry; one whose job is gone, or was of another heat then, is
    /// passed over.
    order: BinaryHeap<Rank>,
    /// Counts entries of `order`.
    sequence: u64,
    /// Workers that run, or are being started.
    live: usize,
    /// Workers that wait.
    idle: usize,
    /// Whether the relief thread runs, or is being started.
    has_relief: bool,
    /// Jobs that threads are at.
    running: Vec<Running>,
    /// Threads that fatal errors have cost.
    lost_threads: usize,
}

/// A job that a thread is at.
struct Running {
    thread: ThreadId,
    role: Role,
    since: Instant,
}

/// The role of a thread of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The hottest jobs.
    Worker,
    /// Small jobs, while workers are at large ones.
    Relief,
}

struct Waiting {
    job: Job,
    heat: u64,
}

/// A job's place in the order: the hottest first, and of equally hot ones the oldest.
struct Rank {
    heat: u64,
    sequence: u64,
    key: Key,
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        let by_heat = self.heat.cmp(&other.heat);
        by_heat.then(other.sequence.cmp(&self.sequence))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Rank {}

/// Why a job was not queued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The engine is gone, or has switched the tier off.
    #[error("nothing is compiled any more")]
    Closed,
    /// There is no thread to do it and none could be started.
    #[error("no thread for compiling could be started: {0}")]
    NoThread(io::Error),
}

impl Pool {
    /// A pool of up to so many threads, none of which is started yet.
    pub fn new(
        workers: usize,
        relief_after: Option<Duration>,
        nice: i32,
        at_exit: AtExit,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            wake_relief: Condvar::new(),
            pending: AtomicUsize::new(0),
            generation: AtomicU32::new(fork::generation()),
            closed: AtomicBool::new(false),
            off: AtomicBool::new(false),
            off_is_told: AtomicBool::new(false),
            workers,
            relief_after,
            nice,
            at_exit,
        })
    }

    /// Compiles queued or running.
    pub fn pending(&self) -> usize {
        if self.is_of_parent() {
            return 0;
        }
        self.pending.load(Ordering::Relaxed)
    }

    /// The state that threads share, as it is in this process.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        if self.is_of_parent() {
            *state = State::default();
            self.count(&state);
            self.generation.store(fork::generation(), Ordering::Relaxed);
        }
        state
    }

    /// Whether nobody has looked at it since the process was forked.
    fn is_of_parent(&self) -> bool {
        self.generation.load(Ordering::Relaxed) != fork::generation()
    }

    /// Queues a job, and starts a thread for it if all are busy and there may be more: as many as the profile
    /// says, or, when the caller has nothing else to do than wait, one for each processor.
    ///
    /// # Errors
    /// When the pool is closed, or has no thread and can't get one. The job is dropped then.
    pub fn submit(
        self: &Arc<Self>,
        job: Job,
        heat: u64,
        caller_waits: bool,
    ) -> Result<(), Refused> {
        let key = job.key();
        let most = if caller_waits {
            self.workers.max(processors())
        } else {
            self.workers
        };
        let mut state = self.lock();
        if self.is_ended() {
            return Err(Refused::Closed);
        }
        state.jobs.insert(key, Waiting { job, heat });
        state.enqueue(key, heat);
        self.count(&state);
        let all_busy = state.idle < state.jobs.len();
        let start = all_busy && state.live < most;
        state.live += usize::from(start);
        let has_to_wait = all_busy && !start && self.relief_after.is_some();
        let start_relief = has_to_wait && !state.has_relief;
        state.has_relief |= start_relief;
        drop(state);
        self.wake.notify_one();
        if start_relief {
            // Without it, the job waits for a worker.
            let _ = self.start_thread(Role::Relief);
        } else if has_to_wait {
            self.wake_relief.notify_one();
        }
        if !start {
            return Ok(());
        }
        let Err(error) = self.start_thread(Role::Worker) else {
            return Ok(());
        };
        // Another thread, if there is one, will come to it.
        let mut state = self.lock();
        if state.live > 0 {
            return Ok(());
        }
        let lost = state.jobs.remove(&key);
        self.count(&state);
        drop(state);
        drop(lost);
        Err(Refused::NoThread(error))
    }

    /// Moves a waiting job forward that has become much hotter.
    pub fn raise(&self, key: Key, heat: u64) {
        let mut state = self.lock();
        if let Some(waiting) = state.jobs.get_mut(&key)
            && heat / 2 >= waiting.heat
        {
            waiting.heat = heat;
            state.enqueue(key, heat);
        }
    }

    /// Moves a waiting job back that is not as hot as it was.
    pub fn lower(&self, key: Key, heat: u64) {
        let mut state = self.lock();
        if let Some(waiting) = state.jobs.get_mut(&key)
            && heat < waiting.heat
        {
            waiting.heat = heat;
            state.enqueue(key, heat);
        }
    }

    /// Throws away the backlog of a module that is gone.
    pub fn forget(&self, module: u64) {
        if self.pending() == 0 {
            return;
        }
        let mut state = self.lock();
        let keys: Vec<_> = state
            .jobs
            .keys()
            .filter(|key| key.0 == module)
            .copied()
            .collect();
        let lost: Vec<_> = keys
            .iter()
            .filter_map(|key| state.jobs.remove(key))
            .collect();
        self.count(&state);
        drop(state);
        drop(lost);
    }

    /// Has all threads end when they have finished their jobs. Does not wait for them.
    pub fn close(&self) {
        let state = self.lock();
        self.closed.store(true, Ordering::Relaxed);
        self.end_threads(state);
    }

    /// Throws away the backlog, so that threads end.
    fn end_threads(&self, mut state: MutexGuard<'_, State>) {
        state.order.clear();
        let lost = std::mem::take(&mut state.jobs);
        self.count(&state);
        drop(state);
        self.wake.notify_all();
        self.wake_relief.notify_all();
        drop(lost);
    }

    /// Whether a thread is at a job.
    pub fn is_running(&self) -> bool {
        !self.lock().running.is_empty()
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether there were too many fatal errors.
    pub fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    /// Whether the tier is off and this caller is the one to tell so.
    pub fn is_off_untold(&self) -> bool {
        self.is_off() && !self.off_is_told.swap(true, Ordering::Relaxed)
    }

    fn is_ended(&self) -> bool {
        self.is_closed() || self.is_off()
    }

    /// A fatal error has cost a thread.
    pub fn lose_thread(&self) {
        self.count_lost(self.lock());
    }

    fn count_lost(&self, mut state: MutexGuard<'_, State>) {
        state.lost_threads += 1;
        if state.lost_threads >= MOST_FATAL_ERRORS {
            self.off.store(true, Ordering::Relaxed);
            self.end_threads(state);
        }
    }

    /// A job's thread will never come back from it: another takes its place.
    pub fn replace_thread(self: &Arc<Self>) {
        let mut state = self.lock();
        let role = state.end_job();
        self.count(&state);
        self.count_lost(state);
        let mut state = self.lock();
        if role == Role::Relief {
            // The next job that has to wait starts another.
            state.has_relief = false;
            return;
        }
        if self.is_ended() {
            state.live -= 1;
            return;
        }
        drop(state);
        if self.start_thread(Role::Worker).is_err() {
            // No thread may be left for the waiting jobs.
            let mut state = self.lock();
            let lost = if state.live == 0 {
                std::mem::take(&mut state.jobs)
            } else {
                HashMap::new()
            };
            self.count(&state);
            drop(state);
            drop(lost);
        }
    }

    /// Starts a thread that the state counts already; on failure, takes that back.
    fn start_thread(self: &Arc<Self>, role: Role) -> io::Result<()> {
        if self.at_exit == AtExit::Finishes {
            exit::wait_for(self);
        }
        let pool = Arc::clone(self);
        let work = move || pool.work(role);
        match threads::spawn(c"upshift-compile", WORKER_STACK, work) {
            Ok(()) => Ok(()),
            Err(error) => {
                let mut state = self.lock();
                match role {
                    Role::Worker => state.live -= 1,
                    Role::Relief => state.has_relief = false,
                }
                Err(error)
            }
        }
    }

    /// The loop of a thread.
    fn work(self: Arc<Self>, role: Role) {
        exit::enter_worker();
        lower_priority(match role {
            Role::Worker => self.nice,
            Role::Relief => (self.nice + RELIEF_NICE).min(LEAST_PRIORITY),
        });
        let generation = fork::generation();
        while let Some(job) = self.next(role) {
            // Code generators' panics are caught where they are called; this is so that no other can cost
            // the pool its thread.
            let _ = catch_unwind(AssertUnwindSafe(|| job.run(&self)));
            if generation != fork::generation() {
                // A listener to events has forked: here, this is no thread of the pool.
                return;
            }
            let mut state = self.lock();
            state.end_job();
            self.count(&state);
        }
    }

    /// A thread's next job, once there is one. `None` when the thread is to end.
    fn next(&self, role: Role) -> Option<Job> {
        match (role, self.relief_after) {
            (Role::Worker, _) => self.next_for_worker(),
            (Role::Relief, Some(patience)) => self.next_for_relief(patience),
            (Role::Relief, None) => None,
        }
    }

    /// The hottest job.
    fn next_for_worker(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if self.is_ended() {
                break;
            }
            if let Some(job) = state.take(Role::Worker, |_| true) {
                return Some(job);
            }
            if state.live > self.workers {
                // It was started for a job that waited.
                break;
            }
            state.idle += 1;
            self.wake.wait(&mut state);
            state.idle -= 1;
        }
        state.live -= 1;
        None
    }

    /// The hottest of the small jobs, once all workers have been at theirs for so long.
    fn next_for_relief(&self, patience: Duration) -> Option<Job> {
        let mut state = self.lock();
        while !self.is_ended() {
            let now = Instant::now();
            match state.relief_is_due(now, patience) {
                Some(due) if due <= now => {
                    if let Some(job) = state.take(Role::Relief, |job| job.price <= patience) {
                        return Some(job);
                    }
                    // Large jobs stay for the workers.
                    self.wake_relief.wait(&mut state);
                }
                Some(due) => {
                    self.wake_relief.wait_until(&mut state, due);
                }
                None => self.wake_relief.wait(&mut state),
            }
        }
        state.has_relief = false;
        None
    }

    fn count(&self, state: &State) {
        self.pending
            .store(state.jobs.len() + state.running.len(), Ordering::Relaxed);
    }
}

impl State {
    fn enqueue(&mut self, key: Key, heat: u64) {
        self.sequence += 1;
        self.order.push(Rank {
            heat,
            sequence: self.sequence,
            key,
        });
    }

    /// The hottest job that suits, for this thread.
    fn take(&mut self, role: Role, suits: impl Fn(&Job) -> bool) -> Option<Job> {
        let mut passed = Vec::new();
        let mut found = None;
        while let Some(rank) = self.order.pop() {
            match self.jobs.get(&rank.key) {
                Some(waiting) if waiting.heat != rank.heat => {}
                Some(waiting) if !suits(&waiting.job) => passed.push(rank),
                Some(_) => {
                    found = self.jobs.remove(&rank.key);
                    break;
                }
                None => {}
            }
        }
        self.order.extend(passed);
        let found = found?;
        self.running.push(Running {
            thread: thread::current().id(),
            role,
            since: Instant::now(),
        });
        Some(found.job)
    }

    /// This thread's job is over, or will never be. Gives the thread's role.
    fn end_job(&mut self) -> Role {
        let thread = thread::current().id();
        let at = self.running.iter().position(|job| job.thread == thread);
        at.map_or(Role::Worker, |at| self.running.swap_remove(at).role)
    }

    /// When the relief thread has to look again: at once, if every worker has been at its job for so long.
    /// `None` as long as nothing waits.
    fn relief_is_due(&self, now: Instant, patience: Duration) -> Option<Instant> {
        if self.jobs.is_empty() {
            return None;
        }
        let workers = || self.running.iter().filter(|job| job.role == Role::Worker);
        let latest = if workers().count() < self.live {
            // One is about to take something.
            now
        } else {
            workers().map(|job| job.since).max().unwrap_or(now)
        };
        Some(latest + patience)
    }
}

/// Processors that this process may use.
pub(crate) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Gives way to the threads of the program.
fn lower_priority(nice: i32) {
    if nice == 0 {
        return;
    }
    // SAFETY: no preconditions. On Linux, "process" 0 is the calling thread. A refusal changes nothing.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, nice);
    }
}
