//! Expressions of narrow integers, each of which leaves one value of 32 or 64 bits on the stack.

use wasm_encoder::{Instruction, MemArg, ValType};

use super::super::arrays::{INPUTS, at};
use super::{ROUNDS, WHOLE, Writer};

/// The types that narrow integers are computed with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wide {
    I32,
    I64,
}

/// An instruction of each of these types.
type Either = [Instruction<'static>; 2];

use Instruction as I;

const ARITHMETIC: [Either; 7] = [
    [I::I32Add, I::I64Add],
    [I::I32Sub, I::I64Sub],
    [I::I32Mul, I::I64Mul],
    [I::I32Mul, I::I64Mul],
    [I::I32And, I::I64And],
    [I::I32Or, I::I64Or],
    [I::I32Xor, I::I64Xor],
];
const SHIFTS: [Either; 5] = [
    [I::I32Shl, I::I64Shl],
    [I::I32ShrS, I::I64ShrS],
    [I::I32ShrU, I::I64ShrU],
    [I::I32Rotl, I::I64Rotl],
    [I::I32Rotr, I::I64Rotr],
];
const REDUCTIONS: [Either; 6] = [
    [I::I32Add, I::I64Add],
    [I::I32Add, I::I64Add],
    [I::I32Xor, I::I64Xor],
    [I::I32And, I::I64And],
    [I::I32Or, I::I64Or],
    [I::I32Mul, I::I64Mul],
];
const ORDERS: [Either; 8] = [
    [I::I32LtS, I::I64LtS],
    [I::I32LtU, I::I64LtU],
    [I::I32GtS, I::I64GtS],
    [I::I32GtU, I::I64GtU],
    [I::I32LeS, I::I64LeS],
    [I::I32LeU, I::I64LeU],
    [I::I32GeS, I::I64GeS],
    [I::I32GeU, I::I64GeU],
];
const EQUALITIES: [Either; 2] = [[I::I32Eq, I::I64Eq], [I::I32Ne, I::I64Ne]];
const UNARY: [Either; 6] = [
    [I::I32Extend8S, I::I64Extend8S],
    [I::I32Extend16S, I::I64Extend16S],
    [I::I32Extend16S, I::I64Extend32S],
    [I::I32Clz, I::I64Clz],
    [I::I32Ctz, I::I64Ctz],
    [I::I32Popcnt, I::I64Popcnt],
];
const DIVISIONS: [Either; 4] = [
    [I::I32DivS, I::I64DivS],
    [I::I32DivU, I::I64DivU],
    [I::I32RemS, I::I64RemS],
    [I::I32RemU, I::I64RemU],
];
const ADD: Either = [I::I32Add, I::I64Add];
const SUBTRACT: Either = [I::I32Sub, I::I64Sub];
const MULTIPLY: Either = [I::I32Mul, I::I64Mul];
const LESS: Either = [I::I32LtS, I::I64LtS];
const LESS_UNSIGNED: Either = [I::I32LtU, I::I64LtU];
const GREATER: Either = [I::I32GtS, I::I64GtS];
const GREATER_UNSIGNED: Either = [I::I32GtU, I::I64GtU];
const SHIFT_RIGHT: [Either; 2] = [[I::I32ShrS, I::I64ShrS], [I::I32ShrU, I::I64ShrU]];

/// The ends of narrow ranges.
const BORDERS: [i64; 14] = [
    -128,
    127,
    255,
    -32768,
    32767,
    65535,
    0,
    -1,
    256,
    65536,
    2_147_483_647,
    -2_147_483_648,
    15,
    1,
];
/// Least and greatest numbers to clamp to.
const RANGES: [[i64; 2]; 8] = [
    [-128, 127],
    [0, 255],
    [-32768, 32767],
    [0, 65535],
    [-127, 127],
    [-1, 1],
    [-2_147_483_648, 2_147_483_647],
    [16, 235],
];

impl Wide {
    pub(super) fn value(self) -> ValType {
        match self {
            Self::I32 => ValType::I32,
            Self::I64 => ValType::I64,
        }
    }

    /// Its width in bytes, as a power of two.
    pub(super) fn width(self) -> u32 {
        match self {
            Self::I32 => 2,
            Self::I64 => 3,
        }
    }

    fn bits(self) -> usize {
        8 << self.width()
    }

    fn constant(self, value: i64) -> Instruction<'static> {
        match self {
            Self::I32 => Instruction::I32Const(value as i32),
            Self::I64 => Instruction::I64Const(value),
        }
    }

    fn of(self, either: &Either) -> Instruction<'static> {
        either[self as usize].clone()
    }

    pub(super) fn store(self, width: u32, place: MemArg) -> Instruction<'static> {
        match (self, width) {
            (Self::I32, 0) => Instruction::I32Store8(place),
            (Self::I32, 1) => Instruction::I32Store16(place),
            (Self::I32, _) => Instruction::I32Store(place),
            (Self::I64, 0) => Instruction::I64Store8(place),
            (Self::I64, 1) => Instruction::I64Store16(place),
            (Self::I64, 2) => Instruction::I64Store32(place),
            (Self::I64, _) => Instruction::I64Store(place),
        }
    }

    fn load(self, width: u32, signed: bool, place: MemArg) -> Instruction<'static> {
        match (self, width, signed) {
            (Self::I32, 0, true) => Instruction::I32Load8S(place),
            (Self::I32, 0, false) => Instruction::I32Load8U(place),
            (Self::I32, 1, true) => Instruction::I32Load16S(place),
            (Self::I32, 1, false) => Instruction::I32Load16U(place),
            (Self::I32, _, _) => Instruction::I32Load(place),
            (Self::I64, 0, true) => Instruction::I64Load8S(place),
            (Self::I64, 0, false) => Instruction::I64Load8U(place),
            (Self::I64, 1, true) => Instruction::I64Load16S(place),
            (Self::I64, 1, false) => Instruction::I64Load16U(place),
            (Self::I64, 2, true) => Instruction::I64Load32S(place),
            (Self::I64, 2, false) => Instruction::I64Load32U(place),
            (Self::I64, _, _) => Instruction::I64Load(place),
        }
    }
}

