//! Loops: what they count from, by, and to, and how they ask whether to go on.

use wasm_encoder::{BlockType, Instruction, ValType};

use super::{Round, Writer};

impl Writer<'_> {
    pub(super) fn a_loop(&mut self) {
        let nested = self.rounds.len();
        let unrolled = self.random.choose(&[1, 1, 1, 2, 4, 8]);
        let step = match unrolled {
            1 => self.random.choose(&[1, 1, 1, 1, 2, 3, 4, 16, -1, -1, -2]),
            more => more * self.random.choose(&[1, 1, 1, -1]),
        };
        let (counter, end) = (self.local(ValType::I32), self.local(ValType::I32));
        // The end is a number of steps from the start.
        if step < 0 && !self.random.once_in(4) {
            self.rounds_of(nested);
            self.number(-step);
            self.push(Instruction::I32Mul);
            self.push(Instruction::LocalSet(counter));
            self.number(0);
        } else {
            self.start_of(nested);
            self.push(Instruction::LocalTee(counter));
            self.rounds_of(nested);
            self.number(step);
            self.push(Instruction::I32Mul);
            self.push(Instruction::I32Add);
        }
        self.push(Instruction::LocalSet(end));

        let mut walking = Vec::new();
        for _ in 0..self.random.below(3) {
            let (local, array) = (self.local(ValType::I32), self.random.choose(&self.arrays));
            self.get(array);
            self.push(Instruction::LocalSet(local));
            let stride = step * self.random.choose(&[1, 2, 4, 4, 8, 8]);
            let stride = if self.random.once_in(8) {
                24 - stride
            } else {
                stride
            };
            walking.push((local, stride));
        }
        self.walking.extend(walking.iter().map(|&(local, _)| local));

        // Comparisons that hold for as long as the end is not reached; those of order may give up before.
        let goes_on = match step {
            1.. => [Instruction::I32Ne, Instruction::I32LtU, Instruction::I32LtS],
            _ => [Instruction::I32Ne, Instruction::I32GtU, Instruction::I32GtS],
        };
        let ends = match step {
            1.. => [Instruction::I32Eq, Instruction::I32GeU, Instruction::I32GeS],
            _ => [Instruction::I32Eq, Instruction::I32LeU, Instruction::I32LeS],
        };
        let kind = self.random.below(3);
        let asks_first = self.random.once_in(3);
        let exit = self.open(Instruction::Block(BlockType::Empty));
        let again = self.open(Instruction::Loop(BlockType::Empty));
        if asks_first {
            self.get(counter);
            self.get(end);
            self.push(ends[kind].clone());
            self.push(Instruction::BrIf(self.depth(exit)));
        }
        self.rounds.push(Round { counter, exit });
        self.statements(unrolled);
        self.rounds.pop();
        for &(local, stride) in &walking {
            self.get(local);
            self.number(stride);
            self.push(Instruction::I32Add);
            self.push(Instruction::LocalSet(local));
        }
        self.walking.truncate(self.walking.len() - walking.len());
        self.get(counter);
        if step < 0 && self.random.once_in(2) {
            self.number(-step);
            self.push(Instruction::I32Sub);
        } else {
            self.number(step);
            self.push(Instruction::I32Add);
        }
        if asks_first {
            self.push(Instruction::LocalSet(counter));
            self.push(Instruction::Br(self.depth(again)));
        } else {
            self.push(Instruction::LocalTee(counter));
            self.get(end);
            self.push(goes_on[kind].clone());
            self.push(Instruction::BrIf(self.depth(again)));
        }
        self.close();
        self.close();
    }

    /// Puts a number of rounds on the stack, known or not.
    fn rounds_of(&mut self, nested: usize) {
        let most: &[i32] = match nested {
            0 => &[3, 15, 63, 127, 511],
            1 => &[1, 7, 31],
            _ => &[1, 3, 7],
        };
        let most = self.random.choose(most);
        if self.random.once_in(4) {
            let rounds = 1 + self.random.below(most as usize + 1) as i32;
            return self.number(rounds);
        }
        self.parameter();
        self.number(most);
        self.push(Instruction::I32And);
        self.number(1);
        self.push(Instruction::I32Add);
    }

    /// Puts what a loop counts from on the stack.
    fn start_of(&mut self, nested: usize) {
        match self.random.below(8) {
            0 if self.strays => self.parameter(),
            1 if self.strays => {
                let start = self.random.choose(&[-1, -16, -64, i32::MAX - 8, i32::MIN]);
                self.number(start);
            }
            0 => {
                self.parameter();
                self.number(0xff);
                self.push(Instruction::I32And);
            }
            1 => {
                let start = self.random.choose(&[1, 2, 5, 100]);
                self.number(start);
            }
            2 if nested > 0 => self.get(self.rounds[nested - 1].counter),
            _ => self.number(0),
        }
    }
}
