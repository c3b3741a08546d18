//! Modules from seeds: which shapes and features the generator is allowed, and what is put into it.

use std::sync::LazyLock;

use arbitrary::Unstructured;

use super::quiet::{self, Record};
use super::{Random, canonical, floats, host, loops, narrow, vectors};

/// Changes whenever a seed comes to mean another module or other arguments: counts of before are void then.
const VERSION: u32 = 3;

/// The largest memory, in bytes: growing and hashing it must be quick.
const MEMORY_BYTES: u64 = 6 << 16;
/// The largest table, in elements.
const TABLE_ELEMENTS: u64 = 40;

/// What makes modules of seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generator {
    /// Anything that is valid.
    #[default]
    Any,
    /// Loops over arrays, as compilers write them.
    Loops,
    /// Loops over integers of 8, 16 and 32 bits.
    Narrow,
    /// Loops over vectors.
    Vectors,
    /// Arithmetic with floats, of which the modules themselves ask whether NaNs are quiet.
    Quiet,
    /// The three before, by turns.
    Numbers,
}

/// A generated module.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The module, in the binary format.
    pub wasm: Vec<u8>,
    /// How it came to be, for people.
    pub about: String,
}

impl Generator {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Any,
        Self::Loops,
        Self::Narrow,
        Self::Vectors,
        Self::Quiet,
        Self::Numbers,
    ];
    /// Those that [`Generator::Numbers`] is made of.
    const NUMBERS: [Self; 3] = [Self::Narrow, Self::Vectors, Self::Quiet];

    /// A word for the command line and for folders; that of [`Generator::Any`] is empty.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Loops => "loops",
            Self::Narrow => "narrow",
            Self::Vectors => "vectors",
            Self::Quiet => "quiet",
            Self::Numbers => "numbers",
        }
    }

    /// The module of a seed, or `None` if it can't make one of it. Needs a large stack.
    #[must_use]
    pub fn generate(self, seed: u64) -> Option<Generated> {
        let (wasm, about) = match self {
            Self::Any => return anything(seed),
            Self::Loops => (loops::generate(seed), "loops over arrays"),
            Self::Narrow => (narrow::generate(seed), "loops over narrow integers"),
            Self::Vectors => (
                canonical::all(&vectors::generate(seed)).ok()?,
                "loops over vectors",
            ),
            Self::Quiet => quiet_floats(seed)?,
            Self::Numbers => {
                let kinds = Self::NUMBERS.len() as u64;
                let kind = Self::NUMBERS[(seed % kinds) as usize];
                return kind.generate(seed / kinds);
            }
        };
        Some(Generated {
            wasm,
            about: about.to_owned(),
        })
    }

    /// Whether its modules are small and many, so that each runs in few modes.
    #[must_use]
    pub fn is_quick(self) -> bool {
        !matches!(self, Self::Any | Self::Loops)
    }

    /// What seeds mean, for as long as this is the same.
    pub(crate) fn version(self) -> String {
        match self {
            Self::Any => format!("version {VERSION}"),
            Self::Loops => format!("loops, version {}", loops::VERSION),
            Self::Narrow => format!("narrow, version {}", narrow::VERSION),
            Self::Vectors => format!("vectors, version {}", vectors::VERSION),
            Self::Quiet => format!(
                "quiet, version {}, of floats {}, {}, {}",
                quiet::VERSION,
                floats::VERSION,
                Self::Vectors.version(),
                Self::Loops.version()
            ),
            Self::Numbers => {
                let versions = Self::NUMBERS.map(Self::version);
                format!("numbers: {}", versions.join("; "))
            }
        }
    }
}

/// Mostly what is made for it; arithmetic in loops that are made for something else now and then.
fn quiet_floats(seed: u64) -> Option<(Vec<u8>, &'static str)> {
    let record = match seed / 8 % 2 {
        0 => Record::Locals,
        _ => Record::Memory,
    };
    let (wasm, record, about) = match seed % 8 {
        0 => (
            canonical::all(&vectors::generate(seed)).ok()?,
            record,
            "loops over vectors that ask for signalling NaNs",
        ),
        // Any of their memory may be written to.
        1 => (
            loops::generate(seed),
            Record::Locals,
            "loops over arrays that ask for signalling NaNs",
        ),
        _ => (
            floats::generate(seed),
            record,
            "arithmetic with floats that asks for signalling NaNs",
        ),
    };
    Some((quiet::ask(&wasm, record).ok()?, about))
}

