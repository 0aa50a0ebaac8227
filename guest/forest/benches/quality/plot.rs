//! Both of Weir's scorers over the generated vital signs, as a picture for the documentation. It
//! has a background of its own, so that it can be read on a dark page as well as on a light one.

use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::generated::DataSet;
use crate::scorers::WARM_UP;

const BACKGROUND: RGBColor = RGBColor(0xff, 0xff, 0xff);
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const FAINT: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);
const SCORE: RGBColor = RGBColor(0x4f, 0x86, 0xd6);
const ANOMALY: RGBColor = RGBColor(0xd9, 0x5f, 0x02);

/// How many records are shown.
const RECORDS: usize = 1500;

/// Whether something was drawn.
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// What a panel shows.
pub(crate) struct Panel<'a> {
    pub(crate) title: &'a str,
    pub(crate) scores: &'a [f64],
    /// Where scores are flagged.
    pub(crate) bounds: &'a [f64],
}

/// Draws the scores of the first records, a panel below the other, with the anomalies marked.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn draw(file: &Path, data: &DataSet, panels: &[Panel<'_>]) -> io::Result<()> {
    let draw = || -> Drawn {
        let root = SVGBackend::new(file, (880, 230 * panels.len() as u32)).into_drawing_area();
        root.fill(&BACKGROUND)?;
        for (area, panel) in root.split_evenly((panels.len(), 1)).iter().zip(panels) {
            draw_panel(area, panel, &data.anomalies)?;
        }
        root.present()
    };
    draw().map_err(io::Error::other)
}

fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    panel: &Panel<'_>,
    anomalies: &[bool],
) -> Drawn {
    let shown = WARM_UP..(WARM_UP + RECORDS).min(panel.scores.len());
    let highest = panel.scores[shown.clone()].iter().copied().fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(24)
        .caption(panel.title, ("sans-serif", 17).into_font().color(&INK))
        .x_label_area_size(30)
        .y_label_area_size(44)
        .build_cartesian_2d(shown.clone(), 0.0..highest * 1.08)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .label_style(("sans-serif", 13).into_font().color(&INK))
        .draw()?;
    let line = |value: f64| [(shown.start, value), (shown.end - 1, value)];
    for &bound in panel.bounds {
        chart.draw_series(LineSeries::new(line(bound), INK.stroke_width(1)))?;
    }
    let scores = shown.clone().map(|index| (index, panel.scores[index]));
    chart.draw_series(LineSeries::new(scores, SCORE.stroke_width(1)))?;
    let marked = shown.clone().filter(|&index| anomalies[index]);
    chart.draw_series(
        marked.map(|index| Circle::new((index, panel.scores[index]), 4, ANOMALY.filled())),
    )?;
    Ok(())
}
