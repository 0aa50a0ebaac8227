use crate::lanes::{self, Lanes, WIDTH};
use crate::{Cause, SyntaxError};

/// Walks the number that begins at `start`: the offset of what follows it.
#[inline(always)]
pub(crate) fn scan(bytes: &[u8], start: usize) -> Result<usize, SyntaxError> {
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
    to_f64(number).is_finite()
}

/// The 64-bit float nearest to a number in JSON's grammar.
#[inline]
pub(crate) fn to_f64(number: &[u8]) -> f64 {
    short_decimal(number).unwrap_or_else(|| parse(number))
}

#[cold]
fn parse(number: &[u8]) -> f64 {
    // JSON's numbers are a subset of what Rust reads.
    str::from_utf8(number).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// The value of a number of up to 15 digits without an exponent.
///
/// Both the digits as an integer and the power of ten are then exact as floats, and a division
/// rounds to the nearest: the quotient is the nearest float.
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() >= POWERS_OF_TEN.len() {
        return None;
    }
    let point = digits.iter().position(|&byte| byte == b'.');
    let (integer, fraction) = digits.split_at(point.unwrap_or(digits.len()));
    let fraction = fraction.get(1..).unwrap_or_default();
    let value = append_digits(append_digits(0, integer)?, fraction)?;
    let value = value as f64 / POWERS_OF_TEN[fraction.len()];
    Some(if negative { -value } else { value })
}

/// The number whose digits are those of `number` and these. None if one is no digit.
#[inline(always)]
fn append_digits(mut number: u64, digits: &[u8]) -> Option<u64> {
    let (chunks, rest) = digits.as_chunks();
    for chunk in chunks {
        number = number * 10_000 + four_digits(*chunk)?;
    }
    for &byte in rest {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        number = number * 10 + digit;
    }
    Some(number)
}

/// The number that four digits make, two and two at once.
#[inline(always)]
fn four_digits(text: [u8; 4]) -> Option<u64> {
    let word = u32::from_le_bytes(text);
    // The upper half of a digit is 3, also after 6 is added.
    let upper = |word: u32| word & 0xf0f0_f0f0;
    if upper(word) != 0x3030_3030 || upper(word.wrapping_add(0x0606_0606)) != 0x3030_3030 {
        return None;
    }
    let pairs = (word & 0x0f0f_0f0f).wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff;
    Some(u64::from(pairs.wrapping_mul(100 << 16 | 1) >> 16))
}

/// What fits a 64-bit float exactly, up to the number of digits that always do.
const POWERS_OF_TEN: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_the_nearest() {
        for text in [
            "0",
            "-0",
            "0.0",
            "-0.0",
            "7",
            "-12",
            "0.8731",
            "0.1",
            "0.3",
            "2.675",
            "123456789012345",
            "1234567890123456",
            "9007199254740993",
            "0.1234567890123",
            "0.12345678901234567",
            "1e3",
            "4.9e-324",
            "2.2250738585072011e-308",
            "1.7976931348623157e308",
        ] {
            let nearest: f64 = text.parse().expect("a number");
            assert_eq!(to_f64(text.as_bytes()).to_bits(), nearest.to_bits(), "{text}");
        }
    }

    #[test]
    fn short_decimals_are_digits_and_a_point() {
        for length in 1..9 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'7'; length];
                    text[at] = byte;
                    let plain = byte.is_ascii_digit() || (byte == b'.' && length > 1);
                    if !plain && (byte == b'.' || byte == b'-') {
                        continue;
                    }
                    let parsed = str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
                    let expected: Option<f64> = parsed.filter(|_| plain);
                    let found = short_decimal(&text);
                    assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn draws_the_line_of_range_where_rounding_does() {
        // Half an ulp above the largest float lies 1.797693134862315807937…e308.
        let (below, above) = ("179769313486231580793", "179769313486231580794");
        for (number, fits) in [
            ("1.7976931348623157e308".to_owned(), true),
            ("1.7976931348623158e308".to_owned(), true),
            ("1.7976931348623159e308".to_owned(), false),
            ("-1e309".to_owned(), false),
            ("0e999999999999".to_owned(), true),
            ("1e-999999999999".to_owned(), true),
            ("1e999999999999".to_owned(), false),
            (format!("{below}{}", "0".repeat(288)), true),
            (format!("{above}{}", "0".repeat(288)), false),
            (format!("0.{}1e400", "0".repeat(99)), true),
        ] {
            let scanned = scan(number.as_bytes(), 0);
            assert_eq!(scanned.is_ok(), fits, "{number}");
        }
    }
}
