//! Calls into WebAssembly, with Rust values and with values of dynamic type.

use upshift::{Engine, ErrorKind, ExternRef, Func, Instance, Module, Store, V128, Val, ValType};

use crate::instance;

/// Parameters of every type, more than there are registers of each kind, returned in reverse order.
const REVERSE: &str = r#"(module
  (func (export "reverse")
    (param i32 i64 f32 f64 v128 i32 i64 i32 i64 i32 f32 f32 f64 v128 v128 v128)
    (result v128 v128 v128 f64 f32 f32 i32 i64 i32 i64 i32 v128 f64 f32 i64 i32)
    (local.get 15) (local.get 14) (local.get 13) (local.get 12)
    (local.get 11) (local.get 10) (local.get 9) (local.get 8)
    (local.get 7) (local.get 6) (local.get 5) (local.get 4)
    (local.get 3) (local.get 2) (local.get 1) (local.get 0)))"#;

type Forth = (
    i32,
    i64,
    f32,
    f64,
    V128,
    u32,
    u64,
    i32,
    i64,
    i32,
    f32,
    f32,
    f64,
    V128,
    V128,
    V128,
);
type Back = (
    V128,
    V128,
    V128,
    f64,
    f32,
    f32,
    i32,
    i64,
    i32,
    u64,
    u32,
    V128,
    f64,
    f32,
    i64,
    i32,
);

fn v128(number: u128) -> V128 {
    V128::from(number << 100 | number)
}

#[test]
fn sixteen_parameters_and_results_of_all_types() {
    let (mut store, instance) = instance(REVERSE);
    let reverse = instance
        .get_typed_func::<Forth, Back>(&mut store, "reverse")
        .unwrap();
    let forth: Forth = (
        -1,
        -2,
        3.5,
        -4.5,
        v128(5),
        6,
        u64::MAX,
        -8,
        i64::MIN,
        i32::MAX,
        11.0,
        -0.0,
        13.0,
        v128(14),
        v128(15),
        v128(16),
    );
    let back = reverse.call(&mut store, forth).unwrap();
    assert_eq!(back.0, v128(16));
    assert_eq!(
        (back.1, back.2, back.3, back.4),
        (v128(15), v128(14), 13.0, -0.0)
    );
    assert!(back.4.is_sign_negative());
    assert_eq!(
        (back.5, back.6, back.7, back.8),
        (11.0, i32::MAX, i64::MIN, -8)
    );
    assert_eq!(
        (back.9, back.10, back.11, back.12),
        (u64::MAX, 6, v128(5), -4.5)
    );
    assert_eq!((back.13, back.14, back.15), (3.5, -2, -1));
}

#[test]
fn a_dynamic_call_does_what_a_typed_one_does() {
    let (mut store, instance) = instance(REVERSE);
    let reverse = instance.get_func(&mut store, "reverse").unwrap();
    let ty = reverse.ty(&store);
    assert_eq!((ty.params().len(), ty.results().len()), (16, 16));
    let params: Vec<Val> = ty
        .params()
        .enumerate()
        .map(|(i, ty)| match ty {
            ValType::I32 => Val::I32(i as i32 - 8),
            ValType::I64 => Val::I64(i as i64 - 8),
            ValType::F32 => Val::from(i as f32),
            ValType::F64 => Val::from(i as f64),
            ValType::V128 => Val::V128(v128(i as u128)),
            ValType::FuncRef | ValType::ExternRef => unreachable!(),
        })
        .collect();
    let mut results = vec![Val::I32(0); 16];
    reverse.call(&mut store, &params, &mut results).unwrap();
    for (given, back) in params.iter().zip(results.iter().rev()) {
        assert_eq!(format!("{given:?}"), format!("{back:?}"));
    }
}

#[test]
fn nan_payloads_survive_calls() {
    let (mut store, instance) = instance(
        r#"(module (func (export "f") (param f32 f64) (result f64 f32) (local.get 1) (local.get 0)))"#,
    );
    let (single, double) = (0x7fa0_0001_u32, 0xfff4_0000_0000_0001_u64);
    let f = instance.get_func(&mut store, "f").unwrap();
    let mut results = [Val::I32(0); 2];
    f.call(
        &mut store,
        &[Val::F32(single), Val::F64(double)],
        &mut results,
    )
    .unwrap();
    assert!(matches!(results, [Val::F64(d), Val::F32(s)] if d == double && s == single));
}

