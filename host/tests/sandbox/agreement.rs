//! The default rule says the same in its sandbox, where it has vectors, as compiled natively, where
//! it is plain Rust that is tested against other decoders and parsers.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use weir::{DEFAULT_RULE, Encoding, Engine, Limits, Rule};
use weir_guest::{Rule as _, Settings};
use weir_threshold::Threshold;

use crate::native::assert_agreement;

const SETTINGS: &str = r#"{"upper":1.5,"lower":0.4,"annotate":true}"#;

/// Pieces of documents, good and bad.
const PIECES: [&str; 28] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0041",
    "\\ud83d",
    "\\ude00",
    "\n  ",
    "\t",
    "é",
    "€",
    "true",
    "null",
    "0",
    "-",
    "1.5",
    "0.4",
    "1e400",
    "1E-7",
    "\"ANOMALY_SCORE\":",
    "\"ANOMALY_SCORE\"",
    "{\"ANOMALY_SCORE\":2}",
    "\"a longer text, longer than a vector\"",
    "\u{1}",
];

/// A document with a score in it somewhere, or one that is put together from pieces.
fn document() -> impl Strategy<Value = Vec<u8>> {
    let filler = "[ -~é]{0,200}";
    let score =
        prop_oneof![any::<f64>().prop_map(|score| format!("{score:e}")), "[0-9.eE+-]{1,12}"];
    let whole = (filler, score, filler).prop_map(|(before, score, after)| {
        let text = |text: String| serde_json::Value::from(text).to_string();
        format!("{{\"a\":{},\"ANOMALY_SCORE\":{score},\"b\":[{}]}}", text(before), text(after))
            .into_bytes()
    });
    let pieces = vec(select(&PIECES), 0..12).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![3 => whole, 1 => pieces]
}

/// A document as base64, one in four of them damaged before or after.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let damage = (0..8u8, any::<prop::sample::Index>(), any::<u8>());
    (document(), damage).prop_map(|(mut document, (kind, at, byte))| {
        if kind == 0 && !document.is_empty() {
            let at = at.index(document.len());
            document[at] = byte;
        }
        let mut encoded = base64_simd::STANDARD.encode_type::<Vec<u8>>(&document);
        if kind == 1 && !encoded.is_empty() {
            let at = at.index(encoded.len());
            encoded[at] = byte;
        }
        encoded
    })
}

#[test]
fn the_sandboxed_rule_agrees_with_its_source() {
    let engine = Engine::new(Limits::default()).expect("an engine");
    let rule = Rule::load(&engine, DEFAULT_RULE).expect("the default rule");
    let filter = rule.open(SETTINGS).expect("an opened rule");
    let config = ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() };
    proptest!(config, |(mut payloads in vec(payload(), 0..60), plain in any::<bool>())| {
        let encoding = if plain { Encoding::Plain } else { Encoding::Base64 };
        if plain {
            let decoded = |payload: &Vec<u8>| base64_simd::STANDARD.decode_to_vec(payload);
            payloads.iter_mut().for_each(|payload| {
                *payload = decoded(payload).unwrap_or_else(|_| payload.clone());
            });
        }
        let settings = Settings::parse(SETTINGS).expect("settings");
        let mut source = Threshold::open(settings).expect("an opened rule");
        assert_agreement(&filter, &mut source, encoding, &payloads, 0);
    });
}
