//! Entering generated code from the host, leaving it for a host function, and the three ways out that are
//! not a return: a trap, a host function's error, a host function's panic. All three go to the entry of
//! the innermost activation by restoring its stack pointer; no unwinder takes part, and the frames in
//! between own nothing.

use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::arch::{self, CallFrame, VectorUse};
use crate::backtrace::{PcTrace, RawBacktrace};
use crate::interrupt::InterruptState;
use crate::{
    EntryRecord, Instance, StoreCore, TierHooks, TrapCode, TypeLease, VMContext, VMFuncRef,
    VMHostContext, VMStore, signals, thread,
};

/// Stack that generated code may use below a host caller, if the thread has that much.
pub const DEFAULT_MAX_WASM_STACK: usize = 4 << 20;

/// Why generated code did not return.
#[derive(Debug)]
pub enum Unwind {
    /// It trapped.
    Trap(Box<RawTrap>),
    /// A host function returned this.
    Error(Box<HostError>),
    /// A host function panicked with this payload.
    Panic(Box<dyn Any + Send>),
}

/// A trap, and where it happened.
#[derive(Debug)]
pub struct RawTrap {
    /// What happened.
    pub cause: TrapCause,
    /// The guest's frames, innermost first.
    pub backtrace: RawBacktrace,
}

/// What ended an activation by a trap.
#[derive(Debug)]
pub enum TrapCause {
    /// A trap of the specification, a used-up stack, an interruption.
    Code(TrapCode),
    /// A function could not be compiled at its first call.
    Compile(Box<dyn Error + Send + Sync>),
}

/// A host function's error, unchanged, and where it was called.
#[derive(Debug)]
pub struct HostError {
    /// What the host function returned.
    pub error: Box<dyn Any + Send>,
    /// The guest's frames, innermost first.
    pub backtrace: RawBacktrace,
}

/// The part of a store that has to do with running code.
pub struct ActivationState {
    /// What the next leave carries to the entry.
    pending: Option<Unwind>,
    /// What a signal handler left for the entry to read.
    signal: Option<signals::SignalTrap>,
    /// Program counters that a handler collected; room is set aside beforehand.
    trace: PcTrace,
    /// Shared with the store's interrupt handles.
    pub(crate) interrupt: Arc<InterruptState>,
    /// The most stack generated code may use below its host caller, in bytes.
    pub(crate) max_wasm_stack: usize,
}

impl ActivationState {
    pub(crate) fn new(interrupt: Arc<InterruptState>, max_wasm_stack: usize) -> Self {
        Self {
            pending: None,
            signal: None,
            trace: PcTrace::default(),
            interrupt,
            max_wasm_stack,
        }
    }
}

impl StoreCore {
    /// Notes what a signal handler found, and the guest's frames. Async-signal-safe.
    ///
    /// # Safety
    /// The store's innermost activation is this thread's, and `pc` and `fp` are generated code's, or
    /// those of its last exit.
    pub(crate) unsafe fn note_signal(
        &mut self,
        trap: signals::SignalTrap,
        pc: usize,
        fp: usize,
        pc_is_exact: bool,
    ) {
        self.activation.signal = Some(trap);
        // SAFETY: as the caller says.
        unsafe {
            self.activation
                .trace
                .capture(self.vm.entry, pc, fp, pc_is_exact)
        };
    }

    /// Whether an interruption waits for delivery. Async-signal-safe.
    pub(crate) fn interrupt_requested(&self) -> bool {
        self.activation.interrupt.is_requested()
    }
}

