//! The emitter: the walk's requests as LLVM IR. The trait's methods and blocks are here; the code of each
//! group of operators is in the file named after it.

mod build;
mod bulk;
mod call;
mod indirect;
mod memory;
mod scalar;
mod state;
mod vector;
mod vector_convert;
mod vector_float;

use inkwell::basic_block::BasicBlock;
use inkwell::values::BasicValueEnum;
use upshift_module::{
    FuncIndex, GlobalIndex, LocalIndex, LoopIndex, MemoryIndex, ModuleOffset, TableIndex,
    TypeIndex, ValType, to_u32, to_usize,
};
use upshift_runtime::{Builtin, TrapCode};
use upshift_translate::{
    BranchTable, Convert, Emitter, FloatBinary, FloatCompare, FloatType, FloatUnary, IntBinary,
    IntCompare, IntDivision, IntType, IntUnary, LaneBinary, LaneCombine, LaneConvert, LaneShift,
    LaneUnary, LoadOp, MemoryAccess, Shape, StoreOp, VecBitwise, VecTest, WorkSite,
};

pub(crate) use build::{Built, Metadata, Region, Types, flag_attribute};
pub(crate) use state::{LlvmEmitter, Shared, Target};

/// A block with parameters.
#[derive(Clone, Copy)]
pub(crate) struct Block<'ctx> {
    block: BasicBlock<'ctx>,
    /// Where its parameters begin among the function's, and how many they are.
    phis: (u32, u32),
}

impl<'ctx> LlvmEmitter<'_, 'ctx> {
    /// Gives the parameters of a block their values on the way from the current one.
    fn pass(&mut self, target: Block<'ctx>, args: &[BasicValueEnum<'ctx>]) {
        let from = self.current_block();
        for (index, &arg) in args.iter().enumerate() {
            let arg = self.canonical(arg);
            self.phi(to_usize(target.phis.0) + index)
                .add_incoming(&[(&arg, from)]);
        }
    }
}

