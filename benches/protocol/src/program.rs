//! The command line of those binaries that also run WASI programs, from file to exit, as a command line tool would:
//! `ENGINE program FILE [--dir HOST::GUEST]... [--env KEY=VALUE]... [-- ARGS...]`. Whoever starts one measures the process.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The word behind the engine that says that the rest describes a program.
const COMMAND: &str = "program";

/// A WASI program, and what it is to see of its system besides its standard streams.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// The engine that is to run it.
    pub engine: String,
    /// The binary module.
    pub file: PathBuf,
    /// Folders of the host, each with the guest's name for it.
    pub directories: Vec<(String, String)>,
    /// Keys and values.
    pub environment: Vec<(String, String)>,
    /// The first is the file's name.
    pub arguments: Vec<String>,
}

impl Program {
    /// What this process was started for, unless it is to measure something itself.
    ///
    /// # Errors
    /// If the command line is about a program, but not understood.
    pub fn from_command_line() -> Result<Option<Program>> {
        Program::parse(env::args().skip(1))
    }

    fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Program>> {
        let Some(engine) = words.next() else {
            return Ok(None);
        };
        if words.next().as_deref() != Some(COMMAND) {
            return Ok(None);
        }
        let file = words.next().context("the file is missing")?;
        let mut program = Program {
            engine,
            arguments: vec![file.clone()],
            file: PathBuf::from(file),
            directories: Vec::new(),
            environment: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut pair = |separator| -> Result<(String, String)> {
                let value = words
                    .next()
                    .with_context(|| format!("{word} wants a value"))?;
                let (left, right) = value
                    .split_once(separator)
                    .with_context(|| format!("no `{separator}` in the value of {word}"))?;
                Ok((left.to_owned(), right.to_owned()))
            };
            match word.as_str() {
                "--dir" => program.directories.push(pair("::")?),
                "--env" => program.environment.push(pair("=")?),
                "--" => program.arguments.extend(words.by_ref()),
                _ => bail!("`{word}` is unknown; the program's own arguments come after `--`"),
            }
        }
        Ok(Some(program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Program>> {
        Program::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_program_comes_with_folders_environment_and_arguments_of_its_own() {
        let text = "wasmi program a.wasm --dir /tmp/x::/data --env A=b=c -- --dir y";
        let program = parse(text).unwrap().unwrap();
        assert_eq!(program.engine, "wasmi");
        assert_eq!(program.directories, [("/tmp/x".into(), "/data".into())]);
        assert_eq!(program.environment, [("A".into(), "b=c".into())]);
        assert_eq!(program.arguments, ["a.wasm", "--dir", "y"]);
    }

    #[test]
    fn a_measurement_is_none_of_its_business() {
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse("wasmi compile program").unwrap(), None);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, named) in [
            ("wasmi program", "file"),
            ("wasmi program a.wasm --dir", "--dir"),
            ("wasmi program a.wasm --dir /data", "::"),
            ("wasmi program a.wasm b", "`b`"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
