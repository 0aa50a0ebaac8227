use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::change::Change;
use super::comparison::Comparison;
use super::examples::Example;
use super::side::{Bounds, Side};
use crate::cli::scores::Scores;
use crate::outcome::Verdict;
use crate::rule::Description;

/// How many bins a distribution of scores has.
const BINS: usize = 48;

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
    /// What the new rule costs beside the old one: time for each record.
    pub(super) cost_ratio: Option<f64>,
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
    pub(super) ns_per_record: f64,
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

/// How the scores are distributed, in bins of equal width. Scores outside of the range are counted
/// at its ends.
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
        let ratio = new.cost.ns_per_record() / old.cost.ns_per_record();
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
            cost_ratio: ratio.is_finite().then_some(ratio),
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
            ns_per_record: side.cost.ns_per_record(),
            memory_bytes: side.cost.memory_bytes,
            faults: side.cost.faults,
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
        let margin = if to > from { (to - from) * 0.02 } else { from.abs().max(1.0) / 2.0 };
        let (from, to) = (from - margin, to + margin);
        let (old, new) = (old.histogram(from, to, BINS), new.histogram(from, to, BINS));
        Some(Self { from, to, old, new })
    }
}
