//! All numbers of tiering in one place: their meaning, their defaults, and how they come out of a file.
//! Ranges are in `keys`, errors of a file in `error`, the files that come with Upshift in
//! `built_in`, how a profile becomes text in `write`. The arithmetic on the numbers is in `policy`.

mod built_in;
mod check;
mod error;
mod keys;
mod write;

pub use built_in::BuiltInProfile;
pub use error::ProfileError;

use std::path::Path;

use serde::{Deserialize, Serialize};
use upshift_translate::{CostLimits, OptimizerOptions};

use crate::{BaselineCompiler, TierMode};
use keys::Key;

/// Which tiers there are for a program, and the numbers of moving between them. None has an effect on the
/// program's results.
///
/// ```
/// use upshift_tiering::TieringProfile;
///
/// let profile = TieringProfile::from_toml(
///     "[tier-up]
///      threshold-in-calls = 1000",
/// )?;
/// assert_eq!(profile.tier_up.threshold_in_calls, Some(1000));
/// assert_eq!(profile.inlining, TieringProfile::default().inlining);
///
/// let error = TieringProfile::from_toml("[tier-up]\neagernes = 0.5").unwrap_err();
/// assert!(error.to_string().contains("did you mean `eagerness`?"));
/// # Ok::<(), upshift_tiering::ProfileError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TieringProfile {
    /// Which tiers functions run in.
    pub mode: TierMode,
    /// How the baseline counts, and how far it compiles ahead of calls.
    pub baseline: BaselineProfile,
    /// When a function is worth compiling again.
    pub tier_up: TierUpProfile,
    /// Use of the middle tier.
    pub middle: MiddleProfile,
    /// The threads that do it.
    pub workers: WorkersProfile,
    /// How the optimizing tier goes about it.
    pub optimizer: OptimizerProfile,
    /// Callees that it compiles along with a function.
    pub inlining: InliningProfile,
    /// Its assumptions about a function, from samples of the baseline.
    pub speculation: SpeculationProfile,
}

/// How the baseline counts work, of which the unit is a WebAssembly operator, and how far it compiles ahead of
/// calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BaselineProfile {
    /// The compiler of the code.
    pub compiler: BaselineCompiler,
    /// Work of an instance in a function before it asks for the first time, in operators. Grants grow with
    /// the work that all instances have done in the function.
    pub smallest_grant_in_operators: u32,
    /// The largest grant, in operators.
    pub largest_grant_in_operators: u32,
    /// The grant while better code is on its way, in operators: how soon a loop looks whether it is
    /// there.
    pub grant_while_compiling_in_operators: u32,
    /// How many threads compile functions that are about to be called, 0 for none; when not given, one if there is
    /// a processor besides those for the program and for LLVM, while it gets to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead_threads: Option<u32>,
    /// How many functions are compiled at their first calls before that begins.
    pub ahead_after_functions: u32,
    /// How many conditional branches may stand in the code between a called function and its callees compiled ahead.
    pub ahead_max_branches: u32,
}

/// When a function is worth compiling again.
///
/// A compile of a function of n operators is taken to cost `compile-base + n * compile-per-operator`. The
/// function is compiled once it has spent `eagerness` times as long in the baseline; more, when the workers
/// have a backlog. Either of the two thresholds, if given, replaces this.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TierUpProfile {
    /// Work after which a function is compiled, in operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_in_operators: Option<u64>,
    /// Calls after which a function is compiled. A call counts as much work as the function has operators,
    /// so rounds of loops count as parts of a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_in_calls: Option<u64>,
    /// The time of a compile however small the function is, in microseconds.
    pub compile_base_in_microseconds: u32,
    /// The additional time for each operator, in nanoseconds.
    pub compile_per_operator_in_nanoseconds: u32,
    /// How fast the baseline's code is, in operators per microsecond.
    pub baseline_operators_per_microsecond: u32,
    /// Which part of the compile time a function runs before it is compiled while a worker idles.
    pub eagerness: f64,
    /// How much that rises with each request that waits, divided by the number of workers.
    pub eagerness_rise_with_backlog: f64,
    /// Its maximum, and its value when there is one processor for the program and the workers.
    pub least_eagerness: f64,
    /// How many times in a row a hot function asks again at once, so that it is seen which of its loops comes
    /// round often; 0 leaves that out.
    pub loop_probe_in_polls: u32,
    /// How often a compile that found no memory is tried again, each time after twice the work.
    pub retries: u8,
}

