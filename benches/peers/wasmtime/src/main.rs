//! `peer-wasmtime`: measures wasmtime, with its compilers and settings, and the interpreter wasmi. With the word
//! `program` behind the engine, it runs a WASI program.

mod program;
mod wasmi_engine;
mod wasmtime_engine;

use anyhow::Result;
use upshift_bench_protocol::{Peer, Program};

use crate::wasmi_engine::WasmiEngine;
use crate::wasmtime_engine::WasmtimeEngine;

fn main() -> Result<()> {
    // One binary for both packages, but a type for each, so that no call that is measured dispatches on the engine.
    let is_wasmi = |engine: &str| WasmiEngine::ENGINES.contains(&engine);
    if let Some(program) = Program::from_command_line()? {
        if is_wasmi(&program.engine) {
            program::run_on_wasmi(&program)
        } else {
            program::run_on_wasmtime(&program)
        }
    } else if std::env::args()
        .nth(1)
        .is_some_and(|engine| is_wasmi(&engine))
    {
        upshift_bench_protocol::main::<WasmiEngine>()
    } else {
        upshift_bench_protocol::main::<WasmtimeEngine>()
    }
}
