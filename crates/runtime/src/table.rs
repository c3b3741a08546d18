//! Tables of references. Elements move when a table grows; generated code reads the base anew each time.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::io;
use std::ptr;

use upshift_module::{TableType, to_u64, to_usize, u64_to_usize};

use crate::limits::{Account, GrowError, LimitError, Resource};
use crate::slices::{self, in_slices, in_slices_backwards};
use crate::{Stop, TrapCode, VMTable};

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
    /// `length` is at most `capacity`, and the elements between the two are zero.
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

// SAFETY: the elements are owned by the table alone. The referenced objects belong to the same store, which
// moves between threads as a whole.
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

/// Why a table did not become larger.
enum NoRoom {
    /// The system has no memory for it.
    System,
    /// It was stopped.
    Stopped,
}

impl From<TrapCode> for NoRoom {
    fn from(_: TrapCode) -> Self {
        Self::Stopped
    }
}

impl Table {
    /// A table of its type's minimum size, all elements `initial`.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub(crate) fn new(ty: TableType, initial: u64) -> Result<Self, TableError> {
        let length = to_usize(ty.minimum);
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

    /// Its type with the current size as the minimum, which counts for imports.
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
            Some(end) if end <= to_u64(self.length()) => Ok(u64_to_usize(start)..u64_to_usize(end)),
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
    /// When they are not all in bounds: nothing has been written then. When it was stopped.
    ///
    /// # Safety
    /// As for [`Table::set`].
    pub unsafe fn fill(
        &self,
        start: u64,
        value: u64,
        len: u64,
        stop: Stop<'_>,
    ) -> Result<(), TrapCode> {
        let range = self.range(start, len)?;
        self.will_change(&range);
        let elements = self.elements_mut(range);
        in_slices(elements.len(), slices::ELEMENTS, stop, |slice| {
            elements[slice].fill(value);
        })
    }

    /// Copies `len` elements of `from`, which may be this table.
    ///
    /// # Errors
    /// When they are not all in bounds: nothing has been written then. When it was stopped.
    ///
    /// # Safety
    /// Both tables have the same element type and are of the same store.
    pub unsafe fn copy(
        &self,
        start: u64,
        from: &Self,
        from_start: u64,
        len: u64,
        stop: Stop<'_>,
    ) -> Result<(), TrapCode> {
        let source = from.range(from_start, len)?;
        let to = self.range(start, len)?;
        self.will_change(&to);
        // SAFETY: in bounds of both tables.
        let (source_base, to_base) = unsafe {
            (
                (*from.vm.get()).base.add(source.start).cast_const(),
                (*self.vm.get()).base.add(to.start),
            )
        };
        let copy = |slice: std::ops::Range<usize>| {
            // SAFETY: in bounds on both sides. They may overlap; slices go in the direction in which none is
            // written before it was read.
            unsafe {
                ptr::copy(
                    source_base.add(slice.start),
                    to_base.add(slice.start),
                    slice.len(),
                );
            }
        };
        if to_base.cast_const() <= source_base {
            in_slices(to.len(), slices::ELEMENTS, stop, copy)
        } else {
            in_slices_backwards(to.len(), slices::ELEMENTS, stop, copy)
        }
    }

    /// Writes `items`, exactly `len` of them, from `start` on.
    ///
    /// # Errors
    /// When they are not all in bounds: nothing has been written then. When it was stopped.
    ///
    /// # Safety
    /// The items are as for [`Table::set`], and computing them does not touch this table.
    pub(crate) unsafe fn write(
        &self,
        start: u64,
        len: usize,
        mut items: impl Iterator<Item = u64>,
        stop: Stop<'_>,
    ) -> Result<(), TrapCode> {
        let range = self.range(start, to_u64(len))?;
        self.will_change(&range);
        let elements = self.elements_mut(range);
        in_slices(len, slices::ELEMENTS, stop, |slice| {
            for (element, item) in elements[slice].iter_mut().zip(&mut items) {
                *element = item;
            }
        })
    }

