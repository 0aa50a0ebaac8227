use std::collections::{HashMap, HashSet};
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

/// The same, and what was dealt with while the store holds it as flagged: others save there as well.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) flagged: Flagged,
    /// What the store may hold.
    drafted: HashSet<Record>,
    /// What of that was dealt with, and after how many drafts.
    settled: HashMap<Record, u64>,
    drafts: u64,
}

/// For those who classify records, and for those who deal with them later.
pub(super) type Shared = Arc<Mutex<Ledger>>;

/// How many records that were dealt with are remembered while nothing can be stored.
const MAX_SETTLED: usize = 1 << 16;

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
        lock(&self.flagged).settle(settled.map(|(_, record)| record).collect());
    }
}

/// Each change leaves it whole.
pub(super) fn lock(flagged: &Shared) -> MutexGuard<'_, Ledger> {
    flagged.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Takes over what is stored, but for what was dealt with since.
    pub(super) fn restore(&mut self, stored: Flagged) {
        self.drafted.extend(stored.0.iter().map(|remembered| remembered.record.clone()));
        self.flagged = stored;
        self.flagged.0.retain(|remembered| !self.settled.contains_key(&remembered.record));
    }

    /// What is to be stored, and the number of the draft that it is part of.
    pub(super) fn draft(&mut self) -> (Flagged, u64) {
        self.drafted.extend(self.flagged.0.iter().map(|remembered| remembered.record.clone()));
        self.drafts += 1;
        (self.flagged.clone(), self.drafts)
    }

    /// A draft is what the store holds now.
    pub(super) fn stored(&mut self, draft: u64) {
        self.settled.retain(|_, after| *after >= draft);
        self.drafted = self.flagged.0.iter().map(|remembered| remembered.record.clone()).collect();
    }

    /// Whether the store may hold something as flagged that was dealt with.
    pub(super) fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    fn settle(&mut self, records: HashSet<Record>) {
        self.flagged.0.retain(|remembered| !records.contains(&remembered.record));
        let stored = records.into_iter().filter(|record| self.drafted.contains(record));
        let room = MAX_SETTLED.saturating_sub(self.settled.len());
        self.settled.extend(stored.take(room).map(|record| (record, self.drafts)));
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
        let mut records = Records::of(run, batch);
        let learnt = outcome.flagged.iter().filter(|flag| flag.index >= others);
        let flags: Vec<_> =
            learnt.filter_map(|flag| Some((records.get(flag.index)?, flag))).collect();
        if flags.is_empty() {
            return 0;
        }
        let flagged: HashSet<&Record> = flags.iter().map(|(record, _)| record).collect();
        // They are to be dealt with once more.
        self.settled.retain(|record, _| !flagged.contains(record));
        self.flagged.0.retain(|remembered| !flagged.contains(&remembered.record));
        self.flagged
            .0
            .extend(flags.into_iter().map(|(record, flag)| Remembered::new(record, flag, outcome)));
        self.flagged.make_room()
    }
}

/// What is flagged in the outcome of a run. None where nothing is.
pub(super) fn unsettled(
    flagged: &Shared,
    outcome: &Outcome,
    run: &Run,
    batch: &Batch,
) -> Option<Unsettled> {
    let mut known = Records::of(run, batch);
    let of = |flag: &Flag| Some((run.entries.start + flag.index, known.get(flag.index)?));
    let records: Vec<_> = outcome.flagged.iter().filter_map(of).collect();
    (!records.is_empty()).then(|| Unsettled { flagged: Arc::clone(flagged), records })
}

/// What the records of a run are known by. To be asked in the order in which they stand there: the parts of
/// an aggregate are counted from the last one.
struct Records<'a> {
    run: &'a Run,
    batch: &'a Batch,
    /// The last one that was asked for, and which part of its aggregate it is.
    last: (usize, usize),
}

impl<'a> Records<'a> {
    fn of(run: &'a Run, batch: &'a Batch) -> Self {
        Self { run, batch, last: (0, 0) }
    }

    /// None if the record does not come again.
    fn get(&mut self, index: usize) -> Option<Record> {
        let positions = &self.run.positions;
        if let Some(position) = positions.get(index) {
            let (mut at, mut part) = if self.last.0 <= index { self.last } else { (0, 0) };
            while at < index {
                part = if positions[at] == positions[at + 1] { part + 1 } else { 0 };
                at += 1;
            }
            self.last = (at, part);
            return Some(Record::At { position: position.clone(), part });
        }
        let payload = sha256_hex(self.batch.payload(self.run.entries.start + index)?);
        Some(Record::Named { id: self.run.ids.get(index)?.clone(), payload })
    }
}

impl Flagged {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets what is of records before a position.
    pub(super) fn forget_before(&mut self, first: &Position) {
        self.0.retain(|remembered| match &remembered.record {
            Record::At { position, .. } => position >= first,
            Record::Named { .. } => true,
        });
    }

