//! For modules of all kinds, the parts of the context are aligned and apart from one another.

use std::ops::Range;

use upshift_module::{Features, Module};

use super::{CallCell, GlobalLocation, VMContext, VMOffsets};

/// A module with so many of each kind, and one call through its table for each of its functions.
fn module([funcs, memories, tables, imported, globals]: [usize; 5]) -> Module {
    let mut text = String::from("(module (type $t (func))");
    for _ in 0..imported {
        text += r#"(import "m" "g" (global i32)) (import "m" "f" (func))"#;
    }
    text += &"(memory 0)".repeat(memories);
    text += &"(table 1 funcref)".repeat(tables);
    text += &"(global (mut i32) (i32.const 0))".repeat(globals);
    let body = match tables {
        0 => "nop nop nop",
        _ => "(call_indirect (type $t) (i32.const 0)) (call_indirect (type $t) (i32.const 0))",
    };
    text += &format!("(func {body})").repeat(funcs);
    Module::parse(format!("{text})").as_bytes(), &Features::all()).unwrap()
}

/// The parts of a context: where, and how each must be aligned.
fn parts(module: &Module, offsets: &VMOffsets) -> Vec<(Range<usize>, usize)> {
    let mut parts = vec![(0..size_of::<VMContext>(), 16)];
    let mut part = |offset: i32, size: usize, align: usize| {
        let start = usize::try_from(offset).unwrap();
        parts.push((start..start + size, align));
    };
    for i in module.memories.keys() {
        part(offsets.memory(i), 8, 8);
    }
    for i in module.tables.keys() {
        part(offsets.table(i), 8, 8);
    }
    for i in module.globals.keys() {
        match offsets.global(i) {
            GlobalLocation::Inline(offset) => part(offset, 16, 16),
            GlobalLocation::Pointer(offset) => part(offset, 8, 8),
        }
    }
    for i in module.functions.keys() {
        part(offsets.funcref(i), 24, 8);
    }
    for i in module.bodies.keys() {
        part(offsets.budget(i), 4, 4);
        if let Some(count) = offsets.call_count(i) {
            part(count, 8, 8);
        }
    }
    for i in 0..offsets.call_cell_count() {
        part(offsets.call_cell(CallCell::from_u32(i)), 8, 8);
    }
    parts
}

#[test]
fn parts_are_aligned_and_do_not_overlap() {
    let mut cells = 0;
    for number in 0..4_usize.pow(5) {
        let counts = [0, 1, 2, 3, 4].map(|kind| number / 4_usize.pow(kind) % 4);
        let module = module(counts);
        let plain = VMOffsets::new(&module);
        for offsets in [plain.clone(), plain.with_call_counts()] {
            cells += offsets.call_cell_count();
            let mut end = 0;
            let mut parts = parts(&module, &offsets);
            parts.sort_by_key(|(range, _)| range.start);
            for (range, align) in parts {
                assert!(range.start >= end, "{counts:?}: {range:?} overlaps");
                assert!(range.start.is_multiple_of(align), "{counts:?}: {range:?}");
                end = range.end;
            }
            let size = usize::try_from(offsets.size()).unwrap();
            assert!(size >= end && size.is_multiple_of(16), "{counts:?}");
        }
    }
    assert!(cells > 0);
}
