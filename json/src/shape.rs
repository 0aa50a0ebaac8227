//! The shape of a document: all of it but its scalars.
//!
//! Records of a stream mostly have one shape, and differ in what their strings, numbers, booleans and
//! nulls are. So what was validated once need only be compared: a document whose bytes between the
//! scalars are those of a valid one, and whose scalars are valid, is valid, and what a pointer names
//! in one it names at the same place in the other.
//!
//! It reads without checking each offset. Its tests are small enough for Miri:
//! `cargo +nightly miri test --package weir-json shape::`.

use crate::lanes::{Lanes, WIDTH};
use crate::string::Utf8;
use crate::{Document, Kind, PADDING, Value, number, run, string};

/// What a document of a shape consists of, but for its scalars.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// What the root is.
    kind: Kind,
    /// In the order of the document, in which they leave out nothing but the scalars.
    steps: Vec<Step>,
    /// Which of the values that are looked for each [`Then::Field`] is.
    fields: Vec<usize>,
    /// How many bytes of whitespace stand before the root, and behind it.
    around: (usize, usize),
}

/// Text that is the same in all documents of a shape.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The text, and what fills it up.
    text: [u8; TEXT],
    /// How many bytes of text there are.
    length: u8,
    then: Then,
    /// The scalar behind it, in the documents so far.
    lengths: Lengths,
}

/// How long the scalar of a step was in the last documents, if it was short and plain.
///
/// Where a step ends is known only once its scalar was looked at, and only then the next one can be
/// begun. Where the scalars of a step are of one length, a processor need not wait: it goes on where the
/// step ended the last times, and meanwhile finds that this one does as well.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    /// The last one, in bytes, once it has come [often](OFTEN) in a row. Before that, 0.
    expected: u8,
    /// How many bytes the step and a scalar of that length are.
    stride: u8,
    last: u8,
    /// How often the last one came in a row, beside the first time.
    repeats: u8,
}

/// After so many of the same length another one is expected. Less, and lengths that change are guessed
/// wrong too often, which takes longer than to wait.
const OFTEN: u8 = 8;

impl Lengths {
    /// Notes a length that was not expected, of the scalar behind `text` bytes.
    #[inline(always)]
    fn note(&mut self, length: u8, text: u8) {
        // Without a branch: which lengths come cannot be foreseen here.
        let all_if = |condition| u8::from(condition).wrapping_neg();
        self.repeats = (self.repeats + 1) & all_if(length == self.last);
        self.expected = length & all_if(self.repeats >= OFTEN);
        self.stride = text + length;
        self.last = length;
    }
}

/// What follows the text of a step. Scalars come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Then {
    /// The next step.
    Text,
    /// The document's end.
    End,
    Scalar,
    /// A scalar that is looked for.
    Field,
}

/// How long the text of a step is, at the most: two vectors, of which most need one.
const TEXT: usize = 2 * WIDTH;

/// In so many vectors behind its quote a string ends that is short. Of a number there are two.
const STRING_VECTORS: usize = 3;

/// How many bytes from a step's start are looked at before the next look at where the document ends:
/// the longest text, and the longest string that is short.
pub(crate) const REACH: usize = TEXT + 1 + STRING_VECTORS * WIDTH;

