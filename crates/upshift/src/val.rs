//! Values whose type is known at run time only, and references as tables hold them.

use upshift_module::{low_u32, low_u64};
use upshift_runtime::StoreId;

use crate::{Error, ExternRef, Func, RefType, Result, ValType};

/// A 128-bit vector, as the number whose lowest byte is the first lane's.
///
/// ```
/// use upshift::V128;
///
/// let lanes: [u32; 4] = [1, 2, 3, 4];
/// let bytes: [u8; 16] = std::array::from_fn(|i| lanes[i / 4].to_le_bytes()[i % 4]);
/// let vector = V128::from(u128::from_le_bytes(bytes));
/// assert_eq!(vector.as_u128(), 4 << 96 | 3 << 64 | 2 << 32 | 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct V128(u128);

impl V128 {
    /// All bits.
    #[inline]
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl From<u128> for V128 {
    #[inline]
    fn from(bits: u128) -> Self {
        Self(bits)
    }
}

impl From<V128> for u128 {
    #[inline]
    fn from(vector: V128) -> Self {
        vector.0
    }
}

/// A WebAssembly value of any type. Floats are kept as bits, so that NaNs stay as they are.
///
/// ```
/// use upshift::{Val, ValType};
///
/// let value = Val::from(0.5_f64);
/// assert_eq!(value.ty(), ValType::F64);
/// assert_eq!(value.f64(), Some(0.5));
/// assert_eq!(value.i32(), None);
/// assert_eq!(Val::I32(7).unwrap_i32(), 7);
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Val {
    /// `i32`.
    I32(i32),
    /// `i64`.
    I64(i64),
    /// `f32`, as bits.
    F32(u32),
    /// `f64`, as bits.
    F64(u64),
    /// `v128`.
    V128(V128),
    /// `funcref`; `None` is null.
    FuncRef(Option<Func>),
    /// `externref`; `None` is null.
    ExternRef(Option<ExternRef>),
}

impl Val {
    /// Zero, or null, of a type.
    #[must_use]
    pub fn default_for_ty(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Self::I32(0),
            ValType::I64 => Self::I64(0),
            ValType::F32 => Self::F32(0),
            ValType::F64 => Self::F64(0),
            ValType::V128 => Self::V128(V128(0)),
            ValType::FuncRef => Self::FuncRef(None),
            ValType::ExternRef => Self::ExternRef(None),
        }
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> ValType {
        match self {
            Self::I32(_) => ValType::I32,
            Self::I64(_) => ValType::I64,
            Self::F32(_) => ValType::F32,
            Self::F64(_) => ValType::F64,
            Self::V128(_) => ValType::V128,
            Self::FuncRef(_) => ValType::FuncRef,
            Self::ExternRef(_) => ValType::ExternRef,
        }
    }

    /// The bits that stand for it in its store.
    ///
    /// # Errors
    /// When it is a reference of another store.
    pub(crate) fn to_bits(self, store: StoreId) -> Result<u128> {
        Ok(match self {
            Self::I32(value) => value.cast_unsigned().into(),
            Self::I64(value) => value.cast_unsigned().into(),
            Self::F32(bits) => bits.into(),
            Self::F64(bits) => bits.into(),
            Self::V128(V128(bits)) => bits,
            Self::FuncRef(_) | Self::ExternRef(_) => self
                .as_ref()
                .expect("a reference")
                .to_reference(store)?
                .into(),
        })
    }

    /// The value that the low bits stand for.
    ///
    /// # Safety
    /// A reference is one of this store's, or null.
    pub(crate) unsafe fn from_bits(bits: u128, ty: ValType, store: StoreId) -> Self {
        match ty {
            ValType::I32 => Self::I32(low_u32(low_u64(bits)).cast_signed()),
            ValType::I64 => Self::I64(low_u64(bits).cast_signed()),
            ValType::F32 => Self::F32(low_u32(low_u64(bits))),
            ValType::F64 => Self::F64(low_u64(bits)),
            ValType::V128 => Self::V128(V128(bits)),
            // SAFETY: as the caller says.
            ValType::FuncRef => unsafe {
                Self::FuncRef(Func::from_reference(low_u64(bits), store))
            },
            // SAFETY: as the caller says.
            ValType::ExternRef => unsafe {
                Self::ExternRef(ExternRef::from_reference(low_u64(bits), store))
            },
        }
    }

