//! The search: its candidates, their order, and how the time is shared out. One subject after the other, each
//! beginning with the findings so far, and in the end the whole against the first profile.

use std::ops::RangeInclusive;
use std::time::Duration;

use upshift::{BuiltInProfile, TierMode, TieringProfile};
use upshift_module::{to_f64, to_u64};

use super::compare::{Comparison, FEWEST_PAIRS, Verdict};
use super::race::{Candidate, Stage, Terms, duel};
use super::trial::{Failure, Trial};
use crate::statistics::Estimate;

/// The findings of a search.
pub(crate) struct Found {
    pub stages: Vec<Stage>,
    /// The first profile.
    pub base: TieringProfile,
    /// The best known profile: the first one, if none was found to be better.
    pub best: TieringProfile,
    /// The best against the first profile, in fresh runs. `None` when nothing was found, or time was up.
    pub overall: Option<Comparison>,
    /// Seconds that the program takes under the profile that it began with.
    pub base_time: f64,
    /// Subjects for which there was no time.
    pub left_out: Vec<&'static str>,
    pub is_interrupted: bool,
}

/// How much of the time each subject gets, as a part of the rest.
const SHARES: [(Subject, f64); 6] = [
    (Subject::Profiles, 0.15),
    (Subject::Thresholds, 0.35),
    (Subject::FinerThresholds, 0.35),
    (Subject::Pipeline, 0.3),
    (Subject::Inlining, 0.4),
    (Subject::Workers, 0.6),
];
/// How much is kept for the whole against the first profile.
const RESERVE: f64 = 0.15;
/// Pairs of runs of the whole against the first profile: users go by its interval.
const OVERALL_PAIRS: RangeInclusive<usize> = 2 * FEWEST_PAIRS..=4 * FEWEST_PAIRS;
/// Runs before anything is compared, so that files are in memory.
const WARM_UPS: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Profiles,
    Thresholds,
    FinerThresholds,
    Pipeline,
    Inlining,
    Workers,
}

/// Searches for the profile under which a program takes the least time.
///
/// # Errors
/// When the program does not come to its end even under the profile to begin with.
pub(crate) fn search(
    trial: &mut dyn Trial,
    base: &TieringProfile,
    budget: Duration,
    processors: usize,
) -> Result<Found, Failure> {
    trial.begin("first runs");
    let mut base_time = 0.0;
    for _ in 0..=WARM_UPS {
        base_time = trial.run(base, budget)?;
    }
    let mut search = Search {
        trial,
        best: base.clone(),
        stages: Vec::new(),
        left_out: Vec::new(),
        // Three times as long is out of the question; short runs may have bad luck.
        limit: Duration::from_secs_f64(base_time * 3.0 + 1.0),
        end: budget.mul_f64(1.0 - RESERVE),
        run_time: Duration::from_secs_f64(base_time),
        processors,
    };
    for (subject, share) in SHARES {
        search.look_into(subject, share);
    }
    let Search {
        trial,
        best,
        stages,
        left_out,
        limit,
        ..
    } = search;
    let mut overall = None;
    if best != *base && !trial.is_stopped() {
        trial.begin("the whole");
        let terms = Terms {
            // The last word is worth some time more.
            until: budget.max(
                trial.elapsed()
                    + Duration::from_secs_f64(base_time * 2.0 * to_f64(to_u64(FEWEST_PAIRS))),
            ),
            limit,
        };
        overall = duel(&best, base, OVERALL_PAIRS, trial, &terms);
    }
    let holds = overall.is_none_or(|it| matches!(it.verdict(), Verdict::Faster | Verdict::Unknown));
    Ok(Found {
        stages,
        base: base.clone(),
        best: if holds { best } else { base.clone() },
        overall,
        base_time,
        left_out,
        is_interrupted: trial.is_stopped(),
    })
}

struct Search<'a> {
    trial: &'a mut dyn Trial,
    best: TieringProfile,
    stages: Vec<Stage>,
    left_out: Vec<&'static str>,
    limit: Duration,
    /// When the last subject has to be done with.
    end: Duration,
    /// The time of a run.
    run_time: Duration,
    processors: usize,
}

