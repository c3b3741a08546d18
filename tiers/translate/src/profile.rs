//! Which functions calls through tables reach: samples that the baseline's code leaves behind, gathered for
//! an optimizing tier, which may call the likely ones directly. Wrong samples cost time and nothing else.
//!
//! Each call through a table has a cell in its instance's context, into which baseline code stores the
//! reference that it calls: one store to memory that one thread uses. Whenever a budget is used up, the
//! cells of the function are read and emptied. So a function is sampled about as often as it has grants.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use upshift_module::{DefinedFuncIndex, FuncIndex, ModuleOffset, PrimaryMap};
use upshift_runtime::sync::{Mutex, OnceLock, RwLock};
use upshift_runtime::{CallCell, CalledFunction};

/// Functions that are told apart at one call. The rest are counted together.
const MOST_TARGETS: usize = 16;
/// Instead of a cell's number: there is none.
const NO_CELL: u32 = u32::MAX;

/// Samples of a module's calls through tables, each named by its operator's offset in the module.
///
/// Compilers look calls up by offset, under a lock. Samples are taken on threads that run the guest, for functions
/// that mostly have no such call: that takes one load to find out, and a lock only for a call that was made.
#[derive(Debug, Default)]
pub struct CallProfile {
    /// How many cells a context has.
    cells: u32,
    /// How many functions the module defines.
    functions: u32,
    /// There once a compiler has asked for a cell.
    calls: OnceLock<Calls>,
}

#[derive(Debug)]
struct Calls {
    /// The number of a cell of each function's calls, or [`NO_CELL`].
    first_of: PrimaryMap<DefinedFuncIndex, AtomicU32>,
    /// The call of each cell. Filled from the start on.
    sites: PrimaryMap<CallCell, OnceLock<Site>>,
    /// The cell of each call.
    cell_of: RwLock<HashMap<ModuleOffset, CallCell>>,
}

/// A call.
#[derive(Debug)]
struct Site {
    function: DefinedFuncIndex,
    offset: ModuleOffset,
    /// Another cell of the same function.
    next: Option<CallCell>,
    samples: Mutex<CallSamples>,
}

/// The functions that a call was seen to reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallSamples {
    /// The functions, the most frequent first.
    pub targets: Vec<CallTarget>,
    /// How many samples there are, those of other functions included.
    pub total: u32,
}

/// A function that a call was seen to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallTarget {
    /// The function.
    pub function: FuncIndex,
    /// How often it was seen.
    pub count: u32,
}

/// A call, and what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampledCall {
    /// The function that calls, as it was given to [`CallProfile::cell`].
    pub function: DefinedFuncIndex,
    /// Where its operator is.
    pub offset: ModuleOffset,
    /// What was seen.
    pub samples: CallSamples,
}

impl CallProfile {
    /// A profile for contexts with so many cells ([`VMOffsets::call_cell_count`]), of a module that defines so many
    /// functions. Without cells, nothing is recorded.
    ///
    /// [`VMOffsets::call_cell_count`]: upshift_runtime::VMOffsets::call_cell_count
    #[must_use]
    pub fn new(cells: u32, functions: u32) -> Self {
        Self {
            cells,
            functions,
            calls: OnceLock::new(),
        }
    }

    /// The cell of the call at `offset`, which is in a defined function. `None` when they are used up.
    pub fn cell(&self, function: DefinedFuncIndex, offset: ModuleOffset) -> Option<CallCell> {
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
        let cell = CallCell::of_number(u32::try_from(cell_of.len()).ok()?)?;
        let place = calls.sites.get(cell)?;
        let first = calls.first_of.get(function)?;
        place.get_or_init(|| Site {
            function,
            offset,
            next: CallCell::of_number(first.load(Ordering::Relaxed)),
            samples: Mutex::default(),
        });
        // A thread that finds the cell finds its call.
        first.store(cell.as_u32(), Ordering::Release);
        cell_of.insert(offset, cell);
        Some(cell)
    }

    /// Adds a sample of each of a function's calls. `take` empties a cell and says which function was called there
    /// last, if there was a call.
    pub fn sample(
        &self,
        function: DefinedFuncIndex,
        mut take: impl FnMut(CallCell) -> Option<CalledFunction>,
    ) {
        let calls = self.calls.get();
        let Some((calls, first)) =
            calls.and_then(|calls| Some((calls, calls.first_of.get(function)?)))
        else {
            return;
        };
        let mut next = CallCell::of_number(first.load(Ordering::Acquire));
        while let Some(cell) = next
            && let Some(site) = calls.site(cell)
        {
            if let Some(called) = take(cell) {
                site.samples.lock().add(called);
            }
            next = site.next;
        }
    }

    /// Everything that was seen, in the order of offsets.
    #[must_use]
    pub fn all(&self) -> Vec<SampledCall> {
        let sites = (self.calls.get().into_iter()).flat_map(|calls| calls.sites.values());
        let mut all: Vec<_> = sites
            .map_while(OnceLock::get)
            .map(|site| SampledCall {
                function: site.function,
                offset: site.offset,
                samples: site.samples.lock().clone(),
            })
            .filter(|call| call.samples.total > 0)
            .collect();
        all.sort_unstable_by_key(|call| call.offset);
        all
    }

