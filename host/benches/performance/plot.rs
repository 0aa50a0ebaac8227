//! The figures as pictures, for the README and the documentation. Their background is their own, so
//! that they can be read on a dark page as well as on a light one.

use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::classify::Costs;
use crate::contestants::{COMPONENT, KEPT, NATIVE_PARTS, NATIVE_RULE, UNLIKE, VARIED};
use crate::growth::Growth;
use crate::workload::RECORDS;

const BACKGROUND: RGBColor = RGBColor(0xff, 0xff, 0xff);
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const FAINT: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);

/// The same for a contestant in every picture.
fn colour(contestant: &str) -> RGBColor {
    match contestant {
        NATIVE_PARTS => RGBColor(0x4f, 0x86, 0xd6),
        NATIVE_RULE => RGBColor(0x5b, 0xa5, 0x6d),
        COMPONENT => RGBColor(0xd9, 0x5f, 0x02),
        VARIED => RGBColor(0xe6, 0x80, 0x36),
        UNLIKE => RGBColor(0xf2, 0xb0, 0x86),
        KEPT => RGBColor(0xe8, 0xae, 0x4a),
        _ => RGBColor(0x9a, 0xa4, 0xaf),
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws what was measured: `performance-record.svg`, `performance-growth.svg`.
///
/// # Errors
///
/// If a file cannot be written.
pub(crate) fn draw(folder: &Path, costs: &[Costs], growths: &[Growth]) -> io::Result<()> {
    if !costs.is_empty() {
        bars(&folder.join("performance-record.svg"), costs).map_err(io::Error::other)?;
    }
    let curves: Vec<_> = growths.iter().filter(|growth| growth.points.len() > 2).collect();
    if !curves.is_empty() {
        draw_curves(&folder.join("performance-growth.svg"), &curves).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Whether something was drawn.
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// What a record costs each contestant, a group of bars for each size.
fn bars(file: &Path, costs: &[Costs]) -> Drawn {
    const WIDTH: u32 = 800;
    const BAR: i32 = 26;
    const LEFT: i32 = 260;
    /// For the longest bar; what remains is for its figure.
    const LONGEST: f64 = 380.0;

    let bars: usize = costs.iter().map(|costs| costs.costs.len()).sum();
    let height = bars as u32 * BAR as u32 + costs.len() as u32 * 52 + 12;
    let root = canvas(file, (WIDTH, height))?;
    let mut y = 12;
    for Costs { bytes, costs } in costs {
        let bytes = thousands(*bytes as f64);
        let title = format!("To classify a record of {bytes} bytes, {RECORDS} in a batch");
        text(&root, &title, (16, y + 12), 18, HPos::Left)?;
        y += 32;
        let mut costs: Vec<_> = costs.iter().collect();
        costs.sort_by(|one, other| other.1.total_cmp(&one.1));
        let highest = costs.first().map_or(0.0, |highest| highest.1);
        for (name, cost, ratio) in costs {
            let end = LEFT + (cost / highest * LONGEST).round() as i32;
            let bar = Rectangle::new([(LEFT, y + 3), (end, y + BAR - 3)], colour(name).filled());
            root.draw(&bar)?;
            let figure = format!("{} ns, {ratio:.2} ×", thousands(*cost));
            text(&root, name, (LEFT - 10, y + BAR / 2), 16, HPos::Right)?;
            text(&root, &figure, (end + 8, y + BAR / 2), 16, HPos::Left)?;
            y += BAR;
        }
        y += 20;
    }
    root.present()
}

/// A panel for each growth.
fn draw_curves(file: &Path, growths: &[&Growth]) -> Drawn {
    let root = canvas(file, (420 * growths.len() as u32, 340))?;
    for (area, growth) in root.split_evenly((1, growths.len())).iter().zip(growths) {
        panel(area, growth)?;
    }
    root.present()
}

fn panel(area: &Area<'_>, growth: &Growth) -> Drawn {
    let Growth { with, unit, contestants, points, .. } = growth;
    let values = || points.iter().map(|(value, _)| *value as f64);
    let figures = || points.iter().flat_map(|(_, figures)| figures.iter().copied());
    let (first, last) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
    let (lowest, highest) = (figures().fold(f64::MAX, f64::min), figures().fold(0.0, f64::max));

    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (first..last).log_scale(),
            // Room above the curves for the legend.
            (lowest / 1.5..highest * 6.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .label_style(("sans-serif", 14).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 15).into_font().color(&INK))
        .x_desc(*with)
        .y_desc(*unit)
        .x_label_formatter(&|value| thousands(*value))
        .y_label_formatter(&|value| thousands(*value))
        .draw()?;
    for (index, name) in contestants.iter().enumerate() {
        let style = colour(name).stroke_width(2);
        let line = points.iter().map(|(value, figures)| (*value as f64, figures[index]));
        chart
            .draw_series(LineSeries::new(line, style).point_size(3))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("sans-serif", 14).into_font().color(&INK))
        .background_style(BACKGROUND)
        .draw()
}

fn canvas(file: &Path, size: (u32, u32)) -> Result<Area<'_>, DrawingAreaErrorKind<io::Error>> {
    let root = SVGBackend::new(file, size).into_drawing_area();
    root.fill(&BACKGROUND)?;
    Ok(root)
}

fn text(area: &Area<'_>, text: &str, at: (i32, i32), size: i32, align: HPos) -> Drawn {
    let style = ("sans-serif", size).into_font().color(&INK).pos(Pos::new(align, VPos::Center));
    area.draw(&Text::new(text, at, style))
}

/// A number without decimals, its thousands apart.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
