//! `firehose`, the data transformation of Amazon Data Firehose, and `analytics-input`, a Lambda that
//! prepares the input of Kinesis Data Analytics for SQL: both are answered alike.
//!
//! Requests: `{invocationId, deliveryStreamArn, region, records: [{recordId,
//! approximateArrivalTimestamp, data, kinesisRecordMetadata?}]}`, and `{invocationId, applicationArn,
//! streamArn, records: [{recordId, data, kinesisStreamRecordMetadata |
//! kinesisFirehoseRecordMetadata}]}`. Answer: `{records: [{recordId, result, data, metadata?}]}` with
//! `Ok`, `Dropped` or `ProcessingFailed`; what failed goes to the stream's error output.
//!
//! Source: Amazon Data Firehose Developer Guide, "Required parameters for data transformation" and
//! "Dynamic partitioning"; Amazon Kinesis Data Analytics for SQL Applications Developer Guide,
//! "Preprocessing Data Using a Lambda Function".

use weir_json::Str;

use super::answer::{AROUND_ANSWERS_BYTES, MAX_RESPONSE_BYTES, MIN_ANSWER_BYTES};
use super::{Answer, Event, FailureCause, json_string};
use crate::batch::Payloads;

/// What records go on with, where it is not as they came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Onward<'a> {
    /// The payload of each entry, where the rule rewrote them.
    pub(crate) rewritten: Option<&'a Payloads>,
    /// The partition keys of each record, as a JSON object. Empty if there are none.
    pub(crate) partition_keys: &'a [String],
}

/// A record goes on with the payload the rule rewrote, or else with its data as it came.
pub(super) fn respond(event: &Event<'_>, answers: &[Answer], onward: &Onward<'_>) -> Vec<u8> {
    let total = total(event, answers, onward);
    let whole = total <= MAX_RESPONSE_BYTES;
    let mut response = Vec::with_capacity(total.min(MAX_RESPONSE_BYTES));
    response.extend_from_slice(br#"{"records":["#);
    for (index, answer) in answers.iter().enumerate() {
        if index > 0 {
            response.push(b',');
        }
        write(event, index, answer, onward, whole || goes_on(answer), &mut response);
    }
    response.extend_from_slice(b"]}");
    response
}

fn goes_on(answer: &Answer) -> bool {
    matches!(answer, Answer::Done | Answer::Published { .. })
}

fn write(
    event: &Event<'_>,
    index: usize,
    answer: &Answer,
    onward: &Onward<'_>,
    with_data: bool,
    response: &mut Vec<u8>,
) {
    let record = &event.enveloped()[index];
    let result = match answer {
        Answer::Done | Answer::Published { .. } => "Ok",
        Answer::Dropped | Answer::Disposed { .. } => "Dropped",
        Answer::Failed { .. } => "ProcessingFailed",
    };
    for part in [br#"{"recordId":"#, record.id.json(), br#","result":""#, result.as_bytes(), b"\""]
    {
        response.extend_from_slice(part);
    }
    if with_data {
        response.extend_from_slice(br#","data":"#);
        match rewritten(event, index, answer, onward) {
            Some(payload) => {
                response.push(b'"');
                base64_simd::STANDARD.encode_append(payload, response);
                response.push(b'"');
            }
            None if record.data.escaped() => {
                serde_json::to_writer(&mut *response, &json_string::text(record.data))
                    .expect("a string can be written to memory");
            }
            None => response.extend_from_slice(record.data.json()),
        }
        if let Some(keys) = partition_keys(index, answer, onward) {
            for part in [r#","metadata":{"partitionKeys":"#, keys, "}"] {
                response.extend_from_slice(part.as_bytes());
            }
        }
    }
    response.push(b'}');
}

fn rewritten<'a>(
    event: &Event<'_>,
    index: usize,
    answer: &Answer,
    onward: &Onward<'a>,
) -> Option<&'a [u8]> {
    let payloads = onward.rewritten.filter(|_| goes_on(answer))?;
    payloads.get(event.entry_of(index)?)
}

fn partition_keys<'a>(index: usize, answer: &Answer, onward: &Onward<'a>) -> Option<&'a str> {
    onward.partition_keys.get(index).filter(|_| goes_on(answer)).map(String::as_str)
}