impl Shape {
    /// The shape of a valid document of a kind, and of the places of values in it. None if one of these
    /// is a container or two are the same, or if the document is a scalar.
    #[cold]
    pub(crate) fn of(kind: Kind, found: &[Option<Value<'_>>], bytes: &[u8]) -> Option<Self> {
        let is_container = |kind| matches!(kind, Kind::Object | Kind::Array);
        if !is_container(kind) || found.iter().flatten().any(|value| is_container(value.kind)) {
            return None;
        }
        // A valid document has no other whitespace than that of JSON.
        let [before, behind] = [bytes.trim_ascii_start(), bytes.trim_ascii_end()];
        let around = (bytes.len() - before.len(), bytes.len() - behind.len());
        let mut shape = Self { kind, steps: Vec::new(), fields: Vec::new(), around };
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
                let is_here = |value: &Option<Value<'_>>| value.is_some_and(|v| v.offset == at);
                let field = found.iter().position(is_here);
                shape.fields.extend(field);
                if let Some(last) = shape.steps.last_mut() {
                    last.then = if field.is_some() { Then::Field } else { Then::Scalar };
                }
                text = end;
            }
            at = end;
        }
        shape.push(&bytes[text..]);
        shape.steps.last_mut()?.then = Then::End;
        (shape.fields.len() == found.iter().flatten().count()).then_some(shape)
    }

    /// Adds text.
    fn push(&mut self, text: &[u8]) {
        self.steps.extend(text.chunks(TEXT).map(|piece| {
            let mut text = [0; TEXT];
            text[..piece.len()].copy_from_slice(piece);
            Step { text, length: piece.len() as u8, then: Then::Text, lengths: Lengths::default() }
        }));
    }

    /// Passes the document that the first `length` bytes of a buffer are, if it is valid and of this
    /// shape, of which one value is looked for.
    #[inline]
    pub(crate) fn pass<'a>(&mut self, buffer: &'a [u8], length: usize) -> Option<Document<'a>> {
        let field = self.walk(buffer, length, None)?.map(|place| scalar(buffer, place));
        let (start, end) = (self.around.0, length - self.around.1);
        Some(Document { root: Value::new(self.kind, buffer, start, end), field })
    }

    /// As [`pass`](Self::pass), where several values are looked for, of which there are `places` for each.
    /// Once the document was passed, `found` is called with those that are in it. Returns what the root
    /// is.
    #[inline]
    pub(crate) fn pass_for_several<'a>(
        &mut self,
        buffer: &'a [u8],
        length: usize,
        places: &mut [Place],
        mut found: impl FnMut(usize, Option<Value<'a>>),
    ) -> Option<Kind> {
        let Several { places, .. } = self.walk(buffer, length, Several { places, count: 0 })?;
        for (&field, &place) in self.fields.iter().zip(&*places) {
            found(field, Some(scalar(buffer, place)));
        }
        Some(self.kind)
    }

    /// Walks along a document, to its end: the places that were noted.
    #[inline(always)]
    fn walk<P: Places>(&mut self, buffer: &[u8], length: usize, places: P) -> Option<P> {
        if buffer.len() < length + PADDING {
            return None;
        }
        let end = buffer[..length].as_ptr_range().end;
        let mut walk = Walk { here: buffer.as_ptr(), step: self.steps.as_mut_ptr(), places };
        // SAFETY: the last step is an end, and the buffer goes on for PADDING bytes.
        unsafe {
            let stop = walk.take(end);
            if stop != Stop::End {
                walk.go_on(stop, buffer, length)?;
            }
        }
        (walk.here == end).then_some(walk.places)
    }
}

/// Where a value begins and ends: the addresses.
pub(crate) type Place = (usize, usize);

/// The scalar at a place in a buffer.
#[inline(always)]
fn scalar<'a>(buffer: &'a [u8], place: Place) -> Value<'a> {
    let base = buffer.as_ptr().addr();
    let (start, end) = (place.0 - base, place.1 - base);
    Value::new(scalar_kind(buffer[start]), buffer, start, end)
}

/// The places of the values that are looked for, in the order of the document.
trait Places {
    /// Notes the next one.
    fn note(&mut self, place: Place);
}

impl Places for Option<Place> {
    #[inline(always)]
    fn note(&mut self, place: Place) {
        *self = Some(place);
    }
}

struct Several<'p> {
    places: &'p mut [Place],
    count: usize,
}

impl Places for Several<'_> {
    #[inline(always)]
    fn note(&mut self, place: Place) {
        self.places[self.count] = place;
        self.count += 1;
    }
}

/// Where a walk along a document and the steps of a shape stands.
struct Walk<P> {
    here: *const u8,
    step: *mut Step,
    /// Those that were passed.
    places: P,
}

/// Why a walk stops.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// All steps are taken. It may be behind the document's end.
    End,
    /// Here is a scalar that is long, not plain, or none.
    Scalar,
    /// The document is of another shape.
    Other,
}

