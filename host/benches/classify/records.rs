//! Records as sensors send them, of a given size.

/// So many records of about `bytes` of JSON each, as base64. One in fifty is flagged at 1.5.
pub(crate) fn encoded(records: usize, bytes: usize) -> Vec<String> {
    (0..records).map(|n| base64_simd::STANDARD.encode_to_string(document(n, bytes))).collect()
}

/// The score stands in the middle of the document, where no shortcut finds it.
fn document(n: usize, bytes: usize) -> String {
    let score = if n.is_multiple_of(50) { 1.9 } else { 0.6 } + (n * 7919 % 1000) as f64 / 2500.0;
    let (pulse, systolic) = (60 + n * 31 % 40, 105 + n * 17 % 40);
    let mut document = format!(
        r#"{{"device_id":"device{n:05}","patient_id":"patient{:05}","manufacturer":"Halden","model":"VS-200","pulse":{pulse},"systolic":{systolic},"diastolic":{},"ANOMALY_SCORE":{score}"#,
        n * 37 % 100_000,
        systolic - 40,
    );
    let mut reading = 0;
    while document.len() + 90 < bytes {
        document += &format!(
            r#","reading_{reading}":{{"unit":"mmHg","at":"2026-01-27T06:{:02}:00Z","values":[{},{}.5,-{}e-1]}}"#,
            reading % 60,
            n % 100,
            reading,
            n % 7,
        );
        reading += 1;
    }
    document + "}"
}