fn anything(seed: u64) -> Option<Generated> {
    let mut random = Random::new(seed);
    let avoids_traps = seed % 2 == 1;
    let may_import = seed % 8 >= 4;
    let fuel = random.choose(&[1000, 5000]);
    // Small modules find more in the same time, but what a large one does no small one can.
    let most = random.choose(&[1024, 2048, 8192]);
    let dna_bytes = 256 + random.below(most - 256 + 1);
    let dna = random.bytes(dna_bytes);
    let config = config(avoids_traps, may_import, &mut random);
    let mut module = wasm_smith::Module::new(config, &mut Unstructured::new(&dna)).ok()?;
    module.ensure_termination(fuel).ok()?;
    Some(Generated {
        wasm: canonical::conversions(&module.to_bytes()).ok()?,
        about: format!(
            "from {dna_bytes} random bytes; avoids traps: {avoids_traps}; may import: {may_import}; fuel: {fuel}"
        ),
    })
}

/// The types and imports that a module may have, as a module.
fn example(imports: &str) -> Vec<u8> {
    let text = format!("(module {} {imports})", host::TYPES);
    wat::parse_str(text).expect("a fixed text")
}

/// WebAssembly 2.0, multiple memories and extended constant expressions: what both engines have.
fn config(avoids_traps: bool, may_import: bool, random: &mut Random) -> wasm_smith::Config {
    static TYPES: LazyLock<Vec<u8>> = LazyLock::new(|| example(""));
    static IMPORTS: LazyLock<Vec<u8>> = LazyLock::new(|| example(host::IMPORTS));
    let example = if may_import { &IMPORTS } else { &TYPES };
    wasm_smith::Config {
        // Also without imports: this is how modules come by types.
        available_imports: Some(example.to_vec()),
        export_everything: true,
        disallow_traps: avoids_traps,
        // Engines need not agree on the bits of a NaN that an operator makes.
        canonicalize_nans: true,
        // A long body that may trap seldom gets to its end.
        max_instructions: if avoids_traps {
            random.choose(&[15, 40, 100])
        } else {
            random.choose(&[10, 25, 60])
        },
        memory_offset_choices: wasm_smith::MemoryOffsetChoices(97, 2, 1),
        min_types: 4,
        min_funcs: random.choose(&[1, 1, 2, 4]),
        max_funcs: 20,
        max_globals: 10,
        min_memories: 1,
        max_memories: 3,
        max_memory32_bytes: MEMORY_BYTES,
        // Without a maximum, engines may differ in how far they let it grow.
        memory_max_size_required: true,
        min_tables: 1,
        max_tables: 3,
        max_table_elements: TABLE_ELEMENTS,
        table_max_size_required: true,
        max_data_segments: 6,
        max_element_segments: 6,
        max_elements: 20,
        max_type_size: 10_000,
        ..features()
    }
}

/// What modules of wasm-smith may use: all that Upshift has, and nothing else.
pub(crate) fn features() -> wasm_smith::Config {
    wasm_smith::Config {
        bulk_memory_enabled: true,
        extended_const_enabled: true,
        multi_value_enabled: true,
        reference_types_enabled: true,
        saturating_float_to_int_enabled: true,
        sign_extension_ops_enabled: true,
        simd_enabled: true,

        acquire_release_atomics_enabled: false,
        compact_imports_enabled: false,
        custom_descriptors_enabled: false,
        custom_page_sizes_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        multibyte_array_access_enabled: false,
        relaxed_simd_enabled: false,
        shared_everything_threads_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..wasm_smith::Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::with_large_stack;
    use super::*;

    #[test]
    fn a_seed_means_one_module_and_seeds_differ() {
        let modules = || with_large_stack(|| (0..16).map(anything).collect::<Vec<_>>()).unwrap();
        let wasm: Vec<_> = modules().into_iter().flatten().map(|m| m.wasm).collect();
        let again: Vec<_> = modules().into_iter().flatten().map(|m| m.wasm).collect();
        assert!(wasm.len() >= 12);
        assert_eq!(wasm, again);
        for (i, module) in wasm.iter().enumerate() {
            assert!(!wasm[..i].contains(module));
        }
    }
}
