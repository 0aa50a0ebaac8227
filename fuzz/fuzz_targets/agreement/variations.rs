//! Events of records of which each is the one before it, with a few changes.

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use weir_guest::json::MAX_DEPTH;

/// How an event is made.
#[derive(Arbitrary, Debug)]
pub struct Script {
    kind: Kind,
    /// The number of the first record.
    first: u16,
    descending: bool,
    records: Vec<(Space, Vec<Change>)>,
    of_envelope: Vec<Change>,
    damage: Vec<Damage>,
}

const MAX_RECORDS: usize = 12;
const MAX_CHANGES: usize = 6;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    AnalyticsInput,
    Firehose,
    Kinesis,
    Sqs,
}

/// A change to an object, or to the first object within it.
#[derive(Arbitrary, Debug)]
struct Change {
    within: bool,
    /// Which member it is made to.
    member: u8,
    what: What,
}

#[derive(Arbitrary, Debug)]
enum What {
    Space(u8, Space),
    Swap(u8),
    Repeat,
    Remove,
    Insert(Key, Value),
    Rename(Key),
    Set(Value),
    Nest,
}

/// A change to the event's bytes, at a place within it.
#[derive(Arbitrary, Debug)]
enum Damage {
    Set(u16, u8),
    Insert(u16, Written),
    Cut(u16, u8),
    Truncate(u16),
}

#[derive(Clone, Debug)]
struct Object(Vec<Member>);

#[derive(Clone, Debug)]
struct Member {
    key: &'static str,
    value: Value,
    /// Before the key, the colon and the value, and behind that.
    space: [Space; 4],
}

#[derive(Arbitrary, Clone, Debug)]
enum Value {
    /// The number that the record has as its id, with an escape for the last digit or without.
    Id {
        escaped: bool,
    },
    /// A string of about this length: what one record has, those of others begin with.
    Text(u8),
    /// The same of a number.
    Number,
    /// An array that is nested about as deep as may be.
    Deep(u8),
    Written(Written),
    #[arbitrary(skip)]
    Object(Object),
    #[arbitrary(skip)]
    Records(String),
}

/// One of some texts.
macro_rules! choices {
    ($name:ident: $($text:expr),* $(,)?) => {
        #[derive(Clone, Copy, Debug)]
        struct $name(&'static str);

        impl<'a> Arbitrary<'a> for $name {
            fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                u.choose(&[$($text),*]).map(|text| Self(text))
            }
        }
    };
}

choices!(Space: "", "", "", " ", "  ", "\n    ", "\t", "\r\n", "                    ");

// As they are written between the quotes.
choices! {
    Key:
    "recordId", "data", "kinesisRecordMetadata", "kinesisStreamRecordMetadata", "partitionKey",
    "kinesis", "sequenceNumber", "eventID", "eventSource", "eventSourceARN", "messageId", "body",
    "attributes", "MessageGroupId", "records", "Records", "invocationId", "applicationArn", "streamArn",
    "deliveryStreamArn", r"record\u0049d", r"d\u0061ta", r"partition\u004bey", r"sequence\u004eumber",
    r"\u006dessageId", r"bod\u0079", r"Message\u0047roupId", "datum", "data ", "", "é", r#"\""#,
    "approximateArrivalTimestamp",
}

choices! {
    Written:
    "null", "true", "false", "0", "7", "70", "-1.5e3", "1e400", "01", "\"\"", "\"a\"", "\"a\\\\\"",
    "\"a\\\"b\"", "\"é\"", "\"\\u00e9\"", "\"\\ud800\"", "\"H4sI\"", "\"shardId-0:1\"", "\"a\\u003ab:c\"",
    "\"aws:kinesis\"", "\"aws:sqs\"", "[]", "{}", "[ ]", "{ }", "[{\"data\":[1,{}]}]", "[[[\"a\"],7]]",
    "{\"partitionKey\":\"b\"}", "{\"sequenceNumber\":\"5\"}", "{\"MessageGroupId\":null}", ",", "}", "]",
    "\"", "\\", "\n", "\u{1}", "\"data\":\"\",", ":", "{", "[",
}

impl Script {
    /// The event's text.
    pub fn event(&self) -> Vec<u8> {
        let mut record = self.kind.record();
        let mut list = String::from("[");
        for (index, (space, changes)) in self.records.iter().take(MAX_RECORDS).enumerate() {
            record.change(changes);
            let back = if self.descending { MAX_RECORDS - index } else { index };
            list.push_str(if index > 0 { "," } else { "" });
            list.push_str(space.0);
            record.write(usize::from(self.first) + back, &mut list);
            list.push_str(space.0);
        }
        list.push(']');
        let mut envelope = self.kind.envelope(list);
        envelope.change(&self.of_envelope);
        let mut event = String::new();
        envelope.write(0, &mut event);
        let mut event = event.into_bytes();
        self.damage.iter().take(MAX_CHANGES).for_each(|damage| damage.apply(&mut event));
        event
    }
}

