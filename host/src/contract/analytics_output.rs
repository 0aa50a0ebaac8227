//! `analytics-output`: a Lambda as the destination of Kinesis Data Analytics for SQL.
//!
//! Request: `{invocationId, applicationArn, records: [{recordId, data,
//! lambdaDeliveryRecordMetadata: {retryHint}}]}`. Answer: `{records: [{recordId, result}]}` with
//! `Ok` or `DeliveryFailed`; the service sends again what failed.
//!
//! Source: Amazon Kinesis Data Analytics for SQL Applications Developer Guide, "Using a Lambda
//! Function as Output".

use super::{Answer, Contract, EnvelopeError, Event, envelope};
use crate::batch::Batch;

pub(super) fn read(body: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
    envelope::read(Contract::AnalyticsOutput, body)
}

/// The contract has no word for a dropped record: it has been dealt with, so it is `Ok`.
pub(super) fn respond(event: &Event<'_>, answers: &[Answer]) -> Vec<u8> {
    let mut response = br#"{"records":["#.to_vec();
    for (index, (record, answer)) in event.records.iter().zip(answers).enumerate() {
        let result = match answer {
            Answer::Failed { .. } => "DeliveryFailed",
            _ => "Ok",
        };
        let comma = if index == 0 { "" } else { "," };
        let id = record.id.json();
        for part in [comma, r#"{"recordId":"#, id, r#","result":""#, result, r#""}"#] {
            response.extend_from_slice(part.as_bytes());
        }
    }
    response.extend_from_slice(b"]}");
    response
}

#[cfg(test)]
mod tests {
    use super::super::FailureCause;
    use super::super::Onward;
    use super::*;

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
