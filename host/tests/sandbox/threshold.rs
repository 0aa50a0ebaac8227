//! The default rule, in its sandbox.
#![cfg(feature = "default-rule")]

use std::collections::HashSet;

use wasmparser::{Parser, Payload};
use weir::{
    Batch, DEFAULT_RULE, Encoding, Engine, Filter, Instances, Limits, OpenError, Rule, Verdict,
};

fn rule() -> Rule {
    let engine = Engine::new(Limits::default()).expect("an engine");
    Rule::load(&engine, DEFAULT_RULE).expect("the default rule")
}

fn open(settings: &str) -> Filter {
    rule().open(settings).expect("settings that fit")
}

fn batch(encoding: Encoding, payloads: &[&str]) -> Batch {
    let mut batch = Batch::with_capacity(encoding, payloads.len(), 0);
    for payload in payloads {
        batch.push(payload.as_bytes());
    }
    batch
}

#[test]
fn it_imports_nothing() {
    assert_eq!(rule().imports(), Vec::<String>::new());
}

#[test]
fn it_exports_the_contract_and_nothing_else() {
    assert_eq!(rule().exports(), ["weir:filter/rule@0.2.0"]);
}

/// Each further one is another instance to make and to clear for every batch.
#[test]
fn it_is_one_core_module() {
    let payloads = Parser::new(0).parse_all(DEFAULT_RULE).map(|payload| payload.expect("wasm"));
    let modules = payloads.filter(|payload| matches!(payload, Payload::ModuleSection { .. }));
    assert_eq!(modules.count(), 1);
}

/// They take half of the stack that rules are built with.
#[test]
fn settings_as_deep_as_can_be_are_refused_like_others() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(126), close.repeat(126));
        let error = rule().open(&format!(r#"{{"upper":1,"field":{deep}}}"#)).expect_err("a list");
        let OpenError::Settings(error) = error else { panic!("{error}") };
        assert_eq!((&*error.path, error.value), ("/field", deep));
    }
}

#[test]
fn it_describes_itself() {
    let rule = rule();
    let description = rule.description();
    assert_eq!(description.name, "threshold");
    assert_eq!(description.version, env!("CARGO_PKG_VERSION"));
    assert!(!description.keeps_state && description.rewrites);
    assert!(description.settings_schema.contains("\"upper\""));
}

