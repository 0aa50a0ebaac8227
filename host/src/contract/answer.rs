use crate::outcome::Bound;

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
    Failed { reason: String, kind: FailureKind },
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

impl Answer {
    /// A failure that the stream service should try again.
    pub(crate) fn transient(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), kind: FailureKind::Transient }
    }

    /// A failure that no other attempt can mend.
    pub(crate) fn permanent(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), kind: FailureKind::Permanent }
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
