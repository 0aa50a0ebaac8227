//! The envelope of an event, read in one pass, whatever its contract is.
//!
//! Firehose and Kinesis Data Analytics send `{"records": [{"recordId", "data", …}], …}`, event source
//! mappings `{"Records": [{…}]}`. The fields that tell the contract may come behind the records, so a
//! list is read before it is known whether it counts: what is wrong with it is told only then.
//!
//! Only what is needed is read; fields that are not known are ignored, and so are those that other
//! readers insist on and AWS fills in now one way and now another.

use std::borrow::Cow;

use weir_json::{Kind, Layout, Reader, Str, SyntaxError};

use super::answer::{AROUND_ANSWERS_BYTES, MAX_RESPONSE_BYTES, MIN_ANSWER_BYTES};
use super::error::Refusal;
use super::record::{Field, Record, RecordList, read_list, read_object};
use super::{Contract, EnvelopeError, json_string, kinesis, sqs};
use crate::batch::Encoding;

/// What an event holds that matters to any contract.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    body: &'a [u8],
    /// `records`, if it is there: as Firehose and Kinesis Data Analytics send them.
    records: Option<List<'a>>,
    /// `Records`, if it is there.
    event_source: Option<EventSource<'a>>,
    invocation_id: Field<'a>,
    application_arn: Field<'a>,
    stream_arn: Field<'a>,
    delivery_stream_arn: Field<'a>,
}

/// A list of records, or what is wrong with it.
type List<'a> = Result<RecordList<'a>, Refusal>;

/// The records of an event source mapping.
#[derive(Debug)]
struct EventSource<'a> {
    /// The contract, as the first record tells it.
    contract: Option<Contract>,
    /// The ARN that the first record names.
    arn: Field<'a>,
    records: List<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads an event, all of it. Its contract may be known.
    pub(super) fn read(body: &'a [u8], contract: Option<Contract>) -> Result<Self, EnvelopeError> {
        let mut envelope = Self { body, ..Self::default() };
        envelope.read_body(contract).map_err(|refusal| refusal.of(body))?;
        Ok(envelope)
    }

    fn read_body(&mut self, contract: Option<Contract>) -> Result<(), Refusal> {
        let mut reader = Reader::of_bytes(self.body);
        let start = reader.offset();
        let is_object = reader.object(|reader, key| {
            if key.is("records") {
                once(self.records.is_some(), "records", reader)?;
                self.records =
                    attempt(reader, |reader| read_list(reader, Encoding::Base64, record))?;
            } else if key.is("Records") {
                once(self.event_source.is_some(), "Records", reader)?;
                self.event_source = EventSource::read(reader, contract)?;
            } else if key.is("invocationId") {
                self.invocation_id.read(reader, "invocationId")?;
            } else if key.is("applicationArn") {
                self.application_arn.read(reader, "applicationArn")?;
            } else if key.is("streamArn") {
                self.stream_arn.read(reader, "streamArn")?;
            } else if key.is("deliveryStreamArn") {
                self.delivery_stream_arn.read(reader, "deliveryStreamArn")?;
            }
            Ok::<_, Refusal>(())
        })?;
        if !is_object {
            reader.skip()?;
        }
        reader.finish()?;
        match contract {
            Some(_) if !is_object => Err(Refusal::expected("an object", start)),
            _ => Ok(()),
        }
    }

    /// The contract, as the fields of the envelope tell it.
    pub(super) fn contract(&self) -> Result<Contract, EnvelopeError> {
        let told = if self.delivery_stream_arn.is_present() {
            Some(Contract::Firehose)
        } else if self.application_arn.is_present() {
            Some(match self.stream_arn.is_present() {
                true => Contract::AnalyticsInput,
                false => Contract::AnalyticsOutput,
            })
        } else if let Some(event_source) = &self.event_source {
            event_source.contract
        } else {
            // These are fields that only events have.
            let is_event = self.records.is_some() || self.invocation_id.is_present();
            (!is_event).then_some(Contract::Ndjson)
        };
        told.ok_or(EnvelopeError::UnknownShape)
    }

    /// Its `records`, whose data is base64, and the ARN of the stream or application that they came
    /// from.
    pub(super) fn records(self) -> Result<(Cow<'a, str>, RecordList<'a>), EnvelopeError> {
        let records = self.records.ok_or(EnvelopeError::NoRecords)?;
        let records = records.map_err(|refusal| refusal.of(self.body))?;
        records.refuse_duplicates()?;
        refuse_too_many(&records)?;
        let arns = [self.delivery_stream_arn, self.stream_arn, self.application_arn];
        Ok((text(arns.into_iter().find_map(Field::string)), records))
    }

    /// The records of an event source mapping, some of which may have the same id, and the ARN of the
    /// stream or queue that they came from.
    pub(super) fn event_source(self) -> Result<(Cow<'a, str>, RecordList<'a>), EnvelopeError> {
        let EventSource { arn, records, .. } = self.event_source.ok_or(EnvelopeError::NoRecords)?;
        let records = records.map_err(|refusal| refusal.of(self.body))?;
        Ok((text(arn.string()), records))
    }
}

