use std::fmt;

use serde::Serialize;

use crate::outcome::{Outcome, Verdict};
use crate::ruling::Ruling;

/// How what two rules say of a record differs: the first of these that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub(super) enum Change {
    /// The verdict.
    Verdict { from: Verdict, to: Verdict },
    /// The score that it is flagged for.
    Score,
    /// The bound that the score crossed.
    Bound,
    /// The reason for which it fails.
    Reason,
    /// The subject or the message to publish.
    Message,
    /// The payload as it goes on.
    Payload,
}

impl Change {
    /// Compares what two rules say of the record at `index`. None if it is the same.
    pub(super) fn between(
        (old, old_ruling): (&Outcome, &Ruling),
        (new, new_ruling): (&Outcome, &Ruling),
        index: usize,
    ) -> Option<Self> {
        let (from, to) = (old_ruling.verdict, new_ruling.verdict);
        if from != to {
            return Some(Self::Verdict { from, to });
        }
        let goes_on = matches!(from, Verdict::Pass | Verdict::Flag);
        if old_ruling.score != new_ruling.score {
            Some(Self::Score)
        } else if old_ruling.crossed != new_ruling.crossed {
            Some(Self::Bound)
        } else if old_ruling.reason != new_ruling.reason {
            Some(Self::Reason)
        } else if from == Verdict::Flag && message(old, index) != message(new, index) {
            Some(Self::Message)
        } else if goes_on && payload(old, index) != payload(new, index) {
            Some(Self::Payload)
        } else {
            None
        }
    }
}

/// The subject and message to publish for a record.
fn message(outcome: &Outcome, index: usize) -> Option<(Option<&str>, &str)> {
    let at = outcome.flagged.binary_search_by_key(&index, |flag| flag.index).ok()?;
    let flag = &outcome.flagged[at];
    Some((flag.subject.as_deref(), &flag.message))
}

/// The payload as it goes on, if the rule rewrote it.
fn payload(outcome: &Outcome, index: usize) -> Option<&[u8]> {
    outcome.rewritten.as_ref()?.get(index)
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verdict { from, to } => return write!(f, "{} → {}", from.name(), to.name()),
            Self::Score => "another score",
            Self::Bound => "another bound crossed",
            Self::Reason => "another reason",
            Self::Message => "another message",
            Self::Payload => "another payload goes on",
        })
    }
}
