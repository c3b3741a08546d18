//! Hostile shapes: valid modules of some kilobytes that have cost compilers seconds and gigabytes. Each stresses one thing of
//! which a few bytes stand for much: nesting, labels with many values, tables, locals, results, one long block. All export
//! `f`, from `i32` to `i32`, which ends at once when it is called with 1.

mod body;
mod control;
mod encoder;
mod hostile;
mod smith;
mod values;

pub use hostile::hostile;
pub use smith::smith;

use crate::differential::with_large_stack;

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

/// The random module of a seed: every fourth is one of wasm-smith's, whose first function is looked at, the others are
/// [`hostile`]. `None` where the generator gave up.
///
/// # Panics
/// When the system has no thread with a large stack for the generator.
#[must_use]
pub fn random(seed: u64) -> Option<Vec<u8>> {
    if seed % 4 == 3 {
        with_large_stack(|| smith(seed)).expect("a thread")
    } else {
        Some(hostile(seed))
    }
}

/// All of them.
pub const SHAPES: &[Shape] = shapes! {
    "blocks-in-a-row", 15_000, control::blocks_in_a_row;
    "table-to-one-label", 60_000, control::table_to_one_label;
    "table-to-one-wide-label", 60_000, control::table_to_one_wide_label;
    "table-to-wide-labels", 500, control::table_to_wide_labels;
    "switch", 3_000, control::switch;
    "state-machine", 2_000, control::state_machine;
    "nested-blocks", 20_000, control::nested_blocks;
    "nested-blocks-with-tables", 20_000, control::nested_blocks_with_tables;
    "nested-loops", 5_000, control::nested_loops;
    "nested-loops-with-locals", 700, control::nested_loops_with_locals;
    "nested-ifs", 20_000, control::nested_ifs;
    "loops-in-a-row", 3_000, control::loops_in_a_row;
    "loops-with-remainders", 3_000, control::loops_with_remainders;
    "nested-loops-with-stores", 120, control::nested_loops_with_stores;
    "loops-above-operands", 1_600, control::loops_above_operands;
    "joins-above-operands", 2_400, control::joins_above_operands;
    "joins-with-locals", 1_000, control::joins_with_locals;
    "tree-of-ifs", 14, control::tree_of_ifs;
    "branches-to-one-label", 60_000, control::branches_to_one_label;
    "branches-on-loads", 20_000, control::branches_on_loads;
    "branches-to-one-wide-label", 20_000, control::branches_to_one_wide_label;
    "wide-calls", 100, values::wide_calls;
    "wide-mixed-calls", 100, values::wide_mixed_calls;
    "calls", 20_000, values::calls;
    "indirect-calls", 3_000, values::indirect_calls;
    "many-functions", 100_000, values::many_functions;
    "many-functions-with-locals", 5_000, values::many_functions_with_locals;
    "locals", 49_000, values::locals;
    "idle-locals", 49_900, values::idle_locals;
    "deep-stack", 100_000, values::deep_stack;
    "deep-stack-of-shifts", 40_000, values::deep_stack_of_shifts;
    "one-block", 160_000, values::one_block;
    "selects", 30_000, values::selects;
    "divisions", 20_000, values::divisions;
    "stores", 30_000, values::stores;
    "strided-stores", 10_000, values::strided_stores;
    "vector-loads", 2_000, values::vector_loads;
    "scattered-loads", 12_000, values::scattered_loads;
    "vector-constants", 5_000, values::vector_constants;
};

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

    #[test]
    fn random_modules_are_valid_and_a_seed_means_one() {
        let mut sizes = Vec::new();
        for seed in 0..40 {
            let module = hostile(seed);
            wasmparser::validate(&module).unwrap_or_else(|error| panic!("{seed}: {error}"));
            assert_eq!(module, hostile(seed));
            sizes.push(module.len());
        }
        assert!(sizes.iter().min() >= Some(&5_000), "{sizes:?}");
        assert!(sizes.iter().max() >= Some(&500_000), "{sizes:?}");
        let module = random(3).unwrap_or_else(|| panic!("the generator gave up"));
        wasmparser::validate(&module).unwrap_or_else(|error| panic!("{error}"));
    }
}
