//! Pictures of a comparison, as SVG files: lines over amounts of work, and ratios kernel by kernel.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;

use crate::failure::Failure;
use crate::files;

/// Panels that share their axes and their legend. Both axes are logarithmic.
#[derive(Debug)]
pub struct Picture {
    pub title: String,
    /// What the horizontal axis is.
    pub x: String,
    pub panels: Vec<Panel>,
}

#[derive(Debug)]
pub struct Panel {
    pub title: String,
    pub lines: Vec<Line>,
}

#[derive(Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A line of dots for each name: one for each column that has a ratio.
#[derive(Debug)]
pub struct Dots {
    pub title: String,
    pub columns: Vec<String>,
    /// In the order in which they are drawn, the last on top.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
}

type Drawn<T = ()> = Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const FONT: &str = "sans-serif";
/// Gray that can be read on white and on black.
const GRAY: RGBColor = RGBColor(110, 118, 129);
const PANEL: (u32, u32) = (460, 330);
const LEGEND_LINE: i32 = 20;

/// Colours that people tell apart who see red and green alike; ours first.
const COLORS: [RGBColor; 12] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 94, 240),
    RGBColor(150, 150, 150),
    RGBColor(128, 64, 0),
    RGBColor(0, 96, 96),
    RGBColor(180, 40, 60),
    RGBColor(90, 120, 30),
];

/// What can be drawn.
pub trait Draw {
    /// Width and height, in pixels.
    fn size(&self) -> (u32, u32);
    /// # Errors
    /// If a number cannot be drawn.
    fn draw(&self, area: &Area<'_>) -> Drawn;
}

/// Draws into a file.
///
/// # Errors
/// If a number cannot be drawn, or the file cannot be written.
pub fn write(path: &Path, picture: &impl Draw) -> Result<(), Failure> {
    let text = svg(picture)
        .map_err(|error| Failure::Check(format!("drawing {}: {error}", path.display())))?;
    files::write(path, text)
}

fn svg(picture: &impl Draw) -> Drawn<String> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, picture.size()).into_drawing_area();
    area.fill(&WHITE)?;
    picture.draw(&area)?;
    area.present()?;
    drop(area);
    Ok(text)
}

impl Picture {
    /// All lines, by name, in the order of the first panel that has them.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for line in self.panels.iter().flat_map(|panel| &panel.lines) {
            if !line.points.is_empty() && !names.contains(&line.name.as_str()) {
                names.push(&line.name);
            }
        }
        names
    }
}

impl Draw for Picture {
    fn size(&self) -> (u32, u32) {
        let rows = self.panels.len().div_ceil(2) as u32;
        let legend = self.names().len().div_ceil(4) as u32 * LEGEND_LINE as u32 + 20;
        (2 * PANEL.0, 40 + rows * PANEL.1 + legend)
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let names = self.names();
        let points = || {
            self.panels
                .iter()
                .flat_map(|panel| &panel.lines)
                .flat_map(|line| &line.points)
        };
        let (xs, ys) = (points().map(|point| point.0), points().map(|point| point.1));
        let (Some(x), Some(y)) = (extent(xs), extent(ys)) else {
            return Err("there is nothing to draw".into());
        };
        let area = area.titled(&self.title, (FONT, 18))?;
        let rows = self.panels.len().div_ceil(2);
        let (panels, legend) = area.split_vertically(rows as i32 * PANEL.1 as i32);
        for (panel, of) in self.panels.iter().zip(panels.split_evenly((rows, 2))) {
            let mut chart = ChartBuilder::on(&of)
                .margin(10)
                .caption(&panel.title, (FONT, 16))
                .x_label_area_size(36)
                .y_label_area_size(44)
                .build_cartesian_2d(
                    (x.0 * 0.8..x.1 * 1.25).log_scale(),
                    (y.0.min(1.0) * 0.8..y.1 * 1.25).log_scale(),
                )?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(GRAY.mix(0.25))
                .x_desc(&self.x)
                .axis_desc_style((FONT, 13))
                .label_style((FONT, 12))
                .x_label_formatter(&|x| number(*x))
                .y_label_formatter(&|y| number(*y))
                .draw()?;
            for line in &panel.lines {
                let Some(color) = names.iter().position(|name| *name == line.name).map(color)
                else {
                    continue;
                };
                let style = color.stroke_width(2);
                chart.draw_series([PathElement::new(line.points.clone(), style)])?;
                let dots = line.points.iter();
                chart.draw_series(dots.map(|&point| Circle::new(point, 3, color.filled())))?;
            }
        }
        draw_legend(&legend, &names, 4)
    }
}