impl Search<'_> {
    fn look_into(&mut self, subject: Subject, share: f64) {
        if self.trial.is_stopped() {
            return;
        }
        let candidates = self.candidates(subject);
        if candidates.is_empty() {
            return;
        }
        let now = self.trial.elapsed();
        let time = self.end.saturating_sub(now).mul_f64(share);
        // Two rounds of all, and the leader once more.
        let least = self.run_time * u32::try_from(2 * (candidates.len() + 1)).unwrap_or(u32::MAX)
            + self.run_time * u32::try_from(2 * FEWEST_PAIRS).unwrap_or(u32::MAX);
        if least > self.end.saturating_sub(now) {
            self.left_out.push(subject.name());
            return;
        }
        self.trial.begin(subject.name());
        let until = now + time.max(least);
        let holder = Candidate::new("as before", self.best.clone());
        let mut stage = Stage::new(subject.name(), holder, candidates);
        let confirmation = self.run_time * u32::try_from(2 * FEWEST_PAIRS).unwrap_or(u32::MAX);
        let mut terms = Terms {
            until: until.saturating_sub(confirmation),
            limit: self.limit,
        };
        stage.race(self.trial, &terms);
        // The best of the coarse thresholds meets its neighbours first.
        if subject != Subject::Thresholds && !self.trial.is_stopped() {
            terms.until = self.end;
            stage.confirm(self.trial, &terms);
        }
        if let Some(winner) = stage.winner() {
            self.best = winner.profile.clone();
        }
        self.stages.push(stage);
    }

    fn candidates(&self, subject: Subject) -> Vec<Candidate> {
        let mut candidates = match subject {
            Subject::Profiles => BuiltInProfile::ALL
                .iter()
                .map(|it| Candidate::new(it.name, it.profile()))
                .collect(),
            Subject::Thresholds => (4..=10).map(|it| self.threshold(10_u64.pow(it))).collect(),
            Subject::FinerThresholds => self.finer_thresholds(),
            _ if self.best.mode == TierMode::Baseline => Vec::new(),
            Subject::Pipeline => ["default<O1>", "default<O2>", "default<O3>"]
                .map(|passes| self.with(&[("optimizer.pipeline", passes)]))
                .into(),
            Subject::Inlining => [
                ("0", "0"),
                ("0", "3"),
                ("50", "3"),
                ("200", "0"),
                ("200", "3"),
                ("800", "3"),
            ]
            .map(|(operators, depth)| {
                self.with(&[
                    ("inlining.max-operators", operators),
                    ("inlining.recursion-depth", depth),
                ])
            })
            .into(),
            Subject::Workers => self.workers(),
        };
        // The holder of the place is in the race anyway.
        candidates.retain(|candidate| candidate.profile != self.best);
        candidates
    }

    fn with(&self, settings: &[(&str, &str)]) -> Candidate {
        let mut profile = self.best.clone();
        let mut label = Vec::new();
        for (key, value) in settings {
            if profile.set(key, value).is_ok() {
                label.push(format!("{key}={value}"));
            }
        }
        Candidate::new(label.join(" "), profile)
    }

    fn threshold(&self, operators: u64) -> Candidate {
        let mut candidate =
            self.with(&[("tier-up.threshold-in-operators", &operators.to_string())]);
        candidate.profile.mode = TierMode::Auto;
        candidate.threshold = Some(operators);
        candidate
    }

    /// Around the best tried threshold.
    fn finer_thresholds(&self) -> Vec<Candidate> {
        let coarse = self
            .stages
            .iter()
            .rfind(|it| it.subject == Subject::Thresholds.name());
        let Some(best) = coarse.and_then(Stage::best_threshold) else {
            return Vec::new();
        };
        let factors = [-0.5, -0.25, 0.0, 0.25, 0.5].map(|decades| 10_f64.powf(decades));
        // With two digits that count.
        let rounded = |number: f64| {
            let unit = 10_f64.powf(number.log10().floor() - 1.0).max(1.0);
            (number / unit).round() * unit
        };
        // A whole number after the rounding.
        let around = factors.map(|factor| rounded(to_f64(best) * factor) as u64);
        around.map(|operators| self.threshold(operators)).into()
    }

    fn workers(&self) -> Vec<Candidate> {
        let mut counts = vec![1, self.processors.saturating_sub(1).max(1), self.processors];
        counts.dedup();
        let mut candidates = Vec::new();
        for count in counts {
            for nice in ["0", "5", "19"] {
                let count = count.to_string();
                let mut candidate = self.with(&[("workers.count", &count), ("workers.nice", nice)]);
                // The default is the same.
                let usual = u32::try_from(self.processors.saturating_sub(1).max(1)).ok();
                if candidate.profile.workers.count == usual && self.best.workers.count.is_none() {
                    candidate.profile.workers.count = None;
                }
                candidates.push(candidate);
            }
        }
        candidates
    }
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Profiles => "profiles",
            Self::Thresholds => "thresholds",
            Self::FinerThresholds => "thresholds, finer",
            Self::Pipeline => "pipeline",
            Self::Inlining => "inlining",
            Self::Workers => "workers",
        }
    }
}

