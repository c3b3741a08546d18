//! Entering and leaving generated code, with hand-assembled functions in place of a tier: arguments and
//! results, lazy stubs, used-up budgets, host functions, errors, panics, traps, memory faults, interruption.

mod stacks;

use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use upshift_module::{
    DefinedFuncIndex, Entity, EntityRef, Features, FuncType, LoopIndex, Module, ModuleOffset,
    ValType,
};
use upshift_runtime::{
    Builtin, CallFrame, CodeOffset, CodePurpose, ExternPtr, HostCallback, InstalledCode, Instance,
    InterruptState, ModuleCode, ModuleRuntime, NoCode, Stop, StoreConfig, StoreCore, TierHooks,
    TrapCause, TrapCode, TrapSite, TypeRegistry, Unwind, VMOffsets, VectorUse, call, offsets,
};

const SOURCE: &str = r#"
    (module
      (import "host" "f" (func (param i32) (result i32)))
      (memory 1)
      (func (export "add") (param i32 i32) (result i32) unreachable)
      (func (export "trap") unreachable)
      (func (export "spin") unreachable)
      (func (export "load") (param i32) (result i32) unreachable)
      (func (export "call") (param i32) (result i32) unreachable)
      (func (export "fadd") (param f64 f64) (result f64) unreachable)
      (func (export "broken") unreachable)
      (func (export "counted") (param i32 i32) (result i32) unreachable)
      (func (export "call_counted") (param i32 i32) (result i32) unreachable)
      (func (export "low_host") (param i64) unreachable)
      (func (export "low_lazy") (param i64) unreachable)
      (func (export "low_grow") (param i64) unreachable)
      (func (export "low_trap") (param i64) unreachable))"#;

/// push rbp; mov rbp, rsp
const PROLOGUE: [u8; 4] = [0x55, 0x48, 0x89, 0xe5];
/// pop rbp; ret
const EPILOGUE: [u8; 2] = [0x5d, 0xc3];

/// Assembles a stand-in for the compiled body of defined function `function`.
fn assemble(function: u32, layout: &VMOffsets) -> Option<Vec<u8>> {
    let body = match function {
        // lea eax, [rsi + rdx]
        0 => vec![0x8d, 0x04, 0x16],
        // ud2
        1 => vec![0x0f, 0x0b],
        // jmp $
        2 => vec![0xeb, 0xfe],
        // mov rax, [rdi + memory0_base]; mov eax, esi; mov eax, [rax + rsi]
        3 => {
            let mut code = vec![0x48, 0x8b, 0x47, offsets::VMCONTEXT_MEMORY0_BASE as u8];
            code.extend([0x8b, 0x04, 0x30]);
            code
        }
        4 => assemble_host_call(layout),
        // addsd xmm0, xmm1
        5 => vec![0xf2, 0x0f, 0x58, 0xc1],
        7 => return Some(assemble_counted(function)),
        // mov rax, [rdi + slots]; call [rax + 8 * 7]
        8 => {
            let mut code = vec![0x48, 0x8b, 0x47, offsets::VMCONTEXT_SLOTS as u8];
            code.extend([0xff, 0x50, 8 * 7]);
            code
        }
        9..=12 => stacks::assemble(function, layout),
        _ => return None,
    };
    Some([&PROLOGUE[..], &body, &EPILOGUE].concat())
}

/// An index into whatever index space is asked about.
fn index<I: EntityRef>(number: usize) -> I {
    I::new(number)
}

/// A call of the imported function, with the arguments that are there.
fn assemble_host_call(layout: &VMOffsets) -> Vec<u8> {
    // mov rax, [rdi]; mov [rax + caller], rdi; mov rax, [rdi + slot]; mov rdi, [rdi + vmctx]; call [rax]
    let funcref = layout.funcref(index(0));
    let mut code = vec![0x48, 0x8b, 0x07];
    code.extend([0x48, 0x89, 0x78, offsets::VMSTORE_CALLER as u8]);
    code.extend([0x48, 0x8b, 0x87]);
    code.extend((funcref + offsets::VMFUNCREF_SLOT).to_le_bytes());
    code.extend([0x48, 0x8b, 0xbf]);
    code.extend((funcref + offsets::VMFUNCREF_VMCTX).to_le_bytes());
    code.extend([0xff, 0x10]);
    code
}

