//! What an engine has to offer so that it can be measured.

use std::fmt;

use anyhow::Result;

/// The module name of the one host function that measured modules may import.
pub const HOST_MODULE: &str = "host";

/// The name of the one host function that measured modules may import: `(i32) -> i32`, see [`host_function`].
pub const HOST_FUNCTION: &str = "add_one";

/// What the host function computes.
#[inline]
#[must_use]
pub fn host_function(argument: i32) -> i32 {
    argument.wrapping_add(1)
}

/// How an engine is to be set up for a measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// Threads that compile; the engine's own default if absent. The process has as many processors then.
    pub threads: Option<usize>,
    /// Whether a lazy engine shall compile the whole module at once, because compiling is what is measured.
    pub eager: bool,
}

/// The result of a kernel.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// From an export of type `(i32) -> i32`.
    I32(i32),
    /// From an export of type `(i32) -> i64`.
    I64(i64),
    /// From an export of type `(i32) -> f64`.
    F64(f64),
}

impl PartialEq for Value {
    /// Equality of bits: a checksum that is NaN is still the same checksum.
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::I32(a), Value::I32(b)) => a == b,
            (Value::I64(a), Value::I64(b)) => a == b,
            (Value::F64(a), Value::F64(b)) => a.to_bits() == b.to_bits(),
            _ => false,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::I32(value) => value.fmt(f),
            Value::I64(value) => value.fmt(f),
            Value::F64(value) => value.fmt(f),
        }
    }
}

/// A kernel's typed function, ready to be called with its `n`.
pub type Kernel = Box<dyn FnMut(i32) -> Result<Value>>;

/// An engine with its settings, behind the few operations that are measured.
pub trait Peer: Sized {
    /// The engine names this binary accepts.
    const ENGINES: &'static [&'static str];

    /// A compiled module.
    type Module;

    /// An instance, with the store it lives in.
    type Instance;

    /// Makes the engine of that name; it is one of [`Peer::ENGINES`].
    ///
    /// # Errors
    /// If the engine can't be set up on this machine.
    fn open(engine: &str, settings: Settings) -> Result<Self>;

    /// The version of the engine's package.
    fn version(&self) -> String;

    /// Compiles a binary module, validation included.
    ///
    /// # Errors
    /// If the engine refuses the module.
    fn compile(&self, wasm: &[u8]) -> Result<Self::Module>;

    /// Makes a new store and an instance in it. The host function is there to import.
    ///
    /// # Errors
    /// If the module wants other imports or its start traps.
    fn instantiate(&self, module: &Self::Module) -> Result<Self::Instance>;

    /// Whether no code of the module is about to be replaced by better code.
    fn is_settled(_module: &Self::Module) -> bool {
        true
    }

    /// An export of type `(i32) -> i32` as something that can be called as fast as the engine's API allows.
    ///
    /// # Errors
    /// If there is no such export.
    fn unary(instance: Self::Instance, export: &str) -> Result<impl FnMut(i32) -> Result<i32>>;

    /// An export that takes an i32 and gives one of the types of [`Value`].
    ///
    /// # Errors
    /// If there is no such export.
    fn kernel(instance: Self::Instance, export: &str) -> Result<Kernel>;
}
