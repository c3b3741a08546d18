//! Memories, tables, globals and host values, shared between guest and host.

use upshift::{
    Engine, ErrorKind, ExternRef, Func, Global, GlobalType, Instance, Memory, MemoryType, Module,
    Mutability, Ref, RefType, Store, Table, TableType, Val, ValType,
};

#[test]
fn guest_and_host_see_the_same_memory() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
             (import "" "memory" (memory 1))
             (func (export "sum") (param i32) (result i32) (local i32)
               (loop
                 (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                 (local.set 1 (i32.add (local.get 1) (i32.load8_u (local.get 0))))
                 (br_if 0 (local.get 0)))
               (local.get 1))
             (func (export "grow") (drop (memory.grow (i32.const 1)))
               (i32.store (i32.const 65536) (i32.const 77))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, [1_u8, 2, 3, 4]);
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(2))).unwrap();
    let instance = Instance::new(&mut store, &module, &[memory.into()]).unwrap();
    let sum = instance
        .get_typed_func::<i32, i32>(&mut store, "sum")
        .unwrap();
    memory.write(&mut store, 0, &[10, 20, 30]).unwrap();
    assert_eq!(sum.call(&mut store, 4).unwrap(), 60);
    let (bytes, data) = memory.data_and_store_mut(&mut store);
    bytes[..4].copy_from_slice(data);
    assert_eq!(sum.call(&mut store, 4).unwrap(), 10);

    let before = memory.data_ptr(&store);
    let grow = instance
        .get_typed_func::<(), ()>(&mut store, "grow")
        .unwrap();
    grow.call(&mut store, ()).unwrap();
    assert_eq!(memory.data_ptr(&store), before);
    assert_eq!(
        (memory.size(&store), memory.data_size(&store)),
        (2, 131_072)
    );
    assert_eq!(memory.data(&store)[65536], 77);
    assert_eq!(memory.ty(&store).minimum(), 2);
    assert!(memory.grow(&mut store, 1).is_err());
    assert!(grow.call(&mut store, ()).is_ok());
}

#[test]
fn reads_and_writes_check_bounds() {
    let mut store = Store::new(&Engine::default(), ());
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    for (offset, length) in [(65536, 1), (65535, 2), (usize::MAX, 1), (usize::MAX - 3, 8)] {
        let error = memory
            .read(&store, offset, &mut vec![0; length])
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::OutOfBounds { size: 65536, .. }),
            "{error}"
        );
        let error = memory
            .write(&mut store, offset, &vec![0; length])
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::OutOfBounds { .. }),
            "{error}"
        );
    }
    memory.read(&store, 65536, &mut []).unwrap();
    assert_eq!(
        memory
            .write(&mut store, 65530, b"too long")
            .unwrap_err()
            .to_string(),
        "a write of 8 bytes at 65530 is outside of the memory, which has 65536"
    );
}

#[test]
fn guest_and_host_see_the_same_table() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
             (table (export "table") 2 5 funcref)
             (elem (i32.const 0) $one)
             (func $one (result i32) (i32.const 1))
             (func (export "call") (param i32) (result i32)
               (call_indirect (result i32) (local.get 0)))
             (func (export "size") (result i32) (table.size 0)))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let table = instance.get_table(&mut store, "table").unwrap();
    let call = instance
        .get_typed_func::<i32, i32>(&mut store, "call")
        .unwrap();
    assert_eq!(call.call(&mut store, 0).unwrap(), 1);
    let seven = Func::wrap(&mut store, || 7);
    table.set(&mut store, 1, seven.into()).unwrap();
    assert_eq!(call.call(&mut store, 1).unwrap(), 7);
    assert_eq!(table.grow(&mut store, 2, seven.into()).unwrap(), 2);
    assert_eq!(call.call(&mut store, 3).unwrap(), 7);
    let size = instance
        .get_typed_func::<(), i32>(&mut store, "size")
        .unwrap();
    assert_eq!(size.call(&mut store, ()).unwrap(), 4);
    Table::copy(&mut store, &table, 1, &table, 0, 3).unwrap();
    assert_eq!(call.call(&mut store, 1).unwrap(), 1);
    table.fill(&mut store, 0, Ref::Func(None), 2).unwrap();
    assert!(table.get(&store, 0).unwrap().unwrap().is_null());
    let one = table.get(&store, 2).unwrap().unwrap().as_func().flatten();
    assert!(one.is_some());

    assert!(table.get(&store, 4).unwrap().is_none());
    for result in [
        table.set(&mut store, 4, seven.into()),
        table.fill(&mut store, 3, seven.into(), 2),
        Table::copy(&mut store, &table, 0, &table, 2, 3),
    ] {
        let error = result.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::OutOfBounds { size: 4, .. }),
            "{error}"
        );
    }
    for delta in [2, u64::from(u32::MAX), u64::MAX] {
        assert!(table.grow(&mut store, delta, seven.into()).is_err());
    }
    let error = table.set(&mut store, 0, Ref::Extern(None)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the table holds funcref, but was given a externref"
    );
}

