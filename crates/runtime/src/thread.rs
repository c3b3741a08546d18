//! The runtime's state of a thread: the stack that it runs on, its innermost activation, its alternate signal
//! stack, and which signals it lets through.
//!
//! Signal handlers read thread-locals only where the interrupted address shows that the thread has entered
//! generated code: in a library that was loaded late, the first touch of a thread-local allocates it.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use upshift_module::to_usize;

use crate::stack::{self, StackBounds, StackError};
use crate::{EntryRecord, arch, signals};

/// The facts about its thread that an entry needs.
#[derive(Clone, Copy)]
pub(crate) struct Here {
    /// The kernel's id of the thread; 0 in a thread not looked at yet.
    pub(crate) thread: i32,
    /// The stack that code runs on.
    pub(crate) stack: StackBounds,
    /// Stack pointers for which that is so.
    answers: StackBounds,
    /// [`GENERATION`] when that was so.
    generation: u64,
}

/// The facts about a thread that never change.
#[derive(Clone, Copy)]
struct Known {
    thread: i32,
    own_stack: StackBounds,
}

/// For our handlers, which only walk frames, on processors with large register files.
const SIGNAL_STACK_SIZE: usize = 64 << 10;
const NOWHERE: StackBounds = StackBounds {
    lowest: 0,
    highest: 0,
};
/// The state of a thread that has not looked.
const NEVER: Here = Here {
    thread: 0,
    stack: NOWHERE,
    answers: NOWHERE,
    generation: 0,
};

/// A timer that sends this thread a signal. None before one is needed.
#[derive(Clone, Copy)]
struct Again {
    /// The kernel's number of the timer.
    timer: libc::c_int,
    /// The signal that it sends.
    signal: i32,
}

/// How long an interruption waits that has found another signal's handler.
const AGAIN_IN_NANOSECONDS: libc::c_long = 200_000;

/// Threads that have entered generated code, a bit each, by their ids modulo the number of bits. Handlers know by it
/// where thread-locals are there.
static ENTERED: [AtomicU64; 1 << 10] = [const { AtomicU64::new(0) }; 1 << 10];

/// The word and the bit of a thread.
fn bit_of(thread: i32) -> (&'static AtomicU64, u64) {
    let number = to_usize(thread.unsigned_abs()) % (ENTERED.len() * 64);
    (&ENTERED[number / 64], 1 << (number % 64))
}

/// Raised whenever threads' records may have become wrong: stacks of stated bounds, signals to let through.
static GENERATION: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static HERE: Cell<Here> = const { Cell::new(NEVER) };
    static KNOWN: Cell<Option<Known>> = const { Cell::new(None) };
    /// Bit set of the signals that this thread was made to let through.
    static UNBLOCKED: Cell<u64> = const { Cell::new(0) };
    static INNERMOST: Cell<*mut EntryRecord> = const { Cell::new(ptr::null_mut()) };
    static AGAIN: Cell<Option<Again>> = const { Cell::new(None) };
    static SIGNAL_STACK: SignalStack = SignalStack::install();
}

/// Where code with this stack pointer runs, ready for generated code: with a stack for signal handlers, and the
/// signals unblocked that traps and interruptions need.
#[inline]
pub(crate) fn here(stack_pointer: usize) -> Result<Here, StackError> {
    let here = HERE.get();
    if here.generation == GENERATION.load(Ordering::Acquire) && here.answers.contains(stack_pointer)
    {
        return Ok(here);
    }
    look(stack_pointer)
}

/// The kernel's id of this thread; 0 where it is not ready for generated code.
#[inline]
pub(crate) fn id_if_ready() -> i32 {
    HERE.get().thread
}

/// The kernel's id of this thread, which is ready for generated code then.
pub(crate) fn id() -> Result<i32, StackError> {
    match id_if_ready() {
        0 => look(arch::stack_pointer()).map(|here| here.thread),
        id => Ok(id),
    }
}

