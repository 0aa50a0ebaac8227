use std::borrow::Cow;
use std::sync::Arc;

use super::record::{Record, RecordList};
use super::unpack::{self, Unpacked, unpack};
use super::{Answer, Contract, FailureCause, json_string};
use crate::batch::{Batch, Encoding};

/// An event, read: its records' ids and data. Their payloads are in the batch that goes to the
/// rule, each an *entry* of it: one for most records, several for an aggregate, none for a record
/// whose data cannot be unpacked.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) contract: Contract,
    /// The ARN of the stream or queue that it came from, or the name of the file. Empty if the
    /// event does not say.
    pub(crate) source: Cow<'a, str>,
    pub(super) records: Records<'a>,
    /// If it was read from a file.
    pub(super) of_file: Option<OfFile>,
    /// Which record each entry of the batch is of, unless it is one for each.
    parts: Option<Vec<Part>>,
    /// The records without an entry, ascending, with the reason.
    unreadable: Vec<(usize, Answer)>,
}

/// An event that was read from a file: its lines have the same numbers whenever it is read.
#[derive(Debug)]
pub(super) struct OfFile {
    /// Whether it holds the file's first record.
    pub(super) begins: bool,
    /// Whether the file took the place of another.
    pub(super) replaces: bool,
}

/// The records of an event.
#[derive(Debug)]
pub(super) enum Records<'a> {
    /// With an id and data each. The ids take so many bytes together, as JSON.
    Enveloped { records: Vec<Record<'a>>, id_bytes: usize },
    /// Without: the numbers of their lines. Their data is in the batch alone.
    Lines(Vec<u64>),
}

/// An entry of the batch.
#[derive(Debug)]
struct Part {
    record: usize,
    /// Which part of an aggregate it is, from 0, and its own partition key.
    of_aggregate: Option<(usize, Arc<str>)>,
}

impl Part {
    fn whole(record: usize) -> Self {
        Self { record, of_aggregate: None }
    }
}

fn push_base64(batch: &mut Batch, payload: &[u8]) {
    batch.push(base64_simd::STANDARD.encode_to_string(payload).as_bytes());
}

impl<'a> Event<'a> {
    /// An event of records that each are an entry of the batch.
    pub(super) fn new(contract: Contract, source: Cow<'a, str>, records: Records<'a>) -> Self {
        Self { contract, source, records, of_file: None, parts: None, unreadable: Vec::new() }
    }

    /// An event of a list of records, and the batch of what is in them.
    pub(super) fn of_list(
        contract: Contract,
        source: Cow<'a, str>,
        list: RecordList<'a>,
    ) -> (Self, Batch) {
        let RecordList { records, id_bytes, payloads, .. } = list;
        match payloads {
            Some(batch) => {
                (Self::new(contract, source, Records::Enveloped { records, id_bytes }), batch)
            }
            None => Self::unpacked(contract, source, records, id_bytes),
        }
    }

    /// An event whose data is base64 of which some may have to be unpacked, and the batch of what is in
    /// it.
    fn unpacked(
        contract: Contract,
        source: Cow<'a, str>,
        records: Vec<Record<'a>>,
        id_bytes: usize,
    ) -> (Self, Batch) {
        let bytes = records.iter().map(|record| record.data.inner().len()).sum();
        let mut batch = Batch::with_capacity(Encoding::Base64, records.len(), bytes);
        let mut event =
            Self::new(contract, source, Records::Enveloped { records: Vec::new(), id_bytes });
        let mut left = unpack::MAX_EVENT_BYTES;
        // Only these streams are written to by the library that aggregates.
        let may_be_aggregate = contract == Contract::Kinesis;
        for (record, data) in records.iter().map(Record::data).enumerate() {
            match unpack(&data, may_be_aggregate, &mut left) {
                Ok(Unpacked::AsItCame) => {
                    batch.push(&data);
                    event.push_whole(record);
                }
                Ok(Unpacked::Inflated(payload)) => {
                    push_base64(&mut batch, &payload);
                    event.push_whole(record);
                }
                Ok(Unpacked::Aggregate(user_records)) => {
                    let parts = event.parts_before(record);
                    for (number, user_record) in user_records.into_iter().enumerate() {
                        push_base64(&mut batch, &user_record.payload);
                        let of_aggregate = Some((number, user_record.partition_key));
                        parts.push(Part { record, of_aggregate });
                    }
                }
                Err(error) => {
                    event.parts_before(record);
                    let answer = match error.is_transient() {
                        true => Answer::transient(FailureCause::Unpacking, error.to_string()),
                        false => Answer::permanent(FailureCause::Unpacking, error.to_string()),
                    };
                    event.unreadable.push((record, answer));
                }
            }
        }
        event.records = Records::Enveloped { records, id_bytes };
        (event, batch)
    }

