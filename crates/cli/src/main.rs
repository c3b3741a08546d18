//! The `upshift` command. All of it is in the library; this is the process around it.

use std::io::{self, Write};
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
    // The standard error is not locked, for background threads write to it too.
    leave(execute(&cli, &mut io::stdout().lock(), &mut io::stderr()))
}

/// Ends the process at once. An ordinary end would wait for compiles in the background, which
/// nobody wants any more.
fn leave(status: Status) -> ! {
    // There is nowhere left to tell that nobody reads any more.
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
    // SAFETY: the work of other threads does not outlive the process, and the output is written.
    unsafe { libc::_exit(status.code().into()) }
}
