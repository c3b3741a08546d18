//! All numbers of tiering in one place: what they mean, their defaults, and how they come out of a file.
//! Ranges are in `check`, what can be wrong with a file in `error`. What is done with them is in `policy`.

mod check;
mod error;

pub use error::ProfileError;

use serde::{Deserialize, Serialize};
use upshift_translate::OptimizerOptions;

/// The numbers of tiering. None has an effect on what a program computes.
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
    /// How the baseline counts.
    pub baseline: BaselineProfile,
    /// When a function is worth compiling again.
    pub tier_up: TierUpProfile,
    /// The threads that do it.
    pub workers: WorkersProfile,
    /// How the optimizing tier goes about it.
    pub optimizer: OptimizerProfile,
    /// What it compiles along with a function.
    pub inlining: InliningProfile,
}

/// How the baseline counts work. The unit is a WebAssembly operator.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BaselineProfile {
    /// What an instance may do in a function at first before it asks again, in operators. Grants grow with
    /// the work that all instances have done in the function.
    pub smallest_grant_in_operators: u32,
    /// What grants never exceed, in operators. Also what is granted where there is nothing to decide.
    pub largest_grant_in_operators: u32,
    /// What is granted while better code is on its way, in operators: how soon a loop looks whether it is
    /// there.
    pub grant_while_compiling_in_operators: u32,
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
    /// What a compile takes however small the function is, in microseconds.
    pub compile_base_in_microseconds: u32,
    /// What it takes more for each operator, in nanoseconds.
    pub compile_per_operator_in_nanoseconds: u32,
    /// How fast the baseline's code is, in operators per microsecond.
    pub baseline_operators_per_microsecond: u32,
    /// Which part of the compile time a function runs before it is compiled while a worker idles.
    pub eagerness: f64,
    /// How much that rises with each request that waits, divided by the number of workers.
    pub eagerness_rise_with_backlog: f64,
    /// What it rises to at most, and what holds when there is one processor for the program and the workers.
    pub least_eagerness: f64,
    /// How many times in a row a hot function asks again at once, so that it is seen which of its loops comes
    /// round often; 0 leaves that out.
    pub loop_probe_in_polls: u32,
    /// How often a compile that found no memory is tried again, each time after twice the work.
    pub retries: u8,
}

/// The threads that compile in the background.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WorkersProfile {
    /// How many; when not given, one fewer than there are processors, at least one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
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
    /// From how many operators on, what was inlined included, a unit is large.
    pub large_unit_operators: usize,
    /// Functions of more operators stay in the baseline.
    pub max_function_operators: usize,
    /// The most bytes of WebAssembly in the copies of the body that make an entry at a loop inside others;
    /// beyond, one copy has to do, which optimizes badly.
    pub max_osr_chain_bytes: usize,
    /// The processor to optimize for, in the code generator's notation; `native` for this one.
    pub cpu: String,
    /// The widest vectors, in bits: 128, 256 or 512.
    pub vector_bits: u32,
}

/// What is compiled along with a function.
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

impl TieringProfile {
    /// The profile for programs of which nothing is known. The same as the default.
    #[must_use]
    pub fn balanced() -> Self {
        Self::default()
    }

    /// The commented text of [`balanced`](Self::balanced), to start a profile of one's own from.
    pub const BALANCED_TOML: &str = include_str!("../../../../profiles/balanced.toml");

    /// Reads a profile. What the text does not mention keeps its default.
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

    /// The profile as a file has it, without comments.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("numbers and strings in one level of tables")
    }

    /// Checks that every number is in its range.
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
            ..
        } = self;
        OptimizerOptions {
            pipeline: optimizer.pipeline.clone(),
            pipeline_for_large_units: optimizer.pipeline_for_large_units.clone(),
            large_unit_operators: optimizer.large_unit_operators,
            max_function_operators: optimizer.max_function_operators,
            max_inlined_operators: inlining.max_operators,
            max_inlined_operators_per_unit: inlining.max_operators_per_unit,
            recursion_depth: inlining.recursion_depth,
            max_osr_chain_bytes: optimizer.max_osr_chain_bytes,
            cpu: optimizer.cpu.clone(),
            vector_bits: optimizer.vector_bits,
        }
    }
}

impl Default for BaselineProfile {
    fn default() -> Self {
        Self {
            smallest_grant_in_operators: 1 << 10,
            largest_grant_in_operators: 1 << 24,
            grant_while_compiling_in_operators: 1 << 20,
        }
    }
}

impl Default for TierUpProfile {
    fn default() -> Self {
        Self {
            threshold_in_operators: None,
            threshold_in_calls: None,
            compile_base_in_microseconds: 4_000,
            compile_per_operator_in_nanoseconds: 30_000,
            baseline_operators_per_microsecond: 1_000,
            eagerness: 0.1,
            eagerness_rise_with_backlog: 0.1,
            least_eagerness: 1.0,
            loop_probe_in_polls: 512,
            retries: 3,
        }
    }
}

impl Default for WorkersProfile {
    fn default() -> Self {
        Self {
            count: None,
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
            large_unit_operators: options.large_unit_operators,
            max_function_operators: options.max_function_operators,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_file_is_the_default() {
        let read = TieringProfile::from_toml(TieringProfile::BALANCED_TOML);
        assert_eq!(read, Ok(TieringProfile::default()));
        assert_eq!(TieringProfile::balanced(), TieringProfile::default());
    }

    #[test]
    fn the_commented_file_names_every_key() {
        for (section, keys) in check::SECTIONS {
            assert!(TieringProfile::BALANCED_TOML.contains(&format!("\n[{section}]\n")));
            for key in *keys {
                let (set, unset) = (format!("\n{key} = "), format!("\n# {key} = "));
                assert!(
                    TieringProfile::BALANCED_TOML.contains(&set)
                        || TieringProfile::BALANCED_TOML.contains(&unset),
                    "{section}.{key}"
                );
            }
        }
    }

    #[test]
    fn a_profile_survives_being_written() {
        let mut profile = TieringProfile::default();
        profile.workers.count = Some(3);
        profile.tier_up.threshold_in_operators = Some(u64::from(u32::MAX));
        profile.tier_up.eagerness = 0.25;
        profile.optimizer.cpu = "x86-64-v3".to_owned();
        assert_eq!(TieringProfile::from_toml(&profile.to_toml()), Ok(profile));
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
