//! The same work, done in three ways: decode base64, validate the JSON, compare the score. Each
//! says how many records it flags.

use serde::Deserialize;

use crate::workload;

/// What they are called.
pub(crate) const NATIVE_PARTS: &str = "native base64-simd + serde_json";
pub(crate) const NATIVE_RULE: &str = "the same source natively";
pub(crate) const COMPONENT: &str = "sandboxed rule";
pub(crate) const VARIED: &str = "sandboxed rule, varied records";
pub(crate) const UNLIKE: &str = "sandboxed rule, unlike records";
pub(crate) const KEPT: &str = "sandboxed rule, instance kept";

/// The bound of [`ALERTING`](workload::ALERTING).
pub(crate) const UPPER: f64 = 1.5;

/// The best ready parts, compiled natively: what the component is to beat.
pub(crate) fn native_parts(records: &[String]) -> impl FnMut() -> usize {
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
    move || records.iter().filter(|record| is_flagged(record)).count()
}

/// The rule's own source, compiled natively.
pub(crate) fn native_rule(records: &[String]) -> impl FnMut() -> usize {
    let mut classify = workload::native_rule(records);
    move || classify().flagged.len()
}

/// The rule in its sandbox.
pub(crate) fn component(filter: &weir::Filter, records: &[String]) -> impl FnMut() -> usize {
    let batch = workload::batch(records);
    move || filter.classify(&batch).expect("an outcome").flagged.len()
}
