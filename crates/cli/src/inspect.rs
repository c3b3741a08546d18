//! `upshift inspect`: tells the contents of a module. Nothing is compiled or run.

use std::cmp::Reverse;
use std::io::{self, Write};

use upshift_module::{Entity, Features, FuncIndex, Module, SegmentMode, to_f64, to_u64};
use upshift_wasi::WasiVersion;

use crate::error::{CliError, Result};
use crate::exports::printable;
use crate::options::{Inspect, Proposals};
use crate::run::read;

pub(crate) fn inspect(options: &Inspect, stdout: &mut dyn Write) -> Result<()> {
    let features = match options.module.features {
        Proposals::Version2 => Features::wasm_2_0(),
        Proposals::All => Features::all(),
    };
    let bytes = read(&options.file)?;
    let module = Module::parse(&bytes, &features).map_err(|error| CliError::Parse {
        file: options.file.clone(),
        error,
    })?;
    Ok(write_all(&module, options.largest, stdout)?)
}

fn write_all(module: &Module, largest: usize, out: &mut dyn Write) -> io::Result<()> {
    let name = module
        .names
        .module()
        .map(|name| format!(" {}", printable(name)))
        .unwrap_or_default();
    writeln!(out, "module{name}: {}", bytes(module.bytes.len()))?;
    write_imports(module, out)?;
    write_exports(module, out)?;
    write_memories_and_tables(module, out)?;
    write_functions(module, largest, out)?;
    write_sections(module, out)
}

fn write_imports(module: &Module, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nimports: {}", module.imports.len())?;
    for import in &module.imports {
        let (first, second) = (printable(&import.module), printable(&import.name));
        writeln!(out, "  {first}::{second}: {}", module.import_type(import))?;
    }
    match wasi(module) {
        None => writeln!(out, "\nWASI: none"),
        Some(version) => writeln!(out, "\nWASI: {version}, {}", role(module)),
    }
}

/// The version of the first import from WASI.
fn wasi(module: &Module) -> Option<WasiVersion> {
    let version_of = |name: &str| {
        [WasiVersion::Preview1, WasiVersion::Unstable]
            .into_iter()
            .find(|version| version.module_name() == name)
    };
    module
        .imports
        .iter()
        .find_map(|import| version_of(&import.module))
}

/// The role of a module for WASI, by its exports.
fn role(module: &Module) -> &'static str {
    let exports = |name| module.exports.iter().any(|export| &*export.name == name);
    if exports("_start") {
        "a program"
    } else if exports("_initialize") {
        "a library"
    } else {
        "without `_start` and `_initialize`"
    }
}

fn write_exports(module: &Module, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nexports: {}", module.exports.len())?;
    for export in &module.exports {
        writeln!(
            out,
            "  {}: {}",
            printable(&export.name),
            module.export_type(export)
        )?;
    }
    if let Some(start) = module.start {
        writeln!(out, "\nstart function: {}", function(module, start))?;
    }
    Ok(())
}

fn write_memories_and_tables(module: &Module, out: &mut dyn Write) -> io::Result<()> {
    let is_imported = |entity| {
        let imported = module.imports.iter().any(|import| import.entity == entity);
        if imported { ", imported" } else { "" }
    };
    writeln!(out, "\nmemories: {}", module.memories.len())?;
    for (index, memory) in &module.memories {
        let imported = is_imported(Entity::Memory(index));
        writeln!(out, "  {index}: {memory}, in pages of 64 KiB{imported}")?;
    }
    let passive = module
        .data
        .values()
        .filter(|segment| segment.mode == SegmentMode::Passive);
    let size = module
        .data
        .values()
        .map(|segment| segment.range.len())
        .sum();
    let (segments, passive) = (module.data.len(), passive.count());
    writeln!(
        out,
        "  data segments: {segments}, of these passive {passive}: {}",
        bytes(size)
    )?;

    writeln!(out, "\ntables: {}", module.tables.len())?;
    for (index, table) in &module.tables {
        writeln!(
            out,
            "  {index}: {table}{}",
            is_imported(Entity::Table(index))
        )?;
    }
    let elements: usize = module
        .elements
        .values()
        .map(|segment| segment.items.len())
        .sum();
    writeln!(
        out,
        "  element segments: {}, {elements} elements",
        module.elements.len()
    )?;
    let required = module.resources_required();
    let most = |most: Option<u64>| most.map_or("no limit".to_owned(), |most| most.to_string());
    writeln!(
        out,
        "\neach instance begins with {} of memories and {} table elements; at most {} bytes, {} elements",
        bytes(usize::try_from(required.memory_bytes).unwrap_or(usize::MAX)),
        required.table_elements,
        most(required.max_memory_bytes),
        most(required.max_table_elements)
    )?;
    writeln!(out, "\nglobals: {}", module.globals.len())
}

fn write_functions(module: &Module, largest: usize, out: &mut dyn Write) -> io::Result<()> {
    let size = bytes(module.total_code_size());
    let imported = module.imported.functions;
    writeln!(
        out,
        "\nfunctions: {imported} imported, {} defined: {size}",
        module.bodies.len()
    )?;
    let mut by_size: Vec<_> = module.bodies.iter().collect();
    by_size.sort_by_key(|(_, body)| Reverse(body.range.len()));
    by_size.truncate(largest);
    if !by_size.is_empty() {
        writeln!(out, "  the largest:")?;
    }
    for (defined, body) in by_size {
        let (size, index) = (body.range.len(), module.function_index(defined));
        let ty = module.func_type(index);
        writeln!(out, "  {size:>9} bytes  {}: {ty}", function(module, index))?;
    }
    Ok(())
}

fn write_sections(module: &Module, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nsections: {}", module.sections.len())?;
    let mut custom = module.custom_sections.iter();
    for section in &module.sections {
        let size = section.range.len();
        write!(out, "  {size:>9} bytes  {}", section.name)?;
        // Both lists are in the binary's order.
        if section.name == "custom"
            && let Some(custom) = custom.next()
        {
            write!(out, " `{}`", printable(&custom.name))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A function for people: its index, and its name if it has one.
fn function(module: &Module, index: FuncIndex) -> String {
    match module.function_name(index) {
        Some(name) => format!("function {index} {}", printable(name)),
        None => format!("function {index}"),
    }
}

fn bytes(count: usize) -> String {
    match count {
        0..1024 => format!("{count} bytes"),
        1024..0x10_0000 => format!("{count} bytes ({:.1} KiB)", to_f64(to_u64(count)) / 1024.0),
        _ => format!(
            "{count} bytes ({:.1} MiB)",
            to_f64(to_u64(count)) / 1_048_576.0
        ),
    }
}