impl<P: Places> Walk<P> {
    /// Takes steps.
    ///
    /// It calls nothing and keeps little, so that a WebAssembly engine needs few registers for it.
    ///
    /// # Safety
    ///
    /// The last of the steps is an [end](Then::End), and behind the document's end, which is at `end`,
    /// [`PADDING`] bytes can be read.
    #[inline(never)]
    unsafe fn take(&mut self, end: *const u8) -> Stop {
        let (mut here, mut step) = (self.here, self.step);
        loop {
            if here > end {
                return Stop::Other;
            }
            // SAFETY: it is not behind the last step.
            let Step { text, length, then, lengths } = unsafe { &mut *step };
            let (texts, _) = text.as_chunks();
            let equal = |vector: usize| {
                // SAFETY: the place is in the document or at its end, behind which REACH bytes can be
                // read: both vectors are among them.
                let bytes = unsafe { here.cast::<[u8; WIDTH]>().add(vector).read() };
                Lanes::load(&bytes).equal_run(Lanes::load(&texts[vector])) as usize
            };
            let text = usize::from(*length);
            let first = equal(0);
            if first < text && (first < WIDTH || WIDTH + equal(1) < text) {
                return Stop::Other;
            }
            let start = here.wrapping_add(text);
            let mut next = start;
            if *then >= Then::Scalar {
                // SAFETY: it is up to TEXT bytes behind that place.
                let Some(end) = (unsafe { short_scalar_end(start) }) else {
                    (self.here, self.step) = (start, step);
                    return Stop::Scalar;
                };
                let scalar = end.addr() - start.addr();
                next = if scalar == usize::from(lengths.expected) {
                    // The same place, but it does not take the scalar to find it.
                    here.wrapping_add(usize::from(lengths.stride))
                } else {
                    lengths.note(scalar as u8, *length);
                    end
                };
                if *then == Then::Field {
                    self.places.note((start.addr(), next.addr()));
                }
            } else if *then == Then::End {
                self.here = start;
                return Stop::End;
            }
            here = next;
            // SAFETY: it is not the last step.
            step = unsafe { step.add(1) };
        }
    }

    /// Passes a scalar that it stopped at, and takes the other steps. None if the document, which the
    /// first `length` bytes of the buffer are, is not of their shape.
    ///
    /// # Safety
    ///
    /// As for [`take`](Self::take), which stopped like this.
    #[cold]
    #[inline(never)]
    unsafe fn go_on(&mut self, mut stop: Stop, buffer: &[u8], length: usize) -> Option<()> {
        let document = &buffer[..length];
        let mut utf8 = Utf8::Unchecked;
        loop {
            match stop {
                Stop::End => return Some(()),
                Stop::Other => return None,
                Stop::Scalar => {
                    let start = self.here;
                    let at = start.addr() - buffer.as_ptr().addr();
                    let end = scalar_end(buffer, document, at, &mut utf8)?;
                    self.here = buffer.as_ptr().wrapping_add(end);
                    // SAFETY: a scalar's step is one of the steps, and not the last.
                    unsafe {
                        if (*self.step).then == Then::Field {
                            self.places.note((start.addr(), self.here.addr()));
                        }
                        self.step = self.step.add(1);
                        stop = self.take(document.as_ptr_range().end);
                    }
                }
            }
        }
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
    // SAFETY: no offset is beyond what the caller promises: of a string they are in its vectors, of a
    // number in two, or a sign, a point and an exponent's sign behind them.
    let byte = |offset: usize| unsafe { *here.add(offset) };
    let lanes = |offset: usize| {
        // SAFETY: as above. An array of bytes needs no alignment.
        Lanes::load(&unsafe { here.add(offset).cast::<[u8; WIDTH]>().read() })
    };
    let first = byte(0);
    if first == b'"' {
        for vector in 0..STRING_VECTORS {
            let start = 1 + vector * WIDTH;
            let stops = lanes(start).string_stops();
            if stops != 0 {
                let close = start + stops.trailing_zeros() as usize;
                return (byte(close) == b'"').then(|| here.wrapping_add(close + 1));
            }
        }
        return None;
    }
    // To look for digits need not wait for the sign.
    let mut digits = u64::from(lanes(0).digits());
    if digits >> (WIDTH - 1) != 0 {
        digits |= u64::from(lanes(WIDTH).digits()) << WIDTH;
    }
    // A clear bit for each digit. Behind the vectors there is none.
    let sign = usize::from(first == b'-');
    let others = !digits >> sign;
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
        // A leading zero stands alone. What goes up to the vectors' end may go on behind it.
        if (integer > 1 && byte(0) == b'0') || sign + end >= 2 * WIDTH {
            return None;
        }
        return Some(here.wrapping_add(sign + end));
    }
    // SAFETY: as above.
    let word = unsafe { here.cast::<[u8; 4]>().read() };
    let length = match &word {
        b"true" | b"null" => 4,
        b"fals" if byte(4) == b'e' => 5,
        _ => return None,
    };
    Some(here.wrapping_add(length))
}

