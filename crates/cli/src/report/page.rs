//! The look of a report: HTML without scripts that needs nothing but itself. Shapes are drawings that stretch with
//! the page, texts are HTML beside them, so that both can be read on a telephone too.

use std::fmt::Write;
use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use upshift::{FunctionTier, TierEvent, TierMode};
use upshift_module::{to_f64, to_u32};

use crate::exports::printable;
use crate::summary::grouped;
use crate::timeline::MIDDLE_TIER;

use super::{Compile, Function, Move, Report, Shares, TiersOverTime};

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
                &format!("{} in LLVM", grouped(stats.functions.optimizing)),
                &format!("{} in the middle tier, {} in the baseline, {} not compiled",
                    grouped(stats.functions.middle),
                    grouped(stats.functions.baseline),
                    grouped(stats.functions.not_compiled)),
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
            table {
                thead { tr {
                    th.text { "function" } th { "time" } th { "in LLVM" } th { "in middle tier" } th { "in baseline" } th.text { "calls go to" }
                    th { "moved up at" } th { "calls counted" } th { "work" } th { "baseline compile" } th { "LLVM compile" }
                    th { "LLVM bytes" } th { "loop entries" } th { "entered" }
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
    let tier = match stats.tier {
        FunctionTier::NotCompiled => "its first compile",
        FunctionTier::Baseline => "baseline",
        FunctionTier::Middle => "middle",
        FunctionTier::Optimizing => "LLVM",
    };
    let moved = function.moved.map_or_else(String::new, time);
    html! {
        tr {
            th.text scope="row" { (named(stats.function, function.name)) }
            td { (share(samples.total(), all)) }
            td { (share(samples.llvm, all)) }
            td { (share(samples.middle, all)) }
            td { (share(samples.baseline, all)) }
            td.text { (tier) }
            td { (moved) }
            td { @if let Some(calls) = stats.calls { (grouped(calls)) } }
            td { (grouped(stats.work)) }
            td { (time(stats.baseline.compile_time)) }
            td { @if stats.optimizing.compiled > 0 { (time(stats.optimizing.compile_time)) } }
            td { @if stats.optimizing.compiled > 0 { (grouped(stats.optimizing.code_bytes)) } }
            td { @if stats.osr_entries > 0 { (stats.osr_entries) } }
            td { @if stats.osr_entered > 0 { (grouped(stats.osr_entered)) } }
        }
    }
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
            table {
                thead { tr {
                    th.text { "in function" } th { "at byte" } th { "samples" } th.text { "reached" }
                } }
                tbody { @for call in &report.calls {
                    tr {
                        th.text scope="row" { (named_by_index(call.function)) }
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
