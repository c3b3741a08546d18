//! `upshift wast`: runs spec scripts and prints how each went.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use upshift::Config;
use upshift_module::PrintableLines;

use crate::Status;
use crate::error::Result;
use crate::options::Scripts;
use crate::wast::{self, Report, ScriptError};

/// Memories that the modules of one script have, about; all of them live until it ends.
const MEMORIES: usize = 32;

pub(crate) fn run(options: &Scripts, stdout: &mut dyn Write) -> Result<Status> {
    let mut config = options.module.config();
    config.eager(options.eager);
    config.fit_address_space(MEMORIES);
    let (mut passed, mut failed, mut failed_files) = (0, 0, 0);
    for file in &options.files {
        let name = file.display();
        // A file that can't be run does not keep the others from being run.
        match run_file(file, &config) {
            Ok(report) => {
                passed += report.passed;
                failed += report.failed;
                failed_files += usize::from(!report.is_success());
                print(&name.to_string(), &report, stdout)?;
            }
            Err(error) => {
                failed_files += 1;
                let error = error.to_string();
                writeln!(stdout, "FAILED {name}: {}", PrintableLines(&error))?;
            }
        }
        // A long run shows its progress, also through a pipe.
        stdout.flush()?;
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

fn run_file(file: &Path, config: &Config) -> Result<Report, ScriptError> {
    wast::run(&fs::read_to_string(file)?, config)
}

fn print(file: &str, report: &Report, stdout: &mut dyn Write) -> io::Result<()> {
    let word = if report.is_success() { "ok" } else { "FAILED" };
    writeln!(
        stdout,
        "{word} {file}: {} passed, {} failed",
        report.passed, report.failed
    )?;
    for failure in &report.failures {
        // A failure quotes the script.
        let failure = failure.to_string();
        writeln!(stdout, "  {file}:{}", PrintableLines(&failure))?;
    }
    if let Some(more @ 1..) = report.failed.checked_sub(report.failures.len()) {
        writeln!(stdout, "  … and {more} more")?;
    }
    Ok(())
}
