//! Which stack a guest runs on: nested calls on other threads, coroutines that end in any order and move between
//! threads, stacks that nobody knows, and what is left to host functions.

use std::cell::Cell;
use std::hint::black_box;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use upshift::{
    AsContextMut, Caller, Config, Engine, Error, ErrorKind, ForeignStack, Func, FuncType, Instance,
    Linker, Module, Result, StackError, Store, Trap, TrapCode, Val, ValType,
};

use crate::configs;

/// Calls the host, and does what each test wants to see before and after it.
const GUEST: &str = r#"(module
  (import "host" "pause" (func $pause))
  (memory 1)
  (func (export "fault") (param i32) (result i32)
    (call $pause)
    (i32.load (local.get 0)))
  (func (export "count") (param i32) (result i32)
    (call $pause)
    (loop $next
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $next (local.get 0)))
    (call $pause)
    (local.get 0))
  (func (export "spin") (param i32) (result i32)
    (call $pause)
    (loop (br 0))
    (unreachable))
  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (i32.const 1) (call $deep (local.get 0)))))"#;

/// A module whose function `down` has a frame of some 57 KB and calls itself.
fn large_frames() -> String {
    let locals = "i64 ".repeat(7200);
    format!(
        r#"(module
             (import "host" "nest" (func $nest))
             (func $down (export "down") (param i32) (local {locals})
               (if (local.get 0) (then
                 (local.set 1 (i64.const -1))
                 (local.set 7200 (i64.const -1))
                 (call $down (i32.sub (local.get 0) (i32.const 1))))))
             (func (export "outer") (call $nest)))"#
    )
}

fn trap_of(result: Result<impl std::fmt::Debug>) -> TrapCode {
    let error = result.unwrap_err();
    let trap = error.as_trap().unwrap_or_else(|| panic!("{error}"));
    trap.code()
}

/// What `down` says on a thread of its own, called from a host function: a depth that fits, and one that does not.
fn nested_on_another_thread(engine: &Engine, depth: i32, stack_size: usize) {
    let mut linker = Linker::new(engine);
    let nest = move |mut caller: Caller<'_, u32>| -> Result<()> {
        let down = caller.get_export("down").unwrap().into_func().unwrap();
        let down = down.typed::<i32, ()>(&caller)?;
        let mut context = caller.as_context_mut();
        thread::scope(|scope| {
            let nested =
                thread::Builder::new()
                    .stack_size(stack_size)
                    .spawn_scoped(scope, move || {
                        down.call(&mut context, depth).unwrap();
                        assert_eq!(
                            trap_of(down.call(&mut context, i32::MAX)),
                            TrapCode::StackOverflow
                        );
                        *context.data_mut() += 1;
                    });
            nested.unwrap().join().unwrap();
        });
        // And here the limit is what it was.
        down.call(&mut caller, 20)?;
        Ok(())
    };
    linker.func_wrap("host", "nest", nest).unwrap();
    let module = Module::new(engine, large_frames()).unwrap();
    let mut store = Store::new(engine, 0);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let outer = instance
        .get_typed_func::<(), ()>(&mut store, "outer")
        .unwrap();
    outer.call(&mut store, ()).unwrap();
    assert_eq!(*store.data(), 1);
}

#[test]
fn a_nested_call_on_a_lower_stack_has_that_stacks_limit() {
    // So large a stack finds no place between those of the threads that there are.
    for config in configs() {
        nested_on_another_thread(&Engine::new(&config).unwrap(), 4, 64 << 20);
    }
}

#[test]
fn a_nested_call_on_a_higher_stack_has_that_stacks_limit() {
    const SIZE: usize = 5 << 20;
    for config in configs() {
        let engine = Engine::new(&config).unwrap();
        let spawn = |work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().stack_size(SIZE).spawn(work).unwrap()
        };
        // The stack of a thread that has ended is the next thread's, and lies higher than that of one which was
        // made in between.
        let (end, ended) = mpsc::channel::<()>();
        let first = spawn(Box::new(move || _ = ended.recv()));
        let (go, gone) = mpsc::channel::<()>();
        let second = spawn(Box::new(move || {
            _ = gone.recv();
            nested_on_another_thread(&engine, 4, SIZE);
        }));
        drop(end);
        first.join().unwrap();
        drop(go);
        second.join().unwrap();
    }
}

/// Addresses of a coroutine's stack that may be used: its guard page is left out.
fn usable(stack: &impl Stack) -> Range<usize> {
    stack.limit().get() + 4096..stack.base().get()
}

