//! Hostile shapes: valid modules of some kilobytes that have cost compilers seconds and gigabytes. Each stresses one thing of
//! which a few bytes stand for much: nesting, labels with many values, tables, locals, results, one long block. All export
//! `f`, from `i32` to `i32`, which ends at once when it is called with 1.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, ExportKind, ExportSection,
    Function, FunctionSection, InstructionSink, MemArg, MemArgTarget, MemorySection, MemoryType,
    Module, RefType, TableSection, TableType, TypeSection, ValType,
};

/// A kind of module.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Its name, in words joined by hyphens.
    pub name: &'static str,
    /// How large it is for a measurement.
    pub size: u32,
    make: fn(u32) -> Vec<u8>,
}

impl Shape {
    /// The module in binary format, of a size that means what the shape says; the bytes grow in proportion.
    #[must_use]
    pub fn module(&self, size: u32) -> Vec<u8> {
        (self.make)(size)
    }

    /// The shape of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SHAPES.iter().find(|shape| shape.name == name)
    }
}

macro_rules! shapes {
    ($($name:literal, $size:literal, $make:expr;)*) => {
        &[$(Shape { name: $name, size: $size, make: $make }),*]
    };
}

/// All of them.
pub const SHAPES: &[Shape] = shapes! {
    "blocks-in-a-row", 15_000, blocks_in_a_row;
    "table-to-one-label", 60_000, table_to_one_label;
    "table-to-one-wide-label", 60_000, table_to_one_wide_label;
    "table-to-wide-labels", 500, table_to_wide_labels;
    "switch", 3_000, switch;
    "state-machine", 2_000, state_machine;
    "nested-blocks", 20_000, nested_blocks;
    "nested-blocks-with-tables", 20_000, nested_blocks_with_tables;
    "nested-loops", 5_000, nested_loops;
    "nested-loops-with-locals", 700, nested_loops_with_locals;
    "nested-ifs", 20_000, nested_ifs;
    "loops-in-a-row", 3_000, loops_in_a_row;
    "loops-above-operands", 1_600, loops_above_operands;
    "joins-above-operands", 2_400, joins_above_operands;
    "joins-with-locals", 1_000, joins_with_locals;
    "tree-of-ifs", 14, tree_of_ifs;
    "branches-to-one-label", 60_000, branches_to_one_label;
    "branches-to-one-wide-label", 20_000, branches_to_one_wide_label;
    "wide-calls", 100, wide_calls;
    "wide-mixed-calls", 100, wide_mixed_calls;
    "calls", 20_000, calls;
    "indirect-calls", 3_000, indirect_calls;
    "many-functions", 100_000, many_functions;
    "locals", 49_000, locals;
    "idle-locals", 49_900, idle_locals;
    "deep-stack", 100_000, deep_stack;
    "deep-stack-of-shifts", 40_000, deep_stack_of_shifts;
    "one-block", 160_000, one_block;
    "selects", 30_000, selects;
    "divisions", 20_000, divisions;
    "stores", 30_000, stores;
    "strided-stores", 10_000, strided_stores;
    "vector-loads", 2_000, vector_loads;
    "vector-constants", 5_000, vector_constants;
};

/// Values of a wide label: as many as validators allow.
const WIDE: usize = 1000;

/// The type of `f`, in all modules.
const TYPE_OF_F: u32 = 0;

/// A module under construction; `f` is the first function.
struct Build {
    types: TypeSection,
    functions: FunctionSection,
    code: CodeSection,
    memory_pages: u64,
    table: Option<u64>,
}

