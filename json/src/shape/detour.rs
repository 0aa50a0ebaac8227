//! Where a document leaves a shape, and comes back to it.
//!
//! Records that look alike may still differ in a key, in a member that not all have, in how many
//! elements an array has. What such a document has between two scalars and the shape has not is read by
//! the grammar. Then the document goes on along the shape, at any step that begins with the same
//! containers open and has the text that stands there: what may follow depends on nothing else.

use super::containers::Containers;
use super::step::{Step, TEXT, Then};
use super::walk::{Places, any_scalar_end};
use crate::Pointer;
use crate::string::{self, Scanned, Utf8};

/// The members of the root that are looked for.
///
/// Elsewhere a document makes no detours: what leads to a value deeper within it is more than the text
/// before the value tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members<'p>(&'p [Pointer]);

impl<'p> Members<'p> {
    /// What these pointers lead to, each of which leads to a member of the root.
    pub(crate) fn new(pointers: &'p [Pointer]) -> Self {
        Self(pointers)
    }

    /// Which of them has this key, as it is written without escapes.
    pub(super) fn position(self, key: &[u8]) -> Option<usize> {
        self.0.iter().position(|pointer| {
            pointer.as_member().is_some_and(|member| string::equal(member.as_bytes(), key))
        })
    }
}

/// The detours of one document.
#[derive(Debug)]
pub(super) struct Detours<'d> {
    members: Members<'d>,
    /// The containers that are open where each step of the shape begins.
    open: &'d [Containers],
    /// The document is the first `length` bytes.
    buffer: &'d [u8],
    length: usize,
    utf8: Utf8,
    /// How many more there may be.
    left: usize,
    made: bool,
}

/// Where a detour ends.
pub(super) enum Back {
    /// At a step, and at this offset.
    Step(usize, usize),
    /// With the document.
    End,
}

/// In so many steps on both sides of the one that comes next a text is searched for.
const NEAR: usize = 8;

impl<'d> Detours<'d> {
    /// Of a document, which the first `length` bytes of a buffer are, from a shape that has these
    /// containers open where its steps begin. None if it allows none.
    pub(super) fn new(
        members: Members<'d>,
        open: &'d [Containers],
        buffer: &'d [u8],
        length: usize,
    ) -> Option<Self> {
        // With more of them it takes less time to read the document by the grammar altogether.
        let left = 4 + open.len() / 4;
        let utf8 = Utf8::Unchecked;
        let detours = Self { members, open, buffer, length, utf8, left, made: false };
        (!open.is_empty()).then_some(detours)
    }

    /// How many steps the shape has.
    pub(super) fn steps(&self) -> usize {
        self.open.len()
    }

    /// Whether there was any.
    pub(super) fn were_made(&self) -> bool {
        self.made
    }

    /// The way back from where the document has not the text of a step, and the places that are on it.
    /// None if it is not valid, or if the way is too long.
    pub(super) fn back(
        &mut self,
        steps: &[Step],
        mut step: usize,
        mut at: usize,
        places: &mut impl Places,
    ) -> Option<Back> {
        self.made = true;
        // A detour begins where the last scalar ends.
        while step > 0 && steps[step - 1].then == Then::Text {
            step -= 1;
            at = at.checked_sub(steps[step].text().len())?;
        }
        if at > self.length || self.open[step] == Containers::UNKNOWN {
            return None;
        }
        let mut open = self.open[step];
        // It has the text of another step, or a new one.
        let mut next = self.near(steps, step, open, at);
        loop {
            self.left = self.left.checked_sub(1)?;
            if let Some(next) = next {
                return Some(Back::Step(next, at));
            }
            let document = &self.buffer[..self.length];
            let text = read(document, at, open, self.members, &mut self.utf8)?;
            if text.open == Containers::NONE {
                return Some(Back::End);
            }
            open = text.open;
            at = any_scalar_end(self.buffer, self.length, text.end, &mut self.utf8)?;
            if let Some(field) = text.field {
                let place = |at: usize| self.buffer.as_ptr().wrapping_add(at).addr();
                places.note(field as u8, (place(text.end), place(at)));
            }
            // As if the new text stood in the place of the step's.
            while steps[step].then == Then::Text {
                step += 1;
            }
            step = (step + 1).min(steps.len() - 1);
            next = if self.open[step] == open && steps[step].is_text(self.here(at)?) {
                Some(step)
            } else {
                self.near(steps, step, open, at)
            };
        }
    }

