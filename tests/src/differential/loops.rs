//! Modules of loops over arrays, as compilers write them. What the general generator makes has loops that hardly ever
//! count, and addresses that come from nowhere; much of what the optimizing tier does is about counters, addresses that
//! are sums of them, arrays that may overlap, unrolled bodies, minimums and products written in halves.
//!
//! Every loop ends by itself: it runs from a start to an end that lies a known number of steps from it. Addresses may be
//! anything, also sums that wrap around, and are mostly those of the memory's first part.

mod addresses;
mod expressions;
mod rounds;
mod statements;

use expressions::store;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ElementSection, Elements, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, Ieee32, Ieee64,
    Instruction, MemArg, MemArgTarget, MemorySection, MemoryType, Module, RefType, TableSection,
    TableType, TypeSection, ValType,
};

use super::Random;

/// Changes whenever a seed comes to mean another module: counts of before are void then.
pub(crate) const VERSION: u32 = 4;

/// Bytes that addresses are mostly below.
const NEAR: i32 = 0x4000;
/// Pages of the memory, and its bytes.
const PAGES: u64 = 2;
const MEMORY_BYTES: i32 = 0x2_0000;
/// Loops within loops.
const MOST_NESTED: usize = 3;

/// Functions that kernels call: helpers of two numbers, of which one has a loop and one calls itself, and the high half of
/// a product.
const HELPERS: u32 = 5;
const LOOPS: u32 = HELPERS - 2;
const RECURSIVE: u32 = HELPERS - 1;
const HIGH_HALF: u32 = HELPERS;
const FIRST_KERNEL: u32 = HIGH_HALF + 1;
/// Elements of the table, each a helper.
const ELEMENTS: u32 = 4;
/// What an element's number is masked with, to be one.
const ELEMENT_MASKS: [i32; 3] = [0, 1, 3];

/// The types of helpers, of the product's high half, and of kernels.
const HELPER_TYPE: u32 = 0;
const PRODUCT_TYPE: u32 = 1;
const KERNEL_TYPE: u32 = 2;

/// A kernel's parameters: what arrays and rounds are derived from, and two numbers.
const KERNEL_PARAMETERS: [ValType; 6] = [
    ValType::I32,
    ValType::I32,
    ValType::I32,
    ValType::I32,
    ValType::I64,
    ValType::F64,
];
const WHOLE: u32 = 4;
const REAL: u32 = 5;

/// The types of numbers; there is a global of each.
const NUMBERS: [ValType; 4] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];

/// The module of a seed.
pub(crate) fn generate(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed ^ 0x6c6f_6f70_735f_6f66);
    let kernels = random.choose(&[1, 1, 2, 3]);
    let mut module = Module::new();

    let mut types = TypeSection::new();
    let (whole, wide) = (ValType::I32, ValType::I64);
    types.ty().function([whole, whole], [whole]);
    types.ty().function([wide, wide], [wide]);
    types.ty().function(KERNEL_PARAMETERS, [wide]);
    module.section(&types);

    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for number in 0..HELPERS {
        functions.function(HELPER_TYPE);
        code.function(&helper(number, &mut random));
    }
    functions.function(PRODUCT_TYPE);
    code.function(&high_half_of_product());
    for _ in 0..kernels {
        functions.function(KERNEL_TYPE);
        code.function(&Writer::kernel(&mut random));
    }
    module.section(&functions);

    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: ELEMENTS.into(),
        maximum: Some(ELEMENTS.into()),
        shared: false,
    });
    module.section(&tables);

    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: PAGES,
        maximum: Some(PAGES + 1),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);

    let mut globals = GlobalSection::new();
    for ty in NUMBERS {
        let start = match ty {
            ValType::I32 => ConstExpr::i32_const(random.next_u64() as i32),
            ValType::I64 => ConstExpr::i64_const(random.next_u64() as i64),
            ValType::F32 => ConstExpr::f32_const(Ieee32::from(1.5)),
            _ => ConstExpr::f64_const(Ieee64::from(0.75)),
        };
        let ty = GlobalType {
            val_type: ty,
            mutable: true,
            shared: false,
        };
        globals.global(ty, &start);
    }
    module.section(&globals);

    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("table", ExportKind::Table, 0);
    for index in 0..NUMBERS.len() as u32 {
        exports.export(&format!("global{index}"), ExportKind::Global, index);
    }
    for index in FIRST_KERNEL..FIRST_KERNEL + kernels {
        exports.export(&format!("kernel{index}"), ExportKind::Func, index);
    }
    module.section(&exports);

    let mut elements = ElementSection::new();
    let members: Vec<u32> = (0..ELEMENTS)
        .map(|_| random.below(HELPERS as usize) as u32)
        .collect();
    elements.active(
        None,
        &ConstExpr::i32_const(0),
        Elements::Functions(members.into()),
    );
    let helpers: Vec<u32> = (0..HELPERS).collect();
    elements.declared(Elements::Functions(helpers.into()));
    module.section(&elements);
    module.section(&code);

    let mut data = DataSection::new();
    for start in [0, NEAR / 2, MEMORY_BYTES - 0x400] {
        let bytes = random.bytes(0x400);
        data.active(0, &ConstExpr::i32_const(start), bytes);
    }
    module.section(&data);
    module.finish()
}

