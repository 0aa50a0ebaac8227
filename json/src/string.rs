use std::borrow::Cow;

use crate::lanes::{self, Lanes, WIDTH};
use crate::{Cause, SyntaxError};

/// The end of a string and what was noticed on the way to it.
pub(crate) struct Scanned {
    /// The offset of the closing quote.
    pub(crate) close: usize,
    /// The string holds an escape: its text is not what it is written as.
    pub(crate) escaped: bool,
}

/// What is known of a document's encoding. Strings are the only place for what is not ASCII, so
/// most documents need no look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Utf8 {
    /// The document may be anything. It is checked, as a whole, once a string is not ASCII.
    Unchecked,
    /// The document is UTF-8.
    Checked,
}

/// Walks the string whose first byte behind the opening quote is at `at`.
#[inline(always)]
pub(crate) fn scan(bytes: &[u8], at: usize, utf8: &mut Utf8) -> Result<Scanned, SyntaxError> {
    let close = plain_run(bytes, at, Lanes::string_stops);
    match bytes.get(close) {
        Some(b'"') => Ok(Scanned { close, escaped: false }),
        _ => scan_rest(bytes, close, utf8),
    }
}

/// Walks the rest of a string that is not all plain ASCII.
#[cold]
#[inline(never)]
fn scan_rest(bytes: &[u8], mut at: usize, utf8: &mut Utf8) -> Result<Scanned, SyntaxError> {
    let mut escaped = false;
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok(Scanned { close: at, escaped }),
            Some(b'\\') => {
                at = escape(bytes, at)?.1;
                escaped = true;
            }
            Some(0x80..) => {
                if *utf8 == Utf8::Unchecked {
                    text(bytes)?;
                    *utf8 = Utf8::Checked;
                }
            }
            Some(_) => return Err(SyntaxError::new(Cause::ControlCharacter, at)),
            None => return Err(SyntaxError::new(Cause::UnexpectedEnd, bytes.len())),
        }
        at = match *utf8 {
            Utf8::Unchecked => plain_run(bytes, at, Lanes::string_stops),
            Utf8::Checked => {
                plain_run(bytes, at, |lanes| lanes.string_stops() & !lanes.beyond_ascii())
            }
        };
    }
}

/// A document as text, if it is UTF-8.
pub(crate) fn text(document: &[u8]) -> Result<&str, SyntaxError> {
    simdutf8::basic::from_utf8(document).map_err(|_| invalid_utf8(document))
}

#[cold]
fn invalid_utf8(document: &[u8]) -> SyntaxError {
    let offset = str::from_utf8(document).map_or_else(|error| error.valid_up_to(), str::len);
    SyntaxError::new(Cause::InvalidUtf8, offset)
}

/// The offset of the first byte at `at` or behind it that is of the class `stops`; the length if
/// there is none.
#[inline(always)]
fn plain_run(bytes: &[u8], mut at: usize, stops: impl Fn(Lanes) -> u32) -> usize {
    loop {
        let found = lanes::mask(bytes, at, &stops);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += WIDTH;
        if at >= bytes.len() {
            return bytes.len();
        }
    }
}

/// Reads the escape whose backslash is at `at`: the character it stands for and the offset of
/// what follows it.
#[cold]
fn escape(bytes: &[u8], at: usize) -> Result<(char, usize), SyntaxError> {
    let Some(&letter) = bytes.get(at + 1) else {
        return Err(SyntaxError::new(Cause::UnexpectedEnd, bytes.len()));
    };
    let character = match letter {
        b'"' | b'\\' | b'/' => char::from(letter),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(bytes, at),
        _ => return Err(SyntaxError::new(Cause::InvalidEscape, at)),
    };
    Ok((character, at + 2))
}

/// Reads `\uXXXX`, or the two of them that make a surrogate pair.
fn unicode_escape(bytes: &[u8], at: usize) -> Result<(char, usize), SyntaxError> {
    let unit = code_unit(bytes, at)?;
    if let Some(character) = char::from_u32(unit) {
        return Ok((character, at + 6));
    }
    let lone = SyntaxError::new(Cause::LoneSurrogate, at);
    let second = at + 6;
    if !(0xd800..0xdc00).contains(&unit) {
        return Err(lone);
    }
    match bytes.get(second..) {
        Some([b'\\', b'u', ..]) => {}
        Some([] | [b'\\']) | None => {
            return Err(SyntaxError::new(Cause::UnexpectedEnd, bytes.len()));
        }
        Some(_) => return Err(lone),
    }
    let low = code_unit(bytes, second)?;
    if !(0xdc00..0xe000).contains(&low) {
        return Err(lone);
    }
    let code_point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    char::from_u32(code_point).map(|character| (character, second + 6)).ok_or(lone)
}

/// The four hexadecimal digits of the `\u` at `at`.
fn code_unit(bytes: &[u8], at: usize) -> Result<u32, SyntaxError> {
    let mut unit = 0;
    for offset in at + 2..at + 6 {
        let Some(&byte) = bytes.get(offset) else {
            return Err(SyntaxError::new(Cause::UnexpectedEnd, bytes.len()));
        };
        let Some(digit) = char::from(byte).to_digit(16) else {
            return Err(SyntaxError::new(Cause::InvalidEscape, at));
        };
        unit = unit << 4 | digit;
    }
    Ok(unit)
}

/// Whether the text between the quotes of a valid string stands for `plain`.
#[cold]
pub(crate) fn unescapes_to(written: &[u8], mut plain: &[u8]) -> bool {
    let mut at = 0;
    let mut utf8 = [0; 4];
    while let Some(&byte) = written.get(at) {
        let meant = if byte == b'\\' {
            let Ok((character, next)) = escape(written, at) else {
                return false;
            };
            at = next;
            character.encode_utf8(&mut utf8).as_bytes()
        } else {
            at += 1;
            &[byte]
        };
        let Some(rest) = plain.strip_prefix(meant) else {
            return false;
        };
        plain = rest;
    }
    plain.is_empty()
}

/// What the text between the quotes of a valid string stands for.
pub(crate) fn plain(written: &str) -> Cow<'_, str> {
    if written.contains('\\') { Cow::Owned(unescaped(written)) } else { Cow::Borrowed(written) }
}

#[cold]
fn unescaped(written: &str) -> String {
    let mut plain = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let Ok((character, next)) = escape(rest.as_bytes(), at) else { break };
        plain.push(character);
        rest = &rest[next..];
    }
    plain.push_str(rest);
    plain
}

/// Whether two byte strings are the same: keys, which are too short for a call to pay.
#[inline(always)]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    equal_words::<8>(a, b)
        .or_else(|| equal_words::<4>(a, b))
        .unwrap_or_else(|| a.iter().zip(b).all(|(a, b)| a == b))
}

/// The same for texts of which most are longer, but not by much.
#[inline(always)]
pub(crate) fn equal_texts(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    equal_words::<WIDTH>(a, b).unwrap_or_else(|| equal(a, b))
}

/// Compares words, of which the last two may overlap. None if there is not one.
#[inline(always)]
fn equal_words<const N: usize>(a: &[u8], b: &[u8]) -> Option<bool> {
    let last = a.last_chunk::<N>()? == b.last_chunk::<N>()?;
    let ((a, _), (b, _)) = (a.as_chunks::<N>(), b.as_chunks::<N>());
    Some(last && a.iter().zip(b).all(|(a, b)| a == b))
}