#[test]
fn it_answers_each_record() {
    let payloads = [
        r#"{"ANOMALY_SCORE":1.2}"#,
        r#"{"ANOMALY_SCORE":1.5}"#,
        r#"{"score":1.5}"#,
        r#"{"ANOMALY_SCORE":0.1}"#,
    ];
    let outcome = open(r#"{"upper":1.5,"lower":0.4}"#)
        .classify(&batch(Encoding::Plain, &payloads))
        .expect("an outcome");
    assert_eq!(outcome.verdicts, [Verdict::Pass, Verdict::Flag, Verdict::Fail, Verdict::Flag]);
    let flags: Vec<_> = outcome.flagged.iter().map(|f| (f.index, f.score, &*f.message)).collect();
    assert_eq!(flags, [(1, Some(1.5), payloads[1]), (3, Some(0.1), payloads[3])]);
    assert_eq!(outcome.failed[0].reason, "field /ANOMALY_SCORE is missing");
    assert_eq!(outcome.rewritten, None);
}

#[test]
fn it_decodes_base64() {
    let payloads = ["eyJBTk9NQUxZX1NDT1JFIjoyfQ==", "eyJB*k9NQUxZX1NDT1JFIjoyfQ=="];
    let outcome =
        open(r#"{"upper":1.5}"#).classify(&batch(Encoding::Base64, &payloads)).expect("an outcome");
    assert_eq!(outcome.verdicts, [Verdict::Flag, Verdict::Fail]);
    assert_eq!(outcome.flagged[0].message, r#"{"ANOMALY_SCORE":2}"#);
    let reason = &outcome.failed[0].reason;
    assert!(reason.starts_with("not base64: ") && reason.contains('4'), "{reason}");
}

/// Every byte in every place, at lengths on both sides of each number of vectors that is decoded at
/// once.
#[test]
fn it_decodes_base64_as_a_reference_does() {
    let filter = open(r#"{"field":"/a","upper":1}"#);
    let empty = r#"{"a":2,"b":""}"#;
    let lengths = [12_usize, 24, 36, 48, 96, 192].map(|bytes| bytes - 2..=bytes + 2);
    for length in lengths.into_iter().flatten() {
        let document = match length.checked_sub(empty.len()) {
            Some(rest) => empty.replace("\"\"", &format!("{:?}", "y".repeat(rest))),
            None => format!(r#"{{"a":{}2}}"#, " ".repeat(length - 7)),
        };
        assert_eq!(document.len(), length);
        let encoded = base64_simd::STANDARD.encode_to_string(&document);
        let outcome = filter.classify(&batch(Encoding::Base64, &[&encoded])).expect("an outcome");
        assert_eq!(outcome.flagged[0].message, document);
        for at in 0..encoded.len() {
            let mut batch = Batch::with_capacity(Encoding::Base64, 256, 256 * encoded.len());
            let payloads: Vec<_> = (0..=u8::MAX).map(|byte| with(&encoded, at, byte)).collect();
            payloads.iter().for_each(|payload| batch.push(payload));
            let outcome = filter.classify(&batch).expect("an outcome");
            let refused = |failure: &&weir::Failure| failure.reason.starts_with("not base64: ");
            let refused = outcome.failed.iter().filter(refused).map(|failure| failure.index);
            let expected =
                (0..256).filter(|&n| base64_simd::STANDARD.decode_to_vec(&payloads[n]).is_err());
            assert_eq!(
                refused.collect::<Vec<_>>(),
                expected.collect::<Vec<_>>(),
                "at {at} of {encoded}"
            );
        }
    }
}

/// Every symbol, and most of them in every place of what is decoded at once: the first bits of UTF-8 are
/// never all set.
#[test]
fn it_decodes_every_symbol() {
    let filter = open(r#"{"field":"/a","upper":1}"#);
    let text: String = (' '..'\u{800}').filter(|letter| !"\"\\".contains(*letter)).collect();
    let mut seen = HashSet::new();
    for shift in 0..12 {
        let document = format!(r#"{{"a":2,"b":"{}{text}"}}"#, " ".repeat(shift));
        let encoded = base64_simd::STANDARD.encode_to_string(&document);
        let symbols = encoded.trim_end_matches('=').bytes();
        seen.extend(symbols);
        let outcome = filter.classify(&batch(Encoding::Base64, &[&encoded])).expect("an outcome");
        assert_eq!(outcome.flagged[0].message, document);
    }
    assert_eq!(seen.len(), 64);
}

/// A text with another byte in one place.
fn with(text: &str, at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = byte;
    bytes
}

/// What a kept instance has left of a batch, in the memory of arguments and answers, is not in the
/// way of the next, whichever is larger.
#[test]
fn a_kept_instance_answers_as_a_fresh_one_does() {
    for settings in [r#"{"upper":1.5}"#, r#"{"upper":1.5,"annotate":true}"#] {
        let rule = rule();
        let open = || rule.open(settings).expect("settings that fit");
        let (fresh, kept) = (open(), open().instances(Instances::Kept));
        for records in [3, 0, 1, 4000, 2, 500, 501, 1] {
            let payload = |n: usize| match n % 7 {
                3 => "{".repeat(n % 300),
                5 => format!(r#"{{"ANOMALY_SCORE":{n}.25,"of":{records}}}"#),
                _ => format!(r#"{{"ANOMALY_SCORE":0.5,"note":"{}"}}"#, "a".repeat(n % 90)),
            };
            let payloads: Vec<_> = (0..records).map(|n| payload(n + records)).collect();
            let payloads: Vec<_> = payloads.iter().map(String::as_str).collect();
            let batch = batch(Encoding::Plain, &payloads);
            let outcome = kept.classify(&batch).expect("an outcome");
            assert_eq!(outcome, fresh.classify(&batch).expect("an outcome"), "{records} records");
            assert_eq!(outcome.verdicts.len(), records);
        }
    }
}

#[test]
fn it_annotates_when_told_to() {
    let payloads = [r#"{"ANOMALY_SCORE":1}"#, "no JSON", r#"{"ANOMALY_SCORE":2}"#];
    let outcome = open(r#"{"upper":1.5,"annotate":true}"#)
        .classify(&batch(Encoding::Plain, &payloads))
        .expect("an outcome");
    let rewritten = outcome.rewritten.expect("rewritten payloads");
    let payload = |index| str::from_utf8(rewritten.get(index).expect("a payload")).expect("UTF-8");
    assert_eq!(payload(0), "{\"ANOMALY_SCORE\":1,\"anomaly\":false}\n");
    assert_eq!(payload(2), "{\"ANOMALY_SCORE\":2,\"anomaly\":true}\n");
}

#[test]
fn it_refuses_settings_with_path_value_and_what_it_expected() {
    let Err(OpenError::Settings(error)) = rule().open(r#"{"upper":"1.5"}"#) else {
        panic!("a string is no bound");
    };
    assert_eq!(error.to_string(), r#"setting /upper: expected a number, found "1.5""#);
    let long = format!(r#"{{"upper":"{}"}}"#, "9".repeat(5000));
    let Err(OpenError::Settings(error)) = rule().open(&long) else { panic!("no bound either") };
    assert_eq!(error.value.chars().count(), 1000 + 1, "it is cut");
}

#[test]
fn it_can_be_used_from_many_threads_at_once() {
    let filter = open(r#"{"upper":1.5}"#);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let batch = batch(Encoding::Plain, &[r#"{"ANOMALY_SCORE":2}"#]);
                    let outcome = filter.classify(&batch).expect("an outcome");
                    assert_eq!(outcome.verdicts, [Verdict::Flag]);
                }
            });
        }
    });
}
