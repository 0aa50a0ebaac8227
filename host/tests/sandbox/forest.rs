//! The forest rule, in its sandbox.

use weir::{
    Batch, CodeOrigin, Encoding, Engine, FOREST_RULE, Filter, Limits, OpenError, RestoreError,
    Rule, Verdict,
};
use weir_forest::ForestRule;
use weir_guest::{Rule as _, Settings};

use crate::native::assert_agreement;

fn rule() -> Rule {
    let engine = Engine::new(Limits::default()).expect("an engine");
    Rule::load(&engine, FOREST_RULE).expect("the forest rule")
}

fn open(settings: &str) -> Filter {
    rule().open(settings).expect("settings that fit")
}

fn native(settings: &str) -> ForestRule {
    ForestRule::open(Settings::parse(settings).expect("JSON")).expect("settings that fit")
}

/// Vital signs, by their place in the stream: most of them of the healthy, one in a hundred of the
/// ill, and one in fifty that cannot be scored.
fn vital_signs(place: u64) -> Vec<u8> {
    // SplitMix64, of which each output is used for one number.
    let mut state = place;
    let mut within = |least: u64, most: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state.rotate_left(17) ^ place.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        least + (z ^ (z >> 31)) % (most - least + 1)
    };
    let ill = within(0, 99) == 0;
    let pulse = if ill { within(150, 200) } else { within(60, 100) };
    let systolic = within(90, 120);
    let diastolic = within(600, 800);
    let device = within(0, 20);
    let diastolic = match within(0, 49) {
        0 => "\"NaN\"".to_owned(),
        _ => format!("{}.{}e-1", diastolic, within(0, 9999)),
    };
    format!(
        r#"{{"device_id":"device{device}","pulse":{pulse},"systolic":{systolic},"diastolic":{diastolic}}}"#
    )
    .into_bytes()
}

fn batch(places: std::ops::Range<u64>) -> Batch {
    let mut batch = Batch::with_capacity(Encoding::Plain, 0, 0);
    places.for_each(|place| batch.push(&vital_signs(place)));
    batch
}

const EXPLAINED: &str =
    r#""upper":1.5,"annotate":true,"explanation":true,"withDirectionality":true"#;

