use std::collections::BTreeMap;

use super::change::Change;
use super::cost::Meter;
use super::examples::{Example, Examples};
use super::side::Side;
use crate::cli::said::Said;
use crate::cli::scores::Scores;
use crate::cli::traffic::Records;
use crate::outcome::{Outcome, Verdict};
use crate::ruling::Ruling;

/// What was found so far. It does not grow with the number of records.
pub(super) struct Comparison {
    pub(super) old: Side,
    pub(super) new: Side,
    pub(super) records: u64,
    pub(super) changed: u64,
    /// Records that no rule sees: their data cannot be unpacked.
    pub(super) unreadable: u64,
    /// How many records have these verdicts, of the one and of the other.
    pub(super) verdicts: BTreeMap<(Verdict, Verdict), u64>,
    pub(super) changes: BTreeMap<Change, u64>,
    pub(super) examples: Examples,
    pub(super) old_scores: Scores,
    pub(super) new_scores: Scores,
    pub(super) meter: Meter,
}

impl Comparison {
    pub(super) fn new(old: Side, new: Side, meter: Meter, examples: Examples) -> Self {
        Self {
            old,
            new,
            records: 0,
            changed: 0,
            unreadable: 0,
            verdicts: BTreeMap::new(),
            changes: BTreeMap::new(),
            examples,
            old_scores: Scores::default(),
            new_scores: Scores::default(),
            meter,
        }
    }

    /// Gives records to both rules, and compares what they say.
    pub(super) fn add(&mut self, records: &Records) {
        let batch = &records.batch;
        self.meter.measure(batch);
        let (old, new) = (self.old.classify(batch), self.new.classify(batch));
        self.unreadable += records.unreadable as u64;
        for (index, id) in records.ids.iter().enumerate() {
            if let (Some(of_old), Some(of_new)) = (old.ruling(index), new.ruling(index)) {
                self.compare(records, index, id, (&old, of_old), (&new, of_new));
            }
        }
    }

    fn compare(
        &mut self,
        Records { batch, .. }: &Records,
        index: usize,
        id: &str,
        (old, of_old): (&Outcome, Ruling),
        (new, of_new): (&Outcome, Ruling),
    ) {
        let mut old_score = of_old.score;
        if old_score.is_none() {
            old_score = self.old.scores.read(old, batch, index);
        }
        let mut new_score = of_new.score;
        if new_score.is_none() {
            // Mostly both find it in the same place: it is read once.
            let is_same = self.old.scores == self.new.scores
                && of_old.score.is_none()
                && old.rewritten.is_none()
                && new.rewritten.is_none();
            let read = || self.new.scores.read(new, batch, index);
            new_score = if is_same { old_score } else { read() };
        }
        old_score.into_iter().for_each(|score| self.old_scores.add(score));
        new_score.into_iter().for_each(|score| self.new_scores.add(score));

        let number = self.records;
        self.records += 1;
        *self.verdicts.entry((of_old.verdict, of_new.verdict)).or_default() += 1;
        let Some(change) = Change::between((old, &of_old), (new, &of_new), index) else { return };
        self.changed += 1;
        *self.changes.entry(change).or_default() += 1;
        self.examples.offer(change, id, number, || Example {
            record: id.to_owned(),
            old: Said::new(of_old, old_score),
            new: Said::new(of_new, new_score),
        });
    }
}
