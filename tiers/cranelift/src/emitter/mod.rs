//! The emitter: the walk's requests as Cranelift instructions. The trait's methods and blocks are
//! here; the code of each group of operators is in the file named after it.

mod build;
mod call;
mod homes;
mod memory;
mod poll;
mod scalar;
mod state;
mod values;
mod vector;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::types::{I8X16, I32, I64, INVALID};
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, InstBuilder, JumpTableData, Opcode, TrapCode as ClifTrap, Value,
};
use upshift_module::{
    FuncIndex, GlobalIndex, LocalIndex, LoopIndex, MemoryIndex, ModuleOffset, TableIndex,
    TypeIndex, ValType, to_usize,
};
use upshift_runtime::{Builtin, TrapCode};
use upshift_translate::{
    BranchTable, Convert, Emitter, FloatBinary, FloatCompare, FloatType, FloatUnary, IntBinary,
    IntCompare, IntDivision, IntType, IntUnary, LaneBinary, LaneCombine, LaneConvert, LaneShift,
    LaneUnary, LoadOp, MemoryAccess, Shape, StoreOp, VecBitwise, VecTest, WorkSite,
};

use state::clif_type;
pub(crate) use state::{ClifEmitter, EmitOptions, Finished, Locals, Scratch};

/// A trap of WebAssembly as Cranelift's code: the same number.
pub(crate) fn user_trap(code: TrapCode) -> ClifTrap {
    // Ours count from one and are few.
    ClifTrap::unwrap_user(code.number())
}

impl ClifEmitter<'_> {
    /// A jump's target with its arguments.
    fn target(&mut self, block: Block, args: &[Value]) -> BlockCall {
        let mut block_args = std::mem::take(&mut self.scratch.block_args);
        block_args.clear();
        for &arg in args {
            block_args.push(BlockArg::Value(self.canonical(arg)));
        }
        let call = self.cursor.func.dfg.block_call(block, &block_args);
        self.scratch.block_args = block_args;
        call
    }
}

