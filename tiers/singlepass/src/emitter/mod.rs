//! The emitter: the walk's requests as machine code at once. The trait's methods are here; the code of each group of
//! operators is in the file named after it.

mod blocks;
mod calls;
mod checker;
mod copies;
mod floats;
mod frame;
mod integers;
mod lane_conversions;
mod lanes;
mod memory;
mod operands;
mod registers;
mod state;
mod vectors;

use upshift_module::{
    FuncIndex, GlobalIndex, LocalIndex, LoopIndex, MemoryIndex, ModuleOffset, TableIndex,
    TypeIndex, ValType, to_u32,
};
use upshift_runtime::{Builtin, TrapCode};
use upshift_translate::{
    BranchTable, Convert, Emitter, FloatBinary, FloatCompare, FloatType, FloatUnary, IntBinary,
    IntCompare, IntDivision, IntType, IntUnary, LaneBinary, LaneCombine, LaneConvert, LaneShift,
    LaneUnary, LoadOp, MemoryAccess, Shape, StoreOp, VecBitwise, VecTest, WorkSite,
};

pub(crate) use state::{FastEmitter, Scratch};
use state::{Label, Place, Slot};

impl FastEmitter<'_> {
    /// Emits, unless that is of no use any more.
    fn unless_gave_up(&mut self, emit: impl FnOnce(&mut Self) -> Slot) -> Slot {
        if self.gave_up() {
            return 0;
        }
        let slot = emit(self);
        self.check();
        slot
    }

    /// The same for operators without a result.
    fn act_unless_gave_up(&mut self, emit: impl FnOnce(&mut Self)) {
        if !self.gave_up() {
            emit(self);
            self.check();
        }
    }

    /// The work left behind the walk.
    pub(crate) fn finish(mut self) -> bool {
        if !self.gave_up() {
            self.finish_code();
        }
        self.is_supported()
    }
}

