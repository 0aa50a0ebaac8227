//! The picture: a panel for each column of values, and one for the scores. It needs nothing beside
//! itself, and has a background of its own, so that it can be read on dark pages as well.

use std::io;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::scored::Scored;
use super::{Bounds, figure, thin};
use crate::printable::printable;

const BACKGROUND: RGBColor = RGBColor(0xff, 0xff, 0xff);
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const FAINT: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);
const VALUE: RGBColor = RGBColor(0x5b, 0xa5, 0x6d);
const SCORE: RGBColor = RGBColor(0x4f, 0x86, 0xd6);
const SUGGESTED: RGBColor = RGBColor(0x8a, 0x5c, 0xc2);
const FLAGGED: RGBColor = RGBColor(0xd9, 0x5f, 0x02);

/// The picture's size, in pixels.
const WIDTH: u32 = 1000;
const VALUE_HEIGHT: u32 = 170;
const SCORE_HEIGHT: u32 = 280;

/// How many parts of a line can be told apart.
const PARTS: usize = 900;

/// What to draw.
pub(super) struct Chart<'a> {
    pub(super) scored: &'a Scored,
    pub(super) bounds: Bounds,
    /// A threshold that could be set.
    pub(super) suggested: f64,
}

/// A panel: a line, the records in it that are flagged, and thresholds.
struct Panel<'a> {
    title: String,
    values: &'a [f64],
    colour: RGBColor,
    thresholds: Vec<Threshold>,
}

/// A threshold, with what is written above it.
struct Threshold {
    at: f64,
    label: String,
    colour: RGBColor,
}

/// Whether something was drawn.
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Chart<'_> {
    /// The picture, as an SVG document.
    ///
    /// # Errors
    ///
    /// If something cannot be drawn.
    pub(super) fn svg(&self) -> io::Result<String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(io::Error::other)?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> Drawn {
        let panels = self.panels();
        let height = |panel: &Panel<'_>| match panel.thresholds.is_empty() {
            true => VALUE_HEIGHT,
            false => SCORE_HEIGHT,
        };
        let root = SVGBackend::with_string(svg, (WIDTH, panels.iter().map(height).sum()));
        let mut below = root.into_drawing_area();
        below.fill(&BACKGROUND)?;
        for panel in &panels {
            let area;
            (area, below) = below.split_vertically(height(panel));
            panel.draw(&area, &self.scored.flagged)?;
        }
        below.present()
    }

    fn panels(&self) -> Vec<Panel<'_>> {
        let values = self.scored.columns.iter().map(|(field, values)| Panel {
            title: drawable(&field.to_string()),
            values,
            colour: VALUE,
            thresholds: Vec::new(),
        });
        let set = |(name, bound): (&str, Option<f64>)| {
            let label = |at| format!("{name} {}", figure::text(at));
            bound.map(|at| Threshold { at, label: label(at), colour: INK })
        };
        let bounds = [("upper", self.bounds.upper), ("lower", self.bounds.lower)];
        let suggested = Threshold {
            at: self.suggested,
            label: format!("mean + 3σ {}", figure::text(self.suggested)),
            colour: SUGGESTED,
        };
        let score = Panel {
            title: "score".to_owned(),
            values: &self.scored.scores,
            colour: SCORE,
            thresholds: bounds.into_iter().filter_map(set).chain([suggested]).collect(),
        };
        values.chain([score]).collect()
    }
}

impl Panel<'_> {
    /// Draws it, with those records marked that are flagged.
    fn draw(&self, area: &Area<'_>, flagged: &[usize]) -> Drawn {
        let records = 0..self.values.len().max(2) - 1;
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_right(24)
            .caption(&self.title, ("sans-serif", 16).into_font().color(&INK))
            .x_label_area_size(26)
            .y_label_area_size(60)
            .build_cartesian_2d(records.clone(), self.range())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .y_labels(6)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            // Records are counted from 1.
            .x_label_formatter(&|index| (index + 1).to_string())
            .draw()?;
        let line = thin::line(self.values, PARTS);
        chart.draw_series(LineSeries::new(line, self.colour.stroke_width(1)))?;
        for Threshold { at, label, colour } in &self.thresholds {
            let ends = [(records.start, *at), (records.end, *at)];
            chart.draw_series(LineSeries::new(ends, colour.stroke_width(1)))?;
            let style = ("sans-serif", 13).into_font().color(colour);
            let style = style.pos(Pos::new(HPos::Right, VPos::Bottom));
            chart.draw_series([Text::new(label.clone(), (records.end, *at), style)])?;
        }
        let flagged = thin::marks(flagged, self.values, PARTS);
        chart.draw_series(
            flagged.into_iter().map(|record| Circle::new(record, 3, FLAGGED.filled())),
        )?;
        Ok(())
    }

    /// The range of what is drawn, with some room around it.
    fn range(&self) -> Range<f64> {
        let drawn = self.values.iter().copied().chain(self.thresholds.iter().map(|line| line.at));
        let drawn = drawn.filter(|value| !value.is_nan());
        let (lowest, highest) = drawn.fold((f64::MAX, f64::MIN), |(lowest, highest), value| {
            (value.min(lowest), value.max(highest))
        });
        if lowest > highest {
            return 0.0..1.0; // There is nothing to draw.
        }
        // So that neither the range's ends nor its length overflow.
        let (lowest, highest) = (lowest.max(f64::MIN / 4.0), highest.min(f64::MAX / 4.0));
        let room = match (highest - lowest) * 0.06 {
            0.0 => lowest.abs().max(1.0) * 0.06,
            room => room,
        };
        lowest - room..highest + room
    }
}

/// A text of others, without the characters that XML does not have.
fn drawable(text: &str) -> String {
    printable(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::score::scored::Columns;
    use crate::outcome::Verdict;

    fn svg(scores: &[f64]) -> String {
        let field = "/score".parse().expect("a pointer");
        let mut scored = Scored::new(Columns::new(Vec::new(), &field));
        for score in scores {
            let verdict = if *score > 1.5 { Verdict::Flag } else { Verdict::Pass };
            let payload = json!({"a<b\u{1}\u{1b}\u{ffff}": 7, "score": score});
            scored.add(verdict, Some(&payload), &field, String::new);
        }
        let bounds = Bounds { upper: Some(1.5), lower: None };
        Chart { scored: &scored, bounds, suggested: 1.25 }.svg().expect("a picture")
    }

    #[test]
    fn what_is_flagged_is_marked_in_each_panel() {
        let svg = svg(&[0.0, 1.0, 3.0, 0.9, 2.0, 1.1]);
        assert_eq!(svg.matches("<circle").count(), 2 * 2, "{svg}");
        for text in ["/a&lt;b���", "score", "upper 1.5", "mean + 3σ 1.25\n"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
    }

    #[test]
    fn whatever_there_is_can_be_drawn() {
        for scores in [&[][..], &[1.0], &[1.0, 1.0], &[f64::MAX, f64::MIN], &[1e-300, 2e-300]] {
            assert!(svg(scores).contains("</svg>"), "{scores:?}");
        }
    }

    #[test]
    fn a_picture_of_many_records_is_not_larger_than_one_of_some() {
        let many: Vec<f64> = (0..50_000).map(|n| f64::from(n % 17) / 8.0).collect();
        assert!(svg(&many).len() < 400_000);
    }
}
