//! Options of an optimizing tier: effort, bounds, inlining. None of it
//! changes a program's results.

use crate::CostLimits;

/// Limits and choices of an optimizing tier. Where they come from is the tiering profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptimizerOptions {
    /// The pass pipeline, in the code generator's own notation.
    pub pipeline: String,
    /// The pipeline for units of more than `large_unit_operators` operators.
    pub pipeline_for_large_units: String,
    /// The pipeline for units that cost more than `costly`: of passes whose time grows with the code.
    pub pipeline_for_costly_units: String,
    /// Costs beyond which a unit gets another pipeline.
    pub costly: CostLimits,
    /// From how many operators on, inlined functions included, a unit is large.
    pub large_unit_operators: usize,
    /// Functions of more operators than this are not compiled.
    pub max_function_operators: usize,
    /// The same for the other costs of compiles.
    pub limits: CostLimits,
    /// Callees of up to so many operators are compiled along, to be inlined.
    pub max_inlined_operators: usize,
    /// Operators that may come along with a function in all.
    pub max_inlined_operators_per_unit: usize,
    /// How many levels of a function's calls of itself are unrolled into it.
    pub recursion_depth: u32,
    /// Up to how many of the functions that a call through a table was seen to reach get a direct call of
    /// their own, guarded by a comparison. None: 0.
    pub max_call_targets: usize,
    /// The share, in percent, of the calls that are left which such a function must have.
    pub least_call_share_in_percent: u32,
    /// With fewer samples of a call, nothing is assumed.
    pub least_call_samples: u32,
    /// See [`Mode::max_chain_bytes`](crate::Mode::max_chain_bytes).
    pub max_osr_chain_bytes: usize,
    /// The processor to optimize for, in the code generator's notation; `native` for this one.
    pub cpu: String,
    /// The widest vectors, in bits: 128, 256 or 512.
    pub vector_bits: u32,
}

impl Default for OptimizerOptions {
    fn default() -> Self {
        Self {
            pipeline: "default<O3>".to_owned(),
            pipeline_for_large_units: "default<O1>".to_owned(),
            pipeline_for_costly_units: "function(simplifycfg,early-cse<memssa>,adce,simplifycfg)"
                .to_owned(),
            costly: CostLimits {
                branches: 4_000,
                loops: 1_000,
                loop_levels: 8_000,
                nested_locals: 1_000_000,
                block_accesses: 4_000,
                ..CostLimits::NONE
            },
            large_unit_operators: 20_000,
            max_function_operators: 200_000,
            limits: CostLimits {
                block_operators: 50_000,
                passed_values: 200_000,
                call_values: 200_000,
                call_pairs: 10_000_000,
                table_pairs: 1_000_000,
                branches: 50_000,
                loops: 1_500,
                loop_levels: 200_000,
                block_accesses: 16_000,
                joined_locals: 500_000,
                ..CostLimits::NONE
            },
            max_inlined_operators: 200,
            max_inlined_operators_per_unit: 2_000,
            recursion_depth: 3,
            max_call_targets: 4,
            least_call_share_in_percent: 25,
            least_call_samples: 8,
            max_osr_chain_bytes: 128 * 1024,
            cpu: "native".to_owned(),
            vector_bits: 256,
        }
    }
}
