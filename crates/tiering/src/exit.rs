//! The end of the process while something is still being compiled.
//!
//! `exit` destroys a C++ library's global objects while threads that use them go on. A compile that runs then
//! would turn a clean end into a crash, so the end waits for it; no other compile begins. Rust code has no such
//! objects, and compiles on. A program that has nothing left to destroy can use `_exit`, which does not wait.
//!
//! A function registered with `atexit` comes too late: objects that LLVM made since then are destroyed before
//! it is called. The destructors of a thread's own variables come first of all, so the main thread, which is
//! the one that ends a process, has one that waits. `atexit` is for ends that other threads bring about.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use upshift_runtime::fork;
use upshift_runtime::sync::Mutex;

use crate::pool::Pool;

/// All pools of C++ libraries that ever started a thread.
static POOLS: Mutex<Vec<Weak<Pool>>> = Mutex::new(Vec::new());

/// The longest wait. Limits on the cost of compiles keep them to a second or two, but a worker of low priority gets a part of
/// a processor on a busy machine, and an end too early may be a crash. One that seems never to come would be worse.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits when the main thread ends, and with it the process.
struct MainThread;

impl Drop for MainThread {
    fn drop(&mut self) {
        // SAFETY: neither has preconditions.
        let is_main = unsafe { libc::gettid() == libc::getpid() };
        if is_main {
            at_exit();
        }
    }
}

thread_local! {
    static MAIN_THREAD: MainThread = const { MainThread };
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Has the end of the process wait for the compiles that this pool is at then.
pub(crate) fn wait_for(pool: &Arc<Pool>) {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.swap(true, Ordering::Relaxed) {
        // SAFETY: the function may be called at any time, and never unwinds. A refusal leaves things as they
        // would be without it.
        unsafe { libc::atexit(at_exit) };
        // The thread that forks is a child's main thread.
        fork::call_in_children(|| watch_this_thread());
    }
    let mut pools = POOLS.lock();
    pools.retain(|pool| pool.strong_count() > 0);
    pools.push(Arc::downgrade(pool));
}

/// Called when the program is loaded, on the main thread, which may never touch an engine itself.
#[used]
// SAFETY: the section is for functions of this signature, and this one may run before `main`.
#[unsafe(link_section = ".init_array")]
static WHEN_LOADED: extern "C" fn() = watch_this_thread;

/// Has the end of this thread wait for running compiles if it is the main thread.
extern "C" fn watch_this_thread() {
    // A thread that is ending has done so already.
    let _ = MAIN_THREAD.try_with(|_| ());
}

/// Notes that the end waits for the current thread, which so must not wait itself.
pub(crate) fn enter_worker() {
    IS_WORKER.set(true);
}

extern "C" fn at_exit() {
    if IS_WORKER.get() {
        return;
    }
    // Those that a child has not used since the fork run nothing there.
    let pools: Vec<_> = POOLS.lock().iter().filter_map(Weak::upgrade).collect();
    for pool in &pools {
        pool.close();
    }
    let start = Instant::now();
    while pools.iter().any(|pool| pool.is_running()) && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_micros(500));
    }
}
