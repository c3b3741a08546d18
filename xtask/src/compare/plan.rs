//! What is measured: the runs of the engines' binaries, and which of the raw samples make which line of the table.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;
use upshift_bench_protocol::{Report, series};

use super::table::median;
use crate::failure::Failure;
use crate::process;

/// What code of a baseline is compared with: no optimization, the same register allocator.
const BASELINE_REFERENCE: &str = "wasmtime-cranelift-none-singlepass";

/// What users would use instead.
const USUAL_REFERENCE: &str = "wasmtime-cranelift";

/// The argument of `main` of the large module.
const LARGE_MODULE_ARGUMENT: &str = "12345";

/// In what a quantity is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Less is better.
    Nanoseconds,
    /// Megabytes (of 1 000 000 bytes) of wasm; more is better.
    MegabytesPerSecond,
}

/// Something that a measurement tells about an engine: one part of the table.
#[derive(Debug)]
pub struct Quantity {
    pub title: &'static str,
    pub unit: Unit,
    series: &'static str,
    /// How many samples at the beginning of a series are not counted, because a lazy engine compiles in them.
    skipped: usize,
}

impl Quantity {
    /// One number for each report: the median of its samples.
    pub fn per_round(&self, reports: &[Report]) -> Vec<f64> {
        reports
            .iter()
            .map(|report| {
                let samples = report
                    .samples
                    .get(self.series)
                    .map_or(&[][..], Vec::as_slice);
                let skipped = self.skipped.min(samples.len().saturating_sub(1));
                let nanoseconds = if samples.is_empty() {
                    f64::NAN
                } else {
                    median(&samples[skipped..])
                };
                match self.unit {
                    Unit::Nanoseconds => nanoseconds,
                    // Bytes a microsecond are megabytes a second.
                    Unit::MegabytesPerSecond => report.wasm_bytes as f64 / (nanoseconds / 1000.0),
                }
            })
            .collect()
    }
}

/// One run of an engine's binary in each round.
#[derive(Debug)]
pub struct Measurement {
    pub name: String,
    pub arguments: Vec<OsString>,
    pub quantities: Vec<Quantity>,
    /// The engine that ratios refer to if nothing else is asked for.
    pub reference: &'static str,
    /// The result that every engine must print, if it is known.
    pub expected: Option<String>,
}

/// Everything that is measured in a round.
#[derive(Debug)]
pub struct Plan {
    pub measurements: Vec<Measurement>,
    pub large_module: PathBuf,
}

impl Plan {
    /// The measurements of those names, or all if there are none.
    ///
    /// # Errors
    /// If there is no measurement and no kernel of a name, or the kernels can't be read.
    pub fn new(
        names: &[String],
        kernel_milliseconds: u32,
        functions: u32,
        quick: bool,
    ) -> Result<Plan, Failure> {
        let large_module = process::target().join(format!("large-module-{functions}.wasm"));
        let modules = process::root().join("benches/modules");
        let mut known = kernels(kernel_milliseconds, quick)?;
        let kernel_names: Vec<String> = known.iter().map(|kernel| kernel.name.clone()).collect();
        known.extend([
            compile(&large_module, quick),
            first_result(&large_module),
            instantiate(&modules.join("instantiate.wat")),
            per_call("typed-call", &modules.join("typed_call.wat")),
            per_call("host-call", &modules.join("host_call.wat")),
            per_call("call-indirect", &modules.join("call_indirect.wat")),
        ]);
        for name in names {
            if name != "kernels" && !known.iter().any(|measurement| measurement.name == *name) {
                return Err(Failure::Usage(format!(
                    "no measurement and no kernel `{name}`; see `cargo xtask help compare`"
                )));
            }
        }
        let all_kernels = names.iter().any(|name| name == "kernels");
        let is_wanted = |measurement: &Measurement| {
            names.is_empty()
                || names.contains(&measurement.name)
                || (all_kernels && kernel_names.contains(&measurement.name))
        };
        let measurements = known.into_iter().filter(is_wanted).collect();
        Ok(Plan {
            measurements,
            large_module,
        })
    }

    /// Whether any measurement reads the large module.
    pub fn needs_large_module(&self) -> bool {
        let file = self.large_module.as_os_str();
        self.measurements.iter().any(|measurement| {
            measurement
                .arguments
                .iter()
                .any(|argument| argument == file)
        })
    }
}

/// A command line of the engines' binaries.
fn arguments(measurement: &str, file: &Path, rest: &[&str]) -> Vec<OsString> {
    let mut arguments = vec![OsString::from(measurement), file.as_os_str().to_owned()];
    arguments.extend(rest.iter().map(OsString::from));
    arguments
}

