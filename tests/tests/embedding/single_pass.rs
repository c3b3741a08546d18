//! The baseline's two compilers: the same program does the same on both, also where registers run out, and what the
//! single-pass compiler does not know runs all the same.

use upshift::{
    BaselineCompiler, CodeForm, Config, Engine, EntryPoint, FunctionTier, Instance, Module, Store,
    TierMode, TieringProfile, TrapCode, Val,
};

fn engine(compiler: BaselineCompiler) -> Engine {
    let mut profile = TieringProfile::default();
    profile.baseline.compiler = compiler;
    let mut config = Config::new();
    Engine::new(config.profile(profile).tier(TierMode::Baseline)).unwrap()
}

/// What every exported function returns for each of the arguments, all of type `i64`, on one compiler.
fn results(compiler: BaselineCompiler, text: &str, arguments: &[i64]) -> Vec<String> {
    let engine = engine(compiler);
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let mut all = Vec::new();
    for export in module.exports() {
        let Some(func) = instance.get_func(&store, export.name()) else {
            continue;
        };
        let ty = func.ty(&store);
        for &argument in arguments {
            let arguments = vec![Val::I64(argument); ty.params().len()];
            let mut values = vec![Val::I32(0); ty.results().len()];
            let ended = func.call(&mut store, &arguments, &mut values);
            let ended = ended.map_err(|error| error.as_trap().map(upshift::Trap::code));
            all.push(format!(
                "{}({argument}): {ended:?} {values:?}",
                export.name()
            ));
        }
    }
    all
}

/// Runs a module on both compilers, and returns what both did.
fn on_both(text: &str, arguments: &[i64]) -> Vec<String> {
    let fast = results(BaselineCompiler::SinglePass, text, arguments);
    let other = results(BaselineCompiler::Cranelift, text, arguments);
    assert_eq!(fast, other);
    assert!(!fast.is_empty());
    fast
}

const NUMBERS: [i64; 9] = [
    0,
    1,
    -1,
    63,
    i64::MIN,
    i64::MAX,
    0x8000_0000,
    0x7fff_ffff,
    0x0123_4567_89ab_cdef,
];

/// Whether the single-pass compiler makes the first function's code, by the look of it.
fn is_single_pass(text: &str) -> bool {
    let engine = engine(BaselineCompiler::SinglePass);
    let module = Module::new(&engine, text).unwrap();
    let text = module.emit(
        0,
        FunctionTier::Baseline,
        EntryPoint::Function,
        CodeForm::Assembly,
    );
    // Cranelift's text has no offsets.
    text.unwrap().trim_start().starts_with("0:")
}

#[test]
fn arguments_get_to_their_places_in_any_order() {
    // Cycles of registers, arguments on the stack, both kinds mixed, and a result of each.
    let found = on_both(
        r#"(module
          (func $mix (param i64 i64 i64 i64 i64 i64 i64) (result i64)
            (i64.add (local.get 0) (i64.mul (i64.const 3) (i64.add (local.get 1)
              (i64.mul (i64.const 5) (i64.add (local.get 2) (i64.mul (i64.const 7) (i64.add
                (local.get 3) (i64.mul (i64.const 11) (i64.add (local.get 4) (i64.mul
                  (i64.const 13) (i64.xor (local.get 5) (local.get 6)))))))))))))
          (func (export "cycle") (param i64 i64 i64 i64 i64) (result i64)
            (call $mix (local.get 1) (local.get 2) (local.get 0) (local.get 4) (local.get 3)
              (i64.add (local.get 0) (i64.const 1)) (i64.const -7)))
          (func $floats (param f64 f64 f32 f64 f64 f64 f64 f64 f64 i32 f64) (result f64)
            (f64.add (f64.mul (local.get 0) (f64.const 2)) (f64.sub (f64.add (local.get 8)
              (local.get 10)) (f64.add (f64.promote_f32 (local.get 2)) (f64.sub (local.get 1)
                (f64.convert_i32_s (local.get 9)))))))
          (func (export "floats") (param i64 i64) (result f64) (local f64 f64)
            (local.set 2 (f64.convert_i64_s (local.get 0)))
            (local.set 3 (f64.convert_i64_u (local.get 1)))
            (call $floats (local.get 3) (local.get 2) (f32.demote_f64 (local.get 2))
              (local.get 2) (f64.const 1) (f64.const 0) (local.get 3) (local.get 3)
              (local.get 3) (i32.wrap_i64 (local.get 0)) (f64.neg (local.get 2)))))"#,
        &NUMBERS,
    );
    assert_eq!(found[1], "cycle(1): Ok(()) [I64(-73796)]");
}

