use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::mem;

use weir_json::{Kind, Layout, Reader, Str};

use super::error::Refusal;
use super::{EnvelopeError, json_string, unpack};
use crate::batch::{Batch, Encoding};

/// A record of an event. What is known of it stands in the event, as JSON strings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// It goes back byte for byte.
    pub(super) id: Str<'a>,
    pub(super) data: Str<'a>,
    /// The partition key or message group.
    pub(super) key: Option<Str<'a>>,
    /// What names its shard: see [`kinesis::shard`](super::kinesis::shard).
    pub(super) event_id: Option<Str<'a>>,
}

impl<'a> Record<'a> {
    #[inline]
    pub(super) fn id(&self) -> Cow<'a, str> {
        json_string::text(self.id)
    }

    #[inline]
    pub(super) fn data(&self) -> Cow<'a, [u8]> {
        json_string::bytes(self.data)
    }
}

/// A field that is to hold a string.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Field<'a> {
    /// It is not there, or is `null`.
    #[default]
    Absent,
    String(Str<'a>),
    /// It holds something else.
    Other,
}

impl<'a> Field<'a> {
    /// Reads the field, which is `name`.
    #[inline(always)]
    pub(super) fn read(&mut self, reader: &mut Reader<'a>, name: &str) -> Result<(), Refusal> {
        if self.is_present() {
            return Err(Refusal::repeated(name, reader.offset()));
        }
        *self = match reader.string()? {
            Some(string) => Self::String(string),
            None => Self::without_string(reader.skip()?),
        };
        Ok(())
    }

    fn without_string(kind: Kind) -> Self {
        if kind == Kind::Null { Self::Absent } else { Self::Other }
    }

    pub(super) fn is_present(self) -> bool {
        !matches!(self, Self::Absent)
    }

    pub(super) fn string(self) -> Option<Str<'a>> {
        match self {
            Self::String(string) => Some(string),
            Self::Absent | Self::Other => None,
        }
    }

    /// The id of a record, which has to be there.
    #[inline(always)]
    pub(super) fn id(self, index: usize) -> Result<Str<'a>, Refusal> {
        match self {
            Self::String(id) => Ok(id),
            Self::Absent => Err(EnvelopeError::NoRecordId { index }.into()),
            Self::Other => Err(EnvelopeError::RecordIdNotAString { index }.into()),
        }
    }

    /// The data of a record in the field `name`, which has to be there.
    #[inline(always)]
    pub(super) fn data(
        self,
        name: &'static str,
        index: usize,
        id: Str<'_>,
    ) -> Result<Str<'a>, Refusal> {
        let id = || json_string::text(id).into_owned();
        match self {
            Self::String(data) => Ok(data),
            Self::Absent => Err(EnvelopeError::NoData { field: name, index, id: id() }.into()),
            Self::Other => {
                Err(EnvelopeError::DataNotAString { field: name, index, id: id() }.into())
            }
        }
    }
}

/// The records of an event, and what was noticed of all of them while each was at hand.
#[derive(Debug)]
pub(super) struct RecordList<'a> {
    pub(super) records: Vec<Record<'a>>,
    /// How much their ids take together as JSON, in bytes.
    pub(super) id_bytes: usize,
    /// Their payloads, as long as each is its record's data as it came: copied while it is in the
    /// processor's nearest cache. None once one may have to be unpacked.
    pub(super) payloads: Option<Batch>,
    /// Whether each one's id is above that of the one before it.
    ascending: bool,
}

impl<'a> RecordList<'a> {
    /// An empty list of records whose data is encoded in this way.
    pub(super) fn new(encoding: Encoding) -> Self {
        let payloads = Some(Batch::with_capacity(encoding, 0, 0));
        Self { records: Vec::new(), id_bytes: 0, payloads, ascending: true }
    }

    /// Makes room for so many more records, whose data has so many `bytes` at the most.
    #[cold]
    fn reserve(&mut self, records: usize, bytes: usize) {
        self.records.reserve(records);
        if let Some(payloads) = &mut self.payloads {
            payloads.reserve(records, bytes);
        }
    }

    /// Adds a record.
    #[inline(always)]
    pub(super) fn push(&mut self, record: Record<'a>) {
        self.id_bytes += record.id.json().len();
        self.ascending &= self.records.last().is_none_or(|last| is_below(last.id, record.id));
        if let Some(payloads) = &mut self.payloads {
            let data = record.data();
            if payloads.encoding() == Encoding::Base64 && unpack::may_be_packed(&data) {
                self.payloads = None;
            } else {
                payloads.push(&data);
            }
        }
        self.records.push(record);
    }