/// What a store's host function resumes: the coroutine's other side.
type Pause = Cell<*const Yielder<(), ()>>;

/// A call of an export in a coroutine of its own, whose host function pauses it.
struct Guest {
    coroutine: Option<Coroutine<(), (), Result<i32>>>,
    interrupt: upshift::InterruptHandle,
}

// SAFETY: what a coroutine here holds may move between threads together with it.
unsafe impl Send for Guest {}

impl Guest {
    fn new(engine: &Engine, name: &'static str, argument: i32) -> Self {
        Self::stating(engine, name, argument, true)
    }

    fn stating(engine: &Engine, name: &'static str, argument: i32, states: bool) -> Self {
        let mut linker = Linker::new(engine);
        linker
            .func_wrap("host", "pause", |caller: Caller<'_, Pause>| {
                // SAFETY: the coroutine whose yielder this is runs this function.
                unsafe { &*caller.data().get() }.suspend(());
            })
            .unwrap();
        let module = Module::new(engine, GUEST).unwrap();
        let mut store = Store::new(engine, Cell::new(std::ptr::null()));
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let func = instance
            .get_typed_func::<i32, i32>(&mut store, name)
            .unwrap();
        let interrupt = store.interrupt_handle();
        let stack = DefaultStack::new(1 << 20).unwrap();
        let bounds = usable(&stack);
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            // SAFETY: these are the bounds of the coroutine's stack.
            let _stated = states.then(|| unsafe { ForeignStack::new(bounds) });
            store.data().set(yielder);
            func.call(&mut store, argument)
        });
        Self {
            coroutine: Some(coroutine),
            interrupt,
        }
    }

    /// Lets it run to its next pause, or to its end.
    fn resume(&mut self) -> Option<Result<i32>> {
        match self
            .coroutine
            .as_mut()
            .expect("it has not ended")
            .resume(())
        {
            CoroutineResult::Yield(()) => None,
            CoroutineResult::Return(result) => {
                // Its stack goes.
                self.coroutine = None;
                Some(result)
            }
        }
    }
}

#[test]
fn coroutines_end_in_any_order_and_each_traps_in_its_own_store() {
    for config in configs() {
        let engine = Engine::new(&config).unwrap();
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut guests = [1 << 20, 1 << 30, 0].map(|at| Guest::new(&engine, "fault", at));
            for guest in &mut guests {
                assert!(guest.resume().is_none());
            }
            for index in order {
                let result = guests[index].resume().expect("no second pause");
                match index {
                    2 => assert_eq!(result.unwrap(), 0),
                    _ => assert_eq!(trap_of(result), TrapCode::MemoryOutOfBounds),
                }
            }
            // And on the thread's own stack, of which none of them is left.
            assert_eq!(Guest::new(&engine, "count", 3).run(), 0);
        }
    }
}

impl Guest {
    fn run(mut self) -> i32 {
        loop {
            if let Some(result) = self.resume() {
                return result.unwrap();
            }
        }
    }
}

#[test]
fn a_coroutine_goes_on_and_traps_on_another_thread() {
    for config in configs() {
        let engine = Engine::new(&config).unwrap();
        let mut guest = Guest::new(&engine, "fault", 1 << 30);
        assert!(guest.resume().is_none());
        let moved = thread::spawn(move || trap_of(guest.resume().expect("no second pause")));
        assert_eq!(moved.join().unwrap(), TrapCode::MemoryOutOfBounds);
    }
}

/// Calls a host function that leaves an activation within this one behind, and recurses to a depth, or for ever.
const LEAVES: &str = r#"(module
  (import "host" "pause" (func $pause))
  (import "host" "leave" (func $leave))
  (func (export "held") (call $pause))
  (func $deep (param i32)
    (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "outer") (param i32)
    (call $leave)
    (call $deep (local.get 0))))"#;

