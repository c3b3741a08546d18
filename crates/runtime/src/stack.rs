//! Which stack code runs on, and how far down WebAssembly may use it: the thread's own stack, or one whose bounds
//! the host has stated. A thread's record of the answer is in `thread`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::ptr;

use crate::sync::RwLock;
use crate::{arch, thread};

/// The space for host functions below the guest's deepest frame where the host says nothing, if the stack is at
/// least twice as large; half of the stack otherwise.
pub const DEFAULT_HOST_STACK: usize = 512 << 10;

/// The least that is left. The runtime's own functions take less, and so do the frames that the optimizing tier
/// makes without a comparison before them: two of [`MOST_UNCHECKED_FRAME`], and the arguments of one call.
pub(crate) const LEAST_HOST_STACK: usize = 48 << 10;

/// The largest frame that a tier may make without comparing the stack pointer below it with the limit.
pub const MOST_UNCHECKED_FRAME: usize = 16 << 10;

/// The additional space of frames that move up in the middle of a loop, at most: a sixteenth of a small stack.
const MOST_MOVING_ROOM: usize = 256 << 10;

/// The least space for WebAssembly beside the host's.
const LEAST_WASM_STACK: usize = 48 << 10;

/// The assumed space on both sides of the stack pointer where the system does not tell.
const UNKNOWN: usize = 1 << 20;

/// Why WebAssembly can't run on the present stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// The code runs on a stack that is not the thread's, and whose bounds nobody stated.
    #[error(
        "WebAssembly is called on a stack that is not the thread's own: the stack pointer is {stack_pointer:#x}, the \
         thread's stack lies from {lowest:#x} to {highest:#x}; state the bounds of a coroutine's stack with \
         `ForeignStack::new` before the call"
    )]
    Unknown {
        /// Where the stack pointer is.
        stack_pointer: usize,
        /// The lowest address of the thread's stack.
        lowest: usize,
        /// The address behind it.
        highest: usize,
    },
    /// The whole stack is too small.
    #[error(
        "WebAssembly is called on a stack of {size} bytes, which is too small: {host_stack} bytes are for host \
         functions and {wasm_stack} for WebAssembly at least; give the thread or coroutine a larger stack, or lower \
         `Config::host_stack`"
    )]
    TooSmall {
        /// Bytes of the stack.
        size: usize,
        /// Bytes that are left for host functions.
        host_stack: usize,
        /// Bytes that WebAssembly needs at least.
        wasm_stack: usize,
    },
    /// The system has no memory for the stack of signal handlers, without which no trap can be taken.
    #[error(
        "the thread needs a stack for signal handlers, and there is no memory for it (error {errno})"
    )]
    SignalStack {
        /// The system's error.
        errno: i32,
    },
    /// The thread is dropping its locals, and its stack for signal handlers is gone.
    #[error(
        "WebAssembly is called while its thread ends; call it before the thread's locals are dropped"
    )]
    ThreadEnds,
}

/// The addresses of a stack, which grows down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StackBounds {
    /// The lowest address.
    pub(crate) lowest: usize,
    /// The address behind it.
    pub(crate) highest: usize,
}

impl StackBounds {
    /// Whether a stack pointer is in use on this stack.
    pub(crate) fn contains(self, stack_pointer: usize) -> bool {
        self.lowest < stack_pointer && stack_pointer <= self.highest
    }

    fn size(self) -> usize {
        self.highest - self.lowest
    }

    /// Bytes above the host's part that only frames may use which move up in the middle of a loop.
    #[inline]
    pub(crate) fn moving_room(self) -> usize {
        (self.size() / 16).min(MOST_MOVING_ROOM)
    }

    /// The lowest address that WebAssembly may use, given the space that the host wants for itself.
    #[inline]
    pub(crate) fn host_limit(self, host_stack: Option<usize>) -> Result<usize, StackError> {
        let size = self.size();
        let reserve = match host_stack {
            None => DEFAULT_HOST_STACK.min(size / 2),
            Some(bytes) => bytes.max(LEAST_HOST_STACK),
        };
        let wasm_stack = LEAST_WASM_STACK;
        if reserve < LEAST_HOST_STACK || size.saturating_sub(reserve) < wasm_stack {
            let host_stack = reserve.max(LEAST_HOST_STACK);
            return Err(StackError::TooSmall {
                size,
                host_stack,
                wasm_stack,
            });
        }
        Ok(self.lowest + reserve)
    }