impl Build {
    fn new() -> Self {
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32], [ValType::I32]);
        Self {
            types,
            functions: FunctionSection::new(),
            code: CodeSection::new(),
            memory_pages: 1,
            table: None,
        }
    }

    /// A type, and its index.
    fn ty(&mut self, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let index = self.types.len();
        self.types.ty().function(params, results);
        index
    }

    fn function(
        &mut self,
        ty: u32,
        locals: &[(u32, ValType)],
        emit: impl FnOnce(&mut InstructionSink<'_>),
    ) {
        let mut function = Function::new(locals.iter().copied());
        let mut sink = function.instructions();
        emit(&mut sink);
        sink.end();
        self.functions.function(ty);
        self.code.function(&function);
    }

    fn finish(self) -> Vec<u8> {
        let mut module = Module::new();
        module.section(&self.types).section(&self.functions);
        if let Some(elements) = self.table {
            let mut tables = TableSection::new();
            tables.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: elements,
                maximum: None,
                shared: false,
            });
            module.section(&tables);
        }
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: self.memory_pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut exports = ExportSection::new();
        exports.export("f", ExportKind::Func, 0);
        module.section(&memories).section(&exports);
        if self.table.is_some() {
            let mut elements = ElementSection::new();
            let functions = Elements::Functions([1].as_slice().into());
            elements.active(None, &ConstExpr::i32_const(0), functions);
            module.section(&elements);
        }
        module.section(&self.code);
        module.finish()
    }
}

/// A module of `f` alone.
fn one(locals: &[(u32, ValType)], emit: impl FnOnce(&mut InstructionSink<'_>)) -> Vec<u8> {
    let mut build = Build::new();
    build.function(TYPE_OF_F, locals, emit);
    build.finish()
}

/// The same, and a block type of so many results.
fn one_with_wide_block(
    results: usize,
    locals: &[(u32, ValType)],
    emit: impl FnOnce(&mut InstructionSink<'_>, BlockType),
) -> Vec<u8> {
    let mut build = Build::new();
    let ty = build.ty(Vec::new(), vec![ValType::I32; results]);
    build.function(TYPE_OF_F, locals, |code| {
        emit(code, BlockType::FunctionType(ty))
    });
    build.finish()
}

const EMPTY: BlockType = BlockType::Empty;
const I32: BlockType = BlockType::Result(ValType::I32);

fn number(value: u32) -> i32 {
    value.cast_signed()
}

fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

fn blocks_in_a_row(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.block(EMPTY).local_get(0).i32_const(1).i32_add();
            code.local_set(0).end();
        }
        code.local_get(0);
    })
}

fn table_to_one_label(size: u32) -> Vec<u8> {
    one(&[], |code| {
        code.block(EMPTY).local_get(0);
        code.br_table(vec![0; size as usize], 0).end().local_get(0);
    })
}

fn table_to_one_wide_label(size: u32) -> Vec<u8> {
    one_with_wide_block(WIDE, &[], |code, wide| {
        code.block(wide);
        for value in 0..WIDE {
            code.i32_const(value as i32);
        }
        code.local_get(0).br_table(vec![0; size as usize], 0).end();
        for _ in 1..WIDE {
            code.i32_add();
        }
    })
}

/// Tables each of whose entries goes to one of thirty labels with values.
fn table_to_wide_labels(size: u32) -> Vec<u8> {
    const DEPTH: u32 = 30;
    const VALUES: usize = 20;
    one_with_wide_block(VALUES, &[], |code, wide| {
        for _ in 0..size {
            for _ in 0..DEPTH {
                code.block(wide);
            }
            for _ in 0..VALUES {
                code.local_get(0);
            }
            code.local_get(0);
            let labels: Vec<u32> = (0..300).map(|entry| (entry * 7) % DEPTH).collect();
            code.br_table(labels, 0);
            for _ in 0..DEPTH {
                code.end();
            }
            for _ in 1..VALUES {
                code.i32_xor();
            }
            code.local_set(0);
        }
        code.local_get(0);
    })
}

fn switch(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..=size {
            code.block(EMPTY);
        }
        let labels: Vec<u32> = (0..size).collect();
        code.local_get(0).br_table(labels, size);
        for case in 0..size {
            code.end().local_get(0).i32_const(number(case)).i32_add();
            code.local_set(0);
        }
        code.end().local_get(0);
    })
}

