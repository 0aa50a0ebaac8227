//! The aggregated records of the Kinesis Producer Library:
//!
//! ```text
//! F3 89 9A C2 │ AggregatedRecord, in protobuf │ MD5 of it, 16 bytes
//!
//! message AggregatedRecord {
//!   repeated string partition_key_table     = 1;
//!   repeated string explicit_hash_key_table = 2;
//!   repeated Record records                 = 3;
//! }
//! message Record {
//!   required uint64 partition_key_index     = 1;
//!   optional uint64 explicit_hash_key_index = 2;
//!   required bytes  data                    = 3;
//!   repeated Tag    tags                    = 4;
//! }
//! ```
//!
//! Source: awslabs/amazon-kinesis-producer, `aggregation-format.md`. Explicit hash keys matter to
//! whoever splits shards; they are not looked at.

use std::str;

use md5::{Digest, Md5};

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// The base64 of the magic number, as far as it does not depend on what follows.
pub(super) const MAGIC_BASE64: &[u8] = b"84maw";

const CHECKSUM_BYTES: usize = 16;

/// An aggregate, taken apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Aggregate<'a> {
    /// The table of partition keys: any number of records may have the same one.
    pub(super) partition_keys: Vec<&'a str>,
    pub(super) records: Vec<UserRecord<'a>>,
}

/// A user record.
#[derive(Debug, PartialEq)]
pub(super) struct UserRecord<'a> {
    /// Where its partition key is in the table.
    pub(super) partition_key: usize,
    pub(super) data: &'a [u8],
}

/// Whether base64 begins as that of an aggregate does.
#[inline]
pub(super) fn may_begin(base64: &[u8]) -> bool {
    // The last two bits of the magic number are in the next character, with four others.
    base64.starts_with(MAGIC_BASE64) && matches!(base64.get(5), Some(b'g'..=b'v'))
}

/// Takes an aggregate apart.
pub(super) fn split(data: &[u8]) -> Result<Aggregate<'_>, KplError> {
    let rest = data.strip_prefix(&MAGIC).ok_or(KplError::NotAnAggregate)?;
    let Some((message, checksum)) = rest.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(KplError::TooShort { bytes: data.len() });
    };
    if Md5::digest(message)[..] != checksum[..] {
        return Err(KplError::Checksum);
    }
    let mut partition_keys = Vec::new();
    let mut records = Vec::new();
    let mut fields = Fields { bytes: message, at: 0, base: MAGIC.len() };
    while let Some(Field { number, value, at }) = fields.next()? {
        match number {
            1 => {
                let key = value.bytes(at)?;
                partition_keys.push(str::from_utf8(key).map_err(|_| KplError::NotUtf8 { at })?);
            }
            3 => {
                let bytes = value.bytes(at)?;
                records.push((at, record(bytes, at)?));
            }
            _ => {}
        }
    }
    let user_record = |(at, (key, data)): (usize, (u64, _))| {
        let keys = partition_keys.len();
        let partition_key = usize::try_from(key).ok().filter(|&key| key < keys);
        let partition_key = partition_key.ok_or(KplError::NoSuchKey { at, key, keys })?;
        Ok(UserRecord { partition_key, data })
    };
    let records = records.into_iter().map(user_record).collect::<Result<_, _>>()?;
    Ok(Aggregate { partition_keys, records })
}

/// The index of a record's partition key, and its data.
fn record(bytes: &[u8], base: usize) -> Result<(u64, &[u8]), KplError> {
    let (mut key, mut data) = (None, None);
    let mut fields = Fields { bytes, at: 0, base };
    while let Some(Field { number, value, at }) = fields.next()? {
        match number {
            1 => key = Some(value.number(at)?),
            3 => data = Some(value.bytes(at)?),
            _ => {}
        }
    }
    let missing = |field| KplError::Missing { field, at: base };
    Ok((key.ok_or(missing("partition_key_index"))?, data.ok_or(missing("data"))?))
}

