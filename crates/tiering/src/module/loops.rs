//! The loops of a function that better code was asked for, and the choice among them.
//!
//! The loop that runs out of budget is the innermost, most of the time. An entry there leads through copies
//! of the loops around it, so it costs a multiple to compile of an entry at an outer loop. But an
//! outer loop is of use only if the frame gets back to its header soon. So before something is asked for, the
//! function is *probed*: it gets no budget for a few hundred polls, so that every header that it passes is
//! seen. The outermost loop around the first one that comes by in that time is entered; if it is the start of
//! the function that comes by, the function is compiled instead. Nothing but the first loop coming by means
//! that the rest is further away than a few hundred rounds, and that loop is entered.
//!
//! Once there is an entry at an outer loop, the same is done to get to it: no budget, until its header comes by. If it
//! does not, for as long as another compile is worth, the loop that keeps running is entered too, by an entry of its own.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use upshift_module::{DefinedFuncIndex, LoopIndex, Module};
use upshift_runtime::sync::{Mutex, RwLock, WorkLock};
use upshift_translate::enclosing_loops;

use crate::progress::{Progress, Stage};
use crate::rung::{PerRung, Rung};

/// Frames that moved into an entry before it is taken to serve calls.
const CALLS_THAT_COUNT: u64 = 4;

/// The loops of one function.
#[derive(Default)]
pub(super) struct LoopTable {
    /// Those that were asked for: few.
    entries: RwLock<Vec<Arc<LoopEntry>>>,
    /// The probes that are going on, for each tier.
    probe: PerRung<Mutex<Option<Probe>>>,
}

/// A loop, and the code that is entered at its header.
pub(super) struct LoopEntry {
    /// Which it is.
    pub number: LoopIndex,
    /// The loops around it, inside out.
    pub outer: Box<[LoopIndex]>,
    /// Each tier's code for it.
    pub better: PerRung<LoopCode>,
    /// Held while the baseline compiles an entry, for tests.
    pub compiling: WorkLock,
}

/// The code that is entered at a loop's header, of one tier.
#[derive(Default)]
pub(super) struct LoopCode {
    /// How far it is.
    pub progress: Progress,
    /// The code; null before.
    code: AtomicPtr<u8>,
    /// How often frames moved into it.
    entered: AtomicU64,
    /// When the first did, in nanoseconds since the engine was made.
    first_entered: AtomicU64,
    /// Nanoseconds that it took to compile.
    compile_time: AtomicU64,
    /// Polls of inner loops that waited for this one to come by.
    hunted: AtomicU32,
}

/// The polls that show which loops come round often.
struct Probe {
    /// The loop that ran out of budget first, and those around it, inside out.
    chain: Vec<LoopIndex>,
    /// The position in it of the outermost loop that came by.
    best: usize,
    polls_left: u32,
}

/// The findings of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet.
    Wait,
    /// This loop is to be entered.
    Loop(LoopIndex),
}

impl LoopEntry {
    /// Notes that a frame moves in. True the first time.
    pub fn enter(&self, rung: Rung, now: impl FnOnce() -> Duration) -> bool {
        let code = &self.better[rung];
        code.hunted.store(0, Ordering::Relaxed);
        let is_first = code.entered.fetch_add(1, Ordering::Relaxed) == 0;
        if is_first {
            code.first_entered
                .store(nanoseconds(now()), Ordering::Relaxed);
        }
        is_first
    }

    /// How often frames moved into a tier's code.
    pub fn entered(&self, rung: Rung) -> u64 {
        self.better[rung].entered.load(Ordering::Relaxed)
    }

    /// How far a tier is with it.
    pub fn stage(&self, rung: Rung) -> Stage {
        self.better[rung].progress.stage()
    }
}

impl LoopCode {
    /// The code, once it is ready.
    pub fn code(&self) -> Option<*const u8> {
        let code = self.code.load(Ordering::Acquire);
        (!code.is_null()).then_some(code.cast_const())
    }

    /// How long calls have been going there, once there were some.
    pub fn served_for(&self, now: Duration) -> Option<Duration> {
        if self.entered.load(Ordering::Relaxed) < CALLS_THAT_COUNT {
            return None;
        }
        let first = Duration::from_nanos(self.first_entered.load(Ordering::Relaxed));
        Some(now.saturating_sub(first))
    }

    /// How long it took to compile.
    pub fn compile_time(&self) -> Duration {
        Duration::from_nanos(self.compile_time.load(Ordering::Relaxed))
    }

