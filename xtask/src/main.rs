//! `cargo xtask`: everything a developer types, as plain Rust instead of shell scripts.
//!
//! This file holds the table of commands and the help. A command is a file of its own with a function that takes the
//! remaining arguments, and one row in `COMMANDS`.

mod bench;
mod committed;
mod compare;
mod demo;
mod deny;
mod failure;
mod files;
mod fuzz;
mod kernels;
mod process;
mod races;
mod real_programs;
mod setup;
mod shapes;
mod test;
mod wasi_tests;
mod words;

use std::process::ExitCode;

use failure::Failure;

/// What can be typed after `cargo xtask`.
struct Command {
    name: &'static str,
    /// The arguments, as the help shows them.
    arguments: &'static str,
    /// One line for the list of commands.
    summary: &'static str,
    /// The rest of `cargo xtask help NAME`.
    details: &'static str,
    run: fn(&[String]) -> Result<(), Failure>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        arguments: "[ARGS...]",
        summary: "See it run: the kernels, with compile time, run time and result",
        details: demo::DETAILS,
        run: demo::run,
    },
    Command {
        name: "test",
        arguments: "[ARGS...]",
        summary: "Run all tests and documentation examples, or those that ARGS select",
        details: test::DETAILS,
        run: test::run,
    },
    Command {
        name: "setup",
        arguments: "[--install] [GROUP...]",
        summary: "Find the system packages that some commands need; install what is missing",
        details: setup::DETAILS,
        run: setup::run,
    },
    Command {
        name: "kernels",
        arguments: "[--check] [--native] [--march-native] [NAME...]",
        summary: "Rebuild the kernels in benches/kernels from C, or measure them as native code",
        details: kernels::DETAILS,
        run: kernels::run,
    },
    Command {
        name: "wasi-tests",
        arguments: "[--check] [NAME...]",
        summary: "Rebuild the guests in tests/wasi from C, which test WASI",
        details: wasi_tests::DETAILS,
        run: wasi_tests::run,
    },
    Command {
        name: "bench",
        arguments: "[ARGS...]",
        summary: "Run the criterion benches",
        details: bench::DETAILS,
        run: bench::run,
    },
    Command {
        name: "compare",
        arguments: "[OPTIONS] [MEASUREMENT...]",
        summary: "Measure upshift beside other engines, in one run",
        details: compare::DETAILS,
        run: compare::run,
    },
    Command {
        name: "real-programs",
        arguments: "[OPTIONS] [PROGRAM...]",
        summary: "Run CPython, SQLite and Lua in every mode, and look at what they print",
        details: real_programs::DETAILS,
        run: real_programs::run,
    },
    Command {
        name: "fuzz",
        arguments: "[ARGS...]",
        summary: "Compare generated modules with another engine, for hours if you like",
        details: fuzz::DETAILS,
        run: fuzz::run,
    },
    Command {
        name: "shapes",
        arguments: "[OPTIONS] [NAME...]",
        summary: "Measure what hostile modules cost to compile in each tier",
        details: shapes::DETAILS,
        run: shapes::run,
    },
    Command {
        name: "deny",
        arguments: "",
        summary: "Check the licences and versions of all dependencies",
        details: deny::DETAILS,
        run: deny::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = arguments.split_first() else {
        print_help();
        return Ok(());
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        match rest.first() {
            Some(name) => print_help_of(find(name)?),
            None => print_help(),
        }
        return Ok(());
    }
    let command = find(name)?;
    if matches!(rest.first().map(String::as_str), Some("--help" | "-h")) {
        print_help_of(command);
        return Ok(());
    }
    (command.run)(rest)
}

fn find(name: &str) -> Result<&'static Command, Failure> {
    COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| {
            Failure::Usage(format!(
                "there is no command `{name}`; `cargo xtask` lists them"
            ))
        })
}

fn print_help() {
    println!(
        "Upshift's developer commands.\n\n\
         New here? `cargo xtask demo` shows what it does, `cargo xtask test` whether it works on this machine.\n\
         Both need nothing but Rust; what needs more says so and how to get it.\n\n\
         Usage: cargo xtask COMMAND [ARGS...]\n"
    );
    for command in COMMANDS {
        println!("  {:<13} {}", command.name, command.summary);
    }
    println!(
        "\n`cargo xtask help COMMAND` tells more about one. docs/testing.md tells which tests run where."
    );
}

fn print_help_of(command: &Command) {
    println!("{}\n", command.summary);
    println!(
        "Usage: cargo xtask {} {}\n\n{}",
        command.name,
        command.arguments,
        command.details.trim()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_is_a_user_error_that_points_to_the_list() {
        let failure = dispatch(&["tset".to_owned()]).unwrap_err();
        assert!(matches!(failure, Failure::Usage(_)));
        assert!(failure.to_string().contains("`tset`"), "{failure}");
    }

    #[test]
    fn names_are_unique_and_fit_the_column_of_the_help() {
        for (i, command) in COMMANDS.iter().enumerate() {
            assert!(command.name.len() <= 13, "{}", command.name);
            assert!(
                COMMANDS[..i]
                    .iter()
                    .all(|earlier| earlier.name != command.name),
                "{}",
                command.name
            );
        }
    }
}