/// A function that finds its budget used up at each call, and then adds.
fn assemble_counted(function: u32) -> Vec<u8> {
    // mov eax, function; lea r10, [behind]; mov r11, [rdi + builtins]; jmp [r11 + budget_at_entry]
    let mut code = vec![0xb8];
    code.extend(function.to_le_bytes());
    code.extend([0x4c, 0x8d, 0x15, 11, 0, 0, 0]);
    code.extend([0x4c, 0x8b, 0x5f, offsets::VMCONTEXT_BUILTINS as u8]);
    code.extend([0x41, 0xff, 0xa3]);
    code.extend(Builtin::BudgetAtEntry.offset().to_le_bytes());
    // lea eax, [rsi + rdx]; ret
    code.extend([0x8d, 0x04, 0x16, 0xc3]);
    code
}

/// The fate of a first call: it compiles; it is interrupted meanwhile; it is, and that is taken back before
/// anyone but the compiling thread has noticed.
const COMPILES: u8 = 0;
const STOPPED: u8 = 1;
const STOPPED_IN_VAIN: u8 = 2;

/// A tiering that installs hand-assembled code and counts how often it was asked.
struct Assembler {
    code: Arc<ModuleCode>,
    layout: VMOffsets,
    compiled: Arc<AtomicUsize>,
    /// The fate of the next first call.
    first_call: Arc<AtomicU8>,
    /// Whether to interrupt when a budget is used up.
    interrupts: Arc<AtomicBool>,
    /// How.
    interrupt: Arc<InterruptState>,
}

