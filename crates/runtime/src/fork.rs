//! Forks of the process: the one place that hears of them, and the rules of the rest.
//!
//! A child has all of its parent's memory but only one thread, the one that forked. Work that another thread had begun is
//! never finished there. There are three kinds of such things:
//!
//! * **Short locks** (`sync`) are held inside of a [`Section`]. A fork closes the gate to sections and waits until all
//!   threads have left theirs, so the child finds every lock free, and its data whole. Sections nest; a thread in one
//!   comes into another while the gate is closed, so there is no order among locks that a fork has to know. In a section
//!   nobody waits for anything but a lock of this kind.
//! * **Long work**, such as a compile, is not waited for. Its state says in which process it was begun
//!   ([`generation`]); work of an earlier one counts as not begun.
//! * **A library's locks** are not ours to look at. A thread inside of one that has global state is in a [`LongSection`],
//!   for whose end a fork waits a moment, but not longer.
//!
//! The order is: one fork at a time, then the gate of long sections, then that of short ones, which is closed for no longer
//! than a lock is held. Nothing in a section waits for a fork, and a thread that waits at the gate of short ones holds no lock.
//!
//! Memory that parent and child share is left alone by both (`epoch`): `code_memory` gives away pages that no
//! relative has, and never writes to or empties one that existed at a fork.
//!
//! **Children that nobody announces**, made by a bare `clone`, are told by a page that the kernel empties in them. They get
//! a generation of their own as soon as one is asked for. Their parent does not know of them, and other threads of it may
//! have held locks: such a child is only safe to use where its parent had one thread and drops no module meanwhile.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use upshift_module::to_usize;

use crate::sync::{futex_wait, futex_wake};
use crate::thread;

/// How long a fork waits for threads in long sections.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long a fork waits for threads in sections, which take microseconds unless they can't end.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// Counters of threads in sections: many threads take locks at the same time.
const STRIPES: usize = 16;

/// A counter that shares no cache line with another one, nor a pair of lines that processors fetch together.
type Stripe = CachePadded<AtomicU32>;

/// Threads in sections. A thread counts in the stripe that it was given.
static INSIDE: [Stripe; STRIPES] = [const { Stripe::new(AtomicU32::new(0)) }; STRIPES];
/// Threads in long sections.
static LINGERING: AtomicU32 = AtomicU32::new(0);
/// 1 while a thread forks.
static CLOSED: AtomicU32 = AtomicU32::new(0);
/// The same for long sections: 1 before the other is.
static CLOSED_FOR_LONG: AtomicU32 = AtomicU32::new(0);
/// Held by the thread that forks: 1, or 2 if others may wait.
static FORKING: AtomicU32 = AtomicU32::new(0);

/// Forks of this process and of its ancestors, children that nobody announced included.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// The generation, where the system has no page that it empties in children.
static UNWIPED: AtomicU32 = AtomicU32::new(1);
/// The generation; 0 in a child that has none yet.
static GENERATION: AtomicPtr<AtomicU32> = AtomicPtr::new((&raw const UNWIPED).cast_mut());
/// The last generation that was given out.
static LAST_GENERATION: AtomicU32 = AtomicU32::new(1);

/// The work of other crates in a child.
static HOOKS: [AtomicPtr<()>; 4] = [const { AtomicPtr::new(ptr::null_mut()) }; 4];

/// Where the current thread is.
#[derive(Clone, Copy)]
struct Place {
    /// Sections that it is in.
    sections: u32,
    /// Long sections that it is in.
    long: u32,
    /// Its stripe, counted from 1; 0 if it has none.
    stripe: u32,
}

thread_local! {
    static PLACE: Cell<Place> = const { Cell::new(Place { sections: 0, long: 0, stripe: 0 }) };
}

