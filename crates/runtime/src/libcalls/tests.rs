//! The libcalls as generated code reaches them: through the builtins' stubs, within an activation, so that
//! a trap really leaves. A stub is called in place of a function's code.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use upshift_module::Entity;

use super::*;
use crate::test_support::{index, module, store};
use crate::{
    Builtin, CallFrame, CodeSlot, ExternPtr, TrapCause, Unwind, VMFuncRef, VMTypeId, VectorUse,
    arch, call,
};

struct Guest {
    store: Box<StoreCore>,
    instance: NonNull<Instance>,
}

impl Guest {
    fn new(text: &str) -> Self {
        let types = std::sync::Arc::default();
        let mut store = store(&types);
        let module = module(text, &types);
        // SAFETY: the store is boxed; there are no imports.
        let made = unsafe { store.instantiate(&module, &[]) }.unwrap();
        assert_eq!(made.trap, None);
        Self {
            store,
            instance: made.instance,
        }
    }

    fn instance(&self) -> &Instance {
        // SAFETY: the store is alive.
        unsafe { self.instance.as_ref() }
    }

    /// Calls a builtin, which takes no more than these arguments, and returns all of its result register.
    fn call(&mut self, builtin: Builtin, arguments: &[u64]) -> Result<u64, TrapCode> {
        assert_eq!(arguments.len(), builtin.params().len());
        let table = (&raw const arch::BUILTINS).cast::<u8>();
        // SAFETY: the offset is that of one of the table's pointers.
        let stub = unsafe {
            table
                .add(builtin.offset() as usize)
                .cast::<*mut u8>()
                .read()
        };
        let slot = CodeSlot::new(stub);
        let vmctx = self.instance().vmctx().as_ptr();
        let mut func = VMFuncRef {
            slot: &raw const slot,
            vmctx,
            type_id: VMTypeId::NONE,
        };
        let mut gprs = [0; 6];
        gprs[1..=arguments.len()].copy_from_slice(arguments);
        let mut frame = CallFrame {
            gprs,
            xmms: [0; 8],
            stack: std::ptr::null_mut(),
            stack_words: 0,
            vectors: VectorUse::None,
        };
        // SAFETY: the stub is a function of the C convention with these parameters, its context that of
        // a live instance.
        let result = unsafe {
            call(
                NonNull::from(&mut *self.store),
                NonNull::from(&mut func),
                &mut frame,
            )
        };
        match result {
            Ok(()) => Ok(frame.gprs[0]),
            Err(Unwind::Trap(trap)) => match trap.cause {
                TrapCause::Code(code) => Err(code),
                cause => panic!("{cause:?}"),
            },
            Err(other) => panic!("{other:?}"),
        }
    }

    /// A builtin without a result.
    fn run(&mut self, builtin: Builtin, arguments: &[u64]) -> Result<(), TrapCode> {
        assert_eq!(builtin.result(), None);
        self.call(builtin, arguments).map(|_| ())
    }

    fn bytes(&self, memory: usize, start: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        // SAFETY: the store is alive.
        unsafe { self.instance().memory(index(memory)).as_ref() }
            .read(start, &mut bytes)
            .unwrap();
        bytes
    }

    fn elements(&self, table: usize) -> Vec<u64> {
        // SAFETY: the store is alive.
        let table = unsafe { self.instance().table(index(table)).as_ref() };
        (0..u64::from(table.size()))
            .map(|i| table.get(i).unwrap())
            .collect()
    }
}

const MEMORY: Result<(), TrapCode> = Err(TrapCode::MemoryOutOfBounds);
const TABLE: Result<(), TrapCode> = Err(TrapCode::TableOutOfBounds);
const MINUS_ONE: u64 = u32::MAX as u64;

#[test]
fn a_bulk_operator_that_runs_long_can_be_interrupted() {
    const PAGES: u64 = 16_000;
    let mut guest = Guest::new("(module (memory 16000))");
    let interrupt = Arc::clone(guest.store.interrupt_state());
    // SAFETY: the store is alive.
    let memory = unsafe { guest.instance().memory(index(0)).as_ref() };
    let first = memory.data().cast::<AtomicU8>().as_ptr() as usize;
    let last = PAGES * 65536 - 1;
    let stopped = std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: the byte belongs to a memory that outlives this thread.
            let first = unsafe { &*(first as *const AtomicU8) };
            while first.load(Ordering::Relaxed) == 0 {
                std::hint::spin_loop();
            }
            interrupt.interrupt();
        });
        guest.run(Builtin::MemoryFill, &[0, 0, 1, PAGES * 65536])
    });
    assert_eq!(stopped, Err(TrapCode::Interrupted));
    assert_eq!(guest.bytes(0, last, 1), [0]);
    // The request has been delivered.
    assert_eq!(guest.run(Builtin::MemoryFill, &[0, last, 2, 1]), Ok(()));
    assert_eq!(guest.bytes(0, last, 1), [2]);
}

