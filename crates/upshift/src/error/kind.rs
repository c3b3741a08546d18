//! The subjects of errors, as data.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;

use upshift_module::Printable;
use upshift_runtime::{CodeMemoryError, LimitError, StackError};

use super::BoxedError;
use crate::{ExternType, FuncType, Trap};

/// The subject of an [`Error`](crate::Error).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file can't be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The bytes are not a module, or one that uses proposals which this engine was not told to allow. With
    /// [`Config::lazy_validation`](crate::Config::lazy_validation), also the error of the call that needs a
    /// function which is invalid.
    #[error(transparent)]
    Module(upshift_module::ModuleError),
    /// The options of a `Config` can't be had.
    #[error("cannot make an engine: {0}")]
    Config(String),
    /// Imports that nobody defines, or that are defined with other types; or a name defined twice.
    #[error(transparent)]
    Link(LinkError),
    /// A call, or an access to a global or a table, with values of other types than declared.
    #[error("{0}")]
    Type(String),
    /// There is no such export.
    #[error(
        "the instance has no export named `{}`{}",
        Printable(name),
        known(exports)
    )]
    UnknownExport {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        exports: Vec<String>,
    },
    /// The export is something else.
    #[error("the export `{}` is a {given}, not a {wanted}", Printable(name))]
    WrongExport {
        /// Its name.
        name: String,
        /// The object's type.
        given: ExternType,
        /// The type asked for.
        wanted: &'static str,
    },
    /// A typed function was asked for with other types than it has.
    #[error("the types don't fit: wanted function {wanted}, but it is function {given}")]
    Signature {
        /// The type that the Rust types stand for.
        wanted: FuncType,
        /// The type of the function.
        given: FuncType,
    },
    /// A read or write outside of a memory or table.
    #[error("{what} of {length} {unit} at {start} is outside of the {object}, which has {size}")]
    OutOfBounds {
        /// The attempted operation.
        what: &'static str,
        /// Its object.
        object: &'static str,
        /// The unit of lengths.
        unit: &'static str,
        /// The first byte or element.
        start: u64,
        /// How many.
        length: u64,
        /// How many there are.
        size: u64,
    },
    /// A memory, table or instance can't be made or can't grow: a limit of its type or of the store, or
    /// the system has no more.
    #[error(transparent)]
    Resource(ResourceError),
    /// An object was used with another store than its own.
    #[error(
        "this {object} belongs to store {owner}, but was used with store {store}; \
         an object works with the store that it was made in"
    )]
    WrongStore {
        /// The object.
        object: &'static str,
        /// The number of the store that it belongs to.
        owner: u64,
        /// The number of the store that it was used with.
        store: u64,
    },
    /// An object was used with another engine than its own.
    #[error(
        "this {object} belongs to engine {owner}, but was used with engine {engine}; \
         make one `Engine` and share its clones"
    )]
    WrongEngine {
        /// The object.
        object: &'static str,
        /// The number of the engine that it belongs to.
        owner: u64,
        /// The number of the engine that it was used with.
        engine: u64,
    },
    /// WebAssembly can't be called on the present stack.
    #[error(transparent)]
    Stack(StackError),
    /// WebAssembly was stopped.
    #[error(transparent)]
    Trap(Trap),
    /// A function can't be compiled.
    #[error("{0}")]
    Compile(BoxedError),
    /// A function can't be compiled, because there is no code memory for it: see
    /// [`Config::max_code_memory`](crate::Config::max_code_memory).
    #[error("no memory for the code of function {function}: {source}")]
    CodeMemory {
        /// The function's index, imports first.
        function: u32,
        /// The bound that was reached, or the system's error.
        source: CodeMemoryError,
    },
    /// A host function's error, as it was returned.
    #[error(transparent)]
    Host(HostError),
}

fn known(names: &[String]) -> String {
    const SHOWN: usize = 20;
    if names.is_empty() {
        return "; it exports nothing".to_owned();
    }
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let shown = names.iter().take(SHOWN);
    let shown: Vec<_> = shown.map(|name| Printable(name).to_string()).collect();
    format!("; it exports {}{more}", shown.join(", "))
}

