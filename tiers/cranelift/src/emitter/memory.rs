//! Linear memories, globals and tables.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8X16, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{InstBuilder, Opcode, TrapCode, Value};
use upshift_module::{GlobalIndex, MemoryIndex, TableIndex};
use upshift_runtime::{GlobalLocation, TrapCode as WasmTrap, offsets};
use upshift_translate::{LoadOp, MemoryAccess, MemoryStyle, Shape, StoreOp};

use super::homes::Resident;
use super::scalar::{float_type, int_type};
use super::state::{ClifEmitter, clif_type};
use super::user_trap;
use super::vector::{lane_type, vector_type};

/// log2 of the size of a page.
const PAGE_BITS: i64 = 16;

/// How many sums are known in a block. A sum of long ago is in a spill slot anyway.
const KNOWN_SUMS: usize = 4;

/// A memory's base and an address, added.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    memory: MemoryIndex,
    address: Value,
    sum: Value,
}

/// A place in memory: an address and an offset from it.
struct Place {
    base: Value,
    offset: i32,
}

/// The instruction that reads `bits` and extends them.
fn narrow_load(bits: u8, signed: bool) -> Opcode {
    match (bits, signed) {
        (8, true) => Opcode::Sload8,
        (8, false) => Opcode::Uload8,
        (16, true) => Opcode::Sload16,
        (16, false) => Opcode::Uload16,
        (_, true) => Opcode::Sload32,
        (_, false) => Opcode::Uload32,
    }
}