/// Calls `outer` with a depth. Its host function begins a call of `held` in a coroutine that never goes on, and then
/// ends as asked for.
fn leave_an_activation_behind(engine: &Engine, depth: i32, end: fn() -> Result<()>) -> Result<()> {
    let mut linker = Linker::new(engine);
    let pause = |caller: Caller<'_, Pause>| {
        // SAFETY: the coroutine whose yielder this is runs this function.
        unsafe { &*caller.data().get() }.suspend(());
    };
    let leave = move |mut caller: Caller<'_, Pause>| -> Result<()> {
        let held = caller.get_export("held").unwrap().into_func().unwrap();
        let held = held.typed::<(), ()>(&caller)?;
        let context: *mut Caller<'_, Pause> = &raw mut caller;
        // No type says how long the coroutine may use it.
        let context = context.expose_provenance();
        let stack = DefaultStack::new(1 << 20).unwrap();
        let bounds = usable(&stack);
        let mut coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            // SAFETY: these are the bounds of the coroutine's stack.
            let _stated = unsafe { ForeignStack::new(bounds) };
            let context = std::ptr::with_exposed_provenance_mut::<Caller<'_, Pause>>(context);
            // SAFETY: it runs no longer than the function that it was made in, which does not use the caller meanwhile.
            let context = unsafe { &mut *context };
            context.data().set(yielder);
            held.call(context, ())
        });
        assert!(coroutine.resume(()).as_yield().is_some());
        std::mem::forget(coroutine);
        end()
    };
    linker.func_wrap("host", "pause", pause)?;
    linker.func_wrap("host", "leave", leave)?;
    let module = Module::new(engine, LEAVES)?;
    let mut store = Store::new(engine, Cell::new(std::ptr::null()));
    let instance = linker.instantiate(&mut store, &module)?;
    let outer = instance.get_typed_func::<i32, ()>(&mut store, "outer")?;
    outer.call(&mut store, depth)
}

#[test]
fn an_activation_goes_on_with_its_own_limit_after_one_within_it_was_left_behind() {
    for config in configs() {
        let engine = Engine::new(&config).unwrap();
        leave_an_activation_behind(&engine, 100, || Ok(())).unwrap();
        assert_eq!(
            trap_of(leave_an_activation_behind(&engine, -1, || Ok(()))),
            TrapCode::StackOverflow
        );
    }
}

#[test]
fn an_error_after_an_activation_was_left_behind_tells_the_frames_of_its_own() {
    for config in configs() {
        let engine = Engine::new(&config).unwrap();
        let error = leave_an_activation_behind(&engine, 0, || Err(Error::msg("no more")));
        let error = error.unwrap_err();
        let frames = error.wasm_backtrace().unwrap().frames();
        let functions: Vec<_> = frames.iter().map(|frame| frame.func_index()).collect();
        assert_eq!(functions, [4], "{error:?}");
    }
}

#[test]
fn an_interruption_reaches_a_coroutine_on_the_thread_that_it_has_moved_to() {
    let engine = Engine::default();
    let mut guest = Guest::new(&engine, "spin", 0);
    assert!(guest.resume().is_none());
    let interrupt = guest.interrupt.clone();
    let moved = thread::spawn(move || trap_of(guest.resume().expect("no second pause")));
    // Most likely it is in its loop by now: then a signal has to reach it there.
    thread::sleep(Duration::from_millis(50));
    interrupt.interrupt();
    assert_eq!(moved.join().unwrap(), TrapCode::Interrupted);
}

#[test]
fn an_interruption_stops_its_own_coroutine_and_no_other() {
    for config in configs() {
        let engine = Engine::new(&config).unwrap();
        let mut stopped = Guest::new(&engine, "count", 1_000_000_000);
        let mut other = Guest::new(&engine, "count", 20_000_000);
        assert!(stopped.resume().is_none());
        assert!(other.resume().is_none());
        let (interrupt, done) = (stopped.interrupt.clone(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                interrupt.interrupt();
                while !done.load(Ordering::Relaxed) {
                    interrupt.interrupt();
                    thread::yield_now();
                }
            });
            assert!(other.resume().is_none(), "nobody has interrupted this one");
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(
            trap_of(stopped.resume().expect("an end")),
            TrapCode::Interrupted
        );
        assert_eq!(other.resume().expect("an end").unwrap(), 0);
    }
}

#[test]
fn an_interruption_is_found_on_the_way_back_from_a_nested_call_on_another_thread() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    let (tell, told) = mpsc::channel();
    linker
        .func_wrap(
            "host",
            "nest",
            move |mut caller: Caller<'_, ()>| -> Result<()> {
                let spin = caller.get_export("nothing").unwrap().into_func().unwrap();
                let nothing = spin.typed::<(), ()>(&caller)?;
                let mut context = caller.as_context_mut();
                thread::scope(|scope| {
                    scope
                        .spawn(|| nothing.call(&mut context, ()))
                        .join()
                        .unwrap()
                })?;
                tell.send(()).unwrap();
                Ok(())
            },
        )
        .unwrap();
    let text = r#"(module (import "host" "nest" (func $nest))
      (func (export "nothing"))
      (func (export "outer") (call $nest) (loop br 0)))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let outer = instance
        .get_typed_func::<(), ()>(&mut store, "outer")
        .unwrap();
    let interrupt = store.interrupt_handle();
    thread::scope(|scope| {
        let running = scope.spawn(move || trap_of(outer.call(&mut store, ())));
        told.recv().unwrap();
        // Most likely it is in its loop by now: then a signal has to reach it there.
        thread::sleep(Duration::from_millis(50));
        interrupt.interrupt();
        assert_eq!(running.join().unwrap(), TrapCode::Interrupted);
    });
}

