//! Tables as objects of a store.

use std::ptr::NonNull;

use upshift_runtime::{Stop, StoreId, Table as RawTable};

use crate::error::ErrorKind;
use crate::store::{assert_store, check_store};
use crate::types::check_table_type;
use crate::{AsContext, AsContextMut, Error, Ref, RefType, Result, TableType};

/// A table of references.
///
/// ```
/// use upshift::{Engine, Func, Ref, RefType, Store, Table, TableType};
///
/// # fn main() -> upshift::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let ty = TableType::new(RefType::FUNCREF, 2, Some(4));
/// let table = Table::new(&mut store, ty, Ref::Func(None))?;
///
/// let twice = Func::wrap(&mut store, |x: i32| x * 2);
/// table.set(&mut store, 1, twice.into())?;
/// assert!(table.get(&store, 0)?.unwrap().is_null());
/// let func = table.get(&store, 1)?.unwrap().as_func().flatten().unwrap();
/// assert_eq!(func.typed::<i32, i32>(&store)?.call(&mut store, 21)?, 42);
///
/// assert_eq!(table.grow(&mut store, 2, twice.into())?, 2);
/// assert_eq!(table.size(&store), 4);
/// assert!(table.grow(&mut store, 1, Ref::Func(None)).is_err());
/// table.fill(&mut store, 0, Ref::Func(None), 4)?;
/// assert!(table.get(&store, 4)?.is_none()); // there is no such element
/// assert!(table.set(&mut store, 4, twice.into()).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    store: StoreId,
    raw: NonNull<RawTable>,
}

