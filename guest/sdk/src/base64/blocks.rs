//! Base64 in vectors: 16 symbols become 12 bytes at once.
//!
//! Twice as fast in WebAssembly as the general decoder, whose vectors are made for 32 bytes.

use std::arch::wasm32::{
    i8x16_add, i8x16_bitmask, i8x16_eq, i8x16_shuffle, i8x16_swizzle, i32x4_dot_i16x8, u8x16,
    u8x16_splat, u16x8_shl, u16x8_shr, u16x8_splat, u32x4_splat, u64x2_shl, u64x2_shr, v128,
    v128_and, v128_andnot, v128_bitselect, v128_load, v128_not, v128_or, v128_store,
};

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
    if encoded.len() % 4 != 0 {
        return None;
    }
    let Some(last) = encoded.last_chunk() else { return decode_few(encoded, out) };
    assert!(length + SYMBOLS <= out.len(), "room for what is decoded, and a block");
    // The last block, partial or whole, may be padded.
    let blocks = (encoded.len() - 1) / SYMBOLS;
    let mut faults = u8x16_splat(0);
    let (mut from, mut to) = (encoded.as_ptr(), out.as_mut_ptr());
    let mut left = blocks;
    // SAFETY: each run is of blocks that are left.
    unsafe {
        while left >= 8 {
            faults = v128_or(faults, decode_run::<4>(&mut from, &mut to));
            faults = v128_or(faults, decode_run::<4>(&mut from, &mut to));
            left -= 8;
        }
        if left >= 4 {
            faults = v128_or(faults, decode_run::<4>(&mut from, &mut to));
            left -= 4;
        }
        if left >= 2 {
            faults = v128_or(faults, decode_run::<2>(&mut from, &mut to));
            left -= 2;
        }
        if left >= 1 {
            faults = v128_or(faults, decode_run::<1>(&mut from, &mut to));
        }
    }

    // The last symbols fill a block together with symbols that are decoded already.
    let (bytes, fault, padding) = decode_last(last);
    let place = &mut out[length - BYTES..][..SYMBOLS];
    // SAFETY: the reference is to 16 writable bytes; the store needs no alignment.
    unsafe { v128_store(place.as_mut_ptr().cast(), bytes) };
    (i8x16_bitmask(v128_or(faults, fault)) == 0).then_some(length - padding)
}

/// Decodes so many blocks, and moves on behind them: a vector that is zero if all are symbols.
///
/// # Safety
///
/// The blocks can be read, and 16 bytes written from the 12 of each on.
#[inline(always)]
unsafe fn decode_run<const BLOCKS: usize>(from: &mut *const u8, to: &mut *mut u8) -> v128 {
    let mut faults = u8x16_splat(0);
    for block in 0..BLOCKS {
        // SAFETY: as the caller says. The last 4 bytes are too many: the next block, or nobody,
        // needs their place.
        unsafe {
            let symbols = v128_load(from.add(block * SYMBOLS).cast());
            let (bytes, fault) = decode_block(symbols);
            faults = v128_or(faults, fault);
            v128_store(to.add(block * BYTES).cast(), bytes);
        }
    }
    // SAFETY: as the caller says.
    (*from, *to) = unsafe { (from.add(BLOCKS * SYMBOLS), to.add(BLOCKS * BYTES)) };
    faults
}

/// Decodes fewer symbols than make a block.
#[cold]
fn decode_few(encoded: &[u8], out: &mut [u8]) -> Option<usize> {
    // `A` stands for zero bits.
    let mut block = [b'A'; SYMBOLS];
    block[SYMBOLS - encoded.len()..].copy_from_slice(encoded);
    let (bytes, fault, padding) = decode_last(&block);
    // SAFETY: the reference is to 16 writable bytes; the store needs no alignment.
    unsafe { v128_store(block.as_mut_ptr().cast(), bytes) };
    let length = encoded.len() / 4 * 3;
    out[..length].copy_from_slice(&block[BYTES - length..BYTES]);
    (i8x16_bitmask(fault) == 0).then_some(length - padding)
}

