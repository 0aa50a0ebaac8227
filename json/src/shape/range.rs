//! Which bytes fit, place by place.

use wide::u8x16;

use crate::lanes::WIDTH;

/// Which bytes fit at one place: the least, so many above it, but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    low: u8,
    above: u8,
    but: u8,
}

impl Range {
    /// All bytes.
    pub(super) const ALL: Self = Self { low: 0, above: u8::MAX, but: 0 };

    const fn new(low: u8, high: u8, but: u8) -> Self {
        Self { low, above: high - low, but }
    }

    /// One byte.
    pub(super) const fn of(byte: u8) -> Self {
        Self::new(byte, byte, !byte)
    }

    /// What fits the bytes of the scalars that look like one which [may be expected](may_be_expected): all of
    /// them are valid, and as long.
    pub(super) fn of_scalar(scalar: &[u8]) -> impl ExactSizeIterator<Item = Self> {
        let is_string = scalar.first() == Some(&b'"');
        let integer = usize::from(scalar.first() == Some(&b'-'));
        scalar.iter().enumerate().map(move |(at, &byte)| match byte {
            // What is plain in a string lies on both sides of the quote.
            b' '..=b'!' if is_string => Self::new(b' ', b'!', b'"'),
            b'#'..=0x7f if is_string => Self::new(b'#', 0x7f, b'\\'),
            // Only a single digit may be a zero.
            b'1'..=b'9' if at == integer && scalar.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                Self::new(b'1', b'9', b'0')
            }
            b'0'..=b'9' if !is_string => Self::new(b'0', b'9', b'/'),
            _ => Self::of(byte),
        })
    }
}

/// Whether a valid scalar is plain, and not so long that a number that looks like it may be out of range, or
/// that the ranges of a string take much memory.
pub(super) fn may_be_expected(scalar: &[u8]) -> bool {
    const SHORT: usize = 32;
    const LONG: usize = 256;
    match scalar {
        _ if scalar.len() > LONG => false,
        [b'"', text @ .., b'"'] => {
            text.iter().all(|byte| matches!(byte, b' '..=0x7f) && !matches!(byte, b'"' | b'\\'))
        }
        [b't' | b'f' | b'n', ..] => true,
        number => {
            let exponent = number.iter().position(|byte| matches!(byte, b'e' | b'E'));
            let exponent = exponent.map_or(&[][..], |at| &number[at..]);
            let digits = exponent.iter().filter(|byte| byte.is_ascii_digit()).count();
            number.len() < SHORT && digits <= 2
        }
    }
}

/// Which bytes fit a vector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranges {
    low: [u8; WIDTH],
    above: [u8; WIDTH],
    but: [u8; WIDTH],
}

impl Ranges {
    /// Whether all bytes of some vectors fit.
    #[inline(always)]
    pub(super) fn fit<const VECTORS: usize>(
        ranges: &[Self; VECTORS],
        bytes: &[[u8; WIDTH]; VECTORS],
    ) -> bool {
        let misfits = (0..VECTORS).map(|vector| ranges[vector].misfits(&bytes[vector]));
        !any(misfits.fold(u8x16::ZERO, |all, some| all | some))
    }

    /// How many of the first bytes fit.
    pub(super) fn run(&self, bytes: &[u8; WIDTH]) -> usize {
        let fit = self.misfits(bytes).simd_eq(u8x16::ZERO);
        (!fit.to_bitmask()).trailing_zeros() as usize
    }

    /// Not zero where a byte does not fit.
    #[inline(always)]
    fn misfits(&self, bytes: &[u8; WIDTH]) -> u8x16 {
        let load = |bytes: &[u8; WIDTH]| u8x16::new(*bytes);
        let here = load(bytes);
        // The one that does not is as far above as none that does.
        let above = (here - load(&self.low)) | here.simd_eq(load(&self.but));
        above.saturating_sub(load(&self.above))
    }

