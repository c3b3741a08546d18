//! Registers: which are free, how operands and locals get there, and which locals they have.

use super::state::{
    FastEmitter, GPR_COUNT, GPRS, Place, SCRATCH, Slot, XMMS, bytes_of, in_xmm, width_of,
};
use upshift_module::LocalIndex;

use crate::asm::{Constant, Gpr, Rm, Width, Xmm, op};

impl FastEmitter<'_> {
    /// A register that holds nothing, locked.
    pub(super) fn free_gpr(&mut self) -> Gpr {
        let free = GPRS.iter().find(|register| self.gprs.is_free(register.0));
        let register = match free {
            Some(&register) => register,
            None => self.make_free_gpr(),
        };
        self.gprs.lock(register.0);
        register
    }

    pub(super) fn make_free_gpr(&mut self) -> Gpr {
        self.settle_deep();
        let start = self.gprs.next;
        for operands_too in [false, true] {
            for i in 0..GPR_COUNT {
                let index = (start + i) % GPR_COUNT;
                let register = GPRS[usize::from(index)];
                let held = self.gprs.held[usize::from(register.0)];
                if self.gprs.is_locked(register.0) || (held.operands > 0 && !operands_too) {
                    continue;
                }
                self.gprs.next = (index + 1) % GPR_COUNT;
                self.vacate(false, register.0);
                return register;
            }
        }
        // No operator works with eight registers at a time.
        self.unsupported = true;
        Gpr::RAX
    }

    /// A vector register that holds nothing, locked.
    pub(super) fn free_xmm(&mut self) -> Xmm {
        let free = (0..XMMS).find(|&register| self.xmms.is_free(register));
        let register = match free {
            Some(register) => register,
            None => self.make_free_xmm(),
        };
        self.xmms.lock(register);
        Xmm(register)
    }

    pub(super) fn make_free_xmm(&mut self) -> u8 {
        self.settle_deep();
        let start = self.xmms.next;
        for operands_too in [false, true] {
            for i in 0..XMMS {
                let register = (start + i) % XMMS;
                let held = self.xmms.held[usize::from(register)];
                if self.xmms.is_locked(register) || (held.operands > 0 && !operands_too) {
                    continue;
                }
                self.xmms.next = (register + 1) % XMMS;
                self.vacate(true, register);
                return register;
            }
        }
        self.unsupported = true;
        0
    }

    /// Sends everything home that a register holds.
    pub(super) fn vacate(&mut self, is_float: bool, register: u8) {
        if self.registers(is_float).held[usize::from(register)].operands > 0 {
            for slot in self.settled..self.height() {
                let mut uses = false;
                Self::each_register(self.place_of(slot), |kind, used| {
                    uses |= kind == is_float && used == register;
                });
                if uses {
                    self.store_home(slot);
                    if self.place_of(slot) != Place::Home {
                        self.move_to(slot, Place::Home);
                    }
                }
            }
        }
        let held = &mut self.registers(is_float).held[usize::from(register)];
        if let Some(local) = held.local.take() {
            self.s.known[local] = None;
        }
    }

    /// Makes this register hold nothing, and locks it.
    pub(super) fn take_gpr(&mut self, register: Gpr) {
        // Its users are searched for among the operands that are not settled.
        self.settle_deep();
        self.vacate(false, register.0);
        self.gprs.lock(register.0);
    }

    /// An integer operand in a register, locked. Not to be written to.
    pub(super) fn gpr(&mut self, slot: Slot) -> Gpr {
        let ty = self.type_of(slot);
        let register = match self.place_of(slot) {
            Place::Gpr(register) => register,
            place => {
                let register = self.free_gpr();
                match place {
                    Place::Constant(bits) => self.s.asm.mov_imm_keeping_flags(register, bits),
                    Place::Comparison(comparison) => self.make_number(comparison, register),
                    _ => {
                        let home = self.home(slot);
                        self.s.asm.load(width_of(ty), register, home);
                    }
                }
                self.move_to(slot, Place::Gpr(register));
                register
            }
        };
        self.gprs.lock(register.0);
        register
    }

    /// A float or vector operand in a register, locked. Not to be written to.
    pub(super) fn xmm(&mut self, slot: Slot) -> Xmm {
        let ty = self.type_of(slot);
        let register = match self.place_of(slot) {
            Place::Xmm(register) => register,
            place => {
                let register = self.free_xmm();
                match place {
                    Place::Constant(bits) => self.float_constant(bits, register),
                    Place::Vector(constant) => self.load_vector(constant, register),
                    _ => {
                        let home = self.home(slot);
                        self.load_xmm(ty, register, home);
                    }
                }
                self.move_to(slot, Place::Xmm(register));
                register
            }
        };
        self.xmms.lock(register.0);
        register
    }

    pub(super) fn float_constant(&mut self, bits: u64, register: Xmm) {
        if bits == 0 {
            self.s.asm.float(0, op::XORP, register, register);
        } else {
            self.s.asm.mov_imm_keeping_flags(SCRATCH, bits);
            self.s
                .asm
                .mixed(0x66, Width::W64, op::MOVD, register.0, SCRATCH);
        }
    }

    /// Loads a vector from behind the code, or makes it.
    pub(super) fn load_vector(&mut self, constant: Constant, register: Xmm) {
        let asm = &mut self.s.asm;
        match asm.bits_of(constant) {
            0 => asm.float(0, op::XORP, register, register),
            u128::MAX => asm.vector(op::PCMPEQ, register, register),
            _ => asm.float(0, op::MOVAPS, register, constant),
        }
    }

    /// A vector as an instruction's second operand: a register, locked, or memory.
    pub(super) fn vector_rm(&mut self, slot: Slot) -> Rm {
        match self.place_of(slot) {
            Place::Vector(constant) => constant.into(),
            Place::Home => self.home(slot).into(),
            _ => self.xmm(slot).into(),
        }
    }

    /// A register with an operand's value that may be written to: the operand's own if nobody else needs it.
    pub(super) fn own_gpr(&mut self, slot: Slot) -> Gpr {
        if let Some(bits) = self.constant(slot) {
            let register = self.free_gpr();
            self.s.asm.mov_imm_keeping_flags(register, bits);
            return register;
        }
        let register = self.gpr(slot);
        if self.gprs.is_for_one(register.0) {
            return register;
        }
        let copy = self.free_gpr();
        self.s.asm.mov(width_of(self.type_of(slot)), copy, register);
        copy
    }

    /// Whether [`Self::own_gpr`] would need no copy.
    pub(super) fn is_own(&self, slot: Slot) -> bool {
        match self.place_of(slot) {
            Place::Gpr(register) => self.gprs.is_for_one(register.0),
            Place::Xmm(register) => self.xmms.is_for_one(register.0),
            Place::Home | Place::Comparison(_) => true,
            Place::Constant(_) | Place::Vector(_) => false,
        }
    }

    /// The same of floats and vectors.
    pub(super) fn own_xmm(&mut self, slot: Slot) -> Xmm {
        let register = self.xmm(slot);
        if self.xmms.is_for_one(register.0) {
            return register;
        }
        let copy = self.free_xmm();
        self.s.asm.movaps(copy, register);
        copy
    }

    // Locals.

    pub(super) fn know_gpr(&mut self, local: LocalIndex, register: Gpr) {
        self.gprs.held[usize::from(register.0)].local = local.into();
        self.s.known[local] = Some(register.0);
    }

    pub(super) fn know_xmm(&mut self, local: LocalIndex, register: Xmm) {
        self.xmms.held[usize::from(register.0)].local = local.into();
        self.s.known[local] = Some(register.0);
    }

    pub(super) fn read_local(&mut self, local: LocalIndex) -> Slot {
        let ty = self.s.locals[local];
        let known = self.s.known[local];
        let cell = self.local_place(local);
        let place = match (in_xmm(ty), known) {
            (true, Some(register)) => Place::Xmm(Xmm(register)),
            (false, Some(register)) => Place::Gpr(Gpr(register)),
            (true, None) => {
                let register = self.free_xmm();
                self.load_xmm(ty, register, cell);
                self.know_xmm(local, register);
                Place::Xmm(register)
            }
            (false, None) => {
                let register = self.free_gpr();
                self.s.asm.load(width_of(ty), register, cell);
                self.know_gpr(local, register);
                Place::Gpr(register)
            }
        };
        self.push(ty, place)
    }

    pub(super) fn write_local(&mut self, local: LocalIndex, value: Slot) {
        let ty = self.s.locals[local];
        let cell = self.local_place(local);
        if let Some(bits) = self.constant(value) {
            self.store_constant(bytes_of(ty), bits, cell);
            self.forget_local(local);
        } else if in_xmm(ty) {
            let register = self.xmm(value);
            self.store_xmm(ty, cell, register);
            self.forget_local(local);
            if self.xmms.held[usize::from(register.0)].local.is_none() {
                self.know_xmm(local, register);
            }
        } else {
            let register = self.gpr(value);
            self.s.asm.store(width_of(ty), cell, register);
            self.forget_local(local);
            if self.gprs.held[usize::from(register.0)].local.is_none() {
                self.know_gpr(local, register);
            }
        }
    }

    pub(super) fn forget_local(&mut self, local: LocalIndex) {
        if let Some(known) = self.s.known[local].take() {
            let is_float = in_xmm(self.s.locals[local]);
            self.registers(is_float).held[usize::from(known)].local = None.into();
        }
    }
}
