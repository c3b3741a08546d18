//! What the runtime knows of a thread: its stack, its innermost activation, its alternate signal stack.

use std::cell::Cell;
use std::ptr;

use crate::EntryRecord;

/// What an entry needs to know of its thread.
#[derive(Clone, Copy)]
pub(crate) struct ThreadInfo {
    /// The kernel's id; 0 in a thread not looked at yet.
    pub(crate) tid: i32,
    /// The lowest address that generated code may use: below it is what host functions need.
    pub(crate) stack_limit: usize,
    /// Bytes above that which only frames that move up in the middle of a loop may use: they take more than they took.
    pub(crate) moving_room: usize,
    /// The lowest address of the stack.
    pub(crate) stack_end: usize,
}

/// What is left to host functions called at the last moment: a quarter of a small stack, this at most.
const MOST_RESERVE: usize = 256 << 10;
/// And this at least.
const LEAST_RESERVE: usize = 48 << 10;
/// What frames that move up may take more, at most: a sixteenth of a small stack.
const MOST_MOVING_ROOM: usize = 256 << 10;
/// For our handlers, which only walk frames, on processors with large register files.
const SIGNAL_STACK_SIZE: usize = 64 << 10;

thread_local! {
    static INFO: Cell<ThreadInfo> =
        const { Cell::new(ThreadInfo { tid: 0, stack_limit: 0, moving_room: 0, stack_end: 0 }) };
    static INNERMOST: Cell<*mut EntryRecord> = const { Cell::new(ptr::null_mut()) };
    static SIGNAL_STACK: SignalStack = SignalStack::install();
}

#[inline]
pub(crate) fn current() -> ThreadInfo {
    let info = INFO.get();
    if info.tid == 0 { look() } else { info }
}

/// The innermost activation on this thread, of any store. Async-signal-safe.
#[inline]
pub(crate) fn innermost() -> *mut EntryRecord {
    INNERMOST.get()
}

#[inline]
pub(crate) fn set_innermost(record: *mut EntryRecord) {
    INNERMOST.set(record);
}

/// Whether `address` is at the end of this thread's stack. Async-signal-safe.
pub(crate) fn is_stack_end(address: usize) -> bool {
    let info = INFO.get();
    info.tid != 0 && address < info.stack_limit && address >= info.stack_end.saturating_sub(1 << 20)
}

/// The thread that forked has another id in the child. The rest that is known of it stays.
pub(crate) fn after_fork_in_child() {
    let info = INFO.get();
    if info.tid != 0 {
        INFO.set(ThreadInfo { tid: id(), ..info });
    }
}

fn id() -> i32 {
    // SAFETY: no preconditions.
    unsafe { libc::gettid() }
}

/// Bytes of stack left on this thread.
#[must_use]
pub fn remaining_stack() -> usize {
    crate::arch::stack_pointer().saturating_sub(current().stack_end)
}

#[cold]
fn look() -> ThreadInfo {
    SIGNAL_STACK.with(|_| ());
    let (stack_end, size) = stack_bounds();
    let reserve = (size / 4).clamp(LEAST_RESERVE, MOST_RESERVE);
    let info = ThreadInfo {
        tid: id(),
        stack_limit: stack_end + reserve,
        moving_room: (size / 16).min(MOST_MOVING_ROOM),
        stack_end,
    };
    INFO.set(info);
    info
}

/// Lowest usable address and size of this thread's stack. When the system does not tell, the stack is
/// taken to end a little below here.
fn stack_bounds() -> (usize, usize) {
    const UNKNOWN: usize = 128 << 10;
    // SAFETY: the attributes are initialised by the first call, read after its success, destroyed once.
    unsafe {
        let mut attributes = std::mem::zeroed::<libc::pthread_attr_t>();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return (
                crate::arch::stack_pointer().saturating_sub(UNKNOWN),
                UNKNOWN,
            );
        }
        let mut address = ptr::null_mut();
        let (mut size, mut guard) = (0, 0);
        libc::pthread_attr_getstack(&attributes, &mut address, &mut size);
        libc::pthread_attr_getguardsize(&attributes, &mut guard);
        libc::pthread_attr_destroy(&mut attributes);
        (address as usize + guard, size.saturating_sub(guard))
    }
}

/// The stack that signal handlers run on when the thread has none large enough.
struct SignalStack {
    /// Null when the thread's own was kept.
    memory: *mut libc::c_void,
}

impl SignalStack {
    fn install() -> Self {
        // SAFETY: all pointers are to live locals; the mapping is ours until drop.
        unsafe {
            let mut old = std::mem::zeroed::<libc::stack_t>();
            libc::sigaltstack(ptr::null(), &mut old);
            if old.ss_flags & libc::SS_DISABLE == 0 && old.ss_size >= SIGNAL_STACK_SIZE {
                return Self {
                    memory: ptr::null_mut(),
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
                // The thread's own, if it has one, has to do.
                return Self {
                    memory: ptr::null_mut(),
                };
            }
            let stack = libc::stack_t {
                ss_sp: memory,
                ss_flags: 0,
                ss_size: SIGNAL_STACK_SIZE,
            };
            libc::sigaltstack(&stack, ptr::null_mut());
            Self { memory }
        }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
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
