//! Products of numbers of 8 and 16 bits in lanes of 64, which LLVM's code generator computes wrong where it is not kept from
//! that. The values are this file's own.

use upshift::{Engine, Instance, Module, Store};

use crate::every_way;

/// What a loop goes through: 128 numbers from each of two places, and one written for each.
const COUNT: usize = 128;
const FIRST: usize = 0;
const SECOND: usize = 4096;
const RESULT: usize = 8192;

/// A number in memory.
#[derive(Clone, Copy)]
struct Kind {
    bits: u32,
    signed: bool,
}

const KINDS: [Kind; 4] = [
    kind(8, true),
    kind(8, false),
    kind(16, true),
    kind(16, false),
];

const fn kind(bits: u32, signed: bool) -> Kind {
    Kind { bits, signed }
}

impl Kind {
    fn load(self, offset: usize) -> String {
        let Self { bits, signed } = self;
        let sign = if signed { 's' } else { 'u' };
        let bytes = bits / 8;
        format!(
            "(i64.load{bits}_{sign} offset={offset}
                (i32.mul (local.get $i) (i32.const {bytes})))"
        )
    }

    fn read(self, memory: &[u8], place: usize) -> i64 {
        match (self.bits, self.signed) {
            (8, true) => i64::from(memory[place].cast_signed()),
            (8, false) => i64::from(memory[place]),
            (_, signed) => {
                let at = 2 * place;
                let number = u16::from_le_bytes([memory[at], memory[at + 1]]);
                if signed {
                    i64::from(number.cast_signed())
                } else {
                    i64::from(number)
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Shift {
    Signed,
    Unsigned,
    Left,
    Right,
}

impl Shift {
    fn operator(self) -> &'static str {
        match self {
            Self::Signed => "i64.shr_s",
            Self::Unsigned => "i64.shr_u",
            Self::Left => "i64.rotl",
            Self::Right => "i64.rotr",
        }
    }

    fn of(self, number: i64, amount: u32) -> i64 {
        match self {
            Self::Signed => number >> amount,
            Self::Unsigned => (number.cast_unsigned() >> amount).cast_signed(),
            Self::Left => number.rotate_left(amount),
            Self::Right => number.rotate_right(amount),
        }
    }
}

#[derive(Clone, Copy)]
struct Shape {
    factors: [Kind; 2],
    shift: Shift,
    amount: u32,
    /// What is stored of each result.
    bytes: usize,
}

impl Shape {
    fn function(self, index: usize) -> String {
        let Self {
            factors: [a, b],
            shift,
            amount,
            bytes,
        } = self;
        format!(
            "(func (export \"{index}\") (local $i i32)
                (loop
                    (i64.store{} offset={RESULT} (i32.mul (local.get $i) (i32.const {bytes}))
                        ({} (i64.mul {} {}) (i64.const {amount})))
                    (br_if 0 (i32.ne (i32.const {COUNT})
                        (local.tee $i (i32.add (local.get $i) (i32.const 1)))))))",
            8 * bytes,
            shift.operator(),
            a.load(FIRST),
            b.load(SECOND),
        )
    }

    fn expected(self, memory: &[u8]) -> Vec<u8> {
        let result = |place| {
            let [a, b] = self.factors;
            let product = a.read(&memory[FIRST..], place) * b.read(&memory[SECOND..], place);
            self.shift.of(product, self.amount).to_le_bytes()
        };
        (0..COUNT)
            .flat_map(|place| result(place).into_iter().take(self.bytes))
            .collect()
    }
}

fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for a in KINDS {
        for b in KINDS {
            for shift in [Shift::Signed, Shift::Unsigned, Shift::Left, Shift::Right] {
                // All amounts are tried with all shifts, if not with all factors.
                let amounts = [1, 15, 16, 17, 24, 31, 32, 33, 40, 47, 48, 49, 56, 63];
                for (turn, amount) in amounts.into_iter().enumerate() {
                    let is_widest = a.bits == 16 && b.bits == 16 && a.signed == b.signed;
                    if is_widest || turn == shapes.len() % 14 {
                        shapes.push(Shape {
                            factors: [a, b],
                            shift,
                            amount,
                            bytes: 2,
                        });
                    }
                }
                let bytes = if shapes.len().is_multiple_of(2) { 1 } else { 4 };
                shapes.push(Shape {
                    factors: [a, b],
                    shift,
                    amount: 48,
                    bytes,
                });
            }
        }
    }
    shapes
}

/// Bytes without a pattern, and the extremes of both sizes.
fn numbers() -> Vec<u8> {
    let mut state = 1_u32;
    let mut bytes: Vec<u8> = (0..2 * COUNT)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        })
        .collect();
    bytes[..8].copy_from_slice(&[0, 0x80, 0xff, 0x7f, 0xff, 0xff, 0, 0]);
    bytes
}