#[test]
fn memory_grow_returns_the_old_size_or_minus_one() {
    let mut guest = Guest::new("(module (memory 1 3) (memory 0))");
    let grown = |guest: &mut Guest, memory, pages| {
        guest
            .call(Builtin::MemoryGrow, &[memory, pages])
            .map(|size| size & MINUS_ONE)
    };
    assert_eq!(grown(&mut guest, 0, 2), Ok(1));
    assert_eq!(grown(&mut guest, 0, 0), Ok(3));
    assert_eq!(grown(&mut guest, 0, 1), Ok(MINUS_ONE));
    assert_eq!(grown(&mut guest, 0, MINUS_ONE), Ok(MINUS_ONE));
    assert_eq!(grown(&mut guest, 1, 5), Ok(0));
    assert_eq!(guest.bytes(1, 5 * 65536 - 1, 1), [0]);
    assert_eq!(guest.store.used(crate::Resource::MemoryBytes), 8 * 65536);
}

#[test]
fn bulk_memory_operations_write_all_or_trap() {
    let mut guest = Guest::new(r#"(module (memory 1) (memory 1) (data $d "hello"))"#);
    guest.run(Builtin::MemoryInit, &[0, 0, 10, 1, 3]).unwrap();
    guest.run(Builtin::MemoryFill, &[1, 0, 0x1ff, 2]).unwrap();
    guest.run(Builtin::MemoryCopy, &[1, 0, 2, 10, 3]).unwrap();
    guest.run(Builtin::MemoryCopy, &[1, 1, 1, 0, 5]).unwrap();
    assert_eq!(guest.bytes(0, 9, 5), *b"\0ell\0");
    assert_eq!(guest.bytes(1, 0, 7), *b"\xff\xff\xffell\0");
    guest.run(Builtin::MemoryFill, &[0, 65536, 1, 0]).unwrap();
    assert_eq!(guest.run(Builtin::MemoryFill, &[0, 65535, 1, 2]), MEMORY);
    assert_eq!(
        guest.run(Builtin::MemoryFill, &[0, MINUS_ONE, 1, MINUS_ONE]),
        MEMORY
    );
    assert_eq!(guest.run(Builtin::MemoryCopy, &[0, 1, 65535, 0, 2]), MEMORY);
    assert_eq!(guest.run(Builtin::MemoryCopy, &[0, 1, 0, 65535, 2]), MEMORY);
    assert_eq!(guest.run(Builtin::MemoryInit, &[0, 0, 0, 4, 2]), MEMORY);
    assert_eq!(guest.bytes(0, 65535, 1), [0]);
    guest.run(Builtin::DataDrop, &[0]).unwrap();
    assert_eq!(guest.run(Builtin::MemoryInit, &[0, 0, 0, 0, 1]), MEMORY);
    guest.run(Builtin::MemoryInit, &[0, 0, 0, 0, 0]).unwrap();
}

#[test]
fn table_operations_write_all_or_trap() {
    let text = r#"(module (table 4 5 funcref) (table 3 funcref) (elem $e func $f $g) (func $f) (func $g))"#;
    let mut guest = Guest::new(text);
    let f = guest.call(Builtin::RefFunc, &[0]).unwrap();
    let g = guest.call(Builtin::RefFunc, &[1]).unwrap();
    assert_eq!(
        ExternPtr::Func(NonNull::new(f as *mut VMFuncRef).unwrap()),
        { guest.instance().export(Entity::Func(index(0))) }
    );
    assert_ne!(f, g);
    guest.run(Builtin::TableInit, &[0, 0, 1, 0, 2]).unwrap();
    assert_eq!(guest.elements(0), [0, f, g, 0]);
    guest.run(Builtin::TableFill, &[1, 1, g, 2]).unwrap();
    guest.run(Builtin::TableCopy, &[1, 0, 0, 0, 2]).unwrap();
    assert_eq!(guest.elements(1), [0, f, g]);
    assert_eq!(
        guest.call(Builtin::TableGrow, &[0, 1, f]).unwrap() & MINUS_ONE,
        4
    );
    assert_eq!(
        guest.call(Builtin::TableGrow, &[0, 1, f]).unwrap() & MINUS_ONE,
        MINUS_ONE
    );
    assert_eq!(
        guest.call(Builtin::TableGrow, &[1, MINUS_ONE, 0]).unwrap() & MINUS_ONE,
        MINUS_ONE
    );
    assert_eq!(guest.elements(0), [0, f, g, 0, f]);
    assert_eq!(guest.run(Builtin::TableFill, &[0, 4, g, 2]), TABLE);
    assert_eq!(guest.run(Builtin::TableCopy, &[0, 1, 4, 0, 2]), TABLE);
    assert_eq!(guest.run(Builtin::TableInit, &[0, 0, 4, 0, 2]), TABLE);
    assert_eq!(guest.run(Builtin::TableInit, &[0, 0, 0, 1, 2]), TABLE);
    assert_eq!(guest.elements(0), [0, f, g, 0, f]);
    guest.run(Builtin::ElemDrop, &[0]).unwrap();
    assert_eq!(guest.run(Builtin::TableInit, &[0, 0, 0, 0, 1]), TABLE);
    guest.run(Builtin::TableInit, &[0, 0, 5, 0, 0]).unwrap();
}
