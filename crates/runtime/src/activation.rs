//! Entering generated code from the host, leaving it for a host function, and the three ways out that are
//! not a return: a trap, a host function's error, a host function's panic. All three go to the entry of
//! the innermost activation by restoring its stack pointer; no unwinder takes part, and the frames in
//! between own nothing.

use std::any::Any;
use std::error::Error;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use upshift_module::{DefinedFuncIndex, LoopIndex, to_u64};

use crate::arch::{self, CallFrame};
use crate::backtrace::{PcTrace, RawBacktrace};
use crate::interrupt::InterruptState;
use crate::{
    EntryRecord, Instance, NoCode, StackError, StoreCore, TierHooks, TrapCode, VMContext,
    VMFuncRef, VMStore, signals, thread,
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
    /// It can't run on the present stack.
    Stack(StackError),
}

/// A trap, and where it happened.
#[derive(Debug)]
pub struct RawTrap {
    /// The cause.
    pub cause: TrapCause,
    /// The guest's frames, innermost first.
    pub backtrace: RawBacktrace,
}

/// The end of an activation by a trap.
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
    /// The host function's error.
    pub error: Box<dyn Any + Send>,
    /// The guest's frames, innermost first.
    pub backtrace: RawBacktrace,
}

/// The part of a store that has to do with running code.
pub struct ActivationState {
    /// The next leave's message to the entry.
    pending: Option<Unwind>,
    /// A signal handler's message to the entry.
    signal: Option<signals::SignalTrap>,
    /// Program counters that a handler collected; room is set aside beforehand.
    trace: PcTrace,
    /// Shared with the store's interrupt handles.
    pub(crate) interrupt: Arc<InterruptState>,
    /// The most stack generated code may use below its host caller, in bytes.
    pub(crate) max_wasm_stack: usize,
    /// The part of a stack that the host wants for its functions, in bytes.
    pub(crate) host_stack: Option<usize>,
}

impl ActivationState {
    pub(crate) fn new(
        interrupt: Arc<InterruptState>,
        max_wasm_stack: usize,
        host_stack: Option<usize>,
    ) -> Self {
        Self {
            pending: None,
            signal: None,
            trace: PcTrace::default(),
            interrupt,
            max_wasm_stack,
            host_stack,
        }
    }
}

impl StoreCore {
    /// Notes a signal handler's findings, and the guest's frames. Async-signal-safe.
    ///
    /// # Safety
    /// The store's innermost activation is the one whose code this thread runs, and `pc` and `fp` are generated code's, or
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

/// An activation while its entry's frame is alive. Dropping it puts the store back as it was before.
struct Activation {
    record: EntryRecord,
    /// The stack limit of the activation around it.
    outer_limit: usize,
}

impl Drop for Activation {
    #[inline]
    fn drop(&mut self) {
        let record = &self.record;
        // SAFETY: the store is alive for longer, and its code has been left.
        unsafe {
            let vm = record.store;
            (*vm).entry = record.previous_in_store;
            (*vm).stack_limit = self.outer_limit;
            (*vm).exit_pc = record.previous_exit_pc;
            (*vm).exit_fp = record.previous_exit_fp;
        }
    }
}

/// Calls a function of this store.
///
/// `frame` holds the arguments as its signature places them ([`ArgCursor`](crate::ArgCursor)), the context
/// excepted; on success its first registers hold the result.
///
/// # Errors
/// The trap, host error or panic that ended the call, or why it can't run on this stack.
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
    let sp = arch::stack_pointer();
    let here = thread::here(sp).map_err(Unwind::Stack)?;
    // SAFETY: as the caller says, for all accesses to the store and the function below. The record is
    // linked into the store and the thread only while this frame is alive.
    unsafe {
        let vm = &raw mut (*core).vm;
        let func = func.as_ref();
        let previous_in_store = (*vm).entry;
        let activation = &(*core).activation;
        let host_limit = here.stack.host_limit(activation.host_stack);
        let host_limit = host_limit.map_err(Unwind::Stack)?;
        let outer_limit = (*vm).stack_limit;
        let shares_stack = previous_in_store
            .as_ref()
            .is_some_and(|outer| outer.stack_end == here.stack.lowest);
        // A nested activation has the rest of the one around it, if that is on the same stack.
        let stack_limit = if shares_stack {
            outer_limit
        } else {
            let lowest = sp.saturating_sub(activation.max_wasm_stack);
            lowest.max(host_limit + here.stack.moving_room())
        };
        // The entry copies the arguments below this frame.
        if sp.saturating_sub(frame.stack_words * size_of::<u64>()) <= stack_limit {
            return Err(stack_overflow(core));
        }
        (*core).activation.interrupt.enter_thread(here.thread);
        // One by one: they were stored one by one just now, and a load of both at once, which the
        // compiler would make of it, waits until those stores have left the store buffer.
        let previous_exit_pc = (&raw const (*vm).exit_pc).read_volatile();
        let previous_exit_fp = (&raw const (*vm).exit_fp).read_volatile();
        let mut activation = Activation {
            record: EntryRecord {
                saved_sp: 0,
                fp: 0,
                store: vm,
                stack_end: here.stack.lowest,
                host_limit,
                thread: here.thread,
                previous_in_store,
                previous_exit_pc,
                previous_exit_fp,
            },
            outer_limit,
        };
        let record = &raw mut activation.record;
        (*vm).entry = record;
        (*vm).stack_limit = stack_limit;
        (*vm).caller = ptr::null_mut();
        thread::set_innermost(record);
        frame.gprs[0] = to_u64(func.vmctx.expose_provenance());
        let code = (*func.slot).load(Ordering::Acquire);
        let thread = arch::thread_pointer();
        let left = arch::enter(record, code, frame);
        thread::leave_innermost(thread);
        if left == 0 {
            Ok(())
        } else {
            Err(take_unwind(core))
        }
    }
}

