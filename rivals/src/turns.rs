//! Contestants measured side by side, by the processor time that they take: unlike the time on the
//! wall it leaves out what else the machine does. It is the process's, so it includes the threads
//! with which engines keep their time limits.

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ProcessTime;

use crate::engines::Contestant;

/// Turns that count, and turns before them that do not.
const TURNS: usize = 200;
const WARM_UP: usize = 20;

/// How much each contestant works in a turn, at the least.
const TURN: Duration = Duration::from_millis(2);

/// What a record costs each contestant, turn by turn, in nanoseconds.
pub(crate) fn take(contestants: &mut [Contestant], records: usize) -> Vec<Vec<f64>> {
    let mut turn = || contestants.iter_mut().map(|one| cost_of_turn(one, records)).collect();
    (0..WARM_UP).for_each(|_| {
        let _: Vec<_> = turn();
    });
    (0..TURNS).map(|_| turn()).collect()
}

fn cost_of_turn(contestant: &mut Contestant, records: usize) -> f64 {
    let started = ProcessTime::now();
    let mut batches = 0;
    while started.elapsed() < TURN {
        black_box((contestant.classify)());
        batches += 1;
    }
    started.elapsed().as_nanos() as f64 / f64::from(batches) / records as f64
}

/// The one in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