#[test]
fn a_stack_that_nobody_knows_is_refused() {
    let engine = Engine::default();
    let mut guest = Guest::stating(&engine, "deep", 0, false);
    let error = guest.resume().expect("no pause").unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Stack(StackError::Unknown { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("`ForeignStack::new`"), "{error}");
    // Stated, it has a limit of its own.
    let mut guest = Guest::new(&engine, "deep", 0);
    assert_eq!(
        trap_of(guest.resume().expect("no pause")),
        TrapCode::StackOverflow
    );
}

#[test]
fn frames_stay_within_a_stated_stack() {
    /// A stack in the middle of memory that is the host's.
    struct Inner {
        memory: Box<[u64]>,
    }
    const WORDS: usize = (1 << 20) / 8;
    // SAFETY: the memory is this stack's as long as it lives.
    unsafe impl Stack for Inner {
        fn base(&self) -> corosensei::stack::StackPointer {
            let end = self.memory[2 * WORDS..].as_ptr().addr() & !15;
            end.try_into().unwrap()
        }
        fn limit(&self) -> corosensei::stack::StackPointer {
            let start = self.memory[WORDS..].as_ptr().addr().next_multiple_of(16);
            start.try_into().unwrap()
        }
    }
    const CANARY: u64 = 0x5afe_5afe_5afe_5afe;
    for config in configs() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, large_frames()).unwrap();
        let mut store = Store::new(&engine, ());
        let nest = Func::wrap(&mut store, || {});
        let instance = Instance::new(&mut store, &module, &[nest.into()]).unwrap();
        let down = instance
            .get_typed_func::<i32, ()>(&mut store, "down")
            .unwrap();
        let inner = Inner {
            memory: vec![CANARY; 3 * WORDS].into(),
        };
        let bounds = inner.limit().get()..inner.base().get();
        let mut coroutine = Coroutine::<(), (), _, _>::with_stack(inner, move |_, ()| {
            // SAFETY: these are the bounds of the coroutine's stack.
            let _stated = unsafe { ForeignStack::new(bounds) };
            down.call(&mut store, 4).unwrap();
            trap_of(down.call(&mut store, i32::MAX))
        });
        let Some(code) = coroutine.resume(()).as_return() else {
            panic!("no pause");
        };
        assert_eq!(code, TrapCode::StackOverflow);
        let memory = coroutine.into_stack().memory;
        let below = &memory[..WORDS];
        assert!(below.iter().all(|&word| word == CANARY));
    }
}

/// Uses so much stack.
#[inline(never)]
fn use_stack(bytes: usize) -> u8 {
    let block = [bytes as u8; 4096];
    black_box(&block);
    match bytes.checked_sub(4096 + 256) {
        Some(rest) => use_stack(rest).wrapping_add(black_box(block[7])),
        None => 0,
    }
}

/// Recurses until the stack is used up, calling at each depth a host function that uses `wanted` bytes of it.
fn host_function_at_every_depth(config: &Config, stack_size: usize, wanted: usize) {
    let engine = Engine::new(config).unwrap();
    let thread = thread::Builder::new().stack_size(stack_size).spawn(move || {
        let text = r#"(module (import "" "" (func $host))
          (func $down (export "down") (param i64 i64) (call $host) (call $down (local.get 1) (local.get 0))))"#;
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let host = Func::wrap(&mut store, move || {
            black_box(use_stack(wanted));
        });
        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
        let down = instance.get_typed_func::<(i64, i64), ()>(&mut store, "down").unwrap();
        assert_eq!(trap_of(down.call(&mut store, (1, 2))), TrapCode::StackOverflow);
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn host_functions_have_their_stack_at_the_deepest_place() {
    // What a debug build's frames of the API itself take is left out.
    for mut config in configs() {
        host_function_at_every_depth(&config, 2 << 20, 480 << 10);
        host_function_at_every_depth(&config, 512 << 10, 220 << 10);
        config.host_stack(1 << 20);
        host_function_at_every_depth(&config, 2 << 20, 990 << 10);
    }
}

/// A function that keeps so many vectors while it calls the host and then itself, until the stack is used up.
fn vectors_over_host_calls(vectors: usize) -> String {
    let load = |i: usize| format!("(v128.load (i32.const {}))", 16 * i);
    let loads: String = (0..vectors).map(load).collect();
    let adds = "i64x2.add ".repeat(vectors - 1);
    format!(
        r#"(module (import "host" "use" (func $use)) (memory 1)
             (func $deep (export "deep") (result i64)
               {loads} (call $use) (drop (call $deep)) {adds} i64x2.extract_lane 0))"#
    )
}

#[test]
fn vectors_that_live_over_a_host_call_leave_its_stack() {
    let text = vectors_over_host_calls(300);
    for config in configs() {
        for (stack_size, wanted) in [(2 << 20, 400 << 10), (512 << 10, 200 << 10)] {
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, &text).unwrap();
            let guest = move || {
                let mut linker = Linker::new(&engine);
                let host = move || _ = black_box(use_stack(wanted));
                linker.func_wrap("host", "use", host).unwrap();
                let mut store = Store::new(&engine, ());
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let deep = instance.get_typed_func::<(), i64>(&mut store, "deep");
                trap_of(deep.unwrap().call(&mut store, ()))
            };
            let thread = thread::Builder::new().stack_size(stack_size).spawn(guest);
            assert_eq!(thread.unwrap().join().unwrap(), TrapCode::StackOverflow);
        }
    }
}

