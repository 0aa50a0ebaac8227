//! `analytics-output`: a Lambda as the destination of Kinesis Data Analytics for SQL.
//!
//! Request: `{invocationId, applicationArn, records: [{recordId, data,
//! lambdaDeliveryRecordMetadata: {retryHint}}]}`. Answer: `{records: [{recordId, result}]}` with
//! `Ok` or `DeliveryFailed`; the service sends again what failed.
//!
//! Source: Amazon Kinesis Data Analytics for SQL Applications Developer Guide, "Using a Lambda
//! Function as Output".

use super::Answer;
use super::answer::AROUND_ANSWERS_BYTES;
use super::record::Record;

/// What a record's answer takes beside its id, at the most, in bytes.
const MAX_ANSWER_BYTES: usize = r#"{"recordId":,"result":"DeliveryFailed"},"#.len();

/// The contract has no word for a dropped record: it has been dealt with, so it is `Ok`.
pub(super) fn respond(records: &[Record<'_>], id_bytes: usize, answers: &[Answer]) -> Vec<u8> {
    let bytes = AROUND_ANSWERS_BYTES + id_bytes + records.len() * MAX_ANSWER_BYTES;
    let mut response = Vec::with_capacity(bytes);
    response.extend_from_slice(br#"{"records":["#);
    for (record, answer) in records.iter().zip(answers) {
        response.extend_from_slice(br#"{"recordId":"#);
        response.extend_from_slice(record.id.json());
        match answer {
            Answer::Failed { .. } => {
                response.extend_from_slice(br#","result":"DeliveryFailed"},"#);
            }
            _ => response.extend_from_slice(br#","result":"Ok"},"#),
        }
    }
    // Behind the last one is no comma.
    response.truncate(response.len() - usize::from(!records.is_empty()));
    response.extend_from_slice(b"]}");
    response
}

#[cfg(test)]
mod tests {
    use super::super::{Contract, EnvelopeError, Event, FailureCause, Onward, Origin};
    use super::*;
    use crate::batch::Batch;

    fn read(event: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
        Event::read(Some(Contract::AnalyticsOutput), event, &Origin::default())
    }

    #[test]
    fn ids_come_back_byte_for_byte_in_order() {
        let event =
            br#"{"records":[{"recordId":"\u0062\/","data":"YQ=="},{"recordId":"a","data":""}]}"#;
        let (event, _) = read(event).expect("an event");
        let answers = [Answer::Done, Answer::transient(FailureCause::Record, "no")];
        assert_eq!(
            String::from_utf8(event.respond(&answers, &Onward::default())).expect("UTF-8"),
            r#"{"records":[{"recordId":"\u0062\/","result":"Ok"},{"recordId":"a","result":"DeliveryFailed"}]}"#
        );
    }

    #[test]
    fn an_event_without_records_has_an_answer_without_records() {
        let (event, _) = read(br#"{"records":[]}"#).expect("an event");
        assert_eq!(event.respond(&[], &Onward::default()), br#"{"records":[]}"#);
    }
}
