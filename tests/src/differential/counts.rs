//! How many modules were run and how what they did ended.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Outcome;

/// Fewer calls than this say nothing about how many return.
const MEANINGFUL_CALLS: u64 = 1000;

/// Sums over modules. What ran in several modes counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Modules that ran.
    pub modules: u64,
    /// Seeds of which the generator made no module.
    pub not_generated: u64,
    /// Modules on which wasmi disagreed with itself, when it was asked in two ways.
    pub wasmi_erred: u64,
    /// Instantiations that were compared, by outcome.
    pub instantiations: BTreeMap<String, u64>,
    /// Calls that were compared, by outcome.
    pub calls: BTreeMap<String, u64>,
    /// Calls and instantiations that were not compared since a stack overflowed, by where.
    pub overflows: BTreeMap<String, u64>,
}

/// Too many calls trapped to say that programs were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "only {returned} of {calls} calls returned a value, which must be at least half: \
     the generator's settings make programs that trap too soon"
)]
pub struct TooFewReturn {
    returned: u64,
    calls: u64,
}

impl Counts {
    pub(crate) fn instantiation(&mut self, outcome: &Outcome) {
        add(&mut self.instantiations, outcome.kind());
    }

    pub(crate) fn call(&mut self, outcome: &Outcome) {
        add(&mut self.calls, outcome.kind());
    }

    pub(crate) fn overflow(&mut self, outcomes: &[Outcome]) {
        let all = outcomes.iter().all(|o| *o == Outcome::StackOverflow);
        add(
            &mut self.overflows,
            if all { "in all engines" } else { "in some" },
        );
    }

    /// Adds up two counts.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.modules += other.modules;
        self.not_generated += other.not_generated;
        self.wasmi_erred += other.wasmi_erred;
        for (sums, more) in [
            (&mut self.instantiations, &other.instantiations),
            (&mut self.calls, &other.calls),
            (&mut self.overflows, &other.overflows),
        ] {
            for (kind, count) in more {
                *sums.entry(kind.clone()).or_default() += count;
            }
        }
        self
    }

    /// How many calls were compared.
    #[must_use]
    pub fn compared_calls(&self) -> u64 {
        self.calls.values().sum()
    }

    /// Checks that at least half of the calls returned a value, if there were enough to tell.
    ///
    /// # Errors
    /// When fewer did.
    pub fn check(&self) -> Result<(), TooFewReturn> {
        let calls = self.compared_calls();
        let kind = Outcome::Returned(vec![super::Value::I32(0)]).kind();
        let returned = self.calls.get(kind).copied().unwrap_or(0);
        if calls >= MEANINGFUL_CALLS && returned * 2 < calls {
            return Err(TooFewReturn { returned, calls });
        }
        Ok(())
    }
}

fn add(counts: &mut BTreeMap<String, u64>, kind: &str) {
    *counts.entry(kind.to_owned()).or_default() += 1;
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} modules ran ({} more seeds gave none); on {} of them wasmi disagreed with itself",
            self.modules, self.not_generated, self.wasmi_erred
        )?;
        for (what, counts) in [
            ("instantiations compared", &self.instantiations),
            ("calls compared", &self.calls),
            ("stack overflows, not compared", &self.overflows),
        ] {
            let sum: u64 = counts.values().sum();
            writeln!(f, "{sum:>10} {what}")?;
            for (kind, count) in counts {
                let percent = *count as f64 * 100.0 / sum as f64;
                writeln!(f, "{count:>14} {percent:5.1} %  {kind}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::{TrapKind, Value};

    #[test]
    fn half_of_the_calls_must_return_a_value() {
        let mut counts = Counts::default();
        for _ in 0..MEANINGFUL_CALLS / 2 {
            counts.call(&Outcome::Returned(vec![Value::I32(1)]));
            counts.call(&Outcome::Trapped(TrapKind::Unreachable));
        }
        assert_eq!(counts.check(), Ok(()));
        counts.call(&Outcome::Returned(vec![]));
        assert!(counts.check().is_err());
    }

    #[test]
    fn counts_add_up() {
        let mut a = Counts {
            modules: 1,
            ..Counts::default()
        };
        a.call(&Outcome::HostFailed(1));
        a.overflow(&[Outcome::StackOverflow, Outcome::Returned(vec![])]);
        let sum = a.clone().plus(&a);
        assert_eq!((sum.modules, sum.compared_calls()), (2, 2));
        assert_eq!(sum.overflows["in some"], 2);
    }
}
