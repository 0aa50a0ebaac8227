//! From a rule's outcome to an event's answer: what is flagged is published, what can never be
//! processed is dealt with, and each record is answered by what became of it.

use std::borrow::Cow;
use std::time::Instant;

use futures_util::future::join;

use crate::alert::Composer;
use crate::bad_record::{Disposer, OnBadRecord, Place};
use crate::batch::Batch;
use crate::contract::{Answer, Contract, Disposal, Event, FailureCause, FailureKind, Onward};
use crate::outcome::{Cause, Flag, Outcome, Verdict};
use crate::payload::PayloadReader;
use crate::pointer::FieldPointer;
use crate::publish::{Cooldown, Message, Ordering, Publisher, Step, Window, publish_in_order};
use crate::receipt::PublishError;
use crate::response::{Counts, FailedRecord, Response};
use crate::rule::Rule;
use crate::telemetry;

/// How events are delivered.
#[derive(Debug)]
pub(crate) struct Delivery<P> {
    pub(crate) publisher: P,
    /// The subject of messages for which the rule has none.
    pub(crate) subject: String,
    pub(crate) ordering: Option<Ordering>,
    pub(crate) on_bad_record: OnBadRecord,
    pub(crate) cooldown: Option<Cooldown>,
    pub(crate) message_group: Option<FieldPointer>,
    pub(crate) partition_keys: Vec<(String, FieldPointer)>,
}

impl<P> Delivery<P> {
    /// To `publisher`, and as by default.
    pub(crate) fn new(publisher: P, subject: &str) -> Self {
        Self {
            publisher,
            subject: subject.to_owned(),
            ordering: None,
            on_bad_record: OnBadRecord::default(),
            cooldown: None,
            message_group: None,
            partition_keys: Vec::new(),
        }
    }
}

/// Publishes what the rule flagged in an event, deals with what is bad, and answers.
pub(crate) async fn deliver<P: Publisher>(
    delivery: &Delivery<P>,
    rule: &Rule,
    event: &Event<'_>,
    batch: &Batch,
    outcome: Outcome,
    deadline: Option<Instant>,
) -> Response {
    let Outcome { verdicts, mut flagged, failed, rewritten } = outcome;
    let payloads = PayloadReader { batch, rewritten: rewritten.as_ref() };

    let mut failed = failed.into_iter().map(|failure| match failure.cause {
        Cause::Record => Answer::permanent(FailureCause::Record, failure.reason),
        Cause::Poison => Answer::permanent(FailureCause::Poison, failure.reason),
        Cause::Unclassified => Answer::transient(FailureCause::Unclassified, failure.reason),
    });
    let mut entries: Vec<Answer> = verdicts
        .iter()
        .map(|verdict| match verdict {
            Verdict::Pass => Answer::Done,
            Verdict::Drop => Answer::Dropped,
            Verdict::Flag => Answer::transient(FailureCause::Publishing, "it was not published"),
            Verdict::Fail => failed
                .next()
                .unwrap_or_else(|| Answer::transient(FailureCause::Unclassified, "no reason")),
        })
        .collect();
    let mut unreadable: Vec<Answer> =
        event.unreadable().iter().map(|(_, answer)| answer.clone()).collect();

    let composer = Composer {
        event,
        payloads: &payloads,
        rule,
        subject: &delivery.subject,
        group: delivery.message_group.as_ref(),
    };
    let messages = messages(delivery, &composer, &mut flagged);
    let disposer = Disposer { policy: &delivery.on_bad_record, event, payloads: &payloads, rule };
    let plan = plan(delivery, event, &flagged, &entries, messages);
    let (receipts, ()) = join(
        publish(delivery, plan, deadline),
        disposer.dispose(places(&mut entries, &mut unreadable, event), deadline),
    )
    .await;
    for (flag, receipt) in flagged.iter().zip(receipts) {
        entries[flag.index] = match receipt {
            Ok(()) => Answer::Published { score: flag.score, crossed: flag.crossed },
            Err(error) if error.is_permanent() => {
                Answer::permanent(FailureCause::Publishing, error.to_string())
            }
            Err(error) => Answer::transient(FailureCause::Publishing, error.to_string()),
        };
    }
    let partition_keys = partition_keys(delivery, event, &payloads, &mut entries);
    // Only now is it known which alerts nobody takes, and which keys are missing.
    disposer.dispose(places(&mut entries, &mut unreadable, event), deadline).await;

    let mut tally = Tally { counts: count(&verdicts, &unreadable), failures: Vec::new() };
    tally.add(&entries, |entry| (event.record_of(entry), event.entry_id(entry)));
    tally.add(&unreadable, |number| {
        let (record, _) = event.unreadable()[number];
        (record, event.id(record))
    });
    let mut answers = event.answers(entries, unreadable);
    let onward = Onward { rewritten: rewritten.as_ref(), partition_keys: &partition_keys };
    for index in event.fit(&mut answers, &onward) {
        tally.add_one(&answers[index], || (index, event.id(index)));
    }
    let Tally { counts, mut failures } = tally;
    failures.sort_by_key(|failure| failure.index);
    telemetry::answered(event.contract, &counts, &failures);
    let (body, contract) = (event.respond(&answers, &onward), event.contract);
    Response { body, contract, rule: rule.digest(), counts, failures }
}

