//! Several candidates against one that holds the place: all run in turns, a candidate far behind drops out, and the
//! leader at the end has to win once more, in fresh runs, before it takes the place. Without these, the best of
//! many equal ones would look better than it is.

use std::ops::RangeInclusive;
use std::time::Duration;

use upshift::TieringProfile;

use super::compare::{Comparison, FEWEST_PAIRS, Verdict};
use super::trial::{Failure, Trial};
use crate::statistics::Estimate;

/// A profile that may be better.
pub(crate) struct Candidate {
    /// Its difference, in words.
    pub label: String,
    /// The threshold that it stands for in the picture.
    pub threshold: Option<u64>,
    pub profile: TieringProfile,
    /// Seconds, round by round from the first on.
    pub times: Vec<f64>,
    pub fate: Fate,
}

/// The fate of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// Ran to the end.
    Ran,
    /// Was so far behind that it was not run on.
    Behind,
    Failed(Failure),
}

/// One thing that was searched for.
pub(crate) struct Stage {
    pub subject: &'static str,
    /// The first is the one that held the place before.
    pub candidates: Vec<Candidate>,
    /// The leader's result in fresh runs against the holder of the place.
    pub confirmed: Option<(usize, Comparison)>,
}

/// The limits of a race.
pub(crate) struct Terms {
    /// When it is over at the latest, by the trial's clock.
    pub until: Duration,
    /// No run may take longer.
    pub limit: Duration,
}

/// Rounds after which the remaining candidates are known well enough.
const ROUNDS: usize = 6;
/// After so many rounds, a candidate that takes so much longer is far behind. In few rounds, bad luck looks like slowness.
const FAR_BEHIND: [(usize, f64); 2] = [(3, 1.05), (2, 1.5)];
/// Pairs of a confirmation, from a number that may do to one where an unclear result won't become clear.
const PAIRS: RangeInclusive<usize> = FEWEST_PAIRS..=2 * FEWEST_PAIRS;

impl Candidate {
    pub fn new(label: impl Into<String>, profile: TieringProfile) -> Self {
        Self {
            label: label.into(),
            threshold: None,
            profile,
            times: Vec::new(),
            fate: Fate::Ran,
        }
    }

    pub fn time(&self) -> Option<Estimate> {
        Estimate::of(self.times.iter().copied())
    }

    /// Against another one, in the rounds in which both ran.
    pub fn compared_with(&self, other: &Self) -> Option<Comparison> {
        let pairs = self.times.iter().copied().zip(other.times.iter().copied());
        Comparison::of(pairs)
    }

    fn runs(&self) -> bool {
        self.fate == Fate::Ran
    }

    /// Runs it once. A failure is out.
    fn run(&mut self, trial: &mut dyn Trial, limit: Duration) {
        match trial.run(&self.profile, limit) {
            Ok(time) => self.times.push(time),
            Err(Failure::Stopped) => {}
            Err(failure) => self.fate = Fate::Failed(failure),
        }
    }
}

impl Stage {
    pub fn new(subject: &'static str, holder: Candidate, challengers: Vec<Candidate>) -> Self {
        let mut candidates = vec![holder];
        candidates.extend(challengers);
        Self {
            subject,
            candidates,
            confirmed: None,
        }
    }

    /// Runs all that are in the race, in rounds, as long as the terms allow.
    pub fn race(&mut self, trial: &mut dyn Trial, terms: &Terms) {
        for round in 0..ROUNDS {
            let challenged = self.candidates[1..].iter().any(Candidate::runs);
            // Without the holder of the place there is nothing to compare with.
            if !challenged || !self.candidates[0].runs() || !self.round(round, trial, terms) {
                return;
            }
            let rounds = round + 1;
            let rule = FAR_BEHIND.iter().find(|(least, _)| rounds >= *least);
            if let Some((_, factor)) = rule {
                self.drop_out(*factor);
            }
        }
    }

