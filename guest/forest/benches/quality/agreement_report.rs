//! The tables of how the contestants agree with Amazon's service on NAB's series.

use crate::agreement::{Agreement, mean};
use crate::nab::Series;
use crate::runs::Runs;
use crate::scorers::{Contestant, FOREST};
use crate::table::{Table, figure};

/// A figure of the tables.
struct Column {
    heading: &'static str,
    of: fn(&Agreement) -> Option<f64>,
    decimals: usize,
}

const COLUMNS: [Column; 8] = [
    Column { heading: "rank correlation", of: |of| of.spearman, decimals: 3 },
    Column { heading: "same side", of: |of| of.same_side, decimals: 4 },
    Column { heading: "F1 above 1.5", of: |of| of.f1_above, decimals: 3 },
    Column { heading: "below 0.4, as the service", of: |of| of.below_shared, decimals: 0 },
    Column { heading: "below 0.4, others", of: |of| of.below_others, decimals: 0 },
    Column { heading: "median difference", of: |of| of.median_difference, decimals: 4 },
    Column { heading: "AUC", of: |of| of.auc, decimals: 3 },
    Column { heading: "AP", of: |of| of.average_precision, decimals: 3 },
];

/// What Weir's forest must reach.
struct Mark {
    what: &'static str,
    of: fn(&Agreement) -> Option<f64>,
    decimals: usize,
    mark: Bound,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// The agreement of a contestant: over all series, and over each, by seed.
struct Figures<'a> {
    name: &'a str,
    over_all: Vec<Agreement>,
    /// By series, by seed.
    over_each: Vec<Vec<Agreement>>,
}

/// The agreement of all contestants with the service.
pub(crate) struct AgreementReport<'a> {
    series: &'a [Series],
    figures: Vec<Figures<'a>>,
    /// The service's own, with itself: what it is worth against the labels.
    service: Agreement,
}

impl<'a> AgreementReport<'a> {
    /// Compares what contestants said with what the service said.
    pub(crate) fn new(series: &'a [Series], contestants: &[&'a Contestant], runs: &[Runs]) -> Self {
        let figures = |(contestant, runs): (&&'a Contestant, &Runs)| Figures {
            name: contestant.name,
            over_all: runs
                .iter()
                .map(|run| Agreement::over_all(series, run, contestant.on_scale))
                .collect(),
            over_each: (0..series.len())
                .map(|index| {
                    let over = |run: &Vec<Vec<f64>>| {
                        Agreement::over(&series[index], &run[index], contestant.on_scale)
                    };
                    runs.iter().map(over).collect()
                })
                .collect(),
        };
        let service: Vec<Vec<f64>> = series.iter().map(|series| series.service.clone()).collect();
        Self {
            series,
            figures: contestants.iter().zip(runs).map(figures).collect(),
            service: Agreement::over_all(series, &service, true),
        }
    }

    /// What Weir's forest must reach, and whether it does.
    pub(crate) fn marks(&self) -> String {
        let marks = [
            Mark {
                what: "points on the service's side of 1.5 and 0.4",
                of: |of| of.same_side,
                decimals: 4,
                mark: Bound::AtLeast(0.996),
            },
            Mark {
                what: "F1 of the alarms above 1.5",
                of: |of| of.f1_above,
                decimals: 3,
                mark: Bound::AtLeast(0.94),
            },
            Mark {
                what: "alarms below 0.4 that only one of them raises",
                of: |of| of.below_apart,
                decimals: 0,
                mark: Bound::AtMost(0.0),
            },
            Mark {
                what: "median difference from the service's score",
                of: |of| of.median_difference,
                decimals: 4,
                mark: Bound::AtMost(0.02),
            },
            Mark {
                what: "AUC against the labels; mark: the service's own",
                of: |of| of.auc,
                decimals: 3,
                mark: Bound::AtLeast(self.service.auc.unwrap_or_default()),
            },
            Mark {
                what: "AP against the labels; mark: the service's own",
                of: |of| of.average_precision,
                decimals: 3,
                mark: Bound::AtLeast(self.service.average_precision.unwrap_or_default()),
            },
        ];
        let mut table = Table::new(1, &[FOREST, "mean", "lowest", "highest", "mark", "reached by"]);
        let forest = self.figures.iter().find(|figures| figures.name == FOREST);
        for Mark { what, of, decimals, mark } in marks {
            let over_all = forest.iter().flat_map(|forest| &forest.over_all);
            let values: Vec<f64> = over_all.filter_map(of).collect();
            let seeds = values.len();
            let reached = values.iter().filter(|&&value| mark.reached_by(value)).count();
            table.row(vec![
                what.to_owned(),
                figure(mean(values.iter().copied()), decimals),
                figure(values.iter().copied().reduce(f64::min), decimals),
                figure(values.iter().copied().reduce(f64::max), decimals),
                mark.text(decimals),
                format!("{reached} of {seeds} seeds"),
            ]);
        }
        table.markdown()
    }

    /// All contestants over all series, and the service itself.
    pub(crate) fn over_all(&self) -> String {
        let mut table = Table::new(1, &headings(&["over all series"]));
        for Figures { name, over_all, .. } in &self.figures {
            table.row([vec![(*name).to_owned()], cells(over_all)].concat());
        }
        table.row([vec!["the service".to_owned()], cells(&[self.service])].concat());
        table.markdown()
    }

    /// All contestants over each series.
    pub(crate) fn over_each(&self) -> String {
        let mut table = Table::new(2, &headings(&["series", "scorer"]));
        for (index, series) in self.series.iter().enumerate() {
            for Figures { name, over_each, .. } in &self.figures {
                let names = vec![series.name.clone(), (*name).to_owned()];
                table.row([names, cells(&over_each[index])].concat());
            }
            let service = Agreement::over(series, &series.service, true);
            let names = vec![series.name.clone(), "the service".to_owned()];
            table.row([names, cells(&[service])].concat());
        }
        table.markdown()
    }
}

fn headings(first: &[&'static str]) -> Vec<&'static str> {
    first.iter().copied().chain(COLUMNS.iter().map(|column| column.heading)).collect()
}

/// The figures of a row: means over the seeds.
fn cells(seeds: &[Agreement]) -> Vec<String> {
    let cell = |column: &Column| figure(mean(seeds.iter().filter_map(column.of)), column.decimals);
    COLUMNS.iter().map(cell).collect()
}

impl Bound {
    fn reached_by(&self, value: f64) -> bool {
        match *self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(&self, decimals: usize) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least:.decimals$}"),
            Self::AtMost(most) => format!("≤ {most:.decimals$}"),
        }
    }
}
