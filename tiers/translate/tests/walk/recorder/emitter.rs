//! The record of each call to the emitter, and the types it expects.

use std::sync::atomic::Ordering;

use upshift_module::ValType::{self, F32, F64, FuncRef, I32, I64, V128};
use upshift_module::{
    FuncIndex, GlobalIndex, LocalIndex, LoopIndex, MemoryIndex, ModuleOffset, TableIndex, TypeIndex,
};
use upshift_runtime::{Builtin, BuiltinType, TrapCode};
use upshift_translate::*;

use super::{Block, BlockData, Recorder, Value, float, int, lane, recording::list};

impl Emitter for Recorder<'_> {
    type Value = Value;
    type Block = Block;

    fn set_offset(&mut self, module_offset: ModuleOffset) {
        self.offset = module_offset.as_u32();
    }

    fn create_block(&mut self, _: usize, params: &[ValType]) -> Block {
        let block = BlockData {
            param_types: params.to_vec(),
            ..BlockData::default()
        };
        self.recording.blocks.push(block);
        Block(self.recording.blocks.len() - 1)
    }

    fn switch_to(&mut self, block: Block, values: &mut Vec<Value>) {
        assert!(
            self.recording.blocks[self.current.0].ended,
            "b{} was left open",
            self.current.0
        );
        let types = self.recording.blocks[block.0].param_types.clone();
        let params: Vec<Value> = types.into_iter().map(|ty| self.value(ty)).collect();
        values.extend(&params);
        let data = &mut self.recording.blocks[block.0];
        assert!(!data.entered, "b{} is switched to twice", block.0);
        data.entered = true;
        data.params = params;
        self.current = block;
        self.recording.layout.push(block);
    }

    fn seal(&mut self, block: Block) {
        let data = &mut self.recording.blocks[block.0];
        assert!(!data.sealed, "b{} is sealed twice", block.0);
        data.sealed = true;
    }

    fn jump(&mut self, target: Block, args: &[Value]) {
        self.end("jump".into(), &[], &[(target, args)]);
    }

    fn branch_if(
        &mut self,
        condition: Value,
        then: (Block, &[Value]),
        otherwise: (Block, &[Value]),
    ) {
        self.end("branch_if".into(), &[(condition, I32)], &[then, otherwise]);
    }

    fn branch_table(&mut self, index: Value, table: &BranchTable<'_, Block, Value>) {
        let mut blocks: Vec<_> = table.ways.iter().map(|&(block, _)| block).collect();
        blocks.sort_unstable();
        blocks.dedup();
        assert_eq!(blocks.len(), table.ways.len(), "each block is there once");
        let ways: Vec<String> = table
            .cases
            .iter()
            .chain([&table.default])
            .map(|&way| way.to_string())
            .collect();
        let what = format!("branch_table [{}]", ways.join(" "));
        self.end(what, &[(index, I32)], table.ways);
    }

    fn return_values(&mut self, values: &[Value]) {
        let types = self.shape.ty.results();
        assert_eq!(values.len(), types.len(), "results of the function");
        let uses: Vec<_> = values.iter().copied().zip(types.iter().copied()).collect();
        self.end("return".into(), &uses, &[]);
    }

    fn trap(&mut self, code: TrapCode) {
        self.end(format!("trap {code:?}"), &[], &[]);
    }

    fn poll_entry(&mut self) -> WorkSite {
        self.poll("poll_entry".into(), Vec::new())
    }

    fn poll_loop(
        &mut self,
        loop_number: LoopIndex,
        operands: &[Value],
        types: &[ValType],
    ) -> WorkSite {
        assert_eq!(operands.len(), types.len());
        for (&value, &ty) in operands.iter().zip(types) {
            self.expect(value, ty);
        }
        self.poll(
            format!("poll_loop {loop_number} [{}]", list(operands)),
            operands.to_vec(),
        )
    }

    fn set_work(&mut self, site: WorkSite, operators: u32) {
        let before = self.recording.work[site].replace(operators);
        assert_eq!(before, None, "work of a site is set twice");
    }

    fn local_get(&mut self, local: LocalIndex) -> Value {
        let ty = self.shape.locals[local];
        self.one(&format!("local_get {local}"), &[], ty)
    }

    fn local_set(&mut self, local: LocalIndex, value: Value) {
        let ty = self.shape.locals[local];
        self.op(&format!("local_set {local}"), &[(value, ty)], &[]);
    }

    fn osr_operand(&mut self, cell_offset: u32, ty: ValType) -> Value {
        self.one(&format!("osr_operand {cell_offset} {ty}"), &[], ty)
    }

    fn select(&mut self, ty: ValType, condition: Value, a: Value, b: Value) -> Value {
        self.one(
            &format!("select {ty}"),
            &[(condition, I32), (a, ty), (b, ty)],
            ty,
        )
    }

    fn i32_const(&mut self, value: i32) -> Value {
        if let Some(flag) = self.sets {
            flag.store(1, Ordering::Relaxed);
        }
        self.one(&format!("i32 {value}"), &[], I32)
    }

    fn i64_const(&mut self, value: i64) -> Value {
        self.one(&format!("i64 {value}"), &[], I64)
    }

    fn f32_const(&mut self, bits: u32) -> Value {
        self.one(&format!("f32 {bits:#x}"), &[], F32)
    }

    fn f64_const(&mut self, bits: u64) -> Value {
        self.one(&format!("f64 {bits:#x}"), &[], F64)
    }

    fn v128_const(&mut self, bits: u128) -> Value {
        self.one(&format!("v128 {bits:#x}"), &[], V128)
    }

    fn eqz(&mut self, ty: IntType, a: Value) -> Value {
        self.one(&format!("eqz {ty:?}"), &[(a, int(ty))], I32)
    }

    fn int_unary(&mut self, ty: IntType, op: IntUnary, a: Value) -> Value {
        self.one(&format!("{op:?} {ty:?}"), &[(a, int(ty))], int(ty))
    }

    fn int_binary(&mut self, ty: IntType, op: IntBinary, a: Value, b: Value) -> Value {
        self.one(
            &format!("{op:?} {ty:?}"),
            &[(a, int(ty)), (b, int(ty))],
            int(ty),
        )
    }

    fn int_division(&mut self, ty: IntType, op: IntDivision, a: Value, b: Value) -> Value {
        self.one(
            &format!("{op:?} {ty:?}"),
            &[(a, int(ty)), (b, int(ty))],
            int(ty),
        )
    }

    fn int_compare(&mut self, ty: IntType, op: IntCompare, a: Value, b: Value) -> Value {
        self.one(
            &format!("{op:?} {ty:?}"),
            &[(a, int(ty)), (b, int(ty))],
            I32,
        )
    }

    fn float_unary(&mut self, ty: FloatType, op: FloatUnary, a: Value) -> Value {
        self.one(&format!("{op:?} {ty:?}"), &[(a, float(ty))], float(ty))
    }

    fn float_binary(&mut self, ty: FloatType, op: FloatBinary, a: Value, b: Value) -> Value {
        self.one(
            &format!("{op:?} {ty:?}"),
            &[(a, float(ty)), (b, float(ty))],
            float(ty),
        )
    }

    fn float_compare(&mut self, ty: FloatType, op: FloatCompare, a: Value, b: Value) -> Value {
        self.one(
            &format!("{op:?} {ty:?}"),
            &[(a, float(ty)), (b, float(ty))],
            I32,
        )
    }

    fn convert(&mut self, op: Convert, a: Value) -> Value {
        let (from, to) = match op {
            Convert::Wrap => (I64, I32),
            Convert::Extend { .. } => (I32, I64),
            Convert::Trunc { from, to, .. } | Convert::TruncSat { from, to, .. } => {
                (float(from), int(to))
            }
            Convert::FromInt { from, to, .. } => (int(from), float(to)),
            Convert::Demote => (F64, F32),
            Convert::Promote => (F32, F64),
            Convert::FloatToBits(FloatType::F32) => (F32, I32),
            Convert::FloatToBits(FloatType::F64) => (F64, I64),
            Convert::BitsToFloat(FloatType::F32) => (I32, F32),
            Convert::BitsToFloat(FloatType::F64) => (I64, F64),
        };
        self.one(&format!("{op:?}"), &[(a, from)], to)
    }

    fn splat(&mut self, shape: Shape, a: Value) -> Value {
        self.one(&format!("splat {shape:?}"), &[(a, lane(shape))], V128)
    }

    fn extract_lane(&mut self, shape: Shape, index: u8, signed: bool, a: Value) -> Value {
        self.expect_lane(shape, index);
        self.one(
            &format!("extract_lane {shape:?} {index} {signed}"),
            &[(a, V128)],
            lane(shape),
        )
    }

    fn replace_lane(&mut self, shape: Shape, index: u8, a: Value, b: Value) -> Value {
        self.expect_lane(shape, index);
        let uses = [(a, V128), (b, lane(shape))];
        self.one(&format!("replace_lane {shape:?} {index}"), &uses, V128)
    }

    fn shuffle(&mut self, lanes: [u8; 16], a: Value, b: Value) -> Value {
        self.one(&format!("shuffle {lanes:?}"), &[(a, V128), (b, V128)], V128)
    }

    fn swizzle(&mut self, a: Value, b: Value) -> Value {
        self.one("swizzle", &[(a, V128), (b, V128)], V128)
    }

    fn vec_not(&mut self, a: Value) -> Value {
        self.one("vec_not", &[(a, V128)], V128)
    }

    fn vec_bitwise(&mut self, op: VecBitwise, a: Value, b: Value) -> Value {
        self.one(&format!("vec {op:?}"), &[(a, V128), (b, V128)], V128)
    }

    fn vec_bitselect(&mut self, a: Value, b: Value, mask: Value) -> Value {
        self.one("vec_bitselect", &[(a, V128), (b, V128), (mask, V128)], V128)
    }

    fn vec_test(&mut self, op: VecTest, a: Value) -> Value {
        self.one(&format!("{op:?}"), &[(a, V128)], I32)
    }

    fn lane_unary(&mut self, shape: Shape, op: LaneUnary, a: Value) -> Value {
        self.one(&format!("{op:?} {shape:?}"), &[(a, V128)], V128)
    }

    fn lane_binary(&mut self, shape: Shape, op: LaneBinary, a: Value, b: Value) -> Value {
        self.one(&format!("{op:?} {shape:?}"), &[(a, V128), (b, V128)], V128)
    }

    fn lane_shift(&mut self, shape: Shape, op: LaneShift, a: Value, amount: Value) -> Value {
        self.one(
            &format!("{op:?} {shape:?}"),
            &[(a, V128), (amount, I32)],
            V128,
        )
    }

    fn lane_compare(&mut self, shape: Shape, op: IntCompare, a: Value, b: Value) -> Value {
        self.one(&format!("{op:?} {shape:?}"), &[(a, V128), (b, V128)], V128)
    }

    fn lane_float_unary(&mut self, ty: FloatType, op: FloatUnary, a: Value) -> Value {
        self.one(&format!("lanes {op:?} {ty:?}"), &[(a, V128)], V128)
    }

    fn lane_float_binary(&mut self, ty: FloatType, op: FloatBinary, a: Value, b: Value) -> Value {
        self.one(
            &format!("lanes {op:?} {ty:?}"),
            &[(a, V128), (b, V128)],
            V128,
        )
    }

    fn lane_float_compare(&mut self, ty: FloatType, op: FloatCompare, a: Value, b: Value) -> Value {
        self.one(
            &format!("lanes {op:?} {ty:?}"),
            &[(a, V128), (b, V128)],
            V128,
        )
    }

    fn lane_convert(&mut self, op: LaneConvert, a: Value) -> Value {
        self.one(&format!("lanes {op:?}"), &[(a, V128)], V128)
    }

    fn lane_combine(&mut self, op: LaneCombine, a: Value, b: Value) -> Value {
        self.one(&format!("lanes {op:?}"), &[(a, V128), (b, V128)], V128)
    }

    fn load(&mut self, op: LoadOp, access: MemoryAccess, address: Value) -> Value {
        let ty = match op {
            LoadOp::Int(ty) | LoadOp::IntNarrow { to: ty, .. } => int(ty),
            LoadOp::Float(ty) => float(ty),
            _ => V128,
        };
        let MemoryAccess { memory, offset } = access;
        self.one(
            &format!("load {op:?} m{memory}+{offset}"),
            &[(address, I32)],
            ty,
        )
    }

    fn store(&mut self, op: StoreOp, access: MemoryAccess, address: Value, value: Value) {
        let ty = match op {
            StoreOp::Int(ty) | StoreOp::IntNarrow { from: ty, .. } => int(ty),
            StoreOp::Float(ty) => float(ty),
            StoreOp::V128 => V128,
        };
        let MemoryAccess { memory, offset } = access;
        let uses = [(address, I32), (value, ty)];
        self.op(&format!("store {op:?} m{memory}+{offset}"), &uses, &[]);
    }

    fn load_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Value,
        vector: Value,
    ) -> Value {
        self.expect_lane(shape, lane);
        let MemoryAccess { memory, offset } = access;
        let name = format!("load_lane {shape:?} {lane} m{memory}+{offset}");
        self.one(&name, &[(address, I32), (vector, V128)], V128)
    }

    fn store_lane(
        &mut self,
        shape: Shape,
        lane: u8,
        access: MemoryAccess,
        address: Value,
        vector: Value,
    ) {
        self.expect_lane(shape, lane);
        let MemoryAccess { memory, offset } = access;
        let name = format!("store_lane {shape:?} {lane} m{memory}+{offset}");
        self.op(&name, &[(address, I32), (vector, V128)], &[]);
    }

    fn keep_load(&mut self, value: Value) {
        let ty = self.types[value.0];
        self.op("keep_load", &[(value, ty)], &[]);
    }

    fn memory_size(&mut self, memory: MemoryIndex) -> Value {
        self.one(&format!("memory_size {memory}"), &[], I32)
    }

    fn global_get(&mut self, global: GlobalIndex) -> Value {
        let ty = self.module.globals[global].content;
        self.one(&format!("global_get {global}"), &[], ty)
    }

    fn global_set(&mut self, global: GlobalIndex, value: Value) {
        let ty = self.module.globals[global].content;
        self.op(&format!("global_set {global}"), &[(value, ty)], &[]);
    }

    fn table_get(&mut self, table: TableIndex, index: Value) -> Value {
        let ty = self.module.tables[table].element;
        self.one(&format!("table_get {table}"), &[(index, I32)], ty)
    }

    fn table_set(&mut self, table: TableIndex, index: Value, value: Value) {
        let ty = self.module.tables[table].element;
        self.op(
            &format!("table_set {table}"),
            &[(index, I32), (value, ty)],
            &[],
        );
    }

    fn table_size(&mut self, table: TableIndex) -> Value {
        self.one(&format!("table_size {table}"), &[], I32)
    }

    fn ref_null(&mut self) -> Value {
        self.one("ref_null", &[], FuncRef)
    }

    fn ref_is_null(&mut self, a: Value) -> Value {
        let ty = self.types[a.0];
        self.fits(ty.is_reference(), || format!("{a} is {ty}, no reference"));
        self.one("ref_is_null", &[(a, ty)], I32)
    }

    fn call(&mut self, function: FuncIndex, args: &[Value], results: &mut Vec<Value>) {
        let ty = self.module.func_type(function);
        let args = self.call_args(ty, args);
        results.extend(self.op(&format!("call {function}"), &args, ty.results()));
    }

    fn call_indirect(
        &mut self,
        table: TableIndex,
        type_index: TypeIndex,
        index: Value,
        args: &[Value],
        results: &mut Vec<Value>,
    ) {
        let ty = &self.module.types[type_index];
        let mut uses = vec![(index, I32)];
        uses.extend(self.call_args(ty, args));
        let name = format!("call_indirect {table} {type_index}");
        results.extend(self.op(&name, &uses, ty.results()));
    }

    fn call_builtin(&mut self, builtin: Builtin, args: &[Value]) -> Option<Value> {
        let params = builtin.params();
        assert_eq!(args.len(), params.len(), "arguments of {builtin:?}");
        let mut uses = Vec::new();
        for (&arg, param) in args.iter().zip(params) {
            let ty = self.types[arg.0];
            let fits = match param {
                BuiltinType::I32 => ty == I32,
                BuiltinType::I64 => ty == I64 || ty.is_reference(),
                BuiltinType::Pointer => false,
            };
            self.fits(fits, || format!("{ty} as an argument of {builtin:?}"));
            uses.push((arg, ty));
        }
        let result: &[ValType] = match builtin.result() {
            None => &[],
            Some(BuiltinType::I32) => &[I32],
            Some(_) => &[FuncRef],
        };
        self.op(&format!("{builtin:?}"), &uses, result)
            .first()
            .copied()
    }
}
