//! Results of `upshift bench`: as a table, as JSON, as a picture.

use std::io::{self, Write};

use plotters::prelude::*;
use serde_json::{Value, json};

use upshift_module::{to_f64, to_u64};

use super::{Bench, Measured};
use crate::error::Result;
use crate::machine::Machine;
use crate::picture;
use crate::statistics::Estimate;

/// A program in one of the ways that are compared.
pub(super) struct Row {
    pub program: String,
    pub size_in_ms: Option<u32>,
    /// Whether its result was known, and not only compared.
    pub known_result: bool,
    pub contender: String,
    pub rounds: Vec<Measured>,
}

/// A figure of a measurement, in milliseconds.
struct Column {
    name: &'static str,
    /// Whether the table has its interval as well.
    interval: bool,
    key: &'static str,
    of: fn(&Measured) -> f64,
}

const FIRST_RESULT: Column = Column {
    name: "first result",
    interval: true,
    key: "first_result_ms",
    of: |measured| measured.first_result.as_secs_f64() * 1e3,
};
const STEADY: Column = Column {
    name: "steady",
    interval: true,
    key: "steady_ms",
    of: |measured| measured.steady.as_secs_f64() * 1e3,
};
const COLUMNS: [Column; 5] = [
    FIRST_RESULT,
    Column {
        name: "baseline",
        interval: false,
        key: "baseline_compile_ms",
        of: |measured| measured.baseline_compile.as_secs_f64() * 1e3,
    },
    Column {
        name: "llvm",
        interval: false,
        key: "llvm_compile_ms",
        of: |measured| measured.llvm_compile.as_secs_f64() * 1e3,
    },
    Column {
        name: "warm-up",
        interval: false,
        key: "warm_up_ms",
        of: |measured| measured.warm_up.as_secs_f64() * 1e3,
    },
    STEADY,
];

impl Row {
    fn estimate(&self, column: &Column) -> Estimate {
        let none = Estimate {
            median: 0.0,
            low: 0.0,
            high: 0.0,
            count: 0,
        };
        Estimate::of(self.rounds.iter().map(column.of)).unwrap_or(none)
    }

    fn title(&self) -> String {
        match self.size_in_ms {
            Some(size) => format!("{} {size} ms", self.program),
            None => self.program.clone(),
        }
    }
}

/// Rows of one program each.
fn by_program(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|a, b| (&a.program, a.size_in_ms) == (&b.program, b.size_in_ms))
}

pub(super) fn table(rows: &[Row], machine: &Machine, out: &mut dyn Write) -> io::Result<()> {
    let rounds = rows.first().map_or(0, |row| row.rounds.len());
    writeln!(
        out,
        "{machine}\n\
         Milliseconds: medians of {rounds} rounds, and what each is between with {}.\n\
         \"baseline\" and \"llvm\" is time spent compiling, on all threads; \"steady\" is a call after warming up.",
        confidence(rounds)
    )?;
    for rows in by_program(rows) {
        let first = &rows[0];
        let work = first.size_in_ms.map_or_else(String::new, |size| {
            format!(", calls of about {size} ms of native work")
        });
        let checked = match (first.known_result, rows.len()) {
            (true, _) => "right results",
            (false, 1) => "result not known",
            (false, _) => "the same results everywhere",
        };
        writeln!(out, "\n{}{work}; {checked}", first.program)?;
        let width = rows.iter().map(|row| row.contender.len());
        let width = width.max().unwrap_or_default().max(8);
        write!(out, "{:width$}", "")?;
        for column in &COLUMNS {
            let wide = if column.interval { 24 } else { 10 };
            write!(out, " {:>wide$}", column.name)?;
        }
        writeln!(out, " {:>12}", "functions")?;
        for row in rows {
            write!(out, "{:width$}", row.contender)?;
            for column in &COLUMNS {
                let estimate = row.estimate(column);
                let wide = if column.interval { 24 } else { 10 };
                write!(out, " {:>wide$}", shown(&estimate, column.interval))?;
            }
            let last = row.rounds.last().map_or(0, |it| it.llvm_functions);
            writeln!(out, " {last:>4} in llvm")?;
        }
    }
    Ok(())
}

fn confidence(rounds: usize) -> &'static str {
    if rounds < 6 {
        "less than 95 % confidence (that takes 6 rounds)"
    } else {
        "95 % confidence"
    }
}

fn shown(estimate: &Estimate, interval: bool) -> String {
    let Estimate {
        median, low, high, ..
    } = *estimate;
    if high == 0.0 {
        return "-".to_owned();
    }
    let median = digits(median);
    match interval {
        true => format!("{median} ({} to {})", digits(low), digits(high)),
        false => median,
    }
}

