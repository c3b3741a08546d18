//! Functions of the host: closures over Rust types or over values, made callable by WebAssembly.

use std::any::Any;
use std::error::Error as StdError;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use smallvec::SmallVec;
use upshift_module::{low_u64, u64_to_usize};
use upshift_runtime::{ArgCursor, ArgLocation, HostCall, HostCallback, VMFuncRef, VectorUse};

use super::abi::{Signature, get_argument, location, set_cell, set_result};
use super::{WasmParams, WasmResults, WasmTy};
use crate::store::{StoreInner, StoreOpaque};
use crate::val::check_types;
use crate::{Caller, Error, FuncType, Result, Val, ValType};

/// A host function that is in no store yet.
pub(crate) struct HostFunc {
    ty: FuncType,
    /// Its signature's use of vector registers.
    vectors: VectorUse,
    callback: HostCallback,
}

impl HostFunc {
    pub(crate) fn ty(&self) -> &FuncType {
        &self.ty
    }

    /// Puts it into a store.
    pub(crate) fn instantiate(&self, store: &mut StoreOpaque) -> NonNull<VMFuncRef> {
        let ty = store.engine.types().lease(&self.ty.0);
        // SAFETY: the callback was made for the type and for stores of its data's type, and a store is
        // boxed.
        unsafe {
            store
                .core
                .new_host_func(ty, self.vectors, Arc::clone(&self.callback))
        }
    }

    /// A closure over values.
    pub(crate) fn dynamic<T: 'static>(
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let mut cursor = ArgCursor::new();
        let locations: Box<[ArgLocation]> = ty.params().map(|ty| cursor.next(ty)).collect();
        let pointer = match ty.0.results() {
            [] => None,
            [only] => {
                cursor.uses(*only);
                None
            }
            _ => Some(cursor.next(ValType::I64)),
        };
        let types = ty.clone();
        let callback = move |call: &mut HostCall<'_>| {
            // SAFETY: this function is in stores of `T` only, and is called with arguments of its type.
            let (store, params) = unsafe {
                let store = StoreInner::<T>::from_core(call.store);
                let id = store.opaque.core.id;
                let params = types.params().zip(&locations).map(|(ty, &location)| {
                    Val::from_bits(get_argument(call, location, ty), ty, id)
                });
                (store, params.collect::<SmallVec<[Val; 8]>>())
            };
            let id = store.opaque.core.id;
            let mut results: SmallVec<[Val; 8]> =
                types.results().map(Val::default_for_ty).collect();
            let checked = func(Caller::new(store, call.caller), &params, &mut results)
                .and_then(|()| check_types("result", &results, types.0.results()))
                .and_then(|()| {
                    results
                        .iter()
                        .map(|value| value.to_bits(id))
                        .collect::<Result<SmallVec<[_; 8]>>>()
                });
            let bits = checked.map_err(carry)?;
            // SAFETY: the caller passes this pointer where the type has several results.
            let cells = pointer.map(|location| unsafe { cells_at(call, location) });
            for (i, (ty, &bits)) in types.results().zip(&bits).enumerate() {
                match cells {
                    // SAFETY: there is a cell for each result.
                    Some(cells) => unsafe { set_cell(cells.add(i), ty, bits) },
                    None => set_result(call, ty, bits),
                }
            }
            Ok(())
        };
        Self {
            ty,
            vectors: cursor.vectors(),
            callback: Arc::new(callback),
        }
    }
}

/// An error on its way across WebAssembly.
#[cold]
fn carry(error: Error) -> Box<dyn Any + Send> {
    Box::new(error)
}

/// The pointer to the results.
///
/// # Safety
/// The caller of the host function passed it there.
#[inline(always)]
unsafe fn cells_at(call: &HostCall<'_>, location: ArgLocation) -> *mut u128 {
    // SAFETY: as the caller says.
    let address = unsafe { get_argument(call, location, ValType::I64) };
    std::ptr::with_exposed_provenance_mut(u64_to_usize(low_u64(address)))
}