#[test]
fn a_stack_that_is_too_small_for_what_the_host_wants_is_refused() {
    let engine = Engine::new(Config::new().host_stack(1 << 20)).unwrap();
    let thread = thread::Builder::new().stack_size(1 << 20).spawn(move || {
        let mut store = Store::new(&engine, ());
        let func = Func::wrap(&mut store, || {});
        let error = func.call(&mut store, &[], &mut []).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Stack(StackError::TooSmall { .. })),
            "{error}"
        );
        assert!(
            error.to_string().contains("`Config::host_stack`"),
            "{error}"
        );
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn a_function_type_of_more_parameters_than_a_module_may_have_is_refused() {
    let mut store = Store::new(&Engine::default(), ());
    let params = [1000, 1001, 400_000];
    for count in params {
        let ty = FuncType::new(vec![ValType::I64; count], []);
        let func = Func::new(&mut store, ty, move |_, params, _| {
            assert_eq!(params[count - 1].i64(), Some(7));
            Ok(())
        });
        let result = func.call(&mut store, &vec![Val::I64(7); count], &mut []);
        match result {
            Ok(()) => assert_eq!(count, 1000),
            Err(error) => {
                assert!(count > 1000, "{error}");
                assert!(matches!(error.kind(), ErrorKind::Type(_)), "{error}");
                assert!(error.to_string().contains("1000"), "{error}");
            }
        }
    }
    let mut linker = Linker::<()>::new(store.engine());
    let ty = FuncType::new([], vec![ValType::I32; 1001]);
    let error = linker
        .func_new("host", "wide", ty, |_, _, _| Ok(()))
        .unwrap_err();
    assert!(error.to_string().contains("1000"), "{error}");
}

#[test]
fn a_call_while_a_threads_locals_are_dropped_is_an_error_or_works() {
    struct Late(Engine);
    impl Drop for Late {
        fn drop(&mut self) {
            let mut store = Store::new(&self.0, ());
            let module =
                Module::new(&self.0, "(module (func $f (export \"f\") (call $f)))").unwrap();
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
            let error = f.call(&mut store, ()).unwrap_err();
            let code = error.as_trap().map(Trap::code);
            let is_refused = matches!(error.kind(), ErrorKind::Stack(StackError::ThreadEnds));
            assert!(
                code == Some(TrapCode::StackOverflow) || is_refused,
                "{error}"
            );
        }
    }
    thread_local!(static LATE: Cell<Option<Late>> = const { Cell::new(None) });
    let engine = Engine::default();
    let thread = thread::spawn(move || {
        // Whichever is dropped first.
        LATE.set(Some(Late(engine.clone())));
        let mut store = Store::new(&engine, ());
        let func = Func::wrap(&mut store, || {});
        func.call(&mut store, &[], &mut []).unwrap();
    });
    thread.join().unwrap();
}

#[test]
fn an_activation_whose_coroutine_is_dropped_is_gone() {
    let engine = Engine::default();
    let mut guest = Guest::new(&engine, "count", 5);
    assert!(guest.resume().is_none());
    // Unwinds the host function; what it panics with goes through the guest.
    drop(guest);
    let panic = catch_unwind(AssertUnwindSafe(|| Guest::new(&engine, "count", 5).run()));
    assert_eq!(panic.unwrap(), 0);
}
