//! The end of the process while something is still being compiled.
//!
//! `exit` destroys a C++ library's global objects while threads that use them go on. A compile that runs then
//! would turn a clean end into a crash, so the end waits for it; nothing new is begun. A program that has
//! nothing left to destroy can use `_exit`, which waits for nobody.

use std::cell::Cell;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once, Weak};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::pool::Pool;

/// All pools that ever started a thread.
static POOLS: Mutex<Vec<Weak<Pool>>> = Mutex::new(Vec::new());

/// The process that started them: a forked child has none of their threads.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// The longest wait: an end that never comes would be worse than one that may go wrong.
const PATIENCE: Duration = Duration::from_secs(10);

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Has the end of the process wait for what this pool is compiling then.
pub(crate) fn wait_for(pool: &Arc<Pool>) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the function may be called at any time, and never unwinds. A refusal leaves things as they
        // would be without it.
        unsafe { libc::atexit(at_exit) };
    });
    PROCESS.store(process::id(), Ordering::Relaxed);
    let mut pools = POOLS.lock();
    pools.retain(|pool| pool.strong_count() > 0);
    pools.push(Arc::downgrade(pool));
}

/// Notes that the current thread is one of those that are waited for, and so must not wait itself.
pub(crate) fn enter_worker() {
    IS_WORKER.set(true);
}

extern "C" fn at_exit() {
    if IS_WORKER.get() || PROCESS.load(Ordering::Relaxed) != process::id() {
        return;
    }
    let pools: Vec<_> = POOLS.lock().iter().filter_map(Weak::upgrade).collect();
    for pool in &pools {
        pool.close();
    }
    let start = Instant::now();
    while pools.iter().any(|pool| pool.is_running()) && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_micros(500));
    }
}