    /// Those of this thread's own stack.
    pub(crate) fn of_thread() -> Self {
        let stack_pointer = arch::stack_pointer();
        // SAFETY: the attributes are initialised by the first call, read after its success, destroyed once.
        unsafe {
            let mut attributes = std::mem::zeroed::<libc::pthread_attr_t>();
            if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
                return Self {
                    lowest: stack_pointer.saturating_sub(UNKNOWN),
                    highest: stack_pointer.saturating_add(UNKNOWN),
                };
            }
            let mut address = ptr::null_mut();
            let (mut size, mut guard) = (0, 0);
            libc::pthread_attr_getstack(&attributes, &mut address, &mut size);
            libc::pthread_attr_getguardsize(&attributes, &mut guard);
            libc::pthread_attr_destroy(&mut attributes);
            let highest = address.addr() + size;
            Self {
                lowest: (address.addr() + guard).min(highest),
                highest,
            }
        }
    }
}

/// A stack of stated bounds.
struct Stated {
    highest: usize,
    /// Which statement it is.
    id: u64,
}

/// The stacks of stated bounds, by their lowest address. They do not overlap.
static STATED: RwLock<BTreeMap<usize, Stated>> = RwLock::new(BTreeMap::new());

/// States the bounds of a stack that is no thread's own, for as long as it lives: that of a coroutine, a fiber, a
/// green thread, or one that a library switches to when the stack runs low.
///
/// A call into WebAssembly takes its limit from the stack that it runs on, which has to be the thread's own or one
/// of stated bounds; on any other it is the error [`StackError::Unknown`]. Stated bounds hold for all threads and
/// stores, so that a coroutine may move between threads. A statement is best made at the start of the code on the stack:
/// there it also unblocks the signals that traps and interruptions need, as a thread's first call does.
///
/// ```
/// use upshift_runtime::ForeignStack;
///
/// let memory = vec![0_u8; 1 << 20];
/// let bounds = memory.as_ptr_range();
/// // SAFETY: the memory is ours, and lives longer.
/// let stated = unsafe { ForeignStack::new(bounds.start.addr()..bounds.end.addr()) };
/// // Code on a stack in that memory may call WebAssembly now.
/// drop(stated);
/// ```
#[derive(Debug)]
#[must_use = "the bounds are forgotten when this is dropped"]
pub struct ForeignStack {
    lowest: usize,
    id: u64,
}

impl ForeignStack {
    /// States that a stack takes these addresses: from the lowest that may be written to, guard pages left out, to
    /// the one behind the highest. It takes the place of statements about the same addresses.
    ///
    /// # Safety
    /// While the result lives, the memory belongs to one stack and may be read and written, and no other code uses
    /// the memory below the stack pointer of code that runs on it.
    pub unsafe fn new(bounds: Range<usize>) -> Self {
        let Range { start, end } = bounds;
        let mut stated = STATED.write();
        // A stack that overlaps this one is gone without a word.
        while let Some((&lowest, _)) = stated
            .range(..end)
            .next_back()
            .filter(|(_, last)| last.highest > start)
        {
            stated.remove(&lowest);
        }
        let id = thread::renew();
        if start < end {
            stated.insert(start, Stated { highest: end, id });
        }
        drop(stated);
        let here = StackBounds {
            lowest: start,
            highest: end,
        };
        if here.contains(arch::stack_pointer()) {
            thread::unblock_signals();
        }
        Self { lowest: start, id }
    }
}

impl Drop for ForeignStack {
    fn drop(&mut self) {
        let mut stated = STATED.write();
        if stated
            .get(&self.lowest)
            .is_some_and(|stack| stack.id == self.id)
        {
            stated.remove(&self.lowest);
            thread::renew();
        }
    }
}

