use super::path::{Path, Span};
use super::{Cause, Document, Kind, Pointer, SyntaxError, Value, number, string};

/// How many objects and arrays may be open within each other.
pub const MAX_DEPTH: u32 = 127;

/// Checks that `document` is JSON, all of it, and finds the value that `field` names.
///
/// Valid is what RFC 8259 allows, without the freedom it grants: the document is UTF-8 without a
/// byte order mark, strings hold no half surrogate pairs, numbers fit a 64-bit float, and nesting
/// ends at [`MAX_DEPTH`]. Of members with the same key the last one counts.
pub fn scan<'a>(document: &'a [u8], field: &Pointer) -> Result<Document<'a>, SyntaxError> {
    let text = simdutf8::basic::from_utf8(document).map_err(|_| invalid_utf8(document))?;
    let mut path = Path::new(field);
    let root = Scanner { bytes: document, at: 0 }.document(&mut path)?;
    let value = |span: Span| Value {
        kind: span.kind,
        text: &text[span.start..span.end],
        offset: span.start,
    };
    Ok(Document { root: value(root), field: path.found().map(value) })
}

#[cold]
fn invalid_utf8(document: &[u8]) -> SyntaxError {
    let offset = str::from_utf8(document).map_or_else(|error| error.valid_up_to(), str::len);
    SyntaxError::new(Cause::InvalidUtf8, offset)
}

/// A document and how far it has been walked.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    /// Walks the whole document: the root's extent.
    #[inline(always)]
    fn document(mut self, path: &mut Path<'_>) -> Result<Span, SyntaxError> {
        let first = self.skip_whitespace();
        let start = self.at;
        let mut open = Open::default();
        let kind = self.values(first, &mut open, path)?;
        let end = self.at;
        match self.skip_whitespace() {
            None => Ok(Span { kind, start, end }),
            Some(_) => Err(SyntaxError::new(Cause::TrailingBytes, self.at)),
        }
    }

    /// Walks the root, which begins with `next`, and everything in it: the root's kind.
    #[inline(always)]
    fn values(
        &mut self,
        mut next: Option<u8>,
        open: &mut Open,
        path: &mut Path<'_>,
    ) -> Result<Kind, SyntaxError> {
        loop {
            let start = self.at;
            let mut kind = match next {
                Some(b'"') => {
                    self.at = string::scan(self.bytes, start + 1)?.close + 1;
                    Kind::String
                }
                Some(b'-' | b'0'..=b'9') => {
                    self.at = number::scan(self.bytes, start)?;
                    Kind::Number
                }
                Some(b'{') => {
                    open.push(true, start)?;
                    path.open(Kind::Object, start);
                    self.at += 1;
                    match self.skip_whitespace() {
                        Some(b'}') => Kind::Object,
                        first => {
                            next = self.key(first, open, path)?;
                            continue;
                        }
                    }
                }
                Some(b'[') => {
                    open.push(false, start)?;
                    path.open(Kind::Array, start);
                    self.at += 1;
                    match self.skip_whitespace() {
                        Some(b']') => Kind::Array,
                        first => {
                            path.element(open.depth);
                            next = first;
                            continue;
                        }
                    }
                }
                Some(b't') => self.literal(b"true", Kind::Bool)?,
                Some(b'f') => self.literal(b"false", Kind::Bool)?,
                Some(b'n') => self.literal(b"null", Kind::Null)?,
                _ => return Err(self.unexpected(Cause::ExpectedValue)),
            };
            if !matches!(kind, Kind::Object | Kind::Array) {
                path.scalar(kind, start, self.at);
                if open.depth == 0 {
                    return Ok(kind);
                }
                next = self.skip_whitespace();
            } else {
                next = Some(if kind == Kind::Object { b'}' } else { b']' });
            }
            // Behind a value: close what ends here, then go on to the next value.
            loop {
                match next {
                    Some(b',') => {
                        self.at += 1;
                        next = self.skip_whitespace();
                        if open.in_object() {
                            next = self.key(next, open, path)?;
                        } else {
                            path.element(open.depth);
                        }
                        break;
                    }
                    Some(b'}') if open.in_object() => kind = Kind::Object,
                    Some(b']') if !open.in_object() => kind = Kind::Array,
                    _ => {
                        return Err(self.unexpected(if open.in_object() {
                            Cause::ExpectedCommaOrBrace
                        } else {
                            Cause::ExpectedCommaOrBracket
                        }));
                    }
                }
                self.at += 1;
                path.close(open.depth, self.at);
                open.pop();
                if open.depth == 0 {
                    return Ok(kind);
                }
                next = self.skip_whitespace();
            }
        }
    }

    /// Walks a key, which begins with `next`, and the colon: the byte that the value begins with.
    #[inline(always)]
    fn key(
        &mut self,
        next: Option<u8>,
        open: &Open,
        path: &mut Path<'_>,
    ) -> Result<Option<u8>, SyntaxError> {
        if next != Some(b'"') {
            return Err(self.unexpected(Cause::ExpectedKey));
        }
        let start = self.at + 1;
        let key = string::scan(self.bytes, start)?;
        path.key(open.depth, &self.bytes[start..key.close], key.escaped);
        self.at = key.close + 1;
        if self.skip_whitespace() != Some(b':') {
            return Err(self.unexpected(Cause::ExpectedColon));
        }
        self.at += 1;
        Ok(self.skip_whitespace())
    }

    #[inline(always)]
    fn literal(&mut self, literal: &[u8], kind: Kind) -> Result<Kind, SyntaxError> {
        if self.bytes[self.at..].starts_with(literal) {
            self.at += literal.len();
            Ok(kind)
        } else {
            Err(SyntaxError::new(Cause::ExpectedValue, self.at))
        }
    }

    /// Goes to the next byte that is not whitespace, and looks at it.
    #[inline(always)]
    fn skip_whitespace(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// What is wrong at this place: `cause`, unless the document ends here.
    #[cold]
    fn unexpected(&self, cause: Cause) -> SyntaxError {
        let at_end = self.at >= self.bytes.len();
        SyntaxError::new(if at_end { Cause::UnexpectedEnd } else { cause }, self.at)
    }
}

/// The containers that are open.
#[derive(Default)]
struct Open {
    depth: u32,
    /// One bit each, the innermost lowest: set for an object, clear for an array.
    objects: u128,
}

impl Open {
    #[inline(always)]
    fn push(&mut self, object: bool, offset: usize) -> Result<(), SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(SyntaxError::new(Cause::TooDeep, offset));
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        Ok(())
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    #[inline(always)]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}
