use std::thread;

use tokio::runtime::{Builder, Runtime};
use weir::publish::{AlertFormat, AlertWriter};
use weir::{Limits, Pipeline, Request};

use crate::guest::{Answer, FLAG, Guest, PASS};

const EVENT: &str = r#"{"applicationArn":"a","records":[
    {"recordId":"1","data":"e30="},{"recordId":"2","data":"e30="}]}"#;

const ANSWER: &str =
    r#"{"records":[{"recordId":"1","result":"Ok"},{"recordId":"2","result":"Ok"}]}"#;

/// A pipeline whose rule flags the second of two records.
fn pipeline() -> Pipeline<AlertWriter<Vec<u8>>> {
    let answer =
        Answer { verdicts: vec![PASS, FLAG], flagged: vec![(1, 2.0)], ..Answer::default() };
    let filter = Guest { answer, ..Guest::default() }.open(Limits::default());
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