    /// Everybody's turn, each round in another order. `false` if it had to be broken off.
    fn round(&mut self, round: usize, trial: &mut dyn Trial, terms: &Terms) -> bool {
        let count = self.candidates.len();
        for turn in 0..count {
            let index = match round % 2 {
                0 => (turn + round) % count,
                _ => count - 1 - (turn + round) % count,
            };
            if !self.candidates[index].runs() {
                continue;
            }
            if trial.is_stopped() || trial.elapsed() > terms.until {
                self.even_out(round);
                return false;
            }
            self.candidates[index].run(trial, terms.limit);
        }
        // The last one may have been interrupted.
        if trial.is_stopped() {
            self.even_out(round);
        }
        !trial.is_stopped()
    }

    /// Forgets a round that not all have run.
    fn even_out(&mut self, rounds: usize) {
        for candidate in &mut self.candidates {
            candidate.times.truncate(rounds);
        }
    }

    fn drop_out(&mut self, factor: f64) {
        let Some(leader) = self.leader() else { return };
        let Some(best) = self.candidates[leader].time() else {
            return;
        };
        for (index, candidate) in self.candidates.iter_mut().enumerate().skip(1) {
            let Some(time) = candidate.time() else {
                continue;
            };
            let shortest = candidate
                .times
                .iter()
                .copied()
                .fold(f64::INFINITY, f64::min);
            let behind = shortest > best.high && time.median > best.median * factor;
            if index != leader && candidate.runs() && behind {
                candidate.fate = Fate::Behind;
            }
        }
    }

    /// The candidate in front, the holder of the place included.
    pub fn leader(&self) -> Option<usize> {
        let holder = &self.candidates[0];
        let ratio = |(index, candidate): (usize, &Candidate)| {
            let comparison = candidate.compared_with(holder)?;
            candidate.runs().then_some((index, comparison.ratio.median))
        };
        let ratios = self.candidates.iter().enumerate().filter_map(ratio);
        ratios
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(index, _)| index)
    }

    /// Has the leader, if it does not hold the place already, win once more.
    pub fn confirm(&mut self, trial: &mut dyn Trial, terms: &Terms) {
        let Some(leader @ 1..) = self.leader() else {
            return;
        };
        let comparison = self.candidates[leader].compared_with(&self.candidates[0]);
        if comparison.is_some_and(|it| it.ratio.median < 1.0) {
            let (this, other) = (&self.candidates[leader], &self.candidates[0]);
            let comparison = duel(&this.profile, &other.profile, PAIRS, trial, terms);
            self.confirmed = comparison.map(|comparison| (leader, comparison));
        }
    }

    /// The next holder of the place, if it is another.
    pub fn winner(&self) -> Option<&Candidate> {
        let (leader, comparison) = self.confirmed?;
        (comparison.verdict() == Verdict::Faster).then(|| &self.candidates[leader])
    }
}

/// Runs two in turns, until it is clear which is faster or that it will not become so.
pub(crate) fn duel(
    this: &TieringProfile,
    other: &TieringProfile,
    count: RangeInclusive<usize>,
    trial: &mut dyn Trial,
    terms: &Terms,
) -> Option<Comparison> {
    let mut pairs = Vec::new();
    while pairs.len() < *count.end() && trial.elapsed() <= terms.until {
        // The first to go may find another machine than the second.
        let pair = if pairs.len() % 2 == 0 {
            let this = trial.run(this, terms.limit);
            (this, trial.run(other, terms.limit))
        } else {
            let other = trial.run(other, terms.limit);
            (trial.run(this, terms.limit), other)
        };
        let (Ok(this), Ok(other)) = pair else { break };
        pairs.push((this, other));
        if pairs.len() == *count.start()
            && !Comparison::of(pairs.iter().copied()).is_some_and(|it| it.is_promising())
        {
            break;
        }
    }
    Comparison::of(pairs)
}
