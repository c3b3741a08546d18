//! `peer-wasmtime`: measures wasmtime, with its compilers and settings, and the interpreter wasmi. With the word
//! `program` behind the engine, it runs a WASI program.

mod program;
mod wasmi_engine;
mod wasmtime_engine;

use anyhow::Result;
use upshift_bench_protocol::Peer;

use crate::wasmi_engine::WasmiEngine;
use crate::wasmtime_engine::WasmtimeEngine;

fn main() -> Result<()> {
    if std::env::args().nth(2).as_deref() == Some(program::COMMAND) {
        return program::main();
    }
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