/// A stack, and for which stack pointers it is the answer.
pub(crate) struct Found {
    pub(crate) stack: StackBounds,
    /// Bounds like those of a stack.
    pub(crate) answers: StackBounds,
}

/// The stack that a stack pointer of this thread is on. A stack of stated bounds comes first: it may be a part of
/// the thread's own.
pub(crate) fn find(stack_pointer: usize, own: StackBounds) -> Result<Found, StackError> {
    let stated = STATED.read();
    let before = stated.range(..stack_pointer).next_back();
    if let Some((&lowest, &Stated { highest, .. })) = before {
        let stack = StackBounds { lowest, highest };
        if stack.contains(stack_pointer) {
            let answers = stack;
            return Ok(Found { stack, answers });
        }
    }
    if !own.contains(stack_pointer) {
        return Err(StackError::Unknown {
            stack_pointer,
            lowest: own.lowest,
            highest: own.highest,
        });
    }
    let below = before.map_or(0, |(_, stack)| stack.highest);
    let above = stated.range(stack_pointer..).next();
    let answers = StackBounds {
        lowest: own.lowest.max(below),
        highest: own
            .highest
            .min(above.map_or(usize::MAX, |(&lowest, _)| lowest)),
    };
    Ok(Found {
        stack: own,
        answers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: StackBounds = StackBounds {
        lowest: 0x10_0000,
        highest: 0x90_0000,
    };

    fn found(stack_pointer: usize) -> [usize; 4] {
        let Found { stack, answers } = find(stack_pointer, OWN).expect("a known stack");
        [stack.lowest, stack.highest, answers.lowest, answers.highest]
    }

    #[test]
    fn a_stated_stack_within_the_threads_own_comes_first_until_it_is_dropped() {
        // SAFETY: nothing runs there.
        let inner = unsafe { ForeignStack::new(0x40_0000..0x50_0000) };
        assert_eq!(
            found(0x48_0000),
            [0x40_0000, 0x50_0000, 0x40_0000, 0x50_0000]
        );
        assert_eq!(found(0x50_0000)[0], 0x40_0000);
        assert_eq!(
            found(0x40_0000),
            [0x10_0000, 0x90_0000, 0x10_0000, 0x40_0000]
        );
        assert_eq!(
            found(0x60_0000),
            [0x10_0000, 0x90_0000, 0x50_0000, 0x90_0000]
        );
        // SAFETY: as above.
        let later = unsafe { ForeignStack::new(0x4f_0000..0x58_0000) };
        assert_eq!(found(0x48_0000)[0], 0x10_0000);
        drop(inner);
        assert_eq!(found(0x50_0000)[0], 0x4f_0000);
        drop(later);
        assert_eq!(found(0x50_0000)[0], 0x10_0000);
        for outside in [0x10_0000, 0x90_0001, 0] {
            assert!(find(outside, OWN).is_err());
        }
    }

    #[test]
    fn half_of_a_small_stack_is_the_hosts_and_what_was_asked_for_is_exact() {
        let limit = |size: usize, host_stack| {
            let bounds = StackBounds {
                lowest: 1 << 20,
                highest: (1 << 20) + size,
            };
            bounds
                .host_limit(host_stack)
                .map(|limit| limit - bounds.lowest)
        };
        assert_eq!(limit(8 << 20, None), Ok(DEFAULT_HOST_STACK));
        assert_eq!(limit(1 << 20, None), Ok(512 << 10));
        assert_eq!(limit(256 << 10, None), Ok(128 << 10));
        assert_eq!(limit(256 << 10, Some(200 << 10)), Ok(200 << 10));
        assert_eq!(limit(256 << 10, Some(0)), Ok(LEAST_HOST_STACK));
        for (size, host_stack) in [(64 << 10, None), (256 << 10, Some(220 << 10)), (0, Some(0))] {
            let error = limit(size, host_stack).expect_err("too small");
            assert!(error.to_string().contains("Config::host_stack"), "{error}");
        }
    }
}
