use std::fmt;
use std::sync::Arc;

use super::agreement::Agreement;
use super::machine::Machine;
use super::offer::{Offer, Stage};
use super::policy::UpdatePolicy;
use super::serving::Serving;
use crate::digest::Digest;
use crate::filter::Filter;

/// The rule that serves, and the candidate or the last good one beside it. A clone is the same.
///
/// A [`Pipeline`](crate::Pipeline) classifies each batch by the rule that serves when it takes it.
#[derive(Clone)]
pub struct LiveRule(Arc<Machine>);

impl LiveRule {
    /// Has a rule serve from the beginning.
    pub fn new(filter: Filter, policy: UpdatePolicy) -> Self {
        Self(Machine::start(filter, policy))
    }

    /// Offers a candidate: an opened rule that was verified, if that is asked for. As the policy
    /// says, it takes over at once or is first compared in [shadow](Stage::Shadow); another candidate
    /// that was offered before and is compared still is withdrawn, also if this one is refused. It is
    /// first given a batch without records.
    ///
    /// In probation, an offer of the rule before rolls back to it, and any other has to wait.
    pub fn offer(&self, candidate: impl Into<Arc<Filter>>) -> Offer {
        self.0.offer(candidate.into())
    }

    /// Has a candidate run in shadow, whatever the policy says, until it is
    /// [withdrawn](Self::withdraw): it will not serve.
    pub fn shadow(&self, candidate: impl Into<Arc<Filter>>) -> Offer {
        self.0.shadow(candidate.into())
    }

    /// Withdraws the candidate in shadow, after it has run on all that waits for it. Answers with
    /// what it came to.
    pub fn withdraw(&self) -> Option<Agreement> {
        self.0.withdraw()
    }

    /// Withdraws the candidate in shadow if it was to serve: what it was offered from holds something
    /// else by now.
    pub(super) fn withdraw_undecided(&self, why: &str) {
        self.0.withdraw_undecided(why);
    }

    /// Has another rule serve from the next batch on, whatever the policy says and whatever is going
    /// on: there is no probation.
    pub fn swap(&self, filter: impl Into<Arc<Filter>>) {
        self.0.swap(filter.into());
    }

    /// The digest of the rule that serves.
    pub fn digest(&self) -> Digest {
        self.serving().rule().digest()
    }

    /// What is going on.
    pub fn stage(&self) -> Stage {
        self.0.stage()
    }

    /// The rule for a batch: all of it.
    pub(crate) fn serving(&self) -> Arc<Serving> {
        self.0.serving()
    }
}

impl From<Filter> for LiveRule {
    fn from(filter: Filter) -> Self {
        Self::new(filter, UpdatePolicy::default())
    }
}

impl fmt::Debug for LiveRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveRule").field("serving", self.serving().rule()).finish_non_exhaustive()
    }
}
