use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::contract::{Position, Run};
use crate::digest::sha256_hex;
use crate::outcome::{Flag, Outcome};

/// How much is remembered of flags, in bytes as it is stored.
const MAX_BYTES: usize = 512 << 10;

/// What was flagged of records that were learnt, and is not dealt with yet. They come again if their alerts
/// could not be published, and a rule that has learnt them may find nothing about them any more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Flagged(Vec<Remembered>);

/// The same, for those who classify records, and for those who deal with them later.
pub(super) type Shared = Arc<Mutex<Flagged>>;

/// A record that was flagged, and what is to be done with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    #[serde(flatten)]
    record: Record,
    #[serde(flatten)]
    flag: Flag,
    /// Its payload as it goes on, if the rule rewrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rewritten: Option<String>,
}

/// What a record is known by when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
enum Record {
    /// Where it stands in its partition, and, of an aggregate, which of its parts it is.
    At {
        position: Position,
        #[serde(default)]
        part: usize,
    },
    /// Its id, and the digest of its payload, since ids may be given again.
    Named { id: String, payload: String },
}

/// Flags that are to be dealt with: by whom they are remembered, and the entries of the batch.
#[derive(Debug)]
pub(crate) struct Unsettled {
    flagged: Shared,
    records: Vec<(usize, Record)>,
}

impl Unsettled {
    /// Forgets the flags of entries that were dealt with: ascending.
    pub(crate) fn settle(self, entries: &[usize]) {
        let is_settled = |entry: &usize| entries.binary_search(entry).is_ok();
        let settled = self.records.into_iter().filter(|(entry, _)| is_settled(entry));
        let settled: Vec<Record> = settled.map(|(_, record)| record).collect();
        lock(&self.flagged).0.retain(|remembered| !settled.contains(&remembered.record));
    }
}

/// Each change leaves it whole.
pub(super) fn lock(flagged: &Shared) -> MutexGuard<'_, Flagged> {
    flagged.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is flagged in the outcome of a run. None where nothing is.
pub(super) fn unsettled(
    flagged: &Shared,
    outcome: &Outcome,
    run: &Run,
    batch: &Batch,
) -> Option<Unsettled> {
    let of = |flag: &Flag| Some((run.entries.start + flag.index, record(run, batch, flag.index)?));
    let records: Vec<_> = outcome.flagged.iter().filter_map(of).collect();
    (!records.is_empty()).then(|| Unsettled { flagged: Arc::clone(flagged), records })
}

/// What one of a run's records is known by. None if it does not come again.
fn record(run: &Run, batch: &Batch, index: usize) -> Option<Record> {
    if let Some(position) = run.positions.get(index) {
        let before = run.positions[..index].iter().rev();
        let part = before.take_while(|other| *other == position).count();
        return Some(Record::At { position: position.clone(), part });
    }
    let payload = sha256_hex(batch.payload(run.entries.start + index)?);
    Some(Record::Named { id: run.ids.get(index)?.clone(), payload })
}

impl Flagged {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets what is of records before a position.
    pub(super) fn forget_before(&mut self, first: &Position) {
        self.0.retain(|remembered| match &remembered.record {
            Record::At { position, .. } => position >= first,
            Record::Named { .. } => true,
        });
    }

    /// Remembers what was flagged of a run's records that were learnt just now, behind so many others. Says
    /// how many it forgets because there is no room: those that were flagged the longest time ago.
    pub(super) fn remember(
        &mut self,
        outcome: &Outcome,
        run: &Run,
        batch: &Batch,
        others: usize,
    ) -> usize {
        let before = self.0.len();
        for flag in outcome.flagged.iter().filter(|flag| flag.index >= others) {
            let Some(record) = record(run, batch, flag.index) else { continue };
            let rewritten = outcome.rewritten.as_ref().and_then(|all| all.get(flag.index));
            let rewritten = rewritten.and_then(|payload| str::from_utf8(payload).ok());
            let rewritten = rewritten.map(str::to_owned);
            self.0.retain(|remembered| remembered.record != record);
            self.0.push(Remembered { record, flag: flag.clone(), rewritten });
        }
        if self.0.len() == before {
            return 0;
        }
        let mut room = MAX_BYTES;
        let fits = self.0.iter().rev().take_while(|remembered| {
            let left = room.checked_sub(remembered.bytes());
            room = left.unwrap_or(0);
            left.is_some()
        });
        let forgotten = self.0.len() - fits.count();
        self.0.drain(..forgotten);
        forgotten
    }

    /// Flags those of a run's records that are remembered, as they were flagged then.
    pub(super) fn flag_again(
        &self,
        outcome: &mut Outcome,
        run: &Run,
        batch: &Batch,
        records: Range<usize>,
    ) {
        if self.is_empty() {
            return;
        }
        let by_record: HashMap<&Record, &Remembered> =
            self.0.iter().map(|remembered| (&remembered.record, remembered)).collect();
        let mut rewritten = Vec::new();
        for index in records {
            let Some(record) = record(run, batch, index) else { continue };
            if let Some(remembered) = by_record.get(&record)
                && outcome.flag(Flag { index, ..remembered.flag.clone() })
            {
                rewritten
                    .extend(remembered.rewritten.as_ref().map(|text| (index, text.as_bytes())));
            }
        }
        outcome.rewrite(&rewritten);
    }
}

