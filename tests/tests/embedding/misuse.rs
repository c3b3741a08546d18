//! Objects used with a store or an engine that is not theirs: an error that names both.

use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift::{
    Engine, Error, ErrorKind, Extern, ExternRef, Func, Global, GlobalType, Instance, Linker,
    Memory, MemoryType, Module, Mutability, Ref, RefType, Result, Store, Table, TableType, Val,
    ValType,
};

/// One object of each kind, all of one store.
struct Objects {
    func: Func,
    memory: Memory,
    table: Table,
    global: Global,
    value: ExternRef,
    instance: Instance,
}

impl Objects {
    fn new(store: &mut Store<()>) -> Self {
        let engine = store.engine().clone();
        let module = Module::new(&engine, r#"(module (func (export "f")))"#).unwrap();
        let table = TableType::new(RefType::FUNCREF, 1, None);
        let global = GlobalType::new(ValType::FuncRef, Mutability::Var);
        Self {
            func: Func::wrap(&mut *store, || {}),
            memory: Memory::new(&mut *store, MemoryType::new(1, None)).unwrap(),
            table: Table::new(&mut *store, table, Ref::Func(None)).unwrap(),
            global: Global::new(&mut *store, global, Val::FuncRef(None)).unwrap(),
            value: ExternRef::new(&mut *store, 1).unwrap(),
            instance: Instance::new(&mut *store, &module, &[]).unwrap(),
        }
    }
}

#[track_caller]
fn assert_wrong_store<T>(result: Result<T>) {
    let Err(error) = result else {
        panic!("an object of another store was accepted")
    };
    let ErrorKind::WrongStore {
        object,
        owner,
        store,
    } = error.kind()
    else {
        panic!("{error}")
    };
    assert_ne!(owner, store);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!(
            "this {object} belongs to store {owner}, but was used with store {store}"
        )),
        "{text}"
    );
}

#[test]
fn another_store_is_an_error() {
    let engine = Engine::default();
    let mut home = Store::new(&engine, ());
    let there = Objects::new(&mut home);
    let mut store = Store::new(&engine, ());
    let here = Objects::new(&mut store);

    assert_wrong_store(there.func.call(&mut store, &[], &mut []));
    assert_wrong_store(there.func.typed::<(), ()>(&store));
    let typed = there.func.typed::<(), ()>(&home).unwrap();
    assert_wrong_store(typed.call(&mut store, ()));
    assert_wrong_store(there.memory.read(&store, 0, &mut [0]));
    assert_wrong_store(there.memory.write(&mut store, 0, &[0]));
    assert_wrong_store(there.memory.grow(&mut store, 1));
    assert_wrong_store(there.table.get(&store, 0));
    assert_wrong_store(there.table.set(&mut store, 0, Ref::Func(None)));
    assert_wrong_store(there.table.fill(&mut store, 0, Ref::Func(None), 1));
    assert_wrong_store(there.table.grow(&mut store, 1, Ref::Func(None)));
    assert_wrong_store(Table::copy(&mut store, &there.table, 0, &here.table, 0, 1));
    assert_wrong_store(Table::copy(&mut store, &here.table, 0, &there.table, 0, 1));
    assert_wrong_store(there.global.get(&store));
    assert_wrong_store(there.global.set(&mut store, Val::FuncRef(None)));
    assert_wrong_store(there.value.data(&store).map(|_| ()));
    assert_wrong_store(there.instance.get_typed_func::<(), ()>(&store, "f"));

    let mut linker = Linker::new(&engine);
    assert_wrong_store(linker.define(&store, "", "", there.func).map(|_| ()));
    assert_wrong_store(linker.instance(&mut store, "", there.instance).map(|_| ()));
}

