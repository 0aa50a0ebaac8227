//! Numbers of a few bits each, packed into bytes, the least significant bit first.

/// Packs numbers.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// What is not yet a whole byte.
    rest: u64,
    bits: u32,
}

impl BitWriter {
    /// Adds a number of so many bits, at most 32.
    pub(crate) fn write(&mut self, number: u64, bits: u32) {
        self.rest |= number << self.bits;
        self.bits += bits;
        while self.bits >= 8 {
            self.bytes.push(self.rest as u8);
            self.rest >>= 8;
            self.bits -= 8;
        }
    }

    /// The bytes, the last of them filled up with zeros.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.bits > 0 {
            self.bytes.push(self.rest as u8);
        }
        self.bytes
    }
}

/// Unpacks numbers. Behind the end there are zeros.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    rest: u64,
    bits: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, rest: 0, bits: 0 }
    }

    /// The next number, of so many bits, at most 32.
    pub(crate) fn read(&mut self, bits: u32) -> u64 {
        while self.bits < bits {
            let byte = self.bytes.split_off_first().copied().unwrap_or(0);
            self.rest |= u64::from(byte) << self.bits;
            self.bits += 8;
        }
        let number = self.rest & ((1 << bits) - 1);
        self.rest >>= bits;
        self.bits -= bits;
        number
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec((any::<u32>(), 0..=32_u32), 0..50)) {
            let cut = |number: u32, bits: u32| u64::from(number) & ((1 << bits) - 1);
            let mut writer = BitWriter::default();
            numbers.iter().for_each(|&(number, bits)| writer.write(cut(number, bits), bits));
            let bytes = writer.finish();
            let bits: u32 = numbers.iter().map(|(_, bits)| bits).sum();
            prop_assert_eq!(bytes.len(), bits.div_ceil(8) as usize);
            let mut reader = BitReader::new(&bytes);
            for &(number, bits) in &numbers {
                prop_assert_eq!(reader.read(bits), cut(number, bits));
            }
        }
    }
}
