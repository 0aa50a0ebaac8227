use std::borrow::Cow;

use base64_simd::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::as_text;
use super::payload::{self, Payload};
use crate::batch::Encoding;
use crate::contract::Contract;
use crate::outcome::{Bound, Cause, Verdict};
use crate::ruling::Ruling;

/// A record, and what the rule said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number among all that the host classified since it began to record, from 0: where
    /// numbers are missing, records were left out.
    pub number: u64,
    /// The record's id; within an aggregate, with its number in it.
    pub id: String,
    /// The contract of its event.
    pub contract: Contract,
    /// The ARN of the stream or queue that it came from, or the name of the file.
    pub source: String,
    /// When the host classified it, in milliseconds of Unix time.
    pub time_ms: u64,
    /// How the rule was given its payload.
    pub encoding: Encoding,
    /// What the rule was given: the payload, encoded so.
    pub given: Vec<u8>,
    /// Whether fields of it were redacted since.
    pub redacted: bool,
    /// How a rule that keeps state has learnt it. None if it has not, as it had before, or was at fault; and
    /// if the rule keeps none.
    pub learnt: Option<Learnt>,
    /// What the rule said.
    pub ruling: Ruling,
}

/// How a rule that keeps state has learnt a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt {
    /// Whose state it was: a partition of the stream.
    pub state: String,
    /// How many records that state had learnt before, those of earlier runs included. One that fails is
    /// not learnt.
    pub after: u64,
    /// Whether the record is flagged as it was when it came before. What the rule said this time is not
    /// known.
    pub again: bool,
}

/// A record as it stands in a line. Of the forms of the payload it has one.
#[derive(Debug, Serialize, Deserialize)]
struct Written<'a> {
    #[serde(rename = "n")]
    number: u64,
    #[serde(borrow)]
    record: Cow<'a, str>,
    #[serde(with = "as_text")]
    contract: Contract,
    #[serde(borrow)]
    source: Cow<'a, str>,
    time_ms: u64,
    encoding: Encoding,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undecodable: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    redacted: bool,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    state: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    again: bool,
    verdict: Verdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crossed: Option<Bound>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
}

