//! An emitter that writes down what it is told as blocks of pseudo-operators, and checks on the way that
//! types fit and that calls come in the order that the trait promises.

use std::fmt;

use upshift_module::ValType::{self, ExternRef, F32, F64, FuncRef, I32, I64, V128};
use upshift_module::{FuncType, Module};
use upshift_runtime::{Builtin, BuiltinType, TrapCode};
use upshift_translate::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(pub usize);
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block(pub usize);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// One call to the emitter.
pub struct Op {
    pub text: String,
    pub uses: Vec<Value>,
    pub results: Vec<Value>,
    pub offset: u32,
    site: Option<WorkSite>,
}

#[derive(Default)]
pub struct BlockData {
    pub param_types: Vec<ValType>,
    pub params: Vec<Value>,
    pub ops: Vec<Op>,
    pub successors: Vec<Block>,
    pub predecessors: Vec<Block>,
    pub ended: bool,
    pub entered: bool,
    pub sealed: bool,
}

/// A recorded function. Block 0 is where the emitter stood at first.
pub struct Recording {
    pub blocks: Vec<BlockData>,
    /// Blocks in the order in which they were switched to.
    pub layout: Vec<Block>,
    pub values: usize,
    /// The work of each site, in the order of the sites.
    pub work: Vec<Option<u32>>,
}

