use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::change::Change;
use super::comparison::Comparison;
use super::cost::Cost;
use super::examples::Example;
use super::side::{Bounds, Side};
use crate::cli::scores::Scores;
use crate::outcome::Verdict;
use crate::rule::Description;

/// How many steps a distribution of scores has at the most, and how many bins each of them.
const STEPS: f64 = 20.0;
pub(super) const BINS_A_STEP: usize = 3;

/// The share of scores at each end that do not widen the distribution's range.
const BEYOND: f64 = 0.0005;

/// All that is reported, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// How many records both rules were given.
    pub(super) records: u64,
    /// On how many of them they differ.
    pub(super) changed: u64,
    /// How many more could not be unpacked.
    pub(super) unreadable: u64,
    pub(super) old: Party,
    pub(super) new: Party,
    pub(super) verdicts: Vec<Cell>,
    pub(super) changes: Vec<Kind>,
    /// None if no score was found.
    pub(super) scores: Option<Distribution>,
    /// None if nothing was measured.
    pub(super) ns_per_record: Option<Cost>,
}

/// One of the two that were compared.
#[derive(Debug, Serialize)]
pub(super) struct Party {
    pub(super) rule: String,
    pub(super) version: String,
    pub(super) digest: String,
    pub(super) settings: Value,
    pub(super) bounds: Bounds,
    /// How many records a score was found for.
    pub(super) scores: u64,
    /// The most linear memory that an instance had.
    pub(super) memory_bytes: usize,
    /// How many batches the rule was at fault on.
    pub(super) faults: u64,
}

/// How many records have these verdicts.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) from: Verdict,
    pub(super) to: Verdict,
    pub(super) records: u64,
}

/// One kind of change.
#[derive(Debug, Serialize)]
pub(super) struct Kind {
    #[serde(flatten)]
    pub(super) change: Change,
    pub(super) records: u64,
    pub(super) examples: Vec<Example>,
}

/// How the scores are distributed, in bins of equal width: some of them make a step, which is a round
/// number. Scores outside of the range are counted at its ends.
#[derive(Debug, Serialize)]
pub(super) struct Distribution {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) old: Vec<u64>,
    pub(super) new: Vec<u64>,
}

impl Summary {
    pub(super) fn new(comparison: Comparison) -> Self {
        let Comparison { old, new, records, changed, unreadable, .. } = comparison;
        let mut examples = comparison.examples.into_chosen();
        let kind = |(change, records)| Kind {
            change,
            records,
            examples: examples.remove(&change).unwrap_or_default(),
        };
        Self {
            records,
            changed,
            unreadable,
            verdicts: cells(&comparison.verdicts),
            changes: comparison.changes.into_iter().map(kind).collect(),
            scores: Distribution::of(
                (&comparison.old_scores, old.bounds),
                (&comparison.new_scores, new.bounds),
            ),
            old: Party::of(&old, &comparison.old_scores),
            new: Party::of(&new, &comparison.new_scores),
            ns_per_record: comparison.meter.cost(),
        }
    }

    /// How many records have these verdicts.
    pub(super) fn count(&self, from: Verdict, to: Verdict) -> u64 {
        let cell = self.verdicts.iter().find(|cell| (cell.from, cell.to) == (from, to));
        cell.map_or(0, |cell| cell.records)
    }

    /// The verdicts that occur, on either side.
    pub(super) fn occurring(&self) -> Vec<Verdict> {
        let occurs = |verdict: &Verdict| {
            self.verdicts.iter().any(|cell| cell.from == *verdict || cell.to == *verdict)
        };
        Verdict::ALL.into_iter().filter(occurs).collect()
    }
}

fn cells(verdicts: &BTreeMap<(Verdict, Verdict), u64>) -> Vec<Cell> {
    let cell = |(&(from, to), &records)| Cell { from, to, records };
    verdicts.iter().map(cell).collect()
}

impl Party {
    fn of(side: &Side, scores: &Scores) -> Self {
        let filter = side.filter();
        let Description { name, version, .. } = filter.description();
        Self {
            rule: name.clone(),
            version: version.clone(),
            digest: filter.rule().digest().to_string(),
            settings: serde_json::from_str(filter.settings()).unwrap_or_default(),
            bounds: side.bounds,
            scores: scores.count(),
            memory_bytes: side.memory_bytes,
            faults: side.faults,
        }
    }
}

impl Bounds {
    /// The bounds there are, with what to call them.
    pub(super) fn named(self) -> impl Iterator<Item = (&'static str, f64)> {
        [("lower", self.lower), ("upper", self.upper)]
            .into_iter()
            .filter_map(|(name, bound)| Some((name, bound?)))
    }
}

impl Distribution {
    /// Wide enough for almost all scores and for all bounds.
    fn of((old, of_old): (&Scores, Bounds), (new, of_new): (&Scores, Bounds)) -> Option<Self> {
        let ends = |scores: &Scores| {
            [scores.quantile(BEYOND), scores.quantile(1.0 - BEYOND)].into_iter().flatten()
        };
        let mut shown: Vec<f64> = ends(old).chain(ends(new)).collect();
        if shown.is_empty() {
            return None;
        }
        shown.extend(of_old.named().chain(of_new.named()).map(|(_, bound)| bound));
        let (from, to) = shown
            .iter()
            .fold((f64::MAX, f64::MIN), |(from, to), &value| (from.min(value), to.max(value)));
        // Around a single score, some room.
        let step = round_up((to - from).max(from.abs() / 100.0).max(f64::MIN_POSITIVE) / STEPS);
        let (first, last) = ((from / step).floor(), (to / step).floor() + 1.0);
        let (from, to) = (first * step, last * step);
        let bins = (last - first) as usize * BINS_A_STEP;
        let (old, new) = (old.histogram(from, to, bins), new.histogram(from, to, bins));
        Some(Self { from, to, old, new })
    }
}

/// The next round number: 1, 2, 2.5 or 5 times a power of ten.
fn round_up(number: f64) -> f64 {
    let power = 10_f64.powf(number.log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    factors.into_iter().find(|round| *round >= number).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(scores: &[f64], upper: f64) -> Distribution {
        let mut counted = Scores::default();
        scores.iter().for_each(|score| counted.add(*score));
        let bounds = Bounds { upper: Some(upper), lower: None };
        Distribution::of((&counted, bounds), (&counted, bounds)).expect("there are scores")
    }

    #[test]
    fn the_range_is_of_round_steps_and_holds_all_scores_and_bounds() {
        for (scores, upper) in [
            (&[0.02, 0.9, 3.97][..], 1.5),
            (&[1.0], 1.0),
            (&[0.0], 0.0),
            (&[-3e9, 7.0], 1e10),
            (&[1e-300, 2e-300], 3e-300),
        ] {
            let Distribution { from, to, old, .. } = distribution(scores, upper);
            let steps = old.len() / BINS_A_STEP;
            assert!((1..=STEPS as usize + 2).contains(&steps), "{scores:?}: {steps}");
            assert!(scores.iter().all(|score| (from..to).contains(score)), "{from} {to}");
            assert!((from..to).contains(&upper), "{from} {to}");
            assert_eq!(old.iter().sum::<u64>(), scores.len() as u64);
        }
        let Distribution { from, to, .. } = distribution(&[0.02, 3.97], 1.5);
        assert_eq!((from, to), (0.0, 4.0));
    }

    #[test]
    fn an_outlier_does_not_hide_the_others() {
        let mut scores: Vec<f64> = (0..5000).map(|score| f64::from(score) / 1000.0).collect();
        scores.push(1e9);
        assert!(distribution(&scores, 2.0).to <= 6.0);
    }
}
