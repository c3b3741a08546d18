//! Requests to a tier above the baseline: noted once, handed to the pool, and waited for by a caller that was
//! told to wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use upshift_module::DefinedFuncIndex;
use upshift_runtime::fork;
use upshift_translate::{CompileRequest, EntryPoint};

use super::ModuleTiering;
use crate::QueueReason;
use crate::event::TierEventKind;
use crate::job::{Job, Latch, Ticket};
use crate::pool::{MOST_FATAL_ERRORS, Refused};
use crate::rung::Rung;

impl ModuleTiering {
    /// Asks a tier for something, unless somebody else has, and waits for it if compiles are waited for. True when
    /// asking was this call's doing.
    pub(super) fn request_and_maybe_wait(
        &self,
        rung: Rung,
        request: CompileRequest,
        reason: QueueReason,
        work: u64,
    ) -> bool {
        let heat = self.heat(request.function, work);
        if !self.engine.options.synchronous {
            return self.request(rung, request, reason, heat, Ticket::none(), false);
        }
        let latch = Arc::new(Latch::default());
        let asked = self.request(rung, request, reason, heat, Ticket::of(&latch), true);
        latch.wait();
        asked
    }

    /// Asks a tier for something, unless somebody else has. True when that was this call's
    /// doing.
    pub(super) fn request(
        &self,
        rung: Rung,
        request: CompileRequest,
        reason: QueueReason,
        heat: u64,
        ticket: Ticket,
        caller_waits: bool,
    ) -> bool {
        if self.better[rung].is_none() {
            return false;
        }
        if self.engine.pool[rung].is_off() {
            self.give_up(rung, request);
            return false;
        }
        if !self.queue(rung, request, reason) {
            return false;
        }
        self.submit(rung, Box::new([request]), heat, ticket, caller_waits);
        true
    }

    /// Something will not be compiled, because the tier is off.
    fn give_up(&self, rung: Rung, request: CompileRequest) {
        self.with_progress(rung, request, |progress| {
            if progress.queue() && progress.claim() {
                progress.fail();
            }
        });
        self.tell_if_off(rung, request.function);
    }

    /// Tells that a tier is off, once in an engine.
    pub(crate) fn tell_if_off(&self, rung: Rung, function: DefinedFuncIndex) {
        if self.engine.pool[rung].is_off_untold() {
            self.tell(function, || TierEventKind::TierOff {
                tier: self.tier_name(rung),
                fatal_errors: MOST_FATAL_ERRORS,
            });
        }
    }

    /// Asks the optimizing tier for functions, compiled together as far as that is of use, unless somebody else
    /// has.
    pub(super) fn request_together(
        &self,
        functions: &[DefinedFuncIndex],
        heat: u64,
        ticket: Ticket,
    ) {
        let request = |&function| CompileRequest {
            function,
            entry: EntryPoint::Function,
        };
        let requests = functions.iter().map(request);
        let queued: Box<[_]> = requests
            .filter(|&request| self.queue(Rung::Optimizing, request, QueueReason::Ahead))
            .collect();
        if !queued.is_empty() {
            self.submit(Rung::Optimizing, queued, heat, ticket, true);
        }
    }

    /// Asks once more for functions that were claimed together, now one by one.
    pub(crate) fn request_singly(&self, requests: &[CompileRequest], ticket: &Ticket) {
        for &request in requests {
            self.withdraw(Rung::Optimizing, request);
            let heat = self.heat(request.function, 0);
            let ticket = ticket.another();
            self.request(
                Rung::Optimizing,
                request,
                QueueReason::Ahead,
                heat,
                ticket,
                true,
            );
        }
    }

    /// Notes that something is to be compiled, unless that is so already.
    fn queue(&self, rung: Rung, request: CompileRequest, reason: QueueReason) -> bool {
        if !self.with_progress(rung, request, |progress| progress.queue()) {
            return false;
        }
        let state = &self.functions[request.function];
        self.tell(request.function, || TierEventKind::Queued {
            tier: self.tier_name(rung),
            entry: request.entry.into(),
            reason,
            work: state.work.load(Ordering::Relaxed),
        });
        true
    }

    /// Gives the pool the noted request.
    fn submit(
        &self,
        rung: Rung,
        requests: Box<[CompileRequest]>,
        heat: u64,
        ticket: Ticket,
        caller_waits: bool,
    ) {
        let Some(better) = &self.better[rung] else {
            return;
        };
        let price = requests
            .iter()
            .map(|request| self.size_in_operators(request.function))
            .map(|size| self.engine.policy.price(rung, size))
            .sum();
        let job = Job {
            module: self.this.clone(),
            module_id: self.id,
            rung,
            compiler: Arc::clone(&better.compiler),
            requests: requests.clone(),
            price,
            ticket,
            taken: false,
            generation: fork::generation(),
        };
        match self.engine.pool[rung].submit(job, heat, caller_waits) {
            Ok(()) | Err(Refused::Closed) => {}
            Err(error @ Refused::NoThread(_)) => {
                for request in requests {
                    self.back_off(request.function);
                    self.tell(request.function, || TierEventKind::Failed {
                        tier: better.name,
                        entry: request.entry.into(),
                        error: error.to_string(),
                        retry: true,
                    });
                }
            }
        }
    }
}