/// Which process this is among its ancestors: 1 until there is a fork, and another number in each child. Never 0.
#[inline]
#[must_use]
pub fn generation() -> u32 {
    // SAFETY: it points to a static or to a page that is never unmapped.
    let generation = unsafe { &*GENERATION.load(Ordering::Acquire) };
    match generation.load(Ordering::Relaxed) {
        0 => begin_generation(generation),
        number => number,
    }
}

/// Counts forks: memory mapped at the present count is shared with no relative.
pub(crate) fn epoch() -> u32 {
    let _ = generation();
    FORKS.load(Ordering::Relaxed)
}

/// Has children of this process call `hook` on their only thread, before `fork` returns there. At most four are kept.
pub fn call_in_children(hook: fn()) {
    // Functions become pointers in no other way.
    let hook = hook as *mut ();
    for place in &HOOKS {
        let null = ptr::null_mut();
        match place.compare_exchange(null, hook, Ordering::AcqRel, Ordering::Acquire) {
            Err(other) if other != hook => {}
            Ok(_) | Err(_) => return,
        }
    }
    debug_assert!(false, "a fifth hook");
}

/// In a child that nobody announced: gives it a generation of its own.
#[cold]
fn begin_generation(generation: &AtomicU32) -> u32 {
    let next = LAST_GENERATION
        .load(Ordering::Relaxed)
        .wrapping_add(1)
        .max(1);
    match generation.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            LAST_GENERATION.store(next, Ordering::Relaxed);
            FORKS.fetch_add(1, Ordering::Relaxed);
            thread::after_fork_in_child();
            next
        }
        // Another thread was first.
        Err(theirs) => theirs,
    }
}

/// A stretch of code in which the current thread may hold locks, which no fork interrupts.
#[derive(Debug)]
pub struct Section(PhantomData<*mut ()>);

impl Section {
    /// Waits for the fork that is going on, if there is one and the thread is in no section yet.
    #[inline]
    #[must_use]
    pub fn enter() -> Self {
        let mut place = PLACE.get();
        if place.sections == 0 {
            if place.stripe == 0 {
                place.stripe = give_stripe();
            }
            enter_counted(stripe_of(place), &CLOSED);
        }
        place.sections += 1;
        PLACE.set(place);
        Self(PhantomData)
    }

    /// Whether the current thread is in a section beside this one.
    pub(crate) fn is_nested(&self) -> bool {
        PLACE.get().sections > 1
    }
}

impl Drop for Section {
    #[inline]
    fn drop(&mut self) {
        let mut place = PLACE.get();
        // 0 after a fatal error, from which its thread does not return.
        if place.sections == 0 {
            return;
        }
        place.sections -= 1;
        PLACE.set(place);
        if place.sections == 0 {
            leave_counted(stripe_of(place), &CLOSED);
        }
    }
}

/// A stretch of code inside of a library with global state, such as LLVM. A fork waits for its end or for the next
/// [`pause`](Self::pause), but no more than some ten milliseconds: such a library takes its locks for short, and
/// most of that when it is used first.
#[derive(Debug)]
pub struct LongSection(PhantomData<*mut ()>);

impl LongSection {
    /// Waits for the fork that is going on, if there is one.
    #[must_use]
    pub fn enter() -> Self {
        let mut place = PLACE.get();
        if place.long == 0 && place.sections == 0 {
            enter_counted(&LINGERING, &CLOSED_FOR_LONG);
        } else if place.long == 0 {
            // A fork that waits for this thread's section can't be waited for.
            LINGERING.fetch_add(1, Ordering::SeqCst);
        }
        place.long += 1;
        PLACE.set(place);
        Self(PhantomData)
    }

    /// Lets a fork happen, if a thread wants to. For where the thread holds nothing, nor is inside of the library.
    pub fn pause(&self) {
        let place = PLACE.get();
        let fork_waits = CLOSED_FOR_LONG.load(Ordering::Relaxed) != 0;
        if fork_waits && place.sections == 0 && place.long == 1 {
            leave_counted(&LINGERING, &CLOSED_FOR_LONG);
            enter_counted(&LINGERING, &CLOSED_FOR_LONG);
        }
    }
}