/// Calls a function of this store.
///
/// `frame` holds the arguments as its signature places them ([`ArgCursor`](crate::ArgCursor)), the context
/// excepted; on success its first registers hold the result.
///
/// # Errors
/// The trap, host error or panic that ended the call.
///
/// # Safety
/// `func` belongs to `store`, `frame` fits its type, and nobody else uses the store meanwhile.
#[inline]
pub unsafe fn call(
    store: NonNull<StoreCore>,
    func: NonNull<VMFuncRef>,
    frame: &mut CallFrame,
) -> Result<(), Unwind> {
    let core = store.as_ptr();
    // SAFETY: as the caller says, for all accesses to the store and the function below. The record is
    // linked into the store and the thread only while this frame is alive.
    unsafe {
        let vm = &raw mut (*core).vm;
        let func = func.as_ref();
        let thread = thread::current();
        (*core).activation.interrupt.enter_thread(thread.tid);
        let sp = arch::stack_pointer();
        let outer_limit = (*vm).stack_limit;
        let previous_in_store = (*vm).entry;
        if previous_in_store.is_null() {
            let lowest = sp.saturating_sub((*core).activation.max_wasm_stack);
            (*vm).stack_limit = lowest.max(thread.stack_limit + thread.moving_room);
        }
        if sp <= (*vm).stack_limit {
            return Err(stack_overflow(core));
        }
        // One by one: they were stored one by one just now, and a load of both at once, which the
        // compiler would make of it, waits until those stores have left the store buffer.
        let previous_exit_pc = (&raw const (*vm).exit_pc).read_volatile();
        let previous_exit_fp = (&raw const (*vm).exit_fp).read_volatile();
        let mut record = EntryRecord {
            saved_sp: 0,
            fp: 0,
            store: vm,
            previous_on_thread: thread::innermost(),
            previous_in_store,
            previous_exit_pc,
            previous_exit_fp,
        };
        (*vm).entry = &mut record;
        (*vm).caller = ptr::null_mut();
        thread::set_innermost(&mut record);
        frame.gprs[0] = func.vmctx as u64;
        let code = (*func.slot).load(Ordering::Acquire);
        let left = arch::enter(&raw mut record, code, frame);
        thread::set_innermost(record.previous_on_thread);
        let result = if left == 0 {
            Ok(())
        } else {
            Err(take_unwind(core))
        };
        (*vm).entry = previous_in_store;
        (*vm).stack_limit = outer_limit;
        (*vm).exit_pc = record.previous_exit_pc;
        (*vm).exit_fp = record.previous_exit_fp;
        result
    }
}

/// Not even the entry fits on the stack.
#[cold]
unsafe fn stack_overflow(core: *mut StoreCore) -> Unwind {
    // SAFETY: the store does not run generated code now, so its last exit is current.
    let backtrace = unsafe { RawBacktrace::of_store(&raw const (*core).vm) };
    Unwind::Trap(Box::new(RawTrap {
        cause: TrapCause::Code(TrapCode::StackOverflow),
        backtrace,
    }))
}

/// What made `enter` return 1.
#[cold]
unsafe fn take_unwind(core: *mut StoreCore) -> Unwind {
    // SAFETY: generated code has been left, so the store is the caller's again.
    let activation = unsafe { &mut (*core).activation };
    if let Some(pending) = activation.pending.take() {
        return pending;
    }
    let Some(trap) = activation.signal.take() else {
        unreachable!("an activation is left with a reason");
    };
    let code = trap.code();
    if code == TrapCode::Interrupted {
        activation.interrupt.acknowledge();
    }
    let backtrace = RawBacktrace::resolve(&activation.trace);
    Unwind::Trap(Box::new(RawTrap {
        cause: TrapCause::Code(code),
        backtrace,
    }))
}

/// Leaves the innermost activation of the store.
///
/// # Safety
/// The store runs generated code on this thread, which called the present code through a stub, and no
/// frame between has anything to drop.
unsafe fn leave_with(store: *mut VMStore, unwind: Unwind) -> ! {
    // SAFETY: `vm` is the first field of `StoreCore`; the rest as the caller says.
    unsafe {
        (*store.cast::<StoreCore>()).activation.pending = Some(unwind);
        arch::leave((*store).entry)
    }
}

/// Ends the innermost activation of the store with a trap.
///
/// # Safety
/// As for [`leave_with`].
#[cold]
pub(crate) unsafe fn raise_trap(store: *mut VMStore, code: TrapCode) -> ! {
    // SAFETY: as the caller says.
    unsafe { raise(store, TrapCause::Code(code)) }
}

unsafe fn raise(store: *mut VMStore, cause: TrapCause) -> ! {
    // SAFETY: as the caller of this says. Generated code was left through a stub, which noted where.
    unsafe {
        let backtrace = RawBacktrace::of_store(store);
        leave_with(store, Unwind::Trap(Box::new(RawTrap { cause, backtrace })))
    }
}

/// Where stubs go when they find the interrupt flag set.
pub(crate) unsafe extern "C" fn raise_interrupt(store: *mut VMStore) -> ! {
    // SAFETY: called by stubs of a running activation only.
    unsafe {
        (*store.cast::<StoreCore>())
            .activation
            .interrupt
            .acknowledge();
        raise_trap(store, TrapCode::Interrupted)
    }
}

/// The builtin `trap`.
pub(crate) unsafe extern "C" fn trap(vmctx: *mut VMContext, code: u32) -> ! {
    let code = u8::try_from(code)
        .ok()
        .and_then(TrapCode::from_u8)
        .unwrap_or(TrapCode::Unreachable);
    // SAFETY: called by the builtin's stub only.
    unsafe { raise_trap((*vmctx).store, code) }
}

