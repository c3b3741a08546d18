//! The rounds: each engine has its turn on each measurement. Here is also what became of them.

use std::collections::BTreeMap;

use upshift_bench_protocol::Report;

use super::Options;
use super::engines::{Engine, Programs};
use super::plan::{Measurement, Plan};
use super::table::Row;
use crate::failure::Failure;

/// The reports of all rounds.
#[derive(Debug, Default)]
pub struct Outcome {
    /// By measurement and engine, one report for each round.
    pub reports: BTreeMap<(String, String), Vec<Report>>,
    /// Engine, measurement, and why it is not in the table.
    pub failures: Vec<(String, String, String)>,
}

/// Measures everything in every round. An engine that fails on something is not asked for it again.
pub fn run(options: &Options, plan: &Plan, programs: &Programs) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    for round in 0..options.rounds {
        for measurement in &plan.measurements {
            for turn in 0..options.engines.len() {
                // Each round begins with another engine, so that none is always the first after something else.
                let engine = options.engines[(turn + round) % options.engines.len()];
                if !engine.can(&measurement.task) || outcome.has_failed(engine, measurement) {
                    continue;
                }
                eprintln!(
                    "round {} of {}: {} on {}",
                    round + 1,
                    options.rounds,
                    measurement.name,
                    engine.name
                );
                match programs.measure(engine, &measurement.task) {
                    Ok(report) => {
                        let key = (measurement.name.clone(), engine.name.to_owned());
                        outcome.reports.entry(key).or_default().push(report);
                    }
                    Err(failure) => outcome.failures.push((
                        engine.name.to_owned(),
                        measurement.name.clone(),
                        failure.to_string(),
                    )),
                }
            }
        }
    }
    Ok(outcome)
}

impl Outcome {
    fn has_failed(&self, engine: &Engine, measurement: &Measurement) -> bool {
        self.failures
            .iter()
            .any(|(failed, on, _)| failed == engine.name && *on == measurement.name)
    }

    fn reports<'a>(&'a self, measurement: &Measurement, engine: &Engine) -> Option<&'a [Report]> {
        if self.has_failed(engine, measurement) {
            return None;
        }
        self.reports
            .get(&(measurement.name.clone(), engine.name.to_owned()))
            .map(Vec::as_slice)
    }

    /// What an engine took, in each round; for the first quantity of a measurement.
    pub fn times(&self, plan: &Plan, measurement: &str, engine: &str) -> Option<Vec<f64>> {
        let measurement = plan
            .measurements
            .iter()
            .find(|known| known.name == measurement)?;
        let reports = self.reports(measurement, super::engines::find(engine).ok()?)?;
        Some(measurement.quantities.first()?.per_round(reports))
    }

    /// The rows of one measurement: one for each engine and each thing that is measured.
    pub fn rows(&self, measurement: &Measurement, options: &Options, plan: &Plan) -> Vec<Row> {
        let reference = options.reference(measurement);
        let mut rows = Vec::new();
        for quantity in &measurement.quantities {
            let of_reference = self
                .reports(measurement, reference)
                .map(|reports| quantity.per_round(reports));
            for engine in &options.engines {
                let Some(reports) = self.reports(measurement, engine) else {
                    continue;
                };
                // A native program measures calls, and has nothing to compile.
                if reports
                    .iter()
                    .any(|report| !quantity.is_measured_in(report))
                {
                    continue;
                }
                rows.push(Row::new(
                    measurement,
                    plan.is_in_group(measurement),
                    quantity,
                    engine,
                    reports,
                    of_reference.as_deref(),
                    reference,
                ));
            }
        }
        rows
    }

    /// All engines must have computed what is expected; else their times mean nothing.
    ///
    /// # Errors
    /// If they have not.
    pub fn check_results(&self, plan: &Plan) -> Result<(), Failure> {
        for measurement in &plan.measurements {
            let mut expected = measurement
                .expected
                .clone()
                .map(|result| ("the known result", result));
            for ((name, engine), reports) in &self.reports {
                for result in reports.iter().filter_map(|report| report.result.as_ref()) {
                    if name != &measurement.name {
                        continue;
                    }
                    match &expected {
                        None => expected = Some((engine.as_str(), result.clone())),
                        Some((_, known)) if known == result => {}
                        Some((whose, known)) => {
                            return Err(Failure::Check(format!(
                                "{name}: {engine} computed {result}, {whose}: {known}"
                            )));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
