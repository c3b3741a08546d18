//! Tables of ratios: a line for each kernel, a column for each engine, and means below.

use serde::Serialize;

use super::pictures::Dots;
use super::plan::Unit;
use super::table::{median, show};

/// One table.
#[derive(Debug, Serialize)]
pub struct Ratios {
    title: String,
    engines: Vec<&'static str>,
    lines: Vec<Line>,
    /// Each of the lines that the engine has, which are fewer than all where it failed.
    geometric_means: Vec<f64>,
}

/// One kernel.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    /// The engine the ratios are to.
    reference: &'static str,
    reference_nanoseconds: f64,
    /// Medians of the ratios within rounds; none where an engine failed.
    ratios: Vec<Option<f64>>,
}

/// What engines took for one line, round by round; none where one failed or takes no part.
pub type Times<'a> = &'a dyn Fn(&str, &str) -> Option<Vec<f64>>;

impl Ratios {
    /// Computes the table, or none if no reference was measured. `times` is asked for the name of a measurement, with
    /// the name of an engine. The reference of a line is the fastest of `references` there.
    pub fn new(
        title: &str,
        measurements: &[(String, String)],
        engines: &[&'static str],
        references: &[&'static str],
        times: Times<'_>,
    ) -> Option<Ratios> {
        let mut lines = Vec::new();
        for (measurement, name) in measurements {
            let fastest = references
                .iter()
                .filter_map(|&reference| Some((reference, times(measurement, reference)?)))
                .min_by(|(_, a), (_, b)| median(a).total_cmp(&median(b)));
            let Some((reference, of_reference)) = fastest else {
                continue;
            };
            let ratio = |engine: &&'static str| {
                let ours = times(measurement, engine)?;
                let pairs = ours.iter().zip(&of_reference);
                let ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs).collect();
                Some(median(&ratios))
            };
            lines.push(Line {
                name: name.clone(),
                reference,
                reference_nanoseconds: median(&of_reference),
                ratios: engines.iter().map(ratio).collect(),
            });
        }
        if lines.is_empty() {
            return None;
        }
        // An engine that measured nothing at all is a column too many.
        let kept: Vec<usize> = (0..engines.len())
            .filter(|&column| lines.iter().any(|line| line.ratios[column].is_some()))
            .collect();
        for line in &mut lines {
            line.ratios = kept.iter().map(|&column| line.ratios[column]).collect();
        }
        let geometric_means = (0..kept.len())
            .map(|column| geometric_mean(&lines, column))
            .collect();
        Some(Ratios {
            title: title.to_owned(),
            engines: kept.iter().map(|&column| engines[column]).collect(),
            lines,
            geometric_means,
        })
    }

    /// The table as dots, without the engine that the ratios are to.
    pub fn picture(&self) -> Dots {
        let is_reference = |engine: &str| self.lines.iter().all(|line| line.reference == engine);
        let columns = self.engines.iter().enumerate();
        Dots {
            title: self.title.clone(),
            columns: self.lines.iter().map(|line| line.name.clone()).collect(),
            rows: columns
                .filter(|(_, engine)| !is_reference(engine))
                .map(|(column, engine)| {
                    let ratios = self.lines.iter().map(|line| line.ratios[column]);
                    ((*engine).to_owned(), ratios.collect())
                })
                .collect(),
        }
    }