/// Where to go on with a call whose function has used up its budget: in the code that asks, which goes
/// on at `resume`, or at the start of better code.
pub(crate) unsafe extern "C" fn budget_at_entry(
    vmctx: *mut VMContext,
    function: u32,
    resume: *const u8,
) -> *const u8 {
    // SAFETY: called by the builtin's stub only, with the context of a live instance.
    unsafe {
        let (hooks, budget) = used_up(vmctx, function);
        hooks.budget_at_entry(function, budget).unwrap_or(resume)
    }
}

/// The builtin `budget_at_loop`.
pub(crate) unsafe extern "C" fn budget_at_loop(
    vmctx: *mut VMContext,
    function: u32,
    loop_number: u32,
    _cells: *mut u8,
) -> *const u8 {
    // SAFETY: called by the builtin's stub only, with the context of a live instance.
    unsafe {
        let (hooks, budget) = used_up(vmctx, function);
        let entry = hooks.budget_at_loop(function, loop_number, budget);
        entry.map_or(ptr::null(), |entry| make_room(vmctx, entry))
    }
}

/// The builtin `budget_at_middle_loop`.
pub(crate) unsafe extern "C" fn budget_at_middle_loop(
    vmctx: *mut VMContext,
    function: u32,
    loop_number: u32,
    _cells: *mut u8,
    result: *mut *const u8,
) {
    // SAFETY: called by the builtin's stub only, with the context of a live instance and a cell of the
    // frame that calls.
    unsafe {
        let (hooks, budget) = used_up(vmctx, function);
        let entry = hooks.budget_at_middle_loop(function, loop_number, budget);
        *result = entry.map_or(ptr::null(), |entry| make_room(vmctx, entry));
    }
}

/// Bytes of stack that a move takes beside the frame of the entry: a return address, saved registers, cells of the frame
/// that is left, and what alignment costs.
const STACK_OF_A_MOVE: usize = 192;

/// Lowers the stack's limit by what an entry at a loop takes, so that as much is left to what it calls as there was. Returns
/// the entry, or null where the thread has not so much: at the end of the stack a frame stays where it is.
///
/// # Safety
/// The context is of a live instance, which this thread runs, and the entry is one of its module's.
unsafe fn make_room(vmctx: *mut VMContext, entry: *const u8) -> *const u8 {
    // SAFETY: as the caller says.
    unsafe {
        let code = &Instance::from_vmctx(vmctx).as_ref().module().code;
        let taken = code
            .entry_stack(entry.addr())
            .saturating_add(STACK_OF_A_MOVE);
        let store = (*vmctx).store;
        let limit = (*store).stack_limit;
        let lowered = limit.saturating_sub(taken);
        if lowered < thread::current().stack_limit {
            return ptr::null();
        }
        (*store).limit_before_move = limit;
        (*store).stack_limit = lowered;
        entry
    }
}

/// Whom to ask about a budget that is used up, and the budget. The function's calls have been sampled.
///
/// # Safety
/// The context is of a live instance, which this thread runs, and nobody else has the budget.
unsafe fn used_up<'a>(vmctx: *mut VMContext, function: u32) -> (&'a dyn TierHooks, &'a mut i32) {
    // SAFETY: as the caller says.
    unsafe {
        let instance = Instance::from_vmctx(vmctx).as_ref();
        let hooks = &*instance.module().hooks;
        hooks.sample_calls(function, &mut |cell| instance.take_call(cell));
        (hooks, instance.budget(function).as_mut())
    }
}

/// Code for a function that is called for the first time: what the lazy stubs jump to then.
pub(crate) unsafe extern "C" fn lazy_resolve(vmctx: *mut VMContext, function: u32) -> *const u8 {
    // SAFETY: called by the lazy stubs only, with the context of a live instance.
    unsafe {
        let result = {
            let instance = Instance::from_vmctx(vmctx).as_ref();
            instance.module().hooks.lazy_compile(function)
        };
        match result {
            Ok(code) => code,
            Err(error) => raise((*vmctx).store, TrapCause::Compile(error)),
        }
    }
}

/// A function of the host: what it does, given its call.
///
/// An error goes unchanged to whoever called into the guest, as [`Unwind::Error`]; so does a panic.
pub type HostCallback =
    Arc<dyn Fn(&mut HostCall<'_>) -> Result<(), Box<dyn Any + Send>> + Send + Sync>;

/// One call of a host function: its store, its caller and its arguments.
pub struct HostCall<'a> {
    /// The store.
    pub store: NonNull<StoreCore>,
    /// The instance that calls, or `None` when the host itself does.
    pub caller: Option<NonNull<Instance>>,
    /// Argument registers, and the result's.
    frame: &'a mut HostFrame,
    /// Stack arguments.
    stack: *const u64,
}

