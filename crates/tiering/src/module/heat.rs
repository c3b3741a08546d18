//! The cold path of a used-up budget: work is counted, and compiles of hot functions are requested.
//!
//! A function that has done its threshold's work, seen at its **entry**, is queued. Seen at a **loop header**,
//! an entry at a loop is queued instead (`loops` says at which), because the frame may stay in there for long.
//! Until the code is there, grants are small, so that a loop looks again soon, and a function that keeps running out of them
//! rises in the queue. An entry at a loop serves calls too: grants are the smallest then, so that they get to
//! the loop with an empty budget. The function itself is queued only if it still does a threshold's work in the
//! baseline, or if its entry has served calls for long (`calls`): huge ones, which are mostly loops, need not be
//! compiled twice. When the function has been published, calls need no more work; a frame that is still in the old
//! code, and does so much in its loops that a compile would pay with no processor to spare, gets an entry there too.
//!
//! All of this runs on the guest's thread. It compiles nothing, and waits only for locks that are held for
//! some instructions, unless it was told to wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use upshift_module::{DefinedFuncIndex, LoopIndex};
use upshift_translate::{CompileRequest, EntryPoint};

use super::ModuleTiering;
use super::function::FunctionState;
use super::loops::{Found, LoopEntry};
use crate::event::TierEventKind;
use crate::job::Ticket;
use crate::progress::Stage;
use crate::rung::Rung;
use crate::{QueueReason, TierMode};

/// When a function that has entries at loops is worth a compile.
pub(super) struct AfterEntries {
    /// Work before they were last heard of.
    pub before: u64,
    /// Work after which it is.
    pub threshold: u64,
}

/// What comes of a used-up budget at a loop's header.
struct Next {
    /// The next grant.
    grant: i32,
    /// An entry that is ready.
    entry: Option<Arc<LoopEntry>>,
}

impl Next {
    /// No entry is ready.
    fn grant(grant: i32) -> Self {
        Self { grant, entry: None }
    }
}

/// An entry that is ready, and of which tier.
struct Better {
    rung: Rung,
    entry: Arc<LoopEntry>,
}

/// No budget: the next poll asks again.
const NOTHING: i32 = 0;

impl ModuleTiering {
    /// The budget is used up at a function's entry.
    pub(super) fn work_at_entry(&self, function: DefinedFuncIndex, budget: &mut i32) {
        let state = &self.functions[function];
        if state.work.load(Ordering::Relaxed) == 0 {
            self.expect_calls_of(function);
        }
        let grant = if self.engine.options.force_osr {
            if self.can_tier_up() && self.is_for_middle(function) {
                self.heat_at_entry(Rung::Middle, function, state, work_done(state, *budget));
            }
            NOTHING
        } else if !self.can_tier_up() {
            self.grant_for_the_record(work_done(state, *budget))
        } else {
            let work = work_done(state, *budget);
            self.rungs_above(function, None)
                .map(|rung| self.heat_at_entry(rung, function, state, work))
                .fold(self.engine.policy.largest_grant(), i32::min)
        };
        refill(state, budget, grant);
    }

    /// The grant where there is nothing to decide, but work is counted all the same: as much as leaves the count as
    /// exact as it is elsewhere.
    fn grant_for_the_record(&self, work: u64) -> i32 {
        self.engine.policy.grant(work, u64::MAX)
    }

    /// The tiers that are better than the one in which a frame runs, the best first.
    fn rungs_above(
        &self,
        function: DefinedFuncIndex,
        from: Option<Rung>,
    ) -> impl Iterator<Item = Rung> {
        let optimizing = self.better.optimizing.is_some();
        let middle = from.is_none() && self.is_for_middle(function);
        let rungs = [(Rung::Optimizing, optimizing), (Rung::Middle, middle)];
        rungs
            .into_iter()
            .filter_map(|(rung, is)| is.then_some(rung))
    }

