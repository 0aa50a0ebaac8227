//! Objects that mostly look alike, read by comparing each with the last.

use super::{Reader, Str};
use crate::{Cause, Kind, SyntaxError, string};

/// What objects that mostly look alike have in common: all of their text but the values that are
/// asked for, which `N` names.
#[derive(Clone, Debug)]
pub struct Layout<'a, N> {
    members: Vec<Member<'a, N>>,
    /// What stands behind the last member, to the object's end. None while it is not known.
    tail: Option<&'a [u8]>,
    /// How deep the objects are nested.
    depth: u32,
}

/// How many members of an object are kept in mind.
const MAX_MEMBERS: usize = 32;

/// A member as the last object had it.
#[derive(Clone, Copy, Debug)]
struct Member<'a, N> {
    /// What stands before its value, from the start of the object or the end of the member before it:
    /// its key, and whole members that are not kept in mind because nobody asks for them.
    lead: &'a [u8],
    /// What its value is called, if that is asked for.
    name: Option<N>,
    /// The value, if it was skipped and its end is its own: behind a number more digits could follow.
    skipped: Option<&'a [u8]>,
}

impl<N> Layout<'_, N> {
    fn at_depth(depth: u32) -> Self {
        Self { members: Vec::new(), tail: None, depth }
    }

    /// Whether an object was read with it.
    fn is_known(&self) -> bool {
        self.tail.is_some() || !self.members.is_empty()
    }
}

impl<N> Default for Layout<'_, N> {
    fn default() -> Self {
        Self::at_depth(0)
    }
}

