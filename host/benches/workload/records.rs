//! Records as sensors send them, of a given size.

/// So many records of `bytes` of JSON each, as base64.
pub(crate) fn records(records: usize, bytes: usize) -> Vec<String> {
    (0..records).map(|n| base64_simd::STANDARD.encode_to_string(document(n, bytes))).collect()
}

/// The same, but each record has another key: no two that are near each other have the same shape.
pub(crate) fn unlike(records: usize, bytes: usize) -> Vec<String> {
    let unlike = |n| document(n, bytes).replacen("device_id", &format!("device_{:02}", n % 100), 1);
    (0..records).map(|n| base64_simd::STANDARD.encode_to_string(unlike(n))).collect()
}

/// What a sensor sends, with readings before and behind the score: it stands in the middle, where
/// no shortcut finds it.
fn document(n: usize, bytes: usize) -> String {
    let score = if n.is_multiple_of(50) { 1.9 } else { 0.6 } + (n * 7919 % 1000) as f64 / 2500.0;
    let pulse = 60 + n * 31 % 40;
    let mut document = format!(r#"{{"device_id":"device{n:05}","pulse":{pulse}"#);
    if bytes >= 200 {
        let (patient, systolic) = (n * 37 % 100_000, 105 + n * 17 % 40);
        document += &format!(
            r#","patient_id":"patient{patient:05}","manufacturer":"Halden","model":"VS-200","systolic":{systolic},"diastolic":{}"#,
            systolic - 40,
        );
    }
    let mut readings = (0..).map(|reading| {
        let (minute, percent, power) = (reading % 60, n % 100, n % 7);
        format!(
            r#","reading_{reading}":{{"unit":"mmHg","at":"2026-01-27T06:{minute:02}:00Z","values":[{percent},{reading}.5,-{power}e-1]}}"#
        )
    });
    while document.len() + 90 < bytes / 2 {
        document.extend(readings.next());
    }
    document += &format!(r#","ANOMALY_SCORE":{score}"#);
    while document.len() + 150 < bytes {
        document.extend(readings.next());
    }
    // What is left is a remark.
    let remark = bytes.saturating_sub(document.len() + r#","note":""}"#.len());
    let words = "no complaint at rest, next check in the evening; ".chars().cycle();
    document.extend([r#","note":""#, &words.take(remark).collect::<String>(), r#""}"#]);
    assert_eq!(document.len(), bytes, "the size that figures are told of");
    document
}
