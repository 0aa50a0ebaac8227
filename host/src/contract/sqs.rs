//! `sqs`: a queue of Amazon SQS, by way of an event source mapping of AWS Lambda.
//!
//! Request: `{Records: [{messageId, body, attributes, eventSource: "aws:sqs", eventSourceARN, …}]}`.
//! Answer: `{batchItemFailures: [{itemIdentifier: messageId}]}`; what failed becomes visible in the
//! queue again. The body is the payload as it is, not base64.
//!
//! Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS", "Handling errors for an SQS
//! event source in Lambda".

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use simdutf8::compat::from_utf8;

use super::envelope::{present, refuse_duplicates, text_of};
use super::event::Record;
use super::record_id::RecordId;
use super::{Answer, Contract, EnvelopeError, Event, event_source, json_string};
use crate::batch::{Batch, Encoding};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "Records")]
    records: Option<Vec<Message<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(borrow)]
    message_id: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes: Option<Attributes<'a>>,
    #[serde(borrow, rename = "eventSourceARN")]
    source: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes<'a> {
    #[serde(borrow)]
    message_group_id: Option<&'a RawValue>,
}

pub(super) fn read(body: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
    let body = from_utf8(body).map_err(EnvelopeError::NotUtf8)?;
    let envelope: Envelope<'_> = serde_json::from_str(body).map_err(EnvelopeError::of)?;
    let messages = envelope.records.ok_or(EnvelopeError::NoRecords)?;
    let source = messages.first().and_then(|message| json_string::text(message.source?.get()));
    let source = source.unwrap_or(Cow::Borrowed(""));
    let read = messages.iter().enumerate();
    let records =
        read.map(|(index, message)| message.read(index)).collect::<Result<Vec<_>, _>>()?;
    refuse_duplicates(&records)?;
    let mut batch = Batch::with_capacity(Encoding::Plain, records.len(), body.len());
    for record in &records {
        batch.push(record.data.as_bytes());
    }
    Ok((Event::new(Contract::Sqs, source, records), batch))
}

impl<'a> Message<'a> {
    fn read(&self, index: usize) -> Result<Record<'a>, EnvelopeError> {
        let id = present(self.message_id).ok_or(EnvelopeError::NoRecordId { index })?;
        let id = RecordId::from_json(id).ok_or(EnvelopeError::RecordIdNotAString { index })?;
        let data = text_of(present(self.body), "body", index, &id)?;
        let group = self.attributes.as_ref().and_then(|a| present(a.message_group_id));
        Ok(Record { id, data, key: group })
    }
}

pub(super) fn respond(event: &Event<'_>, answers: &[Answer]) -> Vec<u8> {
    event_source::respond(event, answers)
}

#[cfg(test)]
mod tests {
    use super::super::FailureCause;
    use super::super::Onward;
    use super::*;

    #[test]
    fn messages_are_answered_by_their_ids() {
        let event = br#"{"Records":[
            {"messageId":"b","body":"{\"a\":1}","eventSourceARN":"arn:q","attributes":{"MessageGroupId":"g"}},
            {"messageId":"a","body":""}]}"#;
        let (event, batch) = read(event).expect("an event");
        assert_eq!((batch.len(), &*event.source), (2, "arn:q"));
        assert_eq!((event.key(0).as_deref(), event.key(1)), (Some("g"), None));
        assert_eq!(event.data(0), Some("{\"a\":1}"));
        let answers = [Answer::transient(FailureCause::Record, "no"), Answer::Done];
        assert_eq!(
            String::from_utf8(event.respond(&answers, &Onward::default())).expect("UTF-8"),
            r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#
        );
    }

    #[test]
    fn a_message_without_a_body_is_named() {
        let error = read(br#"{"Records":[{"messageId":"a"}]}"#).expect_err("no body").to_string();
        assert_eq!(error, "record 0 of the event (recordId \"a\") has no body");
    }
}
