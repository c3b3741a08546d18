//! From WebAssembly's operators to the emitter's: names, types, order of operands, offsets.

use upshift_translate::EntryPoint;

use crate::{assert_lines, function, parse, record};

/// The code for one operator whose operands are locals of these types.
fn emitted(params: &str, operator: &str, results: &str) -> String {
    let gets: String = (0..params.split_whitespace().count())
        .map(|i| format!("(local.get {i})"))
        .collect();
    let module = parse(&format!(
        "(module (memory 1) (memory 1) (table 1 funcref) (table 1 externref) (data) (data)
           (elem func) (elem func)
           (func (param {params}) (result {results}) {gets} {operator}))"
    ));
    let recording = record(&module, 0, EntryPoint::Function.into()).expect("it is valid");
    let lines: Vec<&str> = recording
        .ops()
        .map(|op| op.text.as_str())
        .filter(|text| {
            let boring = ["local_get", "poll_entry", "return"];
            !boring.iter().any(|name| text.starts_with(name))
        })
        .collect();
    lines.join("; ")
}

#[test]
fn operators_reach_their_groups() {
    let table = [
        ("i64", "i64.eqz", "i32", "eqz I64 v0"),
        ("i32 i32", "i32.sub", "i32", "Sub I32 v0 v1"),
        ("i64 i64", "i64.rotr", "i64", "Rotr I64 v0 v1"),
        ("i32 i32", "i32.div_u", "i32", "DivU I32 v0 v1"),
        ("i64 i64", "i64.rem_s", "i64", "RemS I64 v0 v1"),
        ("i64 i64", "i64.ge_u", "i32", "GeU I64 v0 v1"),
        ("i64", "i64.extend32_s", "i64", "Extend32S I64 v0"),
        ("f32", "f32.nearest", "f32", "Nearest F32 v0"),
        ("f64 f64", "f64.copysign", "f64", "Copysign F64 v0 v1"),
        ("f64 f64", "f64.le", "i32", "Le F64 v0 v1"),
        ("i64", "i32.wrap_i64", "i32", "Wrap v0"),
        (
            "i32",
            "i64.extend_i32_u",
            "i64",
            "Extend { signed: false } v0",
        ),
        (
            "f32",
            "i64.trunc_f32_u",
            "i64",
            "Trunc { from: F32, to: I64, signed: false } v0",
        ),
        (
            "f64",
            "i32.trunc_sat_f64_s",
            "i32",
            "TruncSat { from: F64, to: I32, signed: true } v0",
        ),
        (
            "i64",
            "f32.convert_i64_u",
            "f32",
            "FromInt { from: I64, to: F32, signed: false } v0",
        ),
        ("f64", "i64.reinterpret_f64", "i64", "FloatToBits(F64) v0"),
        ("i32", "f32.reinterpret_i32", "f32", "BitsToFloat(F32) v0"),
        ("f64", "f32.demote_f64", "f32", "Demote v0"),
        ("i32 i32 i32", "select", "i32", "select i32 v2 v0 v1"),
        (
            "externref externref i32",
            "select (result externref)",
            "externref",
            "select externref v2 v0 v1",
        ),
        (
            "",
            "v128.const i32x4 1 2 3 4",
            "v128",
            "v128 0x4000000030000000200000001",
        ),
        ("i64", "i64x2.splat", "v128", "splat I64x2 v0"),
        (
            "v128",
            "i8x16.extract_lane_s 15",
            "i32",
            "extract_lane I8x16 15 true v0",
        ),
        (
            "v128",
            "f64x2.extract_lane 1",
            "f64",
            "extract_lane F64x2 1 false v0",
        ),
        (
            "v128 f32",
            "f32x4.replace_lane 3",
            "v128",
            "replace_lane F32x4 3 v0 v1",
        ),
        ("v128 v128", "i8x16.swizzle", "v128", "swizzle v0 v1"),
        ("v128 v128", "v128.andnot", "v128", "vec AndNot v0 v1"),
        (
            "v128 v128 v128",
            "v128.bitselect",
            "v128",
            "vec_bitselect v0 v1 v2",
        ),
        ("v128", "v128.any_true", "i32", "AnyTrue v0"),
        ("v128", "i16x8.bitmask", "i32", "Bitmask(I16x8) v0"),
        ("v128", "i64x2.all_true", "i32", "AllTrue(I64x2) v0"),
        ("v128 i32", "i32x4.shr_u", "v128", "ShrU I32x4 v0 v1"),
        (
            "v128 v128",
            "i8x16.sub_sat_u",
            "v128",
            "SubSatU I8x16 v0 v1",
        ),
        (
            "v128 v128",
            "i16x8.q15mulr_sat_s",
            "v128",
            "Q15MulrSatS I16x8 v0 v1",
        ),
        ("v128 v128", "i32x4.lt_u", "v128", "LtU I32x4 v0 v1"),
        ("v128", "i8x16.popcnt", "v128", "Popcnt I8x16 v0"),
        ("v128 v128", "f64x2.pmin", "v128", "lanes PMin F64 v0 v1"),
        ("v128 v128", "f32x4.gt", "v128", "lanes Gt F32 v0 v1"),
        ("v128", "f32x4.trunc", "v128", "lanes Trunc F32 v0"),
        (
            "v128",
            "i32x4.extend_high_i16x8_u",
            "v128",
            "lanes Extend { to: I32x4, half: High, signed: false } v0",
        ),
        (
            "v128",
            "i16x8.extadd_pairwise_i8x16_s",
            "v128",
            "lanes ExtAddPairwise { to: I16x8, signed: true } v0",
        ),
        (
            "v128 v128",
            "i64x2.extmul_low_i32x4_s",
            "v128",
            "lanes ExtMul { to: I64x2, half: Low, signed: true } v0 v1",
        ),
        (
            "v128 v128",
            "i8x16.narrow_i16x8_u",
            "v128",
            "lanes Narrow { to: I8x16, signed: false } v0 v1",
        ),
        (
            "v128 v128",
            "i32x4.dot_i16x8_s",
            "v128",
            "lanes DotI16x8 v0 v1",
        ),
        (
            "v128",
            "i32x4.trunc_sat_f64x2_u_zero",
            "v128",
            "lanes TruncSatF64x2Zero { signed: false } v0",
        ),
        (
            "v128",
            "f64x2.convert_low_i32x4_s",
            "v128",
            "lanes ConvertLowI32x4ToF64x2 { signed: true } v0",
        ),
    ];
    for (params, operator, results, expected) in table {
        assert_eq!(emitted(params, operator, results), expected, "{operator}");
    }
}

