//! `analytics-input`: a Lambda that prepares the input of Kinesis Data Analytics for SQL.
//!
//! Request: `{invocationId, applicationArn, streamArn, records: [{recordId, data,
//! kinesisStreamRecordMetadata | kinesisFirehoseRecordMetadata}]}`. The answer is that of a
//! [transformation](super::transformation).
//!
//! Source: Amazon Kinesis Data Analytics for SQL Applications Developer Guide, "Preprocessing Data
//! Using a Lambda Function".

use super::envelope::Envelope;
use super::{Contract, EnvelopeError, Event};
use crate::batch::Batch;

pub(super) fn read(envelope: Envelope<'_>) -> Result<(Event<'_>, Batch), EnvelopeError> {
    envelope.into_event(Contract::AnalyticsInput)
}
