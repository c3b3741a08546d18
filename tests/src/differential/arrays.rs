//! What generators of loops over numbers share: a writer of one function's body, loops that count up to a known number
//! of rounds, arrays in memory with numbers that lie at the borders of their widths, and the module around.
//!
//! Nothing here can trap: arrays are long enough for every round that there is.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, Instruction, MemArg, MemArgTarget, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};

use super::Random;

/// Where arrays of numbers begin that are read, and those that are written.
pub(crate) const INPUTS: [u64; 3] = [0, 0x1000, 0x2000];
pub(crate) const OUTPUTS: [u64; 2] = [0x3000, 0x4000];
/// Bytes behind those, which no kernel of a generator uses.
pub(crate) const SCRATCH: u64 = 0x8000;
/// Bytes of an array that are not zero.
const ARRAY_BYTES: usize = 0x400;

/// A function that is exported.
pub(crate) struct Kernel {
    pub(crate) parameters: Vec<ValType>,
    pub(crate) result: ValType,
    pub(crate) function: Function,
}

/// A function that kernels call, by its number.
pub(crate) type Helper = Kernel;

/// A module of kernels, behind the helpers, with this content of the inputs. Everything but helpers is exported.
pub(crate) fn module(
    helpers: &[Helper],
    kernels: &[Kernel],
    globals: &[(ValType, bool, ConstExpr)],
    inputs: &[Vec<u8>],
) -> Vec<u8> {
    let mut types = TypeSection::new();
    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    for (index, kernel) in helpers.iter().chain(kernels).enumerate() {
        let index = index as u32;
        types
            .ty()
            .function(kernel.parameters.clone(), [kernel.result]);
        functions.function(index);
        code.function(&kernel.function);
        if index as usize >= helpers.len() {
            exports.export(&format!("kernel{index}"), ExportKind::Func, index);
        }
    }
    let mut global_section = GlobalSection::new();
    for (index, (val_type, mutable, start)) in globals.iter().enumerate() {
        let ty = GlobalType {
            val_type: *val_type,
            mutable: *mutable,
            shared: false,
        };
        global_section.global(ty, start);
        exports.export(&format!("global{index}"), ExportKind::Global, index as u32);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: Some(1),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut data = DataSection::new();
    for (&start, bytes) in INPUTS.iter().zip(inputs) {
        let start = ConstExpr::i32_const(start as i32);
        data.active(0, &start, bytes.iter().copied());
    }
    let mut module = Module::new();
    module.section(&types).section(&functions);
    module.section(&memories).section(&global_section);
    module.section(&exports).section(&code).section(&data);
    module.finish()
}

/// An array's content: numbers of one width, many of them at its borders.
pub(crate) fn integers(random: &mut Random) -> Vec<u8> {
    let bytes = random.choose(&[1, 1, 2, 2, 2, 4, 8]);
    let bits = 8 * bytes as u32;
    let mut array = Vec::with_capacity(ARRAY_BYTES);
    while array.len() < ARRAY_BYTES {
        let any = random.next_u64();
        let small = random.below(5) as u64;
        let top = 1 << (bits - 1);
        let number = match random.below(10) {
            0 => top,
            1 => top - 1,
            2 => u64::MAX,
            3 => small,
            4 => small.wrapping_neg(),
            5 => top ^ small,
            6 => any >> random.below(64),
            _ => any,
        };
        array.extend_from_slice(&number.to_le_bytes()[..bytes]);
    }
    array
}

/// The same with floats of one width: numbers, zeros of both signs, infinities, and NaNs, quiet and signalling.
pub(crate) fn floats(random: &mut Random) -> Vec<u8> {
    let is_wide = random.once_in(2);
    let mut array = Vec::with_capacity(ARRAY_BYTES);
    while array.len() < ARRAY_BYTES {
        if is_wide {
            array.extend_from_slice(&float64_bits(random).to_le_bytes());
        } else {
            array.extend_from_slice(&float32_bits(random).to_le_bytes());
        }
    }
    array
}

/// A float of 64 bits that arithmetic is likely to treat in a particular way.
pub(crate) fn float64_bits(random: &mut Random) -> u64 {
    const SPECIAL: [f64; 14] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        0.5,
        -2.0,
        1.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        2_147_483_648.5,
    ];
    const SIGNALLING: [u64; 3] = [
        0x7ff4_0000_0000_0000,
        0x7ff0_0000_0000_0001,
        0xfff4_0000_0000_0000,
    ];
    const QUIET: [u64; 3] = [
        0x7ff8_0000_0000_0000,
        0xfff8_0000_0000_0000,
        0x7ffc_0000_0000_0123,
    ];
    match random.below(8) {
        0..4 => random.choose(&SPECIAL).to_bits(),
        4 => random.choose(&SIGNALLING),
        5 => random.choose(&QUIET),
        6 => (random.below(2001) as f64 * 0.25 - 250.0).to_bits(),
        _ => random.next_u64(),
    }
}

/// The same of 32 bits.
pub(crate) fn float32_bits(random: &mut Random) -> u32 {
    const SIGNALLING: [u32; 3] = [0x7fa0_0000, 0x7f80_0001, 0xffa0_0000];
    const QUIET: [u32; 3] = [0x7fc0_0000, 0xffc0_0000, 0x7fe0_0123];
    match random.below(8) {
        0..4 => {
            let number = f64::from_bits(float64_bits(random)) as f32;
            if number.is_nan() { 0 } else { number.to_bits() }
        }
        4 => random.choose(&SIGNALLING),
        5 => random.choose(&QUIET),
        6 => (random.below(2001) as f32 * 0.25 - 250.0).to_bits(),
        _ => random.next_u64() as u32,
    }
}

