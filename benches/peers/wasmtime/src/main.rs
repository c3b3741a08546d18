//! `peer-wasmtime`: measures wasmtime, with its compilers and settings, and the interpreter wasmi.

mod wasmi_engine;
mod wasmtime_engine;

use anyhow::Result;
use upshift_bench_protocol::Peer;

use crate::wasmi_engine::WasmiEngine;
use crate::wasmtime_engine::WasmtimeEngine;

fn main() -> Result<()> {
    // One binary for both packages, but a type for each, so that no call that is measured dispatches on the engine.
    if std::env::args()
        .nth(1)
        .is_some_and(|engine| WasmiEngine::ENGINES.contains(&engine.as_str()))
    {
        upshift_bench_protocol::main::<WasmiEngine>()
    } else {
        upshift_bench_protocol::main::<WasmtimeEngine>()
    }
}
