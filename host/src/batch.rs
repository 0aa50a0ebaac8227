use std::fmt;
use std::iter;
use std::ops::Range;

use crate::bindings::rule;

/// The payloads of some records, as they go to a rule: one buffer, one after the other.
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each payload ends in `bytes`.
    ends: Vec<u32>,
    encoding: Encoding,
    replayed: usize,
}

/// How the payloads of a batch are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
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
        let (bytes, ends) = (Vec::with_capacity(bytes), Vec::with_capacity(records));
        Self { bytes, ends, encoding, replayed: 0 }
    }

    /// Makes room for so many more `records` and `bytes` of payloads.
    pub(crate) fn reserve(&mut self, records: usize, bytes: usize) {
        self.bytes.reserve(bytes);
        self.ends.reserve(records);
    }

    /// Adds a record's payload.
    ///
    /// # Panics
    ///
    /// If all payloads together exceed [`MAX_BYTES`](Self::MAX_BYTES).
    #[inline]
    pub fn push(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.ends.push(u32::try_from(self.bytes.len()).expect("a batch holds at most 4 GiB"));
    }

    /// Says of so many records at the front that they were classified with the same state before:
    /// the rule answers for them and learns nothing. At most as many as there are records count.
    pub fn replayed(mut self, records: usize) -> Self {
        self.replayed = records.min(self.len());
        self
    }

    /// The payload of a record, encoded as the batch says. None if there is no such record.
    pub(crate) fn payload(&self, index: usize) -> Option<&[u8]> {
        payload(&self.bytes, &self.ends, index)
    }

    /// Some of its records, as a batch of their own.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let bytes = range.clone().filter_map(|index| self.payload(index)).map(<[u8]>::len).sum();
        let mut part = Self::with_capacity(self.encoding, range.len(), bytes);
        range
            .clone()
            .filter_map(|index| self.payload(index))
            .for_each(|payload| part.push(payload));
        part.replayed(self.replayed.saturating_sub(range.start))
    }

    /// Its records, divided into parts of at most so many `bytes` of payloads, each with one record at
    /// the least: their indices. Parts are about as large as each other: the memory that the largest
    /// one takes is what is cleared after it. A batch without records is one part.
    pub(crate) fn parts(&self, bytes: usize) -> impl Iterator<Item = Range<usize>> {
        let mut next = Some(0);
        iter::from_fn(move || {
            let start = next?;
            let before = self.bytes_before(start);
            let ends = &self.ends[start..];
            let within = |most| ends.partition_point(|&end| end as usize - before <= most);
            let left = self.bytes.len() - before;
            let fitting = if left <= bytes {
                ends.len()
            } else {
                let share = left.div_ceil(left.div_ceil(bytes.max(1)));
                // With the record that makes it an even share or more, unless that is too much.
                within(bytes).min(within(share - 1) + 1)
            };
            let end = self.len().min(start + fitting.max(1));
            next = (end < self.len()).then_some(end);
            Some(start..end)
        })
    }

    /// A part as the rule is given it. Where it is not all of the batch, its ends are written to
    /// `ends`.
    pub(crate) fn lowered<'a>(
        &'a self,
        part: Range<usize>,
        ends: &'a mut Vec<u32>,
    ) -> rule::Batch<'a> {
        let payloads = if part == (0..self.len()) {
            rule::PayloadsParam { bytes: &self.bytes, ends: &self.ends }
        } else {
            let (start, end) = (self.bytes_before(part.start), self.bytes_before(part.end));
            ends.clear();
            ends.extend(self.ends[part.clone()].iter().map(|&end| end - start as u32));
            rule::PayloadsParam { bytes: &self.bytes[start..end], ends }
        };
        let encoding = match self.encoding {
            Encoding::Base64 => rule::Encoding::Base64,
            Encoding::Plain => rule::Encoding::Plain,
        };
        let replayed = self.replayed.saturating_sub(part.start).min(part.len());
        rule::Batch { payloads, encoding, replayed: replayed as u32 }
    }

    /// How many bytes the payloads before one have.
    fn bytes_before(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }

    /// How its payloads are encoded.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.ends.len()
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
    /// Of all records.
    pub(crate) fn new(bytes: Vec<u8>, ends: Vec<u32>) -> Self {
        Self { bytes, ends, missing: Vec::new() }
    }

    /// The payload of a record, if it was rewritten.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        if self.missing.binary_search(&index).is_ok() {
            return None;
        }
        payload(&self.bytes, &self.ends, index)
    }

    /// Adds those of the `records` that follow the ones that it is of, or that these have none.
    pub(crate) fn append(&mut self, records: usize, next: Option<Self>) {
        let (before, bytes) = (self.ends.len(), self.bytes.len() as u32);
        match next {
            Some(next) => {
                self.bytes.extend(next.bytes);
                self.ends.extend(next.ends.into_iter().map(|end| bytes + end));
                self.missing.extend(next.missing.into_iter().map(|index| before + index));
            }
            None => {
                self.ends.extend(iter::repeat_n(bytes, records));
                self.missing.extend(before..before + records);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the parts of a batch end whose payloads have these lengths.
    fn ends(lengths: &[usize], bytes: usize) -> Vec<usize> {
        let mut batch = Batch::with_capacity(Encoding::Plain, lengths.len(), 0);
        lengths.iter().for_each(|&length| batch.push(&vec![b'x'; length]));
        let parts: Vec<_> = batch.parts(bytes).collect();
        assert!(parts.windows(2).all(|two| two[0].end == two[1].start) && parts[0].start == 0);
        parts.into_iter().map(|part| part.end).collect()
    }

    #[test]
    fn parts_are_no_larger_than_they_may_be() {
        assert_eq!(ends(&[], 10), [0]);
        assert_eq!(ends(&[0], 0), [1]);
        assert_eq!(ends(&[10, 0, 0], 10), [3]);
        assert_eq!(ends(&[5, 5, 1, 9, 0, 2], 10), [2, 4, 6]);
        assert_eq!(ends(&[11, 11, 1], 10), [1, 2, 3]);
        assert_eq!(ends(&[1, 2], 0), [1, 2]);
        assert_eq!(ends(&[11, 11, 1], usize::MAX), [3]);
    }

    #[test]
    fn parts_are_about_as_large_as_each_other() {
        assert_eq!(ends(&[1; 11], 10), [6, 11]);
        assert_eq!(ends(&[3; 10], 20), [5, 10]);
        assert_eq!(ends(&[2; 21], 20), [7, 14, 21]);
        assert_eq!(ends(&[0, 9, 0, 2, 0], 10), [2, 5]);
    }

    #[test]
    fn a_part_is_a_batch_of_its_own() {
        let mut batch = Batch::with_capacity(Encoding::Plain, 4, 8);
        ["a", "bc", "", "def"].iter().for_each(|payload| batch.push(payload.as_bytes()));
        let batch = batch.replayed(2);
        let mut ends = Vec::new();
        for (part, bytes, expected, replayed) in [
            (0..4, "abcdef", &[1, 3, 3, 6][..], 2),
            (0..1, "a", &[1], 1),
            (1..3, "bc", &[2, 2], 1),
            (3..4, "def", &[3], 0),
        ] {
            let lowered = batch.lowered(part, &mut ends);
            assert_eq!(lowered.payloads.bytes, bytes.as_bytes());
            assert_eq!((lowered.payloads.ends, lowered.replayed), (expected, replayed));
        }
    }
}
