//! `kinesis`: a stream of Amazon Kinesis, by way of an event source mapping of AWS Lambda.
//!
//! Request: `{Records: [{eventID: SHARD:NUMBER, eventSource: "aws:kinesis", eventSourceARN, kinesis:
//! {partitionKey, sequenceNumber, data, …}}]}`. Answer: `{batchItemFailures: [{itemIdentifier:
//! sequenceNumber}]}`. The mapping goes back to the lowest sequence number that failed: the records
//! from there on come again, also those that did not fail.
//!
//! Source: AWS Lambda Developer Guide, "Process Amazon Kinesis Data Streams records with Lambda",
//! "Configuring partial batch response with Kinesis Data Streams and Lambda".

use std::cmp::Ordering;

use weir_json::{Layout, Reader, Str};

use super::error::Refusal;
use super::record::{Field, Record, RecordList, read_object};
use super::{EnvelopeError, json_string};

/// What the records have in common, and what their `kinesis` do.
pub(super) type Layouts<'a> = (Layout<'a, OfRecord>, Layout<'a, OfKinesis>);

/// What is asked for of a record.
#[derive(Clone, Copy)]
pub(super) enum OfRecord {
    Kinesis,
    EventId,
}

impl OfRecord {
    const NAMES: [(&str, Self); 2] = [("kinesis", Self::Kinesis), ("eventID", Self::EventId)];
}

/// What is asked for of its `kinesis`.
#[derive(Clone, Copy)]
pub(super) enum OfKinesis {
    SequenceNumber,
    PartitionKey,
    Data,
}

impl OfKinesis {
    const NAMES: [(&str, Self); 3] = [
        ("sequenceNumber", Self::SequenceNumber),
        ("partitionKey", Self::PartitionKey),
        ("data", Self::Data),
    ];
}

/// Reads a record of the event, to the end of the list.
#[inline(always)]
pub(super) fn record<'a>(
    reader: &mut Reader<'a>,
    (layout, within): &mut Layouts<'a>,
    list: &mut RecordList<'a>,
) -> Result<(), Refusal> {
    let (mut id, mut data) = (Field::default(), Field::default());
    let (mut key, mut event_id) = (Field::default(), None);
    read_object(reader, layout, &OfRecord::NAMES, |reader, name| {
        match name {
            OfRecord::Kinesis => {
                read_object(reader, within, &OfKinesis::NAMES, |reader, name| match name {
                    OfKinesis::SequenceNumber => id.read(reader, "sequenceNumber"),
                    OfKinesis::PartitionKey => key.read(reader, "partitionKey"),
                    OfKinesis::Data => data.read(reader, "data"),
                })?
            }
            OfRecord::EventId => event_id = reader.string()?,
        }
        Ok(())
    })?;
    let index = list.records.len();
    let id = id.id(index)?;
    let number = json_string::bytes(id);
    // No early end: so the compiler makes vectors of it.
    let digits = number.iter().fold(true, |all, byte| all & byte.is_ascii_digit());
    if number.is_empty() || !digits {
        return Err(EnvelopeError::NotASequenceNumber { index }.into());
    }
    let data = data.data("data", index, id)?;
    list.push(Record { id, data, key: key.string(), event_id });
    Ok(())
}

/// Puts records in the order of their sequence numbers, in which an event need not have them.
pub(super) fn put_in_order(list: &mut RecordList<'_>) {
    list.sort_by(|a, b| compare(&json_string::bytes(a.id), &json_string::bytes(b.id)));
}

/// The shard that a record came from: what its `eventID` begins with. Empty if it does not say.
pub(super) fn shard<'a>(record: &Record<'a>) -> &'a str {
    // The ids of shards need no escapes.
    let event_id = record.event_id.and_then(Str::plain).unwrap_or_default();
    event_id.split_once(':').map_or("", |(shard, _)| shard)
}

/// Compares sequence numbers, which have more digits than any integer type.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| digits.iter().position(|&digit| digit != b'0');
    let [a, b] = [a, b].map(|digits| &digits[significant(digits).unwrap_or(digits.len())..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Contract, Event, FailureCause, Onward, Origin};
    use super::*;
    use crate::batch::Batch;

    fn read(event: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
        Event::read(Some(Contract::Kinesis), event, &Origin::default())
    }

    fn event(sequence_numbers: &[&str]) -> String {
        let record = |number: &&str| {
            format!(
                r#"{{"eventSource":"aws:kinesis","eventSourceARN":"arn:s","kinesis":{{"sequenceNumber":"{number}","partitionKey":"k{number}","data":"e30="}}}}"#
            )
        };
        let records: Vec<_> = sequence_numbers.iter().map(record).collect();
        format!(r#"{{"Records":[{}]}}"#, records.join(","))
    }

    #[test]
    fn records_are_put_in_the_order_of_their_numbers_not_of_their_digits() {
        let event = event(&["1000", "999", "0998"]);
        let (event, batch) = read(event.as_bytes()).expect("an event");
        assert_eq!([event.id(0), event.id(1), event.id(2)], ["0998", "999", "1000"]);
        assert_eq!((batch.len(), &*event.source), (3, "arn:s"));
        assert_eq!(event.key(2).as_deref(), Some("k1000"));
        let answers = [
            Answer::Done,
            Answer::transient(FailureCause::Record, "no"),
            Answer::permanent(FailureCause::Record, "no"),
        ];
        assert_eq!(
            String::from_utf8(event.respond(&answers, &Onward::default())).expect("UTF-8"),
            r#"{"batchItemFailures":[{"itemIdentifier":"999"},{"itemIdentifier":"1000"}]}"#
        );
    }

    #[test]
    fn where_nothing_failed_the_list_is_empty() {
        let event = event(&["1"]);
        let (event, _) = read(event.as_bytes()).expect("an event");
        let response = event.respond(&[Answer::Dropped], &Onward::default());
        assert_eq!(response, br#"{"batchItemFailures":[]}"#);
    }

    #[test]
    fn what_is_no_sequence_number_is_refused() {
        for (number, cause) in [("x", "not a decimal number"), ("", "not a decimal number")] {
            let error = read(event(&["1", number]).as_bytes()).expect_err(number).to_string();
            assert!(error.contains("record 1") && error.contains(cause), "{error}");
        }
        let error = read(event(&["7", "7"]).as_bytes()).expect_err("twice the same").to_string();
        assert!(error.contains("the same recordId \"7\""), "{error}");
    }
}
