//! How far better code for a function, or for one of its loops, is: one atomic number and the order in which
//! it changes. Choice, thread and reason of a compile are said elsewhere.
//!
//! ```text
//!            queue              claim               publish
//!   Idle ------------> Queued ------------> Compiling ------------> Ready
//!    ^                   |                   |   |
//!    +-------------------+-------------------+   +----------------> Failed
//!                      retreat                        fail
//! ```
//!
//! **Rights.** Any number of threads may want to queue; the compare-and-swap lets one of them
//! through, and that one hands the work to the queue. A worker that takes it claims it, again by
//! compare-and-swap, and from then on the claim is that worker's alone: it ends it in exactly one of three
//! ways. So a function is compiled by one thread at a time, and published once.
//!
//! **Publication.** Three things are written, in this order: the bytes of the code, the slot through which
//! it is called, this number. The slot's store is a release store, so a thread that reads the new address out of the
//! slot reads the bytes behind it as they were written. Generated code reads the slot with a plain load and
//! jumps to the address read: that the bytes are fetched from this address is the dependency that orders
//! the two, and on x86-64 loads are not reordered with older loads at all. `Ready` is a release store too,
//! read with acquire: a thread that sees `Ready` and then reads the slot can't find the old code there.
//! There is no moment at which a slot holds anything but a complete entry point, so running code needs no
//! lock and no pause. A thread that read the slot just before goes on in the old code, which stays where it
//! is until the module is gone.
//!
//! **Two tiers** may be at a function at the same time, each with a progress of its own. Both store into the same
//! slot, under the function's lock, and the middle tier looks there first whether the optimizing tier is `Ready`:
//! so calls never go back to worse code.
//!
//! **Forks.** A request that is queued or compiled at a fork is not, in the child: its threads are the parent's. So these two
//! stages say in which process they were entered, and in any other they are `Idle`.
//!
//! `cfg(loom)` has these orders checked for all interleavings that the memory model allows, on these very
//! functions.

#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(all(loom, test)))]
use std::sync::atomic::{AtomicU32, Ordering};

use upshift_runtime::fork;

/// A step on the way to better code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Stage {
    /// Nothing was asked for, or not yet again.
    Idle,
    /// It waits for a worker.
    Queued,
    /// A worker has it.
    Compiling,
    /// It is published.
    Ready,
    /// There will be none.
    Failed,
}

impl Stage {
    /// Whether better code is on its way.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Compiling)
    }
}

/// A stage that threads share, in the lowest bits; above, the process's [`fork::generation`] where the stage is one that only
/// threads of that process go on from.
#[derive(Debug)]
pub(crate) struct Progress(AtomicU32);

const STAGE_BITS: u32 = 3;
const STAGES: u32 = (1 << STAGE_BITS) - 1;

/// How a stage is written in this process.
fn word(stage: Stage) -> u32 {
    // Every variant states its number.
    let number = stage as u32;
    if stage.is_under_way() {
        number | fork::generation() << STAGE_BITS
    } else {
        number
    }
}

/// The stage that a word is in this process.
fn read(word: u32) -> Stage {
    let is_of_this_process = || word & !STAGES == fork::generation() << STAGE_BITS;
    match word & STAGES {
        1 if is_of_this_process() => Stage::Queued,
        2 if is_of_this_process() => Stage::Compiling,
        0..=2 => Stage::Idle,
        3 => Stage::Ready,
        _ => Stage::Failed,
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self(AtomicU32::new(word(Stage::Idle)))
    }
}

impl Progress {
    /// The current stage. A thread that sees [`Stage::Ready`] sees everything published before.
    pub fn stage(&self) -> Stage {
        read(self.0.load(Ordering::Acquire))
    }

    /// Asks for better code. True for the one thread that is to put it into the queue.
    pub fn queue(&self) -> bool {
        self.step(Stage::Idle, Stage::Queued)
    }

    /// Takes a queued request. True for the one worker that is to compile it.
    pub fn claim(&self) -> bool {
        self.step(Stage::Queued, Stage::Compiling)
    }

