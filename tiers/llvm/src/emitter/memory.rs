//! Linear memories, globals and tables.

use inkwell::IntPredicate;
use inkwell::types::BasicType;
use inkwell::values::{BasicValueEnum, InstructionValue, IntValue, PointerValue};
use upshift_module::{GlobalIndex, MemoryIndex, TableIndex};
use upshift_runtime::{GlobalLocation, TrapCode, offsets};
use upshift_translate::{LoadOp, MemoryAccess, MemoryStyle, Shape, StoreOp};

use super::LlvmEmitter;
use super::build::{Built, Region, instruction};

/// log2 of the size of a page.
const PAGE_BITS: i64 = 16;
const ELEMENT_SIZE: i64 = 8;

/// A place in memory of our own.
struct Place<'ctx> {
    base: PointerValue<'ctx>,
    offset: i32,
}

/// A table, while code is made.
struct TableRecord<'ctx> {
    record: PointerValue<'ctx>,
    /// In elements.
    length: IntValue<'ctx>,
}

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    // Linear memory.

    fn memory_base(&mut self, memory: MemoryIndex) -> PointerValue<'ctx> {
        if memory == MemoryIndex::FIRST {
            return self.fixed_field(offsets::VMCONTEXT_MEMORY0_BASE);
        }
        let record = self.fixed_field(self.unit.offsets.memory(memory));
        self.read_fixed(self.types.ptr, record, offsets::VMMEMORY_BASE)
            .into_pointer_value()
    }

    /// The address of an access to `size` bytes. Emits the checks that are needed.
    ///
    /// Index and offset are 32 bits each, so no sum leaves the reservation or wraps around 64 bits: the
    /// additions are marked so. They are not `inbounds`: nothing says how much of it is accessible.
    pub(super) fn heap_address(
        &mut self,
        access: MemoryAccess,
        size: u32,
        address: BasicValueEnum<'ctx>,
    ) -> PointerValue<'ctx> {
        let index = address.into_int_value();
        self.locate();
        if self.unit.settings.memory == MemoryStyle::Checked {
            self.check_bounds(access, size, index);
        }
        let base = self.memory_base(access.memory);
        let index = self.zext64(index);
        let place = self.offset_within(base, index);
        if access.offset == 0 {
            return place;
        }
        self.offset_within(place, self.const_i64(i64::from(access.offset)))
    }

    /// `base + index`, which does not wrap.
    fn offset_within(&self, base: PointerValue<'ctx>, index: IntValue<'ctx>) -> PointerValue<'ctx> {
        use inkwell::llvm_sys::core::LLVMBuildGEPWithNoWrapFlags;
        use inkwell::llvm_sys::{LLVMGEPFlagNUSW, LLVMGEPFlagNUW};
        use inkwell::types::AsTypeRef;
        use inkwell::values::AsValueRef;
        let mut indices = [index.as_value_ref()];
        // SAFETY: builder, type, base and index are alive and of one context; the name is a C string.
        unsafe {
            PointerValue::new(LLVMBuildGEPWithNoWrapFlags(
                self.builder.as_mut_ptr(),
                self.types.i8.as_type_ref(),
                base.as_value_ref(),
                indices.as_mut_ptr(),
                1,
                c"".as_ptr(),
                LLVMGEPFlagNUSW | LLVMGEPFlagNUW,
            ))
        }
    }

    fn check_bounds(&mut self, access: MemoryAccess, size: u32, index: IntValue<'ctx>) {
        let length = self.memory_length(access.memory);
        let index = self.zext64(index);
        let behind = self.const_i64(i64::from(access.offset) + i64::from(size));
        let end = self.builder.build_int_nuw_add(index, behind, "").built();
        let outside = self
            .builder
            .build_int_compare(IntPredicate::UGT, end, length, "")
            .built();
        self.trap_if(outside, TrapCode::MemoryOutOfBounds);
    }

    /// A memory's length in bytes.
    pub(super) fn memory_length(&mut self, memory: MemoryIndex) -> IntValue<'ctx> {
        let record = self.fixed_field(self.unit.offsets.memory(memory));
        self.read_field(
            self.types.i64,
            record,
            offsets::VMMEMORY_LENGTH,
            Region::Context,
        )
        .into_int_value()
    }

    pub(super) fn load_from(
        &mut self,
        ty: impl BasicType<'ctx>,
        place: PointerValue<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let value = self.builder.build_load(ty, place, "").built();
        let load = instruction(value);
        self.mark_access(load);
        self.last_load = Some(load);
        match value {
            BasicValueEnum::IntValue(value) if self.precise => self.pin(value),
            value => value,
        }
    }

    /// The same value, of which LLVM does not know that it was loaded. It folds loads, volatile ones too, into
    /// conditional moves, which it then makes branches around the load.
    fn pin(&self, value: IntValue<'ctx>) -> BasicValueEnum<'ctx> {
        let ty = value.get_type().fn_type(&[value.get_type().into()], false);
        let nothing = self.context.create_inline_asm(
            ty,
            String::new(),
            "=r,0".to_owned(),
            false,
            false,
            None,
            false,
        );
        self.result_of(self.call_code(ty, nothing, &[value.into()]))
    }

    pub(super) fn store_to(&mut self, value: BasicValueEnum<'ctx>, place: PointerValue<'ctx>) {
        let store = self.builder.build_store(place, value).built();
        self.mark_access(store);
    }

    /// Accesses may have any alignment; precise ones stay where they are.
    fn mark_access(&self, access: InstructionValue<'ctx>) {
        self.metadata.tag(access, Region::Memory);
        access.set_alignment(1).expect("a power of two");
        if self.precise {
            access.set_volatile(true).expect("accesses can be volatile");
        }
    }

    pub(super) fn narrow_type(&self, bits: u32) -> inkwell::types::IntType<'ctx> {
        match bits {
            8 => self.types.i8,
            16 => self.types.i16,
            _ => self.types.i32,
        }
    }

    pub(super) fn read_memory(
        &mut self,
        op: LoadOp,
        access: MemoryAccess,
        address: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let place = self.heap_address(access, op.bytes(), address);
        match op {
            LoadOp::Int(ty) => self.load_from(self.int_type(ty), place),
            LoadOp::Float(ty) => self.load_from(self.float_type(ty), place),
            LoadOp::V128 => self.load_from(self.types.v128, place),
            LoadOp::IntNarrow { to, bits, signed } => {
                let value = self.load_from(self.narrow_type(bits.into()), place);
                let (value, to) = (value.into_int_value(), self.int_type(to));
                if signed {
                    self.builder.build_int_s_extend(value, to, "")
                } else {
                    self.builder.build_int_z_extend(value, to, "")
                }
                .built()
                .into()
            }
            LoadOp::Extend { to, signed } => {
                let wide = self.vector_type(to);
                let narrow = self.narrow_type(to.lane_bits() / 2);
                let value = self.load_from(narrow.vec_type(to.lanes()), place);
                let value = value.into_vector_value();
                if signed {
                    self.builder.build_int_s_extend(value, wide, "")
                } else {
                    self.builder.build_int_z_extend(value, wide, "")
                }
                .built()
                .into()
            }
            LoadOp::Splat(shape) => {
                let lane = self.load_from(self.lane_type(shape), place);
                self.splat_lane(shape, lane)
            }
            LoadOp::Zero { bits } => {
                let (shape, ty) = if bits == 32 {
                    (Shape::I32x4, self.types.i32)
                } else {
                    (Shape::I64x2, self.types.i64)
                };
                let lane = self.load_from(ty, place);
                let zero = self.vector_type(shape).const_zero();
                let first = self.const_i32(0);
                self.builder
                    .build_insert_element(zero, lane, first, "")
                    .built()
                    .into()
            }
        }
    }

    pub(super) fn write_memory(
        &mut self,
        op: StoreOp,
        access: MemoryAccess,
        address: BasicValueEnum<'ctx>,
        value: BasicValueEnum<'ctx>,
    ) {
        let place = self.heap_address(access, op.bytes(), address);
        let value = match op {
            StoreOp::IntNarrow { bits, .. } => self
                .builder
                .build_int_truncate(value.into_int_value(), self.narrow_type(bits.into()), "")
                .built()
                .into(),
            _ => value,
        };
        self.store_to(value, place);
    }

    /// All lanes equal to a value of the lanes' own type.
    pub(super) fn splat_lane(
        &mut self,
        shape: Shape,
        lane: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let ty = self.vector_type(shape);
        let first = self.const_i32(0);
        let vector = self
            .builder
            .build_insert_element(ty.get_poison(), lane, first, "")
            .built();
        let mask = self.types.i32.vec_type(shape.lanes()).const_zero();
        self.builder
            .build_shuffle_vector(vector, ty.get_poison(), mask, "")
            .built()
            .into()
    }

    pub(super) fn read_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: BasicValueEnum<'ctx>,
        vector: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let place = self.heap_address(access, shape.lane_bits() / 8, address);
        let value = self.load_from(self.lane_type(shape), place);
        let vector = self.lanes_as(vector, self.vector_type(shape));
        let lane = self.const_i32(i32::from(lane));
        self.builder
            .build_insert_element(vector, value, lane, "")
            .built()
            .into()
    }

    pub(super) fn write_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: BasicValueEnum<'ctx>,
        vector: BasicValueEnum<'ctx>,
    ) {
        let place = self.heap_address(access, shape.lane_bits() / 8, address);
        let vector = self.lanes_as(vector, self.vector_type(shape));
        let lane = self.const_i32(i32::from(lane));
        let value = self.builder.build_extract_element(vector, lane, "").built();
        self.store_to(value, place);
    }

    pub(super) fn memory_pages(&mut self, memory: MemoryIndex) -> BasicValueEnum<'ctx> {
        let length = self.memory_length(memory);
        let bits = self.const_i64(PAGE_BITS);
        let pages = self
            .builder
            .build_right_shift(length, bits, false, "")
            .built();
        self.builder
            .build_int_truncate(pages, self.types.i32, "")
            .built()
            .into()
    }

    // Globals.

    fn global_place(&mut self, global: GlobalIndex) -> Place<'ctx> {
        match self.unit.offsets.global(global) {
            GlobalLocation::Inline(offset) => Place {
                base: self.vmctx,
                offset,
            },
            GlobalLocation::Pointer(offset) => Place {
                base: self.fixed_field(offset),
                offset: 0,
            },
        }
    }

    pub(super) fn read_global(&mut self, global: GlobalIndex) -> BasicValueEnum<'ctx> {
        let ty = &self.module.globals[global];
        let (llvm_type, mutable) = (self.types.of(ty.content), ty.mutable);
        let Place { base, offset } = self.global_place(global);
        if !mutable {
            return self.read_fixed(llvm_type, base, offset);
        }
        let value = self.read_field(llvm_type, base, offset, Region::Context);
        self.keep_if_precise(instruction(value));
        value
    }

    pub(super) fn write_global(&mut self, global: GlobalIndex, value: BasicValueEnum<'ctx>) {
        let Place { base, offset } = self.global_place(global);
        let value = self.canonical(value);
        let store = self.write_field(value, base, offset, Region::Context);
        self.keep_if_precise(store);
    }

    fn keep_if_precise(&self, access: InstructionValue<'ctx>) {
        if self.precise {
            access.set_volatile(true).expect("accesses can be volatile");
        }
    }

    // Tables.

    /// A table's record, and its length in elements.
    fn table_record(&mut self, table: TableIndex) -> TableRecord<'ctx> {
        let record = self.fixed_field(self.unit.offsets.table(table));
        let length = self.read_field(
            self.types.i64,
            record,
            offsets::VMTABLE_LENGTH,
            Region::Table,
        );
        TableRecord {
            record,
            length: length.into_int_value(),
        }
    }

    /// The address of a table's element. Traps with `trap` where there is none.
    pub(super) fn table_element(
        &mut self,
        table: TableIndex,
        index: BasicValueEnum<'ctx>,
        trap: TrapCode,
    ) -> PointerValue<'ctx> {
        let TableRecord { record, length } = self.table_record(table);
        let index = self.zext64(index.into_int_value());
        let outside = self
            .builder
            .build_int_compare(IntPredicate::UGE, index, length, "")
            .built();
        self.trap_if(outside, trap);
        self.element_at(record, index)
    }

    /// The address of a table's element that is known to be there.
    pub(super) fn element_within(
        &mut self,
        table: TableIndex,
        index: BasicValueEnum<'ctx>,
    ) -> PointerValue<'ctx> {
        let record = self.fixed_field(self.unit.offsets.table(table));
        let index = self.zext64(index.into_int_value());
        self.element_at(record, index)
    }

    fn element_at(&self, record: PointerValue<'ctx>, index: IntValue<'ctx>) -> PointerValue<'ctx> {
        let base = self
            .read_field(self.types.ptr, record, offsets::VMTABLE_BASE, Region::Table)
            .into_pointer_value();
        let scaled = self
            .builder
            .build_int_nuw_mul(index, self.const_i64(ELEMENT_SIZE), "")
            .built();
        self.offset_within(base, scaled)
    }

    /// The number of a table's elements that are known to be unchanged.
    pub(super) fn unchanged_elements(&mut self, table: TableIndex) -> IntValue<'ctx> {
        let record = self.fixed_field(self.unit.offsets.table(table));
        self.read_field(
            self.types.i64,
            record,
            offsets::VMTABLE_UNCHANGED,
            Region::Table,
        )
        .into_int_value()
    }

    pub(super) fn read_table(
        &mut self,
        table: TableIndex,
        index: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let element = self.table_element(table, index, TrapCode::TableOutOfBounds);
        let value = self.read_field(self.types.i64, element, 0, Region::Table);
        self.keep_if_precise(instruction(value));
        value
    }

    pub(super) fn write_table(
        &mut self,
        table: TableIndex,
        index: BasicValueEnum<'ctx>,
        value: BasicValueEnum<'ctx>,
    ) {
        let element = self.table_element(table, index, TrapCode::TableOutOfBounds);
        let record = self.fixed_field(self.unit.offsets.table(table));
        let none = self.const_i64(0);
        let unchanged = self.write_field(none, record, offsets::VMTABLE_UNCHANGED, Region::Table);
        self.keep_if_precise(unchanged);
        let store = self.write_field(value, element, 0, Region::Table);
        self.keep_if_precise(store);
    }

    pub(super) fn table_length(&mut self, table: TableIndex) -> BasicValueEnum<'ctx> {
        let TableRecord { length, .. } = self.table_record(table);
        self.builder
            .build_int_truncate(length, self.types.i32, "")
            .built()
            .into()
    }
}
