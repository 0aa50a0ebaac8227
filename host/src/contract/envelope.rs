//! The envelope that AWS's record contracts share: `{"records": [{"recordId", "data", …}], …}`.
//!
//! Only what is needed is read; fields that are not known are ignored, and so are those that other
//! readers insist on and AWS fills in now one way and now another.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use simdutf8::compat::from_utf8;

use super::{Contract, Event, RecordId, json_string};
use crate::batch::{Batch, Encoding};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    records: Option<Vec<Record<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow)]
    record_id: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Reads the envelope of an event whose data is base64.
pub(super) fn read(contract: Contract, body: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
    let body = from_utf8(body).map_err(EnvelopeError::NotUtf8)?;
    let envelope: Envelope<'_> = serde_json::from_str(body).map_err(EnvelopeError::of)?;
    let records = envelope.records.ok_or(EnvelopeError::NoRecords)?;

    let mut ids = Vec::with_capacity(records.len());
    let mut data = Vec::with_capacity(records.len());
    let mut batch = Batch::with_capacity(Encoding::Base64, records.len(), body.len());
    for (index, record) in records.iter().enumerate() {
        let id = record.record_id.map(RawValue::get).filter(|json| *json != "null");
        let id = id.ok_or(EnvelopeError::NoRecordId { index })?;
        let id = RecordId::from_json(id).ok_or(EnvelopeError::RecordIdNotAString { index })?;
        let payload = match record.data.map(RawValue::get).filter(|json| *json != "null") {
            None => return Err(EnvelopeError::NoData { index, id: id.text().to_owned() }),
            Some(json) => json_string::text(json)
                .ok_or_else(|| EnvelopeError::DataNotAString { index, id: id.text().to_owned() })?,
        };
        batch.push(payload.as_bytes());
        ids.push(id);
        data.push(payload);
    }
    refuse_duplicates(&ids)?;
    Ok((Event { contract, ids, data }, batch))
}

fn refuse_duplicates(ids: &[RecordId<'_>]) -> Result<(), EnvelopeError> {
    // Services number their records, so ids mostly ascend: then no two are the same.
    if ids.is_sorted_by(|a, b| a.text() < b.text()) {
        return Ok(());
    }
    let mut seen = HashMap::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        if let Some(first) = seen.insert(id.text(), index) {
            let id = id.text().to_owned();
            return Err(EnvelopeError::DuplicateRecordId { index, first, id });
        }
    }
    Ok(())
}

/// What tells the contracts apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    #[serde(borrow)]
    records: Option<&'a RawValue>,
    #[serde(borrow, rename = "Records")]
    event_source_records: Option<&'a RawValue>,
    #[serde(borrow)]
    invocation_id: Option<&'a RawValue>,
    #[serde(borrow)]
    application_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    stream_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    delivery_stream_arn: Option<&'a RawValue>,
}

impl Shape<'_> {
    /// Whether it has a field that only events have.
    fn has_an_envelope(&self) -> bool {
        let Self { records, event_source_records, invocation_id, application_arn, .. } = self;
        records.or(*event_source_records).or(*invocation_id).or(*application_arn).is_some()
    }
}

/// Tells the contract of a document by the fields of its envelope.
pub(super) fn detect(document: &[u8]) -> Result<Contract, EnvelopeError> {
    let document = from_utf8(document).map_err(EnvelopeError::NotUtf8)?;
    if !document.trim_start().starts_with('{') {
        serde_json::from_str::<serde::de::IgnoredAny>(document).map_err(EnvelopeError::of)?;
        return Ok(Contract::Ndjson);
    }
    let shape: Shape<'_> = serde_json::from_str(document).map_err(EnvelopeError::of)?;
    if shape.delivery_stream_arn.is_some() {
        Ok(Contract::Firehose)
    } else if shape.application_arn.is_some() && shape.stream_arn.is_none() {
        Ok(Contract::AnalyticsOutput)
    } else if shape.has_an_envelope() {
        Err(EnvelopeError::UnknownShape)
    } else {
        Ok(Contract::Ndjson)
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
         deliveryStreamArn (firehose) nor applicationArn without streamArn (analytics-output); \
         name the contract if it is one of them nevertheless"
    )]
    UnknownShape,
    /// It has no `records`.
    #[error("the event has no `records`")]
    NoRecords,
    /// It is larger than a batch can be.
    #[error("the event has {bytes} bytes, more than the {maximum} that a batch can hold")]
    #[expect(missing_docs, reason = "named for what they are")]
    TooLarge { bytes: usize, maximum: usize },
    /// A record has no `recordId`.
    #[error("record {index} of the event has no recordId")]
    #[expect(missing_docs, reason = "the record's index")]
    NoRecordId { index: usize },
    /// A record's `recordId` is not a string.
    #[error("the recordId of record {index} is not a string")]
    #[expect(missing_docs, reason = "the record's index")]
    RecordIdNotAString { index: usize },
    /// A record has no `data`.
    #[error("record {index} of the event (recordId {id:?}) has no data")]
    #[expect(missing_docs, reason = "the record's index and id")]
    NoData { index: usize, id: String },
    /// A record's `data` is not a string.
    #[error("the data of record {index} of the event (recordId {id:?}) is not a string")]
    #[expect(missing_docs, reason = "the record's index and id")]
    DataNotAString { index: usize, id: String },
    /// Two records have the same `recordId`, so an answer could not tell them apart.
    #[error("records {first} and {index} of the event have the same recordId {id:?}")]
    #[expect(missing_docs, reason = "both records' indices and their id")]
    DuplicateRecordId { index: usize, first: usize, id: String },
}

impl EnvelopeError {
    fn of(error: serde_json::Error) -> Self {
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
        assert_eq!(event.data[0], "/w==");
    }

    #[test]
    fn contracts_are_told_by_their_shape() {
        let contract = |event: &str| detect(event.as_bytes()).ok();
        assert_eq!(contract(r#"{"applicationArn":"a"}"#), Some(Contract::AnalyticsOutput));
        assert_eq!(contract(r#"{"deliveryStreamArn":"a"}"#), Some(Contract::Firehose));
        assert_eq!(contract(r#"{"ANOMALY_SCORE":1}"#), Some(Contract::Ndjson));
        assert_eq!(contract("[1]"), Some(Contract::Ndjson));
        assert_eq!(contract(r#"{"Records":[]}"#), None);
        assert_eq!(contract(r#"{"applicationArn":"a","streamArn":"b"}"#), None);
        assert_eq!(contract("{"), None);
    }
}
