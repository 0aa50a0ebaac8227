//! Redaction: fields of payloads are replaced before anything is written.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use weir_json::{Kind, Reader, SyntaxError};

use super::payload::{self, Payload};
use super::record::Record;
use crate::pointer::FieldPointer;

/// Replaces the values of fields by ones of the same type that do not tell them.
///
/// A string becomes `redacted-` and 16 hexadecimal digits, an integer a number below 2⁵³, another
/// number a fraction below 1: each a keyed hash of what was there, so that equal values stay equal.
/// The key is random and kept nowhere, so equal values are no longer told to be equal by recordings
/// of other runs. `true` and `false` become `false`, for which a hash would be no cover, and objects
/// and arrays become empty. `null` stays. All other bytes of a payload stay as they are.
pub(super) struct Redaction {
    fields: Vec<Field>,
    key: [u8; 32],
}

struct Field {
    pointer: FieldPointer,
    /// The steps of the pointer.
    steps: Vec<String>,
    /// Whether any payload had it.
    found: bool,
}

/// A payload that is no JSON object or array: there is no telling what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unredactable;

/// A value to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    kind: Kind,
}

/// What a document has of the fields.
#[derive(Default)]
struct Found {
    /// The values to replace, in order: of a key that is there twice, both.
    spans: Vec<Span>,
    /// The fields that are there, by their places among all.
    fields: Vec<usize>,
}

impl Redaction {
    /// # Errors
    ///
    /// If the system has no random numbers to make a key of.
    pub(super) fn new(fields: &[FieldPointer]) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let field = |pointer: &FieldPointer| Field {
            steps: pointer.steps().collect(),
            pointer: pointer.clone(),
            found: false,
        };
        Ok(Self { fields: fields.iter().map(field).collect(), key })
    }

    /// The fields that no payload has had yet.
    pub(super) fn never_found(&self) -> Vec<String> {
        let missing = self.fields.iter().filter(|field| !field.found);
        missing.map(|field| field.pointer.to_string()).collect()
    }

    /// Redacts a record's payload. Where a number was in it, the score goes as well: it may be that
    /// number, or tell it.
    ///
    /// # Errors
    ///
    /// If there are fields to redact, and the payload is not JSON that could be searched for them.
    pub(super) fn redact(&mut self, record: &mut Record) -> Result<(), Unredactable> {
        if self.fields.is_empty() {
            return Ok(());
        }
        let Payload::Decoded(payload) = Payload::of(&record.given, record.encoding) else {
            return Err(Unredactable);
        };
        let text = str::from_utf8(&payload).map_err(|_| Unredactable)?;
        let Found { spans, fields } =
            self.find(text).map_err(|_| Unredactable)?.ok_or(Unredactable)?;
        if spans.is_empty() {
            return Ok(());
        }
        let redacted = self.replace(text, &spans);
        for field in fields {
            self.fields[field].found = true;
        }
        if spans.iter().any(|span| may_hold_number(&text[span.start..span.end], span.kind)) {
            record.ruling.score = None;
        }
        record.given = payload::encode(redacted.as_bytes(), record.encoding);
        record.redacted = true;
        Ok(())
    }

    /// Finds the values of all fields. None if the document is one value that has no fields.
    fn find(&self, text: &str) -> Result<Option<Found>, SyntaxError> {
        let mut reader = Reader::new(text);
        if !text[reader.offset()..].starts_with(['{', '[']) {
            return Ok(None);
        }
        let all = self.fields.iter().enumerate().map(|(index, field)| (index, &field.steps[..]));
        let mut found = Found::default();
        walk(&mut reader, &all.collect::<Vec<_>>(), &mut found)?;
        reader.finish()?;
        Ok(Some(found))
    }

    fn replace(&self, text: &str, spans: &[Span]) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut copied = 0;
        for span in spans {
            redacted.push_str(&text[copied..span.start]);
            redacted.push_str(&self.cover(&text[span.start..span.end], span.kind));
            copied = span.end;
        }
        redacted.push_str(&text[copied..]);
        redacted
    }

    /// What stands in place of a value.
    fn cover(&self, json: &str, kind: Kind) -> String {
        match kind {
            Kind::String => {
                // However it is written.
                let text = serde_json::from_str::<String>(json);
                format!("\"redacted-{:016x}\"", self.hash(text.as_deref().unwrap_or(json)))
            }
            Kind::Number if json.contains(['.', 'e', 'E']) => {
                let fraction = (self.hash(json) >> 11) as f64 / 2_f64.powi(53);
                format!("{fraction:?}")
            }
            Kind::Number => (self.hash(json) >> 11).to_string(),
            Kind::Bool => "false".to_owned(),
            Kind::Null => "null".to_owned(),
            Kind::Object => "{}".to_owned(),
            Kind::Array => "[]".to_owned(),
        }
    }

    fn hash(&self, value: &str) -> u64 {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key may have any length");
        mac.update(value.as_bytes());
        let hash = mac.finalize().into_bytes();
        hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Whether a value is a number, or may have one in it. One that is written as a string counts.
fn may_hold_number(json: &str, kind: Kind) -> bool {
    match kind {
        Kind::Number | Kind::Object | Kind::Array => true,
        Kind::String => serde_json::from_str::<String>(json)
            .map_or(true, |text| text.trim().parse::<f64>().is_ok()),
        Kind::Bool | Kind::Null => false,
    }
}

/// A field, by its place among all, and the steps that are left on the way to it.
type Way<'f> = (usize, &'f [String]);

