use super::lanes::{self, Lanes, WIDTH};
use super::path::{Path, Span};
use super::{Cause, Document, Kind, Pointer, SyntaxError, Value, number, plain, string};

/// How many objects and arrays may be open within each other.
pub const MAX_DEPTH: u32 = 127;

/// Checks that `document` is JSON, all of it, and finds the value that `field` names.
///
/// Valid is what RFC 8259 allows, without the freedom it grants: the document is UTF-8 without a
/// byte order mark, strings hold no half surrogate pairs, numbers fit a 64-bit float, and nesting
/// ends at [`MAX_DEPTH`]. Of members with the same key the last one counts.
pub fn scan<'a>(document: &'a [u8], field: &Pointer) -> Result<Document<'a>, SyntaxError> {
    let text = simdutf8::basic::from_utf8(document).map_err(|_| invalid_utf8(document))?;
    let scanner = Scanner { bytes: document, at: 0, open: Open::default(), path: Path::new(field) };
    let (root, found) = scanner.document()?;
    let value = |span: Span| Value {
        kind: span.kind,
        text: &text[span.start..span.end],
        offset: span.start,
    };
    Ok(Document { root: value(root), field: found.map(value) })
}

#[cold]
fn invalid_utf8(document: &[u8]) -> SyntaxError {
    let offset = str::from_utf8(document).map_or_else(|error| error.valid_up_to(), str::len);
    SyntaxError::new(Cause::InvalidUtf8, offset)
}

/// A document and how far it has been walked.
struct Scanner<'a, 'p> {
    bytes: &'a [u8],
    at: usize,
    open: Open,
    path: Path<'p>,
}

impl Scanner<'_, '_> {
    /// Walks the whole document: the root and the value at the path's end.
    #[inline(always)]
    fn document(mut self) -> Result<(Span, Option<Span>), SyntaxError> {
        self.skip_whitespace();
        let start = self.at;
        let kind = loop {
            if let Some(kind) = self.step()? {
                break kind;
            }
            let wanted = self.path.wanted(self.open.depth);
            self.at = if self.open.in_object {
                plain::members(self.bytes, self.at, wanted)
            } else if wanted.is_none() {
                plain::elements(self.bytes, self.at)
            } else {
                self.at
            };
        };
        let end = self.at;
        self.skip_whitespace();
        if self.at < self.bytes.len() {
            return Err(SyntaxError::new(Cause::TrailingBytes, self.at));
        }
        Ok((Span { kind, start, end }, self.path.found()))
    }

    /// Walks one value, with its key if it is a member, and what follows it: the end of each
    /// container that it is the last of, and the comma. A container that is not empty is only
    /// entered. The root's kind, if this was the document's last step.
    #[inline(never)]
    fn step(&mut self) -> Result<Option<Kind>, SyntaxError> {
        let mut first = self.skip_whitespace();
        if self.open.in_object {
            first = self.key(first)?;
        } else if self.open.depth > 0 {
            self.path.element(self.open.depth);
        }
        let start = self.at;
        let mut kind = match first {
            b'"' => {
                self.at = string::scan(self.bytes, start + 1)?.close + 1;
                Kind::String
            }
            b'-' | b'0'..=b'9' => {
                self.at = number::scan(self.bytes, start)?;
                Kind::Number
            }
            b'{' | b'[' => {
                let object = first == b'{';
                let kind = if object { Kind::Object } else { Kind::Array };
                self.open.push(object, start)?;
                self.path.open(kind, start);
                self.at += 1;
                if self.skip_whitespace() != closing(object) {
                    return Ok(None);
                }
                kind
            }
            _ => self.literal(first)?,
        };
        if !matches!(kind, Kind::Object | Kind::Array) {
            self.path.scalar(kind, start, self.at);
            if self.open.depth == 0 {
                return Ok(Some(kind));
            }
        }
        loop {
            let object = self.open.in_object;
            match self.skip_whitespace() {
                b',' => break,
                byte if byte == closing(object) => {}
                _ if object => return Err(self.unexpected(Cause::ExpectedCommaOrBrace)),
                _ => return Err(self.unexpected(Cause::ExpectedCommaOrBracket)),
            }
            self.at += 1;
            self.path.close(self.open.depth, self.at);
            self.open.pop();
            kind = if object { Kind::Object } else { Kind::Array };
            if self.open.depth == 0 {
                return Ok(Some(kind));
            }
        }
        self.at += 1;
        Ok(None)
    }

    /// Walks a key, of which `first` is the first byte, and its colon: the value's first byte.
    #[inline(always)]
    fn key(&mut self, first: u8) -> Result<u8, SyntaxError> {
        if first != b'"' {
            return Err(self.unexpected(Cause::ExpectedKey));
        }
        let start = self.at + 1;
        let key = string::scan(self.bytes, start)?;
        self.path.key(self.open.depth, &self.bytes[start..key.close], key.escaped);
        self.at = key.close + 1;
        if self.skip_whitespace() != b':' {
            return Err(self.unexpected(Cause::ExpectedColon));
        }
        self.at += 1;
        Ok(self.skip_whitespace())
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
        if byte <= b' ' { self.skip_some_whitespace() } else { byte }
    }

    #[inline(never)]
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

/// The bracket that ends an object, or an array.
#[inline(always)]
fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
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
