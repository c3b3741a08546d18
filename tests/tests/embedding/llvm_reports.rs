//! Programs after reports of wrong code made by LLVM, as far as modules can get there: `docs/decisions.md` lists the reports and
//! what guards against them. Each program has one result, whatever compiles it.

use upshift::{Engine, Instance, Module, Store};

use crate::every_way;

/// Runs an export `run` with one argument in every way. The memory begins with 64 KiB of which each byte is seven times its
/// address and three.
fn returns(functions: &str, cases: &[(i32, i64)]) {
    let text = format!(
        "(module (memory (export \"memory\") 2)
            (func $sum (result i64) (local $i i32) (local $s i64)
                (loop
                    (local.set $s (i64.xor (i64.rotl (local.get $s) (i64.const 7))
                        (i64.load (local.get $i))))
                    (br_if 0 (i32.ne (i32.const 0x10000)
                        (local.tee $i (i32.add (local.get $i) (i32.const 8))))))
                (local.get $s))
            {functions})"
    );
    for config in every_way() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, &text).unwrap();
        for &(argument, expected) in cases {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let memory = instance.get_memory(&mut store, "memory").unwrap();
            memory.write(&mut store, 0, &bytes()).unwrap();
            let run = instance
                .get_typed_func::<i32, i64>(&mut store, "run")
                .unwrap();
            let found = run.call(&mut store, argument).unwrap();
            assert_eq!(found, expected, "{argument} {functions}");
        }
    }
}

fn bytes() -> Vec<u8> {
    (0..0x1_0000_u32)
        .map(|place| place.wrapping_mul(7).wrapping_add(3).to_le_bytes()[0])
        .collect()
}

/// What `$sum` makes of a memory.
fn sum(memory: &[u8]) -> i64 {
    memory.chunks_exact(8).fold(0_i64, |sum, bytes| {
        let bytes = bytes.try_into().expect("eight bytes");
        sum.rotate_left(7) ^ i64::from_le_bytes(bytes)
    })
}

/// A loop that goes on while `more`, whose counter is local 1, and returns the sum of all memory.
fn cyclic(body: &str, more: &str) -> String {
    format!(
        "(func $loop (param i32) (local i32) (loop {body} (br_if 0 {more})))
        (func (export \"run\") (param i32) (result i64)
            (call $loop (local.get 0)) (call $sum))"
    )
}

/// `place[i & mask] ^= from[i & other]`.
fn fold(place: usize, mask: usize, from: usize, other: usize) -> String {
    let at = |mask: usize| format!("(i32.and (local.get 1) (i32.const {mask}))");
    format!(
        "(i32.store8 offset={place} {} (i32.xor (i32.load8_u offset={place} {})
            (i32.load8_u offset={from} {})))",
        at(mask),
        at(mask),
        at(other)
    )
}

fn folded(rounds: i32, place: usize, mask: usize, from: usize, other: usize) -> i64 {
    let mut memory = bytes();
    for i in 0..usize::try_from(rounds).expect("it counts up") {
        memory[place + (i & mask)] ^= memory[from + (i & other)];
    }
    sum(&memory)
}

const NEXT: &str = "(local.tee 1 (i32.add (local.get 1) (i32.const 1)))";

#[test]
fn two_masks_of_one_counter_wrap_around_on_their_own() {
    let more = format!("(i32.ne {NEXT} (local.get 0))");
    for (mask, other) in [(4095, 15), (65535, 255), (15, 4095), (3, 7), (255, 255)] {
        // Apart, so that what is written is not read.
        let (place, from) = (0x1000, 0x8000 - usize::from(other == 65535) * 0x8000);
        let mask = mask.min(0x3fff);
        let cases: Vec<_> = [1, 16, 40, 200, 5000]
            .into_iter()
            .map(|rounds| (rounds, folded(rounds, place, mask, from, other)))
            .collect();
        returns(&cyclic(&fold(place, mask, from, other), &more), &cases);
    }
}

/// Whether the vectorizer is told to leave a loop alone.
#[cfg(feature = "llvm")]
fn is_left_alone(body: &str) -> bool {
    let text = format!(
        "(module (memory 2)
            (func (param i32) (local i32)
                (loop {body} (br_if 0 (i32.ne {NEXT} (local.get 0))))))"
    );
    crate::before_passes(&text).contains("llvm.loop.vectorize.enable")
}

#[cfg(feature = "llvm")]
#[test]
fn only_loops_with_a_masked_counter_for_an_address_are_left_alone() {
    assert!(is_left_alone(&fold(0, 4095, 0x8000, 15)));
    let plain = "(i32.store8 (local.get 1) (i32.xor (i32.const 5) (i32.load8_u offset=4096 (local.get 1))))";
    assert!(!is_left_alone(plain));
    let masked_number = "(i32.store8 (local.get 1) (i32.and (local.get 1) (i32.const 15)))";
    assert!(!is_left_alone(masked_number));
    let masked_byte = "(i32.store8 (local.get 1)
        (i32.load8_u offset=4096 (i32.and (i32.load8_u (local.get 1)) (i32.const 15))))";
    assert!(!is_left_alone(masked_byte));
}

