//! Base64 in vectors: 16 symbols become 12 bytes at once.
//!
//! Twice as fast in WebAssembly as the general decoder, whose vectors are made for 32 bytes.

use std::arch::wasm32::{
    i8x16_add, i8x16_eq, i8x16_swizzle, i32x4_dot_i16x8, u8x16, u8x16_splat, u16x8_shl, u16x8_shr,
    u16x8_splat, u32x4_splat, v128, v128_and, v128_any_true, v128_load, v128_or, v128_store,
};

/// How many symbols make a block.
const SYMBOLS: usize = 16;

/// How many bytes come of a block.
const BYTES: usize = 12;

/// Appends to `out` what the blocks of `encoded` stand for, all but the last, partial or whole.
///
/// The rest, which may be padded, is the answer; there is none if a block holds a byte outside
/// the alphabet.
#[inline]
pub(super) fn decode<'e>(encoded: &'e [u8], out: &mut Vec<u8>) -> Option<&'e [u8]> {
    let blocks = encoded.len().saturating_sub(1) / SYMBOLS;
    let (encoded, rest) = encoded.split_at(blocks * SYMBOLS);
    // A block is stored with 4 bytes too many, which the next one overwrites.
    out.reserve(blocks * BYTES + SYMBOLS);
    let mut faults = u8x16_splat(0);
    let mut decode_run = |from: usize, run: usize| {
        for block in from..from + run {
            // SAFETY: with `block < blocks` this reads 16 symbols of `encoded`, and writes 16
            // bytes from 12 for each block before it, which is within the capacity reserved.
            unsafe {
                let symbols = v128_load(encoded.as_ptr().add(block * SYMBOLS).cast());
                let (bytes, fault) = decode_block(symbols);
                faults = v128_or(faults, fault);
                v128_store(out.as_mut_ptr().add(block * BYTES).cast(), bytes);
            }
        }
    };
    let mut done = 0;
    while blocks - done >= 4 {
        decode_run(done, 4);
        done += 4;
    }
    if blocks - done >= 2 {
        decode_run(done, 2);
        done += 2;
    }
    if blocks > done {
        decode_run(done, 1);
    }
    // SAFETY: the blocks have been written, 12 bytes each, without a gap from the start.
    unsafe { out.set_len(blocks * BYTES) };
    (!v128_any_true(faults)).then_some(rest)
}

/// The 12 bytes that 16 symbols stand for, and a vector that is zero if all of them are symbols.
#[inline(always)]
fn decode_block(symbols: v128) -> (v128, v128) {
    let nibble = u8x16_splat(0x0f);
    let row = v128_and(u16x8_shr(symbols, 4), nibble);
    let column = v128_and(symbols, nibble);
    let fault = v128_and(i8x16_swizzle(ROWS, row), i8x16_swizzle(FOREIGN, column));

    // '/' shares its row with '+', not its distance: it takes the row above, which has no symbol.
    let slash = i8x16_eq(symbols, u8x16_splat(b'/'));
    let distance = i8x16_swizzle(DISTANCES, i8x16_add(row, slash));
    let sextets = i8x16_add(symbols, distance);

    // Sextets a, b, c, d lie in memory in this order; big-endian, they make 24 bits.
    let ab_cd =
        v128_or(v128_and(u16x8_shl(sextets, 6), u16x8_splat(0x0fc0)), u16x8_shr(sextets, 8));
    let abcd = i32x4_dot_i16x8(ab_cd, u32x4_splat(0x0001_1000));
    let order = u8x16(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 255, 255, 255, 255);
    (i8x16_swizzle(abcd, order), fault)
}

/// By the upper half of a byte: the bit of its row in ASCII. Rows without symbols share one.
const ROWS: v128 = table(ROW_BITS);

/// By the lower half of a byte: the bits of the rows in which it is no symbol.
const FOREIGN: v128 = table(foreign_bits());

/// By the upper half of a symbol: how far its value lies from it. For `/` see above.
const DISTANCES: v128 = table(distances());

const NO_SYMBOLS: u8 = 0x80;

const ROW_BITS: [u8; 16] = {
    let mut bits = [NO_SYMBOLS; 16];
    let mut row = 2;
    while row < 8 {
        bits[row] = 1 << row >> 2;
        row += 1;
    }
    bits
};

const fn foreign_bits() -> [u8; 16] {
    let mut bits = [NO_SYMBOLS; 16];
    let mut byte = 0x20_u8;
    while byte < 0x80 {
        if !super::is_symbol(byte) {
            bits[(byte & 0x0f) as usize] |= ROW_BITS[(byte >> 4) as usize];
        }
        byte += 1;
    }
    bits
}

const fn distances() -> [u8; 16] {
    let mut distances = [0; 16];
    distances[1] = 63_u8.wrapping_sub(b'/');
    distances[2] = 62_u8.wrapping_sub(b'+');
    distances[3] = 52_u8.wrapping_sub(b'0');
    distances[4] = 0_u8.wrapping_sub(b'A');
    distances[5] = distances[4];
    distances[6] = 26_u8.wrapping_sub(b'a');
    distances[7] = distances[6];
    distances
}

const fn table(bytes: [u8; 16]) -> v128 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    u8x16(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
}
