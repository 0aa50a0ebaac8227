//! Payloads within payloads: what the Kinesis Producer Library aggregated, and what is compressed
//! with gzip, as the subscriptions of CloudWatch Logs send it.

mod gzip;

mod kpl;

use std::sync::Arc;

use crate::digest::sha256_hex;
use gzip::GzipError;
use kpl::KplError;

/// How many bytes a record may inflate to.
const MAX_RECORD_BYTES: usize = 16 << 20;

/// How many bytes the records of an event may inflate to together.
pub(super) const MAX_EVENT_BYTES: usize = 64 << 20;

/// How many characters a partition key has at the most.
///
/// Source: Amazon Kinesis Data Streams API Reference, `PutRecord`.
const MAX_KEY_CHARACTERS: usize = 256;

/// What a record's data turned out to hold.
#[derive(Debug, PartialEq)]
pub(super) enum Unpacked {
    /// Nothing but the payload.
    AsItCame,
    /// A compressed payload.
    Inflated(Vec<u8>),
    /// Several user records.
    Aggregate(Vec<UserRecord>),
}

/// A user record of an aggregate.
#[derive(Debug, PartialEq)]
pub(super) struct UserRecord {
    /// One for all records of the aggregate that have it.
    pub(super) partition_key: Arc<str>,
    /// Its payload, inflated where it was compressed.
    pub(super) payload: Vec<u8>,
}

/// Whether data that is base64 may hold anything but a payload as it is, by its first characters: most
/// data does not, and need not be decoded for that.
#[inline]
pub(super) fn may_be_packed(data: &[u8]) -> bool {
    // One character tells of nearly all that it is neither: of JSON for one.
    let begins_as = |magic: &[u8]| data.first() == magic.first();
    (begins_as(gzip::MAGIC_BASE64) || begins_as(kpl::MAGIC_BASE64))
        && (gzip::may_begin(data) || kpl::may_begin(data))
}

/// Unpacks data that is base64, with `left` bytes left for the event. Data that is no base64 is left
/// to the rule, which says what is wrong with it.
///
/// It is decoded only if [it may be packed](may_be_packed).
pub(super) fn unpack(
    data: &[u8],
    may_be_aggregate: bool,
    left: &mut usize,
) -> Result<Unpacked, UnpackError> {
    let aggregate = may_be_aggregate && kpl::may_begin(data);
    if !aggregate && !gzip::may_begin(data) {
        return Ok(Unpacked::AsItCame);
    }
    let Ok(bytes) = base64_simd::STANDARD.decode_to_vec(data) else {
        return Ok(Unpacked::AsItCame);
    };
    if !aggregate {
        return inflate(&bytes, left).map(Unpacked::Inflated);
    }
    user_records(&kpl::split(&bytes)?, left).map(Unpacked::Aggregate)
}

fn user_records(
    aggregate: &kpl::Aggregate<'_>,
    left: &mut usize,
) -> Result<Vec<UserRecord>, UnpackError> {
    let kpl::Aggregate { partition_keys, records } = aggregate;
    let mut shared = vec![None; partition_keys.len()];
    let user_record = |(number, record): (usize, &kpl::UserRecord<'_>)| {
        let payload = match gzip::is_gzip(record.data) {
            false => record.data.to_vec(),
            true => inflate(record.data, left)
                .map_err(|error| UnpackError::InAggregate { number, error: Box::new(error) })?,
        };
        let key = record.partition_key;
        let partition_key = shared[key].get_or_insert_with(|| bounded(partition_keys[key]));
        Ok(UserRecord { partition_key: Arc::clone(partition_key), payload })
    };
    records.iter().enumerate().map(user_record).collect()
}

/// A partition key, or the SHA-256 of what is too long to be one: Kinesis does not look into an aggregate,
/// and each alert has a key of its own.
fn bounded(key: &str) -> Arc<str> {
    match key.chars().nth(MAX_KEY_CHARACTERS) {
        None => key.into(),
        Some(_) => sha256_hex(key).into(),
    }
}

fn inflate(data: &[u8], left: &mut usize) -> Result<Vec<u8>, UnpackError> {
    let maximum = MAX_RECORD_BYTES.min(*left);
    match gzip::inflate(data, maximum) {
        Ok(payload) => {
            *left -= payload.len();
            Ok(payload)
        }
        Err(GzipError::TooLarge { .. }) if maximum < MAX_RECORD_BYTES => {
            Err(UnpackError::EventFull)
        }
        Err(error) => Err(UnpackError::Gzip(error)),
    }
}

/// Why data cannot be unpacked.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("gzip: {0}")]
    Gzip(GzipError),
    #[error("KPL aggregate: {0}")]
    Kpl(#[from] KplError),
    #[error("user record {number} of the KPL aggregate: {error}")]
    InAggregate { number: usize, error: Box<UnpackError> },
    #[error("the records of the event inflate to more than {MAX_EVENT_BYTES} bytes together")]
    EventFull,
}

