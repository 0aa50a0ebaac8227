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
    to_f64(number, number.len()).is_finite()
}

/// The 64-bit float nearest to the number, in JSON's grammar, that the first `length` bytes are.
#[inline]
pub(crate) fn to_f64(bytes: &[u8], length: usize) -> f64 {
    let short = match bytes.first_chunk() {
        Some(window) => short_decimal(window, length),
        None => short_decimal(&padded(bytes), length),
    };
    short.unwrap_or_else(|| parse(&bytes[..length]))
}

/// How many bytes a number is looked at in, and what may stand behind it.
const WINDOW: usize = 32;

#[cold]
fn padded(bytes: &[u8]) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    window.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    window
}

#[cold]
fn parse(number: &[u8]) -> f64 {
    // JSON's numbers are a subset of what Rust reads.
    str::from_utf8(number).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// The value of a number that has few digits and no exponent.
///
/// Both the digits as an integer and the power of ten are then exact as floats, and a division
/// rounds to the nearest: the quotient is the nearest float. Source: Clinger, "How to Read Floating
/// Point Numbers Accurately", PLDI 1990.
#[inline(always)]
fn short_decimal(window: &[u8; WINDOW], length: usize) -> Option<f64> {
    let negative = window[0] == b'-';
    let start = usize::from(negative);
    let point = lanes::mask(window, 0, Lanes::points).trailing_zeros() as usize;
    let mut digits = some_digits(window, start, point.min(length) - start)?;
    let mut power = 1;
    if point < length {
        let fraction = length - point - 1;
        power = *POWERS_OF_TEN.get(fraction)?;
        if length - start > MOST_DIGITS {
            return None;
        }
        digits = digits * power + some_digits(window, point + 1, fraction)?;
    }
    if digits > 1 << f64::MANTISSA_DIGITS {
        return None;
    }
    let magnitude = digits as f64 / power as f64;
    Some(if negative { -magnitude } else { magnitude })
}

/// What is no longer, with its point, fits a 64-bit integer without it.
const MOST_DIGITS: usize = 19;

/// The number that up to 16 digits make. None if there are more, or if one is no digit.
#[inline(always)]
fn some_digits(window: &[u8; WINDOW], start: usize, count: usize) -> Option<i64> {
    const EIGHT: usize = 8;
    match count.checked_sub(EIGHT + 1) {
        None => eight_digits(window, start, count),
        Some(more @ ..EIGHT) => {
            let front = eight_digits(window, start, EIGHT)?;
            let behind = eight_digits(window, start + EIGHT, more + 1)?;
            Some(front * POWERS_OF_TEN[more + 1] + behind)
        }
        Some(_) => None,
    }
}

/// The number that one to eight digits make: neighbours are put together, all pairs at once, until
/// there is one. None if one is no digit.
#[inline(always)]
fn eight_digits(window: &[u8; WINDOW], start: usize, count: usize) -> Option<i64> {
    let word = u64::from_le_bytes(*window.get(start..)?.first_chunk()?);
    // The first digit is the lowest byte. What is shifted in below are leading zeros.
    let digits = (word ^ 0x3030_3030_3030_3030).wrapping_shl(64 - 8 * count as u32);
    if digits & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    let pairs = digits * 10 + (digits >> 8);
    let low = (pairs & 0xff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let high = (pairs >> 16 & 0xff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    Some((low.wrapping_add(high) >> 32) as i64)
}

/// What fits a 64-bit float exactly: all of these do.
const POWERS_OF_TEN: [i64; 17] = {
    let mut powers = [1; 17];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = 10 * powers[power - 1];
        power += 1;
    }
    powers
};

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
            assert_eq!(to_f64(text.as_bytes(), text.len()).to_bits(), nearest.to_bits(), "{text}");
        }
    }

    #[test]
    fn digits_are_put_together_whatever_their_number() {
        let digits = |count: usize| "98765432101234567890".get(..count).expect("digits");
        for integer in 1..=20 {
            for fraction in 0..=20 {
                for exponent in ["", "e1", "E-12"] {
                    let mut text = format!("-{}", digits(integer));
                    if fraction > 0 {
                        text = format!("{text}.{}", digits(fraction));
                    }
                    text += exponent;
                    let nearest: f64 = text.parse().expect("a number");
                    for behind in ["", ",", "}", ",\"a\":1.5,\"b\":123456789.123456789}"] {
                        let buffer = format!("{text}{behind}");
                        assert_eq!(to_f64(buffer.as_bytes(), text.len()), nearest, "{buffer}");
                        let positive = to_f64(&buffer.as_bytes()[1..], text.len() - 1);
                        assert_eq!(positive, -nearest, "{buffer}");
                    }
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
