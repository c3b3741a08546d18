//! The one error type of the API, one pointer wide: how it is made and asked. Its subjects are in
//! `kind`; traps and backtraces are in `trap`.

mod kind;

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

use upshift_runtime::{GrowError, InstantiateError, LimitError, MemoryError, TableError};
use upshift_translate::CompileError;

use kind::HostPayload;
pub use kind::{ErrorKind, HostError, LinkError, LinkProblem, ResourceError};

use crate::{Backtrace, Trap, TrapCode};

/// The result of operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type BoxedError = Box<dyn StdError + Send + Sync + 'static>;

/// Anything that can go wrong, one pointer wide.
///
/// The subject is told by [`kind`](Self::kind), or by the accessors of the two kinds that embedders ask
/// for most: [`as_trap`](Self::as_trap), and [`downcast_ref`](Self::downcast_ref) for an error that a host
/// function returned, which comes back to the caller as it was.
///
/// `Display` says everything in one text, the WebAssembly backtrace included, if there is one.
///
/// ```
/// use upshift::{Engine, Instance, Module, Store, TrapCode};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(
///     &engine,
///     r#"(module (func $quotient (export "div") (param i32 i32) (result i32)
///          (i32.div_s (local.get 0) (local.get 1))))"#,
/// )?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let div = instance.get_typed_func::<(i32, i32), i32>(&mut store, "div")?;
///
/// let error = div.call(&mut store, (1, 0)).unwrap_err();
/// let trap = error.as_trap().unwrap();
/// assert_eq!(trap.code(), TrapCode::IntegerDivideByZero);
/// assert_eq!(trap.backtrace().frames()[0].func_name().as_deref(), Some("quotient"));
/// # Ok(())
/// # }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    /// Where in WebAssembly a host function was called from that failed.
    backtrace: Option<Backtrace>,
}