impl ClifEmitter<'_> {
    /// The place of an access to `size` bytes. Emits the checks that are needed.
    fn heap_address(&mut self, access: MemoryAccess, size: u32, address: Value) -> Place {
        if self.unit.settings.memory == MemoryStyle::Checked {
            self.check_bounds(access, size, address);
        }
        let base = self.resident(Resident::Memory(access.memory));
        // Index and offset are 32 bits each, so no sum leaves the reservation, or wraps.
        let (sum, rest) = match self.constant_behind(address) {
            Some(constant) => (base, constant + u64::from(access.offset)),
            None => {
                let sum = self.known_sum(access.memory, address).unwrap_or_else(|| {
                    let index = self.cursor.ins().uextend(I64, address);
                    let sum = self.cursor.ins().iadd(base, index);
                    self.learn_sum(access.memory, address, sum);
                    sum
                });
                (sum, u64::from(access.offset))
            }
        };
        match i32::try_from(rest) {
            Ok(offset) => Place { base: sum, offset },
            Err(_) => {
                let rest = self.iconst(I64, rest.cast_signed());
                Place {
                    base: self.cursor.ins().iadd(sum, rest),
                    offset: 0,
                }
            }
        }
    }

    /// The sum of a memory's base and an address, where the current block has it: programs access several
    /// fields of one object in a row.
    fn known_sum(&self, memory: MemoryIndex, address: Value) -> Option<Value> {
        let sums = &self.scratch.sums;
        let found = sums
            .iter()
            .find(|sum| sum.address == address && sum.memory == memory);
        Some(found?.sum)
    }

    fn learn_sum(&mut self, memory: MemoryIndex, address: Value, sum: Value) {
        let sums = &mut self.scratch.sums;
        if sums.len() == KNOWN_SUMS {
            sums.pop();
        }
        sums.insert(
            0,
            Sum {
                memory,
                address,
                sum,
            },
        );
    }

    fn check_bounds(&mut self, access: MemoryAccess, size: u32, address: Value) {
        let record = self.fixed_field(self.unit.offsets.memory(access.memory));
        let length = self.load_at(I64, self.flags.own, record, offsets::VMMEMORY_LENGTH);
        let index = self.cursor.ins().uextend(I64, address);
        let behind = self.iconst(I64, i64::from(access.offset) + i64::from(size));
        let end = self.cursor.ins().iadd(index, behind);
        let outside = self
            .cursor
            .ins()
            .icmp(IntCC::UnsignedGreaterThan, end, length);
        self.cursor
            .ins()
            .trapnz(outside, TrapCode::HEAP_OUT_OF_BOUNDS);
    }

    pub(super) fn read_memory(
        &mut self,
        op: LoadOp,
        access: MemoryAccess,
        address: Value,
    ) -> Value {
        let Place { base, offset } = self.heap_address(access, op.bytes(), address);
        let flags = self.flags.heap;
        match op {
            LoadOp::Int(ty) => self.load_at(int_type(ty), flags, base, offset),
            LoadOp::Float(ty) => self.load_at(float_type(ty), flags, base, offset),
            LoadOp::V128 => self.load_at(I8X16, flags, base, offset),
            LoadOp::IntNarrow { to, bits, signed } => {
                self.load_as(narrow_load(bits, signed), int_type(to), flags, base, offset)
            }
            LoadOp::Extend { to, signed } => {
                let opcode = match (to, signed) {
                    (Shape::I16x8, true) => Opcode::Sload8x8,
                    (Shape::I16x8, false) => Opcode::Uload8x8,
                    (Shape::I32x4, true) => Opcode::Sload16x4,
                    (Shape::I32x4, false) => Opcode::Uload16x4,
                    (_, true) => Opcode::Sload32x2,
                    (_, false) => Opcode::Uload32x2,
                };
                self.load_as(opcode, I64, flags, base, offset)
            }
            LoadOp::Splat(shape) => {
                let lane = self.load_at(lane_type(shape), flags, base, offset);
                self.cursor.ins().splat(vector_type(shape), lane)
            }
            LoadOp::Zero { bits } => {
                let (scalar, vector) = if bits == 32 {
                    (I32, I32X4)
                } else {
                    (I64, I64X2)
                };
                let scalar = self.load_at(scalar, flags, base, offset);
                self.cursor.ins().scalar_to_vector(vector, scalar)
            }
        }
    }

    pub(super) fn write_memory(
        &mut self,
        op: StoreOp,
        access: MemoryAccess,
        address: Value,
        value: Value,
    ) {
        let Place { base, offset } = self.heap_address(access, op.bytes(), address);
        let opcode = match op {
            StoreOp::IntNarrow { bits: 8, .. } => Opcode::Istore8,
            StoreOp::IntNarrow { bits: 16, .. } => Opcode::Istore16,
            StoreOp::IntNarrow { .. } => Opcode::Istore32,
            _ => Opcode::Store,
        };
        self.store_as(opcode, self.flags.heap, value, base, offset);
    }

    pub(super) fn read_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Value,
        vector: Value,
    ) -> Value {
        let Place { base, offset } = self.heap_address(access, shape.lane_bits() / 8, address);
        let value = self.load_at(lane_type(shape), self.flags.heap, base, offset);
        let vector = self.as_type(vector_type(shape), vector);
        self.cursor.ins().insertlane(vector, value, lane)
    }

    pub(super) fn write_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Value,
        vector: Value,
    ) {
        let Place { base, offset } = self.heap_address(access, shape.lane_bits() / 8, address);
        let vector = self.as_type(vector_type(shape), vector);
        let value = self.cursor.ins().extractlane(vector, lane);
        self.store_at(self.flags.heap, value, base, offset);
    }

    pub(super) fn memory_pages(&mut self, memory: MemoryIndex) -> Value {
        let record = self.fixed_field(self.unit.offsets.memory(memory));
        let length = self.load_at(I64, self.flags.own, record, offsets::VMMEMORY_LENGTH);
        let bits = self.iconst(I64, PAGE_BITS);
        let pages = self.cursor.ins().ushr(length, bits);
        self.cursor.ins().ireduce(I32, pages)
    }

    // Globals.

    fn global_place(&mut self, global: GlobalIndex) -> Place {
        match self.unit.offsets.global(global) {
            GlobalLocation::Inline(offset) => Place {
                base: self.context(),
                offset,
            },
            GlobalLocation::Pointer(offset) => Place {
                base: self.fixed_field(offset),
                offset: 0,
            },
        }
    }

    pub(super) fn read_global(&mut self, global: GlobalIndex) -> Value {
        let ty = clif_type(self.module.globals[global].content);
        let Place { base, offset } = self.global_place(global);
        self.load_at(ty, self.flags.own, base, offset)
    }

    pub(super) fn write_global(&mut self, global: GlobalIndex, value: Value) {
        let Place { base, offset } = self.global_place(global);
        self.store_at(self.flags.own, value, base, offset);
    }

    // Tables.

    /// The address of a table's element. Traps with `trap` where there is none.
    pub(super) fn table_element(
        &mut self,
        table: TableIndex,
        index: Value,
        trap: WasmTrap,
    ) -> Value {
        let record = self.fixed_field(self.unit.offsets.table(table));
        let length = self.load_at(I64, self.flags.own, record, offsets::VMTABLE_LENGTH);
        let index = self.cursor.ins().uextend(I64, index);
        let outside = self
            .cursor
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
        self.cursor.ins().trapnz(outside, user_trap(trap));
        let base = self.load_at(I64, self.flags.own, record, offsets::VMTABLE_BASE);
        let three = self.iconst(I64, 3);
        let scaled = self.cursor.ins().ishl(index, three);
        self.cursor.ins().iadd(base, scaled)
    }

    pub(super) fn read_table(&mut self, table: TableIndex, index: Value) -> Value {
        let element = self.table_element(table, index, WasmTrap::TableOutOfBounds);
        self.load_at(I64, self.flags.own, element, 0)
    }

    pub(super) fn write_table(&mut self, table: TableIndex, index: Value, value: Value) {
        let element = self.table_element(table, index, WasmTrap::TableOutOfBounds);
        self.store_at(self.flags.own, value, element, 0);
        let record = self.fixed_field(self.unit.offsets.table(table));
        let none = self.iconst(I64, 0);
        self.store_at(self.flags.own, none, record, offsets::VMTABLE_UNCHANGED);
    }

    pub(super) fn table_length(&mut self, table: TableIndex) -> Value {
        let record = self.fixed_field(self.unit.offsets.table(table));
        let length = self.load_at(I64, self.flags.own, record, offsets::VMTABLE_LENGTH);
        self.cursor.ins().ireduce(I32, length)
    }
}