    /// Publishes a claimed compile: `store` makes the code reachable, and only then is it `Ready`.
    pub fn publish(&self, store: impl FnOnce()) {
        store();
        self.end(Stage::Ready);
    }

    /// Publishes a claimed compile, unless a better one has been published. Both are published under one lock.
    pub fn publish_below(&self, better: &Self, store: impl FnOnce()) {
        if better.stage() != Stage::Ready {
            store();
        }
        self.end(Stage::Ready);
    }

    /// Gives up a claimed compile, for good.
    pub fn fail(&self) {
        self.end(Stage::Failed);
    }

    /// Puts back a queued or claimed request. For the thread that queued or claimed it.
    pub fn retreat(&self) {
        self.0.store(word(Stage::Idle), Ordering::Release);
    }

    fn step(&self, from: Stage, to: Stage) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        read(now) == from
            && self
                .0
                .compare_exchange(now, word(to), Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    fn end(&self, stage: Stage) {
        debug_assert_eq!(self.stage(), Stage::Compiling, "ended by who claimed it");
        self.0.store(word(stage), Ordering::Release);
    }
}

/// The model that `loom` runs through all interleavings.
#[cfg(all(loom, test))]
mod loom_model {
    use loom::cell::UnsafeCell;
    use loom::sync::atomic::AtomicUsize;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    use super::*;

    const OLD: usize = 0;
    const NEW: usize = 1;

    /// A function: its slot, the bytes of its two codes, and how often it was handed on.
    struct Function {
        progress: Progress,
        slot: AtomicUsize,
        bytes: [UnsafeCell<u8>; 2],
        queued: AtomicUsize,
        compiled: AtomicUsize,
    }

    impl Function {
        fn new() -> Self {
            Self {
                progress: Progress::default(),
                slot: AtomicUsize::new(OLD),
                bytes: [UnsafeCell::new(1), UnsafeCell::new(0)],
                queued: AtomicUsize::new(0),
                compiled: AtomicUsize::new(0),
            }
        }

        /// The behaviour of generated code, its dependent load being an acquire load here, since the model knows
        /// no dependencies.
        fn call(&self) -> usize {
            let target = self.slot.load(Ordering::Acquire);
            // SAFETY: the model fails if this races with the write below.
            self.bytes[target].with(|byte| assert_ne!(unsafe { *byte }, 0, "bytes before address"));
            target
        }

        fn ask(&self) {
            if self.progress.queue() {
                assert_eq!(self.queued.fetch_add(1, Ordering::Relaxed), 0);
            }
        }

        fn work(&self) {
            if self.progress.claim() {
                assert_eq!(self.compiled.fetch_add(1, Ordering::Relaxed), 0);
                // SAFETY: as above.
                self.bytes[NEW].with_mut(|byte| unsafe { *byte = 1 });
                self.progress
                    .publish(|| self.slot.store(NEW, Ordering::Release));
            }
        }
    }

    #[test]
    fn loom_publication() {
        loom::model(|| {
            let function = Arc::new(Function::new());
            let spawn = |what: fn(&Function)| {
                let function = Arc::clone(&function);
                thread::spawn(move || what(&function))
            };
            let guest = spawn(|function| {
                function.ask();
                let ready = function.progress.stage() == Stage::Ready;
                let target = function.call();
                assert!(!ready || target == NEW, "ready, and yet the old code");
            });
            let worker = spawn(|function| {
                function.ask();
                function.work();
            });
            function.work();
            function.call();
            guest.join().unwrap();
            worker.join().unwrap();
            // Whichever thread asked first, one queueing went through and none twice.
            assert_ne!(function.progress.stage(), Stage::Idle);
        });
    }

