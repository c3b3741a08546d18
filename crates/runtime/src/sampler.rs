//! Where a thread spends its time: a timer that counts the thread's own CPU time interrupts it, and the handler
//! counts the addresses that it finds it at. Nothing of this exists unless a [`Sampler`] does.
//!
//! The handler runs only async-signal-safe code: it looks into a table that was allocated before and that
//! belongs to the interrupted thread alone. The code at an address is looked up when sampling has ended.
//! Signals that are not the timer's go to the handler that was there before.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use upshift_module::{to_u64, u64_to_usize};

use crate::fork::generation;
use crate::signals::{address_of_handler, call_handler};
use crate::sync::Mutex;
use crate::{FoundCode, InstalledCode, ModuleCode, arch, code_memory, find_code};

/// Addresses that are told apart, a power of two; some more than the hot code of a large program has.
const PLACES: usize = 1 << 15;
/// Places that an address may be at, one after the other.
const PROBES: usize = 32;

/// Samples of which the moment is kept, a power of two. When there are more, every other one is let go, and
/// from then on every other one is kept: a timeline of any length, with ever coarser steps.
const MOMENTS: usize = 1 << 14;

/// The handler's table. Only the thread that it belongs to writes to it, in its handler.
struct Table {
    /// Open addressing; an address of 0 is a free place.
    places: Box<[Place]>,
    /// The first `kept` samples of the timeline.
    moments: Box<[Moment]>,
    kept: AtomicUsize,
    /// One sample in so many is kept in the timeline.
    stride: AtomicU64,
    /// Samples so far.
    seen: AtomicU64,
    /// Samples in generated code whose address had no room.
    lost: AtomicU64,
    /// Samples anywhere else.
    elsewhere: AtomicU64,
}

#[derive(Default)]
struct Place {
    pc: AtomicUsize,
    count: AtomicU64,
}

#[derive(Default)]
struct Moment {
    pc: AtomicUsize,
    /// Nanoseconds of the monotonic clock.
    at: AtomicU64,
}

/// Samples one thread, the one that started it, until it is stopped or dropped.
///
/// Time that the thread sleeps is not sampled. In the child of a fork nothing is from then on.
pub struct Sampler {
    timer: libc::timer_t,
    table: Box<Table>,
    /// The monotonic clock at the start, in nanoseconds.
    start: u64,
    /// The process that has the timer: children do not inherit it.
    generation: u32,
    /// The timer and the handler's table belong to this thread.
    not_send: PhantomData<*mut ()>,
}

/// The samples of a [`Sampler`].
pub struct Samples {
    /// Samples by the code that the thread was in, in no order.
    pub code: Vec<(Arc<ModuleCode>, Arc<InstalledCode>, u64)>,
    /// Samples elsewhere: in the host, the runtime, stubs, and code that is gone.
    pub elsewhere: u64,
    /// One sample in `stride`, in the order in which they were taken.
    pub timeline: Vec<TimedSample>,
    /// How many samples each of the timeline stands for.
    pub stride: u64,
}

/// A sample of a timeline.
pub struct TimedSample {
    /// Time since sampling began.
    pub at: Duration,
    /// Where in [`Samples::code`] the code is that the thread was in; `None` is elsewhere.
    pub code: Option<usize>,
}

thread_local! {
    /// The table of this thread's sampler, if it has one.
    static TABLE: Cell<*const Table> = const { Cell::new(ptr::null()) };
}

/// Our timers' signals carry its address.
static MARK: u8 = 0;

/// The handler of the signal before ours; written before our handler is installed, once.
static mut PREVIOUS: MaybeUninit<libc::sigaction> = MaybeUninit::uninit();
static INSTALLED: Mutex<bool> = Mutex::new(false);

