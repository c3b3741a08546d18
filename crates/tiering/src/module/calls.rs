//! Calls of functions that are hot in their loops, whose budgets are never used up at their entries: they are seen
//! all the same, and make the function the better thing to compile.
//!
//! Who compiles a loop makes code for the frame that is in there. It serves the calls that follow, too, but knows
//! less than the function's own code does: what the function computed before the loop comes out of cells. A frame
//! that returns before any compile is over needs no entry. So once a function is on its way to its threshold, its
//! slot is led back to its lazy stub: the next call comes by here, which costs that call a microsecond and the others
//! nothing. What was called again shortly before the threshold is compiled as a function, and its loop is left alone.
//! Should a frame stay in there after all, it runs in the middle tier, and the loop is compiled when it has done
//! another threshold's work; so where there is no middle tier for it, the loop comes first.
//!
//! Where calls take longer than the way to the threshold, the loop's entry comes first and serves them. Once that
//! has gone on for so long that the function's own code pays, it is compiled too, after what else waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use upshift_translate::{CompileRequest, EntryPoint};

use super::ModuleTiering;
use super::function::FunctionState;
use super::loops::LoopEntry;
use crate::QueueReason;
use crate::progress::Stage;
use crate::rung::Rung;

/// Whether somebody waits for a call, and when one came.
#[derive(Default)]
pub(super) struct CallWatch {
    /// Whether the slot leads to the lazy stub, though there is code. Changes under the function's lock.
    waits: AtomicBool,
    /// Work that had been done at the last call that was seen; 0 before.
    seen_at: AtomicU64,
}

impl CallWatch {
    /// Notes a call, after so much work.
    pub fn see(&self, work: u64) {
        self.seen_at.store(work, Ordering::Relaxed);
    }

    /// The slot has been stored to. For who holds the function's lock.
    pub fn end(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    /// Whether a call was seen, and no more than so much work ago.
    fn has_seen(&self, work: u64, at_most: u64) -> bool {
        let seen_at = self.seen_at.load(Ordering::Relaxed);
        seen_at > 0 && work.saturating_sub(seen_at) <= at_most
    }
}

impl ModuleTiering {
    /// A frame of the baseline is in a loop, on its way to the threshold: has the next call seen, if it is time.
    pub(super) fn watch_calls(
        &self,
        function: u32,
        state: &FunctionState,
        work: u64,
        threshold: u64,
    ) {
        if work < threshold / 4 || !self.is_for_middle(function) {
            return;
        }
        let watch = &state.detail().watch;
        if watch.waits.load(Ordering::Relaxed) {
            return;
        }
        let _compiling = state.compiling.lock();
        // Where calls go to the best code there is nothing to be decided.
        if state.better.optimizing.stage() != Stage::Ready && state.newest_code().is_some() {
            watch.waits.store(true, Ordering::Relaxed);
            self.unit.code.announce_calls(function);
        }
    }

    /// A function is called through its lazy stub: its code, if it has been waited for that call.
    pub(super) fn announced_call(&self, function: u32) -> Option<*const u8> {
        let state = &self.functions[function as usize];
        let watch = &state.existing_detail()?.watch;
        let _compiling = state.compiling.lock();
        if !watch.waits.load(Ordering::Relaxed) {
            return None;
        }
        let code = state.newest_code()?;
        self.unit.code.publish(&*self.unit.code.find(code.addr())?);
        watch.end();
        watch.see(state.work.load(Ordering::Relaxed).max(1));
        Some(code)
    }

    /// Whether a function that is hot in a loop was called shortly before.
    pub(super) fn is_called_often(&self, function: u32, work: u64, threshold: u64) -> bool {
        let state = &self.functions[function as usize];
        state
            .existing_detail()
            .is_some_and(|detail| detail.watch.has_seen(work, threshold / 2))
    }

    /// A call has come to an entry at a loop: has the function compiled if calls still do much work on their way
    /// there, or have been served for so long that its own code pays.
    pub(super) fn follow_entry(
        &self,
        rung: Rung,
        function: u32,
        state: &FunctionState,
        entry: &LoopEntry,
        work: u64,
    ) {
        let request = CompileRequest {
            function,
            entry: EntryPoint::Function,
        };
        match state.better[rung].stage() {
            Stage::Idle => {
                let before = state.work_before_entries(rung);
                let threshold = self.threshold(rung, function, state).saturating_add(before);
                if work >= threshold || self.served_for_long(rung, entry) {
                    let reason = QueueReason::Loop(entry.number);
                    self.request_and_maybe_wait(rung, request, reason, work.saturating_sub(before));
                }
            }
            Stage::Queued => self.raise_function(rung, function, state, work),
            Stage::Compiling | Stage::Ready | Stage::Failed => {}
        }
    }

    /// Whether calls have been in an entry for so long that the function's code pays.
    fn served_for_long(&self, rung: Rung, entry: &LoopEntry) -> bool {
        // What is compiled for who waits is to be the same each time.
        if rung != Rung::Optimizing || self.engine.options.synchronous {
            return false;
        }
        let code = &entry.better[rung];
        let Some(served_for) = code.served_for(self.engine.start.elapsed()) else {
            return false;
        };
        let pending = self.engine.pool[rung].pending();
        self.engine
            .policy
            .is_own_code_worth_it(code.compile_time(), served_for, pending)
    }
}
