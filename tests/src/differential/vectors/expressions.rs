//! Expressions of vectors, each of which leaves one value on the stack.

use wasm_encoder::{Instruction, MemArg};

use super::super::arrays::{INPUTS, at, float32_bits, float64_bits};
use super::operators::Shape;
use super::{ROUNDS, VECTOR, Writer};

impl Writer<'_> {
    /// Takes two vectors and leaves one.
    pub(super) fn combine(&mut self, shape: Shape) {
        let of_two = shape
            .operators()
            .iter()
            .filter(|operator| operator.is_binary && operator.operands == shape);
        let of_two: Vec<_> = of_two.collect();
        let place = self.body.random.below(of_two.len());
        self.body.push(of_two[place].instruction.clone());
    }

    /// Leaves a vector that is meant as this shape.
    pub(super) fn expression(&mut self, shape: Shape, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return self.leaf(shape);
        };
        match self.body.random.below(24) {
            0..2 => self.leaf(shape),
            2..13 => {
                let operators = shape.operators();
                let operator = &operators[self.body.random.below(operators.len())];
                self.expression(operator.operands, depth);
                if operator.is_binary {
                    self.expression(operator.operands, depth);
                }
                self.body.push(operator.instruction.clone());
            }
            13..16 if !shape.shifts().is_empty() => {
                self.expression(shape, depth);
                self.amount();
                self.body.one_of(shape.shifts());
            }
            16 | 17 => {
                self.expression(shape, depth);
                self.expression(shape, depth);
                let lanes = self.shuffle();
                self.body.push(Instruction::I8x16Shuffle(lanes));
            }
            18 | 19 => {
                // By a mask that a comparison made, or any.
                self.expression(shape, depth);
                self.expression(shape, depth);
                self.expression(shape.mask(), depth);
                self.body.push(Instruction::V128Bitselect);
            }
            20 => {
                self.expression(shape, depth);
                self.expression(shape, depth);
                self.test(shape);
                self.body.push(Instruction::Select);
            }
            21 => {
                self.expression(shape, depth);
                self.scalar(shape);
                self.replace_lane(shape);
            }
            22 => {
                let other = self.body.random.choose(&Shape::ALL);
                self.expression(other, depth);
            }
            _ => {
                self.expression(shape, depth);
                if self.body.random.once_in(4) {
                    self.body.push(Instruction::V128Not);
                } else {
                    self.expression(shape, depth);
                    self.body.one_of(&[
                        Instruction::V128And,
                        Instruction::V128AndNot,
                        Instruction::V128Or,
                        Instruction::V128Xor,
                    ]);
                }
            }
        }
    }

    fn leaf(&mut self, shape: Shape) {
        match self.body.random.below(16) {
            0 | 1 => {
                let lanes = self.constant(shape);
                self.body.push(Instruction::V128Const(lanes));
            }
            2 => self.body.get(VECTOR),
            3 => self.body.get(self.sum),
            4 => {
                self.scalar(shape);
                self.body.push(match shape {
                    Shape::I8 => Instruction::I8x16Splat,
                    Shape::I16 => Instruction::I16x8Splat,
                    Shape::I32 => Instruction::I32x4Splat,
                    Shape::I64 => Instruction::I64x2Splat,
                    Shape::F32 => Instruction::F32x4Splat,
                    Shape::F64 => Instruction::F64x2Splat,
                });
            }
            5..7 => self.load_part(shape),
            7 => self.load_lane(),
            _ => {
                let place = self.input();
                self.body.push(Instruction::V128Load(place));
            }
        }
    }

    /// Puts the address of a vector that is read on the stack.
    fn input(&mut self) -> MemArg {
        let array = self.body.random.choose(&INPUTS);
        let off = match self.body.random.below(8) {
            0 => self.body.random.choose(&[1, 2, 4, 8, 16, 3]),
            _ => 0,
        };
        self.address(array + off)
    }

    /// A vector of a few numbers, by a load that makes more of them.
    fn load_part(&mut self, shape: Shape) {
        let place = self.input();
        match shape {
            Shape::I8 => self.body.push(Instruction::V128Load8Splat(place)),
            Shape::I16 => self.body.one_of(&[
                Instruction::V128Load8x8S(place),
                Instruction::V128Load8x8U(place),
                Instruction::V128Load16Splat(place),
            ]),
            Shape::I32 | Shape::F32 => self.body.one_of(&[
                Instruction::V128Load16x4S(place),
                Instruction::V128Load16x4U(place),
                Instruction::V128Load32Splat(place),
                Instruction::V128Load32Zero(place),
            ]),
            Shape::I64 | Shape::F64 => self.body.one_of(&[
                Instruction::V128Load32x2S(place),
                Instruction::V128Load32x2U(place),
                Instruction::V128Load64Splat(place),
                Instruction::V128Load64Zero(place),
            ]),
        }
    }

    fn load_lane(&mut self) {
        let memarg = self.input();
        self.body.get(self.sum);
        let lane = self.body.random.below(16) as u8;
        self.body.one_of(&[
            Instruction::V128Load8Lane { memarg, lane },
            Instruction::V128Load16Lane {
                memarg,
                lane: lane % 8,
            },
            Instruction::V128Load32Lane {
                memarg,
                lane: lane % 4,
            },
            Instruction::V128Load64Lane {
                memarg,
                lane: lane % 2,
            },
        ]);
    }

    pub(super) fn store_lane(&mut self) {
        let memarg = self.address(self.output);
        self.expression(self.shape, 2);
        let lane = self.body.random.below(16) as u8;
        self.body.one_of(&[
            Instruction::V128Store8Lane { memarg, lane },
            Instruction::V128Store16Lane {
                memarg,
                lane: lane % 8,
            },
            Instruction::V128Store32Lane {
                memarg,
                lane: lane % 4,
            },
            Instruction::V128Store64Lane {
                memarg,
                lane: lane % 2,
            },
        ]);
    }

    /// How far to shift: any constant, or a number that is not known.
    fn amount(&mut self) {
        match self.body.random.below(6) {
            0 => self.body.get(ROUNDS),
            1 => self.body.get(self.counter),
            2 => {
                self.body.get(self.counter);
                let array = self.body.random.choose(&INPUTS);
                self.body.push(Instruction::I32Load8U(at(array)));
            }
            3 => {
                let by = self
                    .body
                    .random
                    .choose(&[-1, 8, 16, 31, 32, 33, 63, 64, 65]);
                self.body.number(by);
            }
            _ => {
                let by = self.body.random.below(64) as i32;
                self.body.number(by);
            }
        }
    }

    /// A number of 32 bits that says something about lanes.
    pub(super) fn test(&mut self, shape: Shape) {
        self.expression(shape.mask(), 2);
        let lane = self.body.random.below(16) as u8;
        if self.body.random.once_in(3) {
            self.body.one_of(&[
                Instruction::I8x16ExtractLaneS(lane),
                Instruction::I8x16ExtractLaneU(lane),
                Instruction::I16x8ExtractLaneS(lane % 8),
                Instruction::I16x8ExtractLaneU(lane % 8),
                Instruction::I32x4ExtractLane(lane % 4),
            ]);
        } else {
            self.body.one_of(shape.tests());
        }
    }

    /// A number that a lane of this shape can have.
    fn scalar(&mut self, shape: Shape) {
        let from_lane = self.body.random.once_in(2);
        let lane = self.body.random.below(16) as u8;
        let array = self.body.random.choose(&INPUTS);
        if from_lane {
            self.leaf_without_scalars();
        } else {
            self.body.get(self.counter);
        }
        self.body.push(match (shape, from_lane) {
            (Shape::I8, false) => Instruction::I32Load8S(at(array)),
            (Shape::I16, false) => Instruction::I32Load16U(at(array)),
            (Shape::I32, false) => Instruction::I32Load(at(array)),
            (Shape::I8, true) => Instruction::I8x16ExtractLaneS(lane),
            (Shape::I16, true) => Instruction::I16x8ExtractLaneU(lane % 8),
            (Shape::I32, true) => Instruction::I32x4ExtractLane(lane % 4),
            (Shape::I64, false) => Instruction::I64Load32S(at(array)),
            (Shape::I64, true) => Instruction::I64x2ExtractLane(lane % 2),
            (Shape::F32, false) => Instruction::F32Load(at(array)),
            (Shape::F32, true) => Instruction::F32x4ExtractLane(lane % 4),
            (Shape::F64, false) => Instruction::F64Load(at(array)),
            (Shape::F64, true) => Instruction::F64x2ExtractLane(lane % 2),
        });
    }

    fn leaf_without_scalars(&mut self) {
        let local = self.body.random.choose(&[VECTOR, self.sum]);
        self.body.get(local);
    }

    fn replace_lane(&mut self, shape: Shape) {
        let lane = self.body.random.below(16) as u8;
        self.body.push(match shape {
            Shape::I8 => Instruction::I8x16ReplaceLane(lane),
            Shape::I16 => Instruction::I16x8ReplaceLane(lane % 8),
            Shape::I32 => Instruction::I32x4ReplaceLane(lane % 4),
            Shape::I64 => Instruction::I64x2ReplaceLane(lane % 2),
            Shape::F32 => Instruction::F32x4ReplaceLane(lane % 4),
            Shape::F64 => Instruction::F64x2ReplaceLane(lane % 2),
        });
    }

    /// Lanes as compilers exchange them: a rotation, an interleaving, a reversal, one lane everywhere, or any.
    fn shuffle(&mut self) -> [u8; 16] {
        let random = &mut *self.body.random;
        let kind = random.below(6);
        let width = random.choose(&[1, 2, 4, 8]);
        let by = random.below(32);
        let any = random.bytes(16);
        std::array::from_fn(|place| {
            let (lane, rest) = (place / width, place % width);
            let from = match kind {
                0 => place + by,
                1 => (lane / 2 + 16 / width * (lane % 2)) * width + rest + by / 16 * 8,
                2 => (16 / width - 1 - lane) * width + rest,
                3 => by / width * width + rest,
                4 => 2 * lane * width + rest,
                _ => any[place].into(),
            };
            (from % 32) as u8
        })
    }

    fn constant(&mut self, shape: Shape) -> i128 {
        let random = &mut *self.body.random;
        let bytes = match shape {
            Shape::I8 => 1,
            Shape::I16 => 2,
            Shape::I32 | Shape::F32 => 4,
            Shape::I64 | Shape::F64 => 8,
        };
        let is_splat = random.once_in(2);
        let mut lanes = [0; 16];
        let mut lane = [0; 8];
        for place in (0..16).step_by(bytes) {
            if place == 0 || !is_splat {
                let small = random.below(9) as u64;
                let top = 1_u64 << (8 * bytes - 1);
                let number = match (shape, random.below(6)) {
                    (Shape::F32, _) => u64::from(float32_bits(random)),
                    (Shape::F64, _) => float64_bits(random),
                    (_, 0) => top,
                    (_, 1) => top - 1,
                    (_, 2) => small.wrapping_neg(),
                    (_, 3) => random.next_u64(),
                    _ => small,
                };
                lane = number.to_le_bytes();
            }
            lanes[place..place + bytes].copy_from_slice(&lane[..bytes]);
        }
        i128::from_le_bytes(lanes)
    }
}