    fn get(&self, at: usize) -> Range {
        Range { low: self.low[at], above: self.above[at], but: self.but[at] }
    }
}

/// Whether any byte is not zero.
#[cfg(target_family = "wasm")]
#[inline(always)]
fn any(bytes: u8x16) -> bool {
    use std::arch::wasm32::{v128, v128_any_true};
    // SAFETY: both are 16 bytes, whatever they hold.
    v128_any_true(unsafe { std::mem::transmute::<[u8; WIDTH], v128>(bytes.to_array()) })
}

#[cfg(not(target_family = "wasm"))]
#[inline(always)]
fn any(bytes: u8x16) -> bool {
    bytes.simd_eq(u8x16::ZERO).to_bitmask() != u32::from(u16::MAX)
}

/// Ranges that are being put one behind the other.
#[derive(Debug)]
pub(super) struct Row {
    low: Vec<u8>,
    above: Vec<u8>,
    but: Vec<u8>,
}

impl Row {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let [low, above, but] = [(); 3].map(|()| Vec::with_capacity(bytes));
        Self { low, above, but }
    }

    pub(super) fn len(&self) -> usize {
        self.low.len()
    }

    /// Adds bytes that fit alone: the first ones of these.
    #[inline(always)]
    pub(super) fn push_text<const MOST: usize>(&mut self, text: &[u8; MOST], length: usize) {
        // As many as there may be are copied at once.
        let end = self.len() + length;
        self.low.extend_from_slice(text);
        self.above.extend_from_slice(&[0; MOST]);
        self.but.extend_from_slice(&text.map(|byte| !byte));
        for bytes in [&mut self.low, &mut self.above, &mut self.but] {
            bytes.truncate(end);
        }
    }

    /// Adds ranges.
    #[inline(always)]
    pub(super) fn extend(&mut self, ranges: impl ExactSizeIterator<Item = Range>) {
        let (start, end) = (self.len(), self.len() + ranges.len());
        let [low, above, but] = [&mut self.low, &mut self.above, &mut self.but].map(|bytes| {
            bytes.resize(end, 0);
            &mut bytes[start..]
        });
        let places = low.iter_mut().zip(above).zip(but);
        for (((low, above), but), range) in places.zip(ranges) {
            (*low, *above, *but) = (range.low, range.above, range.but);
        }
    }

    /// Fills up a vector, with what all bytes fit.
    pub(super) fn fill_up(&mut self) {
        let Range { low, above, but } = Range::ALL;
        let end = self.len().next_multiple_of(WIDTH);
        self.low.resize(end, low);
        self.above.resize(end, above);
        self.but.resize(end, but);
    }

    /// As vectors, which are full.
    pub(super) fn into_vectors(self) -> Vec<Ranges> {
        let [low, above, but] =
            [&self.low, &self.above, &self.but].map(|bytes| bytes.as_chunks().0);
        let vectors = low.iter().zip(above).zip(but);
        vectors.map(|((&low, &above), &but)| Ranges { low, above, but }).collect()
    }
}

