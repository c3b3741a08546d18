//! Which functions calls through tables reach: samples that the baseline's code leaves behind, gathered for
//! an optimizing tier, which may call the likely ones directly. Wrong samples cost time and nothing else.
//!
//! Each call through a table has a cell in its instance's context, into which baseline code stores the
//! reference that it calls: one store to memory that one thread uses. Whenever a budget is used up, the
//! cells of the function are read and emptied. So a function is sampled about as often as it has grants.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use upshift_runtime::CalledFunction;

/// Functions that are told apart at one call. The rest are counted together.
const MOST_TARGETS: usize = 16;

/// What is known about a module's calls through tables, each named by its operator's offset in the module.
#[derive(Debug, Default)]
pub struct CallProfile {
    /// How many cells a context has.
    cells: usize,
    calls: RwLock<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    /// What was seen, by cell.
    samples: Vec<CallSamples>,
    /// The cell of each call.
    cell_of: HashMap<u32, u32>,
    /// The cells of each defined function's calls.
    of_function: HashMap<u32, Vec<u32>>,
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
    /// A profile for contexts with so many cells ([`VMOffsets::call_cell_count`]); none: nothing is recorded.
    ///
    /// [`VMOffsets::call_cell_count`]: upshift_runtime::VMOffsets::call_cell_count
    #[must_use]
    pub fn new(cells: u32) -> Self {
        Self {
            cells: cells as usize,
            calls: RwLock::default(),
        }
    }

    /// The cell of the call at `offset`, which is in a defined function. `None` when they are used up.
    pub fn cell(&self, function: u32, offset: u32) -> Option<u32> {
        if self.cells == 0 {
            return None;
        }
        let mut calls = self.calls.write().unwrap_or_else(PoisonError::into_inner);
        let calls = &mut *calls;
        if let Some(&cell) = calls.cell_of.get(&offset) {
            return Some(cell);
        }
        let next = calls.samples.len();
        if next >= self.cells {
            return None;
        }
        let cell = u32::try_from(next).ok()?;
        calls.samples.push(CallSamples::default());
        calls.cell_of.insert(offset, cell);
        calls.of_function.entry(function).or_default().push(cell);
        Some(cell)
    }

    /// Adds a sample of each of a defined function's calls. `take` empties a cell and says which function
    /// (imports first) was called there last, if there was a call.
    pub fn sample(&self, function: u32, mut take: impl FnMut(u32) -> Option<CalledFunction>) {
        if self.cells == 0 {
            return;
        }
        let mut calls = self.calls.write().unwrap_or_else(PoisonError::into_inner);
        let calls = &mut *calls;
        for &cell in calls.of_function.get(&function).into_iter().flatten() {
            if let (Some(called), Some(samples)) =
                (take(cell), calls.samples.get_mut(cell as usize))
            {
                samples.add(called);
            }
        }
    }

    /// Everything that was seen: of each call its function (as it was given to [`CallProfile::cell`]), its offset,
    /// and its samples; in the order of offsets.
    #[must_use]
    pub fn all(&self) -> Vec<(u32, u32, CallSamples)> {
        let calls = self.calls.read().unwrap_or_else(PoisonError::into_inner);
        let function_of: HashMap<u32, u32> = (calls.of_function.iter())
            .flat_map(|(&function, cells)| cells.iter().map(move |&cell| (cell, function)))
            .collect();
        let mut all: Vec<_> = (calls.cell_of.iter())
            .filter_map(|(&offset, cell)| {
                let samples = calls.samples.get(*cell as usize)?;
                let is_seen = samples.total > 0;
                is_seen.then(|| Some((*function_of.get(cell)?, offset, samples.clone())))?
            })
            .collect();
        all.sort_by_key(|(_, offset, _)| *offset);
        all
    }

    /// What was seen of the call at `offset`.
    #[must_use]
    pub fn samples(&self, offset: u32) -> CallSamples {
        let calls = self.calls.read().unwrap_or_else(PoisonError::into_inner);
        let cell = calls.cell_of.get(&offset);
        let samples = cell.and_then(|&cell| calls.samples.get(cell as usize));
        samples.cloned().unwrap_or_default()
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
    use super::*;

    #[test]
    fn samples_are_kept_by_call_and_sorted() {
        let profile = CallProfile::new(2);
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
    fn a_call_that_reaches_everything_takes_no_more_room() {
        let profile = CallProfile::new(1);
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
