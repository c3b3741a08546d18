//! Instantiation without running code: segments, imports, limits, and the state after a failure.

use upshift_module::{Entity, GlobalType, MemoryType, TableType, ValType};

use super::*;
use crate::ResourceLimits;
use crate::test_support::{index, module, store, store_with};

struct Made<'a>(&'a Instance);

impl Made<'_> {
    fn export(&self, name: &str) -> ExternPtr {
        self.0
            .export(self.0.module().module.export(name).unwrap().entity)
    }

    fn byte(&self, at: u64) -> u8 {
        let mut byte = [0];
        // SAFETY: the store of the test is alive.
        unsafe { self.0.memory(index(0)).as_ref() }
            .read(at, &mut byte)
            .unwrap();
        byte[0]
    }

    fn element(&self, at: u64) -> u64 {
        // SAFETY: as above.
        unsafe { self.0.table(index(0)).as_ref() }.get(at).unwrap()
    }

    fn global(&self, number: usize) -> u128 {
        // SAFETY: as above.
        unsafe { self.0.global(index(number)).as_ref() }.get()
    }
}

fn try_make<'a>(
    store: &'a mut StoreCore,
    text: &str,
    imports: &[ExternPtr],
) -> Result<(Made<'a>, Instantiated), InstantiateError> {
    let module = module(text, store.types());
    // SAFETY: the imports are of this store, which is boxed.
    unsafe {
        let made = store.instantiate(&module, imports)?;
        Ok((Made(made.instance.as_ref()), made))
    }
}

fn make<'a>(
    store: &'a mut StoreCore,
    text: &str,
    imports: &[ExternPtr],
) -> (Made<'a>, Instantiated) {
    try_make(store, text, imports).unwrap()
}

#[test]
fn globals_get_their_initial_values() {
    let types = Arc::default();
    let mut store = store(&types);
    let ty = GlobalType {
        content: ValType::I32,
        mutable: false,
    };
    // SAFETY: the bits are an i32.
    let base = unsafe { store.new_global(ty, 40) };
    let text = r#"(module
        (import "" "" (global $base i32))
        (global i32 (i32.const -1))
        (global i64 (i64.const -2))
        (global f32 (f32.const 1))
        (global f64 (f64.const nan:0x8000000000001))
        (global v128 (v128.const i32x4 1 2 3 4))
        (global funcref (ref.null func))
        (global $f funcref (ref.func 0))
        (global i32 (i32.mul (i32.sub (global.get $base) (i32.const 50)) (i32.add (i32.const 1) (i32.const 2))))
        (global i64 (i64.mul (i64.sub (i64.const 1) (i64.const 3)) (i64.add (i64.const 4) (i64.const 5))))
        (func)
        (export "base" (global $base)) (export "f" (global $f)))"#;
    let (made, _) = make(&mut store, text, &[ExternPtr::Global(base)]);
    assert_eq!(made.global(0), 40);
    assert_eq!(made.global(1), 0xffff_ffff);
    assert_eq!(made.global(2), 0xffff_ffff_ffff_fffe);
    assert_eq!(made.global(3), 0x3f80_0000);
    assert_eq!(made.global(4), 0x7ff8_0000_0000_0001);
    assert_eq!(made.global(5), 0x0000_0004_0000_0003_0000_0002_0000_0001);
    assert_eq!(made.global(6), 0);
    assert_eq!(made.global(7), made.0.funcref(index(0)).as_ptr() as u128);
    assert_eq!(made.global(8), u128::from((-30_i32).cast_unsigned()));
    assert_eq!(made.global(9), u128::from((-18_i64).cast_unsigned()));
    assert_eq!(made.export("base"), ExternPtr::Global(base));
    assert_eq!(made.export("f"), made.export("f"));
}