impl<'a> Reader<'a> {
    /// Reads an object that mostly looks like those that were read with the same `layout`.
    ///
    /// `name` says by its key what a member is called, if it is asked for; it is called for none that
    /// stands where one of the same key stood before. For each member that is asked for, `member` is
    /// given the name and reads the value; what it leaves unread is skipped. If something else comes
    /// next, nothing is read, and false returned.
    #[inline(always)]
    pub fn object_like<N: Copy, E: From<SyntaxError>>(
        &mut self,
        layout: &mut Layout<'a, N>,
        name: impl Fn(Str<'a>) -> Option<N>,
        mut member: impl FnMut(&mut Self, N) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.byte() != b'{' {
            return Ok(false);
        }
        if layout.depth != self.depth {
            // What was valid there may be too deep here.
            *layout = Layout::at_depth(self.depth);
        }
        let mut number = 0;
        for last in &mut layout.members {
            if !self.pass(last.lead) {
                break;
            }
            self.depth = layout.depth + 1;
            number += 1;
            // Before the last value there may have been less of it.
            self.skip_whitespace();
            match last.name {
                Some(name) => self.read_or_skip(|reader| member(reader, name))?,
                None => self.skip_like(&mut last.skipped)?,
            }
        }
        let tail = layout.tail.filter(|_| number == layout.members.len());
        if tail.is_some_and(|tail| self.pass(tail)) {
            self.depth = layout.depth;
        } else {
            self.object_unlike(layout, number, name, member)?;
        }
        Ok(true)
    }

    /// Reads an object, or what is left of it behind so many members, that is not as the last one was:
    /// the next is compared with it. Where there was another one, it is not known what may differ: so
    /// each member is kept in mind then.
    #[cold]
    #[inline(never)]
    fn object_unlike<N: Copy, E: From<SyntaxError>>(
        &mut self,
        layout: &mut Layout<'a, N>,
        known: usize,
        name: impl Fn(Str<'a>) -> Option<N>,
        mut member: impl FnMut(&mut Self, N) -> Result<(), E>,
    ) -> Result<(), E> {
        let each = layout.is_known();
        layout.members.truncate(known);
        layout.tail = None;
        let mut lead = self.at;
        let mut more = match known {
            0 => self.open(b'}')?,
            _ => self.more(b'}', Cause::ExpectedCommaOrBrace)?,
        };
        while more {
            let name = name(self.key()?);
            let value = self.at;
            match name {
                Some(name) => self.read_or_skip(|reader| member(reader, name))?,
                None => drop(self.skip()?),
            }
            if (each || name.is_some()) && layout.members.len() < MAX_MEMBERS {
                let lead_text = &self.document[lead..value];
                layout.members.push(Member { lead: lead_text, name, skipped: None });
                lead = self.at;
            }
            more = self.more(b'}', Cause::ExpectedCommaOrBrace)?;
        }
        if layout.members.len() < MAX_MEMBERS {
            layout.tail = Some(&self.document[lead..self.at]);
        }
        Ok(())
    }

    /// Reads a value with `read`, or skips it if that leaves it unread.
    #[inline(always)]
    fn read_or_skip<E: From<SyntaxError>>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let value = self.at;
        read(self)?;
        if self.at == value {
            self.skip()?;
        }
        Ok(())
    }

    /// Skips a value, which may be that of the last object.
    #[inline(always)]
    fn skip_like(&mut self, last: &mut Option<&'a [u8]>) -> Result<(), SyntaxError> {
        if last.is_some_and(|last| self.pass(last)) {
            return Ok(());
        }
        let start = self.at;
        let kind = self.skip()?;
        let has_end = matches!(kind, Kind::Object | Kind::Array | Kind::String);
        *last = has_end.then(|| &self.document[start..self.at]);
        Ok(())
    }

    /// Passes a text, if it comes next.
    #[inline(always)]
    fn pass(&mut self, text: &[u8]) -> bool {
        let end = self.at + text.len();
        let next = self.document.get(self.at..end);
        let passes = next.is_some_and(|next| string::equal_texts(next, text));
        if passes {
            self.at = end;
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that begin with `a` are asked for, and others not.
    fn asked_for(key: Str<'_>) -> Option<&str> {
        key.plain().filter(|key| key.starts_with('a'))
    }

    /// The keys of all objects of an array that are asked for. Values are skipped.
    fn keys(document: &str) -> Result<Vec<&str>, SyntaxError> {
        let (mut keys, mut layout) = (Vec::new(), Layout::default());
        let mut reader = Reader::new(document);
        reader.array(|reader| {
            reader.object_like(&mut layout, asked_for, |_, key| {
                keys.push(key);
                Ok::<_, SyntaxError>(())
            })?;
            Ok::<_, SyntaxError>(())
        })?;
        reader.finish().map(|()| keys)
    }

    #[test]
    fn objects_need_not_look_alike() {
        for (document, expected) in [
            (r#"[{"a":1,"ab":2},{"a":12,"ab":[]},{"ab":{},"a":[]}]"#, "aabaababa"),
            (r#"[{"a" :"x"},{"a" :"x" },{"a":"x"},{"a":"xy"}]"#, "aaaa"),
            (r#"[{"a":"x"},{},{"a":"x","ab":"y"},7,{"b":"x"},{"a":"x","b":"y"}]"#, "aaaba"),
            (r#"[{"b":1,"a":2},{"b":1,"a":2},{"b":10,"a":2},{"b":[1],"a":2}]"#, "aaaa"),
            (r#"[{"a":1,"b":"x"},{"a":1,"b":"x"},{"a":1,"b":"y"},{"a":1}]"#, "aaaa"),
            (r#"[{"a":1,"b":2,"ab":3,"c":4},{"a":1,"b":3,"ab":3},{"b":7,"a":1}]"#, "aabaaba"),
            (r#"[{"b":1},{"a":1},{"b":1},{"c":1,"a":2},{"c":2,"a":2,"b":1}]"#, "aaa"),
            (r#"[{"a":  1,"b": 2},{"a": 1,"b":2},{"a":  1,"b":  2},{"a":1,"b": 2}]"#, "aaaa"),
        ] {
            assert_eq!(keys(document).map(|keys| keys.concat()).as_deref(), Ok(expected));
        }
        for document in [
            r#"[{"a":1},{"a":1x}]"#,
            r#"[{"a":"x"},{"a":"x}]"#,
            r#"[{"a":0},{"a":01}]"#,
            r#"[{"b":0},{"b":0]"#,
            r#"[{"b":0},{"b":0,}]"#,
            r#"[{"a":0},{"a":0,}]"#,
            r#"[{"a":0},{"a":0 "b":1}]"#,
            r#"[{"b":0,"a":1},{"b":00,"a":1}]"#,
            r#"[{"b":0,"a":1},{"b":1,"a":1},{"b":01,"a":1}]"#,
        ] {
            assert!(keys(document).is_err(), "{document}");
        }
    }

    #[test]
    fn objects_may_have_more_members_than_are_kept_in_mind() {
        for (first, names) in [("a", MAX_MEMBERS + 8), ("b", 0)] {
            let members: Vec<_> =
                (0..MAX_MEMBERS + 8).map(|n| format!(r#""{first}{n}":["x"]"#)).collect();
            let object = format!("{{{}}}", members.join(","));
            let names: String = (0..names).map(|n| format!("a{n}")).collect();
            let document = format!("[{object},{object},{{}},{object},{object}]");
            assert_eq!(keys(&document).map(|keys| keys.concat()), Ok(names.repeat(4)));
        }
    }

    #[test]
    fn what_was_valid_may_be_too_deep_elsewhere() {
        let deep = "[".repeat(126) + &"]".repeat(126);
        let object = format!(r#"{{"a":{deep}}}"#);
        let array = format!("[{object}]");
        for asked_for in [None, Some(())] {
            let mut layout = Layout::default();
            let ignored = |_: &mut Reader<'_>, ()| Ok::<_, SyntaxError>(());
            let read = Reader::new(&object).object_like(&mut layout, |_| asked_for, ignored);
            assert_eq!(read, Ok(true));
            let deeper = Reader::new(&array).array(|reader| {
                reader.object_like(&mut layout, |_| asked_for, ignored).map(|_| ())
            });
            assert_eq!(deeper.map_err(|error| error.cause), Err(Cause::TooDeep));
        }
    }
}
