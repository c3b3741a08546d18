//! Globals as objects, held by the host and importing modules. The value of a global that a module
//! defines lies in the context of its instance, where generated code reaches it directly.

use std::cell::UnsafeCell;
use std::fmt;
use std::ptr::NonNull;

use upshift_module::GlobalType;

use crate::VMGlobal;

/// A global of a store.
#[repr(C)]
pub struct Global {
    /// The value, if the global is the host's.
    own: UnsafeCell<VMGlobal>,
    /// Where the value is otherwise.
    elsewhere: Option<NonNull<VMGlobal>>,
    ty: GlobalType,
}

impl fmt::Debug for Global {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Global")
            .field("location", &self.location())
            .field("ty", &self.ty)
            .finish_non_exhaustive()
    }
}

impl Global {
    /// A global of the host.
    pub(crate) fn new(ty: GlobalType, bits: u128) -> Self {
        Self {
            own: UnsafeCell::new(VMGlobal { bits }),
            elsewhere: None,
            ty,
        }
    }

    /// A handle to a global that lies in an instance's context.
    ///
    /// # Safety
    /// `location` stays valid for as long as the handle lives.
    pub(crate) unsafe fn in_context(ty: GlobalType, location: NonNull<VMGlobal>) -> Self {
        Self {
            own: UnsafeCell::new(VMGlobal { bits: 0 }),
            elsewhere: Some(location),
            ty,
        }
    }

    /// Where the value is. Stays there for as long as the store lives.
    #[must_use]
    pub fn location(&self) -> *mut VMGlobal {
        self.elsewhere.map_or(self.own.get(), NonNull::as_ptr)
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> GlobalType {
        self.ty
    }

    /// The value, zero-extended.
    #[must_use]
    pub fn get(&self) -> u128 {
        // SAFETY: the location is valid, and one thread uses a store at a time.
        unsafe { (*self.location()).bits }
    }

    /// Sets the value. Whether the type allows it, and whether the bits are a value of it, is the
    /// caller's business: references must be of this store.
    ///
    /// # Safety
    /// `bits` are a value of the global's type, zero-extended.
    pub unsafe fn set(&self, bits: u128) {
        // SAFETY: as in `get`.
        unsafe { (*self.location()).bits = bits }
    }
}

#[cfg(test)]
mod tests {
    use upshift_module::ValType;

    use super::*;

    #[test]
    fn a_handle_reads_and_writes_the_context() {
        let ty = GlobalType {
            content: ValType::I64,
            mutable: true,
        };
        let mut place = VMGlobal { bits: 5 };
        let location = NonNull::from(&mut place);
        // SAFETY: `place` outlives the handle, and the bits are 64-bit integers.
        unsafe {
            let global = Global::in_context(ty, location);
            assert_eq!(global.get(), 5);
            global.set(6);
            assert_eq!(global.get(), 6);
        }
        assert_eq!(place.bits, 6);
    }

    #[test]
    fn a_host_global_holds_its_own_value() {
        let global = Global::new(
            GlobalType {
                content: ValType::V128,
                mutable: true,
            },
            u128::MAX,
        );
        assert_eq!(global.get(), u128::MAX);
        assert_eq!(
            global.location().cast_const().cast::<u8>(),
            (&raw const global).cast()
        );
    }
}