/// The thread that forked has another id in the child. The rest that is known of it stays.
pub(crate) fn after_fork_in_child() {
    let (here, thread) = (HERE.get(), kernel_id());
    if here.thread != 0 {
        HERE.set(Here { thread, ..here });
    }
    KNOWN.set(KNOWN.get().map(|known| Known { thread, ..known }));
    note_entered(thread);
    // Timers stay with the parent.
    AGAIN.set(None);
}

fn note_entered(thread: i32) {
    let (word, bit) = bit_of(thread);
    word.fetch_or(bit, Ordering::Relaxed);
}

/// Whether this thread has entered generated code, or, seldom, another whose id is alike. Async-signal-safe.
pub(crate) fn may_have_entered() -> bool {
    let (word, bit) = bit_of(kernel_id());
    word.load(Ordering::Relaxed) & bit != 0
}

/// Sends this thread a signal in a moment, and says whether that can be had. Async-signal-safe in threads that have
/// entered generated code.
pub(crate) fn signal_again(signal: i32) -> bool {
    let again = match AGAIN.get() {
        Some(again) if again.signal == signal => again,
        other => {
            if let Some(other) = other {
                delete_timer(other);
            }
            let new = make_timer(signal);
            AGAIN.set(new);
            let Some(new) = new else {
                return false;
            };
            new
        }
    };
    let once = libc::itimerspec {
        it_interval: libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: libc::timespec {
            tv_sec: 0,
            tv_nsec: AGAIN_IN_NANOSECONDS,
        },
    };
    let null = ptr::null_mut::<libc::itimerspec>();
    // SAFETY: the timer is this thread's, the times are a live local. A system call may be made in handlers.
    unsafe {
        libc::syscall(
            libc::SYS_timer_settime,
            again.timer,
            0,
            &raw const once,
            null,
        ) == 0
    }
}

fn make_timer(signal: i32) -> Option<Again> {
    // SAFETY: all pointers are to live locals; a zeroed `sigevent` is valid.
    unsafe {
        let mut event = std::mem::zeroed::<libc::sigevent>();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = kernel_id();
        let mut timer = 0;
        let (clock, event) = (libc::CLOCK_MONOTONIC, &raw const event);
        let made = libc::syscall(libc::SYS_timer_create, clock, event, &raw mut timer);
        (made == 0).then_some(Again { timer, signal })
    }
}

fn delete_timer(again: Again) {
    // SAFETY: the timer is this thread's.
    unsafe { libc::syscall(libc::SYS_timer_delete, again.timer) };
}

fn kernel_id() -> i32 {
    // SAFETY: no preconditions.
    unsafe { libc::gettid() }
}

/// Makes all threads look again. Returns a number that is given out once.
pub(crate) fn renew() -> u64 {
    GENERATION.fetch_add(1, Ordering::AcqRel)
}

/// The activation whose code runs on this thread now, of any store; null where the host runs. Async-signal-safe in
/// threads that have entered generated code.
#[inline]
pub(crate) fn innermost() -> *mut EntryRecord {
    INNERMOST.get()
}

/// States whose code runs from here on.
#[inline]
pub(crate) fn set_innermost(record: *mut EntryRecord) {
    INNERMOST.set(record);
}

/// States that the host runs from here on, where an activation was entered by the thread of this
/// [pointer](arch::thread_pointer) and may have been left by another, whose thread-locals have other addresses.
#[inline]
pub(crate) fn leave_innermost(entered_by: usize) {
    #[cold]
    #[inline(never)]
    fn leave_elsewhere() {
        INNERMOST.set(ptr::null_mut());
    }
    if arch::thread_pointer() == entered_by {
        INNERMOST.set(ptr::null_mut());
    } else {
        leave_elsewhere();
    }
}

