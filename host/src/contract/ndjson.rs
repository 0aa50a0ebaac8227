//! `ndjson`: one JSON document a line, without an envelope, for files and pipes.
//!
//! The answer is one line a record: `{"record":"vitals.ndjson:1","verdict":"pass"}`, with
//! `"score"` and `"crossed"` for a flag, `"reason"` for a failure (and `"disposal"`, if it was dealt
//! with nevertheless), and the rewritten document in `"payload"` where the rule rewrites. Empty lines
//! are no records.

use std::borrow::Cow;
use std::io::Write;

use serde::Serialize;
use serde_json::value::RawValue;

use super::event::{OfFile, Records};
use super::{Answer, Contract, Disposal, Event, Onward};
use crate::batch::{Batch, Encoding, Payloads};

/// Where an event without ids of its own was read from: its records are named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The file's name.
    pub name: &'a str,
    /// The number of the event's first line in it, counted from 1.
    pub line: u64,
    /// Whether it is a file: then its lines have the same numbers whenever it is read.
    pub is_file: bool,
    /// Whether it holds the first record of that file, whichever line that is in.
    pub begins: bool,
    /// Whether that file took the place of another that was read before: its lines are new, even if it
    /// begins alike.
    pub replaces: bool,
}

impl Default for Origin<'_> {
    fn default() -> Self {
        Self { name: "line", line: 1, is_file: false, begins: false, replaces: false }
    }
}

pub(super) fn read(body: &[u8], origin: &Origin<'_>) -> (Event<'static>, Batch) {
    let mut lines = Vec::new();
    let mut batch = Batch::with_capacity(Encoding::Plain, 0, body.len());
    for (index, line) in body.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if !line.is_empty() {
            lines.push(origin.line.saturating_add(index as u64));
            batch.push(line);
        }
    }
    let source = Cow::Owned(origin.name.to_owned());
    let mut event = Event::new(Contract::Ndjson, source, Records::Lines(lines));
    event.of_file =
        origin.is_file.then_some(OfFile { begins: origin.begins, replaces: origin.replaces });
    (event, batch)
}

/// The lines are parted by a newline; the last has none.
pub(super) fn respond(
    name: &str,
    lines: &[u64],
    answers: &[Answer],
    onward: &Onward<'_>,
) -> Vec<u8> {
    let name = serde_json::Value::from(name).to_string();
    let opening = format!(r#"{{"record":{}:"#, &name[..name.len() - 1]);
    let bytes = opening.len() + MIN_ANSWER_BYTES;
    let mut response = Vec::with_capacity(lines.len() * bytes);
    for (index, (number, answer)) in lines.iter().zip(answers).enumerate() {
        if index > 0 {
            response.push(b'\n');
        }
        let verdict = match answer {
            Answer::Done => "pass",
            Answer::Published { .. } => "flag",
            Answer::Dropped => "drop",
            Answer::Disposed { .. } | Answer::Failed { .. } => "fail",
        };
        write!(response, r#"{opening}{number}","verdict":"{verdict}""#).expect("memory");
        let mut members = Members(&mut response);
        match answer {
            Answer::Done => members.write_payload(onward.rewritten, index),
            Answer::Published { score, crossed } => {
                members.write("score", score);
                members.write("crossed", crossed);
                members.write_payload(onward.rewritten, index);
            }
            Answer::Failed { reason, .. } => members.write("reason", &Some(reason)),
            Answer::Disposed { reason, disposal } => {
                let disposal = match disposal {
                    Disposal::DeadLetter => "dead-letter",
                    Disposal::Drop => "drop",
                };
                members.write("reason", &Some(reason));
                members.write("disposal", &Some(disposal));
            }
            Answer::Dropped => {}
        }
        response.push(b'}');
    }
    response
}

/// What an answer has beside what it begins with, at the least, in bytes: the line's number has a
/// few digits.
const MIN_ANSWER_BYTES: usize = r#"123456","verdict":"pass"}."#.len();

/// Writes further members of an object.
struct Members<'a>(&'a mut Vec<u8>);

impl Members<'_> {
    /// Writes a member, if it has a value.
    fn write(&mut self, name: &str, value: &Option<impl Serialize>) {
        let Some(value) = value else { return };
        for part in [",\"", name, "\":"] {
            self.0.extend_from_slice(part.as_bytes());
        }
        serde_json::to_writer(&mut *self.0, value).expect("text and finite numbers are JSON");
    }

    /// Writes the payload, where the rule rewrote it.
    fn write_payload(&mut self, rewritten: Option<&Payloads>, index: usize) {
        self.write("payload", &document(rewritten, index));
    }
}

/// A rewritten payload, if it is a JSON document: anything else has no place in a line of JSON.
fn document(rewritten: Option<&Payloads>, index: usize) -> Option<&RawValue> {
    serde_json::from_slice(rewritten?.get(index)?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::FailureCause;
    use super::*;
    use crate::outcome::Bound;

    #[test]
    fn records_are_named_after_their_lines() {
        let origin = Origin { name: "a.ndjson", line: 41, ..Origin::default() };
        let (event, batch) = read(b"{}\r\n\n[1]\n", &origin);
        assert_eq!([event.id(0), event.id(1)], ["a.ndjson:41", "a.ndjson:43"]);
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
