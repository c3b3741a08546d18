//! When a function is worth compiling again, and how large grants are: arithmetic on the profile's numbers.
//! Knows no function and no thread.
//!
//! The ski-rental argument: a program that rents (runs in the baseline) until it has paid as much as buying
//! (compiling) costs, never pays more than twice of the best choice in hindsight. That holds where the compile
//! takes the program's own processor. Where one idles, buying costs the program nothing but a place in the
//! queue, so the point is `eagerness` times the price, and rises with the backlog.

use std::time::Duration;

use upshift_module::{to_f64, to_u64};

use crate::rung::Rung;
use crate::{MiddleProfile, TierUpProfile, TieringProfile};

/// The part of the time in an entry at a loop that the function's own code is taken to save.
const SAVED_BY_OWN_CODE: f64 = 0.125;

/// The time of a poll.
const MICROSECONDS_PER_POLL: f64 = 0.0625;

/// The rules of an engine.
#[derive(Debug)]
pub(crate) struct Policy {
    tier_up: TierUpProfile,
    middle: MiddleProfile,
    smallest_grant: i32,
    largest_grant: i32,
    grant_while_compiling: i32,
    /// Threads that compile.
    workers: usize,
    /// How long all are busy before another one helps out.
    relief_after: Option<Duration>,
    /// Whether they have no processor for themselves.
    crowded: bool,
}

impl Policy {
    /// The rules of a profile, on a machine with so many processors.
    pub fn new(profile: &TieringProfile, processors: usize) -> Self {
        let grant = |operators: u32| i32::try_from(operators).unwrap_or(i32::MAX).max(1);
        let workers = profile.workers.count.map_or_else(
            || processors.saturating_sub(1),
            |count| usize::try_from(count).unwrap_or(usize::MAX),
        );
        Self {
            tier_up: profile.tier_up.clone(),
            middle: profile.middle.clone(),
            smallest_grant: grant(profile.baseline.smallest_grant_in_operators),
            largest_grant: grant(profile.baseline.largest_grant_in_operators),
            grant_while_compiling: grant(profile.baseline.grant_while_compiling_in_operators),
            workers: workers.max(1),
            relief_after: match profile.workers.relief_after_in_milliseconds {
                0 => None,
                milliseconds => Some(Duration::from_millis(milliseconds.into())),
            },
            crowded: processors < 2,
        }
    }

    /// How many threads compile in the background.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Work in the baseline, in operators, after which a function of this size is worth compiling, while so
    /// many compiles are queued or running.
    pub fn threshold(&self, rung: Rung, size_in_operators: usize, pending: usize) -> u64 {
        match rung {
            Rung::Middle => self.middle_threshold(size_in_operators),
            Rung::Optimizing => self.optimizing_threshold(size_in_operators, pending),
        }
    }

    /// A wait for the middle tier is short.
    fn middle_threshold(&self, size_in_operators: usize) -> u64 {
        let eagerness = if self.crowded {
            self.middle.eagerness.max(self.tier_up.least_eagerness)
        } else {
            self.middle.eagerness
        };
        let price = self.price_in_microseconds(Rung::Middle, size_in_operators);
        self.middle
            .threshold_in_operators
            .unwrap_or_else(|| self.work_in(price * eagerness))
    }

    /// The baseline's work in so many microseconds, in operators.
    fn work_in(&self, microseconds: f64) -> u64 {
        let speed = f64::from(self.tier_up.baseline_operators_per_microsecond);
        // Saturates.
        ((microseconds * speed) as u64).max(1)
    }

    fn optimizing_threshold(&self, size_in_operators: usize, pending: usize) -> u64 {
        let rules = &self.tier_up;
        let size = to_u64(size_in_operators);
        if let Some(threshold) = rules.threshold_in_operators {
            return threshold;
        }
        if let Some(calls) = rules.threshold_in_calls {
            // One call is enough: less than the first call's work must be, however rough the size is.
            return calls.saturating_sub(1).saturating_mul(size).max(1);
        }
        let price = self.price_in_microseconds(Rung::Optimizing, size_in_operators);
        self.work_in(price * self.eagerness(pending))
    }

    /// The estimated time of compiling a function of this size.
    pub fn price(&self, rung: Rung, size_in_operators: usize) -> Duration {
        // At most some hours, for sizes are those of functions. What is less than one is dropped.
        Duration::from_micros(self.price_in_microseconds(rung, size_in_operators) as u64)
    }

    /// How long all threads are at their compiles before another one takes small functions, if it ever does.
    pub fn relief_after(&self) -> Option<Duration> {
        self.relief_after
    }

    fn price_in_microseconds(&self, rung: Rung, size_in_operators: usize) -> f64 {
        let (base, per_operator) = match rung {
            Rung::Middle => (
                self.middle.compile_base_in_microseconds,
                self.middle.compile_per_operator_in_nanoseconds,
            ),
            Rung::Optimizing => (
                self.tier_up.compile_base_in_microseconds,
                self.tier_up.compile_per_operator_in_nanoseconds,
            ),
        };
        let per_operator = f64::from(per_operator) / 1e3;
        f64::from(base) + per_operator * to_f64(to_u64(size_in_operators))
    }

