//! The contracts of the stream services: what an event looks like and how it is answered.
//!
//! One file a contract. Each reads its event into the same form and writes the answer for it; what
//! lies between is the same for all.

mod analytics_output;

mod envelope;

mod firehose;

mod ndjson;

mod json_string;

mod record_id;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::batch::{Batch, Payloads};
use crate::outcome::Bound;
use record_id::RecordId;

pub use envelope::EnvelopeError;

/// A stream service's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Contract {
    /// A Lambda as the destination of Kinesis Data Analytics.
    AnalyticsOutput,
    /// The data transformation of Amazon Data Firehose.
    Firehose,
    /// One JSON document a line, without an envelope: files and pipes.
    Ndjson,
}

impl Contract {
    /// Every contract there is.
    pub const ALL: [Self; 3] = [Self::AnalyticsOutput, Self::Firehose, Self::Ndjson];

    /// The contract's name: `analytics-output`, `firehose` or `ndjson`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnalyticsOutput => "analytics-output",
            Self::Firehose => "firehose",
            Self::Ndjson => "ndjson",
        }
    }

    /// Tells the contract of a JSON document by its shape.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or has an envelope of no contract known here.
    pub fn detect(document: &[u8]) -> Result<Self, EnvelopeError> {
        envelope::detect(document)
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Contract {
    type Err = UnknownContract;

    fn from_str(name: &str) -> Result<Self, UnknownContract> {
        Self::ALL
            .into_iter()
            .find(|contract| contract.name() == name)
            .ok_or_else(|| UnknownContract(name.to_owned()))
    }
}

/// A name that no contract has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no contract is named {0:?}: it is one of analytics-output, firehose, ndjson")]
pub struct UnknownContract(String);

/// An event, read: its records' ids, and their payloads as a batch for the rule.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) contract: Contract,
    ids: Vec<RecordId<'a>>,
    /// The records' data as they came, for a contract that answers with it.
    data: Vec<Cow<'a, str>>,
}

/// What a record is answered with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// All it required is confirmed.
    Done,
    /// The same, and it was published for this score.
    Published { score: Option<f64>, crossed: Option<Bound> },
    /// The rule dropped it.
    Dropped,
    /// Something it required is not confirmed: why.
    Failed(String),
}

impl<'a> Event<'a> {
    /// Reads an event of a contract. `origin` names an event that has no ids of its own.
    pub(crate) fn read(
        contract: Contract,
        body: &'a [u8],
        origin: &Origin<'_>,
    ) -> Result<(Self, Batch), EnvelopeError> {
        if body.len() > Batch::MAX_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: body.len(), maximum: Batch::MAX_BYTES });
        }
        match contract {
            Contract::AnalyticsOutput => analytics_output::read(body),
            Contract::Firehose => firehose::read(body),
            Contract::Ndjson => Ok(ndjson::read(body, origin)),
        }
    }

    /// How many records it has.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// A record's id, as text.
    pub(crate) fn id(&self, index: usize) -> &str {
        self.ids[index].text()
    }

    /// Writes the answer to the event: one a record, in order.
    ///
    /// # Panics
    ///
    /// If there is not exactly one answer a record.
    pub(crate) fn respond(&self, answers: &[Answer], rewritten: Option<&Payloads>) -> Vec<u8> {
        assert_eq!(answers.len(), self.len(), "one answer a record");
        match self.contract {
            Contract::AnalyticsOutput => analytics_output::respond(self, answers),
            Contract::Firehose => firehose::respond(self, answers, rewritten),
            Contract::Ndjson => ndjson::respond(self, answers, rewritten),
        }
    }
}

/// Where an event without ids of its own was read from: its records are named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The file's name.
    pub name: &'a str,
    /// The number of the event's first line in it, counted from 1.
    pub line: u64,
}

impl Default for Origin<'_> {
    fn default() -> Self {
        Self { name: "line", line: 1 }
    }
}
