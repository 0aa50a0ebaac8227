//! Many events at once, on one core and on more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{self, Runtime};
use tokio::task::JoinSet;
use weir::Request;

use crate::affinity;
use crate::table::{Line, Mark, Quantity};
use crate::turns::{self, Contestant};
use crate::workload::{self, RECORDS};

/// How many times what one core does, two are to do.
const TWO_CORES: f64 = 1.8;

/// Long enough for the threads to be under way most of it.
const TURN: Duration = Duration::from_millis(20);

pub(crate) fn measure(turns: usize, lines: &mut Vec<Line>) {
    let cores = affinity::cores().len();
    eprintln!("cores: two beside one; this machine gives {cores}");
    if cores < 2 {
        return;
    }
    let figures = turns::take(turns, &mut [throughput(1), throughput(2)]);
    lines.push(Line::ratio(
        "the whole pipeline: two cores / one",
        &figures,
        [1, 0],
        Quantity::RecordsPerSecond,
        Some(Mark::AtLeast(TWO_CORES)),
    ));
}

/// A contestant that processes events on so many cores. Its figure is records a second.
pub(crate) fn throughput(cores: usize) -> Contestant<'static> {
    let pipeline = Arc::new(workload::pipeline());
    let event: Arc<[u8]> = workload::event(&workload::records(RECORDS, 200)).into();
    let runtime = runtime(cores);
    Box::new(move || {
        let started = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..cores {
            let (pipeline, event) = (Arc::clone(&pipeline), Arc::clone(&event));
            let work = move || {
                let mut events = 0;
                while started.elapsed() < TURN {
                    let request = Request { body: &event, ..Request::default() };
                    let response = pipeline.process_blocking(request).expect("an event");
                    assert_eq!(response.counts.passed, RECORDS as u64, "nothing is flagged");
                    events += 1;
                }
                events
            };
            running.spawn_blocking_on(work, runtime.handle());
        }
        let events: usize = runtime.block_on(running.join_all()).into_iter().sum();
        (events * RECORDS) as f64 / started.elapsed().as_secs_f64()
    })
}

/// A runtime whose threads stay on so many cores.
fn runtime(cores: usize) -> Runtime {
    runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(cores)
        .on_thread_start(affinity::over(affinity::cores().into_iter().take(cores).collect()))
        .build()
        .expect("a runtime")
}
