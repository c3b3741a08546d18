//! How Rust values become arguments and results of WebAssembly: which types, in which registers.
//! Everything here is computed at compile time from the types, so a typed call is a few moves and a jump.

use std::mem::MaybeUninit;

use upshift_module::{low_u32, low_u64, to_usize};
use upshift_runtime::{ArgCursor, ArgLocation, CallFrame, HostCall, StoreId, VectorUse};

use crate::{ExternRef, Func, Result, V128, ValType};

/// The most parameters and the most results of a typed function.
pub(crate) const MOST: usize = 16;

/// Stack words that parameters of a typed function may need, the pointer to its results included.
pub(crate) const MOST_WORDS: usize = 2 * MOST + 2;

/// A Rust type that stands for one WebAssembly value type.
///
/// | Rust | WebAssembly |
/// |---|---|
/// | `i32`, `u32` | `i32` |
/// | `i64`, `u64` | `i64` |
/// | `f32` | `f32` |
/// | `f64` | `f64` |
/// | [`V128`] | `v128` |
/// | `Option<Func>` | `funcref` |
/// | `Option<ExternRef>` | `externref` |
///
/// # Safety
/// Implemented by this crate alone.
pub unsafe trait WasmTy: sealed::Sealed + Copy + Send + 'static {
    /// The WebAssembly type.
    #[doc(hidden)]
    const TYPE: ValType;

    /// References must belong to the store that they go into.
    #[doc(hidden)]
    #[inline(always)]
    fn check(&self, _store: StoreId) -> Result<()> {
        Ok(())
    }

    /// The value in the low bits.
    #[doc(hidden)]
    fn into_bits(self) -> u128;

    /// The value in the low bits; the bits above are ignored.
    ///
    /// # Safety
    /// A reference is one of this store's, or null.
    #[doc(hidden)]
    unsafe fn from_bits(bits: u128, store: StoreId) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! numbers {
    ($($ty:ty: $wasm:ident, $value:ident => $into:expr, $bits:ident => $from:expr;)*) => {$(
        impl sealed::Sealed for $ty {}
        // SAFETY: the conversions keep the bits where the type's representation has them.
        unsafe impl WasmTy for $ty {
            const TYPE: ValType = ValType::$wasm;
            #[inline(always)]
            fn into_bits(self) -> u128 {
                let $value = self;
                $into
            }
            #[inline(always)]
            unsafe fn from_bits($bits: u128, _store: StoreId) -> Self {
                $from
            }
        }
    )*};
}

numbers! {
    i32: I32, value => u128::from(value.cast_unsigned()), bits => low_u32(low_u64(bits)).cast_signed();
    u32: I32, value => u128::from(value), bits => low_u32(low_u64(bits));
    i64: I64, value => u128::from(value.cast_unsigned()), bits => low_u64(bits).cast_signed();
    u64: I64, value => u128::from(value), bits => low_u64(bits);
    f32: F32, value => u128::from(value.to_bits()), bits => f32::from_bits(low_u32(low_u64(bits)));
    f64: F64, value => u128::from(value.to_bits()), bits => f64::from_bits(low_u64(bits));
    V128: V128, value => value.as_u128(), bits => V128::from(bits);
}

impl sealed::Sealed for Option<Func> {}
// SAFETY: a reference is the pointer that the function wraps; null is none.
unsafe impl WasmTy for Option<Func> {
    const TYPE: ValType = ValType::FuncRef;
    #[inline]
    fn check(&self, store: StoreId) -> Result<()> {
        self.as_ref().map_or(Ok(()), |func| func.check(store))
    }
    #[inline]
    fn into_bits(self) -> u128 {
        Func::reference(self).into()
    }
    #[inline]
    unsafe fn from_bits(bits: u128, store: StoreId) -> Self {
        // SAFETY: as the caller says.
        unsafe { Func::from_reference(low_u64(bits), store) }
    }
}

impl sealed::Sealed for Option<ExternRef> {}
// SAFETY: a reference is the handle that the value wraps; null is none.
unsafe impl WasmTy for Option<ExternRef> {
    const TYPE: ValType = ValType::ExternRef;
    #[inline]
    fn check(&self, store: StoreId) -> Result<()> {
        self.as_ref().map_or(Ok(()), |value| value.check(store))
    }
    #[inline]
    fn into_bits(self) -> u128 {
        ExternRef::reference(self).into()
    }
    #[inline]
    unsafe fn from_bits(bits: u128, store: StoreId) -> Self {
        // SAFETY: as the caller says.
        unsafe { ExternRef::from_reference(low_u64(bits), store) }
    }
}

