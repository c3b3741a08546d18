//! How often functions were called in code that counts: one number per function in each instance's context,
//! summed here over the instances of a module, former ones included.

use std::collections::HashSet;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use upshift_module::{DefinedFuncIndex, PrimaryMap, to_usize};

use crate::VMOffsets;
use crate::sync::Mutex;

/// The calls of a module's functions, where they are counted.
///
/// Generated code adds to a number of its own instance, which one thread runs at a time: no atomic operation, and
/// no cache line that threads share. Only instantiation and readers take the lock.
#[derive(Debug, Default)]
pub(crate) struct CallCounts(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Sums over the instances that are gone, by defined function; empty as long as there was none.
    gone: Vec<u64>,
    /// Where the numbers of each live instance are.
    live: HashSet<usize>,
}

impl CallCounts {
    /// From here on, the numbers at `first`, one per defined function, count.
    ///
    /// # Safety
    /// They can be read until they are removed, and only generated code writes to them.
    pub unsafe fn add(&self, first: *mut u64) {
        self.0.lock().live.insert(first.expose_provenance());
    }

    /// The numbers at `first` will go. Only their values at this moment count further on.
    pub fn remove(&self, first: *mut u64, offsets: &VMOffsets) {
        let mut counts = self.0.lock();
        if counts.live.remove(&first.addr()) {
            let functions = to_usize(offsets.defined_functions());
            counts.gone.resize(functions, 0);
            add_to(&mut counts.gone, first.addr());
        }
    }

    /// How often each defined function was called so far.
    pub fn sums(&self, offsets: &VMOffsets) -> PrimaryMap<DefinedFuncIndex, u64> {
        let counts = self.0.lock();
        let mut sums = counts.gone.clone();
        sums.resize(to_usize(offsets.defined_functions()), 0);
        for &first in &counts.live {
            add_to(&mut sums, first);
        }
        sums.into()
    }
}

/// Adds the numbers of an instance, at an address out of the list of live instances.
fn add_to(sums: &mut [u64], first: usize) {
    for (index, sum) in sums.iter_mut().enumerate() {
        let number = ptr::with_exposed_provenance_mut::<u64>(first).wrapping_add(index);
        // SAFETY: it can be read, as the code that added it has promised, and is aligned. Another thread may be running
        // the instance: its code writes the number in one piece.
        let number = unsafe { AtomicU64::from_ptr(number) };
        *sum = sum.saturating_add(number.load(Ordering::Relaxed));
    }
}
