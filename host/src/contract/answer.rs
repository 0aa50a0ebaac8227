use crate::outcome::Bound;

/// The most that AWS Lambda takes as an answer, in bytes.
///
/// Source: AWS Lambda Developer Guide, "Lambda quotas": 6 MB for the synchronous request and
/// response each.
pub(super) const MAX_RESPONSE_BYTES: usize = 6 << 20;

/// What a record's answer takes beside its id, at the least, in bytes.
pub(super) const MIN_ANSWER_BYTES: usize = r#"{"recordId":,"result":"ProcessingFailed"},"#.len();

/// What the response has around its records, in bytes.
pub(super) const AROUND_ANSWERS_BYTES: usize = r#"{"records":[]}"#.len();

/// What a record is answered with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// All it required is confirmed.
    Done,
    /// The same, and it was published for this score.
    Published { score: Option<f64>, crossed: Option<Bound> },
    /// The rule dropped it.
    Dropped,
    /// It can never be processed, and has been dealt with.
    Disposed { reason: String, disposal: Disposal },
    /// Something it required is not confirmed: why.
    Failed { reason: String, kind: FailureKind, cause: FailureCause },
}

/// How a record was dealt with that can never be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposal {
    /// It is in the dead-letter queue.
    DeadLetter,
    /// It is gone, as the operator wants it.
    Drop,
}

/// Whether another attempt may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// It may succeed when the stream service sends it again.
    Transient,
    /// The record can never succeed as it is.
    Permanent,
}

/// What a record failed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureCause {
    /// The rule cannot classify it.
    Record,
    /// It makes the rule fail.
    Poison,
    /// The rule is at fault, or there was no time.
    Unclassified,
    /// Its data cannot be unpacked.
    Unpacking,
    /// Its alert is not confirmed.
    Publishing,
    /// Its payload lacks a partition key.
    PartitionKey,
    /// The answer has no room for it.
    NoRoom,
    /// Its dead letter is not confirmed.
    DeadLetter,
}

impl FailureCause {
    /// Every cause there is.
    pub const ALL: [Self; 8] = [
        Self::Record,
        Self::Poison,
        Self::Unclassified,
        Self::Unpacking,
        Self::Publishing,
        Self::PartitionKey,
        Self::NoRoom,
        Self::DeadLetter,
    ];

    /// The name, as in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Poison => "poison",
            Self::Unclassified => "unclassified",
            Self::Unpacking => "unpacking",
            Self::Publishing => "publishing",
            Self::PartitionKey => "partition-key",
            Self::NoRoom => "no-room",
            Self::DeadLetter => "dead-letter",
        }
    }
}

impl FailureKind {
    /// The name, as in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
        }
    }
}

impl Answer {
    /// A failure that the stream service should try again.
    pub(crate) fn transient(cause: FailureCause, reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), kind: FailureKind::Transient, cause }
    }

    /// A failure that no other attempt can mend.
    pub(crate) fn permanent(cause: FailureCause, reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), kind: FailureKind::Permanent, cause }
    }

    /// The answer for a record of which this and `other` are parts: what failed comes first, then
    /// what can tell the most.
    pub(super) fn with(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Dropped => 0,
            Self::Done => 1,
            Self::Published { .. } => 2,
            Self::Disposed { .. } => 3,
            Self::Failed { kind: FailureKind::Permanent, .. } => 4,
            // The whole record comes again for it.
            Self::Failed { kind: FailureKind::Transient, .. } => 5,
        }
    }
}