/// An error that a host function returned, or that was made with [`Error::new`](crate::Error::new) or
/// [`Error::msg`](crate::Error::msg).
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct HostError(pub(super) HostPayload);

#[derive(Debug, thiserror::Error)]
pub(super) enum HostPayload {
    #[error(transparent)]
    Boxed(BoxedError),
    // Not turned into a box: `anyhow` finds errors below a context, and keeps its own backtrace.
    #[error(transparent)]
    Anyhow(anyhow::Error),
}

impl HostError {
    /// The error, if it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: StdError + Send + Sync + 'static>(&self) -> Option<&E> {
        match &self.0 {
            HostPayload::Boxed(error) => error.downcast_ref(),
            HostPayload::Anyhow(error) => error.downcast_ref(),
        }
    }
}

impl fmt::Debug for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            HostPayload::Boxed(error) => error.fmt(f),
            HostPayload::Anyhow(error) => error.fmt(f),
        }
    }
}

/// The refused resource, and why.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ResourceError {
    pub(super) message: String,
    pub(super) limit: Option<LimitError>,
}

impl ResourceError {
    /// The limit of the store that was reached, if that is why.
    #[must_use]
    pub fn limit(&self) -> Option<&LimitError> {
        self.limit.as_ref()
    }
}

/// Why a module could not be linked: every problem that was found, not the first alone.
#[derive(Debug)]
pub struct LinkError {
    pub(super) problems: Vec<LinkProblem>,
}

/// One import that can't be satisfied, or one definition that can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkProblem {
    /// Nobody defines the import.
    #[error(
        "unknown import `{}::{}`: wanted {wanted}, but nothing of that name is defined",
        Printable(module),
        Printable(name)
    )]
    Unknown {
        /// The first name.
        module: String,
        /// The second name.
        name: String,
        /// The type of the import.
        wanted: ExternType,
    },
    /// The import is defined with a type that does not match.
    #[error(
        "incompatible import type for `{}::{}`: wanted {wanted}, given {given}{}",
        Printable(module),
        Printable(name),
        why_incompatible(wanted, given)
    )]
    Incompatible {
        /// The first name.
        module: String,
        /// The second name.
        name: String,
        /// The type of the import.
        wanted: ExternType,
        /// The type of the definition.
        given: ExternType,
    },
    /// A list of imports has the wrong length.
    #[error("wrong number of imports: the module wants {wanted}, given {given}")]
    Count {
        /// How many the module has.
        wanted: usize,
        /// How many were given.
        given: usize,
    },
    /// The name is taken, and shadowing is not allowed.
    #[error(
        "`{}::{}` is defined already; `Linker::allow_shadowing` lets a later definition win",
        Printable(module),
        Printable(name)
    )]
    Duplicate {
        /// The first name.
        module: String,
        /// The second name.
        name: String,
    },
    /// There is no such definition.
    #[error(
        "nothing named `{}::{}` is defined",
        Printable(module),
        Printable(name)
    )]
    Undefined {
        /// The first name.
        module: String,
        /// The second name.
        name: String,
    },
}

/// The reason that the types alone do not tell.
fn why_incompatible(wanted: &ExternType, given: &ExternType) -> &'static str {
    let (ExternType::Memory(wanted), ExternType::Memory(given)) = (wanted, given) else {
        return "";
    };
    if upshift_runtime::has_headroom(&wanted.0) && !upshift_runtime::has_headroom(&given.0) {
        "; a memory that has more than 65520 pages can be imported only with a minimum of more than 65520 pages"
    } else {
        ""
    }
}

impl LinkError {
    /// The imports that do not fit, in the module's order.
    #[must_use]
    pub fn problems(&self) -> &[LinkProblem] {
        &self.problems
    }
}

/// How many problems a message lists: a module made for another host can have hundreds.
const MOST_SHOWN: usize = 20;

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &self.problems[..] {
            return only.fmt(f);
        }
        write!(f, "{} imports do not fit:", self.problems.len())?;
        let (shown, rest) = self.problems.split_at(self.problems.len().min(MOST_SHOWN));
        for problem in shown {
            write!(f, "\n  {problem}")?;
        }
        match rest.len() {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl StdError for LinkError {}