#[test]
fn a_counter_that_is_masked_is_not_the_one_that_is_compared() {
    let sixteen = "(local.tee 1 (i32.and (i32.const 65535)
        (i32.add (local.get 1) (i32.const 1))))";
    let more = [
        format!("(i32.lt_u {sixteen} (local.get 0))"),
        format!("(i64.lt_u (i64.extend_i32_u {NEXT}) (i64.extend_i32_u (local.get 0)))"),
        format!("(i64.lt_s (i64.extend_i32_s {NEXT}) (i64.extend_i32_s (local.get 0)))"),
    ];
    for more in more {
        for mask in [3, 15, 255] {
            let body = fold(0x1000, mask, 0x8000, 0x3fff);
            let cases: Vec<_> = [1, 16, 40, 200, 5000]
                .into_iter()
                .map(|rounds| (rounds, folded(rounds, 0x1000, mask, 0x8000, 0x3fff)))
                .collect();
            returns(&cyclic(&body, &more), &cases);
        }
    }
}

#[test]
fn the_last_round_that_chose_is_known() {
    // The parity of the last round whose number is not the argument's negative.
    let run = "(func (export \"run\") (param i32) (result i64) (local i64 i64 i64)
        (local.set 2 (i64.extend_i32_s (local.get 0)))
        (loop
            (local.set 3 (select (local.get 3) (i64.and (local.get 1) (i64.const 1))
                (i64.eqz (local.get 2))))
            (local.set 2 (i64.add (local.get 2) (i64.const 1)))
            (local.set 1 (i64.add (local.get 1) (i64.const 1)))
            (br_if 0 (i64.ne (local.get 1) (i64.const 4))))
        (local.get 3))";
    returns(run, &[(-3, 0), (-2, 1), (0, 1), (-7, 1), (5, 1)]);
}

#[test]
fn a_lane_that_is_replaced_in_memory_is_seen_by_later_loads() {
    let run = "(func (export \"run\") (param i32) (result i64)
        (v128.store (local.get 0) (i32x4.replace_lane 2 (v128.load (local.get 0)) (i32.const 5)))
        (i64.div_s (i64.const 1000) (i64.load32_s offset=8 (local.get 0))))";
    returns(run, &[(0, 200), (1, 200), (4, 200)]);
}

#[test]
fn signs_are_copied_lane_by_lane() {
    // Vectors elsewhere have the unit compiled for all that the processor has.
    let run = "(func $loop (local i32)
            (loop
                (f32.store offset=0x9000 (local.get 0) (f32.copysign
                    (f32.convert_i32_s (i32.load16_s (local.get 0)))
                    (f32.convert_i32_s (i32.sub (i32.load8_u offset=0x4000 (local.get 0))
                        (i32.const 100)))))
                (f32.store offset=0xa000 (local.get 0) (f32.copysign (f32.const 0.5)
                    (f32.load offset=0x9000 (local.get 0))))
                (f32.store offset=0xb000 (local.get 0) (f32.copysign
                    (f32.load offset=0x9000 (local.get 0)) (f32.const -1)))
                (br_if 0 (i32.ne (i32.const 1024)
                    (local.tee 0 (i32.add (local.get 0) (i32.const 4)))))))
        (func (export \"run\") (param i32) (result i64)
            (call $loop)
            (v128.store offset=0xc000 (local.get 0) (v128.bitselect
                (v128.load offset=0x9000 (local.get 0)) (v128.load offset=0xa000 (local.get 0))
                (v128.not (v128.load offset=0xb000 (local.get 0)))))
            (call $sum))";
    let mut memory = bytes();
    let store = |memory: &mut [u8], at: usize, number: f32| {
        memory[at..at + 4].copy_from_slice(&number.to_le_bytes());
    };
    for i in (0..1024).step_by(4) {
        let magnitude = f32::from(i16::from_le_bytes([memory[i], memory[i + 1]]));
        let sign = i16::from(memory[0x4000 + i]) - 100;
        let number = magnitude.copysign(f32::from(sign));
        store(&mut memory, 0x9000 + i, number);
        store(&mut memory, 0xa000 + i, 0.5_f32.copysign(number));
        store(&mut memory, 0xb000 + i, number.copysign(-1.0));
    }
    for i in 0..16 {
        let mask = !memory[0xb000 + i];
        memory[0xc000 + i] = memory[0x9000 + i] & mask | memory[0xa000 + i] & !mask;
    }
    returns(run, &[(0, sum(&memory))]);
}

