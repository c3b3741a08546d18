//! The look of a report: HTML without scripts that needs nothing but itself. Shapes are drawings that stretch with
//! the page, texts are HTML beside them, so that both can be read on a telephone too.

use std::fmt::Write;
use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use upshift::{FunctionTier, TierEvent, TierMode};
use upshift_module::{to_f64, to_u32, to_u64};

use crate::exports::printable;
use crate::summary::grouped;
use crate::timeline::MIDDLE_TIER;

use super::{Compile, Function, FunctionCounts, LoopTier, Move, Report, Shares, TiersOverTime};

const STYLE: &str = include_str!("style.css");
/// Width and height of the drawings' own units.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 100.0;
/// Targets of a call that are shown.
const REACHED: usize = 4;
/// Moves that are marked in the chart and listed under it.
const MARKED: usize = 40;

pub(super) fn render(report: &Report<'_>) -> String {
    let ending = report.ending;
    let program = ending.file.file_name().unwrap_or(ending.file.as_os_str());
    let program = program.to_string_lossy();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (program) " on Upshift" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (program) }
                p.command { code { (ending.command) } }
                (summary(report))
                (tiers_over_time(report))
                (compile_threads(report))
                (failures(&report.failures))
                (dropped(report.dropped_events))
                (functions(report))
                (calls(report))
                footer { "Upshift " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    page.into_string()
}

fn summary(report: &Report<'_>) -> Markup {
    let (stats, ending) = (&report.stats, report.ending);
    let (mode, what) = match ending.mode {
        TierMode::Auto => ("auto", "what turns out hot moves up"),
        TierMode::Baseline => ("baseline", "nothing moves"),
        TierMode::Optimizing => ("llvm", "all compiled before the start"),
    };
    let fact = |name: &str, value: &str, more: &str| {
        html! { div { dt { (name) } dd { (value) @if !more.is_empty() { small { (more) } } } } }
    };
    html! {
        @if let Some(failure) = &ending.failure {
            p.failure { (failure) }
        }
        dl.facts {
            (fact("whole run", &time(report.whole), "reading the module included"))
            (fact("mode", mode, what))
            (fact(
                "functions",
                &format!("{} in LLVM", grouped(report.counts.llvm)),
                &other_functions(&report.counts),
            ))
            (fact(
                "compiled by the baseline",
                &time(stats.baseline.compile_time),
                &format!("compiles: {}, {} bytes of code", grouped(stats.baseline.compiled),
                    grouped(stats.baseline.code_bytes)),
            ))
            (fact(
                "compiled by the middle tier",
                &time(stats.middle.compile_time),
                &format!("compiles: {}, {} bytes of code, {} failed",
                    grouped(stats.middle.compiled),
                    grouped(stats.middle.code_bytes), stats.middle.failed),
            ))
            (fact(
                "compiled by LLVM",
                &time(stats.optimizing.compile_time),
                &format!("compiles: {}, {} bytes of code, {} failed, {} unfinished",
                    grouped(stats.optimizing.compiled),
                    grouped(stats.optimizing.code_bytes),
                    stats.optimizing.failed, stats.pending),
            ))
            (fact(
                "moves in running loops",
                &grouped(stats.osr_entered),
                &format!("entries at loops: {}", stats.osr_entries),
            ))
        }
    }
}

/// The functions by tier, after the number of those in LLVM.
fn other_functions(counts: &FunctionCounts) -> String {
    let mut text = String::new();
    if counts.llvm_at_loops > 0 {
        text += &format!("{} of them at a loop, ", grouped(counts.llvm_at_loops));
    }
    text += &format!("{} in the middle tier", grouped(counts.middle));
    if counts.middle_at_loops > 0 {
        text += &format!(" ({} at a loop)", grouped(counts.middle_at_loops));
    }
    let (baseline, rest) = (grouped(counts.baseline), grouped(counts.not_compiled));
    text + &format!(", {baseline} in the baseline, {rest} not compiled")
}

