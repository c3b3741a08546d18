//! What the runs of a time-to-solution comparison come to: medians, ratios paired within rounds, tables in Markdown,
//! and where Upshift is not at the lower envelope.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use upshift_kernels::Kernel;

use super::{NATIVE, Options, Run, Runs, is_classical};
use crate::compare::pictures::{Line, Panel, Picture};
use crate::compare::table::median;
use crate::failure::Failure;
use crate::files;

/// The engine that is to be at the lower envelope, and how far above counts as being there.
const OURS: &str = "upshift-auto";
const ENVELOPE: f64 = 1.10;

/// Everything that is told.
#[derive(Debug)]
pub(super) struct Told<'a> {
    runs: &'a Runs,
    /// In the order in which they are shown.
    engines: Vec<&'static str>,
    kernels: Vec<OfKernel>,
}

#[derive(Debug, Serialize)]
struct OfKernel {
    name: String,
    sizes: Vec<OfSize>,
}

#[derive(Debug, Serialize)]
struct OfSize {
    work_milliseconds: u32,
    /// By engine; none for those that were given up, or failed.
    engines: BTreeMap<&'static str, Summary>,
}

/// Of the rounds of one engine.
#[derive(Debug, Clone, Copy, Serialize)]
struct Summary {
    rounds: usize,
    milliseconds: f64,
    /// To native code in the same round: the median, the lowest and the highest.
    ratio: Option<[f64; 3]>,
}

impl<'a> Told<'a> {
    pub(super) fn new(options: &Options, kernels: &[Kernel], runs: &'a Runs) -> Self {
        let engines: Vec<_> = options.engines.iter().map(|engine| engine.name).collect();
        let of_size = |kernel: &Kernel, work| OfSize {
            work_milliseconds: work,
            engines: engines
                .iter()
                .filter_map(|&engine| {
                    let native = runs.times(&kernel.name, work, NATIVE);
                    let times = runs.times(&kernel.name, work, engine);
                    Some((engine, Summary::new(&times, &native)?))
                })
                .collect(),
        };
        Self {
            runs,
            kernels: kernels
                .iter()
                .map(|kernel| OfKernel {
                    name: kernel.name.clone(),
                    sizes: (options.sizes(kernel).into_iter())
                        .map(|work| of_size(kernel, work))
                        .collect(),
                })
                .collect(),
            engines,
        }
    }

    /// A table for each of the classical kernels, one for all others, and what is above the envelope.
    pub(super) fn print(&self) {
        for kernel in self
            .kernels
            .iter()
            .filter(|kernel| is_classical(&kernel.name))
        {
            println!("\n{}: milliseconds, and over native code\n", kernel.name);
            let sizes = kernel
                .sizes
                .iter()
                .map(|size| title(size.work_milliseconds));
            self.print_header("runtime", sizes);
            for engine in &self.engines {
                let cells = kernel
                    .sizes
                    .iter()
                    .map(|size| match size.engines.get(engine) {
                        None => "–".to_owned(),
                        Some(summary) => summary.to_string(),
                    });
                print_row(engine, cells);
            }
        }
        let others: Vec<_> = (self.kernels.iter())
            .filter(|kernel| !is_classical(&kernel.name))
            .flat_map(|kernel| kernel.sizes.iter().map(move |size| (&kernel.name, size)))
            .collect();
        if !others.is_empty() {
            println!("\nthe other kernels: over native code\n");
            self.print_header(
                "kernel",
                self.engines.iter().map(|&engine| engine.to_owned()),
            );
            for (name, size) in others {
                let cells = self.engines.iter().map(|engine| {
                    let summary = size.engines.get(engine);
                    let ratio = summary.and_then(|summary| summary.ratio);
                    ratio.map_or_else(|| "–".to_owned(), |[ratio, ..]| digits(ratio))
                });
                print_row(&format!("{name}, {}", title(size.work_milliseconds)), cells);
            }
        }
        self.print_envelope();
    }

    fn print_header(&self, first: &str, columns: impl Iterator<Item = String>) {
        let columns: Vec<String> = columns.collect();
        println!("| {first} | {} |", columns.join(" | "));
        println!("|---|{}", "---|".repeat(columns.len()));
    }

    fn print_envelope(&self) {
        let mut above = Vec::new();
        let mut compared = 0;
        for (kernel, size) in self.sizes() {
            let Some((ratio, best)) = size.over_envelope() else {
                continue;
            };
            compared += 1;
            if ratio > ENVELOPE {
                let work = title(size.work_milliseconds);
                above.push(format!("{kernel}, {work}: {ratio:.2} of {best}"));
            }
        }
        println!(
            "\n{OURS} is within {:.0} % of the best WebAssembly runtime in {} of {compared}",
            (ENVELOPE - 1.0) * 100.0,
            compared - above.len()
        );
        for line in above {
            println!("- {line}");
        }
    }

    fn sizes(&self) -> impl Iterator<Item = (&str, &OfSize)> {
        self.kernels
            .iter()
            .flat_map(|kernel| kernel.sizes.iter().map(|size| (kernel.name.as_str(), size)))
    }