    /// The nearest of the steps on both sides of one that has the text that stands here, with these
    /// containers open.
    #[inline(never)]
    fn near(&self, steps: &[Step], step: usize, open: Containers, at: usize) -> Option<usize> {
        // The root begins once.
        if open == Containers::NONE {
            return None;
        }
        let here = self.here(at)?;
        for far in 1..=NEAR {
            for near in [step + far, step.wrapping_sub(far)] {
                if self.open.get(near) == Some(&open) && steps[near].is_text(here) {
                    return Some(near);
                }
            }
        }
        None
    }

    /// As much as a step may have of text.
    fn here(&self, at: usize) -> Option<&'d [u8; TEXT]> {
        self.buffer.get(at..)?.first_chunk()
    }
}

/// What stands before a scalar, or before the end.
#[derive(Debug, PartialEq, Eq)]
struct Text {
    end: usize,
    /// The containers that are open at its end.
    open: Containers,
    /// Which of the members that are looked for comes next.
    field: Option<usize>,
}

/// Reads the text that begins at an offset, if it is valid. None as well if what is looked for is a
/// container, or if it is not clear whether it is there.
#[inline(never)]
fn read(
    document: &[u8],
    mut at: usize,
    mut open: Containers,
    members: Members<'_>,
    utf8: &mut Utf8,
) -> Option<Text> {
    let mut behind_a_value = open != Containers::NONE;
    let mut field = None;
    loop {
        at = skip_whitespace(document, at);
        if open == Containers::NONE && behind_a_value {
            return (at == document.len()).then_some(Text { end: at, open, field });
        }
        let byte = *document.get(at)?;
        let mut needs_key = false;
        if behind_a_value {
            match byte {
                b',' => {
                    needs_key = open.is_object();
                    behind_a_value = false;
                }
                b'}' | b']' if open.is_object() == (byte == b'}') => open = open.without(),
                _ => return None,
            }
        } else if matches!(byte, b'{' | b'[') && field.is_none() {
            let (is_object, bracket) = if byte == b'{' { (true, b'}') } else { (false, b']') };
            open = open.with(is_object);
            // The root has members.
            if open == Containers::UNKNOWN || open == Containers::NONE.with(false) {
                return None;
            }
            // It may end at once, as behind a value.
            behind_a_value = document.get(skip_whitespace(document, at + 1)) == Some(&bracket);
            needs_key = is_object && !behind_a_value;
        } else {
            // Whether it is a scalar is seen when it is passed.
            return (open != Containers::NONE).then_some(Text { end: at, open, field });
        }
        at += 1;
        if needs_key {
            let key = read_key(document, skip_whitespace(document, at), utf8)?;
            if open.are_root_object() {
                if key.escaped {
                    return None;
                }
                field = members.position(key.text);
            }
            at = key.end;
        }
    }
}

struct Key<'d> {
    text: &'d [u8],
    escaped: bool,
    /// Where its colon ends.
    end: usize,
}

/// Reads a key and its colon.
#[inline(always)]
fn read_key<'d>(document: &'d [u8], at: usize, utf8: &mut Utf8) -> Option<Key<'d>> {
    if document.get(at) != Some(&b'"') {
        return None;
    }
    let Scanned { close, escaped } = string::scan(document, at + 1, utf8).ok()?;
    let colon = skip_whitespace(document, close + 1);
    let text = &document[at + 1..close];
    (document.get(colon) == Some(&b':')).then_some(Key { text, escaped, end: colon + 1 })
}

