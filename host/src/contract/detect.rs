use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use simdutf8::compat::from_utf8;

use super::{Contract, EnvelopeError, json_string};

/// What tells the contracts apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    #[serde(borrow)]
    records: Option<&'a RawValue>,
    #[serde(borrow, rename = "Records")]
    event_source: Option<EventSource<'a>>,
    #[serde(borrow)]
    invocation_id: Option<&'a RawValue>,
    #[serde(borrow)]
    application_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    stream_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    delivery_stream_arn: Option<&'a RawValue>,
}

/// What the first of the records of an event source mapping says of where it came from.
struct EventSource<'a>(Option<FirstRecord<'a>>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FirstRecord<'a> {
    #[serde(borrow)]
    event_source: Option<&'a RawValue>,
}

/// Tells the contract of a document by the fields of its envelope.
pub(super) fn detect(document: &[u8]) -> Result<Contract, EnvelopeError> {
    let document = from_utf8(document).map_err(EnvelopeError::NotUtf8)?;
    if !document.trim_start().starts_with('{') {
        serde_json::from_str::<IgnoredAny>(document).map_err(EnvelopeError::of)?;
        return Ok(Contract::Ndjson);
    }
    let shape: Shape<'_> = serde_json::from_str(document).map_err(EnvelopeError::of)?;
    shape.contract().ok_or(EnvelopeError::UnknownShape)
}

impl Shape<'_> {
    fn contract(&self) -> Option<Contract> {
        let Self { records, event_source, invocation_id, .. } = self;
        if self.delivery_stream_arn.is_some() {
            Some(Contract::Firehose)
        } else if self.application_arn.is_some() {
            Some(match self.stream_arn {
                Some(_) => Contract::AnalyticsInput,
                None => Contract::AnalyticsOutput,
            })
        } else if let Some(source) = event_source {
            source.contract()
        } else {
            // These are fields that only events have.
            records.or(*invocation_id).is_none().then_some(Contract::Ndjson)
        }
    }
}

impl EventSource<'_> {
    fn contract(&self) -> Option<Contract> {
        // Without a record nothing tells, and nothing has to: the answer is the same.
        let Some(first) = &self.0 else { return Some(Contract::Kinesis) };
        match json_string::text(first.event_source?.get())?.as_ref() {
            "aws:kinesis" => Some(Contract::Kinesis),
            "aws:sqs" => Some(Contract::Sqs),
            _ => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for EventSource<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;
        impl<'de> Visitor<'de> for First {
            type Value = EventSource<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<Self::Value, A::Error> {
                let first = records.next_element()?;
                while records.next_element::<IgnoredAny>()?.is_some() {}
                Ok(EventSource(first))
            }
        }
        deserializer.deserialize_seq(First)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_are_told_by_their_shape() {
        let contract = |event: &str| detect(event.as_bytes()).ok();
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
}
