//! Locks that forks are in order with (`fork`): all crates of the engine use them in place of the standard library's.
//!
//! [`Mutex`] and [`RwLock`] are held for short, inside of a section: a fork waits until they are free. They have no
//! poison, because their data is whole at each place that may panic. A [`WorkLock`] is held while something is
//! compiled; a fork does not wait for it, and a child finds it free.
//!
//! [`Condvar`] is a futex of its own, because a thread that wakes up has to be in a section before it has the lock again.

use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, TryLockError};
use std::time::{Duration, Instant};

use upshift_module::Stop;

use crate::fork::{Section, generation};

/// A lock that is held for short.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(std::sync::Mutex<T>);

/// The right to the data of a [`Mutex`].
#[derive(Debug)]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a std::sync::Mutex<T>,
    /// There but while a [`Condvar`] is waited for. Given up before the section.
    inner: Option<std::sync::MutexGuard<'a, T>>,
    section: Option<Section>,
}

impl<T> Mutex<T> {
    /// A lock around this.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Its data.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until nobody else has it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let section = Section::enter();
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        MutexGuard {
            mutex: &self.0,
            inner: Some(inner),
            section: Some(section),
        }
    }

    /// Waits for no other thread but one that forks.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let section = Section::enter();
        let inner = match self.0.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(MutexGuard {
            mutex: &self.0,
            inner: Some(inner),
            section: Some(section),
        })
    }

    /// Its data, which nobody else can reach now.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().expect("held but while waiting")
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("held but while waiting")
    }
}

/// A queue in which threads wait with a [`Mutex`] given up.
#[derive(Debug, Default)]
pub struct Condvar(AtomicU32);

impl Condvar {
    /// One that nobody waits for.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Gives the lock up, waits to be notified, and takes it again. May return for no reason.
    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) {
        self.wait_for(guard, None);
    }

    /// The same, at most until then.
    pub fn wait_until<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>, until: Instant) {
        let time = until.saturating_duration_since(Instant::now());
        self.wait_for(guard, Some(time));
    }

    fn wait_for<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>, time: Option<Duration>) {
        let is_nested = guard.section.as_ref().is_some_and(Section::is_nested);
        debug_assert!(!is_nested, "waiting with another lock held");
        let notified = self.0.load(Ordering::Relaxed);
        guard.inner = None;
        guard.section = None;
        futex_wait(&self.0, notified, time);
        guard.section = Some(Section::enter());
        let inner = guard.mutex.lock();
        guard.inner = Some(inner.unwrap_or_else(PoisonError::into_inner));
    }

    /// Wakes one waiter.
    pub fn notify_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        futex_wake(&self.0, 1);
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        futex_wake(&self.0, i32::MAX);
    }
}

/// A lock that any number of readers hold for short, or one writer.
#[derive(Debug, Default)]
pub struct RwLock<T: ?Sized>(std::sync::RwLock<T>);

/// The right to read the data of an [`RwLock`].
#[derive(Debug)]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    inner: std::sync::RwLockReadGuard<'a, T>,
    /// Left after the lock.
    _section: Section,
}

/// The right to change the data of an [`RwLock`].
#[derive(Debug)]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    inner: std::sync::RwLockWriteGuard<'a, T>,
    /// Left after the lock.
    _section: Section,
}

impl<T> RwLock<T> {
    /// A lock around this.
    pub const fn new(value: T) -> Self {
        Self(std::sync::RwLock::new(value))
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until nobody writes.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        let section = Section::enter();
        RwLockReadGuard {
            inner: self.0.read().unwrap_or_else(PoisonError::into_inner),
            _section: section,
        }
    }

    /// Waits until nobody else has it.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        let section = Section::enter();
        RwLockWriteGuard {
            inner: self.0.write().unwrap_or_else(PoisonError::into_inner),
            _section: section,
        }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// A value that is made when it is first asked for. Threads that race make one each, and all get the first: no thread
/// waits for one that is making it, so that a child never waits for a thread that it does not have.
#[derive(Debug)]
pub struct OnceLock<T>(std::sync::OnceLock<T>);

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> OnceLock<T> {
    /// Without a value.
    #[must_use]
    pub const fn new() -> Self {
        Self(std::sync::OnceLock::new())
    }

    /// The value, if there is one.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.0.get()
    }

    /// The value, made by `make` if there is none.
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.0.get() {
            return value;
        }
        let made = make();
        let _section = Section::enter();
        self.0.get_or_init(|| made)
    }
}

/// A lock that is held for as long as some work takes. A fork does not wait for it; in the child, where nobody goes on
/// with the work of another thread, it is free.
///
/// The generation of the holder, shifted by one, and whether others may wait; or 0.
#[derive(Debug, Default)]
pub struct WorkLock(AtomicU32);

/// The right to do the work. Given up on drop.
#[derive(Debug)]
pub struct WorkGuard<'a>(&'a WorkLock);

const WAITED_FOR: u32 = 1;

/// How long a thread waits before it looks whether it is to go on waiting.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

