//! WASI's functions as definitions of a linker.

use std::error::Error as StdError;

use upshift::{Caller, Error, Extern, Linker, Result};
use wiggle::{GuestError, GuestMemory};

use crate::Exit;
use crate::bindings::{preview0, preview1};
use crate::context::WasiCtx;
use crate::error::errno_of_argument;

/// A guest without an exported memory called a function of WASI that passes something through memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "WASI's function `{function}` passes values through memory, but the module that called it exports no \
     memory under the name `memory`"
)]
pub struct NoMemory {
    /// The function.
    function: &'static str,
}

/// Defines all functions of WASI, of both versions, in a linker. `context` finds the guest's [`WasiCtx`]
/// in a store's data.
///
/// Definitions of your own can stand beside them in the same linker.
///
/// ```
/// use upshift::{Engine, Linker, Module, Store};
/// use upshift_wasi::{Captured, WasiCtx};
///
/// # fn main() -> upshift::Result<()> {
/// struct State {
///     wasi: WasiCtx,
///     answer: i32,
/// }
/// let engine = Engine::default();
/// let mut linker = Linker::new(&engine);
/// upshift_wasi::add_to_linker(&mut linker, |state: &mut State| &mut state.wasi)?;
/// linker.func_wrap("env", "answer", |caller: upshift::Caller<'_, State>| caller.data().answer)?;
/// let module = Module::new(
///     &engine,
///     r#"(module
///          (import "wasi_snapshot_preview1" "fd_write"
///            (func $fd_write (param i32 i32 i32 i32) (result i32)))
///          (import "env" "answer" (func $answer (result i32)))
///          (memory (export "memory") 1)
///          (data (i32.const 0) "\10\00\00\00\06\00\00\00")
///          (data (i32.const 16) "hello\n")
///          (func (export "_start")
///            (drop (call $answer))
///            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
/// )?;
/// let output = Captured::new(1000);
/// let wasi = WasiCtx::builder().stdout(&output).build();
/// let mut store = Store::new(&engine, State { wasi, answer: 42 });
/// let instance = linker.instantiate(&mut store, &module)?;
/// assert_eq!(upshift_wasi::run_command(&mut store, &instance)?, 0);
/// assert_eq!(output.text(), "hello\n");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When one of the names is taken.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    context: impl Fn(&mut T) -> &mut WasiCtx + Send + Sync + Copy + 'static,
) -> Result<()> {
    define_all(linker, context)
}

/// Finds the guest's memory and context, and calls a function of WASI with them. A guest without memory can call functions that
/// need none.
#[inline(always)]
fn with_memory<T: 'static, R: FromErrno>(
    function: &'static str,
    mut caller: Caller<'_, T>,
    context: impl Fn(&mut T) -> &mut WasiCtx,
    waits: bool,
    call: impl FnOnce(&mut WasiCtx, &mut GuestMemory<'_>) -> wiggle::error::Result<R>,
) -> Result<R> {
    let interrupt = waits.then(|| caller.interrupt_handle());
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        let context = context(caller.data_mut());
        context.interrupt = interrupt.or(context.interrupt.take());
        return without_memory(function, call(context, &mut GuestMemory::Unshared(&mut [])));
    };
    let (bytes, data) = memory.data_and_store_mut(&mut caller);
    let context = context(data);
    if interrupt.is_some() {
        context.interrupt = interrupt;
    }
    call(context, &mut GuestMemory::Unshared(bytes)).or_else(into_error)
}

/// The outcome of a function without memory: a fault means that it needed one.
#[cold]
fn without_memory<R: FromErrno>(
    function: &'static str,
    result: wiggle::error::Result<R>,
) -> Result<R> {
    match result.or_else(into_error) {
        Ok(result) if result.is_fault() => Err(Error::new(NoMemory { function })),
        result => result,
    }
}

/// The result of a function: nothing, or an error number.
trait FromErrno: Sized {
    /// The result for an argument that is wrong.
    fn from_errno(errno: preview1::types::Errno) -> Option<Self>;

    /// Whether it says that a pointer was wrong.
    fn is_fault(&self) -> bool;
}

impl FromErrno for i32 {
    fn from_errno(errno: preview1::types::Errno) -> Option<Self> {
        Some(u16::from(errno).into())
    }

    fn is_fault(&self) -> bool {
        *self == i32::from(u16::from(preview1::types::Errno::Fault))
    }
}

impl FromErrno for () {
    fn from_errno(_: preview1::types::Errno) -> Option<Self> {
        None
    }

    fn is_fault(&self) -> bool {
        false
    }
}

/// A wrong argument is an error number, an exit an error of the host function.
#[cold]
fn into_error<R: FromErrno>(error: wiggle::error::Error) -> Result<R> {
    let error = match error.downcast::<Exit>() {
        Ok(exit) => return Err(Error::new(exit)),
        Err(error) => error,
    };
    if let Some(result) = error
        .downcast_ref::<GuestError>()
        .and_then(|argument| R::from_errno(errno_of_argument(argument)))
    {
        return Ok(result);
    }
    Err(Error::from(Box::<dyn StdError + Send + Sync>::from(
        error.to_string(),
    )))
}

/// Defines functions of one module. `waits` marks those that can wait for something, or take long.
macro_rules! define {
    ($linker:ident, $context:ident, $version:ident :: $module:ident;
     $($name:ident($($arg:ident: $ty:ty),*) $(-> $result:ty)? $(, $waits:ident)?;)*) => {
        $(
            $linker.func_wrap(
                stringify!($module),
                stringify!($name),
                move |caller: Caller<'_, T>, $($arg: $ty),*| -> Result<define!(@result $($result)?)> {
                    let waits = define!(@is $($waits)?);
                    with_memory(stringify!($name), caller, $context, waits, |ctx, memory| {
                        $version::$module::$name(ctx, memory, $($arg),*)
                    })
                },
            )?;
        )*
    };
    (@result) => { () };
    (@result $result:ty) => { $result };
    (@is) => { false };
    (@is waits) => { true };
}