    /// Prints the table; engines' names stand above their columns, in two lines if they are long.
    pub fn print(&self) {
        let heads: Vec<(&str, &str)> = self
            .engines
            .iter()
            .map(|engine| engine.split_once('-').unwrap_or(("", engine)))
            .collect();
        let width = |&(above, below): &(&str, &str)| above.len().max(below.len()).max(8);
        let widths: Vec<usize> = heads.iter().map(width).collect();
        let print_line = |name: &str, reference: &str, cells: &[String]| {
            print!("  {name:12} {reference:>26}");
            for (cell, width) in cells.iter().zip(&widths) {
                print!("  {cell:>width$}");
            }
            println!();
        };

        println!("\n{}", self.title);
        let above: Vec<String> = heads.iter().map(|(above, _)| (*above).to_owned()).collect();
        let below: Vec<String> = heads.iter().map(|(_, below)| (*below).to_owned()).collect();
        print_line("", "", &above);
        print_line("", "1.000 is", &below);
        for line in &self.lines {
            let cells: Vec<String> = line.ratios.iter().map(|&ratio| cell(ratio)).collect();
            let time = show(line.reference_nanoseconds, Unit::Nanoseconds);
            print_line(&line.name, &format!("{} {time}", line.reference), &cells);
        }
        let means: Vec<String> = self
            .geometric_means
            .iter()
            .map(|&mean| cell(Some(mean)))
            .collect();
        print_line("geom. mean", "", &means);
        let worst: Vec<String> = (0..self.engines.len())
            .map(|column| cell(self.worst(column)))
            .collect();
        print_line("worst", "", &worst);
        let measured: Vec<usize> = (0..self.engines.len())
            .map(|column| self.measured(column))
            .collect();
        if measured.iter().any(|&lines| lines < self.lines.len()) {
            let counts: Vec<String> = measured.iter().map(usize::to_string).collect();
            print_line("measured", &format!("of {}", self.lines.len()), &counts);
        }
    }

    /// How many lines the engine has: means over different lines can't be compared.
    fn measured(&self, column: usize) -> usize {
        self.lines
            .iter()
            .filter(|line| line.ratios[column].is_some())
            .count()
    }

    fn worst(&self, column: usize) -> Option<f64> {
        self.lines
            .iter()
            .filter_map(|line| line.ratios[column])
            .max_by(f64::total_cmp)
    }
}

fn cell(ratio: Option<f64>) -> String {
    ratio
        .filter(|ratio| ratio.is_finite())
        .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"))
}

/// Of the lines that have a ratio in that column, which are not none.
fn geometric_mean(lines: &[Line], column: usize) -> f64 {
    let ratios = lines.iter().filter_map(|line| line.ratios[column]);
    let logarithms: Vec<f64> = ratios.map(f64::ln).collect();
    (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(measurement: &str, engine: &str) -> Option<Vec<f64>> {
        Some(match (measurement, engine) {
            ("m1", "slow") => vec![8.0, 40.0, 4.0],
            ("m1", "fast") => vec![2.0, 10.0, 1.0],
            ("m1", "ours") => vec![4.0, 20.0, 2.0],
            ("m2", "slow") => vec![3.0],
            ("m2", "fast") => vec![30.0],
            ("m2", "ours") => vec![1.5],
            ("m3", "slow" | "fast") => vec![1.0],
            _ => return None,
        })
    }

    #[test]
    fn each_line_refers_to_the_best_reference_and_means_to_what_was_measured() {
        let lines: Vec<(String, String)> = ["m1", "m2", "m3"]
            .map(|name| (name.to_owned(), name.replace('m', "kernel ")))
            .into();
        let engines = ["slow", "ours", "absent"];
        let table = Ratios::new("title", &lines, &engines, &["slow", "fast"], &times).unwrap();
        assert_eq!(table.engines, ["slow", "ours"]);
        let ratios: Vec<_> = table.lines.iter().map(|line| &line.ratios[..]).collect();
        assert_eq!(ratios[0], [Some(4.0), Some(2.0)]);
        assert_eq!(ratios[1], [Some(1.0), Some(0.5)]);
        assert_eq!(ratios[2], [Some(1.0), None]);
        let references: Vec<_> = table.lines.iter().map(|line| line.reference).collect();
        assert_eq!(references, ["fast", "slow", "slow"]);
        assert_eq!([table.measured(0), table.measured(1)], [3, 2]);
        assert!((table.geometric_means[0] - 4f64.cbrt()).abs() < 1e-12);
        assert!((table.geometric_means[1] - 1.0).abs() < 1e-12);
        assert_eq!(table.worst(1), Some(2.0));
        assert!(Ratios::new("title", &lines, &engines, &["absent"], &times).is_none());
    }
}
