//! From the thread that classifies a batch to the one that has another rule classify it as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::filter::Filter;
use crate::isolate::{Isolated, Stop};
use crate::telemetry;

/// How many batches wait for the other rule at the most. They are kept in memory.
const WAITING: usize = 8;

/// A batch that the serving rule has classified, and what came of it.
pub(super) struct Sample {
    pub(super) batch: Arc<Batch>,
    pub(super) classified: Isolated,
    /// How long that took.
    pub(super) elapsed: Duration,
    /// How long it might have taken, where its answer had a deadline.
    pub(super) allowed: Option<Duration>,
    /// When it went in.
    fed: Instant,
}

/// Which batches are of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Every one.
    All,
    /// Those on which the rule faulted, or of which a record failed.
    Failed,
}

/// Where batches go in. It never waits: what does not fit is counted as skipped.
pub(super) struct Feed {
    queue: SyncSender<Sample>,
    interest: Interest,
    counts: Arc<FeedCounts>,
}

/// Where they come out.
pub(super) struct Samples {
    queue: Receiver<Sample>,
    counts: Arc<FeedCounts>,
}

#[derive(Default)]
struct FeedCounts {
    waiting: AtomicUsize,
    records: AtomicU64,
    skipped_batches: AtomicU64,
    skipped_records: AtomicU64,
}

pub(super) fn queue(interest: Interest) -> (Feed, Samples) {
    // Every batch that is counted as waiting finds room.
    let (sender, receiver) = mpsc::sync_channel(WAITING);
    let counts = Arc::new(FeedCounts::default());
    let feed = Feed { queue: sender, interest, counts: Arc::clone(&counts) };
    (feed, Samples { queue: receiver, counts })
}

impl Feed {
    /// Takes a batch on, if there is room.
    pub(super) fn offer(
        &self,
        batch: &Arc<Batch>,
        classified: &Isolated,
        elapsed: Duration,
        allowed: Option<Duration>,
    ) {
        let records = batch.len() as u64;
        self.counts.records.fetch_add(records, Ordering::Relaxed);
        let failed = classified.fault.is_some() || !classified.outcome.failed.is_empty();
        if self.interest == Interest::Failed && !failed {
            return;
        }
        let has_room = self.counts.waiting.fetch_add(1, Ordering::Relaxed) < WAITING;
        // What an outcome holds is copied only when it is known to be taken.
        let taken = has_room
            && self
                .queue
                .try_send(Sample {
                    batch: Arc::clone(batch),
                    classified: classified.clone(),
                    elapsed,
                    allowed,
                    fed: Instant::now(),
                })
                .is_ok();
        if !taken {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.skipped_batches.fetch_add(1, Ordering::Relaxed);
            self.counts.skipped_records.fetch_add(records, Ordering::Relaxed);
            if self.interest == Interest::All {
                telemetry::skipped();
            }
        }
    }
}

impl Samples {
    /// Waits for the next batch. None when there will be no more.
    pub(super) fn next(&self) -> Option<Sample> {
        self.queue.recv().ok().inspect(|_| self.taken())
    }

    /// Waits for the next batch that went in until `end`, if it comes out later.
    pub(super) fn next_until(&self, end: Instant) -> Result<Sample, RecvTimeoutError> {
        // With no time left, it does not wait, and takes what is there.
        let sample = self.queue.recv_timeout(end.saturating_duration_since(Instant::now()))?;
        self.taken();
        if sample.fed > end {
            return Err(RecvTimeoutError::Timeout);
        }
        Ok(sample)
    }

    fn taken(&self) {
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many records the serving rule has classified.
    pub(super) fn records(&self) -> u64 {
        self.counts.records.load(Ordering::Relaxed)
    }

    /// The batches that found no room, and the records in them.
    pub(super) fn skipped(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.counts.skipped_batches), load(&self.counts.skipped_records))
    }
}

impl Sample {
    /// Has another rule classify the batch, in no more time than the first might have taken.
    /// Answers with how long it took, too. One that keeps state does it with a state of its own.
    pub(super) fn again(&self, filter: &Filter) -> (Isolated, Duration) {
        // As long again as it may run: to tell which records it faults on.
        let most = filter.limits().time.saturating_mul(2);
        let allowed = self.allowed.map_or(most, |allowed| allowed.min(most));
        let started = Instant::now();
        let isolated = filter.classify_isolating(&self.batch, started.checked_add(allowed));
        (isolated, started.elapsed())
    }
}

/// What a rule did wrong on a batch, if it did; that it was too slow for the answer counts.
pub(super) fn wrong(classified: &Isolated) -> Option<String> {
    let late = classified.stop.as_ref().filter(|stop| **stop == Stop::Deadline);
    classified.fault.as_ref().map(ToString::to_string).or_else(|| late.map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Encoding;

    #[test]
    fn what_waits_as_the_time_ends_still_comes_out() {
        let (feed, samples) = queue(Interest::All);
        let batch = Arc::new(Batch::with_capacity(Encoding::Plain, 0, 0));
        let offer = || feed.offer(&batch, &Isolated::default(), Duration::ZERO, None);
        (0..2).for_each(|_| offer());
        let end = Instant::now();
        while Instant::now() == end {}
        offer();
        let waited = std::iter::from_fn(|| samples.next_until(end).ok());
        assert_eq!(waited.count(), 2, "what came after the end does not count");
    }
}
