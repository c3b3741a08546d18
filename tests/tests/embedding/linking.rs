//! Linkers and imports: what fits, what does not, and what is said then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use upshift::{
    Engine, ErrorKind, Extern, Func, FuncType, Global, GlobalType, Instance, LinkProblem, Linker,
    Memory, MemoryType, Module, Mutability, Ref, RefType, Resource, Store, Table, TableType, Val,
    ValType,
};

#[test]
fn all_four_kinds_are_shared_between_instances() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let library = Module::new(
        &engine,
        r#"(module
             (memory (export "memory") 1)
             (table (export "table") 2 funcref)
             (global (export "count") (mut i32) (i32.const 0))
             (elem (i32.const 1) $bump)
             (func $bump (export "bump") (result i32)
               (global.set 0 (i32.add (global.get 0) (i32.const 1)))
               (i32.store8 (global.get 0) (i32.const 65))
               (global.get 0)))"#,
    )
    .unwrap();
    linker.module(&mut store, "library", &library).unwrap();
    let user = Module::new(
        &engine,
        r#"(module
             (import "library" "bump" (func $bump (result i32)))
             (import "library" "memory" (memory 1))
             (import "library" "table" (table 2 funcref))
             (import "library" "count" (global $count (mut i32)))
             (func (export "run") (result i32 i32 i32)
               (drop (call $bump))
               (drop (call_indirect (result i32) (i32.const 1)))
               (global.set $count (i32.mul (global.get $count) (i32.const 10)))
               (call $bump) (i32.load8_u (i32.const 2)) (global.get $count)))"#,
    )
    .unwrap();
    let user = linker.instantiate(&mut store, &user).unwrap();
    let run = user
        .get_typed_func::<(), (i32, i32, i32)>(&mut store, "run")
        .unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), (21, 65, 21));
    let Some(Extern::Global(count)) = linker.get(&mut store, "library", "count") else {
        panic!()
    };
    assert_eq!(count.get(&store).unwrap().unwrap_i32(), 21);
}

const WANTS: &str = r#"(module
  (import "env" "func" (func (param i32) (result f64)))
  (import "env" "memory" (memory 2 3))
  (import "env" "table" (table 1 2 funcref))
  (import "env" "global" (global (mut i64))))"#;

#[test]
fn unknown_imports_are_all_listed() {
    let engine = Engine::default();
    let module = Module::new(&engine, WANTS).unwrap();
    let mut store = Store::new(&engine, ());
    let error = Linker::new(&engine)
        .instantiate(&mut store, &module)
        .unwrap_err();
    let text = error.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "4 imports do not fit:");
    let tail = ", but nothing of that name is defined";
    assert_eq!(
        lines[1],
        format!("  unknown import `env::func`: wanted function (i32) -> (f64){tail}")
    );
    assert_eq!(
        lines[2],
        format!("  unknown import `env::memory`: wanted (memory 2 3){tail}")
    );
    assert_eq!(
        lines[3],
        format!("  unknown import `env::table`: wanted (table 1 2 funcref){tail}")
    );
    assert_eq!(
        lines[4],
        format!("  unknown import `env::global`: wanted (global (mut i64)){tail}")
    );
    let problems = error.as_link().unwrap().problems();
    assert!(matches!(&problems[1], LinkProblem::Unknown { name, .. } if name == "memory"));
}

#[test]
fn definitions_are_checked_by_type_and_messages_show_both() {
    let engine = Engine::default();
    let module = Module::new(&engine, WANTS).unwrap();
    let mut store = Store::new(&engine, ());
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(3))).unwrap();
    let ty = TableType::new(RefType::EXTERNREF, 1, Some(2));
    let table = Table::new(&mut store, ty, Ref::Extern(None)).unwrap();
    let ty = GlobalType::new(ValType::I64, Mutability::Const);
    let global = Global::new(&mut store, ty, Val::I64(0)).unwrap();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("env", "func", |_: i32| 1_f32)
        .unwrap()
        .define(&store, "env", "memory", memory)
        .unwrap()
        .define(&store, "env", "table", table)
        .unwrap()
        .define(&store, "env", "global", global)
        .unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    let lines: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
    let line = |name: &str, wanted: &str, given: &str| {
        format!("  incompatible import type for `env::{name}`: wanted {wanted}, given {given}")
    };
    assert_eq!(
        lines[1],
        line("func", "function (i32) -> (f64)", "function (i32) -> (f32)")
    );
    assert_eq!(lines[2], line("memory", "(memory 2 3)", "(memory 1 3)"));
    assert_eq!(
        lines[3],
        line("table", "(table 1 2 funcref)", "(table 1 2 externref)")
    );
    assert_eq!(
        lines[4],
        line("global", "(global (mut i64))", "(global i64)")
    );

    // Another kind altogether; one problem is one line.
    linker.allow_shadowing(true);
    memory.grow(&mut store, 1).unwrap(); // what has grown fits
    linker.func_wrap("env", "func", |_: i32| 1_f64).unwrap();
    let ty = TableType::new(RefType::FUNCREF, 1, Some(2));
    let table = Table::new(&mut store, ty, Ref::Func(None)).unwrap();
    linker.define(&store, "env", "table", table).unwrap();
    linker.define(&store, "env", "global", memory).unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    assert_eq!(
        error.to_string(),
        line("global", "(global (mut i64))", "(memory 2 3)").trim_start()
    );

    let ty = GlobalType::new(ValType::I64, Mutability::Var);
    let global = Global::new(&mut store, ty, Val::I64(0)).unwrap();
    linker.define(&store, "env", "global", global).unwrap();
    linker.instantiate(&mut store, &module).unwrap();
}