// SAFETY: only used together with its store, which is with one thread at a time.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Table {
    /// A table whose elements all are `init`.
    ///
    /// # Errors
    /// When the type makes no sense, `init` is of another type or store, a limit of the store is reached,
    /// or the system has no memory.
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Ref) -> Result<Self> {
        check_table_type(&ty)?;
        let store = store.as_context_mut();
        let core = &mut store.0.opaque.core;
        let init = reference(init, ty.element(), core.id)?;
        // SAFETY: the reference has just been checked.
        let raw = unsafe { core.new_table(ty.0, init) }.map_err(Error::table)?;
        Ok(Self {
            store: core.id,
            raw,
        })
    }

    /// Its type, with the size now as the minimum.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn ty(&self, store: impl AsContext) -> TableType {
        TableType(self.get_raw(&store).current_type())
    }

    /// Its size in elements.
    ///
    /// # Panics
    /// When it belongs to another store.
    #[must_use]
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.get_raw(&store).size().into()
    }

    /// An element; `None` when the index is outside.
    ///
    /// # Errors
    /// When it belongs to another store.
    pub fn get(&self, store: impl AsContext, index: u64) -> Result<Option<Ref>> {
        let id = store.as_context().0.opaque.core.id;
        let table = self.try_get(id)?;
        // SAFETY: elements are of the table's type and store.
        Ok(table
            .get(index)
            .map(|bits| unsafe { Ref::from_reference(bits, element(table), id) }))
    }

    /// Sets an element.
    ///
    /// # Errors
    /// When the index is outside, the value is of another type or store, or the table belongs to another
    /// store.
    pub fn set(&self, store: impl AsContextMut, index: u64, value: Ref) -> Result<()> {
        self.fill(store, index, value, 1)
    }

    /// Sets some elements.
    ///
    /// # Errors
    /// As for [`set`](Self::set). Nothing has been set then.
    pub fn fill(
        &self,
        mut store: impl AsContextMut,
        start: u64,
        value: Ref,
        length: u64,
    ) -> Result<()> {
        let store = store.as_context_mut();
        let id = store.0.opaque.core.id;
        let table = self.try_get(id)?;
        let value = reference(value, element(table), id)?;
        // SAFETY: the reference has just been checked.
        unsafe { table.fill(start, value, length, Stop::NEVER) }
            .map_err(|_| out_of_bounds("a write", table, start, length))
    }

    /// Copies elements from one table to another, or within one; the ranges may overlap.
    ///
    /// # Errors
    /// When a range is outside of its table (nothing has been copied then), the tables hold different types,
    /// or one belongs to another store.
    pub fn copy(
        mut store: impl AsContextMut,
        to: &Self,
        to_index: u64,
        from: &Self,
        from_index: u64,
        length: u64,
    ) -> Result<()> {
        let store = store.as_context_mut();
        let id = store.0.opaque.core.id;
        let (raw_to, raw_from) = (to.try_get(id)?, from.try_get(id)?);
        if element(raw_to) != element(raw_from) {
            return Err(Error::value_type(format!(
                "cannot copy from a table of {} to one of {}",
                element(raw_from),
                element(raw_to)
            )));
        }
        // SAFETY: same type, same store.
        unsafe { raw_to.copy(to_index, raw_from, from_index, length, Stop::NEVER) }.map_err(|_| {
            let fits = |index: u64, table: &RawTable| {
                index
                    .checked_add(length)
                    .is_some_and(|end| end <= table.size().into())
            };
            if fits(from_index, raw_from) {
                out_of_bounds("a write", raw_to, to_index, length)
            } else {
                out_of_bounds("a read", raw_from, from_index, length)
            }
        })
    }

    /// Makes it larger by some elements, all `init`. Returns the size before.
    ///
    /// # Errors
    /// When its type, a limit of the store or the system does not allow it, `init` is of another type or
    /// store, or the table belongs to another store.
    pub fn grow(&self, mut store: impl AsContextMut, elements: u64, init: Ref) -> Result<u64> {
        let store = store.as_context_mut();
        let core = &mut store.0.opaque.core;
        let table = self.try_get(core.id)?;
        let init = reference(init, element(table), core.id)?;
        let delta = u32::try_from(elements).map_err(|_| {
            Error::resource(format_args!(
                "cannot grow a table by {elements} elements: too many"
            ))
        })?;
        // SAFETY: the reference has just been checked.
        unsafe { core.grow_table(table, delta, init) }
            .map(u64::from)
            .map_err(Error::grow)
    }

    #[inline]
    pub(crate) fn check(&self, store: StoreId) -> Result<()> {
        check_store("table", self.store, store)
    }

    #[track_caller]
    fn get_raw<'a>(&self, store: &'a impl AsContext) -> &'a RawTable {
        assert_store("table", self.store, store.as_context().0.opaque.core.id);
        // SAFETY: it lives as long as its store, which is this one.
        unsafe { self.raw.as_ref() }
    }

    /// The reference must not outlive the borrow of the store with this id.
    fn try_get<'a>(&self, store: StoreId) -> Result<&'a RawTable> {
        self.check(store)?;
        // SAFETY: it lives as long as its store, which the caller has borrowed.
        Ok(unsafe { self.raw.as_ref() })
    }

    pub(crate) fn raw(&self) -> NonNull<RawTable> {
        self.raw
    }

    /// # Safety
    /// It belongs to this store.
    pub(crate) unsafe fn from_raw(raw: NonNull<RawTable>, store: StoreId) -> Self {
        Self { store, raw }
    }
}

fn element(table: &RawTable) -> RefType {
    RefType::from_val_type(table.ty().element).expect("tables hold references")
}

/// The bits of a reference for a table of this type and store.
fn reference(value: Ref, ty: RefType, store: StoreId) -> Result<u64> {
    if value.ty() != ty {
        let given = value.ty();
        return Err(Error::value_type(format!(
            "the table holds {ty}, but was given a {given}"
        )));
    }
    value.to_reference(store)
}

#[cold]
fn out_of_bounds(what: &'static str, table: &RawTable, start: u64, length: u64) -> Error {
    Error::from_kind(ErrorKind::OutOfBounds {
        what,
        object: "table",
        unit: "elements",
        start,
        length,
        size: table.size().into(),
    })
}
