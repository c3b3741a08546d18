//! Which of LLVM's passes go over a unit. A unit that costs more than others take on gets passes whose time grows with the code: some
//! others look at all branches on a value for each use of it, go through all blocks for each loop that they change, or compare
//! each access of a block with each.

use upshift_translate::{Costs, OptimizerOptions};

use crate::unit::Plan;

/// Makes values of locals; folds nothing and drops no access to memory.
pub(crate) const LIFTING: &str = "function(sroa)";

/// Brings callees into their callers. They are as [`Pipeline::simplification`] leaves code after [`Pipeline::preparation`].
pub(crate) const INLINING: &str = "cgscc(inline)";

/// The passes for a unit, in LLVM's notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pipeline<'a> {
    /// Passes that bring expressions into LLVM's usual form, as our own passes want to see them. After [`LIFTING`].
    pub simplification: &'static str,
    /// Both together.
    pub preparation: &'static str,
    /// Passes after our own.
    pub rest: &'a str,
    /// Whether the unit costs more than others.
    pub is_costly: bool,
}

impl<'a> Pipeline<'a> {
    /// For a unit after a plan.
    pub fn of(plan: &Plan, costs: Costs, options: &'a OptimizerOptions) -> Self {
        if costs.check(&options.costly).is_err() {
            return Self {
                simplification: "function(early-cse)",
                preparation: "function(sroa,early-cse)",
                rest: &options.pipeline_for_costly_units,
                is_costly: true,
            };
        }
        let is_large = plan.operators > options.large_unit_operators;
        Self {
            simplification: "function(early-cse,instcombine<no-verify-fixpoint>)",
            preparation: "function(sroa,early-cse,instcombine<no-verify-fixpoint>)",
            rest: if is_large {
                &options.pipeline_for_large_units
            } else {
                &options.pipeline
            },
            is_costly: false,
        }
    }
}
