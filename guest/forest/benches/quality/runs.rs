//! All contestants over all data with all seeds, on all cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::scorers::{Contestant, Scorer};

/// A stream of records to score.
pub(crate) trait Stream: Sync {
    /// Numbers in a record.
    fn columns(&self) -> u32;
    /// Scores every record in turn.
    fn run(&self, scorer: &mut dyn Scorer) -> Vec<f64>;
}

/// The scores that a contestant gave: by seed, by stream, by record.
pub(crate) type Runs = Vec<Vec<Vec<f64>>>;

/// Lets each contestant score each stream, once with each of its seeds.
pub(crate) fn run<S: Stream>(contestants: &[&Contestant], streams: &[S], seeds: u64) -> Vec<Runs> {
    let mut jobs = Vec::new();
    let mut runs: Vec<Runs> = Vec::new();
    for (index, contestant) in contestants.iter().enumerate() {
        let seeds = contestant.seeds(seeds);
        runs.push(vec![vec![Vec::new(); streams.len()]; seeds as usize]);
        jobs.extend(
            (0..seeds).flat_map(|seed| (0..streams.len()).map(move |stream| (index, seed, stream))),
        );
    }
    let (next, done) = (AtomicUsize::new(0), Mutex::new(&mut runs));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(&(index, seed, stream)) =
                    jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let mut scorer = (contestants[index].make)(streams[stream].columns(), seed);
                    let scores = streams[stream].run(scorer.as_mut());
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done[index][seed as usize][stream] = scores;
                }
            });
        }
    });
    runs
}
