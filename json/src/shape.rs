//! The shape of a document: all of it but its scalars.
//!
//! Records of a stream mostly have one shape, and differ in what their strings, numbers, booleans and
//! nulls are. So what was validated once need only be compared: a document whose bytes between the
//! scalars are those of a valid one, and whose scalars are valid, is valid, and what a pointer names
//! in one it names at the same place in the other.
//!
//! It reads without checking each offset. Its tests are small enough for Miri:
//! `cargo +nightly miri test --package weir-json shape::`.

use std::cell::Cell;
use std::ptr;

use crate::lanes::{Lanes, WIDTH};
use crate::string::Utf8;
use crate::{Document, Kind, PADDING, Value, number, run, string};

/// What a document of a shape consists of, but for its scalars.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// In the order of the document, in which they leave out nothing but the scalars.
    steps: Vec<Step>,
    /// How many bytes of whitespace stand before the root, and behind it.
    around: (usize, usize),
}

/// Text that is the same in all documents of a shape.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The text, and what fills it up.
    text: [u8; TEXT],
    /// How many bytes of text there are.
    length: u16,
    then: Then,
}

/// What follows the text of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The next step, or the document's end.
    Text,
    Scalar,
    /// The scalar that is looked for.
    Field,
}

/// How long the text of a step is, at the most: two vectors, of which most need one.
const TEXT: usize = 2 * WIDTH;

/// How many bytes from a step's start are looked at before the next look at where the document ends:
/// the longest text, a quote or sign, and two vectors.
const REACH: usize = TEXT + 1 + 2 * WIDTH;

const _: () = assert!(REACH <= PADDING, "what is looked at is there");

impl Shape {
    /// The shape of a valid document, and of the place of a value in it. None if that is a container,
    /// or if the document is a scalar.
    #[cold]
    pub(crate) fn of(document: &Document<'_>, bytes: &[u8]) -> Option<Self> {
        let is_container = |value: &Value<'_>| matches!(value.kind, Kind::Object | Kind::Array);
        if !is_container(&document.root) || document.field.as_ref().is_some_and(is_container) {
            return None;
        }
        let behind = bytes.len() - document.root.offset - document.root.length;
        let mut shape = Self { around: (document.root.offset, behind), ..Self::default() };
        let (mut text, mut at) = (0, 0);
        while let Some(&byte) = bytes.get(at) {
            let (end, is_scalar) = match byte {
                b'"' => {
                    let end = string_end(bytes, at);
                    (end, !bytes[end..].trim_ascii_start().starts_with(b":"))
                }
                b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => (word_end(bytes, at), true),
                _ => (at + 1, false),
            };
            if is_scalar {
                shape.push(&bytes[text..at]);
                if let Some(last) = shape.steps.last_mut() {
                    let is_field = document.field.is_some_and(|field| field.offset == at);
                    last.then = if is_field { Then::Field } else { Then::Scalar };
                }
                text = end;
            }
            at = end;
        }
        shape.push(&bytes[text..]);
        Some(shape)
    }

    /// Adds text.
    fn push(&mut self, text: &[u8]) {
        self.steps.extend(text.chunks(TEXT).map(|piece| {
            let mut text = [0; TEXT];
            text[..piece.len()].copy_from_slice(piece);
            Step { text, length: piece.len() as u16, then: Then::Text }
        }));
    }

    /// Passes the document that the first `length` bytes of a buffer are, if it is valid and of this
    /// shape.
    #[inline]
    pub(crate) fn pass<'a>(&self, buffer: &'a [u8], length: usize) -> Option<Document<'a>> {
        if buffer.len() < length + PADDING {
            return None;
        }
        let end = buffer[..length].as_ptr_range().end;
        let utf8 = Cell::new(Utf8::Unchecked);
        let text = Text { buffer, end, utf8, field: Cell::new(None) };
        if take(&self.steps, &text) != end {
            return None;
        }
        let field = text.field.get().map(|(start, end)| {
            let start = text.offset(start);
            Value::new(scalar_kind(buffer[start]), buffer, start, text.offset(end))
        });
        let (start, end) = (self.around.0, length - self.around.1);
        let kind = if buffer[start] == b'{' { Kind::Object } else { Kind::Array };
        Some(Document { root: Value::new(kind, buffer, start, end), field })
    }
}

/// A document, and what can be read behind it: for [`PADDING`] bytes at the least.
struct Text<'a> {
    buffer: &'a [u8],
    /// The end of the document.
    end: *const u8,
    utf8: Cell<Utf8>,
    /// Where the value that is looked for begins and ends, once it was passed.
    field: Cell<Option<(*const u8, *const u8)>>,
}

impl Text<'_> {
    #[inline(always)]
    fn offset(&self, place: *const u8) -> usize {
        place.addr() - self.buffer.as_ptr().addr()
    }
}

