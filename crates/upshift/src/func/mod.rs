//! Functions as objects of a store: of guests and of the host, called with values of dynamic type.
//! Typed calls are in `typed`, host functions in `host`, registers in `abi`.

mod abi;
mod host;
mod typed;

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use smallvec::SmallVec;
use upshift_module::FuncType as RawFuncType;
use upshift_module::{to_u64, u64_to_usize};
use upshift_runtime::{ArgCursor, CallFrame, RawTrap, StoreId, TrapCause, Unwind, VMFuncRef};

pub use abi::{WasmParams, WasmResults, WasmTy};
pub(crate) use host::HostFunc;
pub use host::{IntoFunc, WasmRet};
pub use typed::TypedFunc;

use crate::error::ErrorKind;
use crate::store::{StoreInner, assert_store, check_store};
use crate::types::check_size;
use crate::val::check_types;
use crate::{
    AsContext, AsContextMut, Backtrace, Caller, Error, FuncType, Result, Trap, Val, ValType,
};

/// A function, of a guest or of the host.
///
/// ```
/// use upshift::{Caller, Engine, Func, FuncType, Store, Val, ValType};
///
/// # fn main() -> upshift::Result<()> {
/// let mut store = Store::new(&Engine::default(), 10);
///
/// // Of Rust types, with or without a leading `Caller`; results may be in a `Result`.
/// let add = Func::wrap(&mut store, |caller: Caller<'_, i32>, x: i32| x + caller.data());
/// assert_eq!(add.ty(&store), FuncType::new([ValType::I32], [ValType::I32]));
/// assert_eq!(add.typed::<i32, i32>(&store)?.call(&mut store, 5)?, 15);
///
/// // Of a type that is known at run time only; the closure takes its own state along.
/// let factor = 3;
/// let ty = FuncType::new([ValType::I64], [ValType::I64]);
/// let multiply = Func::new(&mut store, ty, move |_caller, params, results| {
///     results[0] = Val::I64(params[0].unwrap_i64() * factor);
///     Ok(())
/// });
/// let mut results = [Val::I32(0)];
/// multiply.call(&mut store, &[Val::I64(14)], &mut results)?;
/// assert_eq!(results[0].unwrap_i64(), 42);
///
/// // Wrong arguments are an error.
/// assert!(multiply.call(&mut store, &[Val::I32(14)], &mut results).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Func {
    store: StoreId,
    raw: NonNull<VMFuncRef>,
}

// SAFETY: only used together with its store, which is with one thread at a time.
unsafe impl Send for Func {}
// SAFETY: as above.
unsafe impl Sync for Func {}