/// When a function is compiled by the middle tier, which bridges the time until the optimizing tier is done.
///
/// A compile of a function of n operators is taken to cost `compile-base + n * compile-per-operator`. It is
/// made once the function has spent `eagerness` times as long in the baseline.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MiddleProfile {
    /// Whether there is a middle tier.
    pub enabled: bool,
    /// Work after which a function is compiled, in operators, in place of the estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_in_operators: Option<u64>,
    /// The time of a compile however small the function is, in microseconds.
    pub compile_base_in_microseconds: u32,
    /// The additional time for each operator, in nanoseconds.
    pub compile_per_operator_in_nanoseconds: u32,
    /// Which part of the compile time a function runs before it is compiled.
    pub eagerness: f64,
    /// Functions of more operators go without.
    pub max_function_operators: usize,
    /// The same of values that branches pass, and of parameters and results of calls.
    pub max_passed_values: usize,
    /// The same of operands and live locals at loops.
    pub max_loop_values: usize,
    /// The same of locals that are alive where control joins.
    pub max_joined_locals: usize,
}

/// The threads that compile in the background.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WorkersProfile {
    /// How many; when not given, one fewer than there are processors, at least one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// When all of them have been at their compiles for so many milliseconds, one more thread takes queued functions
    /// that are expected to take no longer than that; 0 for never.
    pub relief_after_in_milliseconds: u32,
    /// Their scheduling priority, as `nice` has it: 0 is the program's own, 19 the lowest.
    pub nice: i32,
}

/// How the optimizing tier goes about a compile.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OptimizerProfile {
    /// The pass pipeline, in the code generator's own notation.
    pub pipeline: String,
    /// The pipeline for large units.
    pub pipeline_for_large_units: String,
    /// The pipeline for units with more branches, loops or accesses in a block than the others take on.
    pub pipeline_for_costly_units: String,
    /// With more conditional branches a unit gets that pipeline.
    pub costly_branches: usize,
    /// The same of loops.
    pub costly_loops: usize,
    /// The same of loops, each counted with those around it.
    pub costly_loop_levels: usize,
    /// The same of locals alive at loops, each counted with the loops around.
    pub costly_nested_locals: usize,
    /// The same of loads and stores in one block.
    pub costly_block_accesses: usize,
    /// From how many operators on, inlined callees included, a unit is large.
    pub large_unit_operators: usize,
    /// Functions of more operators stay in the baseline.
    pub max_function_operators: usize,
    /// The same of operators in a row that neither branch nor are branched to.
    pub max_block_operators: usize,
    /// The same of values that branches pass, and of parameters and results of calls.
    pub max_passed_values: usize,
    /// The same of pairs of parameters and results, summed up over all calls.
    pub max_call_pairs: usize,
    /// The same of pairs of labels, summed up over all branch tables.
    pub max_table_pairs: usize,
    /// The same of conditional branches.
    pub max_branches: usize,
    /// The same of loops.
    pub max_loops: usize,
    /// The same of loops, each counted with those around it.
    pub max_loop_levels: usize,
    /// The same of loads and stores in one block.
    pub max_block_accesses: usize,
    /// The same of locals that are alive where control joins.
    pub max_joined_locals: usize,
    /// The most bytes of WebAssembly in the copies of the body that make an entry at a loop inside others;
    /// beyond, one copy has to do, which optimizes badly.
    pub max_osr_chain_bytes: usize,
    /// The processor to optimize for, in the code generator's notation; `native` for this one.
    pub cpu: String,
    /// The widest vectors, in bits: 128, 256 or 512.
    pub vector_bits: u32,
}

