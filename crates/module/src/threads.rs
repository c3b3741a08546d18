//! Threads that the child of a fork can start, too.
//!
//! Those of the standard library begin by taking a lock of its own. If another thread of the parent held that lock at the fork,
//! it is held in the child for good, and no thread comes further there. These come from the system alone, whose
//! `fork` sees to its own locks (POSIX.1-2024, `fork`).

use std::any::Any;
use std::ffi::{CStr, c_void};
use std::mem::{self, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::{io, ptr};

/// The work of a thread.
type Work<'a> = Box<dyn FnOnce() + Send + 'a>;

/// A thread's result, or the panic that ended it.
type Outcome<R> = Result<R, Box<dyn Any + Send>>;

/// The stack of a thread for which nobody asks for another size, as the standard library has it.
const DEFAULT_STACK: usize = 2 << 20;

/// Starts a thread that nobody waits for. A panic ends that thread only.
///
/// # Errors
/// When the system has no thread, or no stack of so many bytes.
pub fn spawn(
    name: &'static CStr,
    stack: usize,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let named = move || {
        // SAFETY: the current thread, and a text that ends in zero. Only its length may be wrong, which is an error.
        unsafe { libc::pthread_setname_np(libc::pthread_self(), name.as_ptr()) };
        work();
    };
    let thread = start(stack, Box::new(named))?;
    // SAFETY: the thread was made to be joined, and nobody joins it.
    unsafe { libc::pthread_detach(thread) };
    Ok(())
}

/// Does some work on a thread with a stack of so many bytes, and waits for it. Its panic goes on here.
///
/// # Errors
/// When the system has no such thread. The work is not done then.
pub fn on_another<R: Send>(stack: usize, work: impl FnOnce() -> R + Send) -> io::Result<R> {
    let mut outcome = None;
    let other = Joined::start(stack, &mut outcome, work)?;
    drop(other);
    Ok(unwrap(outcome))
}

/// Does the same work here and on up to so many other threads, as many as can be had, and waits for all. The results, this
/// one first; a panic goes on here.
pub fn on_several<R: Send>(
    others: usize,
    stack: Option<usize>,
    work: impl Fn() -> R + Sync,
) -> Vec<R> {
    let mut outcomes: Vec<Option<Outcome<R>>> = Vec::new();
    outcomes.resize_with(others, || None);
    let mut started = Vec::with_capacity(others);
    for outcome in &mut outcomes {
        match Joined::start(stack.unwrap_or(DEFAULT_STACK), outcome, &work) {
            Ok(other) => started.push(other),
            Err(_) => break,
        }
    }
    let own = catch_unwind(AssertUnwindSafe(&work));
    let count = started.len();
    drop(started);
    outcomes.truncate(count);
    let others = outcomes.into_iter().map(unwrap);
    match own {
        Ok(own) => [own].into_iter().chain(others).collect(),
        Err(panic) => resume_unwind(panic),
    }
}

fn unwrap<R>(outcome: Option<Outcome<R>>) -> R {
    match outcome.expect("a thread that has ended has an outcome") {
        Ok(result) => result,
        Err(panic) => resume_unwind(panic),
    }
}

/// A thread that is waited for when this is dropped.
struct Joined {
    thread: libc::pthread_t,
}

impl Joined {
    /// Starts it. Its borrows are used by nobody else until this is dropped, which callers never leave out.
    fn start<'a, R: Send>(
        stack: usize,
        outcome: &'a mut Option<Outcome<R>>,
        work: impl FnOnce() -> R + Send + 'a,
    ) -> io::Result<Self> {
        let work: Work<'a> =
            Box::new(move || *outcome = Some(catch_unwind(AssertUnwindSafe(work))));
        // SAFETY: the thread has ended when its borrows may be used again: this is dropped then.
        let work = unsafe { mem::transmute::<Work<'a>, Work<'static>>(work) };
        let thread = start(stack, work)?;
        Ok(Self { thread })
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        // SAFETY: the thread was made to be joined, and is joined here only.
        let error = unsafe { libc::pthread_join(self.thread, ptr::null_mut()) };
        assert_eq!(error, 0, "a thread that was started can be joined");
    }
}