fn kernels(milliseconds: u32, quick: bool) -> Result<Vec<Measurement>, Failure> {
    let repeat = if quick { "4" } else { "6" };
    let measurement = |kernel: &upshift_kernels::Kernel| -> Result<Measurement, Failure> {
        let Some(n) = i32::try_from(milliseconds)
            .ok()
            .and_then(|factor| kernel.n_for_1_ms.checked_mul(factor))
        else {
            return Err(Failure::Usage(format!(
                "{milliseconds} ms are too many for the kernel {}",
                kernel.name
            )));
        };
        let check = kernel
            .checks
            .iter()
            .find(|check| check.call == upshift_kernels::RUN && check.with == n);
        let rest = [upshift_kernels::RUN, &n.to_string(), "--repeat", repeat];
        Ok(Measurement {
            name: kernel.name.clone(),
            arguments: arguments("kernel", &kernel.wasm_path(), &rest),
            quantities: vec![
                Quantity {
                    title: "a call",
                    unit: Unit::Nanoseconds,
                    series: series::CALL,
                    skipped: 1,
                },
                Quantity {
                    title: "bytes to module (lazy engines compile later)",
                    unit: Unit::Nanoseconds,
                    series: series::COMPILE,
                    skipped: 0,
                },
            ],
            reference: BASELINE_REFERENCE,
            expected: check.map(|check| check.gives.to_string()),
        })
    };
    upshift_kernels::all()?.iter().map(measurement).collect()
}

fn compile(large_module: &Path, quick: bool) -> Measurement {
    let repeat = if quick { "1" } else { "3" };
    Measurement {
        name: "compile".to_owned(),
        arguments: arguments(
            "compile",
            large_module,
            &["--threads", "1", "--repeat", repeat],
        ),
        quantities: vec![
            Quantity {
                title: "throughput on one thread",
                unit: Unit::MegabytesPerSecond,
                series: series::COMPILE,
                skipped: 0,
            },
            Quantity {
                title: "time on one thread",
                unit: Unit::Nanoseconds,
                series: series::COMPILE,
                skipped: 0,
            },
        ],
        reference: BASELINE_REFERENCE,
        expected: None,
    }
}

fn first_result(large_module: &Path) -> Measurement {
    Measurement {
        name: "first-result".to_owned(),
        arguments: arguments(
            "first-result",
            large_module,
            &["main", LARGE_MODULE_ARGUMENT],
        ),
        quantities: vec![Quantity {
            title: "bytes to first result",
            unit: Unit::Nanoseconds,
            series: series::FIRST_RESULT,
            skipped: 0,
        }],
        reference: USUAL_REFERENCE,
        expected: None,
    }
}

fn instantiate(file: &Path) -> Measurement {
    let quantity = |title, series| Quantity {
        title,
        unit: Unit::Nanoseconds,
        series,
        skipped: 10,
    };
    Measurement {
        name: "instantiate".to_owned(),
        arguments: arguments("instantiate", file, &[]),
        quantities: vec![
            quantity("a store and an instance", series::INSTANTIATE),
            quantity("dropping them", series::DROP),
        ],
        reference: USUAL_REFERENCE,
        expected: None,
    }
}

fn per_call(name: &str, file: &Path) -> Measurement {
    Measurement {
        name: name.to_owned(),
        arguments: arguments(name, file, &[]),
        quantities: vec![Quantity {
            title: "one call",
            unit: Unit::Nanoseconds,
            series: series::PER_CALL,
            skipped: 0,
        }],
        reference: USUAL_REFERENCE,
        expected: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(samples: &[f64]) -> Report {
        Report {
            engine: "an-engine".to_owned(),
            version: "1".to_owned(),
            measurement: "compile".to_owned(),
            file: "a.wasm".to_owned(),
            wasm_bytes: 3_000_000,
            samples: [(series::COMPILE.to_owned(), samples.to_vec())].into(),
            result: None,
        }
    }

    #[test]
    fn quantities_are_medians_of_what_is_not_skipped() {
        let time = Quantity {
            title: "",
            unit: Unit::Nanoseconds,
            series: series::COMPILE,
            skipped: 1,
        };
        assert_eq!(
            time.per_round(&[report(&[90.0, 1.0, 2.0, 3.0]), report(&[5.0])]),
            [2.0, 5.0]
        );
        assert!(time.per_round(&[report(&[])])[0].is_nan());
        let speed = Quantity {
            unit: Unit::MegabytesPerSecond,
            skipped: 0,
            ..time
        };
        assert_eq!(speed.per_round(&[report(&[2e9])]), [1.5]);
    }

    #[test]
    fn names_choose_measurements_and_unknown_ones_are_an_error() {
        let names = |chosen: &[&str]| -> Result<Vec<String>, Failure> {
            let chosen: Vec<String> = chosen.iter().map(|&name| name.to_owned()).collect();
            let plan = Plan::new(&chosen, 1, 10, true)?;
            Ok(plan
                .measurements
                .into_iter()
                .map(|measurement| measurement.name)
                .collect())
        };
        assert_eq!(names(&["compile", "fib"]).unwrap(), ["fib", "compile"]);
        assert!(names(&[]).unwrap().len() >= 10);
        assert!(names(&["fibs"]).unwrap_err().to_string().contains("`fibs`"));
    }

    #[test]
    fn kernels_of_a_millisecond_have_a_known_result() {
        for kernel in kernels(1, true).unwrap() {
            assert!(kernel.expected.is_some(), "{}", kernel.name);
        }
    }
}
