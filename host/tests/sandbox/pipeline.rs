use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, join, pending};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use weir::contract::Contract;
use weir::dead_letter::{DeadLetter, DeadLetterQueue};
use weir::publish::{AlertFormat, AlertWriter, Cooldown, PublishError, Publisher};
use weir::state::{
    FileStore, Keeper, MemoryStore, SaveError, SaveEvery, StateStore, StoreError, Stored, Version,
};
use weir::{Alert, Limits, OnBadRecord, Pipeline, Request};

use crate::guest::{Answer, FAIL, FLAG, Guest, LISTS, OUTCOME, PASS, of_shard};
use crate::state::remembering;

const EVENT: &str = r#"{"applicationArn":"a","records":[
    {"recordId":"1","data":"e30="},{"recordId":"2","data":"e30="}]}"#;

const ANSWER: &str =
    r#"{"records":[{"recordId":"1","result":"Ok"},{"recordId":"2","result":"Ok"}]}"#;

/// A rule that flags the second of two records.
fn guest() -> Guest {
    let answer =
        Answer { verdicts: vec![PASS, FLAG], flagged: vec![(1, 2.0)], ..Answer::default() };
    Guest { answer, ..Guest::default() }
}

fn pipeline() -> Pipeline<AlertWriter<Vec<u8>>> {
    let filter = guest().open(Limits::default());
    Pipeline::new(filter, AlertWriter::new(AlertFormat::Ndjson, Vec::new()))
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn request() -> Request<'static> {
    Request { body: EVENT.as_bytes(), ..Request::default() }
}

#[test]
fn an_event_is_processed_by_a_task() {
    let response = runtime().block_on(pipeline().process(request())).expect("an event");
    assert_eq!(String::from_utf8_lossy(&response.body), ANSWER);
    assert_eq!((response.counts.passed, response.counts.published), (1, 1));
}

#[test]
fn events_are_processed_by_threads_at_once() {
    let (pipeline, runtime) = (pipeline(), runtime());
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let _runtime = runtime.enter();
                let response = pipeline.process_blocking(request()).expect("an event");
                assert_eq!(String::from_utf8_lossy(&response.body), ANSWER);
                assert_eq!((response.counts.passed, response.counts.published), (1, 1));
            });
        }
    });
}

#[test]
fn a_time_without_end_is_none() {
    let field = "/a".parse().expect("a pointer");
    let pipeline =
        pipeline().publish_timeout(Duration::MAX).cooldown(Cooldown::new(field, Duration::MAX));
    let response = runtime().block_on(pipeline.process(request())).expect("an event");
    assert_eq!(response.counts.published, 1);
}

/// Publishes when it is told to.
#[derive(Clone, Default)]
struct Held {
    asked: Arc<Notify>,
    told: Arc<Notify>,
    messages: Arc<AtomicUsize>,
}

impl Publisher for Held {
    async fn publish(
        &self,
        alerts: Vec<Alert>,
        _deadline: Option<Instant>,
    ) -> Vec<Result<(), PublishError>> {
        self.messages.fetch_add(alerts.len(), Ordering::Relaxed);
        self.asked.notify_one();
        self.told.notified().await;
        vec![Ok(()); alerts.len()]
    }
}

#[test]
fn a_trial_is_withdrawn_while_alerts_are_published() {
    let publisher = Held::default();
    let pipeline = Pipeline::new(guest().open(Limits::default()), publisher.clone());
    let classify = format!("(i32.store (i32.const {}) (local.get 4))", OUTCOME + 4);
    let candidate = Guest { name: "another", classify, ..Guest::default() };
    pipeline.rule().shadow(candidate.open(Limits::default()));
    let response = runtime().block_on(async {
        let withdraw = async {
            publisher.asked.notified().await;
            // Nothing else runs on this thread meanwhile.
            assert!(pipeline.rule().withdraw().is_some());
            publisher.told.notify_one();
        };
        futures_util::future::join(pipeline.process(request()), withdraw).await.0
    });
    assert_eq!(response.expect("an event").counts.published, 1);
}

#[test]
fn a_state_is_kept_with_one_thread_for_what_blocks() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(folder.path()).expect("a folder");
    let keeper = Keeper::new(store).save_every(SaveEvery::Records(1)).takes_turns();
    let filter = Guest { keeps_state: true, ..guest() }.open(Limits::default());
    let pipeline =
        Pipeline::new(filter, AlertWriter::new(AlertFormat::Ndjson, Vec::new())).keeper(keeper);
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build();
    runtime.expect("a runtime").block_on(async {
        let response = pipeline.process(request()).await.expect("an event");
        assert_eq!(response.counts.published, 1);
        pipeline.save_states().await;
    });
    assert!(std::fs::read_dir(folder.path()).expect("the folder").count() > 0, "it is saved");
}