#[test]
fn operands_that_find_no_register_come_back() {
    // Twelve integers and eighteen floats at a time, a call and a branch in the middle.
    let integers: String = (0..12)
        .map(|i| format!("(i64.rotl (local.get 0) (i64.const {i}))\n"))
        .collect();
    let floats: String = (0..18)
        .map(|i| format!("(f64.add (f64.convert_i64_s (local.get 0)) (f64.const {i}))\n"))
        .collect();
    let text = format!(
        r#"(module
          (func $id (param i64) (result i64) (local.get 0))
          (func (export "integers") (param i64) (result i64)
            {integers} (call $id (local.get 0))
            {0})
          (func (export "floats") (param i64) (result f64)
            {floats} (block (br_if 0 (i64.eqz (local.get 0))))
            {1})
          (func (export "both") (param i64) (result i64)
            {integers} {floats}
            {1} i64.trunc_sat_f64_s
            {0}))"#,
        "i64.sub i64.xor ".repeat(6),
        "f64.sub ".repeat(17),
    );
    on_both(&text, &NUMBERS);
}

#[test]
fn a_deep_stack_of_operands_is_the_same_after_branches_and_calls() {
    // All kinds of places, far more than are followed.
    let kinds = [
        "(i64.const 3)",
        "(local.get 0)",
        "(i64.add (local.get 0) (local.get 1))",
        "(i64.extend_i32_u (i64.lt_s (local.get 0) (local.get 1)))",
        "(call $id (local.get 1))",
        "(block (br_if 0 (i64.eqz (local.get 0)))) (i64.xor (local.get 1) (i64.const 9))",
    ];
    let operands: String = (0..600).map(|i| kinds[i % kinds.len()]).collect();
    let text = format!(
        r#"(module
          (func $id (param i64) (result i64) (local.get 0))
          (func (export "deep") (param i64) (result i64) (local i64)
            (local.set 1 (i64.const 77))
            {operands} {}))"#,
        "i64.rotl i64.sub i64.xor ".repeat(199) + "i64.add i64.sub",
    );
    on_both(&text, &NUMBERS);
}

#[test]
fn operators_that_want_certain_registers_leave_others_alone() {
    on_both(
        r#"(module
          (func (export "shifts") (param i64 i64) (result i64)
            (i64.shl (local.get 0) (local.get 0)) (i64.shr_u (local.get 1) (local.get 0))
            (i64.rotr (i64.add (local.get 0) (i64.const 5)) (i64.add (local.get 1) (local.get 0)))
            (i64.shr_s (local.get 0) (i64.const 67))
            i64.xor i64.xor i64.add)
          (func (export "division") (param i64 i64) (result i64)
            (i64.or (local.get 0) (i64.const 1)) (i64.or (local.get 1) (i64.const 3))
            (i64.div_u (local.get 0) (i64.or (local.get 1) (i64.const 1)))
            (i64.rem_s (local.get 0) (i64.or (local.get 1) (i64.const 1)))
            i64.add i64.rem_u i64.sub)
          (func (export "by zero") (param i64 i64) (result i64)
            (i64.div_s (local.get 0) (local.get 1)))
          (func (export "by constants") (param i64) (result i64)
            (i64.div_s (local.get 0) (i64.const -1)) (i64.rem_s (local.get 0) (i64.const -1))
            (i64.div_s (local.get 0) (i64.const 10)) (i64.rem_u (local.get 0) (i64.const 10))
            i64.add i64.add i64.add))"#,
        &NUMBERS,
    );
}

