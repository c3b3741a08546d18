//! The body of a function of a random hostile module: steps that are always valid, because each makes the operands that it
//! lacks.

use wasm_encoder::{BlockType, Function, InstructionSink, ValType};

use super::encoder::at;
use super::hostile::{Recipe, between};
use crate::differential::Random;

/// Something that a body does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Block,
    Loop,
    If,
    Else,
    End,
    Branch,
    BranchIf,
    Table,
    Get,
    Set,
    Tee,
    Constant,
    Combine,
    Compare,
    Load,
    Store,
    Select,
    Call,
    CallIndirect,
    Grow,
    Drop,
    Convert,
}

impl Step {
    pub const ALL: &[Self] = &[
        Self::Block,
        Self::Loop,
        Self::If,
        Self::Else,
        Self::End,
        Self::Branch,
        Self::BranchIf,
        Self::Table,
        Self::Get,
        Self::Set,
        Self::Tee,
        Self::Constant,
        Self::Combine,
        Self::Compare,
        Self::Load,
        Self::Store,
        Self::Select,
        Self::Call,
        Self::CallIndirect,
        Self::Grow,
        Self::Drop,
        Self::Convert,
    ];
}

/// An open block.
struct Open {
    kind: Kind,
    results: Vec<ValType>,
    /// Operands below it.
    height: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    If,
}

impl Open {
    /// What a branch to it takes: loops have no parameters.
    fn label(&self) -> &[ValType] {
        match self.kind {
            Kind::Loop => &[],
            Kind::Block | Kind::If => &self.results,
        }
    }
}

/// A body under construction.
pub(super) struct Body<'a> {
    random: &'a mut Random,
    recipe: &'a Recipe,
    function: Function,
    /// Types of parameters and locals.
    locals: Vec<ValType>,
    operands: Vec<ValType>,
    /// The function itself is the first.
    open: Vec<Open>,
    accesses: u64,
}

impl<'a> Body<'a> {
    /// A body of a function from `i32` to `i32` with so many more locals, every second of one type.
    pub fn new(random: &'a mut Random, recipe: &'a Recipe, locals: u32, ty: ValType) -> Self {
        let groups = [(locals / 2, ValType::I32), (locals - locals / 2, ty)];
        let mut types = vec![ValType::I32];
        for (count, ty) in groups {
            types.extend(std::iter::repeat_n(ty, count as usize));
        }
        let mut body = Self {
            random,
            recipe,
            function: Function::new(groups),
            locals: types,
            operands: Vec::new(),
            open: vec![Open {
                kind: Kind::Block,
                results: vec![ValType::I32],
                height: 0,
            }],
            accesses: 0,
        };
        // Whatever follows, a call with 1 ends here.
        let mut code = body.code();
        code.local_get(0)
            .i32_const(1)
            .i32_eq()
            .if_(BlockType::Empty);
        code.i32_const(7).return_().end();
        body
    }

    /// Makes steps until the body has so many bytes.
    pub fn fill(&mut self, bytes: usize) {
        let end = self.function.byte_len() + bytes;
        while self.function.byte_len() < end {
            let step = self.random.choose(&self.recipe.steps);
            for _ in 0..1 + self.random.below(self.recipe.longest_run) {
                self.step(step);
                if self.function.byte_len() >= end {
                    break;
                }
            }
        }
    }

    /// Closes what is open.
    pub fn finish(mut self) -> Function {
        while !self.open.is_empty() {
            self.close();
        }
        self.function
    }