    /// Grows by `delta` elements, which become `value`. Returns the size before.
    ///
    /// # Errors
    /// When the type, the store's limits or the system does not allow it: nothing has changed then. When it was
    /// stopped: the table has grown by as many elements as have their value.
    ///
    /// # Safety
    /// As for [`Table::set`].
    pub(crate) unsafe fn grow(
        &self,
        delta: u32,
        value: u64,
        account: &mut Account,
        stop: Stop<'_>,
    ) -> Result<u32, GrowError> {
        const UNIT: &str = "elements";
        let current = self.size();
        let maximum = self.ty.maximum.unwrap_or(u32::MAX);
        let new = match current.checked_add(delta) {
            Some(new) if new <= maximum => to_usize(new),
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
        let grown = if new > self.capacity.get() {
            self.make_room(new, to_usize(maximum), stop)
        } else {
            Ok(())
        };
        let grown = grown.and_then(|()| Ok(self.extend(new, value, stop)?));
        if let Err(error) = grown {
            let missing = u64::from(delta - (self.size() - current));
            account.refund(Resource::TableElements, missing);
            let (current, delta) = (current.into(), delta.into());
            return Err(match error {
                NoRoom::System => GrowError::System {
                    unit: UNIT,
                    current,
                    delta,
                    source: io::ErrorKind::OutOfMemory.into(),
                },
                NoRoom::Stopped => GrowError::Interrupted {
                    unit: UNIT,
                    current,
                    delta,
                },
            });
        }
        Ok(current)
    }

    /// Makes the elements up to `length`, for which there is room, `value`s of the table.
    fn extend(&self, length: usize, value: u64, stop: Stop<'_>) -> Result<(), TrapCode> {
        let old = self.length();
        let extend_to = |length: usize| {
            // SAFETY: there is room for so many elements, zeroed behind the current length; one thread uses a
            // store at a time.
            unsafe { (*self.vm.get()).length = length };
        };
        if value == 0 {
            extend_to(length);
            return Ok(());
        }
        in_slices(length - old, slices::ELEMENTS, stop, |slice| {
            extend_to(old + slice.end);
            self.elements_mut(old + slice.start..old + slice.end)
                .fill(value);
        })
    }

    /// Moves the elements to where there is room for `needed`, and for some more if possible, so that
    /// growing one by one takes linear time. They stay where they are when that is stopped.
    fn make_room(&self, needed: usize, maximum: usize, stop: Stop<'_>) -> Result<(), NoRoom> {
        let old_capacity = self.capacity.get();
        let ample = old_capacity.saturating_mul(2).clamp(needed, maximum);
        let (base, capacity) = allocate(ample)
            .map(|base| (base, ample))
            .or_else(|| Some((allocate(needed)?, needed)))
            .ok_or(NoRoom::System)?;
        // SAFETY: one thread uses a store at a time.
        let vm = unsafe { &mut *self.vm.get() };
        let moved = in_slices(vm.length, slices::ELEMENTS, stop, |slice| {
            // SAFETY: both allocations hold `length` elements.
            unsafe {
                ptr::copy_nonoverlapping(
                    vm.base.add(slice.start),
                    base.add(slice.start),
                    slice.len(),
                );
            }
        });
        if let Err(stopped) = moved {
            // SAFETY: nobody uses the new allocation.
            unsafe { release(base, capacity) };
            return Err(stopped.into());
        }
        // SAFETY: nobody uses the old allocation any more.
        unsafe { release(vm.base, old_capacity) };
        vm.base = base;
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
    use upshift_module::{ValType, to_u32};

    use super::*;
    use crate::ResourceLimits;
    use crate::interrupt::InterruptState;

    const NEVER: Stop<'_> = Stop::NEVER;
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
            assert_eq!(table.grow(1, 2, &mut account, NEVER).unwrap(), 2);
            assert_eq!(table.grow(2, 0, &mut account, NEVER).unwrap(), 3);
            assert_eq!(contents(&table), [1, 1, 2, 0, 0]);
            assert!(matches!(
                table.grow(1, 0, &mut account, NEVER),
                Err(GrowError::Maximum { .. })
            ));
            assert_eq!(table.grow(0, 0, &mut account, NEVER).unwrap(), 5);
            assert!(table.grow(u32::MAX, 0, &mut account, NEVER).is_err());
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
            let before = unsafe { table.grow(1, u64::from(i) + 1, &mut account, NEVER) };
            assert_eq!(before.unwrap(), i);
        }
        assert_eq!(table.get(999_999), Some(1_000_000));
        assert!(table.capacity.get() < 2_100_000);
    }