impl Stage {
    /// The threshold of the least time, whether it is faster than the holder of the place or not.
    fn best_threshold(&self) -> Option<u64> {
        let holder = &self.candidates[0];
        let ratio = |it: &Candidate| {
            let comparison = it.compared_with(holder)?;
            Some((it.threshold?, comparison.ratio.median))
        };
        let ratios = self.candidates.iter().filter_map(ratio);
        ratios
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(threshold, _)| threshold)
    }
}

impl Found {
    /// Time over threshold, as parts of the time under the profile that it began with, by threshold.
    pub fn curve(&self) -> Vec<(u64, Comparison)> {
        let mut curve = Vec::new();
        for stage in &self.stages {
            // Thresholds were compared with the best profile by then.
            let holder = &stage.candidates[0];
            let level = holder.time().map_or(1.0, |it| it.median) / self.base_times().median;
            let points = stage.candidates.iter().filter_map(|candidate| {
                let comparison = candidate.compared_with(holder)?;
                let ratio = comparison.ratio.scaled(level);
                Some((candidate.threshold?, Comparison { ratio }))
            });
            for (threshold, comparison) in points {
                curve.retain(|(known, _)| *known != threshold);
                curve.push((threshold, comparison));
            }
        }
        curve.sort_by_key(|(threshold, _)| *threshold);
        curve
    }

    /// Seconds that the program takes under the profile that it began with, by all runs of it in turns with others.
    pub fn base_times(&self) -> Estimate {
        let of_base = |it: &&Candidate| it.profile == self.base;
        let candidates = self.stages.iter().flat_map(|stage| &stage.candidates);
        let times = candidates
            .filter(of_base)
            .flat_map(|it| it.times.iter().copied());
        let once = Estimate {
            median: self.base_time,
            low: self.base_time,
            high: self.base_time,
            count: 1,
        };
        Estimate::of(times).unwrap_or(once)
    }

    /// The built-in profiles and their time, as parts of that of the profile that it began with.
    pub fn levels(&self) -> Vec<(String, f64)> {
        let mut levels = vec![("the profile to begin with".to_owned(), 1.0)];
        if let Some(stage) = self
            .stages
            .iter()
            .find(|it| it.subject == Subject::Profiles.name())
        {
            levels.extend(stage.candidates.iter().skip(1).filter_map(|candidate| {
                let comparison = candidate.compared_with(&stage.candidates[0])?;
                Some((candidate.label.clone(), comparison.ratio.median))
            }));
        }
        levels
    }

    /// The thresholds around the best between which there is no difference that could be told.
    pub fn plateau(&self) -> Option<(u64, u64)> {
        let curve = self.curve();
        let median = |point: &(u64, Comparison)| point.1.ratio.median;
        let best =
            (0..curve.len()).min_by(|a, b| median(&curve[*a]).total_cmp(&median(&curve[*b])))?;
        let level = |index: &usize| curve[*index].1.ratio.low <= curve[best].1.ratio.high;
        let first = (0..=best).rev().take_while(level).last()?;
        let last = (best..curve.len()).take_while(level).last()?;
        Some((curve[first].0, curve[last].0))
    }
}