/// How many bytes the response has, if every record is answered with its data.
fn total(event: &Event<'_>, answers: &[Answer], onward: &Onward<'_>) -> usize {
    let records = answers.iter().enumerate();
    let bytes = records.map(|(index, answer)| {
        MIN_ANSWER_BYTES
            + event.enveloped()[index].id.json().len()
            + data_bytes(event, index, answer, onward)
    });
    AROUND_ANSWERS_BYTES + bytes.sum::<usize>()
}

/// What a record's data and partition keys take in the response, in bytes.
fn data_bytes(event: &Event<'_>, index: usize, answer: &Answer, onward: &Onward<'_>) -> usize {
    let data = match rewritten(event, index, answer, onward) {
        Some(payload) => base64_simd::STANDARD.encoded_length(payload.len()) + 2,
        None => json_length(event.enveloped()[index].data),
    };
    let keys = partition_keys(index, answer, onward)
        .map_or(0, |keys| r#","metadata":{"partitionKeys":}"#.len() + keys.len());
    r#","data":"#.len() + data + keys
}

/// How long a string is as it is written in an answer, in bytes.
fn json_length(string: Str<'_>) -> usize {
    if !string.escaped() {
        return string.json().len();
    }
    let text = json_string::text(string);
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0x00..=0x1f => "\\u0000".len() - 1,
        _ => 0,
    });
    text.len() + escapes.sum::<usize>() + 2
}