/// With three digits that count.
fn digits(number: f64) -> String {
    let places = match number {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{number:.places$}")
}

pub(super) fn json(rows: &[Row], machine: &Machine, options: &Bench) -> String {
    let row = |row: &Row| {
        let mut measured = serde_json::Map::new();
        for column in &COLUMNS {
            let Estimate {
                median, low, high, ..
            } = row.estimate(column);
            let all: Vec<f64> = row.rounds.iter().map(column.of).collect();
            let value = json!({ "median": median, "low": low, "high": high, "rounds": all });
            measured.insert(column.key.to_owned(), value);
        }
        json!({
            "program": row.program,
            "size_ms": row.size_in_ms,
            "known_result": row.known_result,
            "contender": row.contender,
            "llvm_functions": row.rounds.last().map(|it| it.llvm_functions),
            "measured": measured,
        })
    };
    let all: Vec<Value> = rows.iter().map(row).collect();
    let whole = json!({
        "upshift": machine.version,
        "processor": machine.processor,
        "processors": machine.processors,
        "rounds": options.rounds,
        "steady_after": options.steady.to_string(),
        "set": options.set,
        "results": all,
    });
    format!("{whole:#}")
}

/// Two panels of bars: until the first result, and in the steady state, each relative to the fastest.
pub(super) fn picture(rows: &[Row], machine: &Machine) -> Result<String> {
    let programs: Vec<&[Row]> = by_program(rows).collect();
    let contenders = programs.first().map_or(0, |rows| rows.len());
    let width = (160 + programs.len() * contenders * 36).clamp(640, 2400);
    picture::draw((u32::try_from(width).unwrap_or(640), 640), |area| {
        let area = area.titled(&machine.to_string(), ("sans-serif", 13))?;
        let panels = area.split_evenly((2, 1));
        for (panel, (column, title)) in panels.iter().zip([
            (
                &FIRST_RESULT,
                "From bytes to the first result, over the fastest",
            ),
            (&STEADY, "A call in the steady state, over the fastest"),
        ]) {
            bars(panel, &programs, column, title)?;
        }
        Ok(())
    })
}

fn bars(
    panel: &picture::Area<'_>,
    programs: &[&[Row]],
    column: &Column,
    title: &str,
) -> picture::Drawn {
    let relative = |rows: &[Row]| -> Vec<Estimate> {
        let estimates: Vec<_> = rows.iter().map(|row| row.estimate(column)).collect();
        let best = estimates.iter().map(|it| it.median);
        let best = best.fold(f64::INFINITY, f64::min).max(f64::MIN_POSITIVE);
        estimates
            .into_iter()
            .map(|it| it.scaled(1.0 / best))
            .collect()
    };
    let groups: Vec<Vec<Estimate>> = programs.iter().map(|rows| relative(rows)).collect();
    let highest = groups.iter().flatten().map(|it| it.high);
    let highest = highest.fold(1.0, f64::max) * 1.3;
    let mut chart = ChartBuilder::on(panel)
        .margin(8)
        .caption(title, ("sans-serif", 16))
        .x_label_area_size(28)
        .y_label_area_size(44)
        .build_cartesian_2d(picture::Groups::new(groups.len()), 0.0..highest)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_label_formatter(&|at: &f64| {
            // Whatever is no index has no name.
            let group = programs.get(at.round().max(0.0) as usize);
            group.map_or_else(String::new, |rows| rows[0].title())
        })
        .draw()?;
    let contenders = groups.first().map_or(0, Vec::len);
    let bar = 0.8 / to_f64(to_u64(contenders.max(1)));
    for contender in 0..contenders {
        let color = picture::color(contender);
        let of = |group: &Vec<Estimate>| group[contender];
        let left = |group: usize| to_f64(to_u64(group)) - 0.4 + bar * to_f64(to_u64(contender));
        chart
            .draw_series(groups.iter().map(of).enumerate().map(|(group, it)| {
                let corners = [(left(group), 0.0), (left(group) + bar * 0.92, it.median)];
                Rectangle::new(corners, color.filled())
            }))?
            .label(programs[0][contender].contender.clone())
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], color.filled()));
        chart.draw_series(groups.iter().map(of).enumerate().map(|(group, it)| {
            let middle = left(group) + bar * 0.46;
            PathElement::new([(middle, it.low), (middle, it.high)], BLACK)
        }))?;
    }
    picture::legend(&mut chart)
}
