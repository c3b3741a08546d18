//! The protocol between `cargo xtask compare` and the binaries that measure one engine each.
//!
//! Here is the report that every binary prints, as one line of JSON. With the feature `runner` there is also the
//! command line and the measuring itself, so that all engines are timed by the very same code, and the command line of
//! those that also run WASI programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(feature = "runner")]
mod command;
#[cfg(feature = "runner")]
mod measure;
#[cfg(feature = "runner")]
mod peer;
#[cfg(feature = "runner")]
mod processors;
#[cfg(feature = "runner")]
mod program;

#[cfg(feature = "runner")]
pub use command::main;
#[cfg(feature = "runner")]
pub use peer::{HOST_FUNCTION, HOST_MODULE, Kernel, Peer, Settings, Value, host_function};
#[cfg(feature = "runner")]
pub use processors::restrict_to_processors;
#[cfg(feature = "runner")]
pub use program::Program;

/// Names of the sample series in [`Report::samples`].
pub mod series {
    /// From the bytes in memory to a module that can be instantiated; nanoseconds.
    pub const COMPILE: &str = "compile_ns";
    /// A new store and an instance in it, from a module that is compiled already; nanoseconds.
    pub const INSTANTIATE: &str = "instantiate_ns";
    /// Dropping that store with its instance; nanoseconds.
    pub const DROP: &str = "drop_ns";
    /// One call of a kernel before those that count; nanoseconds. The first includes what a lazy engine compiles.
    pub const WARM_UP: &str = "warm_up_ns";
    /// One call of a kernel; nanoseconds.
    pub const CALL: &str = "call_ns";
    /// From the start of a process to its end; nanoseconds. Measured by whoever starts it.
    pub const PROCESS: &str = "process_ns";
    /// From the bytes in memory to the result of the first call; nanoseconds.
    pub const FIRST_RESULT: &str = "first_result_ns";
    /// One call in a loop of many; nanoseconds.
    pub const PER_CALL: &str = "per_call_ns";
}

/// What one run of one binary measured: one engine, one measurement, raw samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The engine with its settings, such as `wasmtime-winch`.
    pub engine: String,
    /// The version of the engine's package.
    pub version: String,
    /// The measurement's name on the command line, such as `first-result`.
    pub measurement: String,
    /// The module's file, as it was given.
    pub file: String,
    /// Length of the binary module.
    pub wasm_bytes: u64,
    /// Raw samples in nanoseconds, in the order in which they were taken, by the names in [`series`].
    pub samples: BTreeMap<String, Vec<f64>>,
    /// What the module computed, where it computed something: equal for all engines, or the measurement is worthless.
    pub result: Option<String>,
}
