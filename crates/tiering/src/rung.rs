//! The tiers above the baseline, and values for each of them.

use std::ops::{Index, IndexMut};

/// A tier above the baseline. A function climbs from the baseline by either; both is the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rung {
    /// Better code within a few milliseconds, which counts work like the baseline's.
    Middle,
    /// The best code there is, which counts nothing.
    Optimizing,
}

impl Rung {
    pub const ALL: [Self; 2] = [Self::Middle, Self::Optimizing];
}

/// Something for each rung.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PerRung<T> {
    pub middle: T,
    pub optimizing: T,
}

impl<T> Index<Rung> for PerRung<T> {
    type Output = T;

    fn index(&self, rung: Rung) -> &T {
        match rung {
            Rung::Middle => &self.middle,
            Rung::Optimizing => &self.optimizing,
        }
    }
}

impl<T> IndexMut<Rung> for PerRung<T> {
    fn index_mut(&mut self, rung: Rung) -> &mut T {
        match rung {
            Rung::Middle => &mut self.middle,
            Rung::Optimizing => &mut self.optimizing,
        }
    }
}
