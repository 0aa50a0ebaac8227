//! The whole pipeline on one core, from the bytes of an event to those of its answer, with nothing
//! to publish.

use serde_json::Value;
use tokio::runtime;
use weir::publish::Publisher;
use weir::{Pipeline, Request};

use crate::affinity;
use crate::cpython::CPython;
use crate::table::{Figure, Line, Mark, Quantity};
use crate::turns::{self, per_record};
use crate::workload::{self, QUIET, RECORDS};

/// The bound of [`QUIET`].
const UPPER: f64 = 3.0;

/// Of the classification, what reading the event and writing the answer is to cost at most.
const ENVELOPES: f64 = 0.5;

/// How many times faster than Python's the pipeline is to be.
const BESIDE_PYTHON: f64 = 15.0;

pub(crate) fn measure(turns: usize, lines: &mut Vec<Line>) {
    eprintln!("pipeline: events of {RECORDS} records of 200 bytes, on one core");
    lines.extend(affinity::on_one_core(|| on_this_core(turns)));
}

fn on_this_core(turns: usize) -> Vec<Line> {
    let records = workload::records(RECORDS, 200);
    let event = workload::event(&records);
    let batch = workload::batch(&records);
    let pipeline = workload::pipeline();
    let filter = workload::filter(&workload::rule(), QUIET);
    let runtime = runtime::Builder::new_current_thread().build().expect("a runtime");
    let _within = runtime.enter();

    let python = CPython::start(UPPER, &event);
    let mut python = python.inspect_err(|why| eprintln!("python3 cannot be run: {why}")).ok();
    if let Some(python) = &mut python {
        let answer = process(&pipeline, &event);
        let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).expect("an answer is JSON");
        assert!(parse(&answer) == parse(python.answer().as_bytes()), "both answer the same");
    }

    let mut contestants = vec![
        per_record(RECORDS, || process(&pipeline, &event)),
        per_record(RECORDS, || filter.classify(&batch).expect("an outcome")),
    ];
    let name = python.as_ref().map(|python| python.name.clone());
    contestants.extend(python.as_mut().map(CPython::invoke));
    let figures = turns::take(turns, &mut contestants);

    let mut lines = vec![Line {
        what: "one core: envelope in, response out / classification".to_owned(),
        measured: Quantity::Nanoseconds(figures.median(|turn| turn[0] - turn[1])),
        beside: Quantity::Nanoseconds(figures.of(1)),
        figure: Figure::Ratio(figures.median(|turn| (turn[0] - turn[1]) / turn[1])),
        mark: Some(Mark::AtMost(ENVELOPES)),
    }];
    lines.extend(name.map(|name| {
        Line::ratio(
            format!("one core: {name}'s handler / the whole pipeline"),
            &figures,
            [2, 0],
            Quantity::Nanoseconds,
            Some(Mark::AtLeast(BESIDE_PYTHON)),
        )
    }));
    lines
}

fn process<P: Publisher>(pipeline: &Pipeline<P>, event: &[u8]) -> Vec<u8> {
    let request = Request { body: event, ..Request::default() };
    let response = pipeline.process_blocking(request).expect("an event");
    assert_eq!(response.counts.passed, RECORDS as u64, "nothing is flagged and nothing fails");
    response.body
}