impl<'a> EventSource<'a> {
    /// Reads the list: by the first record, unless the contract is known. None for `null`.
    fn read(reader: &mut Reader<'a>, known: Option<Contract>) -> Result<Option<Self>, SyntaxError> {
        let (contract, arn) = first_source(reader.clone());
        let records = match known.or(contract) {
            Some(Contract::Kinesis) => {
                attempt(reader, |reader| read_list(reader, Encoding::Base64, kinesis::record))
            }
            Some(Contract::Sqs) => {
                attempt(reader, |reader| read_list(reader, Encoding::Plain, sqs::record))
            }
            // Nobody will ask for them.
            _ => attempt(reader, |reader| {
                let is_there = reader.skip()? != Kind::Null;
                Ok(is_there.then(|| RecordList::new(Encoding::Plain)))
            }),
        };
        Ok(records?.map(|records| Self { contract, arn, records }))
    }
}

/// What the first of some records says of where they came from: the contract and the ARN.
fn first_source(mut reader: Reader<'_>) -> (Option<Contract>, Field<'_>) {
    struct Seen;
    impl From<SyntaxError> for Seen {
        // Whatever is wrong is found when the list is read.
        fn from(_: SyntaxError) -> Self {
            Self
        }
    }
    let (mut source, mut arn) = (Field::default(), Field::default());
    let first = reader.array(|reader| {
        reader.object(|reader, key| {
            if key.is("eventSource") {
                source = reader.string()?.map_or(Field::Other, Field::String);
            } else if key.is("eventSourceARN") {
                arn = reader.string()?.map_or(Field::Other, Field::String);
            }
            Ok::<_, Seen>(())
        })?;
        Err(Seen)
    });
    let contract = match (first, source) {
        // Without a record nothing tells, and nothing has to: the answer is the same.
        (Ok(true), _) => Some(Contract::Kinesis),
        (_, Field::String(source)) if source.is("aws:kinesis") => Some(Contract::Kinesis),
        (_, Field::String(source)) if source.is("aws:sqs") => Some(Contract::Sqs),
        _ => None,
    };
    (contract, arn)
}

/// Reads a list that may not count: what is wrong with it is no error yet, unless it is no JSON.
/// None for `null`.
#[inline(always)]
fn attempt<'a>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<Option<RecordList<'a>>, Refusal>,
) -> Result<Option<List<'a>>, SyntaxError> {
    let start = reader.clone();
    match read(reader) {
        Ok(list) => Ok(list.map(Ok)),
        Err(refusal) => match refusal.syntax() {
            Some(error) => Err(error),
            None => {
                *reader = start;
                reader.skip()?;
                Ok(Some(Err(refusal)))
            }
        },
    }
}

/// Refuses a list that is there a second time.
fn once(again: bool, name: &str, reader: &Reader<'_>) -> Result<(), Refusal> {
    if again { Err(Refusal::repeated(name, reader.offset())) } else { Ok(()) }
}

/// What the `records` have in common, and what their metadata do.
type Layouts<'a> = (Layout<'a, OfRecord>, Layout<'a, ()>);

/// What is asked for of one of the `records`.
#[derive(Clone, Copy)]
enum OfRecord {
    Id,
    Data,
    Metadata,
}

impl OfRecord {
    const NAMES: [(&str, Self); 4] = [
        ("recordId", Self::Id),
        ("data", Self::Data),
        ("kinesisRecordMetadata", Self::Metadata),
        ("kinesisStreamRecordMetadata", Self::Metadata),
    ];
}

