//! Processes that stay when something is wrong, so that one can look at them.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_WANTED: AtomicBool = AtomicBool::new(false);

/// Has processes wait for a debugger where they would end.
pub(super) fn want() {
    IS_WANTED.store(true, Ordering::Relaxed);
}

/// Waits for a debugger, if one is wanted. May be called in handlers of signals.
pub(super) fn wait_if_wanted() {
    if !IS_WANTED.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: no preconditions.
    let (process, thread) = unsafe { (libc::getpid(), libc::gettid()) };
    let mut text = [0_u8; 80];
    let size = text.len();
    let mut rest = &mut text[..];
    // Cut if it is too long.
    let _ = writeln!(
        rest,
        "process {process} waits for a debugger, in thread {thread}"
    );
    let length = size - rest.len();
    // SAFETY: the text is as long.
    unsafe { libc::write(2, text.as_ptr().cast(), length) };
    loop {
        // SAFETY: no preconditions.
        unsafe { libc::pause() };
    }
}