/// Settings under which there is another kind of state each.
fn kinds() -> [String; 4] {
    [
        format!(r#"{{{EXPLAINED},"seed":7}}"#),
        r#"{"upper":1.5,"annotate":true,"columns":["/pulse","/diastolic"],"shingleSize":4,
            "numberOfTrees":30,"subSampleSize":100,"timeDecay":900}"#
            .to_owned(),
        format!(
            r#"{{{EXPLAINED},"key":"/device_id","numberOfTrees":10,"subSampleSize":32,"memoryMiB":1}}"#
        ),
        format!(r#"{{{EXPLAINED},"scorer":"zscore","subSampleSize":50}}"#),
    ]
}

#[test]
fn it_imports_nothing_and_is_embedded() {
    let rule = rule();
    assert_eq!(rule.imports(), Vec::<String>::new());
    assert_eq!(rule.exports(), ["weir:filter/rule@0.2.0"]);
    assert_eq!(rule.code(), CodeOrigin::Embedded);
}

#[test]
fn it_describes_itself() {
    let rule = rule();
    let description = rule.description();
    assert_eq!(description.name, "forest");
    assert!(description.keeps_state && description.rewrites);
    assert!(description.settings_schema.contains("\"numberOfTrees\""));
}

#[test]
fn it_refuses_settings_with_path_value_and_what_it_expected() {
    let Err(OpenError::Settings(error)) = rule().open(r#"{"upper":1.5,"numberOfTrees":1001}"#)
    else {
        panic!("too many trees");
    };
    let expected = "setting /numberOfTrees: expected a whole number from 1 to 1000, found 1001";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn it_scores_bit_for_bit_what_its_source_does() {
    for settings in kinds() {
        let (filter, mut source) = (open(&settings), native(&settings));
        for (number, start) in (0..4000).step_by(250).enumerate() {
            let payloads: Vec<_> = (start..start + 250).map(vital_signs).collect();
            let encoding = if number % 2 == 0 { Encoding::Plain } else { Encoding::Base64 };
            let payloads: Vec<_> = match encoding {
                Encoding::Plain => payloads,
                Encoding::Base64 => payloads
                    .iter()
                    .map(|payload| base64_simd::STANDARD.encode_type::<Vec<u8>>(payload))
                    .collect(),
            };
            // Every now and then records come again.
            let replayed = if number % 5 == 4 { 100 } else { 0 };
            assert_agreement(&filter, &mut source, encoding, &payloads, replayed);
        }
        let mut snapshot = Vec::new();
        source.snapshot(&mut snapshot);
        assert!(filter.snapshot().expect("a snapshot") == snapshot, "{settings}");
    }
}

#[test]
fn it_goes_on_in_another_instance() {
    for settings in kinds() {
        let first = open(&settings);
        for start in (0..1500).step_by(500) {
            first.classify(&batch(start..start + 500)).expect("an outcome");
        }
        let snapshot = first.snapshot().expect("a snapshot");
        let second = open(&settings);
        second.restore(&snapshot).expect("its own snapshot");
        for start in (1500..3000).step_by(500) {
            let expected = first.classify(&batch(start..start + 500)).expect("an outcome");
            let outcome = second.classify(&batch(start..start + 500)).expect("an outcome");
            assert_eq!(outcome, expected);
            assert!(expected.verdicts.contains(&Verdict::Fail));
        }
        assert!(first.snapshot() == second.snapshot(), "{settings}");
    }
}

#[test]
fn it_refuses_a_snapshot_that_is_damaged_or_not_its_own() {
    let settings = r#"{"upper":1.5,"numberOfTrees":10}"#;
    let filter = open(settings);
    let fresh = filter.snapshot().expect("a snapshot");
    filter.classify(&batch(0..400)).expect("an outcome");
    let snapshot = filter.snapshot().expect("a snapshot");
    let mut damaged = snapshot.clone();
    damaged[snapshot.len() / 2] ^= 1;
    let cases = [
        (&damaged[..], "checksum"),
        (&snapshot[..snapshot.len() - 1], "checksum"),
        (b"", "not a snapshot of the rule forest"),
        (b"{}", "not a snapshot of the rule forest"),
    ];
    for (bytes, expected) in cases {
        match filter.restore(bytes) {
            Err(RestoreError::Refused(reason)) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert!(filter.snapshot().expect("a snapshot") == fresh, "as it was opened");
    }
    let other = open(r#"{"upper":1.5,"numberOfTrees":20}"#).restore(&snapshot);
    assert!(other.expect_err("other settings").to_string().contains("numberOfTrees 10"));
    filter.restore(&snapshot).expect("its own snapshot");
}

#[test]
fn what_may_be_set_at_most_fits_the_limits_at_defaults() {
    let columns: Vec<_> = (0..30).map(|column| format!("\"/c{column}\"")).collect();
    let filter = open(&format!(r#"{{"upper":1.5,"columns":[{}]}}"#, columns.join(",")));
    let mut batch = Batch::with_capacity(Encoding::Plain, 0, 0);
    for place in 0..500_u64 {
        let number = |column: u64| (place + 1) * (column + 3) * 7919 % 1009;
        let members: Vec<_> =
            (0..30).map(|column| format!("\"c{column}\":{}", number(column))).collect();
        batch.push(format!("{{{}}}", members.join(",")).as_bytes());
    }
    let outcome = filter.classify(&batch).expect("an outcome");
    assert!(!outcome.verdicts.contains(&Verdict::Fail));
    filter.restore(&filter.snapshot().expect("a snapshot")).expect("its own snapshot");
}

#[test]
fn snapshots_in_between_fit_however_large_the_forests_of_keys_are() {
    for (columns, forest) in
        [(18, ""), (30, ""), (10, r#","numberOfTrees":100,"subSampleSize":256"#)]
    {
        let pointers: Vec<_> = (0..columns).map(|column| format!("\"/c{column}\"")).collect();
        let pointers = pointers.join(",");
        let filter = open(&format!(r#"{{"upper":1.5,"key":"/k","columns":[{pointers}]{forest}}}"#));
        for first in (0..10_000_u64).step_by(500) {
            let mut batch = Batch::with_capacity(Encoding::Plain, 0, 0);
            for place in first..first + 500 {
                let number = |column: u64| (place + 1) * (column + 3) * 7919 % 10_007;
                let members: Vec<_> = (0..columns)
                    .map(|column| format!("\"c{column}\":{}", number(column)))
                    .collect();
                let key = place % 2000;
                batch.push(format!("{{\"k\":{key},{}}}", members.join(",")).as_bytes());
            }
            let outcome = filter.classify(&batch).expect("an outcome");
            assert!(outcome.failed.is_empty());
            if let Err(fault) = filter.snapshot() {
                panic!("{columns} columns, {first} records: {fault}");
            }
        }
    }
}

#[test]
fn the_scorers_of_all_keys_and_a_snapshot_of_them_fit_the_default_limits() {
    let settings = r#"{"upper":9,"key":"/k","columns":["/a","/b","/c"]}"#;
    let filter = open(settings);
    // More keys than the budget holds, and as many records of each as its forest does.
    for key in 0..600 {
        let mut batch = Batch::with_capacity(Encoding::Plain, 64, 0);
        for place in 0..64_u64 {
            let number = |factor: u64| (place + 1) * (key + 1) * factor % 1009;
            let (a, b, c) = (number(7919), number(6271), number(4447));
            batch.push(format!(r#"{{"k":{key},"a":{a},"b":{b},"c":{c}}}"#).as_bytes());
        }
        let outcome = filter.classify(&batch).expect("an outcome");
        assert!(outcome.failed.is_empty());
    }
    let snapshot = filter.snapshot().expect("a snapshot");
    assert!(snapshot.len() > 12 << 20, "half of the budget is full: {} bytes", snapshot.len());
    let other = open(settings);
    other.restore(&snapshot).expect("its own snapshot");
    assert!(other.snapshot().expect("a snapshot") == snapshot);

    // What the host has read, the rule does not hold on to.
    let memory_bytes = || filter.classify_isolating(&batch(0..0), None).memory_bytes;
    let with_one = memory_bytes();
    for _ in 0..2 {
        assert!(filter.snapshot().expect("a snapshot") == snapshot);
    }
    assert_eq!(memory_bytes(), with_one);
}

/// Most of what they take is keys.
#[test]
fn so_do_small_scorers_of_long_keys() {
    let settings = r#"{"upper":9,"key":"/k","columns":["/a","/b"],"scorer":"zscore"}"#;
    let filter = open(settings);
    // More than the budget holds, those that sleep included; and they come again in no order.
    let mut places = 0..300_000_u64;
    while !places.is_empty() {
        let mut batch = Batch::with_capacity(Encoding::Plain, 500, 0);
        for place in places.by_ref().take(500) {
            let key = place.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20) % 100_000;
            batch.push(format!(r#"{{"k":"{key:0256}","a":{key},"b":{place}.5}}"#).as_bytes());
        }
        filter.classify(&batch).expect("an outcome");
    }
    let snapshot = filter.snapshot().expect("a snapshot");
    assert!(snapshot.len() > 12 << 20, "half of the budget is full: {} bytes", snapshot.len());
    let other = open(settings);
    other.restore(&snapshot).expect("its own snapshot");
    assert!(other.snapshot().expect("a snapshot") == snapshot);
}