#[test]
fn guest_and_host_see_the_same_globals_of_every_type() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
             (global (export "i32") (mut i32) (i32.const -1))
             (global (export "i64") (mut i64) (i64.const -2))
             (global (export "f32") (mut f32) (f32.const 0.5))
             (global (export "f64") (mut f64) (f64.const 0.25))
             (global (export "v128") (mut v128) (v128.const i32x4 1 2 3 4))
             (global (export "funcref") (mut funcref) (ref.null func))
             (global (export "externref") (mut externref) (ref.null extern))
             (global (export "constant") i32 (i32.const 9))
             (func (export "bump")
               (global.set 0 (i32.add (global.get 0) (i32.const 10)))
               (global.set 3 (f64.add (global.get 3) (f64.const 1)))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let value = ExternRef::new(&mut store, "value").unwrap();
    let func = Func::wrap(&mut store, || {});
    let news = [
        ("i32", Val::I32(5)),
        ("i64", Val::I64(6)),
        ("f32", Val::from(7.0_f32)),
        ("f64", Val::from(8.0)),
        ("v128", Val::V128((9 << 100).into())),
        ("funcref", func.into()),
        ("externref", value.into()),
    ];
    let bump = instance
        .get_typed_func::<(), ()>(&mut store, "bump")
        .unwrap();
    bump.call(&mut store, ()).unwrap();
    let get = |store: &Store<()>, name| {
        instance
            .get_global(store, name)
            .unwrap()
            .get(store)
            .unwrap()
    };
    assert_eq!(get(&store, "i32").unwrap_i32(), 9);
    assert_eq!(get(&store, "f64").unwrap_f64(), 1.25);
    assert_eq!(
        get(&store, "v128").unwrap_v128().as_u128(),
        4 << 96 | 3 << 64 | 2 << 32 | 1
    );
    for (name, new) in news {
        let global = instance.get_global(&mut store, name).unwrap();
        assert_eq!(global.ty(&store).content(), new.ty());
        global.set(&mut store, new).unwrap();
        assert_eq!(format!("{:?}", get(&store, name)), format!("{new:?}"));
    }
    bump.call(&mut store, ()).unwrap();
    assert_eq!(get(&store, "i32").unwrap_i32(), 15);
    let back = get(&store, "externref").unwrap_externref().unwrap();
    assert_eq!(
        back.data(&store).unwrap().unwrap().downcast_ref(),
        Some(&"value")
    );

    let constant = instance.get_global(&mut store, "constant").unwrap();
    assert_eq!(constant.ty(&store).mutability(), Mutability::Const);
    let error = constant.set(&mut store, Val::I32(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "(global i32) is a constant: it can't be set"
    );
    let error = instance
        .get_global(&mut store, "i32")
        .unwrap()
        .set(&mut store, Val::I64(1));
    assert_eq!(
        error.unwrap_err().to_string(),
        "(global (mut i32)) can't have a value of type i64"
    );
}

#[test]
fn types_that_make_no_sense_are_refused() {
    let mut store = Store::new(&Engine::default(), ());
    for ty in [
        MemoryType::new(2, Some(1)),
        MemoryType::new(65537, None),
        MemoryType::new(1, Some(65537)),
    ] {
        let error = Memory::new(&mut store, ty).unwrap_err();
        assert!(error.to_string().contains("is not a type"), "{error}");
    }
    let ty = TableType::new(RefType::FUNCREF, 2, Some(1));
    assert!(Table::new(&mut store, ty, Ref::Func(None)).is_err());
    let ty = TableType::new(RefType::FUNCREF, 1, None);
    assert!(Table::new(&mut store, ty, Ref::Extern(None)).is_err());
    let ty = GlobalType::new(ValType::I32, Mutability::Const);
    assert!(Global::new(&mut store, ty, Val::F32(0)).is_err());
}

#[test]
fn host_values_are_freed_with_their_store() {
    use std::sync::Arc;
    let value = Arc::new(());
    let mut store = Store::new(&Engine::default(), ());
    for _ in 0..1000 {
        ExternRef::new(&mut store, Arc::clone(&value)).unwrap();
    }
    assert_eq!(Arc::strong_count(&value), 1001);
    drop(store);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn stores_free_what_host_functions_hold_and_give_data_back() {
    use std::sync::Arc;
    let value = Arc::new(5);
    let engine = Engine::default();
    let mut store = Store::new(&engine, Arc::clone(&value));
    let captured = Arc::clone(&value);
    let func = Func::wrap(&mut store, move || *captured);
    let module = Module::new(
        &engine,
        r#"(module (import "" "" (func (result i32))) (start 1) (func (drop (call 0))))"#,
    )
    .unwrap();
    Instance::new(&mut store, &module, &[func.into()]).unwrap();
    assert_eq!(Arc::strong_count(&value), 3);
    let data = store.into_data();
    assert_eq!(Arc::strong_count(&value), 2);
    drop(data);
    assert_eq!(Arc::strong_count(&value), 1);
}