#[test]
fn unknown_and_incompatible_imports_are_listed_together() {
    let engine = Engine::default();
    let module = Module::new(&engine, WANTS).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("env", "func", || {}).unwrap();
    linker.func_wrap("env", "table", || {}).unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    let problems = error.as_link().unwrap().problems();
    assert!(matches!(
        problems,
        [
            LinkProblem::Incompatible { .. },
            LinkProblem::Unknown { .. },
            LinkProblem::Incompatible { .. },
            LinkProblem::Unknown { .. },
        ]
    ));
}

#[test]
fn lists_of_imports_must_have_the_right_length() {
    let engine = Engine::default();
    let module = Module::new(&engine, WANTS).unwrap();
    let mut store = Store::new(&engine, ());
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "wrong number of imports: the module wants 4, given 0"
    );
}

#[test]
fn names_are_defined_once_unless_shadowing_is_allowed() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("a", "f", || 1).unwrap();
    let error = linker.func_wrap("a", "f", || 2).unwrap_err();
    assert!(
        error.to_string().starts_with("`a::f` is defined already"),
        "{error}"
    );
    let ty = FuncType::new([], []);
    assert!(linker.func_new("a", "f", ty, |_, _, _| Ok(())).is_err());
    let module = Module::new(
        &engine,
        r#"(module (func (export "g")) (func (export "f")))"#,
    )
    .unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    assert!(linker.instance(&mut store, "a", instance).is_err());
    assert!(
        linker.get(&mut store, "a", "g").is_none(),
        "all of an instance or nothing"
    );

    linker.allow_shadowing(true);
    linker.func_wrap("a", "f", || 2).unwrap();
    let f = linker
        .get(&mut store, "a", "f")
        .unwrap()
        .into_func()
        .unwrap();
    assert_eq!(
        f.typed::<(), i32>(&store)
            .unwrap()
            .call(&mut store, ())
            .unwrap(),
        2
    );
    linker.instance(&mut store, "a", instance).unwrap();
    assert!(linker.get(&mut store, "a", "g").is_some());
}

#[test]
fn definitions_can_be_found_listed_and_aliased() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("a", "f", || 1)
        .unwrap()
        .alias("a", "f", "b", "g")
        .unwrap();
    let error = linker.alias("a", "none", "b", "h").unwrap_err();
    assert_eq!(error.to_string(), "nothing named `a::none` is defined");
    assert!(linker.alias("a", "f", "b", "g").is_err());
    let mut names: Vec<_> = linker
        .iter(&mut store)
        .map(|(module, name, _)| (module, name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, [("a", "f"), ("b", "g")]);
    assert!(linker.get(&mut store, "a", "g").is_none());
    let module = Module::new(&engine, r#"(module (import "b" "g" (func (result i32))))"#).unwrap();
    let import = module.imports().next().unwrap();
    assert!(linker.get_by_import(&mut store, &import).is_some());
}

#[test]
fn a_host_function_is_made_once_a_store() {
    let engine = Engine::default();
    let mut linker = Linker::<u32>::new(&engine);
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    linker
        .func_wrap("", "f", move || {
            counter.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    let module = Module::new(&engine, r#"(module (import "" "f" (func)) (start 0))"#).unwrap();
    let mut stores = [Store::new(&engine, 0), Store::new(&engine, 1)];
    for store in &mut stores {
        let first = linker
            .get(&mut *store, "", "f")
            .unwrap()
            .into_func()
            .unwrap();
        for _ in 0..10 {
            linker.instantiate(&mut *store, &module).unwrap();
        }
        assert_eq!(
            linker.get(&mut *store, "", "f").unwrap().into_func(),
            Some(first)
        );
    }
    assert_eq!(calls.load(Ordering::Relaxed), 20);
    drop(stores);
    drop(linker);
    assert_eq!(Arc::strong_count(&calls), 1);
}

#[test]
fn imports_can_be_found_ahead_of_many_instantiations() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (import "" "f" (func (result i32))) (import "" "g" (func (result i32)))
             (func (export "run") (result i32) (i32.add (call 0) (call 1))))"#,
    )
    .unwrap();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("", "f", || 1).unwrap();
    let error = linker.instantiate_pre(&module).unwrap_err();
    assert!(
        error.to_string().starts_with("unknown import `::g`"),
        "{error}"
    );
    linker.func_wrap("", "g", || 2).unwrap();
    let ready = linker.instantiate_pre(&module).unwrap();
    // What the linker is told later does not matter.
    linker
        .allow_shadowing(true)
        .func_wrap("", "g", || 7_i64)
        .unwrap();
    for _ in 0..3 {
        let mut store = Store::new(ready.module().engine(), ());
        let instance = ready.instantiate(&mut store).unwrap();
        let run = instance
            .get_typed_func::<(), i32>(&mut store, "run")
            .unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 3);
    }
    let wrong = linker.instantiate_pre(&module).unwrap();
    let mut store = Store::new(&engine, ());
    let error = wrong.instantiate(&mut store).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("wanted function () -> (i32), given function () -> (i64)")
    );
    let mut foreign = Store::new(&Engine::default(), ());
    let error = ready.instantiate(&mut foreign).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WrongEngine { .. }));
}

