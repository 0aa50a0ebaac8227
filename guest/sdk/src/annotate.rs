/// Appends a payload, which is a JSON object, to `out` with `members` added at its end and a newline
/// after it. Every other byte of the document stays. `members` is written as JSON has it between
/// braces: `"anomaly":true`.
///
/// Where the document has a member of the same key already, both stand there, and the one added is
/// the last: it is the one that counts.
pub fn annotate(payload: &[u8], members: &[u8], out: &mut Vec<u8>) {
    let document = payload.trim_ascii_end();
    let kept = document.strip_suffix(b"}").unwrap_or(document);
    out.extend_from_slice(kept);
    if kept.trim_ascii() != b"{" {
        out.push(b',');
    }
    out.extend_from_slice(members);
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::annotate;

    fn annotated(payload: &str) -> String {
        let mut out = Vec::new();
        annotate(payload.as_bytes(), br#""anomaly":true"#, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn every_other_byte_stays() {
        assert_eq!(annotated(r#" { "a" : 1e0 } "#), " { \"a\" : 1e0 ,\"anomaly\":true}\n");
    }

    #[test]
    fn one_newline_ends_the_document() {
        assert_eq!(annotated("{\"a\":1}\n"), "{\"a\":1,\"anomaly\":true}\n");
    }

    #[test]
    fn an_empty_object_needs_no_comma() {
        assert_eq!(annotated(" {\t} "), " {\t\"anomaly\":true}\n");
    }

    #[test]
    fn the_member_that_counts_is_the_added_one() {
        let text = annotated(r#"{"a":1,"anomaly":"yes"}"#);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["anomaly"], true);
    }
}