    /// Makes the code known, which it took so long to compile: part of [`Progress::publish`].
    pub fn publish(&self, address: usize, compile_time: Duration) {
        self.compile_time
            .store(nanoseconds(compile_time), Ordering::Relaxed);
        let code = ptr::with_exposed_provenance_mut(address);
        self.code.store(code, Ordering::Release);
    }

    /// Whether a frame in an inner loop is to go on towards this one with no budget.
    pub fn hunt(&self, polls: u32) -> bool {
        self.progress.stage() == Stage::Ready && self.hunted.fetch_add(1, Ordering::Relaxed) < polls
    }
}

impl LoopTable {
    /// The loop of this number, if it was asked for.
    pub fn existing(&self, number: LoopIndex) -> Option<Arc<LoopEntry>> {
        let entries = self.entries.read();
        entries
            .iter()
            .find(|entry| entry.number == number)
            .map(Arc::clone)
    }

    /// The loop of this number of a defined function.
    pub fn get(
        &self,
        module: &Module,
        function: DefinedFuncIndex,
        number: LoopIndex,
    ) -> Arc<LoopEntry> {
        if let Some(entry) = self.existing(number) {
            return entry;
        }
        let outer = enclosing(module, function, number);
        let mut entries = self.entries.write();
        if let Some(entry) = entries.iter().find(|entry| entry.number == number) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(LoopEntry {
            number,
            outer: outer.into(),
            better: PerRung::default(),
            compiling: WorkLock::default(),
        });
        entries.push(Arc::clone(&entry));
        entry
    }

    /// All that were asked for.
    pub fn all(&self) -> Vec<Arc<LoopEntry>> {
        self.entries.read().clone()
    }

    /// The header of this loop came by: the consequence for the probe, which is started if none is
    /// going on.
    pub fn probe(
        &self,
        rung: Rung,
        module: &Module,
        function: DefinedFuncIndex,
        number: LoopIndex,
        polls: u32,
    ) -> Found {
        let mut current = self.probe[rung].lock();
        let probe = current.get_or_insert_with(|| {
            let mut chain = vec![number];
            chain.extend(enclosing(module, function, number));
            Probe {
                chain,
                best: 0,
                polls_left: polls,
            }
        });
        if let Some(at) = probe.chain.iter().position(|&of_chain| of_chain == number) {
            probe.best = probe.best.max(at);
        }
        if probe.polls_left > 0 {
            probe.polls_left -= 1;
            return Found::Wait;
        }
        let found = Found::Loop(probe.chain[probe.best]);
        *current = None;
        found
    }

    /// The start of the function came by: ends the probe.
    pub fn end_probe(&self, rung: Rung) {
        *self.probe[rung].lock() = None;
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The loops around a loop, inside out.
fn enclosing(module: &Module, function: DefinedFuncIndex, number: LoopIndex) -> Vec<LoopIndex> {
    // The first is the loop itself. Generated code asks for loops that there are only; should it not,
    // compiling the entry will say so.
    let chain = enclosing_loops(module, function, number).unwrap_or_default();
    chain.into_iter().skip(1).collect()
}

#[cfg(test)]
mod tests {
    use upshift_module::Features;

    use super::*;

    const NEST: &str = "(module (func (loop (loop (loop)) (loop))))";

    /// What is found when these loops come by, by their numbers; none is to wait.
    fn probe(polls: u32, seen: &[u32]) -> Vec<Option<u32>> {
        let module = Module::parse(NEST.as_bytes(), &Features::default()).expect("valid");
        let table = LoopTable::default();
        let function = DefinedFuncIndex::from_u32(0);
        let poll = |&number: &u32| {
            let number = LoopIndex::from_u32(number);
            match table.probe(Rung::Optimizing, &module, function, number, polls) {
                Found::Wait => None,
                Found::Loop(found) => Some(found.as_u32()),
            }
        };
        seen.iter().map(poll).collect()
    }

    #[test]
    fn the_outermost_loop_that_comes_by_is_entered() {
        assert_eq!(probe(0, &[2]), [Some(2)]);
        assert_eq!(probe(3, &[2, 2, 2, 2]), [None, None, None, Some(2)]);
        assert_eq!(probe(3, &[2, 1, 2, 2]), [None, None, None, Some(1)]);
        assert_eq!(probe(3, &[2, 0, 1, 2]), [None, None, None, Some(0)]);
        // A loop beside the first one, not around it.
        assert_eq!(probe(3, &[2, 3, 3, 3]), [None, None, None, Some(2)]);
    }

    #[test]
    fn one_probe_follows_the_other() {
        assert_eq!(probe(1, &[3, 0, 2, 2]), [None, Some(0), None, Some(2)]);
    }
}