impl TierHooks for Assembler {
    fn lazy_compile(
        &self,
        function: DefinedFuncIndex,
        stop: Stop<'_>,
    ) -> Result<*const u8, NoCode> {
        match self.first_call.swap(COMPILES, Ordering::Relaxed) {
            STOPPED => {
                self.interrupt.interrupt();
                assert!(stop.is_requested());
                return Err(NoCode::Stopped);
            }
            STOPPED_IN_VAIN => {
                self.interrupt.interrupt();
                assert!(self.interrupt.clear() && !stop.is_requested());
                return Err(NoCode::Stopped);
            }
            _ => {}
        }
        let bytes = assemble(function.as_u32(), &self.layout);
        let bytes = bytes.ok_or_else(|| NoCode::failed("this one does not compile"))?;
        let allocation = self
            .code
            .allocate(bytes.len(), 16, CodePurpose::Running)
            .map_err(NoCode::failed)?;
        // SAFETY: the allocation is ours and large enough.
        unsafe {
            allocation
                .writable
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
        let code = self.code.install(InstalledCode {
            address: allocation.executable as usize,
            len: bytes.len(),
            function: self.code.module().function_index(function),
            loop_entry: None,
            entry_stack: 0,
            tier: "assembler",
            traps: Box::new([TrapSite {
                code: 4,
                trap: TrapCode::Unreachable,
            }]),
            offsets: Box::new([CodeOffset {
                code: 0,
                module: ModuleOffset::new(1000 + function.as_u32()),
            }]),
            inlined: None,
        });
        self.code.publish(&*code.map_err(NoCode::failed)?);
        self.compiled.fetch_add(1, Ordering::Relaxed);
        Ok(allocation.executable)
    }

    fn budget_at_entry(&self, function: DefinedFuncIndex, budget: &mut i32) -> Option<*const u8> {
        assert_eq!(function, index(7));
        *budget = budget.wrapping_add(1);
        if self.interrupts.load(Ordering::Relaxed) {
            self.interrupt.interrupt();
        }
        None
    }

    fn budget_at_loop(
        &self,
        _: DefinedFuncIndex,
        _: LoopIndex,
        budget: &mut i32,
    ) -> Option<*const u8> {
        *budget = i32::MAX;
        None
    }
}

struct Fixture {
    store: Box<StoreCore>,
    instance: NonNull<Instance>,
    module: Arc<Module>,
    code: Arc<ModuleCode>,
    compiled: Arc<AtomicUsize>,
    first_call: Arc<AtomicU8>,
    interrupts: Arc<AtomicBool>,
}

type HostResult = Result<u32, Box<dyn Any + Send>>;

impl Fixture {
    fn new(host: impl Fn(u32) -> HostResult + Send + Sync + 'static) -> Self {
        let features = Features::default();
        let module = Arc::new(Module::parse(SOURCE.as_bytes(), &features).expect("valid"));
        let types = Arc::new(TypeRegistry::default());
        let code = ModuleCode::new(Arc::clone(&module)).expect("code memory");
        let compiled = Arc::default();
        let (first_call, interrupts) = (Arc::default(), Arc::default());
        let interrupt = InterruptState::new(libc::SIGURG).expect("handlers");
        let hooks = Arc::new(Assembler {
            code: Arc::clone(&code),
            layout: VMOffsets::new(&module),
            compiled: Arc::clone(&compiled),
            first_call: Arc::clone(&first_call),
            interrupts: Arc::clone(&interrupts),
            interrupt: Arc::clone(&interrupt),
        });
        let runtime = Arc::new(ModuleRuntime::new(
            Arc::clone(&module),
            VMOffsets::new(&module),
            Arc::clone(&code),
            &types,
            hooks,
        ));
        let mut store = Box::new(StoreCore::new(
            Arc::clone(&types),
            StoreConfig::new(interrupt),
        ));
        let ty = FuncType::new([ValType::I32], [ValType::I32]);
        let callback: HostCallback = Arc::new(move |call| {
            assert!(call.caller.is_some(), "a guest calls");
            let result = host(call.gpr(1) as u32)?;
            call.set_gpr(result.into());
            Ok(())
        });
        // SAFETY: the callback fits the type, the store stays in its box.
        let func = unsafe { store.new_host_func(types.lease(&ty), VectorUse::None, callback) };
        // SAFETY: the import is of this store and of the right type.
        let made = unsafe { store.instantiate(&runtime, &[ExternPtr::Func(func)]) };
        let instance = made.expect("instantiates").instance;
        Self {
            store,
            instance,
            module,
            code,
            compiled,
            first_call,
            interrupts,
        }
    }

    fn call(&mut self, name: &str, args: &[u64], floats: &[f64]) -> Result<CallFrame, Unwind> {
        let mut frame = CallFrame {
            gprs: [0; 6],
            xmms: [0; 8],
            stack: std::ptr::null_mut(),
            stack_words: 0,
            vectors: if floats.is_empty() {
                VectorUse::None
            } else {
                VectorUse::Scalar
            },
        };
        frame.gprs[1..=args.len()].copy_from_slice(args);
        for (register, float) in frame.xmms.iter_mut().zip(floats) {
            *register = float.to_bits().into();
        }
        let Entity::Func(function) = self.module.export(name).expect("exported").entity else {
            panic!("{name} is a function");
        };
        // SAFETY: the instance lives in the store; the arguments fit.
        unsafe {
            let func = self.instance.as_ref().funcref(function);
            call(NonNull::from(&mut *self.store), func, &mut frame)?;
        }
        Ok(frame)
    }

