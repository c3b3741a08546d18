//! Calls of functions that are hot in their loops, whose budgets are never used up at their entries: they are seen
//! all the same, and make the function the better thing to compile.
//!
//! A compile for a loop makes code for the frame that is in there. It serves the calls that follow, too, but knows
//! less than the function's own code does: values from before the loop come out of cells. A frame
//! that returns before any compile is over needs no entry. So once a function is on its way to its threshold, its
//! slot is led back to its lazy stub: the next call comes by here, which costs that call a microsecond and the others
//! nothing. A function that was called again shortly before the threshold is compiled as such, and its loop is left alone.
//! Should a frame stay in there after all, it runs in the middle tier, and the loop is compiled when it has done
//! another threshold's work; so where there is no middle tier for it, the loop comes first.
//!
//! Where calls take longer than the way to the threshold, the loop's entry comes first and serves them. Once that
//! has gone on for so long that the function's own code pays, it is compiled too, behind the backlog. If calls came
//! while the entry was compiled, and another loop gets hot, the function is compiled in its place: entries at each of
//! its loops would take a compile each.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use upshift_module::{DefinedFuncIndex, LoopIndex};
use upshift_translate::{CompileRequest, EntryPoint, Stop};

use super::ModuleTiering;
use super::function::FunctionState;
use super::heat::AfterEntries;
use super::loops::LoopEntry;
use crate::QueueReason;
use crate::progress::Stage;
use crate::rung::{PerRung, Rung};

/// Whether somebody waits for a call, and when one came.
#[derive(Default)]
pub(super) struct CallWatch {
    /// Whether the slot leads to the lazy stub, though there is code. Changes under the function's lock.
    waits: AtomicBool,
    /// Work that had been done at the last call that was seen; 0 before.
    seen_at: AtomicU64,
    /// Whether a call was seen since an entry at a loop was asked for: one of those below; 0 if none was asked for.
    since_asked: PerRung<AtomicU8>,
}

/// No call came since.
const NOT_CALLED: u8 = 1;
/// Calls do not take as long as a compile.
const CALLED: u8 = 2;

impl CallWatch {
    /// Notes a call, after so much work.
    pub fn see(&self, work: u64) {
        self.seen_at.store(work, Ordering::Relaxed);
        for rung in Rung::ALL {
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            // Where nothing was asked for, or a call was seen already, that stays so.
            let _ = self.since_asked[rung].compare_exchange(NOT_CALLED, CALLED, success, failure);
        }
    }

    /// An entry at a loop is asked for.
    pub fn asked(&self, rung: Rung) {
        self.since_asked[rung].store(NOT_CALLED, Ordering::Relaxed);
    }

    /// The slot has been stored to. For the holder of the function's lock.
    pub fn end(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    /// Whether a call was seen, and no more than so much work ago.
    fn has_seen(&self, work: u64, at_most: u64) -> bool {
        let seen_at = self.seen_at.load(Ordering::Relaxed);
        seen_at > 0 && work.saturating_sub(seen_at) <= at_most
    }

    fn since_asked(&self, rung: Rung) -> u8 {
        self.since_asked[rung].load(Ordering::Relaxed)
    }
}

impl ModuleTiering {
    /// Has the next call of a function seen, a frame of which is in a loop.
    pub(super) fn watch_calls(&self, function: DefinedFuncIndex, state: &FunctionState) {
        let watch = &state.detail().watch;
        if watch.waits.load(Ordering::Relaxed) || !self.is_for_middle(function) {
            return;
        }
        let _compiling = state.compiling.lock();
        // Where calls go to the best code there is nothing to be decided.
        if state.better.optimizing.stage() != Stage::Ready && state.newest_code().is_some() {
            watch.waits.store(true, Ordering::Relaxed);
            self.unit.code.announce_calls(function);
        }
    }

    /// The same while an entry at a loop is on its way, until a call has been seen.
    pub(super) fn watch_calls_meanwhile(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
    ) {
        if state.detail().watch.since_asked(rung) == NOT_CALLED {
            self.watch_calls(function, state);
        }
    }

    /// A function is called through its lazy stub: its code, if it has been waited for that call.
    pub(super) fn announced_call(
        &self,
        function: DefinedFuncIndex,
        stop: Stop<'_>,
    ) -> Option<*const u8> {
        let state = &self.functions[function];
        let watch = &state.existing_detail()?.watch;
        let _compiling = state.compiling.lock_until(stop)?;
        if !watch.waits.load(Ordering::Relaxed) {
            return None;
        }
        let code = state.newest_code()?;
        self.unit.code.publish(&*self.unit.code.find(code.addr())?);
        watch.end();
        watch.see(state.work.load(Ordering::Relaxed).max(1));
        Some(code)
    }

    /// Whether calls of a function that is hot in a loop will come before any compile is over: one came shortly
    /// before, or while an entry at a loop was compiled, at another than the one that is hot now.
    pub(super) fn is_called_often(
        &self,
        rung: Rung,
        state: &FunctionState,
        work: u64,
        threshold: u64,
    ) -> bool {
        let Some(detail) = state.existing_detail() else {
            return false;
        };
        let watch = &detail.watch;
        let was_called = rung == Rung::Optimizing && watch.has_seen(work, threshold / 2);
        was_called || watch.since_asked(rung) == CALLED
    }

    /// Asks for a function that is hot in a loop.
    pub(super) fn ask_for_function(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        number: LoopIndex,
        work: u64,
    ) {
        let request = CompileRequest {
            function,
            entry: EntryPoint::Function,
        };
        self.request_and_maybe_wait(rung, request, QueueReason::Loop(number.as_u32()), work);
    }

    /// A frame keeps running in an inner loop of one that could be entered: has this loop compiled, or the function if
    /// frames do not stay for as long as that takes.
    pub(super) fn follow_miss(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
        entry: &LoopEntry,
        work: u64,
    ) {
        let detail = state.detail();
        let is_too_soon = match state.better[rung].stage() {
            Stage::Idle if detail.watch.since_asked(rung) == CALLED => {
                self.ask_for_function(rung, function, entry.number, work);
                true
            }
            Stage::Idle | Stage::Failed => false,
            Stage::Queued | Stage::Compiling => true,
            Stage::Ready => {
                let since = detail.ready_at[rung].load(Ordering::Relaxed);
                let threshold = self.threshold_when_left_behind(rung, function, state);
                work < threshold.saturating_add(since)
            }
        };
        if !is_too_soon {
            self.ask_for_loop(rung, function, entry, work);
        }
    }

    /// A call has come to an entry at a loop: has the function compiled if calls still do much work on their way
    /// there, or have been served for so long that its own code pays.
    pub(super) fn follow_entry(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
        entry: &LoopEntry,
        work: u64,
    ) {
        match state.better[rung].stage() {
            Stage::Idle => {
                let AfterEntries { before, threshold } =
                    self.threshold_after_entries(rung, function, state);
                if work >= threshold || self.served_for_long(rung, entry) {
                    let work = work.saturating_sub(before);
                    self.ask_for_function(rung, function, entry.number, work);
                }
            }
            Stage::Queued => self.raise_function(rung, function, state, work),
            Stage::Compiling | Stage::Ready | Stage::Failed => {}
        }
    }

    /// Whether calls have been in an entry for so long that the function's code pays.
    fn served_for_long(&self, rung: Rung, entry: &LoopEntry) -> bool {
        // Compiles that a caller waits for are to be the same each time.
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
