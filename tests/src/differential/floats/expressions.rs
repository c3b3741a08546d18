//! Expressions of floats, each of which leaves one value on the stack. Those of which it is said that they are exact have
//! bits that the specification defines.

use wasm_encoder::{BlockType, Ieee32, Ieee64, Instruction};

use super::super::arithmetic::Floats;
use super::super::arrays::{Body, INPUTS, float32_bits, float64_bits};
use super::{Help, ROUNDS, Writer, global, value_type};

/// What may be neutral to an operator.
const NEUTRAL: [f64; 6] = [-0.0, -0.0, 0.0, 1.0, 1.0, -1.0];

/// Puts a constant on the stack: what is neutral to some operator, a NaN, or another number.
pub(super) fn special(body: &mut Body<'_>, ty: Floats) {
    let neutral = body.random.once_in(2);
    let number = body.random.choose(&NEUTRAL);
    let lanes32 = |bits: [u32; 4]| {
        let bits = bits.into_iter().rev();
        let bits = bits.fold(0_u128, |all, lane| all << 32 | u128::from(lane));
        Instruction::V128Const(bits.cast_signed())
    };
    let lanes64 = |bits: [u64; 2]| {
        let bits = u128::from(bits[1]) << 64 | u128::from(bits[0]);
        Instruction::V128Const(bits.cast_signed())
    };
    let instruction = match (ty, neutral) {
        (Floats::F32, true) => Instruction::F32Const(Ieee32::from(number as f32)),
        (Floats::F32, false) => Instruction::F32Const(Ieee32::new(float32_bits(body.random))),
        (Floats::F64, true) => Instruction::F64Const(Ieee64::from(number)),
        (Floats::F64, false) => Instruction::F64Const(Ieee64::new(float64_bits(body.random))),
        (Floats::F32x4, true) => lanes32([(number as f32).to_bits(); 4]),
        (Floats::F32x4, false) => lanes32([0; 4].map(|_| float32_bits(body.random))),
        (Floats::F64x2, true) => lanes64([number.to_bits(); 2]),
        (Floats::F64x2, false) => lanes64([0; 2].map(|_| float64_bits(body.random))),
    };
    body.push(instruction);
}

/// Takes two floats and leaves one.
pub(super) fn binary(body: &mut Body<'_>, ty: Floats) {
    use Instruction as I;
    body.one_of(match ty {
        Floats::F32 => &[
            I::F32Add,
            I::F32Sub,
            I::F32Mul,
            I::F32Div,
            I::F32Min,
            I::F32Max,
        ],
        Floats::F64 => &[
            I::F64Add,
            I::F64Sub,
            I::F64Mul,
            I::F64Div,
            I::F64Min,
            I::F64Max,
        ],
        Floats::F32x4 => &[
            I::F32x4Add,
            I::F32x4Sub,
            I::F32x4Mul,
            I::F32x4Div,
            I::F32x4Min,
            I::F32x4Max,
        ],
        Floats::F64x2 => &[
            I::F64x2Add,
            I::F64x2Sub,
            I::F64x2Mul,
            I::F64x2Div,
            I::F64x2Min,
            I::F64x2Max,
        ],
    });
}

/// Takes a float and leaves another.
fn unary(body: &mut Body<'_>, ty: Floats) {
    use Instruction as I;
    body.one_of(match ty {
        Floats::F32 => &[
            I::F32Ceil,
            I::F32Floor,
            I::F32Trunc,
            I::F32Nearest,
            I::F32Sqrt,
            I::F32Neg,
            I::F32Abs,
        ],
        Floats::F64 => &[
            I::F64Ceil,
            I::F64Floor,
            I::F64Trunc,
            I::F64Nearest,
            I::F64Sqrt,
            I::F64Neg,
            I::F64Abs,
        ],
        Floats::F32x4 => &[
            I::F32x4Ceil,
            I::F32x4Floor,
            I::F32x4Trunc,
            I::F32x4Nearest,
            I::F32x4Sqrt,
            I::F32x4Neg,
            I::F32x4Abs,
        ],
        Floats::F64x2 => &[
            I::F64x2Ceil,
            I::F64x2Floor,
            I::F64x2Trunc,
            I::F64x2Nearest,
            I::F64x2Sqrt,
            I::F64x2Neg,
            I::F64x2Abs,
        ],
    });
}

fn negate(ty: Floats) -> Instruction<'static> {
    match ty {
        Floats::F32 => Instruction::F32Neg,
        Floats::F64 => Instruction::F64Neg,
        Floats::F32x4 => Instruction::F32x4Neg,
        Floats::F64x2 => Instruction::F64x2Neg,
    }
}

