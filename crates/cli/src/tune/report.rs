//! The findings of a search: as a table, as a profile that says how it was obtained, as a picture.

use std::fmt::Write as _;
use std::io::{self, Write};

use plotters::prelude::*;

use upshift_module::to_f64;

use super::compare::{Comparison, Verdict};
use super::race::{Candidate, Fate, Stage};
use super::search::Found;
use crate::error::Result;
use crate::machine::Machine;
use crate::picture;
use crate::profile::changes;
use crate::statistics::Estimate;

/// The facts about a search beside its findings.
pub(super) struct About {
    /// The command line.
    pub command: String,
    /// The name of the profile that it began with.
    pub base: String,
    pub runs: usize,
    pub seconds: f64,
    pub machine: Machine,
}

pub(super) fn table(found: &Found, about: &About, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{}\n\
         {} runs of whole processes in {:.0} s. Times are medians in milliseconds; \"over\" is the time over that of\n\
         what held the place before, run by run in turns. In brackets: what it is between with 95 % confidence.",
        about.machine, about.runs, about.seconds
    )?;
    for stage in &found.stages {
        write_stage(stage, out)?;
    }
    if !found.left_out.is_empty() {
        let names = found.left_out.join(", ");
        writeln!(
            out,
            "\nNot searched, for lack of time: {names}. A larger --budget or a smaller input helps."
        )?;
    }
    writeln!(out, "\n{}", conclusion(found, about).join("\n"))
}

fn write_stage(stage: &Stage, out: &mut dyn Write) -> io::Result<()> {
    let width = stage.candidates.iter().map(|it| it.label.len());
    let width = width.max().unwrap_or_default().max(24);
    writeln!(
        out,
        "\n{:width$} {:>4} {:>26} {:>22}",
        stage.subject, "runs", "time", "over"
    )?;
    for (index, candidate) in stage.candidates.iter().enumerate() {
        let time = candidate
            .time()
            .map_or_else(|| "-".to_owned(), |it| in_milliseconds(&it));
        let label = &candidate.label;
        write!(
            out,
            "{label:width$} {:>4} {time:>26}",
            candidate.times.len()
        )?;
        match (index, candidate.compared_with(&stage.candidates[0])) {
            (1.., Some(comparison)) => {
                writeln!(
                    out,
                    " {:>22}  {}",
                    over(&comparison),
                    verdict(candidate, &comparison)
                )?;
            }
            (_, None) => writeln!(out, " {:>22}  {}", "-", failure(candidate))?,
            _ => writeln!(out)?,
        }
    }
    match (stage.confirmed, stage.winner()) {
        (Some((index, comparison)), winner) => {
            let label = &stage.candidates[index].label;
            let text = comparison.verdict().text();
            let taken = if winner.is_some() { ", taken" } else { "" };
            let count = comparison.ratio.count;
            writeln!(
                out,
                "once more: {label} over what held the place: {}, {count} pairs: {text}{taken}",
                over(&comparison)
            )
        }
        (None, _) if stage.leader() == Some(0) => writeln!(out, "nothing was faster"),
        (None, _) => Ok(()),
    }
}

fn verdict(candidate: &Candidate, comparison: &Comparison) -> String {
    match &candidate.fate {
        Fate::Ran => comparison.verdict().text().to_owned(),
        Fate::Behind => "behind, not run on".to_owned(),
        Fate::Failed(_) => failure(candidate),
    }
}

fn failure(candidate: &Candidate) -> String {
    match &candidate.fate {
        Fate::Failed(failure) => {
            let text = failure.to_string();
            format!("failed: {}", text.lines().next().unwrap_or_default())
        }
        _ => "not run".to_owned(),
    }
}

fn in_milliseconds(time: &Estimate) -> String {
    let Estimate {
        median, low, high, ..
    } = time.scaled(1e3);
    let places = if median < 100.0 { 2 } else { 0 };
    format!("{median:.places$} ({low:.places$} to {high:.places$})")
}

fn over(comparison: &Comparison) -> String {
    let Estimate {
        median, low, high, ..
    } = comparison.ratio;
    format!("{median:.3} ({low:.3} to {high:.3})")
}

