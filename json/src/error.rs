use std::fmt;

use crate::MAX_DEPTH;

/// Why a byte string is not a JSON document. It holds nothing of the document's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub cause: Cause,
    /// Where, in bytes from the document's start.
    pub offset: usize,
}

impl SyntaxError {
    #[cold]
    pub(crate) fn new(cause: Cause, offset: usize) -> Self {
        Self { cause, offset }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.cause, self.offset)
    }
}

impl std::error::Error for SyntaxError {}

/// What is wrong with a JSON document.
// As wide as an address, for the same reason as `reader::Escapes`: results are of this or of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Cause {
    /// The document ends within a value, or before one.
    UnexpectedEnd,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// Something that begins no value.
    ExpectedValue,
    /// Something other than a string where an object's key belongs.
    ExpectedKey,
    /// Something other than the `:` between key and value.
    ExpectedColon,
    /// Something other than `,` or `}` after a member of an object.
    ExpectedCommaOrBrace,
    /// Something other than `,` or `]` after an element of an array.
    ExpectedCommaOrBracket,
    /// A number that breaks JSON's grammar, such as `01` or `1.`.
    InvalidNumber,
    /// A number whose nearest 64-bit float is infinite.
    NumberOutOfRange,
    /// A byte below 0x20 in a string.
    ControlCharacter,
    /// A backslash followed by no escape that JSON knows.
    InvalidEscape,
    /// A `\u` escape of one half of a surrogate pair, without the other.
    LoneSurrogate,
    /// More objects and arrays within each other than [`MAX_DEPTH`].
    TooDeep,
    /// Something after the document's value.
    TrailingBytes,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnexpectedEnd => "unexpected end of document",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::ExpectedValue => "expected a value",
            Self::ExpectedKey => "expected a string as the key",
            Self::ExpectedColon => "expected ':'",
            Self::ExpectedCommaOrBrace => "expected ',' or '}'",
            Self::ExpectedCommaOrBracket => "expected ',' or ']'",
            Self::InvalidNumber => "a malformed number",
            Self::NumberOutOfRange => "a number beyond the range of a 64-bit float",
            Self::ControlCharacter => "a control character in a string",
            Self::InvalidEscape => "an unknown escape in a string",
            Self::LoneSurrogate => "half a surrogate pair in a string",
            Self::TooDeep => return write!(f, "nested deeper than {MAX_DEPTH} levels"),
            Self::TrailingBytes => "something after the end of the document",
        })
    }
}