/// The bytes that the last symbols stand for, which may be padded; a vector that is zero if they are
/// as they should be; and how many bytes at the end are none.
#[inline(always)]
fn decode_last(block: &[u8; SYMBOLS]) -> (v128, v128, usize) {
    // SAFETY: the reference is to 16 readable bytes; the load needs no alignment.
    let symbols = unsafe { v128_load(block.as_ptr().cast()) };
    let padding = v128_and(i8x16_eq(symbols, u8x16_splat(b'=')), table(LAST_TWO));
    let (bytes, fault) = decode_block(v128_bitselect(u8x16_splat(b'A'), symbols, padding));
    // Bits that no byte takes up have to be zero. They are in the places of the bytes that padding
    // stands for, which are before those of the padding itself.
    let unused = v128_and(bytes, u64x2_shr(padding, 8 * (SYMBOLS - BYTES) as u32));
    // Not in the last place but one only.
    let misplaced = v128_andnot(u64x2_shl(padding, 8), padding);
    let zero = u8x16_splat(0);
    let fault = v128_or(fault, v128_not(i8x16_eq(v128_or(unused, misplaced), zero)));
    (bytes, fault, i8x16_bitmask(padding).count_ones() as usize)
}

/// The last two symbols of a block, where padding may stand.
const LAST_TWO: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The 12 bytes that 16 symbols stand for, and a vector of which no byte is negative if all of them are
/// symbols.
#[inline(always)]
fn decode_block(symbols: v128) -> (v128, v128) {
    // '+' shares its octet with '/', and takes the one below, in which there is no symbol.
    let plus = i8x16_eq(symbols, u8x16_splat(b'+'));
    let octet = i8x16_add(v128_and(u16x8_shr(symbols, 3), u8x16_splat(0x1f)), plus);
    let checked = i8x16_add(symbols, i8x16_swizzle(CHECKS, octet));
    let sextets = i8x16_add(checked, i8x16_swizzle(VALUES, octet));

    // Sextets a, b, c, d lie in memory in this order; big-endian, they make 24 bits.
    let ab_cd =
        v128_or(v128_and(u16x8_shl(sextets, 6), u16x8_splat(0x0fc0)), u16x8_shr(sextets, 8));
    let abcd = i32x4_dot_i16x8(ab_cd, u32x4_splat(0x0001_1000));
    // The same vector, which the engine's compiler knows and LLVM does not: what LLVM takes for a
    // shuffle of two vectors, the engine does with one. What the last four bytes are does not matter.
    let same = v128_bitselect(abcd, abcd, symbols);
    let bytes = i8x16_shuffle::<2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 28, 28, 28, 28>(abcd, same);
    (bytes, checked)
}

/// By the octet of ASCII that a byte is in: what makes it negative, added to it, if it is no symbol.
///
/// In an octet one end of the symbols is the octet's own. So the other one decides, and the sum either
/// falls below zero there or overflows. What is not ASCII has no octet, gets nothing, and is negative.
const CHECKS: v128 = table(OCTETS.0);

/// By the octet that a symbol is in: what makes it its value, added to that sum.
const VALUES: v128 = table(OCTETS.1);

const OCTETS: ([u8; 16], [u8; 16]) = {
    let (mut checks, mut values) = ([0x80; 16], [0; 16]);
    let mut octet = 0;
    while octet < 16 {
        let (mut first, mut last) = (8 * octet as u8, 8 * octet as u8 + 7);
        if octet == 4 {
            (first, last) = (b'+', b'+')
        } else if octet == 5 {
            (first, last) = (b'/', b'/')
        }
        while first < last && value(first).is_none() {
            first += 1;
        }
        while first < last && value(last).is_none() {
            last -= 1;
        }
        if let Some(value) = value(first) {
            let is_open = last % 8 == 7 || last == b'+';
            checks[octet] = if is_open { 0_u8.wrapping_sub(first) } else { 127 - last };
            values[octet] = value.wrapping_sub(first).wrapping_sub(checks[octet]);
        }
        octet += 1;
    }
    (checks, values)
};

/// What a symbol stands for.
const fn value(symbol: u8) -> Option<u8> {
    match symbol {
        b'A'..=b'Z' => Some(symbol - b'A'),
        b'a'..=b'z' => Some(26 + symbol - b'a'),
        b'0'..=b'9' => Some(52 + symbol - b'0'),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

const fn table(bytes: [u8; 16]) -> v128 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    u8x16(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
}
