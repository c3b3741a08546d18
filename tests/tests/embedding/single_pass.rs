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
fn what_one_pass_does_not_know_is_cranelifts() {
    let known = "(module (func (param i32) (result i32) (local.get 0)))";
    assert!(is_single_pass(known));
    for unknown in [
        "(module (func (result v128) (v128.const i64x2 1 2)))",
        "(module (func (local v128) (local.set 0 (local.get 0))))",
        "(module (func (call $f (v128.const i64x2 1 2))) (func $f (param v128)))",
        // Both arms begin with the same operand.
        "(module (func (param i32) (result i32)
           (local.get 0) (if (param i32) (result i32) (local.get 0)
             (then (i32.const 1) i32.add) (else (i32.const 2) i32.mul))))",
    ] {
        assert!(!is_single_pass(unknown), "{unknown}");
    }
    let found = on_both(
        r#"(module (func (export "f") (param i64) (result i64)
             (local.get 0) (if (param i64) (result i64) (i64.eqz (local.get 0))
               (then (i64.const 1) i64.add) (else (i64.const 2) i64.mul)))
           (func (export "g") (param i64) (result i64)
             (i64x2.extract_lane 1 (i64x2.add (i64x2.splat (local.get 0))
               (v128.const i64x2 5 6)))))"#,
        &[0, 21],
    );
    assert_eq!(found[1], "f(21): Ok(()) [I64(42)]");
    assert_eq!(found[3], "g(21): Ok(()) [I64(27)]");
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