#[test]
fn every_arity_up_to_sixteen_is_typed() {
    macro_rules! arities {
        ($($count:literal ($($value:literal $i:tt)*) ($($ty:ty)*);)*) => {$({
            let params = "i64 ".repeat($count);
            let gets: String = (0..$count).map(|i| format!("(local.get {i})")).collect();
            let (mut store, instance) = crate::instance(&format!(
                "(module (func (export \"f\") (param {params}) (result {params}) {gets}))"
            ));
            type Values = ($($ty,)*);
            let f = instance.get_typed_func::<Values, Values>(&mut store, "f").unwrap();
            let _results = f.call(&mut store, ($($value,)*)).unwrap();
            $(assert_eq!(_results.$i, $value, "of {}", $count);)*
        })*};
    }
    arities! {
        0 () ();
        1 (1 0) (i64);
        2 (1 0 2 1) (i64 i64);
        3 (1 0 2 1 3 2) (i64 i64 i64);
        4 (1 0 2 1 3 2 4 3) (i64 i64 i64 i64);
        5 (1 0 2 1 3 2 4 3 5 4) (i64 i64 i64 i64 i64);
        6 (1 0 2 1 3 2 4 3 5 4 6 5) (i64 i64 i64 i64 i64 i64);
        7 (1 0 2 1 3 2 4 3 5 4 6 5 7 6) (i64 i64 i64 i64 i64 i64 i64);
        8 (1 0 2 1 3 2 4 3 5 4 6 5 7 6 8 7) (i64 i64 i64 i64 i64 i64 i64 i64);
        9 (1 0 2 1 3 2 4 3 5 4 6 5 7 6 8 7 9 8) (i64 i64 i64 i64 i64 i64 i64 i64 i64);
        10 (1 0 2 1 3 2 4 3 5 4 6 5 7 6 8 7 9 8 10 9) (i64 i64 i64 i64 i64 i64 i64 i64 i64 i64);
        11 (1 0 2 1 3 2 4 3 5 4 6 5 7 6 8 7 9 8 10 9 11 10) (i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64);
        12 (1 0 2 1 3 2 4 3 5 4 6 5 7 6 8 7 9 8 10 9 11 10 12 11) (i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64);
        13 (1 0 2 1 3 2 4 3 5 4 6 5 7 6 8 7 9 8 10 9 11 10 12 11 13 12) (i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64);
        14 (1 0 2 1 3 2 4 3 5 4 6 5 7 6 8 7 9 8 10 9 11 10 12 11 13 12 14 13) (i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64);
        15 (1 0 2 1 3 2 4 3 5 4 6 5 7 6 8 7 9 8 10 9 11 10 12 11 13 12 14 13 15 14) (i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64);
        16 (1 0 2 1 3 2 4 3 5 4 6 5 7 6 8 7 9 8 10 9 11 10 12 11 13 12 14 13 15 14 16 15) (i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64);
    }
}

#[test]
fn references_cross_the_border_both_ways() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
             (type $unary (func (param i32) (result i32)))
             (table 1 funcref)
             (func (export "apply") (param funcref i32) (result i32)
               (table.set 0 (i32.const 0) (local.get 0))
               (call_indirect (type $unary) (local.get 1) (i32.const 0)))
             (func $neg (export "neg") (param i32) (result i32)
               (i32.sub (i32.const 0) (local.get 0)))
             (func (export "get") (result funcref externref)
               (ref.func $neg) (ref.null extern))
             (func (export "is_null") (param externref) (result i32)
               (ref.is_null (local.get 0))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let apply = instance
        .get_typed_func::<(Option<Func>, i32), i32>(&mut store, "apply")
        .unwrap();
    let square = Func::wrap(&mut store, |x: i32| x * x);
    assert_eq!(apply.call(&mut store, (Some(square), 7)).unwrap(), 49);
    let get = instance
        .get_typed_func::<(), (Option<Func>, Option<ExternRef>)>(&mut store, "get")
        .unwrap();
    let (neg, null) = get.call(&mut store, ()).unwrap();
    assert!(null.is_none());
    assert_eq!(apply.call(&mut store, (neg, 7)).unwrap(), -7);
    assert_eq!(
        neg.unwrap()
            .typed::<i32, i32>(&store)
            .unwrap()
            .call(&mut store, 3)
            .unwrap(),
        -3
    );
    let is_null = instance
        .get_typed_func::<Option<ExternRef>, i32>(&mut store, "is_null")
        .unwrap();
    let value = ExternRef::new(&mut store, 5_u8).unwrap();
    assert_eq!(is_null.call(&mut store, Some(value)).unwrap(), 0);
    assert_eq!(is_null.call(&mut store, None).unwrap(), 1);
    // A null function traps where it is called.
    assert!(
        apply
            .call(&mut store, (None, 7))
            .unwrap_err()
            .as_trap()
            .is_some()
    );
}

#[test]
fn a_handle_that_does_not_fit_shows_both_types() {
    let (mut store, instance) = instance(
        r#"(module (memory (export "m") 1) (func (export "f") (param i32 f64) (result i64) i64.const 1))"#,
    );
    let error = instance
        .get_typed_func::<(i32, f32), ()>(&mut store, "f")
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("(i32, f32) -> ()") && text.contains("(i32, f64) -> (i64)"),
        "{text}"
    );
    assert!(matches!(error.kind(), ErrorKind::Signature { .. }));

    let error = instance
        .get_typed_func::<(), ()>(&mut store, "m")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the export `m` is a (memory 1), not a function"
    );
    let error = instance
        .get_typed_func::<(), ()>(&mut store, "g")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the instance has no export named `g`; it exports m, f"
    );
    assert!(instance.get_func(&mut store, "m").is_none());
}

#[test]
fn dynamic_calls_check_their_arguments() {
    let (mut store, instance) =
        instance(r#"(module (func (export "f") (param i32 f64) (result i64) i64.const 1))"#);
    let f = instance.get_func(&mut store, "f").unwrap();
    let mut results = [Val::I32(0)];
    let mut message = |params: &[Val]| {
        f.call(&mut store, params, &mut results)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(&[Val::I32(1)]),
        "wrong number of arguments: the function has 2, given 1"
    );
    assert_eq!(
        message(&[Val::I32(1), Val::F32(0)]),
        "argument 2 has the wrong type: wanted f64, given f32"
    );
    let error = f
        .call(&mut store, &[Val::I32(1), Val::F64(0)], &mut [])
        .unwrap_err();
    assert!(
        error.to_string().starts_with("wrong number of results"),
        "{error}"
    );
}
