//! Tables of references. Elements move when a table grows; generated code reads the base anew each time.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::io;
use std::ptr;

use upshift_module::TableType;

use crate::limits::{Account, GrowError, LimitError, Resource};
use crate::{TrapCode, VMTable};

/// Why a table could not be created.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The store's limits do not allow it.
    #[error("cannot create a table of {elements} elements: {source}")]
    Limit {
        /// Elements wanted.
        elements: u32,
        /// Which limit.
        source: LimitError,
    },
    /// The system has no memory for it.
    #[error("the system has no memory for a table of {elements} elements")]
    System {
        /// Elements wanted.
        elements: u32,
    },
}

/// A table of a store. One thread uses it at a time, its store's.
///
/// Elements are raw: a pointer to a `VMFuncRef` or an `ExternHandle`'s bits; null is 0.
#[repr(C)]
pub struct Table {
    /// `length` is at most `capacity`, and what lies between the two is zero.
    vm: UnsafeCell<VMTable>,
    ty: TableType,
    /// Elements that there is room for; 0 without an allocation.
    capacity: Cell<usize>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("size", &self.size())
            .field("ty", &self.ty)
            .finish_non_exhaustive()
    }
}

// SAFETY: the elements are owned by the table alone. What they refer to belongs to the same store, which
// is what moves between threads.
unsafe impl Send for Table {}

/// Zeroed room for elements.
fn allocate(capacity: usize) -> Option<*mut u64> {
    if capacity == 0 {
        return Some(ptr::dangling_mut());
    }
    let layout = Layout::array::<u64>(capacity).ok()?;
    // SAFETY: the layout is not empty.
    let base = unsafe { alloc_zeroed(layout) }.cast::<u64>();
    (!base.is_null()).then_some(base)
}

/// # Safety
/// `base` is from [`allocate`] with the same capacity, and nobody uses it any more.
unsafe fn release(base: *mut u64, capacity: usize) {
    if capacity > 0 {
        let layout = Layout::array::<u64>(capacity).expect("it was allocated with this layout");
        // SAFETY: as the caller says.
        unsafe { dealloc(base.cast(), layout) };
    }
}

