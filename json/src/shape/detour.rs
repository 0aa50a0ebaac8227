//! Where a document leaves a shape, and comes back to it.
//!
//! Records that look alike may still differ in a key, in a member that not all have, in how many
//! elements an array has. What such a document has between two scalars and the shape has not is read by
//! the grammar. Then the document goes on along the shape, at any step that begins with the same
//! containers open and has the text that stands there: what may follow depends on nothing else.

use super::containers::Containers;
use super::place::{Places, place};
use super::scalar::any_scalar_end;
use super::step::{Step, TEXT, Then};
use super::text::{Members, Text, read};
use crate::string::Utf8;

/// The detours of one document.
#[derive(Debug)]
pub(super) struct Detours<'d> {
    members: Members<'d>,
    /// The containers that are open where each step of the shape begins.
    open: &'d [Containers],
    /// The document is the first `length` bytes.
    buffer: &'d [u8],
    length: usize,
    /// How many more there may be.
    left: usize,
    news: Option<News>,
}

/// Texts in a row that a document has and its shape has not, each with a scalar behind it.
///
/// Before and behind them the same containers are open, so the shape might have them as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    /// The step that they stand before.
    pub(super) step: usize,
    texts: [Text; MOST_TEXTS],
    count: usize,
}

/// With more texts in a row a document is of another shape.
const MOST_TEXTS: usize = 4;

impl News {
    /// Adds a text. None if there are too many.
    fn push(&mut self, text: Text) -> Option<()> {
        *self.texts.get_mut(self.count)? = text;
        self.count += 1;
        Some(())
    }

    /// The texts, in order.
    pub(super) fn texts(&self) -> &[Text] {
        &self.texts[..self.count]
    }
}

/// Where a detour ends.
pub(super) enum Back {
    /// At a step, and at this offset.
    Step(usize, usize),
    /// With the document.
    End,
}

/// In so many steps behind the one that should come next a text is searched for: members may be missing,
/// or elements.
pub(super) const BEHIND: usize = 6;

