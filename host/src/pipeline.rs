use std::sync::Arc;
use std::time::Instant;

use crate::alert;
use crate::batch::Batch;
use crate::contract::{Answer, Contract, EnvelopeError, Event, Origin};
use crate::filter::Filter;
use crate::outcome::{Outcome, Verdict};
use crate::publish::{PublishError, Publisher};

/// The subject of messages, as the pipelines that Weir replaces wrote it.
pub const DEFAULT_SUBJECT: &str = "Sent from Kinesis Analytics";

/// The whole flow, from an event to its answer.
#[derive(Debug)]
pub struct Pipeline<P> {
    filter: Arc<Filter>,
    publisher: P,
    contract: Option<Contract>,
    subject: String,
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
    /// When the answer is needed. Publishing stops then; what is not confirmed is failed.
    pub deadline: Option<Instant>,
}

/// An event, processed.
#[derive(Clone, Debug)]
pub struct Response {
    /// The answer, as the event's contract wants it.
    pub body: Vec<u8>,
    /// The event's contract.
    pub contract: Contract,
    /// What became of its records.
    pub counts: Counts,
    /// The records that failed, in order.
    pub failures: Vec<FailedRecord>,
}

/// What became of records, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them: the sum of passed, flagged, dropped and unclassified.
    pub records: u64,
    /// Nothing to notice.
    pub passed: u64,
    /// Flagged by the rule, published or not.
    pub flagged: u64,
    /// Dropped by the rule.
    pub dropped: u64,
    /// Answered as failed: not classified, or flagged and not published.
    pub failed: u64,
    /// Flagged, and confirmed by the publisher.
    pub published: u64,
}

/// A record that was answered as failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRecord {
    /// Its index in the event.
    pub index: usize,
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: String,
}

impl<P: Publisher> Pipeline<P> {
    /// A pipeline through `filter` to `publisher`.
    pub fn new(filter: Filter, publisher: P) -> Self {
        Self {
            filter: Arc::new(filter),
            publisher,
            contract: None,
            subject: DEFAULT_SUBJECT.to_owned(),
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
        self.subject = subject.into();
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
        let contract = match request.contract.or(self.contract) {
            Some(contract) => contract,
            None => Contract::detect(request.body)?,
        };
        let (event, batch) = Event::read(contract, request.body, &request.origin)?;
        let mut outcome = self.classify(batch).await;
        let rule = self.filter.description();
        let alerts = alert::compose(&event, &mut outcome, rule, &self.subject);
        let receipts = self.publisher.publish(alerts, request.deadline).await;
        let answers = settle(&outcome, receipts);
        Ok(Response {
            body: event.respond(&answers, outcome.rewritten.as_ref()),
            contract,
            counts: count(&outcome, &answers),
            failures: failures(&event, answers),
        })
    }

    /// Classifies a batch away from the threads that wait for the network. If the rule is at
    /// fault, no record has a verdict, and all of them fail.
    async fn classify(&self, batch: Batch) -> Outcome {
        let filter = Arc::clone(&self.filter);
        let records = batch.len();
        let classified = tokio::task::spawn_blocking(move || filter.classify(&batch)).await;
        let reason = match classified {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(fault)) => fault.to_string(),
            Err(error) => format!("classification ended early: {error}"),
        };
        tracing::error!(records, rule = self.filter.description().name, reason, "batch failed");
        Outcome::all_failed(records, &reason)
    }
}

/// Brings together what the rule said and what the publisher confirmed: one answer a record.
fn settle(outcome: &Outcome, receipts: Vec<Result<(), PublishError>>) -> Vec<Answer> {
    let mut flagged = outcome.flagged.iter().zip(receipts);
    let mut failed = outcome.failed.iter();
    let answer = |verdict: &Verdict| match verdict {
        Verdict::Pass => Answer::Done,
        Verdict::Drop => Answer::Dropped,
        Verdict::Flag => match flagged.next() {
            Some((flag, Ok(()))) => Answer::Published { score: flag.score, crossed: flag.crossed },
            Some((_, Err(error))) => Answer::Failed(error.to_string()),
            None => Answer::Failed("the publisher did not answer for it".to_owned()),
        },
        Verdict::Fail => {
            let failure = failed.next();
            Answer::Failed(failure.map_or_else(String::new, |failure| failure.reason.clone()))
        }
    };
    outcome.verdicts.iter().map(answer).collect()
}

fn count(outcome: &Outcome, answers: &[Answer]) -> Counts {
    let verdicts =
        |kind| outcome.verdicts.iter().filter(|verdict| **verdict == kind).count() as u64;
    let answered = |kind: fn(&Answer) -> bool| answers.iter().filter(|a| kind(a)).count() as u64;
    Counts {
        records: answers.len() as u64,
        passed: verdicts(Verdict::Pass),
        flagged: verdicts(Verdict::Flag),
        dropped: verdicts(Verdict::Drop),
        failed: answered(|answer| matches!(answer, Answer::Failed(_))),
        published: answered(|answer| matches!(answer, Answer::Published { .. })),
    }
}

fn failures(event: &Event<'_>, answers: Vec<Answer>) -> Vec<FailedRecord> {
    let failure = |(index, answer)| match answer {
        Answer::Failed(reason) => {
            Some(FailedRecord { index, id: event.id(index).to_owned(), reason })
        }
        _ => None,
    };
    answers.into_iter().enumerate().filter_map(failure).collect()
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.passed += other.passed;
        self.flagged += other.flagged;
        self.dropped += other.dropped;
        self.failed += other.failed;
        self.published += other.published;
    }
}
