//! `upshift wast`: runs spec scripts and prints how each went.

use std::io::Write;

use crate::Status;
use crate::error::{CliError, Result};
use crate::options::Scripts;
use crate::wast::{self, Report};

pub(crate) fn run(options: &Scripts, stdout: &mut dyn Write) -> Result<Status> {
    let mut config = options.module.config();
    config.eager(options.eager);
    let (mut passed, mut failed, mut failed_files) = (0, 0, 0);
    for file in &options.files {
        let script = std::fs::read_to_string(file).map_err(|error| CliError::Read {
            file: file.clone(),
            error,
        })?;
        let report = wast::run(&script, &config).map_err(|error| CliError::Script {
            file: file.clone(),
            error,
        })?;
        passed += report.passed;
        failed += report.failed;
        failed_files += usize::from(!report.is_success());
        print(&file.display().to_string(), &report, stdout)?;
    }
    let files = options.files.len();
    writeln!(
        stdout,
        "{files} files: {passed} assertions passed, {failed} failed"
    )?;
    if failed_files == 0 {
        return Ok(Status::Success);
    }
    writeln!(stdout, "FAILED: {failed_files} of {files} files")?;
    Ok(Status::Failed)
}

fn print(file: &str, report: &Report, stdout: &mut dyn Write) -> Result<()> {
    let word = if report.is_success() { "ok" } else { "FAILED" };
    writeln!(
        stdout,
        "{word} {file}: {} passed, {} failed",
        report.passed, report.failed
    )?;
    for failure in &report.failures {
        writeln!(stdout, "  {file}:{failure}")?;
    }
    if let Some(more @ 1..) = report.failed.checked_sub(report.failures.len()) {
        writeln!(stdout, "  … and {more} more")?;
    }
    // A long run shows its progress, also through a pipe.
    Ok(stdout.flush()?)
}
