//! `cargo xtask deny`: licences and versions of the dependencies, by cargo-deny and deny.toml.

use crate::failure::Failure;
use crate::process;

pub const DETAILS: &str = "\
Runs `cargo deny --offline check licenses bans`, which reads deny.toml and needs no network once the dependencies are
there.";

pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(Failure::Usage(format!(
            "`cargo xtask deny` takes no arguments, not `{argument}`"
        )));
    }
    if process::quiet_output(process::cargo().args(["deny", "--version"])).is_none() {
        return Err(Failure::Missing(
            "cargo-deny is not installed. Type:\n\n    cargo install --locked cargo-deny\n"
                .to_owned(),
        ));
    }
    process::run(process::cargo().args(["deny", "--offline", "check", "licenses", "bans"]))
}