/// How a loop counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Down to zero.
    Down,
    /// Up, and asks whether it is at the end before a round.
    AsksFirst,
    /// Up, and asks after a round.
    AsksLast,
}

/// A loop whose round is written.
pub(crate) struct Loop {
    /// The local that counts.
    pub(crate) counter: u32,
    end: u32,
    step: i32,
    again: u32,
    form: Form,
}

/// One function while it is written.
pub(crate) struct Body<'r> {
    pub(crate) random: &'r mut Random,
    code: Vec<Instruction<'static>>,
    parameters: Vec<ValType>,
    locals: Vec<ValType>,
    /// Blocks and loops that are open.
    labels: u32,
}

impl<'r> Body<'r> {
    pub(crate) fn new(random: &'r mut Random, parameters: &[ValType]) -> Self {
        Self {
            random,
            code: Vec::new(),
            parameters: parameters.to_vec(),
            locals: Vec::new(),
            labels: 0,
        }
    }

    /// The function, which returns what is on the stack.
    pub(crate) fn finish(mut self, result: ValType) -> Kernel {
        self.push(Instruction::End);
        let mut function = Function::new_with_locals_types(self.locals);
        for instruction in &self.code {
            function.instruction(instruction);
        }
        Kernel {
            parameters: self.parameters,
            result,
            function,
        }
    }

    pub(crate) fn push(&mut self, instruction: Instruction<'static>) {
        self.code.push(instruction);
    }

    pub(crate) fn one_of(&mut self, instructions: &[Instruction<'static>]) {
        let place = self.random.below(instructions.len());
        self.push(instructions[place].clone());
    }

    pub(crate) fn number(&mut self, value: i32) {
        self.push(Instruction::I32Const(value));
    }

    pub(crate) fn get(&mut self, local: u32) {
        self.push(Instruction::LocalGet(local));
    }

    pub(crate) fn set(&mut self, local: u32) {
        self.push(Instruction::LocalSet(local));
    }

    pub(crate) fn tee(&mut self, local: u32) {
        self.push(Instruction::LocalTee(local));
    }

    pub(crate) fn local(&mut self, ty: ValType) -> u32 {
        self.locals.push(ty);
        (self.parameters.len() + self.locals.len() - 1) as u32
    }

    pub(crate) fn open(&mut self, instruction: Instruction<'static>) -> u32 {
        self.push(instruction);
        self.labels += 1;
        self.labels
    }

    pub(crate) fn close(&mut self) {
        self.push(Instruction::End);
        self.labels -= 1;
    }

    /// The depth by which a branch names what was opened as `label`.
    pub(crate) fn depth(&self, label: u32) -> u32 {
        self.labels - label
    }

    /// Begins a loop of so many rounds at most. The counter goes up by `step` in each round, or down to zero.
    /// `parameter` is a local from which the number of rounds may be derived.
    pub(crate) fn begin_loop(&mut self, most: i32, step: i32, parameter: u32) -> Loop {
        let (counter, end) = (self.local(ValType::I32), self.local(ValType::I32));
        if self.random.once_in(3) {
            let mask = self.random.choose(&[7, 15, 31, 63]).min(most - 1);
            self.get(parameter);
            self.number(mask);
            self.push(Instruction::I32And);
            self.number(1);
            self.push(Instruction::I32Add);
            self.number(step);
            self.push(Instruction::I32Mul);
        } else {
            let rounds = [3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100];
            let rounds = self.random.choose(&rounds).min(most);
            self.number(rounds * step);
        }
        self.set(end);
        let form = match self.random.below(12) {
            0..2 => Form::Down,
            2..5 => Form::AsksFirst,
            _ => Form::AsksLast,
        };
        if form == Form::Down {
            self.get(end);
        } else {
            self.number(0);
        }
        self.set(counter);
        let exit = self.open(Instruction::Block(BlockType::Empty));
        let again = self.open(Instruction::Loop(BlockType::Empty));
        match form {
            Form::Down => {
                self.get(counter);
                self.number(step);
                self.push(Instruction::I32Sub);
                self.set(counter);
            }
            Form::AsksFirst => {
                self.get(counter);
                self.get(end);
                self.one_of(&[Instruction::I32Eq, Instruction::I32GeU, Instruction::I32GeS]);
                self.push(Instruction::BrIf(self.depth(exit)));
            }
            Form::AsksLast => {}
        }
        Loop {
            counter,
            end,
            step,
            again,
            form,
        }
    }

    /// Ends the round of a loop, and the loop.
    pub(crate) fn end_loop(&mut self, open: &Loop) {
        self.get(open.counter);
        if open.form != Form::Down {
            self.number(open.step);
            self.push(Instruction::I32Add);
        }
        match open.form {
            Form::Down => self.push(Instruction::BrIf(self.depth(open.again))),
            Form::AsksFirst => {
                self.set(open.counter);
                self.push(Instruction::Br(self.depth(open.again)));
            }
            Form::AsksLast => {
                self.tee(open.counter);
                self.get(open.end);
                self.one_of(&[Instruction::I32Ne, Instruction::I32LtU, Instruction::I32LtS]);
                self.push(Instruction::BrIf(self.depth(open.again)));
            }
        }
        self.close();
        self.close();
    }
}

/// So many bytes behind the address on the stack.
pub(crate) fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}