/// Where the arguments of a signature are; a constant for each list of Rust types.
#[derive(Clone, Copy)]
pub(crate) struct Placement {
    /// Of each parameter, and behind the last of them, of the pointer to the results.
    locations: [ArgLocation; MOST + 1],
    /// Stack words of the parameters alone, and with the pointer.
    words: [usize; 2],
    /// Vector registers that the parameters use.
    cursor: ArgCursor,
}

impl Placement {
    const fn new(params: &[ValType]) -> Self {
        let mut locations = [ArgLocation::Gpr(0); MOST + 1];
        let mut cursor = ArgCursor::new();
        let mut i = 0;
        while i < params.len() {
            locations[i] = cursor.next(params[i]);
            i += 1;
        }
        let mut with_pointer = cursor;
        locations[i] = with_pointer.next(ValType::I64);
        Self {
            locations,
            words: [cursor.stack_words(), with_pointer.stack_words()],
            cursor,
        }
    }

    /// The use of vector registers by a signature with these results.
    const fn vectors(&self, results: &[ValType]) -> VectorUse {
        let mut cursor = self.cursor;
        if results.len() == 1 {
            cursor.uses(results[0]);
        }
        cursor.vectors()
    }
}

/// Writes an argument to its place.
///
/// # Safety
/// `frame` and `stack` are valid for writes to the location.
#[inline(always)]
pub(crate) unsafe fn put_argument(
    frame: *mut CallFrame,
    stack: *mut u64,
    location: ArgLocation,
    ty: ValType,
    bits: u128,
) {
    // SAFETY: as the caller says; locations are within the frame's arrays.
    unsafe {
        match (location, ty) {
            (ArgLocation::Gpr(i), _) => {
                (&raw mut (*frame).gprs[usize::from(i)]).write(low_u64(bits))
            }
            (ArgLocation::Xmm(i), ValType::V128) => {
                (&raw mut (*frame).xmms[usize::from(i)]).write(bits);
            }
            (ArgLocation::Xmm(i), _) => {
                (&raw mut (*frame).xmms[usize::from(i)])
                    .cast::<u64>()
                    .write(low_u64(bits));
            }
            (ArgLocation::Stack(word), ty) => {
                stack.add(to_usize(word)).write(low_u64(bits));
                if matches!(ty, ValType::V128) {
                    stack.add(to_usize(word) + 1).write(low_u64(bits >> 64));
                }
            }
        }
    }
}

/// Reads an argument that a host function was given.
///
/// # Safety
/// The function's type has an argument of this type there.
#[inline(always)]
pub(crate) unsafe fn get_argument(call: &HostCall<'_>, location: ArgLocation, ty: ValType) -> u128 {
    match (location, ty) {
        (ArgLocation::Gpr(i), _) => call.gpr(i).into(),
        (ArgLocation::Xmm(i), ValType::V128) => call.xmm(i),
        (ArgLocation::Xmm(i), _) => call.xmm_low(i).into(),
        // SAFETY: as the caller says.
        (ArgLocation::Stack(word), ValType::V128) => unsafe {
            u128::from(call.stack(word)) | u128::from(call.stack(word + 1)) << 64
        },
        // SAFETY: as the caller says.
        (ArgLocation::Stack(word), _) => unsafe { call.stack(word).into() },
    }
}

/// Reads the only result of a call.
///
/// # Safety
/// The call was of a function with one result, of this type.
#[inline(always)]
pub(crate) unsafe fn get_result(frame: *const CallFrame, ty: ValType) -> u128 {
    // SAFETY: as the caller says: the register was written.
    unsafe {
        match ty {
            ValType::V128 => (&raw const (*frame).xmms[0]).read(),
            ValType::F32 | ValType::F64 => {
                (&raw const (*frame).xmms[0]).cast::<u64>().read().into()
            }
            _ => (&raw const (*frame).gprs[0]).read().into(),
        }
    }
}

/// Sets the only result of a host function.
#[inline(always)]
pub(crate) fn set_result(call: &mut HostCall<'_>, ty: ValType, bits: u128) {
    match ty {
        ValType::V128 => call.set_xmm(bits),
        ValType::F32 | ValType::F64 => call.set_xmm_low(low_u64(bits)),
        _ => call.set_gpr(low_u64(bits)),
    }
}

