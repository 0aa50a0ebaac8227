//! The same work, done in three ways: decode base64, validate the JSON, compare the score.

use serde::Deserialize;
use weir::{Batch, DEFAULT_RULE, Encoding, Engine, Limits, Rule};
use weir_guest::{Rule as _, Settings};
use weir_threshold::Threshold;

const UPPER: f64 = 1.5;
const SETTINGS: &str = r#"{"upper":1.5}"#;

/// One that classifies the batch it was made for, and says how many records it flags.
pub(crate) struct Contestant<'a> {
    pub(crate) name: &'static str,
    pub(crate) classify: Box<dyn FnMut() -> usize + 'a>,
}

/// The mark: the best ready parts, compiled natively.
pub(crate) fn native_mark(records: &[String]) -> Contestant<'_> {
    #[derive(Deserialize)]
    struct Scored {
        #[serde(rename = "ANOMALY_SCORE")]
        score: f64,
    }
    let mut decoded = Vec::new();
    let mut is_flagged = move |record: &String| {
        decoded.clear();
        base64_simd::STANDARD
            .decode_append(record.as_bytes(), &mut decoded)
            .expect("the records are base64");
        let text = simdutf8::basic::from_utf8(&decoded).expect("the records are UTF-8");
        let scored: Scored = serde_json::from_str(text).expect("the records are JSON");
        scored.score >= UPPER
    };
    Contestant {
        name: "native: base64-simd, typed serde_json (the mark)",
        classify: Box::new(move || records.iter().filter(|record| is_flagged(record)).count()),
    }
}

/// The rule's own source, compiled natively.
pub(crate) fn native_rule(records: &[String]) -> Contestant<'_> {
    let settings = Settings::parse(SETTINGS).expect("settings");
    let mut rule = Threshold::open(settings).expect("an opened rule");
    let (bytes, ends) = column(records);
    Contestant {
        name: "native: the rule's source",
        classify: Box::new(move || {
            let payloads = weir_guest::Payloads { bytes: &bytes, ends: &ends };
            let batch = weir_guest::Batch { payloads, encoding: weir_guest::Encoding::Base64 };
            weir_guest::classify(&mut rule, batch).flagged.len()
        }),
    }
}

/// The rule as users run it.
pub(crate) fn component(records: &[String]) -> Contestant<'_> {
    let engine = Engine::new(Limits::default()).expect("an engine");
    let rule = Rule::load(&engine, DEFAULT_RULE).expect("the default rule");
    let filter = rule.open(SETTINGS).expect("an opened rule");
    let mut batch = Batch::with_capacity(Encoding::Base64, records.len(), 0);
    records.iter().for_each(|record| batch.push(record.as_bytes()));
    Contestant {
        name: "component: the rule in its sandbox",
        classify: Box::new(move || filter.classify(&batch).expect("an outcome").flagged.len()),
    }
}

fn column(records: &[String]) -> (Vec<u8>, Vec<u32>) {
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for record in records {
        bytes.extend_from_slice(record.as_bytes());
        ends.push(bytes.len() as u32);
    }
    (bytes, ends)
}