impl Emitter for FastEmitter<'_> {
    type Value = Slot;
    type Block = Label;

    fn set_offset(&mut self, module_offset: ModuleOffset) {
        FastEmitter::set_offset(self, module_offset);
    }

    fn begin_operator(&mut self, operands: usize) {
        self.act_unless_gave_up(|this| this.begin_operator(to_u32(operands)));
    }

    fn share_operands(&mut self, operands: &[Slot]) {
        self.act_unless_gave_up(|this| {
            this.set_aside(operands);
            this.check_aside(operands);
        });
    }

    fn create_block(&mut self, height: usize, params: &[ValType]) -> Label {
        self.new_block(to_u32(height), params)
    }

    fn switch_to(&mut self, block: Label, values: &mut Vec<Slot>) {
        self.start_block(block, values);
    }

    fn seal(&mut self, _: Label) {
        // Blocks know nothing of one another.
    }

    fn jump(&mut self, target: Label, args: &[Slot]) {
        self.act_unless_gave_up(|this| {
            this.check_operands(args);
            this.jump_to(target, args);
            this.check_ways(&[(target, args)]);
        });
    }

    fn branch_if(&mut self, condition: Slot, then: (Label, &[Slot]), otherwise: (Label, &[Slot])) {
        self.act_unless_gave_up(|this| {
            this.check_operands(then.1);
            this.branch(condition, then, otherwise);
            this.check_ways(&[then, otherwise]);
        });
    }

    fn branch_table(&mut self, index: Slot, table: &BranchTable<'_, Label, Slot>) {
        self.act_unless_gave_up(|this| this.branch_by_table(index, table));
    }

    fn return_values(&mut self, values: &[Slot]) {
        self.act_unless_gave_up(|this| this.return_from_function(values));
    }

    fn trap(&mut self, code: TrapCode) {
        self.act_unless_gave_up(|this| this.end_with_trap(code));
    }

    fn poll_entry(&mut self) -> WorkSite {
        self.count_at_entry()
    }

    fn poll_loop(&mut self, loop_number: LoopIndex, _: &[Slot], _: &[ValType]) -> WorkSite {
        self.count_at_loop(loop_number)
    }

    fn set_work(&mut self, site: WorkSite, operators: u32) {
        FastEmitter::set_work(self, site, operators);
    }

    fn local_get(&mut self, local: LocalIndex) -> Slot {
        self.unless_gave_up(|this| {
            let value = this.read_local(local);
            this.check_read(local, value);
            value
        })
    }

    fn local_set(&mut self, local: LocalIndex, value: Slot) {
        self.act_unless_gave_up(|this| {
            this.write_local(local, value);
            this.check_write(local, value);
        });
    }

    fn osr_operand(&mut self, _: u32, _: ValType) -> Slot {
        self.give_up()
    }

    fn select(&mut self, ty: ValType, condition: Slot, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.select_value(ty, condition, a, b))
    }

    fn i32_const(&mut self, value: i32) -> Slot {
        let bits = Place::Constant(value.cast_unsigned().into());
        self.unless_gave_up(|this| this.push(ValType::I32, bits))
    }

    fn i64_const(&mut self, value: i64) -> Slot {
        let bits = Place::Constant(value.cast_unsigned());
        self.unless_gave_up(|this| this.push(ValType::I64, bits))
    }

    fn f32_const(&mut self, bits: u32) -> Slot {
        let bits = Place::Constant(bits.into());
        self.unless_gave_up(|this| this.push(ValType::F32, bits))
    }

    fn f64_const(&mut self, bits: u64) -> Slot {
        self.unless_gave_up(|this| this.push(ValType::F64, Place::Constant(bits)))
    }

    fn v128_const(&mut self, bits: u128) -> Slot {
        self.unless_gave_up(|this| this.vector_const(bits))
    }

    fn eqz(&mut self, _: IntType, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.is_zero(a))
    }

    fn int_unary(&mut self, ty: IntType, op: IntUnary, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.unary_int(ty, op, a))
    }

    fn int_binary(&mut self, ty: IntType, op: IntBinary, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.binary_int(ty, op, a, b))
    }

    fn int_division(&mut self, ty: IntType, op: IntDivision, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.divide(ty, op, a, b))
    }

    fn int_compare(&mut self, ty: IntType, op: IntCompare, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.compare_int(ty, op, a, b))
    }

    fn float_unary(&mut self, ty: FloatType, op: FloatUnary, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.unary_float(ty, op, a))
    }

    fn float_binary(&mut self, ty: FloatType, op: FloatBinary, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.binary_float(ty, op, a, b))
    }

    fn float_compare(&mut self, ty: FloatType, op: FloatCompare, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.compare_float(ty, op, a, b))
    }

    fn convert(&mut self, op: Convert, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.convert_scalar(op, a))
    }

    fn splat(&mut self, shape: Shape, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.splat_lanes(shape, a))
    }

    fn extract_lane(&mut self, shape: Shape, lane: u8, signed: bool, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.extract(shape, lane, signed, a))
    }

    fn replace_lane(&mut self, shape: Shape, lane: u8, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.insert(shape, lane, a, b))
    }

    fn shuffle(&mut self, lanes: [u8; 16], a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.shuffle_bytes(lanes, a, b))
    }

    fn swizzle(&mut self, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.swizzle_bytes(a, b))
    }

    fn vec_not(&mut self, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.not_vector(a))
    }

    fn vec_bitwise(&mut self, op: VecBitwise, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.bitwise_vector(op, a, b))
    }

    fn vec_bitselect(&mut self, a: Slot, b: Slot, mask: Slot) -> Slot {
        self.unless_gave_up(|this| this.select_bits(a, b, mask))
    }

    fn vec_test(&mut self, op: VecTest, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.test_vector(op, a))
    }

    fn lane_unary(&mut self, shape: Shape, op: LaneUnary, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.unary_lanes(shape, op, a))
    }

    fn lane_binary(&mut self, shape: Shape, op: LaneBinary, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.binary_lanes(shape, op, a, b))
    }

    fn lane_shift(&mut self, shape: Shape, op: LaneShift, a: Slot, amount: Slot) -> Slot {
        self.unless_gave_up(|this| this.shift_lanes(shape, op, a, amount))
    }

    fn lane_compare(&mut self, shape: Shape, op: IntCompare, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.compare_lanes(shape, op, a, b))
    }

    fn lane_float_unary(&mut self, ty: FloatType, op: FloatUnary, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.unary_float_lanes(ty, op, a))
    }

    fn lane_float_binary(&mut self, ty: FloatType, op: FloatBinary, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.binary_float_lanes(ty, op, a, b))
    }

    fn lane_float_compare(&mut self, ty: FloatType, op: FloatCompare, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.compare_float_lanes(ty, op, a, b))
    }

    fn lane_convert(&mut self, op: LaneConvert, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.convert_lanes(op, a))
    }

    fn lane_combine(&mut self, op: LaneCombine, a: Slot, b: Slot) -> Slot {
        self.unless_gave_up(|this| this.combine_lanes(op, a, b))
    }

    fn load(&mut self, op: LoadOp, access: MemoryAccess, address: Slot) -> Slot {
        self.unless_gave_up(|this| this.read_memory(op, access, address))
    }

    fn store(&mut self, op: StoreOp, access: MemoryAccess, address: Slot, value: Slot) {
        self.act_unless_gave_up(|this| this.write_memory(op, access, address, value));
    }

    fn load_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Slot,
        vector: Slot,
    ) -> Slot {
        self.unless_gave_up(|this| this.read_lane(shape, lane, access, address, vector))
    }

    fn store_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Slot,
        vector: Slot,
    ) {
        self.act_unless_gave_up(|this| this.write_lane(shape, lane, access, address, vector));
    }

    fn keep_load(&mut self, _: Slot) {
        // Every load is made where the program has it.
    }

    fn memory_size(&mut self, memory: MemoryIndex) -> Slot {
        self.unless_gave_up(|this| this.memory_pages(memory))
    }

    fn global_get(&mut self, global: GlobalIndex) -> Slot {
        self.unless_gave_up(|this| this.read_global(global))
    }

    fn global_set(&mut self, global: GlobalIndex, value: Slot) {
        self.act_unless_gave_up(|this| this.write_global(global, value));
    }

    fn table_get(&mut self, table: TableIndex, index: Slot) -> Slot {
        self.unless_gave_up(|this| this.read_table(table, index))
    }

    fn table_set(&mut self, table: TableIndex, index: Slot, value: Slot) {
        self.act_unless_gave_up(|this| this.write_table(table, index, value));
    }

    fn table_size(&mut self, table: TableIndex) -> Slot {
        self.unless_gave_up(|this| this.table_length(table))
    }

    fn ref_null(&mut self) -> Slot {
        self.unless_gave_up(|this| this.push(ValType::FuncRef, Place::Constant(0)))
    }

    fn ref_is_null(&mut self, a: Slot) -> Slot {
        self.unless_gave_up(|this| this.is_zero(a))
    }

    fn call(&mut self, function: FuncIndex, args: &[Slot], results: &mut Vec<Slot>) {
        self.act_unless_gave_up(|this| this.call_function(function, args, results));
        if self.gave_up() {
            let ty = self.module.functions[function];
            self.pretend_results(ty, results);
        }
    }

    fn call_indirect(
        &mut self,
        table: TableIndex,
        type_index: TypeIndex,
        index: Slot,
        args: &[Slot],
        results: &mut Vec<Slot>,
    ) {
        self.act_unless_gave_up(|this| this.call_table(table, type_index, index, args, results));
        if self.gave_up() {
            self.pretend_results(type_index, results);
        }
    }

    fn call_builtin(&mut self, builtin: Builtin, args: &[Slot]) -> Option<Slot> {
        if self.gave_up() {
            return builtin.result().map(|_| 0);
        }
        let result = self.call_runtime(builtin, args);
        self.check();
        result
    }
}

impl FastEmitter<'_> {
    /// As many results as a call has that is not made.
    fn pretend_results(&self, type_index: TypeIndex, results: &mut Vec<Slot>) {
        results.clear();
        let ty = &self.module.types[type_index];
        results.resize(ty.results().len(), 0);
    }
}