/// A loop over a switch, each case of which chooses the next, with forty locals alive.
fn state_machine(size: u32) -> Vec<u8> {
    const LOCALS: u32 = 40;
    one(&[(1 + LOCALS, ValType::I32)], |code| {
        code.block(EMPTY).loop_(EMPTY);
        for _ in 0..=size {
            code.block(EMPTY);
        }
        let labels: Vec<u32> = (0..size).collect();
        code.local_get(1).br_table(labels, size);
        for state in 0..size {
            code.end().local_get(2 + state % LOCALS);
            code.i32_const(number(state)).i32_add();
            code.local_set(2 + state * 3 % LOCALS);
            code.i32_const(number((state * 7 + 1) % size)).local_set(1);
            code.local_get(0).i32_const(1).i32_sub().local_tee(0);
            code.br_if(size - state).br(size - state + 1);
        }
        code.end().end().end().local_get(0);
        for local in 0..LOCALS {
            code.local_get(2 + local).i32_add();
        }
    })
}

fn nested_blocks(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.block(EMPTY);
        }
        code.local_get(0).br_if(size - 1);
        for _ in 0..size {
            code.end();
        }
        code.local_get(0);
    })
}

fn nested_blocks_with_tables(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.block(EMPTY);
        }
        for _ in 0..size {
            code.block(EMPTY).local_get(0).br_table(vec![0], 0).end();
        }
        for _ in 0..size {
            code.end();
        }
        code.local_get(0);
    })
}

fn nested_loops(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.loop_(EMPTY);
        }
        for _ in 0..size {
            code.i32_const(0).br_if(0).end();
        }
        code.local_get(0);
    })
}

/// As many loops as locals, all of which are alive in all of them.
fn nested_loops_with_locals(size: u32) -> Vec<u8> {
    one(&[(size, ValType::I32)], |code| {
        for _ in 0..size {
            code.loop_(EMPTY);
        }
        for local in 1..=size {
            code.local_get(local).local_get(0).i32_add();
            code.local_set(local);
        }
        for _ in 0..size {
            // Not again: the local is at least 1 by now.
            code.local_get(1).i32_eqz().br_if(0).end();
        }
        code.i32_const(0);
        for local in 1..=size {
            code.local_get(local).i32_xor();
        }
    })
}

fn nested_ifs(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.local_get(0).if_(I32);
        }
        code.i32_const(1);
        for _ in 0..size {
            code.else_().i32_const(2).end();
        }
    })
}

fn loops_in_a_row(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.loop_(EMPTY).local_get(0).i32_const(3).i32_mul();
            code.local_tee(0).i32_eqz().br_if(0).end();
        }
        code.local_get(0);
    })
}

/// Loops below which there are nine thousand operands.
fn loops_above_operands(size: u32) -> Vec<u8> {
    const OPERANDS: u32 = 9_000;
    one(&[], |code| {
        for _ in 0..OPERANDS {
            code.local_get(0);
        }
        for _ in 0..size {
            code.loop_(EMPTY).i32_const(0).br_if(0).end();
        }
        for _ in 1..OPERANDS {
            code.i32_add();
        }
    })
}

/// A loop with many joins, below which there are two thousand operands, and which runs long enough to be entered anew.
fn joins_above_operands(size: u32) -> Vec<u8> {
    const OPERANDS: u32 = 2_000;
    one(&[(2, ValType::I32)], |code| {
        for _ in 0..OPERANDS {
            code.local_get(0);
        }
        code.loop_(EMPTY);
        for _ in 0..size {
            code.local_get(1).if_(EMPTY).local_get(1).i32_const(1);
            code.i32_add().local_set(1).end();
        }
        code.local_get(2).i32_const(1).i32_add().local_tee(2);
        code.i32_const(10_000).i32_lt_s().br_if(0).end();
        for _ in 1..OPERANDS {
            code.i32_add();
        }
    })
}