/// The conclusion, in sentences.
fn conclusion(found: &Found, about: &About) -> Vec<String> {
    let base = &about.base;
    let mut lines = Vec::new();
    match &found.overall {
        None if found.best == found.base => {
            lines.push(format!("Nothing was found that is faster than {base} beyond noise."));
        }
        None => lines.push(format!(
            "The profile was not run against {base} as a whole: each part of it was found to be faster by itself."
        )),
        Some(overall) => {
            let (times, pairs) = (over(overall), overall.ratio.count);
            let line = match overall.verdict() {
                Verdict::Faster => {
                    format!("The program takes {times} of the time that it takes under {base}, by {pairs} pairs of runs.")
                }
                Verdict::Unknown => format!(
                    "Against {base} as a whole, {times}: {pairs} pairs of runs are too few to tell."
                ),
                Verdict::Slower | Verdict::NoDifference => format!(
                    "Against {base} as a whole what was found makes no difference beyond noise, {times} by {pairs} \
                     pairs of runs, so it was dropped."
                ),
            };
            lines.push(line);
        }
    }
    let has_threshold = found.best.tier_up.threshold_in_operators.is_some();
    if let Some((low, high)) = found.plateau().filter(|_| has_threshold)
        && low != high
    {
        lines.push(format!(
            "Thresholds from {low} to {high} operators make no difference that could be told."
        ));
    }
    if found.is_interrupted {
        lines.push("The search was interrupted.".to_owned());
    }
    lines
}

/// The best profile, as a file that says how it was obtained.
pub(super) fn profile(found: &Found, about: &About) -> String {
    let mut text = String::new();
    let About {
        command,
        base,
        runs,
        seconds,
        machine,
    } = about;
    let mut comment = vec![
        format!("Found by `{command}`,"),
        format!("beginning with {base}, in {runs} runs of whole processes over {seconds:.0} s."),
        machine.to_string(),
        String::new(),
    ];
    comment.extend(conclusion(found, about));
    for stage in &found.stages {
        if let (Some(winner), Some((_, comparison))) = (stage.winner(), stage.confirmed) {
            comment.push(format!(
                "{}: {} took {} of the time before, by {} pairs.",
                stage.subject,
                winner.label,
                over(&comparison),
                comparison.ratio.count
            ));
        }
    }
    if !found.left_out.is_empty() {
        comment.push(format!(
            "Not searched, for lack of time: {}.",
            found.left_out.join(", ")
        ));
    }
    comment.push(String::new());
    comment.push("What is not named here is as in `balanced`: `upshift profile show --all FILE` has all of it.".to_owned());
    for line in comment {
        // An argument of the program may hold anything: a comment ends with its line.
        let line: String = line
            .chars()
            .map(|it| if it.is_control() { ' ' } else { it })
            .collect();
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
    let changes = changes(&found.best);
    if !changes.is_empty() {
        text.push('\n');
        text += &changes;
    }
    text
}

/// Total time over threshold, with the profiles that were tried as lines. `None` when no threshold was.
pub(super) fn picture(found: &Found, about: &About) -> Result<Option<String>> {
    let curve = found.curve();
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else {
        return Ok(None);
    };
    let decades = to_f64(first.0).log10() - 0.3..to_f64(last.0).log10() + 0.3;
    let base = found.base_times();
    let milliseconds = base.median * 1e3;
    let lines = found.levels();
    let tops = curve.iter().map(|(_, it)| it.ratio.high);
    let tops = tops.chain(lines.iter().map(|(_, level)| *level));
    let top = tops.fold(1.0, f64::max) * milliseconds * 1.1;
    let title = format!("Total time over threshold: {}", about.command);
    picture::draw((860, 520), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption(title, ("sans-serif", 15))
            .x_label_area_size(44)
            .y_label_area_size(60)
            .build_cartesian_2d(decades.clone(), 0.0..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("tier-up.threshold-in-operators")
            .y_desc("milliseconds")
            .x_label_formatter(&|decade: &f64| match decade.fract() {
                0.0 => format!("1e{decade}"),
                _ => String::new(),
            })
            .draw()?;
        for (index, (name, level)) in lines.iter().enumerate() {
            let color = picture::color(index + 1);
            let level = level * milliseconds;
            let ends = [(decades.start, level), (decades.end, level)];
            chart
                .draw_series([PathElement::new(ends, color.stroke_width(2))])?
                .label(name.clone())
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 12, y)], color.stroke_width(2))
                });
        }
        let color = picture::color(0);
        let at = |threshold: u64| to_f64(threshold).log10();
        let points = curve
            .iter()
            .map(|(threshold, it)| (at(*threshold), it.ratio.scaled(milliseconds)));
        let path: Vec<_> = points.clone().map(|(x, it)| (x, it.median)).collect();
        chart
            .draw_series([PathElement::new(path, color.stroke_width(2))])?
            .label("with a threshold")
            .legend(move |(x, y)| Circle::new((x + 6, y), 4, color.filled()));
        for (x, it) in points {
            chart.draw_series([PathElement::new([(x, it.low), (x, it.high)], color)])?;
            chart.draw_series([Circle::new((x, it.median), 4, color.filled())])?;
        }
        picture::legend(&mut chart)
    })
    .map(Some)
}
