//! wasmtime behind the protocol: Cranelift as it comes, Cranelift without optimization (with either register
//! allocator), and Winch. Everything else is wasmtime's default.

use anyhow::{Context, Result, bail};
use upshift_bench_protocol::{
    HOST_FUNCTION, HOST_MODULE, Kernel, Peer, Settings, Value, host_function,
};
use wasmtime::{
    Config, Engine, Instance, Linker, Module, OptLevel, RegallocAlgorithm, Store, Strategy, ValType,
};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{self, WasiP1Ctx};

/// As Cargo.toml pins it.
const WASMTIME_VERSION: &str = "48.0.8";

/// The context of WASI preview 1; made at the first WASI call, so that modules without WASI don't pay for it.
type Wasi = Option<Box<WasiP1Ctx>>;

/// An engine, and a linker with the host function and WASI preview 1.
pub struct WasmtimeEngine {
    engine: Engine,
    linker: Linker<Wasi>,
}

/// The engine of that name, compiling with one thread or, if not told, with all.
///
/// # Errors
/// If there is none, or wasmtime can't compile with so many threads.
pub fn engine(name: &str, threads: Option<usize>) -> Result<Engine> {
    let mut config = Config::new();
    match name {
        "wasmtime-cranelift" => {
            config.strategy(Strategy::Cranelift);
        }
        "wasmtime-cranelift-none" => {
            config
                .strategy(Strategy::Cranelift)
                .cranelift_opt_level(OptLevel::None);
        }
        "wasmtime-cranelift-none-singlepass" => {
            config
                .strategy(Strategy::Cranelift)
                .cranelift_opt_level(OptLevel::None)
                .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
        }
        "wasmtime-winch" => {
            config.strategy(Strategy::Winch);
        }
        _ => bail!("`{name}` is no engine of wasmtime"),
    }
    match threads {
        None => {}
        Some(1) => {
            config.parallel_compilation(false);
        }
        Some(threads) => {
            bail!("wasmtime compiles with one thread or with all, not with {threads}")
        }
    }
    Ok(Engine::new(&config)?)
}

impl Peer for WasmtimeEngine {
    const ENGINES: &'static [&'static str] = &[
        "wasmtime-cranelift",
        "wasmtime-cranelift-none",
        "wasmtime-cranelift-none-singlepass",
        "wasmtime-winch",
    ];

    type Module = Module;
    type Instance = (Store<Wasi>, Instance);

    fn open(name: &str, settings: Settings) -> Result<WasmtimeEngine> {
        let engine = engine(name, settings.threads)?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap(HOST_MODULE, HOST_FUNCTION, host_function)?;
        p1::add_to_linker_sync(&mut linker, |wasi: &mut Wasi| {
            &mut **wasi.get_or_insert_with(|| Box::new(WasiCtxBuilder::new().build_p1()))
        })?;
        Ok(WasmtimeEngine { engine, linker })
    }

    fn version(&self) -> String {
        WASMTIME_VERSION.to_owned()
    }

    fn compile(&self, wasm: &[u8]) -> Result<Module> {
        Ok(Module::from_binary(&self.engine, wasm)?)
    }

    fn instantiate(&self, module: &Module) -> Result<(Store<Wasi>, Instance)> {
        let mut store = Store::new(&self.engine, None);
        let instance = self.linker.instantiate(&mut store, module)?;
        Ok((store, instance))
    }

    fn unary(
        (mut store, instance): Self::Instance,
        export: &str,
    ) -> Result<impl FnMut(i32) -> Result<i32>> {
        let function = instance.get_typed_func::<i32, i32>(&mut store, export)?;
        Ok(move |argument| Ok(function.call(&mut store, argument)?))
    }

    fn kernel((mut store, instance): Self::Instance, export: &str) -> Result<Kernel> {
        let function = instance
            .get_func(&mut store, export)
            .with_context(|| format!("no function export `{export}`"))?;
        let results: Vec<ValType> = function.ty(&store).results().collect();
        Ok(match results.as_slice() {
            [ValType::I32] => {
                let function = function.typed::<i32, i32>(&store)?;
                Box::new(move |n| Ok(Value::I32(function.call(&mut store, n)?)))
            }
            [ValType::I64] => {
                let function = function.typed::<i32, i64>(&store)?;
                Box::new(move |n| Ok(Value::I64(function.call(&mut store, n)?)))
            }
            [ValType::F64] => {
                let function = function.typed::<i32, f64>(&store)?;
                Box::new(move |n| Ok(Value::F64(function.call(&mut store, n)?)))
            }
            other => bail!("`{export}` returns {other:?}, not one i32, i64 or f64"),
        })
    }
}