#[test]
fn what_is_shifted_out_of_a_product_is_the_same_in_every_tier() {
    let shapes = shapes();
    let functions: String = (0..)
        .zip(&shapes)
        .map(|(index, shape)| shape.function(index))
        .collect();
    let text = format!("(module (memory (export \"memory\") 1) {functions})");
    let first = numbers();
    let second: Vec<u8> = first.iter().rev().map(|byte| byte ^ 0x5a).collect();
    for config in every_way() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, &text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        memory.write(&mut store, FIRST, &first).unwrap();
        memory.write(&mut store, SECOND, &second).unwrap();
        for (index, shape) in shapes.iter().enumerate() {
            let expected = shape.expected(memory.data(&store));
            memory
                .write(&mut store, RESULT, &[0x77; 4 * COUNT])
                .unwrap();
            let function = instance
                .get_typed_func::<(), ()>(&mut store, &index.to_string())
                .unwrap();
            function.call(&mut store, ()).unwrap();
            let found = &memory.data(&store)[RESULT..][..expected.len()];
            assert!(found == expected, "{}", shape.function(index));
        }
    }
}

/// Runs an export `run` in every way on a memory of small signed numbers, -77 at first and 55 from 4096 on.
fn returns(functions: &str, expected: i64) {
    let numbers = |number: &str| number.repeat(64);
    let text = format!(
        "(module (memory 1)
            (data (i32.const 0) \"{}\") (data (i32.const 4096) \"{}\")
            {functions})",
        numbers("\\b3\\ff"),
        numbers("\\37\\00"),
    );
    for config in every_way() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, &text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance
            .get_typed_func::<(), i64>(&mut store, "run")
            .unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), expected, "{functions}");
    }
}

const A: &str = "(i64.load16_s (local.get $i))";
const B: &str = "(i64.load16_s offset=4096 (local.get $i))";

/// A loop over all 64 pairs, and the sum of the numbers that it wrote at 8192.
fn loop_and_sum(body: &str) -> String {
    format!(
        "(func $loop (local $i i32)
            (loop {body} (br_if 0 (i32.ne (i32.const 128)
                (local.tee $i (i32.add (local.get $i) (i32.const 2)))))))
        (func (export \"run\") (result i64) (local $i i32) (local $s i64)
            (call $loop)
            (loop
                (local.set $s (i64.add (local.get $s) (i64.load16_s offset=8192 (local.get $i))))
                (br_if 0 (i32.ne (i32.const 128)
                    (local.tee $i (i32.add (local.get $i) (i32.const 2))))))
            (local.get $s))"
    )
}

fn store(value: &str) -> String {
    format!("(i64.store16 offset=8192 (local.get $i) {value})")
}

#[test]
fn a_shift_in_steps_is_one_shift() {
    let product = format!("(i64.mul {A} {B})");
    let once = format!("(i64.shr_s {product} (i64.const 40))");
    returns(&loop_and_sum(&store(&once)), -64);
    let twice = format!("(i64.shr_s (i64.shr_s {product} (i64.const 12)) (i64.const 13))");
    returns(&loop_and_sum(&store(&twice)), -64);
    let wrapped = format!(
        "(i64.extend_i32_s (i32.shr_s
            (i32.wrap_i64 (i64.shr_s {product} (i64.const 8))) (i32.const 12)))"
    );
    returns(&loop_and_sum(&store(&wrapped)), -64);
}

#[test]
fn a_product_in_a_callee_is_one_too() {
    let callee = "(func $product (param i64 i64) (result i64)
        (i64.mul (i64.extend16_s (local.get 0)) (i64.extend16_s (local.get 1))))";
    let call = format!("(i64.shr_u (call $product {A} {B}) (i64.const 33))");
    returns(&(callee.to_owned() + &loop_and_sum(&store(&call))), -64);
}

