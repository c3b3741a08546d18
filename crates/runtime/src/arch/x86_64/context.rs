//! A signal's saved registers: a handler's reads of them, and how it redirects the thread.

use upshift_module::{to_u64, to_usize, u64_to_usize};

use crate::EntryRecord;
use crate::arch::leave;

/// The interrupted code's registers that a handler reads.
#[derive(Clone, Copy)]
pub(crate) struct Registers {
    /// The program counter.
    pub(crate) pc: usize,
    /// The frame pointer.
    pub(crate) fp: usize,
    /// The stack pointer.
    pub(crate) sp: usize,
}

/// The place of one of the system's register numbers.
fn place(register: i32) -> usize {
    to_usize(register.cast_unsigned())
}

/// Registers at the signal.
///
/// # Safety
/// `context` is the third argument of a `SA_SIGINFO` handler.
pub(crate) unsafe fn registers(context: *mut libc::c_void) -> Registers {
    // SAFETY: as the caller says.
    let gregs = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let register = |number| u64_to_usize(gregs[place(number)].cast_unsigned());
    Registers {
        pc: register(libc::REG_RIP),
        fp: register(libc::REG_RBP),
        sp: register(libc::REG_RSP),
    }
}

/// Makes the thread go on in `leave(record)` when the handler returns.
///
/// # Safety
/// As [`registers`]; `record` is the thread's innermost activation, and the interrupted code owns nothing.
pub(crate) unsafe fn redirect_to_leave(context: *mut libc::c_void, record: *mut EntryRecord) {
    // SAFETY: as the caller says.
    let gregs = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    // Functions become addresses in no other way.
    let leave = (leave as *const ()).expose_provenance();
    gregs[place(libc::REG_RIP)] = to_u64(leave).cast_signed();
    gregs[place(libc::REG_RDI)] = to_u64(record.expose_provenance()).cast_signed();
    // Generated code runs with the direction flag clear, as the convention wants; so does `leave`.
}

/// Where the current thread's own memory is, thread-locals included. Read anew each time.
#[inline(always)]
pub(crate) fn thread_pointer() -> usize {
    let pointer: usize;
    // SAFETY: reads the word that the platform keeps at the start of that memory, its own address.
    unsafe {
        std::arch::asm!("mov {}, fs:[0]", out(reg) pointer, options(nostack, preserves_flags))
    };
    pointer
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