/// The alerts for what is flagged, as messages: one for each, unless a cooldown merges them.
fn messages<P>(
    delivery: &Delivery<P>,
    composer: &Composer<'_>,
    flagged: &mut [Flag],
) -> Vec<Message> {
    let Some(cooldown) = &delivery.cooldown else {
        let alerts = flagged.iter_mut().map(|flag| composer.compose(flag));
        return alerts.enumerate().map(|(index, alert)| Message::alone(index, alert)).collect();
    };
    let keyed = |flag: &mut Flag| {
        let key = composer.payloads.field(flag.index, &cooldown.key);
        (key, composer.compose(flag))
    };
    cooldown.merge(flagged.iter_mut().map(keyed).collect(), Instant::now())
}

/// Publishes messages in the order that the pipeline keeps. One result for each flag, in order.
async fn publish<P: Publisher>(
    delivery: &Delivery<P>,
    plan: Plan,
    deadline: Option<Instant>,
) -> Vec<Result<(), PublishError>> {
    let Plan { steps, messages, flags } = plan;
    let rejection_fails = delivery.on_bad_record.fails();
    let started = Instant::now();
    let receipts = publish_in_order(&delivery.publisher, steps, rejection_fails, deadline).await;
    telemetry::published(started.elapsed(), &receipts);
    let mut results = vec![Ok(()); flags];
    for ((stands_for, window), receipt) in messages.into_iter().zip(receipts) {
        if let (Some(cooldown), Some(window), Err(_)) = (&delivery.cooldown, window, &receipt) {
            cooldown.close(&window);
        }
        for flag in stands_for {
            results[flag] = receipt.clone();
        }
    }
    results
}

/// What to publish, and in which order.
struct Plan {
    /// The messages, and between them what holds others back.
    steps: Vec<(String, Step)>,
    /// Which flags each message stands for, and the window that it opened.
    messages: Vec<(Vec<usize>, Option<Window>)>,
    /// How many flags there are.
    flags: usize,
}

/// Puts messages into chains, together with the records that failed already.
fn plan<P: Publisher>(
    delivery: &Delivery<P>,
    event: &Event<'_>,
    flagged: &[Flag],
    entries: &[Answer],
    messages: Vec<Message>,
) -> Plan {
    let kept = event.keeps_order() || delivery.publisher.keeps_order();
    let default = if kept { Ordering::Key } else { Ordering::None };
    let ordering = delivery.ordering.unwrap_or(default);
    let chain = |place: (usize, usize), key: Option<String>| match ordering {
        // Nothing waits for anything.
        Ordering::None => format!("{place:?}"),
        Ordering::Key => key.unwrap_or_default(),
        Ordering::Shard => String::new(),
    };

    if messages.is_empty() {
        // Nothing is held back either.
        return Plan { steps: Vec::new(), messages: Vec::new(), flags: flagged.len() };
    }
    let mut steps = Vec::with_capacity(messages.len());
    let mut covered = Vec::with_capacity(messages.len());
    for Message { alert, stands_for, opened } in messages {
        let entry = flagged[stands_for[0]].index;
        let place = (event.record_of(entry), entry);
        steps.push((place, chain(place, alert.group.clone()), Step::Publish(Box::new(alert))));
        covered.push((stands_for, opened));
    }
    let holds_back = |answer: &Answer| match answer {
        Answer::Failed { kind: FailureKind::Permanent, .. } => delivery.on_bad_record.fails(),
        Answer::Failed { .. } => true,
        _ => false,
    };
    let mut held_back_by = |place: (usize, usize), key: Option<Cow<'_, str>>| {
        steps.push((place, chain(place, key.map(Cow::into_owned)), Step::Failed));
    };
    let is_flagged = |entry| flagged.binary_search_by_key(&entry, |flag| flag.index).is_ok();
    for (entry, _) in entries.iter().enumerate().filter(|(_, answer)| holds_back(answer)) {
        if !is_flagged(entry) {
            held_back_by((event.record_of(entry), entry), event.key(entry));
        }
    }
    for (record, answer) in event.unreadable() {
        if holds_back(answer) {
            held_back_by((*record, 0), event.record_key(*record));
        }
    }
    steps.sort_by_key(|(place, ..)| *place);
    let steps = steps.into_iter().map(|(_, chain, step)| (chain, step)).collect();
    Plan { steps, messages: covered, flags: flagged.len() }
}

