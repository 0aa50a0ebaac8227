use crate::contract::{Contract, FailureCause, FailureKind};
use crate::digest::Digest;

/// An event, processed.
#[derive(Clone, Debug)]
pub struct Response {
    /// The answer, as the event's contract wants it.
    pub body: Vec<u8>,
    /// The event's contract.
    pub contract: Contract,
    /// The digest of the rule that classified it, all of it.
    pub rule: Digest,
    /// What became of its records.
    pub counts: Counts,
    /// The records that failed, in order.
    pub failures: Vec<FailedRecord>,
}

/// What became of records, in numbers. The records within an aggregate count one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them: the sum of passed, flagged, dropped and bad or unclassified ones.
    pub records: u64,
    /// Nothing to notice.
    pub passed: u64,
    /// Flagged by the rule, published or not.
    pub flagged: u64,
    /// Dropped by the rule.
    pub dropped: u64,
    /// Answered as failed: not classified, or flagged and not published.
    pub failed: u64,
    /// Flagged, and confirmed by the publisher.
    pub published: u64,
    /// They can never be processed, and are in the dead-letter queue.
    pub dead_lettered: u64,
    /// They can never be processed, and were dropped for it.
    pub discarded: u64,
}

/// A record that was answered as failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRecord {
    /// Its index among the event's records, in their order and without copies.
    pub index: usize,
    /// Its id; within an aggregate, with its number in it.
    pub id: String,
    /// Why.
    pub reason: String,
    /// Whether another attempt may help.
    pub kind: FailureKind,
    /// What it failed for.
    pub cause: FailureCause,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.passed += other.passed;
        self.flagged += other.flagged;
        self.dropped += other.dropped;
        self.failed += other.failed;
        self.published += other.published;
        self.dead_lettered += other.dead_lettered;
        self.discarded += other.discarded;
    }
}