impl Emitter for ClifEmitter<'_> {
    type Value = Value;
    type Block = Block;

    fn set_offset(&mut self, module_offset: ModuleOffset) {
        self.set_location(module_offset);
    }

    fn create_block(&mut self, _: usize, params: &[ValType]) -> Block {
        let block = self.cursor.func.dfg.make_block();
        for &ty in params {
            self.cursor
                .func
                .dfg
                .append_block_param(block, clif_type(ty));
        }
        block
    }

    fn switch_to(&mut self, block: Block, values: &mut Vec<Value>) {
        self.start_block(block);
        values.extend_from_slice(self.cursor.func.dfg.block_params(block));
    }

    fn seal(&mut self, block: Block) {
        self.seal_block(block);
    }

    fn jump(&mut self, target: Block, args: &[Value]) {
        let call = self.target(target, args);
        self.cursor.ins().Jump(Opcode::Jump, INVALID, call);
        self.note_branch(target);
    }

    fn branch_if(
        &mut self,
        condition: Value,
        then: (Block, &[Value]),
        otherwise: (Block, &[Value]),
    ) {
        self.scratch.calls.branch();
        let blocks = [then.0, otherwise.0];
        let then = self.target(then.0, then.1);
        let otherwise = self.target(otherwise.0, otherwise.1);
        let condition = self.comparison_behind(condition).unwrap_or(condition);
        let ty = self.type_of(condition);
        self.cursor
            .ins()
            .Brif(Opcode::Brif, ty, then, otherwise, condition);
        for block in blocks {
            self.note_branch(block);
        }
    }

    fn branch_table(&mut self, index: Value, table: &BranchTable<'_, Block, Value>) {
        self.scratch.calls.branch();
        let mut uses = vec![0_u32; table.ways.len()];
        for &way in table.cases.iter().chain([&table.default]) {
            uses[to_usize(way)] += 1;
        }
        // Cranelift would make a block for each entry that passes arguments, which may come later, when locals meet.
        let mut ways = Vec::with_capacity(table.ways.len());
        let mut edges = Vec::new();
        for (&(block, args), &uses) in table.ways.iter().zip(&uses) {
            let way = if args.is_empty() && uses == 1 {
                block
            } else {
                let edge = self.cursor.func.dfg.make_block();
                edges.push((edge, block, args));
                edge
            };
            ways.push(way);
        }
        // Each entry has a list of arguments of its own: Cranelift adds to it and takes from it.
        let mut call = |&way: &u32| self.target(ways[to_usize(way)], &[]);
        let cases: Vec<BlockCall> = table.cases.iter().map(&mut call).collect();
        let data = JumpTableData::new(call(&table.default), &cases);
        let data = self.cursor.func.create_jump_table(data);
        self.cursor.ins().br_table(index, data);
        for way in ways {
            self.note_branch(way);
        }
        for (edge, block, args) in edges {
            self.seal_block(edge);
            self.start_block(edge);
            self.jump(block, args);
        }
    }

    fn return_values(&mut self, values: &[Value]) {
        self.return_from_function(values);
    }

    fn trap(&mut self, code: TrapCode) {
        if code == TrapCode::Unreachable {
            self.scratch.calls.forget_doomed();
        }
        self.cursor.ins().trap(user_trap(code));
    }

    fn poll_entry(&mut self) -> WorkSite {
        self.count_at_entry()
    }

    fn poll_loop(
        &mut self,
        loop_number: LoopIndex,
        operands: &[Value],
        types: &[ValType],
    ) -> WorkSite {
        self.count_at_loop(loop_number, operands, types)
    }

    fn set_work(&mut self, site: WorkSite, operators: u32) {
        self.set_counted_work(site, operators);
    }

    fn local_get(&mut self, local: LocalIndex) -> Value {
        self.read_local(local)
    }

    fn local_set(&mut self, local: LocalIndex, value: Value) {
        self.write_local(local, value);
    }

    fn osr_operand(&mut self, cell_offset: u32, ty: ValType) -> Value {
        self.read_taken_over(cell_offset, ty)
    }

    fn select(&mut self, ty: ValType, condition: Value, a: Value, b: Value) -> Value {
        let condition = self.comparison_behind(condition).unwrap_or(condition);
        self.select_value(ty, condition, a, b)
    }

    fn i32_const(&mut self, value: i32) -> Value {
        self.iconst(I32, i64::from(value.cast_unsigned()))
    }

    fn i64_const(&mut self, value: i64) -> Value {
        self.iconst(I64, value)
    }

    fn f32_const(&mut self, bits: u32) -> Value {
        self.cursor.ins().f32const(Ieee32::with_bits(bits))
    }

    fn f64_const(&mut self, bits: u64) -> Value {
        self.cursor.ins().f64const(Ieee64::with_bits(bits))
    }

    fn v128_const(&mut self, bits: u128) -> Value {
        self.vector_constant(I8X16, bits)
    }

    fn eqz(&mut self, ty: IntType, a: Value) -> Value {
        self.is_zero(scalar::int_type(ty), a)
    }

    fn int_unary(&mut self, ty: IntType, op: IntUnary, a: Value) -> Value {
        self.unary_int(ty, op, a)
    }

    fn int_binary(&mut self, _: IntType, op: IntBinary, a: Value, b: Value) -> Value {
        self.binary_int(op, a, b)
    }

    fn int_division(&mut self, _: IntType, op: IntDivision, a: Value, b: Value) -> Value {
        self.divide(op, a, b)
    }

    fn int_compare(&mut self, _: IntType, op: IntCompare, a: Value, b: Value) -> Value {
        self.compare_int(op, a, b)
    }

    fn float_unary(&mut self, _: FloatType, op: FloatUnary, a: Value) -> Value {
        self.unary_float(op, a)
    }

    fn float_binary(&mut self, _: FloatType, op: FloatBinary, a: Value, b: Value) -> Value {
        self.binary_float(op, a, b)
    }

    fn float_compare(&mut self, _: FloatType, op: FloatCompare, a: Value, b: Value) -> Value {
        self.compare_float(op, a, b)
    }

    fn convert(&mut self, op: Convert, a: Value) -> Value {
        self.convert_scalar(op, a)
    }

    fn splat(&mut self, shape: Shape, a: Value) -> Value {
        self.splat_lanes(shape, a)
    }

    fn extract_lane(&mut self, shape: Shape, lane: u8, signed: bool, a: Value) -> Value {
        self.extract(shape, lane, signed, a)
    }

    fn replace_lane(&mut self, shape: Shape, lane: u8, a: Value, b: Value) -> Value {
        self.replace(shape, lane, a, b)
    }

    fn shuffle(&mut self, lanes: [u8; 16], a: Value, b: Value) -> Value {
        self.shuffle_bytes(lanes, a, b)
    }

    fn swizzle(&mut self, a: Value, b: Value) -> Value {
        self.swizzle_bytes(a, b)
    }

    fn vec_not(&mut self, a: Value) -> Value {
        self.bitwise_not(a)
    }

    fn vec_bitwise(&mut self, op: VecBitwise, a: Value, b: Value) -> Value {
        self.bitwise(op, a, b)
    }

    fn vec_bitselect(&mut self, a: Value, b: Value, mask: Value) -> Value {
        self.bitselect_bits(a, b, mask)
    }

    fn vec_test(&mut self, op: VecTest, a: Value) -> Value {
        self.test(op, a)
    }

    fn lane_unary(&mut self, shape: Shape, op: LaneUnary, a: Value) -> Value {
        self.unary_lanes(shape, op, a)
    }

    fn lane_binary(&mut self, shape: Shape, op: LaneBinary, a: Value, b: Value) -> Value {
        self.binary_lanes(shape, op, a, b)
    }

    fn lane_shift(&mut self, shape: Shape, op: LaneShift, a: Value, amount: Value) -> Value {
        self.shift_lanes(shape, op, a, amount)
    }

    fn lane_compare(&mut self, shape: Shape, op: IntCompare, a: Value, b: Value) -> Value {
        self.compare_lanes(shape, op, a, b)
    }

    fn lane_float_unary(&mut self, ty: FloatType, op: FloatUnary, a: Value) -> Value {
        self.unary_float_lanes(ty, op, a)
    }

    fn lane_float_binary(&mut self, ty: FloatType, op: FloatBinary, a: Value, b: Value) -> Value {
        self.binary_float_lanes(ty, op, a, b)
    }

    fn lane_float_compare(&mut self, ty: FloatType, op: FloatCompare, a: Value, b: Value) -> Value {
        self.compare_float_lanes(ty, op, a, b)
    }

    fn lane_convert(&mut self, op: LaneConvert, a: Value) -> Value {
        self.convert_lanes(op, a)
    }

    fn lane_combine(&mut self, op: LaneCombine, a: Value, b: Value) -> Value {
        self.combine_lanes(op, a, b)
    }

    fn load(&mut self, op: LoadOp, access: MemoryAccess, address: Value) -> Value {
        self.read_memory(op, access, address)
    }

    fn store(&mut self, op: StoreOp, access: MemoryAccess, address: Value, value: Value) {
        self.write_memory(op, access, address, value);
    }

    fn load_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Value,
        vector: Value,
    ) -> Value {
        self.read_lane(shape, lane, access, address, vector)
    }

    fn store_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Value,
        vector: Value,
    ) {
        self.write_lane(shape, lane, access, address, vector);
    }

    fn keep_load(&mut self, _: Value) {
        // Cranelift keeps every load that may trap.
    }

    fn memory_size(&mut self, memory: MemoryIndex) -> Value {
        self.memory_pages(memory)
    }

    fn global_get(&mut self, global: GlobalIndex) -> Value {
        self.read_global(global)
    }

    fn global_set(&mut self, global: GlobalIndex, value: Value) {
        self.write_global(global, value);
    }

    fn table_get(&mut self, table: TableIndex, index: Value) -> Value {
        self.read_table(table, index)
    }

    fn table_set(&mut self, table: TableIndex, index: Value, value: Value) {
        self.write_table(table, index, value);
    }

    fn table_size(&mut self, table: TableIndex) -> Value {
        self.table_length(table)
    }

    fn ref_null(&mut self) -> Value {
        self.iconst(I64, 0)
    }

    fn ref_is_null(&mut self, a: Value) -> Value {
        let null = self.iconst(I64, 0);
        let is_null = self.cursor.ins().icmp(IntCC::Equal, a, null);
        self.bool_to_i32(is_null)
    }

    fn call(&mut self, function: FuncIndex, args: &[Value], results: &mut Vec<Value>) {
        self.call_function(function, args, results);
    }

    fn call_indirect(
        &mut self,
        table: TableIndex,
        type_index: TypeIndex,
        index: Value,
        args: &[Value],
        results: &mut Vec<Value>,
    ) {
        self.call_table(table, type_index, index, args, results);
    }

    fn call_builtin(&mut self, builtin: Builtin, args: &[Value]) -> Option<Value> {
        self.call_runtime(builtin, args)
    }
}
