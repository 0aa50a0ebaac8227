use std::fmt::Write;

use maud::{Markup, html};

/// The picture's size, and the room around the plot, in pixels.
const WIDTH: f64 = 860.0;
const PLOT_HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const BELOW: f64 = 46.0;
/// The height of a line of text.
const LINE: f64 = 16.0;

/// About how many ticks the axis of scores has.
const TICKS: f64 = 8.0;

/// How many there are of what: the counts of some series in bins of equal width, and marks. The
/// counts are drawn on a logarithmic scale, on which a single one can be seen beside a million.
#[derive(Debug)]
pub(in crate::cli) struct Histogram<'a> {
    /// What the picture shows, for who cannot see it.
    pub(in crate::cli) title: &'a str,
    /// What is counted.
    pub(in crate::cli) counted: &'a str,
    /// Where the first bin begins.
    pub(in crate::cli) from: f64,
    /// Where the last one ends.
    pub(in crate::cli) to: f64,
    pub(in crate::cli) series: Vec<Series<'a>>,
    pub(in crate::cli) marks: Vec<Mark<'a>>,
}

/// The counts of one series.
#[derive(Debug)]
pub(in crate::cli) struct Series<'a> {
    /// Its colour, as a class of the page's style: `old` or `new`.
    pub(in crate::cli) class: &'a str,
    /// The counts of its bins.
    pub(in crate::cli) counts: &'a [u64],
}

/// A value to mark: a bound.
#[derive(Debug)]
pub(in crate::cli) struct Mark<'a> {
    /// Its colour, as a class of the page's style.
    pub(in crate::cli) class: &'a str,
    pub(in crate::cli) at: f64,
    pub(in crate::cli) label: String,
}

impl Histogram<'_> {
    /// The picture, as SVG to put into a page.
    pub(in crate::cli) fn svg(&self) -> Markup {
        // Each label has a line of its own, so that none covers another.
        let top = LINE * (self.marks.len() as f64 + 0.5);
        let bottom = top + PLOT_HEIGHT;
        let most = self.series.iter().flat_map(|series| series.counts).copied().max().unwrap_or(0);
        let y = |count: u64| bottom - height(count, most);
        html! {
            svg viewBox={ "0 0 " (WIDTH) " " (bottom + BELOW) } role="img" aria-label=(self.title) {
                title { (self.title) }
                @for count in counts_to_label(most) {
                    line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(px(y(count))) y2=(px(y(count))) {}
                    text x=(LEFT - 8.0) y=(px(y(count) + 4.0)) text-anchor="end" { (count) }
                }
                @for value in ticks(self.from, self.to) {
                    @let x = self.x(value);
                    line.axis x1=(px(x)) x2=(px(x)) y1=(bottom) y2=(bottom + 5.0) {}
                    text x=(px(x)) y=(bottom + 19.0) text-anchor="middle" { (value) }
                }
                text x=(WIDTH - RIGHT) y=(bottom + 38.0) text-anchor="end" {
                    (self.counted) " by score; counts on a logarithmic scale"
                }
                @for Series { class, counts } in &self.series {
                    @let outline = self.outline(counts, y);
                    path class={ "area " (class) } d={ (outline) "V" (bottom) "H" (LEFT) "Z" } {}
                    path class={ "line " (class) } d=(outline) {}
                }
                @for (line, Mark { class, at, label }) in self.marks.iter().enumerate() {
                    @let x = self.x(*at);
                    @let y = LINE * (line as f64 + 0.8);
                    @let at_end = x > WIDTH * 0.7;
                    line class={ "mark " (class) } x1=(px(x)) x2=(px(x)) y1=(px(y - 8.0)) y2=(bottom) {}
                    text class=(class) x=(px(if at_end { x - 6.0 } else { x + 6.0 })) y=(px(y))
                        text-anchor=(if at_end { "end" } else { "start" }) { (label) }
                }
            }
        }
    }

    /// Where a score is drawn; what is beyond the ends, at the ends.
    fn x(&self, score: f64) -> f64 {
        let share = ((score - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    /// The steps of a series, from the left to the right.
    fn outline(&self, counts: &[u64], y: impl Fn(u64) -> f64) -> String {
        let width = (WIDTH - LEFT - RIGHT) / counts.len().max(1) as f64;
        let mut path = format!("M{LEFT} {}", px(y(0)));
        for (bin, &count) in counts.iter().enumerate() {
            let end = LEFT + width * (bin + 1) as f64;
            write!(path, "V{}H{}", px(y(count)), px(end)).expect("writing to a string");
        }
        path
    }
}

/// The height of a count, in pixels.
fn height(count: u64, most: u64) -> f64 {
    (count as f64).ln_1p() / (most.max(1) as f64).ln_1p() * PLOT_HEIGHT
}

/// None, and the powers of ten.
fn counts_to_label(most: u64) -> impl Iterator<Item = u64> {
    let powers = std::iter::successors(Some(1_u64), |power| power.checked_mul(10));
    std::iter::once(0).chain(powers.take_while(move |power| *power <= most.max(1)))
}

/// Round numbers from one to another: multiples of 1, 2 or 5 times a power of ten.
fn ticks(from: f64, to: f64) -> Vec<f64> {
    let least = (to - from) / TICKS;
    if !least.is_normal() || least < 0.0 {
        return Vec::new();
    }
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().find(|step| *step >= least);
    let step = step.unwrap_or(10.0 * power);
    let first = (from / step).ceil();
    let count = ((to / step).floor() - first) as usize + 1;
    // Of the sum, only the digits that the step has.
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let round = |value: f64| format!("{value:.digits$}").parse().unwrap_or(value);
    (0..count.min(100)).map(|tick| round((first + tick as f64) * step)).collect()
}

/// A length in pixels, to a tenth.
fn px(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        assert_eq!(ticks(0.02, 1.0), [0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(-30.0, 41.0), [-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(ticks(0.1, 0.4), [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4]);
        assert_eq!(ticks(1.0, 1.0), [0.0; 0]);
        assert_eq!(ticks(f64::MIN, f64::MAX), [0.0; 0]);
    }

    #[test]
    fn heights_are_between_nothing_and_the_plot() {
        assert_eq!(height(0, 1000), 0.0);
        assert_eq!(height(1000, 1000), PLOT_HEIGHT);
        assert!(height(1, 1_000_000) > 10.0, "one can be seen");
        assert_eq!(height(0, 0), 0.0);
    }

    #[test]
    fn counts_are_labelled_by_powers_of_ten() {
        assert_eq!(counts_to_label(0).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(counts_to_label(450).collect::<Vec<_>>(), [0, 1, 10, 100]);
        assert_eq!(counts_to_label(u64::MAX).count(), 21);
    }

    #[test]
    fn what_is_beyond_the_range_is_drawn_at_its_end() {
        let counts = [0, 3, 1];
        let histogram = Histogram {
            title: "t",
            counted: "records",
            from: 1.0,
            to: 2.0,
            series: vec![Series { class: "old", counts: &counts }],
            marks: vec![Mark { class: "old", at: 7.0, label: "a < b".to_owned() }],
        };
        assert_eq!(histogram.x(7.0), WIDTH - RIGHT);
        let svg = histogram.svg().into_string();
        assert!(svg.contains("a &lt; b"), "{svg}");
        let end = format!("H{}", WIDTH - RIGHT);
        assert!(svg.contains(&end), "the last bin ends at the plot's end: {svg}");
    }
}