/// A loop of as many joins as locals that change there.
fn joins_with_locals(size: u32) -> Vec<u8> {
    one(&[(size, ValType::I32)], |code| {
        code.loop_(EMPTY);
        for join in 0..size {
            code.local_get(0).i32_const(number(join % 31)).i32_shl();
            code.if_(EMPTY).local_get(1 + join);
            code.i32_const(number(join)).i32_add();
            code.local_set(1 + join * 7 % size).end();
        }
        code.local_get(0).i32_const(1).i32_sub().local_tee(0);
        code.br_if(0).end().local_get(0);
        for local in 1..=size {
            code.local_get(local).i32_add();
        }
    })
}

/// As many levels of `if` with two arms.
fn tree_of_ifs(size: u32) -> Vec<u8> {
    fn level(code: &mut InstructionSink<'_>, left: u32) {
        if left == 0 {
            code.local_get(0);
            return;
        }
        code.local_get(0).i32_const(number(left)).i32_shr_u();
        code.i32_const(1).i32_and().if_(I32);
        level(code, left - 1);
        code.else_();
        level(code, left - 1);
        code.end();
    }
    one(&[], |code| level(code, size))
}

fn branches_to_one_label(size: u32) -> Vec<u8> {
    one(&[], |code| {
        code.block(EMPTY);
        for branch in 0..size {
            code.local_get(0).i32_const(number(branch + 1000));
            code.i32_eq().br_if(0);
        }
        code.end().local_get(0);
    })
}

/// Branches that each pass a thousand values on top of one that is dropped.
fn branches_to_one_wide_label(size: u32) -> Vec<u8> {
    one_with_wide_block(WIDE, &[], |code, wide| {
        code.block(wide);
        for _ in 0..=WIDE {
            code.local_get(0);
        }
        for _ in 0..size {
            code.i32_const(0).br_if(0);
        }
        code.br(0).end();
        for _ in 1..WIDE {
            code.i32_add();
        }
    })
}

fn calls_of(size: u32, types: &[ValType]) -> Vec<u8> {
    let mut build = Build::new();
    let wide = build.ty(types.to_vec(), types.to_vec());
    build.function(TYPE_OF_F, &[], |code| {
        for &ty in types {
            match ty {
                ValType::V128 => code.v128_const(1),
                _ => code.i32_const(1),
            };
        }
        for _ in 0..size {
            code.call(1);
        }
        for _ in types {
            code.drop();
        }
        code.local_get(0);
    });
    build.function(wide, &[], |code| {
        for local in 0..types.len() {
            code.local_get(local as u32);
        }
    });
    build.finish()
}

/// Calls of a function of a thousand parameters and as many results.
fn wide_calls(size: u32) -> Vec<u8> {
    calls_of(size, &[ValType::I32; WIDE])
}

/// The same, every other one a vector.
fn wide_mixed_calls(size: u32) -> Vec<u8> {
    let types: Vec<_> = [ValType::I32, ValType::V128]
        .into_iter()
        .cycle()
        .take(WIDE)
        .collect();
    calls_of(size, &types)
}

fn calls(size: u32) -> Vec<u8> {
    let mut build = Build::new();
    build.function(TYPE_OF_F, &[], |code| {
        for _ in 0..size {
            code.local_get(0).call(1).local_set(0);
        }
        code.local_get(0);
    });
    build.function(TYPE_OF_F, &[], |code| {
        code.local_get(0).i32_const(3).i32_add();
    });
    build.finish()
}

fn indirect_calls(size: u32) -> Vec<u8> {
    let mut build = Build::new();
    build.table = Some(1);
    build.function(TYPE_OF_F, &[], |code| {
        for _ in 0..size {
            code.local_get(0).i32_const(0);
            code.call_indirect(0, TYPE_OF_F).local_set(0);
        }
        code.local_get(0);
    });
    build.function(TYPE_OF_F, &[], |code| {
        code.local_get(0).i32_const(3).i32_add();
    });
    build.finish()
}

fn many_functions(size: u32) -> Vec<u8> {
    let mut build = Build::new();
    for _ in 0..size {
        build.function(TYPE_OF_F, &[], |code| {
            code.local_get(0).i32_const(1).i32_add();
        });
    }
    build.finish()
}

