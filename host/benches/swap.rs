//! What swapping the rule costs the batches that are classified meanwhile: their latency while the
//! rule is swapped 1,000 times, beside that of none.
//!
//! `cargo bench --package weir --bench swap` prints the quantiles. Contestants work in turns, so that
//! all have their share of what else the machine does; one of them is there twice, and how much these
//! two differ is the noise.

#[expect(dead_code, reason = "it is there for all benches")]
mod workload;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use weir::Request;

use workload::{QUIET, RECORDS};

/// How often each contestant has its turn.
const TURNS: u32 = 50;

/// How long a turn is.
const TURN: Duration = Duration::from_millis(200);

/// How often the rule is swapped in a turn.
const SWAPS: u32 = 20;

/// The quantiles that are told, in thousandths.
const QUANTILES: [usize; 4] = [500, 900, 990, 999];

fn main() {
    let pipeline = workload::pipeline();
    let event = workload::event(&workload::records(RECORDS, 200));
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let rule = workload::rule();
    let swap = || pipeline.rule().swap(workload::filter(&rule, QUIET));
    // What else is done as often, so that it is the swap alone that differs.
    let open = || drop(workload::filter(&rule, QUIET));

    // How long each event took while something is done again and again beside it.
    let turn = |beside: &(dyn Fn() + Sync)| {
        let ended = AtomicBool::new(false);
        thread::scope(|threads| {
            let load = threads.spawn(|| {
                let _runtime = runtime.enter();
                let mut latencies = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    let request = Request { body: &event, ..Request::default() };
                    let started = Instant::now();
                    let response = pipeline.process_blocking(request).expect("an event");
                    latencies.push(started.elapsed());
                    assert_eq!(response.counts.passed, RECORDS as u64, "nothing is lost");
                }
                latencies
            });
            for _ in 0..SWAPS {
                thread::sleep(TURN / SWAPS);
                beside();
            }
            ended.store(true, Ordering::Relaxed);
            load.join().expect("the load")
        })
    };

    let contestants: [(&str, &(dyn Fn() + Sync)); 3] =
        [("no swap", &open), ("no swap, again", &open), ("swaps", &swap)];
    let mut latencies = contestants.map(|_| Vec::new());
    // The first round is for warming up.
    for round in 0..=TURNS as usize {
        for place in 0..contestants.len() {
            let index = (round + place) % contestants.len();
            let taken = turn(contestants[index].1);
            if round > 0 {
                latencies[index].extend(taken);
            }
        }
    }

    println!("{} events of {RECORDS} records, {} swaps", latencies[2].len(), TURNS * SWAPS);
    println!("{:16}{:>11}{:>11}{:>11}{:>11}{:>11}", "", "p50", "p90", "p99", "p99.9", "highest");
    let quantiles = latencies.each_mut().map(|latencies| quantiles(latencies));
    for ((name, _), quantiles) in contestants.iter().zip(&quantiles) {
        let figures = quantiles.map(|latency| format!("{:>8.1} µs", latency.as_secs_f64() * 1e6));
        println!("{name:16}{}", figures.concat());
    }
    for (name, one) in [("noise", 1), ("swaps / none", 2)] {
        let ratio = |place: usize| quantiles[one][place].div_duration_f64(quantiles[0][place]);
        let ratios = [0, 1, 2, 3, 4].map(|place| format!("{:>11.3}", ratio(place)));
        println!("{name:16}{}", ratios.concat());
    }
}

/// The quantiles of some latencies, and the highest.
fn quantiles(latencies: &mut [Duration]) -> [Duration; 5] {
    latencies.sort_unstable();
    let at = |thousandths: usize| latencies[(latencies.len() - 1) * thousandths / 1000];
    let [p50, p90, p99, p999] = QUANTILES.map(at);
    [p50, p90, p99, p999, at(1000)]
}
