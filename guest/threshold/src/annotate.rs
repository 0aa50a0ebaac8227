/// Appends a payload, which is a JSON object with at least one member, to `out` with the member
/// `"anomaly"` added at its end and a newline after it. Every other byte of the document stays.
///
/// Where the document has such a member already, both stand there, and the one added is the last:
/// it is the one that counts.
pub(crate) fn annotate(payload: &[u8], anomaly: bool, out: &mut Vec<u8>) {
    let document = payload.trim_ascii_end();
    let members = document.strip_suffix(b"}").unwrap_or(document);
    out.extend_from_slice(members);
    let member: &[u8] = if anomaly { br#","anomaly":true}"# } else { br#","anomaly":false}"# };
    out.extend_from_slice(member);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::annotate;

    fn annotated(payload: &str, anomaly: bool) -> String {
        let mut out = Vec::new();
        annotate(payload.as_bytes(), anomaly, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn every_other_byte_stays() {
        assert_eq!(annotated(r#" { "a" : 1e0 } "#, true), " { \"a\" : 1e0 ,\"anomaly\":true}\n");
    }

    #[test]
    fn one_newline_ends_the_document() {
        assert_eq!(annotated("{\"a\":1}\n", false), "{\"a\":1,\"anomaly\":false}\n");
    }

    #[test]
    fn the_member_that_counts_is_the_added_one() {
        let text = annotated(r#"{"a":1,"anomaly":"yes"}"#, true);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["anomaly"], true);
    }
}
