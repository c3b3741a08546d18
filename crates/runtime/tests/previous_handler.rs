//! Faults that are not ours reach the handler that was there before. Alone in its binary, because signal
//! handlers belong to the process.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use upshift_runtime::InterruptState;

static PAGE: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The handler of an application that manages memory by faults: makes the page accessible and goes on.
extern "C" fn application_handler(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    CALLS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: called by the kernel, or by our handler with the kernel's arguments.
    unsafe {
        let page = PAGE.load(Ordering::SeqCst);
        assert_eq!((*info).si_addr() as usize, page);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        libc::mprotect(page as *mut libc::c_void, 4096, protection);
    }
}

#[test]
fn a_fault_of_the_host_reaches_the_handler_that_was_there_before() {
    // SAFETY: the page is fresh and ours; the handler is a valid SA_SIGINFO handler.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        PAGE.store(page as usize, Ordering::SeqCst);

        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = application_handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut()), 0);

        let _ours = InterruptState::new(libc::SIGURG).expect("handlers are installed");
        let mut installed = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(libc::SIGSEGV, ptr::null(), &mut installed);
        assert_ne!(
            installed.sa_sigaction, action.sa_sigaction,
            "our handler is in front"
        );

        assert_eq!(page.cast::<u64>().read_volatile(), 0);
    }
    assert_eq!(CALLS.load(Ordering::SeqCst), 1);
}

#[test]
fn a_signal_of_faults_is_refused_for_interruptions() {
    for signal in [libc::SIGSEGV, libc::SIGKILL, 0, 65] {
        let error = InterruptState::new(signal).expect_err("refused");
        assert!(
            error.to_string().contains(&format!("signal {signal} ")),
            "{error}"
        );
    }
}
