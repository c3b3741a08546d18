//! What is measured: the runs of the engines' binaries, and which of the raw samples make which line of the table.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;
use upshift_bench_protocol::{Report, series};
use upshift_kernels::{Kernel, RUN};

use super::table::{fastest, median};
use crate::failure::Failure;
use crate::process;

/// What code of a baseline is compared with: no optimization, the same register allocator.
const BASELINE_REFERENCE: &str = "wasmtime-cranelift-none-singlepass";

/// What users would use instead.
const USUAL_REFERENCE: &str = "wasmtime-cranelift";

/// What code that takes its time to compile is compared with.
const NATIVE_REFERENCE: &str = "native";

/// The tiers that the mixture of both is compared with.
const SINGLE_TIERS: &[&str] = &["upshift-baseline", "upshift-llvm"];

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
    statistic: Statistic,
}

/// How the samples of a round become one number.
#[derive(Debug, Clone, Copy)]
enum Statistic {
    /// For what varies by itself.
    Median,
    /// For the same computation again and again: what makes one slower than another is other programs.
    Fastest,
}

impl Quantity {
    /// Whether a report tells it.
    pub fn is_measured_in(&self, report: &Report) -> bool {
        report.samples.contains_key(self.series)
    }

    /// One number for each report.
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
                    match self.statistic {
                        Statistic::Median => median(&samples[skipped..]),
                        Statistic::Fastest => fastest(&samples[skipped..]),
                    }
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
    pub task: Task,
    /// What it tells; the first is what tables of ratios are about.
    pub quantities: Vec<Quantity>,
    /// The engines that ratios refer to if nothing else is asked for: the first that takes part.
    pub references: &'static [&'static str],
    /// The result that every engine must print, if it is known.
    pub expected: Option<String>,
}

/// What an engine is to do.
#[derive(Debug)]
pub enum Task {
    /// A command line of the protocol.
    Protocol(Vec<OsString>),
    /// Calls of a kernel when all its code is in its final tier.
    Kernel(KernelCalls),
    /// One call of a kernel in a process of its own, timed from outside.
    Process(KernelCalls),
    /// One call of a kernel, everything from the bytes on included.
    Total(KernelCalls),
}

/// Calls of a function of a kernel.
#[derive(Debug)]
pub struct KernelCalls {
    pub kernel: Kernel,
    pub function: String,
    pub n: i32,
    /// How many calls count.
    pub repeat: u32,
    /// How long others come first.
    pub warm_up_milliseconds: u32,
    /// How long one takes natively, about.
    pub native_milliseconds: u32,
}

/// Measurements with one table of ratios, a line for each.
#[derive(Debug)]
pub struct Group {
    pub title: String,
    /// Ratios are to the fastest of these.
    pub references: &'static [&'static str],
    /// Names of measurements, and what they are called in the table.
    pub measurements: Vec<(String, String)>,
}

/// What the command line says about what is measured.
#[derive(Debug)]
pub struct Wishes {
    pub measurements: Vec<String>,
    /// Names of kernels; all if there are none.
    pub kernels: Vec<String>,
    pub kernel_milliseconds: u32,
    pub warm_up_milliseconds: u32,
    /// How much work [`Task::Total`] is measured with.
    pub work_milliseconds: Vec<u32>,
    pub functions: u32,
    pub quick: bool,
}

/// Everything that is measured in a round.
#[derive(Debug)]
pub struct Plan {
    pub measurements: Vec<Measurement>,
    pub groups: Vec<Group>,
    pub large_module: PathBuf,
}

impl Plan {
    /// The measurements that are wished for; all usual ones if none is.
    ///
    /// # Errors
    /// If there is no measurement and no kernel of a name, or the kernels can't be read.
    pub fn new(wishes: &Wishes) -> Result<Plan, Failure> {
        let functions = wishes.functions;
        let large_module = process::target().join(format!("large-module-{functions}.wasm"));
        let modules = process::root().join("benches/modules");
        let mut others = vec![
            compile(&large_module, wishes.quick),
            first_result(&large_module),
            instantiate(&modules.join("instantiate.wat")),
            per_call("typed-call", &modules.join("typed_call.wat")),
            per_call("host-call", &modules.join("host_call.wat")),
            per_call("call-indirect", &modules.join("call_indirect.wat")),
        ];
        let mut kernels = upshift_kernels::all()?;
        others.extend(whole_process(&kernels, wishes.quick));
        check_names(wishes, &kernels, &others)?;
        let named = |name: &str| wishes.measurements.iter().any(|wished| wished == name);
        let none_is_named = wishes.measurements.is_empty();
        if !wishes.kernels.is_empty() {
            kernels.retain(|kernel| wishes.kernels.contains(&kernel.name));
        }

        let (mut measurements, mut groups) = (Vec::new(), Vec::new());
        for kernel in &kernels {
            if none_is_named || named("kernels") || named(&kernel.name) {
                measurements.push(calls(kernel, wishes)?);
            }
        }
        groups.extend(steady_groups(&measurements));
        others.retain(|measurement| none_is_named || named(&measurement.name));
        measurements.extend(others);
        if named("tier-total") {
            for &work in &wishes.work_milliseconds {
                let totals: Vec<Measurement> = kernels
                    .iter()
                    .map(|kernel| total(kernel, work))
                    .collect::<Result<_, _>>()?;
                groups.push(Group {
                    title: format!(
                        "bytes to result of one call of {work} ms of native work, over the better of both tiers"
                    ),
                    references: SINGLE_TIERS,
                    measurements: lines(&totals),
                });
                measurements.extend(totals);
            }
        }
        Ok(Plan {
            measurements,
            groups,
            large_module,
        })
    }

