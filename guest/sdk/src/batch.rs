/// A column of byte strings in one buffer: the payload `i` is `bytes[ends[i - 1]..ends[i]]`.
#[derive(Clone, Copy, Debug)]
pub struct Payloads<'a> {
    /// All the payloads, one after the other.
    pub bytes: &'a [u8],
    /// Where each payload ends, in bytes from the start. Never decreases.
    pub ends: &'a [u32],
}

/// How the payloads of a batch are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The standard alphabet of RFC 4648 §4, padded: as AWS sends record data.
    Base64,
    /// The payload's bytes as they are.
    Plain,
}

/// The records to classify: their payloads and how they are encoded.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// One payload a record, in order.
    pub payloads: Payloads<'a>,
    /// The encoding of every payload in the batch.
    pub encoding: Encoding,
    /// How many records at the front were classified before, and come again.
    pub replayed: u32,
}
