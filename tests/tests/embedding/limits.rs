//! Limits on what a store may hold.

use upshift::{
    Engine, Error, ErrorKind, Instance, Memory, MemoryType, Module, Ref, RefType, Resource,
    ResourceLimits, Store, Table, TableType,
};

fn limited(error: &Error) -> Resource {
    let ErrorKind::Resource(resource) = error.kind() else {
        panic!("{error}")
    };
    resource
        .limit()
        .unwrap_or_else(|| panic!("{error}"))
        .resource
}

#[test]
fn memory_bytes_are_limited_over_all_memories() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    store.limits(ResourceLimits {
        memory_bytes: Some(3 << 16),
        ..Default::default()
    });
    let text = r#"(module (memory (export "memory") 1)
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
    let module = Module::new(&engine, text).unwrap();
    let first = Instance::new(&mut store, &module, &[]).unwrap();
    let second = Instance::new(&mut store, &module, &[]).unwrap();
    assert_eq!(store.used(Resource::MemoryBytes), 2 << 16);
    let grow = first
        .get_typed_func::<i32, i32>(&mut store, "grow")
        .unwrap();
    assert_eq!(grow.call(&mut store, 2).unwrap(), -1);
    assert_eq!(grow.call(&mut store, 1).unwrap(), 1);
    let memory = second.get_memory(&mut store, "memory").unwrap();
    let error = memory.grow(&mut store, 1).unwrap_err();
    assert_eq!(limited(&error), Resource::MemoryBytes);
    assert!(
        error
            .to_string()
            .contains("limit of 196608 bytes of memory is reached"),
        "{error}"
    );
    assert_eq!(
        limited(&Instance::new(&mut store, &module, &[]).unwrap_err()),
        Resource::MemoryBytes
    );
    let error = Memory::new(&mut store, MemoryType::new(1, None)).unwrap_err();
    assert_eq!(limited(&error), Resource::MemoryBytes);
    // What was refused was not counted, and limits can be raised.
    assert_eq!(store.used(Resource::MemoryBytes), 3 << 16);
    store.limits(ResourceLimits {
        memory_bytes: Some(4 << 16),
        ..Default::default()
    });
    assert_eq!(memory.grow(&mut store, 1).unwrap(), 1);
}

#[test]
fn table_elements_are_limited_over_all_tables() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    store.limits(ResourceLimits {
        table_elements: Some(10),
        ..Default::default()
    });
    let module = Module::new(
        &engine,
        r#"(module (table (export "t") 4 externref)
             (func (export "grow") (param i32) (result i32)
               (table.grow 0 (ref.null extern) (local.get 0))))"#,
    )
    .unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let grow = instance
        .get_typed_func::<i32, i32>(&mut store, "grow")
        .unwrap();
    assert_eq!(grow.call(&mut store, 7).unwrap(), -1);
    assert_eq!(grow.call(&mut store, 5).unwrap(), 4);
    let table = instance.get_table(&mut store, "t").unwrap();
    assert_eq!(table.grow(&mut store, 1, Ref::Extern(None)).unwrap(), 9);
    let error = table.grow(&mut store, 1, Ref::Extern(None)).unwrap_err();
    assert_eq!(limited(&error), Resource::TableElements);
    let ty = TableType::new(RefType::FUNCREF, 1, None);
    let error = Table::new(&mut store, ty, Ref::Func(None)).unwrap_err();
    assert_eq!(limited(&error), Resource::TableElements);
}

#[test]
fn instances_memories_and_tables_are_counted() {
    let engine = Engine::default();
    let module = Module::new(&engine, "(module (memory 0) (table 0 funcref))").unwrap();
    let none = ResourceLimits::default();
    for (limits, resource) in [
        (
            ResourceLimits {
                instances: Some(2),
                ..none
            },
            Resource::Instances,
        ),
        (
            ResourceLimits {
                memories: Some(2),
                ..none
            },
            Resource::Memories,
        ),
        (
            ResourceLimits {
                tables: Some(2),
                ..none
            },
            Resource::Tables,
        ),
    ] {
        let mut store = Store::new(&engine, ());
        store.limits(limits);
        for _ in 0..2 {
            Instance::new(&mut store, &module, &[]).unwrap();
        }
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert_eq!(limited(&error), resource);
        assert_eq!(store.used(resource), 2);
    }
}