    /// The priority of a function that has done this much work: its work per microsecond of compiling. A
    /// small and hot function so comes before a huge and somewhat hotter one, which would keep all others waiting
    /// (weighted shortest job first, Smith 1956).
    pub fn heat(&self, work: u64, size_in_operators: usize) -> u64 {
        // Scaled, so that little work is told apart too. Whole numbers do; beyond the largest it saturates.
        const SCALE: f64 = 1024.0;
        (to_f64(work) * SCALE
            / self
                .price_in_microseconds(Rung::Optimizing, size_in_operators)
                .max(1.0)) as u64
    }

    /// Whether the code of a function is worth the time that the entry at its loop took to compile, which calls have
    /// been going to for so long: that is the time they may have spent in there, and the function's code saves a part of it.
    pub fn is_own_code_worth_it(
        &self,
        compile_time: Duration,
        served_for: Duration,
        pending: usize,
    ) -> bool {
        served_for.mul_f64(SAVED_BY_OWN_CODE) >= compile_time.mul_f64(self.eagerness(pending))
    }

    fn eagerness(&self, pending: usize) -> f64 {
        let rules = &self.tier_up;
        if self.crowded {
            return rules.least_eagerness;
        }
        // One more would start at once while there are fewer than workers.
        let waiting = to_f64(to_u64(
            pending.saturating_add(1).saturating_sub(self.workers),
        )) / to_f64(to_u64(self.workers));
        (rules.eagerness + rules.eagerness_rise_with_backlog * waiting).min(rules.least_eagerness)
    }

    /// The grant of a function that has done this much work.
    ///
    /// A grant counts as work when it is made, whether it will be used or not. So that many instances that
    /// each use little of theirs don't make a function look hot, it is a fraction of the work so far.
    pub fn grant(&self, work: u64, threshold: u64) -> i32 {
        let part = i32::try_from(work / 16).unwrap_or(i32::MAX);
        let left = i32::try_from(threshold.saturating_sub(work)).unwrap_or(i32::MAX);
        part.clamp(self.smallest_grant, self.largest_grant)
            .min(left.max(1))
    }

    /// The grant where better code may be had some operators further on.
    pub fn smallest_grant(&self) -> i32 {
        self.smallest_grant
    }

    /// The grant where nothing is to be decided any more.
    pub fn largest_grant(&self) -> i32 {
        self.largest_grant
    }

    /// The grant while better code is on its way.
    pub fn grant_while_compiling(&self) -> i32 {
        self.grant_while_compiling
    }

    /// The size, in operators, beyond which functions go without the middle tier.
    pub fn max_middle_operators(&self) -> usize {
        self.middle.max_function_operators
    }

    /// How many polls in a row show which loops come round often.
    pub fn probe(&self) -> u32 {
        self.tier_up.loop_probe_in_polls
    }

    /// How many polls in a row a frame in an inner loop is worth until it comes by the outer one, which can be entered:
    /// an entry at the inner loop would take a compile, of more than the outer one's, and be left behind soon.
    pub fn hunt(&self, rung: Rung, size_in_operators: usize) -> u32 {
        let price = self.price_in_microseconds(rung, size_in_operators);
        let polls = price * self.tier_up.eagerness / MICROSECONDS_PER_POLL;
        // Saturates.
        (polls as u32).max(self.probe())
    }

