//! From raw samples to a table: one number for each round, then medians over the rounds.

use serde::Serialize;
use upshift_bench_protocol::Report;

use super::engines::Engine;
use super::plan::{Measurement, Quantity, Unit};

/// One line of the table: what one engine took, in nanoseconds or megabytes a second.
#[derive(Debug, Serialize)]
pub struct Row {
    title: String,
    engine: &'static str,
    version: String,
    unit: Unit,
    per_round: Vec<f64>,
    median: f64,
    lowest: f64,
    highest: f64,
    reference: &'static str,
    /// Whether a table of ratios has it too.
    pub is_in_group: bool,
    /// Median of the ratios to the reference within each round, and the lowest and highest of them.
    ratio: Option<[f64; 3]>,
}

impl Row {
    /// Sums up the rounds of an engine. `reports` is not empty.
    pub fn new(
        measurement: &Measurement,
        is_in_group: bool,
        quantity: &Quantity,
        engine: &'static Engine,
        reports: &[Report],
        of_reference: Option<&[f64]>,
        reference: &'static Engine,
    ) -> Row {
        let per_round = quantity.per_round(reports);
        let [median, lowest, highest] = summary(&per_round);
        let ratio = of_reference.map(|reference| {
            let ratios: Vec<f64> = per_round
                .iter()
                .zip(reference)
                .map(|(ours, theirs)| ours / theirs)
                .collect();
            summary(&ratios)
        });
        Row {
            title: format!("{}: {}", measurement.name, quantity.title),
            engine: engine.name,
            version: reports[0].version.clone(),
            unit: quantity.unit,
            per_round,
            median,
            lowest,
            highest,
            reference: reference.name,
            is_in_group,
            ratio,
        }
    }
}

/// Median, lowest and highest of samples of which there is one at least.
fn summary(samples: &[f64]) -> [f64; 3] {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    [
        median_of_sorted(&sorted),
        sorted[0],
        sorted[sorted.len() - 1],
    ]
}

/// The lowest of samples of which there is one at least.
pub fn fastest(samples: &[f64]) -> f64 {
    summary(samples)[1]
}

/// The median of samples of which there is one at least.
pub fn median(samples: &[f64]) -> f64 {
    summary(samples)[0]
}

fn median_of_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// Prints the rows, with a heading for each measured thing.
pub fn print(rows: &[&Row], rounds: usize) {
    println!("medians of {rounds} rounds, [lowest .. highest]; ratios are paired within rounds");
    let mut title = "";
    for row in rows {
        if row.title != title {
            title = &row.title;
            println!("\n{title}   (reference: {})", row.reference);
        }
        let ratio = row.ratio.map_or_else(
            || "no ratio: the reference failed".to_owned(),
            |[median, lowest, highest]| format!("{median:8.3} x  [{lowest:.3} .. {highest:.3}]"),
        );
        println!(
            "  {:42} {:>12}  [{:>10} .. {:>10}]  {ratio}",
            format!("{} {}", row.engine, row.version),
            show(row.median, row.unit),
            show(row.lowest, row.unit),
            show(row.highest, row.unit),
        );
    }
    println!();
}

/// A number with a unit that suits its size.
pub fn show(value: f64, unit: Unit) -> String {
    match unit {
        Unit::MegabytesPerSecond => format!("{value:.2} MB/s"),
        Unit::Nanoseconds if value < 1e3 => format!("{value:.2} ns"),
        Unit::Nanoseconds if value < 1e6 => format!("{:.2} µs", value / 1e3),
        Unit::Nanoseconds if value < 1e9 => format!("{:.2} ms", value / 1e6),
        Unit::Nanoseconds => format!("{:.2} s", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_ones() {
        assert_eq!(summary(&[3.0, 1.0, 2.0]), [2.0, 1.0, 3.0]);
        assert_eq!(summary(&[4.0, 1.0, 3.0, 2.0]), [2.5, 1.0, 4.0]);
        assert_eq!(summary(&[5.0]), [5.0, 5.0, 5.0]);
    }

    #[test]
    fn numbers_get_the_unit_of_their_size() {
        assert_eq!(show(12.345, Unit::Nanoseconds), "12.35 ns");
        assert_eq!(show(12_345.0, Unit::Nanoseconds), "12.35 µs");
        assert_eq!(show(12_345_678.0, Unit::Nanoseconds), "12.35 ms");
        assert_eq!(show(2.5e9, Unit::Nanoseconds), "2.50 s");
        assert_eq!(show(7.0, Unit::MegabytesPerSecond), "7.00 MB/s");
    }
}