impl Error {
    #[cold]
    pub(crate) fn from_kind(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            backtrace: None,
        }))
    }

    /// Wraps an error of the embedder, so that a host function can return it.
    ///
    /// The caller of WebAssembly gets it back with [`downcast_ref`](Self::downcast_ref) or
    /// [`downcast`](Self::downcast). An `Error` is not wrapped again.
    ///
    /// ```
    /// use upshift::Error;
    ///
    /// let error = Error::new(std::io::Error::from(std::io::ErrorKind::NotFound));
    /// assert!(error.is::<std::io::Error>());
    /// let io = error.downcast::<std::io::Error>().unwrap();
    /// assert_eq!(io.kind(), std::io::ErrorKind::NotFound);
    /// ```
    #[cold]
    pub fn new<E: StdError + Send + Sync + 'static>(error: E) -> Self {
        Self::from_host(error)
    }

    /// An error that is a message and nothing more.
    ///
    /// ```
    /// assert_eq!(upshift::Error::msg("no more coins").to_string(), "no more coins");
    /// ```
    #[cold]
    pub fn msg(message: impl fmt::Display) -> Self {
        Self::from(BoxedError::from(message.to_string()))
    }

    /// An error of any type that host functions may return.
    #[cold]
    pub(crate) fn from_host<E: Into<BoxedError> + 'static>(error: E) -> Self {
        // Two types keep more when they are not boxed first; a cast through `Any` finds them.
        let mut error = Some(error);
        let any: &mut dyn Any = &mut error;
        if let Some(Some(own)) = any.downcast_mut::<Option<Self>>().map(Option::take) {
            return own;
        }
        if let Some(Some(anyhow)) = any
            .downcast_mut::<Option<anyhow::Error>>()
            .map(Option::take)
        {
            return Self::from(anyhow);
        }
        let error = error.expect("taken above only when it is returned");
        Self::from(Into::<BoxedError>::into(error))
    }

    #[cold]
    pub(crate) fn link(problems: Vec<LinkProblem>) -> Self {
        Self::from_kind(ErrorKind::Link(LinkError { problems }))
    }

    /// Of compiling a function. That it is invalid is an error of the module.
    #[cold]
    pub(crate) fn compile(error: BoxedError) -> Self {
        Self::from_kind(match error.downcast().map(|error| *error) {
            Ok(CompileError::Invalid(invalid)) => ErrorKind::Module(invalid),
            Ok(CompileError::CodeMemory { function, source }) => {
                let function = function.as_u32();
                ErrorKind::CodeMemory { function, source }
            }
            Ok(error) => ErrorKind::Compile(error.into()),
            Err(error) => ErrorKind::Compile(error),
        })
    }

    #[cold]
    pub(crate) fn value_type(message: String) -> Self {
        Self::from_kind(ErrorKind::Type(message))
    }

    #[cold]
    pub(crate) fn invalid_type(message: String) -> Self {
        Self::from_kind(ErrorKind::Type(message))
    }

    #[cold]
    pub(crate) fn resource(message: impl fmt::Display) -> Self {
        Self::limited(message, None)
    }

    #[cold]
    fn limited(message: impl fmt::Display, limit: Option<LimitError>) -> Self {
        let message = message.to_string();
        Self::from_kind(ErrorKind::Resource(ResourceError { message, limit }))
    }

    #[cold]
    pub(crate) fn memory(error: MemoryError) -> Self {
        let limit = limit_of_memory(&error);
        Self::limited(error, limit)
    }

    #[cold]
    pub(crate) fn table(error: TableError) -> Self {
        let limit = limit_of_table(&error);
        Self::limited(error, limit)
    }

    #[cold]
    pub(crate) fn grow(error: GrowError) -> Self {
        let limit = match error {
            GrowError::Limit(limit) => Some(limit),
            _ => None,
        };
        Self::limited(error, limit)
    }

    /// Of everything but imports, which `Instance` words itself.
    #[cold]
    pub(crate) fn instantiate(error: InstantiateError) -> Self {
        let limit = match &error {
            InstantiateError::Limit(limit) => Some(*limit),
            InstantiateError::Memory { source, .. } => limit_of_memory(source),
            InstantiateError::Table { source, .. } => limit_of_table(source),
            _ => None,
        };
        Self::limited(error, limit)
    }

    /// Where the host function was called from; an error keeps its first, which is the innermost.
    #[cold]
    pub(crate) fn with_backtrace(mut self, backtrace: impl FnOnce() -> Backtrace) -> Self {
        if self.wasm_backtrace().is_none() {
            self.0.backtrace = Some(backtrace()).filter(|backtrace| !backtrace.frames().is_empty());
        }
        self
    }

    /// The subject of this error.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The trap, if WebAssembly trapped; also below an error that a host function wrapped it in.
    #[must_use]
    pub fn as_trap(&self) -> Option<&Trap> {
        match &self.0.kind {
            ErrorKind::Trap(trap) => Some(trap),
            ErrorKind::Host(host) => host
                .downcast_ref::<Trap>()
                .or_else(|| host.downcast_ref::<Error>()?.as_trap()),
            _ => None,
        }
    }

    /// The link error, if this is one.
    #[must_use]
    pub fn as_link(&self) -> Option<&LinkError> {
        match &self.0.kind {
            ErrorKind::Link(link) => Some(link),
            _ => None,
        }
    }

    /// The WebAssembly calls that led here: of a trap, or of the host function that failed.
    #[must_use]
    pub fn wasm_backtrace(&self) -> Option<&Backtrace> {
        match &self.0.kind {
            ErrorKind::Trap(trap) => Some(trap.backtrace()),
            _ => self.0.backtrace.as_ref(),
        }
    }

    /// Whether this is an `E` that a host function returned, or a [`Trap`].
    #[must_use]
    pub fn is<E: StdError + Send + Sync + 'static>(&self) -> bool {
        self.downcast_ref::<E>().is_some()
    }

    /// The error that a host function returned, if it is an `E`; or the [`Trap`].
    #[must_use]
    pub fn downcast_ref<E: StdError + Send + Sync + 'static>(&self) -> Option<&E> {
        match &self.0.kind {
            ErrorKind::Host(host) => host.downcast_ref(),
            ErrorKind::Trap(trap) => (trap as &dyn Any).downcast_ref(),
            _ => None,
        }
    }

    /// Takes out the error that a host function returned, if it is an `E`; or the [`Trap`].
    ///
    /// # Errors
    /// This error itself, when it is something else.
    pub fn downcast<E: StdError + Send + Sync + 'static>(mut self) -> Result<E, Self> {
        let kind = match self.0.kind {
            ErrorKind::Host(HostError(HostPayload::Boxed(error))) => match error.downcast() {
                Ok(error) => return Ok(*error),
                Err(error) => ErrorKind::Host(HostError(HostPayload::Boxed(error))),
            },
            ErrorKind::Host(HostError(HostPayload::Anyhow(error))) => match error.downcast() {
                Ok(error) => return Ok(error),
                Err(error) => ErrorKind::Host(HostError(HostPayload::Anyhow(error))),
            },
            ErrorKind::Trap(trap) => {
                let mut trap = Some(trap);
                let any: &mut dyn Any = &mut trap;
                match any.downcast_mut::<Option<E>>().and_then(Option::take) {
                    Some(error) => return Ok(error),
                    None => ErrorKind::Trap(trap.expect("taken above only when it is returned")),
                }
            }
            other => other,
        };
        self.0.kind = kind;
        Err(self)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)?;
        match &self.0.backtrace {
            Some(backtrace) => write!(f, "\n{backtrace}"),
            None => Ok(()),
        }
    }
}

