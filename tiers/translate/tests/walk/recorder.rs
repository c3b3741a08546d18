//! An emitter that writes its calls down as blocks of pseudo-operators, and checks on the way that
//! types fit and that calls come in the order that the trait promises.

mod emitter;
mod recording;

use std::sync::atomic::AtomicU32;

use upshift_module::ValType::{self, ExternRef, F32, F64, FuncRef, I32, I64};
use upshift_module::{FuncType, Module, PrimaryMap};
use upshift_translate::*;

use crate::index;
use recording::list;
pub use recording::{Block, BlockData, Op, Recording, Value};

pub struct Recorder<'m> {
    module: &'m Module,
    shape: FunctionShape<'m>,
    types: Vec<ValType>,
    recording: Recording,
    current: Block,
    offset: u32,
    /// Whether types have to fit. They do in validated code.
    strict: bool,
    /// What is set at a constant.
    sets: Option<&'m AtomicU32>,
}

impl<'m> Recorder<'m> {
    pub fn new(module: &'m Module, defined: usize) -> Self {
        let shape = FunctionShape::new(module, index(defined)).expect("the function exists");
        Self::of_shape(module, shape, true)
    }

    /// For a body that may be broken.
    pub fn lenient(module: &'m Module, shape: FunctionShape<'m>) -> Self {
        Self::of_shape(module, shape, false)
    }

    /// Sets a flag at each constant.
    pub fn setting(mut self, flag: &'m AtomicU32) -> Self {
        self.sets = Some(flag);
        self
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
            work: PrimaryMap::new(),
        };
        Self {
            module,
            shape,
            types: Vec::new(),
            recording,
            current: Block(0),
            offset: 0,
            strict,
            sets: None,
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
        let site = self.recording.work.push(None);
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
