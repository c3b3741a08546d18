//! The contents of a parsed module, and the texts of its errors.

use upshift_module::{
    ConstExpr, ConstOp, ElementItems, Entity, EntityRef, Features, FuncType, GlobalType,
    MemoryType, Module, ModuleError, ModuleErrorKind, ResourcesRequired, SegmentMode, TableType,
    ValType,
};

fn parse(text: &str) -> Module {
    Module::parse(text.as_bytes(), &Features::all()).unwrap()
}

/// An index into whatever index space is asked about.
fn index<I: EntityRef>(number: usize) -> I {
    I::new(number)
}

fn error_of(text: &str, features: &Features) -> ModuleError {
    Module::parse(text.as_bytes(), features).unwrap_err()
}

fn constant(op: ConstOp) -> ConstExpr {
    ConstExpr { ops: [op].into() }
}

#[test]
fn imports_come_first_in_every_index_space() {
    let module = parse(
        r#"(module $demo
            (import "env" "f" (func (param i32)))
            (import "env" "t" (table 1 2 externref))
            (import "env" "m" (memory 3))
            (import "env" "g" (global (mut i64)))
            (func $own (result f32 v128) unreachable)
            (table 4 funcref) (memory 5 6) (global f64 (f64.const -0.5))
            (func $start) (start $start)
            (export "z" (func $own)) (export "a" (memory 1)) (export "m" (table 0)))"#,
    );
    assert_eq!((module.imported.functions, module.imported.tables), (1, 1));
    assert_eq!((module.imported.memories, module.imported.globals), (1, 1));
    assert_eq!(module.imports[2].entity, Entity::Memory(index(0)));
    assert_eq!(
        module.import_type(&module.imports[0]).to_string(),
        "function (i32) -> ()"
    );
    assert_eq!(
        module.func_type(index(1)),
        &FuncType::new([], [ValType::F32, ValType::V128])
    );
    assert_eq!(
        module.tables.as_values_slice(),
        [
            TableType {
                element: ValType::ExternRef,
                minimum: 1,
                maximum: Some(2)
            },
            TableType {
                element: ValType::FuncRef,
                minimum: 4,
                maximum: None
            },
        ]
    );
    assert_eq!(
        module.memories[index(1)],
        MemoryType {
            minimum: 5,
            maximum: Some(6)
        }
    );
    assert_eq!(
        module.globals[index(0)],
        GlobalType {
            content: ValType::I64,
            mutable: true
        }
    );
    assert_eq!(
        module.global_inits.as_values_slice(),
        [constant(ConstOp::F64((-0.5f64).to_bits()))]
    );
    assert_eq!(module.start, Some(index(2)));
    assert_eq!(
        (
            module.defined_function(index(0)),
            module.defined_function(index(2))
        ),
        (None, Some(index(1)))
    );
    assert_eq!(module.function_index(index(1)), index(2));
    // In the module's order, and found by name.
    let names: Vec<_> = module
        .exports
        .iter()
        .map(|export| export.name.as_ref())
        .collect();
    assert_eq!(names, ["z", "a", "m"]);
    assert_eq!(module.export("a").unwrap().entity, Entity::Memory(index(1)));
    assert_eq!(module.export("b"), None);
    assert_eq!(module.names.module(), Some("demo"));
    assert_eq!(module.function_name(index(2)), Some("start"));
    assert_eq!(module.function_name(index(0)), Some("f"));
    assert_eq!(module.bytes[..4], *b"\0asm");
}