#[test]
fn branches_move_their_operands() {
    on_both(
        r#"(module
          (func (export "table") (param i64) (result i64)
            (i64.const 1000) (i64.const 100)
            (block (result i64) (block (result i64) (block (result i64)
              (i64.const 7) (i64.const 8) (i64.add (local.get 0) (i64.const 9))
              (br_table 0 1 2 1 0 (i32.wrap_i64 (local.get 0))))
              (i64.mul (i64.const 2)) (br 1))
              (i64.mul (i64.const 3)))
            i64.add i64.sub)
          (func (export "conditional") (param i64) (result i64 i64)
            (i64.const 5)
            (block (result i64 i64)
              (i64.const 6) (i64.const 7) (i64.const 8)
              (br_if 0 (f64.ne (f64.convert_i64_s (local.get 0)) (f64.const 63)))
              (br_if 0 (f64.eq (f64.convert_i64_s (local.get 0)) (f64.const 63)))
              i64.add i64.add (i64.const 1))
            i64.add)
          (func (export "loop") (param i64) (result i64) (local i64)
            (local.set 1 (i64.const 10))
            (i64.const 1)
            (loop (param i64) (result i64)
              (i64.mul (i64.const 3))
              (local.set 1 (i64.sub (local.get 1) (i64.const 1)))
              (br_if 0 (i64.ne (local.get 1) (i64.const 0)))))
          (func (export "choice") (param i64) (result i64)
            (select (i64.const 3) (local.get 0) (f64.lt (f64.const nan) (f64.const 1)))
            (select (local.get 0) (i64.const 3) (i64.lt_s (local.get 0) (i64.const 3)))
            (select (local.get 0) (i64.const 4) (i32.eqz (f64.eq
              (f64.convert_i64_s (local.get 0)) (f64.const 1))))
            i64.add i64.add))"#,
        &NUMBERS,
    );
}

#[test]
fn conversions_end_where_they_should() {
    let mut text = String::from("(module\n");
    for (float, bits) in [
        ("f32", "f32.reinterpret_i32 (i32.wrap_i64"),
        ("f64", "f64.reinterpret_i64 (i64.add (i64.const 0)"),
    ] {
        for to in ["i32", "i64"] {
            for sign in ["s", "u"] {
                for op in ["trunc", "trunc_sat"] {
                    text += &format!(
                        "(func (export \"{to}.{op}_{float}_{sign}\") (param i64) (result {to})
                           ({to}.{op}_{float}_{sign} ({bits} (local.get 0)))))\n"
                    );
                }
            }
        }
    }
    text += ")";
    let around = |bits: i64| [bits - 1, bits, bits + 1];
    let mut numbers = Vec::new();
    for exponent in [0, 31, 32, 63, 64] {
        for sign in [1.0, -1.0] {
            let power = f64::powi(2.0, exponent) * sign;
            numbers.extend(around(power.to_bits().cast_signed()));
            numbers.extend(around(i64::from((power as f32).to_bits())));
            numbers.push((power - 1.0).to_bits().cast_signed());
        }
    }
    numbers.extend([f64::NAN, -f64::NAN, f64::INFINITY, -0.0].map(|x| x.to_bits().cast_signed()));
    numbers.extend([f32::NAN, f32::INFINITY, -0.0].map(|x| i64::from(x.to_bits())));
    let found = on_both(&text, &numbers);
    assert!(found.iter().any(|line| line.contains("InvalidConversion")));
    assert!(found.iter().any(|line| line.contains("IntegerOverflow")));
}