/// An aggregate with this content, which may be any.
#[cfg(any(fuzzing, test))]
pub(super) fn sealed(message: &[u8]) -> Vec<u8> {
    [&MAGIC[..], message, &Md5::digest(message)[..]].concat()
}

/// The fields of a protobuf message, one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the message begins in the data.
    base: usize,
}

struct Field<'a> {
    number: u64,
    value: Value<'a>,
    /// Where the field's value ends in the data; for one with bytes, where they begin.
    at: usize,
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<Field<'a>>, KplError> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let start = self.base + self.at;
        let key = self.varint()?;
        let (value, at) = match key & 7 {
            0 => (Value::Number(self.varint()?), start),
            1 => self.take(8).map(|_| (Value::Fixed, start))?,
            2 => {
                let length = self.varint()?;
                let at = self.base + self.at;
                (Value::Bytes(self.take(length)?), at)
            }
            5 => self.take(4).map(|_| (Value::Fixed, start))?,
            wire_type => return Err(KplError::WireType { wire_type, at: start }),
        };
        Ok(Some(Field { number: key >> 3, value, at }))
    }

    fn varint(&mut self) -> Result<u64, KplError> {
        let start = self.base + self.at;
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let &byte = self.bytes.get(self.at).ok_or(KplError::Truncated { at: start })?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(KplError::TooLong { at: start })
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], KplError> {
        let rest = &self.bytes[self.at..];
        let truncated = KplError::Truncated { at: self.base + self.at };
        let length = usize::try_from(length).map_err(|_| truncated.clone())?;
        let taken = rest.get(..length).ok_or(truncated)?;
        self.at += length;
        Ok(taken)
    }
}

impl<'a> Value<'a> {
    fn number(self, at: usize) -> Result<u64, KplError> {
        match self {
            Self::Number(number) => Ok(number),
            _ => Err(KplError::WrongType { at }),
        }
    }

    fn bytes(self, at: usize) -> Result<&'a [u8], KplError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(KplError::WrongType { at }),
        }
    }
}

