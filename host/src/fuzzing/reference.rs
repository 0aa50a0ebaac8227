//! What an event holds, as `serde_json` reads it: what the reader of envelopes is compared with.
//!
//! It knows what the contracts ask for, and nothing of how events are read: it looks up each field by
//! its key, and no record's text is compared with another's.
//!
//! Where contracts leave something open, it is as decided there:
//!
//! - `null` is as if the field were not there.
//! - A field that is asked for is refused if it comes a second time. Of those that only name where a
//!   record came from (`eventID`, `eventSource`, `eventSourceARN`, `partitionKey` within metadata) the
//!   last counts. Of two `kinesis` or `attributes`, each is read.
//! - Without an envelope, a document is no event.
//! - Of messages of a queue that are the same, the first counts.
//! - Metadata of another form than an object says nothing. Every other object has to be one, or `null`.
//! - The shard's name is not compared where its `eventID` has escapes: the reader takes it for none.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::contract::Contract;

/// An event, read.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) contract: Contract,
    pub(super) source: String,
    /// In the order in which they are answered.
    pub(super) records: Vec<Record<'a>>,
}

#[derive(Debug)]
pub(super) struct Record<'a> {
    /// Its id, as it is written.
    pub(super) id: &'a str,
    pub(super) data: String,
    pub(super) key: Option<String>,
    /// The shard's name; empty if there is none. None if it is not to be compared.
    pub(super) shard: Option<String>,
}

/// Why there is no event.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    NotJson,
    /// It is JSON, but not as the contract says.
    Otherwise,
}

/// Reads an event, of a contract that is known or told by its shape.
pub(super) fn read(body: &[u8], contract: Option<Contract>) -> Result<Event<'_>, Refusal> {
    serde_json::from_slice::<Value>(body).map_err(|_| Refusal::NotJson)?;
    let root = serde_json::from_slice(body).expect("it is JSON");
    let envelope = Object::of(root).ok_or(Refusal::Otherwise)?;
    let [records, event_source] = [envelope.once("records")?, envelope.once("Records")?];
    envelope.once("invocationId")?;
    let arns = ["deliveryStreamArn", "streamArn", "applicationArn"];
    let [delivery, stream, application] = arns.map(|name| envelope.once(name));
    let arns = [delivery?, stream?, application?];
    let told = match arns {
        [Some(_), ..] => Ok(Contract::Firehose),
        [_, Some(_), Some(_)] => Ok(Contract::AnalyticsInput),
        [_, None, Some(_)] => Ok(Contract::AnalyticsOutput),
        _ => match event_source {
            Some(list) => contract_of_records(list),
            None => Err(Refusal::Otherwise),
        },
    };
    let contract = contract.map_or(told, Ok)?;
    let (source, list) = match contract {
        Contract::Kinesis | Contract::Sqs => {
            let source = event_source.and_then(|list| of_first_record(list, "eventSourceARN"));
            (source, event_source)
        }
        _ => (arns.into_iter().flatten().find_map(text), records),
    };
    let list = elements(list.ok_or(Refusal::Otherwise)?).ok_or(Refusal::Otherwise)?;
    let records: Result<Vec<_>, _> =
        list.into_iter().map(|record| Record::read(contract, record)).collect();
    let mut records = records?;
    if contract == Contract::Kinesis {
        records.sort_by_cached_key(|record| {
            let number = record.id().trim_start_matches('0').to_owned();
            (number.len(), number)
        });
    }
    if contract == Contract::Sqs {
        let mut seen = HashSet::new();
        records.retain(|record| seen.insert((record.id(), record.data.clone())));
    }
    let ids: HashSet<_> = records.iter().map(Record::id).collect();
    match ids.len() == records.len() {
        true => Ok(Event { contract, source: source.unwrap_or_default(), records }),
        false => Err(Refusal::Otherwise),
    }
}