/// Fails what the response has no room for: the first that fit go on. Says which it failed.
///
/// Where there is not room for everything, the records that do not go on are answered without
/// their data: the service has it.
pub(super) fn fit(event: &Event<'_>, answers: &mut [Answer], onward: &Onward<'_>) -> Vec<usize> {
    if total(event, answers, onward) <= MAX_RESPONSE_BYTES {
        return Vec::new();
    }
    let ids = event.enveloped().iter().map(|record| record.id.json().len() + MIN_ANSWER_BYTES);
    let mut room = MAX_RESPONSE_BYTES - AROUND_ANSWERS_BYTES - ids.sum::<usize>();
    let mut failed = Vec::new();
    for (index, answer) in answers.iter_mut().enumerate().filter(|(_, answer)| goes_on(answer)) {
        let bytes = data_bytes(event, index, answer, onward);
        match room.checked_sub(bytes) {
            Some(left) => room = left,
            None => {
                failed.push(index);
                *answer = Answer::transient(
                    FailureCause::NoRoom,
                    format!(
                        "the answer has no room for its {bytes} bytes: it may have {MAX_RESPONSE_BYTES} in all"
                    ),
                );
            }
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::super::{Contract, EnvelopeError, Origin};
    use super::*;
    use crate::batch::Batch;

    fn read(event: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
        Event::read(Some(Contract::Firehose), event, &Origin::default())
    }

    fn respond_to(event: &[u8], answers: &[Answer], onward: &Onward<'_>) -> String {
        let (event, _) = read(event).expect("an event");
        String::from_utf8(respond(&event, answers, onward)).expect("UTF-8")
    }

    const EVENT: &[u8] =
        br#"{"records":[{"recordId":"a","data":"YQ=="},{"recordId":"b","data":"Yg=="},
            {"recordId":"c","data":"n\u0022t base64"},{"recordId":"d","data":"ZA=="}]}"#;

    #[test]
    fn a_record_goes_on_as_it_came_or_as_it_was_rewritten() {
        let answers = [
            Answer::Done,
            Answer::Dropped,
            Answer::permanent(FailureCause::Record, "no"),
            Answer::Published { score: None, crossed: None },
        ];
        let rewritten =
            Payloads { bytes: b"AAD".to_vec(), ends: vec![2, 2, 2, 3], ..Payloads::default() };
        let onward = Onward { rewritten: Some(&rewritten), ..Onward::default() };
        assert_eq!(
            respond_to(EVENT, &answers, &onward),
            concat!(
                r#"{"records":[{"recordId":"a","result":"Ok","data":"QUE="},"#,
                r#"{"recordId":"b","result":"Dropped","data":"Yg=="},"#,
                r#"{"recordId":"c","result":"ProcessingFailed","data":"n\"t base64"},"#,
                r#"{"recordId":"d","result":"Ok","data":"RA=="}]}"#
            )
        );
    }

    #[test]
    fn partition_keys_go_with_the_records_that_go_on() {
        let keys: Vec<_> = (0..4).map(|index| format!(r#"{{"ward":"{index}"}}"#)).collect();
        let onward = Onward { partition_keys: &keys, ..Onward::default() };
        let answers = [
            Answer::Done,
            Answer::Dropped,
            Answer::Done,
            Answer::transient(FailureCause::Record, "no"),
        ];
        let response = respond_to(EVENT, &answers, &onward);
        assert_eq!(response.matches("metadata").count(), 2);
        assert!(response.contains(r#""data":"YQ==","metadata":{"partitionKeys":{"ward":"0"}}}"#));
    }

    #[test]
    fn lengths_are_counted_as_they_are_written() {
        let nasty: String = (0..=0x7f_u8).map(char::from).chain("é\u{2028}😀".chars()).collect();
        let written = serde_json::to_string(&nasty).expect("a string");
        let event = format!(
            r#"{{"records":[{{"recordId":"a","data":{written}}},{{"recordId":"bc","data":"YQ=="}}]}}"#
        );
        let (event, _) = read(event.as_bytes()).expect("an event");
        assert_eq!(json_length(event.enveloped()[0].data), written.len());
        let keys = vec!["{}".to_owned(), r#"{"a":"b"}"#.to_owned()];
        let rewritten =
            Payloads { bytes: b"12345".to_vec(), ends: vec![1, 5], ..Payloads::default() };
        for rewritten in [None, Some(&rewritten)] {
            let onward = Onward { rewritten, partition_keys: &keys };
            for answers in [
                [Answer::Done, Answer::Done],
                [Answer::transient(FailureCause::Record, "no"), Answer::Done],
            ] {
                let response = respond(&event, &answers, &onward);
                let counted = total(&event, &answers, &onward);
                // What is counted has a comma after the last one, and the longest result.
                let shorter = answers.iter().filter(|answer| goes_on(answer)).count()
                    * ("ProcessingFailed".len() - "Ok".len());
                assert_eq!(response.len(), counted - shorter - 1);
            }
        }
    }

    #[test]
    fn a_response_never_exceeds_what_lambda_takes() {
        // Eight records of 1 MiB as they go on: five fit.
        let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let records = ids.map(|id| format!(r#"{{"recordId":"{id}","data":"YQ=="}}"#)).join(",");
        let event = format!(r#"{{"records":[{records}]}}"#);
        let (event, _) = read(event.as_bytes()).expect("an event");
        let mebibyte = (1 << 20) / 4 * 3;
        let rewritten = Payloads {
            bytes: vec![b'x'; 8 * mebibyte],
            ends: (1..=8).map(|record| (record * mebibyte) as u32).collect(),
            ..Payloads::default()
        };
        let onward = Onward { rewritten: Some(&rewritten), ..Onward::default() };
        let mut answers = vec![Answer::Done; 8];
        answers[1] = Answer::permanent(FailureCause::Record, "no");
        assert_eq!(fit(&event, &mut answers, &onward), [6, 7]);
        let response = respond(&event, &answers, &onward);
        assert!(response.len() <= MAX_RESPONSE_BYTES);
        let results: Vec<_> = answers.iter().map(goes_on).collect();
        assert_eq!(results, [true, false, true, true, true, true, false, false]);
        let response = String::from_utf8(response).expect("UTF-8");
        for id in ids {
            assert_eq!(response.matches(&format!(r#""recordId":"{id}""#)).count(), 1);
        }
    }
}