/// The ranges of these places.
pub(super) fn ranges_at(
    vectors: &[Ranges],
    places: std::ops::Range<usize>,
) -> impl ExactSizeIterator<Item = Range> {
    places.map(|place| vectors[place / WIDTH].get(place % WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pointer, scan};

    /// What fits one after the other.
    fn ranges(scalar: &str) -> Vec<Ranges> {
        let mut row = Row::with_capacity(0);
        row.extend(Range::of_scalar(scalar.as_bytes()));
        row.fill_up();
        row.into_vectors()
    }

    /// How many of the first bytes fit.
    fn run(ranges: &[Ranges], bytes: &[u8]) -> usize {
        let mut padded = bytes.to_vec();
        padded.resize(ranges.len() * WIDTH, b'\\');
        let vectors = padded.as_chunks().0;
        let runs: Vec<_> =
            ranges.iter().zip(vectors).map(|(fit, vector)| fit.run(vector)).collect();
        for (vector, run) in runs.iter().enumerate() {
            let fits = Ranges::fit(&[ranges[vector]], &[vectors[vector]]);
            assert_eq!(fits, *run == WIDTH);
        }
        let whole = runs.iter().take_while(|run| **run == WIDTH).count();
        whole * WIDTH + runs.get(whole).copied().unwrap_or(0)
    }

    #[test]
    fn what_fits_a_scalar_is_one_of_that_length() {
        for scalar in [
            "0",
            "7",
            "-0",
            "-5",
            "10",
            "-10",
            "0.5",
            "12.050",
            "-12.5e-1",
            "1E+09",
            "3e7",
            "1234567890123456789012345678901",
            "true",
            "false",
            "null",
            r#""""#,
            r#""!""#,
            r#""~ #[]a""#,
            r#""2026-01-27T06:00:00.000Z""#,
        ] {
            assert!(may_be_expected(scalar.as_bytes()), "{scalar}");
            let ranges = ranges(scalar);
            assert_eq!(run(&ranges, scalar.as_bytes()), ranges.len() * WIDTH, "{scalar}");
            for at in 0..scalar.len() {
                let mut fitting = 0;
                for byte in (0..=u8::MAX).step_by(if cfg!(miri) { 31 } else { 1 }) {
                    let mut other = scalar.as_bytes().to_vec();
                    other[at] = byte;
                    let run = run(&ranges, &other);
                    if run < ranges.len() * WIDTH {
                        assert_eq!(run, at, "byte {byte} at {at} of {scalar}");
                        continue;
                    }
                    fitting += 1;
                    let document = [b"[", &*other, b"]"].concat();
                    let found = scan(&document, &Pointer::parse("/0").expect("a pointer"));
                    let found = found.expect("valid").field.expect("an element");
                    assert_eq!(found.text().as_bytes(), other, "byte {byte} at {at} of {scalar}");
                }
                if cfg!(miri) {
                    continue;
                }
                let byte = scalar.as_bytes()[at];
                let follows_digit = scalar.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
                let is_first = at == usize::from(scalar.starts_with('-'));
                assert_eq!(
                    fitting,
                    match byte {
                        b' ' | b'!' => 2,
                        b'"' => 1,
                        // All of ASCII that is plain and behind the quote.
                        _ if scalar.starts_with('"') => 0x7f - 0x22 - 1,
                        b'0'..=b'9' if is_first && follows_digit => 9,
                        b'0'..=b'9' => 10,
                        _ => 1,
                    },
                    "{at} of {scalar}",
                );
            }
        }
    }

    #[test]
    fn others_are_not_to_be_expected() {
        for scalar in [
            "1e100",
            "1e-300",
            "12345678901234567890123456789012",
            r#""a\"b""#,
            r#""\u00e9""#,
            r#""é""#,
            &format!(r#""{}""#, "x".repeat(255)),
        ] {
            assert!(!may_be_expected(scalar.as_bytes()), "{scalar}");
        }
    }

    #[test]
    fn text_fits_alone_and_anything_behind_the_last_range() {
        let text = *br#",{"a\u00e9":["#;
        let mut row = Row::with_capacity(0);
        row.push_text(&text, text.len() - 1);
        assert_eq!(row.len(), text.len() - 1);
        row.fill_up();
        let ranges = row.into_vectors();
        for byte in (0..=u8::MAX).step_by(if cfg!(miri) { 31 } else { 1 }) {
            for at in 0..WIDTH {
                let mut other = [0; WIDTH];
                other[..text.len()].copy_from_slice(&text);
                other[at] = byte;
                let fits = at >= text.len() - 1 || byte == text[at];
                assert_eq!(ranges[0].run(&other), if fits { WIDTH } else { at }, "{byte} at {at}");
            }
        }
        let places = ranges_at(&ranges, 3..5);
        assert_eq!(places.collect::<Vec<_>>(), [Range::of(text[3]), Range::of(text[4])]);
    }
}