/// What an event is published as: how many messages.
fn messages(pipeline: &Pipeline<Held>, publisher: &Held, request: Request<'_>) -> usize {
    publisher.told.notify_one();
    runtime().block_on(pipeline.process(request)).expect("an event");
    publisher.messages.swap(0, Ordering::Relaxed)
}

#[test]
fn an_alert_that_nobody_waits_for_any_more_leaves_no_window() {
    let event = EVENT.replace("e30=", "eyJhIjoxfQ==");
    let request = || Request { body: event.as_bytes(), ..Request::default() };
    let flagged = vec![(0, 2.0), (1, 2.0)];
    let answer = Answer { verdicts: vec![FLAG, FLAG], flagged, ..Answer::default() };
    let filter = Guest { answer, ..Guest::default() }.open(Limits::default());
    let publisher = Held::default();
    let cooldown = Cooldown::new("/a".parse().expect("a pointer"), Duration::MAX);
    let pipeline = Pipeline::new(filter, publisher.clone()).cooldown(cooldown);
    runtime().block_on(async {
        let process = pin!(pipeline.process(request()));
        let asked = pin!(publisher.asked.notified());
        let first = futures_util::future::select(process, asked).await;
        assert!(matches!(first, Either::Right(_)), "it is not told to");
    });
    publisher.messages.store(0, Ordering::Relaxed);
    assert_eq!(messages(&pipeline, &publisher, request()), 2, "the first, and what follows it");
    assert_eq!(messages(&pipeline, &publisher, request()), 1, "they follow");
}

/// Confirms so many alerts of each call; without a number, it never answers.
struct Confirms(Option<usize>);

impl Publisher for Confirms {
    fn keeps_order(&self) -> bool {
        true
    }

    async fn publish(
        &self,
        _alerts: Vec<Alert>,
        _deadline: Option<Instant>,
    ) -> Vec<Result<(), PublishError>> {
        match self.0 {
            Some(alerts) => vec![Ok(()); alerts],
            None => pending().await,
        }
    }
}

/// A queue that never answers.
struct Mute;

impl DeadLetterQueue for Mute {
    fn send(
        &self,
        _letters: Vec<DeadLetter>,
        _deadline: Option<Instant>,
    ) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        pending().boxed()
    }
}

/// A runtime whose time passes, and how long a test waits for what hangs.
fn runtime_with_time() -> (Runtime, Duration) {
    let runtime = Builder::new_current_thread().enable_time().build();
    (runtime.expect("a runtime"), Duration::from_secs(60))
}

#[test]
fn an_alert_that_its_publisher_does_not_answer_for_is_not_confirmed() {
    let flagged = vec![(0, 2.0), (1, 2.0)];
    let answer = Answer { verdicts: vec![FLAG, FLAG], flagged, ..Answer::default() };
    let (runtime, patience) = runtime_with_time();
    for (confirmed, published) in [(Some(0), 0), (Some(1), 1), (Some(3), 2), (None, 0)] {
        let filter = Guest { answer: answer.clone(), ..Guest::default() }.open(Limits::default());
        let pipeline = Pipeline::new(filter, Confirms(confirmed))
            .ordering(weir::publish::Ordering::None)
            .publish_timeout(Duration::ZERO);
        let answered = async { timeout(patience, pipeline.process(request())).await };
        let response = runtime.block_on(answered).expect("an answer").expect("an event");
        assert_eq!(response.counts.published, published, "{confirmed:?}");
        assert_eq!(response.failures.len(), 2 - confirmed.unwrap_or(0).min(2), "{confirmed:?}");
        for failure in response.failures {
            let reason = "publishing was not confirmed: its publisher did not answer for it";
            assert_eq!(failure.reason, reason, "{confirmed:?}");
        }
    }
}

#[test]
fn a_dead_letter_that_its_queue_does_not_answer_for_is_not_confirmed() {
    let answer = Answer { verdicts: vec![FAIL, PASS], failed: vec![0], ..Answer::default() };
    let filter = Guest { answer, ..Guest::default() }.open(Limits::default());
    let pipeline = Pipeline::new(filter, Confirms(None))
        .on_bad_record(OnBadRecord::DeadLetter(Arc::new(Mute)))
        .publish_timeout(Duration::ZERO);
    let (runtime, patience) = runtime_with_time();
    let answered = async { timeout(patience, pipeline.process(request())).await };
    let response = runtime.block_on(answered).expect("an answer").expect("an event");
    let [failure] = &response.failures[..] else { panic!("{response:?}") };
    assert!(failure.reason.ends_with("its queue did not answer for it"), "{}", failure.reason);
}

