//! Modules of loops over vectors of 128 bits, as compilers write them for WebAssembly's fixed-width operators: products
//! and sums of wider lanes, saturation, averages, shifts, masks, shuffles, and lanes that are floats.
//!
//! Bits of NaNs that the specification leaves open are made canonical in what is generated, unless somebody else sees
//! to it.

mod expressions;
mod operators;

use wasm_encoder::{BlockType, Instruction, MemArg, ValType};

use super::Random;
use super::arrays::{self, Body, INPUTS, Kernel, OUTPUTS, at};
use operators::Shape;

/// Changes whenever a seed comes to mean another module: counts of before are void then.
pub(crate) const VERSION: u32 = 1;

/// Kernels of a module.
const KERNELS: usize = 2;
/// The most vectors that a loop goes through.
const MOST_VECTORS: i32 = 64;
/// A kernel's parameters: what rounds are derived from, and a vector.
const PARAMETERS: [ValType; 2] = [ValType::I32, ValType::V128];
const ROUNDS: u32 = 0;
const VECTOR: u32 = 1;
/// Bytes of a vector, as a power of two.
const VECTOR_UNIT: u32 = 4;

/// The module of a seed; what its arithmetic makes of NaNs is not canonical.
pub(crate) fn generate(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed ^ 0x7665_6374_6f72_735f);
    let inputs = INPUTS.map(|_| match random.below(3) {
        0 => arrays::floats(&mut random),
        _ => arrays::integers(&mut random),
    });
    let kernels: Vec<_> = (0..KERNELS).map(|_| Writer::kernel(&mut random)).collect();
    arrays::module(&[], &kernels, &[], &inputs)
}

/// Writes one kernel.
struct Writer<'r> {
    body: Body<'r>,
    /// The local that counts bytes.
    counter: u32,
    /// In an unrolled body, how many vectors it is from the first of its statements.
    element: u64,
    /// The shape that most of the kernel is about.
    shape: Shape,
    /// The locals with what rounds add up.
    sum: u32,
    number: u32,
    /// Where the loop's results go.
    output: u64,
}

impl<'r> Writer<'r> {
    fn kernel(random: &'r mut Random) -> Kernel {
        let shape = random.choose(&Shape::ALL);
        let mut body = Body::new(random, &PARAMETERS);
        let (sum, number) = (body.local(ValType::V128), body.local(ValType::I32));
        let mut writer = Self {
            body,
            counter: 0,
            element: 0,
            shape,
            sum,
            number,
            output: 0,
        };
        if writer.body.random.once_in(2) {
            writer.body.get(VECTOR);
            writer.body.set(sum);
        }
        writer.a_loop();
        let body = &mut writer.body;
        body.get(sum);
        body.get(number);
        body.push(Instruction::I32x4Splat);
        body.push(Instruction::V128Xor);
        writer.body.finish(ValType::V128)
    }

    fn a_loop(&mut self) {
        let random = &mut *self.body.random;
        // Now and then what is read was written some rounds ago.
        self.output = if random.once_in(8) {
            random.choose(&INPUTS) + random.choose(&[1, 8, 16, 32])
        } else {
            random.choose(&OUTPUTS)
        };
        let unrolled = random.choose(&[1, 1, 1, 1, 2, 4]);
        let step = unrolled << VECTOR_UNIT;
        let open = self.body.begin_loop(MOST_VECTORS / unrolled, step, ROUNDS);
        self.counter = open.counter;
        if unrolled == 1 {
            for _ in 0..1 + self.body.random.below(2) {
                self.statement();
            }
        } else {
            let same = self.body.random.clone();
            for time in 0..unrolled {
                *self.body.random = same.clone();
                self.element = time as u64;
                self.statement();
            }
            self.element = 0;
        }
        self.body.end_loop(&open);
    }

    fn statement(&mut self) {
        match self.body.random.below(12) {
            0..5 => {
                let place = self.address(self.output);
                self.expression(self.shape, 3);
                self.body.push(Instruction::V128Store(place));
            }
            5 => self.store_lane(),
            6..9 => {
                let sum = self.sum;
                self.body.get(sum);
                self.expression(self.shape, 2);
                self.combine(self.shape);
                self.body.set(sum);
            }
            9 | 10 => {
                let number = self.number;
                self.body.get(number);
                self.test(self.shape);
                self.body.one_of(&[
                    Instruction::I32Add,
                    Instruction::I32Xor,
                    Instruction::I32Rotl,
                ]);
                self.body.set(number);
            }
            _ => {
                self.test(self.shape);
                self.body.open(Instruction::If(BlockType::Empty));
                let place = self.address(self.output);
                self.expression(self.shape, 2);
                self.body.push(Instruction::V128Store(place));
                self.body.close();
            }
        }
    }

    /// Puts the address of a vector on the stack. Returns the place in the array from there.
    fn address(&mut self, array: u64) -> MemArg {
        self.body.get(self.counter);
        at(array + (self.element << VECTOR_UNIT))
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