#[test]
fn segments_keep_their_shape() {
    let module = parse(
        r#"(module
            (import "env" "base" (global i32))
            (memory 1) (memory 1) (table 9 funcref) (table 9 externref) (func)
            (elem (i32.const 1) func 0 0)
            (elem (table 1) (offset (i32.add (global.get 0) (i32.const 2))) externref (ref.null extern))
            (elem funcref (ref.func 0) (ref.null func))
            (elem declare func 0)
            (data (memory 1) (i32.const 7) "seven")
            (data "passive"))"#,
    );
    let [first, second, third, fourth] = module.elements.as_values_slice() else {
        panic!()
    };
    let offset = constant(ConstOp::I32(1));
    assert_eq!(
        first.mode,
        SegmentMode::Active {
            index: index(0),
            offset
        }
    );
    assert_eq!(first.items, ElementItems::Functions([index(0); 2].into()));
    let ops = [
        ConstOp::GlobalGet(index(0)),
        ConstOp::I32(2),
        ConstOp::I32Add,
    ];
    let offset = ConstExpr { ops: ops.into() };
    assert_eq!(
        second.mode,
        SegmentMode::Active {
            index: index(1),
            offset
        }
    );
    assert_eq!((second.ty, second.items.len()), (ValType::ExternRef, 1));
    assert_eq!(third.mode, SegmentMode::Passive);
    assert_eq!(
        third.items,
        ElementItems::Expressions(
            [
                constant(ConstOp::RefFunc(index(0))),
                constant(ConstOp::RefNull(ValType::FuncRef))
            ]
            .into()
        )
    );
    assert_eq!(fourth.mode, SegmentMode::Declared);
    let [seven, passive] = module.data.as_values_slice() else {
        panic!()
    };
    let offset = constant(ConstOp::I32(7));
    assert_eq!(
        seven.mode,
        SegmentMode::Active {
            index: index(1),
            offset
        }
    );
    assert_eq!(module.data_bytes(seven), b"seven");
    assert_eq!(
        (&passive.mode, module.data_bytes(passive)),
        (&SegmentMode::Passive, &b"passive"[..])
    );
}

#[test]
fn sections_and_bodies_are_found_in_the_binary() {
    let module = parse(
        r#"(module (@custom "a" "1") (@custom "b" "22") (@custom "a" "333")
            (func) (func (local i32) nop))"#,
    );
    assert_eq!(
        module.custom_sections_named("a").collect::<Vec<_>>(),
        [&b"1"[..], b"333"]
    );
    assert_eq!(module.body_bytes(index(0)), [0, 0x0b]);
    assert_eq!(module.body_bytes(index(1)), [1, 1, 0x7f, 0x01, 0x0b]);
    assert_eq!(
        (module.code_size(index(1)), module.total_code_size()),
        (5, 7)
    );
    let start = module.bodies[index(1)].range.start;
    // The byte before a body is its size, which belongs to none.
    assert_eq!(
        [start - 1, start, start + 4].map(|at| module.function_at(at)),
        [None, Some(index(1)), Some(index(1))]
    );
    let names: Vec<_> = module.sections.iter().map(|section| section.name).collect();
    assert_eq!(
        names,
        ["type", "function", "code", "custom", "custom", "custom"]
    );
    // Counted: two bodies, their two sizes, and the count.
    assert_eq!(module.sections[2].range.len(), 10);
}

#[test]
fn constants_of_every_type_are_kept_bit_by_bit() {
    let module = parse(
        "(module (global i32 (i32.const -1)) (global i64 (i64.const -2))
            (global f32 (f32.const nan:0x200000)) (global v128 (v128.const i64x2 1 2))
            (global i64 (i64.mul (i64.sub (i64.const 1) (i64.const 2)) (i64.const 3))))",
    );
    let single: Vec<_> = module
        .global_inits
        .values()
        .take(4)
        .map(|init| init.ops[0])
        .collect();
    let expected = [
        ConstOp::I32(-1),
        ConstOp::I64(-2),
        ConstOp::F32(0x7fa0_0000),
        ConstOp::V128((2 << 64) | 1),
    ];
    assert_eq!(single, expected);
    assert_eq!(module.global_inits[index(4)].ops[4], ConstOp::I64Mul);
}

