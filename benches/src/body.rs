//! One function body of the large module: random statements over locals, memory and calls, until the size is reached.
//! Every program made here ends, and does not trap: loops count down, addresses stay in bounds, divisors are odd.

use wasm_encoder::{BlockType, Function, Ieee64, InstructionSink, MemArg, MemArgTarget, ValType};

use crate::large_module::{CALLED_EVERY, TABLE_SIZE};
use crate::random::Random;

/// Index of the global that is always 0.
const NEVER: u32 = 0;

/// Floats live above this address, integers below, so that the bits of a NaN never get into an integer.
const FLOATS: u64 = 0x8_0000;

/// Statements nest this deep.
const MAX_NESTING: usize = 3;

/// The three types of functions; the first parameter is an address below 64 KiB, a multiple of 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    /// `(i32) -> i32`
    Integer,
    /// `(i32, i64) -> i64`
    Wide,
    /// `(i32, f64) -> f64`
    Float,
}

impl Signature {
    /// In the order of the type section.
    pub(crate) const ALL: [Signature; 3] = [Signature::Integer, Signature::Wide, Signature::Float];

    /// The signature of the function with that index.
    pub(crate) fn of(index: u32) -> Signature {
        Signature::ALL[(index % 3) as usize]
    }

    pub(crate) fn type_index(self) -> u32 {
        self as u32
    }

    pub(crate) fn parameters(self) -> &'static [ValType] {
        match self {
            Signature::Integer => &[ValType::I32],
            Signature::Wide => &[ValType::I32, ValType::I64],
            Signature::Float => &[ValType::I32, ValType::F64],
        }
    }

    pub(crate) fn result(self) -> ValType {
        match self {
            Signature::Integer => ValType::I32,
            Signature::Wide => ValType::I64,
            Signature::Float => ValType::F64,
        }
    }
}

/// A body under construction.
pub(crate) struct Body<'a> {
    function: Function,
    random: &'a mut Random,
    functions: u32,
    /// Whether `main` calls this function, so that its own calls must not really happen.
    called: bool,
    operators: u32,
    size: u32,
    /// One loop counter for each level of nesting; nothing else writes them.
    counters: [u32; MAX_NESTING],
    integers: Vec<u32>,
    wides: Vec<u32>,
    floats: Vec<u32>,
}

/// The parameter with the address; nothing writes it.
const POINTER: u32 = 0;

impl<'a> Body<'a> {
    /// Makes the body of function `index` of `functions`. It calls `next` once, if there is one.
    pub(crate) fn generate(
        index: u32,
        functions: u32,
        next: Option<u32>,
        random: &'a mut Random,
    ) -> Function {
        let signature = Signature::of(index);
        let groups = [
            (MAX_NESTING as u32, ValType::I32),
            (random.between(2, 6), ValType::I32),
            (random.between(1, 3), ValType::I64),
            (random.between(1, 3), ValType::F64),
        ];
        let mut first = signature.parameters().len() as u32;
        let mut locals = groups.iter().map(|&(count, _)| {
            let locals: Vec<u32> = (first..first + count).collect();
            first += count;
            locals
        });
        let mut group = || locals.next().unwrap_or_default();
        let counters = group();
        let (integers, mut wides, mut floats) = (group(), group(), group());
        match signature {
            Signature::Integer => {}
            Signature::Wide => wides.push(1),
            Signature::Float => floats.push(1),
        }
        // Most functions are small: the square of an even distribution over 0 to 1.
        let even = random.below(1000);
        let size = 30 + 350 * even * even / 1_000_000;
        let mut body = Body {
            function: Function::new(groups),
            random,
            functions,
            called: index.is_multiple_of(CALLED_EVERY),
            operators: 0,
            size,
            counters: [counters[0], counters[1], counters[2]],
            integers,
            wides,
            floats,
        };
        if let Some(next) = next {
            body.call(next);
            body.take(Signature::of(next).result());
        }
        while body.operators < size {
            body.statement(0);
        }
        body.expression(signature.result(), 1);
        body.operator().end();
        body.function
    }