#[test]
fn a_value_of_another_store_is_an_error() {
    let engine = Engine::default();
    let mut home = Store::new(&engine, ());
    let there = Objects::new(&mut home);
    let mut store = Store::new(&engine, ());
    let here = Objects::new(&mut store);

    assert_wrong_store(here.table.set(&mut store, 0, there.func.into()));
    assert_wrong_store(here.table.grow(&mut store, 1, there.func.into()));
    assert_wrong_store(here.global.set(&mut store, there.func.into()));
    let ty = TableType::new(RefType::EXTERNREF, 1, None);
    assert_wrong_store(Table::new(&mut store, ty, there.value.into()));
    let ty = GlobalType::new(ValType::ExternRef, Mutability::Const);
    assert_wrong_store(Global::new(&mut store, ty, there.value.into()));

    let takes = Func::wrap(&mut store, |_: Option<Func>, _: Option<ExternRef>| {});
    let typed = takes
        .typed::<(Option<Func>, Option<ExternRef>), ()>(&store)
        .unwrap();
    assert_wrong_store(typed.call(&mut store, (Some(there.func), None)));
    assert_wrong_store(typed.call(&mut store, (None, Some(there.value))));
    typed
        .call(&mut store, (Some(here.func), Some(here.value)))
        .unwrap();
    let params = [Val::FuncRef(None), there.value.into()];
    assert_wrong_store(takes.call(&mut store, &params, &mut []));
}

#[test]
fn imports_of_another_store_are_an_error() {
    let engine = Engine::default();
    let mut home = Store::new(&engine, ());
    let there = Objects::new(&mut home);
    let module = Module::new(&engine, r#"(module (import "" "f" (func)))"#).unwrap();
    let mut store = Store::new(&engine, ());
    assert_wrong_store(Instance::new(&mut store, &module, &[there.func.into()]));
    let mut linker = Linker::new(&engine);
    linker.define(&home, "", "f", there.func).unwrap();
    assert_wrong_store(linker.instantiate(&mut store, &module));
    linker.instantiate(&mut home, &module).unwrap();
    // Also when something else is missing.
    let module = Module::new(
        &engine,
        r#"(module (import "" "f" (func)) (import "" "g" (func)))"#,
    )
    .unwrap();
    assert_wrong_store(linker.instantiate(&mut store, &module));
}

#[test]
fn another_engine_is_an_error() {
    let (engine, other) = (Engine::default(), Engine::default());
    let module = Module::new(&other, "(module)").unwrap();
    let mut store = Store::new(&engine, ());
    let mut foreign = Store::new(&other, ());
    let check = |result: Result<Instance, Error>| {
        let error = result.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::WrongEngine { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("belongs to engine"), "{error}");
    };
    check(Instance::new(&mut store, &module, &[]));
    check(Linker::new(&engine).instantiate(&mut store, &module));
    check(Linker::new(&other).instantiate(&mut store, &module));
    check(Linker::new(&engine).instantiate(&mut foreign, &module));
    Linker::new(&other)
        .instantiate(&mut foreign, &module)
        .unwrap();
}

/// Methods that return no `Result` panic, and say why.
#[test]
fn what_cannot_be_an_error_panics_with_the_same_words() {
    let engine = Engine::default();
    let mut home = Store::new(&engine, ());
    let there = Objects::new(&mut home);
    let mut store = Store::new(&engine, ());
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    type Misuse<'a> = &'a mut dyn FnMut(&mut Store<()>);
    let misuses: [Misuse<'_>; 12] = [
        &mut |store| drop(there.func.ty(store)),
        &mut |store| drop(there.memory.ty(store).minimum().to_string()),
        &mut |store| drop(there.memory.size(store).to_string()),
        &mut |store| drop(there.memory.data_size(store).to_string()),
        &mut |store| drop(there.memory.data(store).to_vec()),
        &mut |store| there.memory.data_mut(store).fill(0),
        &mut |store| drop(there.table.ty(store).to_string()),
        &mut |store| drop(there.table.size(store).to_string()),
        &mut |store| drop(there.global.ty(store).to_string()),
        &mut |store| drop(there.instance.get_export(store, "f").is_some().to_string()),
        &mut |store| drop(there.instance.exports(store).len().to_string()),
        &mut |store| drop(Extern::from(there.memory).ty(store)),
    ];
    let mut messages = Vec::new();
    for misuse in misuses {
        let result = catch_unwind(AssertUnwindSafe(|| misuse(&mut store)));
        messages.push(result.err().map(|payload| payload.downcast::<String>()));
    }
    std::panic::set_hook(hook);
    for message in messages {
        let text = message.expect("a panic").expect("a text");
        assert!(text.contains("belongs to store"), "{text}");
    }
}
