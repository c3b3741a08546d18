//! The stack of operands: how they come and go, and how they get home.

use upshift_module::{ValType, low_u32, to_u32, to_usize};

use super::state::{
    Comparison, FLOAT_SCRATCH, FOLLOWED, FastEmitter, Held, IntOperand, Operand, Place, Registers,
    SCRATCH, Slot, bytes_of, end_of, home_behind, move_prefix, width_of,
};
use crate::asm::{Mem, Width, Xmm, op};

impl FastEmitter<'_> {
    /// Begins an operator, before which there are so many operands.
    pub(super) fn begin_operator(&mut self, operands: u32) {
        self.unlock();
        self.drop_from(operands);
        debug_assert_eq!(self.height(), operands, "an operand for each value");
    }

    pub(super) fn unlock(&mut self) {
        self.gprs.locked = 0;
        self.xmms.locked = 0;
    }

    /// How many operands there are.
    pub(super) fn height(&self) -> u32 {
        to_u32(self.s.operands.len())
    }

    /// Drops the operands from this height on.
    pub(super) fn drop_from(&mut self, height: u32) {
        while self.height() > height
            && let Some(operand) = self.s.operands.pop()
        {
            self.release(operand.place);
        }
        self.settled = self.settled.min(height);
    }

    pub(super) fn type_of(&self, slot: Slot) -> ValType {
        self.s.operands[to_usize(slot)].ty
    }

    pub(super) fn place_of(&self, slot: Slot) -> Place {
        self.s.operands[to_usize(slot)].place
    }

    pub(super) fn constant(&self, slot: Slot) -> Option<u64> {
        match self.place_of(slot) {
            Place::Constant(bits) => Some(bits),
            _ => None,
        }
    }

    /// A constant that instructions can have as an operand of this width.
    pub(super) fn short_constant(&self, slot: Slot, width: Width) -> Option<i32> {
        let bits = self.constant(slot)?;
        match width {
            Width::W32 => Some(low_u32(bits).cast_signed()),
            Width::W64 => i32::try_from(bits.cast_signed()).ok(),
        }
    }

    /// A new operand on top of the others.
    pub(super) fn push(&mut self, ty: ValType, place: Place) -> Slot {
        self.retain(place);
        let slot = self.height();
        if let Some(checker) = &mut self.checker {
            checker.pushed(slot);
        }
        let home = home_behind(end_of(&self.s.operands, &self.layout), ty);
        self.settled = self.settled.min(slot);
        self.s.operands.push(Operand {
            ty,
            place,
            at_home: place == Place::Home,
            home,
        });
        slot
    }

    /// The result of an operator, in place of its operands, of which this is the lowest.
    pub(super) fn replace(&mut self, lowest: Slot, ty: ValType, place: Place) -> Slot {
        // Before the dropped operands give their registers up.
        self.retain(place);
        self.drop_from(lowest);
        let slot = self.push(ty, place);
        self.release(place);
        slot
    }

    pub(super) fn each_register(place: Place, mut act: impl FnMut(bool, u8)) {
        match place {
            Place::Gpr(register) => act(false, register.0),
            Place::Xmm(register) => act(true, register.0),
            Place::Comparison(Comparison::Int { a, b, .. }) => {
                act(false, a.0);
                if let IntOperand::Gpr(b) = b {
                    act(false, b.0);
                }
            }
            Place::Comparison(Comparison::Float { a, b, .. }) => {
                act(true, a.0);
                act(true, b.0);
            }
            Place::Comparison(Comparison::Vector { a, .. }) => act(true, a.0),
            Place::Home | Place::Constant(_) | Place::Vector(_) => {}
        }
    }

    pub(super) fn retain(&mut self, place: Place) {
        Self::each_register(place, |is_float, register| {
            self.registers(is_float).held[usize::from(register)].operands += 1;
        });
    }

    pub(super) fn release(&mut self, place: Place) {
        Self::each_register(place, |is_float, register| {
            self.registers(is_float).held[usize::from(register)].operands -= 1;
        });
    }

    pub(super) fn registers(&mut self, is_float: bool) -> &mut Registers {
        if is_float {
            &mut self.xmms
        } else {
            &mut self.gprs
        }
    }

    pub(super) fn move_to(&mut self, slot: Slot, place: Place) {
        self.settled = self.settled.min(slot);
        self.retain(place);
        let operand = &mut self.s.operands[to_usize(slot)];
        let before = std::mem::replace(&mut operand.place, place);
        self.release(before);
    }

    /// Stores an operand to its home, and leaves it where it is, too.
    pub(super) fn store_home(&mut self, slot: Slot) {
        let Operand {
            ty, place, at_home, ..
        } = self.s.operands[to_usize(slot)];
        if at_home {
            return;
        }
        let home = self.home(slot);
        self.store_operand(ty, place, home);
        let operand = &mut self.s.operands[to_usize(slot)];
        operand.at_home = true;
        if let Place::Comparison(_) = place {
            // Now it is a number.
            self.move_to(slot, Place::Home);
        }
    }

    /// Stores an operand at `place` to memory; not one at home.
    pub(super) fn store_operand(&mut self, ty: ValType, place: Place, to: Mem) {
        match place {
            Place::Home => {}
            Place::Gpr(register) => self.s.asm.store(width_of(ty), to, register),
            Place::Xmm(register) => self.store_xmm(ty, to, register),
            Place::Constant(bits) => self.store_constant(bytes_of(ty), bits, to),
            Place::Vector(constant) => {
                self.load_vector(constant, FLOAT_SCRATCH);
                self.store_xmm(ty, to, FLOAT_SCRATCH);
            }
            Place::Comparison(comparison) => {
                self.make_number(comparison, SCRATCH);
                self.s.asm.store(Width::W32, to, SCRATCH);
            }
        }
    }

    pub(super) fn store_constant(&mut self, width: Width, bits: u64, to: Mem) {
        let asm = &mut self.s.asm;
        let short = match width {
            Width::W32 => Some(low_u32(bits).cast_signed()),
            Width::W64 => i32::try_from(bits.cast_signed()).ok(),
        };
        match short {
            Some(value) => asm.store_imm(width, to, value),
            None => {
                asm.mov_imm_keeping_flags(SCRATCH, bits);
                asm.store(width, to, SCRATCH);
            }
        }
    }

    /// Stores a float or a vector.
    pub(super) fn store_xmm(&mut self, ty: ValType, to: Mem, register: Xmm) {
        self.s.asm.float(move_prefix(ty), op::STOREF, register, to);
    }

    /// Loads a float or a vector.
    pub(super) fn load_xmm(&mut self, ty: ValType, register: Xmm, from: Mem) {
        self.s.asm.float(move_prefix(ty), op::MOVF, register, from);
    }

    /// Sends all operands below `height` home. Those that are followed stay where else they are.
    pub(super) fn store_homes(&mut self, height: u32) {
        self.settle_deep();
        for slot in self.settled..height.min(self.height()) {
            self.store_home(slot);
        }
    }

    /// Sends deep operands home.
    pub(super) fn settle_deep(&mut self) {
        let deep = self.height().saturating_sub(FOLLOWED);
        for slot in self.settled..deep {
            self.store_home(slot);
            let operand = &mut self.s.operands[to_usize(slot)];
            let before = std::mem::replace(&mut operand.place, Place::Home);
            self.release(before);
        }
        self.settled = self.settled.max(deep);
    }

    /// Forgets the values of registers. Operands that are not at home are lost.
    pub(super) fn forget_registers(&mut self) {
        for operand in &mut self.s.operands[to_usize(self.settled)..] {
            if !matches!(operand.place, Place::Constant(_) | Place::Vector(_)) {
                operand.place = Place::Home;
                operand.at_home = true;
            }
        }
        for index in 0..16 {
            for registers in [&mut self.gprs, &mut self.xmms] {
                let held = std::mem::replace(&mut registers.held[index], Held::nothing());
                if let Some(local) = held.local.expand() {
                    self.s.known[local] = None;
                }
            }
        }
        self.unlock();
    }

    /// Sets the operands up that a block begins with: those below `height`, all of them at home.
    pub(super) fn begin_block(&mut self, height: u32) {
        self.drop_from(height);
        self.forget_registers();
        for operand in &mut self.s.operands[to_usize(self.settled)..] {
            operand.place = Place::Home;
            operand.at_home = true;
        }
        self.settled = self.height();
    }
}
