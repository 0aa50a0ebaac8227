//! Base64 in vectors: 16 symbols become 12 bytes at once.
//!
//! Twice as fast in WebAssembly as the general decoder, whose vectors are made for 32 bytes. Natively
//! it is there to be tested, and is slow.

use wide::bytemuck::cast;
use wide::{i16x8, u8x16, u16x8, u64x2};

/// How many symbols make a block.
pub(super) const SYMBOLS: usize = 16;

/// How many bytes come of a block.
const BYTES: usize = 12;

/// Decodes `encoded` into the front of `out`: how many bytes that makes. None if a byte is not of the
/// alphabet, or padding is not as it should be.
///
/// # Panics
///
/// If `out` has less than [`SYMBOLS`] bytes more than `encoded` stands for.
#[inline]
pub(super) fn decode(encoded: &[u8], out: &mut [u8]) -> Option<usize> {
    let length = encoded.len() / 4 * 3;
    if !encoded.len().is_multiple_of(4) {
        return None;
    }
    let Some(last) = encoded.last_chunk() else { return decode_few(encoded, out) };
    assert!(length + SYMBOLS <= out.len(), "room for what is decoded, and a block");
    // The last block, partial or whole, may be padded.
    let mut left = (encoded.len() - 1) / SYMBOLS;
    let (mut from, mut to) = (encoded.as_ptr(), out.as_mut_ptr());
    let mut checked = u8x16::ZERO;
    // What an engine keeps in registers it puts aside where a loop looks at the time limit: so few
    // rounds.
    // SAFETY: what is decoded are blocks that are left, and in front of the last 16 bytes of `out`.
    unsafe {
        while left >= 8 {
            // The compiler unrolls no longer ones.
            checked |= decode_run::<4>(&mut from, &mut to);
            checked |= decode_run::<4>(&mut from, &mut to);
            left -= 8;
        }
        if left >= 4 {
            checked |= decode_run::<4>(&mut from, &mut to);
            left -= 4;
        }
        if left >= 2 {
            checked |= decode_run::<2>(&mut from, &mut to);
            left -= 2;
        }
        if left >= 1 {
            checked |= decode_run::<1>(&mut from, &mut to);
        }
    }

    // The last symbols fill a block together with symbols that are decoded already.
    let (bytes, last_checked, padding) = decode_last(last);
    out[length - BYTES..][..SYMBOLS].copy_from_slice(&bytes.to_array());
    are_symbols(checked | last_checked).then_some(length - padding)
}

/// Decodes so many blocks, and moves on behind them: what [tells](are_symbols) if all are of symbols.
///
/// # Safety
///
/// The blocks can be read, and 4 bytes be written behind what comes of them.
#[inline(always)]
unsafe fn decode_run<const BLOCKS: usize>(from: &mut *const u8, to: &mut *mut u8) -> u8x16 {
    let mut all = u8x16::ZERO;
    for block in 0..BLOCKS {
        // SAFETY: as the caller says. The last 4 of the bytes are too many: the next block, or nobody,
        // needs their place.
        unsafe {
            let symbols = from.add(block * SYMBOLS).cast::<[u8; SYMBOLS]>().read();
            let (bytes, checked) = decode_block(u8x16::new(symbols));
            to.add(block * BYTES).cast::<[u8; SYMBOLS]>().write(bytes.to_array());
            all |= checked;
        }
    }
    // SAFETY: as the caller says.
    (*from, *to) = unsafe { (from.add(BLOCKS * SYMBOLS), to.add(BLOCKS * BYTES)) };
    all
}

/// Whether those were symbols that this comes of: then no byte of it is negative.
#[inline(always)]
fn are_symbols(checked: u8x16) -> bool {
    checked.to_bitmask() == 0
}

/// Decodes fewer symbols than make a block.
#[cold]
fn decode_few(encoded: &[u8], out: &mut [u8]) -> Option<usize> {
    // `A` stands for zero bits.
    let mut block = [b'A'; SYMBOLS];
    block[SYMBOLS - encoded.len()..].copy_from_slice(encoded);
    let (bytes, checked, padding) = decode_last(&block);
    let length = encoded.len() / 4 * 3;
    out[..length].copy_from_slice(&bytes.to_array()[BYTES - length..BYTES]);
    are_symbols(checked).then_some(length - padding)
}

/// The bytes that the last symbols stand for, which may be padded; what [tells](are_symbols) if they are
/// as they should be; and how many bytes at the end are none.
#[inline(always)]
fn decode_last(block: &[u8; SYMBOLS]) -> (u8x16, u8x16, usize) {
    let symbols = u8x16::new(*block);
    let padding = symbols.simd_eq(u8x16::splat(b'=')) & u8x16::new(LAST_TWO);
    let (bytes, checked) = decode_block(padding.bitselect(u8x16::splat(b'A'), symbols));
    // Bits that no byte takes up have to be zero. They are in the places of the bytes that padding
    // stands for, which are before those of the padding itself.
    let places: u64x2 = cast(padding);
    let before: u8x16 = cast(places >> (8 * (SYMBOLS - BYTES) as u32));
    let unused = bytes & before;
    // Not in the last place but one only.
    let behind: u8x16 = cast(places << 8_u32);
    let misplaced = behind & !padding;
    let fault = !(unused | misplaced).simd_eq(u8x16::ZERO);
    (bytes, checked | fault, padding.to_bitmask().count_ones() as usize)
}

