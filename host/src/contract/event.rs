use std::borrow::Cow;

use super::record_id::RecordId;
use super::transformation::Onward;
use super::{
    Answer, Contract, EnvelopeError, Origin, analytics_input, analytics_output, firehose,
    json_string, kinesis, ndjson, sqs, transformation,
};
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
    pub(super) records: Vec<Record<'a>>,
    /// Which record each entry of the batch is of, unless it is one for each.
    parts: Option<Vec<Part>>,
    /// The records without an entry, ascending, with the reason.
    unreadable: Vec<(usize, Answer)>,
}

/// A record of an event.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) id: RecordId<'a>,
    /// As it came, without the quotes and escapes of JSON. Empty for `ndjson`, whose data is in
    /// the batch as it came.
    pub(super) data: Cow<'a, str>,
    /// The partition key or message group, as a JSON string.
    pub(super) key: Option<&'a str>,
}

/// An entry of the batch.
#[derive(Debug)]
struct Part {
    record: usize,
    /// Which part of an aggregate it is, from 0, and its own partition key.
    of_aggregate: Option<(usize, String)>,
}

impl<'a> Event<'a> {
    /// Reads an event of a contract. `origin` names an event that has no ids of its own.
    pub(crate) fn read(
        contract: Contract,
        body: &'a [u8],
        origin: &Origin<'_>,
    ) -> Result<(Self, Batch), EnvelopeError> {
        if body.len() > Batch::MAX_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: body.len(), maximum: Batch::MAX_BYTES });
        }
        match contract {
            Contract::AnalyticsOutput => analytics_output::read(body),
            Contract::AnalyticsInput => analytics_input::read(body),
            Contract::Firehose => firehose::read(body),
            Contract::Kinesis => kinesis::read(body),
            Contract::Sqs => sqs::read(body),
            Contract::Ndjson => Ok(ndjson::read(body, origin)),
        }
    }

    /// An event of records that each are an entry of the batch.
    pub(super) fn new(contract: Contract, source: Cow<'a, str>, records: Vec<Record<'a>>) -> Self {
        Self { contract, source, records, parts: None, unreadable: Vec::new() }
    }

    /// An event whose data is base64, and the batch of what is in it.
    pub(super) fn of_base64(
        contract: Contract,
        source: Cow<'a, str>,
        records: Vec<Record<'a>>,
    ) -> (Self, Batch) {
        let bytes = records.iter().map(|record| record.data.len()).sum();
        let mut batch = Batch::with_capacity(Encoding::Base64, records.len(), bytes);
        for record in &records {
            batch.push(record.data.as_bytes());
        }
        (Self::new(contract, source, records), batch)
    }

    /// Whether the service keeps the order of records that have the same key, and expects the same.
    pub(crate) fn keeps_order(&self) -> bool {
        self.contract == Contract::Sqs && self.source.ends_with(".fifo")
    }

    /// How many records it has.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// A record's id, as text.
    pub(crate) fn id(&self, record: usize) -> &str {
        self.records[record].id.text()
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
            None => Cow::Borrowed(id),
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
    pub(crate) fn data(&self, entry: usize) -> Option<&str> {
        let alone = self.part_of_aggregate(entry).is_none() && self.contract != Contract::Ndjson;
        alone.then(|| self.record_data(self.record_of(entry)))
    }

    /// The data of a record as it came.
    pub(crate) fn record_data(&self, record: usize) -> &str {
        &self.records[record].data
    }

    /// The partition key or message group of a record.
    pub(crate) fn record_key(&self, record: usize) -> Option<Cow<'_, str>> {
        self.records[record].key.and_then(json_string::text)
    }

    fn part_of_aggregate(&self, entry: usize) -> Option<(usize, &str)> {
        let part = self.parts.as_ref()?.get(entry)?;
        part.of_aggregate.as_ref().map(|(number, key)| (*number, key.as_str()))
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

    /// Fails what the answer has no room for: the first that fit go on. Says which it failed.
    pub(crate) fn fit(&self, answers: &mut [Answer], onward: &Onward<'_>) -> Vec<usize> {
        match self.contract {
            Contract::Firehose | Contract::AnalyticsInput => {
                transformation::fit(self, answers, onward)
            }
            _ => Vec::new(),
        }
    }

    /// Writes the answer to the event: one a record, in order.
    ///
    /// # Panics
    ///
    /// If there is not exactly one answer a record.
    pub(crate) fn respond(&self, answers: &[Answer], onward: &Onward<'_>) -> Vec<u8> {
        assert_eq!(answers.len(), self.len(), "one answer a record");
        match self.contract {
            Contract::AnalyticsOutput => analytics_output::respond(self, answers),
            Contract::Firehose | Contract::AnalyticsInput => {
                transformation::respond(self, answers, onward)
            }
            Contract::Kinesis => kinesis::respond(self, answers),
            Contract::Sqs => sqs::respond(self, answers),
            Contract::Ndjson => ndjson::respond(self, answers, onward),
        }
    }

    /// The one entry of a record, if it has one.
    pub(super) fn entry_of(&self, record: usize) -> Option<usize> {
        match &self.parts {
            None => Some(record),
            Some(parts) => parts.binary_search_by_key(&record, |part| part.record).ok(),
        }
    }
}
