//! Expressions of numbers, each of which leaves one value on the stack.

use wasm_encoder::{Ieee32, Ieee64, Instruction, MemArg, ValType};

use super::{Element, NUMBERS, REAL, WHOLE, Writer};

impl Writer<'_> {
    /// Leaves one value of a type on the stack.
    pub(super) fn expression(&mut self, ty: ValType, depth: usize) {
        if depth == 0 || self.random.once_in(4) {
            return self.leaf(ty);
        }
        match self.random.below(12) {
            0 => {
                self.expression(ty, depth - 1);
                self.expression(ty, depth - 1);
                self.condition();
                self.push(Instruction::Select);
            }
            1 | 2 => self.converted(ty, depth - 1),
            3 => {
                self.expression(ty, depth - 1);
                self.unary(ty);
            }
            _ => {
                self.expression(ty, depth - 1);
                self.expression(ty, depth - 1);
                self.operator(ty);
            }
        }
    }

    pub(super) fn leaf(&mut self, ty: ValType) {
        match self.random.below(8) {
            0 => self.constant(ty),
            1 => self.get(self.sum(ty)),
            2 => match ty {
                ValType::I64 => self.get(WHOLE),
                ValType::F64 => self.get(REAL),
                ValType::I32 if !self.rounds.is_empty() => {
                    let round = self.random.choose(&self.rounds);
                    self.get(round.counter);
                }
                _ => self.constant(ty),
            },
            _ => {
                let element = match self.unrolled {
                    Some((element, _)) if element.ty == ty => element,
                    _ => self.element_of(ty),
                };
                let place = self.address(element);
                self.push(load(element, place));
            }
        }
    }

    pub(super) fn constant(&mut self, ty: ValType) {
        let small = self
            .random
            .choose(&[0, 1, 2, 3, 7, 8, 31, 100, 255, -1, -2, -128, 65535]);
        let any = self.random.next_u64();
        let whole = if any & 7 == 0 { any as i64 } else { small };
        self.push(match ty {
            ValType::I32 => Instruction::I32Const(whole as i32),
            ValType::I64 => Instruction::I64Const(whole),
            ValType::F32 => Instruction::F32Const(Ieee32::from(small as f32 * 0.25)),
            _ => Instruction::F64Const(Ieee64::from(small as f64 * 0.125)),
        });
    }

    /// From another type.
    pub(super) fn converted(&mut self, ty: ValType, depth: usize) {
        let from = match ty {
            ValType::I32 => self.random.choose(&[ValType::I64, ValType::F64]),
            ValType::I64 => self
                .random
                .choose(&[ValType::I32, ValType::I32, ValType::F32]),
            ValType::F32 => self.random.choose(&[ValType::I32, ValType::F64]),
            _ => self
                .random
                .choose(&[ValType::I32, ValType::I64, ValType::F32]),
        };
        self.expression(from, depth);
        let signed = self.random.once_in(2);
        self.push(match (from, ty, signed) {
            (ValType::I64, ValType::I32, _) => Instruction::I32WrapI64,
            (ValType::F64, ValType::I32, true) => Instruction::I32TruncSatF64S,
            (ValType::F64, ValType::I32, false) => Instruction::I32TruncSatF64U,
            (ValType::I32, ValType::I64, true) => Instruction::I64ExtendI32S,
            (ValType::I32, ValType::I64, false) => Instruction::I64ExtendI32U,
            (ValType::F32, ValType::I64, true) => Instruction::I64TruncSatF32S,
            (ValType::F32, ValType::I64, false) => Instruction::I64TruncSatF32U,
            (ValType::I32, ValType::F32, true) => Instruction::F32ConvertI32S,
            (ValType::I32, ValType::F32, false) => Instruction::F32ConvertI32U,
            (ValType::F64, ValType::F32, _) => Instruction::F32DemoteF64,
            (ValType::I32, ValType::F64, true) => Instruction::F64ConvertI32S,
            (ValType::I32, ValType::F64, false) => Instruction::F64ConvertI32U,
            (ValType::I64, ValType::F64, true) => Instruction::F64ConvertI64S,
            (ValType::I64, ValType::F64, false) => Instruction::F64ConvertI64U,
            _ => Instruction::F64PromoteF32,
        });
    }

    pub(super) fn unary(&mut self, ty: ValType) {
        if ty == ValType::I32 && self.random.once_in(4) {
            let by = self.random.choose(&[2, 3, 7, 8, 10, 1000]);
            self.number(by);
            return self.one_of(&[
                Instruction::I32DivS,
                Instruction::I32DivU,
                Instruction::I32RemS,
                Instruction::I32RemU,
            ]);
        }
        let operators: &[Instruction<'static>] = match ty {
            ValType::I32 => &[
                Instruction::I32Clz,
                Instruction::I32Ctz,
                Instruction::I32Popcnt,
                Instruction::I32Eqz,
                Instruction::I32Extend8S,
                Instruction::I32Extend16S,
            ],
            ValType::I64 => &[
                Instruction::I64Clz,
                Instruction::I64Ctz,
                Instruction::I64Popcnt,
                Instruction::I64Extend32S,
            ],
            ValType::F32 => &[
                Instruction::F32Neg,
                Instruction::F32Abs,
                Instruction::F32Sqrt,
            ],
            _ => &[
                Instruction::F64Neg,
                Instruction::F64Abs,
                Instruction::F64Floor,
            ],
        };
        self.one_of(operators);
    }

    /// Takes two values of a type and leaves one.
    pub(super) fn operator(&mut self, ty: ValType) {
        let operators: &[Instruction<'static>] = match ty {
            ValType::I32 => &[
                Instruction::I32Add,
                Instruction::I32Add,
                Instruction::I32Sub,
                Instruction::I32Mul,
                Instruction::I32And,
                Instruction::I32Or,
                Instruction::I32Xor,
                Instruction::I32Shl,
                Instruction::I32ShrS,
                Instruction::I32ShrU,
                Instruction::I32Rotl,
            ],
            ValType::I64 => &[
                Instruction::I64Add,
                Instruction::I64Add,
                Instruction::I64Sub,
                Instruction::I64Mul,
                Instruction::I64And,
                Instruction::I64Or,
                Instruction::I64Xor,
                Instruction::I64Shl,
                Instruction::I64ShrU,
                Instruction::I64Rotr,
            ],
            ValType::F32 => &[
                Instruction::F32Add,
                Instruction::F32Add,
                Instruction::F32Sub,
                Instruction::F32Mul,
                Instruction::F32Min,
                Instruction::F32Max,
            ],
            _ => &[
                Instruction::F64Add,
                Instruction::F64Add,
                Instruction::F64Sub,
                Instruction::F64Mul,
                Instruction::F64Div,
                Instruction::F64Min,
                Instruction::F64Max,
            ],
        };
        self.one_of(operators);
    }

    /// Takes two values of a type and leaves whether one comes before the other.
    pub(super) fn comparison(&mut self, ty: ValType) {
        let operators: &[Instruction<'static>] = match ty {
            ValType::I32 => &[
                Instruction::I32LtS,
                Instruction::I32LtU,
                Instruction::I32GtS,
                Instruction::I32GeU,
                Instruction::I32Eq,
                Instruction::I32Ne,
            ],
            ValType::I64 => &[
                Instruction::I64LtS,
                Instruction::I64LtU,
                Instruction::I64GtS,
                Instruction::I64LeU,
            ],
            ValType::F32 => &[Instruction::F32Lt, Instruction::F32Gt, Instruction::F32Ge],
            _ => &[Instruction::F64Lt, Instruction::F64Gt, Instruction::F64Le],
        };
        self.one_of(operators);
    }

    pub(super) fn condition(&mut self) {
        let ty = self.random.choose(&NUMBERS);
        self.expression(ty, 1);
        self.expression(ty, 1);
        self.comparison(ty);
    }

    /// Makes zero of a NaN on the stack, whose bits the specification leaves open.
    pub(super) fn without_nan(&mut self, ty: ValType) {
        let (zero, equal) = match ty {
            ValType::F32 => (Instruction::F32Const(Ieee32::from(0.0)), Instruction::F32Eq),
            ValType::F64 => (Instruction::F64Const(Ieee64::from(0.0)), Instruction::F64Eq),
            _ => return,
        };
        let value = self.local(ty);
        self.push(Instruction::LocalTee(value));
        self.push(zero);
        self.get(value);
        self.get(value);
        self.push(equal);
        self.push(Instruction::Select);
    }
}