/// Runs a piece of the host between two pieces of an activation's code, and leaves the activation if its code can't
/// go on here.
///
/// # Safety
/// The store's code called the present code through a stub, and no frame between has anything to drop.
#[inline]
pub(crate) unsafe fn as_host<R>(store: *mut VMStore, work: impl FnOnce() -> R) -> R {
    // SAFETY: as the caller says.
    let (record, limit) = unsafe { ((*store).entry, (*store).stack_limit) };
    // SAFETY: as the caller says.
    let (exit_pc, exit_fp) = unsafe { ((*store).exit_pc, (*store).exit_fp) };
    let thread = arch::thread_pointer();
    thread::set_innermost(ptr::null_mut());
    let result = work();
    // Activations that the host began and ended meanwhile may have been of any order.
    // SAFETY: the store is alive, and this activation's code was left where it said.
    unsafe {
        (*store).exit_pc = exit_pc;
        (*store).exit_fp = exit_fp;
        (*store).stack_limit = limit;
    }
    // SAFETY: the activation is alive, and `VMStore` is the first field of `StoreCore`.
    let is_as_before = arch::thread_pointer() == thread
        && unsafe {
            let interrupt = &(*store.cast::<StoreCore>()).activation.interrupt;
            // A new thread may be where one that has ended was.
            (*record).thread == thread::id_if_ready()
                && interrupt.is_sent_to((*record).thread)
                && (*store).entry == record
        };
    if is_as_before {
        thread::set_innermost(record);
        return result;
    }
    // SAFETY: the activation's code is about to go on.
    match unsafe { resume(record, limit) } {
        Ok(()) => result,
        Err(error) => {
            drop(result);
            // SAFETY: as the caller says; all values with destructors are dropped.
            unsafe { leave_with(store, Unwind::Stack(error)) }
        }
    }
}