#[test]
fn start_functions_run_and_may_fail() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, 0);
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap(
            "",
            "note",
            |mut caller: upshift::Caller<'_, i32>, value: i32| {
                *caller.data_mut() = value;
            },
        )
        .unwrap();
    let text = |then: &str| {
        format!(
            r#"(module (import "" "note" (func $note (param i32)))
                 (start $s) (func $s (call $note (i32.const 9)) {then}))"#
        )
    };
    let module = Module::new(&engine, text("")).unwrap();
    linker.instantiate(&mut store, &module).unwrap();
    assert_eq!(*store.data(), 9);
    let module = Module::new(&engine, text("unreachable")).unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    assert_eq!(
        error.as_trap().unwrap().backtrace().frames()[0]
            .func_name()
            .unwrap(),
        "s"
    );
}

#[test]
fn a_link_error_leaves_nothing_behind() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let module = Module::new(
        &engine,
        r#"(module (import "" "table" (table 1 funcref)) (import "" "f" (func (param i32)))
             (memory 10) (table 10 funcref) (elem (table 0) (i32.const 0) func 0))"#,
    )
    .unwrap();
    let ty = TableType::new(RefType::FUNCREF, 1, None);
    let table = Table::new(&mut store, ty, Ref::Func(None)).unwrap();
    let wrong = Func::wrap(&mut store, || {});
    let used = |store: &Store<()>| {
        [
            Resource::Instances,
            Resource::Memories,
            Resource::MemoryBytes,
            Resource::Tables,
        ]
        .map(|resource| store.used(resource))
    };
    let before = used(&store);
    let error = Instance::new(&mut store, &module, &[table.into(), wrong.into()]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Link(_)));
    assert_eq!(used(&store), before);
    assert!(table.get(&store, 0).unwrap().unwrap().is_null());
}

#[test]
fn a_trap_at_instantiation_keeps_what_was_written_until_then() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let module = Module::new(
        &engine,
        r#"(module (import "" "table" (table 2 funcref)) (memory 1)
             (elem (i32.const 1) $f) (data (i32.const 65536) "x")
             (func $f (result i32) (i32.const 5)))"#,
    )
    .unwrap();
    let ty = TableType::new(RefType::FUNCREF, 2, None);
    let table = Table::new(&mut store, ty, Ref::Func(None)).unwrap();
    let error = Instance::new(&mut store, &module, &[table.into()]).unwrap_err();
    assert!(
        error.to_string().starts_with("out of bounds memory access"),
        "{error}"
    );
    drop(module);
    let f = table
        .get(&store, 1)
        .unwrap()
        .unwrap()
        .as_func()
        .flatten()
        .unwrap();
    assert_eq!(
        f.typed::<(), i32>(&store)
            .unwrap()
            .call(&mut store, ())
            .unwrap(),
        5
    );
}

#[test]
fn exports_are_iterated_in_the_modules_order() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let module = Module::new(
        &engine,
        r#"(module (func (export "z")) (memory (export "a") 1) (global (export "m") i32 (i32.const 1))
             (table (export "b") 1 externref))"#,
    )
    .unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let exports: Vec<_> = instance
        .exports(&mut store)
        .map(|export| (export.name().to_owned(), export.into_extern()))
        .collect();
    let text: Vec<_> = exports
        .iter()
        .map(|(name, item)| format!("{name} {}", item.ty(&store)))
        .collect();
    assert_eq!(
        text,
        [
            "z function () -> ()",
            "a (memory 1)",
            "m (global i32)",
            "b (table 1 externref)"
        ]
    );
    assert_eq!(instance.exports(&mut store).len(), 4);
    assert!(
        instance
            .exports(&mut store)
            .next()
            .unwrap()
            .into_func()
            .is_some()
    );
}
