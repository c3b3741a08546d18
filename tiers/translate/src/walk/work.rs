//! How much work code is: the operators that a round of a loop runs, or a call outside of its loops, as far as their
//! structure tells. The arms of a branch table count for a part of them each: of an interpreter's handlers, a round
//! runs one. Of the two arms of an `if`, the longer one counts.

/// The share of one operator that always runs.
const WHOLE: u64 = 1 << 16;

/// The work of a loop, or of the code outside of loops, so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// In parts of an operator.
    sum: u64,
    /// One in so many times the current operator runs.
    one_in: u32,
}

impl Work {
    /// Nothing so far, in code that always runs.
    pub(super) fn none() -> Self {
        Self { sum: 0, one_in: 1 }
    }

    /// Counts the current operator.
    pub(super) fn count(&mut self) {
        self.sum += WHOLE / u64::from(self.one_in);
    }

    /// From here on one in so many times.
    pub(super) fn one_in(&mut self, times: u32) {
        self.one_in = times;
    }

    /// How often that is here.
    pub(super) fn times(&self) -> u32 {
        self.one_in
    }

    /// The first arm of an `if` is over, and the second begins where the first began, at `before`. Returns the work with
    /// the first arm.
    pub(super) fn other_arm(&mut self, before: Self) -> Self {
        let first = *self;
        self.sum = before.sum;
        first
    }

    /// The second arm is over: the longer one counts.
    pub(super) fn join(&mut self, first: Self) {
        self.sum = self.sum.max(first.sum);
    }

    /// In operators, at least one.
    pub(super) fn operators(&self) -> u32 {
        u32::try_from(self.sum / WHOLE).unwrap_or(u32::MAX).max(1)
    }
}

/// For each open block, how often the code behind its `end` runs. A branch table changes it for all blocks from one on
/// inwards at once, so runs of blocks of which it is the same are kept, not the blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct TimesOfBlocks {
    blocks: usize,
    /// Where each run begins, and its number.
    runs: Vec<(usize, u32)>,
}

impl TimesOfBlocks {
    pub(super) fn clear(&mut self) {
        self.blocks = 0;
        self.runs.clear();
    }

    /// A block is opened.
    pub(super) fn push(&mut self, times: u32) {
        if self.runs.last().is_none_or(|&(_, last)| last != times) {
            self.runs.push((self.blocks, times));
        }
        self.blocks += 1;
    }

    /// The innermost block is closed.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let &(start, times) = self.runs.last()?;
        self.blocks -= 1;
        if start == self.blocks {
            self.runs.pop();
        }
        Some(times)
    }

    /// Sets it for all blocks from the one at this place on.
    pub(super) fn set_from(&mut self, first: usize, times: u32) {
        if first >= self.blocks {
            return;
        }
        while self.runs.last().is_some_and(|&(start, _)| start >= first) {
            self.runs.pop();
        }
        self.runs.push((first, times));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_run_equally_often_are_kept_together() {
        let mut times = TimesOfBlocks::default();
        for _ in 0..1000 {
            times.push(1);
        }
        for first in (0..1000).rev() {
            times.set_from(first, 5);
            assert!(times.runs.len() <= 2, "{times:?}");
        }
        times.set_from(998, 7);
        times.push(7);
        times.push(2);
        times.set_from(1002, 9);
        let popped: Vec<_> = std::iter::from_fn(|| times.pop()).take(5).collect();
        assert_eq!(popped, [2, 7, 7, 7, 5]);
        assert_eq!(std::iter::from_fn(|| times.pop()).count(), 997);
    }

    #[test]
    fn operators_that_run_sometimes_count_in_part() {
        let mut work = Work::none();
        assert_eq!(work.operators(), 1);
        for _ in 0..10 {
            work.count();
        }
        work.one_in(5);
        for _ in 0..10 {
            work.count();
        }
        assert!((11..=12).contains(&work.operators()), "{work:?}");
        work.one_in(u32::MAX);
        work.count();
        assert!((11..=12).contains(&work.operators()), "{work:?}");
    }

    #[test]
    fn the_longer_of_two_arms_counts() {
        let with_arms = |arms: [u32; 2]| {
            let mut work = Work::none();
            work.count();
            let before = work;
            (0..arms[0]).for_each(|_| work.count());
            let first = work.other_arm(before);
            (0..arms[1]).for_each(|_| work.count());
            work.join(first);
            work.count();
            work.operators()
        };
        assert_eq!([[5, 3], [3, 5], [4, 0]].map(with_arms), [7, 7, 6]);
    }
}
