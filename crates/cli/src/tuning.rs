//! Options of `upshift run` that tune tiering: a profile, and single keys on top of it.

use clap::Args;
use upshift::{
    CodeForm, Config, Engine, EntryPoint, FunctionTier, Module, ProfileError, TieringProfile,
};
use upshift_module::to_u64;

use crate::error::{CliError, Result};

/// When functions move to LLVM, and how hard that tries. Nothing of it changes what a program computes.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Tuning")]
pub struct Tuning {
    /// Take the profile of this name, or from this file; UPSHIFT_PROFILE in the environment is used where this
    /// is not given [default: balanced]. `upshift profile list` shows which there are.
    #[arg(long, value_name = "NAME|FILE", alias = "tiering")]
    pub profile: Option<String>,

    /// Set a key of the profile, such as `tier-up.eagerness=0.5`. `upshift profile show --all` shows which
    /// there are.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

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

/// The environment's profile.
const VARIABLE: &str = "UPSHIFT_PROFILE";

/// An option of its own for a key of a profile.
struct ShortForm {
    option: &'static str,
    key: &'static str,
    /// What was given.
    value: Option<String>,
}

impl Tuning {
    /// The profile that the options describe.
    ///
    /// # Errors
    /// When there is no such profile or its file is none, there is no such key, or a value is out of its range.
    pub(crate) fn profile(&self) -> Result<TieringProfile> {
        let mut profile = self.base()?;
        for setting in &self.set {
            let blame = |error| CliError::Setting {
                setting: setting.clone(),
                error,
            };
            let (key, value) = setting
                .split_once('=')
                .ok_or_else(|| CliError::NoSetting(setting.clone()))?;
            profile.set(key.trim(), value).map_err(blame)?;
        }
        for ShortForm { option, key, value } in self.short_forms() {
            let Some(value) = value else { continue };
            profile.set(key, &value).map_err(|error| match error {
                ProfileError::OutOfRange { value, allowed, .. } => CliError::Option {
                    option,
                    value,
                    allowed,
                },
                error => CliError::Profile(error),
            })?;
        }
        // Each by itself was found right.
        profile.validate().map_err(CliError::Profile)?;
        Ok(profile)
    }

    /// The profile before anything is set.
    fn base(&self) -> Result<TieringProfile> {
        if let Some(profile) = &self.profile {
            return TieringProfile::named_or_file(profile).map_err(CliError::Profile);
        }
        match std::env::var(VARIABLE) {
            Ok(profile) if !profile.is_empty() => {
                TieringProfile::named_or_file(&profile).map_err(|error| CliError::Environment {
                    variable: VARIABLE,
                    error,
                })
            }
            _ => Ok(TieringProfile::default()),
        }
    }

    /// Options of their own for single keys.
    fn short_forms(&self) -> [ShortForm; 5] {
        let Self {
            tier_up_after_calls: calls,
            tier_up_after_operators: operators,
            ..
        } = self;
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        [
            ShortForm {
                option: "--tier-up-after-calls",
                key: "tier-up.threshold-in-calls",
                value: number(*calls),
            },
            ShortForm {
                option: "--tier-up-after-operators",
                key: "tier-up.threshold-in-operators",
                value: number(*operators),
            },
            ShortForm {
                option: "--workers",
                key: "workers.count",
                value: number(self.workers.map(u64::from)),
            },
            ShortForm {
                option: "--pipeline",
                key: "optimizer.pipeline",
                value: self.pipeline.clone(),
            },
            ShortForm {
                option: "--inline-limit",
                key: "inlining.max-operators",
                value: number(self.inline_limit.map(to_u64)),
            },
        ]
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
            let engine = Engine::new(Config::new().profile(trial)).map_err(CliError::Engine)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_the_place_of_settings_and_those_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("eager.toml");
        let text = "[tier-up]\nthreshold-in-operators = 5\n[workers]\ncount = 3\nnice = 0";
        std::fs::write(&file, text).unwrap();
        let tuning = Tuning {
            profile: Some(file.to_str().unwrap().to_owned()),
            set: vec![
                "inlining.max-operators=9".to_owned(),
                "workers.count = 4".to_owned(),
            ],
            tier_up_after_calls: Some(7),
            inline_limit: Some(0),
            ..Tuning::default()
        };
        let profile = tuning.profile().unwrap();
        assert_eq!(profile.tier_up.threshold_in_calls, Some(7));
        assert_eq!(profile.tier_up.threshold_in_operators, None);
        assert_eq!((profile.workers.count, profile.workers.nice), (Some(4), 0));
        assert_eq!(profile.inlining.max_operators, 0);
    }
}
