use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::bad_record::OnBadRecord;
use crate::batch::Batch;
use crate::contract::{Contract, EnvelopeError, Event, Origin};
use crate::delivery::{self, Delivery};
use crate::filter::Filter;
use crate::isolate::Isolated;
use crate::outcome::{Cause, Outcome};
use crate::pointer::FieldPointer;
use crate::publish::{Cooldown, Ordering, Publisher};
use crate::recorded::Recorded;
use crate::response::Response;
use crate::rule::Rule;
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
        telemetry::opened(filter.rule());
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
    /// The rule runs on a thread that tokio has for what blocks. Everything else is done by the task
    /// that waits for it.
    ///
    /// # Errors
    ///
    /// If the event cannot be read. Then nothing was published.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn process(&self, request: Request<'_>) -> Result<Response, EnvelopeError> {
        let (event, batch) = self.read(&request)?;
        let batch = Arc::new(batch);
        let (filter, shared) = (Arc::clone(&self.filter), Arc::clone(&batch));
        let classify = move || filter.classify_isolating(&shared, request.deadline);
        let started = Instant::now();
        let outcome = match tokio::task::spawn_blocking(classify).await {
            Ok(isolated) => self.outcome(isolated, started),
            Err(error) => {
                let reason = format!("classification ended early: {error}");
                let (rule, digest) = (&self.rule().description().name, self.rule().digest());
                tracing::error!(records = batch.len(), rule, %digest, reason, "batch failed");
                Outcome::unclassified(batch.len(), &reason)
            }
        };
        let classified = Classified { event, batch, outcome, deadline: request.deadline };
        Ok(self.deliver(classified).await)
    }

    /// Does what [`process`](Self::process) does, all of it on this thread: events that each have a
    /// thread are processed on as many cores as there are.
    ///
    /// # Errors
    ///
    /// If the event cannot be read. Then nothing was published.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and on a thread that runs tasks of one: call it within
    /// [`spawn_blocking`](tokio::task::spawn_blocking), or on a thread that has
    /// [entered](tokio::runtime::Handle::enter) the runtime.
    pub fn process_blocking(&self, request: Request<'_>) -> Result<Response, EnvelopeError> {
        let classified = self.classify(request)?;
        Ok(self.deliver_blocking(classified))
    }

    /// The rule that classifies.
    pub(crate) fn rule(&self) -> &Rule {
        self.filter.rule()
    }

    /// The first half of [`process_blocking`](Self::process_blocking): nothing is published yet.
    pub(crate) fn classify<'a>(
        &self,
        request: Request<'a>,
    ) -> Result<Classified<'a>, EnvelopeError> {
        let (event, batch) = self.read(&request)?;
        let started = Instant::now();
        let isolated = self.filter.classify_isolating(&batch, request.deadline);
        let outcome = self.outcome(isolated, started);
        Ok(Classified { event, batch: Arc::new(batch), outcome, deadline: request.deadline })
    }

    /// What the rule said of the records of an event, and what it takes to prove it again.
    pub(crate) fn recorded(&self, classified: &Classified<'_>) -> impl Iterator<Item = Recorded> {
        let Classified { event, batch, outcome, .. } = classified;
        Recorded::all(&self.filter, batch, outcome, |entry| event.entry_id(entry).into_owned())
    }

    /// The other half.
    pub(crate) fn deliver_blocking(&self, classified: Classified<'_>) -> Response {
        Handle::current().block_on(self.deliver(classified))
    }

    fn read<'a>(&self, request: &Request<'a>) -> Result<(Event<'a>, Batch), EnvelopeError> {
        Event::read(request.contract.or(self.contract), request.body, &request.origin)
            .inspect_err(|_| telemetry::unreadable())
    }

    /// The outcome of a classification. What the rule did wrong is logged.
    fn outcome(&self, isolated: Isolated, started: Instant) -> Outcome {
        telemetry::classified(started.elapsed(), &isolated);
        let Isolated { outcome, extra_runs, fault, stop, .. } = isolated;
        if fault.is_some() || stop.is_some() {
            let failed = |cause| outcome.failed.iter().filter(|f| f.cause == cause).count();
            tracing::error!(
                records = outcome.verdicts.len(),
                rule = self.rule().description().name,
                digest = %self.rule().digest(),
                fault = fault.as_ref().map(tracing::field::display),
                stop = stop.as_ref().map(tracing::field::display),
                extra_runs,
                poison = failed(Cause::Poison),
                unclassified = failed(Cause::Unclassified),
                "rule failed"
            );
        }
        outcome
    }

    async fn deliver(&self, classified: Classified<'_>) -> Response {
        let Classified { event, batch, outcome, deadline } = classified;
        let deadline = self.publishing_ends(deadline);
        let rule = self.rule();
        delivery::deliver(&self.delivery, rule, &event, &batch, outcome, deadline).await
    }

    fn publishing_ends(&self, deadline: Option<Instant>) -> Option<Instant> {
        let timeout = self.publish_timeout.map(|timeout| Instant::now() + timeout);
        match (deadline, timeout) {
            (Some(deadline), Some(timeout)) => Some(deadline.min(timeout)),
            (deadline, timeout) => deadline.or(timeout),
        }
    }
}

/// An event whose records are classified, and not yet delivered.
pub(crate) struct Classified<'a> {
    event: Event<'a>,
    batch: Arc<Batch>,
    outcome: Outcome,
    deadline: Option<Instant>,
}
