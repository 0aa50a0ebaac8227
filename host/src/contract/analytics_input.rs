//! `analytics-input`: a Lambda that prepares the input of Kinesis Data Analytics for SQL.
//!
//! Request: `{invocationId, applicationArn, streamArn, records: [{recordId, data,
//! kinesisStreamRecordMetadata | kinesisFirehoseRecordMetadata}]}`. The answer is that of a
//! [transformation](super::transformation).
//!
//! Source: Amazon Kinesis Data Analytics for SQL Applications Developer Guide, "Preprocessing Data
//! Using a Lambda Function".

use super::{Contract, EnvelopeError, Event, envelope};
use crate::batch::Batch;

pub(super) fn read(body: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
    envelope::read(Contract::AnalyticsInput, body)
}