impl Recording {
    pub fn ops(&self) -> impl Iterator<Item = &Op> {
        self.layout
            .iter()
            .flat_map(|block| &self.blocks[block.0].ops)
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &Block(number) in &self.layout {
            let block = &self.blocks[number];
            write!(f, "b{number}")?;
            if !block.params.is_empty() {
                write!(f, "({})", list(&block.params))?;
            }
            writeln!(f, ":")?;
            for op in &block.ops {
                write!(f, "  ")?;
                if !op.results.is_empty() {
                    write!(f, "{} = ", list(&op.results))?;
                }
                write!(f, "{}", op.text)?;
                if let Some(site) = op.site {
                    write!(
                        f,
                        " work {}",
                        self.work[site.0 as usize].expect("work is set")
                    )?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

fn list(values: &[Value]) -> String {
    values
        .iter()
        .map(Value::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

pub struct Recorder<'m> {
    module: &'m Module,
    shape: FunctionShape<'m>,
    types: Vec<ValType>,
    recording: Recording,
    current: Block,
    offset: u32,
    /// Whether types have to fit. They do in what was validated.
    strict: bool,
}

impl<'m> Recorder<'m> {
    pub fn new(module: &'m Module, defined: u32) -> Self {
        let shape = FunctionShape::new(module, defined).expect("the function exists");
        Self::of_shape(module, shape, true)
    }

    /// For a body that may be broken.
    pub fn lenient(module: &'m Module, shape: FunctionShape<'m>) -> Self {
        Self::of_shape(module, shape, false)
    }

    fn of_shape(module: &'m Module, shape: FunctionShape<'m>, strict: bool) -> Self {
        let entry = BlockData {
            entered: true,
            sealed: true,
            ..BlockData::default()
        };
        let recording = Recording {
            blocks: vec![entry],
            layout: vec![Block(0)],
            values: 0,
            work: Vec::new(),
        };
        Self {
            module,
            shape,
            types: Vec::new(),
            recording,
            current: Block(0),
            offset: 0,
            strict,
        }
    }

    pub fn finish(mut self) -> Recording {
        self.recording.values = self.types.len();
        self.recording
    }

    fn value(&mut self, ty: ValType) -> Value {
        self.types.push(ty);
        Value(self.types.len() - 1)
    }

    fn here(&mut self) -> &mut BlockData {
        let block = &mut self.recording.blocks[self.current.0];
        assert!(
            !block.ended,
            "emitted behind the end of b{}",
            self.current.0
        );
        block
    }

    #[track_caller]
    fn expect(&self, value: Value, ty: ValType) {
        // The emitter is not told the type of a null.
        let shown = |ty: ValType| if ty == ExternRef { FuncRef } else { ty };
        let found = self.types[value.0];
        self.fits(shown(found) == shown(ty), || {
            format!("{value} is {found}, not {ty}")
        });
    }

    #[track_caller]
    fn fits(&self, good: bool, message: impl FnOnce() -> String) {
        if self.strict && !good {
            panic!("{} at offset {:#x}", message(), self.offset);
        }
    }

    #[track_caller]
    fn expect_lane(&self, shape: Shape, lane: u8) {
        self.fits(u32::from(lane) < shape.lanes(), || {
            format!("lane {lane} of {shape:?}")
        });
    }

    /// Records an operator with operands and results of these types.
    fn op(&mut self, name: &str, uses: &[(Value, ValType)], results: &[ValType]) -> Vec<Value> {
        let mut text = name.to_owned();
        for &(value, ty) in uses {
            self.expect(value, ty);
            text += &format!(" {value}");
        }
        let results: Vec<Value> = results.iter().map(|&ty| self.value(ty)).collect();
        let op = Op {
            text,
            uses: uses.iter().map(|&(value, _)| value).collect(),
            results: results.clone(),
            offset: self.offset,
            site: None,
        };
        self.here().ops.push(op);
        results
    }

    fn one(&mut self, name: &str, uses: &[(Value, ValType)], result: ValType) -> Value {
        self.op(name, uses, &[result])[0]
    }

    fn end(&mut self, name: String, uses: &[(Value, ValType)], edges: &[(Block, &[Value])]) {
        let mut text = name;
        let mut all_uses: Vec<Value> = Vec::new();
        for &(value, ty) in uses {
            self.expect(value, ty);
            text += &format!(" {value}");
            all_uses.push(value);
        }
        let from = self.current;
        for &(block, args) in edges {
            text += &format!(" b{}", block.0);
            if !args.is_empty() {
                text += &format!("({})", list(args));
            }
            let target = &mut self.recording.blocks[block.0];
            assert!(
                !target.sealed,
                "b{} gets a predecessor after it was sealed",
                block.0
            );
            target.predecessors.push(from);
            let params = target.param_types.clone();
            assert_eq!(args.len(), params.len(), "arguments of b{}", block.0);
            for (&arg, ty) in args.iter().zip(params) {
                self.expect(arg, ty);
            }
            all_uses.extend(args);
        }
        let offset = self.offset;
        let block = self.here();
        block.ended = true;
        block.successors = edges.iter().map(|&(block, _)| block).collect();
        block.ops.push(Op {
            text,
            uses: all_uses,
            results: Vec::new(),
            offset,
            site: None,
        });
    }

    fn poll(&mut self, text: String, uses: Vec<Value>) -> WorkSite {
        let site = WorkSite(self.recording.work.len() as u32);
        self.recording.work.push(None);
        let op = Op {
            text,
            uses,
            results: Vec::new(),
            offset: self.offset,
            site: Some(site),
        };
        self.here().ops.push(op);
        site
    }

    fn call_args(&self, ty: &FuncType, args: &[Value]) -> Vec<(Value, ValType)> {
        assert_eq!(args.len(), ty.params().len(), "arguments of a call");
        args.iter()
            .copied()
            .zip(ty.params().iter().copied())
            .collect()
    }
}

fn int(ty: IntType) -> ValType {
    match ty {
        IntType::I32 => I32,
        IntType::I64 => I64,
    }
}

fn float(ty: FloatType) -> ValType {
    match ty {
        FloatType::F32 => F32,
        FloatType::F64 => F64,
    }
}

fn lane(shape: Shape) -> ValType {
    match shape {
        Shape::I8x16 | Shape::I16x8 | Shape::I32x4 => I32,
        Shape::I64x2 => I64,
        Shape::F32x4 => F32,
        Shape::F64x2 => F64,
    }
}

impl Emitter for Recorder<'_> {
    type Value = Value;
    type Block = Block;

    fn set_offset(&mut self, module_offset: u32) {
        self.offset = module_offset;
    }

    fn create_block(&mut self, params: &[ValType]) -> Block {
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

    fn branch_table(
        &mut self,
        index: Value,
        targets: &[Block],
        default: Block,
        args: &[Vec<Value>],
    ) {
        assert_eq!(
            args.len(),
            targets.len() + 1,
            "a list of arguments for each target"
        );
        let targets = targets.iter().chain([&default]);
        let edges: Vec<_> = targets
            .zip(args)
            .map(|(&block, args)| (block, args.as_slice()))
            .collect();
        self.end("branch_table".into(), &[(index, I32)], &edges);
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

    fn poll_loop(&mut self, loop_number: u32, operands: &[(Value, ValType)]) -> WorkSite {
        let values: Vec<Value> = operands.iter().map(|&(value, _)| value).collect();
        for &(value, ty) in operands {
            self.expect(value, ty);
        }
        self.poll(
            format!("poll_loop {loop_number} [{}]", list(&values)),
            values,
        )
    }

    fn set_work(&mut self, site: WorkSite, operators: u32) {
        let before = self.recording.work[site.0 as usize].replace(operators);
        assert_eq!(before, None, "work of a site is set twice");
    }

    fn local_get(&mut self, local: u32) -> Value {
        let ty = self.shape.locals[local as usize];
        self.one(&format!("local_get {local}"), &[], ty)
    }

    fn local_set(&mut self, local: u32, value: Value) {
        let ty = self.shape.locals[local as usize];
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

    fn memory_size(&mut self, memory: u32) -> Value {
        self.one(&format!("memory_size {memory}"), &[], I32)
    }

    fn global_get(&mut self, global: u32) -> Value {
        let ty = self.module.globals[global as usize].content;
        self.one(&format!("global_get {global}"), &[], ty)
    }

    fn global_set(&mut self, global: u32, value: Value) {
        let ty = self.module.globals[global as usize].content;
        self.op(&format!("global_set {global}"), &[(value, ty)], &[]);
    }

    fn table_get(&mut self, table: u32, index: Value) -> Value {
        let ty = self.module.tables[table as usize].element;
        self.one(&format!("table_get {table}"), &[(index, I32)], ty)
    }

    fn table_set(&mut self, table: u32, index: Value, value: Value) {
        let ty = self.module.tables[table as usize].element;
        self.op(
            &format!("table_set {table}"),
            &[(index, I32), (value, ty)],
            &[],
        );
    }

    fn table_size(&mut self, table: u32) -> Value {
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

    fn call(&mut self, function: u32, args: &[Value], results: &mut Vec<Value>) {
        let ty = self.module.func_type(function);
        let args = self.call_args(ty, args);
        results.extend(self.op(&format!("call {function}"), &args, ty.results()));
    }

    fn call_indirect(
        &mut self,
        table: u32,
        type_index: u32,
        index: Value,
        args: &[Value],
        results: &mut Vec<Value>,
    ) {
        let ty = &self.module.types[type_index as usize];
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
