//! Upshift runs WebAssembly: every function starts at once, and hot functions are compiled again,
//! better, while they run.
//!
//! This crate is how Rust programs embed it. Users of wasmtime's API know this one:
//!
//! ```
//! use upshift::{Engine, Instance, Module, Store};
//!
//! # fn main() -> upshift::Result<()> {
//! let engine = Engine::default();
//! let module = Module::new(
//!     &engine,
//!     r#"(module (func $fib (export "fib") (param i32) (result i32)
//!          (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
//!            (then (local.get 0))
//!            (else (i32.add
//!              (call $fib (i32.sub (local.get 0) (i32.const 1)))
//!              (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#,
//! )?;
//! let mut store = Store::new(&engine, ());
//! let instance = Instance::new(&mut store, &module, &[])?;
//! let fib = instance.get_typed_func::<i32, i32>(&mut store, "fib")?;
//! assert_eq!(fib.call(&mut store, 20)?, 6765);
//! # Ok(())
//! # }
//! ```
//!
//! - An [`Engine`], made from a [`Config`], is shared by all threads of a program.
//! - A [`Module`] is validated code. It is shared too, and instantiated as often as wanted.
//! - A [`Store`] owns instances, and data of yours that host functions reach through their [`Caller`].
//! - A [`Linker`] names the imports of modules: host functions, which are closures over Rust types, and exports of
//!   other instances.
//! - [`Instance`], [`Func`], [`TypedFunc`], [`Memory`], [`Table`] and [`Global`] are handles into a store.
//!
//! # Differences from wasmtime
//! - [`Error`] is a type of this crate that implements `std::error::Error`. A host function may return any
//!   error; see [`WasmRet`] when the compiler asks for its type.
//! - [`Trap`] has a [code](Trap::code) and a [backtrace](Trap::backtrace).
//! - [`Global::get`], [`Table::get`] and the like return a `Result`, since using an object with another store
//!   is an error here. Methods whose shape does not allow that panic, as they do there.
//! - There are no futures, components, fuel or epochs. An [`InterruptHandle`] stops a guest, at no cost
//!   while it runs.

mod config;
mod context;
mod demangle;
mod engine;
mod error;
mod extern_;
mod externref;
mod file;
mod func;
mod global;
mod instance;
mod linker;
mod memory;
mod module;
mod store;
mod table;
mod trap;
mod types;
mod val;
mod watch;

pub use config::Config;
pub use context::{AsContext, AsContextMut, Caller, StoreContext, StoreContextMut};
pub use engine::Engine;
pub use error::{Error, ErrorKind, HostError, LinkError, LinkProblem, ResourceError, Result};
pub use extern_::{Export, Extern};
pub use externref::ExternRef;
#[doc(hidden)]
pub use file::read_file;
pub use func::{Func, IntoFunc, TypedFunc, WasmParams, WasmResults, WasmRet, WasmTy};
pub use global::Global;
pub use instance::Instance;
pub use linker::{InstancePre, Linker};
pub use memory::Memory;
pub use module::{FunctionInfo, Module};
pub use store::{InterruptHandle, Store};
pub use table::Table;
pub use trap::{Backtrace, Frame, Trap, TrapCode};
pub use types::{
    ExportType, ExternType, FuncType, GlobalType, ImportType, MemoryType, Mutability, RefType,
    TableType, ValType,
};
pub use upshift_module::{ModuleError, ModuleErrorKind, ResourcesRequired, TABLE_ELEMENT_BYTES};
pub use upshift_runtime::{
    CodeLimitError, CodeMemoryError, CodePurpose, CodeScope, ForeignStack, LimitError, Resource,
    ResourceLimits, StackError,
};
pub use upshift_tiering::{
    AheadTotals, BaselineCompiler, BaselineProfile, BuiltInProfile, CallSiteStats, EntryPoint,
    FunctionStats, FunctionTier, FunctionsByTier, InliningProfile, OptimizerProfile, ProfileError,
    QueueReason, SpeculationProfile, TierEvent, TierEventKind, TierMode, TierStats, TierTotals,
    TierUpProfile, TieringProfile, WorkersProfile,
};
pub use upshift_translate::CodeForm;
pub use val::{Ref, V128, Val};
pub use watch::{CodeRegion, SampledFunction, Sampler, Samples, TimedSample, keep_code_anonymous};

#[cfg(test)]
mod tests {
    use super::*;

    /// Types that may be shared by threads, and types that may only move between them.
    #[test]
    fn threads_may_do_with_objects_what_the_docs_say() {
        fn shared<T: Send + Sync>() {}
        fn moved<T: Send>() {}
        struct NotSync(std::cell::Cell<u8>);
        shared::<(Engine, Module, Config, Error, InterruptHandle, Trap)>();
        shared::<(Linker<NotSync>, InstancePre<NotSync>)>();
        shared::<(
            Func,
            TypedFunc<i32, i32>,
            Memory,
            Table,
            Global,
            Instance,
            ExternRef,
            Extern,
            Val,
        )>();
        moved::<Store<NotSync>>();
        assert_eq!(NotSync(1.into()).0.get(), 1);
    }
}

// The page is compiled and run like the examples of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;
