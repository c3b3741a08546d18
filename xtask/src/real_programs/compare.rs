//! `--compare`: whole processes in rounds, each engine having its turn in each round, and the tables of it.
//!
//! A ratio is the median of the ratios within rounds, so that what slows down the machine for a while slows down both.

use super::child::Cost;
use super::programs::{Built, Program, Run};
use super::{Options, judge, once};
use crate::compare::table::median;
use crate::failure::Failure;

/// Measures what the options choose.
///
/// # Errors
/// If a process could not be run, or did something else than it should: then its times mean nothing.
pub fn run(options: &Options, modules: &[Built]) -> Result<(), Failure> {
    for (chosen, module) in options.chosen.iter().zip(modules) {
        for run in &chosen.runs {
            // By engine, a sample a round.
            let mut samples: Vec<Vec<Cost>> = vec![Vec::new(); options.engines.len()];
            for round in 0..options.rounds {
                for turn in 0..options.engines.len() {
                    // Another one begins in each round.
                    let index = (round + turn) % options.engines.len();
                    let engine = options.engines[index];
                    let finished = once(options, chosen.program, run, engine, module)?;
                    if let Some(wrong) = judge(chosen.program, run, &finished)? {
                        return Err(Failure::Check(format!(
                            "{}.{} on {}: {wrong}",
                            chosen.program.name, run.name, engine.name
                        )));
                    }
                    samples[index].push(finished.cost);
                }
            }
            print(options, chosen.program, run, &samples);
        }
    }
    Ok(())
}

fn print(options: &Options, program: &Program, run: &Run, samples: &[Vec<Cost>]) {
    println!(
        "\n{}.{}, {} rounds: medians, and ratios to {} paired within rounds",
        program.name, run.name, options.rounds, options.reference.name
    );
    println!(
        "{:<22} {:>11} {:>6} {:>11} {:>6} {:>9} {:>6} {:>9}",
        "engine", "wall", "", "processor", "", "peak", "", "resident"
    );
    let is_reference = |name: &str| name == options.reference.name;
    let reference = options
        .engines
        .iter()
        .position(|engine| is_reference(engine.name))
        .map(|index| &samples[index]);
    for (engine, costs) in options.engines.iter().zip(samples) {
        let column = |of: fn(&Cost) -> f64| {
            let ratio = reference.map(|reference| {
                let ratios = costs
                    .iter()
                    .zip(reference)
                    .map(|(cost, other)| of(cost) / of(other));
                format!("{:.2}", median(&ratios.collect::<Vec<f64>>()))
            });
            let values: Vec<f64> = costs.iter().map(of).collect();
            (median(&values), ratio.unwrap_or_default())
        };
        let (wall, wall_ratio) = column(|cost| cost.wall.as_secs_f64() * 1e3);
        let (processor, processor_ratio) = column(|cost| cost.processor.as_secs_f64() * 1e3);
        let (peak, peak_ratio) = column(|cost| cost.peak_memory as f64 / 1e6);
        let waiting: Option<Vec<f64>> = costs
            .iter()
            .map(|cost| Some(cost.memory? as f64 / 1e6))
            .collect();
        println!(
            "{:<22} {wall:>8.1} ms {wall_ratio:>6} {processor:>8.1} ms {processor_ratio:>6} {peak:>6.1} MB {peak_ratio:>6} {}",
            engine.name,
            waiting.map_or(String::new(), |waiting| format!(
                "{:>6.1} MB",
                median(&waiting)
            ))
        );
    }
}