/// The result of a host function: nothing, a value, a tuple of up to 16, or a `Result` of these.
///
/// The error of such a `Result` may be any that fits into a `Box<dyn Error + Send + Sync>`: [`Error`], an
/// error type of your own, `std::io::Error`, `anyhow::Error`, `String`. It ends the WebAssembly that
/// called the host function, and comes back unchanged to the caller of that WebAssembly. If the compiler asks for
/// the type, write it down: `|x: i32| -> upshift::Result<()> { ... }`.
///
/// # Safety
/// Implemented by this crate alone.
pub unsafe trait WasmRet {
    /// The values, without the `Result`.
    #[doc(hidden)]
    type Values: WasmResults;

    #[doc(hidden)]
    fn into_values(self) -> Result<Self::Values>;
}

// SAFETY: the values are passed on.
unsafe impl<R: WasmResults> WasmRet for R {
    type Values = R;

    #[inline(always)]
    fn into_values(self) -> Result<R> {
        Ok(self)
    }
}

// SAFETY: the values are passed on.
unsafe impl<R, E> WasmRet for Result<R, E>
where
    R: WasmResults,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    type Values = R;

    #[inline(always)]
    fn into_values(self) -> Result<R> {
        self.map_err(Error::from_host)
    }
}

/// Closures that [`Func::wrap`](crate::Func::wrap) and [`Linker::func_wrap`](crate::Linker::func_wrap)
/// take: up to 16 parameters that are [`WasmTy`], before them, if wanted, a [`Caller`]; results are a
/// [`WasmRet`].
///
/// ```
/// use upshift::{Caller, Engine, Func, Store};
///
/// # fn main() -> upshift::Result<()> {
/// let mut store = Store::new(&Engine::default(), 0_u64);
/// let nothing = Func::wrap(&mut store, || {});
/// let sum = Func::wrap(&mut store, |a: i32, b: i64, c: f32, d: f64| a as f64 + b as f64 + c as f64 + d);
/// let swap = Func::wrap(&mut store, |a: i32, b: f64| (b, a));
/// let count = Func::wrap(&mut store, |mut caller: Caller<'_, u64>| {
///     *caller.data_mut() += 1;
/// });
/// let parse = Func::wrap(&mut store, |digit: u32| -> Result<u32, String> {
///     char::from_u32(digit).and_then(|c| c.to_digit(10)).ok_or_else(|| "not a digit".to_owned())
/// });
///
/// count.typed::<(), ()>(&store)?.call(&mut store, ())?;
/// assert_eq!(*store.data(), 1);
/// assert_eq!(swap.typed::<(i32, f64), (f64, i32)>(&store)?.call(&mut store, (1, 2.0))?, (2.0, 1));
/// let parse = parse.typed::<u32, u32>(&store)?;
/// assert_eq!(parse.call(&mut store, '7'.into())?, 7);
/// assert_eq!(parse.call(&mut store, 'x'.into()).unwrap_err().to_string(), "not a digit");
/// # Ok(())
/// # }
/// ```
pub trait IntoFunc<T, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_host_func(self) -> HostFuncToken;
}

/// Keeps [`HostFunc`] out of the public interface.
#[doc(hidden)]
pub struct HostFuncToken(HostFunc);

impl HostFuncToken {
    pub(crate) fn into_inner(self) -> HostFunc {
        self.0
    }
}

/// Reads an argument of a host function.
///
/// # Safety
/// The call is of a host function with parameters `P`, of which number `I` is an `A`.
#[inline(always)]
unsafe fn argument<P: WasmParams, A: WasmTy, const I: usize>(
    _params: PhantomData<P>,
    call: &HostCall<'_>,
) -> A {
    // SAFETY: as the caller says; references that a guest passes are of its store.
    unsafe {
        let bits = get_argument(call, const { location::<P>(I) }, A::TYPE);
        A::from_bits(bits, call.store.as_ref().id)
    }
}

