//! Every kind of trap, and what it tells.

use upshift::{Engine, Instance, Module, Store, TrapCode};

use crate::instance;

/// A body of a function with parameters `(i32 i32)`, arguments, and how it traps.
type Case = (&'static str, (i32, i32), TrapCode);

const CASES: [Case; 20] = [
    ("unreachable", (0, 0), TrapCode::Unreachable),
    (
        "(drop (i32.load (local.get 0)))",
        (65533, 0),
        TrapCode::MemoryOutOfBounds,
    ),
    (
        "(drop (i32.load offset=0xffffffff (local.get 0)))",
        (-1, 0),
        TrapCode::MemoryOutOfBounds,
    ),
    (
        "(i64.store (local.get 0) (i64.const 0))",
        (-8, 0),
        TrapCode::MemoryOutOfBounds,
    ),
    (
        "(v128.store (local.get 0) (v128.const i64x2 0 0))",
        (65521, 0),
        TrapCode::MemoryOutOfBounds,
    ),
    (
        "(memory.fill (local.get 0) (i32.const 1) (i32.const 2))",
        (65535, 0),
        TrapCode::MemoryOutOfBounds,
    ),
    (
        "(memory.copy (i32.const 0) (local.get 0) (i32.const 2))",
        (65535, 0),
        TrapCode::MemoryOutOfBounds,
    ),
    (
        "(memory.init $d (i32.const 0) (local.get 0) (i32.const 1))",
        (3, 0),
        TrapCode::MemoryOutOfBounds,
    ),
    (
        "(drop (table.get 0 (local.get 0)))",
        (4, 0),
        TrapCode::TableOutOfBounds,
    ),
    (
        "(table.set 0 (local.get 0) (ref.null func))",
        (-1, 0),
        TrapCode::TableOutOfBounds,
    ),
    (
        "(table.fill 0 (local.get 0) (ref.null func) (i32.const 2))",
        (3, 0),
        TrapCode::TableOutOfBounds,
    ),
    (
        "(call_indirect (local.get 0))",
        (4, 0),
        TrapCode::UndefinedElement,
    ),
    (
        "(call_indirect (local.get 0))",
        (1, 0),
        TrapCode::UninitializedElement,
    ),
    (
        "(call_indirect (result f32) (local.get 0)) drop",
        (0, 0),
        TrapCode::IndirectCallTypeMismatch,
    ),
    (
        "(drop (i32.div_s (local.get 0) (local.get 1)))",
        (i32::MIN, -1),
        TrapCode::IntegerOverflow,
    ),
    (
        "(drop (i32.trunc_f64_s (f64.const 1e10)))",
        (0, 0),
        TrapCode::IntegerOverflow,
    ),
    (
        "(drop (i32.div_u (local.get 0) (local.get 1)))",
        (1, 0),
        TrapCode::IntegerDivideByZero,
    ),
    (
        "(drop (i32.rem_s (local.get 0) (local.get 1)))",
        (1, 0),
        TrapCode::IntegerDivideByZero,
    ),
    (
        "(drop (i64.trunc_f32_u (f32.const nan)))",
        (0, 0),
        TrapCode::InvalidConversionToInteger,
    ),
    ("(call $again)", (0, 0), TrapCode::StackOverflow),
];

#[test]
fn each_kind_has_its_code() {
    for (body, arguments, code) in CASES {
        let text = format!(
            r#"(module
                 (memory 1) (table 4 funcref) (elem (i32.const 0) $other) (data $d "abc")
                 (func $other (param i32))
                 (func $again (call $again))
                 (func $f (export "f") (param i32 i32) {body}))"#
        );
        let (mut store, instance) = instance(&text);
        let f = instance
            .get_typed_func::<(i32, i32), ()>(&mut store, "f")
            .unwrap();
        for _ in 0..2 {
            let error = f.call(&mut store, arguments).unwrap_err();
            let trap = error.as_trap().unwrap_or_else(|| panic!("{body}: {error}"));
            assert_eq!(trap.code(), code, "{body}");
            assert!(error.to_string().starts_with(code.message()), "{error}");
            assert_eq!(error.downcast_ref::<upshift::Trap>().unwrap().code(), code);
            let frames = trap.backtrace().frames();
            if code != TrapCode::StackOverflow {
                assert_eq!(frames.len(), 1, "{body}");
                assert_eq!(frames[0].func_name().as_deref(), Some("f"), "{body}");
            }
        }
    }
}

#[test]
fn a_backtrace_names_functions_modules_and_offsets() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let inner = Module::new(
        &engine,
        r#"(module $inner
             (func $nop)
             (func $_ZN4shop4sell17h0123456789abcdefE (export "sell") nop nop unreachable))"#,
    )
    .unwrap();
    let sell = Instance::new(&mut store, &inner, &[])
        .unwrap()
        .get_func(&mut store, "sell")
        .unwrap();
    let outer = Module::new(
        &engine,
        r#"(module $outer
             (import "" "sell" (func $sell))
             (table 1 funcref) (elem (i32.const 0) $_Z5visitv)
             (func $_Z5visitv (call $sell))
             (func (export "run") (call_indirect (i32.const 0))))"#,
    )
    .unwrap();
    let instance = Instance::new(&mut store, &outer, &[sell.into()]).unwrap();
    let run = instance
        .get_typed_func::<(), ()>(&mut store, "run")
        .unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    let frames = error.as_trap().unwrap().backtrace().frames();
    let got: Vec<_> = frames
        .iter()
        .map(|frame| {
            (
                frame.func_name().unwrap(),
                frame.func_index(),
                frame.module_name().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        got,
        [
            ("shop::sell".into(), 1, "inner"),
            ("visit()".into(), 1, "outer"),
            ("run".into(), 2, "outer")
        ]
    );
    assert_eq!(
        frames[0].raw_func_name(),
        Some("_ZN4shop4sell17h0123456789abcdefE")
    );
    // `unreachable` is 0x00; one byte of local declarations and two of `nop` come before it.
    assert_eq!(frames[0].func_offset(), Some(3));
    let offset = frames[0].module_offset().unwrap();
    assert_eq!(inner.binary()[offset], 0x00);
    let call = frames[1].module_offset().unwrap();
    assert_eq!(outer.binary()[call], 0x10, "the operator `call`");
    let call_indirect = frames[2].module_offset().unwrap();
    assert_eq!(
        outer.binary()[call_indirect],
        0x11,
        "the operator `call_indirect`"
    );

    let text = error.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["unreachable", "wasm backtrace:"]);
    assert_eq!(
        lines[2],
        format!("  0: shop::sell (function 1 of inner) at {offset:#x}")
    );
    assert_eq!(
        lines[3],
        format!("  1: visit() (function 1 of outer) at {call:#x}")
    );
    assert_eq!(lines.len(), 5);
}

#[test]
fn memory_keeps_what_was_written_before_the_trap() {
    let (mut store, instance) = instance(
        r#"(module (memory (export "m") 1) (func (export "f")
             (i32.store8 (i32.const 7) (i32.const 42)) unreachable))"#,
    );
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    assert!(f.call(&mut store, ()).is_err());
    let memory = instance.get_memory(&mut store, "m").unwrap();
    assert_eq!(memory.data(&store)[7], 42);
}
