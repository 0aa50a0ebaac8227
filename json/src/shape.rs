//! The shape of a document: all of it but its scalars.
//!
//! Records of a stream mostly have one shape, and differ in what their strings, numbers, booleans and
//! nulls are. So what was validated once need only be compared: a document whose bytes between the
//! scalars are those of a valid one, and whose scalars are valid, is valid, and what a pointer names
//! in one it names at the same place in the other. Scalars that look alike are compared as well
//! ([`pattern`]). A document may also leave a shape and come back to it ([`detour`]).

mod by_steps;
mod containers;
mod detour;
mod pattern;
mod place;
mod range;
mod review;
mod scalar;
mod step;
mod text;
mod walk;

use std::mem;

use crate::{Document, Kind, PADDING, Value};
use by_steps::BySteps;
use containers::Containers;
use detour::{Detours, News};
use pattern::Pattern;
use place::Places;
use range::may_be_expected;
use review::Review;
use step::{Expected, Step, TEXT, Then};
use text::Text;
use walk::{Stop, Walk};

pub(crate) use place::Place;
pub(crate) use text::Members;
pub(crate) use walk::REACH;

/// What a document of a shape consists of, but for its scalars.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// What the root is.
    kind: Kind,
    /// In the order of the document, in which they leave out nothing but the scalars.
    steps: Vec<Step>,
    /// What these look like, together with the scalars that are expected.
    pattern: Pattern,
    /// When it is looked at again which ones are.
    review: Review,
    /// How many bytes of whitespace stand before the root, and behind it.
    around: (usize, usize),
    /// The containers that are open where the text of each step begins, [unknown](Containers::UNKNOWN)
    /// where it goes on. Empty if documents may make no detours.
    open: Vec<Containers>,
    /// How far the last document went along it that was not passed, in bytes.
    pub(crate) reached: usize,
    /// How many steps it may have once it has grown.
    most: usize,
    /// Hashes of the last news: texts that documents had and the shape had not.
    news: [u64; NEWS],
}

/// How many news are remembered. What does not come again before so many others is not worth a step.
const NEWS: usize = 4;

/// So many times as many steps as it began with a shape may have.
const GROWTH: usize = 2;

/// The most steps that a shape has. Each takes some 300 bytes: a list of many numbers would take a hundred
/// times its own size. Documents of more are read by the grammar.
const MOST_STEPS: usize = 8 << 10;

impl Shape {
    /// The shape of a valid document of a kind, and of what was found in it of what is looked for, which
    /// are these members if there are to be detours. None if one of the values is a container or two are
    /// the same, or if the document is a scalar.
    #[cold]
    pub(crate) fn of(
        kind: Kind,
        found: &[Option<Value<'_>>],
        members: Option<Members<'_>>,
        bytes: &[u8],
    ) -> Option<Self> {
        let is_container = |kind| matches!(kind, Kind::Object | Kind::Array);
        if !is_container(kind) || found.iter().flatten().any(|value| is_container(value.kind)) {
            return None;
        }
        let mut shape = Self {
            kind,
            steps: Vec::new(),
            pattern: Pattern::default(),
            review: Review::default(),
            around: around(bytes),
            open: Vec::new(),
            reached: 0,
            most: 0,
            news: [0; NEWS],
        };
        let (mut open, mut open_before) = (Containers::NONE, Containers::NONE);
        // How often there is a key of what is looked for, and a field.
        let (mut keys, mut fields) = (0, 0);
        let (mut text, mut at) = (0, 0);
        while let Some(&byte) = bytes.get(at) {
            let (end, is_scalar) = match byte {
                b'"' => {
                    let end = string_end(bytes, at);
                    let is_key = bytes[end..].trim_ascii_start().starts_with(b":");
                    let may_be = |members: Members<'_>| {
                        let key = &bytes[at + 1..end - 1];
                        key.contains(&b'\\') || members.position(key).is_some()
                    };
                    let is_member = is_key && open.are_root_object() && members.is_some_and(may_be);
                    keys += usize::from(is_member);
                    (end, !is_key)
                }
                b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => (word_end(bytes, at), true),
                b'{' | b'[' => {
                    open = open.with(byte == b'{');
                    (at + 1, false)
                }
                b'}' | b']' => {
                    open = open.without();
                    (at + 1, false)
                }
                _ => (at + 1, false),
            };
            if is_scalar {
                shape.push(&bytes[text..at], open_before);
                let is_here = |value: &Option<Value<'_>>| value.is_some_and(|v| v.offset == at);
                let field = found.iter().position(is_here).map(|field| field as u8);
                fields += usize::from(field.is_some());
                shape.end(field);
                text = end;
                open_before = open;
                if shape.steps.len() > MOST_STEPS {
                    return None;
                }
            }
            at = end;
        }
        shape.push(&bytes[text..], open_before);
        if shape.steps.len() > MOST_STEPS {
            return None;
        }
        shape.steps.last_mut()?.then = Then::End;
        shape.most = MOST_STEPS.min(GROWTH * shape.steps.len());
        // Wherever such a key comes, its value has to be a field: a document may leave out any other.
        if members.is_none() || kind != Kind::Object || keys != fields {
            shape.open.clear();
        }
        shape.lay_out([]);
        (fields == found.iter().flatten().count()).then_some(shape)
    }

