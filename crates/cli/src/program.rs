//! One run of a program: the function that it starts with, its instance, its limits, and how it ended.

use std::ffi::OsString;

use upshift::{
    CodeLimitError, CodeMemoryError, ErrorKind, Extern, ExternType, FuncType, InstancePre,
    LimitError, LinkProblem, Linker, Module, Resource, Store, Trap, TrapCode, Val,
};

use upshift_wasi::{Exit, WasiCtx, WasiVersion};

use crate::deadline::Deadline;
use crate::error::{CliError, Result};
use crate::options::Run;
use crate::phases::{Phases, timed};
use crate::{exports, values};

/// The function that programs start with.
const START: &str = "_start";
/// The function that is called first in a module that is no program but a library.
const INITIALIZE: &str = "_initialize";

/// A module and the function to be called in it.
pub(crate) struct Program<'a> {
    options: &'a Run,
    /// The module with its imports.
    linked: InstancePre<WasiCtx>,
    /// An exported function.
    name: &'a str,
    /// Of the types that it takes.
    arguments: Vec<Val>,
}

/// How a program ended that nobody stopped.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Its function returned these.
    Returned(Vec<Val>),
    /// It asked for an end with this status.
    Exited(u32),
}

impl<'a> Program<'a> {
    /// The program of the command line. Nothing of the module has run yet.
    ///
    /// # Errors
    /// When the module has no such function, the arguments are none of its, or something is imported that nobody
    /// provides.
    pub(crate) fn new(options: &'a Run, module: &Module) -> Result<Self> {
        let (name, ty) = function_to_call(options, module)?;
        let is_wasi = WasiVersion::of(module).is_some();
        let arguments = match ty.params().len() {
            // The program finds them among its own arguments.
            0 if is_wasi => Vec::new(),
            _ => arguments(name, &ty, &options.args)?,
        };
        let mut linker = Linker::new(module.engine());
        if is_wasi {
            upshift_wasi::add_to_linker(&mut linker, |context| context)
                .map_err(CliError::Engine)?;
        }
        let linked = linker
            .instantiate_pre(module)
            .map_err(|error| imports(options, error))?;
        Ok(Self {
            options,
            linked,
            name,
            arguments,
        })
    }

    /// Runs it on this thread.
    ///
    /// # Errors
    /// When its inputs could not be given to it, or when it trapped or reached a limit.
    pub(crate) fn run(&self, deadline: Option<&Deadline>, phases: &Phases) -> Result<Ended> {
        let context = self.options.given.context(self.options)?;
        let mut store = Store::new(self.module().engine(), context);
        store.limits(self.options.limits.resources());
        if let Some(deadline) = deadline {
            deadline.stops_with(store.interrupt_handle());
        }
        let ended = match self.call(&mut store, phases) {
            Ok(results) => Ok(Ended::Returned(results)),
            Err(error) => error
                .downcast::<Exit>()
                .map(|exit| Ended::Exited(exit.status())),
        };
        let expired = deadline.is_some_and(Deadline::end);
        self.judge(ended, &store, expired)
    }

    fn module(&self) -> &Module {
        self.linked.module()
    }

    fn call(&self, store: &mut Store<WasiCtx>, phases: &Phases) -> upshift::Result<Vec<Val>> {
        let (instance, time) = timed(|| self.linked.instantiate(&mut *store));
        phases.instance.get_or_init(|| time);
        let instance = instance?;
        if self.is_library() {
            instance
                .get_typed_func::<(), ()>(&mut *store, INITIALIZE)?
                .call(&mut *store, ())?;
        }
        let Some(Extern::Func(function)) = instance.get_export(&mut *store, self.name) else {
            unreachable!("`function_to_call` found this function in the module");
        };
        let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
        function.call(store, &self.arguments, &mut results)?;
        Ok(results)
    }

    /// Whether the module wants to be initialized before anything else of it is called.
    fn is_library(&self) -> bool {
        let function = |name| match self.module().get_export(name) {
            Some(ExternType::Func(ty)) => Some(ty),
            _ => None,
        };
        let initialize = function(INITIALIZE);
        self.name != INITIALIZE
            && function(START).is_none()
            && initialize.is_some_and(|ty| ty.params().len() + ty.results().len() == 0)
    }

