//! Stopping a running guest from another thread, at no cost to its code: a flag that stubs look at when
//! they (re)enter generated code, and a signal for a thread that is in the middle of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use upshift_module::Stop;

use crate::{fork, signals};

/// Shared by a store and its interrupt handles.
#[derive(Debug)]
pub struct InterruptState {
    /// Not zero from the request to its delivery.
    flag: AtomicU32,
    /// The kernel's id of the thread that ran the store's code last; 0 before the first.
    thread: AtomicI32,
    /// The signal that stops generated code.
    signal: i32,
}

impl InterruptState {
    /// The state of a new store. Installs the process's signal handlers on first use.
    ///
    /// # Errors
    /// When the system refuses the signal number.
    pub fn new(signal: i32) -> std::io::Result<Arc<Self>> {
        signals::install(signal)?;
        Ok(Arc::new(Self {
            flag: AtomicU32::new(0),
            thread: AtomicI32::new(0),
            signal,
        }))
    }

    /// Asks for the guest to be stopped: the call that runs, or the next one if none does, ends with
    /// the trap `Interrupted`. Does not wait for it.
    ///
    /// The thread that enters stores its id, then reads the flag; this stores the flag, then reads the
    /// id: one of the two sees the other. A thread that entered before is signalled, and its handler's
    /// work is in order with the thread's own reads of the flag.
    pub fn interrupt(&self) {
        self.flag.store(1, Ordering::SeqCst);
        let thread = self.thread.load(Ordering::SeqCst);
        if thread != 0 {
            self.signal(thread);
            // SAFETY: no preconditions.
            let process = unsafe { libc::getpid() };
            if fork::generation() > 1 && thread != process {
                // The id may be one that the thread which forked had in the parent: here it is the process's first.
                self.signal(process);
            }
        }
    }

    /// Signals a thread of this process. One that is gone, or its successor with the same id, at worst runs a handler
    /// that finds nothing to do.
    fn signal(&self, thread: i32) {
        // SAFETY: no preconditions.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, self.signal) };
    }

    /// Takes back a request that has not been delivered. Returns whether there was one.
    pub fn clear(&self) -> bool {
        self.flag.swap(0, Ordering::SeqCst) != 0
    }

    /// Whether a request waits for delivery.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.flag.load(Ordering::Relaxed) != 0
    }

    /// The request that ends long work for the guest.
    #[must_use]
    pub fn stop(&self) -> Stop<'_> {
        Stop::when_set(&self.flag)
    }

    /// The flag that stubs look at.
    pub(crate) fn flag(&self) -> *const AtomicU32 {
        &raw const self.flag
    }

    /// Whether interruptions go to this thread.
    #[inline]
    pub(crate) fn is_sent_to(&self, thread: i32) -> bool {
        self.thread.load(Ordering::Relaxed) == thread
    }

    /// Has interruptions go to this thread.
    #[inline]
    pub(crate) fn enter_thread(&self, thread: i32) {
        if self.thread.load(Ordering::Relaxed) != thread {
            self.thread.store(thread, Ordering::SeqCst);
        }
    }

    pub(crate) fn acknowledge(&self) {
        self.flag.store(0, Ordering::SeqCst);
    }
}