    /// The sink for one operator.
    fn operator(&mut self) -> InstructionSink<'_> {
        self.operators += 1;
        self.function.instructions()
    }

    fn local(&mut self, of: ValType) -> u32 {
        let locals = match of {
            ValType::I64 => &self.wides,
            ValType::F64 => &self.floats,
            _ => &self.integers,
        };
        locals[self.random.below(locals.len() as u32) as usize]
    }

    /// Writes the value on the stack into some local.
    fn take(&mut self, of: ValType) {
        let local = self.local(of);
        self.operator().local_set(local);
    }

    fn some_type(&mut self) -> ValType {
        match self.random.below(10) {
            0..6 => ValType::I32,
            6..8 => ValType::I64,
            _ => ValType::F64,
        }
    }

    fn statements(&mut self, nesting: usize) {
        for _ in 0..self.random.between(1, 4) {
            self.statement(nesting);
        }
    }

    fn statement(&mut self, nesting: usize) {
        let flat = nesting == MAX_NESTING || self.operators + 40 > self.size;
        match self.random.below(if flat { 10 } else { 16 }) {
            0..5 => {
                let of = self.some_type();
                self.expression(of, 2);
                self.take(of);
            }
            5..8 => self.store(),
            8..10 => self.guarded_call(),
            10..12 => self.conditional(nesting),
            12 | 13 => self.counted_loop(nesting),
            14 => self.early_exit(nesting),
            _ => self.switch(nesting),
        }
    }

    fn conditional(&mut self, nesting: usize) {
        self.condition();
        self.operator().if_(BlockType::Empty);
        self.statements(nesting + 1);
        if self.random.chance(50) {
            self.operator().else_();
            self.statements(nesting + 1);
        }
        self.operator().end();
    }

    fn counted_loop(&mut self, nesting: usize) {
        let counter = self.counters[nesting];
        let rounds = self.random.between(2, 8) as i32;
        self.operator().i32_const(rounds);
        self.operator().local_set(counter);
        self.operator().loop_(BlockType::Empty);
        self.statements(nesting + 1);
        self.operator().local_get(counter);
        self.operator().i32_const(1);
        self.operator().i32_sub();
        self.operator().local_tee(counter);
        self.operator().br_if(0);
        self.operator().end();
    }

    fn early_exit(&mut self, nesting: usize) {
        self.operator().block(BlockType::Empty);
        self.statements(nesting + 1);
        self.condition();
        self.operator().br_if(0);
        self.statements(nesting + 1);
        self.operator().end();
    }

    fn switch(&mut self, nesting: usize) {
        const CASES: u32 = 3;
        for _ in 0..=CASES {
            self.operator().block(BlockType::Empty);
        }
        self.expression(ValType::I32, 1);
        self.operator().i32_const(3);
        self.operator().i32_and();
        self.operator().br_table(0..CASES, CASES);
        for case in 0..CASES {
            self.operator().end();
            self.statement(nesting + 1);
            if case + 1 < CASES {
                self.operator().br(CASES - 1 - case);
            }
        }
        self.operator().end();
    }

    /// Calls some function. Where `main` gets, the call stands in a branch never taken, as an error path does.
    fn guarded_call(&mut self) {
        if self.called {
            self.operator().global_get(NEVER);
            self.operator().if_(BlockType::Empty);
        }
        if self.random.chance(15) {
            self.pointer();
            self.expression(ValType::I32, 0);
            self.operator().i32_const(TABLE_SIZE as i32 - 1);
            self.operator().i32_and();
            self.operator()
                .call_indirect(0, Signature::Integer.type_index());
            self.take(ValType::I32);
        } else {
            let callee = self.random.below(self.functions);
            self.call(callee);
            self.take(Signature::of(callee).result());
        }
        if self.called {
            self.operator().end();
        }
    }

    fn call(&mut self, callee: u32) {
        self.pointer();
        for &parameter in &Signature::of(callee).parameters()[1..] {
            self.expression(parameter, 0);
        }
        self.operator().call(callee);
    }

    /// An address for a callee: a multiple of 8 below 64 KiB.
    fn pointer(&mut self) {
        if self.random.chance(60) {
            self.operator().local_get(POINTER);
        } else {
            self.expression(ValType::I32, 1);
            self.operator().i32_const(0xfff8);
            self.operator().i32_and();
        }
    }

    /// An address for an access, and what is added to it.
    fn address(&mut self, base: u64) -> MemArg {
        self.operator().local_get(POINTER);
        if self.random.chance(30) {
            let index = self.local(ValType::I32);
            self.operator().local_get(index);
            self.operator().i32_const(0xff);
            self.operator().i32_and();
            self.operator().i32_const(3);
            self.operator().i32_shl();
            self.operator().i32_add();
        }
        MemArg {
            offset: base + u64::from(self.random.below(64)) * 8,
            align: 2,
            target: MemArgTarget::Memory(0),
            ordering: None,
        }
    }

    fn store(&mut self) {
        let of = self.some_type();
        match of {
            ValType::I64 => {
                let access = self.address(0);
                self.expression(of, 1);
                self.operator().i64_store(MemArg { align: 3, ..access });
            }
            ValType::F64 => {
                let access = self.address(FLOATS);
                self.expression(of, 1);
                self.operator().f64_store(MemArg { align: 3, ..access });
            }
            _ => {
                let access = self.address(0);
                self.expression(of, 1);
                match self.random.below(4) {
                    0 => self.operator().i32_store8(MemArg { align: 0, ..access }),
                    1 => self.operator().i32_store16(MemArg { align: 1, ..access }),
                    _ => self.operator().i32_store(access),
                };
            }
        }
    }

    fn condition(&mut self) {
        if self.random.chance(80) {
            self.expression(ValType::I32, 0);
            self.expression(ValType::I32, 0);
            match self.random.below(4) {
                0 => self.operator().i32_eq(),
                1 => self.operator().i32_lt_s(),
                2 => self.operator().i32_gt_u(),
                _ => self.operator().i32_ne(),
            };
        } else {
            self.expression(ValType::F64, 0);
            self.expression(ValType::F64, 0);
            self.operator().f64_lt();
        }
    }

    /// An expression whose operators nest `depth` deep.
    fn expression(&mut self, of: ValType, depth: u32) {
        if depth == 0 {
            self.leaf(of);
            return;
        }
        match of {
            ValType::I64 => self.wide_expression(depth),
            ValType::F64 => self.float_expression(depth),
            _ => self.integer_expression(depth),
        }
    }

    fn leaf(&mut self, of: ValType) {
        if self.random.chance(70) {
            let local = self.local(of);
            self.operator().local_get(local);
            return;
        }
        let bits = self.random.between(3, 20);
        let constant = self.random.below(1 << bits);
        match of {
            ValType::I64 => self.operator().i64_const(i64::from(constant) * 0x101),
            ValType::F64 => self
                .operator()
                .f64_const(Ieee64::from(f64::from(constant) / 16.0)),
            _ => self.operator().i32_const(constant as i32),
        };
    }

    fn integer_expression(&mut self, depth: u32) {
        match self.random.below(16) {
            0..3 => {
                let access = self.address(0);
                match self.random.below(4) {
                    0 => self.operator().i32_load8_u(MemArg { align: 0, ..access }),
                    1 => self.operator().i32_load16_s(MemArg { align: 1, ..access }),
                    _ => self.operator().i32_load(access),
                };
            }
            3 => {
                self.expression(ValType::I64, depth - 1);
                self.operator().i32_wrap_i64();
            }
            4 => {
                self.expression(ValType::F64, depth - 1);
                self.operator().i32_trunc_sat_f64_s();
            }
            5 => {
                self.expression(ValType::I32, depth - 1);
                self.expression(ValType::I32, depth - 1);
                self.condition();
                self.operator().select();
            }
            6 => {
                self.expression(ValType::I32, depth - 1);
                self.expression(ValType::I32, 0);
                self.operator().i32_const(1);
                self.operator().i32_or();
                self.operator().i32_div_u();
            }
            other => {
                self.expression(ValType::I32, depth - 1);
                self.expression(ValType::I32, depth - 1);
                match other {
                    7..10 => self.operator().i32_add(),
                    10 => self.operator().i32_sub(),
                    11 => self.operator().i32_mul(),
                    12 => self.operator().i32_and(),
                    13 => self.operator().i32_xor(),
                    14 => self.operator().i32_shl(),
                    _ => self.operator().i32_shr_u(),
                };
            }
        }
    }

    fn wide_expression(&mut self, depth: u32) {
        match self.random.below(9) {
            0 | 1 => {
                let access = self.address(0);
                self.operator().i64_load(MemArg { align: 3, ..access });
            }
            2 => {
                self.expression(ValType::I32, depth - 1);
                self.operator().i64_extend_i32_u();
            }
            other => {
                self.expression(ValType::I64, depth - 1);
                self.expression(ValType::I64, depth - 1);
                match other {
                    3 | 4 => self.operator().i64_add(),
                    5 => self.operator().i64_mul(),
                    6 => self.operator().i64_or(),
                    7 => self.operator().i64_shr_u(),
                    _ => self.operator().i64_rotl(),
                };
            }
        }
    }

    fn float_expression(&mut self, depth: u32) {
        match self.random.below(9) {
            0 | 1 => {
                let access = self.address(FLOATS);
                self.operator().f64_load(MemArg { align: 3, ..access });
            }
            2 => {
                self.expression(ValType::I32, depth - 1);
                self.operator().f64_convert_i32_s();
            }
            3 => {
                self.expression(ValType::F64, depth - 1);
                self.operator().f64_abs();
                self.operator().f64_sqrt();
            }
            other => {
                self.expression(ValType::F64, depth - 1);
                self.expression(ValType::F64, depth - 1);
                match other {
                    4 | 5 => self.operator().f64_add(),
                    6 => self.operator().f64_mul(),
                    7 => self.operator().f64_div(),
                    _ => self.operator().f64_sub(),
                };
            }
        }
    }
}