/// Reads one of several results.
///
/// # Safety
/// The cell holds a value of this type.
#[inline(always)]
pub(crate) unsafe fn get_cell(cell: *const u128, ty: ValType) -> u128 {
    // SAFETY: as the caller says. No more is read than is written.
    unsafe {
        match ty {
            ValType::V128 => cell.read(),
            ValType::I32 | ValType::F32 => cell.cast::<u32>().read().into(),
            _ => cell.cast::<u64>().read().into(),
        }
    }
}

/// Writes one of several results of a host function.
///
/// # Safety
/// The cell is valid for writes.
#[inline(always)]
pub(crate) unsafe fn set_cell(cell: *mut u128, ty: ValType, bits: u128) {
    // SAFETY: as the caller says.
    unsafe {
        match ty {
            ValType::V128 => cell.write(bits),
            _ => cell.cast::<u64>().write(low_u64(bits)),
        }
    }
}

/// Parameters of a [`TypedFunc`](crate::TypedFunc): a [`WasmTy`], or a tuple of up to 16.
///
/// # Safety
/// Implemented by this crate alone.
pub unsafe trait WasmParams: Copy + Send + 'static {
    /// Their types.
    #[doc(hidden)]
    const TYPES: &'static [ValType];

    #[doc(hidden)]
    fn check(&self, store: StoreId) -> Result<()>;

    /// Writes them to their places.
    ///
    /// # Safety
    /// `frame` is valid for writes, and so is `stack` for [`MOST_WORDS`].
    #[doc(hidden)]
    unsafe fn put(self, frame: *mut CallFrame, stack: *mut u64);
}

/// Results of a [`TypedFunc`](crate::TypedFunc): `()`, a [`WasmTy`], or a tuple of up to 16.
///
/// # Safety
/// Implemented by this crate alone.
pub unsafe trait WasmResults: Copy + Send + 'static {
    /// Their types.
    #[doc(hidden)]
    const TYPES: &'static [ValType];

    #[doc(hidden)]
    fn check(&self, store: StoreId) -> Result<()>;

    /// Reads them after a call.
    ///
    /// # Safety
    /// A call of a function with these results has filled the frame, and `cells` if there are several.
    #[doc(hidden)]
    unsafe fn get(frame: *const CallFrame, cells: *const u128, store: StoreId) -> Self;

    /// Gives them to the caller of a host function.
    ///
    /// # Safety
    /// The host function has these results, and `cells` is where its caller wants several.
    #[doc(hidden)]
    unsafe fn set(self, call: &mut HostCall<'_>, cells: *mut u128);
}

/// Constants of a list of parameters.
pub(crate) struct Params<P>(std::marker::PhantomData<P>);

impl<P: WasmParams> Params<P> {
    pub(crate) const PLACEMENT: Placement = Placement::new(P::TYPES);
}

/// Constants of a signature.
pub(crate) struct Signature<P, R>(std::marker::PhantomData<(P, R)>);

impl<P: WasmParams, R: WasmResults> Signature<P, R> {
    /// Whether results come back through a pointer, passed as the last argument.
    pub(crate) const BY_POINTER: bool = R::TYPES.len() > 1;
    /// Where that pointer is.
    pub(crate) const POINTER: ArgLocation = Params::<P>::PLACEMENT.locations[P::TYPES.len()];
    /// Stack words of the arguments.
    pub(crate) const STACK_WORDS: usize =
        Params::<P>::PLACEMENT.words[if Self::BY_POINTER { 1 } else { 0 }];
    /// The signature's use of vector registers.
    pub(crate) const VECTORS: VectorUse = Params::<P>::PLACEMENT.vectors(R::TYPES);
}

/// The place of parameter number `i` of `P`.
pub(crate) const fn location<P: WasmParams>(i: usize) -> ArgLocation {
    Params::<P>::PLACEMENT.locations[i]
}

/// Room for the stack arguments and the results of a typed call; only used parts are ever written.
pub(crate) struct Room {
    pub(crate) stack: [MaybeUninit<u64>; MOST_WORDS],
    pub(crate) cells: [MaybeUninit<u128>; MOST],
}

impl Room {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self {
            stack: [const { MaybeUninit::uninit() }; MOST_WORDS],
            cells: [const { MaybeUninit::uninit() }; MOST],
        }
    }
}

// SAFETY: as for a tuple of one.
unsafe impl<T: WasmTy> WasmParams for T {
    const TYPES: &'static [ValType] = &[T::TYPE];
    #[inline(always)]
    fn check(&self, store: StoreId) -> Result<()> {
        WasmTy::check(self, store)
    }
    #[inline(always)]
    unsafe fn put(self, frame: *mut CallFrame, stack: *mut u64) {
        // SAFETY: as the caller says.
        unsafe { WasmParams::put((self,), frame, stack) }
    }
}