fn locals(size: u32) -> Vec<u8> {
    one(&[(size, ValType::I32)], |code| {
        for local in 0..size {
            code.local_get(local).i32_const(number(local)).i32_add();
            code.local_set(local + 1);
        }
        code.local_get(0);
        for local in 1..=size {
            code.local_get(local).i32_add();
        }
    })
}

fn idle_locals(size: u32) -> Vec<u8> {
    one(&[(size, ValType::V128)], |code| {
        code.local_get(0);
    })
}

fn deep_stack(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.local_get(0);
        }
        for _ in 1..size {
            code.i32_add();
        }
    })
}

/// Constants that stay on the stack while an operator that wants a register of its own comes again and again.
fn deep_stack_of_shifts(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.i32_const(5).local_get(0).local_get(0).i32_shl();
        }
        for _ in 1..2 * size {
            code.i32_add();
        }
    })
}

fn one_block(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for step in 0..size / 4 {
            code.local_get(0).i32_const(number(step | 1));
            if step % 3 == 0 {
                code.i32_xor();
            } else {
                code.i32_mul();
            }
            code.local_set(0);
        }
        code.local_get(0);
    })
}

fn selects(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for step in 0..size {
            code.local_get(0).i32_const(number(step)).local_get(0);
            code.i32_const(number(step & 31)).i32_shr_s().select();
            code.local_set(0);
        }
        code.local_get(0);
    })
}

fn divisions(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for step in 0..size {
            code.local_get(0).i32_const(number(step + 2)).i32_div_u();
            code.i32_const(number(step)).i32_add().local_set(0);
        }
        code.local_get(0);
    })
}

fn stores(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for step in 0..size {
            code.local_get(0).local_get(0).i32_const(number(step));
            code.i32_add();
            code.i32_store(at(4 * u64::from(step % 16_000)));
        }
        code.local_get(0);
    })
}

/// Zeros down the diagonal of a matrix.
fn strided_stores(size: u32) -> Vec<u8> {
    const STRIDE: u64 = 20_004;
    let mut build = Build::new();
    build.memory_pages = u64::from(size) * STRIDE / 65_536 + 2;
    build.function(TYPE_OF_F, &[], |code| {
        for step in 0..size {
            code.local_get(0).i32_const(0);
            code.i32_store(at(STRIDE * u64::from(step)));
        }
        code.local_get(0);
    });
    build.finish()
}

/// Vectors that are all loaded before the first of them is used, between two calls.
fn vector_loads(size: u32) -> Vec<u8> {
    let mut build = Build::new();
    build.memory_pages = 16;
    build.function(TYPE_OF_F, &[(1, ValType::V128)], |code| {
        code.local_get(0).call(1).drop();
        for step in 0..size {
            code.local_get(0).v128_load(at(16 * u64::from(step)));
        }
        code.local_get(0).call(1).drop().local_set(1);
        for _ in 1..size {
            code.local_get(1).v128_xor().local_set(1);
        }
        code.local_get(1).i32x4_extract_lane(1);
    });
    build.function(TYPE_OF_F, &[], |code| {
        code.local_get(0).memory_grow(0);
    });
    build.finish()
}

fn vector_constants(size: u32) -> Vec<u8> {
    one(&[(1, ValType::V128)], |code| {
        for step in 0..size {
            code.local_get(1).v128_const(i128::from(step) << 64 | 7);
            code.i32x4_add().local_set(1);
        }
        code.local_get(1).i32x4_extract_lane(2);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shapes_are_valid_and_grow_in_proportion() {
        for shape in SHAPES {
            let small = shape.module(2);
            let large = shape.module(if shape.name == "tree-of-ifs" { 5 } else { 200 });
            assert!(large.len() > small.len(), "{}", shape.name);
            for module in [small, large] {
                wasmparser::validate(&module)
                    .unwrap_or_else(|error| panic!("{}: {error}", shape.name));
            }
        }
        assert_eq!(Shape::named("switch").map(|shape| shape.size), Some(3_000));
    }
}
