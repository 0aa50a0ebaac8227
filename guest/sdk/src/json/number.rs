use super::lanes::{self, Lanes, WIDTH};
use super::{Cause, SyntaxError};

/// Walks the number that begins at `start`: the offset of what follows it.
#[inline(always)]
pub(super) fn scan(bytes: &[u8], start: usize) -> Result<usize, SyntaxError> {
    let integer = start + usize::from(bytes.get(start) == Some(&b'-'));
    // A clear bit for each digit. Whatever is shifted in from above is no digit.
    let others = !lanes::mask(bytes, integer, Lanes::digits);
    let length = others.trailing_zeros();
    let mut end = integer + length as usize;
    let mut behind = length;
    let mut next = bytes.get(end);
    if next == Some(&b'.') {
        let fraction = (others >> 1).unbounded_shr(length).trailing_zeros();
        behind += 1 + fraction;
        end += 1 + fraction as usize;
        next = bytes.get(end);
        if fraction == 0 {
            return long(bytes, start);
        }
    }
    let leading_zero = length > 1 && bytes.get(integer) == Some(&b'0');
    let exponent = matches!(next, Some(b'e' | b'E'));
    if length == 0 || leading_zero || exponent || behind >= WIDTH as u32 {
        return long(bytes, start);
    }
    Ok(end)
}

/// Walks any number, one byte at a time.
#[cold]
#[inline(never)]
fn long(bytes: &[u8], start: usize) -> Result<usize, SyntaxError> {
    let integer = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut end = digits(bytes, integer);
    let leading_zero = end > integer + 1 && bytes.get(integer) == Some(&b'0');
    if end == integer || leading_zero {
        return Err(malformed(bytes, if leading_zero { integer + 1 } else { integer }));
    }
    let mut large = end - integer > MANY_DIGITS;
    if bytes.get(end) == Some(&b'.') {
        let fraction = end + 1;
        end = digits(bytes, fraction);
        if end == fraction {
            return Err(malformed(bytes, end));
        }
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let sign = end + 1;
        let exponent = sign + usize::from(matches!(bytes.get(sign), Some(b'+' | b'-')));
        end = digits(bytes, exponent);
        if end == exponent {
            return Err(malformed(bytes, end));
        }
        large = true;
    }
    if large && !is_finite(&bytes[start..end]) {
        return Err(SyntaxError::new(Cause::NumberOutOfRange, start));
    }
    Ok(end)
}

/// So many digits before the decimal point make no number that is out of range.
const MANY_DIGITS: usize = 308;

fn digits(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}

#[cold]
fn malformed(bytes: &[u8], at: usize) -> SyntaxError {
    let cause = if at < bytes.len() { Cause::InvalidNumber } else { Cause::UnexpectedEnd };
    SyntaxError::new(cause, at)
}

#[cold]
fn is_finite(number: &[u8]) -> bool {
    str::from_utf8(number).is_ok_and(|text| to_f64(text).is_finite())
}

/// The 64-bit float nearest to a number in JSON's grammar.
#[inline]
pub(super) fn to_f64(text: &str) -> f64 {
    // JSON's numbers are a subset of what Rust reads.
    text.parse().unwrap_or(f64::NAN)
}