    /// The name of the tier whose code running frames find on a rung: the baseline's own where they are only made to
    /// move.
    fn tier_entered(&self, rung: Rung) -> &'static str {
        match (self.engine.mode, &self.better[rung]) {
            (TierMode::Auto, Some(better)) => better.name,
            _ => self.baseline_name,
        }
    }

    /// Whether the middle tier is worth a try.
    pub(super) fn is_for_middle(&self, function: DefinedFuncIndex) -> bool {
        let done = &self.functions[function].better.optimizing;
        self.better.middle.is_some()
            && done.stage() != Stage::Ready
            && self.size_in_operators(function) <= self.engine.policy.max_middle_operators()
    }

    fn heat_at_entry(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
        work: u64,
    ) -> i32 {
        let policy = &self.engine.policy;
        let request = CompileRequest {
            function,
            entry: EntryPoint::Function,
        };
        match state.better[rung].stage() {
            Stage::Idle => {
                let AfterEntries { before, threshold } =
                    self.threshold_after_entries(rung, function, state);
                if work < threshold {
                    if let Some(detail) = state.existing_detail() {
                        detail.watch.see(work);
                    }
                    let grant = policy.grant(work, threshold);
                    return grant.min(self.grant_while_waiting(rung, state));
                }
                state.detail().loops.end_probe(rung);
                let work = work.saturating_sub(before);
                self.request_and_maybe_wait(rung, request, QueueReason::Call, work);
                self.grant_while_waiting(rung, state)
            }
            Stage::Queued => {
                self.raise_function(rung, function, state, work);
                self.grant_while_waiting(rung, state)
            }
            Stage::Compiling => self.grant_while_waiting(rung, state),
            Stage::Ready if rung == Rung::Middle => policy.largest_grant(),
            Stage::Ready => policy.grant_while_compiling(),
            Stage::Failed if state.has_entry(rung) => policy.smallest_grant(),
            Stage::Failed => policy.largest_grant(),
        }
    }

    /// The grant in the baseline while better code is on its way. If all that there is so far is an entry at a
    /// loop, calls are to get there soon with nothing left, whatever other loops they come by.
    fn grant_while_waiting(&self, rung: Rung, state: &FunctionState) -> i32 {
        let policy = &self.engine.policy;
        if state.has_entry(rung) && state.better[rung].stage() != Stage::Ready {
            policy.smallest_grant()
        } else {
            policy.grant_while_compiling()
        }
    }

    /// Work after which calls that still do much on their way to entries at loops are worth a compile of the function.
    pub(super) fn threshold_after_entries(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
    ) -> AfterEntries {
        let before = state.work_before_entries(rung);
        let threshold = self.threshold(rung, function, state);
        AfterEntries {
            before,
            threshold: threshold.saturating_add(before),
        }
    }

    /// Moves a waiting function forward by its work in spite of entries at loops.
    pub(super) fn raise_function(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
        work: u64,
    ) {
        let entry = EntryPoint::Function;
        let key = (self.id, CompileRequest { function, entry });
        let work = work.saturating_sub(state.work_before_entries(rung));
        self.engine.pool[rung].raise(key, self.heat(function, work));
    }

    /// The budget is used up at a loop's header, in the baseline or in this tier's code. Says where to go on, if
    /// not here.
    pub(super) fn work_at_loop(
        &self,
        from: Option<Rung>,
        function: DefinedFuncIndex,
        number: LoopIndex,
        budget: &mut i32,
    ) -> Option<*const u8> {
        let state = &self.functions[function];
        let (grant, entry) = if self.engine.options.force_osr {
            (NOTHING, self.forced_entry(from, function, state, number))
        } else if !self.can_tier_up() {
            (self.grant_for_the_record(work_done(state, *budget)), None)
        } else {
            let work = work_done(state, *budget);
            let (mut grant, mut better) = (self.engine.policy.largest_grant(), None);
            for rung in self.rungs_above(function, from) {
                let next = self.heat_at_loop(rung, function, state, number, work);
                grant = grant.min(next.grant);
                better = next.entry.map(|entry| Better { rung, entry });
                if better.is_some() {
                    break;
                }
            }
            (grant, better)
        };
        refill(state, budget, grant);
        let Better { rung, entry } = entry?;
        if entry.enter(rung, || self.engine.start.elapsed()) {
            // The work so far is that of frames that waited for it.
            state.note_entry(rung);
            self.tell(function, || TierEventKind::OsrEntered {
                tier: self.tier_entered(rung),
                loop_number: number.as_u32(),
            });
        }
        entry.better[rung].code()
    }

    /// The next grant, and an entry that is ready.
    fn heat_at_loop(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
        number: LoopIndex,
        work: u64,
    ) -> Next {
        let policy = &self.engine.policy;
        let soon = self.grant_while_waiting(rung, state);
        if let Some(found) = self.known_loop(rung, function, state, number, work) {
            return found;
        }
        let since = match state.better[rung].stage() {
            Stage::Idle => state.work_before_entries(rung),
            Stage::Queued => {
                self.raise_function(rung, function, state, work);
                return Next::grant(soon);
            }
            Stage::Compiling => return Next::grant(soon),
            Stage::Ready => state.detail().ready_at[rung].load(Ordering::Relaxed),
            Stage::Failed => return Next::grant(policy.largest_grant()),
        };
        let is_left_behind = state.better[rung].stage() == Stage::Ready;
        let own_threshold = if is_left_behind {
            self.threshold_when_left_behind(rung, function, state)
        } else {
            self.threshold(rung, function, state)
        };
        let threshold = own_threshold.saturating_add(since);
        if work < threshold {
            let is_halfway = work - since.min(work) >= own_threshold / 4;
            if rung == Rung::Optimizing && !is_left_behind && is_halfway {
                self.watch_calls(function, state);
            }
            return Next::grant(policy.grant(work, threshold).min(soon));
        }
        if !is_left_behind && self.is_called_often(rung, state, work, own_threshold) {
            self.ask_for_function(rung, function, number, work.saturating_sub(since));
            return Next::grant(soon);
        }
        let detail = state.detail();
        let polls = if self.engine.options.synchronous {
            0
        } else {
            policy.probe()
        };
        let loops = &detail.loops;
        let found = match loops.probe(rung, &self.unit.module, function, number, polls) {
            Found::Wait => return Next::grant(NOTHING),
            Found::Loop(found) => found,
        };
        let entry = loops.get(&self.unit.module, function, found);
        self.ask_for_loop(rung, function, &entry, work);
        match entry.stage(rung) {
            // A loop further out is entered when its own header comes by, however soon the code is there.
            Stage::Ready if found == number => Next {
                grant: soon,
                entry: Some(entry),
            },
            _ => Next::grant(soon),
        }
    }

    /// The same for a loop that has an entry, or has one coming, or is inside of such a loop. `None` when
    /// there is nothing to wait for.
    fn known_loop(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
        number: LoopIndex,
        work: u64,
    ) -> Option<Next> {
        let policy = &self.engine.policy;
        let soon = self.grant_while_waiting(rung, state);
        let loops = &state.existing_detail()?.loops;
        let all = loops.all();
        if all.is_empty() {
            return None;
        }
        if all.iter().any(|entry| entry.stage(rung).is_under_way()) {
            self.watch_calls_meanwhile(rung, function, state);
        }
        let here = loops.get(&self.unit.module, function, number);
        match here.stage(rung) {
            Stage::Ready => {
                if here.entered(rung) > 0 {
                    self.follow_entry(rung, function, state, &here, work);
                }
                return Some(Next {
                    grant: soon,
                    entry: Some(here),
                });
            }
            Stage::Queued | Stage::Compiling => {
                self.raise_loop(rung, function, number, work);
                return Some(Next::grant(soon));
            }
            Stage::Idle | Stage::Failed => {}
        }
        let hunt = policy.hunt(rung, self.size_in_operators(function));
        let mut missed = false;
        for outer in all
            .iter()
            .filter(|entry| here.outer.contains(&entry.number))
        {
            match outer.stage(rung) {
                Stage::Ready if outer.better[rung].hunt(hunt) => {
                    return Some(Next::grant(NOTHING));
                }
                Stage::Ready => missed = true,
                Stage::Queued | Stage::Compiling => {
                    self.raise_loop(rung, function, outer.number, work);
                    return Some(Next::grant(soon));
                }
                Stage::Idle | Stage::Failed => {}
            }
        }
        if here.stage(rung) == Stage::Failed {
            // Calls may do better.
            let entry = EntryPoint::Function;
            let request = CompileRequest { function, entry };
            let heat = self.heat(function, work);
            self.request(
                rung,
                request,
                QueueReason::Loop(number.as_u32()),
                heat,
                Ticket::none(),
                false,
            );
            return Some(Next::grant(policy.largest_grant()));
        }
        if missed {
            // The outer loop does not come by: this one keeps running.
            self.follow_miss(rung, function, state, &here, work);
            return Some(Next::grant(soon));
        }
        if all.iter().any(|entry| entry.stage(rung).is_under_way()) {
            // One at a time: frames that enter there run all of the function's loops.
            return Some(Next::grant(soon));
        }
        None
    }

    /// Asks for an entry at a loop. True when that was this call's doing.
    pub(super) fn ask_for_loop(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        entry: &LoopEntry,
        work: u64,
    ) -> bool {
        let request = CompileRequest {
            function,
            entry: EntryPoint::Loop(entry.number),
        };
        let reason = QueueReason::Loop(entry.number.as_u32());
        let state = &self.functions[function];
        state.note_entry(rung);
        state.detail().watch.asked(rung);
        self.request_and_maybe_wait(rung, request, reason, work)
    }

    fn raise_loop(&self, rung: Rung, function: DefinedFuncIndex, number: LoopIndex, work: u64) {
        let entry = EntryPoint::Loop(number);
        let key = (self.id, CompileRequest { function, entry });
        self.engine.pool[rung].raise(key, self.heat(function, work));
    }

    /// For tests: an entry at this very loop, of the next tier that there is.
    fn forced_entry(
        &self,
        from: Option<Rung>,
        function: DefinedFuncIndex,
        state: &FunctionState,
        number: LoopIndex,
    ) -> Option<Better> {
        let rung = match self.engine.mode {
            TierMode::Auto => self.rungs_above(function, from).last()?,
            TierMode::Baseline | TierMode::Optimizing => Rung::Optimizing,
        };
        let loops = &state.detail().loops;
        let entry = loops.get(&self.unit.module, function, number);
        if entry.stage(rung) == Stage::Idle {
            match self.engine.mode {
                TierMode::Auto => {
                    let work = state.work.load(Ordering::Relaxed);
                    self.ask_for_loop(rung, function, &entry, work);
                }
                TierMode::Baseline | TierMode::Optimizing => {
                    self.baseline_entry(function, &entry);
                }
            }
        }
        (entry.stage(rung) == Stage::Ready).then_some(Better { rung, entry })
    }

    /// Whether functions move up at all.
    fn can_tier_up(&self) -> bool {
        self.engine.mode == TierMode::Auto && !self.engine.pool.optimizing.is_closed()
    }

    /// Work after which the function is worth compiling.
    pub(super) fn threshold(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
    ) -> u64 {
        let pending = self.engine.pool[rung].pending();
        self.threshold_with(rung, function, state, pending)
    }

    /// The same for the loops of a function that has been published: a frame in the old code is more likely to
    /// return soon than to stay.
    pub(super) fn threshold_when_left_behind(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
    ) -> u64 {
        self.threshold_with(rung, function, state, usize::MAX)
    }

    /// The same while so many compiles are queued or running.
    fn threshold_with(
        &self,
        rung: Rung,
        function: DefinedFuncIndex,
        state: &FunctionState,
        pending: usize,
    ) -> u64 {
        let size = self.size_in_operators(function);
        let threshold = self.engine.policy.threshold(rung, size, pending);
        let retry_at = state
            .existing_detail()
            .map_or(0, |detail| detail.retry_at.load(Ordering::Relaxed));
        threshold.max(retry_at)
    }

    /// The key of a compile's place in the queue.
    pub(super) fn heat(&self, function: DefinedFuncIndex, work: u64) -> u64 {
        self.engine
            .policy
            .heat(work, self.size_in_operators(function))
    }
}

/// The work that instances have done in a function, this one's last bit included.
fn work_done(state: &FunctionState, budget: i32) -> u64 {
    let granted = state.work.load(Ordering::Relaxed);
    granted.saturating_add(overdrawn(budget))
}

/// The work of the last stretch of code beyond its grant.
fn overdrawn(budget: i32) -> u64 {
    u64::from(budget.min(0).unsigned_abs())
}

/// Adds a grant to a budget, at least as much as was overdrawn, and counts it as work.
fn refill(state: &FunctionState, budget: &mut i32, grant: i32) {
    let grant = grant.max(budget.saturating_neg());
    state
        .work
        .fetch_add(u64::from(grant.max(0).unsigned_abs()), Ordering::Relaxed);
    *budget = budget.saturating_add(grant);
}
