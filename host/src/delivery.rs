//! From a rule's outcome to an event's answer: what is flagged is published, what can never be
//! processed is dealt with, and each record is answered by what became of it.

use std::borrow::Cow;
use std::time::Instant;

use futures_util::future::join;

use crate::alert::{Alert, Composer};
use crate::bad_record::{Disposer, OnBadRecord, Place};
use crate::batch::Batch;
use crate::contract::{Answer, Contract, Disposal, Event, FailureCause, Onward};
use crate::outcome::{Cause, Flag, Outcome, Verdict};
use crate::payload::PayloadReader;
use crate::pointer::FieldPointer;
use crate::publish::{
    Answering, Chain, Cooldown, Message, Ordering, Publisher, Window, held_back, held_back_by,
    publish_in_order,
};
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

impl<P: Publisher> Delivery<P> {
    /// The order that is kept of events from a source that keeps one, or does not.
    pub(crate) fn ordering(&self, source_keeps_order: bool) -> Ordering {
        self.ordering.unwrap_or(match source_keeps_order || self.publisher.keeps_order() {
            true => Ordering::Key,
            false => Ordering::None,
        })
    }
}

/// What became of an event.
pub(crate) struct Delivered {
    pub(crate) response: Response,
    /// The entries that were flagged, and whose alerts were published or dealt with in another way: ascending.
    pub(crate) settled: Vec<usize>,
}

/// Publishes what the rule flagged in an event, deals with what is bad, and answers.
pub(crate) async fn deliver<P: Publisher>(
    delivery: &Delivery<P>,
    rule: &Rule,
    event: &Event<'_>,
    batch: &Batch,
    outcome: Outcome,
    deadline: Option<Instant>,
) -> Delivered {
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
    let disposer = Disposer { policy: &delivery.on_bad_record, event, payloads: &payloads, rule };
    let ordering = delivery.ordering(event.keeps_order());
    if ordering != Ordering::None {
        // A record whose letter is not taken holds back what comes after it.
        disposer.dispose(places(&mut entries, &mut unreadable, event), deadline).await;
    }
    let plan = plan(delivery, ordering, &composer, &mut flagged, &entries);
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

    let is_settled = |entry: &usize| !matches!(entries[*entry], Answer::Failed { .. });
    let settled = flagged.iter().map(|flag| flag.index).filter(is_settled).collect();
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
    let response = Response { body, contract, rule: rule.digest(), counts, failures };
    Delivered { response, settled }
}

/// Publishes messages in the order that the pipeline keeps. One result for each flag, in order.
async fn publish<P: Publisher>(
    delivery: &Delivery<P>,
    plan: Plan,
    deadline: Option<Instant>,
) -> Vec<Result<(), PublishError>> {
    let Plan { mut messages, chains, held_back: held } = plan;
    let opened = messages.iter_mut().filter_map(|m| Some((m.stands_for[0], m.opened.take()?)));
    let mut opened = Opened { cooldown: delivery.cooldown.as_ref(), windows: opened.collect() };
    let rejection_fails = delivery.on_bad_record.fails();
    let started = Instant::now();
    let publisher = Answering(&delivery.publisher);
    let published =
        publish_in_order(&publisher, messages, &chains, rejection_fails, deadline).await;
    let held = held.into_iter().enumerate().filter(|(_, held)| *held);
    let held = held.map(|(flag, _)| (vec![flag], Err(held_back())));
    let (stands_for, receipts): (Vec<_>, Vec<_>) = published.into_iter().chain(held).unzip();
    telemetry::published(started.elapsed(), &receipts);
    let mut results = vec![Err(held_back()); chains.len()];
    for (flags, receipt) in stands_for.into_iter().zip(receipts) {
        for flag in flags {
            results[flag] = receipt.clone();
        }
    }
    opened.windows.retain(|(flag, _)| results[*flag].is_err());
    results
}

/// Windows of alerts that are not confirmed yet: without that they close, also if nobody waits for it any
/// more.
struct Opened<'a> {
    cooldown: Option<&'a Cooldown>,
    /// The flag of each.
    windows: Vec<(usize, Window)>,
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if let Some(cooldown) = self.cooldown {
            self.windows.iter().for_each(|(_, window)| cooldown.close(window));
        }
    }
}

/// What to publish, and in which order.
struct Plan {
    messages: Vec<Message>,
    /// The chains that the alert of each flag is in.
    chains: Vec<Vec<Chain>>,
    /// Which flags have no message, as a record that failed already holds them back.
    held_back: Vec<bool>,
}