fn tiers_over_time(report: &Report<'_>) -> Markup {
    let tiers = match (&report.tiers, &report.ending.samples) {
        (Some(tiers), _) => tiers,
        (None, Err(why)) => {
            return html! { h2 { "Tiers over time" } p { "Not sampled: " (why.to_string()) } };
        }
        (None, Ok(_)) => {
            return html! { h2 { "Tiers over time" } p { "The run was too short to be sampled." } };
        }
    };
    let all = tiers.all.total();
    let marked = report.moves.len().min(MARKED);
    html! {
        h2 { "Tiers over time" }
        p {
            "Where the program's thread was, by samples of its CPU time ("
            (grouped(all)) " in all): "
            (key("llvm", "LLVM", tiers.all.llvm, all)) ", "
            (key("middle", "middle tier", tiers.all.middle, all)) ", "
            (key("baseline", "baseline", tiers.all.baseline, all)) ", "
            (key("elsewhere", "host and runtime", tiers.all.elsewhere, all)) "."
        }
        div.chart role="img" aria-label="share of samples by tier over time" {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" {
                (steps(tiers, report.whole))
            }
            @for (number, moved) in report.moves.iter().take(MARKED).enumerate() {
                div.mark style={ "left:" (percent_of(moved.at, report.whole)) } {
                    @if number < 9 { span { (number + 1) } }
                }
            }
        }
        (axis(report.whole))
        @if marked > 0 {
            h3 { "Moves up" }
            ol.moves {
                @for moved in report.moves.iter().take(MARKED) {
                    li { time { (time(moved.at)) } " " (describe(moved)) }
                }
            }
            @if report.moves.len() > marked {
                p { "… and " (grouped(report.moves.len() - marked)) " more" }
            }
        }
    }
}

/// A colour, its meaning, and its share.
fn key(class: &str, name: &str, part: u64, whole: u64) -> Markup {
    html! { span.key { i class=(class) {} (name) " " (share(part, whole)) } }
}

fn describe(moved: &Move<'_>) -> Markup {
    let code = match moved.tier {
        MIDDLE_TIER => "the middle tier's code",
        _ => "LLVM's code",
    };
    html! {
        (named(moved.function, moved.name))
        @match moved.in_loop {
            Some(number) => { ": a running frame moved up in loop " (number) " to " (code) },
            None => { ": calls go to " (code) },
        }
    }
}

/// The columns of the chart: in each, the tiers on top of each other.
fn steps(tiers: &TiersOverTime, whole: Duration) -> Markup {
    let x_of = |at: Duration| at.as_secs_f64() / whole.as_secs_f64() * WIDTH;
    let width = x_of(tiers.step);
    let mut paths = [
        ("elsewhere", String::new()),
        ("baseline", String::new()),
        ("middle", String::new()),
        ("llvm", String::new()),
    ];
    for (number, shares) in tiers.steps.iter().enumerate() {
        let total = shares.total();
        if total == 0 {
            continue;
        }
        let Shares {
            llvm,
            middle,
            baseline,
            elsewhere,
        } = *shares;
        let x = x_of(tiers.start + tiers.step * to_u32(number));
        let mut top = HEIGHT;
        for ((_, path), part) in paths.iter_mut().zip([elsewhere, baseline, middle, llvm]) {
            let height = to_f64(part) / to_f64(total) * HEIGHT;
            top -= height;
            if part > 0 {
                // Writing to a string cannot fail.
                let _ = write!(path, "M{x:.2} {top:.2}h{width:.2}v{height:.2}h-{width:.2}z");
            }
        }
    }
    html! { @for (class, path) in &paths { path class=(class) d=(path) {} } }
}

fn axis(whole: Duration) -> Markup {
    html! {
        div.axis {
            @for quarter in 0..=4 { span { (time(whole * quarter / 4)) } }
        }
    }
}

fn compile_threads(report: &Report<'_>) -> Markup {
    if report.threads.is_empty() {
        return html! {};
    }
    let whole = report.whole;
    let busy = |thread: &[Compile<'_>]| -> Duration { thread.iter().map(|c| c.time).sum() };
    html! {
        h2 { "Compile threads" }
        p { "When hot functions were compiled, and which; as few threads as can have done it. "
            "A box begins where the compile began, and code is used after it has ended." }
        @for thread in &report.threads {
            div.chart.thread {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" {
                    @for compile in thread { (bar(compile, whole)) }
                }
            }
            p.note { "busy " (share_of(busy(thread), whole)) " of the time, "
                (grouped(thread.len())) " compiles" }
        }
        (axis(whole))
        @if report.more_compiles > 0 {
            p { "… and " (grouped(report.more_compiles)) " shorter ones that are not drawn" }
        }
    }
}