    /// How often a compile that found no memory is tried again.
    pub fn retries(&self) -> u8 {
        self.tier_up.retries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(change: impl FnOnce(&mut TierUpProfile), processors: usize) -> Policy {
        let mut profile = TieringProfile::default();
        profile.tier_up.compile_base_in_microseconds = 1_000;
        profile.tier_up.compile_per_operator_in_nanoseconds = 10_000;
        profile.tier_up.baseline_operators_per_microsecond = 500;
        profile.tier_up.eagerness = 0.1;
        change(&mut profile.tier_up);
        Policy::new(&profile, processors)
    }

    #[test]
    fn the_threshold_is_a_tenth_of_the_compile_time_and_rises_with_the_backlog() {
        // 1 ms + 900 * 10 us = 10 ms, in which the baseline does 5 million operators.
        let policy = policy(|_| (), 3);
        assert_eq!(policy.workers(), 2);
        assert_eq!(policy.threshold(Rung::Optimizing, 900, 0), 500_000);
        assert_eq!(policy.threshold(Rung::Optimizing, 900, 1), 500_000);
        assert_eq!(policy.threshold(Rung::Optimizing, 900, 2), 750_000);
        assert_eq!(policy.threshold(Rung::Optimizing, 900, 5), 1_500_000);
        assert_eq!(policy.threshold(Rung::Optimizing, 900, 1000), 5_000_000);
        assert_eq!(
            policy.threshold(Rung::Optimizing, 900, usize::MAX),
            5_000_000
        );
        assert_eq!(policy.threshold(Rung::Optimizing, 0, 0), 50_000);
        assert_eq!(
            policy.threshold(Rung::Optimizing, usize::MAX, 1000),
            u64::MAX
        );
    }

    #[test]
    fn small_functions_come_before_huge_ones_that_are_somewhat_hotter() {
        let policy = policy(|_| (), 2);
        assert!(policy.heat(1_000_000, 100) > policy.heat(5_000_000, 10_000));
        assert!(policy.heat(1_000_000, 100) < policy.heat(500_000_000, 10_000));
        assert!(policy.heat(2_000, 100) > policy.heat(1_000, 100));
    }

    #[test]
    fn with_one_processor_a_compile_has_to_pay_for_itself() {
        let policy = policy(|_| (), 1);
        assert_eq!(policy.workers(), 1);
        assert_eq!(policy.threshold(Rung::Optimizing, 900, 0), 5_000_000);
    }

    #[test]
    fn thresholds_can_be_given() {
        let operators = policy(|rules| rules.threshold_in_operators = Some(77), 2);
        assert_eq!(operators.threshold(Rung::Optimizing, 1000, 9), 77);
        let calls = policy(|rules| rules.threshold_in_calls = Some(11), 2);
        assert_eq!(calls.threshold(Rung::Optimizing, 1000, 9), 10_000);
        let first = policy(|rules| rules.threshold_in_calls = Some(1), 2);
        assert_eq!(first.threshold(Rung::Optimizing, 1000, 0), 1);
    }

    #[test]
    fn the_middle_tier_has_a_threshold_and_a_price_of_its_own() {
        let mut profile = TieringProfile::default();
        profile.middle.compile_base_in_microseconds = 100;
        profile.middle.compile_per_operator_in_nanoseconds = 1_000;
        profile.middle.eagerness = 0.5;
        profile.tier_up.baseline_operators_per_microsecond = 500;
        // 100 us + 900 * 1 us = 1 ms, in half of which the baseline does 250 000 operators.
        let threshold = |profile: &TieringProfile, processors| {
            let policy = Policy::new(profile, processors);
            assert_eq!(policy.price(Rung::Middle, 900), Duration::from_millis(1));
            policy.threshold(Rung::Middle, 900, 100)
        };
        assert_eq!(threshold(&profile, 2), 250_000);
        assert_eq!(threshold(&profile, 1), 500_000);
        profile.middle.threshold_in_operators = Some(7);
        assert_eq!(threshold(&profile, 2), 7);
    }

    #[test]
    fn an_outer_loop_is_waited_for_as_long_as_another_compile_is_worth() {
        let policy = policy(|_| (), 2);
        // A tenth of 1 ms + 12 400 * 10 us = 125 ms, in which there are 200 000 polls.
        assert_eq!(policy.hunt(Rung::Optimizing, 12_400), 200_000);
        assert_eq!(policy.hunt(Rung::Optimizing, 0), 1_600);
        // At least as many as show which loops come round.
        let cheap = self::policy(|rules| rules.compile_base_in_microseconds = 0, 2);
        assert_eq!(cheap.hunt(Rung::Optimizing, 0), cheap.probe());
    }

    #[test]
    fn calls_are_served_for_a_while_before_the_function_is_compiled_too() {
        let compile_time = Duration::from_millis(100);
        let is_worth_it = |served_for, pending, processors| {
            let served_for = Duration::from_millis(served_for);
            policy(|_| (), processors).is_own_code_worth_it(compile_time, served_for, pending)
        };
        // An eighth of the time is to be saved, and a tenth of the compile is its price while a worker idles.
        assert!(!is_worth_it(79, 0, 2));
        assert!(is_worth_it(81, 0, 2));
        assert!(!is_worth_it(159, 1, 2));
        assert!(is_worth_it(161, 1, 2));
        assert!(!is_worth_it(799, 0, 1));
        assert!(is_worth_it(801, 0, 1));
    }

    #[test]
    fn grants_grow_with_the_work_and_end_at_the_threshold() {
        let policy = policy(|_| (), 2);
        let threshold = 5_000_000;
        assert_eq!(policy.grant(0, threshold), 1024);
        assert_eq!(policy.grant(160_000, threshold), 10_000);
        assert_eq!(policy.grant(threshold - 5, threshold), 5);
        assert_eq!(policy.grant(threshold, threshold), 1);
        assert_eq!(policy.grant(u64::MAX / 2, u64::MAX), 1 << 24);
        // A function that runs alone asks a few hundred times on its way.
        let (mut work, mut asked) = (0, 0);
        while work < threshold {
            work += u64::from(policy.grant(work, threshold).unsigned_abs());
            asked += 1;
        }
        assert!((50..300).contains(&asked), "{asked}");
    }
}
