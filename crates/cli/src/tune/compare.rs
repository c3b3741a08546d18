//! Whether one thing takes longer than another, from runs of both in turns.

use crate::statistics::Estimate;

/// A faster candidate takes at least so much less: below that nobody cares, and other differences between two
/// builds of a program are as large.
const WORTH_IT: f64 = 0.99;
/// Fewer pairs can't tell anything with 95 % confidence.
pub(crate) const FEWEST_PAIRS: usize = 6;

/// The findings of pairs of runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// Time of the one over time of the other, paired within rounds.
    pub ratio: Estimate,
}

/// The conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Faster,
    Slower,
    /// The interval has 1 in it, or the difference is below one percent.
    NoDifference,
    /// Too few runs.
    Unknown,
}

impl Comparison {
    /// Of the times of both, round by round.
    pub fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        let ratio = Estimate::of(pairs.into_iter().map(|(this, other)| this / other))?;
        Some(Self { ratio })
    }

    pub fn verdict(&self) -> Verdict {
        let Estimate {
            median,
            low,
            high,
            count,
        } = self.ratio;
        if count < FEWEST_PAIRS {
            Verdict::Unknown
        } else if high < 1.0 && median < WORTH_IT {
            Verdict::Faster
        } else if low > 1.0 && median > 1.0 / WORTH_IT {
            Verdict::Slower
        } else {
            Verdict::NoDifference
        }
    }

    /// Whether more pairs could help: nothing is sure yet, and it does not look hopeless.
    pub fn is_promising(&self) -> bool {
        self.ratio.median < WORTH_IT && self.verdict() != Verdict::Faster
    }
}

impl Verdict {
    pub fn text(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::NoDifference => "no difference",
            Self::Unknown => "too few runs to tell",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(pairs: &[(f64, f64)]) -> Verdict {
        Comparison::of(pairs.iter().copied()).unwrap().verdict()
    }

    #[test]
    fn differences_have_to_be_in_nearly_every_pair() {
        let faster = [(0.9, 1.0); 6];
        assert_eq!(verdict(&faster), Verdict::Faster);
        assert_eq!(verdict(&[(1.1, 1.0); 6]), Verdict::Slower);
        assert_eq!(verdict(&[(0.995, 1.0); 6]), Verdict::NoDifference);
        assert_eq!(verdict(&faster[..5]), Verdict::Unknown);
        let mut one_against = faster;
        one_against[3] = (1.01, 1.0);
        assert_eq!(verdict(&one_against), Verdict::NoDifference);
        // Among twelve, one may be an accident.
        assert_eq!(verdict(&[one_against, faster].concat()), Verdict::Faster);
    }

    /// The whole machine may be slow for a while.
    #[test]
    fn what_disturbs_both_of_a_pair_does_not_matter() {
        let pairs: Vec<_> = (0..8)
            .map(|i| (0.9 * f64::from(1 + i), f64::from(1 + i)))
            .collect();
        assert_eq!(verdict(&pairs), Verdict::Faster);
    }
}
