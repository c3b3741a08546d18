//! Which functions calls through tables reach: samples that the baseline's code leaves behind, gathered for
//! an optimizing tier, which may call the likely ones directly. Wrong samples cost time and nothing else.
//!
//! Each call through a table has a cell in its instance's context, into which baseline code stores the
//! reference that it calls: one store to memory that one thread uses. Whenever a budget is used up, the
//! cells of the function are read and emptied. So a function is sampled about as often as it has grants.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use upshift_runtime::CalledFunction;
use upshift_runtime::sync::{Mutex, OnceLock, RwLock};

/// Functions that are told apart at one call. The rest are counted together.
const MOST_TARGETS: usize = 16;
/// Instead of a cell: there is none.
const NO_CELL: u32 = u32::MAX;

/// Samples of a module's calls through tables, each named by its operator's offset in the module.
///
/// Compilers look calls up by offset, under a lock. Samples are taken on threads that run the guest, for functions
/// that mostly have no such call: that takes one load to find out, and a lock only for a call that was made.
#[derive(Debug, Default)]
pub struct CallProfile {
    /// How many cells a context has.
    cells: usize,
    /// How many functions the module defines.
    functions: usize,
    /// There once a compiler has asked for a cell.
    calls: OnceLock<Calls>,
}

#[derive(Debug)]
struct Calls {
    /// By defined function: a cell of its calls, or [`NO_CELL`].
    first_of: Box<[AtomicU32]>,
    /// The call of each cell. Filled from the start on.
    sites: Box<[OnceLock<Site>]>,
    /// The cell of each call.
    cell_of: RwLock<HashMap<u32, u32>>,
}

/// A call.
#[derive(Debug)]
struct Site {
    function: u32,
    offset: u32,
    /// Another cell of the same function, or [`NO_CELL`].
    next: u32,
    samples: Mutex<CallSamples>,
}

/// The functions that a call was seen to reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallSamples {
    /// Functions (imports first) and how often each was seen, the most frequent first.
    pub targets: Vec<(u32, u32)>,
    /// How many samples there are, those of other functions included.
    pub total: u32,
}

impl CallProfile {
    /// A profile for contexts with so many cells ([`VMOffsets::call_cell_count`]), of a module that defines so many
    /// functions. Without cells, nothing is recorded.
    ///
    /// [`VMOffsets::call_cell_count`]: upshift_runtime::VMOffsets::call_cell_count
    #[must_use]
    pub fn new(cells: u32, functions: u32) -> Self {
        Self {
            cells: cells as usize,
            functions: functions as usize,
            calls: OnceLock::new(),
        }
    }

    /// The cell of the call at `offset`, which is in a defined function. `None` when they are used up.
    pub fn cell(&self, function: u32, offset: u32) -> Option<u32> {
        if self.cells == 0 {
            return None;
        }
        let calls = self
            .calls
            .get_or_init(|| Calls::new(self.cells, self.functions));
        let mut cell_of = calls.cell_of.write();
        if let Some(&cell) = cell_of.get(&offset) {
            return Some(cell);
        }
        let cell = u32::try_from(cell_of.len()).ok()?;
        let place = calls.sites.get(cell as usize)?;
        let first = calls.first_of.get(function as usize)?;
        place.get_or_init(|| Site {
            function,
            offset,
            next: first.load(Ordering::Relaxed),
            samples: Mutex::default(),
        });
        // A thread that finds the cell finds its call.
        first.store(cell, Ordering::Release);
        cell_of.insert(offset, cell);
        Some(cell)
    }

    /// Adds a sample of each of a defined function's calls. `take` empties a cell and says which function
    /// (imports first) was called there last, if there was a call.
    pub fn sample(&self, function: u32, mut take: impl FnMut(u32) -> Option<CalledFunction>) {
        let calls = self.calls.get();
        let Some((calls, first)) =
            calls.and_then(|calls| Some((calls, calls.first_of.get(function as usize)?)))
        else {
            return;
        };
        let mut cell = first.load(Ordering::Acquire);
        while let Some(site) = calls.site(cell) {
            if let Some(called) = take(cell) {
                site.samples.lock().add(called);
            }
            cell = site.next;
        }
    }