#[test]
fn frames_may_have_many_pages() {
    let small = "(module (func (param i32) (result i32) (local.get 0)))";
    assert!(is_single_pass(small));
    // Frames of 72 KB, of locals and of operands. The last local is zero; calls go on until the stack is used up.
    let locals = "i64 ".repeat(9_000);
    let operands = "(local.get 0) ".repeat(9_000);
    let sum = "i64.add ".repeat(8_999);
    let large = format!(
        "(module
           (func (export \"locals\") (param i64) (result i64) (local {locals})
             (local.set 8999 (local.get 0)) (i64.add (local.get 8999) (local.get 9000)))
           (func (export \"operands\") (param i64) (result i64)
             {operands} (loop (br_if 0 (i32.const 0))) {sum})
           (func $endless (export \"endless\") (param i64) (result i64) (local {locals})
             (call $endless (i64.add (local.get 0) (local.get 9000)))))"
    );
    assert!(is_single_pass(&large));
    assert_eq!(
        on_both(&large, &[21]),
        [
            "locals(21): Ok(()) [I64(21)]",
            "operands(21): Ok(()) [I64(189000)]",
            "endless(21): Err(Some(StackOverflow)) [I32(0)]",
        ]
    );
}

#[test]
fn calls_of_many_values_pass_them_all() {
    // More arguments and results than are copied one by one, of all kinds, so that vectors are aligned behind others.
    for kinds in [
        "i32",
        "v128",
        "i32 i64 f32 f64",
        "i64 v128",
        "f64 v128 v128 i32 i32 i32",
    ] {
        let types: Vec<&str> = kinds.split(' ').cycle().take(100).collect();
        let value = |(index, ty): (usize, &&str)| match *ty {
            "v128" => format!("(i64x2.splat (i64.add (local.get 0) (i64.const {index})))\n"),
            "i32" => format!("(i32.add (i32.wrap_i64 (local.get 0)) (i32.const {index}))\n"),
            "i64" => format!("(i64.add (local.get 0) (i64.const {index}))\n"),
            float => format!(
                "({float}.add ({float}.convert_i64_s (local.get 0)) ({float}.const {index}))\n"
            ),
        };
        // What is on top of the stack counts by its place.
        let taken = |(index, ty): (usize, &&str)| {
            let bits = match *ty {
                "v128" => "(i64x2.extract_lane 1)",
                "i32" => "(i64.extend_i32_s)",
                "i64" => "",
                "f32" => "(i64.trunc_sat_f32_s)",
                _ => "(i64.trunc_sat_f64_s)",
            };
            format!(
                "{bits} (i64.mul (i64.const {})) (local.set 1 (i64.add (local.get 1)))\n",
                index + 3
            )
        };
        let values: String = types.iter().enumerate().map(value).collect();
        let takes: String = types.iter().enumerate().rev().map(taken).collect();
        let all = types.join(" ");
        let gets: String = (0..types.len())
            .map(|i| format!("(local.get {i})"))
            .collect();
        let text = format!(
            "(module
               (type $all (func (result {all})))
               (func $same (param {all}) (result {all}) {gets})
               (func (export \"call\") (param i64) (result i64) (local i64)
                 {values} (call $same) {takes} (local.get 1))
               (func (export \"branch\") (param i64) (result i64) (local i64)
                 (block (type $all) (local.get 0) {values} (br_if 0 (i32.wrap_i64 (local.get 0)))
                   (br_table 0 0 (i32.const 3)))
                 {takes} (local.get 1))
               (func (export \"jump\") (param i64) (result i64) (local i64)
                 (block (type $all) (local.get 0) (local.get 0) {values} (br 0))
                 {takes} (local.get 1)))"
        );
        assert!(is_single_pass(&text));
        let found = on_both(&text, &[0, 5]);
        let result = |line: &str| line.split_once(": ").map(|(_, result)| result.to_owned());
        for argument in 0..2 {
            assert_eq!(
                result(&found[argument]),
                result(&found[argument + 2]),
                "{kinds}"
            );
            assert_eq!(
                result(&found[argument]),
                result(&found[argument + 4]),
                "{kinds}"
            );
        }
    }
}

#[test]
fn both_arms_of_an_if_begin_with_the_same_operands() {
    let text = r#"(module (func (export "f") (param i64) (result i64)
         (i64.const 1000) (local.get 0)
         (if (param i64) (result i64) (i64.eqz (local.get 0))
           (then (i64.const 1) i64.add) (else (i64.const 2) i64.mul))
         i64.sub)
       (func $f (param v128 i64) (result v128 i64)
         (i64x2.add (local.get 0) (i64x2.splat (local.get 1))) (i64.mul (local.get 1) (i64.const 3)))
       (func (export "nested") (param i64) (result i64) (local v128)
         (i64.const 7) (local.get 0) (v128.const i64x2 5 6) (i64.add (local.get 0) (i64.const 1))
         (if (param i64 v128 i64) (result v128 i64) (i64.lt_s (local.get 0) (i64.const 10))
           (then
             (if (param v128 i64) (result v128 i64) (i64.lt_s (local.get 0) (i64.const 0))
               (then (call $f) (call $f))
               (else (local.set 0) (local.tee 1) (local.get 0) (call $f)
                 (local.set 0) (local.get 1) (i64x2.sub) (local.get 0)))
             (local.set 0) (local.set 1) (local.set 0 (i64.add (local.get 0)))
             (local.get 1) (local.get 0))
           (else (local.set 0) (local.set 1) (local.set 0 (i64.mul (local.get 0)))
             (local.get 1) (local.get 0)))
         (local.set 0) (local.set 1) (i64.add (local.get 0))
         (i64x2.extract_lane 1 (local.get 1)) i64.xor))"#;
    assert!(is_single_pass(text));
    let found = on_both(text, &[0, -1, 21]);
    assert_eq!(found[2], "f(21): Ok(()) [I64(958)]");
}

#[test]
fn vectors_get_where_floats_do() {
    // Twenty vectors at a time, in turns with integers, so that homes of both sizes follow one another.
    let values: String = (0..20)
        .map(|i| {
            format!(
                "(i64x2.replace_lane 1 (i64x2.splat (local.get 0)) (i64.const {i}))
                 (i64.add (local.get 0) (i64.const {i}))\n"
            )
        })
        .collect();
    let text = format!(
        r#"(module
          (memory 1) (global $g (mut v128) (v128.const i64x2 3 4))
          (func $id (param i64) (result i64) (local.get 0))
          (func $sum (param v128) (result i64)
            (i64.xor (i64x2.extract_lane 0 (local.get 0))
              (i64.rotl (i64x2.extract_lane 1 (local.get 0)) (i64.const 7))))
          (func $many (param v128 i64 v128 f32 v128 v128 v128 v128 v128 i32 v128 i64 v128 i64 i64 i64 v128)
            (result v128 i64 v128)
            (i64x2.add (local.get 0) (local.get 8))
            (i64.add (local.get 1) (i64.sub (local.get 11) (local.get 15)))
            (v128.xor (local.get 16) (i64x2.add (local.get 12) (i64x2.sub (local.get 2) (local.get 10)))))
          (func (export "arguments") (param i64) (result i64) (local $v v128) (local $w v128)
            (local.set $v (i64x2.replace_lane 0 (i64x2.splat (local.get 0)) (i64.const 77)))
            (local.set $w (i64x2.add (local.get $v) (v128.const i64x2 1 2)))
            (call $many (local.get $w) (local.get 0) (local.get $v) (f32.const 1) (local.get $v)
              (local.get $v) (v128.const i64x2 0 0) (local.get $w) (local.get $w) (i32.const 5)
              (i64x2.splat (i64.const 9)) (i64.const 12) (v128.const i64x2 13 14) (i64.const 1)
              (i64.const 2) (local.get 0) (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15))
            (local.set $v) (local.set 0) (local.set $w)
            (i64.add (call $sum (local.get $v)) (i64.mul (local.get 0) (call $sum (local.get $w)))))
          (func (export "homes") (param i64) (result i64) (local i64 v128)
            {values} (call $id (local.get 0))
            (block (br_if 0 (i64.eqz (local.get 0))))
            (local.set 1)
            {0})
          (func (export "branches") (param i64) (result i64) (local i64)
            (i64.const 1000) (v128.const i64x2 5 6) (i64.const 100)
            (block (result i64 v128) (block (result i64 v128) (block (result i64 v128)
              (v128.const i64x2 7 8) (i64.const 8) (i64.add (local.get 0) (i64.const 9))
              (i64x2.splat (local.get 0))
              (br_if 1 (i64.eq (local.get 0) (i64.const -1)))
              (br_table 0 1 2 1 0 (i32.wrap_i64 (local.get 0))))
              (i64x2.add (v128.const i64x2 1 1)) (br 1))
              (i64x2.sub (v128.const i64x2 5 7)))
            (local.set 0 (call $sum)) (local.set 0 (i64.add (local.get 0)))
            (local.set 0 (i64.mul (local.get 0))) (local.set 1 (call $sum))
            (i64.add (local.get 0) (i64.add (local.get 1))))
          (func (export "choices") (param i64) (result i64) (local v128)
            (select (v128.const i64x2 1 2) (i64x2.splat (local.get 0)) (i64.lt_s (local.get 0) (i64.const 9)))
            (select (result v128) (local.get 1) (global.get $g) (v128.any_true (i64x2.splat (local.get 0))))
            (global.set $g (i64x2.add (global.get $g) (v128.const i64x2 1 1)))
            (if (result i64) (i32.eqz (i64x2.all_true (i64x2.splat (local.get 0))))
              (then (i64.const 1)) (else (i64.const 2)))
            (local.set 0) (i64x2.mul) (local.set 1) (i64.add (local.get 0) (call $sum (local.get 1))))
          (func (export "loop") (param i64) (result i64) (local i64)
            (local.set 1 (i64.const 10))
            (v128.const i64x2 1 3)
            (loop (param v128) (result v128)
              (i64x2.mul (i64x2.splat (i64.const 3)))
              (local.set 1 (i64.sub (local.get 1) (i64.const 1)))
              (br_if 0 (i64.ne (local.get 1) (i64.const 0))))
            call $sum)
          (func (export "far") (param i64) (result i64)
            (v128.store offset=70000 (i32.wrap_i64 (local.get 0)) (v128.const i64x2 1 2))
            (i64.const 0)))"#,
        "(local.set 1 (i64.sub (local.get 1))) (local.set 2 (i64x2.add (local.get 2)))\n"
            .repeat(20)
            + "(i64.sub (local.get 1) (call $sum (local.get 2)))",
    );
    let found = on_both(&text, &NUMBERS);
    assert_eq!(found.len(), 6 * NUMBERS.len());
    assert!(found.last().unwrap().contains("MemoryOutOfBounds"));
}

#[test]
fn functions_with_vectors_take_one_pass() {
    for known in [
        "(func (result v128) (v128.const i64x2 1 2))",
        "(func (local v128) (local.set 0 (local.get 0)))",
        "(func (call $f (v128.const i64x2 1 2))) (func $f (param v128))",
    ] {
        assert!(is_single_pass(&format!("(module {known})")), "{known}");
    }
}

#[test]
fn comparisons_that_lose_their_registers_leave_scratch_registers_alone() {
    // More comparisons that nobody has asked for yet than there are registers, of either kind.
    let floats: String = (0..20)
        .map(|i| {
            format!(
                "(f64.lt (f64.add (f64.convert_i64_s (local.get 0)) (f64.const {i})) (f64.const 3))\n"
            )
        })
        .collect();
    let integers: String = (0..12)
        .map(|i| format!("(i64.lt_s (i64.rotl (local.get 0) (i64.const {i})) (i64.const 3))\n"))
        .collect();
    let mut text = String::from(
        "(module (memory 1) (memory 1) (table $t 10 funcref) (import_global)
         (func $sum (param v128) (result i64)
           (i64.xor (i64x2.extract_lane 0 (local.get 0)) (i64x2.extract_lane 1 (local.get 0))))\n",
    )
    .replace("(import_global)", "(global $g (mut i64) (i64.const 7))");
    for (i, operation) in [
        "(call $sum (i8x16.shl (i64x2.splat (local.get 0)) (i32.wrap_i64 (local.get 0))))",
        "(call $sum (i8x16.shr_s (i64x2.splat (local.get 0)) (i32.wrap_i64 (local.get 0))))",
        "(call $sum (i64x2.shr_s (i64x2.splat (local.get 0)) (i32.wrap_i64 (local.get 0))))",
        "(call $sum (i8x16.popcnt (i64x2.splat (local.get 0))))",
        "(call $sum (f64x2.max (i64x2.splat (local.get 0)) (v128.const i64x2 1 2)))",
        "(i64.load 1 offset=16 (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 255)))",
        "(call $sum (v128.load8_splat 1 (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 255))))",
        "(global.get $g)",
        "(i64.extend_i32_u (i32.load16_u 1 offset=0x80000010 (i32.add (i32.const 0x80000000)
            (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 255)))))",
        "(i64.extend_i32_u (ref.is_null (table.get $t (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 7)))))",
        "(i64.extend_i32_u (i64x2.bitmask (i64x2.splat (local.get 0))))",
        "(i64.trunc_sat_f64_u (f64.convert_i64_u (local.get 0)))",
    ]
    .into_iter()
    .enumerate()
    {
        for (kind, pending, count) in [("floats", &floats, 20), ("integers", &integers, 12)] {
            let fold = "i32.add ".repeat(count - 1);
            text += &format!(
                "(func (export \"{i} {kind}\") (param i64) (result i64) (local i64)
                   {pending} (local.set 1 {operation}) {fold}
                   i64.extend_i32_u (local.get 1) i64.add)\n"
            );
        }
    }
    text += "(data (memory 1) (i32.const 0) \"abcdefghijklmnopqrstuvwxyz\"))";
    on_both(&text, &NUMBERS);
}

