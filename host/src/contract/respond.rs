//! Answers events of all contracts.

use super::event::Records;
use super::{
    Answer, Contract, Event, Onward, analytics_output, event_source, ndjson, transformation,
};

impl Event<'_> {
    /// Fails what the answer has no room for: the first that fit go on. Says which it failed.
    pub(crate) fn fit(&self, answers: &mut [Answer], onward: &Onward<'_>) -> Vec<usize> {
        match self.contract {
            Contract::Firehose | Contract::AnalyticsInput => {
                transformation::fit(self, answers, onward)
            }
            _ => Vec::new(),
        }
    }

    /// Writes the answer to the event: one a record, in order.
    ///
    /// # Panics
    ///
    /// If there is not exactly one answer a record.
    pub(crate) fn respond(&self, answers: &[Answer], onward: &Onward<'_>) -> Vec<u8> {
        assert_eq!(answers.len(), self.len(), "one answer a record");
        match (&self.records, self.contract) {
            (Records::Lines(lines), _) => ndjson::respond(&self.source, lines, answers, onward),
            (Records::Enveloped { records, id_bytes }, Contract::AnalyticsOutput) => {
                analytics_output::respond(records, *id_bytes, answers)
            }
            (Records::Enveloped { .. }, Contract::Firehose | Contract::AnalyticsInput) => {
                transformation::respond(self, answers, onward)
            }
            (Records::Enveloped { records, .. }, _) => event_source::respond(records, answers),
        }
    }
}
