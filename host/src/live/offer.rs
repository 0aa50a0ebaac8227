use super::agreement::Agreement;
use super::probation::Troubles;
use crate::digest::Digest;

/// What became of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It serves, on probation.
    Serves,
    /// It runs in shadow; the policy decides.
    Shadows,
    /// There is nothing to do: it is the rule that serves, or is tried already.
    Known,
    /// It is refused, for this reason: it faulted on nothing at all.
    Refused(String),
    /// It was refused or rolled back before, and is not tried again.
    RefusedBefore,
    /// The rule that serves is on probation, or there is no room to try another. Offer it again after
    /// that.
    Later,
}

/// What is going on beside serving.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Nothing.
    Serving,
    /// A candidate runs on the same records.
    Shadow {
        /// Which.
        candidate: Digest,
        /// How far both agree.
        agreement: Agreement,
    },
    /// The rule is watched, and the one before it is ready.
    Probation {
        /// The one before it.
        last_good: Digest,
        /// What was found.
        troubles: Troubles,
    },
}
