use std::borrow::Cow;

use crate::json::{Reader, SyntaxError};

/// Appends a payload, which is a JSON object, to `out` with the members of `annotation`, another
/// one, at its end and a newline after it. Members of its own that have the same keys are left out:
/// of two, some readers take the first and some the last. Every other byte of the document stays.
///
/// What is no JSON object is appended as it is, with a newline, and so is any payload if the annotation is
/// none.
pub fn annotate(payload: &[u8], annotation: &str, out: &mut Vec<u8>) {
    let before = out.len();
    let document = payload.trim_ascii_end();
    if merge(document, annotation, out) == Ok(true) {
        return;
    }
    out.truncate(before);
    out.extend_from_slice(document);
    out.push(b'\n');
}

/// Answers with whether both are objects.
fn merge(document: &[u8], annotation: &str, out: &mut Vec<u8>) -> Result<bool, SyntaxError> {
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    Reader::new(annotation).object(|_, key| {
        names.push(key.text());
        Ok::<_, SyntaxError>(())
    })?;
    let within = annotation.trim_ascii().strip_prefix('{');
    let Some(members) = within.and_then(|within| within.strip_suffix('}')) else {
        return Ok(false);
    };

    let mut reader = Reader::of_bytes(document);
    // Each member begins where the one before it ends, and so with a comma but for the first.
    let mut start = document.len().min(reader.offset() + 1);
    out.extend_from_slice(&document[..start]);
    let (mut is_empty, mut is_without_first) = (true, false);
    let is_object = reader.object(|reader, key| {
        reader.skip()?;
        let member = &document[start..reader.offset()];
        start = reader.offset();
        if names.iter().any(|name| key.is(name)) {
            is_without_first |= is_empty;
            return Ok(());
        }
        let first = member.trim_ascii_start().strip_prefix(b",");
        let member = if is_empty && is_without_first { first.unwrap_or(member) } else { member };
        out.extend_from_slice(member);
        is_empty = false;
        Ok::<_, SyntaxError>(())
    })?;
    reader.finish()?;
    if is_object {
        // All but the brace at the end.
        out.extend_from_slice(&document[start..document.len() - 1]);
        if !is_empty && !members.trim_ascii().is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(members.as_bytes());
        out.extend_from_slice(b"}\n");
    }
    Ok(is_object)
}

#[cfg(test)]
mod tests {
    use super::annotate;

    fn annotated(payload: &str) -> String {
        let mut out = b"before".to_vec();
        annotate(payload.as_bytes(), r#"{"anomaly":true}"#, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        text.strip_prefix("before").expect("what was there stays").to_owned()
    }

    #[test]
    fn every_other_byte_stays() {
        assert_eq!(annotated(r#" { "a" : 1e0 } "#), " { \"a\" : 1e0 ,\"anomaly\":true}\n");
        assert_eq!(
            annotated(r#"{ "a":1 , "b":[{}]}"#),
            "{ \"a\":1 , \"b\":[{}],\"anomaly\":true}\n"
        );
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
    fn a_member_of_the_same_key_gives_way() {
        for (payload, others) in [
            (r#"{"a":1,"anomaly":"yes"}"#, r#"{"a":1,"#),
            (r#"{"anomaly":[{"anomaly":1}],"a":1}"#, r#"{"a":1,"#),
            (r#"{ "anomaly":false , "a":1 }"#, r#"{ "a":1 ,"#),
            (r#"{"a":{"anomaly":1},"anomaly":2,"b":3}"#, r#"{"a":{"anomaly":1},"b":3,"#),
            (r#"{"anomaly":1,"a":1,"\u0061nomaly":2}"#, r#"{"a":1,"#),
            (r#"{"anomaly":1,"anomaly":2}"#, "{"),
        ] {
            assert_eq!(annotated(payload), format!("{others}\"anomaly\":true}}\n"), "{payload}");
        }
    }

    #[test]
    fn what_is_no_object_stays_as_it_is() {
        for payload in ["", "[1]", "7", "{", "{\"a\":1", "{\"a\"}", "\u{fc}"] {
            assert_eq!(annotated(payload), format!("{payload}\n"));
        }
        let mut out = Vec::new();
        annotate(b"{\"a\":\"\xff\"}", r#"{"anomaly":true}"#, &mut out);
        assert_eq!(out, b"{\"a\":\"\xff\"}\n");
        for annotation in ["", "{", "7", "[]", "{} 7"] {
            let mut out = Vec::new();
            annotate(b"{\"a\":1}", annotation, &mut out);
            assert_eq!(out, b"{\"a\":1}\n", "{annotation}");
        }
    }
}