impl Table {
    /// A table of its type's minimum size, all elements `initial`.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub(crate) fn new(ty: TableType, initial: u64) -> Result<Self, TableError> {
        let length = ty.minimum as usize;
        let base = allocate(length).ok_or(TableError::System {
            elements: ty.minimum,
        })?;
        let table = Self {
            vm: UnsafeCell::new(VMTable {
                base,
                length,
                unchanged: 0,
            }),
            ty,
            capacity: Cell::new(length),
        };
        if initial != 0 {
            table.elements_mut(0..length).fill(initial);
        }
        Ok(table)
    }

    /// The type that it was created with.
    #[must_use]
    pub fn ty(&self) -> TableType {
        self.ty
    }

    /// Its type with the current size as the minimum, which is what counts for imports.
    #[must_use]
    pub fn current_type(&self) -> TableType {
        TableType {
            minimum: self.size(),
            ..self.ty
        }
    }

    /// Current size in elements.
    #[must_use]
    pub fn size(&self) -> u32 {
        u32::try_from(self.length()).expect("growth is bounded by u32")
    }

    fn length(&self) -> usize {
        // SAFETY: one thread uses a store at a time, and no reference to the record is held on to.
        unsafe { (*self.vm.get()).length }
    }

    /// States that all elements are as the active segments of the module that defines the table left them.
    pub(crate) fn set_unchanged(&self) {
        // SAFETY: as in `length`.
        unsafe { (*self.vm.get()).unchanged = (*self.vm.get()).length };
    }

    /// To be called before elements of a range change.
    fn will_change(&self, range: &std::ops::Range<usize>) {
        if range.is_empty() {
            return;
        }
        // SAFETY: as in `length`.
        unsafe {
            let unchanged = &raw mut (*self.vm.get()).unchanged;
            *unchanged = (*unchanged).min(range.start);
        }
    }

    /// All elements.
    fn elements(&self) -> &[u64] {
        // SAFETY: `base` points at `length` initialized elements. The slice is used within a method that
        // does not write.
        unsafe {
            let vm = &*self.vm.get();
            std::slice::from_raw_parts(vm.base, vm.length)
        }
    }

    /// Some elements, which must be in bounds.
    #[expect(
        clippy::mut_from_ref,
        reason = "used within one method, by the one thread of the store"
    )]
    fn elements_mut(&self, range: std::ops::Range<usize>) -> &mut [u64] {
        // SAFETY: as in `elements`, and no other slice of them is alive.
        let all = unsafe {
            let vm = &*self.vm.get();
            std::slice::from_raw_parts_mut(vm.base, vm.length)
        };
        &mut all[range]
    }

    /// The range of `len` elements from `start` on, if it is in bounds.
    fn range(&self, start: u64, len: u64) -> Result<std::ops::Range<usize>, TrapCode> {
        match start.checked_add(len) {
            Some(end) if end <= self.length() as u64 => Ok(start as usize..end as usize),
            _ => Err(TrapCode::TableOutOfBounds),
        }
    }

    /// The element at `index`, or `None` when there is none.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<u64> {
        self.elements().get(usize::try_from(index).ok()?).copied()
    }

    /// Sets the element at `index`.
    ///
    /// # Errors
    /// When the index is out of bounds.
    ///
    /// # Safety
    /// `value` is a reference of the table's element type and of its store, or null.
    pub unsafe fn set(&self, index: u64, value: u64) -> Result<(), TrapCode> {
        let range = self.range(index, 1)?;
        self.will_change(&range);
        self.elements_mut(range)[0] = value;
        Ok(())
    }

    /// Sets `len` elements from `start` on.
    ///
    /// # Errors
    /// When they are not all in bounds. Nothing has been written then.
    ///
    /// # Safety
    /// As for [`Table::set`].
    pub unsafe fn fill(&self, start: u64, value: u64, len: u64) -> Result<(), TrapCode> {
        let range = self.range(start, len)?;
        self.will_change(&range);
        self.elements_mut(range).fill(value);
        Ok(())
    }

    /// Copies `len` elements of `from`, which may be this table.
    ///
    /// # Errors
    /// When they are not all in bounds. Nothing has been written then.
    ///
    /// # Safety
    /// Both tables have the same element type and are of the same store.
    pub unsafe fn copy(
        &self,
        start: u64,
        from: &Self,
        from_start: u64,
        len: u64,
    ) -> Result<(), TrapCode> {
        let source = from.range(from_start, len)?;
        let to = self.range(start, len)?;
        self.will_change(&to);
        // SAFETY: in bounds on both sides; they may overlap.
        unsafe {
            let source_base = (*from.vm.get()).base.add(source.start);
            let to_base = (*self.vm.get()).base.add(to.start);
            ptr::copy(source_base, to_base, to.len());
        }
        Ok(())
    }

    /// Writes `items`, exactly `len` of them, from `start` on.
    ///
    /// # Errors
    /// When they are not all in bounds. Nothing has been written then.
    ///
    /// # Safety
    /// The items are as for [`Table::set`], and computing them does not touch this table.
    pub(crate) unsafe fn write(
        &self,
        start: u64,
        len: usize,
        items: impl Iterator<Item = u64>,
    ) -> Result<(), TrapCode> {
        let range = self.range(start, len as u64)?;
        self.will_change(&range);
        for (element, item) in self.elements_mut(range).iter_mut().zip(items) {
            *element = item;
        }
        Ok(())
    }

    /// Grows by `delta` elements, which become `value`. Returns the size before.
    ///
    /// # Errors
    /// When the type, the store's limits or the system does not allow it. Nothing has changed then.
    ///
    /// # Safety
    /// As for [`Table::set`].
    pub(crate) unsafe fn grow(
        &self,
        delta: u32,
        value: u64,
        account: &mut Account,
    ) -> Result<u32, GrowError> {
        const UNIT: &str = "elements";
        let current = self.size();
        let maximum = self.ty.maximum.unwrap_or(u32::MAX);
        let new = match current.checked_add(delta) {
            Some(new) if new <= maximum => new as usize,
            _ => {
                let (current, delta) = (current.into(), delta.into());
                return Err(GrowError::Maximum {
                    unit: UNIT,
                    current,
                    delta,
                    maximum: maximum.into(),
                });
            }
        };
        account.charge(Resource::TableElements, delta.into())?;
        if new > self.capacity.get()
            && let Err(source) = self.make_room(new, maximum as usize)
        {
            account.refund(Resource::TableElements, delta.into());
            let (current, delta) = (current.into(), delta.into());
            return Err(GrowError::System {
                unit: UNIT,
                current,
                delta,
                source,
            });
        }
        // SAFETY: there is room for `new` elements, zeroed behind the current length; one thread uses a
        // store at a time.
        unsafe { (*self.vm.get()).length = new };
        if value != 0 {
            self.elements_mut(current as usize..new).fill(value);
        }
        Ok(current)
    }

    /// Moves the elements to where there is room for `needed`, and for some more if possible, so that
    /// growing one by one takes linear time.
    fn make_room(&self, needed: usize, maximum: usize) -> io::Result<()> {
        let old_capacity = self.capacity.get();
        let ample = old_capacity.saturating_mul(2).clamp(needed, maximum);
        let (base, capacity) = allocate(ample)
            .map(|base| (base, ample))
            .or_else(|| Some((allocate(needed)?, needed)))
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        // SAFETY: both allocations hold `length` elements; the old one is used by nobody any more.
        unsafe {
            let vm = &mut *self.vm.get();
            ptr::copy_nonoverlapping(vm.base, base, vm.length);
            release(vm.base, old_capacity);
            vm.base = base;
        }
        self.capacity.set(capacity);
        Ok(())
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: the allocation is from `allocate` with this capacity.
        unsafe { release(self.vm.get_mut().base, self.capacity.get()) };
    }
}

#[cfg(test)]
mod tests {
    use upshift_module::ValType;

    use super::*;
    use crate::ResourceLimits;

