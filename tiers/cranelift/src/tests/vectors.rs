//! Each vector operator compiles, and those of more than one instruction of Cranelift's have the right
//! results.

use super::lab::Lab;

/// Runs `code` on two vectors.
fn binary(code: &str, a: u128, b: u128) -> u128 {
    let mut lab = Lab::new(&format!(
        r#"(module (func (export "f") (param v128 v128) (result v128)
          (local.get 0) (local.get 1) {code}))"#
    ));
    lab.one("f", &[a, b])
}

fn unary(code: &str, a: u128) -> u128 {
    binary(&format!("drop {code}"), a, 0)
}

fn bytes(lanes: [u8; 16]) -> u128 {
    u128::from_le_bytes(lanes)
}

fn words(lanes: [i32; 4]) -> u128 {
    (0..4)
        .map(|i| u128::from(lanes[i].cast_unsigned()) << (32 * i))
        .sum()
}

fn halves(lanes: [i16; 8]) -> u128 {
    (0..8)
        .map(|i| u128::from(lanes[i].cast_unsigned()) << (16 * i))
        .sum()
}

fn doubles(a: f64, b: f64) -> u128 {
    u128::from(a.to_bits()) | u128::from(b.to_bits()) << 64
}

fn floats(lanes: [f32; 4]) -> u128 {
    (0..4)
        .map(|i| u128::from(lanes[i].to_bits()) << (32 * i))
        .sum()
}

const COUNT: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

#[test]
fn bits_are_selected_and_masked() {
    assert_eq!(binary("v128.andnot", 0b1100, 0b1010), 0b0100);
    let select = "(v128.const i64x2 0xFF00 -1) v128.bitselect";
    let (a, b) = (0x1111 | 5 << 64, 0x2222 | 6 << 64);
    assert_eq!(binary(select, a, b), 0x1122 | 5 << 64);
    // The mask is a comparison's result.
    let select = "(f32x4.lt (local.get 0) (local.get 1)) v128.bitselect";
    let (a, b) = (floats([1.0, 5.0, 1.0, 5.0]), floats([2.0, 3.0, 2.0, 3.0]));
    assert_eq!(binary(select, a, b), floats([1.0, 3.0, 1.0, 3.0]));
}

#[test]
fn bytes_are_shuffled_and_swizzled() {
    let a = bytes(COUNT);
    let b = bytes(COUNT.map(|i| i + 16));
    let shuffle = "i8x16.shuffle 31 0 30 1 29 2 28 3 27 4 26 5 25 6 24 7";
    let expected = bytes([31, 0, 30, 1, 29, 2, 28, 3, 27, 4, 26, 5, 25, 6, 24, 7]);
    assert_eq!(binary(shuffle, a, b), expected);
    let picks = bytes([3, 2, 1, 0, 16, 255, 15, 128, 0, 0, 0, 0, 0, 0, 0, 14]);
    let expected = bytes([3, 2, 1, 0, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 14]);
    assert_eq!(binary("i8x16.swizzle", a, picks), expected);
}

#[test]
fn lanes_are_widened_and_narrowed() {
    let a = bytes(COUNT.map(|i| i.wrapping_sub(8)));
    assert_eq!(
        unary("i16x8.extend_low_i8x16_s", a),
        halves([-8, -7, -6, -5, -4, -3, -2, -1])
    );
    assert_eq!(
        unary("i16x8.extadd_pairwise_i8x16_u", a),
        halves([248 + 249, 250 + 251, 252 + 253, 254 + 255, 1, 5, 9, 13])
    );
    let (a, b) = (
        halves([-300, 300, 5, -5, 0, 0, 0, 0]),
        halves([127, 128, -128, -129, 255, 256, 0, 0]),
    );
    assert_eq!(
        binary("i8x16.narrow_i16x8_s", a, b)
            .to_le_bytes()
            .map(u8::cast_signed),
        [
            -128, 127, 5, -5, 0, 0, 0, 0, 127, 127, -128, -128, 127, 127, 0, 0
        ]
    );
    assert_eq!(
        binary("i8x16.narrow_i16x8_u", a, b).to_le_bytes(),
        [0, 255, 5, 0, 0, 0, 0, 0, 127, 128, 0, 0, 255, 255, 0, 0]
    );
    assert_eq!(
        binary("i32x4.dot_i16x8_s", a, b),
        words([-300 * 127 + 300 * 128, 5 * -128 + -5 * -129, 0, 0])
    );
    assert_eq!(
        binary("i32x4.extmul_low_i16x8_s", a, b),
        words([-300 * 127, 300 * 128, 5 * -128, -5 * -129])
    );
}

#[test]
fn pseudo_minimum_keeps_the_first_operand_of_unordered_ones() {
    let (a, b) = (doubles(f64::NAN, -0.0), doubles(1.0, 0.0));
    assert_eq!(binary("f64x2.pmin", a, b), a);
    assert_eq!(binary("f64x2.pmax", a, b), a);
    assert_eq!(
        binary("f64x2.pmin", doubles(2.0, 1.0), b),
        doubles(1.0, 0.0)
    );
    assert_eq!(
        binary("f64x2.pmax", doubles(0.5, 1.0), b),
        doubles(1.0, 1.0)
    );
}

