//! Host functions in a store: the target of the host call stubs, and how a function of the host reads its arguments and
//! sets its results. How an activation goes on behind it is in `activation`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use upshift_module::to_usize;

use crate::activation::{as_host, leave_with};
use crate::arch::{self, VectorUse};
use crate::{
    HostError, Instance, RawBacktrace, StoreCore, TypeLease, Unwind, VMFuncRef, VMHostContext,
    VMStore,
};

/// A function of the host: its behaviour, given its call.
///
/// An error goes unchanged to the code that called into the guest, as [`Unwind::Error`]; so does a panic.
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
        unsafe { self.stack.add(to_usize(word)).read() }
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
    /// The context that generated code passes.
    context: VMHostContext,
    /// Its code: a host call stub.
    slot: crate::CodeSlot,
    /// The reference to it.
    pub(crate) funcref: VMFuncRef,
    /// Its behaviour.
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

/// The target of the host call stubs. Returns only when the host function returned a value.
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
        let run = || catch_unwind(AssertUnwindSafe(|| callback(&mut call)));
        (store, as_host(store, run))
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