/// Reads one of the `records`, to the end of the list.
#[inline(always)]
fn record<'a>(
    reader: &mut Reader<'a>,
    (layout, within): &mut Layouts<'a>,
    list: &mut RecordList<'a>,
) -> Result<(), Refusal> {
    let (mut id, mut data, mut key) = (Field::default(), Field::default(), None);
    read_object(reader, layout, &OfRecord::NAMES, |reader, name| {
        match name {
            OfRecord::Id => id.read(reader, "recordId")?,
            OfRecord::Data => data.read(reader, "data")?,
            OfRecord::Metadata => key = key.or(partition_key(reader, within)?),
        }
        Ok(())
    })?;
    let index = list.records.len();
    let id = id.id(index)?;
    let data = data.data("data", index, id)?;
    match key {
        None => list.push(Record { id, data, key: None, event_id: None }),
        Some(key) => push_with_key(list, id, data, key),
    }
    Ok(())
}

/// Adds a record whose key is known. Apart from the others, for which the room that a key would take need
/// not be copied: it was just written in part, and processors wait for a read of such a place.
#[inline(never)]
fn push_with_key<'a>(list: &mut RecordList<'a>, id: Str<'a>, data: Str<'a>, key: Str<'a>) {
    list.push(Record { id, data, key: Some(key), event_id: None });
}

/// What a record's metadata of the Kinesis stream that it was in says of its partition key.
/// Metadata of another form says nothing; it is not what the record is answered for.
fn partition_key<'a>(
    reader: &mut Reader<'a>,
    layout: &mut Layout<'a, ()>,
) -> Result<Option<Str<'a>>, SyntaxError> {
    let mut key = None;
    let is_key = |name: Str<'a>| name.is("partitionKey").then_some(());
    reader.object_like(layout, is_key, |reader, ()| {
        key = reader.string()?;
        Ok::<_, SyntaxError>(())
    })?;
    Ok(key)
}

