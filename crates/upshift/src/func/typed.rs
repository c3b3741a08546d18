//! Functions whose Rust types are known at compile time.

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use upshift_module::to_u64;
use upshift_runtime::CallFrame;

use super::abi::{Room, Signature, put_argument};
use super::{Func, WasmParams, WasmResults, invoke};
use crate::{AsContextMut, Result, ValType};

/// A function that is called with Rust values.
///
/// Parameters and results are a [`WasmTy`](crate::WasmTy) or a tuple of up to 16. The types are compared
/// once, when the handle is made; a call costs some ten nanoseconds.
///
/// ```
/// use upshift::{Engine, Instance, Module, Store};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(
///     &engine,
///     r#"(module (func (export "div_rem") (param i32 i32) (result i32 i32)
///          (i32.div_u (local.get 0) (local.get 1))
///          (i32.rem_u (local.get 0) (local.get 1))))"#,
/// )?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let div_rem = instance.get_typed_func::<(u32, u32), (u32, u32)>(&mut store, "div_rem")?;
/// assert_eq!(div_rem.call(&mut store, (17, 5))?, (3, 2));
///
/// let error = instance.get_typed_func::<i32, i32>(&mut store, "div_rem").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the types don't fit: wanted function (i32) -> (i32), \
///      but it is function (i32, i32) -> (i32, i32)"
/// );
/// # Ok(())
/// # }
/// ```
pub struct TypedFunc<Params, Results> {
    func: Func,
    types: PhantomData<fn(Params) -> Results>,
}

impl<Params, Results> Clone for TypedFunc<Params, Results> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Params, Results> Copy for TypedFunc<Params, Results> {}

impl<Params, Results> fmt::Debug for TypedFunc<Params, Results> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.func.fmt(f)
    }
}

impl<Params: WasmParams, Results: WasmResults> TypedFunc<Params, Results> {
    /// A handle without the comparison that [`Func::typed`] makes.
    ///
    /// # Safety
    /// The function has exactly these types.
    #[must_use]
    pub unsafe fn new_unchecked(func: Func) -> Self {
        Self {
            func,
            types: PhantomData,
        }
    }

    /// The function.
    #[must_use]
    pub fn func(&self) -> &Func {
        &self.func
    }

    /// Calls it.
    ///
    /// # Errors
    /// The [`Trap`](crate::Trap) that it ended in, the error of a host function, as it was returned
    /// ([`Error::downcast_ref`](crate::Error::downcast_ref)), or another store than its own, or that of a
    /// reference among the arguments.
    ///
    /// # Panics
    /// With the panic of a host function, if there is one.
    #[inline]
    pub fn call(&self, mut store: impl AsContextMut, params: Params) -> Result<Results> {
        type Sig<P, R> = Signature<P, R>;
        let store = store.as_context_mut().0;
        let id = store.opaque.core.id;
        self.func.check(id)?;
        WasmParams::check(&params, id)?;
        let mut room = Room::new();
        let stack = room.stack.as_mut_ptr().cast::<u64>();
        let cells = room.cells.as_mut_ptr().cast::<u128>();
        let mut frame = MaybeUninit::<CallFrame>::uninit();
        let frame = frame.as_mut_ptr();
        // SAFETY: the function is of this store and has these types; `Room` is large enough for any
        // signature of 16 parameters and results; a call that returned has written its results.
        unsafe {
            params.put(frame, stack);
            if Sig::<Params, Results>::BY_POINTER {
                let address = u128::from(to_u64(cells.expose_provenance()));
                let location = const { Sig::<Params, Results>::POINTER };
                put_argument(frame, stack, location, ValType::I64, address);
            }
            (&raw mut (*frame).stack).write(stack);
            (&raw mut (*frame).stack_words).write(const { Sig::<Params, Results>::STACK_WORDS });
            (&raw mut (*frame).vectors).write(const { Sig::<Params, Results>::VECTORS });
            invoke(store, self.func.raw(), frame)?;
            Ok(Results::get(frame, cells, id))
        }
    }
}