    /// Adds text, before which these containers are open.
    fn push(&mut self, text: &[u8], open: Containers) {
        for (place, piece) in text.chunks(TEXT).enumerate() {
            self.steps.push(Step::new(piece));
            self.open.push(if place == 0 { open } else { Containers::UNKNOWN });
        }
    }

    /// Lets a scalar follow the text that was added last: one that is looked for, if it is said which.
    fn end(&mut self, field: Option<u8>) {
        if let Some(last) = self.steps.last_mut() {
            last.then = if field.is_some() { Then::Field } else { Then::Scalar };
            last.field = field.unwrap_or_default();
        }
    }

    /// Whether a document begins like those of this shape.
    #[inline]
    pub(crate) fn begins(&self, buffer: &[u8]) -> bool {
        buffer.first_chunk().is_some_and(|here| self.steps[0].is_text(here))
    }

    /// Passes the document that the first `length` bytes of a buffer are, if it is valid and of this
    /// shape, of which one value is looked for. If it is a member, the document may make detours.
    #[inline]
    pub(crate) fn pass<'a>(
        &mut self,
        buffer: &'a [u8],
        length: usize,
        detours: Option<Members<'_>>,
    ) -> Option<Document<'a>> {
        let place = self.walk(buffer, length, Place::default(), detours)?;
        Some(self.document(buffer, length, place, detours))
    }

    /// As [`pass`](Self::pass), for the number that is looked for in an object. If it is none, or there is
    /// none, the document.
    #[inline]
    pub(crate) fn pass_number<'a>(
        &mut self,
        buffer: &'a [u8],
        length: usize,
        detours: Option<Members<'_>>,
    ) -> Option<Result<f64, Document<'a>>> {
        let place = self.walk(buffer, length, Place::default(), detours)?;
        if self.kind == Kind::Object
            && is_noted(place)
            && let Some(number) = scalar(buffer, place).as_f64()
        {
            return Some(Ok(number));
        }
        Some(Err(self.document(buffer, length, place, detours)))
    }

    /// A document that was passed, and the value at a place, if it is one.
    #[inline]
    fn document<'a>(
        &self,
        buffer: &'a [u8],
        length: usize,
        place: Place,
        detours: Option<Members<'_>>,
    ) -> Document<'a> {
        let field = is_noted(place).then(|| scalar(buffer, place));
        let (start, end) = self.root(&buffer[..length], detours);
        Document { root: Value::new(self.kind, buffer, start, end), field }
    }

    /// As [`pass`](Self::pass), where several values are looked for, of which there are `places` for each:
    /// before and after it, none is noted there. Once the document was passed, `found` is called with those
    /// that are in it. Returns what the root is.
    #[inline]
    pub(crate) fn pass_for_several<'a>(
        &mut self,
        buffer: &'a [u8],
        length: usize,
        detours: Option<Members<'_>>,
        places: &mut [Place],
        mut found: impl FnMut(usize, Option<Value<'a>>),
    ) -> Option<Kind> {
        let passed = self.walk(buffer, length, &mut *places, detours).is_some();
        for (field, place) in places.iter_mut().enumerate() {
            let place = mem::take(place);
            if passed && is_noted(place) {
                found(field, Some(scalar(buffer, place)));
            }
        }
        passed.then_some(self.kind)
    }

    /// Walks along a document, to its end: the places that were noted.
    #[inline(always)]
    fn walk<P: Places>(
        &mut self,
        buffer: &[u8],
        length: usize,
        places: P,
        detours: Option<Members<'_>>,
    ) -> Option<P> {
        if buffer.len() < length + PADDING {
            return None;
        }
        self.review.count();
        let mut walk = Walk::new(buffer.as_ptr(), &mut self.pattern, detours.is_some(), places);
        let end = buffer[..length].as_ptr_range().end;
        // SAFETY: the pattern is there, and the buffer goes on for PADDING bytes.
        let stop = unsafe { walk.take(end) };
        if stop != Stop::End || walk.here != end {
            return self.walk_by_steps(walk, stop, buffer, length, detours);
        }
        if self.review.is_due() {
            self.review(buffer, length, detours);
        }
        Some(walk.places)
    }

    /// Goes on step by step where a walk stopped.
    #[inline(never)]
    fn walk_by_steps<P: Places>(
        &mut self,
        walk: Walk<P>,
        stop: Stop,
        buffer: &[u8],
        length: usize,
        members: Option<Members<'_>>,
    ) -> Option<P> {
        let mut detours =
            members.and_then(|members| Detours::new(members, &self.open, buffer, length));
        let Self { steps, pattern, review, .. } = self;
        let mut walk = BySteps::new(walk, steps, pattern, review, buffer, length);
        if !walk.go_on(stop, detours.as_mut()) {
            self.reached = walk.at;
            return None;
        }
        let places = walk.walk.places;
        if let Some(news) = detours.and_then(Detours::news) {
            self.note(&news, buffer);
        }
        if self.review.is_due() {
            self.review(buffer, length, members);
        }
        Some(places)
    }

    /// Looks at what scalars are to be expected from now on, to look like those of a document that was
    /// passed.
    #[cold]
    #[inline(never)]
    fn review(&mut self, buffer: &[u8], length: usize, members: Option<Members<'_>>) {
        let is_outdated = self.review.begin();
        self.note_junctions();
        let mut may_be = Vec::new();
        for segment in &self.pattern.segments {
            let last = segment.steps.1;
            if segment.then == Then::Scalar && segment.repeats >= self.steps[last].proof {
                may_be.push(last);
            }
        }
        let mut scalars = Vec::new();
        if !may_be.is_empty() {
            let mut detours =
                members.and_then(|members| Detours::new(members, &self.open, buffer, length));
            let Self { steps, pattern, review, .. } = self;
            let walk = Walk::new(buffer.as_ptr(), pattern, false, Place::default());
            let walk = BySteps::new(walk, steps, pattern, review, buffer, length);
            scalars = walk.scalars(detours.as_mut());
            scalars.retain(|(step, scalar)| {
                may_be.binary_search(step).is_ok()
                    && may_be_expected(scalar)
                    && Expected::of(scalar).may_stand_before(&self.steps[step + 1])
            });
        }
        for (step, scalar) in &scalars {
            self.steps[*step].expected = Some(Expected::of(scalar));
        }
        if is_outdated || !scalars.is_empty() {
            self.lay_out(scalars);
        }
    }

    /// Notes at the steps which segments are junctions.
    fn note_junctions(&mut self) {
        for segment in &mut self.pattern.segments {
            self.steps[segment.steps.0].is_junction |= mem::take(&mut segment.is_junction);
        }
    }

    /// Lays the pattern out anew. These scalars, with their steps and in order, are newly expected.
    fn lay_out<'d>(&mut self, scalars: impl IntoIterator<Item = (usize, &'d [u8])>) {
        self.pattern = Pattern::new(&mut self.steps, &self.open, &self.pattern, scalars);
    }

    /// Adds texts that a document had, once they come again soon.
    #[cold]
    #[inline(never)]
    fn note(&mut self, news: &News, buffer: &[u8]) {
        let bytes = |text: &Text| &buffer[text.start..text.end];
        // FNV-1a, the texts one after the other.
        let hash =
            news.texts().iter().flat_map(bytes).fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let Some(place) = self.news.iter().position(|&known| known == hash) else {
            self.news.rotate_right(1);
            self.news[0] = hash;
            return;
        };
        self.news[place] = 0;
        let added: usize = news.texts().iter().map(|text| bytes(text).len().div_ceil(TEXT)).sum();
        if self.steps.len() >= self.most || added > self.most {
            return;
        }
        self.note_junctions();
        let (steps, open) = (self.steps.split_off(news.step), self.open.split_off(news.step));
        for text in news.texts() {
            self.push(bytes(text), text.open_before);
            self.end(text.field);
        }
        self.steps.extend(steps);
        self.open.extend(open);
        self.lay_out([]);
    }

    /// Where the root of a document begins and ends.
    #[inline(always)]
    fn root(&self, document: &[u8], detours: Option<Members<'_>>) -> (usize, usize) {
        let (before, behind) = match detours {
            None => self.around,
            Some(_) => around(document),
        };
        (before, document.len() - behind)
    }
}

