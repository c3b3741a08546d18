//! One compile by the optimizing tier: what a worker does with it, and how whoever waits for it learns that
//! it is over, however it ends.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use upshift_translate::{
    CompileError, CompileRequest, Compiled, ModuleCompiler, with_fatal_handler,
};

use crate::ModuleTiering;
use crate::pool::{Key, Pool};

/// A compile that was asked for.
pub(crate) struct Job {
    /// Who asked. Gone when the module is dropped: what is compiled then is thrown away.
    pub module: Weak<ModuleTiering>,
    /// The module's number in the engine.
    pub module_id: u64,
    /// Compiles it; keeps alive what that needs of the module, and nothing else of it.
    pub compiler: Arc<dyn ModuleCompiler>,
    /// What to compile.
    pub request: CompileRequest,
    /// Tells whoever waits.
    pub ticket: Ticket,
    /// Whether a worker took it.
    pub taken: bool,
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
    pub fn key(&self) -> Key {
        (self.module_id, self.request)
    }

    /// Compiles it and hands the result to the module, if there still is one. May never return.
    pub fn run(mut self, pool: &Arc<Pool>) {
        let Some(module) = self.module.upgrade() else {
            return;
        };
        self.taken = true;
        let Some(mishap) = module.begin(self.request) else {
            return;
        };
        // Compiling must not keep the module alive: its owner may drop it meanwhile.
        drop(module);
        thread::sleep(mishap.start_after);
        let start = Instant::now();
        let job = Arc::new(self);
        let on_fatal = {
            let (job, pool) = (Arc::clone(&job), Arc::clone(pool));
            move |message: String| {
                job.end(Outcome::Broken(message), start.elapsed());
                pool.replace_thread();
            }
        };
        let outcome = if mishap.lost {
            Outcome::Lost
        } else if mishap.failed {
            Outcome::Broken("made to fail by the chaos option".to_owned())
        } else {
            with_fatal_handler(on_fatal, || compile(&*job.compiler, job.request))
        };
        let outcome = match outcome {
            Outcome::Compiled(_) if mishap.thrown_away => Outcome::Lost,
            outcome => outcome,
        };
        let time = start.elapsed();
        thread::sleep(mishap.publish_after);
        job.end(outcome, time);
    }

    fn end(&self, outcome: Outcome, time: Duration) {
        if let Some(module) = self.module.upgrade() {
            module.finish(self.request, outcome, time);
        }
        self.ticket.hand_in();
    }
}

impl Drop for Job {
    /// One that no worker took is as if it had never been asked for.
    fn drop(&mut self) {
        if !self.taken
            && let Some(module) = self.module.upgrade()
        {
            module.withdraw(self.request);
        }
    }
}

fn compile(compiler: &dyn ModuleCompiler, request: CompileRequest) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| compiler.compile(request))) {
        Ok(Ok(compiled)) => Outcome::Compiled(compiled),
        Ok(Err(error)) => Outcome::Failed(error),
        Err(panic) => Outcome::Broken(panic_message(&*panic)),
    }
}

/// What a code generator's panic says.
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
