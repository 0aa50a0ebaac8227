//! A bit for each of many numbers, eight to a byte, the first in the least significant bit. Bits that
//! fill up the last byte are zeros.

use wide::bytemuck::cast;
use wide::i16x8;

/// So many numbers have their bits in one byte.
const EIGHT: usize = 8;

/// The bytes that the bits of so many numbers take.
pub(crate) const fn bytes(numbers: usize) -> usize {
    numbers.div_ceil(EIGHT)
}

/// Writes a bit for each number, in as many bytes as they take: whether what `mask` makes of the
/// number is negative.
#[inline(always)]
pub(crate) fn write(numbers: &[u16], out: &mut [u8], mask: impl Fn(i16x8) -> i16x8) {
    let bits = |eight| mask(cast::<[u16; EIGHT], i16x8>(eight)).to_bitmask() as u8;
    let (eights, rest) = numbers.as_chunks();
    for (to, &eight) in out.iter_mut().zip(eights) {
        *to = bits(eight);
    }
    if !rest.is_empty() {
        let mut eight = [0; EIGHT];
        eight[..rest.len()].copy_from_slice(rest);
        out[eights.len()] = bits(eight) & ((1 << rest.len()) - 1);
    }
}

/// The bits of a byte, each as a number: 0 or -1, which is all ones.
#[inline(always)]
pub(crate) fn spread(byte: u8) -> i16x8 {
    let bits = i16x8::new([1, 2, 4, 8, 16, 32, 64, 128]);
    (i16x8::splat(byte.into()) & bits).simd_eq(bits)
}

/// How many of a byte's bits before each are ones.
#[inline(always)]
pub(crate) fn ones_before(byte: u8) -> i16x8 {
    // A byte for each bit, 0 or 1: multiplied by this, each is the sum of itself and those before.
    const EACH: u64 = 0x0101_0101_0101_0101;
    let apart = u64::from(byte).wrapping_mul(EACH) & 0x8040_2010_0804_0201;
    let bits = (apart + 0x7f * EACH) >> 7 & EACH;
    let before = bits.wrapping_mul(EACH) - bits;
    i16x8::from_u8x16_low(cast([before.to_le(), 0]))
}

/// Whether what fills up the bits of so many numbers is zeros.
pub(crate) fn are_filled_up(bytes: &[u8], numbers: usize) -> bool {
    numbers.is_multiple_of(EIGHT) || bytes.last().is_none_or(|last| last >> (numbers % EIGHT) == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec(any::<u16>(), 0..50)) {
            let mut out = vec![0; bytes(numbers.len())];
            write(&numbers, &mut out, |eight| eight);
            prop_assert!(are_filled_up(&out, numbers.len()));
            let read: Vec<_> = out.iter().flat_map(|&byte| spread(byte).to_array()).collect();
            for (&number, &read) in numbers.iter().zip(&read) {
                prop_assert_eq!(read, if number < 0x8000 { 0 } else { -1 });
            }
            let ones = out.iter().flat_map(|&byte| ones_before(byte).to_array());
            for (place, ones) in ones.enumerate() {
                let before = &read[place / EIGHT * EIGHT..place];
                prop_assert_eq!(ones, -before.iter().sum::<i16>());
            }
            prop_assert!(read[numbers.len()..].iter().all(|&bit| bit == 0));
        }
    }
}