    /// Whether any measurement reads the large module.
    pub fn needs_large_module(&self) -> bool {
        let file = self.large_module.as_os_str();
        self.measurements.iter().any(|measurement| {
            matches!(&measurement.task, Task::Protocol(arguments)
                if arguments.iter().any(|argument| argument == file))
        })
    }

    /// The kernels that are measured.
    pub fn kernels(&self) -> Vec<&Kernel> {
        let mut kernels: Vec<&Kernel> = Vec::new();
        for measurement in &self.measurements {
            if let Some(calls) = measurement.task.kernel_calls()
                && !kernels.iter().any(|known| known.name == calls.kernel.name)
            {
                kernels.push(&calls.kernel);
            }
        }
        kernels
    }

    /// Whether a measurement is a line of a table of ratios.
    pub fn is_in_group(&self, measurement: &Measurement) -> bool {
        self.groups
            .iter()
            .flat_map(|group| &group.measurements)
            .any(|(name, _)| *name == measurement.name)
    }
}

impl KernelCalls {
    /// One call, the first.
    pub fn once(kernel: &Kernel, n: i32, native_milliseconds: u32) -> Self {
        Self {
            kernel: kernel.clone(),
            function: RUN.to_owned(),
            n,
            repeat: 1,
            warm_up_milliseconds: 0,
            native_milliseconds,
        }
    }
}

impl Task {
    /// The calls of a kernel, if it is about one.
    pub fn kernel_calls(&self) -> Option<&KernelCalls> {
        match self {
            Task::Protocol(_) => None,
            Task::Kernel(calls) | Task::Process(calls) | Task::Total(calls) => Some(calls),
        }
    }

    /// The command line for what speaks the protocol.
    pub fn arguments(&self) -> Vec<OsString> {
        let kernel = |measurement, calls: &KernelCalls, rest: &[&str]| {
            let n = calls.n.to_string();
            let mut all = vec![calls.function.as_str(), n.as_str()];
            all.extend(rest);
            arguments(measurement, &calls.kernel.wasm_path(), &all)
        };
        match self {
            Task::Protocol(arguments) => arguments.clone(),
            Task::Kernel(calls) => kernel(
                "kernel",
                calls,
                &[
                    "--repeat",
                    &calls.repeat.to_string(),
                    "--warm-up-ms",
                    &calls.warm_up_milliseconds.to_string(),
                ],
            ),
            Task::Process(calls) | Task::Total(calls) => kernel("first-result", calls, &[]),
        }
    }
}

/// A command line of the engines' binaries.
fn arguments(measurement: &str, file: &Path, rest: &[&str]) -> Vec<OsString> {
    let mut arguments = vec![OsString::from(measurement), file.as_os_str().to_owned()];
    arguments.extend(rest.iter().map(OsString::from));
    arguments
}

fn check_names(wishes: &Wishes, kernels: &[Kernel], others: &[Measurement]) -> Result<(), Failure> {
    let is_kernel = |name: &String| kernels.iter().any(|kernel| kernel.name == *name);
    for name in &wishes.measurements {
        let is_group = ["kernels", "tier-total"].contains(&name.as_str());
        let is_other = others.iter().any(|measurement| measurement.name == *name);
        if !(is_group || is_other || is_kernel(name)) {
            return Err(Failure::Usage(format!(
                "no measurement and no kernel `{name}`; see `cargo xtask help compare`"
            )));
        }
    }
    match wishes.kernels.iter().find(|name| !is_kernel(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::Usage(format!(
            "`{name}` is no kernel in benches/kernels/kernels.toml"
        ))),
    }
}

