//! What is inside an event, read in the plainest way there is: the yardstick for Weir's answers.

use serde::Deserialize;
use serde_json::Value;

/// A record of an event, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The record's id.
    pub id: String,
    /// The payload.
    pub payload: String,
    /// The payload's `ANOMALY_SCORE`.
    pub score: f64,
}

/// The records of an event of Kinesis Data Analytics or Firehose.
///
/// # Panics
///
/// If a record holds anything but base64 of a JSON document with a score.
pub fn records(event: &str) -> Vec<Record> {
    #[derive(Deserialize)]
    struct Event {
        records: Vec<Encoded>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Encoded {
        record_id: String,
        data: String,
    }
    let event: Event = serde_json::from_str(event).expect("an event");
    event
        .records
        .into_iter()
        .map(|Encoded { record_id: id, data }| {
            let payload = decode(&data);
            let document: Value = serde_json::from_str(&payload).expect("a payload of JSON");
            let score = document["ANOMALY_SCORE"].as_f64().expect("a score");
            Record { id, payload, score }
        })
        .collect()
}

/// The text that `data` encodes.
///
/// # Panics
///
/// If it is not base64 of UTF-8.
pub fn decode(data: &str) -> String {
    let bytes = base64_simd::STANDARD.decode_to_vec(data).expect("base64");
    String::from_utf8(bytes).expect("UTF-8")
}