#[test]
fn bounds_are_checked_where_memories_are_not_reserved() {
    let text = r#"(module (memory 1)
      (func (export "narrow") (param i64) (result i64)
        (i64.load8_u (i32.wrap_i64 (local.get 0))))
      (func (export "wide") (param i64) (result i64)
        (i64x2.extract_lane 0 (v128.load offset=100 (i32.wrap_i64 (local.get 0)))))
      (func (export "far") (param i64) (result i64)
        (i64.store offset=0xffffffff (i32.wrap_i64 (local.get 0)) (local.get 0)) (i64.const 0))
      (func (export "constant") (param i64) (result i64)
        (i32.store16 (i32.const 65534) (i32.const 7)) (i64.load32_u (i32.const 65533))))"#;
    let mut config = Config::new();
    let engine = Engine::new(config.bounds_checks(true).tier(TierMode::Baseline)).unwrap();
    let module = Module::new(&engine, text).unwrap();
    let code = module.emit(
        0,
        FunctionTier::Baseline,
        EntryPoint::Function,
        CodeForm::Assembly,
    );
    assert!(code.unwrap().trim_start().starts_with("0:"));
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    for (name, argument, is_inside) in [
        ("narrow", 65535, true),
        ("narrow", 65536, false),
        ("narrow", -1, false),
        ("wide", 65536 - 116, true),
        ("wide", 65536 - 115, false),
        ("far", 0, false),
        ("far", 1, false),
        ("constant", 0, false),
    ] {
        let f = instance
            .get_typed_func::<i64, i64>(&mut store, name)
            .unwrap();
        let ended = f.call(&mut store, argument);
        let code = ended.map_err(|error| error.as_trap().map(upshift::Trap::code));
        let expected = if is_inside {
            Ok(0)
        } else {
            Err(Some(TrapCode::MemoryOutOfBounds))
        };
        assert_eq!(code, expected, "{name} {argument}");
    }
}