#[test]
fn accesses_carry_memory_and_offset() {
    let table = [
        (
            "i32",
            "i64.load32_s 1 offset=7",
            "i64",
            "load IntNarrow { to: I64, bits: 32, signed: true } m1+7 v0",
        ),
        (
            "i32",
            "f64.load offset=4294967295",
            "f64",
            "load Float(F64) m0+4294967295 v0",
        ),
        (
            "i32",
            "v128.load16x4_u",
            "v128",
            "load Extend { to: I32x4, signed: false } m0+0 v0",
        ),
        (
            "i32",
            "v128.load64_splat",
            "v128",
            "load Splat(I64x2) m0+0 v0",
        ),
        (
            "i32",
            "v128.load32_zero",
            "v128",
            "load Zero { bits: 32 } m0+0 v0",
        ),
        (
            "i32 v128",
            "v128.load16_lane 1 offset=3 5",
            "v128",
            "load_lane I16x8 5 m1+3 v0 v1",
        ),
        (
            "i32 v128",
            "v128.store64_lane offset=3 1",
            "",
            "store_lane I64x2 1 m0+3 v0 v1",
        ),
        (
            "i32 i64",
            "i64.store16",
            "",
            "store IntNarrow { from: I64, bits: 16 } m0+0 v0 v1",
        ),
        (
            "i32 f32",
            "f32.store offset=1",
            "",
            "store Float(F32) m0+1 v0 v1",
        ),
        ("i32 v128", "v128.store", "", "store V128 m0+0 v0 v1"),
        ("", "memory.size 1", "i32", "memory_size 1"),
    ];
    for (params, operator, results, expected) in table {
        assert_eq!(emitted(params, operator, results), expected, "{operator}");
    }
}

