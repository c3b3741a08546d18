//! The contents of a store: many instances, host objects and host values; and that it finds its memories'
//! addresses. That it gives everything back is tested in a process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use upshift_module::ValType;

use super::*;
use crate::test_support::{index, module, store};
use crate::{GUARDED_RESERVATION, VMStore};

const TEXT: &str = r#"(module (memory 2) (table 100 funcref) (global (export "g") (mut i32) (i32.const 1))
    (data (i32.const 70000) "data") (elem (i32.const 0) $f $f) (func $f))"#;

#[test]
fn a_thousand_instances_live_in_one_store() {
    let types = Arc::default();
    let module = module(TEXT, &types);
    let mut store = store(&types);
    for i in 0..1000_u64 {
        // SAFETY: the store is boxed; there are no imports.
        let made = unsafe { store.instantiate(&module, &[]) }.unwrap();
        // SAFETY: the store is alive.
        let memory = unsafe { made.instance.as_ref().memory(index(0)).as_ref() };
        memory.write(0, &i.to_le_bytes()).unwrap();
    }
    for (i, instance) in store.instances().enumerate() {
        let mut bytes = [0; 8];
        // SAFETY: the store is alive.
        unsafe { instance.as_ref().memory(index(0)).as_ref() }
            .read(0, &mut bytes)
            .unwrap();
        assert_eq!(u64::from_le_bytes(bytes), i as u64);
    }
}

#[test]
fn guard_addresses_are_those_of_its_own_memories() {
    let types = Arc::default();
    let (mut first, mut second) = (store(&types), store(&types));
    let ty = MemoryType {
        minimum: 1,
        maximum: None,
    };
    let [memory, other] = [&mut first, &mut second].map(|store| {
        // SAFETY: the store is alive.
        unsafe { store.new_memory(ty).unwrap().as_ref() }
            .data()
            .as_ptr()
            .cast::<u8>() as usize
    });
    for offset in [0, 65536, GUARDED_RESERVATION as usize - 1] {
        assert!(first.is_guard_address(memory + offset));
        assert!(!second.is_guard_address(memory + offset));
        assert!(second.is_guard_address(other + offset));
    }
    assert!(!first.is_guard_address(0));
    assert!(!first.is_guard_address(&raw const types as usize));
}

struct CountsDrops(Arc<AtomicUsize>);

impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn host_values_are_freed_with_the_store() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut store = store(&Arc::default());
    let handles: Vec<_> = (0..1000)
        .map(|_| store.new_externref(Box::new(CountsDrops(Arc::clone(&dropped)))))
        .collect();
    assert_eq!(store.externref_count(), 1000);
    assert!(store.externref(handles[999]).unwrap().is::<CountsDrops>());
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    drop(store);
    assert_eq!(dropped.load(Ordering::Relaxed), 1000);
}

#[test]
fn host_objects_have_the_types_they_were_made_with() {
    let mut store = store(&Arc::default());
    let table = TableType {
        element: ValType::ExternRef,
        minimum: 3,
        maximum: Some(9),
    };
    let global = GlobalType {
        content: ValType::F64,
        mutable: true,
    };
    // SAFETY: the values are null and a number; the store is alive.
    unsafe {
        let handle = store.new_externref(Box::new(())).bits();
        let made = store.new_table(table, handle).unwrap().as_ref();
        assert_eq!((made.ty(), made.get(2)), (table, Some(handle)));
        assert_eq!(store.grow_table(made, 2, 0).unwrap(), 3);
        assert_eq!(
            made.current_type(),
            TableType {
                minimum: 5,
                ..table
            }
        );
        let made = store.new_global(global, 5).as_ref();
        assert_eq!((made.ty(), made.get()), (global, 5));
    }
    assert_eq!(store.used(Resource::TableElements), 5);
}

#[test]
fn stores_can_be_sent_and_are_told_apart() {
    fn sendable<T: Send>(_: &T) {}
    let (first, second) = (store(&Arc::default()), store(&Arc::default()));
    sendable(&*first);
    assert_ne!(first.id, second.id);
    let vm: *const VMStore = &raw const first.vm;
    assert_eq!(vm.cast::<StoreCore>(), &raw const *first);
}
