//! Large modules of wasm-smith: what nobody wrote by hand, in sizes that cost something.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

use crate::differential::{Random, features};

/// The module of a seed, whose first function is one of its own. `None` where the generator gave up.
#[must_use]
pub fn smith(seed: u64) -> Option<Vec<u8>> {
    let random = &mut Random::new(seed);
    let bytes = random.choose(&[1 << 18, 1 << 20, 1 << 22]);
    // Bodies end by chance long before their limit, so what is large has many.
    let functions = random.choose(&[200, 1000, 5000]);
    let config = Config {
        allow_start_export: false,
        max_imports: 0,
        min_funcs: functions,
        max_funcs: 2 * functions,
        min_types: 1,
        max_types: 200,
        max_instructions: 100_000,
        max_globals: 100,
        min_memories: 1,
        max_memories: 1,
        // Else instantiating takes what it likes.
        max_memory32_bytes: 1 << 20,
        min_tables: 1,
        max_tables: 1,
        max_table_elements: 1000,
        max_data_segments: 0,
        max_element_segments: 10,
        max_elements: 100,
        max_type_size: 100_000,
        export_everything: true,
        ..features()
    };
    let input = random.bytes(bytes);
    let module = Module::new(config, &mut Unstructured::new(&input)).ok()?;
    Some(module.to_bytes())
}
