//! Linear memories, globals and tables.

use upshift_module::{GlobalIndex, MemoryIndex, TableIndex, ValType, low_u32};
use upshift_runtime::{GlobalLocation, TrapCode, offsets};
use upshift_translate::{IntType, LoadOp, MemoryAccess, MemoryStyle, StoreOp};

use super::state::{CONTEXT, FastEmitter, MEMORY, Place, SCRATCH, Slot, in_xmm, width, width_of};
use crate::asm::index::Index;
use crate::asm::{Flag, Gpr, Mem, Width, digit, op};

/// log2 of the size of a page.
const PAGE_BITS: u8 = 16;
/// log2 of the size of a table's element.
const ELEMENT_BITS: u8 = 3;

impl FastEmitter<'_> {
    /// Where an access to `size` bytes goes. The place may use the scratch register, which making registers free may
    /// use too: moves for an access come before. Index and offset are 32 bits each, so no sum leaves the reservation.
    pub(super) fn address(&mut self, access: MemoryAccess, size: u32, address: Slot) -> Mem {
        if self.unit.settings.memory == MemoryStyle::Checked {
            self.check_bounds(access, size, address);
        }
        if access.memory != MemoryIndex::FIRST {
            return self.address_in_other(access, address);
        }
        if let Some(constant) = self.constant(address) {
            let sum = u64::from(low_u32(constant)) + u64::from(access.offset);
            return match i32::try_from(sum) {
                Ok(displacement) => Mem::new(MEMORY, displacement),
                Err(_) => {
                    let asm = &mut self.s.asm;
                    let sum = asm.constant_index(SCRATCH, low_u32(constant), access.offset);
                    Mem::new(MEMORY, 0).index(sum, 0)
                }
            };
        }
        let index = self.index(address);
        match i32::try_from(access.offset) {
            Ok(displacement) => Mem::new(MEMORY, displacement).index(index, 0),
            Err(_) => {
                let sum = self.s.asm.index_sum(SCRATCH, index, access.offset);
                Mem::new(MEMORY, 0).index(sum, 0)
            }
        }
    }

    /// An `i32` operand in a register, locked, to be added to an address.
    pub(super) fn index(&mut self, slot: Slot) -> Index {
        debug_assert_eq!(self.type_of(slot), ValType::I32, "indices are of this type");
        let register = self.gpr(slot);
        let check_with = self.unit.settings.check_indices.then_some(SCRATCH);
        self.s.asm.i32_index(register, check_with)
    }

    /// The same in a memory whose base has no register.
    fn address_in_other(&mut self, access: MemoryAccess, address: Slot) -> Mem {
        let index = self.index(address);
        let (index, displacement) = match i32::try_from(access.offset) {
            Ok(displacement) => (index, displacement),
            Err(_) => {
                let sum = self.free_gpr();
                (self.s.asm.index_sum(sum, index, access.offset), 0)
            }
        };
        let record = Mem::new(CONTEXT, self.unit.offsets.memory(access.memory));
        let base = Mem::new(SCRATCH, offsets::VMMEMORY_BASE);
        let asm = &mut self.s.asm;
        asm.load(Width::W64, SCRATCH, record);
        asm.load(Width::W64, SCRATCH, base);
        Mem::new(SCRATCH, displacement).index(index, 0)
    }

    /// Traps if not all of an access is within the memory's length.
    fn check_bounds(&mut self, access: MemoryAccess, size: u32, address: Slot) {
        let behind = u64::from(access.offset) + u64::from(size);
        let length = self.free_gpr();
        let record = Mem::new(CONTEXT, self.unit.offsets.memory(access.memory));
        self.s.asm.load(Width::W64, length, record);
        let length = Mem::new(length, offsets::VMMEMORY_LENGTH);
        if let Some(constant) = self.constant(address) {
            let end = u64::from(low_u32(constant)) + behind;
            self.s.asm.mov_imm(SCRATCH, end);
        } else {
            let index = self.index(address).register();
            let asm = &mut self.s.asm;
            match i32::try_from(behind) {
                Ok(behind) => asm.int(Width::W64, op::LEA, SCRATCH, Mem::new(index, behind)),
                Err(_) => {
                    asm.mov_imm(SCRATCH, behind);
                    asm.int(Width::W64, op::ADD, SCRATCH, index);
                }
            }
        }
        self.s.asm.int(Width::W64, op::CMP, SCRATCH, length);
        self.trap_if(Flag::A, TrapCode::MemoryOutOfBounds);
    }

    pub(super) fn read_memory(&mut self, op: LoadOp, access: MemoryAccess, address: Slot) -> Slot {
        if self.constant(address).is_none() {
            self.gpr(address);
        }
        let is_int = matches!(op, LoadOp::Int(_) | LoadOp::IntNarrow { .. });
        let result = if is_int {
            Place::Gpr(self.free_gpr())
        } else {
            Place::Xmm(self.free_xmm())
        };
        let from = self.address(access, op.bytes(), address);
        self.may_trap(TrapCode::MemoryOutOfBounds);
        let ty = match (op, result) {
            (LoadOp::Float(ty), Place::Xmm(result)) => {
                let ty = ty.into();
                self.load_xmm(ty, result, from);
                ty
            }
            (_, Place::Xmm(result)) => {
                self.read_vector(op, result, from);
                ValType::V128
            }
            (_, Place::Gpr(result)) => self.load_int(op, result, from),
            _ => return self.give_up(),
        };
        self.replace(address, ty, result)
    }

    fn load_int(&mut self, op: LoadOp, result: Gpr, from: Mem) -> ValType {
        let asm = &mut self.s.asm;
        let to = match op {
            LoadOp::IntNarrow { to, bits, signed } => {
                // A number that is extended with zeros is so in the upper half of the register too.
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
        to.into()
    }

    pub(super) fn write_memory(
        &mut self,
        op: StoreOp,
        access: MemoryAccess,
        address: Slot,
        value: Slot,
    ) {
        if let StoreOp::Float(_) | StoreOp::V128 = op
            && self.constant(value).is_none()
        {
            let ty = self.type_of(value);
            let register = self.xmm(value);
            let to = self.address(access, op.bytes(), address);
            self.may_trap(TrapCode::MemoryOutOfBounds);
            self.store_xmm(ty, to, register);
            return;
        }
        let (bits, width) = match op {
            StoreOp::Int(ty) => (0, width(ty)),
            StoreOp::IntNarrow { bits, .. } => (bits, Width::W32),
            StoreOp::Float(_) | StoreOp::V128 => (0, super::state::bytes_of(self.type_of(value))),
        };
        // The address may take the scratch register, so the value is in another before.
        let constant = match bits {
            0 | 32 => self.short_constant(value, width),
            _ => None,
        };
        let register = match constant {
            Some(_) => None,
            None if in_xmm(self.type_of(value)) => {
                let bits = self.constant(value).unwrap_or_default();
                let register = self.free_gpr();
                self.s.asm.mov_imm(register, bits);
                Some(register)
            }
            None => Some(self.gpr(value)),
        };
        let to = self.address(access, op.bytes(), address);
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

    pub(super) fn memory_pages(&mut self, memory: MemoryIndex) -> Slot {
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

    fn global_place(&mut self, global: GlobalIndex) -> Mem {
        match self.unit.offsets.global(global) {
            GlobalLocation::Inline(offset) => Mem::new(CONTEXT, offset),
            GlobalLocation::Pointer(offset) => {
                let pointer = Mem::new(CONTEXT, offset);
                self.s.asm.load(Width::W64, SCRATCH, pointer);
                Mem::new(SCRATCH, 0)
            }
        }
    }

    pub(super) fn read_global(&mut self, global: GlobalIndex) -> Slot {
        let ty = self.module.globals[global].content;
        let place = if in_xmm(ty) {
            let result = self.free_xmm();
            let from = self.global_place(global);
            self.load_xmm(ty, result, from);
            Place::Xmm(result)
        } else {
            let result = self.free_gpr();
            let from = self.global_place(global);
            self.s.asm.load(width_of(ty), result, from);
            Place::Gpr(result)
        };
        self.push(ty, place)
    }

    pub(super) fn write_global(&mut self, global: GlobalIndex, value: Slot) {
        let ty = self.module.globals[global].content;
        if in_xmm(ty) {
            let register = self.xmm(value);
            let to = self.global_place(global);
            self.store_xmm(ty, to, register);
        } else {
            let register = self.gpr(value);
            let to = self.global_place(global);
            self.s.asm.store(width_of(ty), to, register);
        }
    }

    // Tables.

    /// Where a table's element is. Traps with `code` where there is none. The place uses the scratch register.
    pub(super) fn table_element(&mut self, table: TableIndex, index: Slot, code: TrapCode) -> Mem {
        let index = self.index(index);
        let record = Mem::new(CONTEXT, self.unit.offsets.table(table));
        let asm = &mut self.s.asm;
        asm.load(Width::W64, SCRATCH, record);
        let length = Mem::new(SCRATCH, offsets::VMTABLE_LENGTH);
        asm.int(Width::W64, op::CMP, index.register(), length);
        self.trap_if(Flag::AE, code);
        let base = Mem::new(SCRATCH, offsets::VMTABLE_BASE);
        self.s.asm.load(Width::W64, SCRATCH, base);
        Mem::new(SCRATCH, 0).index(index, ELEMENT_BITS)
    }

    pub(super) fn read_table(&mut self, table: TableIndex, index: Slot) -> Slot {
        let ty = self.module.tables[table].element;
        self.gpr(index);
        let result = self.free_gpr();
        let element = self.table_element(table, index, TrapCode::TableOutOfBounds);
        self.s.asm.load(Width::W64, result, element);
        self.replace(index, ty, Place::Gpr(result))
    }

    pub(super) fn write_table(&mut self, table: TableIndex, index: Slot, value: Slot) {
        let register = self.gpr(value);
        let element = self.table_element(table, index, TrapCode::TableOutOfBounds);
        self.s.asm.store(Width::W64, element, register);
        let record = Mem::new(CONTEXT, self.unit.offsets.table(table));
        self.s.asm.load(Width::W64, SCRATCH, record);
        let unchanged = Mem::new(SCRATCH, offsets::VMTABLE_UNCHANGED);
        self.s.asm.store_imm(Width::W64, unchanged, 0);
    }

    pub(super) fn table_length(&mut self, table: TableIndex) -> Slot {
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
