//! The common parts of pictures: SVG as text, colours, a legend.

use std::error::Error;
use std::ops::Range;

use plotters::chart::{ChartContext, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use upshift_module::{to_f64, to_u64};

use crate::error::{CliError, Result};

/// Where something is drawn.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Whether that worked.
pub(crate) type Drawn = std::result::Result<(), Box<dyn Error>>;

/// A picture of so many pixels, as the text of an SVG file.
///
/// # Errors
/// When a number can't be drawn.
pub(crate) fn draw(size: (u32, u32), what: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String> {
    let mut text = String::new();
    let draw = || {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE)?;
        what(&area)?;
        area.present()?;
        Ok::<_, Box<dyn Error>>(())
    };
    let drawn: Drawn = { draw }();
    drawn.map_err(|error| CliError::Picture(error.to_string()))?;
    Ok(text)
}

/// Colours that people with red-green blindness tell apart.
pub(crate) fn color(index: usize) -> RGBColor {
    const COLORS: [RGBColor; 7] = [
        RGBColor(0, 114, 178),
        RGBColor(230, 159, 0),
        RGBColor(0, 158, 115),
        RGBColor(204, 121, 167),
        RGBColor(86, 180, 233),
        RGBColor(213, 94, 0),
        RGBColor(90, 90, 90),
    ];
    COLORS[index % COLORS.len()]
}

/// An axis with so many groups around 0, 1 and so on.
pub(crate) struct Groups {
    count: usize,
    axis: RangedCoordf64,
}

impl Groups {
    pub fn new(count: usize) -> Self {
        let axis = (-0.5..to_f64(to_u64(count)) - 0.5).into();
        Self { count, axis }
    }
}

impl Ranged for Groups {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.axis.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        (0..self.count).map(|group| to_f64(to_u64(group))).collect()
    }

    fn range(&self) -> Range<f64> {
        self.axis.range()
    }
}

/// Draws the labels of all series.
pub(crate) fn legend<'a, 'b, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>,
) -> Drawn
where
    'b: 'a,
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()?;
    Ok(())
}
