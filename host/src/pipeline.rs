use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bad_record::OnBadRecord;
use crate::batch::Batch;
use crate::contract::{Contract, EnvelopeError, Event, Origin};
use crate::delivery::{self, Delivery};
use crate::filter::Filter;
use crate::isolate::Isolated;
use crate::outcome::{Cause, Outcome};
use crate::pointer::FieldPointer;
use crate::publish::{Cooldown, Ordering, Publisher};
use crate::response::Response;
use crate::telemetry;

/// The subject of messages, as the pipelines that Weir replaces wrote it.
pub const DEFAULT_SUBJECT: &str = "Sent from Kinesis Analytics";

/// The whole flow, from an event to its answer.
#[derive(Debug)]
pub struct Pipeline<P> {
    contract: Option<Contract>,
    filter: Arc<Filter>,
    delivery: Delivery<P>,
    publish_timeout: Option<Duration>,
}

/// An event to process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The event as it came from the stream service.
    pub body: &'a [u8],
    /// Its contract, if it is known; or else the pipeline's, or else told by its shape.
    pub contract: Option<Contract>,
    /// Where it was read from, for records without an id.
    pub origin: Origin<'a>,
    /// When the answer is needed. Classifying and publishing stop then; what is not confirmed is
    /// failed.
    pub deadline: Option<Instant>,
}

impl<P: Publisher> Pipeline<P> {
    /// A pipeline through `filter` to `publisher`.
    pub fn new(filter: Filter, publisher: P) -> Self {
        telemetry::opened(filter.description());
        Self {
            contract: None,
            filter: Arc::new(filter),
            delivery: Delivery::new(publisher, DEFAULT_SUBJECT),
            publish_timeout: None,
        }
    }

    /// Takes every event to be of this contract, instead of telling it by its shape.
    pub fn contract(mut self, contract: Contract) -> Self {
        self.contract = Some(contract);
        self
    }

    /// Sets the subject of messages for which the rule has none of its own. By default
    /// [`DEFAULT_SUBJECT`].
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.delivery.subject = subject.into();
        self
    }

    /// Sets what is still attempted after a record that failed. By default [`Ordering::Key`] from a
    /// FIFO queue or to a publisher that [keeps the order](Publisher::keeps_order), or else
    /// [`Ordering::None`].
    pub fn ordering(mut self, ordering: Ordering) -> Self {
        self.delivery.ordering = Some(ordering);
        self
    }

    /// Sets what becomes of records that can never be processed. By default they fail.
    pub fn on_bad_record(mut self, policy: OnBadRecord) -> Self {
        self.delivery.on_bad_record = policy;
        self
    }

    /// Merges alerts when many come for the same key. By default none are merged.
    pub fn cooldown(mut self, cooldown: Cooldown) -> Self {
        self.delivery.cooldown = Some(cooldown);
        self
    }

    /// Sets the field of the payload whose value is the message group on a FIFO topic. By default,
    /// and where there is no such field, it is the partition key.
    pub fn message_group(mut self, field: FieldPointer) -> Self {
        self.delivery.message_group = Some(field);
        self
    }

    /// Adds a partition key to the answers for Firehose: a name, and the field of the payload that
    /// holds its value. A record without that field can never be processed.
    pub fn partition_key(mut self, name: impl Into<String>, field: FieldPointer) -> Self {
        self.delivery.partition_keys.push((name.into(), field));
        self
    }

    /// Sets how long publishing may take for an event, whatever deadline it has. By default as long
    /// as the publisher goes on trying.
    pub fn publish_timeout(mut self, timeout: Duration) -> Self {
        self.publish_timeout = Some(timeout);
        self
    }

    /// Processes an event: reads it, has the rule classify its records, publishes those that are
    /// flagged, and answers each one. A record is answered as done only when all it required is
    /// confirmed.
    ///
    /// # Errors
    ///
    /// If the event cannot be read. Then nothing was published.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn process(&self, request: Request<'_>) -> Result<Response, EnvelopeError> {
        let (event, batch) = self.read(&request).inspect_err(|_| telemetry::unreadable())?;
        let batch = Arc::new(batch);
        let outcome = self.classify(&batch, request.deadline).await;
        let deadline = self.publishing_ends(request.deadline);
        let rule = self.filter.description();
        Ok(delivery::deliver(&self.delivery, rule, &event, &batch, outcome, deadline).await)
    }

    fn read<'a>(&self, request: &Request<'a>) -> Result<(Event<'a>, Batch), EnvelopeError> {
        Event::read(request.contract.or(self.contract), request.body, &request.origin)
    }

    /// Classifies a batch away from the threads that wait for the network.
    async fn classify(&self, batch: &Arc<Batch>, deadline: Option<Instant>) -> Outcome {
        let (filter, records) = (Arc::clone(&self.filter), batch.len());
        let rule = self.filter.description().name.as_str();
        let batch = Arc::clone(batch);
        let started = Instant::now();
        let classified =
            tokio::task::spawn_blocking(move || filter.classify_isolating(&batch, deadline)).await;
        if let Ok(isolated) = &classified {
            telemetry::classified(started.elapsed(), isolated);
        }
        match classified {
            Ok(Isolated { outcome, fault: None, stop: None, .. }) => outcome,
            Ok(Isolated { outcome, extra_runs, fault, stop, .. }) => {
                let fault = fault.as_ref().map(tracing::field::display);
                let stop = stop.as_ref().map(tracing::field::display);
                let failed = |cause| outcome.failed.iter().filter(|f| f.cause == cause).count();
                let (poison, unclassified) = (failed(Cause::Poison), failed(Cause::Unclassified));
                tracing::error!(
                    records,
                    rule,
                    fault,
                    stop,
                    extra_runs,
                    poison,
                    unclassified,
                    "rule failed"
                );
                outcome
            }
            Err(error) => {
                let reason = format!("classification ended early: {error}");
                tracing::error!(records, rule, reason, "batch failed");
                Outcome::unclassified(records, &reason)
            }
        }
    }

    fn publishing_ends(&self, deadline: Option<Instant>) -> Option<Instant> {
        let timeout = self.publish_timeout.map(|timeout| Instant::now() + timeout);
        match (deadline, timeout) {
            (Some(deadline), Some(timeout)) => Some(deadline.min(timeout)),
            (deadline, timeout) => deadline.or(timeout),
        }
    }
}