impl Drop for LongSection {
    fn drop(&mut self) {
        let mut place = PLACE.get();
        if place.long == 0 {
            return;
        }
        place.long -= 1;
        PLACE.set(place);
        if place.long == 0 {
            leave_counted(&LINGERING, &CLOSED_FOR_LONG);
        }
    }
}

/// The current thread stays where it is for good: no fork waits for it from now on. It must hold no lock.
pub fn leave_for_good() {
    let place = PLACE.get();
    PLACE.set(Place {
        sections: 0,
        long: 0,
        ..place
    });
    if place.sections > 0 {
        leave_counted(stripe_of(place), &CLOSED);
    }
    if place.long > 0 {
        leave_counted(&LINGERING, &CLOSED_FOR_LONG);
    }
}

fn stripe_of(place: Place) -> &'static Stripe {
    &INSIDE[to_usize(place.stripe) % STRIPES]
}

#[cold]
fn give_stripe() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    // Never 0.
    NEXT.fetch_add(1, Ordering::Relaxed) % (1 << 16) + 1
}

/// Counts the current thread in as soon as the gate is open.
///
/// The thread counts itself in, then looks at the gate; a fork closes the gate, then looks at the counters: one of the
/// two sees the other.
#[inline]
fn enter_counted(counter: &AtomicU32, gate: &AtomicU32) {
    counter.fetch_add(1, Ordering::SeqCst);
    if gate.load(Ordering::SeqCst) != 0 {
        wait_at_the_gate(counter, gate);
    }
}

/// The same, once the gate was seen closed.
#[cold]
fn wait_at_the_gate(counter: &AtomicU32, gate: &AtomicU32) {
    loop {
        leave_counted(counter, gate);
        while gate.load(Ordering::SeqCst) != 0 {
            futex_wait(gate, 1, None);
        }
        counter.fetch_add(1, Ordering::SeqCst);
        if gate.load(Ordering::SeqCst) == 0 {
            return;
        }
    }
}

#[inline]
fn leave_counted(counter: &AtomicU32, gate: &AtomicU32) {
    if counter.fetch_sub(1, Ordering::SeqCst) == 1 && gate.load(Ordering::SeqCst) != 0 {
        futex_wake(counter, i32::MAX);
    }
}

/// Waits until nobody is counted, or the time is up.
fn wait_until_empty(counter: &AtomicU32, until: Option<Instant>) {
    loop {
        let left = counter.load(Ordering::SeqCst);
        if left == 0 {
            return;
        }
        let time = until.map(|until| until.saturating_duration_since(Instant::now()));
        if time.is_some_and(|time| time.is_zero()) {
            return;
        }
        futex_wait(counter, left, time);
    }
}

/// Has forks handled from now on. Called before there is anything that they concern.
pub(crate) fn prepare() {
    static PREPARED: AtomicBool = AtomicBool::new(false);
    if PREPARED.load(Ordering::Relaxed) || PREPARED.swap(true, Ordering::AcqRel) {
        return;
    }
    // Handlers that were registered first have the last word before a fork. An allocator's are among those: threads in
    // sections allocate. Those of users of this library come after.
    drop(std::hint::black_box(Box::new(0_u8)));
    // SAFETY: all three may be called at any time, in the order of a fork, and none unwinds. Where the system refuses,
    // children have the answer of the page in them.
    unsafe { libc::pthread_atfork(Some(fork_begins), Some(fork_ends), Some(child_begins)) };
    if let Some(page) = wiped_page() {
        page.store(UNWIPED.load(Ordering::Relaxed), Ordering::Relaxed);
        GENERATION.store(ptr::from_ref(page).cast_mut(), Ordering::Release);
    }
}