fn bar(compile: &Compile<'_>, whole: Duration) -> Markup {
    let x = compile.start.as_secs_f64() / whole.as_secs_f64() * WIDTH;
    // The part after the program's end is cut off.
    let width = (compile.time.as_secs_f64() / whole.as_secs_f64() * WIDTH)
        .min(WIDTH - x)
        .max(0.5);
    let event = compile.event;
    html! {
        rect class={ "compile " (compile.tier) } x={ (format!("{x:.2}")) } y="0" width={ (format!("{width:.2}")) } height=(HEIGHT) {
            title { (named(event.function, event.name.as_deref())) ", "
                (time(compile.time)) ", " (grouped(compile.bytes)) " bytes" }
        }
    }
}

fn failures(failures: &[&TierEvent]) -> Markup {
    html! {
        @if !failures.is_empty() {
            h2 { "Compiles that failed" }
            p { "These stay where they were." }
            ul { @for event in failures { li { (event.to_string().trim()) } } }
        }
    }
}

fn dropped(events: u64) -> Markup {
    html! {
        @if events > 0 {
            p { "There was no room for " (grouped(events)) " later events: compiles and moves above are those before." }
        }
    }
}

fn functions(report: &Report<'_>) -> Markup {
    let all = report.tiers.as_ref().map_or(0, |tiers| tiers.all.total());
    html! {
        h2 { "Functions" }
        p { "By sampled time. Calls and work, in operators, are what was counted before LLVM." }
        div.wide {
            table.functions {
                thead { tr {
                    th.text { "function" }
                    th.number { "time" }
                    th.number { "in LLVM" }
                    th.number { "in middle tier" }
                    th.number { "in baseline" }
                    th.text.tier { "calls go to" }
                    th.number { "moved up at" }
                    th.number { "calls counted" }
                    th.number { "work" }
                    th.number.extra { "baseline compile" }
                    th.number { "LLVM compile" }
                    th.number.extra { "LLVM bytes" }
                    th.number.extra { "loop entries" }
                    th.number { "entered" }
                } }
                tbody { @for function in &report.functions { (row(function, all)) } }
            }
        }
        @if report.more_functions > 0 {
            p { "… and " (grouped(report.more_functions)) " more that ran" }
        }
    }
}

fn row(function: &Function<'_>, all: u64) -> Markup {
    let (stats, samples) = (&function.stats, function.samples);
    let calls = match stats.tier {
        FunctionTier::NotCompiled => "its first compile",
        FunctionTier::Baseline => "baseline",
        FunctionTier::Middle => "middle",
        FunctionTier::Optimizing => "LLVM",
    };
    let at_loop = match function.at_loop {
        None => "",
        Some(LoopTier::Middle) => ", at a loop middle",
        Some(LoopTier::Llvm) => ", at a loop LLVM",
    };
    let moved = function.moved.map_or_else(String::new, time);
    html! {
        tr {
            (row_head(stats.function, function.name))
            td { (share(samples.total(), all)) }
            td { (share(samples.llvm, all)) }
            td { (share(samples.middle, all)) }
            td { (share(samples.baseline, all)) }
            td.text { (calls) (at_loop) }
            td { (moved) }
            td { @if let Some(calls) = stats.calls { (short(calls)) } }
            td { (short(stats.work)) }
            td.extra { (time(stats.baseline.compile_time)) }
            td { @if stats.optimizing.compiled > 0 { (time(stats.optimizing.compile_time)) } }
            td.extra { @if stats.optimizing.compiled > 0 { (short(to_u64(stats.optimizing.code_bytes))) } }
            td.extra { @if stats.osr_entries > 0 { (stats.osr_entries) } }
            td { @if stats.osr_entered > 0 { (short(stats.osr_entered)) } }
        }
    }
}

