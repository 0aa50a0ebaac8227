//! Base64 as AWS sends it: the standard alphabet of RFC 4648 §4, padded, and nothing else.

#[cfg(any(all(target_family = "wasm", target_feature = "simd128"), test, fuzzing))]
mod blocks;

use std::fmt;

use crate::json::PADDING;

/// Decodes `encoded` into `out`, which is cleared first and whose capacity is reused.
///
/// Strict: whitespace, missing or misplaced padding and stray bits behind the last byte are all
/// refused. After an error the content of `out` is unspecified.
pub fn decode_into(encoded: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let length = decode_within(encoded, out)?;
    out.truncate(length);
    Ok(())
}

/// Decodes `encoded` into the front of `buffer`, which only ever grows: how many bytes that makes.
/// Behind them the buffer goes on for [`PADDING`] bytes at the least, whatever they hold, as
/// [`Record::within`](crate::Record::within) has it.
///
/// # Errors
///
/// As [`decode_into`]. What the buffer holds then is unspecified.
pub fn decode_within(encoded: &[u8], buffer: &mut Vec<u8>) -> Result<usize, DecodeError> {
    let enough = encoded.len() / 4 * 3 + PADDING;
    if buffer.len() < enough {
        buffer.resize(enough.next_power_of_two(), 0);
    }
    decode(encoded, buffer).ok_or_else(|| explain(encoded))
}

// What a rule decodes with is what is tested.
#[cfg(any(all(target_family = "wasm", target_feature = "simd128"), test, fuzzing))]
use blocks::decode;

#[cfg(not(any(all(target_family = "wasm", target_feature = "simd128"), test, fuzzing)))]
fn decode(encoded: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let room = base64_simd::Out::from_slice(&mut buffer[..encoded.len() / 4 * 3]);
    base64_simd::STANDARD.decode(encoded, room).map(|decoded| decoded.len()).ok()
}

/// Why a byte string is not base64. Offsets count bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The byte at this offset is neither of the alphabet nor padding.
    Alphabet(usize),
    /// The length, in bytes, which is not a multiple of 4.
    Length(usize),
    /// The `=` at this offset is not where padding belongs.
    Padding(usize),
    /// The last symbol, at this offset, carries bits that no byte takes up.
    UnusedBits(usize),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alphabet(at) => write!(f, "a byte outside the base64 alphabet at offset {at}"),
            Self::Length(length) => {
                write!(f, "the base64 length {length} is not a multiple of 4")
            }
            Self::Padding(at) => write!(f, "misplaced base64 padding at offset {at}"),
            Self::UnusedBits(at) => {
                write!(f, "the unused bits of the last base64 symbol, at offset {at}, are not zero")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// Finds the first fault of a byte string that would not decode.
#[cold]
fn explain(encoded: &[u8]) -> DecodeError {
    let padding = encoded.iter().rev().take(2).take_while(|&&byte| byte == b'=').count();
    let symbols = encoded.len() - padding;
    for (at, &byte) in encoded[..symbols].iter().enumerate() {
        if byte == b'=' {
            return DecodeError::Padding(at);
        }
        if !is_symbol(byte) {
            return DecodeError::Alphabet(at);
        }
    }
    if !encoded.len().is_multiple_of(4) {
        return DecodeError::Length(encoded.len());
    }
    DecodeError::UnusedBits(symbols - 1)
}

const fn is_symbol(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut out = b"left over".to_vec();
        decode_into(encoded, &mut out).map(|()| out)
    }

    #[test]
    fn decodes_the_vectors_of_rfc_4648() {
        let vectors: [(&[u8], &[u8]); 7] = [
            (b"", b""),
            (b"Zg==", b"f"),
            (b"Zm8=", b"fo"),
            (b"Zm9v", b"foo"),
            (b"Zm9vYg==", b"foob"),
            (b"Zm9vYmE=", b"fooba"),
            (b"Zm9vYmFy", b"foobar"),
        ];
        for (encoded, decoded) in vectors {
            assert_eq!(decode(encoded).as_deref(), Ok(decoded));
        }
    }

    #[test]
    fn names_the_fault_and_its_offset() {
        let faults: [(&[u8], DecodeError); 12] = [
            (b"Zm9", DecodeError::Length(3)),
            (b"Zg=", DecodeError::Length(3)),
            (b"=", DecodeError::Length(1)),
            (b"Zm 9", DecodeError::Alphabet(2)),
            (b"Zm9v\n", DecodeError::Alphabet(4)),
            (b"Zm-_", DecodeError::Alphabet(2)),
            (b"Zm9\xff", DecodeError::Alphabet(3)),
            (b"Z=9v", DecodeError::Padding(1)),
            (b"Zg==Zg==", DecodeError::Padding(2)),
            (b"A===", DecodeError::Padding(1)),
            (b"Zh==", DecodeError::UnusedBits(1)),
            (b"Zm9vYmF=", DecodeError::UnusedBits(6)),
        ];
        for (encoded, fault) in faults {
            assert_eq!(decode(encoded), Err(fault), "{}", encoded.escape_ascii());
        }
    }

    /// Of all lengths on both sides of each run of blocks, with every symbol in them.
    #[test]
    fn decodes_what_another_encoder_made() {
        let bytes: Vec<u8> = (0..200_u32).map(|n| (n * n / 3) as u8).collect();
        for length in 0..=bytes.len() {
            let encoded = base64_simd::STANDARD.encode_to_string(&bytes[..length]);
            assert_eq!(decode(encoded.as_bytes()).as_deref(), Ok(&bytes[..length]));
        }
    }

    /// Every byte in every position, at lengths on both sides of each vector width.
    #[test]
    fn accepts_exactly_the_alphabet() {
        for length in (4..=100).step_by(4) {
            let good = vec![b'Q'; length];
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut encoded = good.clone();
                    encoded[at] = byte;
                    let strict = is_symbol(byte)
                        || (byte == b'=' && at == length - 1 && good[at - 1] == b'Q');
                    let decoded = decode(&encoded);
                    if byte == b'=' && at == length - 1 {
                        // 'Q' is 16: as third symbol its two lowest bits are zero.
                        assert!(decoded.is_ok());
                    } else {
                        assert_eq!(decoded.is_ok(), strict, "byte {byte} at {at} of {length}");
                    }
                    if let Err(fault) = decoded {
                        let named = if byte == b'=' {
                            DecodeError::Padding(at)
                        } else {
                            DecodeError::Alphabet(at)
                        };
                        assert_eq!(fault, named);
                    }
                }
            }
        }
    }
}
