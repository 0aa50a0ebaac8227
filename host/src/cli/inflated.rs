use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::input::Source;

/// What gzip data begins with (RFC 1952), and no JSON does.
pub(super) const GZIP_BEGINS: u8 = 0x1f;

/// What a source holds, inflated as it is read if it is compressed with gzip: as archives are, and objects
/// that Amazon Data Firehose delivers. Waits for its first byte.
///
/// # Errors
///
/// If that cannot be read.
pub(super) fn inflated<R: Source + 'static>(mut source: R) -> io::Result<Box<dyn Source>> {
    let mut first = Vec::new();
    source.by_ref().take(1).read_to_end(&mut first)?;
    let is_gzip = first.first() == Some(&GZIP_BEGINS);
    let source = Cursor::new(first).chain(source);
    Ok(match is_gzip {
        true => Box::new(MultiGzDecoder::new(BufReader::new(source))),
        false => Box::new(source),
    })
}

impl<R: Source> Source for Chain<Cursor<Vec<u8>>, R> {}
impl<R: Source> Source for MultiGzDecoder<BufReader<R>> {}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    }

    fn read(data: &[u8]) -> io::Result<String> {
        let data: &'static [u8] = data.to_vec().leak();
        let mut text = String::new();
        inflated(data)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn what_is_compressed_is_inflated_and_all_else_left_as_it_is() {
        for text in ["", "{", "{\"a\":1}\n{\"a\":2}\n"] {
            assert_eq!(read(text.as_bytes()).expect("text"), text);
            assert_eq!(read(&compressed(text)).expect("text"), text);
        }
        // Firehose and log rotation put one after the other.
        let members = [compressed("{}\n"), compressed("{}\n")].concat();
        assert_eq!(read(&members).expect("text"), "{}\n{}\n");
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        let whole = compressed("{\"a\":1}\n");
        for cut in 1..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        let behind = [&whole, &b"{}\n"[..]].concat();
        assert!(read(&behind).is_err());
    }
}