#[test]
fn a_counter_that_goes_down_may_wrap_around_to_where_it_goes_on() {
    // 2147483646, -1, then 2147483648 as a signed number, the least.
    let run = "(func (export \"run\") (param i32) (result i64) (local i32 i64)
        (local.set 1 (local.get 0))
        (loop
            (local.set 2 (i64.add (local.get 2) (i64.const 1)))
            (local.set 1 (i32.add (local.get 1) (i32.const -2147483647)))
            (br_if 0 (i32.gt_s (local.get 1) (i32.const -7826))))
        (local.get 2))";
    returns(
        run,
        &[
            (2_147_483_646, 2),
            (0, 1),
            (1_000_000_000, 1),
            (-1, 1),
            (-2, 3),
        ],
    );
}

#[test]
fn the_least_number_has_no_negative() {
    let run = "(func (export \"run\") (param i32) (result i64) (local i64)
        (local.set 1 (i64.extend_i32_s (local.get 0)))
        (if (result i64) (i64.ge_s (local.get 1) (i64.const 0))
            (then (if (result i64)
                (i64.le_s (i64.const 0) (i64.sub (i64.const 0) (i64.add (i64.const -1)
                    (i64.add (local.get 1) (i64.const -9223372036854775807)))))
                (then (i64.extend_i32_u (i64.lt_s (local.get 1) (i64.const 0))))
                (else (i64.const 7))))
            (else (i64.const 5))))";
    returns(run, &[(0, 7), (9, 0), (-1, 5)]);
}

#[test]
fn what_is_loaded_under_a_condition_is_chosen_under_another() {
    let at = |offset: i32| format!("(i32.load offset={offset} (local.get 0))");
    let (flags, numbers, others) = (at(0x1000), at(0x2000), at(0x3000));
    let run = format!(
        "(func $loop (local i32 i32)
            (loop
                (local.set 1 (local.get 0))
                (if (i32.and {flags} (i32.const 1)) (then (local.set 1 {numbers})))
                (if (i32.lt_s {flags} (i32.const 0)) (then (local.set 1 {others})))
                (i32.store offset=0x9000 (local.get 0)
                    (select (i32.const 77) (local.get 1) (i32.and {flags} (i32.const 2))))
                (br_if 0 (i32.ne (i32.const 2048)
                    (local.tee 0 (i32.add (local.get 0) (i32.const 4)))))))
        (func (export \"run\") (param i32) (result i64) (call $loop) (call $sum))"
    );
    let mut memory = bytes();
    for i in (0..2048_usize).step_by(4) {
        let read = |memory: &[u8], at: usize| {
            let bytes = memory[at + i..at + i + 4].try_into().expect("four bytes");
            i32::from_le_bytes(bytes)
        };
        let flags = read(&memory, 0x1000);
        let mut chosen = i32::try_from(i).expect("it is small");
        if flags & 1 != 0 {
            chosen = read(&memory, 0x2000);
        }
        if flags < 0 {
            chosen = read(&memory, 0x3000);
        }
        if flags & 2 != 0 {
            chosen = 77;
        }
        memory[0x9000 + i..0x9000 + i + 4].copy_from_slice(&chosen.to_le_bytes());
    }
    returns(&run, &[(0, sum(&memory))]);
}

#[test]
fn numbers_with_and_without_a_sign_are_compared_as_wide_as_they_are() {
    for (bits, step) in [(8, 1_usize), (16, 2)] {
        // A difference clamped at zero, of few rounds, which LLVM unrolls and makes vectors of.
        let run = format!(
            "(func $loop (local i32 i32 i32)
                (loop
                    (local.set 1 (i32.load{bits}_u offset=0x101 (local.get 0)))
                    (local.set 2 (i32.load{bits}_s (local.get 0)))
                    (i32.store{bits} offset=0x8000 (local.get 0)
                        (select (i32.sub (local.get 1) (local.get 2)) (i32.const 0)
                            (i32.gt_s (local.get 1) (local.get 2))))
                    (br_if 0 (i32.lt_u
                        (local.tee 0 (i32.add (local.get 0) (i32.const {step})))
                        (i32.const {})))))
            (func (export \"run\") (param i32) (result i64) (call $loop) (call $sum))",
            16 * step
        );
        let mut memory = bytes();
        for i in (0..16 * step).step_by(step) {
            let unsigned = &memory[i + 0x101..i + 0x101 + step];
            let signed = &memory[i..i + step];
            let (unsigned, signed) = match (unsigned, signed) {
                ([unsigned], [signed]) => (i32::from(*unsigned), i32::from(signed.cast_signed())),
                (&[low, high], &[low2, high2]) => (
                    i32::from(u16::from_le_bytes([low, high])),
                    i32::from(i16::from_le_bytes([low2, high2])),
                ),
                _ => unreachable!("one or two bytes"),
            };
            let difference = if unsigned > signed {
                unsigned - signed
            } else {
                0
            };
            memory[i + 0x8000..i + 0x8000 + step]
                .copy_from_slice(&difference.to_le_bytes()[..step]);
        }
        returns(&run, &[(0, sum(&memory))]);
    }
}
