use serde::de::Error as _;
use weir_json::{Kind, Reader, SyntaxError};

/// Why an event cannot be read. None of its records was looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is not text.
    #[error("the event is not UTF-8: {0}")]
    NotUtf8(std::str::Utf8Error),
    /// It is not a JSON document. With the line and the column of the mistake.
    #[error("the event is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// It is JSON, but not of the envelope's shape.
    #[error("the event is not an envelope of records: {what} at line {line} column {column}")]
    #[expect(missing_docs, reason = "named for what they are, from 1")]
    NotAnEnvelope { what: String, line: usize, column: usize },
    /// It looks like an event, but of no contract known here.
    #[error(
        "the event has an envelope, but of none of the known contracts: it has neither \
         deliveryStreamArn (firehose) nor applicationArn (analytics-output; analytics-input with \
         streamArn) nor Records with the eventSource aws:kinesis or aws:sqs; name the contract if \
         it is one of them nevertheless"
    )]
    UnknownShape,
    /// It is a JSON document without an envelope.
    #[error(
        "the event has no envelope of records, it is {found}; if each event is to be one record, name \
         the contract ndjson (--contract, WEIR_CONTRACT)"
    )]
    #[expect(missing_docs, reason = "what it is instead")]
    NoEnvelope { found: &'static str },
    /// It has no `records` or `Records`.
    #[error("the event has no `records`")]
    NoRecords,
    /// It is larger than a batch can be.
    #[error("the event has {bytes} bytes, more than the {maximum} that a batch can hold")]
    #[expect(missing_docs, reason = "named for what they are")]
    TooLarge { bytes: usize, maximum: usize },
    /// It has so many records that not even their ids fit in an answer.
    #[error("the answer would have {bytes} bytes at the least, of {maximum} that it may have")]
    #[expect(missing_docs, reason = "named for what they are")]
    AnswerTooLarge { bytes: usize, maximum: usize },
    /// A record has no id.
    #[error("record {index} of the event has no recordId")]
    #[expect(missing_docs, reason = "the record's index")]
    NoRecordId { index: usize },
    /// A record's id is not a string.
    #[error("the recordId of record {index} is not a string")]
    #[expect(missing_docs, reason = "the record's index")]
    RecordIdNotAString { index: usize },
    /// A record's sequence number is not a number.
    #[error("the sequenceNumber of record {index} is not a decimal number")]
    #[expect(missing_docs, reason = "the record's index")]
    NotASequenceNumber { index: usize },
    /// A record has no data.
    #[error("record {index} of the event (recordId {id:?}) has no {field}")]
    #[expect(missing_docs, reason = "the record's index and id")]
    NoData { field: &'static str, index: usize, id: String },
    /// A record's data is not a string.
    #[error("the {field} of record {index} of the event (recordId {id:?}) is not a string")]
    #[expect(missing_docs, reason = "the record's index and id")]
    DataNotAString { field: &'static str, index: usize, id: String },
    /// Two records have the same id, so an answer could not tell them apart. (A message that is in an
    /// event of SQS twice, is one record.)
    #[error("records {first} and {index} of the event have the same recordId {id:?}")]
    #[expect(missing_docs, reason = "both records' indices and their id")]
    DuplicateRecordId { index: usize, first: usize, id: String },
}

/// What stops the reading of an event. Where it stands is told only once somebody asks. As large as an
/// address: it is one half of every result of a read, and what is large there is copied again and again.
#[derive(Debug)]
pub(super) struct Refusal(Box<Reason>);

#[derive(Debug)]
enum Reason {
    /// It is not JSON.
    Syntax(SyntaxError),
    /// It is not of the envelope's shape.
    Shape { what: String, offset: usize },
    /// A record of it is not as it has to be.
    Record(EnvelopeError),
}

impl Refusal {
    /// Something else stands where `what` belongs.
    #[cold]
    pub(super) fn expected(what: &str, offset: usize) -> Self {
        Self(Box::new(Reason::Shape { what: format!("expected {what}"), offset }))
    }

    /// A field is there a second time.
    #[cold]
    pub(super) fn repeated(field: &str, offset: usize) -> Self {
        Self(Box::new(Reason::Shape { what: format!("a second `{field}`"), offset }))
    }

    /// What is no JSON about it, if that is what is wrong.
    pub(super) fn syntax(&self) -> Option<SyntaxError> {
        match *self.0 {
            Reason::Syntax(error) => Some(error),
            Reason::Shape { .. } | Reason::Record(_) => None,
        }
    }

    /// The error for an event.
    #[cold]
    pub(super) fn of(self, event: &[u8]) -> EnvelopeError {
        // What is no text at all is not said to be a mistake in JSON.
        if let Err(error) = str::from_utf8(event) {
            return EnvelopeError::NotUtf8(error);
        }
        match *self.0 {
            Reason::Syntax(error) => EnvelopeError::not_json(event, error),
            Reason::Shape { what, offset } => {
                let before = &event[..offset];
                let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
                let line_start =
                    before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
                EnvelopeError::NotAnEnvelope { what, line, column: offset - line_start + 1 }
            }
            Reason::Record(error) => error,
        }
    }
}

impl EnvelopeError {
    /// The error for a JSON document without an envelope.
    #[cold]
    pub(super) fn no_envelope(document: &[u8]) -> Self {
        let found = match Reader::of_bytes(document).skip() {
            Ok(Kind::Object) => {
                "an object with neither deliveryStreamArn nor applicationArn nor Records"
            }
            Ok(Kind::Array) => "an array",
            Ok(Kind::String) => "a string",
            Ok(Kind::Number) => "a number",
            Ok(Kind::Bool) => "true or false",
            Ok(Kind::Null) => "null",
            Err(_) => "no JSON",
        };
        Self::NoEnvelope { found }
    }

    /// Says it in the words of `serde_json`, which knows the line and the column.
    fn not_json(event: &[u8], error: SyntaxError) -> Self {
        let parsed = serde_json::from_slice::<serde_json::Value>(event);
        Self::NotJson(parsed.err().unwrap_or_else(|| serde_json::Error::custom(error)))
    }
}

impl From<SyntaxError> for Refusal {
    #[cold]
    fn from(error: SyntaxError) -> Self {
        Self(Box::new(Reason::Syntax(error)))
    }
}

impl From<EnvelopeError> for Refusal {
    #[cold]
    fn from(error: EnvelopeError) -> Self {
        Self(Box::new(Reason::Record(error)))
    }
}
