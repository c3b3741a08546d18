//! Errors of a command, and the exit status of each.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use upshift::{FuncType, ValType};
use upshift_module::to_u64;

use crate::Status;

/// The result of commands.
pub type Result<T, E = CliError> = std::result::Result<T, E>;

/// Why a command failed. `Display` is the message for the user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// A file can't be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A file can't be written.
    #[error("cannot write {}: {error}", file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Output can't be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// A tiering profile can't be had as wanted.
    #[error("{0}")]
    Profile(upshift::ProfileError),
    /// The same, where the profile is the environment's.
    #[error("{variable} in the environment: {error}")]
    Environment {
        /// Its variable.
        variable: &'static str,
        /// The error.
        error: upshift::ProfileError,
    },
    /// A key of the profile can't be set so.
    #[error("--set {setting}: {error}")]
    Setting {
        /// The setting given.
        setting: String,
        /// The error in it.
        error: upshift::ProfileError,
    },
    /// A key without a value.
    #[error("--set {0}: wanted a key and a value, such as tier-up.eagerness=0.5")]
    NoSetting(String),
    /// A program that is to be tuned does not come to its end.
    #[error(
        "{} can't be tuned, for under the profile to begin with it is {failure}\n\
         A program to tune ends by itself, with the same result each time, well within --budget.",
        file.display()
    )]
    NothingToTune {
        /// The program.
        file: PathBuf,
        /// The failure.
        failure: String,
    },
    /// There is no such kernel.
    #[error(
        "there is no kernel `{name}`{}; `upshift bench --list` shows which there are\n\
         A module is given by its path, and the function to call by --invoke.",
        similar.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
    )]
    UnknownKernel {
        /// The name asked for.
        name: String,
        /// A name that is like it.
        similar: Option<String>,
    },
    /// A program gave something else than it must, or than it gave elsewhere.
    #[error(
        "{program} gave {result} in `{contender}`, but {expected} is right, or what came out before\n\
         This is an error of Upshift's, or the program is not the same each time."
    )]
    WrongResult {
        /// Which.
        program: String,
        /// In which tier or profile.
        contender: String,
        /// Its result.
        result: String,
        /// The expected form.
        expected: String,
    },
    /// There is no such command.
    #[error("there is no command `{name}`{}", commands(known))]
    UnknownCommand {
        /// The words asked for.
        name: String,
        /// The commands in that place.
        known: Vec<String>,
    },
    /// A picture can't be drawn.
    #[error("cannot draw the picture: {0}")]
    Picture(String),
    /// The value of an option is out of its range.
    #[error("`{option}` is {value}, but must be {allowed}")]
    Option {
        /// Which option.
        option: &'static str,
        /// The value given.
        value: String,
        /// The allowed values.
        allowed: String,
    },
    /// LLVM has no such passes.
    #[error(
        "LLVM does not take `{pipeline}` for its passes: {error}\n\
         Its notation is that of `opt -passes`: 'default<O2>', or names with commas between them."
    )]
    Pipeline {
        /// The pipeline given.
        pipeline: String,
        /// LLVM's error.
        error: upshift::Error,
    },
    /// LLVM's own language is wanted where there is no LLVM.
    #[error("{}", if cfg!(feature = "llvm") {
        "there is no LLVM with --tier baseline: leave that out, or use --emit clif"
    } else {
        "this build has no LLVM tier: use --emit clif"
    })]
    NoLlvm,
    /// There is no such function to look at.
    #[error(
        "the module defines no function `{function}`{}; {}\n\
         A function is given by its index or by its name, from the name section or an export.",
        similar.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default(),
        indices(defined)
    )]
    UnknownFunction {
        /// The function asked for.
        function: String,
        /// A name that is like it.
        similar: Option<String>,
        /// The indices that there are.
        defined: Range<u32>,
    },
    /// There is no such loop in the function to look at.
    #[error("function {function} has no loop {number}; it has {}", loops(*count))]
    UnknownLoop {
        /// The function's index.
        function: u32,
        /// The loop that was asked for.
        number: u32,
        /// How many there are.
        count: usize,
    },
    /// A tier can't show the code of a function.
    #[error("there is no code to show: {0}")]
    Emit(upshift::Error),
    /// The engine can't be had with these options.
    #[error("{0}")]
    Engine(upshift::Error),
    /// The file is no module, or no valid one.
    #[error("{} is not a module that can be run: {error}", file.display())]
    Module {
        /// Which.
        file: PathBuf,
        /// The error in it.
        error: upshift::Error,
    },
    /// The same, where no engine is involved.
    #[error("{} is not a valid module: {error}", file.display())]
    Parse {
        /// Which.
        file: PathBuf,
        /// The error in it.
        error: upshift_module::ModuleError,
    },
    /// A directory can't be given to the program.
    #[error("cannot open the directory {} of {option}: {error}", directory.display())]
    Directory {
        /// Which option named it.
        option: &'static str,
        /// Which.
        directory: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The module wants something that the command does not provide.
    #[error(
        "{} needs imports that nobody provides; this command has those of WASI preview 1:\n{}\n\
         A Rust program can define others with `upshift::Linker`.",
        file.display(), indented(imports)
    )]
    Imports {
        /// Which module.
        file: PathBuf,
        /// Its imports with their types, one text each.
        imports: Vec<String>,
    },
    /// The module does not say where it starts.
    #[error("{} has no function `_start`, so say which one to call with --invoke{exports}{}", file.display(),
        if *late_option { "\nOptions go before the arguments: upshift run FILE --invoke NAME ARGS" } else { "" })]
    NoStart {
        /// Which module.
        file: PathBuf,
        /// Whether the option is among the arguments, where it belongs to the program.
        late_option: bool,
        /// Its exports, as text to go on with.
        exports: String,
    },
    /// There is no such export.
    #[error("{} has no export named `{name}`{exports}", file.display())]
    UnknownExport {
        /// Which module.
        file: PathBuf,
        /// The name that was asked for.
        name: String,
        /// Its exports, as text to go on with.
        exports: String,
    },
    /// The export can't be called.
    #[error("the export `{name}` is no function but a {kind}{exports}")]
    NotAFunction {
        /// Its name.
        name: String,
        /// Its kind.
        kind: String,
        /// The module's other exports, as text to go on with.
        exports: String,
    },
    /// Too few or too many arguments.
    #[error("`{name}` takes {}, but {given} {} given\n  its type: {name} {ty}",
        arguments(ty.params().len()), if *given == 1 { "is" } else { "are" })]
    ArgumentCount {
        /// The function.
        name: String,
        /// Its type.
        ty: FuncType,
        /// How many there were.
        given: usize,
    },
    /// An argument that is no value of its parameter's type.
    #[error(
        "argument {number} of `{name}`, `{text}`, is no {param}: {why}\n  its type: {name} {ty}"
    )]
    Argument {
        /// Which, counted from 1.
        number: usize,
        /// The function.
        name: String,
        /// The function's type.
        ty: FuncType,
        /// The type of the parameter.
        param: ValType,
        /// The text given.
        text: String,
        /// The error in it.
        why: String,
    },
    /// The system gives no thread.
    #[error("cannot start a thread {purpose}: {error}")]
    Thread {
        /// Its purpose, to go on from "a thread".
        purpose: String,
        /// The system's error.
        error: io::Error,
    },
    /// The program's time was up.
    #[error("the program was stopped: its time is limited by --timeout {limit}{}", trace(program.as_ref()))]
    TimeLimit {
        /// The limit, as it was given.
        limit: String,
        /// Where the program was, if it could be interrupted.
        program: Option<upshift::Backtrace>,
    },
    /// The program wanted more memory than it may have, and then ended in another way than it should.
    #[error(
        "the program needs more memory than --max-memory {limit} allows: it had {}, and wanted {} more{}",
        amount(refused.used, refused.resource), amount(refused.requested, refused.resource),
        ended.as_ref().map(|ended| format!("\n{ended}")).unwrap_or_default()
    )]
    MemoryLimit {
        /// The limit, as it was given.
        limit: String,
        /// The refused resource.
        refused: upshift::LimitError,
        /// How it ended, unless it could not even start.
        ended: Option<String>,
    },
    /// The program's machine code needed more memory than it may have.
    #[error(
        "the program's code needs more memory than --max-code-memory {limit} allows: it had {}, and wanted {} more{}",
        amount(to_u64(*used), upshift::Resource::MemoryBytes),
        amount(to_u64(*requested), upshift::Resource::MemoryBytes),
        trace(program.as_ref())
    )]
    CodeLimit {
        /// The limit, as it was given.
        limit: String,
        /// Bytes that its code had.
        used: usize,
        /// Bytes that it wanted in addition.
        requested: usize,
        /// Where the program was.
        program: Option<upshift::Backtrace>,
    },
    /// The program's calls needed more stack than they may have.
    #[error("the program trapped: {}; its stack is limited to {limit} (--max-stack){}",
        trap.code(), trace(Some(trap.backtrace())))]
    StackLimit {
        /// The limit, as it was given.
        limit: String,
        /// Where the program was.
        trap: upshift::Trap,
    },
    /// The program failed while it ran.
    #[error("{trapped}{0}", trapped = if .0.as_trap().is_some() { "the program trapped: " } else { "" })]
    Program(upshift::Error),
}

