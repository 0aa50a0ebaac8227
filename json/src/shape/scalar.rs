//! Where a scalar ends: a string, a number, a boolean or a null.
//!
//! What is short is read without checking each offset. The tests are those of shapes.

use crate::lanes::{Lanes, WIDTH};
use crate::string::{self, Utf8};
use crate::{PADDING, number, run};

/// In so many vectors behind its quote a string ends that is short. Of a number there are two.
const STRING_VECTORS: usize = 3;

/// How many bytes are looked at to find the end of a scalar that is short.
pub(super) const SHORT_SCALAR: usize = 1 + STRING_VECTORS * WIDTH;

/// The place behind the scalar at a place, if it is short and plain. It does not know where the
/// document ends.
///
/// # Safety
///
/// [`SHORT_SCALAR`] bytes can be read.
#[inline(always)]
pub(super) unsafe fn short_scalar_end(here: *const u8) -> Option<*const u8> {
    // SAFETY: no offset is beyond what the caller promises: of a string they are in its vectors, of a
    // number in two, or a sign, a point and an exponent's sign behind them.
    let byte = |offset: usize| unsafe { *here.add(offset) };
    let lanes = |offset: usize| {
        // SAFETY: as above. An array of bytes needs no alignment.
        Lanes::load(&unsafe { here.add(offset).cast::<[u8; WIDTH]>().read() })
    };
    let first = byte(0);
    if first == b'"' {
        for vector in 0..STRING_VECTORS {
            let start = 1 + vector * WIDTH;
            let stops = lanes(start).string_stops();
            if stops != 0 {
                let close = start + stops.trailing_zeros() as usize;
                return (byte(close) == b'"').then(|| here.wrapping_add(close + 1));
            }
        }
        return None;
    }
    // To look for digits need not wait for the sign.
    let mut digits = u64::from(lanes(0).digits());
    if digits >> (WIDTH - 1) != 0 {
        digits |= u64::from(lanes(WIDTH).digits()) << WIDTH;
    }
    // A clear bit for each digit. Behind the vectors there is none.
    let sign = usize::from(first == b'-');
    let others = !digits >> sign;
    let integer = others.trailing_zeros() as usize;
    if integer > 0 {
        let byte = |offset: usize| byte(sign + offset);
        let digits = |from: usize| (others >> from).trailing_zeros() as usize;
        let mut end = integer;
        if byte(end) == b'.' {
            let decimals = digits(end + 1);
            if decimals == 0 {
                return None;
            }
            end += 1 + decimals;
        }
        if byte(end) | 0x20 == b'e' {
            let exponent = end + 1 + usize::from(matches!(byte(end + 1), b'+' | b'-'));
            let length = digits(exponent);
            // Two digits do not take a number that is so short out of range.
            if length == 0 || length > 2 {
                return None;
            }
            end = exponent + length;
        }
        // A leading zero stands alone. What goes up to the vectors' end may go on behind it.
        if (integer > 1 && byte(0) == b'0') || sign + end >= 2 * WIDTH {
            return None;
        }
        return Some(here.wrapping_add(sign + end));
    }
    // SAFETY: as above.
    let word = unsafe { here.cast::<[u8; 4]>().read() };
    let length = match &word {
        b"true" | b"null" => 4,
        b"fals" if byte(4) == b'e' => 5,
        _ => return None,
    };
    Some(here.wrapping_add(length))
}

/// The offset behind the scalar at an offset of a document, whatever it is; none if it is not valid. The
/// document is the first `length` bytes of the buffer.
pub(super) fn any_scalar_end(
    buffer: &[u8],
    length: usize,
    at: usize,
    utf8: &mut Utf8,
) -> Option<usize> {
    let here = buffer.get(at..).filter(|rest| rest.len() >= PADDING)?.as_ptr();
    // SAFETY: so many bytes can be read.
    let end = match unsafe { short_scalar_end(here) } {
        Some(end) => at + (end.addr() - here.addr()),
        None => scalar_end(buffer, &buffer[..length], at, utf8)?,
    };
    (end <= length).then_some(end)
}

/// The same of one that is long or not plain.
#[cold]
#[inline(never)]
pub(super) fn scalar_end(
    buffer: &[u8],
    document: &[u8],
    at: usize,
    utf8: &mut Utf8,
) -> Option<usize> {
    match document.get(at)? {
        b'"' => string::scan(document, at + 1, utf8).ok().map(|string| string.close + 1),
        b'-' | b'0'..=b'9' => {
            let length = buffer[at..].first_chunk().and_then(run::number_length);
            length.map(|length| at + length).or_else(|| number::scan(document, at).ok())
        }
        _ => None,
    }
}
