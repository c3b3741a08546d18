//! A compile by a tier above the baseline, of one request or several: a worker's steps with it, and how its waiters
//! learn that it is over, however it ends.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use upshift_runtime::fork;
use upshift_runtime::sync::{Condvar, Mutex};
use upshift_translate::{
    CompileError, CompileRequest, Compiled, ModuleCompiler, with_fatal_handler,
};

use crate::ModuleTiering;
use crate::chaos::Mishap;
use crate::pool::{Key, Pool};
use crate::rung::Rung;

/// Compiles that were asked for, to be done in one go: one, most of the time.
pub(crate) struct Job {
    /// The module that asked. Gone when it is dropped: the code of a later end is thrown away.
    pub module: Weak<ModuleTiering>,
    /// The module's number in the engine.
    pub module_id: u64,
    /// Which tier compiles it.
    pub rung: Rung,
    /// Compiles it; keeps alive the parts of the module that this needs, and nothing else of it.
    pub compiler: Arc<dyn ModuleCompiler>,
    /// The requests: at least one, and if there are more, all of them functions.
    pub requests: Box<[CompileRequest]>,
    /// The estimated time.
    pub price: Duration,
    /// Tells the waiters.
    pub ticket: Ticket,
    /// Whether a worker took it.
    pub taken: bool,
    /// The process that asked.
    pub generation: u32,
}

/// How a compile ended.
pub(crate) enum Outcome {
    /// With code.
    Compiled(Compiled),
    /// Without.
    Failed(CompileError),
    /// By a panic or a fatal error of the code generator.
    Broken(String),
    /// As if it had never been asked for.
    Lost,
}

impl Job {
    /// Its key in the queue.
    pub fn key(&self) -> Key {
        (self.module_id, self.requests[0])
    }

    /// Compiles it and hands the results to the module, if there still is one. May never return.
    pub fn run(mut self, pool: &Arc<Pool>) {
        let Some(module) = self.module.upgrade() else {
            return;
        };
        self.taken = true;
        let mut mishap = Mishap::default();
        let mut claimed = Vec::with_capacity(self.requests.len());
        for &request in &self.requests {
            if let Some(drawn) = module.begin(self.rung, request) {
                mishap = drawn;
                claimed.push(request);
            }
        }
        // Compiling must not keep the module alive: its owner may drop it meanwhile.
        drop(module);
        if claimed.is_empty() {
            return;
        }
        self.requests = claimed.into();
        thread::sleep(mishap.start_after);
        let start = Instant::now();
        let job = Arc::new(self);
        let on_fatal = {
            let (job, pool) = (Arc::clone(&job), Arc::clone(pool));
            move |message: String| {
                let broken = || Outcome::Broken(message.clone());
                // Before any waiter goes on: the tier may be off.
                pool.replace_thread();
                job.end(job.of_each(broken), start.elapsed());
                if let Some(module) = job.module.upgrade() {
                    module.tell_if_off(job.rung, job.requests[0].function);
                }
            }
        };
        let outcomes = if mishap.lost {
            job.of_each(|| Outcome::Lost)
        } else if mishap.failed {
            job.of_each(|| Outcome::Broken("made to fail by the chaos option".to_owned()))
        } else {
            with_fatal_handler(on_fatal, || job.compile())
        };
        let outcomes = if mishap.thrown_away {
            outcomes.into_iter().map(Outcome::lost).collect()
        } else {
            outcomes
        };
        let time = start.elapsed();
        thread::sleep(mishap.publish_after);
        job.end(outcomes, time);
    }

    fn of_each(&self, outcome: impl Fn() -> Outcome) -> Vec<Outcome> {
        self.requests.iter().map(|_| outcome()).collect()
    }

    fn compile(&self) -> Vec<Outcome> {
        let compile = || match *self.requests {
            [request] => vec![self.compiler.compile(request)],
            ref requests => {
                let functions: Vec<_> = requests.iter().map(|request| request.function).collect();
                self.compiler.compile_together(&functions)
            }
        };
        match catch_unwind(AssertUnwindSafe(compile)) {
            Ok(results) => results.into_iter().map(Outcome::from).collect(),
            Err(panic) => self.of_each(|| Outcome::Broken(panic_message(&*panic))),
        }
    }

    /// Hands in one outcome for each request. When compiling several together broke down, each is asked for on its
    /// own instead, so that only the culprit stays behind.
    fn end(&self, outcomes: Vec<Outcome>, time: Duration) {
        if let Some(module) = self.module.upgrade() {
            let is_broken = |outcome: &Outcome| matches!(outcome, Outcome::Broken(_));
            if self.requests.len() > 1 && outcomes.iter().all(is_broken) {
                module.request_singly(&self.requests, &self.ticket);
            } else {
                module.finish_all(self.rung, &self.requests, outcomes, time);
            }
        }
        self.ticket.hand_in();
    }
}

impl From<Result<Compiled, CompileError>> for Outcome {
    fn from(result: Result<Compiled, CompileError>) -> Self {
        match result {
            Ok(compiled) => Self::Compiled(compiled),
            Err(error) => Self::Failed(error),
        }
    }
}

impl Outcome {
    /// The outcome after its code is thrown away.
    fn lost(self) -> Self {
        match self {
            Self::Compiled(_) => Self::Lost,
            other => other,
        }
    }
}

impl Drop for Job {
    /// A job that no worker took counts as never asked for. In a child, the parent's are none.
    fn drop(&mut self) {
        if !self.taken
            && self.generation == fork::generation()
            && let Some(module) = self.module.upgrade()
        {
            for &request in &self.requests {
                module.withdraw(self.rung, request);
            }
        }
    }
}

/// The message of a code generator's panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    format!("the code generator panicked: {text}")
}

/// Counts compiles that somebody waits for.
#[derive(Default)]
pub(crate) struct Latch {
    left: Mutex<usize>,
    done: Condvar,
}

impl Latch {
    /// Waits until every ticket was handed in.
    pub fn wait(&self) {
        let mut left = self.left.lock();
        while *left > 0 {
            self.done.wait(&mut left);
        }
    }
}

/// One compile's part in a latch. Handed in when it is over, at the latest when it is dropped.
pub(crate) struct Ticket(Mutex<Option<Arc<Latch>>>);

impl Ticket {
    /// A ticket that nobody waits for.
    pub fn none() -> Self {
        Self(Mutex::new(None))
    }

    /// A ticket that the latch waits for.
    pub fn of(latch: &Arc<Latch>) -> Self {
        *latch.left.lock() += 1;
        Self(Mutex::new(Some(Arc::clone(latch))))
    }

    /// One more that the same latch waits for, as long as this one was not handed in.
    pub fn another(&self) -> Self {
        self.0.lock().as_ref().map_or_else(Self::none, Self::of)
    }

    fn hand_in(&self) {
        let Some(latch) = self.0.lock().take() else {
            return;
        };
        let mut left = latch.left.lock();
        *left -= 1;
        if *left == 0 {
            latch.done.notify_all();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.hand_in();
    }
}