impl Func {
    /// A host function whose type is known at run time only.
    ///
    /// The closure gets the arguments, and results to be set, which start as zeroes and nulls. State
    /// from outside, it captures; the store's own state is in the store's data, which the
    /// [`Caller`] reaches. An error that it returns ends the WebAssembly that called it, and comes back
    /// unchanged to the caller of that. So does a panic.
    pub fn new<T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let store = store.as_context_mut();
        let raw = HostFunc::dynamic(ty, func).instantiate(&mut store.0.opaque);
        Self {
            store: store.0.opaque.core.id,
            raw,
        }
    }

    /// A host function from a closure over Rust types: see [`IntoFunc`].
    pub fn wrap<T: 'static, Params, Results>(
        mut store: impl AsContextMut<Data = T>,
        func: impl IntoFunc<T, Params, Results>,
    ) -> Self {
        let store = store.as_context_mut();
        let raw = func
            .into_host_func()
            .into_inner()
            .instantiate(&mut store.0.opaque);
        Self {
            store: store.0.opaque.core.id,
            raw,
        }
    }

    /// Its type.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let store = store.as_context().0;
        assert_store("function", self.store, store.opaque.core.id);
        FuncType(self.raw_type(store).as_ref().clone())
    }

    /// Calls it.
    ///
    /// `results` must have as many elements as the function has results; their values before do not
    /// matter.
    ///
    /// # Errors
    /// The [`Trap`] that it ended in, the error of a host function, as it was returned
    /// ([`Error::downcast_ref`]), arguments that don't fit, more parameters or results than a module's function
    /// may have, a [stack](crate::StackError) that WebAssembly can't run on, or another store than its own.
    ///
    /// # Panics
    /// With the panic of a host function, if there is one.
    pub fn call(
        &self,
        mut store: impl AsContextMut,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let store = store.as_context_mut();
        self.check(store.0.opaque.core.id)?;
        let ty = self.raw_type(store.0);
        check_size(&ty)?;
        check_types("argument", params, ty.params())?;
        if results.len() != ty.results().len() {
            return Err(Error::value_type(format!(
                "wrong number of results: the function has {}, there is room for {}",
                ty.results().len(),
                results.len()
            )));
        }
        // SAFETY: the arguments are of the function's type, and it is of this store.
        unsafe { self.call_unchecked(store.0, &ty, params, results) }
    }

    /// # Safety
    /// The function is of this store and has this type; parameters and results are as it says.
    unsafe fn call_unchecked<T>(
        &self,
        store: &mut StoreInner<T>,
        ty: &RawFuncType,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let id = store.opaque.core.id;
        let mut stack = SmallVec::<[u64; 16]>::new();
        stack.resize(2 * params.len() + 2, 0);
        let mut cells = SmallVec::<[u128; 8]>::new();
        cells.resize(results.len(), 0);
        let mut frame = MaybeUninit::<CallFrame>::uninit();
        let frame = frame.as_mut_ptr();
        let mut cursor = ArgCursor::new();
        let mut put = |ty: ValType, bits: u128| {
            let location = cursor.next(ty);
            // SAFETY: an argument takes two words of stack at most, the pointer one.
            unsafe { abi::put_argument(frame, stack.as_mut_ptr(), location, ty, bits) };
        };
        for param in params {
            put(param.ty(), param.to_bits(id)?);
        }
        if let [result] = ty.results() {
            cursor.uses(*result);
        } else if results.len() > 1 {
            put(ValType::I64, to_u64(cells.as_mut_ptr().addr()).into());
            // The address goes through an integer; generated code makes a pointer of it again.
            let _ = cells.as_mut_ptr().expose_provenance();
        }
        // SAFETY: the frame fits the function's type, which is of this store.
        unsafe {
            (&raw mut (*frame).stack).write(stack.as_mut_ptr());
            (&raw mut (*frame).stack_words).write(cursor.stack_words());
            (&raw mut (*frame).vectors).write(cursor.vectors());
            invoke(store, self.raw, frame)?;
        }
        for (i, (result, &ty)) in results.iter_mut().zip(ty.results()).enumerate() {
            // SAFETY: the call has returned, so there are results of these types, of this store.
            *result = unsafe {
                let bits = match cells.len() {
                    1 => abi::get_result(frame, ty),
                    _ => abi::get_cell(&cells[i], ty),
                };
                Val::from_bits(bits, ty, id)
            };
        }
        Ok(())
    }

    /// A handle that is called with Rust values, and much faster.
    ///
    /// # Errors
    /// When the Rust types are not those of the function (the message shows both), or it belongs to
    /// another store.
    pub fn typed<Params: WasmParams, Results: WasmResults>(
        &self,
        store: impl AsContext,
    ) -> Result<TypedFunc<Params, Results>> {
        let store = store.as_context().0;
        self.check(store.opaque.core.id)?;
        let ty = self.raw_type(store);
        if ty.params() == Params::TYPES && ty.results() == Results::TYPES {
            // SAFETY: the types have just been compared.
            return Ok(unsafe { TypedFunc::new_unchecked(*self) });
        }
        Err(Error::from_kind(ErrorKind::Signature {
            wanted: FuncType::new(Params::TYPES.to_vec(), Results::TYPES.to_vec()),
            given: FuncType(ty.as_ref().clone()),
        }))
    }

    /// The function's own store must be this one.
    fn raw_type<T>(&self, store: &StoreInner<T>) -> Arc<RawFuncType> {
        // SAFETY: functions live as long as their store.
        let id = unsafe { self.raw.as_ref() }.type_id;
        store
            .opaque
            .engine
            .types()
            .get(id)
            .expect("the type has an id of this engine")
    }

    #[inline]
    pub(crate) fn check(&self, store: StoreId) -> Result<()> {
        check_store("function", self.store, store)
    }

    pub(crate) fn raw(&self) -> NonNull<VMFuncRef> {
        self.raw
    }

    /// # Safety
    /// It belongs to this store.
    pub(crate) unsafe fn from_raw(raw: NonNull<VMFuncRef>, store: StoreId) -> Self {
        Self { store, raw }
    }

    /// The value that generated code sees.
    pub(crate) fn reference(func: Option<Self>) -> u64 {
        func.map_or(0, |func| to_u64(func.raw.as_ptr().expose_provenance()))
    }

    /// # Safety
    /// The bits are a `funcref` of this store, or null.
    pub(crate) unsafe fn from_reference(bits: u64, store: StoreId) -> Option<Self> {
        let raw = std::ptr::with_exposed_provenance_mut(u64_to_usize(bits));
        Some(Self {
            store,
            raw: NonNull::new(raw)?,
        })
    }
}

/// Runs a function of a store: the one place where the embedder's thread enters WebAssembly.
///
/// # Safety
/// The function is of this store, and the frame fits its type.
#[inline]
pub(crate) unsafe fn invoke<T>(
    store: &mut StoreInner<T>,
    func: NonNull<VMFuncRef>,
    frame: *mut CallFrame,
) -> Result<()> {
    // SAFETY: as the caller says. Uninitialized parts of the frame are not looked at.
    match unsafe { upshift_runtime::call(store.core_ptr(), func, &mut *frame) } {
        Ok(()) => Ok(()),
        Err(unwind) => Err(error_of(unwind)),
    }
}

/// The error that the caller of WebAssembly gets to see.
#[cold]
fn error_of(unwind: Unwind) -> Error {
    match unwind {
        Unwind::Trap(trap) => trap_of(*trap),
        Unwind::Error(host) => {
            let upshift_runtime::HostError { error, backtrace } = *host;
            match error.downcast::<Error>() {
                Ok(error) => error.with_backtrace(|| Backtrace::from_raw(backtrace)),
                Err(_) => unreachable!("host functions of this crate return its own errors"),
            }
        }
        Unwind::Panic(payload) => std::panic::resume_unwind(payload),
        Unwind::Stack(error) => Error::from_kind(ErrorKind::Stack(error)),
    }
}

fn trap_of(trap: RawTrap) -> Error {
    let backtrace = Backtrace::from_raw(trap.backtrace);
    match trap.cause {
        TrapCause::Code(code) => Trap::new(code, backtrace).into(),
        TrapCause::Compile(error) => Error::compile(error).with_backtrace(|| backtrace),
    }
}