fn skip_whitespace(document: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = document.get(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;
    use crate::{PADDING, scan};

    /// Passes a document along the shape of another, of which the member `a` is looked for.
    fn pass(known: &str, document: &str) -> bool {
        let pointer = Pointer::parse("/a").expect("a pointer");
        let scanned = scan(known.as_bytes(), &pointer).expect(known);
        let members = Members::new(std::slice::from_ref(&pointer));
        let shape = Shape::of(scanned.root.kind, &[scanned.field], Some(members), known.as_bytes());
        let mut passed = Vec::new();
        // What stands behind the document is none of its.
        for behind in ["0", "\"", ",\"b\":1", "}", "1}", "]"] {
            let mut shape = shape.clone().expect(known);
            let buffer: Vec<_> =
                document.bytes().chain(behind.bytes().cycle().take(PADDING)).collect();
            let found = shape.pass(&buffer, document.len(), Some(members));
            if let Some(found) = found {
                assert_eq!(Ok(found), scan(document.as_bytes(), &pointer), "{document}");
            }
            passed.push(found.is_some());
        }
        assert!(passed.iter().all(|&each| each == passed[0]), "{document}: {passed:?}");
        passed[0]
    }

    const KNOWN: &str = r#"{"id":"x","b":{"c":[1,2],"d":true},"a":0.5,"a key that is longer than two vectors are":1}"#;

    #[test]
    fn a_document_may_leave_the_shape_and_come_back() {
        for document in [
            // Other keys.
            r#"{"Id":"x","b":{"c":[1,2],"d":true},"a":0.5,"a key that is longer than two vectors are":1}"#,
            r#"{"id":"x","b":{"c":[1,2],"D":true},"a":0.5,"a key that is longer than two vectors are":1}"#,
            r#"{"id":"x","b":{"c":[1,2],"d":true},"a":0.5,"a key that is longer than two vectors is":1}"#,
            r#"{"é":"x","b":{"c":[1,2],"\u0064":true},"a":0.5,"a key that is longer than two vectors are":1}"#,
            // Members that are missing.
            r#"{"id":"x","a":0.5,"a key that is longer than two vectors are":1}"#,
            r#"{"b":{"c":[1,2],"d":true},"a":0.5}"#,
            r#"{"id":"x","b":{"c":[1,2],"d":true}}"#,
            r#"{"id":"x","b":{"d":true},"a":0.5}"#,
            // More of them.
            r#"{"id":"x","b":{"c":[1,2],"d":true,"e":[]},"f":null,"a":0.5,"a key that is longer than two vectors are":1}"#,
            r#"{"id":"x","b":{"c":[1,2],"d":true},"a":0.5,"a key that is longer than two vectors are":1,"g":{}}"#,
            r#"{"id":"x","b":{"c":[1,2],"d":true},"a":0.5,"a key that is longer than two vectors are":1,"g":{"a":[2]}}"#,
            // Other elements.
            r#"{"id":"x","b":{"c":[1],"d":true},"a":0.5,"a key that is longer than two vectors are":1}"#,
            r#"{"id":"x","b":{"c":[1,2,3,4],"d":true},"a":0.5,"a key that is longer than two vectors are":1}"#,
            r#"{"id":"x","b":{"c":[],"d":true},"a":0.5,"a key that is longer than two vectors are":1}"#,
            r#"{"id":"x","b":{"c":[[1],{"e":2}],"d":true},"a":0.5,"a key that is longer than two vectors are":1}"#,
            // Other places.
            r#"{"id":"x","b":{"d":true,"c":[1,2]},"a":0.5,"a key that is longer than two vectors are":1}"#,
            // Other whitespace.
            r#" {"id":"x","b":{"c":[1, 2],"d":true},"a":0.5,"a key that is longer than two vectors are":1 } "#,
            // The last member counts.
            r#"{"id":"x","b":{"c":[1,2],"d":true},"a":0.5,"a key that is longer than two vectors are":1,"B":{"d":1},"a":2}"#,
        ] {
            assert!(pass(KNOWN, document), "{document}");
        }
    }

    #[test]
    fn what_is_looked_for_is_found_on_detours_as_well() {
        for document in [
            r#"{"id":"x","b":{"c":[1,2],"d":true}, "a":0.5}"#,
            r#"{"id":"x","b":{},"a":0.5}"#,
            r#"{"a":0.5,"b":{"c":[1,2],"d":true}}"#,
            r#"{"a":"long, and with an escape: \u00e9, for it is to be the longest of all","b":{"a":[1,2]}}"#,
            r#"{"id":"x","a":1,"b":{"c":[1,2],"d":true},"a":2}"#,
            r#"{"id":"x","b":{"a":[1,2],"d":true},"a":0.5}"#,
            r#"{"id":"x","b":{"a":[1,2],"d":true}}"#,
        ] {
            assert!(pass(KNOWN, document), "{document}");
        }
        for document in [
            r#"{"id":"x","b":{"c":[1,2],"d":true},"\u0061":0.5}"#,
            r#"{"id":"x","b":{"c":[1,2],"d":true},"a":[0.5]}"#,
            r#"{"id":"x","b":{"c":[1,2],"d":true},"a":{}}"#,
            r#"{"id":"x","b":{"c":[1,2],"d":true},"a":0.5,"a key that is longer than two vectors are":1,"a":{"e":1}}"#,
        ] {
            assert!(!pass(KNOWN, document), "{document}");
        }
    }

    #[test]
    fn where_what_is_looked_for_comes_twice_there_are_no_detours() {
        for known in [
            r#"{"a":1,"b":2,"a":3}"#,
            r#"{"a":{"c":1},"b":2,"a":3}"#,
            r#"{"\u0061":1,"b":2,"a":3}"#,
            r#"[{"a":1,"b":2}]"#,
        ] {
            assert!(pass(known, known));
            assert!(!pass(known, &known.replace("\"b\"", "\"B\"")), "{known}");
        }
    }

    #[test]
    fn what_is_not_valid_is_not_passed() {
        for document in [
            r#"{"ID":"x","b":{"c":[1,2],"d":true},"a":0.5"#,
            r#"{"ID":"x","b":{"c":[1,2],"d":true],"a":0.5}"#,
            r#"{"ID":"x","b":{"c":[1,2},"d":true},"a":0.5}"#,
            r#"{"ID":"x","b":{"c":[1,2,],"d":true},"a":0.5}"#,
            r#"{"ID":"x","b":{"c":[1 2],"d":true},"a":0.5}"#,
            r#"{"ID":"x","b":{"c":[,1],"d":true},"a":0.5}"#,
            r#"{"ID":"x","b":{"c":["f":1],"d":true},"a":0.5}"#,
            r#"{"ID":"x","b":{"c":[1],2},"a":0.5}"#,
            r#"{"ID":"x","b":{"c":[1],"d":},"a":0.5}"#,
            r#"{"ID":"x","b":{"c":[1],"d"},"a":0.5}"#,
            r#"{"ID":"x","b":{"c":[1],d:2},"a":0.5}"#,
            r#"{"ID":"x","b":{,"c":[1]},"a":0.5}"#,
            r#"{"ID":"x","b":{"e":01},"a":0.5}"#,
            r#"{"ID":"x","b":{"e":tru},"a":0.5}"#,
            r#"{"ID":"x","b":{"e":"\x"},"a":0.5}"#,
            r#"{"ID":"x","b":{"\x":1},"a":0.5}"#,
            r#"{"ID":"x","b":{"e":1},"a":0.5},"b":1}"#,
            r#"{"ID":"x","b":{"e":1},"a":0.5}}"#,
            r#"{"ID":"x","a":0.5} {}"#,
            r#"{"ID":"x",,"a":0.5}"#,
            r#"{"ID":"x";"a":0.5}"#,
            r#""ID":"x","a":0.5}"#,
            r#"["x",{"a":0.5}]"#,
            "",
            " ",
            "{",
            "{\"\u{1}\":1}",
        ] {
            assert!(!pass(KNOWN, document), "{document}");
        }
        let not_utf8 = b"{\"\xff\":1,\"a\":2}";
        let mut utf8 = Utf8::Unchecked;
        let members = Members::new(&[]);
        assert_eq!(read(not_utf8, 0, Containers::NONE, members, &mut utf8), None);
    }

    #[test]
    fn a_document_that_leaves_the_shape_too_often_is_not_passed() {
        let document = |keys: usize| {
            let members: Vec<_> = (0..keys).map(|n| format!(r#""other {n}":1"#)).collect();
            format!(r#"{{{},"a":2}}"#, members.join(","))
        };
        let known = document(8).replace("other", "known");
        let few = known.replacen("known", "other", 3);
        assert!(pass(&known, &few));
        assert!(!pass(&known, &document(8)));
    }

    #[test]
    fn depth_has_an_end() {
        let nested = |depth: usize, key: &str| {
            let (open, close) = (r#"{"b":"#.repeat(depth), "}".repeat(depth));
            format!(r#"{{"a":1,{key}:{open}2{close}}}"#)
        };
        for (depth, passes) in [(1, true), (62, true), (63, false), (100, false)] {
            assert_eq!(pass(&nested(1, "\"c\""), &nested(depth, "\"d\"")), passes, "{depth}");
        }
        // Within what is deeper than can be told there are no detours.
        let known = format!(r#"{{"a":1,"c":{}1,2{}}}"#, "[".repeat(70), "]".repeat(70));
        assert!(pass(&known, &known));
        assert!(!pass(&known, &known.replace("1,2", "1 ,2")));
    }
}