#[test]
fn runtime_calls_take_immediates_first() {
    let table = [
        ("i32", "memory.grow 1", "i32", "i32 1; MemoryGrow v1 v0"),
        (
            "i32 i32 i32",
            "memory.copy 1 0",
            "",
            "i32 1; i32 0; MemoryCopy v3 v4 v0 v1 v2",
        ),
        (
            "i32 i32 i32",
            "memory.fill 1",
            "",
            "i32 1; MemoryFill v3 v0 v1 v2",
        ),
        (
            "i32 i32 i32",
            "memory.init 0 1",
            "",
            "i32 0; i32 1; MemoryInit v3 v4 v0 v1 v2",
        ),
        ("", "data.drop 1", "", "i32 1; DataDrop v0"),
        (
            "externref i32",
            "table.grow 1",
            "i32",
            "i32 1; TableGrow v2 v1 v0",
        ),
        (
            "i32 externref i32",
            "table.fill 1",
            "",
            "i32 1; TableFill v3 v0 v1 v2",
        ),
        (
            "i32 i32 i32",
            "table.copy 0 0",
            "",
            "i32 0; i32 0; TableCopy v3 v4 v0 v1 v2",
        ),
        (
            "i32 i32 i32",
            "table.init 0 1",
            "",
            "i32 0; i32 1; TableInit v3 v4 v0 v1 v2",
        ),
        ("", "elem.drop 1", "", "i32 1; ElemDrop v0"),
        ("", "ref.null extern", "externref", "ref_null"),
        ("i32", "table.get 1", "externref", "table_get 1 v0"),
        ("i32 funcref", "table.set 0", "", "table_set 0 v0 v1"),
        ("", "table.size 1", "i32", "table_size 1"),
        ("funcref", "ref.is_null", "i32", "ref_is_null v0"),
    ];
    for (params, operator, results, expected) in table {
        assert_eq!(emitted(params, operator, results), expected, "{operator}");
    }
}

#[test]
fn a_load_that_is_dropped_at_once_is_kept() {
    let text = function(
        "(module (memory 1) (func (param i32)
           (drop (i32.load (local.get 0)))
           (drop (i32.add (i32.load (local.get 0)) (i32.const 1)))
           (drop (v128.load8_lane 0 (local.get 0) (v128.const i64x2 0 0)))
           (i32.load (local.get 0)) (local.get 0) (drop) (drop)))",
    );
    let kept: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| l.starts_with("keep"))
        .collect();
    assert_eq!(kept, ["keep_load v1", "keep_load v8"]);
}

#[test]
fn locals_and_globals_keep_their_types() {
    let text = function(
        "(module (global (mut i64) (i64.const 0))
           (func (param i32) (result f32) (local i64 f32)
             (global.set 0 (local.tee 1 (global.get 0)))
             (local.set 2 (f32.const 1))
             (local.get 2)))",
    );
    assert_lines(
        &text,
        "b0:
           poll_entry work 6
           v0 = global_get 0
           local_set 1 v0
           global_set 0 v0
           v1 = f32 0x3f800000
           local_set 2 v1
           v2 = local_get 2
           return v2",
    );
}

#[test]
fn offsets_are_those_of_the_module() {
    let module =
        parse("(module (func (param i32) (result i32) (i32.div_s (local.get 0) (i32.const 0))))");
    let recording = record(&module, 0, EntryPoint::Function.into()).expect("it is valid");
    let op = recording
        .ops()
        .find(|op| op.text.starts_with("DivS"))
        .expect("it is there");
    const I32_DIV_S: u8 = 0x6d;
    assert_eq!(module.bytes[op.offset as usize], I32_DIV_S);
}