/// For `fn main() -> upshift::Result<()>`: the text of `Display`, and the cause.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let because = error.to_string();
            // Some messages tell their cause already.
            if !text.contains(&because) {
                text.push_str("\ncaused by: ");
                text.push_str(&because);
            }
            cause = error.source();
        }
        f.write_str(&text)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.kind.source()
    }
}

impl From<BoxedError> for Error {
    fn from(error: BoxedError) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(error) => Self::from_kind(ErrorKind::Host(HostError(HostPayload::Boxed(error)))),
        }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        // Below a context it stays where it is, else the context would be lost.
        let own = if (*error).is::<Self>() {
            error.downcast::<Self>()
        } else {
            Err(error)
        };
        own.unwrap_or_else(|error| {
            Self::from_kind(ErrorKind::Host(HostError(HostPayload::Anyhow(error))))
        })
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}

impl From<Trap> for Error {
    fn from(trap: Trap) -> Self {
        Self::from_kind(ErrorKind::Trap(trap))
    }
}

/// A host function that returns this traps as if WebAssembly had.
impl From<TrapCode> for Error {
    fn from(code: TrapCode) -> Self {
        Trap::from(code).into()
    }
}

impl From<upshift_module::ModuleError> for Error {
    fn from(error: upshift_module::ModuleError) -> Self {
        Self::from_kind(ErrorKind::Module(error))
    }
}

fn limit_of_memory(error: &MemoryError) -> Option<LimitError> {
    match error {
        MemoryError::Limit { source, .. } => Some(*source),
        _ => None,
    }
}

fn limit_of_table(error: &TableError) -> Option<LimitError> {
    match error {
        TableError::Limit { source, .. } => Some(*source),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::ExternType;

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn debug_adds_what_display_does_not_say() {
        let error = anyhow::anyhow!("inner").context("outer");
        assert_eq!(
            format!("{:?}", Error::from(error)),
            "outer\ncaused by: inner"
        );
        let path = PathBuf::from("x.wasm");
        let source = std::io::Error::other("no disk");
        let error = Error::from_kind(ErrorKind::File { path, source });
        assert_eq!(format!("{error:?}"), "cannot read x.wasm: no disk");
    }

    #[test]
    fn an_error_is_not_wrapped_twice() {
        let error = Error::new(Error::from(TrapCode::Unreachable));
        assert!(matches!(error.kind(), ErrorKind::Trap(_)));
        let error = Error::from(BoxedError::from(error));
        assert!(matches!(error.kind(), ErrorKind::Trap(_)));
        let error = Error::from_host(anyhow::Error::from(error));
        assert!(matches!(error.kind(), ErrorKind::Trap(_)));
    }

    #[test]
    fn a_trap_is_found_below_an_anyhow_context() {
        let error =
            anyhow::Error::from(Error::from(TrapCode::Unreachable)).context("in the plugin");
        let error = Error::from_host(error);
        assert_eq!(error.as_trap().unwrap().code(), TrapCode::Unreachable);
        assert_eq!(error.to_string(), "in the plugin");
    }

    #[test]
    fn downcast_gives_the_error_back_when_it_is_something_else() {
        let error = Error::msg("text").downcast::<std::io::Error>().unwrap_err();
        assert_eq!(error.to_string(), "text");
        let trap = Error::from(TrapCode::Unreachable)
            .downcast::<Trap>()
            .unwrap();
        assert_eq!(trap.code(), TrapCode::Unreachable);
    }

    #[test]
    fn all_unknown_imports_are_listed() {
        let unknown = |name: &str| LinkProblem::Unknown {
            module: "env".into(),
            name: name.into(),
            wanted: ExternType::Memory(crate::MemoryType::new(1, None)),
        };
        let text = Error::link(vec![unknown("a"), unknown("b")]).to_string();
        assert_eq!(
            text,
            "2 imports do not fit:\n  \
             unknown import `env::a`: wanted (memory 1), but nothing of that name is defined\n  \
             unknown import `env::b`: wanted (memory 1), but nothing of that name is defined"
        );
    }

    #[test]
    fn hundreds_of_unknown_imports_do_not_fill_the_screen() {
        let unknown = |number: usize| LinkProblem::Unknown {
            module: "env".into(),
            name: number.to_string(),
            wanted: ExternType::Memory(crate::MemoryType::new(1, None)),
        };
        let text = Error::link((0..287).map(unknown).collect()).to_string();
        assert!(text.starts_with("287 imports"), "{text}");
        assert!(text.ends_with("\n  and 267 more"), "{text}");
        assert_eq!(text.lines().count(), 22);
    }
}
