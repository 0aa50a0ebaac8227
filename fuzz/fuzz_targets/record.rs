//! What a rule reads is what reference parsers read: base64 and JSON.

#![no_main]

use weir_guest::base64::decode_into;
use weir_guest::json::{
    FieldScanner, Fields, FieldsScanner, Kind, MAX_DEPTH, PADDING, Pointer, scan, scan_within,
};

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
    let documents = || bytes.split(|&byte| byte == 0).flat_map(|document| [document; 24]);
    let mut scanner = FieldScanner::new(pointer.clone());
    let mut of_numbers = scanner.clone();
    for document in documents() {
        pad(document, &mut buffer);
        let expected = scan(document, &pointer);
        assert_eq!(scanner.scan_within(&buffer, document.len()), expected);
        match of_numbers.number_within(&buffer, document.len()) {
            Ok(number) => {
                let expected = expected.expect("a document");
                assert_eq!(expected.root.kind, Kind::Object);
                assert_eq!(expected.field.and_then(|value| value.as_f64()), Some(number));
            }
            Err(scanned) => assert_eq!(scanned, expected),
        }
    }
    // To members of the root there are detours.
    for other in ["/a", "/a/0"] {
        let pointers = [pointer.clone(), Pointer::parse(other).expect("a pointer")];
        let fields = Fields::new(pointers.to_vec()).expect("few fields");
        let mut scanner = FieldsScanner::new(fields);
        for document in documents() {
            pad(document, &mut buffer);
            let mut found = [None; 2];
            let kind = scanner.scan_within(&buffer, document.len(), |field, value| {
                found[field] = value;
            });
            let alone = pointers.each_ref().map(|pointer| scan(document, pointer));
            assert_eq!(kind.ok(), alone[0].ok().map(|document| document.root.kind));
            if kind.is_ok() {
                assert_eq!(found.map(Ok), alone.map(|alone| alone.map(|document| document.field)));
            }
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

/// Puts a document into a buffer that goes on behind it.
fn pad(document: &[u8], buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(document);
    buffer.resize(document.len() + PADDING, b'0');
}