    #[test]
    fn loom_two_tiers() {
        const BETTER: usize = 2;
        struct TwoTiers {
            middle: Progress,
            optimizing: Progress,
            slot: AtomicUsize,
            lock: Mutex<()>,
        }
        loom::model(|| {
            let function = Arc::new(TwoTiers {
                middle: Progress::default(),
                optimizing: Progress::default(),
                slot: AtomicUsize::new(OLD),
                lock: Mutex::new(()),
            });
            let spawn = |what: fn(&TwoTiers)| {
                let function = Arc::clone(&function);
                thread::spawn(move || what(&function))
            };
            let middle = spawn(|function| {
                assert!(function.middle.queue() && function.middle.claim());
                let _lock = function.lock.lock();
                let store = || function.slot.store(NEW, Ordering::Release);
                function.middle.publish_below(&function.optimizing, store);
            });
            let optimizing = spawn(|function| {
                assert!(function.optimizing.queue() && function.optimizing.claim());
                let _lock = function.lock.lock();
                let store = || function.slot.store(BETTER, Ordering::Release);
                function.optimizing.publish(store);
            });
            let best = function.optimizing.stage() == Stage::Ready;
            let better = function.middle.stage() == Stage::Ready;
            let target = function.slot.load(Ordering::Acquire);
            assert!(!best || target == BETTER, "back to worse code");
            assert!(!better || target != OLD, "ready, and yet the old code");
            middle.join().unwrap();
            optimizing.join().unwrap();
            assert_eq!(function.slot.load(Ordering::Acquire), BETTER);
        });
    }

    #[test]
    fn loom_retreat_and_retry() {
        loom::model(|| {
            let function = Arc::new(Function::new());
            let worker = {
                let function = Arc::clone(&function);
                thread::spawn(move || {
                    if function.progress.claim() {
                        function.progress.retreat();
                    }
                })
            };
            assert!(function.progress.queue());
            worker.join().unwrap();
            match function.progress.stage() {
                // The worker was late.
                Stage::Queued => assert!(function.progress.claim()),
                Stage::Idle => {
                    assert!(function.progress.queue() && function.progress.claim());
                }
                other => panic!("{other:?}"),
            }
            function.progress.fail();
            assert!(!function.progress.queue());
        });
    }
}

/// The same with real threads, on the real atomics.
#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicPtr, AtomicUsize};
    use std::thread;

    use super::*;

    #[test]
    fn a_stage_has_one_way_in() {
        let progress = Progress::default();
        assert!(!progress.claim());
        assert!(progress.queue() && !progress.queue());
        assert!(progress.claim() && !progress.claim() && !progress.queue());
        progress.retreat();
        assert!(progress.queue() && progress.claim());
        progress.fail();
        assert_eq!(progress.stage(), Stage::Failed);
        assert!(!progress.queue() && !progress.claim());
    }

    #[test]
    fn threads_publish_once_and_find_the_bytes_behind_the_address() {
        const ROUNDS: usize = 500;
        const THREADS: usize = 4;
        static OLD: [usize; 64] = [1; 64];
        for round in 2..ROUNDS + 2 {
            let progress = Progress::default();
            let slot = AtomicPtr::new((&raw const OLD).cast_mut());
            let (queued, compiled) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let start = Barrier::new(THREADS);
            let run = || {
                start.wait();
                loop {
                    queued.fetch_add(usize::from(progress.queue()), Ordering::Relaxed);
                    if progress.claim() {
                        compiled.fetch_add(1, Ordering::Relaxed);
                        let bytes = Box::into_raw(Box::new([round; 64]));
                        progress.publish(|| slot.store(bytes, Ordering::Release));
                    }
                    let ready = progress.stage() == Stage::Ready;
                    // SAFETY: a slot holds whole code at all times, freed at the end of the round.
                    let bytes = unsafe { &*slot.load(Ordering::Acquire) };
                    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                    if ready {
                        assert_eq!(bytes[0], round);
                        break;
                    }
                }
            };
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(run);
                }
            });
            assert_eq!((queued.into_inner(), compiled.into_inner()), (1, 1));
            // SAFETY: published above, and nobody reads it any more.
            drop(unsafe { Box::from_raw(slot.into_inner()) });
        }
    }
}