/// And in so many before it: there may be more elements.
const BEFORE: usize = 2;

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
        let left = 4 + open.len() / 32;
        let detours = Self { members, open, buffer, length, left, news: None };
        (!open.is_empty()).then_some(detours)
    }

    /// The first news of the document.
    pub(super) fn news(self) -> Option<News> {
        self.news
    }

    /// The way back from where the document has not the text of a step. What is looked for is noted, if
    /// it is on the way. None if the document is not valid, or if the way is too long.
    #[inline(always)]
    pub(super) fn back(
        &mut self,
        steps: &[Step],
        mut step: usize,
        mut at: usize,
        utf8: &mut Utf8,
        places: &mut impl Places,
    ) -> Option<Back> {
        // A detour begins where the last scalar ends.
        while step > 0 && steps[step - 1].then == Then::Text {
            step -= 1;
            at = at.checked_sub(steps[step].text().len())?;
        }
        self.left = self.left.checked_sub(1)?;
        let open = self.open[step];
        if at > self.length || open == Containers::UNKNOWN {
            return None;
        }
        match self.near(steps, step, open, at) {
            Some(near) => Some(Back::Step(near, at)),
            None => self.back_from_news(steps, step, at, utf8, places),
        }
    }

    /// The same where the document has a text that is new.
    #[inline(never)]
    fn back_from_news(
        &mut self,
        steps: &[Step],
        mut step: usize,
        mut at: usize,
        utf8: &mut Utf8,
        places: &mut impl Places,
    ) -> Option<Back> {
        let mut open = self.open[step];
        let mut news = News { step, texts: [Text::default(); MOST_TEXTS], count: 0 };
        loop {
            let document = &self.buffer[..self.length];
            let text = read(document, at, open, self.members, utf8)?;
            news.push(text)?;
            open = text.open_behind;
            if open == Containers::NONE {
                return Some(Back::End);
            }
            at = any_scalar_end(self.buffer, self.length, text.end, utf8)?;
            if let Some(field) = text.field {
                places.note(field, place(self.buffer, text.end, at));
            }
            // As if the new text stood in the place of the step's.
            while steps[step].then == Then::Text {
                step += 1;
            }
            step = (step + 1).min(steps.len() - 1);
            let is_next = self.open[step] == open && steps[step].is_text(self.here(at)?);
            let next = if is_next { Some(step) } else { self.near(steps, step, open, at) };
            if let Some(next) = next {
                if open == self.open[news.step] {
                    self.news.get_or_insert(news);
                }
                return Some(Back::Step(next, at));
            }
            self.left = self.left.checked_sub(1)?;
        }
    }

    /// The first of the steps behind one, or else the last of those before it, that has the text that
    /// stands here, with these containers open.
    #[inline(never)]
    fn near(&self, steps: &[Step], step: usize, open: Containers, at: usize) -> Option<usize> {
        // The root begins once.
        if open == Containers::NONE {
            return None;
        }
        let here = self.here(at)?;
        let is_here = |(&begins, step): (&Containers, &Step)| begins == open && step.is_text(here);
        let end = (step + 1 + BEHIND).min(steps.len());
        let mut behind = self.open[step + 1..end].iter().zip(&steps[step + 1..end]);
        if let Some(far) = behind.position(is_here) {
            return Some(step + 1 + far);
        }
        let start = step.saturating_sub(BEFORE);
        let mut before = self.open[start..step].iter().zip(&steps[start..step]);
        before.rposition(is_here).map(|far| start + far)
    }

    /// As much as a step may have of text.
    fn here(&self, at: usize) -> Option<&'d [u8; TEXT]> {
        self.buffer.get(at..)?.first_chunk()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;
    use crate::shape::tests::{OFTEN, padded};
    use crate::{Pointer, scan};

    /// The pointer to the member that is looked for.
    fn pointer() -> Pointer {
        Pointer::parse("/a").expect("a pointer")
    }

    fn shape_of(known: &str) -> Shape {
        let pointer = pointer();
        let scanned = scan(known.as_bytes(), &pointer).expect(known);
        let members = Members::new(std::slice::from_ref(&pointer));
        let shape = Shape::of(scanned.root.kind, &[scanned.field], Some(members), known.as_bytes());
        shape.expect(known)
    }

    /// Whether a document is passed along a shape.
    fn passes(shape: &mut Shape, document: &str, behind: &str) -> bool {
        let pointer = pointer();
        let members = Members::new(std::slice::from_ref(&pointer));
        let buffer = padded(document, behind);
        let found = shape.pass(&buffer, document.len(), Some(members));
        if let Some(found) = found {
            assert_eq!(Ok(found), scan(document.as_bytes(), &pointer), "{document}");
        }
        found.is_some()
    }

    /// Passes a document along the shape of another, of which the member `a` is looked for.
    fn pass(known: &str, document: &str) -> bool {
        let shape = shape_of(known);
        let mut passed = Vec::new();
        // What stands behind the document is none of its.
        let behind = ["0", "\"", ",\"b\":1", "}", "1}", "]"];
        for behind in &behind[..if cfg!(miri) { 1 } else { behind.len() }] {
            let mut shape = shape.clone();
            let mut pass = |document: &str, behind| passes(&mut shape, document, behind);
            passed.push(pass(document, behind));
            // Nor does it matter what the shape expects, and where documents have left it before.
            for _ in 0..OFTEN {
                assert!(pass(known, "0"), "{known}");
            }
            passed.push(pass(document, behind));
            for _ in 0..if cfg!(miri) { 1 } else { 2 * OFTEN } {
                pass(document, behind);
                assert!(pass(known, "0"), "{known}");
            }
            passed.push(pass(document, behind));
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
            r#"{"Id":"forty-seven letters, and then the closing quote","b":{"c":[1,2],"d":true},"a":0.5}"#,
            r#"{"Id":"forty-eight letters, and then the closing quote:","b":{"c":[1,2],"d":true},"a":0.5}"#,
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

    /// A shape that has seen some documents, one after the other and so often: whether it passes another.
    fn seen(documents: &[&str], times: usize) -> impl FnMut(&str) -> bool + use<> {
        let mut shape = shape_of(documents[0]);
        let mut pass = move |document: &str| passes(&mut shape, document, "0");
        for document in documents.iter().cycle().take(times * documents.len()) {
            assert!(pass(document), "{document}");
        }
        pass
    }

    #[test]
    fn what_is_left_out_is_skipped_with_the_same_containers_open() {
        let all = r#"{"id":"x","b":[1,2,3],"c":4,"d":5,"a":6}"#;
        let one = r#"{"id":"x","b":[1],"c":4,"d":5,"a":6}"#;
        let before = r#"{"id":"x","e":7,"b":[1,2,3],"c":4,"d":5,"a":6}"#;
        let mut pass = seen(&[all, one, before], 3 * OFTEN);
        for (document, is_valid) in [
            (all, true),
            (r#"{"id":"x","b":[1,2],"c":4,"d":5,"a":6}"#, true),
            (r#"{"id":"x","b":[1],"c":4,"a":6}"#, true),
            (r#"{"id":"x","b":[1,2,3],"c":4,"d":5}"#, true),
            (r#"{"id":"x",2,3],"c":4,"d":5,"a":6}"#, false),
            (r#"{"id":"x"],"c":4,"d":5,"a":6}"#, false),
            (r#"{"id":"x","b":[1,"c":4,"d":5,"a":6}"#, false),
            (r#"{"id":"x","b":[1,2,"d":5,"a":6}"#, false),
            (r#"{"id":"x","b":[1,2}"#, false),
        ] {
            assert_eq!(pass(document), is_valid, "{document}");
        }
    }

    #[test]
    fn nothing_is_skipped_so_deep_that_it_is_not_told_what_is_open() {
        let (open, close) = ("[".repeat(64), "]".repeat(64));
        let document = |deep: &str| format!(r#"{{"b":{open}{deep}{close},"a":1}}"#);
        for times in [1, OFTEN] {
            let mut pass = seen(&[&document(r#"1,{"c":2}"#)], times);
            for deep in ["1}", "1,2", r#"1,{"c":2"#, r#"1,{"c":2}}"#] {
                assert!(!pass(&document(deep)), "{deep}");
            }
        }
    }

    #[test]
    fn elements_that_come_again_do_not_change_what_is_expected() {
        let all = r#"{"b":[1,2,3],"c":34,"a":5}"#;
        let more = r#"{"b":[1,2,3,4,5],"c":34,"a":5}"#;
        // Whichever comes as it is looked at what to expect.
        for often in (1..4).step_by(if cfg!(miri) { 2 } else { 1 }) {
            let mut documents = [all; 4];
            documents[often..].fill(more);
            let mut pass = seen(&documents, OFTEN);
            for document in [
                all,
                more,
                r#"{"b":[1,2,3],"c":34,"a":567}"#,
                r#"{"b":[1,2,3],"c":345,"a":5}"#,
                r#"{"b":[1,2,33,4],"c":34,"a":5}"#,
            ] {
                assert!(pass(document), "{document}");
            }
            for c in ["3x", "\"3", "03", "x4"] {
                assert!(!pass(&all.replace("34", c)), "{c}");
            }
        }
    }
}
