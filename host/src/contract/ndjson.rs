//! `ndjson`: one JSON document a line, without an envelope, for files and pipes.
//!
//! The answer is one line a record: `{"record":"vitals.ndjson:1","verdict":"pass"}`, with
//! `"score"` and `"crossed"` for a flag, `"reason"` for a failure (and `"disposal"`, if it was dealt
//! with nevertheless), and the rewritten document in `"payload"` where the rule rewrites. Empty lines
//! are no records.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::event::Record;
use super::record_id::RecordId;
use super::{Answer, Contract, Disposal, Event, Onward};
use crate::batch::{Batch, Encoding, Payloads};
use crate::outcome::Bound;

/// Where an event without ids of its own was read from: its records are named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The file's name.
    pub name: &'a str,
    /// The number of the event's first line in it, counted from 1.
    pub line: u64,
}

impl Default for Origin<'_> {
    fn default() -> Self {
        Self { name: "line", line: 1 }
    }
}

pub(super) fn read(body: &[u8], origin: &Origin<'_>) -> (Event<'static>, Batch) {
    let mut records = Vec::new();
    let mut batch = Batch::with_capacity(Encoding::Plain, 0, body.len());
    for (number, line) in (origin.line..).zip(body.split(|&byte| byte == b'\n')) {
        let line = line.trim_ascii();
        if !line.is_empty() {
            let id = RecordId::from_text(format!("{}:{number}", origin.name));
            records.push(Record { id, data: Cow::Borrowed(""), key: None });
            batch.push(line);
        }
    }
    (Event::new(Contract::Ndjson, Cow::Owned(origin.name.to_owned()), records), batch)
}

#[derive(Serialize)]
struct Line<'a> {
    record: &'a str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crossed: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disposal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

/// The lines are parted by a newline; the last has none.
pub(super) fn respond(event: &Event<'_>, answers: &[Answer], onward: &Onward<'_>) -> Vec<u8> {
    let mut response = Vec::new();
    for (index, (record, answer)) in event.records.iter().zip(answers).enumerate() {
        if index > 0 {
            response.push(b'\n');
        }
        let verdict = match answer {
            Answer::Done => "pass",
            Answer::Published { .. } => "flag",
            Answer::Dropped => "drop",
            Answer::Disposed { .. } | Answer::Failed { .. } => "fail",
        };
        let mut line = Line {
            record: record.id.text(),
            verdict,
            score: None,
            crossed: None,
            reason: None,
            disposal: None,
            payload: None,
        };
        match answer {
            Answer::Done => line.payload = document(onward.rewritten, index),
            Answer::Published { score, crossed } => {
                (line.score, line.crossed) = (*score, *crossed);
                line.payload = document(onward.rewritten, index);
            }
            Answer::Failed { reason, .. } => line.reason = Some(reason),
            Answer::Disposed { reason, disposal } => {
                line.reason = Some(reason);
                line.disposal = Some(match disposal {
                    Disposal::DeadLetter => "dead-letter",
                    Disposal::Drop => "drop",
                });
            }
            Answer::Dropped => {}
        }
        serde_json::to_writer(&mut response, &line).expect("a line can be written to memory");
    }
    response
}

/// A rewritten payload, if it is a JSON document: anything else has no place in a line of JSON.
fn document(rewritten: Option<&Payloads>, index: usize) -> Option<&RawValue> {
    serde_json::from_slice(rewritten?.get(index)?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::FailureCause;
    use super::*;

    #[test]
    fn records_are_named_after_their_lines() {
        let origin = Origin { name: "a.ndjson", line: 41 };
        let (event, batch) = read(b"{}\r\n\n[1]\n", &origin);
        assert_eq!((event.id(0), event.id(1)), ("a.ndjson:41", "a.ndjson:43"));
        assert_eq!(batch.len(), 2);
        let answers = [
            Answer::Published { score: Some(2.0), crossed: Some(Bound::Upper) },
            Answer::permanent(FailureCause::Record, "not a JSON object"),
        ];
        assert_eq!(
            String::from_utf8(event.respond(&answers, &Onward::default())).expect("UTF-8"),
            concat!(
                r#"{"record":"a.ndjson:41","verdict":"flag","score":2.0,"crossed":"upper"}"#,
                "\n",
                r#"{"record":"a.ndjson:43","verdict":"fail","reason":"not a JSON object"}"#
            )
        );
    }
}