/// A small function of two numbers, worth inlining.
fn helper(number: u32, random: &mut Random) -> Function {
    let mut function = Function::new([(1, ValType::I32)]);
    let mut code = function.instructions();
    code.local_get(0).local_get(1);
    match number {
        0 => code.i32_xor().i32_const(5).i32_rotl(),
        1 => code.i32_sub(),
        LOOPS => {
            // Adds up numbers in memory.
            code.i32_const(31).i32_and().i32_const(2).i32_shl();
            code.local_get(0).i32_const(NEAR - 4).i32_and().local_tee(0);
            code.i32_add().local_set(1).drop();
            code.loop_(BlockType::Empty);
            code.local_get(2)
                .local_get(0)
                .i32_load(at(0))
                .i32_add()
                .local_set(2);
            code.local_get(0).i32_const(4).i32_add().local_tee(0);
            code.local_get(1).i32_le_u().br_if(0).end();
            code.local_get(2)
        }
        RECURSIVE => {
            // As often as the first number's lowest bits say.
            code.i32_xor().local_set(1);
            code.local_get(0).i32_const(7).i32_and().local_tee(0);
            code.if_(BlockType::Empty);
            code.local_get(0).i32_const(1).i32_sub();
            code.local_get(1).i32_const(3).i32_mul();
            code.call(RECURSIVE).local_set(1).end();
            code.local_get(1)
        }
        // The smaller one.
        _ => code.local_get(0).local_get(1).i32_lt_s().select(),
    };
    code.i32_const(random.choose(&[0, 1, -1, 3, 1000]));
    code.i32_add().end();
    function
}

/// The upper 64 bits of a product of two numbers of 64 bits, by their halves, as runtime libraries of compilers have it.
fn high_half_of_product() -> Function {
    let mut function = Function::new([(2, ValType::I64)]);
    let mut code = function.instructions();
    let (a, b, low, sum) = (0, 1, 2, 3);
    let half = 0xffff_ffff;
    // sum = high(a) * low(b) + high(low(a) * low(b))
    code.local_get(a).i64_const(half).i64_and();
    code.local_get(b).i64_const(half).i64_and();
    code.i64_mul().i64_const(32).i64_shr_u().local_set(low);
    code.local_get(a).i64_const(32).i64_shr_u();
    code.local_get(b).i64_const(half).i64_and();
    code.i64_mul().local_get(low).i64_add().local_set(sum);
    // low = low(a) * high(b) + low(sum)
    code.local_get(a).i64_const(half).i64_and();
    code.local_get(b).i64_const(32).i64_shr_u().i64_mul();
    code.local_get(sum).i64_const(half).i64_and().i64_add();
    code.local_set(low);
    // high(a) * high(b) + high(sum) + high(low)
    code.local_get(a).i64_const(32).i64_shr_u();
    code.local_get(b).i64_const(32).i64_shr_u().i64_mul();
    code.local_get(sum).i64_const(32).i64_shr_u().i64_add();
    code.local_get(low).i64_const(32).i64_shr_u().i64_add();
    code.end();
    function
}

/// Numbers in memory: the type they have as values, and their width in bytes.
#[derive(Clone, Copy)]
struct Element {
    ty: ValType,
    bytes: u32,
    signed: bool,
}

/// A loop that statements are in.
#[derive(Clone, Copy)]
struct Round {
    /// The local that counts, always of 32 bits.
    counter: u32,
    /// The label after the loop.
    exit: u32,
}

/// Writes one function.
struct Writer<'r> {
    random: &'r mut Random,
    code: Vec<Instruction<'static>>,
    locals: Vec<ValType>,
    /// Locals with the addresses of arrays.
    arrays: Vec<u32>,
    /// Locals with addresses that go up by themselves in each round.
    walking: Vec<u32>,
    /// Locals of each type that statements change.
    sums: Vec<(u32, ValType)>,
    /// The loops around, from the outside.
    rounds: Vec<Round>,
    /// Blocks and loops that are open.
    labels: u32,
    /// In an unrolled body: what its arrays have, and how far it is from the first of its statements in bytes.
    unrolled: Option<(Element, u64)>,
    /// Statements that may still be written.
    budget: usize,
    /// Whether addresses may be where no memory is.
    strays: bool,
}

