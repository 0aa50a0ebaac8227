//! The envelope that the record contracts of Firehose and Kinesis Data Analytics share:
//! `{"records": [{"recordId", "data", …}], …}`.
//!
//! Only what is needed is read; fields that are not known are ignored, and so are those that other
//! readers insist on and AWS fills in now one way and now another.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use simdutf8::compat::from_utf8;

use super::event::Record;
use super::record_id::RecordId;
use super::{Contract, Event, json_string};
use crate::batch::Batch;

/// The most that AWS Lambda takes as an answer, in bytes.
///
/// Source: AWS Lambda Developer Guide, "Lambda quotas": 6 MB for the synchronous request and
/// response each.
pub(super) const MAX_RESPONSE_BYTES: usize = 6 << 20;

/// What a record's answer takes beside its id, at the least, in bytes.
pub(super) const MIN_ANSWER_BYTES: usize = r#"{"recordId":,"result":"ProcessingFailed"},"#.len();

/// What the response has around its records, in bytes.
pub(super) const AROUND_ANSWERS_BYTES: usize = r#"{"records":[]}"#.len();

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    records: Option<Vec<RecordIn<'a>>>,
    #[serde(borrow)]
    delivery_stream_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    stream_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    application_arn: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordIn<'a> {
    #[serde(borrow)]
    record_id: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    kinesis_record_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    kinesis_stream_record_metadata: Option<&'a RawValue>,
}

/// What a record knows of the Kinesis stream that it was in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StreamMetadata<'a> {
    #[serde(borrow)]
    partition_key: Option<&'a RawValue>,
}

/// Reads the envelope of an event whose data is base64.
pub(super) fn read(contract: Contract, body: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
    let body = from_utf8(body).map_err(EnvelopeError::NotUtf8)?;
    let envelope: Envelope<'_> = serde_json::from_str(body).map_err(EnvelopeError::of)?;
    let records = envelope.records.ok_or(EnvelopeError::NoRecords)?;
    let read = records.iter().enumerate();
    let records = read.map(|(index, record)| record.read(index)).collect::<Result<Vec<_>, _>>()?;
    refuse_duplicates(&records)?;
    refuse_too_many(&records)?;
    let arns = [envelope.delivery_stream_arn, envelope.stream_arn, envelope.application_arn];
    let source = arns.into_iter().flatten().find_map(|arn| json_string::text(arn.get()));
    Ok(Event::of_base64(contract, source.unwrap_or(Cow::Borrowed("")), records))
}

impl<'a> RecordIn<'a> {
    fn read(&self, index: usize) -> Result<Record<'a>, EnvelopeError> {
        let id = present(self.record_id).ok_or(EnvelopeError::NoRecordId { index })?;
        let id = RecordId::from_json(id).ok_or(EnvelopeError::RecordIdNotAString { index })?;
        let data = text_of(present(self.data), "data", index, &id)?;
        let metadata = self.kinesis_record_metadata.or(self.kinesis_stream_record_metadata);
        // Metadata of another form says nothing; it is not what the record is answered for.
        let key = metadata
            .and_then(|json| serde_json::from_str::<StreamMetadata<'_>>(json.get()).ok())
            .and_then(|metadata| present(metadata.partition_key));
        Ok(Record { id, data, key })
    }
}

/// The JSON of a field, unless it is `null`.
pub(super) fn present(field: Option<&RawValue>) -> Option<&str> {
    field.map(RawValue::get).filter(|json| *json != "null")
}

/// The text of a record's field that has to be there.
pub(super) fn text_of<'a>(
    json: Option<&'a str>,
    field: &'static str,
    index: usize,
    id: &RecordId<'_>,
) -> Result<Cow<'a, str>, EnvelopeError> {
    let id = || id.text().to_owned();
    let json = json.ok_or_else(|| EnvelopeError::NoData { field, index, id: id() })?;
    json_string::text(json).ok_or_else(|| EnvelopeError::DataNotAString { field, index, id: id() })
}

/// Refuses two records of the same id: an answer could not tell them apart.
pub(super) fn refuse_duplicates(records: &[Record<'_>]) -> Result<(), EnvelopeError> {
    // Services number their records, so ids mostly ascend: then no two are the same.
    if records.is_sorted_by(|a, b| a.id.text() < b.id.text()) {
        return Ok(());
    }
    let mut seen = HashMap::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        if let Some(first) = seen.insert(record.id.text(), index) {
            let id = record.id.text().to_owned();
            return Err(EnvelopeError::DuplicateRecordId { index, first, id });
        }
    }
    Ok(())
}