/// Shuffles of every kind that has an instruction of its own, and some that have none.
#[test]
fn shuffles_take_the_lanes_they_name() {
    let mut orders: Vec<[u8; 16]> = Vec::new();
    for size in [1, 2, 4, 8] {
        for start in [0, 8] {
            for (first, second) in [(0, 16), (16, 0), (0, 0)] {
                orders.push(std::array::from_fn(|i| {
                    let (lane, byte) = (i as u8 / size, i as u8 % size);
                    let from = if lane % 2 == 0 { first } else { second };
                    from + start + lane / 2 * size + byte
                }));
            }
        }
    }
    for first in [0, 1, 5, 15, 16, 17, 31] {
        orders.push(std::array::from_fn(|i| (first + i as u8) % 32));
    }
    for mask in [0x0ff0_u32, 0x3333, 0xaaaa, 0xffff, 0xc001] {
        orders.push(std::array::from_fn(|i| {
            i as u8 + if mask >> i & 1 == 1 { 16 } else { 0 }
        }));
    }
    for words in [
        [3, 1, 4, 6],
        [7, 5, 2, 0],
        [2, 0, 1, 1],
        [6, 6, 5, 4],
        [0, 4, 1, 7],
    ] {
        orders.push(std::array::from_fn(|i| words[i / 4] * 4 + i as u8 % 4));
    }
    orders.push(std::array::from_fn(|i| (i * 7 % 32) as u8));
    let mut text = String::from(
        "(module (func $sum (param v128) (result i64)
           (i64.xor (i64x2.extract_lane 0 (local.get 0))
             (i64.rotl (i64x2.extract_lane 1 (local.get 0)) (i64.const 7))))
         (global $a v128 (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15))",
    );
    for (i, order) in orders.iter().enumerate() {
        let lanes = order.map(|lane| lane.to_string()).join(" ");
        let b = "(i8x16.add (local.get $v) (v128.const i8x16
            16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31))";
        text += &format!(
            "(func (export \"{i}\") (param i64) (result i64) (local $v v128)
               (local.set $v (i64x2.splat (local.get 0)))
               (i64.add (call $sum (i8x16.shuffle {lanes} (global.get $a) {b}))
                 (i64.mul (i64.const 3) (call $sum (i8x16.shuffle {lanes} (local.get $v)
                   (i8x16.shuffle {lanes} (local.get $v) (local.get $v)))))))\n"
        );
    }
    text += ")";
    on_both(&text, &[0, 0x0102_0304_0506_0708]);
}

