//! Instances that share their data segments copy-on-write are like the first, which has copies.

use upshift_module::MemoryType;

use super::*;
use crate::test_support::{index, module, store};

/// All of a memory.
fn contents(instance: &Instance, memory: usize) -> Vec<u8> {
    // SAFETY: the store of the test is alive.
    let memory = unsafe { instance.memory(index(memory)).as_ref() };
    let mut bytes = vec![0; memory.byte_len()];
    memory.read(0, &mut bytes).unwrap();
    bytes
}

fn instantiate(
    store: &mut StoreCore,
    module: &Arc<ModuleRuntime>,
    imports: &[ExternPtr],
) -> (&'static Instance, Option<TrapCode>) {
    // SAFETY: the imports are of this store, which is boxed and outlives its use by the test.
    unsafe {
        let made = store.instantiate(module, imports).unwrap();
        (&*made.instance.as_ptr(), made.trap)
    }
}

/// Segments of several pages, out of order, unaligned, overlapping, with a hole between them.
fn segments(memory: &str) -> String {
    let (a, b) = ("a".repeat(70_000), "b".repeat(9_000));
    format!(
        r#"(data {memory} (i32.const 200001) "{b}")
           (data {memory} (i32.const 4099) "{a}")
           (data {memory} (i32.const 74000) "{b}")
           (data {memory} (i32.const 74001) "c")
           (data {memory} (i32.const 262144) "")
           (data "passive")"#
    )
}

#[test]
fn what_instances_share_is_what_the_first_has() {
    let types = Arc::default();
    let mut store = store(&types);
    let text = format!("(module (memory 4 9) {})", segments(""));
    let module = module(&text, &types);
    let first = contents(instantiate(&mut store, &module, &[]).0, 0);
    assert_eq!(first[74_000..74_003], *b"bcb");
    assert_eq!(
        first[83_000..],
        [[0; 117_001].as_slice(), &[b'b'; 9_000], &[0; 53_143]].concat()
    );
    let layout = module.images.get(&module.module).unwrap();
    assert!(layout.image_with(index(0), index(0)).is_some(), "shared");
    let instances: Vec<_> = (0..5)
        .map(|_| instantiate(&mut store, &module, &[]).0)
        .collect();
    for (number, instance) in (1..).zip(&instances) {
        assert_eq!(contents(instance, 0), first, "instance {number}");
        // Its writes are its own.
        // SAFETY: the store is alive.
        let memory = unsafe { instance.memory(index(0)).as_ref() };
        memory.fill(0, number, 262_144, Stop::NEVER).unwrap();
    }
    for (number, instance) in (1..).zip(&instances) {
        assert!(contents(instance, 0).iter().all(|&byte| byte == number));
        assert!((0..5).all(|segment| {
            let (memory, length) = (0, 1);
            instance
                .init_memory(index(memory), index(segment), 0, 0, length, Stop::NEVER)
                .is_err()
        }));
        instance
            .init_memory(index(0), index(5), 0, 0, 7, Stop::NEVER)
            .unwrap();
    }
    assert_eq!(contents(instantiate(&mut store, &module, &[]).0, 0), first);
}

#[test]
fn a_memory_that_is_used_again_is_zero() {
    let types = Arc::default();
    let shared = format!("(module (memory 4) {})", segments(""));
    let shared = module(&shared, &types);
    let empty = module("(module (memory 4))", &types);
    for _ in 0..20 {
        for module in [&shared, &shared, &empty, &empty] {
            let mut store = store(&types);
            let (instance, _) = instantiate(&mut store, module, &[]);
            let bytes = contents(instance, 0);
            let zero = bytes.iter().all(|&byte| byte == 0);
            assert_eq!(zero, Arc::ptr_eq(module, &empty));
            // SAFETY: the store is alive.
            let memory = unsafe { instance.memory(index(0)).as_ref() };
            memory.fill(0, 9, 262_144, Stop::NEVER).unwrap();
        }
    }
}

#[test]
fn a_segment_that_does_not_fit_ends_what_is_shared() {
    let types = Arc::default();
    let mut store = store(&types);
    let text = format!(
        r#"(module (memory 4) {} (data (i32.const 262143) "xy") (data (i32.const 0) "z"))"#,
        segments("")
    );
    let module = module(&text, &types);
    let all: Vec<_> = (0..3)
        .map(|_| {
            let (instance, trap) = instantiate(&mut store, &module, &[]);
            assert_eq!(trap, Some(TrapCode::MemoryOutOfBounds));
            contents(instance, 0)
        })
        .collect();
    assert_eq!(all[0][4098..4100], *b"\0a");
    assert_eq!(all[0][0], 0);
    assert!(all.iter().all(|bytes| *bytes == all[0]));
}

#[test]
fn elements_that_do_not_fit_leave_memories_empty() {
    let types = Arc::default();
    let mut store = store(&types);
    let text = format!(
        "(module (memory 4) (table 1 funcref) (func $f) (elem (i32.const 1) $f) {})",
        segments("")
    );
    let module = module(&text, &types);
    for _ in 0..3 {
        let (instance, trap) = instantiate(&mut store, &module, &[]);
        assert_eq!(trap, Some(TrapCode::TableOutOfBounds));
        assert!(contents(instance, 0).iter().all(|&byte| byte == 0));
    }
}

#[test]
fn imported_memories_are_written() {
    let types = Arc::default();
    let mut store = store(&types);
    let text = format!(
        r#"(module (import "" "" (memory $in 4)) (memory $own 4)
             {} {} (data (memory $own) (i32.const 1) "late"))"#,
        segments("(memory $own)"),
        segments("(memory $in)")
    );
    let module = module(&text, &types);
    let mut all = Vec::new();
    for _ in 0..3 {
        let ty = MemoryType {
            minimum: 4,
            maximum: None,
        };
        let import = store.new_memory(ty).unwrap();
        let (instance, trap) = instantiate(&mut store, &module, &[ExternPtr::Memory(import)]);
        assert_eq!(trap, None);
        all.push((contents(instance, 0), contents(instance, 1)));
    }
    assert_eq!(all[0].1[..6], *b"\0late\0");
    assert_eq!(all[0].0[4099..], all[0].1[4099..]);
    assert!(all.iter().all(|memories| *memories == all[0]));
    let layout = module.images.get(&module.module).unwrap();
    assert!(
        layout.image_with(index(0), index(1)).is_some()
            && layout.image_with(index(0), index(0)).is_none()
    );
}

#[test]
fn small_segments_are_copied() {
    let types = Arc::default();
    let mut store = store(&types);
    let module = module(r#"(module (memory 1) (data (i32.const 7) "abc"))"#, &types);
    for _ in 0..3 {
        let (instance, _) = instantiate(&mut store, &module, &[]);
        assert_eq!(contents(instance, 0)[6..11], *b"\0abc\0");
    }
    let layout = module.images.get(&module.module).unwrap();
    assert!(layout.image_with(index(0), index(0)).is_none());
}
