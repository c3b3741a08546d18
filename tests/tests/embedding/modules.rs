//! Modules: both formats, from memory and files, validation and reflection.

use std::io::Write;

use upshift::{Engine, ErrorKind, ExternType, Module, Mutability, RefType, ValType};

const TEXT: &str = r#"(module $shop
  (import "env" "log" (func (param i32 f32)))
  (import "env" "table" (table 1 2 externref))
  (import "env" "limit" (global i64))
  (memory (export "memory") 1 3)
  (global (export "total") (mut f64) (f64.const 0))
  (func $price (export "price") (export "cost") (param i32) (result i64 v128)
    (i64.const 3) (v128.const i64x2 0 0))
  (func $hidden)
  (@custom "note" "one") (@custom "other" "x") (@custom "note" "two"))"#;

#[test]
fn imports_and_exports_have_names_and_types() {
    let module = Module::new(&Engine::default(), TEXT).unwrap();
    let imports: Vec<_> = module
        .imports()
        .map(|import| format!("{} {} {}", import.module(), import.name(), import.ty()))
        .collect();
    assert_eq!(
        imports,
        [
            "env log function (i32, f32) -> ()",
            "env table (table 1 2 externref)",
            "env limit (global i64)"
        ]
    );
    let exports: Vec<_> = module
        .exports()
        .map(|export| format!("{} {}", export.name(), export.ty()))
        .collect();
    assert_eq!(
        exports,
        [
            "memory (memory 1 3)",
            "total (global (mut f64))",
            "price function (i32) -> (i64, v128)",
            "cost function (i32) -> (i64, v128)"
        ]
    );
    assert_eq!((module.imports().len(), module.exports().len()), (3, 4));

    let ty = module.get_export("price").unwrap();
    let ty = ty.unwrap_func();
    assert!(ty.params().eq([ValType::I32]) && ty.results().eq([ValType::I64, ValType::V128]));
    let ty = module.get_export("total").unwrap();
    assert_eq!(
        ty.global().map(|ty| (ty.content(), ty.mutability())),
        Some((ValType::F64, Mutability::Var))
    );
    let ty = module.get_export("memory").unwrap();
    assert_eq!(
        ty.memory().map(|ty| (ty.minimum(), ty.maximum())),
        Some((1, Some(3)))
    );
    let ty = module.imports().nth(1).unwrap().ty();
    assert_eq!(
        ty.table().map(|ty| (ty.element(), ty.maximum())),
        Some((RefType::Extern, Some(2)))
    );
    assert!(matches!(
        module.imports().nth(2).unwrap().ty(),
        ExternType::Global(_)
    ));
    assert!(module.get_export("hidden").is_none());
}

#[test]
fn names_and_custom_sections_are_there() {
    let module = Module::new(&Engine::default(), TEXT).unwrap();
    assert_eq!(module.name(), Some("shop"));
    let names: Vec<_> = module.functions().map(|f| (f.index(), f.name())).collect();
    assert_eq!(names, [(1, Some("price")), (2, Some("hidden"))]);
    assert_eq!(
        module.functions().next().unwrap().ty().to_string(),
        "(i32) -> (i64, v128)"
    );
    let notes: Vec<_> = module.custom_sections("note").collect();
    assert_eq!(notes, [b"one", b"two"]);
    assert!(module.custom_section_names().any(|name| name == "other"));
    assert_eq!(module.custom_sections("none").count(), 0);
}

#[test]
fn modules_come_from_binaries_texts_and_files() {
    let engine = Engine::default();
    let module = Module::new(&engine, TEXT).unwrap();
    let binary = module.binary().to_vec();
    assert!(binary.starts_with(b"\0asm"));
    for again in [
        Module::new(&engine, &binary),
        Module::from_binary(&engine, &binary),
    ] {
        assert_eq!(again.unwrap().exports().len(), 4);
    }
    assert!(Module::from_binary(&engine, TEXT.as_bytes()).is_err());

    let mut file = std::env::temp_dir();
    file.push(format!("upshift-embedding-{}.wat", std::process::id()));
    std::fs::File::create(&file)
        .unwrap()
        .write_all(TEXT.as_bytes())
        .unwrap();
    let module = Module::from_file(&engine, &file);
    std::fs::write(&file, "(module\n  (func (result i32)\n  (oops)))").unwrap();
    let error = Module::from_file(&engine, &file).unwrap_err();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(module.unwrap().name(), Some("shop"));
    // The message names the file and the line.
    assert!(
        error.to_string().contains(&format!("{}:3", file.display())),
        "{error}"
    );

    let error = Module::from_file(&engine, &file).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::File { .. }));
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn validation_tells_offset_function_and_section() {
    let engine = Engine::default();
    let text = "(module (func $good) (func $bad (result i32) (i64.const 1)))";
    let error = Module::validate(&engine, text).unwrap_err();
    let ErrorKind::Module(module) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(
        (module.function(), module.section()),
        (Some(1), Some("code"))
    );
    assert_eq!(module.function_name(), Some("bad"));
    assert!(module.offset().is_some());
    assert!(Module::new(&engine, text).is_err());
    assert!(Module::validate(&engine, TEXT).is_ok());
    for junk in [&b""[..], b"\0asm", b"\x7fELF", b"(module", b"\xff\xfe"] {
        assert!(Module::new(&engine, junk).is_err(), "{junk:?}");
    }
}
