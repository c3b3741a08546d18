//! `peer-upshift`: upshift behind the same command line as the engines that it is compared with.

use anyhow::{Context, Result, bail};
use upshift::{Config, Engine, Instance, Linker, Module, Store, TierMode, ValType};
use upshift_bench_protocol::{
    HOST_FUNCTION, HOST_MODULE, Kernel, Peer, Settings, Value, host_function,
};

/// An engine, and a linker with the host function.
struct UpshiftEngine {
    engine: Engine,
    linker: Linker<()>,
}

impl Peer for UpshiftEngine {
    const ENGINES: &'static [&'static str] = &[
        "upshift-baseline",
        "upshift-baseline-uncounted",
        "upshift-llvm",
        "upshift-auto",
    ];

    type Module = Module;
    type Instance = (Store<()>, Instance);

    fn open(name: &str, settings: Settings) -> Result<UpshiftEngine> {
        let mut config = Config::new();
        config.eager(settings.eager);
        match name {
            "upshift-baseline" => {
                config.tier(TierMode::Baseline);
            }
            "upshift-baseline-uncounted" => {
                config.tier(TierMode::Baseline).count_work(false);
            }
            "upshift-llvm" => {
                config.tier(TierMode::Optimizing);
            }
            "upshift-auto" => {
                config.tier(TierMode::Auto);
            }
            _ => bail!("`{name}` is no engine of upshift"),
        }
        // There is no setting for `settings.threads`: eager compilation has a thread for each processor of the process.
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap(HOST_MODULE, HOST_FUNCTION, host_function)?;
        Ok(UpshiftEngine { engine, linker })
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn compile(&self, wasm: &[u8]) -> Result<Module> {
        Ok(Module::from_binary(&self.engine, wasm)?)
    }

    fn instantiate(&self, module: &Module) -> Result<(Store<()>, Instance)> {
        let mut store = Store::new(&self.engine, ());
        let instance = self.linker.instantiate(&mut store, module)?;
        Ok((store, instance))
    }

    fn is_settled(module: &Module) -> bool {
        module.tier_stats().pending == 0
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

fn main() -> Result<()> {
    upshift_bench_protocol::main::<UpshiftEngine>()
}