    /// Puts the records in order.
    pub(super) fn sort_by(&mut self, mut order: impl FnMut(&Record<'a>, &Record<'a>) -> Ordering) {
        if !self.records.is_sorted_by(|a, b| order(a, b).is_le()) {
            self.records.sort_by(order);
            self.payloads = None;
        }
    }

    /// Refuses two records of the same id: an answer could not tell them apart.
    pub(super) fn refuse_duplicates(&self) -> Result<(), EnvelopeError> {
        self.duplicates().first().map_or(Ok(()), |duplicate| Err(self.refused(duplicate)))
    }

    /// Takes out the records that are the same as one before them, and refuses those that only have the
    /// same id: see [`refuse_duplicates`](Self::refuse_duplicates).
    pub(super) fn take_out_copies(&mut self) -> Result<(), EnvelopeError> {
        let duplicates = self.duplicates();
        let data = |index: usize| self.records[index].data();
        let differs = |duplicate: &&Duplicate| data(duplicate.index) != data(duplicate.first);
        if let Some(duplicate) = duplicates.iter().find(differs) {
            return Err(self.refused(duplicate));
        }
        if duplicates.is_empty() {
            return Ok(());
        }
        // Where payloads are packed, which they are in base64 only, they are not here.
        let encoding = self.payloads.as_ref().map_or(Encoding::Base64, Batch::encoding);
        let records = mem::replace(self, Self::new(encoding)).records;
        let mut copies = duplicates.into_iter().map(|duplicate| duplicate.index).peekable();
        for (index, record) in records.into_iter().enumerate() {
            if copies.next_if_eq(&index).is_none() {
                self.push(record);
            }
        }
        Ok(())
    }

    /// The records whose id one before them has, ascending.
    fn duplicates(&self) -> Vec<Duplicate> {
        // Services number their records, so ids mostly ascend: then no two are the same.
        if self.ascending {
            return Vec::new();
        }
        let mut seen = HashMap::with_capacity(self.records.len());
        let records = self.records.iter().enumerate();
        let duplicate = |(index, record): (usize, &Record<'a>)| {
            let first = *seen.entry(record.id()).or_insert(index);
            (first < index).then_some(Duplicate { index, first })
        };
        records.filter_map(duplicate).collect()
    }

    #[cold]
    fn refused(&self, &Duplicate { index, first }: &Duplicate) -> EnvelopeError {
        let id = self.records[index].id().into_owned();
        EnvelopeError::DuplicateRecordId { index, first, id }
    }
}

/// A record whose id one before it has: where both stand.
struct Duplicate {
    index: usize,
    first: usize,
}

/// Whether an id is below another, as far as that can be seen without a closer look. The closing quotes
/// are compared as well: any order will do in which no two are the same.
#[inline(always)]
fn is_below(id: Str<'_>, other: Str<'_>) -> bool {
    !id.escaped() && !other.escaped() && id.json() < other.json()
}

/// Reads a list of records whose data is encoded in this way, each with `record`, which is given what
/// they have in common and the list that it adds the record to. None for `null`.
#[inline(always)]
pub(super) fn read_list<'a, L: Default>(
    reader: &mut Reader<'a>,
    encoding: Encoding,
    record: impl Fn(&mut Reader<'a>, &mut L, &mut RecordList<'a>) -> Result<(), Refusal>,
) -> Result<Option<RecordList<'a>>, Refusal> {
    let mut list = RecordList::new(encoding);
    let mut layouts = L::default();
    let start = reader.offset();
    let is_list = reader.array(|reader| {
        if list.records.len() == 1 {
            // Most are about as long.
            let first = reader.offset() - start;
            list.reserve(reader.left() / first + 1, reader.left());
        }
        record(reader, &mut layouts, &mut list)
    })?;
    if is_list {
        return Ok(Some(list));
    }
    let offset = reader.offset();
    match reader.skip()? {
        Kind::Null => Ok(None),
        _ => Err(Refusal::expected("an array of records", offset)),
    }
}

/// Reads an object: those members with `member` that have a name in `names`. `null` is as one that is
/// empty; anything else is refused.
#[inline(always)]
pub(super) fn read_object<'a, N: Copy>(
    reader: &mut Reader<'a>,
    layout: &mut Layout<'a, N>,
    names: &[(&str, N)],
    member: impl FnMut(&mut Reader<'a>, N) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if reader.object_like(layout, |key| named(key, names), member)? {
        return Ok(());
    }
    let offset = reader.offset();
    match reader.skip()? {
        Kind::Null => Ok(()),
        _ => Err(Refusal::expected("an object", offset)),
    }
}

/// What a key is called in `names`.
fn named<N: Copy>(key: Str<'_>, names: &[(&str, N)]) -> Option<N> {
    names.iter().find(|(known, _)| key.is(known)).map(|(_, name)| *name)
}