#[test]
fn active_segments_are_copied_and_passive_ones_wait() {
    let types = Arc::default();
    let mut store = store(&types);
    let text = r#"(module
        (memory 1) (table 10 funcref)
        (elem (i32.const 2) $f $g)
        (elem (i32.const 4) funcref (ref.null func) (ref.func $f))
        (elem $passive func $g)
        (elem declare func $f)
        (data (i32.const 65530) "ab")
        (data (i32.const 65531) "c")
        (data (i32.const 65536) "")
        (data $passive "xyz")
        (func $f) (func $g (param i32)))"#;
    let (made, instantiated) = make(&mut store, text, &[]);
    assert_eq!(instantiated.trap, None);
    assert_eq!(
        [made.byte(65530), made.byte(65531), made.byte(65532)],
        *b"ac\0"
    );
    let (f, g) = (
        made.0.funcref(index(0)).as_ptr() as u64,
        made.0.funcref(index(1)).as_ptr() as u64,
    );
    let elements: Vec<u64> = (1..7).map(|i| made.element(i)).collect();
    assert_eq!(elements, [0, f, g, 0, f, 0]);
    // SAFETY: filled records of a live instance.
    let (f, g) = unsafe {
        (
            *made.0.funcref(index(0)).as_ptr(),
            *made.0.funcref(index(1)).as_ptr(),
        )
    };
    let runtime = made.0.module();
    assert_eq!(
        (f.type_id, g.type_id),
        (runtime.type_id_of(index(0)), runtime.type_id_of(index(1)))
    );
    assert_ne!(f.type_id, g.type_id);
    assert_eq!(f.vmctx, made.0.vmctx().as_ptr());
    assert_eq!(g.slot, &raw const runtime.code.slots()[index(1)]);

    const TABLE: Result<(), TrapCode> = Err(TrapCode::TableOutOfBounds);
    const MEMORY: Result<(), TrapCode> = Err(TrapCode::MemoryOutOfBounds);
    // Active and declared segments are dropped, which is the same as empty.
    assert_eq!(
        made.0.init_table(index(0), index(0), 0, 0, 1, Stop::NEVER),
        TABLE
    );
    assert_eq!(
        made.0.init_table(index(0), index(3), 0, 0, 1, Stop::NEVER),
        TABLE
    );
    made.0
        .init_table(index(0), index(0), 10, 0, 0, Stop::NEVER)
        .unwrap();
    assert_eq!(
        made.0.init_table(index(0), index(0), 11, 0, 0, Stop::NEVER),
        TABLE
    );
    made.0
        .init_table(index(0), index(2), 9, 0, 1, Stop::NEVER)
        .unwrap();
    assert_eq!(made.element(9), made.element(3));
    assert_eq!(
        made.0.init_table(index(0), index(2), 10, 0, 1, Stop::NEVER),
        TABLE
    );
    assert_eq!(
        made.0
            .init_table(index(0), index(2), 0, 1, u32::MAX, Stop::NEVER),
        TABLE
    );
    made.0.drop_element_segment(index(2));
    assert_eq!(
        made.0.init_table(index(0), index(2), 9, 0, 1, Stop::NEVER),
        TABLE
    );
    assert_eq!(
        made.0.init_memory(index(0), index(0), 0, 0, 1, Stop::NEVER),
        MEMORY
    );
    made.0
        .init_memory(index(0), index(3), 0, 1, 2, Stop::NEVER)
        .unwrap();
    assert_eq!([made.byte(0), made.byte(1), made.byte(2)], *b"yz\0");
    made.0.drop_data_segment(index(3));
    assert_eq!(
        made.0.init_memory(index(0), index(3), 0, 0, 1, Stop::NEVER),
        MEMORY
    );
    made.0
        .init_memory(index(0), index(3), 0, 0, 0, Stop::NEVER)
        .unwrap();
}

