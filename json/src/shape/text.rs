//! What stands between two scalars, by the grammar.

use super::containers::Containers;
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

/// What stands before a scalar, or before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The containers that are open where it begins.
    pub(super) open_before: Containers,
    /// The same where it ends.
    pub(super) open_behind: Containers,
    /// Which of the members that are looked for the scalar is.
    pub(super) field: Option<u8>,
}

impl Default for Text {
    fn default() -> Self {
        let (open_before, open_behind) = (Containers::UNKNOWN, Containers::UNKNOWN);
        Self { start: 0, end: 0, open_before, open_behind, field: None }
    }
}

/// Reads the text that begins at an offset, if it is valid. None as well if what is looked for is a
/// container, or if it is not clear whether it is there.
#[inline(never)]
pub(super) fn read(
    document: &[u8],
    start: usize,
    open_before: Containers,
    members: Members<'_>,
    utf8: &mut Utf8,
) -> Option<Text> {
    let (mut at, mut open) = (start, open_before);
    let mut behind_a_value = open != Containers::NONE;
    let mut field = None;
    let text = |end, open_behind, field| Text { start, end, open_before, open_behind, field };
    loop {
        at = skip_whitespace(document, at);
        if open == Containers::NONE && behind_a_value {
            return (at == document.len()).then(|| text(at, open, field));
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
            return (open != Containers::NONE).then(|| text(at, open, field));
        }
        at += 1;
        if needs_key {
            let key = read_key(document, skip_whitespace(document, at), utf8)?;
            if open.are_root_object() {
                if key.escaped {
                    return None;
                }
                field = members.position(key.text).map(|place| place as u8);
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
