//! Signals from outside: a thread that sends them to all others, handlers of the host's that count them, and threads
//! that block them.

use std::hint::spin_loop;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::debugger;
use super::worker::World;
use crate::differential::Random;

/// A processor's faults. Sent, they are the host's.
const FAULTS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];
/// Handled by the host on whatever stack it comes, with all other signals let through.
const ON_ANY_STACK: i32 = libc::SIGUSR1;
/// Handled by the host.
const OTHERS: [i32; 2] = [ON_ANY_STACK, libc::SIGUSR2];

/// What interruptions send by default.
const INTERRUPTS: i32 = libc::SIGURG;

/// What those of an engine of ours send: a signal that does not come once when it was sent twice.
pub(super) fn queued_interrupts() -> i32 {
    libc::SIGRTMIN() + 3
}

/// Signals that the host's handlers were called with.
static HANDLED: AtomicU64 = AtomicU64::new(0);

/// Signals that the host's handlers were called with.
pub(super) fn handled() -> u64 {
    HANDLED.load(Ordering::Relaxed)
}

extern "C" fn handle(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: called by the kernel, or as it does.
    let was_sent = unsafe { (*info).si_code <= 0 };
    if was_sent {
        HANDLED.fetch_add(1, Ordering::Relaxed);
        if signal == ON_ANY_STACK {
            // Other signals find the thread in here.
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(100) {
                spin_loop();
            }
        }
        return;
    }
    debugger::wait_if_wanted();
    // A fault that is not the guest's: it comes again, and ends the process.
    // SAFETY: both calls may be made in a handler, and the action is a valid one.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &action, ptr::null_mut());
    }
}

/// Installs the host's handlers. Called before there is an engine.
pub(super) fn install() {
    for signal in FAULTS.into_iter().chain(OTHERS) {
        // SAFETY: the handler is one, and does nothing that a handler must not do.
        let result = unsafe {
            let mut action = std::mem::zeroed::<libc::sigaction>();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            if signal != ON_ANY_STACK {
                // The stack for signals that Rust gives to threads has room for two frames.
                action.sa_flags |= libc::SA_ONSTACK;
                libc::sigfillset(&mut action.sa_mask);
            }
            libc::sigaction(signal, &action, ptr::null_mut())
        };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }
}

/// Blocks every signal on this thread, as servers do whose signals one thread waits for.
pub(super) fn block_all() {
    // SAFETY: the set is a live local.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, ptr::null_mut());
    }
}

/// Sends signals to all threads of this process until it is told to stop.
pub(super) fn pester(world: &World, mut random: Random, is_over: impl Fn() -> bool) {
    while !is_over() {
        let threads: Vec<i32> = std::fs::read_dir("/proc/self/task")
            .expect("a list of this process's threads")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        for _ in 0..8 {
            let thread = random.choose(&threads);
            let signal = match random.below(4) {
                0 => random.choose(&[INTERRUPTS, queued_interrupts()]),
                1 => random.choose(&FAULTS),
                _ => random.choose(&OTHERS),
            };
            // SAFETY: no preconditions. A thread that is gone gets nothing.
            let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) };
            world.counts.signals.add(u64::from(sent == 0));
            thread::sleep(Duration::from_micros(random.below(1000) as u64));
        }
    }
}