/// Reads a value that is on the way to some fields.
fn walk(reader: &mut Reader<'_>, ways: &[Way<'_>], found: &mut Found) -> Result<(), SyntaxError> {
    let (ended, further): (Vec<Way<'_>>, _) =
        ways.iter().copied().partition(|(_, steps)| steps.is_empty());
    if !ended.is_empty() {
        // What is within it is there as well, and is covered with it.
        let mut within = Found::default();
        if !further.is_empty() {
            walk(&mut reader.clone(), &further, &mut within)?;
        }
        let ended = ended.into_iter().map(|(field, _)| field);
        found.fields.extend(ended.chain(within.fields));
        let start = reader.offset();
        let kind = reader.skip()?;
        found.spans.push(Span { start, end: reader.offset(), kind });
        return Ok(());
    }
    let is_object = reader.object(|reader, key| {
        let ways = behind(ways, |step| key.is(step));
        if ways.is_empty() { Ok(()) } else { walk(reader, &ways, found) }
    })?;
    let mut index = 0_usize;
    let is_array = !is_object
        && reader.array(|reader| {
            let place = index.to_string();
            index += 1;
            let ways = behind(ways, |step| step == place);
            if ways.is_empty() { Ok(()) } else { walk(reader, &ways, found) }
        })?;
    if !is_object && !is_array {
        reader.skip()?;
    }
    Ok(())
}

/// The ways that a step leads on, behind that step.
fn behind<'f>(ways: &[Way<'f>], is_step: impl Fn(&str) -> bool) -> Vec<Way<'f>> {
    let step = |(field, steps): &Way<'f>| {
        let (step, rest) = steps.split_first()?;
        is_step(step).then_some((*field, rest))
    };
    ways.iter().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::tests::record;
    use super::*;
    use crate::batch::Encoding;

    fn redaction(fields: &[&str]) -> Redaction {
        let fields: Vec<FieldPointer> =
            fields.iter().map(|field| field.parse().expect("a pointer")).collect();
        Redaction::new(&fields).expect("random numbers")
    }

    fn redacted(redaction: &mut Redaction, payload: &str) -> String {
        let mut record = record(Encoding::Plain, payload.as_bytes());
        redaction.redact(&mut record).expect("JSON");
        String::from_utf8(record.given).expect("UTF-8")
    }

    #[test]
    fn fields_are_replaced_and_all_else_stays() {
        let mut redaction = redaction(&["/name", "/ids/1", "/a~1b/c", "/none"]);
        let payload =
            r#"{ "name":"Ada" ,"n\u0061me": "Eve","score":1.50,"ids":[7, 8 ,9],"a/b":{"c":[1]}}"#;
        let text = redacted(&mut redaction, payload);
        for secret in ["Ada", "Eve", " 8 "] {
            assert!(!text.contains(secret), "{text}");
        }
        for kept in [r#","score":1.50,"ids":[7, "#, r#" ,9],"a/b":{"c":[]}}"#] {
            assert!(text.contains(kept), "{text}");
        }
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(value["ids"][1].is_u64() && value["name"].is_string(), "{text}");
        assert_eq!(redaction.never_found(), ["/none"]);
    }

    #[test]
    fn types_and_equality_survive_within_a_run_and_not_beyond() {
        let mut one = redaction(&["/v"]);
        for value in ["\"Ada\"", "17", "-1.5e3", "null"] {
            let of = |redaction: &mut Redaction, value: &str| {
                redacted(redaction, &format!("{{\"v\":{value}}}"))
            };
            let text = of(&mut one, value);
            assert_eq!(of(&mut one, value), text);
            let value_of = |text: &str| -> serde_json::Value {
                serde_json::from_str::<serde_json::Value>(text).expect("JSON")["v"].take()
            };
            let (before, after) = (value_of(&format!("{{\"v\":{value}}}")), value_of(&text));
            let types = |v: &serde_json::Value| (v.is_string(), v.is_i64(), v.is_f64());
            assert_eq!(types(&after), types(&before), "{text}");
            if value != "null" {
                assert_ne!(of(&mut one, "\"Eve\""), text);
                assert_ne!(of(&mut redaction(&["/v"]), value), text, "the key is another");
            }
        }
        assert_eq!(redacted(&mut one, r#"{"v":"A"}"#), redacted(&mut one, r#"{"v":"\u0041"}"#));
        assert_eq!(redacted(&mut one, r#"{"v":true}"#), r#"{"v":false}"#);
        assert_eq!(redacted(&mut one, r#"{"v":{"w":"Ada"}}"#), r#"{"v":{}}"#);
    }

    #[test]
    fn a_field_within_another_that_is_redacted_is_found_with_it() {
        for fields in [["/p", "/p/ids/1"], ["/p/ids/1", "/p"]] {
            let mut redaction = redaction(&[&fields[..], &["/p", "/p/none"]].concat());
            let text = redacted(&mut redaction, r#"{"p":{"name":"Ada","ids":[7,8]},"q":1}"#);
            assert_eq!(text, r#"{"p":{},"q":1}"#);
            assert_eq!(redaction.never_found(), ["/p/none"]);
        }
    }

    #[test]
    fn a_score_goes_with_a_number_that_it_may_tell() {
        let mut redaction = redaction(&["/v"]);
        for (value, stays) in [
            ("3.25", false),
            ("\"3.25\"", false),
            ("\"\\u0033.25\"", false),
            ("{\"w\":3.25}", false),
            ("[3.25]", false),
            ("\"Ada\"", true),
            ("null", true),
            ("true", true),
        ] {
            let mut record = record(Encoding::Plain, format!("{{\"v\":{value}}}").as_bytes());
            redaction.redact(&mut record).expect("JSON");
            assert_eq!(record.ruling.score.is_some(), stays, "{value}");
        }
        let mut other = record(Encoding::Plain, b"{\"w\":3.25}");
        redaction.redact(&mut other).expect("JSON");
        assert!(other.ruling.score.is_some(), "nothing was redacted");
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        let mut redaction = redaction(&["/name"]);
        for (encoding, given) in [
            (Encoding::Plain, &b"name=Ada"[..]),
            (Encoding::Plain, b"{\"name\":\"Ada\"} {}"),
            (Encoding::Plain, b"{\"name\":\"Ada\""),
            (Encoding::Plain, b"\"{\\\"name\\\":\\\"Ada\\\"}\""),
            (Encoding::Plain, b"{\"name\":\"\xff\"}"),
            (Encoding::Base64, b"{\"name\":\"Ada\"}"),
        ] {
            let mut record = record(encoding, given);
            assert_eq!(redaction.redact(&mut record), Err(Unredactable));
        }
    }

    proptest! {
        #[test]
        fn whatever_the_secret_it_goes_and_all_else_stays(
            secret: String,
            other: String,
            number: i64,
        ) {
            let mut redaction = redaction(&["/a~1b/1/name"]);
            let before = serde_json::json!({"a/b": [other, {"name": secret, "x": number}]});
            let text = redacted(&mut redaction, &before.to_string());
            let mut after: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let name = after["a/b"][1]["name"].take();
            prop_assert!(name.as_str().is_some_and(|name| name.starts_with("redacted-")));
            after["a/b"][1]["name"] = secret.into();
            prop_assert_eq!(after, before);
        }
    }
}
