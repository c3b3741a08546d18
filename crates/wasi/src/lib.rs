//! WASI preview 1 for programs that embed Upshift: the system that C, Rust and other languages compiled for
//! `wasm32-wasi` (also `wasm32-wasip1`) expect.
//!
//! ```
//! use upshift::{Engine, Linker, Module, Store};
//! use upshift_wasi::{Captured, WasiCtx};
//!
//! # fn main() -> upshift::Result<()> {
//! let engine = Engine::default();
//! let module = Module::new(
//!     &engine,
//!     r#"(module
//!          (import "wasi_snapshot_preview1" "fd_write"
//!            (func $fd_write (param i32 i32 i32 i32) (result i32)))
//!          (memory (export "memory") 1)
//!          (data (i32.const 0) "\10\00\00\00\06\00\00\00")
//!          (data (i32.const 16) "hello\n")
//!          (func (export "_start")
//!            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
//! )?;
//! let mut linker = Linker::new(&engine);
//! upshift_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
//!
//! let output = Captured::new(1 << 20);
//! let ctx = WasiCtx::builder().args(["hello"]).stdout(&output).build();
//! let mut store = Store::new(&engine, ctx);
//! let instance = linker.instantiate(&mut store, &module)?;
//! assert_eq!(upshift_wasi::run_command(&mut store, &instance)?, 0);
//! assert_eq!(output.text(), "hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! - A [`WasiCtx`], made by a [`WasiCtxBuilder`], is the world of one guest: arguments, environment,
//!   descriptors, clocks, random bytes. It is part of a store's data. Nothing else is in the guest's reach.
//! - [`add_to_linker`] defines WASI's functions, those of `wasi_snapshot_preview1` and of the older
//!   `wasi_unstable`, next to the other definitions of a linker. [`WasiVersion::of`] tells which a module wants.
//! - [`run_command`] runs a program from `_start` to its exit status; [`initialize`] prepares a reactor, of
//!   which any function can be called then. A program that calls `proc_exit` leaves with the error [`Exit`].
//!
//! # Directories
//! Paths are resolved by cap-std below the directory that they start from. `..`, absolute paths, symbolic
//! links, renames at the wrong moment: none of them leads out. A directory that is [`Access::ReadOnly`] behaves as on a
//! file system that is mounted so.
//!
//! # Waiting
//! A guest that waits, be it in `poll_oneoff` or for a pipe, a terminal or a socket, is stopped by its
//! store's [`InterruptHandle`](upshift::InterruptHandle) at once, as if it ran. Only readers and writers
//! that an embedder supplies can't be interrupted.

mod attributes;
mod bindings;
mod buffers;
mod builder;
mod clock;
mod context;
mod cookies;
mod directory;
mod error;
mod host;
mod link;
mod poll;
mod preview0;
mod preview1;
mod random;
mod rights;
mod run;
mod socket;
mod stream;
mod table;
mod transfer;

pub use builder::{Access, WasiCtxBuilder};
pub use context::WasiCtx;
pub use link::{NoMemory, add_to_linker};
pub use run::{Exit, WasiVersion, initialize, run_command, run_function};
pub use stream::{Captured, Input, Output};

/// The programs in the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/wasi.md")]
struct Documentation;
