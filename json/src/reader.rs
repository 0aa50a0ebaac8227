mod layout;

pub use layout::Layout;

use std::borrow::Cow;
use std::fmt;

use crate::lanes::{self, Lanes, WIDTH};
use crate::string::{Scanned, Utf8};
use crate::{Cause, Kind, MAX_DEPTH, SyntaxError, number, string};

/// Reads a document in one pass, value by value, as the caller asks for them.
///
/// It accepts and refuses what [`scan`](crate::scan) does, once all of the document has been read
/// and [`finish`](Self::finish) says that nothing follows. Nothing is allocated; what is handed out
/// are slices of the document. A clone goes on from the same place.
///
/// ```
/// use weir_json::{Reader, SyntaxError};
///
/// let mut reader = Reader::new(r#"{"id": "a", "tags": ["b", 7]}"#);
/// let mut strings = Vec::new();
/// reader.object(|reader, key| {
///     if key.is("id") {
///         strings.extend(reader.string()?);
///     } else if key.is("tags") {
///         reader.array(|reader| Ok::<_, SyntaxError>(strings.extend(reader.string()?)))?;
///     }
///     Ok::<_, SyntaxError>(())
/// })?;
/// reader.finish()?;
/// let strings: Vec<_> = strings.iter().map(|string| string.text()).collect();
/// assert_eq!(strings, ["a", "b"]);
/// # Ok::<_, SyntaxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    document: &'a [u8],
    utf8: Utf8,
    /// Where the next value begins, or what follows the last one.
    at: usize,
    /// How many objects and arrays are open.
    depth: u32,
}

/// A string as it is written in a document. It is UTF-8: either plain ASCII, or all of the document was
/// checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Str<'a> {
    json: &'a [u8],
    escapes: Escapes,
}

/// Whether there are escapes in a string. As wide as an address: behind a single byte would be padding,
/// and to copy both takes an odd read of what was just written, which processors wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
enum Escapes {
    None,
    Some,
}

impl<'a> Str<'a> {
    /// The string as JSON: with its quotes and its escapes.
    #[inline]
    pub fn json(self) -> &'a [u8] {
        self.json
    }

    /// What stands between the quotes, with its escapes.
    #[inline]
    pub fn inner(self) -> &'a [u8] {
        &self.json[1..self.json.len() - 1]
    }

    /// Its text: without the quotes and the escapes.
    pub fn text(self) -> Cow<'a, str> {
        string::plain(self.written())
    }

    /// Its text, if there are no escapes in it.
    pub fn plain(self) -> Option<&'a str> {
        (!self.escaped()).then(|| self.written())
    }

    fn written(self) -> &'a str {
        str::from_utf8(self.inner()).expect("a string that was read is UTF-8")
    }

    /// Whether there are escapes in it. If not, its text is what stands between the quotes.
    #[inline]
    pub fn escaped(self) -> bool {
        self.escapes == Escapes::Some
    }

    /// Whether its text is `plain`, however it is written.
    #[inline(always)]
    pub fn is(self, plain: &str) -> bool {
        let inner = self.inner();
        if self.escaped() {
            string::unescapes_to(inner, plain.as_bytes())
        } else {
            string::equal(inner, plain.as_bytes())
        }
    }
}

impl fmt::Debug for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Str").field(&self.written()).finish()
    }
}

impl<'a> Reader<'a> {
    /// A reader at the start of a document.
    pub fn new(document: &'a str) -> Self {
        Self::at_start(document.as_bytes(), Utf8::Checked)
    }

    /// A reader at the start of a document that may not be UTF-8. That is refused like whatever else is
    /// no JSON, once it is come to; most documents are ASCII, and are not looked at a second time for it.
    pub fn of_bytes(document: &'a [u8]) -> Self {
        Self::at_start(document, Utf8::Unchecked)
    }

    fn at_start(document: &'a [u8], utf8: Utf8) -> Self {
        let mut reader = Self { document, utf8, at: 0, depth: 0 };
        reader.skip_whitespace();
        reader
    }