/// The text of a field; empty where there is none.
fn text(string: Option<Str<'_>>) -> Cow<'_, str> {
    string.map_or(Cow::Borrowed(""), json_string::text)
}

/// Refuses an event whose ids alone would not fit in an answer.
fn refuse_too_many(list: &RecordList<'_>) -> Result<(), EnvelopeError> {
    let bytes = AROUND_ANSWERS_BYTES + list.id_bytes + list.records.len() * MIN_ANSWER_BYTES;
    match bytes > MAX_RESPONSE_BYTES {
        true => Err(EnvelopeError::AnswerTooLarge { bytes, maximum: MAX_RESPONSE_BYTES }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Origin};
    use super::*;
    use crate::batch::Batch;

    fn read(contract: Contract, event: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
        Event::read(Some(contract), event, &Origin::default())
    }

    fn error(event: &str) -> String {
        read(Contract::AnalyticsOutput, event.as_bytes()).expect_err(event).to_string()
    }

    #[test]
    fn contracts_are_told_by_their_shape() {
        let contract = |event: &str| Contract::detect(event.as_bytes()).ok();
        assert_eq!(contract(r#"{"applicationArn":"a"}"#), Some(Contract::AnalyticsOutput));
        assert_eq!(
            contract(r#"{"applicationArn":"a","streamArn":"b"}"#),
            Some(Contract::AnalyticsInput)
        );
        assert_eq!(contract(r#"{"deliveryStreamArn":"a"}"#), Some(Contract::Firehose));
        let records = |source| format!(r#"{{"Records":[{{"eventSource":"{source}"}},7]}}"#);
        assert_eq!(contract(&records("aws:kinesis")), Some(Contract::Kinesis));
        assert_eq!(contract(&records("aws:sqs")), Some(Contract::Sqs));
        assert_eq!(contract(&records("aws:dynamodb")), None);
        assert_eq!(contract(r#"{"Records":[]}"#), Some(Contract::Kinesis));
        assert_eq!(contract(r#"{"Records":[{}]}"#), None);
        assert_eq!(contract(r#"{"records":[]}"#), None);
        assert_eq!(contract(r#"{"ANOMALY_SCORE":1}"#), Some(Contract::Ndjson));
        assert_eq!(contract("[1]"), Some(Contract::Ndjson));
        assert_eq!(contract("{"), None);
    }

    #[test]
    fn a_document_without_an_envelope_is_no_record_unless_its_contract_is_known() {
        let documents = [
            (r#"{"detail-type":"t","detail":{"ANOMALY_SCORE":9}}"#, "it is an object with neither"),
            ("[\n{\"ANOMALY_SCORE\":9}\n]", "it is an array;"),
            (" null", "it is null;"),
            ("\"a\"", "it is a string;"),
            ("-1", "it is a number;"),
            ("false", "it is true or false;"),
        ];
        for (document, found) in documents {
            let read = |contract| Event::read(contract, document.as_bytes(), &Origin::default());
            let error = read(None).expect_err(document).to_string();
            assert!(error.contains(found) && error.contains("name the contract ndjson"), "{error}");
            assert!(read(Some(Contract::Ndjson)).is_ok(), "{document}");
        }
    }

    #[test]
    fn a_broken_envelope_is_refused_with_what_and_where() {
        assert!(error("{\"records\": [").contains("not JSON: EOF while parsing"));
        assert!(error("[]").contains("not an envelope"));
        assert_eq!(error("{}"), "the event has no `records`");
        assert_eq!(error(r#"{"records": null}"#), "the event has no `records`");
        assert!(error(r#"{"records": [7]}"#).contains("line 1 column"));
        let second =
            |record| error(&format!(r#"{{"records":[{{"recordId":"a","data":""}},{record}]}}"#));
        assert_eq!(second("{}"), "record 1 of the event has no recordId");
        assert_eq!(second(r#"{"recordId":7}"#), "the recordId of record 1 is not a string");
        assert_eq!(
            second(r#"{"recordId":"b"}"#),
            "record 1 of the event (recordId \"b\") has no data"
        );
        assert!(second(r#"{"recordId":"b","data":{}}"#).ends_with("is not a string"));
        assert_eq!(
            second(r#"{"recordId":"\u0061","data":""}"#),
            "records 0 and 1 of the event have the same recordId \"a\""
        );
    }

    #[test]
    fn what_is_no_utf8_is_refused_wherever_it_stands() {
        let event =
            r#"{"other":"ü","records":[{"recordId":"a","data":"","more":{"k":"v"}}],"last":1}"#;
        assert!(read(Contract::Firehose, event.as_bytes()).is_ok());
        for at in (0..=event.len()).filter(|&at| event.is_char_boundary(at)) {
            let body = [&event.as_bytes()[..at], b"\xff", &event.as_bytes()[at..]].concat();
            let refused = read(Contract::Firehose, &body).expect_err("no text");
            let said = refused.to_string();
            assert!(
                said.starts_with("the event is not UTF-8: ") && said.contains(&at.to_string()),
                "{said}"
            );
        }
    }

    #[test]
    fn ids_in_any_order_are_no_duplicates() {
        let event = r#"{"records":[{"recordId":"b","data":""},{"recordId":"a","data":""}]}"#;
        let (event, batch) = read(Contract::Firehose, event.as_bytes()).expect("an event");
        assert_eq!((&*event.id(0), &*event.id(1), batch.len()), ("b", "a", 2));
    }

    #[test]
    fn escaped_data_is_the_same_data() {
        let event = r#"{"records":[{"recordId":"a","data":"\/w=="}]}"#;
        let (event, _) = read(Contract::Firehose, event.as_bytes()).expect("an event");
        assert_eq!(event.record_data(0), "/w==");
    }

    #[test]
    fn more_records_than_an_answer_can_name_are_refused() {
        let record = |id| format!(r#"{{"recordId":"{id}","data":""}}"#);
        let event = |records| {
            let records: Vec<_> = (0..records).map(record).collect();
            format!(r#"{{"records":[{}]}}"#, records.join(","))
        };
        assert!(error(&event(150_000)).contains("bytes at the least"));
        assert!(read(Contract::Firehose, event(100_000).as_bytes()).is_ok());
    }

    #[test]
    fn the_partition_key_is_found_in_either_metadata() {
        let event = r#"{"streamArn":"arn:s","records":[
            {"recordId":"a","data":"","kinesisRecordMetadata":{"partitionKey":"k1"}},
            {"recordId":"b","data":"","kinesisStreamRecordMetadata":{"partitionKey":"k\u0032"}},
            {"recordId":"c","data":"","kinesisStreamRecordMetadata":7},
            {"recordId":"d","data":""}]}"#;
        let (event, _) = read(Contract::AnalyticsInput, event.as_bytes()).expect("an event");
        let keys: Vec<_> = (0..4).map(|entry| event.key(entry)).collect();
        assert_eq!(keys, [Some("k1".into()), Some("k2".into()), None, None]);
        assert_eq!(event.source, "arn:s");
    }
}