/// The argument for so much work, and the result if it is known.
///
/// # Errors
/// If it is more than the kernel can be asked for.
pub fn run_for(kernel: &Kernel, milliseconds: u32) -> Result<(i32, Option<String>), Failure> {
    let Some(n) = i32::try_from(milliseconds)
        .ok()
        .and_then(|factor| kernel.n_for_1_ms.checked_mul(factor))
    else {
        return Err(Failure::Usage(format!(
            "{milliseconds} ms are too many for the kernel {}",
            kernel.name
        )));
    };
    Ok((n, result_of(kernel, RUN, n)))
}

fn result_of(kernel: &Kernel, function: &str, n: i32) -> Option<String> {
    kernel
        .checks
        .iter()
        .find(|check| check.call == function && check.with == n)
        .map(|check| check.gives.to_string())
}

fn calls(kernel: &Kernel, wishes: &Wishes) -> Result<Measurement, Failure> {
    let (n, expected) = run_for(kernel, wishes.kernel_milliseconds)?;
    Ok(Measurement {
        name: kernel.name.clone(),
        task: Task::Kernel(KernelCalls {
            kernel: kernel.clone(),
            function: RUN.to_owned(),
            n,
            repeat: if wishes.quick { 4 } else { 10 },
            warm_up_milliseconds: wishes.warm_up_milliseconds,
            native_milliseconds: wishes.kernel_milliseconds,
        }),
        quantities: vec![
            Quantity {
                title: "a call",
                unit: Unit::Nanoseconds,
                series: series::CALL,
                skipped: 0,
                statistic: Statistic::Fastest,
            },
            Quantity {
                title: "bytes to module (lazy engines compile later)",
                unit: Unit::Nanoseconds,
                series: series::COMPILE,
                skipped: 0,
                statistic: Statistic::Median,
            },
        ],
        references: &[NATIVE_REFERENCE, BASELINE_REFERENCE],
        expected,
    })
}

fn steady_groups(measurements: &[Measurement]) -> Vec<Group> {
    let group = |title: &str, references| Group {
        title: title.to_owned(),
        references,
        measurements: lines(measurements),
    };
    if measurements.is_empty() {
        return Vec::new();
    }
    vec![
        group(
            "a call in the steady state, over native code",
            &[NATIVE_REFERENCE],
        ),
        group(
            "the same over the better of both native builds",
            &[NATIVE_REFERENCE, "native-march"],
        ),
    ]
}

/// A line for each measurement of a kernel.
fn lines(measurements: &[Measurement]) -> Vec<(String, String)> {
    let line = |measurement: &Measurement| {
        let calls = measurement.task.kernel_calls()?;
        Some((measurement.name.clone(), calls.kernel.name.clone()))
    };
    measurements.iter().filter_map(line).collect()
}

fn total(kernel: &Kernel, work_milliseconds: u32) -> Result<Measurement, Failure> {
    let (n, expected) = run_for(kernel, work_milliseconds)?;
    Ok(Measurement {
        name: format!("{} for {work_milliseconds} ms", kernel.name),
        task: Task::Total(KernelCalls::once(kernel, n, work_milliseconds)),
        quantities: vec![Quantity {
            title: "bytes to result",
            unit: Unit::Nanoseconds,
            series: series::FIRST_RESULT,
            skipped: 0,
            statistic: Statistic::Median,
        }],
        references: SINGLE_TIERS,
        expected,
    })
}

/// N-body, some 300 ms of it, in one call.
fn whole_process(kernels: &[Kernel], quick: bool) -> Option<Measurement> {
    const KERNEL: &str = "nbody";
    let n = if quick { 1_000 } else { 5_000_000 };
    let kernel = kernels.iter().find(|kernel| kernel.name == KERNEL)?;
    Some(Measurement {
        name: "whole-process".to_owned(),
        expected: result_of(kernel, KERNEL, n),
        task: Task::Process(KernelCalls {
            kernel: kernel.clone(),
            function: KERNEL.to_owned(),
            n,
            repeat: 1,
            warm_up_milliseconds: 0,
            native_milliseconds: 0,
        }),
        quantities: vec![Quantity {
            title: "n-body in one call, from the start of the process to its end",
            unit: Unit::Nanoseconds,
            series: series::PROCESS,
            skipped: 0,
            statistic: Statistic::Median,
        }],
        references: &["upshift-llvm"],
    })
}

