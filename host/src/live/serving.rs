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

    /// The rule.
    pub(crate) fn rule(&self) -> &Rule {
        self.filter.rule()
    }

    /// Classifies a batch as far as the rule can.
    pub(crate) fn classify(&self, batch: &Arc<Batch>, deadline: Option<Instant>) -> Isolated {
        let started = Instant::now();
        let isolated = self.filter.classify_isolating(batch, deadline);
        if let Some(feed) = &self.feed {
            let allowed = deadline.map(|deadline| deadline.saturating_duration_since(started));
            feed.offer(batch, &isolated, started.elapsed(), allowed);
        }
        isolated
    }
}
