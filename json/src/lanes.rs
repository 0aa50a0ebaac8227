//! Sixteen bytes at a time: which of them are of a class, as the bits of a mask.
//!
//! The lowest bit stands for the first byte.

#[cfg(target_arch = "x86_64")]
mod avx2;

use wide::{i8x16, u8x16};

/// How many bytes are looked at together.
pub(crate) const WIDTH: usize = 16;

/// The mask of the bytes from `at` on that are of `class`; none behind the end is.
#[inline(always)]
pub(crate) fn mask(bytes: &[u8], at: usize, class: impl Fn(Lanes) -> u32) -> u32 {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(chunk) => class(Lanes::load(chunk)),
        None => mask_at_end(bytes, at, class),
    }
}

/// The same where fewer bytes are left than a vector holds.
#[cold]
fn mask_at_end(bytes: &[u8], at: usize, class: impl Fn(Lanes) -> u32) -> u32 {
    if let Some(last) = bytes.last_chunk::<WIDTH>() {
        let before = (at + WIDTH).saturating_sub(bytes.len());
        return class(Lanes::load(last)).unbounded_shr(before as u32);
    }
    let mut padded = [0; WIDTH];
    for (to, from) in padded.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *to = *from;
    }
    let left = bytes.len().saturating_sub(at) as u32;
    class(Lanes::load(&padded)) & !(u32::MAX << left)
}

/// How many bytes a block has: as many as its mask has bits.
pub(crate) const BLOCK: usize = 4 * WIDTH;

/// The mask of the bytes of a block that are of `class`.
#[inline(always)]
pub(crate) fn block_mask(block: &[u8; BLOCK], class: impl Fn(Lanes) -> u32) -> u64 {
    let (vectors, _) = block.as_chunks();
    let masks = vectors.iter().rev().map(|vector| u64::from(class(Lanes::load(vector))));
    masks.fold(0, |mask, next| mask << WIDTH | next)
}

/// How many of the first bytes of some blocks are plain ASCII of a string.
#[inline(always)]
pub(crate) fn plain_run(blocks: &[[u8; BLOCK]]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what it takes.
        return unsafe { avx2::plain_run(blocks) };
    }
    plain_run_anywhere(blocks)
}

/// The same on any processor.
#[inline(always)]
fn plain_run_anywhere(blocks: &[[u8; BLOCK]]) -> usize {
    for (before, block) in blocks.iter().enumerate() {
        if any_string_stops(block) {
            let stops = block_mask(block, Lanes::string_stops);
            return before * BLOCK + stops.trailing_zeros() as usize;
        }
    }
    blocks.len() * BLOCK
}

/// Whether any byte of a block ends a run of plain ASCII in a string.
#[inline(always)]
fn any_string_stops(block: &[u8; BLOCK]) -> bool {
    let (vectors, _) = block.as_chunks();
    let stops =
        vectors.iter().fold(u8x16::ZERO, |stops, vector| stops | Lanes::load(vector).stops());
    stops.to_bitmask() != 0
}

/// A vector of bytes.
#[derive(Clone, Copy)]
pub(crate) struct Lanes(u8x16);

impl Lanes {
    #[inline(always)]
    pub(crate) fn load(bytes: &[u8; WIDTH]) -> Self {
        Self(u8x16::new(*bytes))
    }

    /// Bytes that end a run of plain ASCII in a string: `"` and what is [special](Self::special).
    #[inline(always)]
    pub(crate) fn string_stops(self) -> u32 {
        self.stops().to_bitmask()
    }

    #[inline(always)]
    fn stops(self) -> u8x16 {
        // With this bit turned, a quote is below all that is plain, as controls are; and what is not
        // ASCII is negative.
        let turned = (self.0 ^ u8x16::splat(2)).cast_signed();
        let low = turned.simd_lt(i8x16::splat(0x21)).cast_unsigned();
        self.equal(b'\\') | low
    }

    /// `"`
    #[inline(always)]
    pub(crate) fn quotes(self) -> u32 {
        self.equal(b'"').to_bitmask()
    }

    /// What needs a closer look: `\`, controls and what is not ASCII.
    #[inline(always)]
    pub(crate) fn special(self) -> u32 {
        self.not_plain().to_bitmask()
    }

    /// Bytes that are not ASCII.
    #[inline(always)]
    pub(crate) fn beyond_ascii(self) -> u32 {
        self.0.to_bitmask()
    }

    /// Space, tab, line feed and carriage return.
    #[inline(always)]
    pub(crate) fn whitespace(self) -> u32 {
        let blank = self.equal(b' ') | self.equal(b'\t');
        (blank | self.equal(b'\n') | self.equal(b'\r')).to_bitmask()
    }

    /// `.`
    #[inline(always)]
    pub(crate) fn points(self) -> u32 {
        self.equal(b'.').to_bitmask()
    }

    /// Decimal digits.
    #[inline(always)]
    pub(crate) fn digits(self) -> u32 {
        // Moved to where the lowest signed numbers are, so that one comparison tells.
        let moved = self.0 - u8x16::splat(b'0' ^ 0x80);
        moved.cast_signed().simd_lt(i8x16::splat(i8::MIN + 10)).to_bitmask()
    }

    /// How many of the first bytes are those of another vector.
    #[inline(always)]
    pub(crate) fn equal_run(self, other: Self) -> u32 {
        (!self.0.simd_eq(other.0).to_bitmask()).trailing_zeros()
    }

    #[inline(always)]
    fn not_plain(self) -> u8x16 {
        // As a signed number, what is not ASCII is negative.
        let low = self.0.cast_signed().simd_lt(i8x16::splat(0x20)).cast_unsigned();
        self.equal(b'\\') | low
    }

    #[inline(always)]
    fn equal(self, byte: u8) -> u8x16 {
        self.0.simd_eq(u8x16::splat(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_run_ends_before_the_first_byte_that_stops_it() {
        let stops = |byte: u8| !(b' '..=0x7f).contains(&byte) || byte == b'"' || byte == b'\\';
        for byte in 0..=u8::MAX {
            for at in 0..3 * BLOCK {
                let mut bytes = [b'x'; 3 * BLOCK];
                bytes[at] = byte;
                let blocks = bytes.as_chunks().0;
                let run = if stops(byte) { at } else { bytes.len() };
                assert_eq!(plain_run(blocks), run, "byte {byte} at {at}");
                assert_eq!(plain_run_anywhere(blocks), run, "byte {byte} at {at}");
            }
        }
        assert_eq!([plain_run(&[]), plain_run_anywhere(&[])], [0, 0]);
    }
}