/// The contract of an event source mapping. Without records there is nothing to tell it by, and the
/// answer is the same.
fn contract_of_records(list: &RawValue) -> Result<Contract, Refusal> {
    if elements(list).is_some_and(|elements| elements.is_empty()) {
        return Ok(Contract::Kinesis);
    }
    match of_first_record(list, "eventSource").as_deref() {
        Some("aws:kinesis") => Ok(Contract::Kinesis),
        Some("aws:sqs") => Ok(Contract::Sqs),
        _ => Err(Refusal::Otherwise),
    }
}

/// The text of a field of the first of some records.
fn of_first_record(list: &RawValue, name: &str) -> Option<String> {
    text(Object::of(elements(list)?.first()?)?.last(name)?)
}

impl<'a> Record<'a> {
    fn read(contract: Contract, record: &'a RawValue) -> Result<Self, Refusal> {
        let record = Object::of_or_null(record)?;
        let mut shard = Some(String::new());
        let (id, data, key) = match contract {
            Contract::Kinesis => {
                if let Some(event_id) = record.last("eventID") {
                    let text = text(event_id);
                    let before = text.as_deref().and_then(|id| id.split_once(':'));
                    shard = (!event_id.get().contains('\\'))
                        .then(|| before.map_or(String::new(), |(shard, _)| shard.to_owned()));
                }
                let kinesis = record.within("kinesis")?;
                let key = kinesis.once("partitionKey")?.and_then(text);
                (kinesis.once("sequenceNumber")?, kinesis.once("data")?, key)
            }
            Contract::Sqs => {
                let key = record.within("attributes")?.once("MessageGroupId")?.and_then(text);
                (record.once("messageId")?, record.once("body")?, key)
            }
            _ => {
                let names = ["kinesisRecordMetadata", "kinesisStreamRecordMetadata"];
                let metadata = record.0.iter().filter(|(name, _)| names.contains(&name.as_str()));
                let mut keys = metadata
                    .filter_map(|(_, value)| text(Object::of(value)?.last("partitionKey")?));
                (record.once("recordId")?, record.once("data")?, keys.next())
            }
        };
        let (id, data) = id.zip(data).ok_or(Refusal::Otherwise)?;
        let (id_text, data) = text(id).zip(text(data)).ok_or(Refusal::Otherwise)?;
        let is_number = !id_text.is_empty() && id_text.bytes().all(|byte| byte.is_ascii_digit());
        if contract == Contract::Kinesis && !is_number {
            return Err(Refusal::Otherwise);
        }
        Ok(Self { id: id.get(), data, key, shard })
    }

    /// The text of its id.
    pub(super) fn id(&self) -> String {
        serde_json::from_str(self.id).expect("it was read before")
    }
}

/// The members of an object, in order, those of the same key among them.
#[derive(Debug, Default)]
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Object<'a> {
    /// None if it is something else.
    fn of(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }

    /// An object, empty for `null`.
    fn of_or_null(value: &'a RawValue) -> Result<Self, Refusal> {
        if is_null(value) {
            return Ok(Self::default());
        }
        Self::of(value).ok_or(Refusal::Otherwise)
    }

    fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a RawValue> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| *value)
    }

    fn last(&self, name: &str) -> Option<&'a RawValue> {
        self.all(name).next_back()
    }

    /// A field that nothing may follow once it is there.
    fn once(&self, name: &str) -> Result<Option<&'a RawValue>, Refusal> {
        let mut values = self.all(name);
        let last = values.next_back().filter(|value| !is_null(value));
        if values.all(is_null) { Ok(last) } else { Err(Refusal::Otherwise) }
    }

    /// The members of all objects of this name.
    fn within(&self, name: &str) -> Result<Self, Refusal> {
        let objects: Result<Vec<_>, _> = self.all(name).map(Self::of_or_null).collect();
        Ok(Self(objects?.into_iter().flat_map(|object| object.0).collect()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// The elements of an array; none if it is something else.
fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// The text of a string; none if it is something else.
fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}
