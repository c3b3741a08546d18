//! `upshift man`: pages of the manual in roff, from the definition of the command line.
//!
//! Lists and examples that follow the options keep their lines. All else is as `clap_mangen` has it.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::error::{CliError, Result};
use crate::options::Cli;

/// Options of `upshift man`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Manual {
    /// The command, such as `run` or `profile show`; without it, the page of `upshift` itself.
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  upshift man run | man -l -                                           read it
  upshift man > ~/.local/share/man/man1/upshift.1                      install it, for `man upshift`
  upshift man run > ~/.local/share/man/man1/upshift-run.1              for `man upshift-run`";

pub(crate) fn manual(options: &Manual, stdout: &mut dyn Write) -> Result<()> {
    let page = page(&options.command)?;
    stdout.write_all(&page)?;
    Ok(())
}

/// The page of the command of this name. The name of a subcommand of a subcommand has two words.
fn page(name: &[String]) -> Result<Vec<u8>> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let version = command.get_version().unwrap_or_default().to_owned();
    let mut found = &command;
    for word in name {
        found = (found.find_subcommand(word)).ok_or_else(|| CliError::UnknownCommand {
            name: name.join(" "),
            known: (found.get_subcommands())
                .map(|command| command.get_name().to_owned())
                .collect(),
        })?;
    }
    let found = found.clone();
    let more = found.get_after_help().map(ToString::to_string);
    let has_commands = found.get_subcommands().next().is_some();
    // An empty date would not count as an argument, and the rest would be in the wrong place.
    let man = Man::new(found)
        .date(" ")
        .source(format!("upshift {version}"))
        .manual("Upshift");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(more) = more {
        sections(&more).to_writer(&mut page)?;
    }
    Ok(page)
}

/// The text after the options as sections: each list under its heading, and prose under `NOTES`.
fn sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    let mut in_notes = false;
    for paragraph in text.split("\n\n") {
        match list(paragraph) {
            Some(List { heading, lines }) => {
                in_notes = false;
                roff.control("SH", [heading.to_uppercase().as_str()]);
                roff.control("nf", []);
                for line in lines.lines() {
                    roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
                }
                roff.control("fi", []);
            }
            None => {
                let request = if in_notes { "PP" } else { "SH" };
                let arguments = (!in_notes).then_some("NOTES");
                roff.control(request, arguments);
                in_notes = true;
                roff.text([roman(paragraph)]);
            }
        }
    }
    roff
}

/// A list with its heading.
struct List<'a> {
    heading: &'a str,
    /// Each indented by two spaces at least.
    lines: &'a str,
}

/// The list, if a paragraph is one: a heading with a colon, and indented lines.
fn list(paragraph: &str) -> Option<List<'_>> {
    let (heading, lines) = paragraph.split_once('\n')?;
    let heading = heading.strip_suffix(':')?;
    let is_list = lines.lines().all(|line| line.starts_with("  "));
    is_list.then_some(List { heading, lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_their_lines_and_prose_does_not() {
        let text =
            "Examples:\n  upshift a   b\n  upshift -c\n\nA text\nof two lines.\n\nAnother one.";
        let page = sections(text).render();
        let lists = ".SH EXAMPLES\n.nf\nupshift a   b\nupshift \\-c\n.fi\n";
        let prose = ".SH NOTES\nA text\nof two lines.\n.PP\nAnother one.\n";
        assert!(page.ends_with(&format!("{lists}{prose}")), "{page}");
    }

    #[test]
    fn an_unknown_command_is_told_with_those_that_there_are() {
        let message = page(&["profile".to_owned(), "shwo".to_owned()]).unwrap_err();
        assert_eq!(
            message.to_string(),
            "there is no command `profile shwo`; there are list, show, check"
        );
    }
}