// SAFETY: as for a tuple of one.
unsafe impl<T: WasmTy> WasmResults for T {
    const TYPES: &'static [ValType] = &[T::TYPE];
    #[inline(always)]
    fn check(&self, store: StoreId) -> Result<()> {
        WasmTy::check(self, store)
    }
    #[inline(always)]
    unsafe fn get(frame: *const CallFrame, cells: *const u128, store: StoreId) -> Self {
        // SAFETY: as the caller says.
        unsafe { <(T,) as WasmResults>::get(frame, cells, store).0 }
    }
    #[inline(always)]
    unsafe fn set(self, call: &mut HostCall<'_>, cells: *mut u128) {
        // SAFETY: as the caller says.
        unsafe { WasmResults::set((self,), call, cells) }
    }
}

// SAFETY: there is nothing to write.
unsafe impl WasmParams for () {
    const TYPES: &'static [ValType] = &[];
    #[inline(always)]
    fn check(&self, _store: StoreId) -> Result<()> {
        Ok(())
    }
    #[inline(always)]
    unsafe fn put(self, _frame: *mut CallFrame, _stack: *mut u64) {}
}

// SAFETY: there is nothing to read.
unsafe impl WasmResults for () {
    const TYPES: &'static [ValType] = &[];
    #[inline(always)]
    fn check(&self, _store: StoreId) -> Result<()> {
        Ok(())
    }
    #[inline(always)]
    unsafe fn get(_frame: *const CallFrame, _cells: *const u128, _store: StoreId) -> Self {}
    #[inline(always)]
    unsafe fn set(self, _call: &mut HostCall<'_>, _cells: *mut u128) {}
}

macro_rules! tuples {
    ($($count:literal: $($ty:ident $i:tt)*;)*) => {$(
        // SAFETY: each value goes to the place that the calling convention has for its type.
        unsafe impl<$($ty: WasmTy),*> WasmParams for ($($ty,)*) {
            const TYPES: &'static [ValType] = &[$($ty::TYPE),*];
            #[inline(always)]
            fn check(&self, store: StoreId) -> Result<()> {
                $(WasmTy::check(&self.$i, store)?;)*
                Ok(())
            }
            #[inline(always)]
            unsafe fn put(self, frame: *mut CallFrame, stack: *mut u64) {
                // SAFETY: as the caller says.
                unsafe {
                    $(put_argument(
                        frame, stack, const { location::<Self>($i) }, $ty::TYPE, self.$i.into_bits(),
                    );)*
                }
            }
        }

        // SAFETY: each value is taken from the place that the calling convention has for its type.
        unsafe impl<$($ty: WasmTy),*> WasmResults for ($($ty,)*) {
            const TYPES: &'static [ValType] = &[$($ty::TYPE),*];
            #[inline(always)]
            fn check(&self, store: StoreId) -> Result<()> {
                $(WasmTy::check(&self.$i, store)?;)*
                Ok(())
            }
            #[inline(always)]
            unsafe fn get(frame: *const CallFrame, cells: *const u128, store: StoreId) -> Self {
                // SAFETY: as the caller says.
                unsafe {
                    ($($ty::from_bits(
                        if $count == 1 {
                            get_result(frame, $ty::TYPE)
                        } else {
                            get_cell(cells.add($i), $ty::TYPE)
                        },
                        store,
                    ),)*)
                }
            }
            #[inline(always)]
            unsafe fn set(self, call: &mut HostCall<'_>, cells: *mut u128) {
                $(if $count == 1 {
                    set_result(call, $ty::TYPE, self.$i.into_bits());
                } else {
                    // SAFETY: as the caller says.
                    unsafe { set_cell(cells.add($i), $ty::TYPE, self.$i.into_bits()) };
                })*
            }
        }
    )*};
}

tuples! {
    1: A 0;
    2: A 0 B 1;
    3: A 0 B 1 C 2;
    4: A 0 B 1 C 2 D 3;
    5: A 0 B 1 C 2 D 3 E 4;
    6: A 0 B 1 C 2 D 3 E 4 F 5;
    7: A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    8: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
    9: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8;
    10: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9;
    11: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10;
    12: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11;
    13: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12;
    14: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13;
    15: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14;
    16: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 P 15;
}
