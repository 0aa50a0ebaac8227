//! What a rule reads is what reference parsers read: base64 and JSON.

#![no_main]

use weir_guest::base64::decode_into;
use weir_guest::json::{FieldScanner, MAX_DEPTH, PADDING, Pointer, scan, scan_within};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut decoded = Vec::new();
    let ours = decode_into(bytes, &mut decoded);
    let theirs = base64_simd::STANDARD.decode_to_vec(bytes);
    assert_eq!(ours.is_ok(), theirs.is_ok());
    if let Ok(theirs) = theirs {
        assert_eq!(decoded, theirs);
    }

    let pointer = Pointer::parse("/ANOMALY_SCORE").expect("a pointer");
    // What stands behind a document is none of its.
    let mut buffer = bytes.repeat(2);
    buffer.resize(2 * bytes.len() + PADDING, b'0');
    assert_eq!(scan_within(&buffer, bytes.len(), &pointer), scan(bytes, &pointer));

    // Nor do the documents before it matter. It takes two of a shape for it to be remembered, and some
    // more until the lengths of its scalars are expected.
    let mut scanner = FieldScanner::new(pointer.clone());
    for document in bytes.split(|&byte| byte == 0) {
        buffer.clear();
        buffer.extend_from_slice(document);
        buffer.resize(document.len() + PADDING, b'0');
        for _ in 0..12 {
            assert_eq!(scanner.scan_within(&buffer, document.len()), scan(document, &pointer));
        }
    }

    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    match (scan(bytes, &pointer), theirs) {
        (Ok(ours), Ok(theirs)) => {
            let ours = ours.field.map(|field| serde_json::from_str(field.text()).expect("JSON"));
            assert_eq!(ours.as_ref(), theirs.pointer("/ANOMALY_SCORE"));
        }
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("ours: {ours:?} (to a depth of {MAX_DEPTH}), theirs: {theirs:?}"),
    }
});
