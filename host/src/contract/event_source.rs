//! What the contracts of event source mappings share: the answer names the records that failed,
//! `{batchItemFailures: [{itemIdentifier}]}`. An empty list says that all is well.
//!
//! Source: AWS Lambda Developer Guide, "Configuring partial batch response with Kinesis Data
//! Streams and Lambda", "Handling errors for an SQS event source in Lambda".

use super::Answer;
use super::record::Record;

/// The failed records, in order. On `kinesis` the lowest sequence number so comes first: it is the
/// one that the mapping goes back to.
pub(super) fn respond(records: &[Record<'_>], answers: &[Answer]) -> Vec<u8> {
    let mut response = br#"{"batchItemFailures":["#.to_vec();
    let failed = records.iter().zip(answers).filter(|(_, a)| matches!(a, Answer::Failed { .. }));
    for (number, (record, _)) in failed.enumerate() {
        let comma: &[u8] = if number == 0 { b"" } else { b"," };
        for part in [comma, br#"{"itemIdentifier":"#, record.id.json(), b"}"] {
            response.extend_from_slice(part);
        }
    }
    response.extend_from_slice(b"]}");
    response
}