impl Draw for Dots {
    fn size(&self) -> (u32, u32) {
        let legend = self.rows.len().div_ceil(4) as u32 * LEGEND_LINE as u32 + 20;
        (
            2 * PANEL.0,
            60 + self.columns.len() as u32 * 22 + 40 + legend,
        )
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let Some((lowest, highest)) =
            extent(self.rows.iter().flat_map(|row| &row.1).copied().flatten())
        else {
            return Err("there is nothing to draw".into());
        };
        let area = area.titled(&self.title, (FONT, 18))?;
        let (body, legend) = area.split_vertically(self.columns.len() as i32 * 22 + 60);
        let count = self.columns.len() as f64;
        let mut chart = ChartBuilder::on(&body)
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(90)
            .build_cartesian_2d((lowest * 0.9..highest * 1.1).log_scale(), count - 0.5..-0.5)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRAY.mix(0.25))
            .y_labels(self.columns.len())
            .label_style((FONT, 12))
            .x_label_formatter(&|x| number(*x))
            .y_label_formatter(&|_| String::new())
            .draw()?;
        // Where the chart says that points are counts from the corner of the picture.
        let origin = area.get_base_pixel();
        for (index, column) in self.columns.iter().enumerate() {
            let at = chart.backend_coord(&(lowest * 0.9, index as f64));
            let style = (FONT, 13).into_font().color(&BLACK);
            let anchor = plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Right,
                plotters::style::text_anchor::VPos::Center,
            );
            area.draw(&Text::new(
                column.clone(),
                (at.0 - origin.0 - 8, at.1 - origin.1),
                style.pos(anchor),
            ))?;
            let ends = vec![(lowest * 0.9, index as f64), (highest * 1.1, index as f64)];
            chart.draw_series([PathElement::new(ends, GRAY.mix(0.15))])?;
        }
        // Native code is what everything is over.
        chart.draw_series([PathElement::new(
            vec![(1.0, -0.5), (1.0, count - 0.5)],
            BLACK,
        )])?;
        for (index, (_, ratios)) in self.rows.iter().enumerate().rev() {
            let dots = ratios.iter().enumerate();
            let dots = dots.filter_map(|(column, ratio)| Some((*ratio.as_ref()?, column as f64)));
            chart.draw_series(dots.map(|point| Circle::new(point, 5, color(index).filled())))?;
        }
        let names: Vec<&str> = self.rows.iter().map(|(name, _)| name.as_str()).collect();
        draw_legend(&legend, &names, 4)
    }
}

fn color(index: usize) -> RGBColor {
    COLORS[index % COLORS.len()]
}

fn draw_legend(area: &Area<'_>, names: &[&str], columns: usize) -> Drawn {
    let width = (2 * PANEL.0) as i32 / columns as i32;
    for (index, name) in names.iter().enumerate() {
        let x = 20 + (index % columns) as i32 * width;
        let y = 8 + (index / columns) as i32 * LEGEND_LINE;
        area.draw(&Rectangle::new(
            [(x, y), (x + 12, y + 12)],
            color(index).filled(),
        ))?;
        area.draw(&Text::new((*name).to_owned(), (x + 18, y), (FONT, 13)))?;
    }
    Ok(())
}

/// The lowest and the highest.
fn extent(numbers: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    numbers.fold(None, |so_far, number| match so_far {
        None => Some((number, number)),
        Some((lowest, highest)) => Some((number.min(lowest), number.max(highest))),
    })
}

/// Of an axis: as short as it can be.
fn number(number: f64) -> String {
    if number >= 1000.0 {
        format!("{number:.0}")
    } else {
        // Three digits are more than an axis has.
        let rounded = (number * 1000.0).round() / 1000.0;
        rounded.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_dots_are_drawn_with_their_names() {
        let line = |name: &str, factor: f64| Line {
            name: name.to_owned(),
            points: [1.0, 10.0, 100.0].map(|x| (x, 1.0 + factor / x)).to_vec(),
        };
        let panel = |title: &str| Panel {
            title: title.to_owned(),
            lines: vec![line("upshift-auto", 5.0), line("node", 50.0)],
        };
        let picture = Picture {
            title: "time".to_owned(),
            x: "work".to_owned(),
            panels: vec![panel("fib"), panel("nbody"), panel("rho")],
        };
        let text = svg(&picture).unwrap();
        for name in ["fib", "nbody", "rho", "upshift-auto", "node", "work"] {
            assert!(text.contains(name), "{name} is missing");
        }
        let dots = Dots {
            title: "steady".to_owned(),
            columns: vec!["fib".to_owned(), "gemm".to_owned()],
            rows: vec![("upshift-llvm".to_owned(), vec![Some(0.5), None])],
        };
        let text = svg(&dots).unwrap();
        assert!(text.contains("gemm") && text.contains("upshift-llvm"));
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        let picture = Picture {
            title: String::new(),
            x: String::new(),
            panels: Vec::new(),
        };
        assert!(svg(&picture).is_err());
    }

    #[test]
    fn numbers_of_axes_are_short() {
        assert_eq!(
            [0.5, 1.0, 10.0, 10_000.0].map(number),
            ["0.5", "1", "10", "10000"]
        );
    }
}