/// The offset behind the scalar at an offset, whatever it is; none if it is not valid.
#[cold]
#[inline(never)]
fn scalar_end(buffer: &[u8], document: &[u8], at: usize, utf8: &mut Utf8) -> Option<usize> {
    match document.get(at)? {
        b'"' => string::scan(document, at + 1, utf8).ok().map(|string| string.close + 1),
        b'-' | b'0'..=b'9' => {
            let length = buffer[at..].first_chunk().and_then(run::number_length);
            length.map(|length| at + length).or_else(|| number::scan(document, at).ok())
        }
        _ => None,
    }
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

    fn shape_of<'d>(document: &'d str, pointer: &Pointer) -> (Shape, Document<'d>) {
        let known = scan(document.as_bytes(), pointer).expect(document);
        let shape = Shape::of(known.root.kind, &[known.field], document.as_bytes());
        (shape.expect(document), known)
    }

    fn padded(document: &str, behind: &str) -> Vec<u8> {
        document.bytes().chain(behind.bytes().cycle().take(PADDING)).collect()
    }

    /// Passes a document, which may be the front of what can be read, by the shape of another one.
    fn pass(known: &str, document: &str, behind: &str) -> bool {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let (mut shape, _) = shape_of(known, &pointer);
        let buffer = padded(document, behind);
        let passed = shape.pass(&buffer, document.len());
        if let Some(passed) = passed {
            assert_eq!(Ok(passed), scan(document.as_bytes(), &pointer), "{document}");
        }
        passed.is_some()
    }

    #[test]
    fn scalars_may_be_of_other_lengths_than_expected() {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let document = |b: &str, a: &str| format!(r#"{{"b":{b},"a":{a},"c":true}}"#);
        let text = document(r#""four""#, "1234");
        let (mut shape, known) = shape_of(&text, &pointer);
        for _ in 0..OFTEN + 2 {
            assert_eq!(shape.pass(&padded(&text, "0"), text.len()), Some(known));
        }
        assert_eq!([shape.steps[0].lengths.expected, shape.steps[1].lengths.expected], [6, 4]);
        for b in ["123.56", "[2356]", "\"fou\"r", "\"fivey\"", "\"2\"", "7", "null"] {
            for a in ["null", "12.5", "0.25", "0125", "1 25", "1,25", "12345", "123", "\"2\"", "x"]
            {
                let text = document(b, a);
                let (mut shape, buffer) = (shape.clone(), padded(&text, "0"));
                for _ in 0..2 {
                    let passed = shape.pass(&buffer, text.len());
                    let expected = scan(text.as_bytes(), &pointer).ok();
                    assert_eq!(passed, expected.filter(|_| !b.starts_with('[')), "{text}");
                }
            }
        }
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
            r#""forty-seven letters, and then the closing quote""#,
            r#""forty-eight letters, and then the closing quote:""#,
            "-123456789012345678901234567890",
            "-1234567890123456789012345678901",
            "1234567890123456789012345678901",
            "12345678901234567890123456789012",
            "123456789012345678901234567890.5",
            "1234567890123456789012345678901.5",
            "0.12345678901234567890123456789e1",
            "0.1234567890123456789012345678e-1",
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