/// How many bytes of whitespace a valid document has before its root, and behind it.
#[cold]
#[inline(never)]
fn around(document: &[u8]) -> (usize, usize) {
    // It has no other whitespace than that of JSON.
    let [before, behind] = [document.trim_ascii_start(), document.trim_ascii_end()];
    (document.len() - before.len(), document.len() - behind.len())
}

/// Whether it is a place.
#[inline(always)]
fn is_noted(place: Place) -> bool {
    place.0 != 0
}

/// The scalar at a place in a buffer.
#[inline(always)]
fn scalar<'a>(buffer: &'a [u8], place: Place) -> Value<'a> {
    let base = buffer.as_ptr().addr();
    let (start, end) = (place.0 - base, place.1 - base);
    Value::new(scalar_kind(buffer[start]), buffer, start, end)
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
        let shape = Shape::of(known.root.kind, &[known.field], None, document.as_bytes());
        (shape.expect(document), known)
    }

    pub(super) fn padded(document: &str, behind: &str) -> Vec<u8> {
        document.bytes().chain(behind.bytes().cycle().take(PADDING)).collect()
    }

    /// Passes a document, which may be the front of what can be read, by the shape of another one.
    fn pass(known: &str, document: &str, behind: &str) -> bool {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let (mut shape, _) = shape_of(known, &pointer);
        let buffer = padded(document, behind);
        let passed = shape.pass(&buffer, document.len(), None);
        if let Some(passed) = passed {
            assert_eq!(Ok(passed), scan(document.as_bytes(), &pointer), "{document}");
        }
        passed.is_some()
    }

    /// So often a document has to come until its scalars are expected.
    pub(super) const OFTEN: usize = 20;

    /// The shape of a document that has come often, of which a value is looked for.
    fn learned(document: &str, pointer: &Pointer) -> Shape {
        let (mut shape, known) = shape_of(document, pointer);
        let buffer = padded(document, "0");
        for _ in 0..OFTEN {
            assert_eq!(shape.pass(&buffer, document.len(), None), Some(known));
        }
        shape
    }

    /// How long the scalars are expected to be.
    fn expected(shape: &Shape) -> Vec<usize> {
        shape.steps.iter().filter_map(|step| Some(step.expected?.bytes)).collect()
    }

    #[test]
    fn scalars_that_are_of_one_length_are_expected() {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let long = "x".repeat(60);
        let text =
            format!(r#"{{"b":"four","a":12,"a key longer than a vector":-0.5,"c":"{long}"}}"#);
        let shape = learned(&text, &pointer);
        // What is looked for is looked at.
        assert_eq!(expected(&shape), [6, 4, 62]);
        assert_eq!(shape.pattern.segments.len(), 2);
        assert_eq!(shape.steps.len(), 5);
        let (mut shape, _) = shape_of(&text, &pointer);
        assert_eq!(shape.pattern.segments.len(), 5);
        for n in 0..3 * OFTEN as u32 {
            let text = text.replace("12", &n.pow(3).to_string()).replace("-0.5", &n.to_string());
            assert!(shape.pass(&padded(&text, "0"), text.len(), None).is_some(), "{text}");
        }
        assert_eq!(expected(&shape), [6, 62]);
        assert_eq!(shape.pattern.segments.len(), 3);
    }

    #[test]
    fn scalars_that_are_often_of_another_length_are_expected_no_more() {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let document = |b: &str| format!(r#"{{"b":{b},"c":[true],"d":"e"}}"#);
        let mut shape = learned(&document("12"), &pointer);
        let mut pass = |b: &str, times: usize| {
            let text = document(b);
            for _ in 0..times {
                assert!(shape.pass(&padded(&text, "0"), text.len(), None).is_some(), "{text}");
            }
            expected(&shape)
        };
        assert_eq!(pass("12", 100), [2, 4, 3]);
        // Once in a while makes no difference.
        assert_eq!(pass("123", 1), [2, 4, 3]);
        assert_eq!(pass("12", 100), [2, 4, 3]);
        assert_eq!(pass("123", 2), [4, 3]);
        assert_eq!(pass("123", 4 * OFTEN), [4, 3]);
        if !cfg!(miri) {
            assert_eq!(pass("123", 2000), [3, 4, 3]);
        }
    }

    #[test]
    fn segments_begin_where_documents_leave_them_and_come_back() {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let members = Members::new(std::slice::from_ref(&pointer));
        let key = "d".repeat(40);
        let all = format!(r#"{{"b":1,"c":2,"{key}":3,"e":4,"f":5}}"#);
        let documents = [&*all, r#"{"b":1,"c":2,"e":4,"f":5}"#];
        let new = Shape::of(Kind::Object, &[None], Some(members), documents[0].as_bytes());
        let new = new.expect("a shape");
        let segments = |shape: &mut Shape, documents: &[&str]| {
            for document in documents.iter().cycle().take(3 * OFTEN) {
                let buffer = padded(document, "0");
                assert!(shape.pass(&buffer, document.len(), Some(members)).is_some(), "{document}");
            }
            shape.steps.iter().map(|step| step.segment).collect::<Vec<_>>()
        };
        // The long key is two steps.
        let first = [Some(0), None, None, None, None, None, None];
        let both = [Some(0), None, Some(1), None, Some(2), None, None];
        assert_eq!(segments(&mut new.clone(), &documents), both);
        let mut learned = new.clone();
        assert_eq!(segments(&mut learned, &documents[..1]), first);
        assert_eq!(segments(&mut learned, &documents), both);
    }

    #[test]
    fn each_scalar_that_is_not_as_expected_counts() {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let mut shape = learned(r#"{"b":1234,"c":"e","d":[5,6]}"#, &pointer);
        // One is as long, but looks different.
        let text = r#"{"b":1.34,"c":"e","d":[55,66]}"#;
        let before: Vec<_> = shape.steps.iter().map(|step| step.proof).collect();
        for _ in 0..2 {
            assert!(shape.pass(&padded(text, "0"), text.len(), None).is_some());
        }
        assert_eq!(expected(&shape), [3]);
        let longer: Vec<_> =
            shape.steps.iter().zip(before).map(|(step, before)| step.proof > before).collect();
        assert_eq!(longer, [true, false, true, true, false]);
    }

    #[test]
    fn scalars_whose_like_may_be_invalid_are_not_expected() {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let document = |number: &str| format!(r#"{{"b":{number},"c":"\"","d":1}}"#);
        let text = document("1e100");
        let shape = learned(&text, &pointer);
        assert_eq!(expected(&shape), [1]);
        let text = document("1e999");
        assert_eq!(shape.clone().pass(&padded(&text, "0"), text.len(), None), None);
    }

    #[test]
    fn what_is_not_as_expected_is_looked_at() {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let document =
            |b: &str, a: &str, c: &str| format!(r#"{{"b":{b},"a":{a},"c":[{c}],"d":null}}"#);
        let scalars = [
            "123.56",
            "[2356]",
            "\"fou\"r",
            "\"fivey\"",
            "\"2\"",
            "7",
            "null",
            "12.5",
            "0125",
            "1 25",
            "1,25",
            "12345",
            "x",
            "1234",
            "\"four\"",
            "\"fo\\\"r\"",
            "\"f\\rs\"",
            "-123",
            "\"f\u{1}ur\"",
            "\"fé!\"",
            "",
        ];
        let text = document("\"four\"", "1234", "1234");
        let learned = learned(&text, &pointer);
        for b in scalars {
            for a in ["1234", "null", "12.5", "0125", "x"] {
                if cfg!(miri) && a != "1234" {
                    continue;
                }
                for c in scalars.into_iter().step_by(if cfg!(miri) { 7 } else { 1 }) {
                    let text = document(b, a, c);
                    let (mut shape, buffer) = (learned.clone(), padded(&text, "0"));
                    for _ in 0..3 {
                        let passed = shape.pass(&buffer, text.len(), None);
                        let is_alike =
                            !b.starts_with('[') && !c.contains(['[', ',']) && !c.is_empty();
                        let found = scan(text.as_bytes(), &pointer).ok().filter(|_| is_alike);
                        assert_eq!(passed, found, "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_stands_behind_a_document_is_not_as_expected() {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let members = Members::new(std::slice::from_ref(&pointer));
        // It is longer than what can be read behind a document.
        let long = "x".repeat(PADDING);
        let text = format!(r#"{{"b":[2,3],"c":"{long}","d":4,"{long}":5,"a":1}}"#);
        let learned = learned(&text, &pointer);
        for length in 0..text.len() {
            let (front, rest) = text.split_at(length);
            let buffer = padded(front, &format!("{rest} "));
            for detours in [None, Some(members)] {
                assert_eq!(learned.clone().pass(&buffer, length, detours), None, "{front}");
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

    #[test]
    fn a_shape_grows_by_what_comes_again() {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let members = Members::new(std::slice::from_ref(&pointer));
        let known = r#"{"b":[1],"c":0}"#;
        let found = scan(known.as_bytes(), &pointer).expect(known);
        let shape = Shape::of(found.root.kind, &[None], Some(members), known.as_bytes());
        let mut shape = shape.expect(known);
        let mut pass = |document: &str, detours| {
            let buffer = padded(document, "0");
            let passed = shape.pass(&buffer, document.len(), detours);
            if let Some(passed) = passed {
                assert_eq!(Ok(passed), scan(document.as_bytes(), &pointer), "{document}");
            }
            (passed.is_some(), shape.steps.len())
        };
        let more = r#"{"b":[1,2],"c":0,"a":3}"#;
        let steps = [3, 4, 4, 5, 5].map(|steps| (true, steps));
        assert_eq!([(); 5].map(|()| pass(more, Some(members))), steps);
        // It needs no detours for what it has in it, and has them for what it had.
        assert_eq!(pass(more, None), (true, 5));
        assert_eq!(pass(known, Some(members)), (true, 5));
        assert_eq!(pass(known, None), (false, 5));
        // What is different every time is no reason to grow.
        for n in 0..100 {
            let (passed, steps) = pass(&format!(r#"{{"b":[1],"{n}":2,"c":0}}"#), Some(members));
            assert_eq!((passed, steps), (true, 5), "{n}");
        }
        // Members of a new object are members of that alone.
        let object = r#"{"b":[1,2],"c":0,"n":{"f":2,"g":3},"a":3}"#;
        assert_eq!([(); 2].map(|()| pass(object, Some(members))), [(true, 5), (true, 8)]);
        for document in [
            object,
            r#"{"b":[1,2],"c":0,"n":{"f":2,"n":{"f":2,"g":3},"a":3}"#,
            r#"{"b":[1,2],"c":0,"n":{"f":2,"g":3,"n":{"f":2,"g":3},"a":3}"#,
            r#"{"b":[1,2],"c":0,"g":3},"a":3}"#,
            r#"{"b":[1,2],"c":0,"n":{"f":2,"a":3}"#,
            r#"{"b":[1,2],"c":0},"a":3}"#,
        ] {
            let valid = scan(document.as_bytes(), &pointer).is_ok();
            assert_eq!(pass(document, Some(members)).0, valid, "{document}");
        }
        // There is an end to it.
        for n in 0..100 {
            let (passed, steps) =
                pass(&format!(r#"{{"b":[1],"{}":2,"c":0}}"#, n / 3), Some(members));
            assert_eq!((passed, steps), (true, 8), "{n}");
        }
    }
}
