//! `upshift profile`: which tiering profiles there are, what is in one, and whether a file is one.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use upshift::{BuiltInProfile, TierMode, TieringProfile};

use crate::Status;
use crate::error::{CliError, Result};
use crate::tuning::Tuning;

/// Options of `upshift profile`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Profile {
    /// What to do.
    #[command(subcommand)]
    pub command: ProfileCommand,
}

/// What to do with profiles.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Show which profiles there are, and what for.
    List,
    /// Show a profile: its file, or with --all every key with its value and what it means.
    Show(Show),
    /// Check files: keys, ranges, and whether LLVM knows the passes.
    Check(Check),
}

/// Options of `upshift profile show`.
#[derive(Args, Debug)]
pub struct Show {
    /// The profile's name, or its file.
    #[arg(value_name = "NAME|FILE", default_value = "balanced")]
    pub profile: String,

    /// Set a key first.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Show every key, not only those that the file has.
    #[arg(long)]
    pub all: bool,
}

/// Options of `upshift profile check`.
#[derive(Args, Debug)]
pub struct Check {
    /// The files.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  upshift profile list
  upshift profile show latency
  upshift profile show --all > mine.toml            every key, to start a profile of your own from
  upshift profile show latency --set workers.count=2
  upshift profile check mine.toml
  upshift run --profile mine.toml program.wasm";

pub(crate) fn profile(
    options: &Profile,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<Status> {
    match &options.command {
        ProfileCommand::List => list(stdout)?,
        ProfileCommand::Show(options) => show(options, stdout)?,
        ProfileCommand::Check(options) => return check(options, stdout, stderr),
    }
    Ok(Status::Success)
}

fn list(stdout: &mut dyn Write) -> Result<()> {
    let names = BuiltInProfile::ALL.iter().map(|profile| profile.name.len());
    let width = names.max().unwrap_or_default();
    for profile in BuiltInProfile::ALL {
        writeln!(stdout, "{:width$}  {}", profile.name, profile.summary())?;
    }
    Ok(())
}

fn show(options: &Show, stdout: &mut dyn Write) -> Result<()> {
    let name = &options.profile;
    let tuning = Tuning {
        profile: Some(name.clone()),
        set: options.set.clone(),
        ..Tuning::default()
    };
    let profile = tuning.profile()?;
    if options.all {
        let text = profile.to_commented_toml().map_err(CliError::Profile)?;
        write!(stdout, "{text}")?;
    } else if !options.set.is_empty() {
        write!(stdout, "{}", changes(&profile))?;
    } else if let Some(built_in) = BuiltInProfile::find(name) {
        write!(stdout, "{}", built_in.text)?;
    } else {
        let file = PathBuf::from(name);
        let text =
            std::fs::read_to_string(&file).map_err(|error| CliError::Read { file, error })?;
        write!(stdout, "{text}")?;
    }
    Ok(())
}

/// The difference of a profile from the default, as a file.
pub(crate) fn changes(profile: &TieringProfile) -> String {
    let mut text = String::new();
    let mut section = "";
    for (key, value) in profile.differences(&TieringProfile::default()) {
        // Everything that can be left out is left out of the default.
        let Some(value) = value else { continue };
        let (of, name) = key.split_once('.').unwrap_or(("", key));
        if of != section {
            let space = if text.is_empty() { "" } else { "\n" };
            text += &format!("{space}[{of}]\n");
            section = of;
        }
        text += &format!("{name} = {value}\n");
    }
    text
}

fn check(options: &Check, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Result<Status> {
    let mut status = Status::Success;
    for file in &options.files {
        let checked = TieringProfile::from_file(file)
            .map_err(CliError::Profile)
            .and_then(|profile| {
                if profile.mode != TierMode::Baseline {
                    Tuning::default().check_pipelines(&profile)?;
                }
                Ok(profile)
            });
        match checked {
            Ok(profile) => {
                let changed = profile.differences(&TieringProfile::default()).len();
                let keys = if changed == 1 {
                    "key differs"
                } else {
                    "keys differ"
                };
                writeln!(stdout, "{}: {changed} {keys} from balanced", file.display())?;
            }
            Err(error) => {
                // Errors of profiles name the file by themselves.
                writeln!(stderr, "error: {error}")?;
                status = Status::Failed;
            }
        }
    }
    Ok(status)
}
