//! Linear memories, globals and tables.

use upshift_module::ValType;
use upshift_runtime::{GlobalLocation, TrapCode, offsets};
use upshift_translate::{IntType, LoadOp, MemoryAccess, StoreOp};

use super::state::{
    CONTEXT, FastEmitter, MEMORY, Place, SCRATCH, Slot, float_of, is_float, width, width_of,
};
use crate::asm::{Flag, Gpr, Mem, Width, digit, op};

/// log2 of the size of a page.
const PAGE_BITS: u8 = 16;
/// log2 of the size of a table's element.
const ELEMENT_BITS: u8 = 3;

impl FastEmitter<'_> {
    /// Where an access goes, or `None` if that takes more than an operand can have. Index and offset are 32 bits each,
    /// so no sum leaves the reservation.
    fn address(&mut self, access: MemoryAccess, address: Slot) -> Option<Mem> {
        if access.memory != 0 {
            let displacement = i32::try_from(access.offset).ok()?;
            let index = self.gpr(address);
            let record = Mem::new(CONTEXT, self.unit.offsets.memory(access.memory));
            let asm = &mut self.s.asm;
            asm.load(Width::W64, SCRATCH, record);
            asm.load(
                Width::W64,
                SCRATCH,
                Mem::new(SCRATCH, offsets::VMMEMORY_BASE),
            );
            return Some(Mem::new(SCRATCH, displacement).index(index, 0));
        }
        if let Some(constant) = self.constant(address) {
            let sum = u64::from(constant as u32) + u64::from(access.offset);
            return Some(match i32::try_from(sum) {
                Ok(displacement) => Mem::new(MEMORY, displacement),
                Err(_) => {
                    self.s.asm.mov_imm(SCRATCH, sum);
                    Mem::new(MEMORY, 0).index(SCRATCH, 0)
                }
            });
        }
        let index = self.gpr(address);
        Some(match i32::try_from(access.offset) {
            Ok(displacement) => Mem::new(MEMORY, displacement).index(index, 0),
            Err(_) => {
                let asm = &mut self.s.asm;
                asm.mov_imm(SCRATCH, u64::from(access.offset));
                asm.int(Width::W64, op::ADD, SCRATCH, index);
                Mem::new(MEMORY, 0).index(SCRATCH, 0)
            }
        })
    }

    pub(super) fn read_memory(&mut self, op: LoadOp, access: MemoryAccess, address: Slot) -> Slot {
        if !matches!(
            op,
            LoadOp::Int(_) | LoadOp::Float(_) | LoadOp::IntNarrow { .. }
        ) {
            return self.give_up();
        }
        let Some(from) = self.address(access, address) else {
            return self.give_up();
        };
        let (ty, place) = match op {
            LoadOp::Float(ty) => {
                let result = self.free_xmm();
                self.may_trap(TrapCode::MemoryOutOfBounds);
                self.load_float(ty, result, from);
                let ty = match ty {
                    upshift_translate::FloatType::F32 => ValType::F32,
                    upshift_translate::FloatType::F64 => ValType::F64,
                };
                (ty, Place::Xmm(result))
            }
            _ => {
                let result = self.free_gpr();
                self.may_trap(TrapCode::MemoryOutOfBounds);
                let ty = self.load_int(op, result, from);
                (ty, Place::Gpr(result))
            }
        };
        self.replace(address, ty, place)
    }

    fn load_int(&mut self, op: LoadOp, result: Gpr, from: Mem) -> ValType {
        let asm = &mut self.s.asm;
        let to = match op {
            LoadOp::IntNarrow { to, bits, signed } => {
                // What is extended with zeros is so in the upper half of the register too.
                let wide = if signed { width(to) } else { Width::W32 };
                match (bits, signed) {
                    (8, true) => asm.int8(wide, op::MOVSX8, result, from),
                    (8, false) => asm.int8(wide, op::MOVZX8, result, from),
                    (16, true) => asm.int(wide, op::MOVSX16, result, from),
                    (16, false) => asm.int(wide, op::MOVZX16, result, from),
                    (_, true) => asm.int(Width::W64, op::MOVSXD, result, from),
                    (_, false) => asm.load(Width::W32, result, from),
                }
                to
            }
            LoadOp::Int(to) => {
                asm.load(width(to), result, from);
                to
            }
            _ => IntType::I64,
        };
        match to {
            IntType::I32 => ValType::I32,
            IntType::I64 => ValType::I64,
        }
    }

    pub(super) fn write_memory(
        &mut self,
        op: StoreOp,
        access: MemoryAccess,
        address: Slot,
        value: Slot,
    ) {
        if op == StoreOp::V128 {
            self.give_up();
            return;
        }
        if let StoreOp::Float(ty) = op
            && self.constant(value).is_none()
        {
            let register = self.xmm(value);
            let Some(to) = self.address(access, address) else {
                self.give_up();
                return;
            };
            self.may_trap(TrapCode::MemoryOutOfBounds);
            self.store_float(ty, to, register);
            return;
        }
        let (bits, width) = match op {
            StoreOp::Int(ty) => (0, width(ty)),
            StoreOp::IntNarrow { bits, .. } => (bits, Width::W32),
            StoreOp::Float(_) => (0, super::state::bytes_of(self.type_of(value))),
            StoreOp::V128 => return,
        };
        // The address may take the scratch register, so the value is in another before.
        let constant = match bits {
            0 | 32 => self.short_constant(value, width),
            _ => None,
        };
        let register = match constant {
            Some(_) => None,
            None if is_float(self.type_of(value)) => {
                let bits = self.constant(value).unwrap_or_default();
                let register = self.free_gpr();
                self.s.asm.mov_imm(register, bits);
                Some(register)
            }
            None => Some(self.gpr(value)),
        };
        let Some(to) = self.address(access, address) else {
            self.give_up();
            return;
        };
        self.may_trap(TrapCode::MemoryOutOfBounds);
        let asm = &mut self.s.asm;
        match (register, constant) {
            (None, constant) => asm.store_imm(width, to, constant.unwrap_or_default()),
            (Some(register), _) => match bits {
                8 => asm.store8(to, register),
                16 => asm.store16(to, register),
                _ => asm.store(width, to, register),
            },
        }
    }

    pub(super) fn memory_pages(&mut self, memory: u32) -> Slot {
        let record = Mem::new(CONTEXT, self.unit.offsets.memory(memory));
        let result = self.free_gpr();
        let asm = &mut self.s.asm;
        asm.load(Width::W64, result, record);
        asm.load(
            Width::W64,
            result,
            Mem::new(result, offsets::VMMEMORY_LENGTH),
        );
        asm.shift_imm(Width::W64, digit::SHR, result, PAGE_BITS);
        self.push(ValType::I32, Place::Gpr(result))
    }

    // Globals.

    fn global_place(&mut self, global: u32) -> Mem {
        match self.unit.offsets.global(global) {
            GlobalLocation::Inline(offset) => Mem::new(CONTEXT, offset),
            GlobalLocation::Pointer(offset) => {
                let pointer = Mem::new(CONTEXT, offset);
                self.s.asm.load(Width::W64, SCRATCH, pointer);
                Mem::new(SCRATCH, 0)
            }
        }
    }

    pub(super) fn read_global(&mut self, global: u32) -> Slot {
        let ty = self.module.globals[global as usize].content;
        if ty == ValType::V128 {
            return self.give_up();
        }
        let from = self.global_place(global);
        let place = if is_float(ty) {
            let result = self.free_xmm();
            self.load_float(float_of(ty), result, from);
            Place::Xmm(result)
        } else {
            let result = self.free_gpr();
            self.s.asm.load(width_of(ty), result, from);
            Place::Gpr(result)
        };
        self.push(ty, place)
    }

    pub(super) fn write_global(&mut self, global: u32, value: Slot) {
        let ty = self.module.globals[global as usize].content;
        if ty == ValType::V128 {
            self.give_up();
        } else if is_float(ty) {
            let register = self.xmm(value);
            let to = self.global_place(global);
            self.store_float(float_of(ty), to, register);
        } else {
            let register = self.gpr(value);
            let to = self.global_place(global);
            self.s.asm.store(width_of(ty), to, register);
        }
    }

    // Tables.

    /// Where a table's element is. Traps with `code` where there is none. The place uses the scratch register.
    pub(super) fn table_element(&mut self, table: u32, index: Slot, code: TrapCode) -> Mem {
        let index = self.gpr(index);
        let record = Mem::new(CONTEXT, self.unit.offsets.table(table));
        let asm = &mut self.s.asm;
        asm.load(Width::W64, SCRATCH, record);
        let length = Mem::new(SCRATCH, offsets::VMTABLE_LENGTH);
        asm.int(Width::W64, op::CMP, index, length);
        self.trap_if(Flag::AE, code);
        let base = Mem::new(SCRATCH, offsets::VMTABLE_BASE);
        self.s.asm.load(Width::W64, SCRATCH, base);
        Mem::new(SCRATCH, 0).index(index, ELEMENT_BITS)
    }

    pub(super) fn read_table(&mut self, table: u32, index: Slot) -> Slot {
        let ty = self.module.tables[table as usize].element;
        let element = self.table_element(table, index, TrapCode::TableOutOfBounds);
        let result = self.free_gpr();
        self.s.asm.load(Width::W64, result, element);
        self.replace(index, ty, Place::Gpr(result))
    }

    pub(super) fn write_table(&mut self, table: u32, index: Slot, value: Slot) {
        let register = self.gpr(value);
        let element = self.table_element(table, index, TrapCode::TableOutOfBounds);
        self.s.asm.store(Width::W64, element, register);
    }

    pub(super) fn table_length(&mut self, table: u32) -> Slot {
        let record = Mem::new(CONTEXT, self.unit.offsets.table(table));
        let result = self.free_gpr();
        let asm = &mut self.s.asm;
        asm.load(Width::W64, result, record);
        asm.load(
            Width::W32,
            result,
            Mem::new(result, offsets::VMTABLE_LENGTH),
        );
        self.push(ValType::I32, Place::Gpr(result))
    }
}
