//! `upshift run`: calls one function of a module and prints its results.

use std::io::Write;
use std::path::Path;

use upshift::{
    Config, Engine, Extern, ExternType, FuncType, Instance, Module, Store, TierMode, Val,
};

use crate::emit::Emit;
use crate::error::{CliError, Result};
use crate::options::{Run, TierChoice};
use crate::perf::{Perf, PerfMap};
use crate::summary::Measured;
use crate::timeline::TierLog;
use crate::{exports, values};

/// What programs start with.
const START: &str = "_start";

pub(crate) fn run(options: &Run, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Result<()> {
    let mut config = options.module.config();
    let emit = Emit::wanted(options)?;
    if emit.is_some() && options.module.tier == TierChoice::Llvm {
        // One function is compiled, not all of them.
        config.tier(TierMode::Auto);
    }
    config.eager(options.eager && emit.is_none());
    let profile = options.tuning.profile()?;
    if options.module.tier != TierChoice::Baseline {
        options.tuning.check_pipelines(&profile)?;
    }
    config.tiering_profile(profile);
    let perf = options.watching.perf.map(|Perf::Map| PerfMap::create());
    let perf = perf.transpose()?;
    listen(
        &mut config,
        TierLog::wanted(&options.watching.tier_log),
        perf.clone(),
    );
    let engine = Engine::new(&config).map_err(CliError::Engine)?;
    let module = load(&engine, &options.file)?;

    if let Some(emit) = emit {
        return emit.print(&module, stdout);
    }

    // All mistakes of the user are found before anything of the module runs.
    let (name, ty) = function_to_call(options, &module)?;
    let arguments = arguments(name, &ty, &options.args)?;
    check_imports(&options.file, &module)?;

    if let Some(perf) = &perf {
        perf.attach(&module);
    }
    let measured = options.watching.stats.then(Measured::start);
    let called = call(&module, name, &arguments);
    if let Ok(results) = &called {
        for result in results {
            writeln!(stdout, "{}", values::format(result))?;
        }
        // The results come before what is told about them.
        stdout.flush()?;
    }
    if let Some(measured) = measured {
        measured.print(&module, stderr)?;
    }
    let told = perf.map_or(Ok(()), |perf| perf.finish());
    // What became of the program is more important.
    called.and(told)
}

/// Has the engine tell its events to whoever wants to hear them.
fn listen(config: &mut Config, log: Option<TierLog>, perf: Option<PerfMap>) {
    if log.is_none() && perf.is_none() {
        return;
    }
    config.on_tier_event(move |event| {
        if let Some(log) = log {
            log.hear(event);
        }
        if let Some(perf) = &perf {
            perf.hear(event);
        }
    });
}

/// Calls an exported function, which is there, in an instance of its own.
fn call(module: &Module, name: &str, arguments: &[Val]) -> Result<Vec<Val>> {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[]).map_err(CliError::Program)?;
    let Some(Extern::Func(function)) = instance.get_export(&mut store, name) else {
        unreachable!("`function_to_call` found this function in the module");
    };
    let mut results = vec![Val::I32(0); function.ty(&store).results().len()];
    function
        .call(&mut store, arguments, &mut results)
        .map_err(CliError::Program)?;
    Ok(results)
}

fn load(engine: &Engine, file: &Path) -> Result<Module> {
    let bytes = read(file)?;
    Module::new(engine, bytes).map_err(|error| CliError::Module {
        file: file.to_owned(),
        error,
    })
}

pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| CliError::Read {
        file: file.to_owned(),
        error,
    })
}

/// The name and type of the export that the command line asks for.
fn function_to_call<'a>(options: &'a Run, module: &Module) -> Result<(&'a str, FuncType)> {
    let name = options.invoke.as_deref().unwrap_or(START);
    let file = || options.file.clone();
    match module.get_export(name) {
        Some(ExternType::Func(ty)) => Ok((name, ty)),
        Some(other) => Err(CliError::NotAFunction {
            name: name.to_owned(),
            kind: other.to_string(),
            exports: exports::describe(module, None),
        }),
        None if options.invoke.is_none() => Err(CliError::NoStart {
            file: file(),
            late_option: options
                .args
                .iter()
                .any(|argument| argument.starts_with("--invoke")),
            exports: exports::describe(module, None),
        }),
        None => Err(CliError::UnknownExport {
            file: file(),
            name: name.to_owned(),
            exports: exports::describe(module, Some(name)),
        }),
    }
}

fn arguments(name: &str, ty: &FuncType, texts: &[String]) -> Result<Vec<Val>> {
    if texts.len() != ty.params().len() {
        return Err(CliError::ArgumentCount {
            name: name.to_owned(),
            ty: ty.clone(),
            given: texts.len(),
        });
    }
    let parse = |(index, (text, param)): (usize, (&String, _))| {
        values::parse(text, param).map_err(|why| CliError::Argument {
            number: index + 1,
            name: name.to_owned(),
            ty: ty.clone(),
            param,
            text: text.clone(),
            why: why.to_string(),
        })
    };
    texts
        .iter()
        .zip(ty.params())
        .enumerate()
        .map(parse)
        .collect()
}

fn check_imports(file: &Path, module: &Module) -> Result<()> {
    let describe = |import: upshift::ImportType<'_>| {
        let (first, second) = (
            exports::printable(import.module()),
            exports::printable(import.name()),
        );
        format!("{first}::{second}: {}", import.ty())
    };
    let imports: Vec<_> = module.imports().map(describe).collect();
    if imports.is_empty() {
        return Ok(());
    }
    Err(CliError::Imports {
        file: file.to_owned(),
        imports,
    })
}