impl Writer<'_> {
    /// Leaves a float whose bits are defined.
    pub(super) fn exact(&mut self, ty: Floats) {
        let (value, number) = value_type(ty);
        match self.body.random.below(16) {
            0..3 => special(&mut self.body, ty),
            3..6 => {
                let known = self.exact.iter().filter(|(_, other)| *other == ty);
                let known: Vec<u32> = known.map(|(local, _)| *local).collect();
                if known.is_empty() {
                    special(&mut self.body, ty);
                } else {
                    let local = self.body.random.choose(&known);
                    self.body.get(local);
                }
            }
            6 => self.body.get(number + 1),
            7 | 8 => {
                let array = self.body.random.choose(&INPUTS);
                let place = self.address(array);
                self.body.push(match ty {
                    Floats::F32 => Instruction::F32Load(place),
                    Floats::F64 => Instruction::F64Load(place),
                    Floats::F32x4 | Floats::F64x2 => Instruction::V128Load(place),
                });
            }
            9 => {
                let global = global(ty, self.body.random.once_in(2));
                self.body.push(Instruction::GlobalGet(global));
            }
            10 | 11 => {
                // From a function.
                special(&mut self.body, ty);
                let help = self.body.random.choose(&[Help::Constant, Help::Identity]);
                let helper = self.helper(ty, help);
                self.body.push(Instruction::Call(helper));
            }
            12 => {
                // From a block that takes it, by the type that functions have.
                special(&mut self.body, ty);
                let ty = BlockType::FunctionType(self.helper(ty, Help::Identity));
                self.body.open(Instruction::Block(ty));
                self.body.close();
            }
            13 => {
                // One of two constants, by a branch.
                self.body.get(ROUNDS);
                self.body.open(Instruction::If(BlockType::Result(value)));
                special(&mut self.body, ty);
                self.body.push(Instruction::Else);
                special(&mut self.body, ty);
                self.body.close();
            }
            14 => match ty {
                Floats::F32x4 => {
                    special(&mut self.body, Floats::F32);
                    self.body.push(Instruction::F32x4Splat);
                }
                Floats::F64x2 => {
                    special(&mut self.body, Floats::F64);
                    self.body.push(Instruction::F64x2Splat);
                }
                Floats::F32 => {
                    self.exact_bits(Floats::F32);
                    self.body.push(Instruction::F32ReinterpretI32);
                }
                Floats::F64 => {
                    self.exact_bits(Floats::F64);
                    self.body.push(Instruction::F64ReinterpretI64);
                }
            },
            _ => {
                special(&mut self.body, ty);
                self.body.push(negate(ty));
            }
        }
    }

    fn exact_bits(&mut self, ty: Floats) {
        if ty == Floats::F32 {
            let bits = float32_bits(self.body.random).cast_signed();
            self.body.push(Instruction::I32Const(bits));
        } else {
            let bits = float64_bits(self.body.random).cast_signed();
            self.body.push(Instruction::I64Const(bits));
        }
    }

    /// Leaves a float.
    pub(super) fn expression(&mut self, ty: Floats, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return self.exact(ty);
        };
        match self.body.random.below(24) {
            0 => self.exact(ty),
            1 => {
                let sums = self.sums.iter().filter(|(_, other)| *other == ty);
                let sum = sums.map(|(sum, _)| *sum).next();
                match sum {
                    Some(sum) => self.body.get(sum),
                    None => self.exact(ty),
                }
            }
            2..5 => {
                self.expression(ty, depth);
                unary(&mut self.body, ty);
            }
            5 => {
                // The same operator twice may be once.
                self.expression(ty, depth);
                let same = self.body.random.clone();
                unary(&mut self.body, ty);
                *self.body.random = same;
                unary(&mut self.body, ty);
            }
            6 => {
                self.expression(ty, depth);
                self.exact(ty);
                self.copy_sign(ty);
            }
            7 => self.there_and_back(ty, depth),
            8 => {
                self.expression(ty, depth);
                self.expression(ty, depth);
                self.condition();
                self.body.push(Instruction::Select);
            }
            9 => {
                // With itself.
                let (value, _) = value_type(ty);
                let local = self.body.local(value);
                self.expression(ty, depth);
                self.body.tee(local);
                self.body.get(local);
                if self.body.random.once_in(3) {
                    self.body.push(negate(ty));
                }
                binary(&mut self.body, ty);
            }
            10 => {
                self.expression(ty, depth);
                let help = self.body.random.choose(&[Help::Identity, Help::Arithmetic]);
                let helper = self.helper(ty, help);
                self.body.push(Instruction::Call(helper));
            }
            11 => self.lanes(ty, depth),
            // What is likely neutral, on either side.
            12..18 => {
                let first = self.body.random.once_in(3);
                if first {
                    self.exact(ty);
                }
                self.expression(ty, depth);
                if !first {
                    self.exact(ty);
                }
                binary(&mut self.body, ty);
            }
            _ => {
                self.expression(ty, depth);
                if self.body.random.once_in(6) {
                    self.body.push(negate(ty));
                }
                self.expression(ty, depth);
                if self.body.random.once_in(6) {
                    self.body.push(negate(ty));
                }
                binary(&mut self.body, ty);
            }
        }
    }

    fn copy_sign(&mut self, ty: Floats) {
        match ty {
            Floats::F32 => self.body.push(Instruction::F32Copysign),
            Floats::F64 => self.body.push(Instruction::F64Copysign),
            Floats::F32x4 => self
                .body
                .one_of(&[Instruction::F32x4PMin, Instruction::F32x4PMax]),
            Floats::F64x2 => self
                .body
                .one_of(&[Instruction::F64x2PMin, Instruction::F64x2PMax]),
        }
    }

    /// From another type, or to it and back.
    fn there_and_back(&mut self, ty: Floats, depth: usize) {
        let (other, there, back) = match ty {
            Floats::F32 => (
                Floats::F64,
                Instruction::F64PromoteF32,
                Instruction::F32DemoteF64,
            ),
            Floats::F64 => (
                Floats::F32,
                Instruction::F32DemoteF64,
                Instruction::F64PromoteF32,
            ),
            Floats::F32x4 => (
                Floats::F64x2,
                Instruction::F64x2PromoteLowF32x4,
                Instruction::F32x4DemoteF64x2Zero,
            ),
            Floats::F64x2 => (
                Floats::F32x4,
                Instruction::F32x4DemoteF64x2Zero,
                Instruction::F64x2PromoteLowF32x4,
            ),
        };
        if self.body.random.once_in(2) {
            self.expression(other, depth);
        } else {
            self.expression(ty, depth);
            self.body.push(there);
        }
        self.body.push(back);
    }

    /// One lane, or a vector with one lane exchanged.
    fn lanes(&mut self, ty: Floats, depth: usize) {
        let lane = self.body.random.below(4) as u8;
        match ty {
            Floats::F32 => {
                self.expression(Floats::F32x4, depth);
                self.body.push(Instruction::F32x4ExtractLane(lane));
            }
            Floats::F64 => {
                self.expression(Floats::F64x2, depth);
                self.body.push(Instruction::F64x2ExtractLane(lane % 2));
            }
            Floats::F32x4 => {
                self.expression(ty, depth);
                self.expression(Floats::F32, depth);
                self.body.push(Instruction::F32x4ReplaceLane(lane));
            }
            Floats::F64x2 => {
                self.expression(ty, depth);
                self.expression(Floats::F64, depth);
                self.body.push(Instruction::F64x2ReplaceLane(lane % 2));
            }
        }
    }

    /// Whether one float is less than another, which no NaN is.
    fn condition(&mut self) {
        if self.body.random.once_in(2) {
            self.exact(Floats::F32);
            self.exact(Floats::F32);
            self.body.push(Instruction::F32Lt);
        } else {
            self.exact(Floats::F64);
            self.exact(Floats::F64);
            self.body.push(Instruction::F64Le);
        }
    }

    /// Makes zeros of NaNs on the stack.
    pub(super) fn without_nan(&mut self, ty: Floats) {
        let (value, _) = value_type(ty);
        let local = self.body.local(value);
        self.body.tee(local);
        let (zero, equal, choose) = match ty {
            Floats::F32 => (
                Instruction::F32Const(Ieee32::from(0.0)),
                Instruction::F32Eq,
                Instruction::Select,
            ),
            Floats::F64 => (
                Instruction::F64Const(Ieee64::from(0.0)),
                Instruction::F64Eq,
                Instruction::Select,
            ),
            Floats::F32x4 => (
                Instruction::V128Const(0),
                Instruction::F32x4Eq,
                Instruction::V128Bitselect,
            ),
            Floats::F64x2 => (
                Instruction::V128Const(0),
                Instruction::F64x2Eq,
                Instruction::V128Bitselect,
            ),
        };
        self.body.push(zero);
        self.body.get(local);
        self.body.get(local);
        self.body.push(equal);
        self.body.push(choose);
    }
}