impl UnpackError {
    /// Whether it is for what came with the record, and not for the record itself.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::EventFull => true,
            Self::InAggregate { error, .. } => error.is_transient(),
            Self::Gzip(_) | Self::Kpl(_) => false,
        }
    }
}

/// How many bytes a fuzzed payload may inflate to.
#[cfg(any(fuzzing, test))]
const MAX_FUZZED_BYTES: usize = 1 << 16;

/// See [`crate::fuzzing::kpl`].
#[cfg(any(fuzzing, test))]
pub(crate) fn fuzz_kpl(bytes: &[u8]) {
    use std::collections::HashMap;

    let _ = kpl::split(bytes);
    let sealed = kpl::sealed(bytes);
    let Ok(aggregate) = kpl::split(&sealed) else { return };
    let data: usize = aggregate.records.iter().map(|record| record.data.len()).sum();
    assert!(data <= bytes.len(), "no more comes out than was in it");
    let Ok(records) = user_records(&aggregate, &mut MAX_FUZZED_BYTES.clone()) else { return };
    // By where each is, so that what is shared counts once.
    let keys =
        records.iter().map(|UserRecord { partition_key: key, .. }| (key.as_ptr(), key.len()));
    let keys: usize = keys.collect::<HashMap<_, _>>().values().sum();
    assert!(keys + data <= bytes.len(), "no more comes out than was in it, keys included");
}

/// See [`crate::fuzzing::gzip`].
#[cfg(any(fuzzing, test))]
pub(crate) fn fuzz_gzip(bytes: &[u8]) {
    if let Ok(payload) = gzip::inflate(bytes, MAX_FUZZED_BYTES) {
        assert!(payload.len() <= MAX_FUZZED_BYTES);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::kpl::tests::AGGREGATE;
    use super::kpl::tests::aggregate;
    use super::*;

    /// `{}`, compressed.
    pub(crate) const GZIP: &str = "H4sIAAAAAAACA6uuBQBDv6ajAgAAAA==";

    fn encode(bytes: &[u8]) -> String {
        base64_simd::STANDARD.encode_to_string(bytes)
    }

    fn unpacked(data: &str) -> Result<Unpacked, UnpackError> {
        unpack(data.as_bytes(), true, &mut MAX_EVENT_BYTES.clone())
    }

    #[test]
    fn ordinary_data_is_as_it_came() {
        for data in ["", "e30=", "H4s", "84ma", "84mawA==", "H4sI*AAA", "84mawg"] {
            assert_eq!(unpacked(data), Ok(Unpacked::AsItCame), "{data}");
        }
        for data in ["H4sI", "84mawg=="] {
            assert!(unpacked(data).is_err(), "{data}");
        }
    }

    #[test]
    fn a_compressed_payload_is_inflated() {
        let data = encode(&gzip::tests::compressed(b"{\"a\":1}"));
        assert_eq!(unpacked(&data), Ok(Unpacked::Inflated(b"{\"a\":1}".to_vec())));
        let mut left = 3;
        let error = unpack(data.as_bytes(), true, &mut left).expect_err("no room in the event");
        assert!(error.is_transient() && error.to_string().contains("together"), "{error}");
    }

    #[test]
    fn an_aggregate_is_taken_apart_where_there_are_any() {
        let Ok(Unpacked::Aggregate(records)) = unpacked(AGGREGATE) else { panic!("an aggregate") };
        assert_eq!(records.len(), 3);
        let key = |record: usize| &records[record].partition_key;
        assert!(Arc::ptr_eq(key(0), key(2)) && !Arc::ptr_eq(key(0), key(1)), "a key is there once");
        assert_eq!(unpack(AGGREGATE.as_bytes(), false, &mut 0), Ok(Unpacked::AsItCame));
        let compressed = gzip::tests::compressed(b"{}");
        let data = encode(&aggregate(&[("k", &compressed)]));
        let record = UserRecord { partition_key: "k".into(), payload: b"{}".to_vec() };
        assert_eq!(unpacked(&data), Ok(Unpacked::Aggregate(vec![record])));
        let data = encode(&aggregate(&[("k", b"{}"), ("k", &compressed[..12])]));
        let error = unpacked(&data).expect_err("cut short").to_string();
        assert!(error.starts_with("user record 1 of the KPL aggregate: gzip: "), "{error}");
    }

    #[test]
    fn a_key_that_is_too_long_stands_as_its_digest() {
        let (longest, longer) = ("ü".repeat(256), "ü".repeat(257));
        let data = encode(&aggregate(&[(&longest, b"{}"), (&longer, b"{}"), (&longer, b"[]")]));
        let Ok(Unpacked::Aggregate(records)) = unpacked(&data) else { panic!("an aggregate") };
        let keys: Vec<_> = records.iter().map(|record| &*record.partition_key).collect();
        let digest = sha256_hex(&longer);
        assert_eq!(keys, [&*longest, &digest, &digest]);
    }
}
