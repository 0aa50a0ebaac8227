//! Records as sensors send them, of a given size.

/// What the records of a stream have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// All but their values.
    Alike,
    /// Some of them lack a member or two, and they have a list of other lengths.
    Varied,
    /// The key of the score alone: no two that are near each other have another one in common.
    Unlike,
}

/// So many records of `bytes` of JSON each, as base64. They are alike.
pub(crate) fn records(records: usize, bytes: usize) -> Vec<String> {
    of(Likeness::Alike, records, bytes)
}

/// The same of any likeness.
pub(crate) fn of(likeness: Likeness, records: usize, bytes: usize) -> Vec<String> {
    let encoded = |n| base64_simd::STANDARD.encode_to_string(document(n, bytes, likeness));
    (0..records).map(encoded).collect()
}

/// What a sensor sends, with readings before and behind the score: it stands in the middle, where
/// no shortcut finds it.
fn document(n: usize, bytes: usize, likeness: Likeness) -> String {
    let score = if n.is_multiple_of(50) { 1.9 } else { 0.6 } + (n * 7919 % 1000) as f64 / 2500.0;
    let pulse = 60 + n * 31 % 40;
    let key = |name: &str| match likeness {
        Likeness::Unlike => format!("{}{:02}", &name[..name.len() - 2], n % 100),
        _ => name.to_owned(),
    };
    // How many bytes it has less than one that is alike.
    let mut missing = 0;
    let mut document =
        format!(r#"{{"{}":"device{n:05}","{}":{pulse}"#, key("device_id"), key("pulse"));
    if bytes >= 200 {
        let (patient, systolic) = (n * 37 % 100_000, 105 + n * 17 % 40);
        // In an order that no processor learns.
        let varied = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let varied = if likeness == Likeness::Varied { varied } else { 0 };
        document += &format!(r#","{}":"patient{patient:05}""#, key("patient_id"));
        let made = [("manufacturer", "Halden"), ("model", "VS-200")];
        for (place, (name, value)) in made.into_iter().enumerate() {
            let member = format!(r#","{}":"{value}""#, key(name));
            if varied >> place & 1 == 0 {
                document += &member;
            } else {
                missing += member.len() as isize;
            }
        }
        if likeness == Likeness::Varied {
            let alarms = ["", "2", "2,3", "2,3,1"][varied as usize >> 2 & 3];
            let member = format!(r#","alarms":[{alarms}]"#);
            document += &member;
            missing -= member.len() as isize;
        }
        document += &format!(
            r#","{}":{systolic},"{}":{}"#,
            key("systolic"),
            key("diastolic"),
            systolic - 40,
        );
    }
    let mut readings = (0..).map(|reading| {
        let (minute, percent, power) = (reading % 60, n % 100, n % 7);
        format!(
            r#","{}_{reading}":{{"{}":"mmHg","{}":"2026-01-27T06:{minute:02}:00Z","{}":[{percent},{reading}.5,-{power}e-1]}}"#,
            key("reading"),
            key("unit"),
            key("at"),
            key("values"),
        )
    });
    // All have as many readings.
    let length = |document: &str| document.len().saturating_add_signed(missing);
    while length(&document) + 90 < bytes / 2 {
        document.extend(readings.next());
    }
    document += &format!(r#","ANOMALY_SCORE":{score}"#);
    while length(&document) + 150 < bytes {
        document.extend(readings.next());
    }
    // What is left is a remark.
    let remark = bytes.saturating_sub(document.len() + r#","note":""}"#.len());
    let note = key("note");
    let words = "no complaint at rest, next check in the evening; ".chars().cycle();
    document += &format!(r#","{note}":"{}"}}"#, words.take(remark).collect::<String>());
    assert_eq!(document.len(), bytes, "the size that figures are told of");
    document
}