/// The head of a [`CallFrame`], as the host call stubs fill it.
#[repr(C, align(16))]
pub(crate) struct HostFrame {
    gprs: [u64; 6],
    xmms: [u128; 8],
}

impl HostCall<'_> {
    /// A general-purpose argument register.
    #[inline]
    #[must_use]
    pub fn gpr(&self, index: u8) -> u64 {
        self.frame.gprs[usize::from(index)]
    }

    /// A vector argument register. The upper half means something for a `v128` only.
    #[inline]
    #[must_use]
    pub fn xmm(&self, index: u8) -> u128 {
        self.frame.xmms[usize::from(index)]
    }

    /// The low half of a vector argument register.
    #[inline]
    #[must_use]
    pub fn xmm_low(&self, index: u8) -> u64 {
        // SAFETY: the register is in bounds, and a u64 may be read from the start of a u128.
        unsafe {
            (&raw const self.frame.xmms[usize::from(index)])
                .cast::<u64>()
                .read()
        }
    }

    /// A word of the stack arguments.
    ///
    /// # Safety
    /// The function's type has an argument there.
    #[inline]
    #[must_use]
    pub unsafe fn stack(&self, word: u32) -> u64 {
        // SAFETY: as the caller says.
        unsafe { self.stack.add(word as usize).read() }
    }

    /// Sets a result of an integer or reference type.
    #[inline]
    pub fn set_gpr(&mut self, bits: u64) {
        self.frame.gprs[0] = bits;
    }

    /// Sets a result of type `f32` or `f64`.
    #[inline]
    pub fn set_xmm_low(&mut self, bits: u64) {
        // SAFETY: a u64 may be written to the start of a u128.
        unsafe { (&raw mut self.frame.xmms[0]).cast::<u64>().write(bits) };
    }

    /// Sets a result of type `v128`.
    #[inline]
    pub fn set_xmm(&mut self, bits: u128) {
        self.frame.xmms[0] = bits;
    }
}

/// A host function in a store.
#[repr(C)]
pub struct HostFunc {
    /// What generated code passes as context.
    context: VMHostContext,
    /// Its code: a host call stub.
    slot: crate::CodeSlot,
    /// The reference to it.
    pub(crate) funcref: VMFuncRef,
    /// What it does.
    callback: HostCallback,
    /// Keeps the type's id.
    _ty: TypeLease,
}

impl HostFunc {
    /// A host function of this type, whose signature uses `vectors`.
    pub(crate) fn new(
        store: *mut VMStore,
        ty: TypeLease,
        vectors: VectorUse,
        callback: HostCallback,
    ) -> Box<Self> {
        let mut func = Box::new(Self {
            context: VMHostContext {
                store,
                func: ptr::null_mut(),
            },
            slot: crate::CodeSlot::new(arch::host_call_stub(vectors)),
            funcref: VMFuncRef {
                slot: ptr::null(),
                vmctx: ptr::null_mut(),
                type_id: ty.id(),
            },
            callback,
            _ty: ty,
        });
        let address = &raw mut *func;
        func.context.func = address.cast();
        func.funcref.slot = &raw const func.slot;
        func.funcref.vmctx = (&raw mut func.context).cast();
        func
    }
}

/// What the host call stubs call. Returns only when the host function returned a value.
pub(crate) unsafe extern "C" fn host_dispatch(
    context: *mut VMHostContext,
    frame: *mut HostFrame,
    stack: *const u64,
) {
    // SAFETY: called by the stubs only: the context is that of a live host function of a store that runs
    // on this thread, and the frame is the stub's.
    let (store, result) = unsafe {
        let store = (*context).store;
        let callback = &(*(*context).func.cast::<HostFunc>()).callback;
        let caller =
            NonNull::new((*store).caller).map(|vmctx| Instance::from_vmctx(vmctx.as_ptr()));
        let mut call = HostCall {
            store: NonNull::new_unchecked(store.cast()),
            caller,
            frame: &mut *frame,
            stack,
        };
        (
            store,
            catch_unwind(AssertUnwindSafe(|| callback(&mut call))),
        )
    };
    match result {
        Ok(Ok(())) => {}
        // SAFETY: the stub left generated code of this store; `result` is moved out of.
        Ok(Err(error)) => unsafe { leave_with_error(store, error) },
        // SAFETY: as above.
        Err(panic) => unsafe { leave_with(store, Unwind::Panic(panic)) },
    }
}

#[cold]
unsafe fn leave_with_error(store: *mut VMStore, error: Box<dyn Any + Send>) -> ! {
    // SAFETY: as the caller says.
    unsafe {
        let backtrace = RawBacktrace::of_store(store);
        leave_with(
            store,
            Unwind::Error(Box::new(HostError { error, backtrace })),
        )
    }
}