    fn code(&mut self) -> InstructionSink<'_> {
        self.function.instructions()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Block | Step::Loop | Step::If => self.open(step),
            Step::Else if self.innermost().kind == Kind::If => self.second_arm(),
            Step::End if self.open.len() > 1 => self.close(),
            Step::Else | Step::End => self.open(Step::If),
            Step::Branch if self.open.len() > 1 => {
                let depth = self.depth();
                let types = self.label(depth).to_vec();
                self.want_all(&types);
                self.code().br(depth);
                self.close_unreachable();
            }
            Step::Branch | Step::BranchIf => {
                let depth = self.depth();
                let types = self.label(depth).to_vec();
                self.condition(&types);
                self.code().br_if(depth);
            }
            Step::Table => self.table(),
            Step::Get => self.get(),
            Step::Set | Step::Tee => self.set(matches!(step, Step::Tee)),
            Step::Constant => {
                let ty = self.random.choose(&self.recipe.types);
                self.constant(ty);
            }
            Step::Combine => self.combine(),
            Step::Compare => self.compare(),
            Step::Load | Step::Store => self.access(matches!(step, Step::Load)),
            Step::Select => {
                let ty = self.random.choose(&self.recipe.types);
                self.want_all(&[ty, ty, ValType::I32]);
                self.code().typed_select(ty);
                self.replace(3, &[ty]);
            }
            Step::Call | Step::CallIndirect => self.call(matches!(step, Step::CallIndirect)),
            Step::Grow => {
                self.want_all(&[ValType::I32]);
                self.code().memory_grow(0);
            }
            Step::Drop => {
                if self.operands.len() > self.innermost().height {
                    self.code().drop();
                    self.operands.pop();
                } else {
                    self.get();
                }
            }
            Step::Convert => {
                self.want_all(&[ValType::I32]);
                self.code().f64_convert_i32_s().i32_trunc_sat_f64_s();
            }
        }
    }

    // Blocks.

    fn innermost(&self) -> &Open {
        self.open.last().expect("the function is open")
    }

    fn open(&mut self, step: Step) {
        if self.open.len() > self.recipe.depth {
            return self.close();
        }
        let place = self.random.below(self.recipe.blocks.len());
        let (ty, results) = self.recipe.blocks[place].clone();
        let kind = match step {
            Step::Loop => Kind::Loop,
            Step::If => {
                self.want_all(&[ValType::I32]);
                self.operands.pop();
                Kind::If
            }
            _ => Kind::Block,
        };
        let mut code = self.code();
        match kind {
            Kind::Block => code.block(ty),
            Kind::Loop => code.loop_(ty),
            Kind::If => code.if_(ty),
        };
        self.open.push(Open {
            kind,
            results,
            height: self.operands.len(),
        });
    }

    /// Brings the operands of the innermost block to its results.
    fn settle(&mut self) {
        let Open {
            results, height, ..
        } = self.innermost();
        let (results, height) = (results.clone(), *height);
        let extra = self.operands.len() - height;
        if !self.has(&results) || extra != results.len() {
            for _ in 0..extra {
                self.code().drop();
            }
            self.operands.truncate(height);
            self.want_all(&results);
        }
    }

    fn second_arm(&mut self) {
        self.settle();
        self.code().else_();
        let open = self.open.last_mut().expect("the function is open");
        open.kind = Kind::Block;
        self.operands.truncate(open.height);
    }

    fn close(&mut self) {
        if self.innermost().kind == Kind::If && !self.innermost().results.is_empty() {
            self.second_arm();
        }
        self.settle();
        self.end();
    }

    /// Closes what ends with a branch: nothing is missing there.
    fn close_unreachable(&mut self) {
        let height = self.innermost().height;
        self.operands.truncate(height);
        if self.innermost().kind == Kind::If && !self.innermost().results.is_empty() {
            self.code().else_();
            self.settle();
        }
        self.end();
    }

    fn end(&mut self) {
        self.code().end();
        if let Some(open) = self.open.pop() {
            self.operands.truncate(open.height);
            self.operands.extend(open.results);
        }
    }

    fn depth(&mut self) -> u32 {
        let count = self.open.len();
        let far = self.random.below(count);
        (if self.random.once_in(2) { far } else { 0 }) as u32
    }

    fn label(&self, depth: u32) -> &[ValType] {
        self.open[self.open.len() - 1 - depth as usize].label()
    }

    /// A branch table of labels with the same types, whose block ends there.
    fn table(&mut self) {
        if self.open.len() < 2 {
            return self.open(Step::Block);
        }
        let default = self.depth();
        let types = self.label(default).to_vec();
        let count = self.open.len() as u32;
        let entries = self.random.below(self.recipe.table_entries) + 1;
        let window = 1 + self.random.below(self.open.len());
        let mut labels = vec![default; entries];
        for label in &mut labels {
            let other = self.random.below(window) as u32;
            if other < count && self.label(other) == types {
                *label = other;
            }
        }
        self.condition(&types);
        self.code().br_table(labels, default);
        self.close_unreachable();
    }

    // Operands.

    fn has(&self, types: &[ValType]) -> bool {
        let own = &self.operands[self.innermost().height..];
        own.ends_with(types)
    }

    /// Puts operands of these types on top, if they are not there.
    fn want_all(&mut self, types: &[ValType]) {
        if !self.has(types) {
            for &ty in types {
                self.push(ty);
            }
        }
    }

    /// Puts operands of these types on top, and a number above them that is taken at once.
    fn condition(&mut self, types: &[ValType]) {
        if !self.has(types) {
            self.want_all(types);
        }
        self.push(ValType::I32);
        self.operands.pop();
    }

    /// Takes so many operands, and puts others on top.
    fn replace(&mut self, count: usize, with: &[ValType]) {
        self.operands.truncate(self.operands.len() - count);
        self.operands.extend(with);
    }

    /// An operand of a type: a local if there is one at hand, or a constant.
    fn push(&mut self, ty: ValType) {
        let local = self.random.below(self.locals.len());
        if self.locals[local] == ty {
            self.code().local_get(local as u32);
            self.operands.push(ty);
        } else {
            self.constant(ty);
        }
    }

    fn constant(&mut self, ty: ValType) {
        let bits = self.random.next_u64() >> self.random.below(64);
        constant(&mut self.function.instructions(), ty, bits);
        self.operands.push(ty);
    }

    fn get(&mut self) {
        let local = self.random.below(self.locals.len());
        self.code().local_get(local as u32);
        self.operands.push(self.locals[local]);
    }

    fn set(&mut self, keeps: bool) {
        let local = self.random.below(self.locals.len());
        self.want_all(&[self.locals[local]]);
        if keeps {
            self.code().local_tee(local as u32);
        } else {
            self.code().local_set(local as u32);
            self.operands.pop();
        }
    }

    fn combine(&mut self) {
        let ty = self.operands.last().copied().unwrap_or(ValType::I32);
        self.want_all(&[ty, ty]);
        let choice = self.random.below(4);
        let mut code = self.function.instructions();
        match (ty, choice) {
            (ValType::I32, 0) => code.i32_xor(),
            (ValType::I32, 1) => code.i32_mul(),
            (ValType::I32, 2) => code.i32_div_u(),
            (ValType::I32, _) => code.i32_shl(),
            (ValType::I64, 0) => code.i64_xor(),
            (ValType::I64, 1) => code.i64_mul(),
            (ValType::I64, 2) => code.i64_rem_s(),
            (ValType::I64, _) => code.i64_rotl(),
            (ValType::F32, 0 | 1) => code.f32_add(),
            (ValType::F32, _) => code.f32_min(),
            (ValType::F64, 0 | 1) => code.f64_mul(),
            (ValType::F64, _) => code.f64_copysign(),
            (_, 0) => code.v128_xor(),
            (_, 1) => code.i16x8_mul(),
            (_, 2) => code.i8x16_swizzle(),
            (_, _) => code.f32x4_min(),
        };
        self.replace(2, &[ty]);
    }

    fn compare(&mut self) {
        self.want_all(&[ValType::I32]);
        let number = between(self.random, 0, 20) as i32;
        self.code().i32_const(number).i32_lt_u();
    }

    fn access(&mut self, loads: bool) {
        let ty = self.random.choose(&self.recipe.types);
        let offset = self.accesses * self.recipe.stride % (1 << 20);
        self.accesses += 1;
        if loads {
            self.want_all(&[ValType::I32]);
        } else {
            self.want_all(&[ValType::I32, ty]);
        }
        let (at, mut code) = (at(offset), self.function.instructions());
        match (ty, loads) {
            (ValType::I32, true) => code.i32_load(at),
            (ValType::I64, true) => code.i64_load(at),
            (ValType::F32, true) => code.f32_load(at),
            (ValType::F64, true) => code.f64_load(at),
            (_, true) => code.v128_load(at),
            (ValType::I32, false) => code.i32_store(at),
            (ValType::I64, false) => code.i64_store(at),
            (ValType::F32, false) => code.f32_store(at),
            (ValType::F64, false) => code.f64_store(at),
            (_, false) => code.v128_store(at),
        };
        if loads {
            self.replace(1, &[ty]);
        } else {
            self.replace(2, &[]);
        }
    }

    fn call(&mut self, through_table: bool) {
        let place = self.random.below(self.recipe.callees.len());
        let callee = self.recipe.callees[place].clone();
        self.want_all(&callee.params);
        if through_table {
            self.push(ValType::I32);
            self.operands.pop();
            self.code().call_indirect(0, callee.index);
        } else {
            // They follow `f`.
            self.code().call(1 + place as u32);
        }
        self.replace(callee.params.len(), &callee.results);
    }
}

/// A constant of a type.
pub(super) fn constant(code: &mut InstructionSink<'_>, ty: ValType, bits: u64) {
    match ty {
        ValType::I32 => code.i32_const(bits as i32),
        ValType::I64 => code.i64_const(bits.cast_signed()),
        ValType::F32 => code.f32_const(f32::from_bits(bits as u32).into()),
        ValType::F64 => code.f64_const(f64::from_bits(bits).into()),
        _ => code.v128_const(i128::from(bits) << 32),
    };
}
