//! Generated code's requests to the tiering above: code for a function that has none, and a decision when
//! a budget has run out.

use std::error::Error;

use cranelift_entity::entity_impl;
use upshift_module::{DefinedFuncIndex, FuncIndex, LoopIndex, Stop};

/// A cell of an instance's context that says what a call through a table reached last
/// ([`VMOffsets::call_cell`](crate::VMOffsets::call_cell)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallCell(u32);

entity_impl!(CallCell);

impl CallCell {
    /// The cell of this number. None of 2^32 - 1.
    #[must_use]
    pub fn of_number(number: u32) -> Option<Self> {
        (number < u32::MAX).then_some(Self(number))
    }
}

/// The target of a call through a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledFunction {
    /// The function of this index (imports first), by the instance's own reference to it.
    Own(FuncIndex),
    /// A function of another instance, or of the host.
    Foreign,
}

/// Why a function has no code at its first call.
#[derive(Debug, thiserror::Error)]
pub enum NoCode {
    /// No tier can compile it: the call ends in a trap that carries this error.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
    /// It was to end. The function is as it was: the next call compiles it.
    #[error("the compile was stopped")]
    Stopped,
}

impl NoCode {
    /// For this reason.
    #[cold]
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}

/// The tiering of one module, as the runtime sees it.
pub trait TierHooks: Send + Sync {
    /// Code for `function`, called for the first time, or since its calls
    /// were [announced](crate::ModuleCode::announce_calls). Ends early when `stop` says so.
    ///
    /// # Errors
    /// When there is none, for the reason given.
    fn lazy_compile(&self, function: DefinedFuncIndex, stop: Stop<'_>)
    -> Result<*const u8, NoCode>;

    /// A budget of `function` is used up, which one of the two below answers. `take` empties a cell of the
    /// instance ([`VMOffsets::call_cell`](crate::VMOffsets::call_cell)) and gives the last callee there.
    fn sample_calls(
        &self,
        function: DefinedFuncIndex,
        take: &mut dyn FnMut(CallCell) -> Option<CalledFunction>,
    ) {
        let _ = (function, take);
    }

    /// The budget of `function` is used up at its entry: refill it, and give the code to run in place of the
    /// code that asks, if there is better code for the function by now.
    fn budget_at_entry(&self, function: DefinedFuncIndex, budget: &mut i32) -> Option<*const u8>;

    /// The budget is used up at the header of a loop: refill it, and say where to move, if there is a
    /// better place to go on. The result is the address of an [`OsrEntry`](crate::OsrEntry).
    fn budget_at_loop(
        &self,
        function: DefinedFuncIndex,
        loop_number: LoopIndex,
        budget: &mut i32,
    ) -> Option<*const u8>;

    /// The same in the middle tier's code, which does not move to another place in itself.
    fn budget_at_middle_loop(
        &self,
        function: DefinedFuncIndex,
        loop_number: LoopIndex,
        budget: &mut i32,
    ) -> Option<*const u8> {
        self.budget_at_loop(function, loop_number, budget)
    }
}