/// Called when the program is loaded.
#[used]
// SAFETY: the section is for functions of this signature, and this one may run before `main`.
#[unsafe(link_section = ".init_array")]
static WHEN_LOADED: extern "C" fn() = prepare_when_loaded;

extern "C" fn prepare_when_loaded() {
    prepare();
}

/// A number that is 0 in a child, however it was made; none before Linux 4.14.
fn wiped_page() -> Option<&'static AtomicU32> {
    // SAFETY: a new mapping at an address of the system's choice, which stays for good, zeroed and aligned.
    unsafe {
        let (size, protection) = (4096, libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return None;
        }
        if libc::madvise(page, size, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, size);
            return None;
        }
        Some(&*page.cast())
    }
}

/// On the thread that forks, before it does.
extern "C" fn fork_begins() {
    let place = PLACE.get();
    // A thread that forks in a section can't wait for itself.
    if place.sections > 0 {
        leave_counted(stripe_of(place), &CLOSED);
    }
    if place.long > 0 {
        leave_counted(&LINGERING, &CLOSED_FOR_LONG);
    }
    let free = FORKING.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
    if free.is_err() {
        while FORKING.swap(2, Ordering::Acquire) != 0 {
            futex_wait(&FORKING, 2, None);
        }
    }
    // Meanwhile, other threads go on taking locks.
    CLOSED_FOR_LONG.store(1, Ordering::SeqCst);
    wait_until_empty(&LINGERING, Instant::now().checked_add(PATIENCE));
    CLOSED.store(1, Ordering::SeqCst);
    // A handler of a signal that forks may have interrupted a thread on its way into a section or out of it, or hold up
    // in one whom others in sections wait for.
    let until = Instant::now().checked_add(LAST_PATIENCE);
    for stripe in &INSIDE {
        wait_until_empty(stripe, until);
    }
    FORKS.fetch_add(1, Ordering::Relaxed);
    // Other handlers of this fork may come into sections.
    PLACE.set(Place {
        sections: place.sections + 1,
        ..place
    });
}

/// On the same thread in the parent, after it did, or failed to.
extern "C" fn fork_ends() {
    let mut place = PLACE.get();
    place.sections -= 1;
    PLACE.set(place);
    count_again(place);
    reopen();
}

/// On the only thread of the child.
extern "C" fn child_begins() {
    let mut place = PLACE.get();
    place.sections -= 1;
    PLACE.set(place);
    // A thread that was about to find the gate closed was counted for that moment.
    for stripe in &INSIDE {
        stripe.store(0, Ordering::Relaxed);
    }
    LINGERING.store(0, Ordering::Relaxed);
    count_again(place);
    let next = LAST_GENERATION
        .load(Ordering::Relaxed)
        .wrapping_add(1)
        .max(1);
    LAST_GENERATION.store(next, Ordering::Relaxed);
    // SAFETY: as in `generation`.
    unsafe { &*GENERATION.load(Ordering::Acquire) }.store(next, Ordering::Release);
    thread::after_fork_in_child();
    reopen();
    for hook in &HOOKS {
        let hook = hook.load(Ordering::Acquire);
        if !hook.is_null() {
            // SAFETY: only functions of this type are put there.
            let hook = unsafe { mem::transmute::<*mut (), fn()>(hook) };
            hook();
        }
    }
}

/// Counts a thread again that forked in a section.
fn count_again(place: Place) {
    if place.sections > 0 {
        stripe_of(place).fetch_add(1, Ordering::SeqCst);
    }
    if place.long > 0 {
        LINGERING.fetch_add(1, Ordering::SeqCst);
    }
}

fn reopen() {
    for gate in [&CLOSED, &CLOSED_FOR_LONG] {
        gate.store(0, Ordering::SeqCst);
        futex_wake(gate, i32::MAX);
    }
    if FORKING.swap(0, Ordering::Release) == 2 {
        futex_wake(&FORKING, 1);
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::{end_of_child, in_child, start_child};