impl<'ctx> Emitter for LlvmEmitter<'_, 'ctx> {
    type Value = BasicValueEnum<'ctx>;
    type Block = Block<'ctx>;

    fn set_offset(&mut self, module_offset: ModuleOffset) {
        self.set_position(module_offset);
    }

    fn create_block(&mut self, _: usize, params: &[ValType]) -> Block<'ctx> {
        let here = self.current_block();
        let block = self.new_block();
        let first = self.phi_count();
        self.builder.position_at_end(block);
        for &ty in params {
            self.add_phi(ty);
        }
        self.builder.position_at_end(here);
        Block {
            block,
            phis: (first, to_u32(params.len())),
        }
    }

    fn switch_to(&mut self, block: Block<'ctx>, values: &mut Vec<BasicValueEnum<'ctx>>) {
        self.builder.position_at_end(block.block);
        let (first, count) = block.phis;
        values.extend((first..first + count).map(|i| self.phi(to_usize(i)).as_basic_value()));
    }

    fn seal(&mut self, _: Block<'ctx>) {
        // Locals are memory until LLVM lifts them, and knows all blocks then.
    }

    fn jump(&mut self, target: Block<'ctx>, args: &[BasicValueEnum<'ctx>]) {
        self.pass(target, args);
        self.builder
            .build_unconditional_branch(target.block)
            .built();
    }

    fn branch_if(
        &mut self,
        condition: BasicValueEnum<'ctx>,
        then: (Block<'ctx>, &[BasicValueEnum<'ctx>]),
        otherwise: (Block<'ctx>, &[BasicValueEnum<'ctx>]),
    ) {
        let condition = self.is_true(condition);
        // An argument may need a cast, which must come before the branch.
        self.pass(then.0, then.1);
        self.pass(otherwise.0, otherwise.1);
        self.builder
            .build_conditional_branch(condition, then.0.block, otherwise.0.block)
            .built();
    }

    fn branch_table(
        &mut self,
        index: BasicValueEnum<'ctx>,
        table: &BranchTable<'_, Block<'ctx>, BasicValueEnum<'ctx>>,
    ) {
        let from = self.current_block();
        // A block has its parameters once for each entry that leads to it, so ways that pass values lead to a block in
        // between.
        let mut ways = Vec::with_capacity(table.ways.len());
        for &(target, args) in table.ways {
            if args.is_empty() {
                ways.push(target.block);
                continue;
            }
            let edge = self.new_block();
            self.builder.position_at_end(edge);
            self.jump(target, args);
            ways.push(edge);
        }
        self.builder.position_at_end(from);
        let cases: Vec<_> = table
            .cases_besides_default()
            .map(|case| {
                let index = self.types.i32.const_int(u64::from(case.index), false);
                (index, ways[to_usize(case.way)])
            })
            .collect();
        self.builder
            .build_switch(
                index.into_int_value(),
                ways[to_usize(table.default)],
                &cases,
            )
            .built();
    }

    fn return_values(&mut self, values: &[BasicValueEnum<'ctx>]) {
        self.return_from_function(values);
    }

    fn trap(&mut self, code: TrapCode) {
        self.emit_trap(code);
    }

    fn poll_entry(&mut self) -> WorkSite {
        WorkSite::NOT_COUNTED
    }

    fn poll_loop(&mut self, _: LoopIndex, _: &[BasicValueEnum<'ctx>], _: &[ValType]) -> WorkSite {
        // There is no better code than this to move to.
        WorkSite::NOT_COUNTED
    }

    fn set_work(&mut self, _: WorkSite, _: u32) {}

    fn local_get(&mut self, local: LocalIndex) -> BasicValueEnum<'ctx> {
        self.read_local(local)
    }

    fn local_set(&mut self, local: LocalIndex, value: BasicValueEnum<'ctx>) {
        self.write_local(local, value);
    }

    fn osr_operand(&mut self, cell_offset: u32, ty: ValType) -> BasicValueEnum<'ctx> {
        self.read_taken_over(cell_offset, ty)
    }

    fn select(
        &mut self,
        _: ValType,
        condition: BasicValueEnum<'ctx>,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let condition = self.is_true(condition);
        let (a, b) = (self.canonical(a), self.canonical(b));
        self.builder.build_select(condition, a, b, "").built()
    }

    fn i32_const(&mut self, value: i32) -> BasicValueEnum<'ctx> {
        self.const_i32(value).into()
    }

    fn i64_const(&mut self, value: i64) -> BasicValueEnum<'ctx> {
        self.const_i64(value).into()
    }

    fn f32_const(&mut self, bits: u32) -> BasicValueEnum<'ctx> {
        let bits = self.types.i32.const_int(u64::from(bits), false);
        let value = self.bits_as(bits, self.types.f32);
        self.hidden_if_default(value)
    }

    fn f64_const(&mut self, bits: u64) -> BasicValueEnum<'ctx> {
        let bits = self.types.i64.const_int(bits, false);
        let value = self.bits_as(bits, self.types.f64);
        self.hidden_if_default(value)
    }

    fn v128_const(&mut self, bits: u128) -> BasicValueEnum<'ctx> {
        let bytes = bits.to_le_bytes();
        let lanes = bytes.map(|byte| self.types.i8.const_int(u64::from(byte), false));
        inkwell::types::VectorType::const_vector(&lanes).into()
    }

    fn eqz(&mut self, _: IntType, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        self.is_zero(a)
    }

    fn int_unary(
        &mut self,
        ty: IntType,
        op: IntUnary,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.unary_int(ty, op, a)
    }

    fn int_binary(
        &mut self,
        _: IntType,
        op: IntBinary,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.binary_int(op, a, b)
    }

    fn int_division(
        &mut self,
        _: IntType,
        op: IntDivision,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.divide(op, a, b)
    }

    fn int_compare(
        &mut self,
        _: IntType,
        op: IntCompare,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.compare_int(op, a, b)
    }

    fn float_unary(
        &mut self,
        _: FloatType,
        op: FloatUnary,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.unary_float(op, a)
    }

    fn float_binary(
        &mut self,
        _: FloatType,
        op: FloatBinary,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.binary_float(op, a, b)
    }

    fn float_compare(
        &mut self,
        _: FloatType,
        op: FloatCompare,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.compare_float(op, a, b)
    }

    fn convert(&mut self, op: Convert, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        self.convert_scalar(op, a)
    }

    fn splat(&mut self, shape: Shape, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        self.splat_lanes(shape, a)
    }

    fn extract_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        signed: bool,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.extract(shape, lane, signed, a)
    }

    fn replace_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.replace(shape, lane, a, b)
    }

    fn shuffle(
        &mut self,
        lanes: [u8; 16],
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.shuffle_bytes(lanes, a, b)
    }

    fn swizzle(
        &mut self,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.swizzle_bytes(a, b)
    }

    fn vec_not(&mut self, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        self.bitwise_not(a)
    }

    fn vec_bitwise(
        &mut self,
        op: VecBitwise,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.bitwise(op, a, b)
    }

    fn vec_bitselect(
        &mut self,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
        mask: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.bitselect_bits(a, b, mask)
    }

    fn vec_test(&mut self, op: VecTest, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        self.test(op, a)
    }

    fn lane_unary(
        &mut self,
        shape: Shape,
        op: LaneUnary,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.unary_lanes(shape, op, a)
    }

    fn lane_binary(
        &mut self,
        shape: Shape,
        op: LaneBinary,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.binary_lanes(shape, op, a, b)
    }

    fn lane_shift(
        &mut self,
        shape: Shape,
        op: LaneShift,
        a: BasicValueEnum<'ctx>,
        amount: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.shift_lanes(shape, op, a, amount)
    }

    fn lane_compare(
        &mut self,
        shape: Shape,
        op: IntCompare,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.compare_lanes(shape, op, a, b)
    }

    fn lane_float_unary(
        &mut self,
        ty: FloatType,
        op: FloatUnary,
        a: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.unary_float_lanes(ty, op, a)
    }

    fn lane_float_binary(
        &mut self,
        ty: FloatType,
        op: FloatBinary,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.binary_float_lanes(ty, op, a, b)
    }

    fn lane_float_compare(
        &mut self,
        ty: FloatType,
        op: FloatCompare,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.compare_float_lanes(ty, op, a, b)
    }

    fn lane_convert(&mut self, op: LaneConvert, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        self.convert_lanes(op, a)
    }

    fn lane_combine(
        &mut self,
        op: LaneCombine,
        a: BasicValueEnum<'ctx>,
        b: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.combine_lanes(op, a, b)
    }

    fn load(
        &mut self,
        op: LoadOp,
        access: MemoryAccess,
        address: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.read_memory(op, access, address)
    }

    fn store(
        &mut self,
        op: StoreOp,
        access: MemoryAccess,
        address: BasicValueEnum<'ctx>,
        value: BasicValueEnum<'ctx>,
    ) {
        self.write_memory(op, access, address, value);
    }

    fn load_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: BasicValueEnum<'ctx>,
        vector: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.read_lane(shape, lane, access, address, vector)
    }

    fn store_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: BasicValueEnum<'ctx>,
        vector: BasicValueEnum<'ctx>,
    ) {
        self.write_lane(shape, lane, access, address, vector);
    }

    fn keep_load(&mut self, _: BasicValueEnum<'ctx>) {
        if let Some(load) = self.last_load {
            load.set_volatile(true).expect("loads can be volatile");
        }
    }

    fn memory_size(&mut self, memory: MemoryIndex) -> BasicValueEnum<'ctx> {
        self.memory_pages(memory)
    }

    fn global_get(&mut self, global: GlobalIndex) -> BasicValueEnum<'ctx> {
        self.read_global(global)
    }

    fn global_set(&mut self, global: GlobalIndex, value: BasicValueEnum<'ctx>) {
        self.write_global(global, value);
    }

    fn table_get(
        &mut self,
        table: TableIndex,
        index: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        self.read_table(table, index)
    }

    fn table_set(
        &mut self,
        table: TableIndex,
        index: BasicValueEnum<'ctx>,
        value: BasicValueEnum<'ctx>,
    ) {
        self.write_table(table, index, value);
    }

    fn table_size(&mut self, table: TableIndex) -> BasicValueEnum<'ctx> {
        self.table_length(table)
    }

    fn ref_null(&mut self) -> BasicValueEnum<'ctx> {
        self.const_i64(0).into()
    }

    fn ref_is_null(&mut self, a: BasicValueEnum<'ctx>) -> BasicValueEnum<'ctx> {
        self.is_zero(a)
    }

    fn call(
        &mut self,
        function: FuncIndex,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        self.call_function(function, args, results);
    }

    fn call_indirect(
        &mut self,
        table: TableIndex,
        type_index: TypeIndex,
        index: BasicValueEnum<'ctx>,
        args: &[BasicValueEnum<'ctx>],
        results: &mut Vec<BasicValueEnum<'ctx>>,
    ) {
        self.call_table(table, type_index, index, args, results);
    }

    fn call_builtin(
        &mut self,
        builtin: Builtin,
        args: &[BasicValueEnum<'ctx>],
    ) -> Option<BasicValueEnum<'ctx>> {
        if self.bulk_in_place(builtin, args) {
            return None;
        }
        self.call_runtime(builtin, args)
    }
}
