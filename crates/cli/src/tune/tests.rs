//! The search against a model with a clock of its own: all times are known, and so is the best profile.

use std::time::Duration;

use upshift::{TierMode, TieringProfile};

use super::compare::Verdict;
use super::race::Fate;
use super::report::{self, About};
use super::search::{Found, search};
use super::trial::{Failure, Trial};
use crate::machine::Machine;

/// A program whose time is a function of the profile, but for noise.
struct Model<F> {
    seconds: F,
    noise: f64,
    clock: f64,
    runs: usize,
    stop_after_runs: usize,
    random: u64,
}

impl<F: Fn(&TieringProfile) -> Result<f64, Failure>> Model<F> {
    fn new(seed: u64, noise: f64, seconds: F) -> Self {
        Self {
            seconds,
            noise,
            clock: 0.0,
            runs: 0,
            stop_after_runs: usize::MAX,
            random: seed * 2 + 1,
        }
    }

    /// From 0 to 1.
    fn random(&mut self) -> f64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mixed = (self.random ^ (self.random >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn search(&mut self, base: &TieringProfile, budget: u64) -> Result<Found, Failure> {
        search(self, base, Duration::from_secs(budget), 4)
    }
}

impl<F: Fn(&TieringProfile) -> Result<f64, Failure>> Trial for Model<F> {
    fn run(&mut self, profile: &TieringProfile, limit: Duration) -> Result<f64, Failure> {
        if self.is_stopped() {
            return Err(Failure::Stopped);
        }
        self.runs += 1;
        let mut time = (self.seconds)(profile)? * (1.0 + self.noise * (self.random() - 0.5));
        // Now and then something else runs on the machine.
        if self.noise > 0.0 && self.random() < 0.05 {
            time *= 1.5;
        }
        self.clock += time.min(limit.as_secs_f64());
        if time > limit.as_secs_f64() {
            return Err(Failure::TooLong(limit));
        }
        Ok(time)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs_f64(self.clock)
    }

    fn is_stopped(&self) -> bool {
        self.runs >= self.stop_after_runs
    }

    fn begin(&mut self, _subject: &str) {}
}

/// A program for which `best` is the best threshold: a lower one compiles too much, a higher one waits too
/// long. The estimate of the default is two decades off.
fn valley(best: f64) -> impl Fn(&TieringProfile) -> Result<f64, Failure> {
    move |profile| {
        let threshold = profile.tier_up.threshold_in_operators;
        let off = match (profile.mode, threshold) {
            (TierMode::Auto, Some(threshold)) => (threshold as f64 / best).log10().abs(),
            (TierMode::Auto, None) => 2.0,
            _ => 3.0,
        };
        Ok(1.0 + 0.1 * off)
    }
}

fn flat(_: &TieringProfile) -> Result<f64, Failure> {
    Ok(1.0)
}

/// The text that the user reads.
fn told(found: &Found) -> String {
    let about = About {
        command: "upshift tune model".to_owned(),
        base: "latency".to_owned(),
        runs: 1,
        seconds: 1.0,
        machine: Machine::this(),
    };
    let mut text = Vec::new();
    report::table(found, &about, &mut text).unwrap();
    let profile = report::profile(found, &about);
    let read = TieringProfile::from_toml(&profile);
    assert_eq!(read.as_ref(), Ok(&found.best), "{profile}");
    report::picture(found, &about).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_known_best_threshold_is_found_in_spite_of_noise() {
    let (mut near, mut right) = (0, 0);
    for seed in 0..200 {
        let best = [30_000.0, 1e6, 5e7, 2e9][seed % 4];
        let found = Model::new(seed as u64, 0.04, valley(best))
            .search(&TieringProfile::default(), 600)
            .unwrap();
        // Noise may hide a gain, but rarely: counted below.
        let Some(threshold) = found.best.tier_up.threshold_in_operators else {
            continue;
        };
        let off = (threshold as f64 / best).log10().abs();
        near += usize::from(off < 0.51);
        assert!(off < 1.0, "seed {seed}: {threshold}, not {best}");
        let overall = found.overall.expect("a comparison");
        assert_eq!(
            overall.verdict(),
            Verdict::Faster,
            "seed {seed}: {overall:?}"
        );
        // The gain that the profile states is its gain.
        let gain = (1.0 + 0.1 * off) / 1.2;
        right += usize::from((overall.ratio.low..=overall.ratio.high).contains(&gain));
        told(&found);
        let (low, high) = found.plateau().expect("a plateau");
        assert!(
            (low..=high).contains(&threshold),
            "{low} to {high}: {threshold}"
        );
    }
    assert!(near >= 190, "{near} of 200 are within half a decade");
    assert!(
        right >= 185,
        "{right} of 200 intervals have the true gain in them"
    );
}

#[test]
fn without_noise_the_very_best_of_the_candidates_is_found() {
    let found = Model::new(1, 0.0, valley(1e6))
        .search(&TieringProfile::default(), 600)
        .unwrap();
    assert_eq!(found.best.tier_up.threshold_in_operators, Some(1_000_000));
    // Nothing else makes a difference, so nothing else is touched.
    let differences = found.best.differences(&TieringProfile::default());
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(found.plateau(), Some((1_000_000, 1_000_000)));
}

#[test]
fn where_there_is_no_difference_it_says_so() {
    let mut fooled = 0;
    for seed in 0..200 {
        let base = TieringProfile::named("latency").unwrap();
        let found = Model::new(seed, 0.1, flat).search(&base, 600).unwrap();
        fooled += usize::from(found.best != base);
        if found.best == base {
            let told = told(&found);
            let nothing =
                told.contains("Nothing was found that is faster than latency beyond noise.");
            let dropped = told.contains("makes no difference beyond noise");
            assert!(nothing || dropped, "seed {seed}: {told}");
        }
    }
    // Each claim holds with 95 % confidence.
    assert!(
        fooled <= 10,
        "{fooled} of 200 found something where there is nothing"
    );
}

#[test]
fn a_candidate_that_fails_or_does_not_end_is_reported_and_no_more() {
    let seconds = |profile: &TieringProfile| match profile.mode {
        TierMode::Baseline => Ok(1e9),
        TierMode::Optimizing => Err(Failure::Failed("exit status 134".to_owned())),
        TierMode::Auto => valley(1e6)(profile),
    };
    let mut model = Model::new(3, 0.02, seconds);
    let found = model.search(&TieringProfile::default(), 600).unwrap();
    let profiles = &found.stages[0];
    let fate = |name: &str| {
        let candidate = profiles.candidates.iter().find(|it| it.label == name);
        candidate.map(|it| it.fate.clone())
    };
    assert!(matches!(
        fate("baseline-only"),
        Some(Fate::Failed(Failure::TooLong(_)))
    ));
    let failed = Failure::Failed("exit status 134".to_owned());
    assert_eq!(fate("llvm-only"), Some(Fate::Failed(failed)));
    let threshold = found
        .best
        .tier_up
        .threshold_in_operators
        .expect("a threshold");
    assert!((300_000..=3_200_000).contains(&threshold), "{threshold}");
}

#[test]
fn a_program_that_fails_from_the_start_is_an_error() {
    let fails = |_: &TieringProfile| Err(Failure::Failed("exit status 1".to_owned()));
    let found = Model::new(3, 0.0, fails).search(&TieringProfile::default(), 10);
    assert!(matches!(found, Err(Failure::Failed(_))));
    let found =
        Model::new(3, 0.0, |_: &TieringProfile| Ok(11.0)).search(&TieringProfile::default(), 10);
    assert!(matches!(found, Err(Failure::TooLong(_))));
}

#[test]
fn interruption_keeps_what_was_found_so_far() {
    let whole = {
        let mut model = Model::new(5, 0.02, valley(1e6));
        model.search(&TieringProfile::default(), 600).unwrap();
        model.runs
    };
    let mut kept = 0;
    for runs in (3..whole).step_by(7) {
        let mut model = Model::new(5, 0.02, valley(1e6));
        model.stop_after_runs = runs;
        let found = model.search(&TieringProfile::default(), 600).unwrap();
        assert_eq!(model.runs, runs);
        assert!(found.is_interrupted);
        kept += usize::from(found.best.tier_up.threshold_in_operators.is_some());
    }
    assert!(kept > 0);
}

#[test]
fn the_budget_is_kept_and_what_there_was_no_time_for_is_named() {
    for budget in [30, 60, 120, 600] {
        let mut model = Model::new(7, 0.02, valley(1e6));
        let found = model.search(&TieringProfile::default(), budget).unwrap();
        // Every comparison takes some pairs, even when time is up.
        assert!(
            model.clock < budget as f64 * 1.1 + 20.0,
            "{budget}: {}",
            model.clock
        );
        assert_eq!(
            found.left_out.is_empty(),
            budget == 600,
            "{budget}: {:?}",
            found.left_out
        );
    }
}
