//! A store gives back all it took. Alone in its process, since mappings and memory are counted.

use std::sync::Arc;

use upshift_module::{DefinedFuncIndex, Features, LoopIndex, MemoryIndex, Module, TableIndex};
use upshift_runtime::{
    InterruptState, ModuleCode, ModuleRuntime, NoCode, Stop, StoreConfig, StoreCore, TierHooks,
    TypeRegistry, VMOffsets,
};

struct NoTier;

impl TierHooks for NoTier {
    fn lazy_compile(&self, _function: DefinedFuncIndex, _: Stop<'_>) -> Result<*const u8, NoCode> {
        Err(NoCode::failed("nothing is called here"))
    }

    fn budget_at_entry(&self, _function: DefinedFuncIndex, _budget: &mut i32) -> Option<*const u8> {
        None
    }

    fn budget_at_loop(
        &self,
        _function: DefinedFuncIndex,
        _loop: LoopIndex,
        _budget: &mut i32,
    ) -> Option<*const u8> {
        None
    }
}

const TEXT: &str = r#"(module (memory 2) (table 100 funcref)
    (global (export "g") (mut i32) (i32.const 1))
    (data (i32.const 70000) "data") (elem (i32.const 0) $f $f) (func $f))"#;

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps")
        .unwrap()
        .lines()
        .count()
}

fn resident_pages() -> usize {
    let counts = std::fs::read_to_string("/proc/self/statm").unwrap();
    counts.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A store with this many instances, all of whose memories, tables and globals are used.
fn populated(
    types: &Arc<TypeRegistry>,
    runtime: &Arc<ModuleRuntime>,
    instances: usize,
) -> Box<StoreCore> {
    let interrupt = InterruptState::new(libc::SIGURG).unwrap();
    let mut store = Box::new(StoreCore::new(
        Arc::clone(types),
        StoreConfig::new(interrupt),
    ));
    let global = runtime.module.export("g").unwrap().entity;
    for _ in 0..instances {
        // SAFETY: the store is boxed; there are no imports.
        let made = unsafe { store.instantiate(runtime, &[]) }.unwrap();
        // SAFETY: the store is alive.
        let instance = unsafe { made.instance.as_ref() };
        let _handle = instance.export(global);
        // SAFETY: the store is alive.
        let (memory, table) = unsafe {
            let (memory, table) = (MemoryIndex::from_u32(0), TableIndex::from_u32(0));
            (
                instance.memory(memory).as_ref(),
                instance.table(table).as_ref(),
            )
        };
        store.grow_memory(memory, 1).unwrap();
        memory.write(3 * 65536 - 1, &[1]).unwrap();
        // SAFETY: null is a reference of any type.
        unsafe { store.grow_table(table, 1, 0) }.unwrap();
        store.new_externref(Box::new([0_u8; 4096]));
    }
    store
}

#[test]
fn dropped_stores_leave_nothing_behind() {
    let types = Arc::default();
    let module = Arc::new(Module::parse(TEXT.as_bytes(), &Features::default()).unwrap());
    let code = ModuleCode::new(Arc::clone(&module)).unwrap();
    let offsets = VMOffsets::new(&module);
    let runtime = Arc::new(ModuleRuntime::new(
        module,
        offsets,
        code,
        &types,
        Arc::new(NoTier),
    ));
    for _ in 0..100 {
        populated(&types, &runtime, 1);
    }
    let (mappings_before, pages_before) = (mappings(), resident_pages());
    for _ in 0..10_000 {
        populated(&types, &runtime, 1);
    }
    let (mappings_now, pages_now) = (mappings(), resident_pages());
    assert!(
        mappings_now <= mappings_before + 50,
        "{mappings_before} mappings, now {mappings_now}"
    );
    assert!(
        pages_now <= pages_before + 500,
        "{pages_before} pages, now {pages_now}"
    );

    // A process keeps up to 64 reservations, two mappings each, for its next memories.
    for _ in 0..3 {
        let thousand = populated(&types, &runtime, 1000);
        assert!(mappings() >= mappings_before + 1000);
        drop(thousand);
        let now = mappings();
        assert!(
            now <= mappings_before + 150,
            "{mappings_before} mappings, now {now}"
        );
    }
    assert_eq!(Arc::strong_count(&runtime), 1);
}