    /// Forgets what there is no room for. Says how many.
    fn make_room(&mut self) -> usize {
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

    /// Flags those of a run's records that are remembered, as they were flagged then. Says which.
    pub(super) fn flag_again(
        &self,
        outcome: &mut Outcome,
        run: &Run,
        batch: &Batch,
        records: Range<usize>,
    ) -> Vec<usize> {
        let mut again = Vec::new();
        if self.is_empty() {
            return again;
        }
        let by_record: HashMap<&Record, &Remembered> =
            self.0.iter().map(|remembered| (&remembered.record, remembered)).collect();
        let (mut known, mut rewritten) = (Records::of(run, batch), Vec::new());
        for index in records {
            let Some(record) = known.get(index) else { continue };
            if let Some(remembered) = by_record.get(&record)
                && outcome.flag(Flag { index, ..remembered.flag.clone() })
            {
                again.push(index);
                rewritten
                    .extend(remembered.rewritten.as_ref().map(|text| (index, text.as_bytes())));
            }
        }
        outcome.rewrite(&rewritten);
        again
    }
}

impl Remembered {
    fn new(record: Record, flag: &Flag, outcome: &Outcome) -> Self {
        let rewritten = outcome.rewritten.as_ref().and_then(|all| all.get(flag.index));
        let rewritten = rewritten.and_then(|payload| str::from_utf8(payload).ok());
        Self { record, flag: flag.clone(), rewritten: rewritten.map(str::to_owned) }
    }

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
        let (mut ledger, none) = (Ledger::default(), batch(&[]));
        // The first two were learnt before.
        let mut first = outcome(5, &[1, 2, 4], "m");
        let rewritten = |index: usize| Some(format!("{index} is ill").into_bytes());
        first.rewritten = Some((0..5).map(rewritten).collect());
        assert_eq!(ledger.remember(&first, &positions(10..15), &none, 2), 0);
        let stored = serde_json::to_string(&ledger.flagged).expect("JSON");
        let flagged: Flagged = serde_json::from_str(&stored).expect("what was stored");

        let mut again = outcome(4, &[0, 1], "another");
        again.rewritten = Some((0..4).map(|_| Some(b"well".to_vec())).collect());
        assert_eq!(flagged.flag_again(&mut again, &positions(11..15), &none, 0..4), [1, 3]);
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
        let (mut ledger, none) = (Ledger::default(), batch(&[]));
        let run = positions([7, 8, 8, 8, 9]);
        ledger.remember(&outcome(5, &[2], "m"), &run, &none, 0);
        assert_eq!(again(&ledger.flagged, &run, &none), [2]);
    }

    #[test]
    fn where_there_are_no_positions_records_are_known_by_id_and_payload() {
        let mut ledger = Ledger::default();
        let (run, payloads) = (named(&["a", "b"]), batch(&["1", "2"]));
        ledger.remember(&outcome(2, &[1], "m"), &run, &payloads, 0);
        ledger.remember(&outcome(2, &[1], "m"), &run, &payloads, 0);
        assert_eq!(ledger.flagged.0.len(), 1, "it is the same");
        assert_eq!(again(&ledger.flagged, &named(&["b", "c"]), &batch(&["2", "2"])), [0]);
        assert_eq!(again(&ledger.flagged, &named(&["b"]), &batch(&["3"])), [0; 0]);
        let nameless = Run { ids: Vec::new(), ..run };
        assert_eq!(ledger.remember(&outcome(2, &[0], "m"), &nameless, &payloads, 0), 0);
        assert_eq!(ledger.flagged.0.len(), 1, "what does not come again");
    }

    #[test]
    fn what_was_dealt_with_is_forgotten() {
        let (flagged, none) = (Shared::default(), batch(&[]));
        let run = Run { entries: 4..7, ..positions(8..11) };
        let outcome = outcome(3, &[0, 1, 2], "");
        lock(&flagged).remember(&outcome, &run, &none, 0);
        unsettled(&flagged, &outcome, &run, &none).expect("flags").settle(&[3, 5]);
        assert_eq!(again(&lock(&flagged).flagged, &run, &none), [0, 2]);
        lock(&flagged).flagged.forget_before(&positions([10]).positions[0]);
        assert_eq!(again(&lock(&flagged).flagged, &run, &none), [2]);
    }

    #[test]
    fn what_was_dealt_with_is_not_taken_over_from_the_store() {
        let (flagged, none, run) = (Shared::default(), batch(&[]), positions(0..4));
        let outcome = outcome(4, &[0, 1, 2, 3], "");
        let settle = |entries: &[usize]| {
            unsettled(&flagged, &outcome, &run, &none).expect("flags").settle(entries);
        };
        lock(&flagged).remember(&outcome, &run, &none, 0);
        settle(&[0]);
        assert!(!lock(&flagged).has_settled(), "the store never knew of it");
        let (stored, draft) = lock(&flagged).draft();
        settle(&[1]);
        assert!(lock(&flagged).has_settled());
        // Another has taken over what was stored before, and has stored it again.
        lock(&flagged).restore(stored.clone());
        assert_eq!(again(&lock(&flagged).flagged, &run, &none), [2, 3]);
        lock(&flagged).stored(draft);
        assert!(lock(&flagged).has_settled(), "it was dealt with after that draft");

        let (_, draft) = lock(&flagged).draft();
        lock(&flagged).stored(draft);
        assert!(!lock(&flagged).has_settled());
        settle(&[2]);
        // It is to be dealt with once more.
        lock(&flagged).remember(&outcome, &run, &none, 2);
        lock(&flagged).restore(stored);
        assert_eq!(again(&lock(&flagged).flagged, &run, &none), [1, 2, 3]);
    }

    #[test]
    fn there_is_a_bound() {
        let message = "\u{1}".repeat(1 << 10);
        let (mut ledger, none) = (Ledger::default(), batch(&[]));
        let all: Vec<usize> = (0..1000).collect();
        let outcome = outcome(1000, &all, &message);
        let forgotten = ledger.remember(&outcome, &positions(0..1000), &none, 0);
        assert!((1..1000).contains(&forgotten));
        assert!(serde_json::to_string(&ledger.flagged).expect("JSON").len() <= MAX_BYTES + 2);
        let left: Vec<_> = (forgotten..1000).collect();
        assert_eq!(again(&ledger.flagged, &positions(0..1000), &none), left, "the oldest go");
    }
}
