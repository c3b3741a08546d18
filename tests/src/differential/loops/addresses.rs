//! Where arrays begin, and what is added to that.

use wasm_encoder::{Instruction, MemArg, ValType};

use super::{Element, MEMORY_BYTES, NEAR, Writer, at};

impl Writer<'_> {
    /// Sets a local to where an array begins.
    pub(super) fn array(&mut self) {
        let array = self.local(ValType::I32);
        match (self.random.below(16), self.arrays.last().copied()) {
            // Near the one before, often so near that they overlap.
            (0..4, Some(other)) => {
                self.get(other);
                let distance = self
                    .random
                    .choose(&[-8, -1, 1, 2, 4, 8, 12, 16, 32, 64, 400]);
                self.number(distance);
                self.push(Instruction::I32Add);
            }
            (4..7, _) => {
                let start = self.random.below(NEAR as usize / 8) as i32 * 8;
                self.number(start);
            }
            // The last ones of the memory.
            (7, _) if self.strays => {
                self.number(MEMORY_BYTES);
                self.parameter();
                self.number(0x1ff);
                self.push(Instruction::I32And);
                self.push(Instruction::I32Sub);
            }
            // Just below zero, which is the end of all addresses, or just above it.
            (8, _) if self.strays => {
                self.parameter();
                self.number(0x3f);
                self.push(Instruction::I32And);
                let below = self.random.choose(&[0x10, 0x20, 0x40]);
                self.number(below);
                self.push(Instruction::I32Sub);
            }
            (9, _) if self.strays => self.parameter(),
            _ => {
                self.parameter();
                let mask = self.random.choose(&[NEAR - 1, NEAR - 4, NEAR - 8, 0x70]);
                self.number(mask);
                self.push(Instruction::I32And);
            }
        }
        self.push(Instruction::LocalSet(array));
        self.arrays.push(array);
    }

    /// Puts an address on the stack. Returns the place from there.
    pub(super) fn address(&mut self, element: Element) -> MemArg {
        let base = match self.random.below(8) {
            0 => None,
            1 | 2 if !self.walking.is_empty() => Some(self.random.choose(&self.walking)),
            _ => Some(self.random.choose(&self.arrays)),
        };
        let is_walking = base.is_some_and(|base| self.walking.contains(&base));
        if let Some(base) = base {
            self.get(base);
        } else {
            let start = self.random.below(NEAR as usize / 8) as i32 * 8;
            self.number(start);
        }
        if !is_walking || self.random.once_in(4) {
            self.index(element);
            self.push(Instruction::I32Add);
        }
        let offset = match self.random.below(32) {
            0..20 => 0,
            20..30 => u64::from(element.bytes) * self.random.below(12) as u64,
            30 if self.strays => self.random.choose(&[0xffff_ff00, 0x1_fff0]),
            _ => self.random.choose(&[1, 3, 0xf000, 0xfff0]),
        };
        let shift = self.unrolled.map_or(0, |(_, shift)| shift);
        at(offset + shift)
    }

    /// Puts a distance in bytes on the stack.
    fn index(&mut self, element: Element) {
        let rounds = self.rounds.clone();
        let Some(&inner) = rounds.last() else {
            return self.number(16);
        };
        match self.random.below(10) {
            // As one array of rows.
            0..3 if rounds.len() > 1 => {
                let outer = self.random.choose(&rounds[..rounds.len() - 1]);
                let row = self.random.choose(&[8, 12, 16, 20, 32, 64]);
                self.get(outer.counter);
                self.number(row);
                self.push(Instruction::I32Mul);
                self.get(inner.counter);
                self.push(Instruction::I32Add);
                self.scale(element.bytes);
            }
            3 => {
                let round = self.random.choose(&rounds);
                self.get(round.counter);
                let bytes = self.random.choose(&[1, 2, 4, 8, 12, 16, 24]);
                self.scale(bytes);
            }
            // Wherever a number says.
            4 => {
                self.expression(ValType::I32, 1);
                self.number(0xff8);
                self.push(Instruction::I32And);
            }
            5 => self.number(0),
            _ => {
                self.get(inner.counter);
                self.scale(element.bytes);
            }
        }
    }

    fn scale(&mut self, bytes: u32) {
        if bytes == 1 {
            return;
        }
        if bytes.is_power_of_two() && !self.random.once_in(4) {
            self.number(bytes.trailing_zeros() as i32);
            self.push(Instruction::I32Shl);
        } else {
            self.number(bytes as i32);
            self.push(Instruction::I32Mul);
        }
    }
}
