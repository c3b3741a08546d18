//! Signal handlers: a fault in generated code becomes a trap, the interrupt signal stops a guest, and
//! everything that is not ours goes to the handler that was there before.
//!
//! A handler runs only async-signal-safe code. Where the interrupted address is in generated code or its stubs, it
//! reads this thread's innermost activation and the store behind it, which generated code of that store cannot be
//! changing at the same time, fills buffers that are there already, and redirects the thread to `leave`. Which trap
//! an instruction stands for is looked up later, by the entry. A fault's signal that somebody sent is no fault.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use upshift_module::to_usize;

use crate::arch::Registers;
use crate::sync::Mutex;
use crate::{EntryRecord, StoreCore, TrapCode, arch, code_memory, find_code, thread};

/// A handler's findings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SignalTrap {
    /// A trap of a known kind.
    Code(TrapCode),
    /// The instruction at this address faulted; its code's table says why.
    Instruction(usize),
}

impl SignalTrap {
    /// The trap code, looked up if need be.
    pub(crate) fn code(self) -> TrapCode {
        match self {
            Self::Code(code) => code,
            Self::Instruction(pc) => find_code(pc)
                .and_then(|found| found.code.trap_at(pc))
                .unwrap_or_else(|| panic!("no trap is known at {pc:#x} of generated code")),
        }
    }
}

/// Signals that a faulting instruction raises.
const FAULTS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];
const SIGNALS: i32 = 65;

/// The handler of each signal before ours. An entry is written before its handler is installed, once.
static mut PREVIOUS: [MaybeUninit<libc::sigaction>; to_usize(SIGNALS.cast_unsigned())] =
    [const { MaybeUninit::uninit() }; to_usize(SIGNALS.cast_unsigned())];
/// Bit set of the signals that are ours.
static INSTALLED: AtomicU64 = AtomicU64::new(0);
static INSTALLING: Mutex<()> = Mutex::new(());

/// Installs the handlers for faults and for this interrupt signal, each once per process.
pub(crate) fn install(interrupt: i32) -> io::Result<()> {
    let valid = (1..SIGNALS).contains(&interrupt) && !FAULTS.contains(&interrupt);
    if !valid || matches!(interrupt, libc::SIGKILL | libc::SIGSTOP) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("signal {interrupt} cannot be used for interruptions"),
        ));
    }
    let wanted = FAULTS
        .iter()
        .chain([&interrupt])
        .fold(0, |set, signal| set | bit(*signal));
    if INSTALLED.load(Ordering::Acquire) & wanted == wanted {
        return Ok(());
    }
    let _installing = INSTALLING.lock();
    for &signal in FAULTS.iter().chain([&interrupt]) {
        if INSTALLED.load(Ordering::Acquire) & bit(signal) == 0 {
            install_one(signal)?;
            INSTALLED.fetch_or(bit(signal), Ordering::Release);
            thread::renew();
        }
    }
    Ok(())
}

/// Bit set of the signals that are ours.
pub(crate) fn installed() -> u64 {
    INSTALLED.load(Ordering::Acquire)
}

