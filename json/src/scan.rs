use crate::lanes::{self, Lanes, WIDTH};
use crate::path::{Path, Span};
use crate::string::Utf8;
use crate::{Cause, Document, Kind, Pointer, SyntaxError, Value, number, string};

/// How many objects and arrays may be open within each other.
pub const MAX_DEPTH: u32 = 127;

/// Checks that `document` is JSON, all of it, and finds the value that `field` names.
///
/// Valid is what RFC 8259 allows, without the freedom it grants: the document is UTF-8 without a
/// byte order mark, strings hold no half surrogate pairs, numbers fit a 64-bit float, and nesting
/// ends at [`MAX_DEPTH`]. Of members with the same key the last one counts.
pub fn scan<'a>(document: &'a [u8], field: &Pointer) -> Result<Document<'a>, SyntaxError> {
    let mut path = Path::new(field);
    let root = Scanner::new(document, Utf8::Unchecked).document(&mut path)?;
    let value = |span: Span| Value {
        kind: span.kind,
        bytes: &document[span.start..span.end],
        offset: span.start,
    };
    Ok(Document { root: value(root), field: path.found().map(value) })
}

/// A document and how far it has been walked.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    utf8: Utf8,
}

impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8], utf8: Utf8) -> Self {
        Self { bytes, at: 0, utf8 }
    }

    /// Walks the whole document: the root's extent.
    #[inline(always)]
    fn document(mut self, path: &mut Path<'_>) -> Result<Span, SyntaxError> {
        self.skip_whitespace();
        let start = self.at;
        let kind = self.root(path)?;
        let end = self.at;
        self.skip_whitespace();
        if self.at < self.bytes.len() {
            return Err(SyntaxError::new(Cause::TrailingBytes, self.at));
        }
        Ok(Span { kind, start, end })
    }

    /// Walks the root and everything in it: the root's kind.
    ///
    /// One round of the loop is one value with what leads to it, a comma and a key, and the ends
    /// of the containers that it is the last of.
    #[inline(always)]
    fn root(&mut self, path: &mut Path<'_>) -> Result<Kind, SyntaxError> {
        let mut open = Open::default();
        loop {
            let start = self.at;
            let first = self.byte();
            // Told apart in the order of how often they come.
            let mut kind = if first == b'"' {
                self.at = string::scan(self.bytes, start + 1, &mut self.utf8)?.close + 1;
                Kind::String
            } else if first == b'-' || first.is_ascii_digit() {
                self.at = number::scan(self.bytes, start)?;
                Kind::Number
            } else if first == b'{' {
                open.push(true, start)?;
                path.open(Kind::Object, start);
                self.at += 1;
                if self.skip_whitespace() != b'}' {
                    self.key(&open, path)?;
                    continue;
                }
                Kind::Object
            } else if first == b'[' {
                open.push(false, start)?;
                path.open(Kind::Array, start);
                self.at += 1;
                if self.skip_whitespace() != b']' {
                    path.element(open.depth);
                    continue;
                }
                Kind::Array
            } else {
                self.literal(first)?
            };
            if !matches!(kind, Kind::Object | Kind::Array) {
                path.scalar(kind, start, self.at);
                if open.depth == 0 {
                    return Ok(kind);
                }
                self.skip_whitespace();
            }
            while self.byte() != b',' {
                kind = self.close(&mut open, path)?;
                if open.depth == 0 {
                    return Ok(kind);
                }
                self.skip_whitespace();
            }
            self.at += 1;
            self.skip_whitespace();
            if open.in_object {
                self.key(&open, path)?;
            } else {
                path.element(open.depth);
            }
        }
    }

    /// Walks a key and its colon, up to the value.
    #[inline(always)]
    fn key(&mut self, open: &Open, path: &mut Path<'_>) -> Result<(), SyntaxError> {
        if self.byte() != b'"' {
            return Err(self.unexpected(Cause::ExpectedKey));
        }
        let start = self.at + 1;
        let key = string::scan(self.bytes, start, &mut self.utf8)?;
        path.key(open.depth, &self.bytes[start..key.close], key.escaped);
        self.at = key.close + 1;
        if self.skip_whitespace() != b':' {
            return Err(self.unexpected(Cause::ExpectedColon));
        }
        self.at += 1;
        self.skip_whitespace();
        Ok(())
    }

    /// Walks the end of the innermost container: its kind.
    #[inline(always)]
    fn close(&mut self, open: &mut Open, path: &mut Path<'_>) -> Result<Kind, SyntaxError> {
        let (bracket, kind) =
            if open.in_object { (b'}', Kind::Object) } else { (b']', Kind::Array) };
        if self.byte() != bracket {
            return Err(self.unexpected(if open.in_object {
                Cause::ExpectedCommaOrBrace
            } else {
                Cause::ExpectedCommaOrBracket
            }));
        }
        self.at += 1;
        path.close(open.depth, self.at);
        open.pop();
        Ok(kind)
    }

    /// Walks `true`, `false` or `null`, of which `first` is the first letter.
    #[inline(always)]
    fn literal(&mut self, first: u8) -> Result<Kind, SyntaxError> {
        let (literal, kind): (&[u8], _) = match first {
            b't' => (b"true", Kind::Bool),
            b'f' => (b"false", Kind::Bool),
            _ => (b"null", Kind::Null),
        };
        if !self.bytes[self.at..].starts_with(literal) {
            return Err(self.unexpected(Cause::ExpectedValue));
        }
        self.at += literal.len();
        Ok(kind)
    }

    /// The byte at this place; 0, which is good nowhere, at the document's end.
    #[inline(always)]
    fn byte(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Goes on to the next byte that is not whitespace: that byte.
    #[inline(always)]
    fn skip_whitespace(&mut self) -> u8 {
        let byte = self.byte();
        if byte <= b' ' && self.at < self.bytes.len() { self.skip_some_whitespace() } else { byte }
    }

    #[inline(always)]
    fn skip_some_whitespace(&mut self) -> u8 {
        loop {
            let others = !lanes::mask(self.bytes, self.at, Lanes::whitespace);
            let run = others.trailing_zeros() as usize;
            self.at += run;
            if run < WIDTH {
                return self.byte();
            }
        }
    }

    /// What is wrong at this place: `cause`, unless the document ends here.
    #[cold]
    #[inline(always)]
    fn unexpected(&self, cause: Cause) -> SyntaxError {
        let at_end = self.at >= self.bytes.len();
        SyntaxError::new(if at_end { Cause::UnexpectedEnd } else { cause }, self.at)
    }
}

/// The containers that are open.
#[derive(Default)]
struct Open {
    depth: u32,
    /// Whether the innermost one is an object.
    in_object: bool,
    /// The same of those around it, one bit each, the innermost lowest.
    outer_objects: u128,
}

impl Open {
    #[inline(always)]
    fn push(&mut self, object: bool, offset: usize) -> Result<(), SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(SyntaxError::new(Cause::TooDeep, offset));
        }
        self.depth += 1;
        self.outer_objects = self.outer_objects << 1 | u128::from(self.in_object);
        self.in_object = object;
        Ok(())
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.depth -= 1;
        self.in_object = self.outer_objects & 1 == 1;
        self.outer_objects >>= 1;
    }
}