impl Kind {
    /// The first record, before it is changed.
    fn record(self) -> Object {
        let id = || Value::Id { escaped: false };
        let written = |text| Value::Written(Written(text));
        let source = ("eventSourceARN", written(r#""arn:aws:source""#));
        let of_transformation = |metadata| {
            let within = [("sequenceNumber", id()), ("partitionKey", Value::Text(3))];
            Object::of([
                ("recordId", id()),
                ("approximateArrivalTimestamp", Value::Number),
                ("data", Value::Text(12)),
                (metadata, Value::Object(Object::of(within))),
            ])
        };
        match self {
            Self::AnalyticsInput => of_transformation("kinesisStreamRecordMetadata"),
            Self::Firehose => of_transformation("kinesisRecordMetadata"),
            Self::Kinesis => {
                let within = [
                    ("kinesisSchemaVersion", written(r#""1.0""#)),
                    ("partitionKey", Value::Text(3)),
                    ("sequenceNumber", id()),
                    ("data", Value::Text(12)),
                    ("approximateArrivalTimestamp", Value::Number),
                ];
                Object::of([
                    ("kinesis", Value::Object(Object::of(within))),
                    ("eventSource", written(r#""aws:kinesis""#)),
                    ("eventID", written(r#""shardId-000000000006:1""#)),
                    source,
                ])
            }
            Self::Sqs => {
                let within = [("SentTimestamp", Value::Number), ("MessageGroupId", Value::Text(3))];
                Object::of([
                    ("messageId", id()),
                    ("body", Value::Text(12)),
                    ("attributes", Value::Object(Object::of(within))),
                    ("eventSource", written(r#""aws:sqs""#)),
                    source,
                ])
            }
        }
    }

    fn envelope(self, list: String) -> Object {
        let arn = || Value::Written(Written(r#""arn""#));
        let list = Value::Records(list);
        match self {
            Self::AnalyticsInput => {
                Object::of([("applicationArn", arn()), ("streamArn", arn()), ("records", list)])
            }
            Self::Firehose => Object::of([("records", list), ("deliveryStreamArn", arn())]),
            Self::Kinesis | Self::Sqs => Object::of([("Records", list)]),
        }
    }
}

impl Object {
    fn of<const N: usize>(members: [(&'static str, Value); N]) -> Self {
        Self(members.into_iter().map(|(key, value)| Member::new(key, value)).collect())
    }

    fn change(&mut self, changes: &[Change]) {
        for Change { within, member, what } in changes.iter().take(MAX_CHANGES) {
            let inner = self.0.iter_mut().find_map(|member| match &mut member.value {
                Value::Object(object) if *within => Some(object),
                _ => None,
            });
            match inner {
                Some(inner) => inner.change_member(usize::from(*member), what),
                None => self.change_member(usize::from(*member), what),
            }
        }
    }

    fn change_member(&mut self, at: usize, what: &What) {
        let members = &mut self.0;
        let (at, place) = (at % members.len().max(1), at % (members.len() + 1));
        match what {
            What::Insert(key, value) => members.insert(place, Member::new(key.0, value.clone())),
            _ if members.is_empty() => {}
            What::Space(place, space) => members[at].space[usize::from(*place) % 4] = *space,
            What::Swap(other) => {
                let other = usize::from(*other) % members.len();
                members.swap(at, other);
            }
            What::Repeat => members.insert(at, members[at].clone()),
            What::Remove => drop(members.remove(at)),
            What::Rename(key) => members[at].key = key.0,
            What::Set(value) => members[at].value = value.clone(),
            What::Nest => {
                let inner = members[at].clone();
                members[at].value = Value::Object(Object(vec![inner]));
            }
        }
    }

    /// Appends the text that it has in the record of this number.
    fn write(&self, number: usize, out: &mut String) {
        out.push('{');
        for (index, Member { key, value, space }) in self.0.iter().enumerate() {
            let [before_key, before_colon, before_value, behind] = space.map(|space| space.0);
            let comma = if index > 0 { "," } else { "" };
            out.extend([comma, before_key, "\"", key, "\"", before_colon, ":", before_value]);
            value.write(number, out);
            out.push_str(behind);
        }
        out.push('}');
    }
}

impl Member {
    fn new(key: &'static str, value: Value) -> Self {
        Self { key, value, space: [Space(""); 4] }
    }
}

impl Value {
    fn write(&self, number: usize, out: &mut String) {
        let varying = number % 4;
        *out += &match self {
            Self::Id { escaped: false } => format!("\"{number}\""),
            Self::Id { escaped: true } => format!("\"{}\\u003{}\"", number / 10, number % 10),
            Self::Text(length) => format!("\"{}\"", "x".repeat(usize::from(*length) + varying)),
            Self::Number => "7".repeat(1 + varying),
            Self::Deep(depth) => {
                let depth = MAX_DEPTH as usize - usize::from(*depth) % 8;
                "[".repeat(depth) + &"]".repeat(depth)
            }
            Self::Written(written) => written.0.to_owned(),
            Self::Object(object) => return object.write(number, out),
            Self::Records(list) => list.clone(),
        };
    }
}

impl Damage {
    fn apply(&self, event: &mut Vec<u8>) {
        let within = |at: &u16, event: &[u8]| usize::from(*at) % event.len().max(1);
        match self {
            Self::Set(at, byte) => {
                let at = within(at, event);
                event.iter_mut().skip(at).take(1).for_each(|old| *old = *byte);
            }
            Self::Insert(at, written) => {
                let at = within(at, event);
                event.splice(at..at, written.0.bytes());
            }
            Self::Cut(at, length) => {
                let at = within(at, event);
                let end = event.len().min(at + usize::from(*length));
                event.drain(at..end);
            }
            Self::Truncate(at) => event.truncate(within(at, event)),
        }
    }
}