    fn trap(&mut self, name: &str, args: &[u64]) -> (TrapCode, Vec<(u32, Option<u32>)>) {
        match self.call(name, args, &[]) {
            Err(Unwind::Trap(trap)) => match trap.cause {
                TrapCause::Code(code) => {
                    let frames = trap.backtrace.frames.iter();
                    (
                        code,
                        frames
                            .map(|frame| {
                                let offset = frame.offset.map(ModuleOffset::as_u32);
                                (frame.function.as_u32(), offset)
                            })
                            .collect(),
                    )
                }
                TrapCause::Compile(error) => panic!("{error}"),
            },
            other => panic!("a trap, not {other:?}"),
        }
    }
}

fn double(x: u32) -> HostResult {
    Ok(x * 2)
}

#[test]
fn arguments_and_results_are_in_the_conventions_registers() {
    let mut fixture = Fixture::new(double);
    assert_eq!(
        fixture.call("add", &[40, 2], &[]).expect("returns").gprs[0] as u32,
        42
    );
    let frame = fixture.call("fadd", &[], &[1.5, 2.25]).expect("returns");
    assert_eq!(f64::from_bits(frame.xmms[0] as u64), 3.75);
}

#[test]
fn a_function_is_compiled_at_its_first_call_and_once() {
    let mut fixture = Fixture::new(double);
    assert_eq!(fixture.compiled.load(Ordering::Relaxed), 0);
    for _ in 0..3 {
        fixture.call("add", &[1, 1], &[]).expect("returns");
    }
    assert_eq!(fixture.compiled.load(Ordering::Relaxed), 1);
}

#[test]
fn an_announced_call_asks_for_code_again_and_gets_its_arguments() {
    let mut fixture = Fixture::new(double);
    fixture.call("add", &[1, 1], &[]).expect("returns");
    fixture.code.announce_calls(index(0));
    for expected in [2, 2] {
        let frame = fixture.call("add", &[40, 2], &[]).expect("returns");
        assert_eq!(frame.gprs[0], 42);
        assert_eq!(fixture.compiled.load(Ordering::Relaxed), expected);
    }
}

#[test]
fn a_call_goes_on_with_its_arguments_when_its_budget_was_used_up() {
    let mut fixture = Fixture::new(double);
    for name in ["counted", "call_counted"] {
        let frame = fixture.call(name, &[40, 2], &[]).expect("returns");
        assert_eq!(frame.gprs[0] as u32, 42);
    }
    // SAFETY: the instance lives, and no code of it runs.
    let asked = unsafe { *fixture.instance.as_ref().budget(index(7)).as_ref() };
    assert_eq!(asked, 2);
}

#[test]
fn an_interruption_while_a_budget_is_refilled_is_found_before_the_call_goes_on() {
    let mut fixture = Fixture::new(double);
    // Compiled beforehand, so that no lazy stub finds the interruption.
    fixture.call("call_counted", &[1, 1], &[]).expect("returns");
    fixture.interrupts.store(true, Ordering::Relaxed);
    // The function itself has not been entered: its caller is where the guest is.
    assert_eq!(
        fixture.trap("call_counted", &[1, 1]),
        (TrapCode::Interrupted, vec![(9, Some(1008))])
    );
    assert_eq!(
        fixture.trap("counted", &[1, 1]),
        (TrapCode::Interrupted, vec![])
    );
    fixture.interrupts.store(false, Ordering::Relaxed);
    fixture.call("call_counted", &[1, 1], &[]).expect("works");
}

#[test]
fn a_host_function_gets_its_arguments_and_returns() {
    let mut fixture = Fixture::new(double);
    assert_eq!(
        fixture.call("call", &[21], &[]).expect("returns").gprs[0],
        42
    );
}

#[test]
fn a_trap_carries_code_function_and_offset() {
    let mut fixture = Fixture::new(double);
    assert_eq!(
        fixture.trap("trap", &[]),
        (TrapCode::Unreachable, vec![(2, Some(1001))])
    );
    fixture
        .call("add", &[1, 1], &[])
        .expect("works after a trap");
}

#[test]
fn a_fault_in_a_memorys_reservation_is_a_trap() {
    let mut fixture = Fixture::new(double);
    assert_eq!(
        fixture.call("load", &[65532], &[]).expect("in bounds").gprs[0],
        0
    );
    for address in [65536, 0x7fff_0000, 0xffff_fff0] {
        let (code, frames) = fixture.trap("load", &[address]);
        assert_eq!(
            (code, frames.as_slice()),
            (TrapCode::MemoryOutOfBounds, &[(4, Some(1003))][..])
        );
    }
}

#[test]
fn a_host_error_comes_back_unchanged() {
    let mut fixture = Fixture::new(|x| Err(Box::new(format!("no {x}"))));
    match fixture.call("call", &[7], &[]) {
        Err(Unwind::Error(error)) => {
            assert_eq!(
                error.error.downcast_ref::<String>().expect("a string"),
                "no 7"
            );
            assert_eq!(error.backtrace.frames.len(), 1);
        }
        other => panic!("an error, not {other:?}"),
    }
}

#[test]
fn a_host_panic_is_carried_across() {
    let mut fixture = Fixture::new(|_| std::panic::resume_unwind(Box::new("payload")));
    match fixture.call("call", &[7], &[]) {
        Err(Unwind::Panic(payload)) => {
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"payload"));
        }
        other => panic!("a panic, not {other:?}"),
    }
    fixture
        .call("add", &[1, 1], &[])
        .expect("works after a panic");
}