/// Makes messages of what is flagged: one for each, unless a cooldown merges them. None for what
/// comes after a record that failed already.
fn plan<P>(
    delivery: &Delivery<P>,
    ordering: Ordering,
    composer: &Composer<'_>,
    flagged: &mut [Flag],
    entries: &[Answer],
) -> Plan {
    let Composer { event, payloads, .. } = composer;

    let alerts: Vec<_> = flagged.iter_mut().map(|flag| composer.compose(flag)).collect();
    let in_chains = |(flag, alert): (&Flag, &Alert)| {
        let key = event.key(flag.index);
        let place = (event.record_of(flag.index), flag.index);
        (place, ordering.chains(key.as_deref(), alert.group.as_deref()))
    };
    let places: Vec<_> = flagged.iter().zip(&alerts).map(in_chains).collect();
    let failures = match ordering {
        // Nothing is held back.
        Ordering::None => Vec::new(),
        _ if flagged.is_empty() => Vec::new(),
        _ => failures(composer, ordering, flagged, entries),
    };
    let held_back = held_back_by(&failures, &places);
    let chains = places.into_iter().map(|(_, chains)| chains).collect();

    // What is held back is not merged with what is not, and opens no window.
    let alerts = alerts.into_iter().enumerate().filter(|(flag, _)| !held_back[*flag]);
    let messages = match &delivery.cooldown {
        None => alerts.map(|(flag, alert)| Message::alone(flag, alert)).collect(),
        Some(cooldown) => {
            let keyed = |(flag, alert): (usize, Alert)| {
                (flag, payloads.field(flagged[flag].index, &cooldown.key), alert)
            };
            cooldown.merge(alerts.map(keyed), Instant::now())
        }
    };
    Plan { messages, chains, held_back }
}

