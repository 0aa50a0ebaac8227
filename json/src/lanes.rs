//! Sixteen bytes at a time: which of them are of a class, as the bits of a mask.
//!
//! The lowest bit stands for the first byte. Rules run as WebAssembly and use its
//! vectors; elsewhere, as in native tests, the same is done in plain Rust.

/// How many bytes are looked at together.
pub(crate) const WIDTH: usize = 16;

pub(crate) use vector::Lanes;

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

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vector {
    use super::WIDTH;
    use core::arch::wasm32::{
        i8x16_bitmask, i8x16_eq, u8x16_min, u8x16_splat, u8x16_sub, v128, v128_load, v128_or,
    };

    #[derive(Clone, Copy)]
    pub(crate) struct Lanes(v128);

    impl Lanes {
        #[inline(always)]
        pub(crate) fn load(bytes: &[u8; WIDTH]) -> Self {
            // SAFETY: the reference is to 16 readable bytes; the load needs no alignment.
            Self(unsafe { v128_load(bytes.as_ptr().cast()) })
        }

        /// Bytes that end a run of plain characters in a string: `"`, `\` and controls.
        #[inline(always)]
        pub(crate) fn string_stops(self) -> u32 {
            let quote = i8x16_eq(self.0, u8x16_splat(b'"'));
            let backslash = i8x16_eq(self.0, u8x16_splat(b'\\'));
            let control = i8x16_eq(u8x16_min(self.0, u8x16_splat(0x1f)), self.0);
            u32::from(i8x16_bitmask(v128_or(v128_or(quote, backslash), control)))
        }

        /// Space, tab, line feed and carriage return.
        #[inline(always)]
        pub(crate) fn whitespace(self) -> u32 {
            let equal = |byte| i8x16_eq(self.0, u8x16_splat(byte));
            let blank = v128_or(equal(b' '), equal(b'\t'));
            u32::from(i8x16_bitmask(v128_or(blank, v128_or(equal(b'\n'), equal(b'\r')))))
        }

        /// Decimal digits.
        #[inline(always)]
        pub(crate) fn digits(self) -> u32 {
            let value = u8x16_sub(self.0, u8x16_splat(b'0'));
            u32::from(i8x16_bitmask(i8x16_eq(u8x16_min(value, u8x16_splat(9)), value)))
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod vector {
    use super::WIDTH;

    #[derive(Clone, Copy)]
    pub(crate) struct Lanes([u8; WIDTH]);

    impl Lanes {
        #[inline(always)]
        pub(crate) fn load(bytes: &[u8; WIDTH]) -> Self {
            Self(*bytes)
        }

        /// Bytes that end a run of plain characters in a string: `"`, `\` and controls.
        #[inline(always)]
        pub(crate) fn string_stops(self) -> u32 {
            self.mask(|byte| byte == b'"' || byte == b'\\' || byte < 0x20)
        }

        /// Space, tab, line feed and carriage return.
        #[inline(always)]
        pub(crate) fn whitespace(self) -> u32 {
            self.mask(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        }

        /// Decimal digits.
        #[inline(always)]
        pub(crate) fn digits(self) -> u32 {
            self.mask(|byte| byte.is_ascii_digit())
        }

        #[inline(always)]
        fn mask(self, class: impl Fn(u8) -> bool) -> u32 {
            let bits = self.0.iter().enumerate();
            bits.fold(0, |mask, (at, &byte)| mask | u32::from(class(byte)) << at)
        }
    }
}