impl CliError {
    /// How a command ends that fails with this.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Program(error) if error.as_trap().is_some() => Status::Trapped,
            Self::TimeLimit { .. }
            | Self::MemoryLimit { .. }
            | Self::CodeLimit { .. }
            | Self::StackLimit { .. } => Status::Trapped,
            _ => Status::Failed,
        }
    }
}

/// Further lines that tell where the program was, if that is known.
fn trace(backtrace: Option<&upshift::Backtrace>) -> String {
    backtrace
        .filter(|backtrace| !backtrace.frames().is_empty())
        .map(|backtrace| format!("\n{backtrace}"))
        .unwrap_or_default()
}

/// So much of a resource, bytes rounded up to whole units.
fn amount(count: u64, resource: upshift::Resource) -> String {
    match resource {
        upshift::Resource::MemoryBytes | upshift::Resource::TotalBytes => {
            if count > 0 && count.is_multiple_of(1 << 20) {
                format!("{} MiB", count >> 20)
            } else {
                format!("{} KiB", count.div_ceil(1 << 10))
            }
        }
        _ => format!("{count} {resource}"),
    }
}

/// The commands that there are, as text to go on with.
fn commands(known: &[String]) -> String {
    let known: Vec<&str> = (known.iter().map(String::as_str))
        .filter(|name| *name != "help")
        .collect();
    if known.is_empty() {
        return String::new();
    }
    format!("; there are {}", known.join(", "))
}

fn indented(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn indices(defined: &Range<u32>) -> String {
    match defined.end.checked_sub(1) {
        Some(last) if !defined.is_empty() => {
            format!("its functions have the indices {} to {last}", defined.start)
        }
        _ => "it has no functions of its own".to_owned(),
    }
}

fn loops(count: usize) -> String {
    match count {
        0 => "no loops".to_owned(),
        1 => "loop 0 only".to_owned(),
        count => format!("the loops 0 to {}", count - 1),
    }
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}
