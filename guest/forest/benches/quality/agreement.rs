//! How the scores of one run compare with those of Amazon's service, and with the labels.

use crate::metrics;
use crate::nab::Series;
use crate::scorers::WARM_UP;

/// Above it the workshop's function raised an alarm.
pub(crate) const UPPER: f64 = 1.5;
/// Below it the workshop's function raised an alarm.
pub(crate) const LOWER: f64 = 0.4;

/// The figures of a run over one series or over all. What is not defined is `None`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Agreement {
    /// Rank correlation with the service's scores.
    pub(crate) spearman: Option<f64>,
    /// Of NAB's labels.
    pub(crate) auc: Option<f64>,
    /// Of NAB's labels.
    pub(crate) average_precision: Option<f64>,
    /// The share of points on the service's side of both bounds.
    pub(crate) same_side: Option<f64>,
    /// F1 of the alarms above the upper bound, those of the service being wanted.
    pub(crate) f1_above: Option<f64>,
    /// Alarms below the lower bound that are the service's too.
    pub(crate) below_shared: Option<f64>,
    /// Alarms below the lower bound that are not the service's.
    pub(crate) below_others: Option<f64>,
    /// Alarms below the lower bound that are the service's or the run's alone.
    pub(crate) below_apart: Option<f64>,
    /// The median of the absolute differences from the service's scores.
    pub(crate) median_difference: Option<f64>,
}

impl Agreement {
    /// That of a run over a series. Scores on another scale than the service's are ranked only.
    pub(crate) fn over(series: &Series, scores: &[f64], on_scale: bool) -> Self {
        let (scores, service) = (&scores[WARM_UP..], &series.service[WARM_UP..]);
        let labels = &series.labels[WARM_UP..];
        let ranked = Self {
            spearman: metrics::spearman(scores, service),
            auc: metrics::auc(scores, labels),
            average_precision: metrics::average_precision(scores, labels),
            ..Self::default()
        };
        if on_scale { ranked.on_scale(scores, service) } else { ranked }
    }

    /// That of a run over all series: the means over the series of what is ranked within each, and
    /// the rest over all points.
    pub(crate) fn over_all(series: &[Series], runs: &[Vec<f64>], on_scale: bool) -> Self {
        let each: Vec<Self> = series
            .iter()
            .zip(runs)
            .map(|(series, scores)| Self::over(series, scores, false))
            .collect();
        let mean = |figure: fn(&Self) -> Option<f64>| mean(each.iter().filter_map(figure));
        let ranked = Self {
            spearman: mean(|each| each.spearman),
            auc: mean(|each| each.auc),
            average_precision: mean(|each| each.average_precision),
            ..each[0]
        };
        let service = after_warm_up(series.iter().map(|series| &series.service));
        if on_scale { ranked.on_scale(&after_warm_up(runs), &service) } else { ranked }
    }

    /// With the figures of scores that are on the service's scale.
    pub(crate) fn on_scale(self, scores: &[f64], service: &[f64]) -> Self {
        let side = |&score: &f64| (score > UPPER, score < LOWER);
        let sides = || scores.iter().map(side).zip(service.iter().map(side));
        let count = |of: fn(&(Sides, Sides)) -> bool| sides().filter(of).count() as f64;
        let (above, wanted): (Vec<bool>, Vec<bool>) =
            sides().map(|((above, _), (wanted, _))| (above, wanted)).unzip();
        let differences = scores.iter().zip(service).map(|(one, other)| (one - other).abs());
        Self {
            same_side: Some(count(|(one, other)| one == other) / scores.len() as f64),
            f1_above: metrics::f1(&above, &wanted),
            below_shared: Some(count(|((_, one), (_, other))| *one && *other)),
            below_others: Some(count(|((_, one), (_, other))| *one && !*other)),
            below_apart: Some(count(|((_, one), (_, other))| one != other)),
            median_difference: metrics::median(differences.collect()),
            ..self
        }
    }
}

/// The scores of all series, one after the other.
pub(crate) fn after_warm_up<'a>(run: impl IntoIterator<Item = &'a Vec<f64>>) -> Vec<f64> {
    run.into_iter().flat_map(|scores| &scores[WARM_UP..]).copied().collect()
}

/// Whether a score is above the one bound, and below the other.
type Sides = (bool, bool);

/// The mean; of nothing there is none.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