#[test]
fn one_publisher_serves_several_pipelines() {
    let publisher = Arc::new(Confirms(Some(1)));
    let shared = Pipeline::new(guest().open(Limits::default()), Arc::clone(&publisher));
    let borrowed = Pipeline::new(guest().open(Limits::default()), &*publisher);
    for answered in [
        runtime().block_on(shared.process(request())),
        runtime().block_on(borrowed.process(request())),
    ] {
        assert_eq!(answered.expect("an event").counts.published, 1);
    }
    let keep_order = [Publisher::keeps_order(&publisher), Publisher::keeps_order(&&*publisher)];
    assert_eq!(keep_order, [true; 2], "as it does itself");
}

/// Keeps the scores of what it is given.
#[derive(Default)]
struct Scores(Mutex<Vec<f64>>);

impl Publisher for Scores {
    async fn publish(
        &self,
        alerts: Vec<Alert>,
        _deadline: Option<Instant>,
    ) -> Vec<Result<(), PublishError>> {
        let results = vec![Ok(()); alerts.len()];
        self.0.lock().expect("no panic").extend(alerts.into_iter().filter_map(|alert| alert.score));
        results
    }
}

/// A rule that flags the one record of a batch, with the number of batches that it has seen as the score.
fn counting() -> Guest {
    let score = LISTS + 24;
    let classify = format!(
        "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
         (f64.store (i32.const {score}) (f64.convert_i32_u (global.get $seen)))"
    );
    let answer = Answer { verdicts: vec![FLAG], flagged: vec![(0, 0.0)], ..Answer::default() };
    Guest { answer, ..remembering(classify) }
}

fn of_kinesis(event: &str) -> Request<'_> {
    let contract = Some(Contract::Kinesis);
    Request { body: event.as_bytes(), contract, ..Request::default() }
}

#[test]
fn an_event_that_nobody_waits_for_any_more_before_it_is_begun_is_not_classified() {
    let scores = Scores::default();
    let pipeline = Pipeline::new(counting().open(Limits::default()), &scores);
    let [first, second] = [1, 2].map(|number| of_shard("a", number));
    let [first, second] = [&first, &second].map(|event| of_kinesis(event));
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build();
    runtime.expect("a runtime").block_on(async {
        let (release, held) = mpsc::channel::<()>();
        spawn_blocking(move || held.recv());
        assert!(pipeline.process(first).now_or_never().is_none());
        drop(release);
        pipeline.process(second).await.expect("an event");
    });
    assert_eq!(*scores.0.lock().expect("no panic"), [1.0]);
}

/// A store that is read by two at once.
#[derive(Debug)]
struct Pairing {
    states: MemoryStore,
    pair: Barrier,
}

impl StateStore for Pairing {
    fn load<'a>(
        &'a self,
        key: &'a str,
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        self.pair.wait();
        self.states.load(key, max_bytes)
    }

    fn version<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Version>, StoreError>> {
        self.states.version(key)
    }

    fn save<'a>(
        &'a self,
        key: &'a str,
        state: Vec<u8>,
        expected: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<Version, SaveError>> {
        self.states.save(key, state, expected)
    }
}

#[test]
fn an_event_that_waits_for_its_turn_holds_no_thread_and_gives_way_if_it_is_dropped() {
    let scores = Scores::default();
    let store = Pairing { states: MemoryStore::default(), pair: Barrier::new(2) };
    let pipeline = Pipeline::new(counting().open(Limits::default()), &scores);
    let pipeline = pipeline.keeper(Keeper::new(store));
    let events = [("a", 1), ("a", 2), ("b", 1), ("a", 3)];
    let events = events.map(|(shard, number)| of_shard(shard, number));
    let [first, waiting, other, last] = [0, 1, 2, 3].map(|event| of_kinesis(&events[event]));
    let runtime =
        Builder::new_current_thread().max_blocking_threads(2).enable_time().build().expect("one");
    let answered = runtime.block_on(async {
        let mut first = pin!(pipeline.process(first));
        assert!((&mut first).now_or_never().is_none(), "it reads its state");
        let mut waiting = Box::pin(pipeline.process(waiting));
        assert!((&mut waiting).now_or_never().is_none(), "it is behind");
        let both = join(first, pipeline.process(other));
        let both = timeout(Duration::from_secs(60), both).await.ok()?;
        drop(waiting);
        let last = timeout(Duration::from_secs(60), pipeline.process(last)).await.ok()?;
        Some([both.0, both.1, last])
    });
    // It would wait for those that hold a thread.
    runtime.shutdown_background();
    let answered = answered.expect("there are threads");
    assert!(answered.iter().all(Result::is_ok));
    let mut scores = scores.0.into_inner().expect("no panic");
    scores.sort_by(f64::total_cmp);
    assert_eq!(scores, [1.0, 1.0, 2.0], "the one that was dropped is not classified");
}