impl WorkLock {
    /// Waits until nobody of this process has it.
    pub fn lock(&self) -> WorkGuard<'_> {
        loop {
            if let Some(guard) = self.lock_until(Stop::NEVER) {
                return guard;
            }
        }
    }

    /// The same, until it is to end: then without the lock.
    pub fn lock_until(&self, stop: Stop<'_>) -> Option<WorkGuard<'_>> {
        let mut wanted = holder();
        loop {
            let now = self.0.load(Ordering::Relaxed);
            if !is_held(now) {
                if self.step(now, wanted) {
                    return Some(WorkGuard(self));
                }
                continue;
            }
            if stop.is_requested() {
                // The thread that gave the lock up may have woken this thread and no other.
                futex_wake(&self.0, 1);
                return None;
            }
            if now & WAITED_FOR != 0 || self.step(now, now | WAITED_FOR) {
                let time = (!stop.is_never()).then_some(BETWEEN_LOOKS);
                futex_wait(&self.0, now | WAITED_FOR, time);
                // Others may still wait.
                wanted = holder() | WAITED_FOR;
            }
        }
    }

    /// Waits for nobody.
    pub fn try_lock(&self) -> Option<WorkGuard<'_>> {
        let now = self.0.load(Ordering::Relaxed);
        (!is_held(now) && self.step(now, holder())).then(|| WorkGuard(self))
    }

    fn step(&self, from: u32, to: u32) -> bool {
        self.0
            .compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }
}

fn holder() -> u32 {
    generation() << 1
}

/// Whether a thread of this process has the lock.
fn is_held(word: u32) -> bool {
    word & !WAITED_FOR == holder()
}

impl Drop for WorkGuard<'_> {
    fn drop(&mut self) {
        // Taken before a fork, it is not this process's to give up.
        if is_held(self.0.0.load(Ordering::Relaxed))
            && self.0.0.swap(0, Ordering::Release) & WAITED_FOR != 0
        {
            futex_wake(&self.0.0, 1);
        }
    }
}

/// Waits until it is woken, unless the word is another one; at most for so long.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, time: Option<Duration>) {
    let time = time.map(|time| libc::timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    });
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word and the time are alive. Whatever it returns, the caller looks at the word again.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, expected, time) };
}

/// Wakes so many waiters.
pub(crate) fn futex_wake(word: &AtomicU32, count: i32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel does not access the word.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, count) };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use std::sync::mpsc;

    use super::*;

    #[test]
    fn who_is_told_to_stop_waiting_leaves_others_waiting() {
        let lock = WorkLock::default();
        let flag = AtomicU32::new(0);
        let working = lock.lock();
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let stopped = scope.spawn(|| lock.lock_until(Stop::when_set(&flag)).is_some());
            for _ in 0..2 {
                scope.spawn(|| {
                    drop(lock.lock());
                    sender.send(()).expect("somebody waits for it");
                });
            }
            flag.store(1, Ordering::Relaxed);
            assert!(!stopped.join().expect("no panic"));
            assert!(receiver.try_recv().is_err());
            drop(working);
            // A free lock is taken without regard to the flag.
            for _ in 0..2 {
                receiver.recv().expect("both are woken");
            }
            assert!(lock.lock_until(Stop::when_set(&flag)).is_some());
        });
    }

    #[test]
    fn one_thread_at_a_time_has_a_lock() {
        let (short, long) = (Mutex::new(0), WorkLock::default());
        let unguarded = Mutex::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        *short.lock() += 1;
                        let _working = long.lock();
                        let before = *unguarded.lock();
                        std::hint::spin_loop();
                        *unguarded.lock() = before + 1;
                    }
                });
            }
        });
        assert_eq!((*short.lock(), *unguarded.lock()), (4000, 4000));
        let working = long.lock();
        assert!(long.try_lock().is_none());
        drop(working);
        assert!(long.try_lock().is_some());
    }

    #[test]
    fn who_waits_is_woken_or_goes_on_when_the_time_is_up() {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let other = Arc::clone(&shared);
        let counting = thread::spawn(move || {
            for _ in 0..100 {
                *other.0.lock() += 1;
                other.1.notify_all();
            }
        });
        let mut count = shared.0.lock();
        while *count < 100 {
            shared.1.wait(&mut count);
        }
        let soon = Instant::now() + Duration::from_millis(2);
        shared.1.wait_until(&mut count, soon);
        assert_eq!(*count, 100);
        drop(count);
        counting.join().expect("no panic");
    }

    #[test]
    fn all_get_the_first_value() {
        let once = OnceLock::new();
        let all: Vec<&usize> = thread::scope(|scope| {
            let get = |number| {
                let once = &once;
                scope.spawn(move || once.get_or_init(|| number))
            };
            let threads: Vec<_> = (0..4).map(get).collect();
            (threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic")))
            .collect()
        });
        assert!(all.iter().all(|&of_one| ptr::eq(of_one, all[0])));
    }
}
