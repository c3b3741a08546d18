//! A signal's saved registers: what a handler reads of them, and how it redirects the thread.

use crate::EntryRecord;
use crate::arch::leave;

/// Program counter and frame pointer at the signal.
///
/// # Safety
/// `context` is the third argument of a `SA_SIGINFO` handler.
pub(crate) unsafe fn registers(context: *mut libc::c_void) -> (usize, usize) {
    // SAFETY: as the caller says.
    let gregs = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    (
        gregs[libc::REG_RIP as usize] as usize,
        gregs[libc::REG_RBP as usize] as usize,
    )
}

/// Makes the thread go on in `leave(record)` when the handler returns.
///
/// # Safety
/// As [`registers`]; `record` is the thread's innermost activation, and the interrupted code owns nothing.
pub(crate) unsafe fn redirect_to_leave(context: *mut libc::c_void, record: *mut EntryRecord) {
    // SAFETY: as the caller says.
    let gregs = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    gregs[libc::REG_RIP as usize] = leave as *const () as i64;
    gregs[libc::REG_RDI as usize] = record as i64;
    // Generated code runs with the direction flag clear, as the convention wants; so does `leave`.
}

/// The stack pointer, about.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    unsafe {
        std::arch::asm!("mov {}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags))
    };
    sp
}