/// Bytes of stack left below here; none on a stack that nobody knows.
#[must_use]
pub fn remaining_stack() -> usize {
    let stack_pointer = arch::stack_pointer();
    let found = stack::find(stack_pointer, known().own_stack);
    found.map_or(0, |found| stack_pointer - found.stack.lowest)
}

/// The facts about this thread, found out once.
fn known() -> Known {
    let known = KNOWN.get().unwrap_or_else(|| Known {
        thread: kernel_id(),
        own_stack: StackBounds::of_thread(),
    });
    KNOWN.set(Some(known));
    known
}

#[cold]
#[inline(never)]
fn look(stack_pointer: usize) -> Result<Here, StackError> {
    // First: changes from here on make the next look fail to find it.
    let generation = GENERATION.load(Ordering::Acquire);
    let signal_stack = SIGNAL_STACK.try_with(SignalStack::check);
    signal_stack.unwrap_or(Err(StackError::ThreadEnds))?;
    if UNBLOCKED.get() != signals::installed() {
        unblock_signals();
    }
    let known = known();
    note_entered(known.thread);
    let found = stack::find(stack_pointer, known.own_stack)?;
    let here = Here {
        thread: known.thread,
        stack: found.stack,
        answers: found.answers,
        generation,
    };
    HERE.set(here);
    Ok(here)
}

/// Lets the signals through that the runtime handles. A thread that blocks a fault's signal dies of the fault.
pub(crate) fn unblock_signals() {
    let installed = signals::installed();
    // SAFETY: the set is a live local.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        for signal in signals::numbers(installed) {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
    }
    UNBLOCKED.set(installed);
}

/// The stack that signal handlers run on when the thread has none large enough.
struct SignalStack {
    /// Null when the thread's own was kept.
    memory: *mut libc::c_void,
    /// Why there is none.
    error: Option<i32>,
}

impl SignalStack {
    fn install() -> Self {
        let failed = || Self {
            memory: ptr::null_mut(),
            error: Some(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        };
        // SAFETY: all pointers are to live locals; the mapping is ours until drop.
        unsafe {
            let mut old = std::mem::zeroed::<libc::stack_t>();
            libc::sigaltstack(ptr::null(), &mut old);
            if old.ss_flags & libc::SS_DISABLE == 0 && old.ss_size >= SIGNAL_STACK_SIZE {
                return Self {
                    memory: ptr::null_mut(),
                    error: None,
                };
            }
            let memory = libc::mmap(
                ptr::null_mut(),
                SIGNAL_STACK_SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if memory == libc::MAP_FAILED {
                return failed();
            }
            let stack = libc::stack_t {
                ss_sp: memory,
                ss_flags: 0,
                ss_size: SIGNAL_STACK_SIZE,
            };
            if libc::sigaltstack(&stack, ptr::null_mut()) != 0 {
                let failed = failed();
                libc::munmap(memory, SIGNAL_STACK_SIZE);
                return failed;
            }
            Self {
                memory,
                error: None,
            }
        }
    }

    fn check(&self) -> Result<(), StackError> {
        match self.error {
            None => Ok(()),
            Some(errno) => Err(StackError::SignalStack { errno }),
        }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        // Code that runs later on this thread finds that there is none.
        HERE.set(NEVER);
        if let Some(again) = AGAIN.take() {
            delete_timer(again);
        }
        if self.memory.is_null() {
            return;
        }
        // SAFETY: the stack is disabled, if it is still the current one, before its memory goes.
        unsafe {
            let mut current = std::mem::zeroed::<libc::stack_t>();
            libc::sigaltstack(ptr::null(), &mut current);
            if current.ss_sp == self.memory {
                let disable = libc::stack_t {
                    ss_sp: ptr::null_mut(),
                    ss_flags: libc::SS_DISABLE,
                    ss_size: 0,
                };
                libc::sigaltstack(&disable, ptr::null_mut());
            }
            libc::munmap(self.memory, SIGNAL_STACK_SIZE);
        }
    }
}
