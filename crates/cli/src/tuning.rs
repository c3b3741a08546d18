//! Options of `upshift run` that tune tiering: a profile from a file, and single numbers on top of it.

use std::path::PathBuf;

use clap::Args;
use upshift::{
    CodeForm, Config, Engine, EntryPoint, FunctionTier, Module, ProfileError, TieringProfile,
};

use crate::error::{CliError, Result};

/// When functions move to LLVM, and how hard that tries. Nothing of it changes what a program computes.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Tuning")]
pub struct Tuning {
    /// Take the numbers of tiering from this file, a profile such as profiles/balanced.toml.
    #[arg(long, value_name = "FILE.toml")]
    pub tiering: Option<PathBuf>,

    /// Compile a function by LLVM after so many calls; rounds of its loops count as parts of a call.
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        conflicts_with = "tier_up_after_operators"
    )]
    pub tier_up_after_calls: Option<u64>,

    /// Compile a function by LLVM after so many operators that were run in it.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub tier_up_after_operators: Option<u64>,

    /// Threads that compile in the background [default: one fewer than there are processors].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub workers: Option<u32>,

    /// The passes of LLVM, in its own notation, such as `default<O2>`.
    #[arg(long, value_name = "PASSES")]
    pub pipeline: Option<String>,

    /// Have LLVM inline callees of up to so many operators; 0 for none.
    #[arg(long, value_name = "OPERATORS", allow_negative_numbers = true)]
    pub inline_limit: Option<usize>,
}

/// Which key of a profile each option that has a range stands for.
const OPTIONS: [(&str, &str); 4] = [
    ("--tier-up-after-calls", "tier-up.threshold-in-calls"),
    (
        "--tier-up-after-operators",
        "tier-up.threshold-in-operators",
    ),
    ("--workers", "workers.count"),
    ("--pipeline", "optimizer.pipeline"),
];

impl Tuning {
    /// The profile that the options describe.
    ///
    /// # Errors
    /// When the file can't be read or is no profile, or a number is out of its range.
    pub(crate) fn profile(&self) -> Result<TieringProfile> {
        let mut profile = match &self.tiering {
            Some(file) => read(file)?,
            None => TieringProfile::default(),
        };
        // What is said on the command line takes the place of what the file says.
        if self.tier_up_after_calls.is_some() || self.tier_up_after_operators.is_some() {
            profile.tier_up.threshold_in_calls = self.tier_up_after_calls;
            profile.tier_up.threshold_in_operators = self.tier_up_after_operators;
        }
        profile.workers.count = self.workers.or(profile.workers.count);
        if let Some(pipeline) = &self.pipeline {
            profile.optimizer.pipeline.clone_from(pipeline);
        }
        if let Some(operators) = self.inline_limit {
            profile.inlining.max_operators = operators;
        }
        // The file was found right, so what is wrong now is an option.
        profile.validate().map_err(|error| self.blame(error))?;
        Ok(profile)
    }

    fn blame(&self, error: ProfileError) -> CliError {
        if let ProfileError::OutOfRange {
            key,
            value,
            allowed,
        } = &error
            && let Some((option, _)) = OPTIONS.iter().find(|(_, of)| of == key)
        {
            return CliError::Option {
                option,
                value: value.clone(),
                allowed: allowed.clone(),
            };
        }
        CliError::Profile {
            file: self.tiering.clone().unwrap_or_default(),
            error,
        }
    }

    /// Has LLVM try the passes of a profile on an empty function, if they are not the usual ones: otherwise a
    /// wrong name would only keep every function in the baseline.
    ///
    /// # Errors
    /// When LLVM doesn't know them.
    pub(crate) fn check_pipelines(&self, profile: &TieringProfile) -> Result<()> {
        if !cfg!(feature = "llvm") {
            return Ok(());
        }
        let usual = TieringProfile::default().optimizer;
        let given = &profile.optimizer;
        for (pipeline, usual) in [
            (&given.pipeline, &usual.pipeline),
            (
                &given.pipeline_for_large_units,
                &usual.pipeline_for_large_units,
            ),
        ] {
            if pipeline == usual {
                continue;
            }
            let mut trial = TieringProfile::default();
            trial.optimizer.pipeline.clone_from(pipeline);
            let engine =
                Engine::new(Config::new().tiering_profile(trial)).map_err(CliError::Engine)?;
            let module = Module::new(&engine, "(module (func))").map_err(CliError::Engine)?;
            let (tier, form) = (FunctionTier::Optimizing, CodeForm::Intermediate);
            module
                .emit(0, tier, EntryPoint::Function, form)
                .map_err(|error| CliError::Pipeline {
                    pipeline: pipeline.clone(),
                    error,
                })?;
        }
        Ok(())
    }
}

fn read(file: &PathBuf) -> Result<TieringProfile> {
    let text = std::fs::read_to_string(file).map_err(|error| CliError::Read {
        file: file.clone(),
        error,
    })?;
    TieringProfile::from_toml(&text).map_err(|error| CliError::Profile {
        file: file.clone(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_the_place_of_what_the_file_says() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("eager.toml");
        let text = "[tier-up]\nthreshold-in-operators = 5\n[workers]\ncount = 3\nnice = 0";
        std::fs::write(&file, text).unwrap();
        let tuning = Tuning {
            tiering: Some(file),
            tier_up_after_calls: Some(7),
            inline_limit: Some(0),
            ..Tuning::default()
        };
        let profile = tuning.profile().unwrap();
        assert_eq!(profile.tier_up.threshold_in_calls, Some(7));
        assert_eq!(profile.tier_up.threshold_in_operators, None);
        assert_eq!((profile.workers.count, profile.workers.nice), (Some(3), 0));
        assert_eq!(profile.inlining.max_operators, 0);
    }

    #[test]
    fn no_options_are_the_default() {
        let profile = Tuning::default().profile().unwrap();
        assert_eq!(profile, TieringProfile::default());
    }
}