    /// Where it stands, in bytes from the document's start: between two reads, where the next value
    /// begins.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// What stands between here and where `later` stands, which has read on in the same document.
    #[cfg(test)]
    pub(crate) fn up_to(&self, later: &Self) -> &'a [u8] {
        &self.document[self.at..later.at]
    }

    /// How many bytes follow it.
    pub fn left(&self) -> usize {
        self.document.len() - self.at
    }

    /// Reads an object. For each member, `member` is given the key and reads the value; what it
    /// leaves unread is skipped. If something else comes next, nothing is read, and false returned.
    #[inline(always)]
    pub fn object<E: From<SyntaxError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Str<'a>) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.byte() != b'{' {
            return Ok(false);
        }
        let mut more = self.open(b'}')?;
        while more {
            let key = self.key()?;
            let value = self.at;
            member(self, key)?;
            if self.at == value {
                self.skip()?;
            }
            more = self.more(b'}', Cause::ExpectedCommaOrBrace)?;
        }
        Ok(true)
    }

    /// Reads an array. `element` reads each element; what it leaves unread is skipped. If something
    /// else comes next, nothing is read, and false returned.
    #[inline(always)]
    pub fn array<E: From<SyntaxError>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.byte() != b'[' {
            return Ok(false);
        }
        let mut more = self.open(b']')?;
        while more {
            let value = self.at;
            element(self)?;
            if self.at == value {
                self.skip()?;
            }
            more = self.more(b']', Cause::ExpectedCommaOrBracket)?;
        }
        Ok(true)
    }

    /// Reads a string. If something else comes next, nothing is read.
    #[inline(always)]
    pub fn string(&mut self) -> Result<Option<Str<'a>>, SyntaxError> {
        if self.byte() != b'"' {
            return Ok(None);
        }
        self.quoted(long_plain_run).map(Some)
    }

    /// Passes the next value, whatever it is: its kind.
    pub fn skip(&mut self) -> Result<Kind, SyntaxError> {
        match self.byte() {
            b'"' => self.quoted(plain_run).map(|_| Kind::String),
            b'-' | b'0'..=b'9' => {
                self.at = number::scan(self.document, self.at)?;
                Ok(Kind::Number)
            }
            // Recursion ends where nesting does.
            b'{' => self.object(|_, _| Ok::<_, SyntaxError>(())).map(|_| Kind::Object),
            b'[' => self.array(|_| Ok::<_, SyntaxError>(())).map(|_| Kind::Array),
            b't' => self.literal("true", Kind::Bool),
            b'f' => self.literal("false", Kind::Bool),
            b'n' => self.literal("null", Kind::Null),
            _ => Err(self.unexpected(Cause::ExpectedValue)),
        }
    }

    /// Checks that nothing follows the document's value.
    pub fn finish(mut self) -> Result<(), SyntaxError> {
        self.skip_whitespace();
        match self.at < self.document.len() {
            true => Err(SyntaxError::new(Cause::TrailingBytes, self.at)),
            false => Ok(()),
        }
    }

    /// Reads an object's or array's opening bracket: whether there is something in it.
    #[inline(always)]
    fn open(&mut self, closing: u8) -> Result<bool, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(SyntaxError::new(Cause::TooDeep, self.at));
        }
        self.depth += 1;
        self.at += 1;
        if self.skip_whitespace() != closing {
            return Ok(true);
        }
        self.close();
        Ok(false)
    }

    /// Reads what stands behind a member or element: whether another one follows.
    #[inline(always)]
    fn more(&mut self, closing: u8, expected: Cause) -> Result<bool, SyntaxError> {
        let byte = self.skip_whitespace();
        if byte == b',' {
            self.at += 1;
            self.skip_whitespace();
            Ok(true)
        } else if byte == closing {
            self.close();
            Ok(false)
        } else {
            Err(self.unexpected(expected))
        }
    }

    #[inline(always)]
    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// Reads a key and its colon.
    #[inline(always)]
    fn key(&mut self) -> Result<Str<'a>, SyntaxError> {
        if self.byte() != b'"' {
            return Err(self.unexpected(Cause::ExpectedKey));
        }
        let key = self.quoted(plain_run)?;
        if self.skip_whitespace() != b':' {
            return Err(self.unexpected(Cause::ExpectedColon));
        }
        self.at += 1;
        self.skip_whitespace();
        Ok(key)
    }

    /// Reads the string whose opening quote is next: what `run` passes, and the rest.
    #[inline(always)]
    fn quoted(&mut self, run: impl Fn(&[u8], usize) -> usize) -> Result<Str<'a>, SyntaxError> {
        let start = self.at;
        let bytes = self.document;
        let mut string = Scanned { close: run(bytes, start + 1), escaped: false };
        if bytes.get(string.close) != Some(&b'"') {
            string = string::scan(bytes, string.close, &mut self.utf8)?;
        }
        let Scanned { close, escaped } = string;
        self.at = close + 1;
        let escapes = if escaped { Escapes::Some } else { Escapes::None };
        Ok(Str { json: &self.document[start..self.at], escapes })
    }

    #[inline(always)]
    fn literal(&mut self, literal: &str, kind: Kind) -> Result<Kind, SyntaxError> {
        if !self.document[self.at..].starts_with(literal.as_bytes()) {
            return Err(self.unexpected(Cause::ExpectedValue));
        }
        self.at += literal.len();
        Ok(kind)
    }

    /// The byte at this place; 0, which is good nowhere, at the document's end.
    #[inline(always)]
    fn byte(&self) -> u8 {
        self.document.get(self.at).copied().unwrap_or(0)
    }

    /// Goes on to the next byte that is not whitespace: that byte.
    #[inline(always)]
    fn skip_whitespace(&mut self) -> u8 {
        let byte = self.byte();
        if byte <= b' ' { self.skip_some_whitespace() } else { byte }
    }

    fn skip_some_whitespace(&mut self) -> u8 {
        while let b' ' | b'\t' | b'\n' | b'\r' = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// What is wrong at this place: `cause`, unless the document ends here.
    #[cold]
    fn unexpected(&self, cause: Cause) -> SyntaxError {
        let at_end = self.at >= self.document.len();
        SyntaxError::new(if at_end { Cause::UnexpectedEnd } else { cause }, self.at)
    }
}