    /// Everything that was seen: of each call its function (as it was given to [`CallProfile::cell`]), its offset,
    /// and its samples; in the order of offsets.
    #[must_use]
    pub fn all(&self) -> Vec<(u32, u32, CallSamples)> {
        let sites = self.calls.get().into_iter().flat_map(|calls| &calls.sites);
        let mut all: Vec<_> = sites
            .map_while(OnceLock::get)
            .map(|site| (site.function, site.offset, site.samples.lock().clone()))
            .filter(|(_, _, samples)| samples.total > 0)
            .collect();
        all.sort_unstable_by_key(|&(_, offset, _)| offset);
        all
    }

    /// The samples of the call at `offset`.
    #[must_use]
    pub fn samples(&self, offset: u32) -> CallSamples {
        let site = self.calls.get().and_then(|calls| {
            let cell_of = calls.cell_of.read();
            calls.site(*cell_of.get(&offset)?)
        });
        site.map_or_else(CallSamples::default, |site| site.samples.lock().clone())
    }
}

impl Calls {
    fn new(cells: usize, functions: usize) -> Self {
        Self {
            first_of: (0..functions).map(|_| AtomicU32::new(NO_CELL)).collect(),
            sites: (0..cells).map(|_| OnceLock::new()).collect(),
            cell_of: RwLock::default(),
        }
    }

    /// The call of a cell. None of [`NO_CELL`].
    fn site(&self, cell: u32) -> Option<&Site> {
        self.sites.get(cell as usize)?.get()
    }
}

impl CallSamples {
    fn add(&mut self, called: CalledFunction) {
        self.total = self.total.saturating_add(1);
        let CalledFunction::Own(function) = called else {
            return;
        };
        let place = self.targets.iter().position(|&(of, _)| of == function);
        let Some(mut place) = place else {
            if self.targets.len() < MOST_TARGETS {
                self.targets.push((function, 1));
            }
            return;
        };
        let count = self.targets[place].1.saturating_add(1);
        self.targets[place].1 = count;
        while place > 0 && self.targets[place - 1].1 < count {
            self.targets.swap(place - 1, place);
            place -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn samples_are_kept_by_call_and_sorted() {
        let profile = CallProfile::new(2, 5);
        let cell = profile.cell(3, 100).expect("room");
        assert_eq!(profile.cell(3, 100), Some(cell));
        let other = profile.cell(3, 200).expect("room");
        assert_ne!(cell, other);
        assert_eq!(profile.cell(4, 300), None, "there are two");
        for called in [7, 8, 8] {
            profile.sample(3, |of| (of == cell).then_some(CalledFunction::Own(called)));
        }
        profile.sample(3, |of| (of == cell).then_some(CalledFunction::Foreign));
        profile.sample(4, |_| unreachable!("that function has no cells"));
        let seen = profile.samples(100);
        assert_eq!(seen.targets, [(8, 2), (7, 1)]);
        assert_eq!(seen.total, 4);
        assert_eq!(profile.samples(200), CallSamples::default());
        assert_eq!(profile.samples(300), CallSamples::default());
        assert_eq!(profile.all(), [(3, 100, seen)]);
    }

    #[test]
    fn threads_that_sample_lose_nothing_while_others_compile() {
        const SAMPLES: u32 = 1000;
        let profile = CallProfile::new(64, 2);
        let cell = profile.cell(0, 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for offset in 1..64 {
                    assert_eq!(profile.cell(offset % 2, offset), Some(offset));
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..SAMPLES {
                        let take = |of| (Some(of) == cell).then_some(CalledFunction::Own(1));
                        profile.sample(0, take);
                    }
                });
            }
        });
        let mut sampled = Vec::new();
        profile.sample(1, |of| {
            sampled.push(of);
            None
        });
        sampled.sort_unstable();
        assert!(sampled.into_iter().eq((1..64).step_by(2)));
        assert_eq!(profile.samples(0).total, 2 * SAMPLES);
        assert_eq!(profile.all().len(), 1);
    }

    #[test]
    fn a_call_that_reaches_everything_takes_no_more_room() {
        let profile = CallProfile::new(1, 1);
        profile.cell(0, 1);
        for called in 0..1000 {
            profile.sample(0, |_| Some(CalledFunction::Own(called)));
        }
        let seen = profile.samples(1);
        assert_eq!((seen.targets.len(), seen.total), (MOST_TARGETS, 1000));
    }

    #[test]
    fn nothing_is_recorded_without_cells() {
        let profile = CallProfile::default();
        assert_eq!(profile.cell(0, 1), None);
        profile.sample(0, |_| unreachable!("there are no cells"));
    }
}