    /// The reference, if it is one.
    fn as_ref(&self) -> Option<Ref> {
        match *self {
            Self::FuncRef(func) => Some(Ref::Func(func)),
            Self::ExternRef(value) => Some(Ref::Extern(value)),
            _ => None,
        }
    }
}

/// Checks that values are of these types, and says which is not.
pub(crate) fn check_types(what: &str, values: &[Val], types: &[ValType]) -> Result<()> {
    if values.len() != types.len() {
        return Err(Error::value_type(format!(
            "wrong number of {what}s: the function has {}, given {}",
            types.len(),
            values.len()
        )));
    }
    match values
        .iter()
        .zip(types)
        .position(|(value, &ty)| value.ty() != ty)
    {
        None => Ok(()),
        Some(i) => Err(Error::value_type(format!(
            "{what} {} has the wrong type: wanted {}, given {}",
            i + 1,
            types[i],
            values[i].ty()
        ))),
    }
}

macro_rules! accessors {
    ($($variant:ident $get:ident $unwrap:ident $ty:ty: $value:ident => $convert:expr;)*) => {
        impl Val {$(
            #[doc = concat!("The value, if it is of type `", stringify!($get), "`.")]
            #[must_use]
            pub fn $get(&self) -> Option<$ty> {
                match *self {
                    Self::$variant($value) => Some($convert),
                    _ => None,
                }
            }

            #[doc = concat!("The value of type `", stringify!($get), "`.")]
            ///
            /// # Panics
            /// When it is of another type.
            #[must_use]
            #[track_caller]
            pub fn $unwrap(&self) -> $ty {
                match self.$get() {
                    Some(value) => value,
                    None => panic!(concat!("expected ", stringify!($get), ", found {}"), self.ty()),
                }
            }
        )*}
    };
}

accessors! {
    I32 i32 unwrap_i32 i32: value => value;
    I64 i64 unwrap_i64 i64: value => value;
    F32 f32 unwrap_f32 f32: bits => f32::from_bits(bits);
    F64 f64 unwrap_f64 f64: bits => f64::from_bits(bits);
    V128 v128 unwrap_v128 V128: value => value;
    FuncRef funcref unwrap_funcref Option<Func>: value => value;
    ExternRef externref unwrap_externref Option<ExternRef>: value => value;
}

macro_rules! conversions {
    ($($ty:ty: $value:ident => $convert:expr;)*) => {$(
        impl From<$ty> for Val {
            fn from($value: $ty) -> Self {
                $convert
            }
        }
    )*};
}

conversions! {
    i32: value => Self::I32(value);
    u32: value => Self::I32(value.cast_signed());
    i64: value => Self::I64(value);
    u64: value => Self::I64(value.cast_signed());
    f32: value => Self::F32(value.to_bits());
    f64: value => Self::F64(value.to_bits());
    V128: value => Self::V128(value);
    Func: value => Self::FuncRef(Some(value));
    Option<Func>: value => Self::FuncRef(value);
    ExternRef: value => Self::ExternRef(Some(value));
    Option<ExternRef>: value => Self::ExternRef(value);
}

/// A reference: an element of a table. `None` is null.
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// A function.
    Func(Option<Func>),
    /// A value of the host.
    Extern(Option<ExternRef>),
}

impl Ref {
    /// Null of a type.
    #[must_use]
    pub fn null(ty: RefType) -> Self {
        match ty {
            RefType::Func => Self::Func(None),
            RefType::Extern => Self::Extern(None),
        }
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> RefType {
        match self {
            Self::Func(_) => RefType::Func,
            Self::Extern(_) => RefType::Extern,
        }
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Func(None) | Self::Extern(None))
    }

    /// The function, if it is one. `Some(None)` is a null `funcref`.
    #[must_use]
    pub fn as_func(&self) -> Option<Option<Func>> {
        match self {
            Self::Func(func) => Some(*func),
            Self::Extern(_) => None,
        }
    }

    /// The host value, if it is one. `Some(None)` is a null `externref`.
    #[must_use]
    pub fn as_extern(&self) -> Option<Option<ExternRef>> {
        match self {
            Self::Extern(value) => Some(*value),
            Self::Func(_) => None,
        }
    }

    /// # Errors
    /// When it is of another store.
    pub(crate) fn to_reference(self, store: StoreId) -> Result<u64> {
        match self {
            Self::Func(func) => {
                func.map_or(Ok(()), |func| func.check(store))?;
                Ok(Func::reference(func))
            }
            Self::Extern(value) => {
                value.map_or(Ok(()), |value| value.check(store))?;
                Ok(ExternRef::reference(value))
            }
        }
    }

    /// # Safety
    /// The bits are a reference of this type and store, or null.
    pub(crate) unsafe fn from_reference(bits: u64, ty: RefType, store: StoreId) -> Self {
        // SAFETY: as the caller says.
        unsafe {
            match ty {
                RefType::Func => Self::Func(Func::from_reference(bits, store)),
                RefType::Extern => Self::Extern(ExternRef::from_reference(bits, store)),
            }
        }
    }
}

impl From<Func> for Ref {
    fn from(func: Func) -> Self {
        Self::Func(Some(func))
    }
}

impl From<ExternRef> for Ref {
    fn from(value: ExternRef) -> Self {
        Self::Extern(Some(value))
    }
}

impl From<Ref> for Val {
    fn from(reference: Ref) -> Self {
        match reference {
            Ref::Func(func) => Self::FuncRef(func),
            Ref::Extern(value) => Self::ExternRef(value),
        }
    }
}
