//! The JSON scanner that Weir's rules and its host share: it vouches for all of a document, and hands
//! out what is asked for.
//!
//! [`scan`] walks a document once, checks every byte of it as a conforming parser would (RFC 8259)
//! and hands out the root and the value that a [`Pointer`] names, as slices of the document.
//! Nothing else is built, nothing is allocated, and nesting costs no stack. A [`FieldScanner`] does it
//! for all documents of a stream, faster where they look alike.
//!
//! A [`Reader`] goes the same way value by value, for who wants more of a document than one field.
//! [`scan_fields`] goes it for several [`Fields`], a [`FieldsScanner`] for those of a stream,
//! [`scan_members`] for all members of an object.

mod error;
mod field_scanner;
mod fields;
mod fields_scanner;
mod lanes;
mod number;
mod path;
mod pointer;
mod reader;
mod run;
mod scan;
mod shape;
mod shapes;
mod string;

#[cfg(test)]
mod agreement;

pub use error::{Cause, SyntaxError};
pub use field_scanner::FieldScanner;
pub use fields::{Fields, MAX_FIELDS, TooManyFields, scan_fields, scan_members};
pub use fields_scanner::FieldsScanner;
pub use pointer::{Pointer, PointerError};
pub use reader::{Layout, Reader, Str};
pub use scan::{MAX_DEPTH, PADDING, scan, scan_within};

use std::borrow::Cow;
use std::fmt;

/// A document that [`scan`] found to be valid JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Document<'a> {
    /// The whole document, without the whitespace around it.
    pub root: Value<'a>,
    /// The value that the pointer names, where there is one.
    pub field: Option<Value<'a>>,
}

/// A value of a valid JSON document.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    /// What the value is.
    pub kind: Kind,
    /// Where the value begins, in bytes from the document's start.
    pub offset: usize,
    length: usize,
    /// The value, and what can be read behind it.
    bytes: &'a [u8],
}

impl<'a> Value<'a> {
    /// The value from `start` to `end` of a document, which is the front of a buffer.
    #[inline(always)]
    fn new(kind: Kind, buffer: &'a [u8], start: usize, end: usize) -> Self {
        Self { kind, offset: start, length: end - start, bytes: &buffer[start..] }
    }

    /// The value as it is written in the document: a string has its quotes and its escapes.
    pub fn text(&self) -> &'a str {
        str::from_utf8(&self.bytes[..self.length]).expect("a valid document is UTF-8")
    }

    /// The number nearest to the one that is written; none if the value is not a number.
    #[inline]
    pub fn as_f64(&self) -> Option<f64> {
        match self.kind {
            Kind::Number => Some(number::to_f64(self.bytes, self.length)),
            _ => None,
        }
    }

    /// The text that a string stands for, without its quotes and escapes; none if the value is not
    /// a string.
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        if self.kind != Kind::String {
            return None;
        }
        let text = self.text();
        Some(string::plain(&text[1..text.len() - 1]))
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, self.offset, self.text()) == (other.kind, other.offset, other.text())
    }
}

impl Eq for Value<'_> {}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at byte {}: {}", self.kind, self.offset, self.text())
    }
}

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Null => "null",
        })
    }
}