/// Takes the steps, from the start of the document: where they end, which may be behind the document;
/// null if it is not of their shape.
///
/// It calls nothing for what is short and plain, and keeps little, so that a WebAssembly engine needs
/// few registers for it.
#[inline(never)]
fn take(steps: &[Step], text: &Text<'_>) -> *const u8 {
    let mut here = text.buffer.as_ptr();
    let mut steps = steps.iter();
    loop {
        // Two steps a round: an engine puts aside what it keeps where a loop looks at the time limit.
        let Some(step) = steps.next() else { return here };
        here = step.take(text, here);
        if here.is_null() {
            return here;
        }
        let Some(step) = steps.next() else { return here };
        here = step.take(text, here);
        if here.is_null() {
            return here;
        }
    }
}

impl Step {
    /// Takes the step from a place: where it ends, or null.
    #[inline(always)]
    fn take(&self, text: &Text<'_>, here: *const u8) -> *const u8 {
        if here > text.end {
            return ptr::null();
        }
        let (texts, _) = self.text.as_chunks();
        let equal = |vector: usize| {
            // SAFETY: the place is in the document or at its end, behind which REACH bytes can be
            // read: both vectors are among them.
            let bytes = unsafe { here.cast::<[u8; WIDTH]>().add(vector).read() };
            Lanes::load(&bytes).equal_run(Lanes::load(&texts[vector])) as usize
        };
        let length = usize::from(self.length);
        let first = equal(0);
        if first < length && (first < WIDTH || WIDTH + equal(1) < length) {
            return ptr::null();
        }
        let start = here.wrapping_add(length);
        let then = self.then;
        if then == Then::Text {
            return start;
        }
        // SAFETY: it is up to TEXT bytes behind that place.
        let end = unsafe { short_scalar_end(start) }.unwrap_or_else(|| scalar_end(text, start));
        if then == Then::Field {
            text.field.set(Some((start, end)));
        }
        end
    }
}

/// The place behind the scalar at a place, if it is short and plain. It does not know where the
/// document ends.
///
/// # Safety
///
/// `REACH - TEXT` bytes can be read.
#[inline(always)]
unsafe fn short_scalar_end(here: *const u8) -> Option<*const u8> {
    // SAFETY: no offset is beyond what the caller promises: `1 + WIDTH + WIDTH` at the most.
    let byte = |offset: usize| unsafe { *here.add(offset) };
    let lanes = |offset: usize| {
        // SAFETY: as above. An array of bytes needs no alignment.
        Lanes::load(&unsafe { here.add(offset).cast::<[u8; WIDTH]>().read() })
    };
    let first = byte(0);
    if first == b'"' {
        let mut close = 1;
        let mut stops = lanes(close).string_stops();
        if stops == 0 {
            close += WIDTH;
            stops = lanes(close).string_stops();
            if stops == 0 {
                return None;
            }
        }
        close += stops.trailing_zeros() as usize;
        return (byte(close) == b'"').then(|| here.wrapping_add(close + 1));
    }
    // A clear bit for each digit. Behind the vector there is none. A number mostly has no sign: so what
    // is looked at first does not wait for one.
    let (mut sign, mut others) = (0, !lanes(0).digits());
    if first == b'-' {
        (sign, others) = (1, !lanes(1).digits());
    }
    let integer = others.trailing_zeros() as usize;
    if integer > 0 {
        let byte = |offset: usize| byte(sign + offset);
        let digits = |from: usize| (others >> from).trailing_zeros() as usize;
        let mut end = integer;
        if byte(end) == b'.' {
            let decimals = digits(end + 1);
            if decimals == 0 {
                return None;
            }
            end += 1 + decimals;
        }
        if byte(end) | 0x20 == b'e' {
            let exponent = end + 1 + usize::from(matches!(byte(end + 1), b'+' | b'-'));
            let length = digits(exponent);
            // Two digits do not take a number that is so short out of range.
            if length == 0 || length > 2 {
                return None;
            }
            end = exponent + length;
        }
        // A leading zero stands alone. What goes up to the vector's end may go on behind it.
        if (integer > 1 && byte(0) == b'0') || end >= WIDTH {
            return None;
        }
        return Some(here.wrapping_add(sign + end));
    }
    run::literal(0, byte).map(|end| here.wrapping_add(end))
}

/// The place behind the scalar at a place, whatever it is; null if it is not valid.
#[cold]
#[inline(never)]
fn scalar_end(text: &Text<'_>, here: *const u8) -> *const u8 {
    let document = &text.buffer[..text.offset(text.end)];
    let at = text.offset(here);
    let end = match document.get(at) {
        Some(b'"') => {
            let mut utf8 = text.utf8.get();
            let string = string::scan(document, at + 1, &mut utf8);
            text.utf8.set(utf8);
            string.ok().map(|string| string.close + 1)
        }
        Some(b'-' | b'0'..=b'9') => {
            let window = text.buffer[at..].first_chunk();
            let length = window.and_then(run::number_length);
            length.map(|length| at + length).or_else(|| number::scan(document, at).ok())
        }
        _ => None,
    };
    end.map_or(ptr::null(), |end| text.buffer.as_ptr().wrapping_add(end))
}

