//! Tables of code: its traps, its offsets, its intermediate forms; and that it can be compiled
//! from several threads.

use upshift_runtime::TrapCode;
use upshift_translate::{CodeForm, DirectCall, ModuleCompiler, Stop};

use super::lab::{GUARDED, compile, compiler, index, request};

#[test]
fn each_instruction_that_may_trap_is_in_the_table() {
    let code = compile(
        r#"(module (memory 1) (func (param i32) (result i32)
          (if (i32.eqz (local.get 0)) (then (unreachable)))
          (i32.div_s (i32.load (local.get 0)) (i32.trunc_f32_s (f32.const 7)))))"#,
    );
    let has = |code: &upshift_runtime::InstalledCode, wanted| {
        code.traps.iter().any(|site| site.trap == wanted)
    };
    for wanted in [
        TrapCode::StackOverflow,
        TrapCode::Unreachable,
        TrapCode::MemoryOutOfBounds,
        TrapCode::IntegerDivideByZero,
        TrapCode::IntegerOverflow,
        TrapCode::InvalidConversionToInteger,
    ] {
        assert!(has(&code, wanted), "{wanted:?} in {:?}", code.traps);
    }
    assert!(code.traps.is_sorted_by(|a, b| a.code < b.code));
    assert!(
        code.traps
            .iter()
            .all(|site| (site.code as usize) < code.len)
    );
}

#[test]
fn each_trap_leads_back_to_its_operator() {
    let (compiler, module, _) = compiler(
        r#"(module (func (param i32) (result i32)
          (if (local.get 0) (then (nop) (unreachable)))
          (i32.const 1)))"#,
        GUARDED,
    );
    let code = compiler.compile(request(0)).unwrap().code;
    assert!(code.offsets.is_sorted_by(|a, b| a.code < b.code));
    let body = module.bodies[index(0)].range.clone();
    for offset in &code.offsets {
        assert!(body.contains(&(offset.module.as_u32() as usize)));
    }
    let trap_of = |wanted| {
        let site = code.traps.iter().find(|site| site.trap == wanted).unwrap();
        code.module_offset_at(code.address + site.code as usize)
            .unwrap()
            .as_u32() as usize
    };
    // The operator's byte in the binary.
    assert_eq!(module.bytes[trap_of(TrapCode::Unreachable)], 0x00);
    // The prologue's check belongs to the function's first operator.
    assert_eq!(module.bytes[trap_of(TrapCode::StackOverflow)], 0x20);
}

#[test]
fn intermediate_forms_can_be_looked_at() {
    let (compiler, _, _) = compiler(
        r#"(module (func (param i32) (result i32) (i32.mul (local.get 0) (i32.const 77))))"#,
        GUARDED,
    );
    let clif = compiler.emit(request(0), CodeForm::Intermediate).unwrap();
    assert!(
        clif.contains("imul") && clif.contains("iconst.i32 77"),
        "{clif}"
    );
    let assembly = compiler.emit(request(0), CodeForm::Assembly).unwrap();
    assert!(assembly.contains("imul"), "{assembly}");
    // Neither leaves anything behind that the next compilation trips over.
    compiler.compile(request(0)).unwrap();
}

#[test]
fn nothing_is_looked_up_by_name() {
    // These would be calls of library functions on a lesser processor.
    let code = compile(
        r#"(module (memory 1) (func (param f64 v128) (result f64 v128)
          (f64.add (f64.floor (local.get 0)) (f64.nearest (f64.ceil (f64.trunc (local.get 0)))))
          (f32x4.nearest (i8x16.swizzle (local.get 1) (f64x2.ceil (local.get 1))))
          (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))))"#,
    );
    assert!(code.len > 0);
}

#[test]
fn threads_compile_at_the_same_time() {
    let functions: String = (0..64)
        .map(|i| {
            format!(
                "(func (param i32) (result i32) (local i64)
                   (loop $l (br_if $l (i32.eqz (local.get 0))))
                   (i32.add (local.get 0) (i32.const {i})))"
            )
        })
        .collect();
    let (compiler, _, code) = compiler(&format!("(module {functions})"), GUARDED);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let compiler = &compiler;
            scope.spawn(move || {
                for function in (thread..64).step_by(4) {
                    let code = compiler.compile(request(function)).unwrap().code;
                    assert_eq!(code.function, index(function));
                }
            });
        }
    });
    let mut ranges: Vec<_> = code
        .all()
        .iter()
        .map(|code| (code.address, code.len))
        .collect();
    ranges.sort_unstable();
    assert_eq!(ranges.len(), 64);
    assert!(ranges.is_sorted_by(|a, b| a.0 + a.1 <= b.0));
}

#[test]
fn calls_are_told_with_the_branches_before_them_before_code_is_made() {
    let told = |body: &str| {
        let text = format!(
            "(module (import \"\" \"\" (func $host)) (func $entry (param i32) {body})
               (func $a) (func $b) (func $error))"
        );
        let (compiler, _, _) = compiler(&text, GUARDED);
        let mut calls = Vec::new();
        let mut tell = |told: &[DirectCall]| {
            calls.extend(
                told.iter()
                    .map(|call| (call.function.as_u32(), call.branches_before)),
            );
        };
        compiler
            .compile_until(request(0), Stop::NEVER, &mut tell)
            .unwrap();
        calls
    };
    let branches = "(call $a) (call $host)
        (block (br_if 0 (local.get 0)) (call $b))
        (if (local.get 0) (then (call $a)) (else (call $b)))
        (block (block (br_table 0 1 (local.get 0))) (call $a) (return))
        (call $b)";
    let expected = [(1, 0), (2, 1), (1, 2), (2, 2), (1, 3), (2, 3)];
    assert_eq!(told(branches), expected);
    assert_eq!(told("(br 0 (call $a)) (call $b)"), [(1, 0)]);
    // Errors are no part of a program's normal course.
    let errors = "(call $a)
        (if (local.get 0) (then (call $b) (call $error) (unreachable)))
        (if (local.get 0) (then (call $error) (unreachable)) (else (call $b)))";
    assert_eq!(told(errors), [(1, 0), (2, 2)]);
    // The end of a program is no error.
    assert_eq!(
        told("(call $a) (call $b) (call $error) (unreachable)"),
        [(1, 0), (2, 0)]
    );
}
