//! The tables of the service's place among the runs of Weir's forest.

use crate::agreement::{Agreement, mean};
use crate::metrics;
use crate::nab::Series;
use crate::peers::Peers;
use crate::runs::Runs;
use crate::scorers::TREES;
use crate::table::{Table, figure};

/// How many runs are taken for one of so many times the trees.
const TOGETHER: [usize; 5] = [1, 2, 5, 10, 100];

/// A figure of the tables.
struct Figure {
    what: &'static str,
    of: fn(&Agreement) -> Option<f64>,
    decimals: usize,
}

const AUC: Figure = Figure { what: "AUC against the labels", of: |of| of.auc, decimals: 3 };
const AP: Figure =
    Figure { what: "AP against the labels", of: |of| of.average_precision, decimals: 3 };
const SAME_SIDE: Figure = Figure {
    what: "points on another seed's side of 1.5 and 0.4",
    of: |of| of.same_side,
    decimals: 4,
};
const F1_ABOVE: Figure =
    Figure { what: "F1 above 1.5 with another seed", of: |of| of.f1_above, decimals: 3 };
const MEDIAN_DIFFERENCE: Figure = Figure {
    what: "median difference from another seed's score",
    of: |of| of.median_difference,
    decimals: 4,
};
const SPEARMAN: Figure =
    Figure { what: "rank correlation with another seed", of: |of| of.spearman, decimals: 3 };

/// The service's place among the runs of Weir's forest.
pub(crate) struct PeersReport<'a> {
    series: &'a [Series],
    seeds: &'a Runs,
}

impl<'a> PeersReport<'a> {
    /// Puts the service among what Weir's forest said with each seed.
    pub(crate) fn new(series: &'a [Series], seeds: &'a Runs) -> Self {
        Self { series, seeds }
    }

    /// The service's place over all series.
    pub(crate) fn over_all(&self) -> String {
        let headings = [
            "over all series",
            "the service",
            "Weir's seeds",
            "lowest",
            "highest",
            "standard score",
            "seeds below",
        ];
        let mut table = Table::new(1, &headings);
        let peers = Peers::over_all(self.series, self.seeds);
        for Figure { what, of, decimals } in
            [AUC, AP, SAME_SIDE, F1_ABOVE, MEDIAN_DIFFERENCE, SPEARMAN]
        {
            let place = Place::of(&peers, of);
            let seeds = || place.seeds.iter().copied();
            let below = seeds().filter(|&seed| place.service.is_some_and(|mark| seed < mark));
            table.row(vec![
                what.to_owned(),
                figure(place.service, decimals),
                place.spread(decimals),
                figure(seeds().reduce(f64::min), decimals),
                figure(seeds().reduce(f64::max), decimals),
                signed(place.standard_score()),
                format!("{} of {}", below.count(), place.seeds.len()),
            ]);
        }
        table.markdown()
    }

    /// The service's place over each series that has labels.
    pub(crate) fn over_each(&self) -> String {
        let figures = [("AUC", AUC), ("AP", AP)];
        let mut headings = vec!["series".to_owned()];
        for (name, _) in &figures {
            headings.push(format!("{name}, the service"));
            headings.push(format!("{name}, Weir's seeds"));
            headings.push("standard score".to_owned());
        }
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        let mut table = Table::new(1, &headings);
        let mut squares = [const { Vec::new() }; 2];
        for (index, series) in self.series.iter().enumerate() {
            let peers = Peers::over(self.series, self.seeds, index);
            if peers.service.auc.is_none() {
                continue;
            }
            let mut row = vec![series.name.clone()];
            for ((_, Figure { of, decimals, .. }), squares) in figures.iter().zip(&mut squares) {
                let place = Place::of(&peers, *of);
                let score = place.standard_score();
                squares.extend(score.map(|score| score * score));
                row.extend([
                    figure(place.service, *decimals),
                    place.spread(*decimals),
                    signed(score),
                ]);
            }
            table.row(row);
        }
        let mut row = vec!["root mean square".to_owned()];
        for squares in squares {
            let root = mean(squares.into_iter()).map(f64::sqrt);
            row.extend(["–".to_owned(), "–".to_owned(), figure(root, 2)]);
        }
        table.row(row);
        table.markdown()
    }

    /// What more trees would be worth: the forests of several seeds, taken for one.
    pub(crate) fn by_trees(&self) -> String {
        let headings = ["trees", "AUC", "AP", "same side", "F1 above 1.5", "median difference"];
        let mut table = Table::new(0, &headings);
        for together in TOGETHER.into_iter().filter(|&together| together <= self.seeds.len()) {
            let forests = self.seeds.chunks_exact(together);
            let over = |seeds: &[Vec<Vec<f64>>]| {
                Agreement::over_all(self.series, &mean_scores(seeds), true)
            };
            let agreements: Vec<Agreement> = forests.map(over).collect();
            let cell = |Figure { of, decimals, .. }: Figure| {
                figure(mean(agreements.iter().filter_map(of)), decimals)
            };
            let mut row = vec![(together * TREES as usize).to_string()];
            row.extend([AUC, AP, SAME_SIDE, F1_ABOVE, MEDIAN_DIFFERENCE].map(cell));
            table.row(row);
        }
        table.markdown()
    }
}

/// A figure of the service, and of each seed.
struct Place {
    service: Option<f64>,
    seeds: Vec<f64>,
}

impl Place {
    fn of(peers: &Peers, figure: fn(&Agreement) -> Option<f64>) -> Self {
        let seeds = peers.seeds.iter().filter_map(figure).collect();
        Self { service: figure(&peers.service), seeds }
    }

    fn mean(&self) -> Option<f64> {
        mean(self.seeds.iter().copied())
    }

    /// The mean of the seeds, and their standard deviation.
    fn spread(&self, decimals: usize) -> String {
        let deviation = metrics::deviation(&self.seeds);
        format!("{} ± {}", figure(self.mean(), decimals), figure(deviation, decimals))
    }

    /// By how many deviations of a seed the service is above the mean of the seeds.
    fn standard_score(&self) -> Option<f64> {
        let deviation = metrics::deviation(&self.seeds)?;
        (deviation > 0.0).then_some((self.service? - self.mean()?) / deviation)
    }
}

/// The mean of several runs, record by record.
fn mean_scores(runs: &[Vec<Vec<f64>>]) -> Vec<Vec<f64>> {
    let mut sums = runs[0].clone();
    for run in &runs[1..] {
        for (sums, scores) in sums.iter_mut().zip(run) {
            sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score);
        }
    }
    sums.iter_mut().flatten().for_each(|sum| *sum /= runs.len() as f64);
    sums
}

/// A standard score, with its sign.
fn signed(score: Option<f64>) -> String {
    score.map_or("–".to_owned(), |score| format!("{score:+.2}"))
}
