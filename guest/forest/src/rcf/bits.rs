//! Numbers of a few bits each, packed into bytes, the least significant bit first.

/// Packs numbers into bytes, of which there are enough.
#[derive(Debug)]
pub(crate) struct BitWriter<'a> {
    bytes: &'a mut [u8],
    /// What is not written yet.
    rest: u64,
    bits: u32,
}

impl<'a> BitWriter<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, rest: 0, bits: 0 }
    }

    /// Adds a number of so many bits, at most 32.
    #[inline]
    pub(crate) fn write(&mut self, number: u64, bits: u32) {
        self.rest |= number << self.bits;
        self.bits += bits;
        if self.bits >= u32::BITS {
            self.flush(size_of::<u32>());
        }
    }

    /// Writes what is left. The last byte is filled up with zeros.
    pub(crate) fn finish(mut self) {
        self.flush(self.bits.div_ceil(8) as usize);
    }

    /// Writes the first bytes of the rest, so many.
    fn flush(&mut self, bytes: usize) {
        if let Some(to) = self.bytes.split_off_mut(..bytes) {
            to.copy_from_slice(&self.rest.to_le_bytes()[..bytes]);
        }
        self.rest >>= 8 * bytes;
        self.bits = self.bits.saturating_sub(8 * bytes as u32);
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
    #[inline]
    pub(crate) fn read(&mut self, bits: u32) -> u64 {
        if self.bits < bits {
            self.fill();
        }
        let number = self.rest & ((1 << bits) - 1);
        self.rest >>= bits;
        self.bits -= bits;
        number
    }

    /// Whether nothing is left but zeros.
    pub(crate) fn rest_is_zero(&self) -> bool {
        self.rest == 0 && self.bytes.iter().all(|&byte| byte == 0)
    }

    /// Takes up to four bytes. They end with zeros where there are fewer.
    fn fill(&mut self) {
        let bytes = self.bytes.split_off(..self.bytes.len().min(4)).unwrap_or_default();
        let mut next = [0; 4];
        next[..bytes.len()].copy_from_slice(bytes);
        self.rest |= u64::from(u32::from_le_bytes(next)) << self.bits;
        self.bits += u32::BITS;
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
            let bits: u32 = numbers.iter().map(|(_, bits)| bits).sum();
            let mut bytes = vec![0xff; bits.div_ceil(8) as usize];
            let mut writer = BitWriter::new(&mut bytes);
            numbers.iter().for_each(|&(number, bits)| writer.write(cut(number, bits), bits));
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            for &(number, bits) in &numbers {
                prop_assert_eq!(reader.read(bits), cut(number, bits));
            }
        }
    }
}
