//! The differential comparison: generated modules run on Upshift, in every mode of it, and on wasmi, and must do
//! the same. What is compared and what is not is in [`Comparison`]; a run over many seeds, which survives crashes
//! and goes on where it was stopped, is a [`campaign`].

mod arithmetic;
mod arrays;
pub mod campaign;
mod canonical;
mod compare;
mod counts;
mod detour;
mod floats;
mod generate;
mod host;
mod loops;
mod machine;
mod mode;
mod narrow;
mod progress;
mod quiet;
mod random;
mod reference;
mod subject;
mod value;
mod vectors;

pub use compare::{Comparison, Difference, Event, Place, Turns};
pub use counts::Counts;
pub(crate) use generate::features;
pub use generate::{Generated, Generator};
pub use host::{HostFailure, HostState};
pub use machine::{Machine, MemoryState, Outcome, State, TrapKind};
pub use mode::{MODES, Mode};
pub use random::Random;
pub use subject::Subject;
pub use value::Value;

/// Bytes of stack for whoever generates and runs modules: the generator and the guests recurse deeply.
pub const STACK_BYTES: usize = 256 << 20;

/// Runs something on a thread with a stack of [`STACK_BYTES`].
///
/// # Errors
/// When the system has no such thread.
///
/// # Panics
/// When `work` does.
pub fn with_large_stack<R: Send>(work: impl FnOnce() -> R + Send) -> std::io::Result<R> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)?;
        Ok(thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
