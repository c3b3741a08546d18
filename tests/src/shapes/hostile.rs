//! Random hostile modules. Each has a few kinds of steps that it makes again and again, in runs of up to thousands, and one
//! function of 10 KB to 1 MB, or as much in many small ones: what comes of it is deep, wide, long or many, in ways that
//! nobody thought of. All are valid, and export `f` as the fixed shapes do.

use wasm_encoder::{BlockType, Function, ValType};

use super::body::{Body, Step};
use super::encoder::{Build, TYPE_OF_F};
use crate::differential::Random;

/// Bytes of all bodies, from and to, as powers of two.
const SIZES: (u32, u32) = (13, 20);

/// What a module's bodies are made of.
pub(super) struct Recipe {
    /// Steps, each as often as it is to come.
    pub steps: Vec<Step>,
    /// How often a step is made in a row at most.
    pub longest_run: usize,
    /// Types of operands.
    pub types: Vec<ValType>,
    /// Types of blocks, and their results.
    pub blocks: Vec<(BlockType, Vec<ValType>)>,
    /// Functions that can be called, and their types.
    pub callees: Vec<Signature>,
    /// Entries of branch tables at most.
    pub table_entries: usize,
    /// Blocks that are open at once at most.
    pub depth: usize,
    /// Bytes apart that neighbouring accesses to memory are.
    pub stride: u64,
}

/// A function's type.
#[derive(Clone)]
pub(super) struct Signature {
    pub index: u32,
    pub params: Vec<ValType>,
    pub results: Vec<ValType>,
}

/// The module of a seed.
#[must_use]
pub fn hostile(seed: u64) -> Vec<u8> {
    let random = &mut Random::new(seed);
    let mut build = Build::new();
    build.memory_pages = 16;
    build.table = Some(1);
    let (recipe, signatures) = recipe(random, &mut build);
    let size = between(random, SIZES.0, SIZES.1);
    let is_one = !random.once_in(5);
    build.add(
        TYPE_OF_F,
        &f(random, &recipe, if is_one { size } else { 200 }),
    );
    for signature in &signatures {
        build.add(signature.index, &plain(signature));
    }
    if !is_one {
        // Thousands, each ending as soon as it can.
        let each = between(random, 2, 9);
        let mut left = size;
        while left > 0 {
            let function = f(random, &recipe, each);
            left = left.saturating_sub(function.byte_len());
            build.add(TYPE_OF_F, &function);
        }
    }
    build.finish()
}

/// A function that returns at once if it is called with 1.
fn f(random: &mut Random, recipe: &Recipe, size: usize) -> Function {
    let locals = up_to(random, &[3, 6, 10, 15]).min(40_000);
    let ty = random.choose(&recipe.types);
    let mut body = Body::new(random, recipe, locals as u32, ty);
    body.fill(size);
    body.finish()
}

/// A function that returns zeros.
fn plain(signature: &Signature) -> Function {
    let mut function = Function::new([]);
    for &ty in &signature.results {
        super::body::constant(&mut function.instructions(), ty, 0);
    }
    function.instructions().end();
    function
}

fn recipe(random: &mut Random, build: &mut Build) -> (Recipe, Vec<Signature>) {
    let types = random.choose(&[
        &[ValType::I32][..],
        &[ValType::I32, ValType::I64],
        &[ValType::I32, ValType::F64],
        &[ValType::V128, ValType::I32],
        &[
            ValType::I32,
            ValType::I64,
            ValType::F32,
            ValType::F64,
            ValType::V128,
        ],
    ]);
    let mut steps = Vec::new();
    for _ in 0..1 + random.below(6) {
        let step = random.choose(Step::ALL);
        steps.extend(std::iter::repeat_n(step, 1 << random.below(7)));
    }
    let mut blocks = vec![(BlockType::Empty, Vec::new())];
    let mut signatures = Vec::new();
    // The functions that can be called follow `f`.
    for _ in 0..1 + random.below(3) {
        let results = values(random, types);
        if random.once_in(2) {
            let ty = build.ty(Vec::new(), results.clone());
            blocks.push((BlockType::FunctionType(ty), results.clone()));
        }
        let params = values(random, types);
        let index = build.ty(params.clone(), results.clone());
        signatures.push(Signature {
            index,
            params,
            results,
        });
    }
    let recipe = Recipe {
        steps,
        longest_run: up_to(random, &[0, 2, 6, 12]),
        types: types.to_vec(),
        blocks,
        callees: signatures.clone(),
        table_entries: up_to(random, &[3, 8, 14]),
        depth: up_to(random, &[2, 5, 8, 14]),
        stride: random.choose(&[0, 1, 4, 8, 16, 64, 4096]),
    };
    (recipe, signatures)
}

fn values(random: &mut Random, types: &[ValType]) -> Vec<ValType> {
    let count = up_to(random, &[1, 3, 6, 9]).min(1000);
    (0..count).map(|_| random.choose(types)).collect()
}

/// A number below twice one of these powers of two, of which all magnitudes are as likely.
fn up_to(random: &mut Random, powers: &[u32]) -> usize {
    let most = random.choose(powers);
    between(random, 0, most)
}

/// A number of which all magnitudes between two powers of two are as likely.
pub(super) fn between(random: &mut Random, least: u32, most: u32) -> usize {
    let power = least as usize + random.below((most - least.min(most)) as usize + 1);
    (1 << power) + random.below(1 << power)
}
