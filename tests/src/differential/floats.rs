//! Modules of arithmetic with floats whose operands are what a compiler may take for neutral: zeros of both signs, ones and
//! infinities that come as constants, by locals, as parameters of blocks, from functions, globals, memory, or round a
//! loop, together with NaNs of all kinds. They are made to be asked whether their NaNs are [quiet](super::quiet).
//!
//! What a NaN of arithmetic looks like never decides about anything else, and what is stored has none.

mod expressions;

use wasm_encoder::{ConstExpr, Ieee32, Ieee64, Instruction, MemArg, ValType};

use super::Random;
use super::arithmetic::Floats;
use super::arrays::{self, Body, Helper, INPUTS, Kernel, OUTPUTS, at, float32_bits, float64_bits};

/// Changes whenever a seed comes to mean another module: counts of before are void then.
pub(crate) const VERSION: u32 = 1;

/// Kernels of a module.
const KERNELS: usize = 2;
/// A kernel's parameters: what rounds are derived from, and floats.
const PARAMETERS: [ValType; 4] = [ValType::I32, ValType::F32, ValType::F64, ValType::V128];
const ROUNDS: u32 = 0;
/// The types of floats.
const TYPES: [Floats; 4] = [Floats::F32, Floats::F64, Floats::F32x4, Floats::F64x2];
/// Rounds of a loop at most.
const MOST_ROUNDS: i32 = 17;

/// The module of a seed.
pub(crate) fn generate(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed ^ 0x666c_6f61_7473_5f71);
    let inputs = INPUTS.map(|_| arrays::floats(&mut random));
    let mut helpers = Helpers::default();
    let mut globals = Vec::new();
    for mutable in [false, true] {
        let bits = Ieee32::new(float32_bits(&mut random));
        globals.push((ValType::F32, mutable, ConstExpr::f32_const(bits)));
        let bits = Ieee64::new(float64_bits(&mut random));
        globals.push((ValType::F64, mutable, ConstExpr::f64_const(bits)));
        let bits =
            u64::from(float32_bits(&mut random)) << 32 | u64::from(float32_bits(&mut random));
        let bits = u128::from(float64_bits(&mut random)) << 64 | u128::from(bits);
        let bits = bits.cast_signed();
        globals.push((ValType::V128, mutable, ConstExpr::v128_const(bits)));
    }
    let kernels: Vec<_> = (0..KERNELS)
        .map(|_| Writer::kernel(&mut random, &mut helpers))
        .collect();
    arrays::module(&helpers.functions, &kernels, &globals, &inputs)
}

/// The type of values, and its number among those that parameters and globals have.
fn value_type(ty: Floats) -> (ValType, u32) {
    match ty {
        Floats::F32 => (ValType::F32, 0),
        Floats::F64 => (ValType::F64, 1),
        Floats::F32x4 | Floats::F64x2 => (ValType::V128, 2),
    }
}

/// The global of a type, of those that may change or those that never do.
fn global(ty: Floats, mutable: bool) -> u32 {
    value_type(ty).1 + 3 * u32::from(mutable)
}

/// What a function does that kernels call with a float.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Help {
    /// It returns a constant, whatever it is given.
    Constant,
    /// It returns what it is given.
    Identity,
    /// It returns what it is given after an operator of arithmetic.
    Arithmetic,
}

/// The functions that kernels have called so far, of each type and kind one at most.
#[derive(Default)]
struct Helpers {
    functions: Vec<Helper>,
    known: Vec<(Floats, Help)>,
}

impl Helpers {
    /// The number of one, which is that of its type too.
    fn get(&mut self, ty: Floats, help: Help, random: &mut Random) -> u32 {
        let known = self.known.iter().position(|known| *known == (ty, help));
        let place = known.unwrap_or_else(|| {
            self.known.push((ty, help));
            self.functions.push(helper(ty, help, random));
            self.functions.len() - 1
        });
        place as u32
    }
}

fn helper(ty: Floats, help: Help, random: &mut Random) -> Helper {
    let (value, _) = value_type(ty);
    let mut body = Body::new(random, &[value]);
    match help {
        Help::Constant => expressions::special(&mut body, ty),
        Help::Identity => body.get(0),
        Help::Arithmetic => {
            body.get(0);
            expressions::special(&mut body, ty);
            expressions::binary(&mut body, ty);
        }
    }
    body.finish(value)
}