    /// The message about its end.
    fn judge(
        &self,
        ended: upshift::Result<Ended>,
        store: &Store<WasiCtx>,
        expired: bool,
    ) -> Result<Ended> {
        let limits = &self.options.limits;
        let trap = ended.as_ref().err().and_then(upshift::Error::as_trap);
        let code = trap.map(Trap::code);
        if let (Some(limit), Some(TrapCode::Interrupted), true) = (&limits.timeout, code, expired) {
            return Err(CliError::TimeLimit {
                limit: limit.to_string(),
                program: trap.map(|trap| trap.backtrace().clone()),
            });
        }
        if let (Some(trap), Some(TrapCode::StackOverflow)) = (trap, code) {
            return Err(CliError::StackLimit {
                limit: limits.max_stack.to_string(),
                trap: trap.clone(),
            });
        }
        if let (Some(limit), Some(source)) = (&limits.max_code_memory, code_limit(&ended)) {
            return Err(CliError::CodeLimit {
                limit: limit.to_string(),
                used: source.used,
                requested: source.requested,
                program: ended
                    .as_ref()
                    .err()
                    .and_then(upshift::Error::wasm_backtrace)
                    .cloned(),
            });
        }
        let refused = limits
            .max_memory
            .as_ref()
            .zip(refused(ended.as_ref().err(), store));
        if let Some((limit, refused)) = refused
            && let Some(ended) = failure(&ended)
        {
            return Err(CliError::MemoryLimit {
                limit: limit.to_string(),
                refused,
                ended,
            });
        }
        ended.map_err(CliError::Program)
    }
}

/// The bound on code memory that ended the program, if one did.
fn code_limit(ended: &upshift::Result<Ended>) -> Option<CodeLimitError> {
    match ended.as_ref().err()?.kind() {
        ErrorKind::CodeMemory {
            source: CodeMemoryError::Limit(limit),
            ..
        } => Some(*limit),
        _ => None,
    }
}

/// The refused resource of a program: at its start, or later, when it was told so.
fn refused(error: Option<&upshift::Error>, store: &Store<WasiCtx>) -> Option<LimitError> {
    let at_start = match error.map(upshift::Error::kind) {
        Some(ErrorKind::Resource(error)) => error.limit().copied(),
        _ => None,
    };
    at_start.or_else(|| store.refused(Resource::TotalBytes))
}

/// If a program did not end well: how, unless it never began.
fn failure(ended: &upshift::Result<Ended>) -> Option<Option<String>> {
    match ended {
        Ok(Ended::Returned(_) | Ended::Exited(0)) => None,
        Ok(Ended::Exited(status)) => Some(Some(format!("It exited with status {status}."))),
        Err(error) => Some(
            error
                .as_trap()
                .map(|trap| format!("the program trapped: {trap}")),
        ),
    }
}

/// The name and type of the export that the command line asks for.
pub(crate) fn function_to_call<'a>(
    options: &'a Run,
    module: &Module,
) -> Result<(&'a str, FuncType)> {
    let name = options.invoke.as_deref().unwrap_or(START);
    let file = || options.file.clone();
    match module.get_export(name) {
        Some(ExternType::Func(ty)) => Ok((name, ty)),
        Some(other) => Err(CliError::NotAFunction {
            name: name.to_owned(),
            kind: other.to_string(),
            exports: exports::describe(module, None),
        }),
        None if options.invoke.is_none() => Err(CliError::NoStart {
            file: file(),
            late_option: options
                .args
                .iter()
                .any(|argument| argument.as_encoded_bytes().starts_with(b"--invoke")),
            exports: exports::describe(module, None),
        }),
        None => Err(CliError::UnknownExport {
            file: file(),
            name: name.to_owned(),
            exports: exports::describe(module, Some(name)),
        }),
    }
}

pub(crate) fn arguments(name: &str, ty: &FuncType, texts: &[OsString]) -> Result<Vec<Val>> {
    if texts.len() != ty.params().len() {
        return Err(CliError::ArgumentCount {
            name: name.to_owned(),
            ty: ty.clone(),
            given: texts.len(),
        });
    }
    let parse = |(index, (text, param)): (usize, (&OsString, _))| {
        let text = text.to_string_lossy();
        values::parse(&text, param).map_err(|why| CliError::Argument {
            number: index + 1,
            name: name.to_owned(),
            ty: ty.clone(),
            param,
            text: text.into_owned(),
            why: why.to_string(),
        })
    };
    texts
        .iter()
        .zip(ty.params())
        .enumerate()
        .map(parse)
        .collect()
}

/// The message about imports that are not defined.
fn imports(options: &Run, error: upshift::Error) -> CliError {
    let Some(link) = error.as_link() else {
        return CliError::Program(error);
    };
    let describe = |problem: &LinkProblem| match problem {
        LinkProblem::Unknown {
            module,
            name,
            wanted,
        } => {
            let (module, name) = (exports::printable(module), exports::printable(name));
            format!("{module}::{name}: {wanted}")
        }
        other => exports::printable(&other.to_string()),
    };
    CliError::Imports {
        file: options.file.clone(),
        imports: link.problems().iter().map(describe).collect(),
    }
}

/// For commands that give a program nothing.
///
/// # Errors
/// When it imports something.
pub(crate) fn check_imports(options: &Run, module: &Module) -> Result<()> {
    match Linker::<()>::new(module.engine()).instantiate_pre(module) {
        Ok(_) => Ok(()),
        Err(error) => Err(imports(options, error)),
    }
}