#[test]
fn a_function_that_does_not_compile_is_a_trap_with_the_reason() {
    let mut fixture = Fixture::new(double);
    match fixture.call("broken", &[], &[]) {
        Err(Unwind::Trap(trap)) => match trap.cause {
            TrapCause::Compile(error) => assert_eq!(error.to_string(), "this one does not compile"),
            TrapCause::Code(code) => panic!("{code}"),
        },
        other => panic!("a trap, not {other:?}"),
    }
}

#[test]
fn a_compile_that_is_stopped_is_an_interruption_and_the_next_call_compiles_anew() {
    let mut fixture = Fixture::new(double);
    fixture.first_call.store(STOPPED, Ordering::Relaxed);
    let (code, _) = fixture.trap("add", &[1, 1]);
    assert_eq!(code, TrapCode::Interrupted);
    assert_eq!(fixture.compiled.load(Ordering::Relaxed), 0);
    let frame = fixture.call("add", &[1, 1], &[]).expect("compiles");
    assert_eq!(frame.gprs[0], 2);
}

#[test]
fn a_compile_that_is_stopped_for_a_request_that_was_taken_back_is_done_again() {
    let mut fixture = Fixture::new(double);
    fixture.first_call.store(STOPPED_IN_VAIN, Ordering::Relaxed);
    let frame = fixture.call("add", &[1, 1], &[]).expect("compiles");
    assert_eq!(frame.gprs[0], 2);
    assert_eq!(fixture.compiled.load(Ordering::Relaxed), 1);
}

#[test]
fn an_interruption_stops_a_loop() {
    let mut fixture = Fixture::new(double);
    let handle = Arc::clone(fixture.store.interrupt_state());
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        handle.interrupt();
    });
    assert_eq!(
        fixture.trap("spin", &[]),
        (TrapCode::Interrupted, vec![(3, Some(1002))])
    );
    stopper.join().expect("no panic");
    fixture
        .call("add", &[1, 1], &[])
        .expect("works after an interruption");
}

#[test]
fn an_interruption_of_an_idle_store_ends_the_next_call() {
    let mut fixture = Fixture::new(double);
    fixture.store.interrupt_state().interrupt();
    assert_eq!(
        fixture.trap("add", &[1, 1]),
        (TrapCode::Interrupted, vec![])
    );
    fixture.store.interrupt_state().interrupt();
    assert!(fixture.store.interrupt_state().clear());
    fixture
        .call("add", &[1, 1], &[])
        .expect("the request was taken back");
}

#[test]
fn an_interruption_during_a_host_function_is_found_on_the_way_back() {
    let handle: Arc<std::sync::OnceLock<Arc<InterruptState>>> = Arc::default();
    let seen = Arc::clone(&handle);
    let mut fixture = Fixture::new(move |x| {
        seen.get().expect("set").interrupt();
        Ok(x)
    });
    assert!(
        handle
            .set(Arc::clone(fixture.store.interrupt_state()))
            .is_ok()
    );
    let (code, frames) = fixture.trap("call", &[1]);
    assert_eq!((code, frames.len()), (TrapCode::Interrupted, 1));
}