/// The records that failed already and hold others back: where each stands, and its chains. Its
/// message group is the one that an alert of it would have.
fn failures(
    composer: &Composer<'_>,
    ordering: Ordering,
    flagged: &[Flag],
    entries: &[Answer],
) -> Vec<((usize, usize), Vec<Chain>)> {
    let event = composer.event;
    // What was bad and could be dealt with is, by now.
    let holds_back = |answer: &Answer| matches!(answer, Answer::Failed { .. });
    let is_flagged = |entry| flagged.binary_search_by_key(&entry, |flag| flag.index).is_ok();
    let of_entry = |entry| {
        let (key, group) = (event.key(entry), composer.message_group(entry));
        ((event.record_of(entry), entry), ordering.chains(key.as_deref(), group.as_deref()))
    };
    let of_record = |record| {
        let key = event.record_key(record);
        ((record, 0), ordering.chains(key.as_deref(), key.as_deref()))
    };
    let failed = entries.iter().enumerate().filter(|(_, answer)| holds_back(answer));
    let failed = failed.map(|(entry, _)| entry).filter(|&entry| !is_flagged(entry));
    let unreadable = event.unreadable().iter().filter(|(_, answer)| holds_back(answer));
    failed.map(of_entry).chain(unreadable.map(|(record, _)| of_record(*record))).collect()
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

#[cfg(all(test, feature = "default-rule"))]
mod tests {
    use std::future::ready;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::contract::FailureKind;
    use crate::dead_letter::{DeadLetter, DeadLetterQueue};
    use crate::{DEFAULT_RULE, Engine, Limits, Pipeline, Request};

    /// A FIFO topic that takes messages of 300 bytes at the most.
    #[derive(Default)]
    struct Topic {
        taken: Mutex<Vec<Alert>>,
    }

    impl Publisher for Topic {
        fn keeps_order(&self) -> bool {
            true
        }

        async fn publish(
            &self,
            alerts: Vec<Alert>,
            _deadline: Option<Instant>,
        ) -> Vec<Result<(), PublishError>> {
            let mut taken = self.taken.lock().expect("the messages");
            let take = |alert: Alert| match alert.message.len() {
                ..=300 => {
                    taken.push(alert);
                    Ok(())
                }
                _ => Err(PublishError::Rejected("too large".to_owned())),
            };
            alerts.into_iter().map(take).collect()
        }
    }

    fn pipeline(topic: &Topic) -> Pipeline<&Topic> {
        let engine = Engine::new(Limits::default()).expect("an engine");
        let rule = Rule::load(&engine, DEFAULT_RULE).expect("the rule");
        Pipeline::new(rule.open("{\"upper\":1.5}").expect("a filter"), topic)
    }

    fn process(pipeline: &Pipeline<&Topic>, body: &str) -> Response {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let request = Request { body: body.as_bytes(), ..Request::default() };
        runtime.block_on(pipeline.process(request)).expect("an event")
    }

    /// An event of a FIFO queue. Each message has an id, a group and a payload.
    fn queued(messages: &[(&str, &str, &str)]) -> String {
        let message = |(id, group, payload): &(&str, &str, &str)| {
            serde_json::json!({
                "messageId": id,
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:1:q.fifo",
                "attributes": { "MessageGroupId": group },
                "body": payload,
            })
        };
        let messages: Vec<_> = messages.iter().map(message).collect();
        serde_json::json!({ "Records": messages }).to_string()
    }

    fn failed(response: &Response) -> Vec<(&str, FailureKind)> {
        response.failures.iter().map(|failure| (failure.id.as_str(), failure.kind)).collect()
    }

    #[test]
    fn a_message_group_of_the_payload_holds_back_as_that_of_the_source() {
        let topic = Topic::default();
        let pipeline = pipeline(&topic).message_group("/device".parse().expect("a pointer"));
        let messages = [
            ("bad", "a", r#"{"device":"d"}"#),
            ("same group", "a", r#"{"ANOMALY_SCORE":2,"device":"e"}"#),
            ("same device", "b", r#"{"ANOMALY_SCORE":2,"device":"d"}"#),
            ("held back too", "c", r#"{"ANOMALY_SCORE":2,"device":"e"}"#),
            ("free", "f", r#"{"ANOMALY_SCORE":2,"device":"f"}"#),
        ];
        let response = process(&pipeline, &queued(&messages));
        let kinds = [
            ("bad", FailureKind::Permanent),
            ("same group", FailureKind::Transient),
            ("same device", FailureKind::Transient),
            ("held back too", FailureKind::Transient),
        ];
        assert_eq!(failed(&response), kinds);
        let taken = topic.taken.lock().expect("the messages");
        let taken: Vec<_> = taken.iter().map(|alert| alert.record_id.as_str()).collect();
        assert_eq!(taken, ["free"]);
    }

    /// A queue that answers so, and counts the letters.
    #[derive(Debug)]
    struct Queue {
        answer: PublishError,
        letters: AtomicUsize,
    }

    impl DeadLetterQueue for Queue {
        fn send(
            &self,
            letters: Vec<DeadLetter>,
            _deadline: Option<Instant>,
        ) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
            self.letters.fetch_add(letters.len(), Relaxed);
            ready(vec![Err(self.answer.clone()); letters.len()]).boxed()
        }
    }

    #[test]
    fn a_record_whose_letter_is_not_taken_holds_back_as_one_that_failed() {
        let flagged = r#"{"ANOMALY_SCORE":2}"#;
        let messages = [("1", "a", flagged), ("bad", "a", "{}"), ("3", "a", flagged)];
        for (answer, kind) in [
            (PublishError::Refused("access denied".to_owned()), FailureKind::Transient),
            (PublishError::Rejected("too large".to_owned()), FailureKind::Permanent),
        ] {
            let topic = Topic::default();
            let queue = Arc::new(Queue { answer, letters: AtomicUsize::new(0) });
            let pipeline =
                pipeline(&topic).on_bad_record(OnBadRecord::DeadLetter(Arc::clone(&queue) as _));
            let response = process(&pipeline, &queued(&messages));
            assert_eq!(failed(&response), [("bad", kind), ("3", FailureKind::Transient)]);
            assert_eq!((response.counts.published, queue.letters.load(Relaxed)), (1, 1));
            let reason = &response.failures[0].reason;
            assert_eq!(reason.matches("its dead letter").count(), 1, "{reason}");
        }
    }

    #[test]
    fn an_alert_that_is_too_large_fails_alone_though_it_was_merged() {
        let topic = Topic::default();
        let key = "/device".parse().expect("a pointer");
        let pipeline = pipeline(&topic)
            .on_bad_record(OnBadRecord::Drop)
            .cooldown(Cooldown::new(key, Duration::from_secs(60)));
        let payload = |bytes: usize| {
            format!(r#"{{"ANOMALY_SCORE":2,"device":"d","text":"{}"}}"#, "x".repeat(bytes))
        };
        let payloads = [0, 0, 400, 0, 200, 200].map(payload);
        let ids = ["1", "2", "3", "4", "5", "6"];
        let messages: Vec<_> =
            ids.iter().zip(&payloads).map(|(id, payload)| (*id, "a", payload.as_str())).collect();
        let response = process(&pipeline, &queued(&messages));
        assert_eq!((response.counts.published, response.counts.discarded), (5, 1));
        let taken = topic.taken.lock().expect("the messages");
        let whole = taken.iter().filter(|alert| alert.message.contains("xxx")).count();
        assert_eq!((taken.len(), whole), (5, 2), "none fit into one message");
    }

    #[test]
    fn what_comes_after_a_bad_record_is_not_merged_with_what_comes_before() {
        let topic = Topic::default();
        let key = "/device".parse().expect("a pointer");
        let pipeline = pipeline(&topic).cooldown(Cooldown::new(key, Duration::from_secs(60)));
        let flagged = r#"{"ANOMALY_SCORE":2,"device":"d"}"#;
        let messages =
            [("1", "a", flagged), ("2", "a", flagged), ("bad", "a", "{}"), ("4", "a", flagged)];
        let response = process(&pipeline, &queued(&messages));
        assert_eq!(
            failed(&response),
            [("bad", FailureKind::Permanent), ("4", FailureKind::Transient)]
        );
        assert_eq!(response.counts.published, 2);
    }
}
