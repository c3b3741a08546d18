//! Tests that change what belongs to the whole process, such as its user or its limits: they run in a process of
//! their own, which is this program again.

use std::process::{Command, ExitCode};

use upshift_tests::modes::{MODES, Mode};

use crate::guest::Tested;
use crate::{limits, without_openat2};

/// Tells this program to run one test, `MODE::NAME`, and nothing else.
const VARIABLE: &str = "UPSHIFT_WASI_CHILD";

/// What the child exits with, to tell a result from a command line that did not come to it.
const PASSED: u8 = 40;
const FAILED: u8 = 41;

/// Runs the test that this process is there for. None if it is not a child.
pub fn run() -> Option<ExitCode> {
    let wanted = std::env::var(VARIABLE).ok()?;
    let (mode, name) = wanted.split_once("::")?;
    let mode = MODES.iter().find(|known| known.name == mode)?;
    let mut tests = limits::IN_CHILD.iter().chain(without_openat2::IN_CHILD);
    let (_, test) = tests.find(|(known, _)| *known == name)?;
    Some(match test(*mode) {
        Ok(()) => ExitCode::from(PASSED),
        Err(failed) => {
            eprintln!("{}", failed.message().unwrap_or("failed"));
            ExitCode::from(FAILED)
        }
    })
}

/// Lets a shell command start this program, as `$0`, to run a test.
///
/// Where the system does not let the command do what it wants, the test is skipped, and says so.
pub fn check(mode: Mode, name: &str, command: &str) -> Tested {
    let output = Command::new("sh")
        .args(["-c", command])
        .arg(std::env::current_exe()?)
        .env(VARIABLE, format!("{}::{name}", mode.name))
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output
        .status
        .code()
        .and_then(|code| u8::try_from(code).ok())
    {
        Some(PASSED) => Ok(()),
        Some(FAILED) => Err(format!("in the child:\n{said}").into()),
        // How shells, `setpriv`, `unshare` and `mount` end when they can't.
        Some(1 | 32 | 126 | 127) => {
            eprintln!("SKIPPED: {name}, because `{command}` is not possible here: {said}");
            Ok(())
        }
        _ => Err(format!("the child ended with {}:\n{said}", output.status).into()),
    }
}
