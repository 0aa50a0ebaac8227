use std::sync::Arc;
use std::time::Instant;

use super::queue::Feed;
use crate::batch::Batch;
use crate::filter::Filter;
use crate::isolate::Isolated;
use crate::rule::Rule;

/// A rule that serves, and where the batches go that it has classified. A batch takes it once, and
/// is classified wholly by it.
pub(crate) struct Serving {
    pub(super) filter: Arc<Filter>,
    feed: Option<Feed>,
}

impl Serving {
    pub(super) fn new(filter: Arc<Filter>, feed: Option<Feed>) -> Self {
        Self { filter, feed }
    }

    /// What classifies.
    pub(crate) fn filter(&self) -> &Arc<Filter> {
        &self.filter
    }

    /// The rule.
    pub(crate) fn rule(&self) -> &Rule {
        self.filter.rule()
    }

    /// Whether it keeps state.
    pub(crate) fn keeps_state(&self) -> bool {
        self.filter.description().keeps_state
    }

    /// Has the rule `run` on a batch.
    pub(crate) fn classify(
        &self,
        batch: &Arc<Batch>,
        deadline: Option<Instant>,
        run: impl FnOnce(&Arc<Filter>) -> Isolated,
    ) -> Isolated {
        let started = Instant::now();
        let isolated = run(&self.filter);
        if let Some(feed) = &self.feed {
            let allowed = deadline.map(|deadline| deadline.saturating_duration_since(started));
            feed.offer(batch, &isolated, started.elapsed(), allowed);
        }
        isolated
    }
}
