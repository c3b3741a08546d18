use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;

use super::*;
use crate::sync::{Condvar, Mutex, OnceLock, RwLock, WorkLock};

/// Forks. The child does the work and says whether it was right; the system ends it if it takes for ever.
pub(crate) fn start_child(work: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: no preconditions. The child does the work and ends by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", std::io::Error::last_os_error());
    if pid == 0 {
        // SAFETY: no preconditions.
        unsafe { libc::alarm(60) };
        let is_right = catch_unwind(AssertUnwindSafe(work)).unwrap_or(false);
        // SAFETY: no preconditions.
        unsafe { libc::_exit(i32::from(!is_right)) };
    }
    pid
}

/// Waits for a child, and says whether its work was right.
pub(crate) fn end_of_child(pid: libc::pid_t) -> bool {
    let mut status = -1;
    // SAFETY: the child is ours, the status a live variable.
    let ended = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    ended == pid && status == 0
}

/// Does the work in a child.
pub(crate) fn in_child(work: impl FnOnce() -> bool) -> bool {
    end_of_child(start_child(work))
}

#[test]
fn each_child_has_a_generation_of_its_own() {
    let generation = super::generation();
    let epoch = super::epoch();
    assert!(in_child(|| {
        let of_child = super::generation();
        of_child != generation && in_child(|| super::generation() > of_child)
    }));
    assert_eq!(super::generation(), generation);
    assert!(super::epoch() > epoch);
}

#[test]
fn a_child_finds_all_locks_free_and_what_they_guard_whole() {
    #[derive(Default)]
    struct Locks {
        first: Mutex<(u64, u64)>,
        second: Mutex<u64>,
        third: RwLock<(u64, u64)>,
        changed: Condvar,
        work: WorkLock,
        ended: AtomicU64,
    }
    let locks = Locks::default();
    let is_whole = |locks: &Locks| {
        let first = locks.first.lock();
        let second = locks.second.lock();
        let third = locks.third.read();
        first.0 == first.1 && third.0 == third.1 && *second <= first.0
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while locks.ended.load(Ordering::Relaxed) == 0 {
                    let _working = locks.work.lock();
                    let mut first = locks.first.lock();
                    first.0 += 1;
                    let mut second = locks.second.lock();
                    *second += 1;
                    drop(second);
                    first.1 += 1;
                    drop(first);
                    locks.changed.notify_one();
                    let mut third = locks.third.write();
                    third.0 += 1;
                    third.1 += 1;
                }
            });
        }
        scope.spawn(|| {
            while locks.ended.load(Ordering::Relaxed) == 0 {
                let mut first = locks.first.lock();
                let soon = Instant::now() + Duration::from_millis(1);
                locks.changed.wait_until(&mut first, soon);
                first.0 += 1;
                first.1 += 1;
            }
        });
        for _ in 0..100 {
            let free = in_child(|| {
                let is_free = locks.work.try_lock().is_some();
                is_free && is_whole(&locks) && {
                    *locks.first.lock() = (0, 0);
                    let other = std::thread::scope(|scope| {
                        let other = scope.spawn(|| drop(locks.work.lock()));
                        other.join().is_ok()
                    });
                    other && is_whole(&Locks::default())
                }
            });
            assert!(free);
        }
        locks.ended.store(1, Ordering::Relaxed);
    });
    assert!(is_whole(&locks));
}

#[test]
fn threads_that_fork_at_the_same_time_wait_for_one_another() {
    let lock = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    *lock.lock() += 1;
                    assert!(in_child(|| *lock.lock() > 0));
                }
            });
        }
    });
    assert_eq!(*lock.lock(), 100);
}

#[test]
fn who_forks_in_a_section_does_not_wait_for_itself() {
    let lock = Mutex::new(7);
    let other = Mutex::new(8);
    let long = LongSection::enter();
    let held = lock.lock();
    let is_right = in_child(|| *held == 7 && *other.lock() == 8);
    drop(held);
    long.pause();
    drop(long);
    assert!(is_right && in_child(|| *lock.lock() == 7));
}

#[test]
fn what_takes_long_is_waited_for_until_it_pauses_or_the_time_is_up() {
    let lock = Mutex::new(0);
    let (begun, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let long = LongSection::enter();
            begun.store(true, Ordering::SeqCst);
            // Never pauses while a fork waits.
            while !ended.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            long.pause();
            *lock.lock() += 1;
        });
        while !begun.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let is_free = in_child(|| *lock.lock() == 0);
        ended.store(true, Ordering::SeqCst);
        assert!(is_free);
    });
    assert_eq!(*lock.lock(), 1);
}

#[test]
fn who_never_comes_back_is_not_waited_for() {
    let parked = std::thread::spawn(|| {
        let _long = LongSection::enter();
        let _section = Section::enter();
        leave_for_good();
        std::thread::sleep(Duration::from_millis(200));
    });
    assert!(in_child(|| true));
    parked.join().expect("leaving twice is nothing");
    assert!(in_child(|| true));
}

#[test]
fn a_section_that_does_not_end_holds_up_a_fork_for_a_moment_only() {
    let lock = Mutex::new(0);
    let (begun, forked) = (AtomicBool::new(false), AtomicBool::new(false));
    let waited_for_fork = std::thread::scope(|scope| {
        let stays = scope.spawn(|| {
            let section = Section::enter();
            begun.store(true, Ordering::SeqCst);
            // A fork that waited for the section's end would come after this.
            let until = Instant::now() + 30 * LAST_PATIENCE;
            while !forked.load(Ordering::SeqCst) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(section);
            forked.load(Ordering::SeqCst)
        });
        while !begun.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert!(in_child(|| *lock.lock() == 0));
        forked.store(true, Ordering::SeqCst);
        stays.join().unwrap()
    });
    assert!(waited_for_fork);
    // And the gate counts right afterwards.
    assert!(in_child(|| *lock.lock() == 0));
}

#[test]
fn hooks_are_called_in_children_once_each() {
    static CALLED: AtomicU32 = AtomicU32::new(0);
    fn hook() {
        CALLED.fetch_add(1, Ordering::SeqCst);
    }
    call_in_children(hook);
    call_in_children(hook);
    assert!(in_child(|| CALLED.load(Ordering::SeqCst) == 1));
    assert_eq!(CALLED.load(Ordering::SeqCst), 0);
}

#[test]
fn a_value_that_another_thread_was_making_is_made_in_the_child() {
    let once = OnceLock::new();
    let (begun, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            once.get_or_init(|| {
                begun.store(true, Ordering::SeqCst);
                while !ended.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                1
            });
        });
        while !begun.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let is_made = in_child(|| *once.get_or_init(|| 2) == 2);
        ended.store(true, Ordering::SeqCst);
        assert!(is_made);
    });
    assert_eq!(once.get(), Some(&1));
}
