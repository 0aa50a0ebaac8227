use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::Either;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use weir::publish::{AlertFormat, AlertWriter, Cooldown, PublishError, Publisher};
use weir::state::{FileStore, Keeper, SaveEvery};
use weir::{Alert, Limits, Pipeline, Request};

use crate::guest::{Answer, FLAG, Guest, OUTCOME, PASS};

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