impl Writer<'_> {
    fn operator(&mut self, ty: Wide, either: &Either) {
        self.body.push(ty.of(either));
    }

    fn one_of(&mut self, ty: Wide, some: &[Either]) {
        let place = self.body.random.below(some.len());
        self.operator(ty, &some[place]);
    }

    fn constant(&mut self, ty: Wide, value: i64) {
        self.body.push(ty.constant(value));
    }

    /// Takes two values and leaves whether one comes before the other.
    pub(super) fn order(&mut self, ty: Wide) {
        self.one_of(ty, &ORDERS);
    }

    /// Takes a sum and what is added.
    pub(super) fn reduction(&mut self, ty: Wide) {
        self.one_of(ty, &REDUCTIONS);
    }

    pub(super) fn condition(&mut self) {
        let ty = self.body.random.choose(&[Wide::I32, Wide::I64]);
        self.expression(ty, 1);
        self.expression(ty, 1);
        if self.body.random.once_in(4) {
            self.one_of(ty, &EQUALITIES);
        } else {
            self.order(ty);
        }
    }

    /// Of two elements, of which only some bits are taken.
    pub(super) fn narrowed_product(&mut self, ty: Wide) {
        if self.body.random.once_in(2) {
            let width = self.body.random.choose(self.widths);
            let signed = self.body.random.once_in(2);
            self.element(ty, width, signed);
            self.element(ty, width, signed);
        } else {
            self.leaf(ty);
            self.leaf(ty);
        }
        self.operator(ty, &MULTIPLY);
        self.shift(ty);
    }

    /// Takes a value and shifts or rotates it by a constant.
    fn shift(&mut self, ty: Wide) {
        let by = if self.body.random.once_in(2) {
            let amounts = [1, 7, 8, 9, 14, 15, 16, 17, 23, 24, 31, 32, 33, 40, 48, 63];
            self.body.random.choose(&amounts)
        } else {
            self.body.random.below(ty.bits() + 1) as i64
        };
        self.constant(ty, by);
        self.one_of(ty, &SHIFTS);
    }

    /// An element of an input.
    fn element(&mut self, ty: Wide, width: u32, signed: bool) {
        let array = self.body.random.choose(&INPUTS);
        let ahead = match self.body.random.below(8) {
            0 => self.body.random.choose(&[1, 2, 3, 8]) << width,
            _ => 0,
        };
        let place = self.address(width, array + ahead);
        self.body.push(ty.load(width, signed, place));
    }

    fn leaf(&mut self, ty: Wide) {
        match self.body.random.below(14) {
            0 => {
                let border = self.body.random.choose(&BORDERS);
                self.constant(ty, border);
            }
            1 => {
                let small = self.body.random.below(41) as i64 - 20;
                self.constant(ty, small);
            }
            2 => self.converted(ty, |writer, other| writer.parameter(other)),
            3 => {
                self.body.get(self.counter);
                if ty == Wide::I64 {
                    self.body
                        .one_of(&[Instruction::I64ExtendI32U, Instruction::I64ExtendI32S]);
                }
            }
            // In the middle of a number, or of two.
            4 => {
                let width = self.body.random.choose(self.widths);
                let (array, off) = (
                    self.body.random.choose(&INPUTS),
                    self.body.random.below(8) as u64,
                );
                self.body.get(self.counter);
                self.body
                    .push(ty.load(width, off % 2 == 0, at(array + off)));
            }
            _ => {
                let width = if self.body.random.once_in(12) {
                    ty.width()
                } else {
                    self.body.random.choose(self.widths)
                };
                let signed = self.body.random.once_in(2);
                self.element(ty, width, signed);
            }
        }
    }

    fn parameter(&mut self, ty: Wide) {
        self.body.get(match ty {
            Wide::I32 => ROUNDS,
            Wide::I64 => WHOLE,
        });
    }

    /// Something of this type, or of the other one and converted.
    fn converted(&mut self, ty: Wide, write: impl FnOnce(&mut Self, Wide)) {
        match (ty, self.body.random.once_in(2)) {
            (_, true) => write(self, ty),
            (Wide::I32, _) => {
                write(self, Wide::I64);
                self.body.push(Instruction::I32WrapI64);
            }
            (Wide::I64, _) => {
                write(self, Wide::I32);
                self.body
                    .one_of(&[Instruction::I64ExtendI32U, Instruction::I64ExtendI32S]);
            }
        }
    }

    /// Leaves one value of a type on the stack.
    pub(super) fn expression(&mut self, ty: Wide, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return self.leaf(ty);
        };
        match self.body.random.below(32) {
            0..4 => self.leaf(ty),
            4..8 => {
                self.expression(ty, depth);
                self.expression(ty, depth);
                self.one_of(ty, &ARITHMETIC);
            }
            8..10 => {
                self.expression(ty, depth);
                self.shift(ty);
            }
            10 | 11 => self.narrowed_product(ty),
            12 | 13 => {
                self.expression(ty, depth);
                self.leaf(ty);
                self.one_of(ty, &SHIFTS);
            }
            14..17 => self.clamped(ty, depth),
            17 => {
                // A sum of two products.
                for second in [false, true] {
                    self.leaf(ty);
                    self.leaf(ty);
                    self.operator(ty, &MULTIPLY);
                    if second {
                        self.operator(ty, &ADD);
                    }
                }
            }
            18 | 19 => self.average(ty),
            20 => self.difference(ty),
            21 | 22 => {
                self.expression(ty, depth);
                self.expression(ty, depth);
                self.condition();
                self.body.push(Instruction::Select);
            }
            23 | 24 => self.mask(ty),
            25 | 26 => self.converted(ty, |writer, other| writer.expression(other, depth)),
            27 | 28 => {
                self.expression(ty, depth);
                self.one_of(ty, &UNARY);
            }
            29 => {
                self.expression(ty, depth);
                let by = self
                    .body
                    .random
                    .choose(&[2, 3, 7, 8, 10, 255, 256, -3, 1000]);
                self.constant(ty, by);
                self.one_of(ty, &DIVISIONS);
            }
            30 => self.swapped(ty),
            _ => {
                // The smaller or the greater one.
                let (a, b) = self.two(ty);
                for value in [a, b, a, b] {
                    self.body.get(value);
                }
                self.order(ty);
                self.body.push(Instruction::Select);
            }
        }
    }

    /// Two values in locals.
    fn two(&mut self, ty: Wide) -> (u32, u32) {
        let (a, b) = (self.body.local(ty.value()), self.body.local(ty.value()));
        for local in [a, b] {
            self.leaf(ty);
            self.body.set(local);
        }
        (a, b)
    }

    /// Within a range that narrow numbers have, by comparisons.
    fn clamped(&mut self, ty: Wide, depth: usize) {
        let value = self.body.local(ty.value());
        if self.body.random.once_in(2) {
            self.leaf(ty);
            self.leaf(ty);
            self.one_of(ty, &[ADD, ADD, SUBTRACT, MULTIPLY]);
        } else {
            self.expression(ty, depth);
        }
        self.body.set(value);
        let [least, greatest] = self.body.random.choose(&RANGES);
        let unsigned = self.body.random.once_in(4);
        let mut sides = [
            (least, if unsigned { LESS_UNSIGNED } else { LESS }),
            (greatest, if unsigned { GREATER_UNSIGNED } else { GREATER }),
        ];
        if self.body.random.once_in(2) {
            sides.reverse();
        }
        let one_side = self.body.random.once_in(4);
        for (border, beyond) in sides.into_iter().skip(usize::from(one_side)) {
            self.constant(ty, border);
            self.body.get(value);
            self.body.get(value);
            self.constant(ty, border);
            self.operator(ty, &beyond);
            self.body.push(Instruction::Select);
            self.body.set(value);
        }
        self.body.get(value);
    }

    /// Of two numbers, rounded up or down.
    fn average(&mut self, ty: Wide) {
        self.leaf(ty);
        self.leaf(ty);
        self.operator(ty, &ADD);
        if self.body.random.once_in(2) {
            self.constant(ty, 1);
            self.operator(ty, &ADD);
        }
        self.constant(ty, 1);
        self.one_of(ty, &SHIFT_RIGHT);
    }

    /// How far two numbers are from each other, or zero if the second is greater.
    fn difference(&mut self, ty: Wide) {
        let (a, b) = self.two(ty);
        self.body.get(a);
        self.body.get(b);
        self.operator(ty, &SUBTRACT);
        if self.body.random.once_in(2) {
            self.body.get(b);
            self.body.get(a);
            self.operator(ty, &SUBTRACT);
        } else {
            self.constant(ty, 0);
        }
        self.body.get(a);
        self.body.get(b);
        self.one_of(ty, &[GREATER, GREATER_UNSIGNED]);
        self.body.push(Instruction::Select);
    }

    /// All bits or none, by a comparison; or what such a mask leaves of a number.
    fn mask(&mut self, ty: Wide) {
        self.constant(ty, 0);
        self.condition();
        if ty == Wide::I64 {
            self.body.push(Instruction::I64ExtendI32U);
        }
        self.operator(ty, &SUBTRACT);
        if self.body.random.once_in(2) {
            self.leaf(ty);
            self.one_of(ty, &ARITHMETIC[4..]);
        }
    }

    /// Two parts of a number exchanged, or taken from two numbers.
    fn swapped(&mut self, ty: Wide) {
        let (a, b) = self.two(ty);
        let other = if self.body.random.once_in(2) { a } else { b };
        let by = self.body.random.choose(&[8, 16, 4, 24, 1]);
        self.body.get(a);
        self.constant(ty, by);
        self.operator(ty, &[I::I32Shl, I::I64Shl]);
        self.body.get(other);
        let back = self.body.random.choose(&[by, 16 - by, 32 - by]);
        self.constant(ty, back);
        self.one_of(ty, &SHIFT_RIGHT);
        self.operator(ty, &[I::I32Or, I::I64Or]);
    }
}