/// Callees that are compiled along with a function.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct InliningProfile {
    /// Callees of up to so many operators come along.
    pub max_operators: usize,
    /// Operators that may come along in all.
    pub max_operators_per_unit: usize,
    /// How many levels of a function's calls of itself are unrolled into it.
    pub recursion_depth: u32,
}

/// The optimizing tier's assumptions, from samples of the baseline.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SpeculationProfile {
    /// Up to how many functions a call through a table tries directly, by comparing, before it goes through
    /// the table. 0: the baseline does not record where calls go, and nothing is tried through tables that may change.
    pub max_call_targets: usize,
    /// The share, in percent, of the calls not tried for yet that a function must have to be tried.
    pub least_call_share_in_percent: u32,
    /// How often a call must have been sampled. There is at most one sample for each grant of work.
    pub least_call_samples: u32,
}

impl TieringProfile {
    /// The profile for programs of which nothing is known. The same as the default.
    #[must_use]
    pub fn balanced() -> Self {
        Self::default()
    }

    /// Reads a profile. Keys that the text does not mention keep their defaults.
    ///
    /// # Errors
    /// When the text is not TOML, has a key that there is not, or a value of the wrong kind or out of range.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let table: toml::Table = text.parse().map_err(ProfileError::syntax)?;
        check::keys(&table)?;
        let profile: Self = toml::from_str(text).map_err(ProfileError::syntax)?;
        profile.validate()?;
        Ok(profile)
    }

    /// Reads a profile from a file.
    ///
    /// # Errors
    /// When the file can't be read or is no profile, with its name.
    pub fn from_file(file: impl AsRef<Path>) -> Result<Self, ProfileError> {
        let named = || file.as_ref().display().to_string();
        let text = std::fs::read_to_string(&file).map_err(|error| ProfileError::Read {
            file: named(),
            error: error.to_string(),
        })?;
        Self::from_toml(&text).map_err(|error| ProfileError::InFile {
            file: named(),
            error: Box::new(error),
        })
    }

    /// A profile that comes with Upshift, by its name, or one from a file: the argument of `--profile`. A name with a `/`
    /// or ending in `.toml` is a file, and so is a name of an existing file that is no profile's.
    ///
    /// # Errors
    /// When there is neither, or the file is no profile.
    pub fn named_or_file(name: &str) -> Result<Self, ProfileError> {
        let path = Path::new(name);
        let is_path = name.contains('/') || path.extension().is_some_and(|it| it == "toml");
        let is_name = BuiltInProfile::find(name).is_some();
        if is_path || !is_name && path.is_file() {
            Self::from_file(path)
        } else {
            Self::named(name)
        }
    }

    /// Sets one key from text, as on a command line: `workers.count` to `2`, `optimizer.pipeline` to
    /// `default<O2>`. Of the two thresholds, the one that is set takes the place of the other.
    ///
    /// Rules between keys are left to [`validate`](Self::validate), so that several can be set in any order.
    ///
    /// ```
    /// use upshift_tiering::TieringProfile;
    ///
    /// let mut profile = TieringProfile::default();
    /// profile.set("workers.count", "2")?;
    /// assert_eq!(profile.workers.count, Some(2));
    /// let error = profile.set("workers.count", "0").unwrap_err();
    /// assert!(error.to_string().contains("from 1 to 1024"));
    /// # Ok::<(), upshift_tiering::ProfileError>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such key, with one that is like it, or the value is out of its range.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ProfileError> {
        let key = Key::find(key)?;
        let value = key.parse(value)?;
        let mut base = self.clone();
        if key.name.starts_with("tier-up.threshold-in-") {
            base.tier_up.threshold_in_operators = None;
            base.tier_up.threshold_in_calls = None;
        }
        let mut table = base.to_table()?;
        let section = match key.section() {
            "" => Some(&mut table),
            section => table.get_mut(section).and_then(toml::Value::as_table_mut),
        };
        if let Some(section) = section {
            section.insert(key.last_name().to_owned(), value);
        }
        *self = table.try_into().map_err(ProfileError::syntax)?;
        Ok(())
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// Names the first that is not, and the range.
    pub fn validate(&self) -> Result<(), ProfileError> {
        check::ranges(self)
    }

    /// The part that an optimizing tier needs to know.
    #[must_use]
    pub fn optimizer_options(&self) -> OptimizerOptions {
        let Self {
            optimizer,
            inlining,
            speculation,
            ..
        } = self;
        OptimizerOptions {
            pipeline: optimizer.pipeline.clone(),
            pipeline_for_large_units: optimizer.pipeline_for_large_units.clone(),
            pipeline_for_costly_units: optimizer.pipeline_for_costly_units.clone(),
            costly: CostLimits {
                branches: optimizer.costly_branches,
                loops: optimizer.costly_loops,
                loop_levels: optimizer.costly_loop_levels,
                nested_locals: optimizer.costly_nested_locals,
                block_accesses: optimizer.costly_block_accesses,
                ..CostLimits::NONE
            },
            large_unit_operators: optimizer.large_unit_operators,
            max_function_operators: optimizer.max_function_operators,
            limits: CostLimits {
                block_operators: optimizer.max_block_operators,
                passed_values: optimizer.max_passed_values,
                call_values: optimizer.max_passed_values,
                call_pairs: optimizer.max_call_pairs,
                table_pairs: optimizer.max_table_pairs,
                branches: optimizer.max_branches,
                loops: optimizer.max_loops,
                loop_levels: optimizer.max_loop_levels,
                block_accesses: optimizer.max_block_accesses,
                joined_locals: optimizer.max_joined_locals,
                ..CostLimits::NONE
            },
            max_inlined_operators: inlining.max_operators,
            max_inlined_operators_per_unit: inlining.max_operators_per_unit,
            recursion_depth: inlining.recursion_depth,
            max_call_targets: speculation.max_call_targets,
            least_call_share_in_percent: speculation.least_call_share_in_percent,
            least_call_samples: speculation.least_call_samples,
            max_osr_chain_bytes: optimizer.max_osr_chain_bytes,
            cpu: optimizer.cpu.clone(),
            vector_bits: optimizer.vector_bits,
        }
    }
}

