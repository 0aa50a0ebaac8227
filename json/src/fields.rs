//! Several fields of a document, found in one pass.

use std::fmt;

use crate::shape::Members;
use crate::string;
use crate::{Kind, Pointer, Reader, Str, SyntaxError, Value};

/// How many fields can be looked for at once.
pub const MAX_FIELDS: usize = u64::BITS as usize;

/// Fields that are looked for in many documents, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    pointers: Vec<Pointer>,
    /// Each is a member of the root, and none is there twice.
    are_members: bool,
}

impl Fields {
    /// The fields that these lead to.
    ///
    /// # Errors
    ///
    /// If there are more than [`MAX_FIELDS`].
    pub fn new(pointers: Vec<Pointer>) -> Result<Self, TooManyFields> {
        if pointers.len() > MAX_FIELDS {
            return Err(TooManyFields(pointers.len()));
        }
        let mut keys: Vec<_> = pointers.iter().filter_map(Pointer::as_member).collect();
        keys.sort_unstable();
        keys.dedup();
        let are_members = keys.len() == pointers.len();
        Ok(Self { pointers, are_members })
    }

    /// What leads to them, in their order.
    pub fn pointers(&self) -> &[Pointer] {
        &self.pointers
    }

    /// What is looked for, if each is a member of the root, and none is there twice.
    #[inline(always)]
    pub(crate) fn members(&self) -> Option<Members<'_>> {
        self.are_members.then(|| Members::new(&self.pointers))
    }

    /// The field that a member of the root is, where each is one. `next` is tried first, and told
    /// which one is likely to come after it: objects mostly have their members in one order.
    #[inline]
    fn member(&self, key: Str<'_>, next: &mut usize) -> Option<usize> {
        let is = |field: &Pointer| field.as_member().is_some_and(|member| key.is(member));
        let field = match self.pointers.get(*next) {
            Some(field) if is(field) => *next,
            _ => self.pointers.iter().position(is)?,
        };
        *next = field + 1;
        Some(field)
    }
}

/// So many fields are more than [`MAX_FIELDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyFields(pub usize);

impl fmt::Display for TooManyFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fields: at most {MAX_FIELDS} can be looked for at once", self.0)
    }
}

impl std::error::Error for TooManyFields {}

/// Checks that `document` is JSON, all of it, as [`scan`](crate::scan) does, and finds the values
/// that `fields` name: what kind of value the document is.
///
/// `found` is called with a field's place in `fields` and the value there. Of members with the same
/// key the last one counts: when one comes again, `found` is told of another value, or that there is
/// none (yet). So what it was told last of a field counts, and nothing does if this function fails.
///
/// # Errors
///
/// As [`scan`](crate::scan).
pub fn scan_fields<'a>(
    document: &'a [u8],
    fields: &Fields,
    mut found: impl FnMut(usize, Option<Value<'a>>),
) -> Result<Kind, SyntaxError> {
    let text = string::text(document)?;
    let mut reader = Reader::new(text);
    let mut next = 0;
    let is_read = fields.are_members
        && reader.object(|reader, key| {
            if let Some(field) = fields.member(key, &mut next) {
                found(field, Some(value(text, reader)?));
            }
            Ok::<_, SyntaxError>(())
        })?;
    let kind = if is_read {
        Kind::Object
    } else {
        let all = (0..fields.pointers.len()).fold(0, |all, field| all | 1 << field);
        Walk { text, fields: &fields.pointers, found }.value(&mut reader, all, 0)?
    };
    reader.finish()?;
    Ok(kind)
}

/// Checks that `document` is JSON, all of it, and hands out the members of the object that it is, in
/// order: what kind of value the document is. Of members with the same key all are handed out.
///
/// # Errors
///
/// As [`scan`](crate::scan).
pub fn scan_members<'a>(
    document: &'a [u8],
    mut member: impl FnMut(Str<'a>, Value<'a>),
) -> Result<Kind, SyntaxError> {
    let text = string::text(document)?;
    let mut reader = Reader::new(text);
    let is_object = reader.object(|reader, key| {
        member(key, value(text, reader)?);
        Ok::<_, SyntaxError>(())
    })?;
    let kind = if is_object { Kind::Object } else { reader.skip()? };
    reader.finish()?;
    Ok(kind)
}

/// Reads the next value.
#[inline(always)]
fn value<'a>(text: &'a str, reader: &mut Reader<'a>) -> Result<Value<'a>, SyntaxError> {
    let offset = reader.offset();
    let kind = reader.skip()?;
    Ok(Value::new(kind, text.as_bytes(), offset, reader.offset()))
}

/// The way along several pointers at once. Sets of fields are the bits of a mask.
struct Walk<'a, 'p, F> {
    text: &'a str,
    fields: &'p [Pointer],
    found: F,
}

impl<'a, F: FnMut(usize, Option<Value<'a>>)> Walk<'a, '_, F> {
    /// Reads the next value, to which the first `depth` steps of the fields `here` lead.
    fn value(
        &mut self,
        reader: &mut Reader<'a>,
        here: u64,
        depth: usize,
    ) -> Result<Kind, SyntaxError> {
        let offset = reader.offset();
        let ends = self.those(here, |field| field.tokens().len() == depth);
        let kind = match here & !ends {
            0 => reader.skip()?,
            further => self.container(reader, further, depth)?,
        };
        let value = Value::new(kind, self.text.as_bytes(), offset, reader.offset());
        each(ends, |field| (self.found)(field, Some(value)));
        Ok(kind)
    }

