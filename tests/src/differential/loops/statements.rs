//! What the rounds of loops do, but for further loops.

use wasm_encoder::{BlockType, Instruction, MemArg, ValType};

use super::expressions::{load, store};
use super::{ELEMENT_MASKS, ELEMENTS, Element, HELPER_TYPE, HELPERS, HIGH_HALF, NUMBERS, Writer};

impl Writer<'_> {
    pub(super) fn element(&mut self) -> Element {
        let others = self.random.once_in(2);
        let ty = if others {
            self.random.choose(&NUMBERS)
        } else {
            ValType::I32
        };
        self.element_of(ty)
    }

    pub(super) fn element_of(&mut self, ty: ValType) -> Element {
        let widths: &[u32] = match ty {
            ValType::I32 => &[1, 2, 4, 4, 4],
            ValType::I64 => &[1, 2, 4, 8, 8],
            ValType::F32 => &[4],
            _ => &[8],
        };
        Element {
            ty,
            bytes: self.random.choose(widths),
            signed: self.random.once_in(2),
        }
    }

    pub(super) fn store(&mut self, element: Element) {
        let place = self.address(element);
        self.expression(element.ty, 2);
        self.without_nan(element.ty);
        self.push(store(element, place));
    }

    /// Everything of a store but the store itself: locals with the address and the value, and the place from there.
    pub(super) fn store_later(&mut self, element: Element) -> (u32, u32, MemArg) {
        let (address, value) = (self.local(ValType::I32), self.local(element.ty));
        let place = self.address(element);
        self.push(Instruction::LocalSet(address));
        self.expression(element.ty, 2);
        self.without_nan(element.ty);
        self.push(Instruction::LocalSet(value));
        (address, value, place)
    }

    /// A sum in memory.
    pub(super) fn update(&mut self, element: Element) {
        let place = self.address(element);
        let address = self.local(ValType::I32);
        self.push(Instruction::LocalTee(address));
        self.get(address);
        self.push(load(element, place));
        self.expression(element.ty, 2);
        self.operator(element.ty);
        self.without_nan(element.ty);
        self.push(store(element, place));
    }

    pub(super) fn sum(&self, ty: ValType) -> u32 {
        let of_type = self.sums.iter().find(|sum| sum.1 == ty);
        of_type.expect("there is one of each type").0
    }

    pub(super) fn accumulate(&mut self, ty: ValType) {
        let sum = self.sum(ty);
        self.get(sum);
        self.expression(ty, 2);
        self.operator(ty);
        self.push(Instruction::LocalSet(sum));
    }

    /// The smallest or largest so far, by a choice or by a branch.
    pub(super) fn minimum(&mut self) {
        let ty = self.random.choose(&NUMBERS);
        let (sum, next) = (self.sum(ty), self.local(ty));
        self.expression(ty, 2);
        self.push(Instruction::LocalSet(next));
        let by_branch = self.random.once_in(2);
        if !by_branch {
            self.get(next);
            self.get(sum);
        }
        self.get(next);
        self.get(sum);
        self.comparison(ty);
        if by_branch {
            self.open(Instruction::If(BlockType::Empty));
            self.get(next);
            self.push(Instruction::LocalSet(sum));
            self.close();
        } else {
            self.push(Instruction::Select);
            self.push(Instruction::LocalSet(sum));
        }
    }

    pub(super) fn conditional(&mut self) {
        self.condition();
        self.open(Instruction::If(BlockType::Empty));
        self.statement();
        if self.random.once_in(2) {
            self.push(Instruction::Else);
            self.statement();
        }
        self.close();
    }

    pub(super) fn copy_or_fill(&mut self) {
        let element = self.element();
        let place = self.address(element);
        self.number(place.offset as i32);
        self.push(Instruction::I32Add);
        let is_copy = self.random.once_in(2);
        if is_copy {
            let place = self.address(element);
            self.number(place.offset as i32);
            self.push(Instruction::I32Add);
        } else {
            self.expression(ValType::I32, 1);
        }
        let bytes = self.random.choose(&[0, 1, 4, 8, 16, 24, 33, 64, 200]);
        self.number(bytes);
        self.push(if is_copy {
            Instruction::MemoryCopy {
                src_mem: 0,
                dst_mem: 0,
            }
        } else {
            Instruction::MemoryFill(0)
        });
    }

    pub(super) fn global(&mut self) {
        let place = self.random.below(NUMBERS.len());
        let (global, ty) = (place as u32, NUMBERS[place]);
        self.push(Instruction::GlobalGet(global));
        self.expression(ty, 1);
        self.operator(ty);
        self.without_nan(ty);
        self.push(Instruction::GlobalSet(global));
    }

    /// Of a helper, directly or through the table.
    pub(super) fn call(&mut self) {
        let sum = self.sum(ValType::I32);
        self.get(sum);
        self.expression(ValType::I32, 1);
        if self.random.once_in(2) {
            let helper = self.random.below(HELPERS as usize) as u32;
            self.push(Instruction::Call(helper));
        } else {
            self.expression(ValType::I32, 1);
            let mask = self.random.choose(&ELEMENT_MASKS);
            self.number(mask);
            self.push(Instruction::I32And);
            self.push(Instruction::CallIndirect {
                type_index: HELPER_TYPE,
                table_index: 0,
            });
        }
        self.push(Instruction::LocalSet(sum));
    }

    /// One of several statements, by a number.
    pub(super) fn branch_table(&mut self) {
        let after = self.open(Instruction::Block(BlockType::Empty));
        let arms: Vec<u32> = (0..1 + self.random.below(3))
            .map(|_| self.open(Instruction::Block(BlockType::Empty)))
            .collect();
        self.expression(ValType::I32, 1);
        self.number(3);
        self.push(Instruction::I32And);
        let targets: Vec<u32> = arms.iter().map(|&arm| self.depth(arm)).collect();
        self.push(Instruction::BrTable(targets.into(), self.depth(after)));
        for _ in arms {
            self.close();
            let ty = self.random.choose(&NUMBERS);
            self.accumulate(ty);
            self.push(Instruction::Br(self.depth(after)));
        }
        self.close();
    }

    /// Out of the loop, seldom.
    pub(super) fn leave(&mut self) {
        let Some(&round) = self.rounds.last() else {
            return;
        };
        self.expression(ValType::I32, 1);
        let rarely = self.random.choose(&[0, 1, 77]);
        self.number(rarely);
        self.push(Instruction::I32Eq);
        self.push(Instruction::BrIf(self.depth(round.exit)));
    }

    /// A product of 128 bits, added up.
    pub(super) fn product(&mut self) {
        let sum = self.sum(ValType::I64);
        self.get(sum);
        self.expression(ValType::I64, 1);
        if self.random.once_in(2) {
            self.get(sum);
        } else {
            self.expression(ValType::I64, 1);
        }
        self.push(Instruction::Call(HIGH_HALF));
        self.push(Instruction::I64Add);
        self.push(Instruction::LocalSet(sum));
    }

    /// Changes what is taken to change seldom: the memory's size, or an element of the table.
    pub(super) fn resize_or_exchange(&mut self) {
        if self.random.once_in(2) {
            let pages = self.random.choose(&[0, 0, 1]);
            self.number(pages);
            self.push(Instruction::MemoryGrow(0));
            let sum = self.sum(ValType::I32);
            self.push(Instruction::LocalSet(sum));
        } else {
            let element = self.random.below(ELEMENTS as usize) as i32;
            self.number(element);
            let helper = self.random.below(HELPERS as usize) as u32;
            self.push(Instruction::RefFunc(helper));
            self.push(Instruction::TableSet(0));
        }
    }
}