#[test]
fn a_deep_recursion_ends_at_the_limit_of_its_stack() {
    let engine = engine(BaselineCompiler::SinglePass);
    let text = r#"(module (func $f (export "f") (param i64) (result i64)
        (i64.add (i64.const 1) (call $f (local.get 0)))))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance
        .get_typed_func::<i64, i64>(&mut store, "f")
        .unwrap();
    for _ in 0..3 {
        let error = f.call(&mut store, 0).unwrap_err();
        let trap = error.as_trap().expect("a trap");
        assert_eq!(trap.code(), TrapCode::StackOverflow);
        assert!(!trap.backtrace().frames().is_empty());
    }
}

/// What calls pass on the stack is below the frame, and has to be within the limit as well.
#[test]
fn a_recursion_with_many_results_ends_at_the_limit_of_its_stack() {
    let engine = engine(BaselineCompiler::SinglePass);
    let (results, drops) = ("i64 ".repeat(900), "drop ".repeat(900));
    let text = format!(
        r#"(module (func $f (export "f") (param i64) (result {results})
             (call $f (local.get 0)) {drops} {}))"#,
        "(local.get 0) ".repeat(900)
    );
    let module = Module::new(&engine, &text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_func(&store, "f").unwrap();
    let mut values = vec![Val::I64(0); 900];
    for _ in 0..2 {
        let error = f.call(&mut store, &[Val::I64(1)], &mut values);
        let error = error.unwrap_err();
        let code = error.as_trap().map(upshift::Trap::code);
        assert_eq!(code, Some(TrapCode::StackOverflow));
    }
}