    /// Reads the next value, within which the fields `further` are.
    fn container(
        &mut self,
        reader: &mut Reader<'a>,
        further: u64,
        depth: usize,
    ) -> Result<Kind, SyntaxError> {
        let is_object = reader.object(|reader, key| {
            let here = self.those(further, |field| key.is(&field.tokens()[depth].key));
            each(here, |field| (self.found)(field, None));
            self.step(reader, here, depth)
        })?;
        if is_object {
            return Ok(Kind::Object);
        }
        let mut index = 0;
        let is_array = reader.array(|reader| {
            let here = self.those(further, |field| field.tokens()[depth].index == Some(index));
            index += 1;
            self.step(reader, here, depth)
        })?;
        if is_array { Ok(Kind::Array) } else { reader.skip() }
    }

    /// Reads a member's or an element's value, if a field is there. Or else it is left unread.
    fn step(
        &mut self,
        reader: &mut Reader<'a>,
        here: u64,
        depth: usize,
    ) -> Result<(), SyntaxError> {
        if here != 0 {
            self.value(reader, here, depth + 1)?;
        }
        Ok(())
    }

    fn those(&self, fields: u64, which: impl Fn(&Pointer) -> bool) -> u64 {
        let mut those = 0;
        each(fields, |field| those |= u64::from(which(&self.fields[field])) << field);
        those
    }
}

/// Calls `visit` with the place of each field of a set, ascending.
fn each(mut fields: u64, mut visit: impl FnMut(usize)) {
    while fields != 0 {
        visit(fields.trailing_zeros() as usize);
        fields &= fields - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(document: &str, pointers: &[&str]) -> Result<Vec<Option<String>>, SyntaxError> {
        let pointers: Vec<_> =
            pointers.iter().map(|text| Pointer::parse(text).expect("a pointer")).collect();
        let mut values = vec![None; pointers.len()];
        let fields = Fields::new(pointers).expect("few fields");
        scan_fields(document.as_bytes(), &fields, |field, value| {
            values[field] = value.map(|value| value.text().to_owned());
        })
        .map(|_| values)
    }

    fn texts(values: &[Option<&str>]) -> Vec<Option<String>> {
        values.iter().map(|value| value.map(str::to_owned)).collect()
    }

    #[test]
    fn fields_may_be_within_each_other() {
        let document = r#" {"a": {"b": [1, {"c": 2}]}, "d": "x"} "#;
        let found = fields(document, &["/a/b/1/c", "/a", "/d", "/a/b/0", "/e", "/a/b/1/c"]);
        let expected =
            [Some("2"), Some(r#"{"b": [1, {"c": 2}]}"#), Some("\"x\""), Some("1"), None, Some("2")];
        assert_eq!(found, Ok(texts(&expected)));
    }

    #[test]
    fn of_equal_keys_the_last_counts_with_all_in_it() {
        let document = r#"{"a":{"b":1},"c":1,"a":{"d":2},"c":[]}"#;
        let found = fields(document, &["/a/b", "/a/d", "/c", "/c/0"]);
        assert_eq!(found, Ok(texts(&[None, Some("2"), Some("[]"), None])));
    }

    #[test]
    fn a_document_is_checked_to_its_end() {
        for document in [r#"{"a":1} x"#, r#"{"a":1,}"#, r#"{"a":1"#, r#"{"a":1,"b":01}"#] {
            assert!(fields(document, &["/a"]).is_err(), "{document}");
        }
        let none = Fields::new(Vec::new()).expect("few fields");
        let not_utf8 = scan_fields(b"{\"a\":\"\xff\"}", &none, |_, _| {});
        assert_eq!(not_utf8.map_err(|error| error.offset), Err(6));
    }

    #[test]
    fn members_may_come_in_any_order_and_again() {
        let all = ["/a", "/b", "/c"];
        for (document, expected) in [
            (r#"{"a":1,"b":2,"c":3}"#, [Some("1"), Some("2"), Some("3")]),
            (r#"{"c":1,"x":[0],"b":2,"a":3}"#, [Some("3"), Some("2"), Some("1")]),
            (r#"{"b":1,"\u0061":2,"b":{},"":4}"#, [Some("2"), Some("{}"), None]),
            ("[1]", [None; 3]),
        ] {
            assert_eq!(fields(document, &all), Ok(texts(&expected)), "{document}");
        }
    }

    #[test]
    fn fields_are_counted() {
        let fields = |count| Fields::new(vec![Pointer::to_member("a"); count]);
        assert!(fields(MAX_FIELDS).is_ok());
        let error = fields(MAX_FIELDS + 1).expect_err("one too many");
        assert_eq!(error.to_string(), "65 fields: at most 64 can be looked for at once");
    }

    #[test]
    fn members_are_handed_out_in_order() {
        let mut members = Vec::new();
        let kind = scan_members(br#"{"b":1,"a":[2],"b":"c"}"#, |key, value| {
            members.push((
                key.plain().expect("no escapes"),
                value.kind,
                value.text(),
                value.offset,
            ));
        });
        assert_eq!(kind, Ok(Kind::Object));
        assert_eq!(
            members,
            [
                ("b", Kind::Number, "1", 5),
                ("a", Kind::Array, "[2]", 11),
                ("b", Kind::String, "\"c\"", 19)
            ]
        );
        assert_eq!(scan_members(b"[1]", |_, _| panic!("no member")), Ok(Kind::Array));
        assert!(scan_members(br#"{"a":1}}"#, |_, _| {}).is_err());
    }
}
