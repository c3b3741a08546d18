//! Values of the host that guests can hold and hand back, but not look into.

use std::any::Any;

use upshift_runtime::{ExternHandle, StoreId};

use crate::store::check_store;
use crate::{AsContextMut, Error, Result, StoreContext};

/// A value of the host in a store, which guests pass around as `externref`.
///
/// # Cost
/// A value is freed with its store, not before: where a guest keeps references is not traced. Each takes
/// 16 bytes in the store's list (up to twice that just after the list has grown) and its own allocation, so a
/// loop that makes a million small ones holds 40 to 60 MB until the store is dropped. Giving the same
/// `ExternRef` to the guest again and again costs nothing. For a stream of values, use a store per unit of
/// work, or give out indices into a table of your own.
///
/// ```
/// use upshift::{Engine, ExternRef, Instance, Module, Store};
///
/// # fn main() -> upshift::Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(
///     &engine,
///     r#"(module (func (export "same") (param externref) (result externref) (local.get 0)))"#,
/// )?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let same =
///     instance.get_typed_func::<Option<ExternRef>, Option<ExternRef>>(&mut store, "same")?;
///
/// let given = ExternRef::new(&mut store, String::from("ticket"))?;
/// let back = same.call(&mut store, Some(given))?.unwrap();
/// let data = back.data(&store)?.unwrap();
/// assert_eq!(data.downcast_ref::<String>().unwrap(), "ticket");
/// assert!(same.call(&mut store, None)?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExternRef {
    store: StoreId,
    handle: ExternHandle,
}

impl ExternRef {
    /// Moves a value into a store.
    ///
    /// # Errors
    /// None at present; limits on host values would be one.
    pub fn new<T: Any + Send + Sync>(mut store: impl AsContextMut, value: T) -> Result<Self> {
        let store = store.as_context_mut();
        let core = &mut store.0.opaque.core;
        Ok(Self {
            store: core.id,
            handle: core.new_externref(Box::new(value)),
        })
    }

    /// The value, to be downcast to its type.
    ///
    /// # Errors
    /// When this belongs to another store.
    pub fn data<'a, T: 'static>(
        &self,
        store: impl Into<StoreContext<'a, T>>,
    ) -> Result<Option<&'a (dyn Any + Send + Sync)>> {
        let core = &store.into().0.opaque.core;
        self.check(core.id)?;
        Ok(core.externref(self.handle))
    }

    pub(crate) fn check(&self, store: StoreId) -> Result<(), Error> {
        check_store("externref", self.store, store)
    }

    /// The value that generated code sees.
    pub(crate) fn reference(value: Option<Self>) -> u64 {
        value.map_or(0, |value| value.handle.bits())
    }

    /// # Safety
    /// The bits are an `externref` of this store, or null.
    pub(crate) unsafe fn from_reference(bits: u64, store: StoreId) -> Option<Self> {
        Some(Self {
            store,
            handle: ExternHandle::from_bits(bits)?,
        })
    }
}
