use crate::lanes::{self, Lanes, WIDTH};
use crate::path::{Path, Span};
use crate::run::{REACH, Run};
use crate::string::Utf8;
use crate::{Cause, Document, Kind, Pointer, SyntaxError, Value, number, shape, string};

/// How many objects and arrays may be open within each other.
pub const MAX_DEPTH: u32 = 127;

/// How many bytes behind a document make scanning it faster.
pub const PADDING: usize = shape::REACH;

const _: () = assert!(REACH <= PADDING, "what runs look at is there");

/// Checks that `document` is JSON, all of it, and finds the value that `field` names.
///
/// Valid is what RFC 8259 allows, without the freedom it grants: the document is UTF-8 without a
/// byte order mark, strings hold no half surrogate pairs, numbers fit a 64-bit float, and nesting
/// ends at [`MAX_DEPTH`]. Of members with the same key the last one counts.
pub fn scan<'a>(document: &'a [u8], field: &Pointer) -> Result<Document<'a>, SyntaxError> {
    scan_within(document, document.len(), field)
}

/// Does the same for the document that the first `length` bytes of a buffer are. It takes less time
/// where the buffer goes on behind the document, for [`PADDING`] bytes or more: whatever they hold.
///
/// # Errors
///
/// As [`scan`].
///
/// # Panics
///
/// If the buffer is shorter.
pub fn scan_within<'a>(
    buffer: &'a [u8],
    length: usize,
    field: &Pointer,
) -> Result<Document<'a>, SyntaxError> {
    let document = &buffer[..length];
    let mut path = Path::new(field);
    let scanner = Scanner { bytes: document, buffer, at: 0, utf8: Utf8::Unchecked };
    let root = scanner.document(&mut path)?;
    let value = |span: Span| Value::new(span.kind, buffer, span.start, span.end);
    Ok(Document { root: value(root), field: path.found().map(value) })
}

/// A document and how far it has been walked.
struct Scanner<'a> {
    bytes: &'a [u8],
    /// The document and what can be read behind it.
    buffer: &'a [u8],
    at: usize,
    utf8: Utf8,
}

impl Scanner<'_> {
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
    /// One round of the loop is a run of plain members or elements and one value that is not plain,
    /// with what leads to it, and the ends of the containers that it is the last of.
    fn root(&mut self, path: &mut Path<'_>) -> Result<Kind, SyntaxError> {
        let mut open = Open::default();
        // Most documents begin like this: no need to look for what else they might begin with.
        if self.bytes[self.at..].starts_with(b"{\"") {
            self.open(Kind::Object, &mut open, path)?;
        }
        loop {
            if !self.passes_run(&mut open, path) {
                let Some(kind) = self.value(&mut open, path)? else { continue };
                if open.depth == 0 {
                    return Ok(kind);
                }
                self.skip_whitespace();
            }
            while self.byte() != b',' {
                let kind = self.close(&mut open, path)?;
                if open.depth == 0 {
                    return Ok(kind);
                }
                self.skip_whitespace();
            }
            self.at += 1;
            self.skip_whitespace();
        }
    }

    /// Passes plain members or elements, and into containers: whether it is behind a value.
    fn passes_run(&mut self, open: &mut Open, path: &mut Path<'_>) -> bool {
        if open.depth == 0 || (!open.in_object && path.watches(open.depth)) {
            return false;
        }
        let mut run = Run::new(self.at, open.in_object);
        let watched = path.watched(open.depth);
        run.pass(self.buffer, self.bytes.len(), watched, MAX_DEPTH - open.depth);
        open.push_all(&run);
        if let Some((start, end)) = run.found {
            path.passed(start, end);
        }
        self.at = run.at;
        self.skip_whitespace();
        run.behind_a_value
    }

    /// Walks the bracket that a container begins with.
    #[inline(always)]
    fn open(
        &mut self,
        kind: Kind,
        open: &mut Open,
        path: &mut Path<'_>,
    ) -> Result<(), SyntaxError> {
        open.push(kind == Kind::Object, self.at)?;
        path.open(kind, self.at);
        self.at += 1;
        Ok(())
    }

    /// Walks a value with the key that leads to it, or into a container that is not empty: then
    /// there is no kind yet.
    #[inline(never)]
    fn value(&mut self, open: &mut Open, path: &mut Path<'_>) -> Result<Option<Kind>, SyntaxError> {
        if open.in_object {
            self.key(open, path)?;
        } else if open.depth > 0 {
            path.element(open.depth);
        }
        let start = self.at;
        let first = self.byte();
        // Told apart in the order of how often they come.
        let kind = if first == b'"' {
            self.at = string::scan(self.bytes, start + 1, &mut self.utf8)?.close + 1;
            Kind::String
        } else if first == b'-' || first.is_ascii_digit() {
            self.at = number::scan(self.bytes, start)?;
            Kind::Number
        } else if first == b'{' || first == b'[' {
            let (kind, bracket) =
                if first == b'{' { (Kind::Object, b'}') } else { (Kind::Array, b']') };
            self.open(kind, open, path)?;
            if self.skip_whitespace() != bracket {
                return Ok(None);
            }
            return self.close(open, path).map(Some);
        } else {
            self.literal(first)?
        };
        path.scalar(kind, start, self.at);
        Ok(Some(kind))
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

    /// Adds the containers that a run opened.
    #[inline(always)]
    fn push_all(&mut self, run: &Run) {
        if run.opened > 0 {
            self.depth += run.opened;
            self.outer_objects = self.outer_objects << run.opened | u128::from(run.outer_objects);
            self.in_object = run.in_object;
        }
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.depth -= 1;
        self.in_object = self.outer_objects & 1 == 1;
        self.outer_objects >>= 1;
    }
}
