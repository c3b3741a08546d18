//! How much of everything a worker has done.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::acts::Act;
use super::signals;

/// A number of things.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// So many more.
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened in a worker's own process.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// By act.
    pub(super) acts: [Count; Act::ALL.len()],
    /// Coroutines.
    pub(super) coroutines: Count,
    /// How often one of them was suspended in the midst of a call.
    pub(super) pauses: Count,
    /// Calls on the stack that a coroutine was resumed on.
    pub(super) parent_stacks: Count,
    /// Calls on a thread that the store was lent to.
    pub(super) scoped_threads: Count,
    /// Calls on a stack that a host function switched to.
    pub(super) stacks: Count,
    /// Forks.
    pub(super) forks: Count,
    /// Acts whose thread had a sampler.
    pub(super) samplers: Count,
    /// Interruptions that were asked for.
    pub(super) requests: Count,
    /// Interruptions that ended a call.
    pub(super) interruptions: Count,
    /// Interruptions that came when nothing ran any more, and waited.
    pub(super) requests_left: Count,
    /// Signals sent from outside.
    pub(super) signals: Count,
    /// Libraries loaded.
    pub(super) libraries: Count,
    /// Calls that were refused, on stacks that are too small.
    pub(super) refused: Count,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (act, count) in Act::ALL.iter().zip(&self.acts) {
            writeln!(f, "{:9} {}", count.get(), act.words())?;
        }
        let lines = [
            (&self.coroutines, "coroutines"),
            (&self.pauses, "of their pauses in the midst of a call"),
            (
                &self.parent_stacks,
                "nested calls on the stack below a coroutine",
            ),
            (&self.scoped_threads, "nested calls on another thread"),
            (&self.stacks, "nested calls on another stack"),
            (&self.forks, "forks"),
            (&self.samplers, "acts that were sampled"),
            (&self.libraries, "libraries loaded"),
            (&self.refused, "calls refused on stacks that are too small"),
            (&self.requests, "interruptions asked for"),
            (&self.interruptions, "interruptions seen by a call"),
            (&self.requests_left, "interruptions that found no call"),
            (&self.signals, "signals sent from outside"),
        ];
        for (count, words) in lines {
            writeln!(f, "{:9} {words}", count.get())?;
        }
        writeln!(f, "{:9} signals that the host handled", signals::handled())
    }
}
