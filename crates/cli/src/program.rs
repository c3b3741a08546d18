//! One run of a program: the function that it starts with, its instance, its limits, and how it ended.

use std::ffi::OsString;

use upshift::{
    ErrorKind, Extern, ExternType, FuncType, Instance, LimitError, Module, Resource, Store, Trap,
    TrapCode, Val,
};

use crate::deadline::Deadline;
use crate::error::{CliError, Result};
use crate::options::Run;
use crate::phases::{Phases, timed};
use crate::{exports, values};

/// What programs start with.
const START: &str = "_start";
/// What is called first in a module that is no program but a library.
const INITIALIZE: &str = "_initialize";

/// A module and what is to be called in it.
pub(crate) struct Program<'a> {
    options: &'a Run,
    module: &'a Module,
    /// An exported function.
    name: &'a str,
    /// Of the types that it takes.
    arguments: Vec<Val>,
}

impl<'a> Program<'a> {
    /// What the command line asks for. Nothing of the module has run yet.
    ///
    /// # Errors
    /// When the module has no such function, the arguments are none of its, or something is imported that nobody
    /// provides.
    pub(crate) fn new(options: &'a Run, module: &'a Module) -> Result<Self> {
        let (name, ty) = function_to_call(options, module)?;
        let arguments = arguments(name, &ty, &options.args)?;
        check_imports(options, module)?;
        Ok(Self {
            options,
            module,
            name,
            arguments,
        })
    }

    /// Runs it on this thread. Returns the results of its function.
    ///
    /// # Errors
    /// When it trapped or reached a limit.
    pub(crate) fn run(&self, deadline: Option<&Deadline>, phases: &Phases) -> Result<Vec<Val>> {
        let mut store = Store::new(self.module.engine(), ());
        store.limits(self.options.limits.resources());
        if let Some(deadline) = deadline {
            deadline.stops_with(store.interrupt_handle());
        }
        let ended = self.call(&mut store, phases);
        let expired = deadline.is_some_and(Deadline::end);
        ended.or_else(|error| self.explain(error, &store, expired))
    }

    fn call(&self, store: &mut Store<()>, phases: &Phases) -> upshift::Result<Vec<Val>> {
        let (instance, time) = timed(|| Instance::new(&mut *store, self.module, &[]));
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
        let function = |name| match self.module.get_export(name) {
            Some(ExternType::Func(ty)) => Some(ty),
            _ => None,
        };
        let initialize = function(INITIALIZE);
        self.name != INITIALIZE
            && function(START).is_none()
            && initialize.is_some_and(|ty| ty.params().len() + ty.results().len() == 0)
    }

    /// What became of a program that did not return.
    fn explain(&self, error: upshift::Error, store: &Store<()>, expired: bool) -> Result<Vec<Val>> {
        let limits = &self.options.limits;
        let trap = error.as_trap();
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
        if let (Some(limit), Some(refused)) = (&limits.max_memory, refused(&error, store)) {
            return Err(CliError::MemoryLimit {
                limit: limit.to_string(),
                refused,
                ended: trap.map(|trap| format!("the program trapped: {trap}")),
            });
        }
        Err(CliError::Program(error))
    }
}

/// What the program could not have: at its start, or later, when it was told so.
fn refused(error: &upshift::Error, store: &Store<()>) -> Option<LimitError> {
    let at_start = match error.kind() {
        ErrorKind::Resource(error) => error.limit().copied(),
        _ => None,
    };
    let later = || store.refused(Resource::MemoryBytes);
    at_start
        .or_else(later)
        .or_else(|| store.refused(Resource::TableElements))
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

pub(crate) fn check_imports(options: &Run, module: &Module) -> Result<()> {
    let describe = |import: upshift::ImportType<'_>| {
        let (first, second) = (
            exports::printable(import.module()),
            exports::printable(import.name()),
        );
        format!("{first}::{second}: {}", import.ty())
    };
    let imports: Vec<_> = module.imports().map(describe).collect();
    if imports.is_empty() {
        return Ok(());
    }
    Err(CliError::Imports {
        file: options.file.clone(),
        imports,
    })
}
