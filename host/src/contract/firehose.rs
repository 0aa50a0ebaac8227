//! `firehose`: the data transformation of Amazon Data Firehose.
//!
//! Request: `{invocationId, deliveryStreamArn, region, records: [{recordId,
//! approximateArrivalTimestamp, data, kinesisRecordMetadata?}]}`. The answer is that of a
//! [transformation](super::transformation).
//!
//! Source: Amazon Data Firehose Developer Guide, "Required parameters for data transformation".

use super::{Contract, EnvelopeError, Event, envelope};
use crate::batch::Batch;

pub(super) fn read(body: &[u8]) -> Result<(Event<'_>, Batch), EnvelopeError> {
    envelope::read(Contract::Firehose, body)
}