/// The offset of a byte at `at` or behind it up to which all is plain ASCII of a string: the first that
/// is not, if there are enough bytes behind it. The first vector is looked at alone, as most keys end
/// in it.
#[inline(always)]
fn plain_run(bytes: &[u8], at: usize) -> usize {
    match lanes::mask(bytes, at, Lanes::string_stops) {
        0 => long_plain_run(bytes, bytes.len().min(at + WIDTH)),
        stops => at + stops.trailing_zeros() as usize,
    }
}

/// The same where most runs are longer than a vector: they are passed in blocks.
#[inline(always)]
fn long_plain_run(bytes: &[u8], at: usize) -> usize {
    let (blocks, _) = bytes.get(at..).unwrap_or_default().as_chunks();
    at + lanes::plain_run(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The strings of an array, and whether there are escapes in each.
    fn strings(document: &str) -> Result<Vec<(&str, bool)>, SyntaxError> {
        let mut strings = Vec::new();
        let mut reader = Reader::new(document);
        reader.array(|reader| {
            strings.extend(reader.string()?.map(|string| (string.written(), string.escaped())));
            Ok::<_, SyntaxError>(())
        })?;
        reader.finish().map(|()| strings)
    }

    #[test]
    fn strings_end_where_they_do_whatever_their_length_and_what_follows() {
        for length in 0..3 * lanes::BLOCK {
            let plain = "x".repeat(length);
            for (behind, follows) in
                [("", ""), ("", "y"), ("é", ""), (r"\n", "y"), ("é", r"\u0061é")]
            {
                for last in [String::new(), "z".repeat(2 * lanes::BLOCK)] {
                    let string = format!("{plain}{behind}{follows}");
                    let escaped = string.contains('\\');
                    let document = format!(r#"["{string}","{last}"]"#);
                    assert_eq!(strings(&document), Ok(vec![(&*string, escaped), (&*last, false)]));
                }
            }
            let error = |cause, offset| Err(SyntaxError { cause, offset });
            let control = format!("[\"{plain}\n{}\"]", "z".repeat(lanes::BLOCK));
            assert_eq!(strings(&control), error(Cause::ControlCharacter, 2 + length));
            let open = format!("[\"{plain}");
            assert_eq!(strings(&open), error(Cause::UnexpectedEnd, open.len()));
        }
    }
}
