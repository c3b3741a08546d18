//! The last step of a compile: the code becomes reachable, or it is noted why there is none. Why the order of
//! stores is as it is, is in `progress`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use upshift_module::{DefinedFuncIndex, LoopIndex, to_f64, to_u64};
use upshift_translate::{CompileError, CompileRequest, Compiled, EntryPoint, Stop};

use super::ModuleTiering;
use super::loops::LoopEntry;
use crate::chaos::Mishap;
use crate::event::{Loudness, TierEventKind};
use crate::job::Outcome;
use crate::progress::{Progress, Stage};
use crate::rung::Rung;

impl ModuleTiering {
    /// A worker takes a queued compile. `None` when it is not to be done any more. Its mishap
    /// is drawn here.
    pub(crate) fn begin(&self, rung: Rung, request: CompileRequest) -> Option<Mishap> {
        if !self.with_progress(rung, request, Progress::claim) {
            return None;
        }
        let better = &self.functions[request.function].better;
        let is_late = rung == Rung::Middle && better.optimizing.stage() == Stage::Ready;
        if is_late && request.entry == EntryPoint::Function {
            self.withdraw(rung, request);
            return None;
        }
        let detail = self.detail(request.function);
        let attempt = detail.attempts.fetch_add(1, Ordering::Relaxed);
        let chaos = self.engine.options.chaos;
        Some(chaos.map_or_else(Mishap::default, |chaos| {
            chaos.draw(self.id, request, attempt)
        }))
    }

    /// A queued compile will not be done.
    pub(crate) fn withdraw(&self, rung: Rung, request: CompileRequest) {
        self.with_progress(rung, request, Progress::retreat);
    }

    /// Claimed compiles that were done in one go are over. Each gets the part of the time that is its part of the
    /// WebAssembly.
    pub(crate) fn finish_all(
        &self,
        rung: Rung,
        requests: &[CompileRequest],
        outcomes: Vec<Outcome>,
        time: Duration,
    ) {
        let size = |request: &CompileRequest| self.size_in_operators(request.function).max(1);
        let all: usize = requests.iter().map(size).sum();
        for (request, outcome) in requests.iter().zip(outcomes) {
            let part = to_f64(to_u64(size(request))) / to_f64(to_u64(all));
            self.finish(rung, *request, outcome, time.mul_f64(part));
        }
    }

    /// A claimed compile is over.
    fn finish(&self, rung: Rung, request: CompileRequest, outcome: Outcome, time: Duration) {
        let bytes = match &outcome {
            Outcome::Compiled(compiled) => Some(compiled.bytes),
            Outcome::Failed(_) | Outcome::Broken(_) => None,
            Outcome::Lost => {
                self.with_progress(rung, request, Progress::retreat);
                return;
            }
        };
        let detail = self.detail(request.function);
        detail.totals.lock().better[rung].add(bytes, time);
        let error = match outcome {
            Outcome::Compiled(compiled) => {
                self.make_reachable(rung, request, &compiled, time);
                self.tell_compiled(Loudness::Notable, false, request, compiled, time);
                return;
            }
            Outcome::Failed(error) => error,
            Outcome::Broken(message) => CompileError::Codegen {
                tier: self.tier_name(rung),
                function: self.index(request.function),
                message,
            },
            Outcome::Lost => return,
        };
        // Only memory may be there another time.
        let retry =
            matches!(error, CompileError::CodeMemory { .. }) && self.back_off(request.function);
        let end = if retry {
            Progress::retreat
        } else {
            Progress::fail
        };
        self.with_progress(rung, request, end);
        self.tell(request.function, || TierEventKind::Failed {
            tier: self.tier_name(rung),
            entry: request.entry.into(),
            error: error.to_string(),
            retry,
        });
    }

    /// Publishes the code of a tier above the baseline.
    fn make_reachable(
        &self,
        rung: Rung,
        request: CompileRequest,
        compiled: &Compiled,
        time: Duration,
    ) {
        let state = &self.functions[request.function];
        let address = compiled.code.address;
        match request.entry {
            EntryPoint::Function => {
                let work = state.work.load(Ordering::Relaxed);
                state.detail().ready_at[rung].store(work, Ordering::Relaxed);
                // A first call that is compiling for the baseline right now must not store over it. Nor must
                // the middle tier over better code.
                let _compiling = state.compiling.lock();
                let better = &state.better;
                let store = || {
                    self.unit.code.publish(&compiled.code);
                    state.publish(address);
                };
                match rung {
                    Rung::Middle => better.middle.publish_below(&better.optimizing, store),
                    Rung::Optimizing => better.optimizing.publish(store),
                }
            }
            EntryPoint::Loop(number) => {
                let entry = self.loop_entry(request.function, number);
                let code = &entry.better[rung];
                code.progress.publish(|| {
                    code.publish(address, time);
                    state.note_entry(rung);
                    state.detail().has_entry[rung].store(true, Ordering::Relaxed);
                });
                // Calls move up in the loop now. How hot the function is without that is to be seen.
                let of_calls = CompileRequest {
                    entry: EntryPoint::Function,
                    ..request
                };
                self.engine.pool[rung].lower((self.id, of_calls), 0);
            }
        }
    }

    /// For tests: has the baseline compile an entry at one of its own loops.
    pub(super) fn baseline_entry(&self, function: DefinedFuncIndex, entry: &LoopEntry) {
        let compiling = entry.compiling.lock();
        let (progress, code) = (&entry.better.optimizing.progress, &entry.better.optimizing);
        if progress.stage() != Stage::Idle || !progress.queue() || !progress.claim() {
            return;
        }
        let request = CompileRequest {
            function,
            entry: EntryPoint::Loop(entry.number),
        };
        match self.compile_here(request, Stop::NEVER, None) {
            Ok((compiled, time)) => {
                let address = compiled.code.address;
                progress.publish(|| code.publish(address, time));
                drop(compiling);
                self.tell_compiled(Loudness::Common, false, request, compiled, time);
            }
            // It was told already.
            Err(_) => progress.fail(),
        }
    }

    /// Has the function become twice as hot before it is tried again. False when it was tried often enough.
    pub(super) fn back_off(&self, function: DefinedFuncIndex) -> bool {
        let state = &self.functions[function];
        let detail = state.detail();
        let work = state.work.load(Ordering::Relaxed);
        let retry_at = work.saturating_mul(2).max(1);
        detail.retry_at.store(retry_at, Ordering::Relaxed);
        let retries = detail.retries.fetch_add(1, Ordering::Relaxed);
        retries < self.engine.policy.retries()
    }

    /// Calls a function with the progress of a request.
    pub(super) fn with_progress<T>(
        &self,
        rung: Rung,
        request: CompileRequest,
        change: impl FnOnce(&Progress) -> T,
    ) -> T {
        match request.entry {
            EntryPoint::Function => change(&self.functions[request.function].better[rung]),
            EntryPoint::Loop(number) => {
                change(&self.loop_entry(request.function, number).better[rung].progress)
            }
        }
    }

    fn loop_entry(&self, function: DefinedFuncIndex, number: LoopIndex) -> Arc<LoopEntry> {
        let loops = &self.detail(function).loops;
        loops.get(&self.unit.module, function, number)
    }

    pub(super) fn tier_name(&self, rung: Rung) -> &'static str {
        self.better[rung]
            .as_ref()
            .map_or("no tier", |tier| tier.name)
    }
}
