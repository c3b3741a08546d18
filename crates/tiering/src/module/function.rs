//! The state of one function: little for functions that are never called, the rest in a box.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use upshift_runtime::sync::{Mutex, OnceLock, WorkLock};
use upshift_translate::DirectCall;

use super::calls::CallWatch;
use super::loops::LoopTable;
use crate::progress::{Progress, Stage};
use crate::rung::{PerRung, Rung};
use crate::{FunctionTier, TierTotals};

/// A function.
#[derive(Default)]
pub(super) struct FunctionState {
    /// Held while the baseline compiles the function, so that threads that race compile once, and while
    /// something is stored into its slot.
    pub compiling: WorkLock,
    /// How far each tier above the baseline is.
    pub better: PerRung<Progress>,
    /// Whether it was compiled before anybody called it.
    pub ahead: Ahead,
    /// The newest code that was published; null before the first call.
    code: AtomicPtr<u8>,
    /// Operators granted in the baseline, over all instances.
    pub work: AtomicU64,
    /// The state of a function that is called.
    detail: OnceLock<Box<Detail>>,
}

/// The state of a function that is called.
#[derive(Default)]
pub(super) struct Detail {
    /// Its loops, as far as they were asked for.
    pub loops: LoopTable,
    /// Its calls, while it is hot in a loop.
    pub watch: CallWatch,
    /// Compiles of it by tier.
    pub totals: Mutex<Totals>,
    /// Work before which no tier is asked again.
    pub retry_at: AtomicU64,
    /// How often one was asked in vain, there being no memory.
    pub retries: AtomicU8,
    /// Work that had been done when a tier's code was published.
    pub ready_at: PerRung<AtomicU64>,
    /// Work that had been done when an entry at a loop was last asked for, published or used for the first time: work
    /// from before says nothing about how much of it calls will do in the baseline.
    pub entry_at: PerRung<AtomicU64>,
    /// Whether there is an entry at a loop.
    pub has_entry: PerRung<AtomicBool>,
    /// Its direct calls, if it was compiled ahead and has not been called yet.
    pub calls: Mutex<Box<[DirectCall]>>,
    /// How often something of it was compiled again.
    pub attempts: AtomicU32,
}

/// Whether a function was compiled before it was called, which is tried once.
#[derive(Default)]
pub(super) struct Ahead(AtomicU8);

/// How far that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum AheadStage {
    /// Nobody tried.
    Untried,
    /// Somebody did, or does.
    Tried,
    /// It was.
    Compiled,
}

impl AheadStage {
    const fn number(self) -> u8 {
        // Variants are numbered from 0 on.
        self as u8
    }
}

impl Ahead {
    pub fn get(&self) -> AheadStage {
        match self.0.load(Ordering::Relaxed) {
            0 => AheadStage::Untried,
            1 => AheadStage::Tried,
            _ => AheadStage::Compiled,
        }
    }

    /// True for the one thread that may try.
    pub fn try_once(&self) -> bool {
        let (from, to) = (AheadStage::Untried.number(), AheadStage::Tried.number());
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.compare_exchange(from, to, success, failure).is_ok()
    }

    /// That it worked, said by the thread that tried.
    pub fn set_compiled(&self) {
        self.0
            .store(AheadStage::Compiled.number(), Ordering::Relaxed);
    }
}

/// Compiles of a function by tier.
#[derive(Default)]
pub(super) struct Totals {
    pub baseline: TierTotals,
    pub better: PerRung<TierTotals>,
}

impl FunctionState {
    /// The newest code that was published, if any.
    pub fn newest_code(&self) -> Option<*const u8> {
        let code = self.code.load(Ordering::Acquire);
        (!code.is_null()).then_some(code.cast_const())
    }

    /// Notes the address stored into the slot, `compiling` being held.
    pub fn publish(&self, address: usize) {
        let code = ptr::with_exposed_provenance_mut(address);
        self.code.store(code, Ordering::Release);
        if let Some(detail) = self.existing_detail() {
            detail.watch.end();
        }
    }

    /// Work that was done before entries at loops were last heard of; 0 without any.
    pub fn work_before_entries(&self, rung: Rung) -> u64 {
        self.existing_detail()
            .map_or(0, |detail| detail.entry_at[rung].load(Ordering::Relaxed))
    }

    /// Whether frames can move up at a loop.
    pub fn has_entry(&self, rung: Rung) -> bool {
        self.existing_detail()
            .is_some_and(|detail| detail.has_entry[rung].load(Ordering::Relaxed))
    }

    /// Notes how much work had been done when something happened to an entry at a loop.
    pub fn note_entry(&self, rung: Rung) {
        let work = self.work.load(Ordering::Relaxed);
        self.detail().entry_at[rung].store(work, Ordering::Relaxed);
    }

    /// Where calls go.
    pub fn tier(&self) -> FunctionTier {
        let is_ready = |rung| self.better[rung].stage() == Stage::Ready;
        if self.newest_code().is_none() {
            FunctionTier::NotCompiled
        } else if is_ready(Rung::Optimizing) {
            FunctionTier::Optimizing
        } else if is_ready(Rung::Middle) {
            FunctionTier::Middle
        } else {
            FunctionTier::Baseline
        }
    }

    pub fn detail(&self) -> &Detail {
        self.detail.get_or_init(Box::default)
    }

    /// The same if there is anything.
    pub fn existing_detail(&self) -> Option<&Detail> {
        self.detail.get().map(|detail| &**detail)
    }
}

impl TierTotals {
    /// Adds one compile, which made so much code or failed.
    pub(super) fn add(&mut self, code_bytes: Option<usize>, time: Duration) {
        match code_bytes {
            Some(bytes) => {
                self.compiled += 1;
                self.code_bytes += bytes;
            }
            None => self.failed += 1,
        }
        self.compile_time += time;
    }
}
