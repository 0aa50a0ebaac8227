//! `firehose`: the data transformation of Amazon Data Firehose.
//!
//! Request: `{invocationId, deliveryStreamArn, region, records: [{recordId,
//! approximateArrivalTimestamp, data, kinesisRecordMetadata?}]}`. The answer is that of a
//! [transformation](super::transformation).
//!
//! Source: Amazon Data Firehose Developer Guide, "Required parameters for data transformation".

use super::envelope::Envelope;
use super::{Contract, EnvelopeError, Event};
use crate::batch::Batch;

pub(super) fn read(envelope: Envelope<'_>) -> Result<(Event<'_>, Batch), EnvelopeError> {
    envelope.into_event(Contract::Firehose)
}
