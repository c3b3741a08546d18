//! `peer-wasmer`: measures wasmer with its Cranelift, LLVM and Singlepass compilers. With LLVM it has the settings that
//! wasmer's own command line chooses; everything else is wasmer's default. With the word `program` behind the engine, it
//! runs a WASI program.

mod program;

use std::num::NonZero;

use anyhow::{Context, Result, bail};
use upshift_bench_protocol::{
    HOST_FUNCTION, HOST_MODULE, Kernel, Peer, Program, Settings, Value, host_function,
};
use wasmer::sys::{Cranelift, EngineBuilder, LLVM, Singlepass};
use wasmer::{Engine, Function, Imports, Instance, Module, Store, Type};

/// As Cargo.toml pins it.
const WASMER_VERSION: &str = "7.4.2";

/// An engine; imports belong to a store here, so there is nothing to link in advance.
struct WasmerEngine {
    engine: Engine,
}

impl Peer for WasmerEngine {
    const ENGINES: &'static [&'static str] =
        &["wasmer-cranelift", "wasmer-llvm", "wasmer-singlepass"];

    type Module = Module;
    type Instance = (Store, Instance);

    fn open(name: &str, settings: Settings) -> Result<WasmerEngine> {
        let threads = match settings.threads {
            None => None,
            Some(threads) => {
                Some(NonZero::new(threads).context("compiling takes a thread at least")?)
            }
        };
        let engine = match name {
            "wasmer-cranelift" => {
                let mut compiler = Cranelift::new();
                if let Some(threads) = threads {
                    compiler.num_threads(threads);
                }
                EngineBuilder::new(compiler).engine()
            }
            "wasmer-llvm" => {
                let mut compiler = LLVM::new();
                compiler.non_volatile_memops(true);
                compiler.readonly_funcref_table(true);
                if let Some(threads) = threads {
                    compiler.num_threads(threads);
                }
                EngineBuilder::new(compiler).engine()
            }
            "wasmer-singlepass" => {
                let mut compiler = Singlepass::new();
                if let Some(threads) = threads {
                    compiler.num_threads(threads);
                }
                EngineBuilder::new(compiler).engine()
            }
            _ => bail!("`{name}` is no engine of wasmer"),
        };
        Ok(WasmerEngine {
            engine: engine.into(),
        })
    }

    fn version(&self) -> String {
        WASMER_VERSION.to_owned()
    }

    fn compile(&self, wasm: &[u8]) -> Result<Module> {
        Ok(Module::from_binary(&self.engine, wasm)?)
    }

    fn instantiate(&self, module: &Module) -> Result<(Store, Instance)> {
        let mut store = Store::new(self.engine.clone());
        let mut imports = Imports::new();
        if module.imports().len() > 0 {
            imports.define(
                HOST_MODULE,
                HOST_FUNCTION,
                Function::new_typed(&mut store, host_function),
            );
        }
        let instance = Instance::new(&mut store, module, &imports)?;
        Ok((store, instance))
    }

    fn unary(
        (mut store, instance): Self::Instance,
        export: &str,
    ) -> Result<impl FnMut(i32) -> Result<i32>> {
        let function = instance
            .exports
            .get_typed_function::<i32, i32>(&store, export)?;
        Ok(move |argument| Ok(function.call(&mut store, argument)?))
    }

    fn kernel((mut store, instance): Self::Instance, export: &str) -> Result<Kernel> {
        let function = instance.exports.get_function(export)?;
        Ok(match function.ty(&store).results() {
            [Type::I32] => {
                let function = function.typed::<i32, i32>(&store)?;
                Box::new(move |n| Ok(Value::I32(function.call(&mut store, n)?)))
            }
            [Type::I64] => {
                let function = function.typed::<i32, i64>(&store)?;
                Box::new(move |n| Ok(Value::I64(function.call(&mut store, n)?)))
            }
            [Type::F64] => {
                let function = function.typed::<i32, f64>(&store)?;
                Box::new(move |n| Ok(Value::F64(function.call(&mut store, n)?)))
            }
            other => bail!("`{export}` returns {other:?}, not one i32, i64 or f64"),
        })
    }
}

fn main() -> Result<()> {
    if let Some(program) = Program::from_command_line()? {
        return program::run(&program);
    }
    upshift_bench_protocol::main::<WasmerEngine>()
}