/// States that an activation's code runs from here on, on this thread, with the stack limit that it had.
///
/// Not inlined: the host may have moved to another thread, where the addresses of thread-locals are others.
///
/// # Safety
/// The activation is alive, and its code or its end runs next.
#[cold]
#[inline(never)]
unsafe fn resume(record: *mut EntryRecord, stack_limit: usize) -> Result<(), StackError> {
    // SAFETY: as the caller says. `VMStore` is the first field of `StoreCore`.
    unsafe {
        let store = (*record).store;
        (*store).entry = record;
        (*store).stack_limit = stack_limit;
        let core = store.cast::<StoreCore>();
        let thread = thread::id()?;
        (*record).thread = thread;
        (*core).activation.interrupt.enter_thread(thread);
    }
    thread::set_innermost(record);
    Ok(())
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

/// The reason for which `enter` returned 1.
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
pub(crate) unsafe fn leave_with(store: *mut VMStore, unwind: Unwind) -> ! {
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
/// on at `go_on`, or at the start of better code.
pub(crate) unsafe extern "C" fn budget_at_entry(
    vmctx: *mut VMContext,
    function: DefinedFuncIndex,
    go_on: *const u8,
) -> *const u8 {
    // SAFETY: called by the builtin's stub only, with the context of a live instance.
    unsafe {
        let ask = || {
            let UsedUp { hooks, budget } = used_up(vmctx, function);
            hooks.budget_at_entry(function, budget)
        };
        as_host((*vmctx).store, ask).unwrap_or(go_on)
    }
}

/// The builtin `budget_at_loop`.
pub(crate) unsafe extern "C" fn budget_at_loop(
    vmctx: *mut VMContext,
    function: DefinedFuncIndex,
    loop_number: LoopIndex,
    _cells: *mut u8,
) -> *const u8 {
    // SAFETY: called by the builtin's stub only, with the context of a live instance.
    unsafe {
        let ask = || {
            let UsedUp { hooks, budget } = used_up(vmctx, function);
            hooks.budget_at_loop(function, loop_number, budget)
        };
        as_host((*vmctx).store, ask).map_or(ptr::null(), |entry| make_room(vmctx, entry))
    }
}

/// The builtin `budget_at_middle_loop`.
pub(crate) unsafe extern "C" fn budget_at_middle_loop(
    vmctx: *mut VMContext,
    function: DefinedFuncIndex,
    loop_number: LoopIndex,
    _cells: *mut u8,
    result: *mut *const u8,
) {
    // SAFETY: called by the builtin's stub only, with the context of a live instance and a cell of the
    // frame that calls.
    unsafe {
        let ask = || {
            let UsedUp { hooks, budget } = used_up(vmctx, function);
            hooks.budget_at_middle_loop(function, loop_number, budget)
        };
        *result = as_host((*vmctx).store, ask).map_or(ptr::null(), |entry| make_room(vmctx, entry));
    }
}

/// Bytes of stack that a move takes beside the frame of the entry: a return address, saved registers, cells of the frame
/// that is left, and the padding of alignment.
const STACK_OF_A_MOVE: usize = 192;

/// Lowers the stack's limit by the frame of an entry at a loop, so that as much is left to its callees as there was. Returns
/// the entry, or null where the stack has not so much: at the end of the stack a frame stays where it is.
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
        if lowered < (*(*store).entry).host_limit {
            return ptr::null();
        }
        (*store).limit_before_move = limit;
        (*store).stack_limit = lowered;
        entry
    }
}

/// A budget that is used up.
struct UsedUp<'a> {
    /// Whom to ask.
    hooks: &'a dyn TierHooks,
    budget: &'a mut i32,
}

/// The budget of a function, which is used up. The function's calls have been sampled.
///
/// # Safety
/// The context is of a live instance, which this thread runs, and nobody else has the budget.
unsafe fn used_up<'a>(vmctx: *mut VMContext, function: DefinedFuncIndex) -> UsedUp<'a> {
    // SAFETY: as the caller says.
    unsafe {
        let instance = Instance::from_vmctx(vmctx).as_ref();
        let hooks = &*instance.module().hooks;
        hooks.sample_calls(function, &mut |cell| instance.take_call(cell));
        UsedUp {
            hooks,
            budget: instance.budget(function).as_mut(),
        }
    }
}

/// Code for a function that is called for the first time: the lazy stubs jump to it then.
pub(crate) unsafe extern "C" fn lazy_resolve(
    vmctx: *mut VMContext,
    function: DefinedFuncIndex,
) -> *const u8 {
    // SAFETY: called by the lazy stubs only, with the context of a live instance.
    unsafe {
        let store = (*vmctx).store;
        let compile = || {
            let instance = Instance::from_vmctx(vmctx).as_ref();
            let interrupt = &(*store.cast::<StoreCore>()).activation.interrupt;
            let hooks = &instance.module().hooks;
            hooks.lazy_compile(function, interrupt.stop())
        };
        loop {
            match as_host(store, compile) {
                Ok(code) => return code,
                Err(NoCode::Failed(error)) => raise(store, TrapCause::Compile(error)),
                Err(NoCode::Stopped) => end_if_requested(store),
            }
        }
    }
}

/// Delivers an interruption, unless the request was taken back meanwhile.
///
/// # Safety
/// As for [`leave_with`].
unsafe fn end_if_requested(store: *mut VMStore) {
    // SAFETY: as the caller says.
    unsafe {
        if (*store.cast::<StoreCore>()).activation.interrupt.clear() {
            raise_trap(store, TrapCode::Interrupted)
        }
    }
}
