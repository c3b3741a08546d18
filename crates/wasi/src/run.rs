//! Programs from start to end: commands and reactors, and the status that a program ends with.

use std::fmt;

use upshift::{AsContextMut, Instance, Module, Result};

/// A guest ended by calling `proc_exit`.
///
/// It comes out of the call that the guest was in as the error of a host function:
///
/// ```
/// use upshift::{Engine, Linker, Module, Store};
/// use upshift_wasi::{Exit, WasiCtx};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(
///     &engine,
///     r#"(module
///          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
///          (memory (export "memory") 1)
///          (func (export "give_up") (call $exit (i32.const 3))))"#,
/// )?;
/// let mut linker = Linker::new(&engine);
/// upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
/// let mut store = Store::new(&engine, WasiCtx::builder().build());
/// let instance = linker.instantiate(&mut store, &module)?;
/// let give_up = instance.get_typed_func::<(), ()>(&mut store, "give_up")?;
/// let error = give_up.call(&mut store, ()).unwrap_err();
/// assert_eq!(error.downcast_ref::<Exit>().unwrap().status(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program exited with status {status}")]
pub struct Exit {
    status: u32,
}

impl Exit {
    pub(crate) fn new(status: u32) -> Self {
        Self { status }
    }

    /// The program's argument of `proc_exit`; after `proc_raise`, 128 and the signal's number. The system
    /// keeps the low eight bits of a process's status.
    #[must_use]
    pub fn status(self) -> u32 {
        self.status
    }
}

/// Runs a command to its end: calls its `_start`. Returns its exit status, which is 0 if it returned.
///
/// # Errors
/// When there is no `_start`, or the program trapped, was interrupted, or a host function of yours failed.
pub fn run_command(store: impl AsContextMut, instance: &Instance) -> Result<u32> {
    run_function(store, instance, "_start")
}

/// Runs an exported function without parameters and results, as a program: `proc_exit` is its regular
/// end. Returns the exit status, which is 0 if the function returned.
///
/// # Errors
/// As for [`run_command`].
pub fn run_function(mut store: impl AsContextMut, instance: &Instance, name: &str) -> Result<u32> {
    let start = instance.get_typed_func::<(), ()>(store.as_context(), name)?;
    match start.call(store.as_context_mut(), ()) {
        Ok(()) => Ok(0),
        Err(error) => error.downcast::<Exit>().map(Exit::status),
    }
}

/// Initializes a reactor: calls its `_initialize`, if it has one. To be called once, before anything else
/// of it.
///
/// # Errors
/// When it trapped, was interrupted, or exited: there is an [`Exit`] in the error then.
pub fn initialize(mut store: impl AsContextMut, instance: &Instance) -> Result<()> {
    if instance
        .get_export(store.as_context(), "_initialize")
        .is_none()
    {
        return Ok(());
    }
    instance
        .get_typed_func::<(), ()>(store.as_context(), "_initialize")?
        .call(store.as_context_mut(), ())
}

/// Which WASI a module wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WasiVersion {
    /// `wasi_unstable`, of 2019.
    Unstable,
    /// `wasi_snapshot_preview1`, also called WASI 0.1.
    Preview1,
}

impl WasiVersion {
    /// The version of a module's first import from WASI; none if it imports nothing from there.
    ///
    /// ```
    /// use upshift::{Engine, Module};
    /// use upshift_wasi::WasiVersion;
    ///
    /// # fn main() -> upshift::Result<()> {
    /// let text = r#"(module (import "wasi_unstable" "sched_yield" (func (result i32))))"#;
    /// let module = Module::new(&Engine::default(), text)?;
    /// assert_eq!(WasiVersion::of(&module), Some(WasiVersion::Unstable));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of(module: &Module) -> Option<Self> {
        module.imports().find_map(|import| {
            [Self::Unstable, Self::Preview1]
                .into_iter()
                .find(|version| version.module_name() == import.module())
        })
    }

    /// The name of the module that its functions are imported from.
    #[must_use]
    pub fn module_name(self) -> &'static str {
        match self {
            Self::Unstable => "wasi_unstable",
            Self::Preview1 => "wasi_snapshot_preview1",
        }
    }
}

impl fmt::Display for WasiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.module_name())
    }
}