/// What is wrong with an aggregate, and where in the data, in bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KplError {
    #[error("it does not begin as one")]
    NotAnAggregate,
    #[error("its {bytes} bytes are too few to hold a checksum")]
    TooShort { bytes: usize },
    #[error("its content does not have the checksum that it ends with")]
    Checksum,
    #[error("it is cut short at byte {at}")]
    Truncated { at: usize },
    #[error("the number at byte {at} has more than 64 bits")]
    TooLong { at: usize },
    #[error("byte {at} begins a field of the unknown wire type {wire_type}")]
    WireType { wire_type: u64, at: usize },
    #[error("the field at byte {at} has another type than the format says")]
    WrongType { at: usize },
    #[error("the partition key at byte {at} is not UTF-8")]
    NotUtf8 { at: usize },
    #[error("the record at byte {at} has no {field}")]
    Missing { field: &'static str, at: usize },
    #[error("the record at byte {at} has the partition key {key}, of {keys}")]
    NoSuchKey { at: usize, key: u64, keys: usize },
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by `aws_kinesis_agg` of PyPI: three records of two devices, added with
    /// `RecordAggregator.add_user_record`, and the result of `get_contents` in base64.
    pub(crate) const AGGREGATE: &str = concat!(
        "84mawgoIZGV2aWNlLTEKCGRldmljZS0yGhkIABoVeyJBTk9NQUxZX1NDT1JFIjowLjV9GhkIARoVeyJB",
        "Tk9NQUxZX1NDT1JFIjoyLjV9GhkIABoVeyJBTk9NQUxZX1NDT1JFIjoxLjB9hrf/EIvVPBpWAAvMKAqY",
        "iQ==",
    );

    fn varint(mut number: u64, to: &mut Vec<u8>) {
        while number > 0x7f {
            to.push(number as u8 | 0x80);
            number >>= 7;
        }
        to.push(number as u8);
    }

    fn field(number: u8, bytes: &[u8], to: &mut Vec<u8>) {
        to.push(number << 3 | 2);
        varint(bytes.len() as u64, to);
        to.extend(bytes);
    }

    /// An aggregate of records, each with its partition key and its data.
    pub(in super::super) fn aggregate(records: &[(&str, &[u8])]) -> Vec<u8> {
        let mut message = Vec::new();
        for (key, _) in records {
            field(1, key.as_bytes(), &mut message);
        }
        for (index, (_, data)) in records.iter().enumerate() {
            let mut record = vec![1 << 3];
            varint(index as u64, &mut record);
            field(3, data, &mut record);
            field(3, &record, &mut message);
        }
        sealed(&message)
    }

    /// The partition key and the data of each record.
    fn found(data: &[u8]) -> Vec<(&str, &[u8])> {
        let Aggregate { partition_keys, records } = split(data).expect("an aggregate");
        records.iter().map(|record| (partition_keys[record.partition_key], record.data)).collect()
    }

    fn error(message: &[u8]) -> KplError {
        split(&sealed(message)).expect_err("a broken message")
    }

    #[test]
    fn what_the_library_of_another_language_aggregated() {
        let data = base64_simd::STANDARD.decode_to_vec(AGGREGATE).expect("base64");
        assert_eq!(
            found(&data),
            [
                ("device-1", &b"{\"ANOMALY_SCORE\":0.5}"[..]),
                ("device-2", b"{\"ANOMALY_SCORE\":2.5}"),
                ("device-1", b"{\"ANOMALY_SCORE\":1.0}"),
            ]
        );
        assert!(may_begin(AGGREGATE.as_bytes()));
    }

    #[test]
    fn every_way_to_be_broken_has_its_error() {
        assert_eq!(split(b"{}"), Err(KplError::NotAnAggregate));
        assert_eq!(split(&MAGIC), Err(KplError::TooShort { bytes: 4 }));
        assert_eq!(error(&[0x0a, 5, b'x']), KplError::Truncated { at: 6 });
        assert_eq!(error(&[0x80]), KplError::Truncated { at: 4 });
        assert_eq!(error(&[0xff; 11]), KplError::TooLong { at: 4 });
        assert_eq!(error(&[0x0b]), KplError::WireType { wire_type: 3, at: 4 });
        assert_eq!(error(&[0x08, 1]), KplError::WrongType { at: 4 });
        assert_eq!(error(&[0x0a, 1, 0xff]), KplError::NotUtf8 { at: 6 });
        assert_eq!(error(&[0x1a, 0]), KplError::Missing { field: "partition_key_index", at: 6 });
        assert_eq!(error(&[0x1a, 2, 8, 0]), KplError::Missing { field: "data", at: 6 });
        assert_eq!(
            error(&[0x1a, 4, 8, 9, 0x1a, 0]),
            KplError::NoSuchKey { at: 6, key: 9, keys: 0 }
        );
        assert_eq!(split(&sealed(&[])), Ok(Aggregate::default()));
        // Fields of the future are none of ours.
        assert_eq!(
            split(&sealed(&[0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7d, 1, 2, 3, 4])),
            Ok(Aggregate::default())
        );
    }

    proptest! {
        #[test]
        fn what_is_put_together_is_taken_apart(
            records in proptest::collection::vec((".{0,20}", proptest::collection::vec(any::<u8>(), 0..300)), 0..20),
        ) {
            let records: Vec<_> = records.iter().map(|(k, d)| (k.as_str(), d.as_slice())).collect();
            let data = aggregate(&records);
            prop_assert_eq!(found(&data), records);
            prop_assert!(may_begin(base64_simd::STANDARD.encode_to_string(&data).as_bytes()));
        }

        #[test]
        fn damage_is_noticed(at in any::<prop::sample::Index>(), bit in 0u8..8, cut: bool) {
            let mut data = base64_simd::STANDARD.decode_to_vec(AGGREGATE).expect("base64");
            let at = at.index(data.len());
            if cut { data.truncate(at) } else { data[at] ^= 1 << bit }
            prop_assert!(split(&data).is_err());
        }

        #[test]
        fn any_message_is_taken_apart_or_refused(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            // It must not panic; what it says is checked above.
            let _ = split(&sealed(&message));
        }
    }
}
