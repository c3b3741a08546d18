//! Shows what calls through tables become, of which the table is known or of which it was seen where they go: of each text in a
//! folder of `tests/passes`, the first function, after our passes and a few of LLVM's that clean up.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use upshift_filetests::{Section, check};
use upshift_module::{DefinedFuncIndex, EntityRef, Features, FuncIndex, Module};
use upshift_runtime::{CalledFunction, ModuleCode, TrapCode, VMOffsets};
use upshift_translate::{
    CallProfile, CodeForm, CodegenSettings, CompileRequest, EntryPoint, MemoryStyle, ModuleUnit,
    OptimizerOptions, Tier,
};

use crate::tier::LlvmTier;
use crate::unit::Summaries;

/// Cleans up, so that what is left is what the calls cost.
const PIPELINE: &str = "function(simplifycfg,instcombine<no-verify-fixpoint>,simplifycfg)";

const SETTINGS: CodegenSettings = CodegenSettings {
    memory: MemoryStyle::Guarded,
    count_work: false,
    count_calls: false,
    record_calls: false,
    precise_traps: false,
    check_indices: false,
    check_claims: false,
};

#[test]
fn calls_through_known_tables() {
    check(&folder("tables"), "wat", outcome);
}

#[test]
fn calls_that_were_seen() {
    check(&folder("guesses"), "wat", outcome);
}

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/passes")
        .join(name)
}

fn outcome(text: &str) -> Vec<Section> {
    let module = Module::parse(text.as_bytes(), &Features::default());
    let module = Arc::new(module.unwrap_or_else(|error| panic!("{error}\n{text}")));
    let offsets = VMOffsets::new(&module);
    let unit = Arc::new(ModuleUnit {
        code: ModuleCode::new(Arc::clone(&module)).expect("there is address space"),
        calls: profile(text, &module, &offsets),
        module,
        offsets,
        settings: SETTINGS,
    });
    let options = OptimizerOptions {
        cpu: "generic".to_owned(),
        pipeline: PIPELINE.to_owned(),
        ..OptimizerOptions::default()
    };
    let tier = LlvmTier::new(options).expect("it is x86");
    let request = CompileRequest {
        function: DefinedFuncIndex::new(0),
        entry: EntryPoint::Function,
    };
    let text = tier
        .module_compiler(unit)
        .emit(request, CodeForm::Intermediate);
    let text = text.unwrap_or_else(|error| panic!("{error}"));
    vec![Section::new("after", &first_function(&text))]
}

/// What a comment says that was seen of the first function's only call: `function 1 60 times, function 2 20 times`.
fn profile(text: &str, module: &Module, offsets: &VMOffsets) -> CallProfile {
    let profile = CallProfile::new(offsets.call_cell_count(), offsets.defined_functions());
    let Some((_, seen)) = text.split_once(";; Seen: ") else {
        return profile;
    };
    let first = DefinedFuncIndex::new(0);
    let summaries = Summaries::new(module);
    let summary = summaries.get(module, first).expect("it is valid");
    let [call] = summary.indirect_calls[..] else {
        panic!("the first function has one call through a table");
    };
    let cell = profile.cell(first, call.offset);
    cell.expect("a context has cells for its calls");
    let seen = seen.lines().next().unwrap_or(seen).trim_end_matches('.');
    for of_one in seen.split(", ") {
        let numbers: Vec<u32> = of_one.split(' ').filter_map(|it| it.parse().ok()).collect();
        let [function, times] = numbers[..] else {
            panic!("{of_one}");
        };
        let function = FuncIndex::from_u32(function);
        for _ in 0..times {
            profile.sample(first, |_| Some(CalledFunction::Own(function)));
        }
    }
    profile
}

/// The first function of a module as text, without metadata, and with a word for what leads to a trap.
fn first_function(text: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with("define "));
    let mut function = String::new();
    for line in lines.take_while(|&line| line != "}") {
        let line = line.split(" ; preds = ").next().unwrap_or(line);
        let line = match line.split_once(" #0 !dbg") {
            Some((line, _)) => &format!("{line} {{"),
            None => line.split_once(", !").map_or(line, |(line, _)| line),
        };
        let _ = writeln!(function, "{}", line.trim_end());
    }
    let blocks: Vec<_> = function.split("\n\n").map(with_trap).collect();
    blocks.join("\n\n").trim_end().to_owned() + "\n}"
}

/// A block, or the trap that all of it is about.
fn with_trap(block: &str) -> String {
    let code = || {
        let before = block.trim_end().strip_suffix("unreachable")?;
        let (_, code) = before.trim_end().split_once("(ptr nonnull %0, i32 ")?;
        TrapCode::from_u8(code.split(')').next()?.parse().ok()?)
    };
    match (code(), block.split_once('\n')) {
        (Some(code), Some((label, _))) => format!("{label}\n  trap {code:?}"),
        _ => block.to_owned(),
    }
}