    /// A record is the next entry, as it is.
    fn push_whole(&mut self, record: usize) {
        if let Some(parts) = &mut self.parts {
            parts.push(Part::whole(record));
        }
    }

    /// From this record on, entries are no longer one for each.
    fn parts_before(&mut self, record: usize) -> &mut Vec<Part> {
        self.parts.get_or_insert_with(|| (0..record).map(Part::whole).collect())
    }

    /// Whether the service keeps the order of records that have the same key, and expects the same.
    pub(crate) fn keeps_order(&self) -> bool {
        self.contract == Contract::Sqs && self.source.ends_with(".fifo")
    }

    /// How many records it has.
    pub(crate) fn len(&self) -> usize {
        match &self.records {
            Records::Enveloped { records, .. } => records.len(),
            Records::Lines(lines) => lines.len(),
        }
    }

    /// The records, where they have an envelope.
    pub(super) fn enveloped(&self) -> &[Record<'a>] {
        match &self.records {
            Records::Enveloped { records, .. } => records,
            Records::Lines(_) => &[],
        }
    }

    /// A record's id, as text.
    pub(crate) fn id(&self, record: usize) -> Cow<'a, str> {
        match &self.records {
            Records::Enveloped { records, .. } => records[record].id(),
            Records::Lines(lines) => Cow::Owned(format!("{}:{}", self.source, lines[record])),
        }
    }

    /// The record that an entry of the batch is of.
    pub(crate) fn record_of(&self, entry: usize) -> usize {
        match &self.parts {
            None => entry,
            Some(parts) => parts[entry].record,
        }
    }

    /// The id of an entry: its record's, and within an aggregate its number in it.
    pub(crate) fn entry_id(&self, entry: usize) -> Cow<'_, str> {
        let id = self.id(self.record_of(entry));
        match self.part_of_aggregate(entry) {
            None => id,
            Some((number, _)) => Cow::Owned(format!("{id}:{number}")),
        }
    }

    /// The partition key or message group of an entry.
    pub(crate) fn key(&self, entry: usize) -> Option<Cow<'_, str>> {
        match self.part_of_aggregate(entry) {
            None => self.record_key(self.record_of(entry)),
            Some((_, key)) => Some(Cow::Borrowed(key)),
        }
    }

    /// The data of an entry as it came, encoded as the contract says. None for what came within an
    /// aggregate or without an envelope: then it is in the batch alone.
    pub(crate) fn data(&self, entry: usize) -> Option<Cow<'a, str>> {
        match self.part_of_aggregate(entry) {
            None => self
                .enveloped()
                .get(self.record_of(entry))
                .map(|record| json_string::text(record.data)),
            Some(_) => None,
        }
    }

    /// The data of a record as it came.
    pub(crate) fn record_data(&self, record: usize) -> Cow<'a, str> {
        json_string::text(self.enveloped()[record].data)
    }

    /// The partition key or message group of a record.
    pub(crate) fn record_key(&self, record: usize) -> Option<Cow<'a, str>> {
        self.enveloped().get(record)?.key.map(json_string::text)
    }

    fn part_of_aggregate(&self, entry: usize) -> Option<(usize, &str)> {
        let part = self.parts.as_ref()?.get(entry)?;
        part.of_aggregate.as_ref().map(|(number, key)| (*number, &**key))
    }

    /// The records that cannot be unpacked, ascending, each with its answer.
    pub(crate) fn unreadable(&self) -> &[(usize, Answer)] {
        &self.unreadable
    }

    /// The answers for records, from those for the entries of the batch and those for the records
    /// that have none, in the order of [`unreadable`](Self::unreadable).
    pub(crate) fn answers(&self, entries: Vec<Answer>, unreadable: Vec<Answer>) -> Vec<Answer> {
        let Some(parts) = &self.parts else { return entries };
        let mut answers: Vec<Option<Answer>> = vec![None; self.len()];
        let of_entries = parts.iter().map(|part| part.record).zip(entries);
        let of_others = self.unreadable.iter().map(|(record, _)| *record).zip(unreadable);
        for (record, answer) in of_entries.chain(of_others) {
            let slot = &mut answers[record];
            *slot = Some(match slot.take() {
                None => answer,
                Some(before) => before.with(answer),
            });
        }
        // An aggregate may hold nothing.
        answers.into_iter().map(|answer| answer.unwrap_or(Answer::Done)).collect()
    }

    /// The one entry of a record, if it has one.
    pub(super) fn entry_of(&self, record: usize) -> Option<usize> {
        match &self.parts {
            None => Some(record),
            Some(parts) => parts.binary_search_by_key(&record, |part| part.record).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::super::unpack::tests::{AGGREGATE, GZIP};
    use super::*;

    fn read(body: &str) -> (Event<'_>, Batch) {
        Event::read(Some(Contract::Kinesis), body.as_bytes(), &Origin::default()).expect("an event")
    }

    fn kinesis_event(data: &[&str]) -> String {
        let record = |(index, data): (usize, &&str)| {
            format!(
                r#"{{"kinesis":{{"sequenceNumber":"{index}","partitionKey":"outer","data":"{data}"}}}}"#
            )
        };
        let records: Vec<_> = data.iter().enumerate().map(record).collect();
        format!(r#"{{"Records":[{}]}}"#, records.join(","))
    }

    #[test]
    fn the_records_of_an_aggregate_are_entries_and_it_fails_if_one_does() {
        let body = kinesis_event(&["e30=", AGGREGATE, "H4sI", GZIP]);
        let (event, batch) = read(&body);
        assert_eq!((event.len(), batch.len()), (4, 5));
        let ids: Vec<_> = (0..5).map(|entry| event.entry_id(entry)).collect();
        assert_eq!(ids, ["0", "1:0", "1:1", "1:2", "3"]);
        let keys: Vec<_> = (0..5).filter_map(|entry| event.key(entry)).collect();
        assert_eq!(keys, ["outer", "device-1", "device-2", "device-1", "outer"]);
        assert_eq!(batch.payload(4), Some(&b"e30="[..]), "inflated");
        assert!(matches!(event.unreadable(), [(2, Answer::Failed { .. })]));

        let mut entries = vec![Answer::Done; 5];
        let unreadable = vec![Answer::Dropped];
        entries[2] = Answer::transient(FailureCause::Record, "no");
        let answers = event.answers(entries, unreadable);
        assert_eq!(
            answers,
            [
                Answer::Done,
                Answer::transient(FailureCause::Record, "no"),
                Answer::Dropped,
                Answer::Done
            ]
        );
    }

    #[test]
    fn payloads_are_in_the_order_of_their_records_packed_or_not() {
        let packed = |data| kinesis_event(&[data, "\\u0065Q==", "Zg=="]);
        for (data, expected) in [("ZA==", "ZA=="), (GZIP, "e30=")] {
            for body in [packed(data), packed(data).replace(r#":"0""#, r#":"7""#)] {
                let (event, batch) = read(&body);
                let payloads: Vec<_> = (0..3).filter_map(|entry| batch.payload(entry)).collect();
                let mut expected = vec![expected.as_bytes(), b"eQ==", b"Zg=="];
                expected.rotate_left(usize::from(event.id(2) == "7"));
                assert_eq!(payloads, expected, "{body}");
            }
        }
    }

    #[test]
    fn ordinary_events_have_an_entry_for_each_record() {
        let body = kinesis_event(&["e30=", "", "*"]);
        let (event, batch) = read(&body);
        assert_eq!(batch.len(), 3);
        assert!(event.parts.is_none());
        let entries =
            vec![Answer::Done, Answer::Dropped, Answer::permanent(FailureCause::Record, "no")];
        assert_eq!(event.answers(entries.clone(), Vec::new()), entries);
    }
}
