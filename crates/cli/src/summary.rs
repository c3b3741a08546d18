//! `--stats`: a summary of a run at its end, on the standard error. Its figures are measured only when
//! it is wanted.

use std::cmp::Reverse;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use upshift::{AheadTotals, FunctionStats, Module, Sampler, Samples, TierStats, TierTotals};
use upshift_module::to_f64;

use crate::exports::printable;
use crate::timeline::{FIRST_TIER, MIDDLE_TIER};

/// How often the thread that runs the program is looked at, in CPU time.
const PERIOD: Duration = Duration::from_millis(1);
/// Functions that are listed.
const LISTED: usize = 20;

/// A run that is being measured.
pub(crate) struct Measured {
    start: Instant,
    /// Or why there is none.
    sampler: io::Result<Sampler>,
}

impl Measured {
    /// From here on, this thread is sampled.
    pub(crate) fn start() -> Self {
        Self {
            sampler: Sampler::start(PERIOD),
            start: Instant::now(),
        }
    }

    /// Ends the measurement, on the thread that started it.
    pub(crate) fn stop(self) -> Finished {
        Finished {
            start: self.start,
            time: self.start.elapsed(),
            samples: self.sampler.map(Sampler::stop),
        }
    }
}

/// The measurements of a run.
pub(crate) struct Finished {
    pub(crate) start: Instant,
    time: Duration,
    /// Or why there are none.
    pub(crate) samples: io::Result<Samples>,
}

impl Finished {
    /// Prints it, and the counts of the module's tiering.
    pub(crate) fn print(&self, module: &Module, out: &mut dyn Write) -> io::Result<()> {
        let stats = module.tier_stats();
        writeln!(out, "ran for {}", milliseconds(self.time))?;
        write_totals(&stats, out)?;
        let held = grouped(module.code_memory());
        writeln!(out, "code memory  {held} bytes held")?;
        let none = Samples::default();
        let samples = match &self.samples {
            Ok(samples) => samples,
            Err(error) => {
                writeln!(out, "time         not sampled: {error}")?;
                &none
            }
        };
        write_shares(samples, out)?;
        write_functions(module, samples, out)
    }
}

fn write_totals(stats: &TierStats, out: &mut dyn Write) -> io::Result<()> {
    let functions = &stats.functions;
    writeln!(
        out,
        "functions    {} in llvm, {} in the middle tier, {} in the baseline, {} not compiled",
        functions.optimizing, functions.middle, functions.baseline, functions.not_compiled
    )?;
    if stats.ahead.compiled > 0 {
        let AheadTotals {
            compiled,
            called,
            compile_time,
        } = stats.ahead;
        let time = milliseconds(compile_time);
        writeln!(
            out,
            "ahead        {compiled} compiled in {time} before they were called, as {called} then were"
        )?;
    }
    if let Some(calls) = stats.calls {
        let calls = grouped(calls);
        writeln!(out, "calls        {calls} counted before llvm")?;
    }
    writeln!(
        out,
        "work         {} operators counted before llvm",
        grouped(stats.work)
    )?;
    let tiers = [
        (FIRST_TIER, &stats.baseline),
        (MIDDLE_TIER, &stats.middle),
        ("llvm", &stats.optimizing),
    ];
    for (name, totals) in tiers {
        let TierTotals {
            compiled,
            failed,
            compile_time,
            code_bytes,
        } = totals;
        let time = milliseconds(*compile_time);
        let bytes = grouped(code_bytes);
        writeln!(
            out,
            "{name:<13}{compiled} compiled in {time}, {bytes} bytes of code, {failed} failed"
        )?;
    }
    if stats.pending > 0 {
        let pending = stats.pending;
        writeln!(
            out,
            "             {pending} more queued or being compiled at the end"
        )?;
    }
    let (compiled, entered) = (stats.osr_entries, stats.osr_entered);
    writeln!(
        out,
        "OSR entries  {compiled} compiled, entered {entered} times"
    )
}

fn write_shares(samples: &Samples, out: &mut dyn Write) -> io::Result<()> {
    let total = samples.total();
    if total == 0 {
        return writeln!(out, "time         too short to be sampled");
    }
    let of = |tier| {
        let of_tier = samples.functions.iter().filter(|f| f.tier == tier);
        percent(of_tier.map(|f| f.count).sum(), total)
    };
    writeln!(
        out,
        "time         {} in llvm, {} in the middle tier, {} in the baseline, {} in host and runtime \
         ({total} samples)",
        of("llvm"),
        of(MIDDLE_TIER),
        of(FIRST_TIER),
        percent(samples.elsewhere, total)
    )
}

/// Function by function: share of time by tier, calls and work counted, compile time.
fn write_functions(module: &Module, samples: &Samples, out: &mut dyn Write) -> io::Result<()> {
    let total = samples.total().max(1);
    let seen = |function: u32, tier: Option<&str>| -> u64 {
        let of = samples.functions.iter().filter(|f| f.function == function);
        let of = of.filter(|f| tier.is_none_or(|tier| f.tier == tier));
        of.map(|f| f.count).sum()
    };
    let mut functions: Vec<FunctionStats> = module
        .function_stats()
        .filter(|stats| stats.baseline.compiled + stats.optimizing.compiled > 0)
        .collect();
    functions.sort_by_key(|stats| Reverse((seen(stats.function, None), stats.work)));
    if functions.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{:>8} {:>8} {:>8} {:>16} {:>18} {:>14}  function",
        "llvm", "middle", "baseline", "counted calls", "counted operators", "llvm compile"
    )?;
    for stats in functions.iter().take(LISTED) {
        let function = stats.function;
        let name = module.function_name(function);
        let name = name.map_or_else(String::new, |name| format!(" ({})", printable(name)));
        writeln!(
            out,
            "{:>8} {:>8} {:>8} {:>16} {:>18} {:>14}  function {function}{name}",
            percent(seen(function, Some("llvm")), total),
            percent(seen(function, Some(MIDDLE_TIER)), total),
            percent(seen(function, Some(FIRST_TIER)), total),
            stats.calls.map_or_else(String::new, grouped),
            grouped(stats.work),
            milliseconds(stats.optimizing.compile_time),
        )?;
    }
    if let Some(more @ 1..) = functions.len().checked_sub(LISTED) {
        writeln!(out, "{:>79}… and {more} more that ran", "")?;
    }
    Ok(())
}

fn percent(part: u64, total: u64) -> String {
    format!("{:.1} %", to_f64(part) * 100.0 / to_f64(total))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: impl fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1 000"),
            (1234567, "1 234 567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