    /// The samples of the call at `offset`.
    #[must_use]
    pub fn samples(&self, offset: ModuleOffset) -> CallSamples {
        let site = self.calls.get().and_then(|calls| {
            let cell_of = calls.cell_of.read();
            calls.site(*cell_of.get(&offset)?)
        });
        site.map_or_else(CallSamples::default, |site| site.samples.lock().clone())
    }
}

impl Calls {
    fn new(cells: u32, functions: u32) -> Self {
        Self {
            first_of: (0..functions).map(|_| AtomicU32::new(NO_CELL)).collect(),
            sites: (0..cells).map(|_| OnceLock::new()).collect(),
            cell_of: RwLock::default(),
        }
    }

    /// The call of a cell.
    fn site(&self, cell: CallCell) -> Option<&Site> {
        self.sites.get(cell)?.get()
    }
}

impl CallSamples {
    fn add(&mut self, called: CalledFunction) {
        self.total = self.total.saturating_add(1);
        let CalledFunction::Own(function) = called else {
            return;
        };
        let targets = &mut self.targets;
        let place = targets
            .iter()
            .position(|target| target.function == function);
        let Some(mut place) = place else {
            if targets.len() < MOST_TARGETS {
                targets.push(CallTarget { function, count: 1 });
            }
            return;
        };
        let count = targets[place].count.saturating_add(1);
        targets[place].count = count;
        while place > 0 && targets[place - 1].count < count {
            targets.swap(place - 1, place);
            place -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn function(number: u32) -> DefinedFuncIndex {
        DefinedFuncIndex::from_u32(number)
    }

    fn targets(samples: &CallSamples) -> Vec<(u32, u32)> {
        let targets = samples.targets.iter();
        targets
            .map(|target| (target.function.as_u32(), target.count))
            .collect()
    }

    #[test]
    fn samples_are_kept_by_call_and_sorted() {
        let profile = CallProfile::new(2, 5);
        let cell = profile
            .cell(function(3), ModuleOffset::new(100))
            .expect("room");
        assert_eq!(
            profile.cell(function(3), ModuleOffset::new(100)),
            Some(cell)
        );
        let other = profile
            .cell(function(3), ModuleOffset::new(200))
            .expect("room");
        assert_ne!(cell, other);
        assert_eq!(
            profile.cell(function(4), ModuleOffset::new(300)),
            None,
            "there are two"
        );
        for called in [7, 8, 8] {
            profile.sample(function(3), |of| {
                (of == cell).then_some(CalledFunction::Own(FuncIndex::from_u32(called)))
            });
        }
        profile.sample(function(3), |of| {
            (of == cell).then_some(CalledFunction::Foreign)
        });
        profile.sample(function(4), |_| unreachable!("that function has no cells"));
        let seen = profile.samples(ModuleOffset::new(100));
        assert_eq!(targets(&seen), [(8, 2), (7, 1)]);
        assert_eq!(seen.total, 4);
        assert_eq!(
            profile.samples(ModuleOffset::new(200)),
            CallSamples::default()
        );
        assert_eq!(
            profile.samples(ModuleOffset::new(300)),
            CallSamples::default()
        );
        let call = SampledCall {
            function: function(3),
            offset: ModuleOffset::new(100),
            samples: seen,
        };
        assert_eq!(profile.all(), [call]);
    }

    #[test]
    fn threads_that_sample_lose_nothing_while_others_compile() {
        const SAMPLES: u32 = 1000;
        let profile = CallProfile::new(64, 2);
        let cell = profile.cell(function(0), ModuleOffset::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                for offset in 1..64 {
                    let cell = CallCell::of_number(offset);
                    assert_eq!(
                        profile.cell(function(offset % 2), ModuleOffset::new(offset)),
                        cell
                    );
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..SAMPLES {
                        let take = |of| {
                            (Some(of) == cell)
                                .then_some(CalledFunction::Own(FuncIndex::from_u32(1)))
                        };
                        profile.sample(function(0), take);
                    }
                });
            }
        });
        let mut sampled = Vec::new();
        profile.sample(function(1), |of| {
            sampled.push(of);
            None
        });
        sampled.sort_unstable();
        assert!(
            sampled
                .into_iter()
                .eq((1..64).step_by(2).map(CallCell::from_u32))
        );
        assert_eq!(profile.samples(ModuleOffset::new(0)).total, 2 * SAMPLES);
        assert_eq!(profile.all().len(), 1);
    }

    #[test]
    fn a_call_that_reaches_everything_takes_no_more_room() {
        let profile = CallProfile::new(1, 1);
        profile.cell(function(0), ModuleOffset::new(1));
        for called in 0..1000 {
            profile.sample(function(0), |_| {
                Some(CalledFunction::Own(FuncIndex::from_u32(called)))
            });
        }
        let seen = profile.samples(ModuleOffset::new(1));
        assert_eq!((seen.targets.len(), seen.total), (MOST_TARGETS, 1000));
    }

    #[test]
    fn nothing_is_recorded_without_cells() {
        let profile = CallProfile::default();
        assert_eq!(profile.cell(function(0), ModuleOffset::new(1)), None);
        profile.sample(function(0), |_| unreachable!("there are no cells"));
    }
}