pub(super) fn load(element: Element, place: MemArg) -> Instruction<'static> {
    match (element.ty, element.bytes, element.signed) {
        (ValType::I32, 1, true) => Instruction::I32Load8S(place),
        (ValType::I32, 1, false) => Instruction::I32Load8U(place),
        (ValType::I32, 2, true) => Instruction::I32Load16S(place),
        (ValType::I32, 2, false) => Instruction::I32Load16U(place),
        (ValType::I32, ..) => Instruction::I32Load(place),
        (ValType::I64, 1, true) => Instruction::I64Load8S(place),
        (ValType::I64, 1, false) => Instruction::I64Load8U(place),
        (ValType::I64, 2, true) => Instruction::I64Load16S(place),
        (ValType::I64, 2, false) => Instruction::I64Load16U(place),
        (ValType::I64, 4, true) => Instruction::I64Load32S(place),
        (ValType::I64, 4, false) => Instruction::I64Load32U(place),
        (ValType::I64, ..) => Instruction::I64Load(place),
        (ValType::F32, ..) => Instruction::F32Load(place),
        _ => Instruction::F64Load(place),
    }
}

pub(super) fn store(element: Element, place: MemArg) -> Instruction<'static> {
    match (element.ty, element.bytes) {
        (ValType::I32, 1) => Instruction::I32Store8(place),
        (ValType::I32, 2) => Instruction::I32Store16(place),
        (ValType::I32, _) => Instruction::I32Store(place),
        (ValType::I64, 1) => Instruction::I64Store8(place),
        (ValType::I64, 2) => Instruction::I64Store16(place),
        (ValType::I64, 4) => Instruction::I64Store32(place),
        (ValType::I64, _) => Instruction::I64Store(place),
        (ValType::F32, _) => Instruction::F32Store(place),
        _ => Instruction::F64Store(place),
    }
}
