use std::fmt;

use crate::bindings::rule;

/// The payloads of some records, as they go to a rule: one buffer, one after the other.
pub struct Batch(pub(crate) rule::Batch);

/// How the payloads of a batch are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Standard base64 with padding, as AWS sends record data.
    Base64,
    /// The payload's bytes as they are.
    Plain,
}

impl Batch {
    /// The most that all payloads together can hold: their ends are 32-bit numbers.
    pub const MAX_BYTES: usize = u32::MAX as usize;

    /// An empty batch with room for so many `records` and `bytes` of payloads.
    pub fn with_capacity(encoding: Encoding, records: usize, bytes: usize) -> Self {
        let payloads =
            rule::Payloads { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(records) };
        let encoding = match encoding {
            Encoding::Base64 => rule::Encoding::Base64,
            Encoding::Plain => rule::Encoding::Plain,
        };
        Self(rule::Batch { payloads, encoding })
    }

    /// Adds a record's payload.
    ///
    /// # Panics
    ///
    /// If all payloads together exceed [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn push(&mut self, payload: &[u8]) {
        let rule::Payloads { bytes, ends } = &mut self.0.payloads;
        bytes.extend_from_slice(payload);
        ends.push(u32::try_from(bytes.len()).expect("a batch holds at most 4 GiB"));
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.0.payloads.ends.len()
    }

    /// Whether it has no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads do not belong in logs.
        f.debug_struct("Batch").field("records", &self.len()).finish_non_exhaustive()
    }
}

/// A column of payloads, as a rule rewrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payloads {
    pub(crate) bytes: Vec<u8>,
    /// Where each payload ends in `bytes`. Never decreases.
    pub(crate) ends: Vec<u32>,
}

impl Payloads {
    /// The payload at an index, if there is one.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.bytes.get(start..end)
    }
}
