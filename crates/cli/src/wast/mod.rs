//! Spec scripts (`.wast`): parsing one, running its directives through the embedding API, and telling how
//! many of its assertions hold. Directives are carried out in `runner`, values and patterns are in `values`.

mod runner;
mod spectest;
#[cfg(test)]
mod tests;
mod values;

use std::{fmt, io};

use upshift::Config;
use upshift_module::Printable;
use wast::Wast;
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};

use runner::{Done, Runner};

/// The outcome of running a script.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Assertions that hold.
    pub passed: usize,
    /// Assertions that don't hold, and other directives that could not be carried out.
    pub failed: usize,
    /// Tiering's compiles of the script's modules.
    pub tiering: Tiering,
    /// The first failures, in the script's order; at most [`Report::FAILURES_KEPT`].
    pub failures: Vec<Failure>,
}

/// Tiering's compiles of the modules of a script, summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tiering {
    /// Functions that the baseline compiled.
    pub compiled_functions: usize,
    /// OSR entries that were compiled.
    pub osr_entries: usize,
}

impl Report {
    /// How many failures are described; the others are only counted.
    pub const FAILURES_KEPT: usize = 20;

    /// Whether nothing failed.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failed == 0
    }
}

/// One directive of a script that did not do what it should.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The line where the directive starts, counted from 1.
    pub line: usize,
    /// The column where it starts, counted from 1.
    pub column: usize,
    /// The first line of its text.
    pub text: String,
    /// The actual behaviour.
    pub reason: Reason,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}\n    {}",
            self.line, self.column, self.reason, self.text
        )
    }
}

/// Why a directive failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The text of a module that should be fine is not.
    #[error("the module cannot be encoded: {0}")]
    Encode(wast::Error),
    /// The engine reported an error where the script expects none.
    #[error("unexpected error: {0}")]
    Unexpected(upshift::Error),
    /// The engine reported an error of another kind, or worded otherwise, than the script expects.
    #[error("expected \"{}\", but the error is: {error}", Printable(expected))]
    OtherError {
        /// The script's expectation.
        expected: String,
        /// The engine's error.
        error: upshift::Error,
    },
    /// The engine accepted a module, or finished a call, that should have failed.
    #[error("expected \"{}\", but {instead}", Printable(expected))]
    NoError {
        /// The script's expectation.
        expected: String,
        /// The actual behaviour.
        instead: String,
    },
    /// A call or a global gave other values.
    #[error("expected ({}), but the result is ({})", expected.join(" "), given.join(" "))]
    Values {
        /// The script's expectation.
        expected: Vec<String>,
        /// The engine's results.
        given: Vec<String>,
    },
    /// The script names a module or an export that is not there.
    #[error("there is no {what} `{}`", Printable(name))]
    Unknown {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The directive belongs to a proposal that is not implemented.
    #[error("{what} is not supported")]
    Unsupported {
        /// The directive or value.
        what: String,
    },
}

impl From<upshift::Error> for Reason {
    fn from(error: upshift::Error) -> Self {
        Self::Unexpected(error)
    }
}

/// Why a script could not be run at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The file can't be read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// The text is not a script. The message names line and column.
    #[error("not a spec script: {0}")]
    Parse(#[from] wast::Error),
    /// The engine or the `spectest` module can't be made with this configuration.
    #[error("cannot set up the script's environment: {0}")]
    Setup(#[from] upshift::Error),
}

/// Runs all directives of a script, in a store of their own.
///
/// The script sees the host module `spectest` that the specification's tests import from. A directive that
/// fails does not stop the script.
///
/// # Errors
/// When `script` can't be parsed, or no engine can be made from `config`. Assertions that don't hold are
/// no error: they are in the report.
///
/// ```
/// use upshift::Config;
/// use upshift_cli::wast;
///
/// let script = r#"
///     (module (func (export "add") (param i32 i32) (result i32)
///       (i32.add (local.get 0) (local.get 1))))
///     (assert_return (invoke "add" (i32.const 1) (i32.const 2)) (i32.const 3))
///     (assert_return (invoke "add" (i32.const 1) (i32.const 2)) (i32.const 4))
/// "#;
/// let report = wast::run(script, Config::new().wasm_2_0())?;
/// assert_eq!((report.passed, report.failed), (1, 1));
/// assert_eq!(report.failures[0].line, 5);
/// assert_eq!(report.failures[0].reason.to_string(), "expected (i32:4), but the result is (i32:3)");
/// # Ok::<(), wast::ScriptError>(())
/// ```
pub fn run(script: &str, config: &Config) -> Result<Report, ScriptError> {
    let mut lexer = Lexer::new(script);
    // The tests of names hold such characters on purpose.
    lexer.allow_confusing_unicode(true);
    let parsed = ParseBuffer::new_with_lexer(lexer).map_err(|error| located(error, script))?;
    let parsed: Wast = parser::parse(&parsed).map_err(|error| located(error, script))?;

    let mut report = Report::default();
    let mut runner = Runner::new(config)?;
    for directive in parsed.directives {
        let span = directive.span();
        match runner.run(directive) {
            Ok(Done::Assertion) => report.passed += 1,
            Ok(Done::Command) => {}
            Err(reason) => {
                report.failed += 1;
                if report.failures.len() < Report::FAILURES_KEPT {
                    let (line, column) = span.linecol_in(script);
                    report.failures.push(Failure {
                        line: line + 1,
                        column: column + 1,
                        text: excerpt(script, line),
                        reason,
                    });
                }
            }
        }
    }
    report.tiering = runner.tiering();
    Ok(report)
}

fn located(mut error: wast::Error, script: &str) -> wast::Error {
    error.set_text(script);
    error
}

/// The line, cut where it gets too long for a terminal.
fn excerpt(script: &str, line: usize) -> String {
    const CHARACTERS: usize = 100;
    let line = script.lines().nth(line).unwrap_or_default().trim();
    match line.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