#[test]
fn a_segment_that_does_not_fit_traps_and_keeps_what_was_written() {
    let types = Arc::default();
    let mut store = store(&types);
    let ty = TableType {
        element: ValType::FuncRef,
        minimum: 4,
        maximum: None,
    };
    // SAFETY: the elements are null.
    let table = unsafe { store.new_table(ty, 0) }.unwrap();
    let memory = store
        .new_memory(MemoryType {
            minimum: 1,
            maximum: None,
        })
        .unwrap();
    let imports = [ExternPtr::Table(table), ExternPtr::Memory(memory)];
    let head = r#"(module (import "" "" (table 4 funcref)) (import "" "" (memory 1)) (func $f) (start $f)"#;
    let elements = r#"(elem (i32.const 0) $f) (elem (i32.const 4) $f) (elem (i32.const 1) $f)"#;
    let text = format!(r#"{head} {elements} (data (i32.const 0) "a"))"#);
    let (made, instantiated) = make(&mut store, &text, &imports);
    assert_eq!(instantiated.trap, Some(TrapCode::TableOutOfBounds));
    assert_eq!(instantiated.start, None);
    assert_ne!(made.element(0), 0);
    assert_eq!((made.element(1), made.byte(0)), (0, 0));

    let data = r#"(data (i32.const 5) "a") (data (i32.const 65535) "bc") (data (i32.const 6) "d")"#;
    let (made, instantiated) = make(&mut store, &format!("{head} {data})"), &imports);
    assert_eq!(instantiated.trap, Some(TrapCode::MemoryOutOfBounds));
    assert_eq!((made.byte(5), made.byte(65535), made.byte(6)), (b'a', 0, 0));
    // The first instance's function is still in the table.
    // SAFETY: the element is a reference to a function of this store.
    let func = unsafe { *(made.element(0) as *const VMFuncRef) };
    assert!(!func.vmctx.is_null());
    assert_eq!(store.instances().len(), 2);
}

#[test]
fn instances_share_what_they_import() {
    let types = Arc::default();
    let mut store = store(&types);
    let text = r#"(module (memory (export "m") 1 3) (table (export "t") 2 externref)
        (global (export "g") (mut i64) (i64.const 7)) (func (export "f") (result i32) (i32.const 1))
        (start $s) (func $s))"#;
    let (first, instantiated) = make(&mut store, text, &[]);
    assert_eq!(instantiated.start, Some(first.0.funcref(index(1))));
    let given: Vec<ExternPtr> = ["f", "m", "g", "t"].map(|name| first.export(name)).into();
    let first = first.0.vmctx();
    let text = r#"(module (import "a" "f" (func $f (result i32))) (import "a" "m" (memory $m 1 3))
        (import "a" "g" (global $g (mut i64))) (import "a" "t" (table $t 2 externref))
        (global (mut i32) (i32.const 0)) (func) (elem declare func $f)
        (export "f" (func $f)) (export "m" (memory $m)) (export "g" (global $g)) (export "t" (table $t)))"#;
    let (second, _) = make(&mut store, text, &given);
    for (name, &given) in ["m", "g", "t"].iter().zip(&given[1..]) {
        assert_eq!(second.export(name), given, "{name}");
    }
    let (ExternPtr::Func(func), ExternPtr::Memory(memory), ExternPtr::Global(global)) =
        (second.export("f"), second.export("m"), second.export("g"))
    else {
        panic!("exports are of the kinds that the module says");
    };
    // SAFETY: all are of this store. The header's field is the base of memory 0.
    unsafe {
        assert_eq!(func.as_ref().vmctx, first.as_ptr());
        let base = memory.as_ref().data().as_ptr().cast::<u8>();
        assert_eq!(second.0.vmctx().as_ref().memory0_base, base);
        global.as_ref().set(9);
        assert_eq!(
            Made(Instance::from_vmctx(first.as_ptr()).as_ref()).global(0),
            9
        );
    }
}

