//! Where records go that can never be processed, so that they do not block their stream.

mod file;

#[cfg(feature = "sqs")]
pub mod sqs;

use std::time::Instant;

use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::digest::Digest;
use crate::receipt::PublishError;

pub use file::DeadLetterFile;

/// A record that can never be processed as it is, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The record's id.
    pub record: String,
    /// The contract it came by.
    pub contract: &'static str,
    /// The ARN of the stream or queue that it came from, or the name of the file. Empty if the
    /// event does not say.
    pub source: String,
    /// Why it cannot be processed.
    pub reason: String,
    /// The name of the rule that was to classify it.
    pub rule: String,
    /// The version of that rule.
    pub rule_version: String,
    /// The digest of that rule.
    pub rule_digest: Digest,
    /// The record's data: as it came, if that is text; or else in base64.
    pub data: String,
    /// How `data` is encoded: `base64` or `plain`.
    pub encoding: &'static str,
}

/// Takes dead letters, and says of each whether it was confirmed.
pub trait DeadLetterQueue: Send + Sync {
    /// Sends letters. Answers once each of them is confirmed or given up, at the latest at the
    /// deadline: one result a letter, in order.
    ///
    /// An answer that has not come 250 ms after the deadline is not waited for, and the future is dropped:
    /// then none of these letters counts as confirmed. Neither does one that the answer has no result for.
    /// Without a deadline it is waited for as long as it takes.
    fn send(
        &self,
        letters: Vec<DeadLetter>,
        deadline: Option<Instant>,
    ) -> BoxFuture<'_, Vec<Result<(), PublishError>>>;
}