/// The first cell of a row: a function. A name that is cut is whole in its title.
fn row_head(index: u32, name: Option<&str>) -> Markup {
    let title = name.map(|name| format!("{}, function {index}", printable(name)));
    html! { th.text scope="row" title=[title] { (named(index, name)) } }
}

/// A number in few characters. The exact one is its title.
fn short(number: u64) -> Markup {
    let exact = grouped(number);
    let short = compact(number);
    html! { @if short == exact { (short) } @else { span title=(exact) { (short) } } }
}

/// The targets of calls through tables.
fn calls(report: &Report<'_>) -> Markup {
    if report.calls.is_empty() {
        return html! {};
    }
    let module = report.ending.module;
    let named_by_index = |function: u32| named(function, module.function_name(function));
    html! {
        h2 { "Calls through tables" }
        p { "What was sampled of them in the baseline, the most sampled first. LLVM tries likely targets directly." }
        div.wide {
            table.calls {
                thead { tr {
                    th.text { "in function" } th.number { "at byte" } th.number { "samples" } th.text.reached { "reached" }
                } }
                tbody { @for call in &report.calls {
                    tr {
                        (row_head(call.function, module.function_name(call.function)))
                        td { (format!("{:#x}", call.offset)) }
                        td { (grouped(u64::from(call.samples))) }
                        td.text { @for (index, (target, count)) in call.targets.iter().take(REACHED).enumerate() {
                            @if index > 0 { ", " }
                            (named_by_index(*target)) " " (share(u64::from(*count), u64::from(call.samples)))
                        } }
                    }
                } }
            }
        }
        @if report.more_calls > 0 {
            p { "… and " (grouped(report.more_calls)) " more that were seen" }
        }
    }
}

/// A function's index, and its name if it has one.
fn named(function: u32, name: Option<&str>) -> Markup {
    html! {
        @match name {
            Some(name) => { (printable(name)) " " small { (function) } },
            None => { "function " (function) },
        }
    }
}

/// A number in six characters at most, as far as numbers of operators go.
fn compact(number: u64) -> String {
    match number {
        0..10_000 => grouped(number),
        10_000..1_000_000 => scaled(number, 1e3, "k"),
        1_000_000..1_000_000_000 => scaled(number, 1e6, "M"),
        1_000_000_000..1_000_000_000_000 => scaled(number, 1e9, "G"),
        _ => scaled(number, 1e12, "T"),
    }
}

/// A number in a larger unit, with three digits or more.
fn scaled(number: u64, unit: f64, prefix: &str) -> String {
    let in_unit = to_f64(number) / unit;
    let decimals = match in_unit {
        99.95.. => 0,
        9.995.. => 1,
        _ => 2,
    };
    format!("{in_unit:.decimals$} {prefix}")
}

fn share(part: u64, whole: u64) -> String {
    match whole {
        0 => String::new(),
        _ => format!("{:.1} %", to_f64(part) * 100.0 / to_f64(whole)),
    }
}

fn share_of(part: Duration, whole: Duration) -> String {
    format!("{:.0} %", part.as_secs_f64() / whole.as_secs_f64() * 100.0)
}

fn percent_of(at: Duration, whole: Duration) -> String {
    format!(
        "{:.2}%",
        (at.as_secs_f64() / whole.as_secs_f64() * 100.0).min(100.0)
    )
}

/// With a unit that leaves three or four digits.
fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        100.0.. => format!("{seconds:.0} s"),
        1.0.. => format!("{seconds:.2} s"),
        0.1.. => format!("{:.0} ms", seconds * 1e3),
        1e-3.. => format!("{:.1} ms", seconds * 1e3),
        0.0 => "0".to_owned(),
        _ => format!("{:.0} µs", seconds * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_at_least() {
        for (number, text) in [
            (0, "0"),
            (9_999, "9 999"),
            (10_000, "10.0 k"),
            (123_456, "123 k"),
            (1_234_567, "1.23 M"),
            (12_345_678, "12.3 M"),
            (99_960_000, "100 M"),
            (9_999_000_000, "10.0 G"),
            (5_000_000_000_000, "5.00 T"),
        ] {
            assert_eq!(compact(number), text);
        }
    }
}