/// Writes one kernel.
struct Writer<'r> {
    body: Body<'r>,
    helpers: &'r mut Helpers,
    /// Locals whose bits are those of a constant or of something given, by type.
    exact: Vec<(u32, Floats)>,
    /// Locals that arithmetic is put into, by type.
    sums: Vec<(u32, Floats)>,
    /// The local that counts a loop's rounds.
    counter: Option<u32>,
    /// Bytes of results stored so far.
    stored: u64,
}

impl<'r> Writer<'r> {
    fn kernel(random: &'r mut Random, helpers: &'r mut Helpers) -> Kernel {
        let body = Body::new(random, &PARAMETERS);
        let mut writer = Self {
            body,
            helpers,
            exact: Vec::new(),
            sums: Vec::new(),
            counter: None,
            stored: 0,
        };
        // Most kernels are about one or two types.
        let some = [0, 1].map(|_| writer.body.random.choose(&TYPES));
        for ty in some {
            for _ in 0..2 {
                let (value, _) = value_type(ty);
                let local = writer.body.local(value);
                writer.exact(ty);
                writer.body.set(local);
                writer.exact.push((local, ty));
            }
            let (value, _) = value_type(ty);
            let sum = writer.body.local(value);
            writer.exact(ty);
            writer.body.set(sum);
            writer.sums.push((sum, ty));
        }
        for _ in 0..1 + writer.body.random.below(3) {
            let ty = writer.body.random.choose(&some);
            writer.store(ty);
        }
        if !writer.body.random.once_in(3) {
            writer.a_loop(&some);
        }
        for (sum, ty) in writer.sums.clone() {
            writer.store_of(ty, |writer| writer.body.get(sum));
        }
        writer.body.push(Instruction::I32Const(0));
        writer.body.finish(ValType::I32)
    }

    /// Of a sum or product that goes round, and perhaps of what each round computes.
    fn a_loop(&mut self, types: &[Floats]) {
        let open = self.body.begin_loop(MOST_ROUNDS, 16, ROUNDS);
        self.counter = Some(open.counter);
        for _ in 0..1 + self.body.random.below(2) {
            let ty = self.body.random.choose(types);
            if self.body.random.once_in(3) {
                self.store(ty);
            } else {
                let sum = self.sum(ty);
                self.body.get(sum);
                if self.body.random.once_in(2) {
                    self.exact(ty);
                } else {
                    self.expression(ty, 1);
                }
                expressions::binary(&mut self.body, ty);
                self.body.set(sum);
            }
        }
        self.counter = None;
        self.body.end_loop(&open);
    }

    /// The number of a function, and of its type.
    fn helper(&mut self, ty: Floats, help: Help) -> u32 {
        self.helpers.get(ty, help, self.body.random)
    }

    fn sum(&self, ty: Floats) -> u32 {
        let of_type = self.sums.iter().find(|(_, other)| *other == ty);
        of_type.expect("there is one of each type of the kernel").0
    }

    fn store(&mut self, ty: Floats) {
        self.store_of(ty, |writer| writer.expression(ty, 2));
    }

    /// Stores a value, its NaNs made canonical.
    fn store_of(&mut self, ty: Floats, write: impl FnOnce(&mut Self)) {
        let place = self.address(OUTPUTS[0] + self.stored);
        // As far as any loop goes from here.
        self.stored += 16 * MOST_ROUNDS as u64;
        write(self);
        self.without_nan(ty);
        self.body.push(match ty {
            Floats::F32 => Instruction::F32Store(place),
            Floats::F64 => Instruction::F64Store(place),
            Floats::F32x4 | Floats::F64x2 => Instruction::V128Store(place),
        });
    }

    /// Puts an address on the stack, which in a loop moves on with its rounds. Returns the place from there.
    fn address(&mut self, place: u64) -> MemArg {
        match self.counter {
            Some(counter) => self.body.get(counter),
            None => self.body.number(0),
        }
        at(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_valid_and_depend_on_the_seed_alone() {
        for seed in 0..300 {
            let wasm = generate(seed);
            if let Err(error) = wasmparser::validate(&wasm) {
                panic!("seed {seed}: {error}");
            }
            assert_eq!(wasm, generate(seed));
        }
        assert_ne!(generate(1), generate(2));
    }
}
