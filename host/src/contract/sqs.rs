//! `sqs`: a queue of Amazon SQS, by way of an event source mapping of AWS Lambda.
//!
//! Request: `{Records: [{messageId, body, attributes, eventSource: "aws:sqs", eventSourceARN, …}]}`.
//! Answer: `{batchItemFailures: [{itemIdentifier: messageId}]}`; what failed becomes visible in the
//! queue again. The body is the payload as it is, not base64.
//!
//! A standard queue may hand out a message more than once, also in one event. All are of one id, by which
//! they are answered: so they are one record.
//!
//! Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS", "Handling errors for an SQS
//! event source in Lambda"; Amazon SQS Developer Guide, "Amazon SQS at-least-once delivery".

use weir_json::{Layout, Reader};

use super::error::Refusal;
use super::record::{Field, Record, RecordList, read_object};

/// What the messages have in common, and what their attributes do.
pub(super) type Layouts<'a> = (Layout<'a, OfMessage>, Layout<'a, ()>);

/// What is asked for of a message.
#[derive(Clone, Copy)]
pub(super) enum OfMessage {
    Id,
    Body,
    Attributes,
}

impl OfMessage {
    const NAMES: [(&str, Self); 3] =
        [("messageId", Self::Id), ("body", Self::Body), ("attributes", Self::Attributes)];
}

/// Reads a message of the event, to the end of the list.
#[inline(always)]
pub(super) fn record<'a>(
    reader: &mut Reader<'a>,
    (layout, within): &mut Layouts<'a>,
    list: &mut RecordList<'a>,
) -> Result<(), Refusal> {
    let (mut id, mut body) = (Field::default(), Field::default());
    let mut group = Field::default();
    read_object(reader, layout, &OfMessage::NAMES, |reader, name| match name {
        OfMessage::Id => id.read(reader, "messageId"),
        OfMessage::Body => body.read(reader, "body"),
        OfMessage::Attributes => {
            read_object(reader, within, &[("MessageGroupId", ())], |reader, ()| {
                group.read(reader, "MessageGroupId")
            })
        }
    })?;
    let index = list.records.len();
    let id = id.id(index)?;
    let data = body.data("body", index, id)?;
    list.push(Record { id, data, key: group.string(), event_id: None });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Contract, EnvelopeError, Event, FailureCause, Onward, Origin};
    use crate::batch::Batch;

    fn read(event: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
        Event::read(Some(Contract::Sqs), event, &Origin::default())
    }

    #[test]
    fn messages_are_answered_by_their_ids() {
        let event = br#"{"Records":[
            {"messageId":"b","body":"{\"a\":1}","eventSourceARN":"arn:q","attributes":{"MessageGroupId":"g"}},
            {"messageId":"a","body":""}]}"#;
        let (event, batch) = read(event).expect("an event");
        assert_eq!((batch.len(), &*event.source), (2, "arn:q"));
        assert_eq!((event.key(0).as_deref(), event.key(1)), (Some("g"), None));
        assert_eq!(event.data(0).as_deref(), Some("{\"a\":1}"));
        let answers = [Answer::transient(FailureCause::Record, "no"), Answer::Done];
        assert_eq!(
            String::from_utf8(event.respond(&answers, &Onward::default())).expect("UTF-8"),
            r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#
        );
    }

    #[test]
    fn a_message_that_came_twice_is_one_record() {
        let event = br#"{"Records":[
            {"messageId":"b","receiptHandle":"1","body":"{}"},
            {"messageId":"a","receiptHandle":"2","body":"[]"},
            {"messageId":"b","receiptHandle":"3","body":"{\u007d"},
            {"messageId":"\u0062","receiptHandle":"4","body":"{}"},
            {"messageId":"c","receiptHandle":"5","body":"{}"}]}"#;
        let (event, batch) = read(event).expect("an event");
        assert_eq!([0, 1, 2].map(|record| event.id(record)), ["b", "a", "c"]);
        let payloads = [0, 1, 2].map(|entry| batch.payload(entry).expect("a payload"));
        assert_eq!((event.len(), batch.len(), payloads), (3, 3, [&b"{}"[..], b"[]", b"{}"]));
        let failed = Answer::transient(FailureCause::Record, "no");
        let response = event.respond(&[failed, Answer::Done, Answer::Done], &Onward::default());
        assert_eq!(response, br#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#);
    }

    #[test]
    fn two_messages_of_one_id_are_refused() {
        let event = br#"{"Records":[{"messageId":"a","body":"1"},{"messageId":"a","body":"2"}]}"#;
        let error = read(event).expect_err("an id too few").to_string();
        assert_eq!(error, "records 0 and 1 of the event have the same recordId \"a\"");
    }

    #[test]
    fn a_message_without_a_body_is_named() {
        let error = read(br#"{"Records":[{"messageId":"a"}]}"#).expect_err("no body").to_string();
        assert_eq!(error, "record 0 of the event (recordId \"a\") has no body");
    }
}
