//! Runs in vectors of 32 bytes, where the processor has them: what is compiled for any x86-64 has 16.

use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_set1_epi8, _mm256_xor_si256,
};

use wide::bytemuck::cast;

use super::BLOCK;

/// How many of the first bytes of some blocks are plain ASCII of a string.
#[target_feature(enable = "avx2")]
pub(super) fn plain_run(blocks: &[[u8; BLOCK]]) -> usize {
    let splat = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
    let (turn, low, backslash) = (splat(2), splat(0x21), splat(b'\\'));
    // As for vectors of 16: with one bit turned, a quote is as low as controls are.
    let stops = |bytes: __m256i| {
        let low = _mm256_cmpgt_epi8(low, _mm256_xor_si256(bytes, turn));
        _mm256_or_si256(low, _mm256_cmpeq_epi8(bytes, backslash))
    };
    let mut at = 0;
    for block in blocks {
        let [front, back]: [__m256i; 2] = cast(*block);
        let (front, back) = (stops(front), stops(back));
        if _mm256_movemask_epi8(_mm256_or_si256(front, back)) != 0 {
            let mask = |stops| u64::from(_mm256_movemask_epi8(stops).cast_unsigned());
            let stops = mask(back) << 32 | mask(front);
            return at + stops.trailing_zeros() as usize;
        }
        at += BLOCK;
    }
    at
}