/// Gives results to WebAssembly.
///
/// # Safety
/// The call is of a host function with parameters `P` and results `R`.
#[inline(always)]
unsafe fn finish<P: WasmParams, R: WasmRet>(
    call: &mut HostCall<'_>,
    result: R,
) -> Result<(), Box<dyn Any + Send>> {
    let values = result.into_values().map_err(carry)?;
    // SAFETY: as the caller says; the pointer is passed where there are several results.
    unsafe {
        WasmResults::check(&values, call.store.as_ref().id).map_err(carry)?;
        let cells = if Signature::<P, R::Values>::BY_POINTER {
            cells_at(call, const { Signature::<P, R::Values>::POINTER })
        } else {
            std::ptr::null_mut()
        };
        values.set(call, cells);
    }
    Ok(())
}

/// A host function of parameters `P` and results `R`, which the callback must expect.
fn typed<P: WasmParams, R: WasmRet>(callback: HostCallback) -> HostFuncToken {
    HostFuncToken(HostFunc {
        ty: FuncType::new(P::TYPES.to_vec(), R::Values::TYPES.to_vec()),
        vectors: Signature::<P, R::Values>::VECTORS,
        callback,
    })
}

macro_rules! closures {
    ($($($ty:ident $i:tt)*;)*) => {$(
        impl<T, F, $($ty,)* R> IntoFunc<T, ($($ty,)*), R> for F
        where
            T: 'static,
            F: Fn($($ty),*) -> R + Send + Sync + 'static,
            $($ty: WasmTy,)*
            R: WasmRet + 'static,
        {
            fn into_host_func(self) -> HostFuncToken {
                typed::<($($ty,)*), R>(Arc::new(move |call: &mut HostCall<'_>| {
                    let _params = PhantomData::<($($ty,)*)>;
                    // SAFETY: the function gets this type.
                    unsafe {
                        let result = self($(argument::<_, $ty, $i>(_params, call)),*);
                        finish::<($($ty,)*), R>(call, result)
                    }
                }))
            }
        }

        impl<T, F, $($ty,)* R> IntoFunc<T, (Caller<'_, T>, $($ty,)*), R> for F
        where
            T: 'static,
            F: Fn(Caller<'_, T>, $($ty),*) -> R + Send + Sync + 'static,
            $($ty: WasmTy,)*
            R: WasmRet + 'static,
        {
            fn into_host_func(self) -> HostFuncToken {
                typed::<($($ty,)*), R>(Arc::new(move |call: &mut HostCall<'_>| {
                    let _params = PhantomData::<($($ty,)*)>;
                    // SAFETY: the function gets this type, and is put into stores of `T` only.
                    unsafe {
                        let caller =
                            Caller::new(StoreInner::<T>::from_core(call.store), call.caller);
                        let result = self(caller, $(argument::<_, $ty, $i>(_params, call)),*);
                        finish::<($($ty,)*), R>(call, result)
                    }
                }))
            }
        }
    )*};
}

closures! {
    ;
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 G 5;
    A 0 B 1 C 2 D 3 E 4 G 5 H 6;
    A 0 B 1 C 2 D 3 E 4 G 5 H 6 I 7;
    A 0 B 1 C 2 D 3 E 4 G 5 H 6 I 7 J 8;
    A 0 B 1 C 2 D 3 E 4 G 5 H 6 I 7 J 8 K 9;
    A 0 B 1 C 2 D 3 E 4 G 5 H 6 I 7 J 8 K 9 L 10;
    A 0 B 1 C 2 D 3 E 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11;
    A 0 B 1 C 2 D 3 E 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11 N 12;
    A 0 B 1 C 2 D 3 E 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11 N 12 O 13;
    A 0 B 1 C 2 D 3 E 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11 N 12 O 13 P 14;
    A 0 B 1 C 2 D 3 E 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11 N 12 O 13 P 14 Q 15;
}
