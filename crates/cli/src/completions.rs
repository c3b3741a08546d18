//! `upshift completions`: what shells need to complete the command line, from its definition.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::error::Result;
use crate::options::Cli;

/// Options of `upshift completions`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell that is to complete command lines.
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  upshift completions bash > ~/.local/share/bash-completion/completions/upshift
  upshift completions zsh > ~/.zfunc/_upshift                          with ~/.zfunc in $fpath
  upshift completions fish > ~/.config/fish/completions/upshift.fish
  eval (upshift completions elvish | slurp)                            in rc.elv
  upshift completions powershell | Out-String | Invoke-Expression      in $PROFILE";

pub(crate) fn completions(options: &Completions, stdout: &mut dyn Write) -> Result<()> {
    // The generator does not stand errors of what it writes to.
    let mut script = Vec::new();
    generate(options.shell, &mut Cli::command(), "upshift", &mut script);
    stdout.write_all(&script)?;
    Ok(())
}
