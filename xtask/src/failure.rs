//! Why a command could not do what it was asked to.

use std::path::PathBuf;
use std::process::ExitCode;

/// The error of every command. What it prints is all that a user sees.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A program ran and said no; it has printed why.
    #[error("`{command}` failed{}", .code.map(|code| format!(" with status {code}")).unwrap_or_default())]
    Status {
        /// The program and its arguments.
        command: String,
        /// Its exit status, or `None` if a signal ended it.
        code: Option<i32>,
    },
    /// A program could not be started.
    #[error("`{command}` could not be started: {source}. {remedy}")]
    Start {
        /// The program and its arguments.
        command: String,
        /// What the system said.
        source: std::io::Error,
        /// What to do about it.
        remedy: String,
    },
    /// A file could not be read or written.
    #[error("{action} {path}: {source}", path = .path.display())]
    File {
        /// What was tried, as in "writing".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something is missing on this machine; the text says what to type.
    #[error("{0}")]
    Missing(String),
    /// The list of kernels could not be read.
    #[error(transparent)]
    Kernels(#[from] upshift_kernels::Error),
    /// A check found something wrong; the text says what.
    #[error("{0}")]
    Check(String),
}

impl Failure {
    /// The status with which `cargo xtask` ends: that of the program that failed, otherwise 1.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Status {
                code: Some(code), ..
            } => ExitCode::from(u8::try_from(*code).unwrap_or(1)),
            _ => ExitCode::from(1),
        }
    }
}