    #[test]
    fn what_is_stopped_has_done_some_of_it_and_counts_that() {
        let interrupt = InterruptState::new(libc::SIGURG).unwrap();
        interrupt.interrupt();
        let stop = interrupt.stop();
        let (table, mut account) = (table(1, None, 7), Account::default());
        let many = to_u32(slices::ELEMENTS) + 1;
        // SAFETY: as above.
        unsafe {
            let error = table.grow(many, 9, &mut account, stop).unwrap_err();
            assert!(matches!(error, GrowError::Interrupted { .. }), "{error}");
            assert_eq!((table.size(), table.get(many.into())), (many, None));
            assert_eq!(table.get(u64::from(many) - 1), Some(9));
            assert_eq!(account.used(Resource::TableElements), u64::from(many) - 1);
            // Elements that can't be moved in time stay where they are.
            let error = table.grow(u32::MAX >> 8, 9, &mut account, stop);
            assert!(matches!(error, Err(GrowError::Interrupted { .. })));
            let capacity = to_u32(table.capacity.get());
            table.grow(capacity - many, 0, &mut account, stop).unwrap();
            table.grow(1, 0, &mut account, NEVER).unwrap();
            let error = table.grow(capacity, 9, &mut account, stop);
            assert!(matches!(error, Err(GrowError::Interrupted { .. })));
            assert_eq!(
                account.used(Resource::TableElements),
                u64::from(table.size()) - 1
            );
            let (all, stopped) = (u64::from(table.size()), Err(TrapCode::Interrupted));
            assert_eq!(table.fill(0, 3, all, stop), stopped);
            assert_eq!(table.get(to_u64(slices::ELEMENTS) - 1), Some(3));
            assert_ne!(table.get(to_u64(slices::ELEMENTS)), Some(3));
            assert_eq!(table.copy(0, &table, 1, all - 1, stop), stopped);
            let items = std::iter::repeat(4);
            assert_eq!(table.write(0, u64_to_usize(all), items, stop), stopped);
        }
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
            table.grow(3, 0, &mut account, NEVER).unwrap();
            assert!(matches!(
                table.grow(1, 0, &mut account, NEVER),
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
            table.fill(1, 2, 2, NEVER).unwrap();
            table.copy(1, &table, 0, 3, NEVER).unwrap();
            assert_eq!(contents(&table), [1, 1, 2, 2]);
            table.copy(2, &other, 0, 2, NEVER).unwrap();
            table.write(0, 2, [5, 6].into_iter(), NEVER).unwrap();
            assert_eq!(contents(&table), [5, 6, 9, 9]);
            table.fill(4, 1, 0, NEVER).unwrap();
            table.copy(4, &other, 2, 0, NEVER).unwrap();
            assert_eq!(table.set(4, 1), OUT);
            assert_eq!(table.fill(3, 1, 2, NEVER), OUT);
            assert_eq!(table.fill(5, 1, 0, NEVER), OUT);
            assert_eq!(table.fill(1, 1, u64::MAX, NEVER), OUT);
            assert_eq!(table.copy(3, &other, 0, 2, NEVER), OUT);
            assert_eq!(table.copy(0, &other, 1, 2, NEVER), OUT);
            assert_eq!(table.write(3, 2, [7, 7].into_iter(), NEVER), OUT);
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
            assert_eq!(table.fill(7, 1, 2, NEVER), OUT);
            table.fill(3, 1, 0, NEVER).unwrap();
            table.grow(4, 1, &mut Account::default(), NEVER).unwrap();
            assert_eq!(unchanged(), 8);
            table.set(10, 1).unwrap();
            assert_eq!(unchanged(), 8);
            table.set(6, 1).unwrap();
            assert_eq!(unchanged(), 6);
            table.fill(5, 1, 2, NEVER).unwrap();
            assert_eq!(unchanged(), 5);
            table.copy(4, &other, 0, 2, NEVER).unwrap();
            assert_eq!(unchanged(), 4);
            table.write(3, 1, [5].into_iter(), NEVER).unwrap();
            assert_eq!(unchanged(), 3);
            table.set(5, 1).unwrap();
            assert_eq!(unchanged(), 3);
        }
    }
}
