use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::bad_record::OnBadRecord;
use crate::batch::Batch;
use crate::contract::{Contract, EnvelopeError, Event, Origin};
use crate::delivery::{self, Delivery};
use crate::filter::Filter;
use crate::isolate::Isolated;
use crate::live::{LiveRule, Serving};
use crate::outcome::{Cause, Outcome};
use crate::pointer::FieldPointer;
use crate::publish::{Cooldown, Ordering, Publisher};
use crate::recording::Recorder;
use crate::response::Response;
use crate::state::{Aftermath, Keeper, Places};
use crate::telemetry;

/// The subject of messages, as the pipelines that Weir replaces wrote it.
pub const DEFAULT_SUBJECT: &str = "Sent from Kinesis Analytics";

/// The whole flow, from an event to its answer.
#[derive(Debug)]
pub struct Pipeline<P> {
    contract: Option<Contract>,
    rule: LiveRule,
    keeper: Arc<Keeper>,
    /// Held while an event takes its place for the rule that serves: one after it has a later rule.
    entrance: Mutex<()>,
    delivery: Delivery<P>,
    publish_timeout: Option<Duration>,
    recorder: Option<Recorder>,
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
    /// A pipeline through an opened rule, or one that is changed while the pipeline runs, to
    /// `publisher`.
    pub fn new(rule: impl Into<LiveRule>, publisher: P) -> Self {
        Self {
            contract: None,
            rule: rule.into(),
            keeper: Arc::default(),
            entrance: Mutex::default(),
            delivery: Delivery::new(publisher, DEFAULT_SUBJECT),
            publish_timeout: None,
            recorder: None,
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

    /// Sets where the state of a rule that keeps one is kept. By default nowhere but in memory.
    pub fn keeper(mut self, keeper: Keeper) -> Self {
        self.keeper = Arc::new(keeper);
        self
    }

    /// Records traffic, and what the rule says of it. What comes of the recording changes no answer.
    pub fn recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Processes an event: reads it, has the rule classify its records, publishes those that are
    /// flagged, and answers each one. A record is answered as done only when all it required is
    /// confirmed.
    ///
    /// The rule runs on a thread that tokio has for what blocks. Everything else is done by the task
    /// that waits for it.
    ///
    /// Dropping the future gives the event up. While it waits, for a thread or for its turn behind those that
    /// came before, it gives way and is not classified; those behind it go on once a thread would have come to it.
    /// Once the rule has begun, it runs to its end; one that
    /// keeps state has learnt the records then. What was given to the publisher may be published. No record
    /// is answered as done: the event is to come again. One that is kept and not awaited holds up those
    /// behind it.
    ///
    /// # Errors
    ///
    /// If the event cannot be read. Then nothing was published.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime; and in one without [time](tokio::runtime::Builder::enable_time), if there is
    /// a deadline or a [timeout](Self::publish_timeout).
    pub async fn process(&self, request: Request<'_>) -> Result<Response, EnvelopeError> {
        let incoming = self.enter(self.read(request)?);
        let Incoming { event, batch, deadline, serving, mut places } = incoming;
        let started = Instant::now();
        if let Some(places) = &mut places {
            // No thread is held meanwhile.
            places.come(deadline).await;
        }
        let filter = Arc::clone(serving.filter());
        let (keeper, shared) = (Arc::clone(&self.keeper), Arc::clone(&batch));
        let classify = move || classify(&serving, &keeper, places, &shared, deadline);
        // Ends before it begins if nobody waits for it any more.
        let mut classifying = JoinSet::new();
        classifying.spawn_blocking(classify);
        let (outcome, aftermath) = match classifying.join_next().await.expect("there is one") {
            Ok((isolated, aftermath)) => (outcome(&filter, isolated, started), aftermath),
            Err(error) => {
                let reason = format!("classification ended early: {error}");
                let rule = filter.rule();
                let (rule, digest) = (&rule.description().name, rule.digest());
                tracing::error!(records = batch.len(), rule, %digest, reason, "batch failed");
                (Outcome::unclassified(batch.len(), &reason), Aftermath::default())
            }
        };
        let classified = Classified { event, batch, filter, outcome, aftermath, deadline };
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
    /// As `process` does, and on a thread that runs tasks of a runtime: call it within
    /// [`spawn_blocking`](tokio::task::spawn_blocking), or on a thread that has
    /// [entered](tokio::runtime::Handle::enter) the runtime. One of a
    /// [current-thread](tokio::runtime::RuntimeFlavor::CurrentThread) runtime must be driven by another
    /// thread meanwhile: nothing else makes its time pass.
    pub fn process_blocking(&self, request: Request<'_>) -> Result<Response, EnvelopeError> {
        let classified = self.classify(self.enter(self.read(request)?));
        Ok(self.deliver_blocking(classified))
    }

    /// Begins to save the states that are due. States are saved while events come; this is for the
    /// time when none do.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn save_due_states(&self) {
        let keeper = Arc::clone(&self.keeper);
        on_blocking_thread(move || keeper.save_due()).await;
    }

    /// Saves the states that are not saved yet, and waits until they are. To be called at the end:
    /// what is learnt until the process ends is lost without it.
    ///
    /// Returns how often a state could not be saved so far, by this or when its session was closed: what it
    /// has learnt since it was saved last is lost, unless a later call can save it. Each time is logged.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn save_states(&self) -> usize {
        let keeper = Arc::clone(&self.keeper);
        // What ended early has not saved all.
        on_blocking_thread(move || keeper.save_all()).await.unwrap_or(1)
    }

    /// Whether an event is to be published after those before it, because their order is to be kept.
    #[cfg(feature = "cli")]
    pub(crate) fn keeps_order(&self, classified: &Classified<'_>) -> bool {
        self.delivery.ordering(classified.event.keeps_order()) != Ordering::None
    }

    /// The rule that serves: it can be changed at any time.
    pub fn rule(&self) -> &LiveRule {
        &self.rule
    }

    /// The first step of [`process_blocking`](Self::process_blocking).
    pub(crate) fn read<'a>(&self, request: Request<'a>) -> Result<Unentered<'a>, EnvelopeError> {
        let Request { body, contract, origin, deadline } = request;
        let (event, batch) = Event::read(contract.or(self.contract), body, &origin)
            .inspect_err(|_| telemetry::unreadable())?;
        Ok(Unentered { event, batch: Arc::new(batch), deadline })
    }

    /// The second: the event takes the rule that serves, which will classify all of it, and for one
    /// that keeps state its place behind the events that came before. It is to be classified then, as
    /// others wait for it.
    pub(crate) fn enter<'a>(&self, unentered: Unentered<'a>) -> Incoming<'a> {
        let Unentered { event, batch, deadline } = unentered;
        let mut serving = self.rule.serving();
        let mut places = None;
        if serving.keeps_state() {
            // No event behind another has an earlier rule: a state is handed on, never back.
            let _entrance = self.entrance.lock().unwrap_or_else(PoisonError::into_inner);
            serving = self.rule.serving();
            places = serving.keeps_state().then(|| self.keeper.enter(event.shares(&batch)));
        }
        Incoming { event, batch, deadline, serving, places }
    }

    /// The third: nothing is published yet.
    pub(crate) fn classify<'a>(&self, incoming: Incoming<'a>) -> Classified<'a> {
        let Incoming { event, batch, deadline, serving, places } = incoming;
        let started = Instant::now();
        let (isolated, aftermath) = classify(&serving, &self.keeper, places, &batch, deadline);
        let filter = Arc::clone(serving.filter());
        let outcome = outcome(&filter, isolated, started);
        Classified { event, batch, filter, outcome, aftermath, deadline }
    }

    /// The last.
    pub(crate) fn deliver_blocking(&self, classified: Classified<'_>) -> Response {
        Handle::current().block_on(self.deliver(classified))
    }

    async fn deliver(&self, classified: Classified<'_>) -> Response {
        let Classified { event, batch, filter, outcome, aftermath, deadline } = classified;
        if let Some(recorder) = &self.recorder {
            let rule = (filter.rule(), filter.settings());
            recorder.record(rule, &event, &batch, &outcome, &aftermath.lessons);
        }
        let deadline = self.publishing_ends(deadline);
        let delivered =
            delivery::deliver(&self.delivery, filter.rule(), &event, &batch, outcome, deadline)
                .await;
        aftermath.settle(&delivered.settled);
        delivered.response
    }

    fn publishing_ends(&self, deadline: Option<Instant>) -> Option<Instant> {
        // The clock knows no time without end.
        let timeout = self.publish_timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        match (deadline, timeout) {
            (Some(deadline), Some(timeout)) => Some(deadline.min(timeout)),
            (deadline, timeout) => deadline.or(timeout),
        }
    }
}