#[test]
fn an_error_in_a_body_names_the_function() {
    let text = r#"(module (import "" "" (func)) (func) (func $bad (export "x") i32.const 1))"#;
    let error = error_of(text, &Features::all());
    assert_eq!(error.kind(), ModuleErrorKind::Invalid);
    assert_eq!(
        (error.function(), error.function_name()),
        (Some(2), Some("bad"))
    );
    assert_eq!(error.section(), Some("code"));
    let offset = error.offset().unwrap();
    let shown = error.to_string();
    assert!(
        shown.contains(&format!("offset {offset:#x} = {offset}")),
        "{shown}"
    );
    assert!(shown.contains("function 2 `bad`, code section"), "{shown}");
    // Without a name section, the export's name serves.
    let error = error_of(&text.replace("$bad", ""), &Features::all());
    assert_eq!(error.function_name(), Some("x"));
    let error = error_of("(module (func (result i32)))", &Features::all());
    assert_eq!((error.function(), error.function_name()), (Some(0), None));
}

#[test]
fn an_error_outside_of_bodies_names_the_section() {
    for (text, section) in [
        ("(memory 70000)", "memory"),
        ("(global i32 (i64.const 1))", "global"),
        (r#"(export "a" (func 0))"#, "export"),
        (
            r#"(func) (export "a" (func 0)) (export "a" (func 0))"#,
            "export",
        ),
        ("(func (param i32)) (start 0)", "start"),
        (
            "(table 1 externref) (func) (elem (i32.const 0) func 0)",
            "element",
        ),
        (r#"(data (i32.const 0) "")"#, "data"),
    ] {
        let error = error_of(text, &Features::all());
        assert_eq!(error.kind(), ModuleErrorKind::Invalid, "{text}: {error}");
        assert_eq!(error.section(), Some(section), "{text}: {error}");
        assert_eq!(error.function(), None, "{text}: {error}");
    }
}

#[test]
fn an_error_in_the_text_shows_the_place() {
    let error = error_of("(module\n  (func\n    i32.cons 1))", &Features::all());
    assert_eq!(
        (error.kind(), error.offset()),
        (ModuleErrorKind::Text, None)
    );
    let message = error.message();
    assert!(
        message.contains(":3:5") && message.contains("i32.cons 1"),
        "{message}"
    );
    let path = std::path::Path::new("demo.wat");
    let error = Module::parse_named(path, b"(modul)", &Features::all()).unwrap_err();
    assert!(error.message().contains("demo.wat:1:2"), "{error}");
}

#[test]
fn what_is_no_module_at_all_is_malformed() {
    for bytes in [
        &b""[..],
        b"\0",
        b"\0as",
        b"\0asm\x02\0\0\0",
        b"\x7fELF\x02\0",
        b"\xff\xfe(",
        b"GIF\0",
    ] {
        let error = Module::parse(bytes, &Features::all()).unwrap_err();
        assert_eq!(
            error.kind(),
            ModuleErrorKind::Malformed,
            "{bytes:?}: {error}"
        );
    }
    // Text is not looked for where a binary is wanted.
    let error = Module::parse_binary(&b"(module)"[..], &Features::all()).unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (ModuleErrorKind::Malformed, Some(0))
    );
}

#[test]
fn each_switch_allows_what_it_says() {
    let all = Features::all();
    for (text, switch, without) in [
        (
            r#"(import "" "" (global (mut i32)))"#,
            "mutable_globals",
            Features {
                mutable_globals: false,
                ..all
            },
        ),
        (
            "(func (drop (i32.trunc_sat_f32_s (f32.const 1))))",
            "saturating_float_to_int",
            Features {
                saturating_float_to_int: false,
                ..all
            },
        ),
        (
            "(func (drop (i32.extend8_s (i32.const 1))))",
            "sign_extension",
            Features {
                sign_extension: false,
                ..all
            },
        ),
        (
            "(func (result i32 i32) unreachable)",
            "multi_value",
            Features {
                multi_value: false,
                ..all
            },
        ),
        (
            "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))",
            "bulk_memory",
            Features {
                bulk_memory: false,
                ..all
            },
        ),
        (
            r#"(data "")"#,
            "bulk_memory",
            Features {
                bulk_memory: false,
                ..all
            },
        ),
        (
            "(func (param externref))",
            "reference_types",
            Features {
                reference_types: false,
                ..all
            },
        ),
        (
            "(table 1 funcref) (table 1 funcref)",
            "reference_types",
            Features {
                reference_types: false,
                ..all
            },
        ),
        (
            "(func (local v128))",
            "simd",
            Features { simd: false, ..all },
        ),
        (
            "(memory 1) (memory 1)",
            "multi_memory",
            Features {
                multi_memory: false,
                ..all
            },
        ),
        (
            "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
            "extended_const",
            Features {
                extended_const: false,
                ..all
            },
        ),
    ] {
        parse(text);
        let error = error_of(text, &without);
        let kind = ModuleErrorKind::Unsupported {
            proposal: switch,
            switch: Some(switch),
        };
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert!(
            error.to_string().contains(&format!("feature `{switch}`")),
            "{error}"
        );
    }
}

#[test]
fn proposals_without_a_switch_are_named() {
    for (text, name) in [
        ("(memory i64 1)", "64-bit memories"),
        ("(memory 1 1 shared)", "threads"),
        ("(func return_call 0)", "tail calls"),
        ("(tag)", "exceptions"),
        ("(type (struct))", "garbage collection"),
        ("(func (param (ref func)))", "typed function references"),
        ("(memory 1 (pagesize 1))", "custom page sizes"),
        ("(component)", "the component model"),
    ] {
        let error = error_of(text, &Features::all());
        let kind = ModuleErrorKind::Unsupported {
            proposal: name,
            switch: None,
        };
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_huge_declared_count_is_an_error_at_once() {
    // Four bytes of LEB128 say 268 million items; two are there.
    let items = [0xff, 0xff, 0xff, 0x7f, 0, 0];
    for id in (1..=11).filter(|&id| id != 8) {
        let mut binary = b"\0asm\x01\0\0\0".to_vec();
        binary.extend([id, items.len() as u8]);
        binary.extend(items);
        let error = Module::parse(&binary, &Features::all()).unwrap_err();
        assert_eq!(
            error.kind(),
            ModuleErrorKind::Malformed,
            "section {id}: {error}"
        );
    }
    // As many locals in one body, and as many parameters of one type.
    let body = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x0a\x01\x08\x01\xff\xff\xff\x7f\x7f\x0b";
    let mut body = body.to_vec();
    // Sizes of the section and the body, which has the count of groups, five bytes of a group, and `end`.
    let at = body.len() - 10;
    body[at..at + 3].copy_from_slice(&[9, 1, 7]);
    let error = Module::parse(&body, &Features::all()).unwrap_err();
    assert_eq!(
        (error.kind(), error.function()),
        (ModuleErrorKind::TooLarge, Some(0)),
        "{error}"
    );
    let many = format!("(func (param {}))", "i32 ".repeat(1001));
    assert_eq!(
        error_of(&many, &Features::all()).kind(),
        ModuleErrorKind::TooLarge
    );
}

#[test]
fn what_an_instance_takes_is_known_before_there_is_one() {
    let module = parse(
        r#"(module (import "a" "memory" (memory 7)) (import "a" "table" (table 7 funcref))
             (memory 1 3) (memory 2 5) (table 4 funcref) (table 5 9 externref))"#,
    );
    let required = module.resources_required();
    assert_eq!((required.memories, required.tables), (2, 2));
    assert_eq!(required.memory_bytes, 3 << 16);
    assert_eq!(required.max_memory_bytes, Some(8 << 16));
    assert_eq!(required.table_elements, 9);
    assert_eq!(required.max_table_elements, None);
    assert_eq!(required.total_bytes(), (3 << 16) + 9 * 8);
    assert_eq!(
        parse("(module)").resources_required(),
        ResourcesRequired {
            max_memory_bytes: Some(0),
            max_table_elements: Some(0),
            ..ResourcesRequired::default()
        }
    );
}
