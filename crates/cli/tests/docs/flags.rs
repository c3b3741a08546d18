//! The options of each command in `docs/cli.md`, made from the definition of the command line.

use clap::{Arg, Command, CommandFactory};
use upshift_cli::Cli;

use crate::{check, page};

const PAGE: &str = "cli.md";
/// The generated part is between these lines.
const BEGIN: &str = "<!-- From the definition of the command line: `UPSHIFT_BLESS=1 cargo test -p upshift-cli --test docs`. -->";
const END: &str = "<!-- The end of what is from the definition. -->";

/// The command line with all that clap adds, besides `help`.
fn command_line() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

/// The commands that are shown, each after the one that it is part of.
fn shown(command: &Command) -> Vec<&Command> {
    let mut all = Vec::new();
    for command in command.get_subcommands() {
        if !command.is_hide_set() && command.get_name() != "help" {
            all.push(command);
            all.extend(shown(command));
        }
    }
    all
}

/// Arguments of a command, in the order in which its help has them. `--help` is on all of them.
fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_help = |arg: &&Arg| arg.get_id() == "help" || arg.get_id() == "version";
    let all = command.get_arguments();
    all.filter(move |arg| !arg.is_hide_set() && !is_help(arg))
}

/// A text in one line.
fn line(text: impl ToString) -> String {
    let text = text.to_string();
    Vec::from_iter(text.split_whitespace()).join(" ")
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// How an argument is written.
fn form(arg: &Arg) -> String {
    let mut form = String::new();
    if let Some(short) = arg.get_short() {
        form += &format!("-{short}, ");
    }
    if let Some(long) = arg.get_long() {
        form += &format!("--{long}");
    }
    let values = arg.get_num_args().expect("built");
    if !values.takes_values() {
        return form;
    }
    let names = arg.get_value_names().unwrap_or_default();
    let names = Vec::from_iter(names.iter().map(ToString::to_string)).join(" ");
    match (arg.is_positional(), arg.is_require_equals_set()) {
        (true, _) => names,
        (false, true) if values.min_values() == 0 => format!("{form}[={names}]"),
        (false, true) => format!("{form}={names}"),
        (false, false) => format!("{form} {names}"),
    }
}

/// The effect of an argument, its values, and its default.
fn effect(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let mut text = cell(&help.map(line).unwrap_or_default());
    if !text.ends_with(['.', ']']) {
        text.push('.');
    }
    let values = arg.get_possible_values();
    if arg.get_num_args().expect("built").takes_values() {
        for value in values.iter().filter(|value| !value.is_hide_set()) {
            let help = value.get_help().map(line).unwrap_or_default();
            let help = cell(help.trim_end_matches('.'));
            let name = value.get_name();
            text += &match help.is_empty() {
                true => format!("<br>`{name}`"),
                false => format!("<br>`{name}`: {help}"),
            };
        }
        let defaults = Vec::from_iter(arg.get_default_values().iter().map(|v| v.to_string_lossy()));
        if !defaults.is_empty() {
            text += &format!("<br>Default: `{}`", defaults.join(","));
        }
    }
    text
}

fn table<'a>(head: &str, arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut text = String::new();
    for arg in arguments {
        text += &format!(
            "| `{}` | {} |\n",
            form(arg).replace('|', "\\|"),
            effect(arg)
        );
    }
    match text.is_empty() {
        true => text,
        false => format!("\n| {head} | effect |\n|---|---|\n{text}"),
    }
}

/// The part of the page about a command.
fn about(command: &Command) -> String {
    let name = command.get_bin_name().expect("built");
    let purpose = command.get_about().map(line).unwrap_or_default();
    let mut text = format!("\n### `{name}`\n\n{purpose}.\n");
    let of = |heading: Option<&str>| {
        let heading = heading.map(str::to_owned);
        arguments(command).filter(move |arg| {
            !arg.is_positional() && arg.get_help_heading().map(str::to_owned) == heading
        })
    };
    text += &table(
        "argument",
        arguments(command).filter(|arg| arg.is_positional()),
    );
    text += &table("option", of(None));
    let mut headings = Vec::new();
    for heading in arguments(command).filter_map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
            let table = table("option", of(Some(heading)));
            text += &match table.is_empty() {
                true => table,
                false => format!("\n{heading}:\n{table}"),
            };
        }
    }
    text
}

#[test]
fn the_page_has_every_option_as_the_command_line_defines_it() {
    let command = command_line();
    let all: String = shown(&command).into_iter().map(about).collect();
    let page = page(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("the line before the part");
    let (_, after) = rest.split_once(END).expect("the line after the part");
    check(PAGE, &format!("{before}{BEGIN}\n{all}\n{END}{after}"));
}

#[test]
fn every_command_option_and_value_has_a_help_text() {
    let command = command_line();
    let mut wrong = Vec::new();
    for command in shown(&command) {
        let name = command.get_bin_name().expect("built");
        if command.get_about().is_none() {
            wrong.push(name.to_owned());
        }
        for arg in arguments(command) {
            if arg.get_help().is_none_or(|help| line(help).is_empty()) {
                wrong.push(format!("{name} {}", form(arg)));
            }
            // Names of shells say all there is to say.
            let values = arg.get_possible_values();
            let values = values.iter().filter(|_| arg.get_id() != "shell");
            for value in values.filter(|value| value.get_help().is_none()) {
                if arg.get_num_args().expect("built").takes_values() {
                    wrong.push(format!("{name} {} {}", form(arg), value.get_name()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "without a help text: {wrong:#?}");
}

/// Pages that name options of this command only.
const PROSE: &[&str] = &[
    "architecture.md",
    "cli.md",
    "embedding.md",
    "security.md",
    "semantics.md",
    "tuning.md",
    "wasi.md",
];

#[test]
fn options_that_pages_name_are_there() {
    let command = command_line();
    let commands = shown(&command).into_iter().chain([&command]);
    let known = Vec::from_iter(
        commands
            .flat_map(Command::get_arguments)
            .filter_map(Arg::get_long),
    );
    let mut wrong = Vec::new();
    for name in PROSE {
        for code in page(name).split('`').skip(1).step_by(2) {
            let Some(option) = code.strip_prefix("--") else {
                continue;
            };
            let end = option.find(|c: char| !c.is_ascii_lowercase() && c != '-');
            let option = &option[..end.unwrap_or(option.len())];
            if !option.is_empty() && !known.contains(&option) {
                wrong.push(format!("docs/{name}: --{option}"));
            }
        }
    }
    assert!(wrong.is_empty(), "no command has these options: {wrong:#?}");
}