impl MiddleProfile {
    /// Bounds on the cost of functions in the middle tier.
    #[must_use]
    pub fn limits(&self) -> CostLimits {
        CostLimits {
            operators: self.max_function_operators,
            passed_values: self.max_passed_values,
            call_values: self.max_passed_values,
            loop_values: self.max_loop_values,
            joined_locals: self.max_joined_locals,
            ..CostLimits::NONE
        }
    }
}

impl Default for BaselineProfile {
    fn default() -> Self {
        Self {
            compiler: BaselineCompiler::SinglePass,
            smallest_grant_in_operators: 1 << 10,
            largest_grant_in_operators: 1 << 24,
            grant_while_compiling_in_operators: 1 << 20,
            ahead_threads: None,
            ahead_after_functions: 256,
            ahead_max_branches: 8,
        }
    }
}

impl Default for TierUpProfile {
    fn default() -> Self {
        Self {
            threshold_in_operators: None,
            threshold_in_calls: None,
            compile_base_in_microseconds: 5_000,
            compile_per_operator_in_nanoseconds: 100_000,
            baseline_operators_per_microsecond: 7_000,
            eagerness: 0.2,
            eagerness_rise_with_backlog: 0.1,
            least_eagerness: 1.0,
            loop_probe_in_polls: 512,
            retries: 3,
        }
    }
}

impl Default for MiddleProfile {
    fn default() -> Self {
        Self {
            enabled: true,
            threshold_in_operators: None,
            compile_base_in_microseconds: 300,
            compile_per_operator_in_nanoseconds: 4_000,
            eagerness: 0.7,
            max_function_operators: 8_000,
            max_passed_values: 50_000,
            max_loop_values: 10_000,
            max_joined_locals: 50_000,
        }
    }
}

impl Default for WorkersProfile {
    fn default() -> Self {
        Self {
            count: None,
            relief_after_in_milliseconds: 250,
            nice: 5,
        }
    }
}