impl Remembered {
    /// What it takes to store it.
    fn bytes(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Encoding;
    use crate::outcome::{Bound, Verdict};

    fn positions(numbers: impl IntoIterator<Item = usize>) -> Run {
        let position = |number: usize| Position::try_from(number.to_string()).expect("a number");
        let positions: Vec<_> = numbers.into_iter().map(position).collect();
        Run { entries: 0..positions.len(), positions, ids: Vec::new() }
    }

    fn named(ids: &[&str]) -> Run {
        let ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
        Run { entries: 0..ids.len(), positions: Vec::new(), ids }
    }

    fn batch(payloads: &[&str]) -> Batch {
        let mut batch = Batch::with_capacity(Encoding::Plain, payloads.len(), 0);
        payloads.iter().for_each(|payload| batch.push(payload.as_bytes()));
        batch
    }

    /// An outcome of so many records, with these flagged.
    fn outcome(records: usize, flagged: &[usize], message: &str) -> Outcome {
        let mut outcome = Outcome { verdicts: vec![Verdict::Pass; records], ..Outcome::default() };
        for &index in flagged {
            let (score, crossed) = (Some(index as f64 / 3.0), Some(Bound::Upper));
            let message = message.to_owned();
            outcome.flag(Flag { index, score, crossed, subject: None, message });
        }
        outcome
    }

    /// Which of a run's records are flagged again.
    fn again(flagged: &Flagged, run: &Run, batch: &Batch) -> Vec<usize> {
        let records = run.entries.len();
        let mut outcome = outcome(records, &[], "");
        flagged.flag_again(&mut outcome, run, batch, 0..records);
        outcome.flagged.iter().map(|flag| flag.index).collect()
    }

    #[test]
    fn what_comes_again_is_flagged_as_it_was() {
        let (mut flagged, none) = (Flagged::default(), batch(&[]));
        // The first two were learnt before.
        let mut first = outcome(5, &[1, 2, 4], "m");
        let rewritten = |index: usize| Some(format!("{index} is ill").into_bytes());
        first.rewritten = Some((0..5).map(rewritten).collect());
        assert_eq!(flagged.remember(&first, &positions(10..15), &none, 2), 0);
        let stored = serde_json::to_string(&flagged).expect("JSON");
        let flagged: Flagged = serde_json::from_str(&stored).expect("what was stored");

        let mut again = outcome(4, &[0, 1], "another");
        again.rewritten = Some((0..4).map(|_| Some(b"well".to_vec())).collect());
        flagged.flag_again(&mut again, &positions(11..15), &none, 0..4);
        let flags: Vec<_> = again.flagged.iter().map(|f| (f.index, f.message.as_str())).collect();
        assert_eq!(flags, [(0, "another"), (1, "m"), (3, "m")]);
        assert_eq!(again.flagged[2].score, Some(4.0 / 3.0));
        assert_eq!(again.verdicts[2..], [Verdict::Pass, Verdict::Flag]);
        let rewritten = again.rewritten.expect("payloads");
        let rewritten = [0, 1, 2, 3].map(|index| rewritten.get(index).expect("a payload"));
        assert_eq!(rewritten, [&b"well"[..], b"2 is ill", b"well", b"4 is ill"]);
    }

    #[test]
    fn parts_of_one_record_are_told_apart() {
        let (mut flagged, none) = (Flagged::default(), batch(&[]));
        let run = positions([7, 8, 8, 8, 9]);
        flagged.remember(&outcome(5, &[2], "m"), &run, &none, 0);
        assert_eq!(again(&flagged, &run, &none), [2]);
    }

    #[test]
    fn where_there_are_no_positions_records_are_known_by_id_and_payload() {
        let mut flagged = Flagged::default();
        let (run, payloads) = (named(&["a", "b"]), batch(&["1", "2"]));
        flagged.remember(&outcome(2, &[1], "m"), &run, &payloads, 0);
        flagged.remember(&outcome(2, &[1], "m"), &run, &payloads, 0);
        assert_eq!(flagged.0.len(), 1, "it is the same");
        assert_eq!(again(&flagged, &named(&["b", "c"]), &batch(&["2", "2"])), [0]);
        assert_eq!(again(&flagged, &named(&["b"]), &batch(&["3"])), [0; 0]);
        let nameless = Run { ids: Vec::new(), ..run };
        assert_eq!(flagged.remember(&outcome(2, &[0], "m"), &nameless, &payloads, 0), 0);
        assert_eq!(flagged.0.len(), 1, "what does not come again");
    }

    #[test]
    fn what_was_dealt_with_is_forgotten() {
        let (flagged, none) = (Shared::default(), batch(&[]));
        let run = Run { entries: 4..7, ..positions(8..11) };
        let outcome = outcome(3, &[0, 1, 2], "");
        lock(&flagged).remember(&outcome, &run, &none, 0);
        unsettled(&flagged, &outcome, &run, &none).expect("flags").settle(&[3, 5]);
        assert_eq!(again(&lock(&flagged), &run, &none), [0, 2]);
        lock(&flagged).forget_before(&positions([10]).positions[0]);
        assert_eq!(again(&lock(&flagged), &run, &none), [2]);
    }

    #[test]
    fn there_is_a_bound() {
        let message = "\u{1}".repeat(1 << 10);
        let (mut flagged, none) = (Flagged::default(), batch(&[]));
        let all: Vec<usize> = (0..1000).collect();
        let outcome = outcome(1000, &all, &message);
        let forgotten = flagged.remember(&outcome, &positions(0..1000), &none, 0);
        assert!((1..1000).contains(&forgotten));
        assert!(serde_json::to_string(&flagged).expect("JSON").len() <= MAX_BYTES + 2);
        let left: Vec<_> = (forgotten..1000).collect();
        assert_eq!(again(&flagged, &positions(0..1000), &none), left, "the oldest go");
    }
}
