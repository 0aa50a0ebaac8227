//! What the benches work on: records as sensors send them, and events as a stream service wraps
//! them.

pub(crate) mod records;

use std::io;

use weir::publish::{AlertFormat, AlertWriter};
use weir::{Batch, DEFAULT_RULE, Encoding, Engine, Filter, Limits, Pipeline, Rule};
use weir_guest::{Payloads, Rule as _, Settings};
use weir_threshold::Threshold;

pub(crate) use records::records;

/// Records in a batch, unless a line says otherwise.
pub(crate) const RECORDS: usize = 500;

/// Settings under which one record in fifty is flagged.
pub(crate) const ALERTING: &str = r#"{"upper":1.5}"#;

/// Settings under which none is.
pub(crate) const QUIET: &str = r#"{"upper":3.0}"#;

/// The records as an event of the contract `analytics-output`.
pub(crate) fn event(records: &[String]) -> Vec<u8> {
    let record = |(n, data): (usize, &String)| {
        format!(
            r#"{{"recordId":"4962216379200822465099131399{n:028}","lambdaDeliveryRecordMetadata":{{"retryHint":0}},"data":"{data}"}}"#
        )
    };
    let records: Vec<_> = records.iter().enumerate().map(record).collect();
    format!(
        r#"{{"invocationId":"0e3fb6f5-6ed3-4d45-8f0a-5c07ba9e3f3b","applicationArn":"arn:aws:kinesisanalytics:us-east-1:123456789012:application/vital-signs","records":[{}]}}"#,
        records.join(",")
    )
    .into_bytes()
}

/// The records as a batch.
pub(crate) fn batch(records: &[String]) -> Batch {
    let bytes = records.iter().map(String::len).sum();
    let mut batch = Batch::with_capacity(Encoding::Base64, records.len(), bytes);
    records.iter().for_each(|record| batch.push(record.as_bytes()));
    batch
}

/// The rule's own source, compiled natively: classifies the records.
pub(crate) fn native_rule(records: &[String]) -> impl FnMut() -> weir_guest::Outcome + use<> {
    let settings = Settings::parse(ALERTING).expect("settings");
    let mut rule = Threshold::open(settings).expect("an opened rule");
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for record in records {
        bytes.extend_from_slice(record.as_bytes());
        ends.push(bytes.len() as u32);
    }
    move || {
        let payloads = Payloads { bytes: &bytes, ends: &ends };
        let batch =
            weir_guest::Batch { payloads, encoding: weir_guest::Encoding::Base64, replayed: 0 };
        weir_guest::classify(&mut rule, batch)
    }
}

/// The default rule, loaded with the default limits.
pub(crate) fn rule() -> Rule {
    load(DEFAULT_RULE)
}

/// A rule, loaded with the default limits.
pub(crate) fn load(component: &[u8]) -> Rule {
    let engine = Engine::new(Limits::default()).expect("an engine");
    Rule::load(&engine, component).expect("a rule")
}

/// The rule, opened.
pub(crate) fn filter(rule: &Rule, settings: &str) -> Filter {
    rule.open(settings).expect("an opened rule")
}

/// A pipeline that has nothing to publish, and nowhere to publish it to.
pub(crate) fn pipeline() -> Pipeline<AlertWriter<io::Sink>> {
    let filter = filter(&rule(), QUIET);
    Pipeline::new(filter, AlertWriter::new(AlertFormat::Ndjson, io::sink()))
}