/// Functions that are the same in both versions are defined once and have a second name.
macro_rules! share {
    ($linker:ident, $context:ident;
     $($name:ident($($arg:ident: $ty:ty),*) $(-> $result:ty)? $(, $waits:ident)?;)*) => {
        define! {
            $linker, $context, preview1::wasi_snapshot_preview1;
            $($name($($arg: $ty),*) $(-> $result)? $(, $waits)?;)*
        }
        $(
            $linker.alias(
                "wasi_snapshot_preview1",
                stringify!($name),
                "wasi_unstable",
                stringify!($name),
            )?;
        )*
    };
}

fn define_all<T: 'static>(
    linker: &mut Linker<T>,
    context: impl Fn(&mut T) -> &mut WasiCtx + Send + Sync + Copy + 'static,
) -> Result<()> {
    share! {
        linker, context;
        args_get(argv: i32, bytes: i32) -> i32;
        args_sizes_get(count: i32, bytes: i32) -> i32;
        clock_res_get(id: i32, out: i32) -> i32;
        clock_time_get(id: i32, precision: i64, out: i32) -> i32;
        environ_get(environ: i32, bytes: i32) -> i32;
        environ_sizes_get(count: i32, bytes: i32) -> i32;
        fd_advise(fd: i32, offset: i64, length: i64, advice: i32) -> i32;
        fd_allocate(fd: i32, offset: i64, length: i64) -> i32;
        fd_close(fd: i32) -> i32;
        fd_datasync(fd: i32) -> i32;
        fd_fdstat_get(fd: i32, out: i32) -> i32;
        fd_fdstat_set_flags(fd: i32, flags: i32) -> i32;
        fd_fdstat_set_rights(fd: i32, base: i64, inheriting: i64) -> i32;
        fd_filestat_set_size(fd: i32, size: i64) -> i32;
        fd_filestat_set_times(fd: i32, atim: i64, mtim: i64, flags: i32) -> i32;
        fd_pread(fd: i32, list: i32, count: i32, offset: i64, out: i32) -> i32, waits;
        fd_prestat_dir_name(fd: i32, path: i32, length: i32) -> i32;
        fd_prestat_get(fd: i32, out: i32) -> i32;
        fd_pwrite(fd: i32, list: i32, count: i32, offset: i64, out: i32) -> i32, waits;
        fd_read(fd: i32, list: i32, count: i32, out: i32) -> i32, waits;
        fd_readdir(fd: i32, buffer: i32, length: i32, cookie: i64, out: i32) -> i32, waits;
        fd_renumber(fd: i32, to: i32) -> i32;
        fd_sync(fd: i32) -> i32;
        fd_tell(fd: i32, out: i32) -> i32;
        fd_write(fd: i32, list: i32, count: i32, out: i32) -> i32, waits;
        path_create_directory(fd: i32, path: i32, length: i32) -> i32;
        path_filestat_set_times(
            fd: i32, lookup: i32, path: i32, length: i32, atim: i64, mtim: i64, flags: i32
        ) -> i32;
        path_link(
            old_fd: i32, lookup: i32, old_path: i32, old_length: i32,
            new_fd: i32, new_path: i32, new_length: i32
        ) -> i32;
        path_open(
            fd: i32, lookup: i32, path: i32, length: i32, oflags: i32,
            base: i64, inheriting: i64, fdflags: i32, out: i32
        ) -> i32;
        path_readlink(
            fd: i32, path: i32, length: i32, buffer: i32, buffer_length: i32, out: i32
        ) -> i32;
        path_remove_directory(fd: i32, path: i32, length: i32) -> i32;
        path_rename(
            old_fd: i32, old_path: i32, old_length: i32, new_fd: i32, new_path: i32, new_length: i32
        ) -> i32;
        path_symlink(old_path: i32, old_length: i32, fd: i32, new_path: i32, new_length: i32) -> i32;
        path_unlink_file(fd: i32, path: i32, length: i32) -> i32;
        proc_exit(status: i32);
        proc_raise(signal: i32) -> i32;
        random_get(buffer: i32, length: i32) -> i32, waits;
        sched_yield() -> i32;
        sock_recv(
            fd: i32, list: i32, count: i32, flags: i32, out: i32, out_flags: i32
        ) -> i32, waits;
        sock_send(fd: i32, list: i32, count: i32, flags: i32, out: i32) -> i32, waits;
        sock_shutdown(fd: i32, how: i32) -> i32;
    }
    define! {
        linker, context, preview1::wasi_snapshot_preview1;
        fd_filestat_get(fd: i32, out: i32) -> i32;
        fd_seek(fd: i32, offset: i64, whence: i32, out: i32) -> i32;
        path_filestat_get(fd: i32, lookup: i32, path: i32, length: i32, out: i32) -> i32;
        poll_oneoff(subscriptions: i32, events: i32, count: i32, out: i32) -> i32, waits;
        sock_accept(fd: i32, flags: i32, out: i32) -> i32, waits;
    }
    define! {
        linker, context, preview0::wasi_unstable;
        fd_filestat_get(fd: i32, out: i32) -> i32;
        fd_seek(fd: i32, offset: i64, whence: i32, out: i32) -> i32;
        path_filestat_get(fd: i32, lookup: i32, path: i32, length: i32, out: i32) -> i32;
        poll_oneoff(subscriptions: i32, events: i32, count: i32, out: i32) -> i32, waits;
    }
    Ok(())
}