#[test]
fn link_errors_show_both_types_and_leave_nothing_behind() {
    let types = Arc::default();
    let mut store = store(&types);
    let memory = store
        .new_memory(MemoryType {
            minimum: 1,
            maximum: None,
        })
        .unwrap();
    let used = |store: &StoreCore| {
        use Resource::{Instances, Memories, MemoryBytes, TableElements, Tables};
        [MemoryBytes, TableElements, Instances, Memories, Tables].map(|of| store.used(of))
    };
    let before = used(&store);
    let text = r#"(module (import "env" "mem" (memory 2 3)) (memory 1) (table 5 funcref))"#;
    let error = try_make(&mut store, text, &[ExternPtr::Memory(memory)])
        .err()
        .unwrap();
    let message = error.to_string();
    assert!(
        message.contains("incompatible import type: `env` `mem`"),
        "{message}"
    );
    assert!(
        message.contains("(memory 2 3)") && message.contains("(memory 1)"),
        "{message}"
    );
    let text = r#"(module (import "env" "f" (func (param i32))) (memory 1))"#;
    let error = try_make(&mut store, text, &[ExternPtr::Memory(memory)])
        .err()
        .unwrap();
    assert!(error.to_string().contains("(i32) -> ()"), "{error}");
    let error = try_make(&mut store, text, &[]).err().unwrap();
    assert!(
        matches!(
            error,
            InstantiateError::ImportCount {
                wanted: 1,
                given: 0
            }
        ),
        "{error}"
    );
    assert_eq!(used(&store), before);
    assert_eq!(store.instances().len(), 0);
    // A memory that has grown fits.
    // SAFETY: the memory is of this store.
    let memory_ref = unsafe { memory.as_ref() };
    store.grow_memory(memory_ref, 1).unwrap();
    make(
        &mut store,
        r#"(module (import "env" "mem" (memory 2)))"#,
        &[ExternPtr::Memory(memory)],
    );
}

#[test]
fn limits_refuse_instances_and_leave_nothing_behind() {
    let types = Arc::default();
    let limits = ResourceLimits {
        memory_bytes: Some(3 * 65536),
        table_elements: Some(20),
        total_bytes: None,
        instances: Some(2),
        memories: Some(3),
        tables: Some(2),
    };
    let mut store = store_with(&types, limits);
    let refused = |store: &mut StoreCore, text| match try_make(store, text, &[]).err().unwrap() {
        InstantiateError::Limit(source)
        | InstantiateError::Memory {
            source: MemoryError::Limit { source, .. },
            ..
        }
        | InstantiateError::Table {
            source: TableError::Limit { source, .. },
            ..
        } => source.resource,
        error => panic!("{error}"),
    };
    assert_eq!(
        refused(&mut store, "(module (memory 2) (memory 2))"),
        Resource::MemoryBytes
    );
    assert_eq!(
        refused(
            &mut store,
            "(module (memory 0) (memory 0) (memory 0) (memory 0))"
        ),
        Resource::Memories
    );
    let tables = "(module (memory 1) (table 11 funcref) (table 10 funcref))";
    assert_eq!(refused(&mut store, tables), Resource::TableElements);
    let tables = "(module (table 0 funcref) (table 0 funcref) (table 0 funcref))";
    assert_eq!(refused(&mut store, tables), Resource::Tables);
    assert_eq!(store.used(Resource::MemoryBytes), 0);
    make(
        &mut store,
        "(module (memory 3) (table 10 funcref) (table 10 funcref))",
        &[],
    );
    make(&mut store, "(module)", &[]);
    assert_eq!(refused(&mut store, "(module)"), Resource::Instances);
    store.set_limits(ResourceLimits {
        instances: Some(3),
        ..limits
    });
    make(&mut store, "(module)", &[]);
}

#[test]
fn exports_find_all_four_kinds() {
    let types = Arc::default();
    let mut store = store(&types);
    let text = "(module (memory 1) (table 2 4 externref) (global (mut f32) (f32.const 0)) (func (param i64)))";
    let (made, _) = make(&mut store, text, &[]);
    for entity in [
        Entity::Func(index(0)),
        Entity::Table(index(0)),
        Entity::Memory(index(0)),
        Entity::Global(index(0)),
    ] {
        // SAFETY: the store is alive.
        let ty = unsafe { made.0.export(entity).ty(&types) };
        assert_eq!(ty, made.0.module().module.entity_type(entity));
    }
}