/// Refuses an event whose ids alone would not fit in an answer.
fn refuse_too_many(records: &[Record<'_>]) -> Result<(), EnvelopeError> {
    let bytes = AROUND_ANSWERS_BYTES
        + records.iter().map(|record| record.id.json().len() + MIN_ANSWER_BYTES).sum::<usize>();
    match bytes > MAX_RESPONSE_BYTES {
        true => Err(EnvelopeError::AnswerTooLarge { bytes, maximum: MAX_RESPONSE_BYTES }),
        false => Ok(()),
    }
}

/// Why an event cannot be read. None of its records was looked at.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// It is not text.
    #[error("the event is not UTF-8: {0}")]
    NotUtf8(simdutf8::compat::Utf8Error),
    /// It is not a JSON document. With the line and the column of the mistake.
    #[error("the event is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// It is JSON, but not of the envelope's shape.
    #[error("the event is not an envelope of records: {0}")]
    NotAnEnvelope(serde_json::Error),
    /// It looks like an event, but of no contract known here.
    #[error(
        "the event has an envelope, but of none of the known contracts: it has neither \
         deliveryStreamArn (firehose) nor applicationArn (analytics-output; analytics-input with \
         streamArn) nor Records with the eventSource aws:kinesis or aws:sqs; name the contract if \
         it is one of them nevertheless"
    )]
    UnknownShape,
    /// It has no `records` or `Records`.
    #[error("the event has no `records`")]
    NoRecords,
    /// It is larger than a batch can be.
    #[error("the event has {bytes} bytes, more than the {maximum} that a batch can hold")]
    #[expect(missing_docs, reason = "named for what they are")]
    TooLarge { bytes: usize, maximum: usize },
    /// It has so many records that not even their ids fit in an answer.
    #[error("the answer would have {bytes} bytes at the least, of {maximum} that it may have")]
    #[expect(missing_docs, reason = "named for what they are")]
    AnswerTooLarge { bytes: usize, maximum: usize },
    /// A record has no id.
    #[error("record {index} of the event has no recordId")]
    #[expect(missing_docs, reason = "the record's index")]
    NoRecordId { index: usize },
    /// A record's id is not a string.
    #[error("the recordId of record {index} is not a string")]
    #[expect(missing_docs, reason = "the record's index")]
    RecordIdNotAString { index: usize },
    /// A record's sequence number is not a number.
    #[error("the sequenceNumber of record {index} is not a decimal number")]
    #[expect(missing_docs, reason = "the record's index")]
    NotASequenceNumber { index: usize },
    /// A record has no data.
    #[error("record {index} of the event (recordId {id:?}) has no {field}")]
    #[expect(missing_docs, reason = "the record's index and id")]
    NoData { field: &'static str, index: usize, id: String },
    /// A record's data is not a string.
    #[error("the {field} of record {index} of the event (recordId {id:?}) is not a string")]
    #[expect(missing_docs, reason = "the record's index and id")]
    DataNotAString { field: &'static str, index: usize, id: String },
    /// Two records have the same id, so an answer could not tell them apart.
    #[error("records {first} and {index} of the event have the same recordId {id:?}")]
    #[expect(missing_docs, reason = "both records' indices and their id")]
    DuplicateRecordId { index: usize, first: usize, id: String },
}

impl EnvelopeError {
    pub(super) fn of(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => Self::NotAnEnvelope(error),
            _ => Self::NotJson(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(event: &str) -> String {
        read(Contract::AnalyticsOutput, event.as_bytes()).expect_err(event).to_string()
    }

    #[test]
    fn a_broken_envelope_is_refused_with_what_and_where() {
        assert!(error("{\"records\": [").contains("not JSON: EOF while parsing"));
        assert!(error("[]").contains("not an envelope"));
        assert_eq!(error("{}"), "the event has no `records`");
        assert_eq!(error(r#"{"records": null}"#), "the event has no `records`");
        assert!(error(r#"{"records": [7]}"#).contains("line 1 column"));
        let second =
            |record| error(&format!(r#"{{"records":[{{"recordId":"a","data":""}},{record}]}}"#));
        assert_eq!(second("{}"), "record 1 of the event has no recordId");
        assert_eq!(second(r#"{"recordId":7}"#), "the recordId of record 1 is not a string");
        assert_eq!(
            second(r#"{"recordId":"b"}"#),
            "record 1 of the event (recordId \"b\") has no data"
        );
        assert!(second(r#"{"recordId":"b","data":{}}"#).ends_with("is not a string"));
        assert_eq!(
            second(r#"{"recordId":"\u0061","data":""}"#),
            "records 0 and 1 of the event have the same recordId \"a\""
        );
        assert!(read(Contract::Firehose, b"{\"records\": \"\xff\"}").is_err());
    }

    #[test]
    fn ids_in_any_order_are_no_duplicates() {
        let event = r#"{"records":[{"recordId":"b","data":""},{"recordId":"a","data":""}]}"#;
        let (event, batch) = read(Contract::Firehose, event.as_bytes()).expect("an event");
        assert_eq!((event.id(0), event.id(1), batch.len()), ("b", "a", 2));
    }

    #[test]
    fn escaped_data_is_the_same_data() {
        let event = r#"{"records":[{"recordId":"a","data":"\/w=="}]}"#;
        let (event, _) = read(Contract::Firehose, event.as_bytes()).expect("an event");
        assert_eq!(event.records[0].data, "/w==");
    }

    #[test]
    fn more_records_than_an_answer_can_name_are_refused() {
        let record = |id| format!(r#"{{"recordId":"{id}","data":""}}"#);
        let event = |records| {
            let records: Vec<_> = (0..records).map(record).collect();
            format!(r#"{{"records":[{}]}}"#, records.join(","))
        };
        assert!(error(&event(150_000)).contains("bytes at the least"));
        assert!(read(Contract::Firehose, event(100_000).as_bytes()).is_ok());
    }

    #[test]
    fn the_partition_key_is_found_in_either_metadata() {
        let event = r#"{"streamArn":"arn:s","records":[
            {"recordId":"a","data":"","kinesisRecordMetadata":{"partitionKey":"k1"}},
            {"recordId":"b","data":"","kinesisStreamRecordMetadata":{"partitionKey":"k\u0032"}},
            {"recordId":"c","data":"","kinesisStreamRecordMetadata":7},
            {"recordId":"d","data":""}]}"#;
        let (event, _) = read(Contract::AnalyticsInput, event.as_bytes()).expect("an event");
        let keys: Vec<_> = (0..4).map(|entry| event.key(entry)).collect();
        assert_eq!(keys, [Some("k1".into()), Some("k2".into()), None, None]);
        assert_eq!(event.source, "arn:s");
    }
}
