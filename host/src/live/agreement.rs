use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::outcome::{Bound, Cause, Outcome, Verdict};

/// What a rule says of a record, as far as rules are compared: its verdict, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Judgement {
    /// It passes.
    Pass,
    /// It is flagged, for the bound that it crosses.
    Flag(Option<Bound>),
    /// It is left out of the stream.
    Drop,
    /// It fails, for whose fault.
    Fail(Cause),
}

impl Judgement {
    /// What an outcome says of each record.
    pub(super) fn all(outcome: &Outcome) -> impl Iterator<Item = Self> {
        let mut flagged = outcome.flagged.iter();
        let mut failed = outcome.failed.iter();
        outcome.verdicts.iter().map(move |verdict| match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Flag => Self::Flag(flagged.next().and_then(|flag| flag.crossed)),
            Verdict::Drop => Self::Drop,
            Verdict::Fail => {
                Self::Fail(failed.next().map_or(Cause::Unclassified, |failure| failure.cause))
            }
        })
    }

    /// Its name, as in `flag (upper)`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Flag(None) => "flag",
            Self::Flag(Some(Bound::Upper)) => "flag (upper)",
            Self::Flag(Some(Bound::Lower)) => "flag (lower)",
            Self::Drop => "drop",
            Self::Fail(Cause::Record) => "fail (record)",
            Self::Fail(Cause::Poison) => "fail (poison)",
            Self::Fail(Cause::Unclassified) => "fail (unclassified)",
        }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What came of running a candidate on the records that the serving rule classified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// The records on which both were compared.
    pub records: u64,
    /// How many of them both judged alike, by judgement.
    pub alike: BTreeMap<Judgement, u64>,
    /// On which they differ, by what the serving rule and the candidate say.
    pub differences: BTreeMap<(Judgement, Judgement), Difference>,
    /// The batches on which the candidate faulted or ran out of time, and the serving rule did not.
    pub faults: u64,
    /// What the first of these faults was.
    pub first_fault: Option<String>,
    /// The batches that the candidate was not given, as it could not keep up.
    pub skipped_batches: u64,
    /// The records in them.
    pub skipped_records: u64,
    /// How long the serving rule took for what was compared.
    pub serving_time: Duration,
    /// How long the candidate took.
    pub candidate_time: Duration,
}

/// One way in which a candidate differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// On how many records.
    pub records: u64,
    /// The first of them, counted from 1 over all that were compared.
    pub first: u64,
    /// Why the candidate failed that one, if it did; or that the payloads differ.
    pub reason: Option<String>,
}

impl Agreement {
    /// On how many records the candidate differs.
    pub fn differing(&self) -> u64 {
        self.differences.values().map(|difference| difference.records).sum()
    }

    /// Compares what both rules say of a batch. Records that the serving rule could not classify
    /// are none to compare by.
    pub(super) fn of(serving: &Outcome, candidate: &Outcome) -> Self {
        let mut agreement = Self::default();
        let judgements = Judgement::all(serving).zip(Judgement::all(candidate));
        let mut failed = candidate.failed.iter();
        for (index, (old, new)) in judgements.enumerate() {
            let failure = matches!(new, Judgement::Fail(_)).then(|| failed.next()).flatten();
            if old == Judgement::Fail(Cause::Unclassified) {
                continue;
            }
            agreement.records += 1;
            let reason = if old != new {
                failure.map(|failure| failure.reason.clone())
            } else if goes_on(old) && payload(serving, index) != payload(candidate, index) {
                Some("its payload goes on as another".to_owned())
            } else {
                *agreement.alike.entry(old).or_default() += 1;
                continue;
            };
            let first = agreement.records;
            let unseen = Difference { records: 0, first, reason };
            agreement.differences.entry((old, new)).or_insert(unseen).records += 1;
        }
        agreement
    }

    /// Adds the agreement on the records that follow.
    pub(super) fn add(&mut self, next: Self) {
        for (judgement, records) in next.alike {
            *self.alike.entry(judgement).or_default() += records;
        }
        for (kind, mut difference) in next.differences {
            difference.first += self.records;
            let records = difference.records;
            self.differences
                .entry(kind)
                .and_modify(|known| known.records += records)
                .or_insert(difference);
        }
        self.records += next.records;
        self.faults += next.faults;
        self.first_fault = self.first_fault.take().or(next.first_fault);
        self.serving_time += next.serving_time;
        self.candidate_time += next.candidate_time;
    }
}