fn compile(large_module: &Path, quick: bool) -> Measurement {
    let repeat = if quick { "1" } else { "3" };
    Measurement {
        name: "compile".to_owned(),
        task: Task::Protocol(arguments(
            "compile",
            large_module,
            &["--threads", "1", "--repeat", repeat],
        )),
        quantities: vec![
            Quantity {
                title: "throughput on one thread",
                unit: Unit::MegabytesPerSecond,
                series: series::COMPILE,
                skipped: 0,
                statistic: Statistic::Median,
            },
            Quantity {
                title: "time on one thread",
                unit: Unit::Nanoseconds,
                series: series::COMPILE,
                skipped: 0,
                statistic: Statistic::Median,
            },
        ],
        references: &[BASELINE_REFERENCE],
        expected: None,
    }
}

fn first_result(large_module: &Path) -> Measurement {
    Measurement {
        name: "first-result".to_owned(),
        task: Task::Protocol(arguments(
            "first-result",
            large_module,
            &["main", LARGE_MODULE_ARGUMENT],
        )),
        quantities: vec![Quantity {
            title: "bytes to first result",
            unit: Unit::Nanoseconds,
            series: series::FIRST_RESULT,
            skipped: 0,
            statistic: Statistic::Median,
        }],
        references: &[USUAL_REFERENCE],
        expected: None,
    }
}

fn instantiate(file: &Path) -> Measurement {
    let quantity = |title, series| Quantity {
        title,
        unit: Unit::Nanoseconds,
        series,
        skipped: 10,
        statistic: Statistic::Median,
    };
    Measurement {
        name: "instantiate".to_owned(),
        task: Task::Protocol(arguments("instantiate", file, &[])),
        quantities: vec![
            quantity("a store and an instance", series::INSTANTIATE),
            quantity("dropping them", series::DROP),
        ],
        references: &[USUAL_REFERENCE],
        expected: None,
    }
}

fn per_call(name: &str, file: &Path) -> Measurement {
    Measurement {
        name: name.to_owned(),
        task: Task::Protocol(arguments(name, file, &[])),
        quantities: vec![Quantity {
            title: "one call",
            unit: Unit::Nanoseconds,
            series: series::PER_CALL,
            skipped: 0,
            statistic: Statistic::Median,
        }],
        references: &[USUAL_REFERENCE],
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
            statistic: Statistic::Median,
        };
        assert_eq!(
            time.per_round(&[report(&[90.0, 1.0, 2.0, 3.0]), report(&[5.0])]),
            [2.0, 5.0]
        );
        assert!(time.per_round(&[report(&[])])[0].is_nan());
        let speed = Quantity {
            unit: Unit::MegabytesPerSecond,
            skipped: 0,
            statistic: Statistic::Fastest,
            ..time
        };
        assert_eq!(speed.per_round(&[report(&[4e9, 2e9])]), [1.5]);
    }

    fn plan(measurements: &[&str], kernels: &[&str]) -> Result<Plan, Failure> {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Plan::new(&Wishes {
            measurements: owned(measurements),
            kernels: owned(kernels),
            kernel_milliseconds: 1,
            warm_up_milliseconds: 0,
            work_milliseconds: vec![1, 10],
            functions: 10,
            quick: true,
        })
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.measurements
            .iter()
            .map(|measurement| measurement.name.as_str())
            .collect()
    }

    #[test]
    fn names_choose_measurements_and_unknown_ones_are_an_error() {
        let chosen = plan(&["compile", "fib"], &[]).unwrap();
        assert_eq!(names(&chosen), ["fib", "compile"]);
        assert!(names(&plan(&[], &[]).unwrap()).len() >= 10);
        for (measurements, kernels) in [(["fibs"], "fib"), (["kernels"], "fibs")] {
            let error = plan(&measurements, &[kernels]).unwrap_err();
            assert!(error.to_string().contains("`fibs`"), "{error}");
        }
    }

    #[test]
    fn kernels_can_be_chosen_within_a_group() {
        let chosen = plan(&["kernels"], &["fib", "nbody"]).unwrap();
        assert_eq!(names(&chosen), ["nbody", "fib"]);
        assert_eq!(chosen.kernels().len(), 2);
        let chosen = plan(&["tier-total"], &["fib"]).unwrap();
        assert_eq!(names(&chosen), ["fib for 1 ms", "fib for 10 ms"]);
        assert_eq!(chosen.groups.len(), 2);
        assert!(chosen.is_in_group(&chosen.measurements[0]));
    }

    #[test]
    fn short_runs_of_kernels_and_the_process_have_a_known_result() {
        let known = plan(&["kernels", "tier-total", "whole-process"], &[]).unwrap();
        for measurement in known.measurements {
            assert!(measurement.expected.is_some(), "{}", measurement.name);
        }
    }
}
