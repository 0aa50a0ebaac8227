use std::io::Read;

use flate2::bufread::MultiGzDecoder;

/// How gzip data begins: its magic number, and the one method of compression there is (RFC 1952).
const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// The same in base64.
pub(super) const MAGIC_BASE64: &[u8] = b"H4sI";

/// Whether base64 begins as that of gzip data does.
#[inline]
pub(super) fn may_begin(base64: &[u8]) -> bool {
    base64.starts_with(MAGIC_BASE64)
}

/// Whether data begins as gzip data does.
pub(super) fn is_gzip(data: &[u8]) -> bool {
    data.starts_with(&MAGIC)
}

/// Inflates gzip data, of one member or of several, to at most `maximum` bytes.
pub(super) fn inflate(data: &[u8], maximum: usize) -> Result<Vec<u8>, GzipError> {
    let mut payload = Vec::new();
    // One byte more tells that there is more.
    let mut limited = MultiGzDecoder::new(data).take(maximum as u64 + 1);
    limited.read_to_end(&mut payload).map_err(|error| GzipError::Damaged(error.to_string()))?;
    match payload.len() > maximum {
        true => Err(GzipError::TooLarge { maximum }),
        false => Ok(payload),
    }
}

/// Why data cannot be inflated.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum GzipError {
    #[error("the data is damaged: {0}")]
    Damaged(String),
    #[error("the data inflates to more than {maximum} bytes")]
    TooLarge { maximum: usize },
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn compressed(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn the_bound_holds_on_both_sides() {
        let data = compressed(&[b'x'; 1000]);
        assert_eq!(inflate(&data, 1000).expect("as much").len(), 1000);
        assert_eq!(inflate(&data, 999), Err(GzipError::TooLarge { maximum: 999 }));
    }

    #[test]
    fn members_follow_each_other() {
        let data = [compressed(b"ab"), compressed(b"c")].concat();
        assert_eq!(inflate(&data, 10), Ok(b"abc".to_vec()));
    }

    #[test]
    fn what_another_program_compressed() {
        // printf '{"logEvents":[]}' | gzip -n | base64
        let data = "H4sIAAAAAAAAA6tWyslPdy1LzSspVrKKjq0FADn+t+UQAAAA";
        let data = base64_simd::STANDARD.decode_to_vec(data).expect("base64");
        assert_eq!(inflate(&data, 100), Ok(b"{\"logEvents\":[]}".to_vec()));
    }

    proptest! {
        #[test]
        fn damage_is_an_error_or_changes_nothing(
            text in "[a-c]{0,200}", at in any::<prop::sample::Index>(), bit in 0u8..8, cut: bool,
        ) {
            let mut data = compressed(text.as_bytes());
            let at = at.index(data.len());
            if cut { data.truncate(at) } else { data[at] ^= 1 << bit }
            if let Ok(payload) = inflate(&data, 1000) {
                // Of the header, most bits say nothing about the content.
                prop_assert!(payload == text.as_bytes() || (cut && at == 0));
            }
        }
    }
}