/// Where the string at a place of a valid document ends.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    loop {
        match bytes.get(end) {
            Some(b'\\') => end += 2,
            Some(b'"') | None => return (end + 1).min(bytes.len()),
            Some(_) => end += 1,
        }
    }
}

/// Where the number or the literal at a place of a valid document ends.
fn word_end(bytes: &[u8], at: usize) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    bytes.iter().skip(at).position(|byte| !is_part(byte)).map_or(bytes.len(), |length| at + length)
}

/// What a scalar is that begins with a byte.
fn scalar_kind(first: u8) -> Kind {
    match first {
        b'"' => Kind::String,
        b't' | b'f' => Kind::Bool,
        b'n' => Kind::Null,
        _ => Kind::Number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pointer, scan};

    /// Passes a document, which may be the front of what can be read, by the shape of another one.
    fn pass(shape_of: &str, document: &str, behind: &str) -> bool {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let known = scan(shape_of.as_bytes(), &pointer).expect(shape_of);
        let shape = Shape::of(&known, shape_of.as_bytes()).expect(shape_of);
        let mut buffer = document.as_bytes().to_vec();
        buffer.extend(behind.bytes().cycle().take(PADDING));
        let passed = shape.pass(&buffer, document.len());
        if let Some(passed) = passed {
            assert_eq!(Ok(passed), scan(document.as_bytes(), &pointer), "{document}");
        }
        passed.is_some()
    }

    #[test]
    fn scalars_may_be_any() {
        let long = format!(r#""{}""#, "x".repeat(100));
        let digits = "1234567890".repeat(4);
        for scalar in [
            "0",
            "-0",
            "12",
            "-1.5",
            "0.25e1",
            "1E+09",
            "1e-300",
            "123456789012345",
            "1234567890123456",
            "0.1234567890123456",
            "-0.12345678901234567e+10",
            &digits,
            "true",
            "false",
            "null",
            r#""""#,
            r#""b""#,
            r#""fifteen letters""#,
            r#""sixteen  letters""#,
            r#""a\"\u00e9""#,
            r#""é""#,
            &long,
            r#""thirty-two letters and no more..""#,
        ] {
            for behind in ["0", "\"", ",", "}", "e", "."] {
                for shape in [r#"{"a":?}"#, r#" {"b": [?, ?] ,"a":?, "a key so long":{"d":?}}"#] {
                    let known = shape.replace('?', "1");
                    let document = shape.replace('?', scalar);
                    assert!(pass(&known, &document, behind), "{document}");
                    assert!(pass(&document, &known, behind), "{document}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_scalar_is_not_passed() {
        for scalar in [
            "",
            "-",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1.e1",
            "1e400",
            "+1",
            "tru",
            "nulL",
            "x",
            "\"",
            r#""\x""#,
            r#""\ud800""#,
            "\"\t\"",
            r#""b"#,
            "[]",
            "{}",
            "1 ",
            " 1",
            "1,1",
            "1\"\"",
        ] {
            for behind in ["0", "\"", ",", "}", "1}", "e"] {
                let document = format!(r#"{{"a":{scalar}}}"#);
                assert!(!pass(r#"{"a":1}"#, &document, behind), "{document}");
            }
        }
    }

    #[test]
    fn what_stands_between_scalars_is_compared() {
        let known = r#" {"a":1,"a key that is longer than a vector":[2,{"c":"d"}]} "#;
        assert!(pass(known, known, "0"));
        for at in 0..known.len() {
            // Digits and the text of strings may be others.
            if !matches!(known.as_bytes()[at], b'1' | b'2' | b'd') {
                let document = format!("{}~{}", &known[..at], &known[at + 1..]);
                assert!(!pass(known, &document, "0"), "{document}");
            }
        }
    }

    #[test]
    fn what_stands_behind_a_document_is_none_of_it() {
        let known = r#"{"b":[2,3],"c":"d","a":1}"#;
        for length in 0..known.len() {
            let (front, rest) = known.split_at(length);
            assert!(!pass(known, front, &format!("{rest} ")), "{front}");
        }
    }

    #[test]
    fn a_key_that_comes_again_counts() {
        assert!(pass(r#"{"a":1,"a":2}"#, r#"{"a":"x","a":"y"}"#, "0"));
        assert!(pass(r#"{"b":{"a":1}}"#, r#"{"b":{"a":2}}"#, "0"));
    }
}
