//! The `upshift` command. All of it is in the library; this is the process around it.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use upshift_cli::{Cli, Status, execute};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // A closed pipe is no reason to fail.
            let _ = message.print();
            let asked_for = matches!(
                message.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            let status = if asked_for {
                Status::Success
            } else {
                Status::Failed
            };
            return ExitCode::from(status.code());
        }
    };
    ExitCode::from(execute(&cli, &mut io::stdout().lock(), &mut io::stderr().lock()).code())
}
