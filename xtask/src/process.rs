//! Running other programs: always from the root of the workspace, always shown before they start.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    // An absolute path replaces the root that it is joined to.
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// A program, to be run in the root of the workspace.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// The cargo that started this program.
pub fn cargo() -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    program(&cargo)
}

/// Shows the command line, runs it with our input and output, and waits.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    eprintln!("$ {}", describe(command));
    let status = command
        .status()
        .map_err(|source| start_failure(command, source))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Status {
            command: describe(command),
            code: status.code(),
        })
    }
}

/// Runs a program of one of our packages, built with optimization.
pub fn run_optimized(package: &str, program: &str, arguments: &[String]) -> Result<(), Failure> {
    let mut command = cargo();
    command.args(["run", "--release", "--package", package, "--bin", program]);
    run(command.arg("--").args(arguments))
}

/// Runs without showing anything; returns what the program printed, or `None` if it failed or does not exist.
pub fn quiet_output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The commit that is checked out, with a `+` if files differ from it; `unknown` without git.
pub fn commit() -> String {
    let git = |arguments: &[&str]| quiet_output(program("git").args(arguments));
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let is_clean = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|changes| changes.is_empty());
    format!("{}{}", commit.trim(), if is_clean { "" } else { "+" })
}

/// Runs and returns what the program printed; what it complains about goes to our standard error.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| start_failure(command, source))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Failure::Status {
            command: describe(command),
            code: output.status.code(),
        })
    }
}

/// Whether a program of that name is on the search path.
pub fn exists(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// The command line as one would type it.
pub fn describe(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let mut line = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        line.push(' ');
        if argument.is_empty() || argument.contains(char::is_whitespace) {
            line.push('\'');
            line.push_str(&argument);
            line.push('\'');
        } else {
            line.push_str(&argument);
        }
    }
    line
}

fn start_failure(command: &Command, source: std::io::Error) -> Failure {
    Failure::Start {
        command: describe(command),
        source,
        remedy: "Is it installed? `cargo xtask setup` looks for what we need".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_described_as_one_would_type_it() {
        let mut command = program("/usr/bin/cargo");
        command.args(["test", "two words"]);
        assert_eq!(describe(&command), "cargo test 'two words'");
    }

    #[test]
    fn a_failing_program_hands_on_its_status() {
        let failure = run(program("sh").args(["-c", "exit 7"])).unwrap_err();
        assert!(
            matches!(failure, Failure::Status { code: Some(7), .. }),
            "{failure}"
        );
    }

    #[test]
    fn a_missing_program_is_not_a_panic() {
        let mut command = program("upshift-no-such-program");
        assert!(matches!(
            run(&mut command).unwrap_err(),
            Failure::Start { .. }
        ));
        assert!(quiet_output(&mut command).is_none());
        assert!(!exists("upshift-no-such-program"));
    }
}