    /// Time over native time, against the work, for the classical kernels that were measured.
    pub(super) fn picture(&self) -> Picture {
        let panel = |kernel: &OfKernel| Panel {
            title: kernel.name.clone(),
            lines: (self.engines.iter())
                .filter(|&&engine| engine != NATIVE)
                .map(|engine| Line {
                    name: (*engine).to_owned(),
                    points: (kernel.sizes.iter())
                        .filter_map(|size| {
                            let [ratio, ..] = size.engines.get(engine)?.ratio?;
                            Some((f64::from(size.work_milliseconds), ratio))
                        })
                        .collect(),
                })
                .collect(),
        };
        Picture {
            title: "Time from start to result over native code, whole processes".to_owned(),
            x: "work, milliseconds of native time".to_owned(),
            panels: (self.kernels.iter())
                .filter(|kernel| is_classical(&kernel.name))
                .map(panel)
                .collect(),
        }
    }

    /// # Errors
    /// If the file cannot be written.
    pub(super) fn write_json(&self, path: &Path) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct All<'a> {
            #[serde(flatten)]
            header: &'a super::Header,
            kernels: &'a [OfKernel],
            runs: Vec<&'a Run>,
        }
        let all = All {
            header: &self.runs.header,
            kernels: &self.kernels,
            runs: (self.runs.by_case.values())
                .flat_map(BTreeMap::values)
                .collect(),
        };
        let text = serde_json::to_string_pretty(&all)
            .map_err(|error| Failure::Check(format!("the results don't fit into JSON: {error}")))?;
        files::write(path, text)
    }
}

fn print_row(first: &str, cells: impl Iterator<Item = String>) {
    println!("| {first} | {} |", cells.collect::<Vec<_>>().join(" | "));
}

impl OfSize {
    /// Our time over that of the fastest WebAssembly runtime, and which that is.
    fn over_envelope(&self) -> Option<(f64, &'static str)> {
        let ours = self.engines.get(OURS)?;
        let others = self
            .engines
            .iter()
            .filter(|(engine, _)| !engine.starts_with(NATIVE));
        let (best, summary) =
            others.min_by(|(_, a), (_, b)| a.milliseconds.total_cmp(&b.milliseconds))?;
        Some((ours.milliseconds / summary.milliseconds, best))
    }
}

impl Summary {
    /// `None` without a run.
    fn new(times: &BTreeMap<usize, f64>, native: &BTreeMap<usize, f64>) -> Option<Self> {
        let all: Vec<f64> = times.values().copied().collect();
        if all.is_empty() {
            return None;
        }
        let pairs = times
            .iter()
            .filter_map(|(round, time)| Some(time / native.get(round)?));
        let mut ratios: Vec<f64> = pairs.collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = match (ratios.first(), ratios.last()) {
            (Some(&lowest), Some(&highest)) => Some([median(&ratios), lowest, highest]),
            _ => None,
        };
        Some(Self {
            rounds: all.len(),
            milliseconds: median(&all) / 1e6,
            ratio,
        })
    }
}

/// `12.3 (1.07)`, with the spread of the ratio where it says something.
impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", digits(self.milliseconds))?;
        match self.ratio {
            None => Ok(()),
            Some([ratio, lowest, highest]) if self.rounds > 1 => write!(
                f,
                " ({}; {}–{})",
                digits(ratio),
                digits(lowest),
                digits(highest)
            ),
            Some([ratio, ..]) => write!(f, " ({})", digits(ratio)),
        }
    }
}

/// With three digits that count.
fn digits(number: f64) -> String {
    let places = match number {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{number:.places$}")
}

fn title(milliseconds: u32) -> String {
    match milliseconds {
        1000.. if milliseconds.is_multiple_of(1000) => format!("{} s", milliseconds / 1000),
        _ => format!("{milliseconds} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(all: &[f64]) -> BTreeMap<usize, f64> {
        all.iter().copied().enumerate().collect()
    }

    #[test]
    fn ratios_are_paired_within_rounds() {
        let native = times(&[1e6, 2e6, 4e6]);
        let summary = Summary::new(&times(&[2e6, 4e6, 8e6]), &native).unwrap();
        assert_eq!(summary.ratio, Some([2.0; 3]));
        assert_eq!(summary.to_string(), "4.00 (2.00; 2.00–2.00)");
        let once = Summary::new(&times(&[1.5e9]), &native).unwrap();
        assert_eq!(once.to_string(), "1500 (1500)");
        assert!(Summary::new(&times(&[]), &native).is_none());
    }

    #[test]
    fn the_envelope_is_of_webassembly_runtimes() {
        let summary = |milliseconds| Summary {
            rounds: 1,
            milliseconds,
            ratio: None,
        };
        let size = OfSize {
            work_milliseconds: 1,
            engines: BTreeMap::from([
                ("native", summary(1.0)),
                (OURS, summary(3.0)),
                ("wasmi", summary(2.0)),
            ]),
        };
        assert_eq!(size.over_envelope(), Some((1.5, "wasmi")));
    }
}
