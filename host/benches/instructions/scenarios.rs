//! What is counted.

use std::hint::black_box;
use std::process::ExitCode;

use weir::{Instances, Request};

use crate::workload::records::{self, Likeness};
use crate::workload::{self, ALERTING, QUIET, RECORDS};

/// Sets a scenario up. What it makes is run twice: once so that everything that happens only once
/// has happened, and once to be counted.
type Scenario = fn() -> Box<dyn FnMut()>;

/// Each with its name: 500 records of so many bytes, which are alike unless it says otherwise.
pub(crate) const SCENARIOS: [(&str, Scenario); 9] = [
    ("rule, 200 bytes", || rule(200)),
    ("rule, 2000 bytes", || rule(2000)),
    ("component, 200 bytes", || component(workload::records(RECORDS, 200))),
    ("component, 2000 bytes", || component(workload::records(RECORDS, 2000))),
    ("component, varied records", || component(records::of(Likeness::Varied, RECORDS, 200))),
    ("component, unlike records", || component(records::of(Likeness::Unlike, RECORDS, 200))),
    ("kept instance, 1 record", || instances(Instances::Kept)),
    ("fresh instance, 1 record", || instances(Instances::Fresh)),
    ("pipeline, 200 bytes", || pipeline(200)),
];

/// Runs a scenario by its name, within what callgrind counts.
pub(crate) fn run(name: &str) -> Result<ExitCode, String> {
    let (_, scenario) = SCENARIOS
        .into_iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("no scenario is named {name:?}"))?;
    let mut work = scenario();
    work();
    counted(&mut *work);
    Ok(ExitCode::SUCCESS)
}

/// Callgrind counts from the beginning of this function to its end, in this thread. It finds it by
/// its name.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
    // The call above must not be the last thing done here: it would become a jump, and the
    // function be left before it.
    black_box(());
}

/// The rule, compiled natively.
fn rule(bytes: usize) -> Box<dyn FnMut()> {
    let mut classify = workload::native_rule(&workload::records(RECORDS, bytes));
    Box::new(move || drop(black_box(classify())))
}

/// The rule in its sandbox, with the way in and out. The instance is kept.
fn component(records: Vec<String>) -> Box<dyn FnMut()> {
    let filter = workload::filter(&workload::rule(), ALERTING).instances(Instances::Kept);
    let batch = workload::batch(&records);
    Box::new(move || drop(black_box(filter.classify(&batch).expect("an outcome"))))
}

/// A hundred batches of one record: mostly the way in and out of the sandbox, and what an instance
/// costs. That its memory is cleared is not counted: the kernel and the system's library do that.
fn instances(instances: Instances) -> Box<dyn FnMut()> {
    let filter = workload::filter(&workload::rule(), QUIET).instances(instances);
    let batch = workload::batch(&workload::records(1, 200));
    Box::new(move || {
        for _ in 0..100 {
            drop(black_box(filter.classify(&batch).expect("an outcome")));
        }
    })
}

/// The whole way of an event, from its bytes to those of its answer: what is beyond the component is
/// reading the event and writing the answer.
fn pipeline(bytes: usize) -> Box<dyn FnMut()> {
    let pipeline = workload::pipeline();
    let event = workload::event(&workload::records(RECORDS, bytes));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    Box::new(move || {
        let _within = runtime.enter();
        let request = Request { body: &event, ..Request::default() };
        drop(black_box(pipeline.process_blocking(request).expect("an event")));
    })
}
