//! `firehose`: the data transformation of Amazon Data Firehose.
//!
//! Request: `{invocationId, deliveryStreamArn, region, records: [{recordId,
//! approximateArrivalTimestamp, data, kinesisRecordMetadata?}]}`. Answer: `{records: [{recordId,
//! result, data}]}` with `Ok`, `Dropped` or `ProcessingFailed`; what failed goes to the stream's
//! error output.
//!
//! Source: Amazon Data Firehose Developer Guide, "Required parameters for data transformation".

use super::{Answer, Contract, EnvelopeError, Event, envelope};
use crate::batch::{Batch, Payloads};

pub(super) fn read(body: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
    envelope::read(Contract::Firehose, body)
}

/// A record goes on with the payload the rule rewrote, or else with its data as it came.
pub(super) fn respond(
    event: &Event<'_>,
    answers: &[Answer],
    rewritten: Option<&Payloads>,
) -> Vec<u8> {
    let size: usize = event.data.iter().map(|data| data.len() + 128).sum();
    let mut response = Vec::with_capacity(size);
    response.extend_from_slice(br#"{"records":["#);
    for (index, (id, answer)) in event.ids.iter().zip(answers).enumerate() {
        let (result, payload) = match answer {
            Answer::Done | Answer::Published { .. } => {
                ("Ok", rewritten.and_then(|payloads| payloads.get(index)))
            }
            Answer::Dropped => ("Dropped", None),
            Answer::Failed(_) => ("ProcessingFailed", None),
        };
        let comma = if index == 0 { "" } else { "," };
        for part in [comma, r#"{"recordId":"#, id.json(), r#","result":""#, result] {
            response.extend_from_slice(part.as_bytes());
        }
        response.extend_from_slice(br#"","data":"#);
        match payload {
            Some(payload) => {
                response.push(b'"');
                base64_simd::STANDARD.encode_append(payload, &mut response);
                response.push(b'"');
            }
            None => write_json_string(&event.data[index], &mut response),
        }
        response.push(b'}');
    }
    response.extend_from_slice(b"]}");
    response
}

fn write_json_string(text: &str, response: &mut Vec<u8>) {
    serde_json::to_writer(response, text).expect("a string can be written to memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_goes_on_as_it_came_or_as_it_was_rewritten() {
        let event = br#"{"records":[{"recordId":"a","data":"YQ=="},{"recordId":"b","data":"Yg=="},
            {"recordId":"c","data":"n\u0022t base64"},{"recordId":"d","data":"ZA=="}]}"#;
        let (event, _) = read(event).expect("an event");
        let answers = [
            Answer::Done,
            Answer::Dropped,
            Answer::Failed("no".to_owned()),
            Answer::Published { score: None, crossed: None },
        ];
        let rewritten = Payloads { bytes: b"AAD".to_vec(), ends: vec![2, 2, 2, 3] };
        let response = event.respond(&answers, Some(&rewritten));
        assert_eq!(
            String::from_utf8(response).expect("UTF-8"),
            concat!(
                r#"{"records":[{"recordId":"a","result":"Ok","data":"QUE="},"#,
                r#"{"recordId":"b","result":"Dropped","data":"Yg=="},"#,
                r#"{"recordId":"c","result":"ProcessingFailed","data":"n\"t base64"},"#,
                r#"{"recordId":"d","result":"Ok","data":"RA=="}]}"#
            )
        );
    }
}
