//! The contracts of the stream services: what an event looks like and how it is answered.
//!
//! Each event is read into the same form, and answered as its contract has it; what lies
//! between is the same for all. What is of one contract alone is in a file of its name, and of the two
//! that are answered alike in `transformation.rs`.

mod read;

mod envelope;

mod error;

mod record;

mod json_string;

mod kinesis;

mod sqs;

mod ndjson;

mod event;

pub(crate) mod unpack;

mod partition;

mod answer;

mod respond;

mod analytics_output;

mod transformation;

mod event_source;

#[cfg(test)]
mod properties;

use std::fmt;
use std::str::FromStr;

use crate::batch::Encoding;

pub(crate) use answer::{Answer, Disposal};
pub use answer::{FailureCause, FailureKind};
pub use error::EnvelopeError;
pub(crate) use event::Event;
pub use ndjson::Origin;
pub(crate) use partition::{Beginning, Partition, Position, Run, Share};
pub(crate) use transformation::Onward;

/// A stream service's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Contract {
    /// A Lambda as the destination of Kinesis Data Analytics.
    AnalyticsOutput,
    /// A Lambda that prepares the input of Kinesis Data Analytics.
    AnalyticsInput,
    /// The data transformation of Amazon Data Firehose.
    Firehose,
    /// A Kinesis stream, by way of an event source mapping of AWS Lambda.
    Kinesis,
    /// An SQS queue, by way of an event source mapping of AWS Lambda.
    Sqs,
    /// One JSON document a line, without an envelope: files and pipes.
    Ndjson,
}

impl Contract {
    /// Every contract there is.
    pub const ALL: [Self; 6] = [
        Self::AnalyticsOutput,
        Self::AnalyticsInput,
        Self::Firehose,
        Self::Kinesis,
        Self::Sqs,
        Self::Ndjson,
    ];

    /// The contract's name, as `--contract` takes it: `analytics-output`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnalyticsOutput => "analytics-output",
            Self::AnalyticsInput => "analytics-input",
            Self::Firehose => "firehose",
            Self::Kinesis => "kinesis",
            Self::Sqs => "sqs",
            Self::Ndjson => "ndjson",
        }
    }

    /// How the data of its records is encoded.
    pub(crate) fn encoding(self) -> Encoding {
        match self {
            Self::Sqs | Self::Ndjson => Encoding::Plain,
            _ => Encoding::Base64,
        }
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
#[error("no contract is named {0:?}: it is one of {names}", names = Contract::ALL.map(Contract::name).join(", "))]
pub struct UnknownContract(String);
