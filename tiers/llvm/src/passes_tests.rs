//! Runs each of our own passes over the files of its folder in `tests/passes`, and nothing else; what comes out stands in the
//! file behind what went in.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module as LlvmModule;
use upshift_filetests::{Section, check, files, parts};

use crate::{
    addresses, canonicalize, chains, counters, endless, masked_counters, minimums,
    mixed_comparisons, nan_selects, narrow_products, objects, quieting, reroll, strides,
    wide_multiply,
};

/// What a section is called where a pass leaves everything as it is.
const UNCHANGED: &str = "unchanged";

type Pass = fn(&LlvmModule<'_>, &Context);

fn folder(pass: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/passes")
        .join(pass)
}

/// Compares the files of a pass, of which some have something to change and some do not.
fn check_pass(name: &str, pass: Pass) {
    let folder = folder(name);
    check(&folder, "ll", |input| {
        let context = Context::create();
        let buffer = MemoryBuffer::create_from_memory_range_copy(input.as_bytes(), "input");
        let module = context.create_module_from_ir(buffer);
        let module = module.unwrap_or_else(|error| panic!("{error}\n{input}"));
        let before = text_of(&module);
        pass(&module, &context);
        let after = text_of(&module);
        let valid = module.verify();
        valid.unwrap_or_else(|error| panic!("{error}\n{after}"));
        let section = if before == after {
            Section::new(UNCHANGED, "")
        } else {
            Section::new("after", &after)
        };
        vec![section]
    });
    let is_unchanged = |path: PathBuf| {
        let text = std::fs::read_to_string(path).expect("it was read before");
        let sections = parts(&text, ";").sections;
        sections.iter().any(|section| section.name == UNCHANGED)
    };
    let outcomes: HashSet<_> = files(&folder, "ll").into_iter().map(is_unchanged).collect();
    assert_eq!(outcomes.len(), 2, "{name}: changes always, or never");
}

/// A module's functions, and the metadata and attributes that they refer to: without what depends on the machine and on how
/// LLVM describes its own intrinsics.
fn text_of(module: &LlvmModule<'_>) -> String {
    let text = module.print_to_string().to_string();
    let is_noise = |line: &&str| {
        let is_of_llvm = line.starts_with("declare ") && line.contains(" @llvm.");
        let starts = ["; ", "source_filename", "target "];
        is_of_llvm || starts.iter().any(|start| line.starts_with(start))
    };
    let lines = text.lines().filter(|line| !is_noise(line));
    // Who comes before a block.
    let lines = lines.map(|line| line.split(" ; preds = ").next().unwrap_or(line).trim_end());
    let lines: Vec<_> = lines.collect();
    // Attributes of functions that were left out are of no interest.
    let is_used = |line: &str| {
        let Some(group) = line.strip_prefix("attributes ") else {
            return true;
        };
        let group = group.split(' ').next().unwrap_or(group);
        let mut others = lines.iter().filter(|it| !it.starts_with("attributes "));
        others.any(|it| it.split([' ', ',']).any(|word| word == group))
    };
    let mut kept: Vec<_> = lines.iter().copied().filter(|it| is_used(it)).collect();
    kept.dedup_by(|line, before| line.is_empty() && before.is_empty());
    kept.join("\n").trim().to_owned()
}

macro_rules! passes {
    ($($test:ident $folder:literal $pass:expr;)*) => {
        $(#[test]
        fn $test() {
            check_pass($folder, $pass);
        })*

        const FOLDERS: &[&str] = &[$($folder),*];
    };
}

passes! {
    addresses_are_related "addresses" addresses::relate;
    narrow_canonicalizations_are_widened "canonicalize" |module, _| {
        canonicalize::widen(module);
    };
    chains_of_loops_are_parted "chains" |module, _| chains::part(module);
    counters_start_at_zero "counters" counters::start_at_zero;
    accesses_of_endless_loops_stay "endless/keep" |module, context| {
        endless::keep(module, context, &HashSet::new());
    };
    accesses_of_callees_stay "endless/keep-in-callees" |module, context| {
        endless::keep_in_callees(module, context, &HashSet::new());
    };
    stores_of_loops_that_may_miss_stay "endless/keep-stores" endless::keep_stores;
    masked_counters_stay_scalar "masked-counters" |module, _| {
        masked_counters::keep_scalar(module);
    };
    minimums_are_chosen "minimums" minimums::choose;
    mixed_comparisons_stay_scalar "mixed-comparisons" |module, _| {
        mixed_comparisons::keep_scalar(module);
    };
    nans_are_hidden_from_roots "nan-selects" |module, _| nan_selects::guard(module);
    narrow_products_are_guarded "narrow-products" |module, _| narrow_products::guard(module);
    objects_are_separated "objects/separate" objects::separate;
    objects_are_joined "objects/join" |module, _| objects::join(module);
    nans_are_guarded "quieting/guard" |module, _| quieting::guard(module);
    quiet_nans_are_released "quieting/release" |module, _| quieting::release(module);
    loops_are_rolled_up "reroll" |module, context| {
        reroll::roll_up(module, context);
    };
    strides_are_widened "strides" strides::widen;
    wide_products_are_found "wide-multiply" wide_multiply::replace;
}

#[test]
fn every_folder_has_its_pass() {
    let mut folders = Vec::new();
    let mut ahead = vec![folder("")];
    while let Some(path) = ahead.pop() {
        for entry in std::fs::read_dir(&path).expect("the folder is there") {
            let entry = entry.expect("the folder can be read").path();
            if entry.is_dir() {
                ahead.push(entry);
            } else if entry.extension().is_some_and(|it| it == "ll") {
                folders.push(path.clone());
            }
        }
    }
    let known: HashSet<_> = FOLDERS.iter().map(|name| folder(name)).collect();
    let found: HashSet<_> = folders.into_iter().collect();
    assert_eq!(found, known);
}
