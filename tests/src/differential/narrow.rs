//! Modules of loops over narrow integers: numbers of 8, 16 and 32 bits are loaded, computed with in 32 or 64, and stored
//! in as few again. Vectorizers and back ends know much about how few bits such numbers have, and turn products, shifts,
//! averages and clamping by comparisons into instructions of their own.

mod expressions;

use wasm_encoder::{BlockType, Instruction, MemArg, ValType};

use super::Random;
use super::arrays::{self, Body, INPUTS, Kernel, Loop, OUTPUTS, at};
use expressions::Wide;

/// Changes whenever a seed comes to mean another module: counts of before are void then.
pub(crate) const VERSION: u32 = 1;

/// Kernels of a module.
const KERNELS: usize = 2;
/// The most elements that a loop goes through.
const MOST_ELEMENTS: i32 = 128;
/// A kernel's parameters: what rounds are derived from, and a number.
const PARAMETERS: [ValType; 2] = [ValType::I32, ValType::I64];
const ROUNDS: u32 = 0;
const WHOLE: u32 = 1;

/// The module of a seed.
pub(crate) fn generate(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed ^ 0x6e61_7272_6f77_5f69);
    let inputs = INPUTS.map(|_| arrays::integers(&mut random));
    let kernels: Vec<_> = (0..KERNELS).map(|_| Writer::kernel(&mut random)).collect();
    arrays::module(&[], &kernels, &[], &inputs)
}

/// Writes one kernel.
struct Writer<'r> {
    body: Body<'r>,
    /// The local that counts the loop's elements, each as so many bytes as this power of two says.
    counter: u32,
    unit: u32,
    /// In an unrolled body, how many elements it is from the first of its statements.
    element: u64,
    /// The widths of elements in bytes, as powers of two.
    widths: &'static [u32],
    /// The locals with what rounds add up, of each type.
    sums: [u32; 2],
    /// Where the loop's results go.
    output: u64,
}

impl<'r> Writer<'r> {
    fn kernel(random: &'r mut Random) -> Kernel {
        let mut body = Body::new(random, &PARAMETERS);
        let sums = [body.local(ValType::I32), body.local(ValType::I64)];
        let mut writer = Self {
            body,
            counter: 0,
            unit: 0,
            element: 0,
            widths: &[0],
            sums,
            output: 0,
        };
        if writer.body.random.once_in(2) {
            writer.body.get(WHOLE);
            writer.body.set(sums[1]);
        }
        writer.a_loop();
        let body = &mut writer.body;
        body.get(sums[0]);
        body.push(Instruction::I64ExtendI32U);
        body.get(sums[1]);
        body.push(Instruction::I64Const(7));
        body.push(Instruction::I64Rotl);
        body.push(Instruction::I64Xor);
        writer.body.finish(ValType::I64)
    }

    fn a_loop(&mut self) {
        let random = &mut *self.body.random;
        let widths: [&[u32]; 6] = [&[0], &[1], &[1], &[0, 1], &[1, 2], &[0, 1, 2]];
        self.widths = random.choose(&widths);
        self.unit = match self.widths {
            [width] if random.once_in(2) => *width,
            _ => 0,
        };
        // Now and then what is read was written some rounds ago.
        self.output = if random.once_in(8) {
            random.choose(&INPUTS) + random.choose(&[1, 2, 4, 8, 15, 16, 32, 64])
        } else {
            random.choose(&OUTPUTS)
        };
        let unrolled = random.choose(&[1, 1, 1, 1, 1, 2, 4, 8, 16]);
        let step = unrolled << self.unit;
        let open = self.body.begin_loop(MOST_ELEMENTS / unrolled, step, ROUNDS);
        self.counter = open.counter;
        if unrolled == 1 {
            for _ in 0..1 + self.body.random.below(2) {
                self.statement();
            }
        } else {
            self.unrolled(unrolled);
        }
        self.end_loop(&open);
    }

    fn end_loop(&mut self, open: &Loop) {
        self.element = 0;
        self.body.end_loop(open);
    }

    /// The same statement so many times, one element further each time.
    fn unrolled(&mut self, times: i32) {
        let same = self.body.random.clone();
        for time in 0..times {
            *self.body.random = same.clone();
            self.element = time as u64;
            self.statement();
        }
    }

    fn statement(&mut self) {
        let ty = self.body.random.choose(&[Wide::I32, Wide::I64]);
        match self.body.random.below(10) {
            0..6 => self.store(ty),
            6..9 => self.accumulate(ty),
            _ => {
                self.condition();
                self.body.open(Instruction::If(BlockType::Empty));
                self.store(ty);
                self.body.close();
            }
        }
    }

    /// Of as few bits as elements have, or of all.
    fn store(&mut self, ty: Wide) {
        let width = if self.body.random.once_in(6) {
            ty.width()
        } else {
            self.body.random.choose(self.widths)
        };
        let place = self.address(width, self.output);
        if self.body.random.once_in(3) {
            self.narrowed_product(ty);
        } else {
            self.expression(ty, 3);
        }
        self.body.push(ty.store(width, place));
    }

    /// Adds something up, or keeps the smallest or largest.
    fn accumulate(&mut self, ty: Wide) {
        let sum = self.sums[ty as usize];
        if self.body.random.once_in(3) {
            let next = self.body.local(ty.value());
            self.expression(ty, 2);
            self.body.set(next);
            self.body.get(next);
            self.body.get(sum);
            self.body.get(next);
            self.body.get(sum);
            self.order(ty);
            self.body.push(Instruction::Select);
        } else {
            self.body.get(sum);
            self.expression(ty, 2);
            self.reduction(ty);
        }
        self.body.set(sum);
    }

    /// Puts the address of an element of this width on the stack. Returns the place in the array from there.
    fn address(&mut self, width: u32, array: u64) -> MemArg {
        self.body.get(self.counter);
        let (by, shift) = if width >= self.unit {
            (width - self.unit, Instruction::I32Shl)
        } else {
            (self.unit - width, Instruction::I32ShrU)
        };
        if by > 0 {
            self.body.number(by.cast_signed());
            self.body.push(shift);
        }
        at(array + (self.element << width))
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