/// The signals of a bit set.
pub(crate) fn numbers(set: u64) -> impl Iterator<Item = i32> {
    (1..SIGNALS).filter(move |&signal| set & bit(signal) != 0)
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// A function that the system calls with a signal.
pub(crate) type Handler = unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// A handler as the system has it.
pub(crate) fn address_of_handler(handler: Handler) -> usize {
    // Functions become addresses in no other way.
    handler as *const () as usize
}

fn install_one(signal: i32) -> io::Result<()> {
    // SAFETY: the lock makes this the only writer of the entry, and no handler of ours that could read
    // it is installed yet.
    unsafe {
        let previous = &mut *(&raw mut PREVIOUS)
            .cast::<libc::sigaction>()
            .add(to_usize(signal.cast_unsigned()));
        if libc::sigaction(signal, ptr::null(), previous) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = address_of_handler(handle);
        // SIGINFO for the fault's address; ONSTACK because the guest's stack may be used up; RESTART
        // because a host call that the interrupt signal hits should not see it. All signals wait for the handler's end:
        // threads that run no guest have the host's stack for signals, which has room for two frames if it has no more.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        libc::sigfillset(&mut action.sa_mask);
        if libc::sigaction(signal, &action, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

unsafe extern "C" fn handle(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: called by the kernel with valid arguments.
    unsafe {
        // The interrupted code may be about to read errno.
        let errno = *libc::__errno_location();
        if !try_handle(signal, info, context) {
            chain(signal, info, context);
        }
        *libc::__errno_location() = errno;
    }
}

/// Handles the signal if it is ours, and says whether it was.
unsafe fn try_handle(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) -> bool {
    // SAFETY: the arguments are the handler's.
    let (Registers { pc, fp, sp }, was_sent) =
        unsafe { (arch::registers(context), (*info).si_code <= 0) };
    let is_fault = FAULTS.contains(&signal);
    let in_code = code_memory::contains(pc);
    let is_exhausted = arch::is_exhausted(pc);
    let is_guests = in_code || is_exhausted || arch::is_interruptible(pc);
    if !is_guests && !is_fault {
        return come_again(signal);
    }
    if !is_guests || (is_fault && was_sent) {
        return false;
    }
    let record = thread::innermost();
    if record.is_null() {
        return false;
    }
    // SAFETY: a record is named by its thread only while code runs that it entered; its store is alive as long.
    // `VMStore` is the first field of `StoreCore`. Where the stack is exhausted, the stub has just been called.
    unsafe {
        let store = (*record).store.cast::<StoreCore>();
        let found = match signal {
            libc::SIGSEGV | libc::SIGBUS if in_code => {
                let address = (*info).si_addr().addr();
                if (*store).is_guard_address(address) {
                    SignalTrap::Code(TrapCode::MemoryOutOfBounds)
                } else if is_stack_end(&*record, address) {
                    SignalTrap::Code(TrapCode::StackOverflow)
                } else {
                    return false;
                }
            }
            libc::SIGILL if is_exhausted => SignalTrap::Code(TrapCode::StackOverflow),
            libc::SIGILL | libc::SIGFPE if in_code => SignalTrap::Instruction(pc),
            _ if is_fault || is_exhausted => return false,
            _ if (*store).interrupt_requested() => SignalTrap::Code(TrapCode::Interrupted),
            _ => return false,
        };
        if in_code {
            (*store).note_signal(found, pc, fp, true);
        } else if is_exhausted {
            // The stub has no frame yet, and generated code's return address is the last thing on the stack.
            (*store).note_signal(
                found,
                ptr::with_exposed_provenance::<usize>(sp).read(),
                fp,
                false,
            );
        } else {
            // A stub: generated code's own frame is where it was left.
            (*store).note_signal(found, (*store).vm.exit_pc, (*store).vm.exit_fp, false);
        }
        arch::redirect_to_leave(context, record);
        true
    }
}

/// Has an interruption come again in a moment that found neither the guest's code nor the host's: another signal's
/// handler, which may return to generated code without a look at the flag, or a piece of the runtime, which is about to
/// look at it or to return to the host.
fn come_again(signal: i32) -> bool {
    if !thread::may_have_entered() {
        return false;
    }
    let record = thread::innermost();
    // SAFETY: as in `try_handle`.
    let is_requested = !record.is_null()
        && unsafe { (*(*record).store.cast::<StoreCore>()).interrupt_requested() };
    is_requested && thread::signal_again(signal)
}

/// Whether `address` is at the end of the stack that an activation runs on.
fn is_stack_end(record: &EntryRecord, address: usize) -> bool {
    /// As far below the end as generated code may reach without touching pages between.
    const BELOW: usize = 1 << 20;
    address < record.host_limit && address >= record.stack_end.saturating_sub(BELOW)
}

/// Passes a signal on to the previous handler.
unsafe fn chain(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the entry was written before this handler was installed; the handlers in it are called as
    // their flags say.
    unsafe {
        let previous = &*(&raw const PREVIOUS)
            .cast::<libc::sigaction>()
            .add(to_usize(signal.cast_unsigned()));
        match previous.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN if !FAULTS.contains(&signal) => {}
            // Only a sent signal can be ignored.
            libc::SIG_IGN if (*info).si_code <= 0 => {}
            libc::SIG_DFL | libc::SIG_IGN => {
                // Back to the default, which ends the process: by running the instruction again, or,
                // when somebody sent the signal, by sending it again.
                let mut default = std::mem::zeroed::<libc::sigaction>();
                default.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &default, ptr::null_mut());
                if (*info).si_code <= 0 {
                    libc::raise(signal);
                }
            }
            _ => {
                set_mask_of(previous, signal, context);
                call_handler(previous, signal, info, context);
            }
        }
    }
}

/// Blocks the signals that the system would block if it had called this handler: those blocked before, and those that the handler asks
/// for. The system restores the former when the present handler returns.
///
/// # Safety
/// `context` is the argument of a handler of this signal.
unsafe fn set_mask_of(action: &libc::sigaction, signal: i32, context: *mut libc::c_void) {
    // SAFETY: the context is as the caller says, all sets are live.
    unsafe {
        let mut blocked = (*context.cast::<libc::ucontext_t>()).uc_sigmask;
        for other in numbers(u64::MAX) {
            let is_own = other == signal && action.sa_flags & libc::SA_NODEFER == 0;
            if is_own || libc::sigismember(&action.sa_mask, other) == 1 {
                libc::sigaddset(&mut blocked, other);
            }
        }
        // At once: a pending signal comes as soon as it is let through.
        libc::pthread_sigmask(libc::SIG_SETMASK, &blocked, ptr::null_mut());
    }
}

/// Calls a handler as its flags say.
///
/// # Safety
/// `action` has a function, neither `SIG_DFL` nor `SIG_IGN`, and the rest are arguments of a handler of this signal.
pub(crate) unsafe fn call_handler(
    action: &libc::sigaction,
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the code that installed it said by the flags which of the two it is.
    unsafe {
        if action.sa_flags & libc::SA_SIGINFO != 0 {
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(action.sa_sigaction);
            handler(signal, info, context);
        } else {
            let handler: extern "C" fn(i32) = std::mem::transmute(action.sa_sigaction);
            handler(signal);
        }
    }
}