/// Starts a thread that has to be joined or detached.
fn start(stack: usize, work: Work<'static>) -> io::Result<libc::pthread_t> {
    extern "C" fn run(work: *mut c_void) -> *mut c_void {
        // SAFETY: `start` made it of a box.
        let work = unsafe { Box::from_raw(work.cast::<Work<'static>>()) };
        // The panic was told. A waiter for the result has it otherwise.
        let _ = catch_unwind(AssertUnwindSafe(work));
        ptr::null_mut()
    }
    let page = 4096;
    let stack = stack
        .max(libc::PTHREAD_STACK_MIN)
        .checked_next_multiple_of(page);
    let stack = stack.ok_or(io::ErrorKind::InvalidInput)?;
    let work = Box::into_raw(Box::new(work));
    let mut attributes = MaybeUninit::uninit();
    let mut thread = 0;
    // SAFETY: the attributes are initialized first and destroyed last, and all pointers are to live variables. The
    // work is the thread's, if there is one.
    let error = unsafe {
        let mut error = libc::pthread_attr_init(attributes.as_mut_ptr());
        if error == 0 {
            error = libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack);
            if error == 0 {
                error = libc::pthread_create(&mut thread, attributes.as_ptr(), run, work.cast());
            }
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
        error
    };
    if error == 0 {
        return Ok(thread);
    }
    // SAFETY: no thread has taken it.
    drop(unsafe { Box::from_raw(work) });
    Err(io::Error::from_raw_os_error(error))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn results_come_from_other_threads_and_borrow_what_is_here() {
        let here = thread::current().id();
        let mut numbers = vec![1, 2];
        let other = on_another(1 << 20, || {
            numbers.push(3);
            thread::current().id()
        });
        assert_ne!(other.unwrap(), here);
        assert_eq!(numbers, [1, 2, 3]);
        let next = AtomicUsize::new(0);
        let mut taken = on_several(3, None, || next.fetch_add(1, Ordering::Relaxed));
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2, 3]);
        assert_eq!(on_several(0, None, || 7), [7]);
    }

    #[test]
    fn a_panic_goes_on_where_it_is_waited_for() {
        let panic = catch_unwind(|| on_another(1 << 20, || -> u32 { panic!("here") }));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"here"));
        let ended = AtomicUsize::new(0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            on_several(2, None, || {
                assert!(ended.fetch_add(1, Ordering::SeqCst) > 0, "the first");
            })
        }));
        assert!(panic.is_err());
        assert_eq!(ended.into_inner(), 3);
    }

    #[test]
    fn a_stack_that_cannot_be_had_is_an_error() {
        let error = on_another(usize::MAX, || ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(on_another(1 << 60, || ()).is_err());
        assert!(spawn(c"never", 1 << 60, || ()).is_err());
        assert_eq!(on_several(2, Some(1 << 60), || 1), [1]);
    }

    #[test]
    fn a_detached_thread_has_its_name() {
        let (tell, told) = mpsc::channel();
        let name = || std::fs::read_to_string("/proc/thread-self/comm");
        spawn(c"upshift-test", 1 << 20, move || tell.send(name()).unwrap()).unwrap();
        assert_eq!(told.recv().unwrap().unwrap().trim(), "upshift-test");
    }

    #[test]
    fn a_child_starts_threads_whatever_its_parent_was_starting() {
        const FORKS: usize = 300;
        let done = AtomicBool::new(false);
        let failed = thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        thread::spawn(|| ()).join().unwrap();
                    }
                });
            }
            let fork = |_| {
                // SAFETY: no preconditions. The child calls the tested function, and ends.
                unsafe {
                    let child = libc::fork();
                    if child == 0 {
                        libc::alarm(20);
                        let is_right = on_another(1 << 20, || 7).is_ok_and(|it| it == 7);
                        libc::_exit(i32::from(!is_right));
                    }
                    let mut status = -1;
                    libc::waitpid(child, &raw mut status, 0);
                    status
                }
            };
            let failed = (0..FORKS).map(fork).find(|&status| status != 0);
            done.store(true, Ordering::Relaxed);
            failed
        });
        assert_eq!(failed, None, "14 is a child that waited for ever");
    }
}
