use std::fmt;
use std::ops::Range;

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

impl Encoding {
    /// The name: `base64` or `plain`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Plain => "plain",
        }
    }
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
        Self(rule::Batch { payloads, encoding, replayed: 0 })
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

    /// Says of so many records at the front that they were classified with the same state before:
    /// the rule answers for them and learns nothing. At most as many as there are records count.
    pub fn replayed(mut self, records: usize) -> Self {
        self.0.replayed = u32::try_from(records.min(self.len())).unwrap_or(u32::MAX);
        self
    }

    /// The payload of a record, encoded as the batch says. None if there is no such record.
    pub(crate) fn payload(&self, index: usize) -> Option<&[u8]> {
        payload(&self.0.payloads.bytes, &self.0.payloads.ends, index)
    }

    /// Some of its records, as a batch of their own.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let bytes = range.clone().filter_map(|index| self.payload(index)).map(<[u8]>::len).sum();
        let mut part = Self::with_capacity(self.encoding(), range.len(), bytes);
        range
            .clone()
            .filter_map(|index| self.payload(index))
            .for_each(|payload| part.push(payload));
        part.replayed((self.0.replayed as usize).saturating_sub(range.start))
    }

    /// How its payloads are encoded.
    pub(crate) fn encoding(&self) -> Encoding {
        match self.0.encoding {
            rule::Encoding::Base64 => Encoding::Base64,
            rule::Encoding::Plain => Encoding::Plain,
        }
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
    /// The records that were not rewritten, ascending.
    pub(crate) missing: Vec<usize>,
}

impl Payloads {
    /// The payload of a record, if it was rewritten.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        if self.missing.binary_search(&index).is_ok() {
            return None;
        }
        payload(&self.bytes, &self.ends, index)
    }
}

impl FromIterator<Option<Vec<u8>>> for Payloads {
    fn from_iter<I: IntoIterator<Item = Option<Vec<u8>>>>(payloads: I) -> Self {
        let mut column = Self::default();
        for (index, payload) in payloads.into_iter().enumerate() {
            match payload {
                Some(payload) => column.bytes.extend(payload),
                None => column.missing.push(index),
            }
            column.ends.push(column.bytes.len() as u32);
        }
        column
    }
}

/// One payload of a column.
fn payload<'a>(bytes: &'a [u8], ends: &[u32], index: usize) -> Option<&'a [u8]> {
    let end = *ends.get(index)? as usize;
    let start = index.checked_sub(1).map_or(0, |before| ends[before] as usize);
    bytes.get(start..end)
}
