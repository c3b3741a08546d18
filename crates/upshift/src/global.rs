//! Globals as objects of a store.

use std::ptr::NonNull;

use upshift_runtime::{Global as RawGlobal, StoreId};

use crate::store::{assert_store, check_store};
use crate::{AsContext, AsContextMut, Error, GlobalType, Mutability, Result, Val};

/// A global variable.
///
/// ```
/// use upshift::{Engine, Global, GlobalType, Mutability, Store, Val, ValType};
///
/// # fn main() -> upshift::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let ty = GlobalType::new(ValType::I64, Mutability::Var);
/// let global = Global::new(&mut store, ty, Val::I64(1))?;
/// global.set(&mut store, Val::I64(2))?;
/// assert_eq!(global.get(&store)?.unwrap_i64(), 2);
/// assert!(global.set(&mut store, Val::I32(3)).is_err());
///
/// let ty = GlobalType::new(ValType::I64, Mutability::Const);
/// let constant = Global::new(&mut store, ty, Val::I64(1))?;
/// assert!(constant.set(&mut store, Val::I64(2)).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Global {
    store: StoreId,
    raw: NonNull<RawGlobal>,
}

// SAFETY: only used together with its store, which is with one thread at a time.
unsafe impl Send for Global {}
// SAFETY: as above.
unsafe impl Sync for Global {}

impl Global {
    /// A global with this value.
    ///
    /// # Errors
    /// When the value is of another type or store.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Self> {
        let store = store.as_context_mut();
        let core = &mut store.0.opaque.core;
        let bits = bits(value, &ty, core.id)?;
        // SAFETY: the value has just been checked.
        let raw = unsafe { core.new_global(ty.0, bits) };
        Ok(Self {
            store: core.id,
            raw,
        })
    }

    /// Its type.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn ty(&self, store: impl AsContext) -> GlobalType {
        assert_store("global", self.store, store.as_context().0.opaque.core.id);
        // SAFETY: it lives as long as its store, which is this one.
        GlobalType(unsafe { self.raw.as_ref() }.ty())
    }

    /// Its value.
    ///
    /// # Errors
    /// When it belongs to another store.
    pub fn get(&self, store: impl AsContext) -> Result<Val> {
        let id = store.as_context().0.opaque.core.id;
        self.check(id)?;
        // SAFETY: it lives as long as its store, which is this one, and holds a value of its type.
        unsafe {
            let global = self.raw.as_ref();
            Ok(Val::from_bits(global.get(), global.ty().content, id))
        }
    }

    /// Sets its value.
    ///
    /// # Errors
    /// When it is a constant, the value is of another type or store, or it belongs to another store.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let id = store.as_context_mut().0.opaque.core.id;
        self.check(id)?;
        // SAFETY: it lives as long as its store, which is this one.
        let global = unsafe { self.raw.as_ref() };
        let ty = GlobalType(global.ty());
        if ty.mutability() == Mutability::Const {
            return Err(Error::value_type(format!(
                "{ty} is a constant: it can't be set"
            )));
        }
        let bits = bits(value, &ty, id)?;
        // SAFETY: the value has just been checked.
        unsafe { global.set(bits) };
        Ok(())
    }

    #[inline]
    pub(crate) fn check(&self, store: StoreId) -> Result<()> {
        check_store("global", self.store, store)
    }

    pub(crate) fn raw(&self) -> NonNull<RawGlobal> {
        self.raw
    }

    /// # Safety
    /// It belongs to this store.
    pub(crate) unsafe fn from_raw(raw: NonNull<RawGlobal>, store: StoreId) -> Self {
        Self { store, raw }
    }
}

/// The bits of a value for a global of this type and store.
fn bits(value: Val, ty: &GlobalType, store: StoreId) -> Result<u128> {
    if value.ty() != ty.content() {
        let given = value.ty();
        return Err(Error::value_type(format!(
            "{ty} can't have a value of type {given}"
        )));
    }
    value.to_bits(store)
}