/// The partition keys of each record as a JSON object; nothing if none are asked for or the
/// contract has none. A record that lacks one can never be processed.
fn partition_keys<P>(
    delivery: &Delivery<P>,
    event: &Event<'_>,
    payloads: &PayloadReader<'_>,
    entries: &mut [Answer],
) -> Vec<String> {
    if delivery.partition_keys.is_empty() || event.contract != Contract::Firehose {
        return Vec::new();
    }
    let mut keys = vec![String::new(); event.len()];
    for (entry, answer) in entries.iter_mut().enumerate() {
        if !matches!(answer, Answer::Done | Answer::Published { .. }) {
            continue;
        }
        let document = payloads.document(entry).unwrap_or_default();
        let mut values = serde_json::Map::new();
        for (name, field) in &delivery.partition_keys {
            match field.text(&document).filter(|value| !value.is_empty()) {
                Some(value) => {
                    values.insert(name.clone(), value.into_owned().into());
                }
                None => {
                    *answer = Answer::permanent(
                        FailureCause::PartitionKey,
                        format!("it has no value at {field} for the partition key {name:?}"),
                    );
                }
            }
        }
        keys[event.record_of(entry)] = serde_json::Value::Object(values).to_string();
    }
    keys
}

/// The answers that may say that a record can never be processed, each with its place.
fn places<'a>(
    entries: &'a mut [Answer],
    unreadable: &'a mut [Answer],
    event: &'a Event<'_>,
) -> impl Iterator<Item = (Place, &'a mut Answer)> {
    let entries = entries.iter_mut().enumerate();
    let records = event.unreadable().iter().map(|(record, _)| *record);
    entries
        .map(|(entry, answer)| (Place::Entry(entry), answer))
        .chain(records.map(Place::Record).zip(unreadable))
}

/// Counts the records, and what the rule said of them.
fn count(verdicts: &[Verdict], unreadable: &[Answer]) -> Counts {
    let records = (verdicts.len() + unreadable.len()) as u64;
    let with = |verdict: Verdict| verdict.count_in(verdicts) as u64;
    let [passed, flagged, dropped] = [Verdict::Pass, Verdict::Flag, Verdict::Drop].map(with);
    Counts { records, passed, flagged, dropped, ..Counts::default() }
}

/// What became of records.
struct Tally {
    counts: Counts,
    failures: Vec<FailedRecord>,
}

impl Tally {
    /// Adds the records, or parts of them, that have these answers. Each one's index in the event and
    /// its id are asked for if it failed.
    fn add<'a>(
        &mut self,
        answers: &[Answer],
        index_and_id: impl Fn(usize) -> (usize, Cow<'a, str>),
    ) {
        for (number, answer) in answers.iter().enumerate() {
            // Most are: a look at each is all that it takes.
            if !matches!(answer, Answer::Done | Answer::Dropped) {
                self.add_one(answer, || index_and_id(number));
            }
        }
    }

    #[inline(never)]
    fn add_one<'a>(
        &mut self,
        answer: &Answer,
        index_and_id: impl FnOnce() -> (usize, Cow<'a, str>),
    ) {
        match answer {
            Answer::Done | Answer::Dropped => {}
            Answer::Published { .. } => self.counts.published += 1,
            Answer::Disposed { disposal: Disposal::DeadLetter, .. } => {
                self.counts.dead_lettered += 1;
            }
            Answer::Disposed { disposal: Disposal::Drop, .. } => self.counts.discarded += 1,
            Answer::Failed { reason, kind, cause } => {
                self.counts.failed += 1;
                let (index, id) = index_and_id();
                let (id, reason) = (id.into_owned(), reason.clone());
                self.failures.push(FailedRecord { index, id, reason, kind: *kind, cause: *cause });
            }
        }
    }
}
