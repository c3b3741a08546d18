//! wasmi behind the protocol: an interpreter, which translates a function when it is first called.

use anyhow::{Context, Result, bail};
use upshift_bench_protocol::{
    HOST_FUNCTION, HOST_MODULE, Kernel, Peer, Settings, Value, host_function,
};
use wasmi::{CompilationMode, Config, Engine, Instance, Linker, Module, Store, ValType};

/// As Cargo.toml pins it.
const WASMI_VERSION: &str = "2.0.0";

/// An engine, and a linker with the host function.
pub struct WasmiEngine {
    engine: Engine,
    linker: Linker<()>,
}

impl Peer for WasmiEngine {
    const ENGINES: &'static [&'static str] = &["wasmi"];

    type Module = Module;
    type Instance = (Store<()>, Instance);

    fn open(_name: &str, settings: Settings) -> Result<WasmiEngine> {
        if settings.threads.is_some_and(|threads| threads != 1) {
            bail!("wasmi translates with one thread");
        }
        let mut config = Config::default();
        if settings.eager {
            config.compilation_mode(CompilationMode::Eager);
        }
        let engine = Engine::new(&config);
        let mut linker = Linker::new(&engine);
        linker.func_wrap(HOST_MODULE, HOST_FUNCTION, host_function)?;
        Ok(WasmiEngine { engine, linker })
    }

    fn version(&self) -> String {
        WASMI_VERSION.to_owned()
    }

    fn compile(&self, wasm: &[u8]) -> Result<Module> {
        Ok(Module::new(&self.engine, wasm)?)
    }

    fn instantiate(&self, module: &Module) -> Result<(Store<()>, Instance)> {
        let mut store = Store::new(&self.engine, ());
        let instance = self.linker.instantiate_and_start(&mut store, module)?;
        Ok((store, instance))
    }

    fn unary(
        (mut store, instance): Self::Instance,
        export: &str,
    ) -> Result<impl FnMut(i32) -> Result<i32>> {
        let function = instance.get_typed_func::<i32, i32>(&store, export)?;
        Ok(move |argument| Ok(function.call(&mut store, argument)?))
    }

    fn kernel((mut store, instance): Self::Instance, export: &str) -> Result<Kernel> {
        let function = instance
            .get_func(&store, export)
            .with_context(|| format!("no function export `{export}`"))?;
        Ok(match function.ty(&store).results() {
            [ValType::I32] => {
                let function = function.typed::<i32, i32>(&store)?;
                Box::new(move |n| Ok(Value::I32(function.call(&mut store, n)?)))
            }
            [ValType::I64] => {
                let function = function.typed::<i32, i64>(&store)?;
                Box::new(move |n| Ok(Value::I64(function.call(&mut store, n)?)))
            }
            [ValType::F64] => {
                let function = function.typed::<i32, wasmi::F64>(&store)?;
                Box::new(move |n| Ok(Value::F64(function.call(&mut store, n)?.to_float())))
            }
            other => bail!("`{export}` returns {other:?}, not one i32, i64 or f64"),
        })
    }
}