#[test]
fn numbers_may_be_narrow_without_having_been_so_in_memory() {
    let wide = "(i64.load (i32.shl (local.get $i) (i32.const 2)))";
    // 0xffb3 and 0x37.
    let masked = format!("(i64.and {wide} (i64.const 65535))");
    let product = format!("(i64.shr_u (i64.mul {masked} {B}) (i64.const 17))");
    // Half of the loads are of bytes that are zero.
    returns(&loop_and_sum(&store(&product)), 16 * 27);
    let counted = format!("(i64.sub (i64.popcnt {wide}) (i64.const 64))");
    let product = format!("(i64.shr_s (i64.mul {counted} {B}) (i64.const 36))");
    returns(&loop_and_sum(&store(&product)), -64);
    let shifted = format!("(i64.shr_s {wide} (i64.const 48))");
    let product = format!("(i64.shr_s (i64.mul {shifted} {B}) (i64.const 36))");
    returns(&loop_and_sum(&store(&product)), -16);
}

#[test]
fn products_are_looked_at_bit_by_bit_and_summed_up() {
    let bit = format!(
        "(i64.extend_i32_u (i64.ne (i64.const 0)
            (i64.and (i64.shr_u (i64.mul {A} {B}) (i64.const 40)) (i64.const 1))))"
    );
    returns(&loop_and_sum(&store(&bit)), 64);
    let chosen = format!(
        "(select (i64.const -3) (i64.const 5)
            (i64.lt_s (i64.shr_s (i64.mul {A} {B}) (i64.const 28)) (i64.const 0)))"
    );
    returns(&loop_and_sum(&store(&chosen)), -192);
    let summed = format!(
        "(func (export \"run\") (result i64) (local $i i32) (local $s i32)
            (loop
                (local.set $s (i32.add (local.get $s) (i32.extend16_s
                    (i32.wrap_i64 (i64.shr_s (i64.mul {A} {B}) (i64.const 24))))))
                (br_if 0 (i32.ne (i32.const 128)
                    (local.tee $i (i32.add (local.get $i) (i32.const 2))))))
            (i64.extend_i32_s (local.get $s)))"
    );
    returns(&summed, -64);
}

#[test]
fn what_is_shifted_out_of_a_product_and_stays_wide_has_all_its_bits() {
    let run = |body: &str| {
        format!(
            "(func (export \"run\") (result i64) (local $i i32) (local $s i64)
                (loop {body} (br_if 0 (i32.ne (i32.const 128)
                    (local.tee $i (i32.add (local.get $i) (i32.const 2))))))
                (local.get $s))"
        )
    };
    // Each product is -4235: ones down to bit 13.
    for amount in [15, 16, 17, 31, 32, 33, 48] {
        let shifted = format!("(i64.shr_u (i64.mul {A} {B}) (i64.const {amount}))");
        let one = (-4235_i64).cast_unsigned() >> amount;
        let sum = format!("(local.set $s (i64.add (local.get $s) {shifted}))");
        returns(&run(&sum), one.wrapping_mul(64).cast_signed());
        let index = "(i32.shl (local.get $i) (i32.const 2))";
        let stored = format!("(i64.store offset=8192 {index} {shifted})");
        let loaded = format!(
            "(func (export \"run\") (result i64) (call $loop) (i64.load (i32.const 8248)))
            (func $loop (local $i i32)
                (loop {stored} (br_if 0 (i32.ne (i32.const 128)
                    (local.tee $i (i32.add (local.get $i) (i32.const 2)))))))"
        );
        returns(&loaded, one.cast_signed());
        let rotated = format!("(i64.rotr (i64.mul {A} {B}) (i64.const {amount}))");
        let one = (-4235_i64).rotate_right(amount);
        let sum = format!("(local.set $s (i64.add (local.get $s) {rotated}))");
        returns(&run(&sum), one.wrapping_mul(64));
    }
}

#[test]
fn vectors_of_the_program_are_no_exception() {
    let lanes = |half: &str, offset: usize| {
        format!(
            "(i64x2.extend_{half}_i32x4_s (i32x4.extend_low_i16x8_s
                (v128.load offset={offset} (local.get $i))))"
        )
    };
    let shifted = |half: &str| {
        format!(
            "(i64x2.shr_u (i64x2.mul {} {}) (i32.const 40))",
            lanes(half, 0),
            lanes(half, 4096)
        )
    };
    let narrowed = format!(
        "(v128.store64_lane offset=8192 0 (local.get $i)
            (i8x16.shuffle 0 1 8 9 16 17 24 25 0 0 0 0 0 0 0 0 {} {}))",
        shifted("low"),
        shifted("high")
    );
    returns(
        &loop_and_sum(&narrowed).replacen("(i32.const 2)", "(i32.const 8)", 1),
        -64,
    );
}