impl Sampler {
    /// Samples the current thread each time it has used `period` of CPU time, or as often as the kernel's clock
    /// ticks.
    ///
    /// # Errors
    /// When the thread has a sampler already, or the system gives no timer.
    pub fn start(period: Duration) -> io::Result<Self> {
        if !TABLE.get().is_null() {
            return Err(io::Error::other("this thread is being sampled already"));
        }
        install()?;
        let table = Box::new(Table {
            places: std::iter::repeat_with(Place::default)
                .take(PLACES)
                .collect(),
            moments: std::iter::repeat_with(Moment::default)
                .take(MOMENTS)
                .collect(),
            kept: AtomicUsize::new(0),
            stride: AtomicU64::new(1),
            seen: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            elsewhere: AtomicU64::new(0),
        });
        // SAFETY: all pointers are to live locals; a zeroed `sigevent` is valid.
        let timer = unsafe {
            let mut event = std::mem::zeroed::<libc::sigevent>();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGPROF;
            event.sigev_notify_thread_id = libc::gettid();
            event.sigev_value = libc::sigval {
                sival_ptr: (&raw const MARK).cast_mut().cast(),
            };
            let mut timer = ptr::null_mut();
            if libc::timer_create(libc::CLOCK_THREAD_CPUTIME_ID, &mut event, &mut timer) != 0 {
                return Err(io::Error::last_os_error());
            }
            timer
        };
        TABLE.set(&*table);
        // From here on the drop clears up.
        let sampler = Self {
            timer,
            table,
            start: now(),
            generation: generation(),
            not_send: PhantomData,
        };
        let period = libc::timespec {
            tv_sec: period.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: period.subsec_nanos().into(),
        };
        let times = libc::itimerspec {
            it_interval: period,
            it_value: period,
        };
        // SAFETY: the timer is ours, the times are a live local.
        if unsafe { libc::timer_settime(timer, 0, &times, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(sampler)
    }

    /// Ends sampling, and gives the samples.
    #[must_use]
    pub fn stop(self) -> Samples {
        self.disarm();
        let mut samples = Samples {
            code: Vec::new(),
            // Where a sample has no room there are thousands of places; it belongs to none that matters.
            elsewhere: self.table.elsewhere.load(Ordering::Relaxed)
                + self.table.lost.load(Ordering::Relaxed),
            timeline: Vec::new(),
            stride: self.table.stride.load(Ordering::Relaxed),
        };
        // Each address is looked up once; the timeline has the same ones.
        let mut known = HashMap::new();
        for place in &self.table.places {
            let pc = place.pc.load(Ordering::Relaxed);
            if pc == 0 {
                continue;
            }
            let count = place.count.load(Ordering::Relaxed);
            let index = samples.index_of(pc);
            match index {
                Some(index) => samples.code[index].2 += count,
                None => samples.elsewhere += count,
            }
            known.insert(pc, index);
        }
        let kept = self.table.kept.load(Ordering::Relaxed);
        samples.timeline = self.table.moments[..kept]
            .iter()
            .map(|moment| TimedSample {
                at: Duration::from_nanos(
                    moment.at.load(Ordering::Relaxed).saturating_sub(self.start),
                ),
                code: known
                    .get(&moment.pc.load(Ordering::Relaxed))
                    .copied()
                    .flatten(),
            })
            .collect();
        samples
    }

    /// From here on no signal of the timer finds the table.
    fn disarm(&self) {
        TABLE.set(ptr::null());
        // The handler runs on this thread: it is enough that the compiler keeps the order.
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.disarm();
        // In a child the number may be that of another timer.
        if self.generation == generation() {
            // SAFETY: the timer is ours and not used again.
            unsafe { libc::timer_delete(self.timer) };
        }
    }
}

impl Samples {
    /// Where the code at an address is in `code`, where it is put if it isn't there yet.
    fn index_of(&mut self, pc: usize) -> Option<usize> {
        let FoundCode { module, code } = find_code(pc)?;
        let known = self
            .code
            .iter()
            .position(|seen| Arc::ptr_eq(&seen.1, &code));
        Some(known.unwrap_or_else(|| {
            self.code.push((module, code, 0));
            self.code.len() - 1
        }))
    }
}

/// The monotonic clock, in nanoseconds. Async-signal-safe.
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a live local. This clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    // The clock begins with the system, so no part of it is negative.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

impl Table {
    /// Adds a sample to the timeline. Async-signal-safe.
    fn keep(&self, pc: usize) {
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        let stride = self.stride.load(Ordering::Relaxed);
        if !seen.is_multiple_of(stride) {
            return;
        }
        let mut kept = self.kept.load(Ordering::Relaxed);
        if kept == MOMENTS {
            for index in 0..MOMENTS / 2 {
                let (to, from) = (&self.moments[index], &self.moments[2 * index]);
                to.pc
                    .store(from.pc.load(Ordering::Relaxed), Ordering::Relaxed);
                to.at
                    .store(from.at.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            self.stride.store(2 * stride, Ordering::Relaxed);
            // This sample's number is even: it is the next that a doubled stride keeps.
            kept = MOMENTS / 2;
        }
        self.moments[kept].pc.store(pc, Ordering::Relaxed);
        self.moments[kept].at.store(now(), Ordering::Relaxed);
        self.kept.store(kept + 1, Ordering::Relaxed);
    }

    /// Counts a sample. Async-signal-safe.
    fn count(&self, pc: usize) {
        self.keep(pc);
        if !code_memory::contains(pc) {
            self.elsewhere.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Multiplicative hashing: the upper bits are mixed best.
        let hash = to_u64(pc).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = u64_to_usize(hash >> (64 - PLACES.trailing_zeros()));
        for probe in 0..PROBES {
            let place = &self.places[(first + probe) % PLACES];
            let found = place.pc.load(Ordering::Relaxed);
            if found == 0 {
                place.pc.store(pc, Ordering::Relaxed);
            } else if found != pc {
                continue;
            }
            place.count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// Installs the handler, once per process. It stays: somebody may have chained to it since.
fn install() -> io::Result<()> {
    let mut installed = INSTALLED.lock();
    if *installed {
        return Ok(());
    }
    // SAFETY: the lock makes this the only writer, and no handler of ours that could read it is installed yet.
    unsafe {
        let previous = (&raw mut PREVIOUS).cast::<libc::sigaction>();
        if libc::sigaction(libc::SIGPROF, ptr::null(), previous) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = address_of_handler(handle);
        // ONSTACK because the guest's stack may be used up; RESTART because host calls should not see it.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        if libc::sigaction(libc::SIGPROF, &action, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    *installed = true;
    Ok(())
}

unsafe extern "C" fn handle(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: called by the kernel with valid arguments; a signal of a timer carries a value.
    let (ours, pc) = unsafe {
        let ours = (*info).si_code == libc::SI_TIMER
            && (*info).si_value().sival_ptr.cast_const() == (&raw const MARK).cast();
        (ours, arch::registers(context).pc)
    };
    if !ours {
        // SAFETY: as for this handler; `PREVIOUS` was written before it was installed.
        unsafe { chain(signal, info, context) };
        return;
    }
    // SAFETY: a table is named here only while its sampler, on this thread, owns it.
    if let Some(table) = unsafe { TABLE.get().as_ref() } {
        table.count(pc);
    }
}

/// Passes a signal on to the previous handler.
unsafe fn chain(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the handler that was there is called as its flags say.
    unsafe {
        let previous = &*(&raw const PREVIOUS).cast::<libc::sigaction>();
        match previous.sa_sigaction {
            libc::SIG_IGN => {}
            libc::SIG_DFL => {
                // The default ends the process, when this handler has returned and the signal is free again.
                let mut default = std::mem::zeroed::<libc::sigaction>();
                default.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &default, ptr::null_mut());
                libc::raise(signal);
            }
            _ => call_handler(previous, signal, info, context),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use upshift_module::{to_u64, u64_to_usize};

    use super::*;

    fn busy(time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_busy_thread_is_seen_and_there_is_one_sampler_a_thread() {
        let sampler = Sampler::start(Duration::from_millis(1)).unwrap();
        assert!(Sampler::start(Duration::from_millis(1)).is_err());
        // With other tests on few processors, CPU time may take a while.
        let start = Instant::now();
        while sampler.table.elsewhere.load(Ordering::Relaxed) == 0 {
            busy(Duration::from_millis(5));
            assert!(start.elapsed() < Duration::from_secs(20), "no sample");
        }
        let samples = sampler.stop();
        assert!(samples.elsewhere > 0);
        assert!(samples.code.is_empty());
        assert!(Sampler::start(Duration::from_millis(1)).is_ok());
    }

    #[test]
    fn a_timeline_of_any_length_is_even_and_in_order() {
        let sampler = Sampler::start(Duration::from_secs(100)).unwrap();
        let total = 5 * to_u64(MOMENTS) / 2;
        for pc in 1..=total {
            sampler.table.keep(u64_to_usize(pc));
        }
        let stride = sampler.table.stride.load(Ordering::Relaxed);
        assert_eq!(stride, 4);
        let kept = sampler.table.kept.load(Ordering::Relaxed);
        assert_eq!(to_u64(kept), total / stride);
        for (index, moment) in sampler.table.moments[..kept].iter().enumerate() {
            let expected = to_u64(index) * stride + 1;
            assert_eq!(to_u64(moment.pc.load(Ordering::Relaxed)), expected);
        }
        let samples = sampler.stop();
        assert!(samples.timeline.is_sorted_by_key(|sample| sample.at));
        assert!(samples.timeline.iter().all(|sample| sample.code.is_none()));
    }

    #[test]
    fn a_signal_of_somebody_else_is_no_sample() {
        static SEEN: AtomicU64 = AtomicU64::new(0);
        extern "C" fn seen(_: i32) {
            SEEN.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the handler that was there before is replaced under the lock that its writer holds.
        unsafe {
            drop(Sampler::start(Duration::from_secs(100)).unwrap());
            let _installed = INSTALLED.lock();
            let mut action = std::mem::zeroed::<libc::sigaction>();
            action.sa_sigaction = seen as *const () as usize;
            (&raw mut PREVIOUS).cast::<libc::sigaction>().write(action);
        }
        let sampler = Sampler::start(Duration::from_secs(100)).unwrap();
        // SAFETY: there is a handler.
        unsafe { libc::raise(libc::SIGPROF) };
        assert_eq!(SEEN.load(Ordering::Relaxed), 1);
        assert_eq!(sampler.stop().elsewhere, 0);
    }
}