impl Default for OptimizerProfile {
    fn default() -> Self {
        let options = OptimizerOptions::default();
        Self {
            pipeline: options.pipeline,
            pipeline_for_large_units: options.pipeline_for_large_units,
            pipeline_for_costly_units: options.pipeline_for_costly_units,
            costly_branches: options.costly.branches,
            costly_loops: options.costly.loops,
            costly_loop_levels: options.costly.loop_levels,
            costly_nested_locals: options.costly.nested_locals,
            costly_block_accesses: options.costly.block_accesses,
            large_unit_operators: options.large_unit_operators,
            max_function_operators: options.max_function_operators,
            max_block_operators: options.limits.block_operators,
            max_passed_values: options.limits.passed_values,
            max_call_pairs: options.limits.call_pairs,
            max_table_pairs: options.limits.table_pairs,
            max_branches: options.limits.branches,
            max_loops: options.limits.loops,
            max_loop_levels: options.limits.loop_levels,
            max_block_accesses: options.limits.block_accesses,
            max_joined_locals: options.limits.joined_locals,
            max_osr_chain_bytes: options.max_osr_chain_bytes,
            cpu: options.cpu,
            vector_bits: options.vector_bits,
        }
    }
}

impl Default for InliningProfile {
    fn default() -> Self {
        let options = OptimizerOptions::default();
        Self {
            max_operators: options.max_inlined_operators,
            max_operators_per_unit: options.max_inlined_operators_per_unit,
            recursion_depth: options.recursion_depth,
        }
    }
}

impl Default for SpeculationProfile {
    fn default() -> Self {
        let options = OptimizerOptions::default();
        Self {
            max_call_targets: options.max_call_targets,
            least_call_share_in_percent: options.least_call_share_in_percent,
            least_call_samples: options.least_call_samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_names_are_told_apart() {
        let shared = TieringProfile::named("shared");
        assert_eq!(TieringProfile::named_or_file("shared"), shared);
        let profile = |name| TieringProfile::named_or_file(name).map_err(|error| error.to_string());
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/shared.toml");
        assert_eq!(profile(file), profile("shared"));
        let message = profile("no/such/file").unwrap_err();
        assert!(
            message.starts_with("cannot read no/such/file: "),
            "{message}"
        );
        assert_eq!(
            profile("lateny").unwrap_err(),
            "there is no profile `lateny`; did you mean `latency`?\n\
             One of your own is given by the path of its file."
        );
        let message = profile("./Cargo.toml").unwrap_err();
        assert!(
            message.starts_with("./Cargo.toml: the tiering profile has no key"),
            "{message}"
        );
    }

    #[test]
    fn keys_can_be_set_one_by_one() {
        let mut profile = TieringProfile::default();
        for (key, value) in [
            ("mode", "baseline"),
            ("tier-up.threshold-in-operators", "7"),
            ("tier-up.threshold-in-calls", "9"),
            ("tier-up.eagerness", "2"),
            ("optimizer.cpu", "x86-64-v3"),
        ] {
            profile.set(key, value).unwrap();
        }
        assert!(profile.validate().is_err());
        profile.set("tier-up.least-eagerness", "3.5").unwrap();
        assert_eq!(profile.validate(), Ok(()));
        let mut expected = TieringProfile {
            mode: TierMode::Baseline,
            ..TieringProfile::default()
        };
        expected.tier_up.threshold_in_calls = Some(9);
        expected.tier_up.eagerness = 2.0;
        expected.tier_up.least_eagerness = 3.5;
        expected.optimizer.cpu = "x86-64-v3".to_owned();
        assert_eq!(profile, expected);
    }

    #[test]
    fn an_optimizer_is_told_all_that_is_for_it() {
        assert_eq!(
            TieringProfile::default().optimizer_options(),
            OptimizerOptions::default()
        );
        let text = "[optimizer]\npipeline = 'default<O2>'\n[inlining]\nrecursion-depth = 0";
        let options = TieringProfile::from_toml(text).map(|profile| profile.optimizer_options());
        let expected = OptimizerOptions {
            pipeline: "default<O2>".to_owned(),
            recursion_depth: 0,
            ..OptimizerOptions::default()
        };
        assert_eq!(options, Ok(expected));
    }
}