#[test]
fn lanes_are_converted() {
    let a = doubles(1e10, f64::NAN);
    assert_eq!(
        unary("i32x4.trunc_sat_f64x2_s_zero", a),
        words([i32::MAX, 0, 0, 0])
    );
    assert_eq!(
        unary("i32x4.trunc_sat_f64x2_u_zero", doubles(3e9, -1.0)),
        3_000_000_000
    );
    assert_eq!(
        unary("i32x4.trunc_sat_f32x4_u", floats([-1.0, 3e9, 1e20, 7.9])),
        words([0, 3_000_000_000_u32.cast_signed(), -1, 7])
    );
    let ints = words([-1, 2, 3, 4]);
    assert_eq!(unary("f64x2.convert_low_i32x4_s", ints), doubles(-1.0, 2.0));
    assert_eq!(
        unary("f64x2.convert_low_i32x4_u", ints),
        doubles(4_294_967_295.0, 2.0)
    );
    assert_eq!(
        unary("f32x4.convert_i32x4_s", ints),
        floats([-1.0, 2.0, 3.0, 4.0])
    );
    assert_eq!(
        unary("f32x4.demote_f64x2_zero", doubles(1.5, 2.5)),
        floats([1.5, 2.5, 0.0, 0.0])
    );
    assert_eq!(
        unary("f64x2.promote_low_f32x4", floats([1.5, 2.5, 9.0, 9.0])),
        doubles(1.5, 2.5)
    );
}

#[test]
fn shift_amounts_wrap_at_the_width_of_a_lane() {
    assert_eq!(
        unary("(i32.const 9) i8x16.shl", bytes(COUNT)),
        bytes(COUNT.map(|i| i << 1))
    );
    assert_eq!(
        unary("(i32.const 33) i32x4.shr_s", words([-8, 8, -1, 1])),
        words([-4, 4, -1, 0])
    );
    assert_eq!(
        unary("(i32.const 65) i64x2.shr_s", 1 << 127 | 4),
        0b11 << 126 | 2
    );
}

#[test]
fn vectors_are_loaded_and_stored_by_lane() {
    let mut lab = Lab::new(
        r#"(module (memory 1)
          (data (i32.const 0) "\01\02\03\04\05\06\07\08\f9\0a\0b\0c\0d\0e\0f\10")
          (func (export "splat") (result v128) (v128.load16_splat (i32.const 1)))
          (func (export "zero") (result v128) (v128.load32_zero (i32.const 2)))
          (func (export "extend") (result v128) (v128.load8x8_s (i32.const 7)))
          (func (export "lane") (param v128) (result v128) (v128.load64_lane 1 (i32.const 0) (local.get 0)))
          (func (export "store") (param v128) (result v128)
            (v128.store16_lane 7 (i32.const 32) (local.get 0))
            (v128.store offset=34 (i32.const 0) (local.get 0))
            (v128.load (i32.const 32))))"#,
    );
    let halfword = 0x0302_u128;
    assert_eq!(
        lab.one("splat", &[]),
        (0..8).map(|i| halfword << (16 * i)).sum()
    );
    assert_eq!(lab.one("zero", &[]), 0x0605_0403);
    assert_eq!(
        lab.one("extend", &[]),
        halves([8, -7, 10, 11, 12, 13, 14, 15])
    );
    assert_eq!(lab.one("lane", &[7]), 7 | 0x0807_0605_0403_0201 << 64);
    let value = 0xAABB << 112 | 0x1234;
    assert_eq!(lab.one("store", &[value]), 0xAABB | 0x1234 << 16);
}

#[test]
fn vectors_pass_through_blocks_and_selections_in_any_type() {
    // Floats in one arm, integers in the other, both to one parameter; then a selection of both.
    let mut lab = Lab::new(
        r#"(module (func (export "f") (param i32 v128) (result v128) (local v128)
          (if (result v128) (local.get 0)
            (then (f64x2.add (local.get 1) (local.get 1)))
            (else (i16x8.add (local.get 1) (local.get 1))))
          (local.set 2)
          (select (f32x4.neg (local.get 2)) (i64x2.eq (local.get 2) (local.get 2)) (local.get 0))))"#,
    );
    assert_eq!(lab.one("f", &[0, 3]), u128::MAX);
    let sign = 1_u128 << 31 | 1 << 63 | 1 << 95 | 1 << 127;
    assert_eq!(
        lab.one("f", &[1, doubles(1.0, 2.0)]),
        doubles(2.0, 4.0) ^ sign
    );
}

/// All operators of fixed-width SIMD, with their operands.
const ALL: &str = include_str!("all_vector_operators.txt");

#[test]
fn every_operator_compiles() {
    let mut count = 0;
    for line in ALL
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (operands, code) = line.split_once(": ").expect("operands, then code");
        let operands: String = operands
            .split(' ')
            .map(|operand| match operand {
                "v" => "(local.get 0) ",
                "i" => "(local.get 1) ",
                "l" => "(local.get 2) ",
                "f" => "(local.get 3) ",
                "d" => "(local.get 4) ",
                other => panic!("operand {other}"),
            })
            .collect();
        let (code, drops) = match code.strip_prefix('!') {
            Some(code) => (code, ""),
            None => (code, "drop"),
        };
        super::lab::compile(&format!(
            "(module (memory 1) (func (param v128 i32 i64 f32 f64) {operands} {code} {drops}))"
        ));
        count += 1;
    }
    assert_eq!(count, 236);
}