fn goes_on(judgement: Judgement) -> bool {
    matches!(judgement, Judgement::Pass | Judgement::Flag(_))
}

fn payload(outcome: &Outcome, index: usize) -> Option<&[u8]> {
    outcome.rewritten.as_ref().and_then(|payloads| payloads.get(index))
}

/// In one line: how many records, how many differ and how, and what each rule took.
impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records compared, {} differ", self.records, self.differing())?;
        for (place, ((old, new), difference)) in self.differences.iter().enumerate() {
            let Difference { records, first, reason } = difference;
            f.write_str(if place == 0 { ": " } else { "; " })?;
            write!(f, "{old} → {new} {records}, first at record {first}")?;
            if let Some(reason) = reason {
                write!(f, " ({reason})")?;
            }
        }
        if let Some(fault) = &self.first_fault {
            write!(f, "; {} batches faulted, first: {fault}", self.faults)?;
        }
        if self.skipped_batches > 0 {
            let Self { skipped_batches, skipped_records, .. } = self;
            write!(f, "; {skipped_batches} batches with {skipped_records} records skipped")?;
        }
        if !self.serving_time.is_zero() {
            let times = self.candidate_time.div_duration_f64(self.serving_time);
            write!(f, "; it took {times:.2} times as long")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Payloads;
    use crate::outcome::{Failure, Flag};

    fn flag(index: usize, crossed: Bound) -> Flag {
        let crossed = Some(crossed);
        Flag { index, score: None, crossed, subject: None, message: String::new() }
    }

    fn failure(index: usize, reason: &str, cause: Cause) -> Failure {
        Failure { index, reason: reason.to_owned(), cause }
    }

    fn outcome(verdicts: &[Verdict], flagged: Vec<Flag>, failed: Vec<Failure>) -> Outcome {
        Outcome { verdicts: verdicts.to_vec(), flagged, failed, rewritten: None }
    }

    #[test]
    fn records_are_compared_by_verdict_and_reason() {
        use Verdict::{Fail, Flag, Pass};
        let serving = outcome(
            &[Pass, Flag, Flag, Fail, Fail],
            vec![flag(1, Bound::Upper), flag(2, Bound::Upper)],
            vec![failure(3, "not JSON", Cause::Record), failure(4, "late", Cause::Unclassified)],
        );
        let candidate = outcome(
            &[Fail, Flag, Flag, Fail, Pass],
            vec![flag(1, Bound::Upper), flag(2, Bound::Lower)],
            vec![failure(0, "trapped", Cause::Poison), failure(3, "no object", Cause::Record)],
        );
        let mut agreement = Agreement::of(&serving, &candidate);
        agreement.add(Agreement::of(&serving, &candidate));
        assert_eq!((agreement.records, agreement.differing()), (8, 4));
        let upper = Judgement::Flag(Some(Bound::Upper));
        let alike = BTreeMap::from([(upper, 2), (Judgement::Fail(Cause::Record), 2)]);
        assert_eq!(agreement.alike, alike);
        let text = agreement.to_string();
        assert_eq!(
            text,
            "8 records compared, 4 differ: \
             pass → fail (poison) 2, first at record 1 (trapped); \
             flag (upper) → flag (lower) 2, first at record 3"
        );
    }

    #[test]
    fn a_payload_that_goes_on_as_another_is_a_difference() {
        let rewritten = |bytes: &[u8]| {
            let payloads = [Some(b"same".to_vec()), Some(bytes.to_vec())].into_iter();
            let rewritten = Some(payloads.collect::<Payloads>());
            Outcome { rewritten, ..outcome(&[Verdict::Pass; 2], vec![], vec![]) }
        };
        let agreement = Agreement::of(&rewritten(b"a"), &rewritten(b"b"));
        assert_eq!((agreement.records, agreement.differing()), (2, 1));
        let difference = &agreement.differences[&(Judgement::Pass, Judgement::Pass)];
        assert_eq!(difference.first, 2);
        assert!(difference.reason.as_ref().is_some_and(|reason| reason.contains("payload")));
    }
}