impl<'r> Writer<'r> {
    fn kernel(random: &'r mut Random) -> Function {
        let budget = random.choose(&[3, 6, 12]);
        let strays = random.once_in(4);
        let mut writer = Writer {
            random,
            code: Vec::new(),
            locals: Vec::new(),
            arrays: Vec::new(),
            walking: Vec::new(),
            sums: Vec::new(),
            rounds: Vec::new(),
            labels: 0,
            unrolled: None,
            budget,
            strays,
        };
        writer.body();
        let mut function = Function::new_with_locals_types(writer.locals);
        for instruction in &writer.code {
            function.instruction(instruction);
        }
        function
    }

    fn body(&mut self) {
        for _ in 0..1 + self.random.below(4) {
            self.array();
        }
        for ty in NUMBERS {
            let sum = self.local(ty);
            self.sums.push((sum, ty));
        }
        if self.random.once_in(2) {
            self.get(WHOLE);
            self.push(Instruction::LocalSet(self.sum(ValType::I64)));
        }
        for _ in 0..1 + self.random.below(2) {
            self.a_loop();
        }
        // All sums, in one number.
        for (place, ty) in NUMBERS.into_iter().enumerate() {
            self.get(self.sum(ty));
            self.without_nan(ty);
            self.push(match ty {
                ValType::I32 => Instruction::I64ExtendI32U,
                ValType::F32 => Instruction::I32ReinterpretF32,
                ValType::F64 => Instruction::I64ReinterpretF64,
                _ => Instruction::Nop,
            });
            if ty == ValType::F32 {
                self.push(Instruction::I64ExtendI32U);
            }
            if place > 0 {
                self.push(Instruction::I64Const(7));
                self.push(Instruction::I64Rotl);
                self.push(Instruction::I64Xor);
            }
        }
        self.push(Instruction::End);
    }

    fn push(&mut self, instruction: Instruction<'static>) {
        self.code.push(instruction);
    }

    fn one_of(&mut self, instructions: &[Instruction<'static>]) {
        let place = self.random.below(instructions.len());
        self.push(instructions[place].clone());
    }

    fn number(&mut self, value: i32) {
        self.push(Instruction::I32Const(value));
    }

    fn get(&mut self, local: u32) {
        self.push(Instruction::LocalGet(local));
    }

    fn local(&mut self, ty: ValType) -> u32 {
        self.locals.push(ty);
        (KERNEL_PARAMETERS.len() + self.locals.len() - 1) as u32
    }

    /// One of the parameters that arrays and rounds come from.
    fn parameter(&mut self) {
        let parameter = self.random.below(4) as u32;
        self.get(parameter);
    }

    fn open(&mut self, instruction: Instruction<'static>) -> u32 {
        self.push(instruction);
        self.labels += 1;
        self.labels
    }

    fn close(&mut self) {
        self.push(Instruction::End);
        self.labels -= 1;
    }

    /// The depth by which a branch names what was opened as `label`.
    fn depth(&self, label: u32) -> u32 {
        self.labels - label
    }

    /// What a round does; each statement so many times, one element further each time.
    fn statements(&mut self, times: i32) {
        if times == 1 {
            let count = 1 + self.random.below(3);
            for _ in 0..count {
                self.statement();
            }
            return;
        }
        let element = self.element();
        let kind = self.random.below(4);
        let backwards = self.random.once_in(4);
        let same = self.random.clone();
        let mut stores = Vec::new();
        for time in 0..times {
            let time = if backwards { times - 1 - time } else { time };
            *self.random = same.clone();
            self.unrolled = Some((element, u64::from(element.bytes) * time as u64));
            match kind {
                0 => self.accumulate(element.ty),
                1 => stores.push(self.store_later(element)),
                _ => self.store(element),
            }
        }
        for (address, value, place) in stores {
            self.get(address);
            self.get(value);
            self.push(store(element, place));
        }
        self.unrolled = None;
    }

    fn statement(&mut self) {
        self.budget = self.budget.saturating_sub(1);
        let element = self.element();
        match self.random.below(if self.budget == 0 { 8 } else { 22 }) {
            0..3 => self.store(element),
            3..5 => self.update(element),
            5..7 => self.accumulate(element.ty),
            7 => self.minimum(),
            8 | 9 => self.conditional(),
            10 => self.copy_or_fill(),
            11 => self.global(),
            12 => self.call(),
            13 => self.branch_table(),
            14 => self.leave(),
            15 => self.product(),
            16 => self.resize_or_exchange(),
            _ if self.rounds.len() < MOST_NESTED => self.a_loop(),
            _ => self.store(element),
        }
    }
}

/// So many bytes behind the address on the stack.
fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_valid_and_depend_on_the_seed_alone() {
        let mut bytes = 0;
        for seed in 0..300 {
            let wasm = generate(seed);
            if let Err(error) = wasmparser::validate(&wasm) {
                panic!("seed {seed}: {error}");
            }
            assert_eq!(wasm, generate(seed));
            bytes += wasm.len();
        }
        assert_ne!(generate(1), generate(2));
        // Three kilobytes are data.
        assert!((3_300..20_000).contains(&(bytes / 300)), "{}", bytes / 300);
    }
}
