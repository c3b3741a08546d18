//! Medians of measurements, and how sure they are. Nothing is taken to be distributed in any way.

use upshift_module::{to_f64, to_u64};

/// The median of some measurements, with an interval that the true median is in with at least 95 % confidence.
///
/// The ends are two of the measurements: that the true median is outside means that nearly all of them fell on
/// one side of it, and how probable that is does not depend on how they scatter. Of fewer than six, the interval
/// is all of them, with less confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub median: f64,
    pub low: f64,
    pub high: f64,
    /// How many there were.
    pub count: usize,
}

impl Estimate {
    /// Of measurements in any order; `None` of none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let (first, last) = (*values.first()?, *values.last()?);
        let out = excluded(count);
        Some(Self {
            median: (values[(count - 1) / 2] + values[count / 2]) / 2.0,
            low: values.get(out).copied().unwrap_or(first),
            high: values.get(count - 1 - out).copied().unwrap_or(last),
            count,
        })
    }

    /// With everything multiplied.
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            median: self.median * factor,
            low: self.low * factor,
            high: self.high * factor,
            count: self.count,
        }
    }
}

/// How many of so many measurements are outside of the interval at each end.
fn excluded(count: usize) -> usize {
    // The probability that at most so many of `count` throws of a coin are heads.
    let mut probability = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut at_most = 0.0;
    for heads in 0..count / 2 {
        at_most += probability;
        if at_most > 0.025 {
            return heads.saturating_sub(1);
        }
        probability *= to_f64(to_u64(count - heads)) / to_f64(to_u64(heads + 1));
    }
    0
}

#[cfg(test)]
mod tests {
    use upshift_module::to_usize;

    use super::*;

    fn of(count: u32) -> Estimate {
        // Out of order.
        Estimate::of((0..count).map(|i| f64::from(i * 7 % count))).unwrap()
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Estimate::of([]), None);
        assert_eq!(Estimate::of([3.0, 1.0, 2.0]).unwrap().median, 2.0);
        assert_eq!(Estimate::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
    }

    /// From tables of the sign test.
    #[test]
    fn the_interval_leaves_out_what_it_may() {
        for (count, low) in [
            (1, 0.0),
            (5, 0.0),
            (6, 0.0),
            (8, 0.0),
            (9, 1.0),
            (12, 2.0),
            (20, 5.0),
            (100, 39.0),
        ] {
            let estimate = of(count);
            assert_eq!(
                (estimate.low, estimate.high),
                (low, f64::from(count) - 1.0 - low),
                "{count}"
            );
            assert_eq!(estimate.count, to_usize(count));
        }
    }
}
