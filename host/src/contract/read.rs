//! Reads events of all contracts into the same form.

use super::envelope::Envelope;
use super::{Contract, EnvelopeError, Event, Origin, kinesis, ndjson};
use crate::batch::Batch;

/// The largest event, in bytes: what its records inflate to has to fit into the batch as well.
const MAX_BYTES: usize = Batch::MAX_BYTES / 2;

impl<'a> Event<'a> {
    /// Reads an event, of a contract that is known or told by its envelope. `origin` names an event that
    /// has no ids of its own: it has no envelope either, and so is read only if its contract is known.
    pub(crate) fn read(
        contract: Option<Contract>,
        body: &'a [u8],
        origin: &Origin<'_>,
    ) -> Result<(Self, Batch), EnvelopeError> {
        check_size(body)?;
        if contract == Some(Contract::Ndjson) {
            return Ok(ndjson::read(body, origin));
        }
        let envelope = Envelope::read(body, contract)?;
        let contract = contract.map_or_else(|| envelope.contract(), Ok)?;
        let (source, list) = match contract {
            Contract::AnalyticsOutput | Contract::AnalyticsInput | Contract::Firehose => {
                envelope.records()?
            }
            Contract::Kinesis => {
                let (source, mut list) = envelope.event_source()?;
                list.refuse_duplicates()?;
                kinesis::put_in_order(&mut list);
                (source, list)
            }
            Contract::Sqs => {
                let (source, mut list) = envelope.event_source()?;
                list.take_out_copies()?;
                (source, list)
            }
            // Any service may send a JSON document: that none is known is not to pass for a record.
            Contract::Ndjson => return Err(EnvelopeError::no_envelope(body)),
        };
        Ok(Self::of_list(contract, source, list))
    }
}

impl Contract {
    /// Tells the contract of a JSON document by its shape. One without an envelope may be a line of
    /// [`Ndjson`](Self::Ndjson): a [`Pipeline`](crate::Pipeline) takes it for one only if it is told to.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or has an envelope of no contract known here, or is larger than an event can
    /// be.
    pub fn detect(document: &[u8]) -> Result<Self, EnvelopeError> {
        check_size(document)?;
        Envelope::read(document, None)?.contract()
    }
}

/// Refuses an event that is larger than its batch can be.
fn check_size(body: &[u8]) -> Result<(), EnvelopeError> {
    match body.len() > MAX_BYTES {
        true => Err(EnvelopeError::TooLarge { bytes: body.len(), maximum: MAX_BYTES }),
        false => Ok(()),
    }
}
