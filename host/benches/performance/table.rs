//! The lines of the report: what was measured, beside what, and whether it reaches its mark.

use std::fmt;

use crate::turns::Figures;

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) measured: Quantity,
    /// What it was measured beside.
    pub(crate) beside: Quantity,
    /// What the mark is about, where there is one.
    pub(crate) figure: Figure,
    pub(crate) mark: Option<Mark>,
}

/// A measured value with its unit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quantity {
    /// For a record.
    Nanoseconds(f64),
    Milliseconds(f64),
    Mebibytes(f64),
    RecordsPerSecond(f64),
}

/// What a mark is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    Ratio(f64),
    Mebibytes(f64),
}

/// What a figure must reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    AtMost(f64),
    AtLeast(f64),
}

impl Line {
    /// A line of the ratio of one contestant's figure to another's, by their indices.
    pub(crate) fn ratio(
        what: impl Into<String>,
        figures: &Figures,
        [one, other]: [usize; 2],
        unit: fn(f64) -> Quantity,
        mark: Option<Mark>,
    ) -> Self {
        Self {
            what: what.into(),
            measured: unit(figures.of(one)),
            beside: unit(figures.of(other)),
            figure: Figure::Ratio(figures.ratio(one, other)),
            mark,
        }
    }

    /// Whether the mark is reached; `None` where there is no mark.
    fn reached(&self) -> Option<bool> {
        let value = match self.figure {
            Figure::Ratio(value) | Figure::Mebibytes(value) => value,
        };
        self.mark.map(|mark| match mark {
            Mark::AtMost(most) => value <= most,
            Mark::AtLeast(least) => value >= least,
        })
    }

    /// What stands in the columns of [`COLUMNS`].
    fn cells(&self) -> [String; 6] {
        let reached = self.reached().map(|reached| if reached { "reached" } else { "not reached" });
        [
            self.what.clone(),
            self.measured.to_string(),
            self.beside.to_string(),
            self.figure.to_string(),
            self.mark.map(|mark| mark.to_string()).unwrap_or_default(),
            reached.unwrap_or_default().to_owned(),
        ]
    }
}

const COLUMNS: [&str; 6] = ["", "measured", "beside", "figure", "mark", ""];

/// The column headings, for a terminal.
pub(crate) fn headings() -> String {
    row(&COLUMNS.map(str::to_owned))
}

/// A line, for a terminal.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&row(&self.cells()))
    }
}

fn row([what, measured, beside, figure, mark, reached]: &[String; 6]) -> String {
    format!("{what:<70} {measured:>10} {beside:>10} {figure:>9} {mark:>7}  {reached}")
        .trim_end()
        .to_owned()
}

/// The lines as a table of Markdown.
pub(crate) fn markdown(lines: &[Line]) -> String {
    let row = |cells: &[String; 6]| format!("| {} |\n", cells.join(" | "));
    let mut table = row(&COLUMNS.map(str::to_owned));
    table += "| --- | ---: | ---: | ---: | ---: | --- |\n";
    lines.iter().for_each(|line| table += &row(&line.cells()));
    table
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nanoseconds(value) => write!(f, "{value:.0} ns"),
            Self::Milliseconds(value) => write!(f, "{value:.1} ms"),
            Self::Mebibytes(value) => write!(f, "{value:.1} MiB"),
            Self::RecordsPerSecond(value) => write!(f, "{:.2} M/s", value / 1e6),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Ratio(value) => write!(f, "{value:.2} ×"),
            Self::Mebibytes(value) => write!(f, "{value:.1} MiB"),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}