impl Record {
    /// Appends the record as a line, its newline included.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let payload = Payload::of(&self.given, self.encoding);
        let Ruling { verdict, score, crossed, reason, cause } = &self.ruling;
        let mut line = Written {
            number: self.number,
            record: Cow::Borrowed(&self.id),
            contract: self.contract,
            source: Cow::Borrowed(&self.source),
            time_ms: self.time_ms,
            encoding: self.encoding,
            payload: None,
            text: None,
            base64: None,
            undecodable: None,
            redacted: self.redacted,
            state: self.learnt.as_ref().map(|learnt| Cow::Borrowed(&*learnt.state)),
            after: self.learnt.as_ref().map(|learnt| learnt.after),
            again: self.learnt.as_ref().is_some_and(|learnt| learnt.again),
            verdict: *verdict,
            score: *score,
            crossed: *crossed,
            reason: reason.as_deref().map(Cow::Borrowed),
            cause: *cause,
        };
        match &payload {
            // It is out of a JSON string, and so it is text.
            Payload::Undecodable(given) => {
                line.undecodable = Some(String::from_utf8_lossy(given));
            }
            Payload::Decoded(payload) => {
                line.payload = payload::one_line_of_json(payload);
                if line.payload.is_none() {
                    match str::from_utf8(payload) {
                        Ok(text) => line.text = Some(Cow::Borrowed(text)),
                        Err(_) => line.base64 = Some(STANDARD.encode_to_string(payload).into()),
                    }
                }
            }
        }
        serde_json::to_writer(&mut *to, &line).expect("text and finite numbers are JSON");
        to.push(b'\n');
    }

    /// Reads a record from its line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let line: Written<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let Written { payload, text, base64, undecodable, encoding, .. } = &line;
        let given = match (payload, text, base64, undecodable) {
            (Some(json), None, None, None) => payload::encode(json.get().as_bytes(), *encoding),
            (None, Some(text), None, None) => payload::encode(text.as_bytes(), *encoding),
            (None, None, Some(base64), None) => {
                let bytes = STANDARD.decode_to_vec(base64.as_bytes());
                payload::encode(&bytes.map_err(|_| "\"base64\" is no base64")?, *encoding)
            }
            (None, None, None, Some(given)) => given.as_bytes().to_vec(),
            _ => return Err("it has not one payload of one form".to_owned()),
        };
        let again = line.again;
        let learnt = line.state.zip(line.after);
        Ok(Self {
            number: line.number,
            id: line.record.into_owned(),
            contract: line.contract,
            source: line.source.into_owned(),
            time_ms: line.time_ms,
            encoding: line.encoding,
            given,
            redacted: line.redacted,
            learnt: learnt.map(|(state, after)| Learnt { state: state.into_owned(), after, again }),
            ruling: Ruling {
                verdict: line.verdict,
                score: line.score,
                crossed: line.crossed,
                reason: line.reason.map(Cow::into_owned),
                cause: line.cause,
            },
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn record(encoding: Encoding, given: &[u8]) -> Record {
        Record {
            number: 7,
            id: "a\"b".to_owned(),
            contract: Contract::Firehose,
            source: "arn:s".to_owned(),
            time_ms: 1_764_115_127_000,
            encoding,
            given: given.to_vec(),
            redacted: false,
            learnt: None,
            ruling: Ruling {
                verdict: Verdict::Flag,
                score: Some(0.1 + 0.2),
                crossed: Some(Bound::Upper),
                reason: None,
                cause: None,
            },
        }
    }

    fn line(record: &Record) -> String {
        let mut line = Vec::new();
        record.write(&mut line);
        String::from_utf8(line).expect("UTF-8")
    }

    #[test]
    fn payloads_stand_there_as_they_are_best_read() {
        let forms = [
            (&b"{\"a\": 1.50}"[..], r#""payload":{"a": 1.50},"#),
            (b"{\"a\":1}\n", r#""text":"{\"a\":1}\n","#),
            (b"\xff", r#""base64":"/w==","#),
        ];
        for (payload, form) in forms {
            for encoding in [Encoding::Plain, Encoding::Base64] {
                let record = record(encoding, &payload::encode(payload, encoding));
                let line = line(&record);
                assert!(line.contains(form), "{line}");
                assert_eq!(Record::parse(line.as_bytes()), Ok(record));
            }
        }
        // The last bits of the second are not 0: a lax decoder would take it.
        for given in [&b"*"[..], b"e31="] {
            let record = record(Encoding::Base64, given);
            assert!(line(&record).contains(r#""undecodable":""#));
            assert_eq!(Record::parse(line(&record).as_bytes()), Ok(record));
        }
    }

    #[test]
    fn how_it_was_learnt_comes_back() {
        for again in [false, true] {
            let learnt = Some(Learnt { state: "ndjson \"a\"".to_owned(), after: 0, again });
            let record = Record { learnt, ..record(Encoding::Plain, b"{}") };
            assert_eq!(Record::parse(line(&record).as_bytes()), Ok(record));
        }
    }

    #[test]
    fn lines_that_are_no_records_are_refused() {
        let whole = line(&record(Encoding::Plain, b"{}"));
        for broken in [
            whole.replace(r#""payload":{},"#, ""),
            whole.replace(r#""payload":{},"#, r#""payload":{},"text":"{}","#),
            whole.replace(r#""payload":{}"#, r#""base64":"*""#),
            whole.replace("firehose", "fireplace"),
            whole.replace("plain", "plainly"),
            whole[..whole.len() / 2].to_owned(),
        ] {
            assert_ne!(broken, whole);
            assert!(Record::parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_and_any_score_come_back(
            payload: Vec<u8>,
            score in any::<f64>().prop_filter("finite", |score| score.is_finite()),
            is_base64: bool,
        ) {
            let encoding = if is_base64 { Encoding::Base64 } else { Encoding::Plain };
            let mut record = record(encoding, &payload::encode(&payload, encoding));
            record.ruling.score = Some(score);
            let line = line(&record);
            prop_assert_eq!(line.matches('\n').count(), 1);
            let parsed = Record::parse(line.as_bytes()).expect("a record");
            prop_assert!(parsed.ruling.is_identical(&record.ruling));
            prop_assert_eq!(parsed, record);
        }
    }
}
