//! `kinesis`: a stream of Amazon Kinesis, by way of an event source mapping of AWS Lambda.
//!
//! Request: `{Records: [{eventID, eventSource: "aws:kinesis", eventSourceARN, kinesis:
//! {partitionKey, sequenceNumber, data, …}}]}`. Answer: `{batchItemFailures: [{itemIdentifier:
//! sequenceNumber}]}`. The mapping goes back to the lowest sequence number that failed: the records
//! from there on come again, also those that did not fail.
//!
//! Source: AWS Lambda Developer Guide, "Process Amazon Kinesis Data Streams records with Lambda",
//! "Configuring partial batch response with Kinesis Data Streams and Lambda".

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::value::RawValue;
use simdutf8::compat::from_utf8;

use super::envelope::{present, refuse_duplicates, text_of};
use super::event::Record;
use super::record_id::RecordId;
use super::{Answer, Contract, EnvelopeError, Event, event_source, json_string};
use crate::batch::Batch;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "Records")]
    records: Option<Vec<RecordIn<'a>>>,
}

#[derive(Deserialize)]
struct RecordIn<'a> {
    #[serde(borrow)]
    kinesis: Option<Kinesis<'a>>,
    #[serde(borrow, rename = "eventSourceARN")]
    source: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kinesis<'a> {
    #[serde(borrow)]
    sequence_number: Option<&'a RawValue>,
    #[serde(borrow)]
    partition_key: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The records are in the order of their sequence numbers, even if the event's are not.
pub(super) fn read(body: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
    let body = from_utf8(body).map_err(EnvelopeError::NotUtf8)?;
    let envelope: Envelope<'_> = serde_json::from_str(body).map_err(EnvelopeError::of)?;
    let records = envelope.records.ok_or(EnvelopeError::NoRecords)?;
    let source = records.first().and_then(|record| json_string::text(record.source?.get()));
    let source = source.unwrap_or(Cow::Borrowed(""));
    let read = records.iter().enumerate();
    let mut records =
        read.map(|(index, record)| record.read(index)).collect::<Result<Vec<_>, _>>()?;
    let in_order = |a: &Record<'_>, b: &Record<'_>| compare(a.id.text(), b.id.text());
    if !records.is_sorted_by(|a, b| in_order(a, b).is_le()) {
        records.sort_by(in_order);
    }
    refuse_duplicates(&records)?;
    Ok(Event::of_base64(Contract::Kinesis, source, records))
}

impl<'a> RecordIn<'a> {
    fn read(&self, index: usize) -> Result<Record<'a>, EnvelopeError> {
        let kinesis = self.kinesis.as_ref().ok_or(EnvelopeError::NoRecordId { index })?;
        let id = present(kinesis.sequence_number).ok_or(EnvelopeError::NoRecordId { index })?;
        let id = RecordId::from_json(id).ok_or(EnvelopeError::RecordIdNotAString { index })?;
        if id.text().is_empty() || !id.text().bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EnvelopeError::NotASequenceNumber { index });
        }
        let data = text_of(present(kinesis.data), "data", index, &id)?;
        Ok(Record { id, data, key: present(kinesis.partition_key) })
    }
}

/// Compares sequence numbers, which have more digits than any integer type.
fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The lowest sequence number comes first: it is the one that the mapping goes back to.
pub(super) fn respond(event: &Event<'_>, answers: &[Answer]) -> Vec<u8> {
    event_source::respond(event, answers)
}

#[cfg(test)]
mod tests {
    use super::super::FailureCause;
    use super::super::Onward;
    use super::*;

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