    const OUT: Result<(), TrapCode> = Err(TrapCode::TableOutOfBounds);

    // Elements of these tests are handles of externrefs, which are not looked at.
    fn table(minimum: u32, maximum: Option<u32>, initial: u64) -> Table {
        Table::new(
            TableType {
                element: ValType::ExternRef,
                minimum,
                maximum,
            },
            initial,
        )
        .unwrap()
    }

    fn contents(table: &Table) -> Vec<u64> {
        (0..u64::from(table.size()))
            .map(|i| table.get(i).unwrap())
            .collect()
    }

    #[test]
    fn growth_keeps_elements_and_fills_new_ones() {
        let table = table(2, Some(5), 1);
        let mut account = Account::default();
        // SAFETY: handles are not looked at.
        unsafe {
            assert_eq!(table.grow(1, 2, &mut account).unwrap(), 2);
            assert_eq!(table.grow(2, 0, &mut account).unwrap(), 3);
            assert_eq!(contents(&table), [1, 1, 2, 0, 0]);
            assert!(matches!(
                table.grow(1, 0, &mut account),
                Err(GrowError::Maximum { .. })
            ));
            assert_eq!(table.grow(0, 0, &mut account).unwrap(), 5);
            assert!(table.grow(u32::MAX, 0, &mut account).is_err());
        }
        assert_eq!(account.used(Resource::TableElements), 3);
        assert_eq!(table.current_type().minimum, 5);
        assert_eq!(table.get(5), None);
        assert_eq!(table.get(u64::MAX), None);
    }

    #[test]
    fn growth_by_one_takes_linear_time() {
        let table = table(0, None, 0);
        let mut account = Account::default();
        for i in 0..1_000_000 {
            // SAFETY: as above.
            let before = unsafe { table.grow(1, u64::from(i) + 1, &mut account) };
            assert_eq!(before.unwrap(), i);
        }
        assert_eq!(table.get(999_999), Some(1_000_000));
        assert!(table.capacity.get() < 2_100_000);
    }

    #[test]
    fn the_store_limit_bounds_growth() {
        let table = table(0, None, 0);
        let mut account = Account::new(ResourceLimits {
            table_elements: Some(3),
            ..Default::default()
        });
        // SAFETY: as above.
        unsafe {
            table.grow(3, 0, &mut account).unwrap();
            assert!(matches!(
                table.grow(1, 0, &mut account),
                Err(GrowError::Limit(_))
            ));
        }
        assert_eq!(table.size(), 3);
    }

    #[test]
    fn bulk_operations_check_everything_first() {
        let (table, other) = (table(4, None, 0), table(2, None, 9));
        // SAFETY: as above.
        unsafe {
            table.set(0, 1).unwrap();
            table.fill(1, 2, 2).unwrap();
            table.copy(1, &table, 0, 3).unwrap();
            assert_eq!(contents(&table), [1, 1, 2, 2]);
            table.copy(2, &other, 0, 2).unwrap();
            table.write(0, 2, [5, 6].into_iter()).unwrap();
            assert_eq!(contents(&table), [5, 6, 9, 9]);
            table.fill(4, 1, 0).unwrap();
            table.copy(4, &other, 2, 0).unwrap();
            assert_eq!(table.set(4, 1), OUT);
            assert_eq!(table.fill(3, 1, 2), OUT);
            assert_eq!(table.fill(5, 1, 0), OUT);
            assert_eq!(table.fill(1, 1, u64::MAX), OUT);
            assert_eq!(table.copy(3, &other, 0, 2), OUT);
            assert_eq!(table.copy(0, &other, 1, 2), OUT);
            assert_eq!(table.write(3, 2, [7, 7].into_iter()), OUT);
        }
        assert_eq!(contents(&table), [5, 6, 9, 9]);
    }

    #[test]
    fn what_is_written_is_not_unchanged() {
        let (table, other) = (table(8, None, 0), table(2, None, 9));
        // SAFETY: the table is alive, and nobody else uses it.
        let unchanged = || unsafe { (*table.vm.get()).unchanged };
        assert_eq!(unchanged(), 0);
        table.set_unchanged();
        assert_eq!(unchanged(), 8);
        // SAFETY: handles are not looked at.
        unsafe {
            assert_eq!(table.set(8, 1), OUT);
            assert_eq!(table.fill(7, 1, 2), OUT);
            table.fill(3, 1, 0).unwrap();
            table.grow(4, 1, &mut Account::default()).unwrap();
            assert_eq!(unchanged(), 8);
            table.set(10, 1).unwrap();
            assert_eq!(unchanged(), 8);
            table.set(6, 1).unwrap();
            assert_eq!(unchanged(), 6);
            table.fill(5, 1, 2).unwrap();
            assert_eq!(unchanged(), 5);
            table.copy(4, &other, 0, 2).unwrap();
            assert_eq!(unchanged(), 4);
            table.write(3, 1, [5].into_iter()).unwrap();
            assert_eq!(unchanged(), 3);
            table.set(5, 1).unwrap();
            assert_eq!(unchanged(), 3);
        }
    }
}