/// The last two symbols of a block, where padding may stand.
const LAST_TWO: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The 12 bytes that 16 symbols stand for, and what [tells](are_symbols) if all of them are symbols.
///
/// A lookup takes an engine for x86-64 two instructions, so there are few, and none that is there for the
/// check alone: what it comes to is what the values are made of.
#[inline(always)]
fn decode_block(symbols: u8x16) -> (u8x16, u8x16) {
    // '+' would share its octet with '/'. It takes the one below, in which there is no symbol.
    let plus = symbols.simd_eq(u8x16::splat(b'+'));
    let eighths: u8x16 = cast(cast::<_, u16x8>(symbols) >> 3_u32);
    let octet = (eighths & u8x16::splat(0x1f)) + plus;
    let checked = symbols + CHECKS.shuffle_zeroing(octet);
    let sextets: u16x8 = cast(checked + VALUES.shuffle_zeroing(octet));

    // Sextets a, b, c, d lie in memory in this order; big-endian, they make 24 bits.
    let ab_cd: i16x8 = cast(((sextets << 6_u32) & u16x8::splat(0x0fc0)) | (sextets >> 8_u32));
    let abcd = ab_cd.dot(i16x8::new([0x1000, 1, 0x1000, 1, 0x1000, 1, 0x1000, 1]));
    (big_endian(cast(abcd)), checked)
}

/// The bytes of four numbers of 24 bits in the order of their values, and then any four.
#[cfg(target_family = "wasm")]
#[inline(always)]
fn big_endian(numbers: u8x16) -> u8x16 {
    use std::arch::wasm32::{i8x16_shuffle, v128, v128_bitselect};
    use std::mem::transmute;

    // SAFETY: both are 16 bytes, whatever they hold.
    let numbers: v128 = unsafe { transmute(numbers.to_array()) };
    // The same vector, as wasmtime's compiler knows and LLVM does not. LLVM leaves a shuffle of two,
    // which then takes one lookup; of one vector it makes a shuffle with any other, which takes two.
    let same = v128_bitselect(numbers, numbers, numbers);
    let bytes =
        i8x16_shuffle::<2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 28, 28, 28, 28>(numbers, same);
    // SAFETY: as above.
    u8x16::new(unsafe { transmute::<v128, [u8; 16]>(bytes) })
}

#[cfg(not(target_family = "wasm"))]
fn big_endian(numbers: u8x16) -> u8x16 {
    numbers.shuffle(u8x16::new([2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 12, 12, 12, 12]))
}

/// By the octet of ASCII that a byte is in: what, added to the byte, makes it negative if it is no symbol.
///
/// In each octet only one end of its symbols is not its own: so the sum either falls below zero there, or
/// is beyond what is positive. A byte beyond ASCII has no octet, gets nothing, and is negative.
const CHECKS: u8x16 = u8x16::new(octets().0);

/// By the octet of a symbol: what, added to that sum, makes it the symbol's value.
const VALUES: u8x16 = u8x16::new(octets().1);

const fn octets() -> ([u8; 16], [u8; 16]) {
    // Where there are no symbols, this makes all bytes negative.
    let (mut checks, mut values) = ([0x80; 16], [0; 16]);
    let mut octet = 0;
    while octet < 16 {
        if let Some((first, last, value)) = symbols(octet) {
            let place = octet as usize;
            checks[place] = if first > 8 * octet {
                0_u8.wrapping_sub(first)
            } else if last < 8 * octet + 7 {
                0x7f - last
            } else {
                0
            };
            values[place] = value.wrapping_sub(first).wrapping_sub(checks[place]);
        }
        octet += 1;
    }
    (checks, values)
}

/// The first and the last symbol of an octet, and the value of the first.
const fn symbols(octet: u8) -> Option<(u8, u8, u8)> {
    match octet {
        4 => Some((b'+', b'+', 62)),
        5 => Some((b'/', b'/', 63)),
        6 => Some((b'0', b'7', 52)),
        7 => Some((b'8', b'9', 60)),
        8 => Some((b'A', b'G', 0)),
        9 => Some((b'H', b'O', 7)),
        10 => Some((b'P', b'W', 15)),
        11 => Some((b'X', b'Z', 23)),
        12 => Some((b'a', b'g', 26)),
        13 => Some((b'h', b'o', 33)),
        14 => Some((b'p', b'w', 41)),
        15 => Some((b'x', b'z', 49)),
        _ => None,
    }
}
