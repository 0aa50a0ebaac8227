//! The service's one run among those of Weir's forest.
//!
//! Two runs of a random forest differ, so a run that differs from Weir's may well be that of the
//! same forest. Here the service's run is treated as each of Weir's: all are compared with the
//! labels, and with Weir's other runs. If the service's were one of them, each place among them would
//! be as likely for it.

use crate::agreement::{Agreement, after_warm_up, mean};
use crate::metrics;
use crate::nab::Series;
use crate::runs::Runs;
use crate::scorers::WARM_UP;

/// What is said of the service's run, and of each of Weir's.
pub(crate) struct Peers {
    pub(crate) service: Agreement,
    pub(crate) seeds: Vec<Agreement>,
}

impl Peers {
    /// Compares over all series.
    pub(crate) fn over_all(series: &[Series], seeds: &Runs) -> Self {
        let service: Vec<Vec<f64>> = series.iter().map(|series| series.service.clone()).collect();
        let likenesses = likenesses(&service, seeds);
        let mut agreements =
            [&service].into_iter().chain(seeds).zip(&likenesses).map(|(run, likenesses)| {
                let ranked = Agreement::over_all(series, run, false);
                let mean = |figure: fn(&Agreement) -> Option<f64>| {
                    mean(likenesses.iter().filter_map(figure))
                };
                Agreement {
                    spearman: mean(|of| of.spearman),
                    same_side: mean(|of| of.same_side),
                    f1_above: mean(|of| of.f1_above),
                    median_difference: mean(|of| of.median_difference),
                    ..ranked
                }
            });
        let service = agreements.next().unwrap_or_default();
        Self { service, seeds: agreements.collect() }
    }

    /// Compares over one series, with the labels alone.
    pub(crate) fn over(series: &[Series], seeds: &Runs, index: usize) -> Self {
        let over = |scores: &[f64]| Agreement {
            spearman: None,
            ..Agreement::over(&series[index], scores, false)
        };
        Self {
            service: over(&series[index].service),
            seeds: seeds.iter().map(|run| over(&run[index])).collect(),
        }
    }
}

/// What a run is compared by with another.
struct Run {
    scores: Vec<f64>,
    /// Of the scores, within each series.
    ranks: Vec<Vec<f64>>,
}

impl Run {
    fn of(run: &[Vec<f64>]) -> Self {
        let ranks = run.iter().map(|scores| metrics::ranks(&scores[WARM_UP..])).collect();
        Self { scores: after_warm_up(run), ranks }
    }

    fn like(&self, other: &Self) -> Agreement {
        let ranks = self.ranks.iter().zip(&other.ranks);
        let spearman = mean(ranks.filter_map(|(one, other)| metrics::rank_correlation(one, other)));
        Agreement { spearman, ..Agreement::default() }.on_scale(&self.scores, &other.scores)
    }
}

/// How the service's run, and then each of the seeds', is like those of the seeds, without itself.
/// What is said of two is the same from either side.
fn likenesses(service: &[Vec<f64>], seeds: &Runs) -> Vec<Vec<Agreement>> {
    let service = Run::of(service);
    let seeds: Vec<Run> = seeds.iter().map(|run| Run::of(run)).collect();
    let mut all = vec![seeds.iter().map(|seed| service.like(seed)).collect()];
    all.resize(1 + seeds.len(), Vec::new());
    for (index, seed) in seeds.iter().enumerate() {
        for (before, other) in seeds[..index].iter().enumerate() {
            let like = seed.like(other);
            all[1 + index].push(like);
            all[1 + before].push(like);
        }
    }
    all
}