/// Has the rule classify a batch: with the state of each partition, if it keeps one.
fn classify(
    serving: &Serving,
    keeper: &Keeper,
    places: Option<Places>,
    batch: &Arc<Batch>,
    deadline: Option<Instant>,
) -> (Isolated, Aftermath) {
    let mut aftermath = Aftermath::default();
    let isolated = serving.classify(batch, deadline, |filter| match places {
        Some(places) => {
            let (isolated, left) = keeper.classify(filter, places, batch, deadline);
            aftermath = left;
            isolated
        }
        None => filter.classify_isolating(batch, deadline),
    });
    (isolated, aftermath)
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.inspect_err(|error| tracing::error!(%error, "saving ended early")).ok()
}

/// An event that was read.
pub(crate) struct Unentered<'a> {
    event: Event<'a>,
    batch: Arc<Batch>,
    deadline: Option<Instant>,
}

/// An event that has its rule, and is not yet classified.
pub(crate) struct Incoming<'a> {
    event: Event<'a>,
    batch: Arc<Batch>,
    deadline: Option<Instant>,
    /// The rule that is to classify all of it.
    serving: Arc<Serving>,
    /// Where it stands in line, if it has to.
    places: Option<Places>,
}

/// An event whose records are classified, and not yet delivered.
pub(crate) struct Classified<'a> {
    event: Event<'a>,
    batch: Arc<Batch>,
    /// What classified all of it: a trial beside it need not wait until this is delivered.
    filter: Arc<Filter>,
    outcome: Outcome,
    /// What it leaves behind, if the rule keeps state.
    aftermath: Aftermath,
    deadline: Option<Instant>,
}

/// The outcome of a classification. What the rule did wrong is logged.
fn outcome(filter: &Filter, isolated: Isolated, started: Instant) -> Outcome {
    telemetry::classified(started.elapsed(), &isolated);
    let Isolated { outcome, extra_runs, fault, stop, .. } = isolated;
    if fault.is_some() || stop.is_some() {
        let failed = |cause| outcome.failed.iter().filter(|f| f.cause == cause).count();
        tracing::error!(
            records = outcome.verdicts.len(),
            rule = filter.description().name,
            digest = %filter.rule().digest(),
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
